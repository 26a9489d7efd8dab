//! Which password encrypts, which one opens, and what to say where none does.
//!
//! Must never hand a password to anything but the cipher.

use super::With;
use super::files::Input;
use crate::cli::{Failure, Global, prompt};
use crate::settings::vault::{
    Ask, Closed, DEFAULT_LABEL, Envelope, Opened, PasswordError, is_envelope, seal,
};
use crate::settings::{Keyring, VaultPassword};
use crate::vocab::{Place, Problems};

/// A password that encrypts, and the label that it writes.
pub struct Writer {
    pub keyring: Keyring,
    /// Whose password.
    pub from: String,
    /// What the header says.
    pub label: String,
}

pub struct WriteKey<'a> {
    password: &'a [u8],
    pub label: &'a str,
}

impl Writer {
    pub fn of(global: &Global, with: &With) -> Result<Self, Failure> {
        let wanted = with.encrypt_vault_id.as_deref();
        let keyring = keyring(global, prompt::new_password, wanted.unwrap_or(DEFAULT_LABEL));
        let labels = keyring.labels();
        let (from, label) = match (wanted, labels.as_slice()) {
            (Some(wanted), labels) if labels.contains(&wanted) => (wanted, wanted),
            // The only password has no label, so it may take this one.
            (Some(wanted), [DEFAULT_LABEL]) => (DEFAULT_LABEL, wanted),
            (Some(wanted), labels) => {
                return Err(Failure::usage(format!(
                    "--encrypt-vault-id: no password is labelled {wanted} (those at hand: {}): add --vault-id {wanted}@FILE",
                    labels.join(", ")
                )));
            }
            (None, [only]) => (*only, *only),
            (None, several) => {
                return Err(Failure::usage(format!(
                    "several passwords are at hand ({}): name the one that encrypts with --encrypt-vault-id LABEL",
                    several.join(", ")
                )));
            }
        };
        let (from, label) = (from.to_owned(), label.to_owned());
        Ok(Writer { keyring, from, label })
    }

    /// Reads the password.
    pub fn key(&self) -> Result<WriteKey<'_>, Failure> {
        let header = Place { file: "".into(), line: 1, column: 1 };
        match self.keyring.password(&self.from) {
            Some(Ok(password)) => Ok(WriteKey { password, label: &self.label }),
            Some(Err(error)) => Err(closed(Closed::NoPassword(error), &header)),
            None => Err(closed(Closed::Locked, &header)),
        }
    }
}

impl WriteKey<'_> {
    pub fn sealed(&self, plain: &[u8]) -> Result<String, Failure> {
        seal(plain, self.password, self.label)
            .map_err(|error| Failure::failed(format!("nothing can be encrypted: {error}")))
    }

    /// Whether an envelope opens, and to what was encrypted.
    pub fn opens(&self, sealed: &[u8], plain: &[u8]) -> bool {
        let opened = Envelope::of_bytes(sealed).and_then(|envelope| envelope.open(self.password));
        opened.is_ok_and(|text| text.as_slice() == plain)
    }
}

/// The passwords at hand; where none is named, a person is asked for one with this label.
pub fn keyring(global: &Global, ask: Ask, label: &str) -> Keyring {
    let mut keyring = global.keyring(ask);
    if keyring.is_empty() {
        keyring.add(label, VaultPassword::Prompt);
    }
    keyring
}

pub fn asking(ask: Ask) -> Option<Ask> {
    prompt::can_ask().then_some(ask)
}

pub fn looks_sealed(bytes: &[u8]) -> bool {
    is_envelope(bytes.trim_ascii_start())
}

pub fn opened<'a>(input: &Input, keyring: &'a Keyring) -> Result<Opened<'a>, Failure> {
    if !looks_sealed(&input.bytes) {
        let what = if input.bytes.trim_ascii().is_empty() { "is empty" } else { "is not encrypted" };
        return Err(Failure::failed(format!("{} {what}: there is nothing to decrypt", input.name)));
    }
    let header = Place { file: input.name.as_str().into(), line: 1, column: 1 };
    let envelope =
        Envelope::of_bytes(&input.bytes).map_err(|error| closed(Closed::Damaged(error), &header))?;
    keyring.open(&envelope).map_err(|why| closed(why, &header))
}

/// Why a vault stays closed: that nobody could be asked is a refusal.
fn closed(why: Closed, header: &Place) -> Failure {
    match why {
        Closed::NoPassword(PasswordError { file: None, why }) => nobody(why),
        why => match why.problem(header) {
            Some(problem) => Failure::Problems(Problems { list: vec![problem], ..Problems::default() }),
            None => nobody("none is named".to_owned()),
        },
    }
}

pub fn nobody(why: String) -> Failure {
    Failure::refused(
        format!("the vault's password cannot be had: {why}"),
        "name a file that holds it, or a program that prints it, with --vault-password-file",
    )
}
