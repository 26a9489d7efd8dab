//! Being told to end: by a signal, or because nothing moves any more. The programs that a job started end at once, and the
//! job goes the way of every failure: partial files and uploads go, earlier backups stay, and somebody is told.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clients::process;

/// How long a dump may give no byte and gather none. A server that waits for a lock of somebody who went home gives none for ever, and
/// the lock of this job would keep every later one from its turn.
pub const PATIENCE: Duration = Duration::from_secs(3600);

/// Whether a job was told to end, and why.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    why: OnceLock<String>,
    woken: Notify,
    /// Whether this process is the job's alone, with all its children.
    ends_children: bool,
}

impl Stop {
    /// For a process that does nothing but this job.
    pub fn of_process() -> Self {
        Stop(Arc::new(Told { ends_children: true, ..Told::default() }))
    }

    /// Tells it; the first reason stays.
    pub fn say(&self, why: impl Into<String>) {
        let _ = self.0.why.set(why.into());
        if self.0.ends_children {
            process::end_all();
        }
        self.0.woken.notify_waiters();
    }

    pub fn why(&self) -> Option<&str> {
        self.0.why.get().map(String::as_str)
    }

    /// Waits until it is told.
    pub async fn told(&self) -> &str {
        loop {
            let woken = self.0.woken.notified();
            if let Some(why) = self.why() {
                return why;
            }
            woken.await;
        }
    }
}

/// How far a dump has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// How many bytes came out of it.
    bytes: Arc<AtomicU64>,
    /// Where it gathers them first.
    folder: Option<PathBuf>,
}

impl Progress {
    /// Of a dump that may gather its bytes in a folder before it gives any.
    pub fn of(folder: Option<PathBuf>) -> Self {
        Progress { folder, ..Progress::default() }
    }

    fn so_far(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.folder.as_deref().map_or(0, gathered))
    }

    pub fn watch<R: Read>(&self, inner: R) -> Watched<R> {
        Watched { inner, progress: self.clone() }
    }

    /// Says stop once nothing moved for that long, and ends.
    pub async fn guard(&self, stop: &Stop, patience: Duration) {
        let mut before = None;
        loop {
            let now = self.so_far();
            if before == Some(now) {
                stop.say(format!(
                    "nothing came out of the dump for {} minutes",
                    patience.as_secs().div_ceil(60)
                ));
                return;
            }
            before = Some(now);
            tokio::time::sleep(patience).await;
        }
    }
}

/// How many bytes the files of a folder have. One that is not there yet or not any more, as the files of a program that is at
/// work, counts for nothing.
fn gathered(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// A dump whose bytes are counted.
pub struct Watched<R> {
    inner: R,
    progress: Progress,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_moves_is_left_alone_and_what_does_not_is_told_to_end() {
        let (progress, stop) = (Progress::default(), Stop::default());
        let patience = Duration::from_millis(100);
        let moving = async {
            let mut dump = progress.watch(io::repeat(7));
            for _ in 0..8 {
                dump.read_exact(&mut [0; 10]).expect("bytes");
                tokio::time::sleep(patience / 4).await;
            }
            assert_eq!(stop.why(), None);
        };
        let guard = progress.guard(&stop, patience);
        let (why, (), ()) = tokio::join!(stop.told(), guard, moving);
        assert!(why.contains("nothing came out of the dump"), "{why}");
        stop.say("again");
        assert!(stop.why().is_some_and(|why| why.contains("nothing came")), "the first reason stays");
    }

    #[tokio::test]
    async fn what_gathers_before_its_first_byte_moves_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let scratch = folder.path().join("scratch");
        let (progress, stop) = (Progress::of(Some(scratch.clone())), Stop::default());
        let patience = Duration::from_millis(200);
        let gathering = async {
            std::fs::create_dir(&scratch).expect("made");
            for size in 1..16 {
                std::fs::write(scratch.join("base.tar"), vec![7; size]).expect("written");
                tokio::time::sleep(patience / 4).await;
            }
            assert_eq!(stop.why(), None);
        };
        let guard = progress.guard(&stop, patience);
        let (why, (), ()) = tokio::join!(stop.told(), guard, gathering);
        assert!(why.contains("nothing came out of the dump"), "{why}");
    }
}
