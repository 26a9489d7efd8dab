//! The passwords of an environment's vaults, by label, and which of them opens what.
//!
//! A password is read when it is needed and once: a program runs, and a person is asked, no second time. Must never
//! hand a password to anything but the cipher.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;

use zeroize::Zeroizing;

use super::password::{Ask, PasswordError, VaultPassword};
use super::{Envelope, VaultError, is_envelope, seal};
use crate::settings::checks::table::{VAULT_DAMAGED, VAULT_PASSWORD};
use crate::vocab::{Check, Place, Problem};

/// The label of a password that was given none; in a file, format 1.1.
pub const DEFAULT_LABEL: &str = "default";

/// One password with its label, as `--vault-id` has it: `LABEL@FILE`, `LABEL@prompt`, `FILE`
/// (<https://docs.ansible.com/ansible/latest/vault_guide/vault_managing_passwords.html>).
#[derive(Clone, Debug)]
pub struct VaultId {
    pub label: String,
    pub password: VaultPassword,
    /// As it was written, to be repeated in a command.
    written: String,
}

impl FromStr for VaultId {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let (label, source) = written.split_once('@').unwrap_or(("", written));
        let label = if label.is_empty() { DEFAULT_LABEL } else { label };
        if !seal::is_label(label) {
            return Err(
                "the label before `@` cannot stand in a vault's header: use letters and digits".to_owned()
            );
        }
        let password = match source {
            "" => return Err("no file is named: write LABEL@FILE, LABEL@prompt or FILE".to_owned()),
            "prompt" | "prompt_ask_vault_pass" => VaultPassword::Prompt,
            file => VaultPassword::of_file(Path::new(file)),
        };
        Ok(VaultId { label: label.to_owned(), password, written: written.to_owned() })
    }
}

impl fmt::Display for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The passwords at hand. Without any, every vault stays locked.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: Vec<Key>,
    ask: Option<Ask>,
    /// Nobody named a password: who is asked may leave the vault locked.
    may_stay_locked: bool,
}

#[derive(Debug)]
struct Key {
    label: String,
    password: VaultPassword,
    read: OnceLock<Result<Candidates, PasswordError>>,
}

/// What a password may be, the likeliest first.
struct Candidates(Vec<Zeroizing<Vec<u8>>>);

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What was encrypted, wiped when dropped, and the label of the password that opened it.
pub struct Opened<'a> {
    pub text: Zeroizing<Vec<u8>>,
    pub label: &'a str,
}

/// Why a vault stays closed.
#[derive(Debug)]
pub enum Closed {
    /// No password is at hand.
    Locked,
    /// The text is no good envelope.
    Damaged(VaultError),
    /// None of the passwords with these labels opens it; the header wants this one.
    Wrong { tried: Vec<String>, wanted: Option<String> },
    /// A password could not be had, and no other opens it.
    NoPassword(PasswordError),
}

impl Keyring {
    pub fn new(ids: impl IntoIterator<Item = VaultId>) -> Self {
        let mut keyring = Keyring::default();
        for VaultId { label, password, .. } in ids {
            keyring.add(&label, password);
        }
        keyring
    }

    /// One more password, tried after those before it.
    pub fn add(&mut self, label: &str, password: VaultPassword) {
        self.keys.push(Key { label: label.to_owned(), password, read: OnceLock::new() });
    }

    /// Who asks for the passwords that a person types.
    pub fn asking(mut self, ask: Option<Ask>) -> Self {
        self.ask = ask;
        self
    }

    /// Where no password is named: a person is asked for one, and may give none.
    pub fn or_ask(mut self) -> Self {
        if self.keys.is_empty() && self.ask.is_some() {
            self.add(DEFAULT_LABEL, VaultPassword::Prompt);
            self.may_stay_locked = true;
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The labels in the order of the command line, each once.
    pub fn labels(&self) -> Vec<&str> {
        let mut labels = Vec::new();
        for key in &self.keys {
            if !labels.contains(&key.label.as_str()) {
                labels.push(key.label.as_str());
            }
        }
        labels
    }

    /// The password that encrypts: the first with this label. `None` where no password has it.
    pub fn password(&self, label: &str) -> Option<Result<&[u8], PasswordError>> {
        let index = self.keys.iter().position(|key| key.label == label)?;
        Some(self.read(index).and_then(|candidates| match candidates.first() {
            Some(password) if !password.is_empty() => Ok(password.as_slice()),
            _ => Err(PasswordError { file: None, why: "no password was given".to_owned() }),
        }))
    }

    /// Opens an envelope in Ansible's order: passwords with the header's label, then the others as they were given. The
    /// label is no proof of anything, so any password may open it.
    pub fn open(&self, envelope: &Envelope) -> Result<Opened<'_>, Closed> {
        self.open_with(envelope, self.keys.len())
    }

    /// With the first so many passwords.
    fn open_with(&self, envelope: &Envelope, most: usize) -> Result<Opened<'_>, Closed> {
        let wanted = envelope.label.as_deref().unwrap_or(DEFAULT_LABEL);
        let mut order: Vec<usize> = (0..most.min(self.keys.len())).collect();
        order.sort_by_key(|index| self.keys.get(*index).is_none_or(|key| key.label != wanted));
        let (mut tried, mut missing) = (Vec::new(), None);
        for index in order {
            let Some(key) = self.keys.get(index) else { continue };
            match self.read(index) {
                Ok(candidates) => {
                    for password in candidates.iter().filter(|password| !password.is_empty()) {
                        match envelope.open(password) {
                            Ok(text) => return Ok(Opened { text, label: &key.label }),
                            Err(VaultError::Password) => {}
                            Err(damage) => return Err(Closed::Damaged(damage)),
                        }
                    }
                    if candidates.iter().any(|password| !password.is_empty()) && !tried.contains(&key.label) {
                        tried.push(key.label.clone());
                    }
                }
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        Err(match missing {
            Some(error) => Closed::NoPassword(error),
            None if !tried.is_empty() => Closed::Wrong { tried, wanted: envelope.label.clone() },
            None if self.may_stay_locked || self.keys.is_empty() => Closed::Locked,
            None => Closed::NoPassword(PasswordError { file: None, why: "no password was given".to_owned() }),
        })
    }

    /// The password of one key, read once. A password file may itself be a vault that an earlier password opens.
    fn read(&self, index: usize) -> Result<&[Zeroizing<Vec<u8>>], PasswordError> {
        let Some(key) = self.keys.get(index) else { return Ok(&[]) };
        let read = key.read.get_or_init(|| {
            let candidates = key.password.read(&key.label, self.ask)?;
            let VaultPassword::File(file) = &key.password else { return Ok(Candidates(candidates)) };
            let Some(sealed) = candidates.first().filter(|text| is_envelope(text)) else {
                return Ok(Candidates(candidates));
            };
            let refused = |why: String| PasswordError { file: Some(file.clone()), why };
            let envelope =
                Envelope::of_bytes(sealed).map_err(|error| refused(format!("is no password: {error}")))?;
            let opened = self.open_with(&envelope, index).map_err(|_| {
                refused("is encrypted, and no password that was named before it opens it".to_owned())
            })?;
            let end = opened.text.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
            Ok(Candidates(vec![Zeroizing::new(opened.text.get(..end).unwrap_or_default().to_vec())]))
        });
        match read {
            Ok(Candidates(candidates)) => Ok(candidates),
            Err(error) => Err(error.clone()),
        }
    }
}

impl Closed {
    /// What to tell a person of an envelope whose header stands at `header`. `None` where it is just locked.
    pub fn problem(&self, header: &Place) -> Option<Problem> {
        let at = |check: Check, line: u32, message: String| {
            let column = if line <= 1 { header.column } else { 1 };
            let place =
                Place { line: header.line.saturating_add(line.saturating_sub(1)), column, ..header.clone() };
            Problem { place: Some(place), ..Problem::of_file(check, &header.file, message) }
        };
        Some(match self {
            Closed::Locked => return None,
            Closed::Damaged(error @ VaultError::Header { line }) => {
                at(VAULT_DAMAGED, *line, error.to_string())
                    .helped("encrypt it with `reconcile vault encrypt`, if it is plain")
            }
            Closed::Damaged(error) => at(VAULT_DAMAGED, error.line(), error.to_string())
                .helped("restore it from version control, or encrypt it again"),
            Closed::Wrong { tried, wanted } => {
                let message = match tried.as_slice() {
                    [_] => VaultError::Password.to_string(),
                    several => format!(
                        "none of the {} passwords ({}) opens this vault, or the file was changed",
                        several.len(),
                        several.join(", ")
                    ),
                };
                let help = match wanted.as_deref().map(|label| (label, crate::settings::values::shown(label)))
                {
                    Some((label, shown)) if !tried.iter().any(|tried| tried == label) => {
                        format!(
                            "this vault wants the password that is labelled {shown}: --vault-id {shown}@FILE"
                        )
                    }
                    Some((_, shown)) => {
                        format!("this vault wants the password that is labelled {shown}: check that one")
                    }
                    None => "check --vault-id, --vault-password-file or RECONCILE_VAULT_PASSWORD".to_owned(),
                };
                at(VAULT_PASSWORD, 1, message).helped(help)
            }
            Closed::NoPassword(PasswordError { file, why }) => {
                let help =
                    "name a file that holds it, or a program that prints it, with --vault-password-file";
                match file {
                    Some(file) => Problem::of_file(
                        VAULT_PASSWORD,
                        &file.display().to_string(),
                        format!("the vault's password cannot be had: it {why}"),
                    )
                    .helped(help),
                    None => at(VAULT_PASSWORD, 1, format!("the vault's password cannot be had: {why}"))
                        .helped(help),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Secret;

    fn given(label: &str, password: &str) -> VaultId {
        let password = VaultPassword::Given(Secret::new(password));
        VaultId { label: label.to_owned(), password, written: String::new() }
    }

    fn sealed(password: &str, label: &str) -> Envelope {
        Envelope::parse(&seal(b"text", password.as_bytes(), label).expect("sealed")).expect("an envelope")
    }

    #[test]
    fn the_headers_label_is_tried_first_and_then_all_others() {
        // A password that cannot be had is never asked for where the right one comes first.
        let ids = || [given("dev", "d"), "prod@/nonexistent".parse().expect("an id")];
        let opened = |envelope: &Envelope| match Keyring::new(ids()).open(envelope) {
            Ok(opened) => opened.label.to_owned(),
            Err(closed) => format!("{closed:?}"),
        };
        assert_eq!(opened(&sealed("d", "dev")), "dev");
        assert_eq!(opened(&sealed("d", "prod")), "dev");
        assert_eq!(opened(&sealed("d", DEFAULT_LABEL)), "dev");
        assert!(opened(&sealed("other", "prod")).starts_with("NoPassword"));
        let wrong = Keyring::new([given("a", "1"), given("b", "2")]).open(&sealed("3", "c")).err();
        let Some(Closed::Wrong { tried, wanted }) = wrong else { panic!("{wrong:?}") };
        assert_eq!((tried.join(","), wanted.as_deref()), ("a,b".to_owned(), Some("c")));
    }

    #[test]
    fn nobody_is_asked_twice_and_who_gives_nothing_leaves_it_locked() {
        let typed: Ask = |label| Ok(Zeroizing::new(label.as_bytes().to_vec()));
        let keyring = Keyring::new(["prod@prompt".parse().expect("an id")]).asking(Some(typed));
        assert!(keyring.open(&sealed("prod", "prod")).is_ok());
        let silent: Ask = |_| Ok(Zeroizing::default());
        let keyring = Keyring::default().asking(Some(silent)).or_ask();
        assert!(matches!(keyring.open(&sealed("x", "prod")), Err(Closed::Locked)));
        let keyring = Keyring::new(["prompt".parse().expect("an id")]).asking(Some(silent)).or_ask();
        assert!(matches!(keyring.open(&sealed("x", "prod")), Err(Closed::NoPassword(_))));
        assert!(Keyring::default().or_ask().is_empty(), "nobody can be asked");
    }

    #[test]
    fn an_encrypted_password_file_opens_with_an_earlier_password() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        std::fs::write(&path, seal(b"inner\n", b"outer", DEFAULT_LABEL).expect("sealed")).expect("written");
        let file: VaultId = format!("inner@{}", path.display()).parse().expect("an id");
        let keyring = Keyring::new([given("outer", "outer"), file.clone()]);
        assert!(keyring.open(&sealed("inner", "inner")).is_ok());
        let alone = Keyring::new([file, given("outer", "outer")]);
        assert!(matches!(alone.open(&sealed("inner", "inner")), Err(Closed::NoPassword(_))));
    }

    #[test]
    fn ids_are_read_as_ansible_reads_them() {
        let id = |text: &str| text.parse::<VaultId>();
        let of = |text: &str| match id(text) {
            Ok(VaultId { label, password: VaultPassword::File(file), .. }) => {
                format!("{label} {}", file.display())
            }
            Ok(VaultId { label, .. }) => label,
            Err(_) => "refused".to_owned(),
        };
        assert_eq!(of("prod@a/b"), "prod a/b");
        assert_eq!(of("a/b"), "default a/b");
        assert_eq!(of("@a@b"), "default a@b");
        assert_eq!(of("prod@prompt"), "prod");
        assert_eq!(of("prompt"), "default");
        assert_eq!(of("a;b@c"), "refused");
        assert_eq!(of("prod@"), "refused");
    }

    #[test]
    fn no_debug_text_holds_a_password() {
        let keyring = Keyring::new([given("a", "CANARY")]);
        assert!(keyring.open(&sealed("CANARY", "a")).is_ok());
        assert!(!format!("{keyring:?}").contains("CANARY"));
    }
}
