//! The programs that `apply` can put on hosts: this one, and those that `--program` names for other processors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Failure;
use super::place::Place;
use crate::clients::host::ProgramFile;
use crate::resources::program::{NAME, Offers};
use crate::state::Desired;
use crate::vocab::Kind;

/// What is at hand.
pub struct Programs {
    offers: Offers,
    pub files: Vec<ProgramFile>,
}

/// What this program prints for `--version`.
const BANNER: &str = concat!("reconcile ", env!("CARGO_PKG_VERSION"));

impl Programs {
    /// Reads the programs, if anything that is desired needs one.
    pub fn at_hand(place: &Place, named: &[PathBuf], desired: &Desired) -> Result<Self, Failure> {
        let mut programs = Programs { offers: Offers::default(), files: Vec::new() };
        if !desired.resources.keys().any(|id| id.kind() == Kind::Program) {
            return Ok(programs);
        }
        if place.is_sandbox() {
            programs.offers.played = Some(programs.add(STAND_IN.as_bytes().into()));
            return Ok(programs);
        }
        let own = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("this program cannot find itself: {error}")))?;
        // What a person names outweighs what runs here: it may be built for older systems.
        for file in std::iter::once(&own).chain(named) {
            let bytes = std::fs::read(file).map_err(|error| {
                Failure::failed(format!("the program {} cannot be read: {error}", file.display()))
            })?;
            let architecture = architecture(&bytes).ok_or_else(|| not_a_program(file))?;
            let sha256 = programs.add(bytes.into());
            programs.offers.by_architecture.insert(architecture.to_owned(), sha256);
        }
        Ok(programs)
    }

    fn add(&mut self, bytes: Arc<[u8]>) -> String {
        let sha256 = hex::encode(Sha256::digest(&bytes));
        self.files.push(ProgramFile { bytes, sha256: sha256.clone(), banner: BANNER.to_owned() });
        sha256
    }

    /// The same desired state, which knows what could be copied.
    pub fn offered(&self, desired: Desired) -> Desired {
        Desired { offers: self.offers.clone(), ..desired }
    }
}

fn not_a_program(file: &Path) -> Failure {
    Failure::failed_with_help(
        format!("{} is no program for Linux that is known here", file.display()),
        format!("name a build of {NAME} with --program, such as one for aarch64"),
    )
}

/// What stands on a host of the sandbox in this program's place: the one that plays it runs the jobs.
const STAND_IN: &str = concat!(
    "#!/bin/sh\n# reconcile ",
    env!("CARGO_PKG_VERSION"),
    "\n# On a host of the sandbox nothing runs; `reconcile sandbox run HOST` plays its cron.\nexit 1\n"
);

/// For which processor a program is built, as `uname -m` says it (elf(5): `e_machine`).
fn architecture(bytes: &[u8]) -> Option<&'static str> {
    let [0x7f, b'E', b'L', b'F', _, order, ..] = bytes else { return None };
    let machine: [u8; 2] = bytes.get(18..20)?.try_into().ok()?;
    let machine = if *order == 1 { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    match machine {
        22 => Some("s390x"),
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        243 => Some("riscv64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_built_for_this_machine() {
        let own = std::fs::read(std::env::current_exe().expect("a path")).expect("readable");
        assert_eq!(architecture(&own), Some(std::env::consts::ARCH));
        assert_eq!(architecture(b"#!/bin/sh\n"), None);
        assert_eq!(architecture(b"\x7fELF"), None);
    }
}
