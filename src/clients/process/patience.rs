//! Programs that hang: how long one may take nothing of what it is fed, or not end, before it is killed.
//!
//! Beside `Program::output`, which is for short answers. Here nobody knows how long the whole takes: what is limited is how
//! long nothing moves.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::last_words::end_of;
use super::{Ended, ProcessError, Program, Running, Talk};

/// How often a program that is about to end is looked at, at first and in the long run.
const GLANCES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(200)];

/// A program's input. A write to it fails as timed out where the program takes nothing for so long.
#[derive(Debug)]
pub struct PatientInput {
    input: ChildStdin,
    patience: Duration,
}

impl Write for PatientInput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let until = Instant::now() + self.patience;
        loop {
            match self.input.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.input.as_fd(), PollFlags::POLLOUT)], timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Running {
    /// [`Running::stdin`], whose writes fail where the program takes nothing for that long.
    pub fn patient_stdin(&mut self, patience: Duration) -> io::Result<PatientInput> {
        let input = self.stdin().ok_or_else(|| io::Error::other("it has no input"))?;
        // Of this end alone: the program's own reads wait as ever (pipe(2)).
        fcntl(&input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(PatientInput { input, patience })
    }

    /// [`Running::wait`] for that long; what does not end is killed.
    pub fn wait_within(self, limit: Duration) -> Result<(), ProcessError> {
        self.ends_within(limit)?.wait()
    }

    /// Itself, once it has ended.
    fn ends_within(mut self, limit: Duration) -> Result<Running, ProcessError> {
        let until = Instant::now() + limit;
        let [mut glance, longest] = GLANCES;
        while self.is_running() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.time_out(limit));
            }
            std::thread::sleep(glance.min(left));
            glance = (glance * 2).min(longest);
        }
        Ok(self)
    }
}

/// Where what lasts is put: it may grow for as long as a service runs, and `/tmp` may be memory
/// (<https://refspecs.linuxfoundation.org/FHS_3.0/fhs/ch05s15.html>).
const LASTING: &str = "/var/tmp";

impl Program {
    /// Runs the program until it ends itself, with its last words of both outputs where it fails; what does not end is
    /// killed. What it leaves running is not waited for, and may go on to write: to a file without a name, which goes with
    /// the last who holds it, since a pipe that nobody reads would end or stop it.
    pub fn done(mut self, limit: Duration) -> Result<(), ProcessError> {
        let unmade = |source| ProcessError::Start { program: self.name.clone(), source };
        let said = tempfile::tempfile_in(LASTING).or_else(|_| tempfile::tempfile()).map_err(unmade)?;
        // Of one offset, so that neither writes over the other.
        let (stdout, stderr) = (said.try_clone().map_err(unmade)?, said.try_clone().map_err(unmade)?);
        self.command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = self.spawn()?;
        let running = Running { name: self.name, child, stderr: None };
        running.wait_within(limit).map_err(|mut error| {
            if let ProcessError::Failed { stderr, .. } | ProcessError::TimedOut { stderr, .. } = &mut error {
                *stderr = end_of(&said).unwrap_or_default();
            }
            error
        })
    }

    /// Runs the program to its end, however it ends, and answers with the beginning of its standard output; what does not
    /// end is killed. The rest of its output is read, so that it waits for no reader.
    pub fn told(self, kept: u64, limit: Duration) -> Result<(Ended, String), ProcessError> {
        let until = Instant::now() + limit;
        let mut running = self.start(Talk::Listen)?;
        let (done, answer) = mpsc::channel();
        if let Some(mut stdout) = running.stdout() {
            std::thread::spawn(move || {
                let mut said = Vec::new();
                let _ = stdout.by_ref().take(kept).read_to_end(&mut said);
                let _ = io::copy(&mut stdout, &mut io::sink());
                let _ = done.send(said);
            });
        }
        let said = match answer.recv_timeout(limit) {
            Ok(said) => said,
            Err(mpsc::RecvTimeoutError::Disconnected) => Vec::new(),
            Err(mpsc::RecvTimeoutError::Timeout) => return Err(running.time_out(limit)),
        };
        let left = until.saturating_duration_since(Instant::now());
        let ended = running.ends_within(left)?.end()?;
        Ok((ended, String::from_utf8_lossy(&said).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough for a busy machine, and never waited for where all is well.
    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(200);

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[test]
    fn what_takes_no_input_is_given_up_and_what_is_slow_is_not() {
        let megabyte = vec![b'x'; 1 << 20];
        let mut deaf = shell("sleep 1000 & wait").start(Talk::Both).expect("starts");
        let mut input = deaf.patient_stdin(SHORT).expect("an input");
        let error = input.write_all(&megabyte).expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let error = deaf.time_out(SHORT);
        assert!(error.to_string().starts_with("`sh` gave no answer within"), "{error}");

        let mut slow = shell("sleep 0.1; head -c 600000 >&2; sleep 0.1; cat >/dev/null")
            .start(Talk::Both)
            .expect("starts");
        let mut input = slow.patient_stdin(LONG).expect("an input");
        input.write_all(&megabyte).expect("taken");
        drop(input);
        slow.wait_within(LONG).expect("succeeds");

        let mut gone = shell("exit 3").start(Talk::Both).expect("starts");
        let mut input = gone.patient_stdin(LONG).expect("an input");
        let error = input.write_all(&megabyte).expect_err("it is gone");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let error = gone.wait_within(LONG).expect_err("it failed");
        assert_eq!(error.to_string(), "`sh` failed with exit code 3");
    }

    #[test]
    fn what_does_not_end_is_killed_with_its_children() {
        let error =
            shell("exec >&-; sleep 1000 & wait").start(Talk::Listen).expect("starts").wait_within(SHORT);
        assert!(matches!(error, Err(ProcessError::TimedOut { .. })), "{error:?}");
        // The same where only the answer was awaited.
        for script in ["exec >&-; sleep 1000 & wait", "echo begun; sleep 1000 & wait"] {
            let error = shell(script).told(10, SHORT).expect_err("too slow");
            assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
        }
        let error = shell("exec >&-; sleep 1000 & wait").output(SHORT).expect_err("too slow");
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn what_a_program_leaves_running_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let (there, done) = (folder.path().display(), folder.path().join("done"));
        // What is left running says something once its starter has been heard of, and ends with the test in any case.
        let wait = format!("while [ -d {there} ] && [ ! -e {0} ]; do sleep 0.01; done", done.display());
        let leave = |then: &str, last: &str| {
            shell(&format!("({wait}; {then}; mv {0} {0}.too) & {last}", done.display()))
        };
        let runs_on = || {
            std::fs::write(&done, "").expect("written");
            let until = Instant::now() + LONG;
            while std::fs::remove_file(folder.path().join("done.too")).is_err() {
                assert!(Instant::now() < until, "it was ended");
                std::thread::sleep(SHORT / 10);
            }
        };
        let late = "echo late; echo late >&2";
        leave(late, "echo begun").done(LONG).expect("it ended well");
        runs_on();
        let error = leave(late, "echo why; echo too >&2; exit 3").done(LONG).expect_err("it failed");
        assert_eq!(error.to_string(), "`sh` failed with exit code 3: why; too");
        runs_on();
        let error = shell("sleep 1000 & wait").done(SHORT).expect_err("it hangs itself");
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");

        // Nor is the end of its outputs, where they are pipes.
        let failing = leave("true", "echo why >&2; exit 3").start(Talk::Listen).expect("starts");
        let error = failing.wait_within(LONG).expect_err("it failed");
        assert_eq!(error.to_string(), "`sh` failed with exit code 3: why");
        runs_on();
        let mut ended = leave("true", "echo why >&2").start(Talk::Listen).expect("starts");
        while ended.is_running() {
            std::thread::sleep(SHORT / 10);
        }
        assert_eq!(ended.time_out(SHORT).to_string(), "`sh` gave no answer within 0 seconds: why");
        runs_on();
    }

    #[test]
    fn the_beginning_of_what_was_said_is_kept_however_it_ends() {
        let (ended, said) =
            shell("head -c 3000000 /dev/zero | tr '\\0' x; exit 2").told(10, LONG).expect("ends");
        assert_eq!((ended.code, said.as_str()), (Some(2), "xxxxxxxxxx"));
        let (ended, said) = shell("true").told(10, LONG).expect("ends");
        assert_eq!((ended.code, said.as_str()), (Some(0), ""));
    }
}
