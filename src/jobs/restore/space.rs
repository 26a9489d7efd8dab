//! The room for what a backup is restored to: asked for before, and watched while it grows. Whoever else writes to the
//! volume, a living PostgreSQL above all, stops for good where a disk is full (see [`crate::jobs::room`]).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::clients::process;
use crate::datastores::names::Content;
use crate::jobs::blocking;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::manifest::Manifest;
use crate::jobs::room::{Room, Shortage, Watched};
use crate::vocab::words::bytes;

/// How often what goes on although there is too little room is broken off again.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether there is room at `place` for what the backup holds, beside what must stay free there. Nobody knows where no
/// manifest tells. `help`: how to restore to another volume.
pub fn check(
    room: &Room,
    place: &Path,
    manifest: Option<&Manifest>,
    content: Content,
    help: &str,
) -> Result<(), JobError> {
    let (Some(manifest), Some(space)) = (manifest, room.of(place)) else { return Ok(()) };
    let written = manifest.uncompressed_bytes;
    let needed = match content {
        // A server makes indices of it, and writes WAL.
        Content::Script => written.saturating_mul(2),
        // Files fill whole blocks.
        Content::Archive => written.saturating_add(written / 10),
    };
    if space.free >= needed.saturating_add(space.floor()) {
        return Ok(());
    }
    let (free, needed, floor) = (bytes(space.free), bytes(needed), bytes(space.floor()));
    let message = format!(
        "{} has {free} free, what is restored needs about {needed}, beside everything that is there, and {floor} must stay \
         for whoever else writes there",
        place.display()
    );
    Err(JobError::new(Stage::Space, message).help(help))
}

/// Watches the room at a place while something is restored to it.
#[derive(Clone)]
pub struct Guard {
    room: Room,
    place: PathBuf,
    short: Arc<OnceLock<Shortage>>,
}

impl Guard {
    pub fn of(room: &Room, place: &Path) -> Guard {
        Guard { room: room.clone(), place: place.to_owned(), short: Arc::default() }
    }

    /// A backup's bytes, which end with an error once there is too little room.
    pub fn watch<'a>(&self, bytes: &'a mut (dyn Read + Send)) -> impl Read + Send + use<'a> {
        Watching { bytes: self.room.watch(bytes, &self.place), short: Arc::clone(&self.short) }
    }

    /// Does some work on a thread of its own. Once there is too little room every program that it started is killed; what
    /// fails meanwhile fails for that reason, whatever it says.
    pub async fn over<T: Send + 'static, E: Send + 'static>(
        &self,
        stage: Stage,
        help: &str,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, JobError> {
        let thread: Arc<OnceLock<ThreadId>> = Arc::default();
        let known = Arc::clone(&thread);
        let working = blocking(stage, move || {
            let _ = known.set(thread::current().id());
            work()
        });
        let mut working = std::pin::pin!(working);
        let done = tokio::select! {
            done = &mut working => done,
            shortage = self.room.short(&self.place) => {
                let _ = self.short.set(shortage);
                loop {
                    if let Some(thread) = thread.get() {
                        process::end_of(*thread);
                    }
                    tokio::select! {
                        done = &mut working => break done,
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                }
            }
        };
        match (done?, self.short.get()) {
            (Err(_), Some(shortage)) => Err(JobError::new(Stage::Space, shortage.to_string()).help(help)),
            (done, _) => Ok(done),
        }
    }
}

struct Watching<R> {
    bytes: Watched<R>,
    short: Arc<OnceLock<Shortage>>,
}

impl<R: Read> Read for Watching<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer).inspect_err(|error| {
            if let Some(shortage) = error.get_ref().and_then(|error| error.downcast_ref::<Shortage>()) {
                let _ = self.short.set(shortage.clone());
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::clients::process::Program;
    use crate::jobs::room::Space;

    /// A volume on which there is room until that is set.
    fn room(is_full: &Arc<AtomicBool>) -> Room {
        let is_full = Arc::clone(is_full);
        Room::new(move |_| {
            let free = if is_full.load(Ordering::SeqCst) { 5 } else { 1 << 39 };
            Some(Space { free, total: 1 << 40 })
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_program_writes_between_two_bytes_is_noticed_too() {
        let is_full = Arc::new(AtomicBool::new(false));
        let guard = Guard::of(&room(&is_full), Path::new("/scratch"));
        let hangs = move || {
            is_full.store(true, Ordering::SeqCst);
            let first = Program::new("sleep").args(["1000"]).output(Duration::from_secs(1000));
            // Whoever goes on is stopped again.
            first.or_else(|_| Program::new("sleep").args(["1000"]).output(Duration::from_secs(1000)))
        };
        let error = guard.over(Stage::Prove, "make room", hangs).await.expect_err("no room");
        assert_eq!(error.stage, Stage::Space);
        assert_eq!(
            error.message,
            "/scratch has 5 B free, and 4.0 GiB must stay for whoever else writes there"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_done_is_done_and_what_fails_with_room_says_why_itself() {
        let is_full = Arc::new(AtomicBool::new(false));
        let guard = Guard::of(&room(&is_full), Path::new("/scratch"));
        let own = guard.over(Stage::Prove, "make room", || Err::<(), _>("own")).await.expect("room");
        assert_eq!(own, Err("own"));
        is_full.store(true, Ordering::SeqCst);
        let done = guard.over(Stage::Prove, "make room", || Ok::<_, ()>(7)).await.expect("done");
        assert_eq!(done, Ok(7));
        let mut bytes: &[u8] = b"x";
        assert!(guard.watch(&mut bytes).read(&mut [0]).is_err(), "not even the first");
        let failed = guard.over(Stage::Prove, "make room", || Err::<(), _>("own")).await;
        assert_eq!(failed.expect_err("no room").stage, Stage::Space);
    }
}
