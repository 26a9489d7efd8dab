//! Being told to stop: what is under way is finished, the lock is given back, and nothing more is begun. Told twice, the
//! program ends at once; the next apply on this machine then takes the lock over.

use std::io::Write;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Exit;
use crate::jobs;

/// Whether somebody said stop.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on, within the runtime. What this process was started to ignore it goes on ignoring: `nohup`, and
    /// what a shell runs in the background.
    pub fn listen() -> Stop {
        let stop = Stop::default();
        let ignored = ignored();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let is_ignored = ignored >> (kind.as_raw_value() - 1) & 1 == 1;
            if !is_ignored && let Ok(signal) = signal(kind) {
                tokio::spawn(stop.clone().hear(signal));
            }
        }
        stop
    }

    pub fn is_told(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Hands on to a job that it is to end, and ends the program at once where that is said twice.
    pub fn of_job(stop: jobs::Stop) {
        let ignored = ignored();
        let kinds = [
            (SignalKind::interrupt(), "SIGINT"),
            (SignalKind::terminate(), "SIGTERM"),
            (SignalKind::hangup(), "SIGHUP"),
        ];
        for (kind, name) in kinds {
            let is_ignored = ignored >> (kind.as_raw_value() - 1) & 1 == 1;
            if !is_ignored && let Ok(mut signal) = signal(kind) {
                let stop = stop.clone();
                tokio::spawn(async move {
                    while signal.recv().await.is_some() {
                        if stop.why().is_some() {
                            exit(i32::from(Exit::Failed.code()));
                        }
                        stop.say(format!("{name} came"));
                    }
                });
            }
        }
    }

    async fn hear(self, mut signal: Signal) {
        while signal.recv().await.is_some() {
            if self.0.swap(true, Ordering::SeqCst) {
                say("stopped at once: the lock stays, and the next apply on this machine takes it over");
                exit(i32::from(Exit::Failed.code()));
            }
            say("stopping: what is under way is finished first; once more stops at once");
        }
    }
}

fn say(words: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "\n{words}").and_then(|()| stderr.flush());
}

/// Which signals this process was started to ignore, one bit each (proc_pid_status(5), SigIgn).
fn ignored() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
