//! From settings to what the audit holds the account to, and from an export or the account itself to what is judged.

use std::path::Path;

use crate::audit::{Evidence, Terms, Unread};
use crate::cli::environment::{connect, wait};
use crate::cli::place::Place;
use crate::cli::{Failure, Global};
use crate::settings::Settings;
use crate::settings::declared::Who;
use crate::state::{Desired, JobKey};
use crate::world::export;

/// What settings expect: beside what is desired who writes, which databases there are, and what is copied elsewhere.
pub fn terms(settings: &Settings, desired: &Desired) -> Terms {
    let declared = &settings.backups.declared;
    let names = declared.previous_names.iter().map(|one| one.name.clone());
    let buckets = declared.previous_buckets.iter().map(|one| one.name.clone());
    let mut terms = Terms::of(desired).with_previous(names, buckets);
    terms.region = settings.storage.region.clone();
    terms.databases = declared.databases.iter().map(|database| database.identifier.clone()).collect();
    terms.writers = declared
        .identities
        .iter()
        .map(|identity| match &identity.who {
            Who::Role { name, .. } => format!("role/{name}"),
            Who::User { name } => format!("user/{name}"),
        })
        .collect();
    terms
}

/// Looks at the export, where one is given, and else at the account.
pub fn evidence(
    global: &Global,
    place: &Place,
    settings: &Settings,
    terms: &mut Terms,
    export: Option<&Path>,
) -> Result<Evidence, Failure> {
    let evidence = match export {
        Some(directory) => exported(directory, Some(terms))?,
        None => {
            let (mut evidence, key) = wait(async {
                let world = connect(global, place, settings).await;
                (Box::pin(world.evidence(terms)).await, Box::pin(world.job_key()).await)
            })?;
            // Whoever's key the jobs upload with writes backups, whatever settings say.
            match key {
                JobKey::Of(principal) => terms.writers.extend([principal.id().to_string()]),
                JobKey::Root => terms.root_writes = true,
                JobKey::Unknown(why) => {
                    evidence.unread.push(Unread::new(
                        "whose the key in the vault is",
                        "sts:GetCallerIdentity",
                        why,
                    ));
                }
                JobKey::NotAsked | JobKey::Elsewhere(_) | JobKey::Refused(_) => {}
            }
            evidence
        }
    };
    if let (Some(declared), Some(actual)) = (&terms.account, &evidence.account)
        && declared != actual
    {
        return Err(Failure::refused(
            format!("this is account {actual}, and the settings are of account {declared}"),
            "use credentials, or an export, of the account that backups.account names",
        ));
    }
    Ok(evidence)
}

/// Reads an export; a directory that is not there is a mistake of the command line.
pub fn exported(directory: &Path, terms: Option<&Terms>) -> Result<Evidence, Failure> {
    if !directory.is_dir() {
        return Err(Failure::usage(format!("--account-export: {} is no directory", directory.display())));
    }
    export::read(directory, terms).map_err(|error| {
        Failure::failed_with_help(error.to_string(), "what an export holds is in docs/scripting.md")
    })
}
