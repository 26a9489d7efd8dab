//! This program on a host, where cron's entries call it. It belongs to the host, not to an environment: it cannot carry a
//! mark, is ours when present, is never removed and never downgraded.

pub mod live;

use std::collections::BTreeMap;

use super::{Field, Judgement};
use crate::vocab::{Risk, Value};

/// The program in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Such as `0.1.0`; empty where it does not start.
    pub version: String,
    /// SHA-256 in hexadecimal. Desired: `None` until it is known for which machine.
    pub sha256: Option<String>,
}

/// What it calls itself before its version.
pub const NAME: &str = "reconcile";

/// The programs at hand, by the machines that they run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// By architecture, as `uname -m` has it: SHA-256 in hexadecimal.
    pub by_architecture: BTreeMap<String, String>,
    /// For hosts that are no machines.
    pub played: Option<String>,
}

impl Program {
    /// This version of the program, for whatever machine.
    pub fn own() -> Self {
        Program { version: env!("CARGO_PKG_VERSION").to_owned(), sha256: None }
    }

    pub fn fields(&self) -> Vec<Field> {
        let Program { version, sha256 } = self;
        vec![Field::new("version", version.as_str()), Field::managed("sha256", sha256.as_deref())]
    }

    /// The one for a machine of that architecture; the error says what to do where there is none. `None` is a host that
    /// is played.
    pub fn fitted(&self, offers: &Offers, architecture: Option<&str>) -> Result<Self, String> {
        let sha256 = match architecture {
            Some(architecture) => offers.by_architecture.get(architecture).ok_or_else(|| {
                let have: Vec<&str> = offers.by_architecture.keys().map(String::as_str).collect();
                format!(
                    "its processor is {architecture}, and the program at hand is for {}: give one built for it with \
                     --program FILE",
                    if have.is_empty() { "none".to_owned() } else { have.join(", ") }
                )
            })?,
            None => match &offers.played {
                Some(sha256) => sha256,
                // Nobody said what would be copied: then what is there is taken as it is.
                None => return Ok(self.clone()),
            },
        };
        Ok(Program { sha256: Some(sha256.clone()), ..self.clone() })
    }

    /// Whether the one that is there is newer than `other`: then it stays. What has no version is old.
    pub fn is_newer_than(&self, other: &Program) -> bool {
        let version = |program: &Program| semver::Version::parse(&program.version).ok();
        version(self).is_some_and(|own| version(other).is_none_or(|other| own > other))
    }
}

/// Another apply undoes it.
pub fn risk(_name: &str, _from: &Value, _to: &Value) -> Judgement {
    Risk::Routine.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str) -> Program {
        Program { version: version.to_owned(), sha256: None }
    }

    #[test]
    fn versions_are_compared_as_versions() {
        assert!(version("0.10.0").is_newer_than(&version("0.9.1")));
        assert!(version("1.0.0").is_newer_than(&version("1.0.0-rc.1")));
        assert!(!version("0.9.1").is_newer_than(&version("0.9.1")));
        assert!(!version("").is_newer_than(&version("0.1.0")));
    }

    #[test]
    fn a_machine_gets_the_program_for_its_processor_or_a_reason() {
        let offers =
            Offers { by_architecture: [("x86_64".to_owned(), "ab".to_owned())].into(), played: None };
        let fitted = version("0.1.0").fitted(&offers, Some("x86_64")).expect("there is one");
        assert_eq!(fitted.sha256.as_deref(), Some("ab"));
        let why = version("0.1.0").fitted(&offers, Some("aarch64")).expect_err("there is none");
        assert!(why.contains("aarch64") && why.contains("x86_64") && why.contains("--program"), "{why}");
    }
}
