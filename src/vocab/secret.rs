//! Secrets: values that exist only where a call needs them, and digests that say "the same" or "changed".

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A password, an access key, a URL that is one. Neither printed nor serialised; wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(SecretString::from(text.into()))
    }

    /// The text itself. Call it only at the edge that hands the secret to the service that wants it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub fn digest(&self) -> SecretDigest {
        SecretDigest(Sha256::digest(self.expose().as_bytes()).into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(SecretDigest::SHOWN)
    }
}

/// As whom a server is asked.
#[derive(Clone, Debug)]
pub struct Login {
    pub username: Secret,
    pub password: Secret,
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        let digests = |login: &Login| (login.username.digest(), login.password.digest());
        digests(self) == digests(other)
    }
}

impl Eq for Login {}

/// SHA-256 of a secret: enough to see that it changed. Lives in memory only; short secrets could be guessed
/// from it, so no view prints it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// What every view writes in place of a secret.
    pub const SHOWN: &'static str = "(secret)";
}

impl std::fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(SecretDigest::SHOWN)
    }
}
