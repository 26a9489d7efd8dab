//! Reads and writes the program on a host.

use super::{NAME, Program};
use crate::clients::host::{Host, HostError, Installed, ProgramFile, View};
use crate::vocab::JobCommand;

/// What was found at the program's path.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Ours(Program),
    /// Another program has that name.
    Other(String),
}

/// The program, by what it says of itself. One that does not start is ours: it stands where cron's entries look.
pub fn read(view: &View) -> Found {
    let Some(Installed { sha256, banner }) = &view.facts.program else { return Found::Nothing };
    let ours =
        |version: &str| Found::Ours(Program { version: version.to_owned(), sha256: Some(sha256.clone()) });
    match banner.split_once(' ') {
        Some((NAME, version)) => ours(version),
        None if banner.is_empty() => ours(""),
        _ => Found::Other(banner.clone()),
    }
}

/// Puts it in its place.
pub async fn write(host: &Host, program: &ProgramFile) -> Result<(), HostError> {
    host.install(JobCommand::PROGRAM, program).await
}
