//! What happens to a run, line by line, where it stays: the journal of the machine, its system log, or a file in the
//! sandbox. Every line names its run, as do the letters, the note of a failure and the manifest.
//!
//! Under cron nobody sees anything otherwise. Nothing here may hide what it is about, so nothing here fails.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::context::Context;
use crate::clients::journal;
use crate::clients::process::{Program, Talk};
use crate::vocab::Tier;

/// Who is named as the sender.
const IDENTIFIER: &str = "reconcile";
/// `daemon` among the facilities of syslog(3).
const FACILITY: &str = "3";

/// How long logger(1) may take for a line. Where journald hangs it waits for it, as syslog(3) does, and no job waits for
/// that.
const LIMIT: Duration = Duration::from_secs(3);
/// How much of a line goes over a pipe that nobody may read: no more than one holds at the least (pipe(7)).
const LONGEST: usize = 4 << 10;

/// Where lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Log {
    #[default]
    Nowhere,
    /// To the journal that listens there; where none does, to logger(1).
    Machine { journal: PathBuf },
    /// To the end of a file.
    File(PathBuf),
}

/// How grave a line is, as syslog(3) has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    fn number(self) -> &'static str {
        match self {
            Level::Info => "6",
            Level::Warning => "4",
            Level::Error => "3",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "err",
        }
    }
}

/// What a line is of, as far as it is known: a job may fail before it has read its file.
#[derive(Clone, Copy, Debug, Default)]
pub struct About<'a> {
    pub run: &'a str,
    pub environment: &'a str,
    pub datastore: &'a str,
    pub tier: Option<Tier>,
}

impl Log {
    /// The machine's own.
    pub fn machine() -> Log {
        Log::Machine { journal: PathBuf::from(journal::SOCKET) }
    }

    pub fn line(&self, about: About<'_>, at: DateTime<Utc>, level: Level, text: &str) {
        match self {
            Log::Nowhere => {}
            Log::Machine { journal } => {
                if send(journal, about, level, text).is_err() {
                    logger(about, level, text);
                }
            }
            Log::File(path) => append(path, about, at, level, text),
        }
    }
}

/// One line of a job's run.
pub fn line(context: &Context, tier: Option<Tier>, level: Level, text: &str) {
    let about = About {
        run: &context.run,
        environment: context.job.environment.as_str(),
        datastore: context.job.datastore.as_str(),
        tier,
    };
    context.log.line(about, context.clock.now(), level, text);
}

fn with_run(about: About<'_>, text: &str) -> String {
    format!("run {}: {}", about.run, text.replace('\n', " "))
}

fn send(socket: &Path, about: About<'_>, level: Level, text: &str) -> std::io::Result<()> {
    let message = with_run(about, text);
    let tier = about.tier.map(|tier| tier.to_string()).unwrap_or_default();
    let pid = std::process::id().to_string();
    let fields = [
        ("MESSAGE", message.as_str()),
        ("PRIORITY", level.number()),
        ("SYSLOG_IDENTIFIER", IDENTIFIER),
        ("SYSLOG_FACILITY", FACILITY),
        ("SYSLOG_PID", &pid),
        ("RECONCILE_RUN", about.run),
        ("RECONCILE_ENVIRONMENT", about.environment),
        ("RECONCILE_DATASTORE", about.datastore),
        ("RECONCILE_TIER", &tier),
    ];
    let known: Vec<(&str, &str)> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    journal::send(socket, &known)
}

/// Through logger(1), under this process's number. The text goes over its input: arguments are for everybody to see. A line
/// that it does not take is given up.
fn logger(about: About<'_>, level: Level, text: &str) {
    let tag = format!("{IDENTIFIER}[{}]", std::process::id());
    let priority = format!("daemon.{}", level.name());
    let program = Program::new("logger").args(["-t", tag.as_str(), "-p", priority.as_str()]);
    let Ok(mut logger) = program.start(Talk::Both) else { return };
    if let Some(mut input) = logger.stdin() {
        let mut line = with_run(about, text);
        line.truncate(line.floor_char_boundary(LONGEST - 1));
        let _ = writeln!(input, "{line}");
    }
    let _ = logger.wait_within(LIMIT);
}

fn append(path: &Path, about: About<'_>, at: DateTime<Utc>, level: Level, text: &str) {
    let line = format!(
        "{} {} {IDENTIFIER}: {}\n",
        at.format("%Y-%m-%dT%H:%M:%SZ"),
        level.name(),
        with_run(about, text)
    );
    let opened = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(path));
    // One write is one line, whoever else writes (open(2), O_APPEND).
    let _ = opened.and_then(|mut file| file.write_all(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    const ABOUT: About<'_> = About {
        run: "5f3a9c1d2e4b",
        environment: "production",
        datastore: "postgresql",
        tier: Some(Tier::Daily),
    };

    fn at() -> DateTime<Utc> {
        "2026-11-22T01:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn a_line_in_the_journal_is_found_by_its_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).expect("bound");
        Log::Machine { journal: path }.line(ABOUT, at(), Level::Error, "it failed\nat once");
        let mut taken = [0; 4096];
        let read = journal.recv(&mut taken).expect("an entry");
        let text = String::from_utf8_lossy(&taken[..read]);
        let expected = format!(
            "MESSAGE=run 5f3a9c1d2e4b: it failed at once\nPRIORITY=3\nSYSLOG_IDENTIFIER=reconcile\nSYSLOG_FACILITY=3\n\
             SYSLOG_PID={}\nRECONCILE_RUN=5f3a9c1d2e4b\nRECONCILE_ENVIRONMENT=production\nRECONCILE_DATASTORE=postgresql\n\
             RECONCILE_TIER=daily\n",
            std::process::id()
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_file_grows_by_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("var/log/reconcile.log");
        let log = Log::File(path.clone());
        log.line(ABOUT, at(), Level::Info, "began");
        log.line(About { tier: None, ..ABOUT }, at(), Level::Warning, "so\nso");
        assert_eq!(
            std::fs::read_to_string(path).expect("a log"),
            "2026-11-22T01:00:00Z info reconcile: run 5f3a9c1d2e4b: began\n\
             2026-11-22T01:00:00Z warning reconcile: run 5f3a9c1d2e4b: so so\n"
        );
    }
}
