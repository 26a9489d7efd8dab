//! Plain text to an envelope, byte for byte as Ansible lays it out.

use std::io;

use ctr::cipher::StreamCipher;
use hmac::Mac;
use zeroize::Zeroizing;

use super::{BLOCK, DEFAULT_LABEL, HEADER, Keys};

const SALT_BYTES: usize = 32;
/// Bytes that make a line of 80 digits.
const LINE_BYTES: usize = 40;

/// Whether a label can stand in a header and be read again: printable ASCII without `;` and `@`, no space at its ends.
pub fn is_label(text: &str) -> bool {
    let good = |c: char| (c.is_ascii_graphic() || c == ' ') && c != ';' && c != '@';
    !text.is_empty() && text.trim() == text && text.chars().all(good)
}

/// Encrypts: format 1.2 with the label, or 1.1 for `default`, as `ansible-vault` has it. Ends with a newline.
///
/// The salt is the operating system's. Errors: that system gives no random bytes.
pub fn seal(plain: &[u8], password: &[u8], label: &str) -> io::Result<String> {
    let mut salt = [0u8; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    sealed(plain, password, label, &salt).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn sealed(plain: &[u8], password: &[u8], label: &str, salt: &[u8]) -> Option<String> {
    let keys = Keys::derive(password, salt);
    // PKCS#7: as many bytes as are missing, each that number; a whole block where none is.
    let padding = BLOCK - plain.len() % BLOCK;
    let mut text = Zeroizing::new(Vec::with_capacity(plain.len() + padding));
    text.extend_from_slice(plain);
    text.resize(plain.len() + padding, u8::try_from(padding).ok()?);
    keys.cipher()?.apply_keystream(&mut text);
    let mut mac = keys.mac()?;
    mac.update(&text);
    let mac = mac.finalize().into_bytes();
    let body = format!("{}\n{}\n{}", hex::encode(salt), hex::encode(mac), hex::encode(text.as_slice()));
    let header = match label {
        DEFAULT_LABEL => format!("{HEADER};1.1;AES256\n"),
        label => format!("{HEADER};1.2;AES256;{label}\n"),
    };
    let mut envelope = String::with_capacity(header.len() + body.len() * 2 + body.len() / LINE_BYTES + 1);
    envelope.push_str(&header);
    let mut digits = [0u8; 2 * LINE_BYTES];
    for line in body.as_bytes().chunks(LINE_BYTES) {
        let digits = digits.get_mut(..2 * line.len())?;
        hex::encode_to_slice(line, digits).ok()?;
        envelope.push_str(std::str::from_utf8(digits).ok()?);
        envelope.push('\n');
    }
    Some(envelope)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Envelope;
    use super::*;

    /// What `ansible-vault` writes with this salt: `ANSIBLE_VAULT_ENCRYPT_SALT=0123456789abcdef0123456789abcdef`.
    const REFERENCE: &str = include_str!("reference.vault");

    #[test]
    fn the_bytes_are_those_of_ansible() {
        let salt = b"0123456789abcdef0123456789abcdef";
        let text = sealed(b"reference: text\n", b"reference-password", "prod", salt).expect("sealed");
        assert_eq!(text, REFERENCE);
    }

    #[test]
    fn no_two_envelopes_are_the_same() {
        let once = || seal(b"same", b"password", DEFAULT_LABEL).expect("sealed");
        let first = once();
        assert!(first.starts_with("$ANSIBLE_VAULT;1.1;AES256\n") && first.ends_with('\n'));
        assert_ne!(first, once());
    }

    #[test]
    fn labels_that_a_header_cannot_hold_are_none() {
        assert!(is_label("prod") && is_label("team a/1"));
        for bad in ["", " prod", "a;b", "a\nb", "pröd", "a@b"] {
            assert!(!is_label(bad), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_sealed_opens_again(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            password in proptest::collection::vec(any::<u8>(), 1..40),
            label in "[!-:A-Z]{1,20}|default",
        ) {
            let text = seal(&plain, &password, &label).expect("sealed");
            prop_assert!(text.lines().all(|line| line.len() <= 80 || line.starts_with('$')));
            let envelope = Envelope::parse(&text).expect("an envelope");
            let labelled = label != DEFAULT_LABEL;
            prop_assert_eq!(envelope.label.as_deref(), labelled.then_some(label.trim()));
            prop_assert_eq!(&envelope.open(&password).expect("opens")[..], &plain[..]);
            let other = [&password[..], b"x"].concat();
            prop_assert!(envelope.open(&other).is_err());
        }
    }
}
