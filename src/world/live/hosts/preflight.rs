//! Before a cron entry is written, its jobs are tried on their host, as their own users: an entry that fails every night
//! promises backups that never come, and whatever made them before must not go for it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

use crate::clients::host::{Host, Ran};
use crate::resources::Crontab;
use crate::vocab::{JobCommand, JobKind};

/// A database that recovers may take its time to answer.
const LIMIT: Duration = Duration::from_secs(120);

/// What `run --preflight --output json` prints, as far as it matters here.
#[derive(Deserialize)]
struct Told {
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    wrong: Option<String>,
}

/// Whether every job of these entries finds what it needs. The error says what lacks, and what to do.
pub(super) async fn passes(host: &Host, wanted: &Crontab) -> Result<(), String> {
    // What a job needs does not depend on the tier.
    let jobs: BTreeSet<(String, Vec<String>)> = wanted
        .entries
        .values()
        // A check needs less than its backup.
        .filter(|entry| entry.command.job == JobKind::Backup)
        .map(|entry| {
            let command = JobCommand { tier: None, ..entry.command.clone() };
            let mut words = vec![JobCommand::PROGRAM.to_owned(), "run".to_owned()];
            words.extend(command.to_args());
            words.extend(["--preflight", "--output", "json"].map(str::to_owned));
            (entry.user.to_string(), words)
        })
        .collect();
    for (user, words) in jobs {
        let ran = host.run(&user, &words, LIMIT).await;
        match ran.map_err(|why| format!("its job could not be tried, so the entry was not written: {why}"))? {
            None | Some(Ran { succeeded: true, .. }) => {}
            Some(Ran { output, .. }) => {
                return Err(format!(
                    "its job would fail there as {user}, so the entry was not written: {}",
                    lacking(&output)
                ));
            }
        }
    }
    Ok(())
}

/// What lacks, of all that a preflight printed.
fn lacking(output: &str) -> String {
    let told = output.find('{').and_then(|start| {
        let mut documents = serde_json::Deserializer::from_str(output.get(start..)?).into_iter::<Told>();
        documents.next()?.ok()
    });
    let wrong: Vec<String> = told
        .into_iter()
        .flat_map(|told| told.checks)
        .filter_map(|check| Some(format!("{}: {}", check.name, check.wrong?)))
        .collect();
    match wrong.is_empty() {
        // It did not get so far.
        true => output.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; "),
        false => wrong.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_told_whatever_else_is_printed() {
        let output = "warning: x\n{\"format\": \"reconcile.preflight/1\", \"checks\": [{\"name\": \"room\", \"found\": \"1 GiB\"}, \
                      {\"name\": \"bucket\", \"wrong\": \"denied; allow it\"}]}\n";
        assert_eq!(lacking(output), "bucket: denied; allow it");
        assert_eq!(lacking("error: no job file\n  help: apply\n"), "error: no job file; help: apply");
    }
}
