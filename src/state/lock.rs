//! The lock of applies: who holds it, where, since when, and whether that process can still be at work. Pure.
//!
//! One record lies in every place that holds the lock, and it is the same everywhere: an object in a bucket, a file on a
//! host. A process is judged only from the very machine that it ran on: elsewhere nobody is ever taken for dead.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::vocab::{AccountId, BucketName, Environment, HostName};

/// The name and version of the record's format.
const FORMAT: &str = "reconcile.lock/1";

/// Where the lock is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockPlace {
    Bucket(BucketName),
    Host(HostName),
}

impl LockPlace {
    /// The key of the object in a bucket, which environments may share.
    pub fn key(environment: &Environment) -> String {
        format!(".reconcile/{environment}/apply.lock")
    }

    /// The path of the file on a host. Only root writes there, and it is gone after a restart: then so is every process
    /// that could have been changing this host from here.
    pub fn path(environment: &Environment) -> String {
        format!("/run/reconcile/{environment}.lock")
    }

    pub fn kind(&self) -> &'static str {
        match self {
            LockPlace::Bucket(_) => "bucket",
            LockPlace::Host(_) => "host",
        }
    }

    pub fn name(&self) -> &str {
        match self {
            LockPlace::Bucket(name) => name.as_str(),
            LockPlace::Host(name) => name.as_str(),
        }
    }
}

impl fmt::Display for LockPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.name())
    }
}

/// What lies in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    format: String,
    pub environment: Environment,
    /// Random, so that no two records are alike and a store's tag tells each from any other.
    pub token: String,
    /// Nobody, where the lock is free. A bucket may deny every delete, so there it is overwritten and never removed.
    pub holder: Option<Holder>,
}

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Of the machine.
    pub user: String,
    /// Of the cloud: `role/backup-operator`. A store that is not AWS's has none.
    pub identity: Option<String>,
    pub account: Option<AccountId>,
    /// The machine's own name.
    pub machine: String,
    pub process: u32,
    pub since: DateTime<Utc>,
    /// What the machine told of itself, if it did.
    #[serde(default)]
    pub kernel: Option<Kernel>,
    /// When the process began, in the kernel's ticks since it booted: numbers of processes come again.
    #[serde(default)]
    pub started: Option<u64>,
}

/// What no two machines have in common while they run, and in which the numbers of processes mean something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Random, made anew at every boot (random(4)).
    pub boot: String,
    /// The namespace of process numbers (pid_namespaces(7)); containers of one machine differ in it.
    pub namespace: String,
}

/// What a place says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Free,
    /// By whom, and the record's token.
    Held(Holder, String),
    /// Something that is no record, or one of a later version; why, for people. It counts as held: by nobody knows whom.
    Unreadable(String),
}

/// Whether a holder can still be at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its process runs on this machine.
    AtWork,
    /// It ran on this machine, and does no more.
    Gone,
    /// On another machine, or before this one's last restart: nobody here can tell.
    Elsewhere,
}

impl Standing {
    pub fn name(self) -> &'static str {
        match self {
            Standing::AtWork => "at-work",
            Standing::Gone => "gone",
            Standing::Elsewhere => "elsewhere",
        }
    }
}

impl LockRecord {
    pub fn held(environment: &Environment, token: String, holder: Holder) -> Self {
        let (format, environment) = (FORMAT.to_owned(), environment.clone());
        LockRecord { format, environment, token, holder: Some(holder) }
    }

    pub fn free(environment: &Environment, token: String) -> Self {
        LockRecord { format: FORMAT.to_owned(), environment: environment.clone(), token, holder: None }
    }

    /// The record as it is written. Plain data always serialises.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// What bytes from a place of this environment say, whoever wrote them.
    pub fn read(bytes: &[u8], environment: &Environment) -> Told {
        match serde_json::from_slice::<LockRecord>(bytes) {
            Err(error) => Told::Unreadable(format!("it is no record of the lock: {error}")),
            Ok(record) if record.format != FORMAT => {
                Told::Unreadable(format!("its format is {:?}, not {FORMAT:?}", record.format))
            }
            Ok(record) if record.environment != *environment => {
                Told::Unreadable(format!("it is of environment {}", record.environment))
            }
            Ok(LockRecord { holder: None, .. }) => Told::Free,
            Ok(LockRecord { holder: Some(holder), token, .. }) => Told::Held(holder, token),
        }
    }
}

impl Holder {
    /// Whether it can still be at work, judged from a machine with this kernel. `runs` answers for processes of it: number,
    /// and when it began.
    pub fn standing(&self, here: Option<&Kernel>, runs: impl FnOnce(u32, Option<u64>) -> bool) -> Standing {
        if self.kernel.is_none() || self.kernel.as_ref() != here {
            return Standing::Elsewhere;
        }
        if runs(self.process, self.started) { Standing::AtWork } else { Standing::Gone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(boot: &str, namespace: &str) -> Kernel {
        Kernel { boot: boot.to_owned(), namespace: namespace.to_owned() }
    }

    fn holder(kernel: Option<Kernel>) -> Holder {
        Holder {
            user: "alice".to_owned(),
            identity: Some("role/backup-operator".to_owned()),
            account: "123456789012".parse().ok(),
            machine: "laptop".to_owned(),
            process: 4711,
            since: "2026-11-21T12:00:00Z".parse().expect("an instant"),
            kernel,
            started: Some(99),
        }
    }

    fn environment() -> Environment {
        "production".parse().expect("valid")
    }

    #[test]
    fn only_the_very_machine_tells_the_dead() {
        let here = kernel("b", "n");
        for (of_holder, here, runs, wanted) in [
            (Some(kernel("b", "n")), Some(&here), true, Standing::AtWork),
            (Some(kernel("b", "n")), Some(&here), false, Standing::Gone),
            // Another machine, this one before it was restarted, another container on it, nobody knows which.
            (Some(kernel("other", "n")), Some(&here), false, Standing::Elsewhere),
            (Some(kernel("b", "other")), Some(&here), false, Standing::Elsewhere),
            (None, Some(&here), false, Standing::Elsewhere),
            (Some(kernel("b", "n")), None, false, Standing::Elsewhere),
            (None, None, false, Standing::Elsewhere),
        ] {
            let found = holder(of_holder.clone()).standing(here, |process, started| {
                assert_eq!((process, started), (4711, Some(99)));
                runs
            });
            assert_eq!(found, wanted, "{of_holder:?} {here:?} {runs}");
        }
    }

    #[test]
    fn a_record_comes_back_and_anything_else_holds() {
        let record = LockRecord::held(&environment(), "t".to_owned(), holder(Some(kernel("b", "n"))));
        let told = LockRecord::read(&record.bytes(), &environment());
        assert_eq!(told, Told::Held(holder(Some(kernel("b", "n"))), "t".to_owned()));
        let free = LockRecord::free(&environment(), "t".to_owned());
        assert_eq!(LockRecord::read(&free.bytes(), &environment()), Told::Free);
        let text = String::from_utf8(record.bytes()).expect("text");
        let strange = [
            String::new(),
            "\u{1b}[2J".to_owned(),
            "{}".to_owned(),
            text.replace("lock/1", "lock/2"),
            text.replace("production", "staging"),
            text.replace("4711", "-1"),
        ];
        for text in strange {
            let told = LockRecord::read(text.as_bytes(), &environment());
            assert!(matches!(told, Told::Unreadable(_)), "{text}: {told:?}");
        }
        // What a later program may add is no reason not to read it.
        let more = text.replacen('{', "{\"why\": \"later\",", 1);
        assert!(matches!(LockRecord::read(more.as_bytes(), &environment()), Told::Held(..)));
    }

    #[test]
    fn places_have_an_order_and_names() {
        let bucket = LockPlace::Bucket("z-bucket".parse().expect("valid"));
        let host = LockPlace::Host("a".parse().expect("valid"));
        assert!(bucket < host);
        assert_eq!((bucket.to_string(), host.to_string()), ("bucket/z-bucket".into(), "host/a".into()));
    }
}
