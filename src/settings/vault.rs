//! Ansible Vault, versions 1.1 and 1.2 (the one with labels).
//!
//! The format: a header line, then hexadecimal text in lines; decoded, three hexadecimal texts in three lines: salt,
//! HMAC-SHA256 of the ciphertext, ciphertext. PBKDF2-SHA256 with 10,000 rounds makes of password and salt 80 bytes:
//! 32 for AES-256, 32 for the HMAC, 16 for the counter. The plain text is padded as PKCS#7 wants it
//! (<https://docs.ansible.com/ansible/latest/vault_guide/vault_using_encrypted_content.html#ansible-vault-payload-format-1-1-1-2>).
//!
//! Pure but for [`VaultPassword`]. Must never put plain text or password into an error.

mod password;

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use password::VaultPassword;

const ROUNDS: u32 = 10_000;
const BLOCK: usize = 16;
const HEADER: &str = "$ANSIBLE_VAULT";

/// An envelope, taken apart but not opened.
pub struct Envelope {
    /// The label of format 1.2, for a person who has several passwords.
    pub label: Option<String>,
    salt: Vec<u8>,
    mac: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// Why a vault cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("the header is not one of `$ANSIBLE_VAULT;1.1;AES256` and `$ANSIBLE_VAULT;1.2;AES256;LABEL`")]
    Header,
    #[error("the vault is damaged: its body is not the hexadecimal text that Ansible writes")]
    Body,
    #[error("the vault's password is wrong, or the file was changed")]
    Password,
}

/// Whether a text is a vault as a whole.
pub fn is_envelope(text: &str) -> bool {
    text.starts_with(HEADER)
}

/// `sha256:HEX` of what is encrypted, which names a version of the vault without opening it.
pub fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}

impl Envelope {
    /// Takes the text of a whole file or of an inline `!vault` value apart.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let mut lines = text.trim().lines().map(str::trim);
        let header: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
        let label = match header.as_slice() {
            [HEADER, "1.1", "AES256"] => None,
            [HEADER, "1.2", "AES256", label] => Some((*label).to_owned()),
            _ => return Err(VaultError::Header),
        };
        let body = hex::decode(lines.collect::<String>()).map_err(|_| VaultError::Body)?;
        let mut parts = body.splitn(3, |byte| *byte == b'\n').map(hex::decode);
        let mut part = || parts.next().and_then(Result::ok).ok_or(VaultError::Body);
        let (salt, mac, ciphertext) = (part()?, part()?, part()?);
        if salt.is_empty() || ciphertext.is_empty() || ciphertext.len() % BLOCK != 0 {
            return Err(VaultError::Body);
        }
        Ok(Envelope { label, salt, mac, ciphertext })
    }

    /// The plain text, wiped when dropped.
    pub fn open(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut keys = Zeroizing::new([0u8; 80]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, ROUNDS, keys.as_mut_slice());
        let (cipher_key, rest) = keys.split_at(32);
        let (mac_key, counter) = rest.split_at(32);
        let mut mac = Hmac::<Sha256>::new_from_slice(mac_key).map_err(|_| VaultError::Password)?;
        mac.update(&self.ciphertext);
        mac.verify_slice(&self.mac).map_err(|_| VaultError::Password)?;
        let mut text = Zeroizing::new(self.ciphertext.clone());
        Ctr128BE::<Aes256>::new_from_slices(cipher_key, counter)
            .map_err(|_| VaultError::Password)?
            .apply_keystream(&mut text);
        let kept = unpadded(&text).ok_or(VaultError::Body)?;
        text.truncate(kept);
        Ok(text)
    }
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

    #[test]
    fn what_is_no_vault_is_told_apart() {
        let error = |text| Envelope::parse(text).err();
        assert_eq!(error("secret: 1"), Some(VaultError::Header));
        assert_eq!(error("$ANSIBLE_VAULT;1.0;AES\n00"), Some(VaultError::Header));
        assert_eq!(error("$ANSIBLE_VAULT;1.1;AES256\nzz"), Some(VaultError::Body));
        assert_eq!(error("$ANSIBLE_VAULT;1.1;AES256\n3030"), Some(VaultError::Body));
        assert_eq!(error("$ANSIBLE_VAULT;1.1;AES256"), Some(VaultError::Body));
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
