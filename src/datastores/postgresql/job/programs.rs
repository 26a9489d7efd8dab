//! PostgreSQL's programs of one version: which are installed, and which fit a backup.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::scratch::Programs;
use super::server::installed;
use crate::clients::process::{self, Program, RunAs};
use crate::datastores::dump::DumpError;

/// A version as PostgreSQL numbers them since 10: `15.4`; before, `9.6.24` is major 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl FromStr for Version {
    type Err = DumpError;

    /// Reads `15`, `15.4`, `15.4 (Debian 15.4-1)`, and `16beta1` as 16.
    fn from_str(text: &str) -> Result<Self, DumpError> {
        let unknown = || DumpError::new(format!("`{text}` is no version of PostgreSQL"));
        let word = text.split_whitespace().next().ok_or_else(unknown)?;
        let number = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text[..end].parse::<u32>().ok()
        };
        let (major, rest) = word.split_once('.').unwrap_or((word, "0"));
        Ok(Version { major: number(major).ok_or_else(unknown)?, minor: number(rest).unwrap_or_default() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Whether its psql knows `\restrict`, which dumps hold since CVE-2025-8714 was mended
    /// (<https://www.postgresql.org/support/security/CVE-2025-8714/>).
    pub fn knows_restrict(self) -> bool {
        const SINCE: [(u32, u32); 5] = [(13, 22), (14, 19), (15, 14), (16, 10), (17, 6)];
        let since = SINCE.iter().find(|(major, _)| *major == self.major).map(|(_, minor)| *minor);
        self.major > 17 || since.is_some_and(|minor| self.minor >= minor)
    }
}

/// The server's programs of exactly this major version: another cannot read its files.
pub fn same(version: Version, user: Option<RunAs>) -> Result<Programs, DumpError> {
    let all = servers(user);
    let fitting = all.iter().find(|(major, _)| *major == version.major);
    fitting.map(|(_, programs)| programs.clone()).ok_or_else(|| {
        DumpError::new(format!(
            "the backup is of PostgreSQL {}, and its files can be read by that major version alone: {}",
            version.major,
            there_are(&all)
        ))
        .help(format!("install it, on Debian `apt install postgresql-{}`", version.major))
        .lack()
    })
}

/// The server's programs that load a script of this version: the same, else a newer one; any, where nothing is known.
pub fn at_least(version: Option<Version>, user: Option<RunAs>) -> Result<Programs, DumpError> {
    let mut all = servers(user);
    all.sort_by_key(|(major, _)| *major);
    let wanted = version.map_or(0, |version| version.major);
    let fitting = all.iter().find(|(major, _)| *major >= wanted);
    fitting.map(|(_, programs)| programs.clone()).ok_or_else(|| {
        DumpError::new(format!(
            "the script was written for PostgreSQL {wanted}, and an older psql or server would misread it: {}",
            there_are(&all)
        ))
        .help(format!("install it, on Debian `apt install postgresql-{wanted}`; nothing was begun"))
        .lack()
    })
}

fn there_are(all: &[(u32, Programs)]) -> String {
    let versions: Vec<String> = all.iter().map(|(major, _)| major.to_string()).collect();
    match versions.is_empty() {
        true => "no server is installed here".to_owned(),
        false => format!("here there is {}", versions.join(", ")),
    }
}

/// Every server that is installed, by its major version.
fn servers(user: Option<RunAs>) -> Vec<(u32, Programs)> {
    let mut found: Vec<(u32, Programs)> = installed(None)
        .into_iter()
        .filter(|(_, bin)| bin.join("postgres").is_file())
        .map(|(major, bin)| (major, Programs { bin, user }))
        .collect();
    // Elsewhere they are in PATH.
    if found.is_empty()
        && let Some(bin) = process::find("postgres", &[]).and_then(|path| path.parent().map(PathBuf::from))
    {
        let programs = Programs { bin, user };
        found.extend(version(&programs, "postgres").ok().map(|version| (version.major, programs)));
    }
    found
}

/// What a program says of its version: `psql (PostgreSQL) 15.14 (Debian ..)`.
pub fn version(programs: &Programs, name: &str) -> Result<Version, DumpError> {
    let told = Program::new(programs.bin.join(name))
        .args(["--version"])
        .output(Duration::from_secs(30))
        .map_err(|error| DumpError::new(error.to_string()))?;
    told.rsplit_once("(PostgreSQL) ").map_or(told.as_str(), |(_, version)| version).trim().parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        let version = |text: &str| text.parse::<Version>().expect(text);
        assert_eq!(version("15"), Version { major: 15, minor: 0 });
        assert_eq!(version("15.14 (Debian 15.14-0+deb12u1)"), Version { major: 15, minor: 14 });
        assert_eq!(version("16beta1"), Version { major: 16, minor: 0 });
        assert!(version("9.6.24") < version("10") && version("15.4") < version("15.14"));
        assert!("fifteen".parse::<Version>().is_err() && "".parse::<Version>().is_err());
        assert!(version("15.14").knows_restrict() && !version("15.13").knows_restrict());
        assert!(version("18").knows_restrict() && !version("12.22").knows_restrict());
    }

    #[test]
    fn what_is_not_installed_is_named() {
        let error = same(Version { major: 999, minor: 0 }, None).expect_err("not there");
        assert!(error.message.contains("PostgreSQL 999"), "{error}");
        assert!(at_least(Some(Version { major: 999, minor: 0 }), None).is_err());
    }
}
