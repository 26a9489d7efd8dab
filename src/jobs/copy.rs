//! The second copy on another host, by rsync over ssh: `remote_couch_backup` of CouchDB.
//!
//! Every backup here is sent, so that what a night missed the next one brings. Nothing there is removed because it is not
//! here: this disk may be the one that was lost. What goes there goes by its own age and name, as `retention::local` has
//! it, and never what other programs wrote. rsync gives a file its name when it is whole.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;

use super::beside::Beside;
use super::context::Context;
use super::directory;
use super::error::{JobError, Stage};
use super::manifest::Manifest;
use crate::clients::process::{Program, Talk};
use crate::datastores::job_file::{KeepLocal, Source};
use crate::datastores::names::Series;
use crate::datastores::tree::job::Way;
use crate::retention::local::{self, Backup, Term};
use crate::vocab::HostName;

/// Seconds that a connection may bring nothing.
const SILENCE: &str = "--timeout=600";
/// How long listing a directory may take.
const QUESTION: std::time::Duration = std::time::Duration::from_secs(700);

/// Where a second copy goes.
#[derive(Clone, Debug)]
pub struct Second {
    host: HostName,
    way: Way,
    /// The directory there, in rsync's words.
    place: PathBuf,
    keep: KeepLocal,
    zone: Tz,
}

impl Second {
    /// Of this job, where there is one.
    pub fn of(context: &Context) -> Option<Self> {
        let Source::Couchdb(source) = &context.job.source else { return None };
        let host = source.remote_copy.clone()?;
        let way = context.elsewhere.way(&host);
        let place = way.rsync_place(&host, &context.job.directory);
        Some(Second { host, way, place, keep: context.job.keep, zone: context.zone })
    }

    /// Sends every backup of `place` that is not there yet, with its manifest.
    pub fn send(&self, place: &Path, series: &Series) -> Result<(), JobError> {
        let failed = |why: String| self.failed(Stage::Copy, &why);
        if let Way::Folder(_) = &self.way {
            std::fs::create_dir_all(&self.place).map_err(|error| failed(error.to_string()))?;
        }
        let found = directory::backups(place, series).map_err(|error| failed(error.to_string()))?;
        let files = found.iter().flat_map(|local| {
            let manifest = local.manifest.as_ref().map(|_| Manifest::file(&local.file));
            std::iter::once(local.file.clone()).chain(manifest)
        });
        self.listed(place, &["--times", "--perms"], files).map_err(failed)
    }

    /// Removes there what is over, by the policy of the backup directory. The newest one was sent a moment ago, and stays.
    pub fn expire(&self, place: &Path, series: &Series, now: DateTime<Utc>) -> Result<(), JobError> {
        let failed = |why: String| self.failed(Stage::Expire, &why);
        let here = directory::backups(place, series).map_err(|error| failed(error.to_string()))?;
        let there = self.list().map_err(failed)?;
        let names: BTreeSet<&str> = there.iter().map(|(name, _)| name.as_str()).collect();
        let seen: Vec<Backup> = there
            .iter()
            .filter_map(|(file, modified)| {
                let local = here.iter().find(|local| local.file == *file);
                // Of a labelled one that is not here nobody knows the date: it waits for a person.
                let named = series.parse_file(file)?.tier().map_or(Term::Label { until: None }, Term::Tier);
                Some(Backup {
                    name: file.clone(),
                    term: local.map_or(named, |local| local.term(self.zone)),
                    taken: local.map_or(*modified, directory::Local::taken),
                    // Of what is gone here: no manifest was sent without its backup, whole.
                    proven: local
                        .map_or(names.contains(Manifest::file(file).as_str()), directory::Local::proven),
                })
            })
            .collect();
        let fates = local::decide(&seen, self.keep.into(), now);
        let over = seen.iter().zip(fates).filter(|(_, fate)| !fate.is_kept()).map(|(backup, _)| &backup.name);
        // rsync removes there what it does not find here.
        let over = over.filter(|name| !here.iter().any(|local| local.file == **name));
        let files: Vec<String> = over.flat_map(|name| [Manifest::file(name), name.clone()]).collect();
        match files.is_empty() {
            true => Ok(()),
            false => self.listed(place, &["--delete-missing-args"], files.into_iter()).map_err(failed),
        }
    }

    fn rsync(&self) -> Program {
        let rsync = Program::new("rsync").env("TZ", "UTC");
        match &self.way {
            Way::Ssh(ssh) => rsync.args([SILENCE, "--rsh", &ssh.remote_shell()]),
            Way::Folder(_) => rsync,
        }
    }

    /// rsync with these files of `place` and no others.
    fn listed(&self, place: &Path, how: &[&str], files: impl Iterator<Item = String>) -> Result<(), String> {
        let program = self.rsync().args(["--from0", "--files-from=-"]).args(how).args(["--"]);
        let mut running = program
            .args([place.join("").as_os_str(), self.place.as_os_str()])
            .start(Talk::Both)
            .map_err(|error| error.to_string())?;
        if let Some(mut input) = running.stdin() {
            let text: String = files.map(|file| file + "\0").collect();
            // An rsync that ended tells why itself.
            let _ = input.write_all(text.as_bytes());
        }
        running.wait().map_err(|error| error.to_string())
    }

    /// The files there with their times.
    fn list(&self) -> Result<Vec<(String, DateTime<Utc>)>, String> {
        let program = self.rsync().args(["--list-only", "--dirs", "--"]).args([self.place.as_os_str()]);
        let text = program.output(QUESTION).map_err(|error| error.to_string())?;
        Ok(text.lines().filter_map(listed).collect())
    }

    fn failed(&self, stage: Stage, why: &str) -> JobError {
        let (what, help) = match stage {
            Stage::Copy => ("its copy cannot go to", "earlier backups stay, here and there"),
            _ => ("old copies cannot be removed from", "they stay until it succeeds"),
        };
        let place = self.place.display();
        JobError::new(stage, format!("the new backup is good, but {what} {place}: {why}")).help(format!(
            "as the job's user, `ssh {} true` must succeed without a question, rsync be on both hosts, and the directory be \
             that user's there; {help}",
            self.host
        ))
    }
}

/// A line such as `-rw-------  1,048,576 2026/11/21 00:00:05 couchdb_daily_2026_11_21.tar.gz`.
fn listed(line: &str) -> Option<(String, DateTime<Utc>)> {
    let mut words = line.split_whitespace();
    let (mode, _bytes, day, time, name) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    // A name with blanks is none of ours.
    if !mode.starts_with('-') || words.next().is_some() {
        return None;
    }
    let at = NaiveDateTime::parse_from_str(&format!("{day} {time}"), "%Y/%m/%d %H:%M:%S").ok()?;
    Some((name.to_owned(), at.and_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_rsync_are_read() {
        let text = "drwx------          4,096 2026/11/21 00:00:05 .\n\
                    -rw-------      1,048,576 2026/11/21 00:00:05 couchdb_daily_2026_11_21.tar.gz\n\
                    -rw-r--r--              3 2020/01/02 03:04:05 a name with blanks\n\
                    lrwxrwxrwx              3 2020/01/02 03:04:05 link -> x\n";
        let files: Vec<_> = text.lines().filter_map(listed).collect();
        let at = "2026-11-21T00:00:05Z".parse().expect("an instant");
        assert_eq!(files, [("couchdb_daily_2026_11_21.tar.gz".to_owned(), at)]);
    }
}
