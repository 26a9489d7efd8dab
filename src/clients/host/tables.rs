//! Lines that leave a table of cron: what is kept of each lies elsewhere before it goes, and the table is replaced whole,
//! only while it is the one that was seen. After a crash anywhere the lines stand in both places, or in the new one alone;
//! repeating it ends in the latter. Decides nothing: what goes and what stays was decided above.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::shell::Shell;
use super::{Access, Folder, Host, HostError, error, plain, script, with_help};

/// One table that lines leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taking {
    /// Where the table lies.
    pub path: String,
    pub table: InTable,
    /// SHA-256 of all of it as it was seen, in hexadecimal.
    pub sum: String,
    /// Where what is taken goes, and all that the file holds then; root's alone.
    pub to: String,
    pub kept: Vec<u8>,
    /// What stays in the table; without anything it goes.
    pub left: Option<Vec<u8>>,
}

/// How a table is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InTable {
    /// As a file, which keeps its owner and mode.
    File(Access),
    /// By crontab(1), as that of a user.
    Of(String),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Done,
    /// Nothing was done: a minute is near that is to be avoided.
    TooNear,
    /// A table is no longer the one that was seen, and was left alone.
    Moved,
}

/// What the script ends with where a minute is near, and where a table is another one (sysexits.h).
const TOO_NEAR: i32 = 75;
const MOVED: i32 = 66;

/// Tables are small, and a machine may be slow.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

impl Host {
    /// Takes lines out of tables, by one script, unless one of the minutes that begin at `avoided` (in seconds since 1970)
    /// has come or comes next by the machine's own clock. A folder has no clock.
    pub async fn take_lines(&self, tables: &[Taking], avoided: &[i64]) -> Result<Taken, HostError> {
        match self {
            Host::Folder(folder) => {
                for table in tables {
                    match folder.take_lines(table)? {
                        Taken::Done => {}
                        other => return Ok(other),
                    }
                }
                Ok(Taken::Done)
            }
            Host::Shell(shell) => Box::pin(shell.take_lines(tables, avoided)).await,
        }
    }
}

/// What is kept is read by root alone: a line may hold a password.
fn root_alone() -> Access {
    Access { owner: "root".to_owned(), group: "root".to_owned(), mode: 0o600 }
}

fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(directory, _)| directory)
}

impl Folder {
    fn take_lines(&self, taking: &Taking) -> Result<Taken, HostError> {
        let Taking { path, table, sum, to, kept, left } = taking;
        let seen = self.read(path)?.unwrap_or_default();
        if hex::encode(Sha256::digest(&seen)) != *sum {
            return Ok(Taken::Moved);
        }
        self.make_directory(directory_of(to), &Access { mode: 0o700, ..root_alone() })?;
        self.write(to, kept, &root_alone())?;
        let of_user =
            |user: &String| Access { owner: user.clone(), group: "crontab".to_owned(), mode: 0o600 };
        match (left, table) {
            (None, _) => self.remove(path),
            (Some(left), InTable::File(access)) => self.write(path, left, access),
            (Some(left), InTable::Of(user)) => self.write(path, left, &of_user(user)),
        }?;
        Ok(Taken::Done)
    }
}

impl Shell {
    async fn take_lines(&self, tables: &[Taking], avoided: &[i64]) -> Result<Taken, HostError> {
        let Some(first) = tables.first() else { return Ok(Taken::Done) };
        let mut calls = vec!["away".to_owned()];
        calls.extend(avoided.iter().map(i64::to_string));
        let mut script = format!("{}\n", calls.join(" "));
        let mut data = String::new();
        for Taking { path, table, sum, to, kept, left } in tables {
            let directory = directory_of(plain(to)?);
            script.push_str(&format!(
                "(directory {} root root 700) || exit 1\n",
                script::quoted(&[directory])?
            ));
            let mut words = vec![plain(path)?.to_owned(), sum.clone(), to.clone()];
            let function = match table {
                InTable::File(Access { owner, group, mode }) => {
                    words.extend([owner.clone(), group.clone(), format!("{mode:o}")]);
                    "take"
                }
                InTable::Of(user) => {
                    words.push(user.clone());
                    "take_own"
                }
            };
            words.push(if left.is_some() { "left" } else { "empty" }.to_owned());
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            script.push_str(&format!("{function} {}\n", script::quoted(&words)?));
            for bytes in [kept.as_slice(), left.as_deref().unwrap_or_default()] {
                for line in bytes.chunks(57) {
                    STANDARD.encode_string(line, &mut data);
                    data.push('\n');
                }
                data.push_str(".\n");
            }
        }
        let failed = |why: &str| error("cannot change", &first.path, why);
        let script = script::taking(&script);
        let (said, status) =
            self.exchange(&script, Some(data.as_bytes()), LIMIT).await.map_err(|why| failed(&why))?;
        match status {
            0 => Ok(Taken::Done),
            TOO_NEAR => Ok(Taken::TooNear),
            MOVED => Ok(Taken::Moved),
            _ => {
                let said = String::from_utf8_lossy(&said);
                let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                Err(failed(&with_help(&lines.join("; "))))
            }
        }
    }
}
