//! The secrets of `vault.yml`, found in its plain text or in inline `!vault` values.
//!
//! Must never put plain text into a problem: what it says of the vault is a place and a key at most.

use super::checks::table;
use super::source::{Mark, Source};
use super::tree::{self, Content, Map, Node};
use super::vault::{self, Envelope, VaultError, VaultPassword};
use super::{S3Keys, Secrets, Vault};
use crate::vocab::{Problem, Secret};

/// Where keys may stand besides the top: commcare-cloud had them there at one time or another.
const HOUSES: [&str; 2] = ["localsettings_private", "secrets"];
const ACCESS_KEY: &str = "AMAZON_S3_ACCESS_KEY";
const SECRET_KEY: &str = "AMAZON_S3_SECRET_KEY";

/// Opens a vault as far as the password allows.
///
/// Errors: a password that cannot be had or is wrong, a damaged envelope, plain text that is not YAML. A vault without
/// a password is no error: it is locked.
pub fn open(source: &Source, password: Option<&VaultPassword>, problems: &mut Vec<Problem>) -> Vault {
    let digest = vault::digest(source.text.trim());
    let locked = Vault::Locked { file: source.name.to_string(), digest: digest.clone() };
    let whole = vault::is_envelope(&source.text);
    let parsed = match whole {
        false => tree::parse(source),
        true => {
            let Some(password) = password else { return locked };
            match opened(source, password) {
                Ok(mut plain) => {
                    let parsed = tree::parse(&plain);
                    plain.wipe();
                    parsed
                }
                Err(problem) => {
                    problems.push(*problem);
                    return locked;
                }
            }
        }
    };
    let mut plain = parsed.map;
    problems.extend(parsed.problems.into_iter().map(|fault| anonymous(fault, whole)));
    let found = Finder { source, password, whole, problems }.secrets(&plain);
    plain.entries.iter_mut().for_each(|entry| entry.value.wipe());
    match found {
        Some(secrets) => Vault::Open { secrets, digest },
        None => locked,
    }
}

/// The plain text of a whole vault.
fn opened(source: &Source, password: &VaultPassword) -> Result<Source, Box<Problem>> {
    let mark = source.mark_at(0, source.text.lines().next().map_or(0, str::len));
    let plain = decrypt(&source.text, password).map_err(|why| Box::new(why.problem(source, &mark)))?;
    match std::str::from_utf8(&plain) {
        Ok(text) => Ok(Source::new(&source.name, text)),
        Err(_) => Err(Box::new(source.problem(
            table::VAULT_DAMAGED,
            &mark,
            "what is encrypted is not UTF-8, so it cannot be settings",
        ))),
    }
}

/// Why a vault stays closed.
enum Closed {
    Password(String, String),
    Vault(VaultError, Option<String>),
}

impl Closed {
    fn problem(self, source: &Source, mark: &Mark) -> Problem {
        match self {
            Closed::Password(path, why) => Problem::of_file(
                table::VAULT_PASSWORD,
                &path,
                format!("the vault's password cannot be had: it {why}"),
            )
            .helped("name a file that holds it, or a program that prints it, with --vault-password-file"),
            Closed::Vault(VaultError::Password, label) => {
                let problem = source.problem(table::VAULT_PASSWORD, mark, VaultError::Password.to_string());
                match label {
                    Some(label) => problem.helped(format!(
                        "this vault wants the password that is labelled {}",
                        super::values::shown(&label)
                    )),
                    None => problem.helped("check --vault-password-file or RECONCILE_VAULT_PASSWORD"),
                }
            }
            Closed::Vault(error, _) => source
                .problem(table::VAULT_DAMAGED, mark, error.to_string())
                .helped("restore the file from version control, or encrypt it again"),
        }
    }
}

fn decrypt(text: &str, password: &VaultPassword) -> Result<zeroize::Zeroizing<Vec<u8>>, Closed> {
    let envelope = Envelope::parse(text).map_err(|error| Closed::Vault(error, None))?;
    let password =
        password.read().map_err(|error| Closed::Password(error.path.display().to_string(), error.why))?;
    envelope.open(&password).map_err(|error| Closed::Vault(error, envelope.label.clone()))
}

/// A problem of decrypted text keeps its line and loses everything that quotes the text.
fn anonymous(fault: Problem, whole: bool) -> Problem {
    if !whole {
        // The words of a plain vault are secrets all the same.
        return Problem { span: None, label: None, key: None, message: veiled(&fault), ..fault };
    }
    let line = fault.place.as_ref().map_or(0, |place| place.line);
    let message = format!("line {line} of what is encrypted: {}", veiled(&fault));
    Problem { place: None, span: None, label: None, key: None, message, ..fault }
}

/// What is wrong without the words it is wrong with.
fn veiled(fault: &Problem) -> String {
    let mut message = String::new();
    for (index, part) in fault.message.split('`').enumerate() {
        message.push_str(if index % 2 == 0 { part } else { "(secret)" });
    }
    message
}

struct Finder<'a> {
    source: &'a Source,
    password: Option<&'a VaultPassword>,
    /// The whole file was encrypted, so that plain values in it are safe.
    whole: bool,
    problems: &'a mut Vec<Problem>,
}

impl Finder<'_> {
    /// The secrets; `None` where one of them is locked.
    fn secrets(&mut self, top: &Map) -> Option<Secrets> {
        let houses = HOUSES.iter().filter_map(|house| top.get(house)?.value.as_map());
        for map in std::iter::once(top).chain(houses) {
            let (Some(access), Some(secret)) = (map.get(ACCESS_KEY), map.get(SECRET_KEY)) else { continue };
            let access_key = self.secret(&access.value, ACCESS_KEY)?;
            let secret_key = self.secret(&secret.value, SECRET_KEY)?;
            if let (Some(access_key), Some(secret_key)) = (access_key, secret_key) {
                return Some(Secrets { s3: Some(S3Keys { access_key, secret_key }) });
            }
        }
        Some(Secrets::default())
    }

    /// Outer `None`: locked. Inner `None`: nothing written, or nothing usable.
    fn secret(&mut self, node: &Node, key: &str) -> Option<Option<Secret>> {
        match &node.content {
            Content::Scalar(scalar) if scalar.text.is_empty() || scalar.is_template() => Some(None),
            Content::Scalar(scalar) => {
                if !self.whole {
                    let mut warning = self
                        .source
                        .problem(
                            table::PLAIN_SECRET,
                            &node.mark,
                            format!("{key} is not encrypted: who reads this file can write to the bucket"),
                        )
                        .helped("ansible-vault encrypt vault.yml")
                        .at_key(key);
                    warning.span = None;
                    self.problems.push(warning);
                }
                Some(Some(Secret::new(scalar.text.clone())))
            }
            Content::Vaulted(envelope) => {
                let password = self.password?;
                let text = match decrypt(envelope, password) {
                    Ok(text) => text,
                    Err(why) => {
                        self.problems.push(why.problem(self.source, &node.mark));
                        return None;
                    }
                };
                Some(std::str::from_utf8(&text).ok().map(Secret::new))
            }
            Content::List(_) | Content::Map(_) => Some(None),
        }
    }
}
