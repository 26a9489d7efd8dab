//! What a program says on its standard error: each line is told while it runs, and the end is kept for the error.
//!
//! Where a program leaves others running that hold its standard error, that never ends: nobody may wait for it without a bound.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::TICK;

/// How much is kept: the end, where programs say why they stop.
const KEPT: usize = 4 << 10;

/// How long more is waited for once the program has ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hears each line of a child's standard error, without its end.
pub(super) struct Listener(pub(super) Box<dyn FnMut(&str) + Send>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// A standard error that is read.
#[derive(Debug)]
pub(super) struct LastWords {
    reader: JoinHandle<()>,
    kept: Arc<Mutex<VecDeque<u8>>>,
}

impl LastWords {
    pub(super) fn of(stream: impl Read + Send + 'static, listener: Option<Listener>) -> LastWords {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let shared = kept.clone();
        LastWords { reader: std::thread::spawn(move || read(stream, listener, &shared)), kept }
    }

    /// Its end, once everything was heard.
    pub(super) fn all(self) -> String {
        let _ = self.reader.join();
        text(&self.kept)
    }

    /// Its end, for a program that has ended: what others go on to say is not waited for.
    pub(super) fn soon(self) -> String {
        let until = Instant::now() + PATIENCE;
        while !self.reader.is_finished() && Instant::now() < until {
            std::thread::sleep(TICK);
        }
        text(&self.kept)
    }
}

/// The same of a file that a program wrote to. Whoever writes to it still is not disturbed.
pub(super) fn end_of(file: &std::fs::File) -> io::Result<String> {
    let length = file.metadata()?.len();
    let mut end = vec![0; usize::try_from(length).unwrap_or(KEPT).min(KEPT)];
    let read = file.read_at(&mut end, length.saturating_sub(KEPT as u64))?;
    end.truncate(read);
    Ok(String::from_utf8_lossy(&end).trim().to_owned())
}

fn text(kept: &Mutex<VecDeque<u8>>) -> String {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(kept.make_contiguous()).trim().to_owned()
}

/// Reads a stream to its end, tells each line, and keeps its last bytes.
fn read(mut stream: impl Read, mut listener: Option<Listener>, kept: &Mutex<VecDeque<u8>>) {
    let mut line = Vec::new();
    let mut buffer = [0; 1024];
    let mut tell = |line: &mut Vec<u8>| {
        if let Some(Listener(listener)) = &mut listener {
            listener(&String::from_utf8_lossy(line));
        }
        line.clear();
    };
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        for byte in &buffer[..read] {
            match byte {
                b'\n' => tell(&mut line),
                // A line without an end is told as far as it is kept.
                byte if line.len() < KEPT => line.push(*byte),
                _ => {}
            }
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&buffer[..read]);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }
    if !line.is_empty() {
        tell(&mut line);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Program, Talk};
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[test]
    fn a_flood_is_cut_to_its_end() {
        let script = "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1";
        for error in [
            shell(script).output(Duration::from_secs(60)).expect_err("fails"),
            shell(script).done(Duration::from_secs(60)).expect_err("fails"),
        ] {
            assert!(error.stderr().len() <= KEPT);
            assert!(error.stderr().ends_with("line 2999"));
        }
    }

    #[test]
    fn a_listener_hears_every_line() {
        let (tell, told) = std::sync::mpsc::channel();
        let program = shell("printf 'one\\ntwo: three\\nlast' >&2; exit 1").listen(move |line| {
            let _ = tell.send(line.to_owned());
        });
        let ended = program.start(Talk::Listen).expect("starts").end().expect("ends");
        assert_eq!((ended.code, ended.status.as_str()), (Some(1), "failed with exit code 1"));
        assert_eq!(told.into_iter().collect::<Vec<_>>(), ["one", "two: three", "last"]);
    }
}
