//! Ansible Vault, versions 1.1 and 1.2 (the one with labels).
//!
//! The format: a header line, then hexadecimal text in lines of 80; decoded, three hexadecimal texts in three lines:
//! salt, HMAC-SHA256 of the ciphertext, ciphertext. PBKDF2-SHA256 with 10,000 rounds makes of password and salt 80
//! bytes: 32 for AES-256 in counter mode, 32 for the HMAC, 16 for the counter. The plain text is padded as PKCS#7
//! wants it
//! (<https://docs.ansible.com/ansible/latest/vault_guide/vault_using_encrypted_content.html#ansible-vault-payload-format-1-1-1-2>).
//!
//! Pure but for [`password`], and for the salt that [`seal()`] draws. Must never put plain text or password into an
//! error.

mod keyring;
mod password;
mod seal;

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hex::FromHexError;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use keyring::{Closed, DEFAULT_LABEL, Keyring, Opened, VaultId};
pub use password::{Ask, PasswordError, VaultPassword};
pub use seal::{is_label, seal};

const ROUNDS: u32 = 10_000;
const BLOCK: usize = 16;
const MAC_BYTES: usize = 32;
const HEADER: &str = "$ANSIBLE_VAULT";

/// An envelope, taken apart but not opened.
pub struct Envelope {
    /// The label of format 1.2, for a person who has several passwords.
    pub label: Option<String>,
    salt: Vec<u8>,
    mac: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// Why a vault cannot be read. Lines count from one, the header's, blank lines before it included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("the header is not one of `$ANSIBLE_VAULT;1.1;AES256` and `$ANSIBLE_VAULT;1.2;AES256;LABEL`")]
    Header { line: u32 },
    #[error("the vault is damaged: this line is not the hexadecimal text that Ansible writes")]
    Body { line: u32 },
    #[error("the vault is damaged: something is missing on this line, or behind it")]
    Cut { line: u32 },
    #[error("the vault's password is wrong, or the file was changed")]
    Password,
    #[error("the vault is damaged: its password is right, and what it holds is not padded")]
    Padding,
}

impl VaultError {
    /// The line that is wrong; the header's where no line is to blame.
    pub fn line(self) -> u32 {
        match self {
            VaultError::Header { line } | VaultError::Body { line } | VaultError::Cut { line } => line,
            VaultError::Password | VaultError::Padding => 1,
        }
    }
}

/// Whether a text is a vault as a whole.
pub fn is_envelope(text: &[u8]) -> bool {
    text.starts_with(HEADER.as_bytes())
}

/// `sha256:HEX` of what is encrypted, which names a version of the vault without opening it.
pub fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}

impl Envelope {
    /// Takes the text of a whole file or of an inline `!vault` value apart.
    ///
    /// As Ansible, which looks at the cipher and takes a label from any version's header; unlike Ansible, spaces around
    /// lines are nothing, as in a value whose indentation YAML left, and a version that nobody defined is refused.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let lines = Lines::of(text);
        let header: Vec<&str> = lines.header().split(';').map(str::trim).collect();
        let label = match header.as_slice() {
            [HEADER, "1.1" | "1.2", "AES256"] => None,
            [HEADER, "1.1" | "1.2", "AES256", label, ..] => {
                Some((*label).to_owned()).filter(|label| !label.is_empty())
            }
            _ => return Err(VaultError::Header { line: lines.number(0) }),
        };
        let digits = lines.body();
        let body = hex::decode(&digits).map_err(|error| match error {
            FromHexError::InvalidHexCharacter { index, .. } => lines.wrong(index),
            _ => lines.cut(),
        })?;
        drop(digits);
        let mut rest = body.as_slice();
        let salt = lines.part(&body, &mut rest)?;
        let mac = lines.part(&body, &mut rest)?;
        let ciphertext = lines.part(&body, &mut rest)?;
        if salt.is_empty() || mac.len() != MAC_BYTES || ciphertext.is_empty() || ciphertext.len() % BLOCK != 0
        {
            return Err(lines.cut());
        }
        Ok(Envelope { label, salt, mac, ciphertext })
    }

    /// As [`Envelope::parse`], of a file's bytes. A vault is ASCII.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Envelope::parse(text),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = count(1 + good.iter().filter(|byte| **byte == b'\n').count());
                Err(if is_envelope(bytes) {
                    VaultError::Body { line }
                } else {
                    VaultError::Header { line: 1 }
                })
            }
        }
    }

    /// The plain text, wiped when dropped.
    ///
    /// Errors: [`VaultError::Password`], which is also what a change of the ciphertext looks like;
    /// [`VaultError::Padding`].
    pub fn open(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let keys = Keys::derive(password, &self.salt);
        let mut mac = keys.mac().ok_or(VaultError::Password)?;
        mac.update(&self.ciphertext);
        mac.verify_slice(&self.mac).map_err(|_| VaultError::Password)?;
        let mut text = Zeroizing::new(self.ciphertext.clone());
        keys.cipher().ok_or(VaultError::Password)?.apply_keystream(&mut text);
        let kept = unpadded(&text).ok_or(VaultError::Padding)?;
        text.truncate(kept);
        Ok(text)
    }
}

/// What PBKDF2 makes of a password and a salt.
struct Keys(Zeroizing<[u8; 80]>);

impl Keys {
    fn derive(password: &[u8], salt: &[u8]) -> Self {
        let mut keys = Zeroizing::new([0u8; 80]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, keys.as_mut_slice());
        Keys(keys)
    }

    /// `None` never: the lengths are right.
    fn cipher(&self) -> Option<Ctr128BE<Aes256>> {
        Ctr128BE::<Aes256>::new_from_slices(self.0.get(..32)?, self.0.get(64..)?).ok()
    }

    /// `None` never: any length is right.
    fn mac(&self) -> Option<Hmac<Sha256>> {
        Hmac::<Sha256>::new_from_slice(self.0.get(32..64)?).ok()
    }
}

/// The lines of an envelope, numbered for a person.
struct Lines<'a> {
    /// How many stand before the header.
    before: usize,
    text: &'a str,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let trimmed = text.trim_start();
        let before = text.get(..text.len() - trimmed.len()).unwrap_or_default();
        Lines { before: before.bytes().filter(|byte| *byte == b'\n').count(), text: trimmed.trim_end() }
    }

    fn each(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text.lines().map(str::trim)
    }

    fn header(&self) -> &'a str {
        self.each().next().unwrap_or_default()
    }

    /// The hexadecimal digits below the header.
    fn body(&self) -> String {
        let mut digits = String::with_capacity(self.text.len());
        self.each().skip(1).for_each(|line| digits.push_str(line));
        digits
    }

    fn number(&self, line: usize) -> u32 {
        count(self.before + line + 1)
    }

    /// The next of the three parts.
    fn part(&self, body: &[u8], rest: &mut &[u8]) -> Result<Vec<u8>, VaultError> {
        let start = body.len() - rest.len();
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (part, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        *rest = behind.get(1..).unwrap_or_default();
        hex::decode(part).map_err(|error| match error {
            FromHexError::InvalidHexCharacter { index, .. } => self.wrong(2 * (start + index)),
            _ => self.cut(),
        })
    }

    /// The line of a digit that is wrong.
    fn wrong(&self, digit: usize) -> VaultError {
        let mut seen = 0;
        let line = self.each().enumerate().skip(1).find(|(_, line)| {
            seen += line.len();
            digit < seen
        });
        VaultError::Body { line: self.number(line.map_or(0, |(number, _)| number)) }
    }

    /// The first line that is not as long as the first, unless it is the last; else the last.
    fn cut(&self) -> VaultError {
        let lengths: Vec<usize> = self.each().skip(1).map(str::len).collect();
        let full = lengths.first().copied().unwrap_or_default();
        let short = lengths.iter().position(|length| *length != full);
        VaultError::Cut { line: self.number(short.map_or(lengths.len(), |index| index + 1)) }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// How many bytes remain without PKCS#7's padding (RFC 5652, section 6.3).
fn unpadded(text: &[u8]) -> Option<usize> {
    let padding = usize::from(*text.last()?);
    let kept = text.len().checked_sub(padding)?;
    let padded = text.get(kept..)?;
    let good = (1..=BLOCK).contains(&padding) && padded.iter().all(|byte| usize::from(*byte) == padding);
    good.then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An envelope around three texts that need not be good ones.
    fn wrapped(parts: &str) -> String {
        let mut text = "$ANSIBLE_VAULT;1.1;AES256\n".to_owned();
        let digits = hex::encode(parts);
        for line in digits.as_bytes().chunks(80) {
            text.push_str(std::str::from_utf8(line).expect("ASCII"));
            text.push('\n');
        }
        text
    }

    #[test]
    fn what_is_no_vault_is_told_apart() {
        let error = |text: &str| Envelope::parse(text).err();
        assert_eq!(error("secret: 1"), Some(VaultError::Header { line: 1 }));
        assert_eq!(error("\n\nsecret: 1"), Some(VaultError::Header { line: 3 }));
        assert_eq!(error("$ANSIBLE_VAULT;1.0;AES\n00"), Some(VaultError::Header { line: 1 }));
        assert_eq!(error("$ANSIBLE_VAULT;1.1;AES256\nzz"), Some(VaultError::Body { line: 2 }));
        assert_eq!(error("$ANSIBLE_VAULT;1.1;AES256\n3030"), Some(VaultError::Cut { line: 2 }));
        assert_eq!(error("$ANSIBLE_VAULT;1.1;AES256"), Some(VaultError::Cut { line: 1 }));
        assert_eq!(Envelope::of_bytes(b"\xff").err(), Some(VaultError::Header { line: 1 }));
        let not_ascii = b"$ANSIBLE_VAULT;1.1;AES256\n30\n\xff";
        assert_eq!(Envelope::of_bytes(not_ascii).err(), Some(VaultError::Body { line: 3 }));
    }

    #[test]
    fn the_line_that_is_damaged_is_named() {
        let (salt, mac) = ("0".repeat(64), "1".repeat(64));
        let good = wrapped(&format!("{salt}\n{mac}\n{}", "2".repeat(320)));
        assert!(Envelope::parse(&good).is_ok());
        let changed = |line: usize, with: &dyn Fn(&str) -> String| {
            let lines = good.lines().enumerate();
            let lines =
                lines.map(|(number, text)| if number + 1 == line { with(text) } else { text.to_owned() });
            Envelope::parse(&lines.collect::<Vec<_>>().join("\r\n")).err()
        };
        assert_eq!(changed(5, &|text| text.to_owned()), None);
        assert_eq!(changed(5, &|text| text.replace("32", "3x")), Some(VaultError::Body { line: 5 }));
        // Digits that are the codes of no digits: the second layer.
        assert_eq!(changed(9, &|text| text.replacen("32", "7a", 1)), Some(VaultError::Body { line: 9 }));
        assert_eq!(changed(4, &|text| text[1..].to_owned()), Some(VaultError::Cut { line: 4 }));
        assert_eq!(changed(6, &|text| text[2..].to_owned()), Some(VaultError::Cut { line: 6 }));
        let short_mac = wrapped(&format!("{salt}\n{}\n{}", "1".repeat(62), "2".repeat(32)));
        assert!(matches!(Envelope::parse(&short_mac).err(), Some(VaultError::Cut { .. })));
    }

    #[test]
    fn a_label_is_read_wherever_ansible_reads_it() {
        let body = wrapped(&format!("{}\n{}\n{}", "0".repeat(64), "1".repeat(64), "2".repeat(32)));
        let (_, body) = body.split_once('\n').expect("a header");
        let label =
            |header: &str| Envelope::parse(&format!("{header}\n{body}")).map(|envelope| envelope.label);
        assert_eq!(label("$ANSIBLE_VAULT;1.2;AES256;prod"), Ok(Some("prod".to_owned())));
        assert_eq!(label("$ANSIBLE_VAULT;1.1;AES256;prod "), Ok(Some("prod".to_owned())));
        assert_eq!(label("$ANSIBLE_VAULT;1.2;AES256"), Ok(None));
        assert_eq!(label("$ANSIBLE_VAULT;1.3;AES256;prod"), Err(VaultError::Header { line: 1 }));
    }

    #[test]
    fn padding_is_whole_or_wrong() {
        assert_eq!(unpadded(&[7, 7, 2, 2]), Some(2));
        assert_eq!(unpadded(&[16; 16]), Some(0));
        assert_eq!(unpadded(&[1, 2, 3]), None);
        assert_eq!(unpadded(&[0]), None);
        assert_eq!(unpadded(&[]), None);
    }
}
