//! `reconcile permissions`: the least IAM policy that a command needs for these settings. Calls nobody.

use clap::{Args, ValueEnum};

use super::environment::{desired, load};
use super::{Exit, Failure, Format, Global, Output};
use crate::derive::permissions::{Purpose, policy, writer};
use crate::vocab::Datastore;

/// What a managed policy may hold, white space not counted
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const MOST_OF_A_MANAGED_POLICY: usize = 6_144;

#[derive(Debug, Args)]
pub struct Permissions {
    /// What the policy is for: plan, apply, audit, or the jobs on the hosts
    #[arg(value_enum, default_value = "plan")]
    command: For,

    /// Of the jobs, only those of this datastore
    datastore: Option<Datastore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    Plan,
    Apply,
    Audit,
    Backup,
}

impl Permissions {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("permissions", &[Format::Text, Format::Json])?;
        let purpose = match (self.command, &self.datastore) {
            (For::Backup, datastore) => Purpose::Backup(datastore.clone()),
            (_, Some(datastore)) => {
                return Err(Failure::usage(format!("only backup is of a datastore such as {datastore}")));
            }
            (For::Plan, None) => Purpose::Plan,
            (For::Apply, None) => Purpose::Apply,
            (For::Audit, None) => Purpose::Audit,
        };
        let settings = load(global)?;
        out.warnings(&settings.problems, &global.sources().name());
        if let Some(endpoint) = &settings.storage.endpoint {
            let message = format!("{endpoint} is not AWS's, and has no policies of IAM");
            return Err(Failure::failed_with_help(
                message,
                "give the jobs their rights by the store's own means",
            ));
        }
        let desired = desired(&settings);
        if let Purpose::Backup(datastore) = &purpose
            && writer(&desired, datastore.as_ref()).is_empty()
        {
            let whose = datastore.as_ref().map_or_else(String::new, |name| format!(" for {name}"));
            return Err(Failure::usage(format!("no bucket is written{whose} by these settings")));
        }
        let policy = policy(&settings, &desired, &purpose);
        let length = policy.to_string().len();
        if length > MOST_OF_A_MANAGED_POLICY {
            out.notice(&format!(
                "warning: the policy has {length} characters, and a managed policy holds {MOST_OF_A_MANAGED_POLICY}: give \
                 it to a role as its own (aws iam put-role-policy), which holds 10240\n"
            ));
        }
        out.json(&policy);
        Ok(Exit::Ok)
    }
}
