//! The dump flows into the file, watched by its progress, by the room on the disk and by whoever may stop the job; its upload
//! follows it. Must never say that a dump is whole before the dump itself does, nor before the disk has it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::sync::mpsc::UnboundedSender;

use super::seal::unwritten;
use crate::datastores::dump::Dump;
use crate::jobs::blocking;
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::room::Shortage;
use crate::jobs::stop::Progress;
use crate::jobs::stream::{self, Flow, FlowError};
use crate::jobs::upload::{self, Word};

/// The right to have the upload completed; dropped unsaid, the upload is broken off.
pub struct Sure(UnboundedSender<Word>);

impl Sure {
    pub fn say(self, flow: &Flow) {
        // An upload that failed meanwhile tells so itself.
        let _ = self.0.send(Word::Whole { bytes: flow.bytes, crc64nvme: flow.crc64nvme });
    }
}

/// A dump that is whole and on the disk.
pub struct Written {
    pub flow: Flow,
    pub sure: Sure,
    /// What the dump had to say at its end.
    pub notes: Vec<String>,
}

/// Lets the dump flow into the file and hears from the dump whether it is whole.
pub async fn write(
    context: &Context,
    mut dump: Box<dyn Dump>,
    file: Arc<File>,
    place: PathBuf,
    tell: UnboundedSender<Word>,
) -> Result<Written, JobError> {
    let (compression, threads) = (context.job.compression, context.threads);
    let progress = Progress::of(dump.gathers_in());
    let (watched, stop) = (progress.clone(), context.stop.clone());
    let (room, around) = (context.room.clone(), place.clone());
    let writing = blocking(Stage::Dump, move || {
        let stream = watched.watch(dump.stream()?);
        // Told before its program ran, nobody told the program; told from now on, it is among those that are.
        if let Some(why) = stop.why() {
            return Err(JobError::new(Stage::Dump, why.to_owned()));
        }
        let (flow, settled) = settling(&file, |settle| {
            let on_part = |part| {
                // An upload that failed meanwhile tells so itself; the dump goes on.
                let _ = tell.send(Word::Part(part));
                settle();
            };
            let watched = room.watch(&*file, &place);
            stream::flow(stream, watched, compression, threads, upload::part_size, on_part)
        });
        let flow = match flow {
            Ok(flow) => flow,
            Err(FlowError::Write(error)) if let Some(shortage) = shortage(&error) => return Err(shortage),
            Err(error @ FlowError::Write(_)) => return Err(unwritten(Stage::Dump, &place, &error)),
            Err(error) => return Err(JobError::new(Stage::Dump, error.to_string())),
        };
        let notes = dump.finish(&flow.last)?;
        settled.and_then(|()| file.sync_all()).map_err(|error| unwritten(Stage::Seal, &place, &error))?;
        Ok(Written { flow, sure: Sure(tell), notes })
    });
    tokio::pin!(writing);
    tokio::select! {
        written = &mut writing => return written?,
        // Its programs were told to end, and with them the dump does.
        () = progress.guard(&context.stop, context.patience) => {}
        short = context.room.guard(&around, &context.stop) => {
            // Whoever notices first, it is the room that was lacking.
            return writing.await?.map_err(|_| too_little(&short));
        }
    }
    writing.await?
}

/// Does `work`, which writes to `file`, while what is written goes to the disk whenever `work` says so: otherwise all
/// of it would at the end, with everything waiting. A disk tells an error once (fsync(2)), so the answer must be heard.
fn settling<T>(file: &File, work: impl FnOnce(&dyn Fn()) -> T) -> (T, std::io::Result<()>) {
    let (say, said) = sync_channel(1);
    std::thread::scope(|scope| {
        let settler = scope.spawn(move || said.iter().try_for_each(|()| file.sync_data()));
        // Where one settling is waiting already, it will see to this as well.
        let done = work(&|| {
            let _ = say.try_send(());
        });
        drop(say);
        let settled =
            settler.join().unwrap_or_else(|_| Err(std::io::Error::other("writing to the disk broke off")));
        (done, settled)
    })
}

/// What a file that was not to grow further says.
fn shortage(error: &std::io::Error) -> Option<JobError> {
    error.get_ref()?.downcast_ref::<Shortage>().map(too_little)
}

fn too_little(shortage: &Shortage) -> JobError {
    let message = format!(
        "{shortage}: the backup was broken off before the disk is full; earlier backups are untouched"
    );
    JobError::new(Stage::Space, message)
        .help("make room or enlarge the volume; older backups are removed only after a new one is proven")
}
