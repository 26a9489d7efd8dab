//! Passwords on their way to PostgreSQL's programs: in a file that nobody else may read, in a folder that goes with the
//! job (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).
//!
//! Never an argument, which everybody sees, nor the environment, which whatever a program starts inherits.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::datastores::dump::DumpError;
use crate::vocab::Login;

const FILE: &str = "passwords";

/// Writes the file into `folder`, and answers with its path.
///
/// Errors: a password that such a file cannot hold; a folder that cannot be written to.
pub fn write(folder: &Path, logins: &[&Login]) -> Result<PathBuf, DumpError> {
    let path = folder.join(FILE);
    let mut text = Zeroizing::new(String::new());
    for login in logins {
        let user = escaped(login.username.expose())?;
        let password = escaped(login.password.expose())?;
        text.push_str(&format!("*:*:*:{}:{}\n", *user, *password));
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        DumpError::new(format!("the passwords cannot be handed over in {}: {error}", folder.display()))
            .help("see that the volume has room and is writable")
    })?;
    Ok(path)
}

/// A colon ends a field there, and a line ends the entry.
fn escaped(text: &str) -> Result<Zeroizing<String>, DumpError> {
    if text.contains(['\n', '\r', '\0']) {
        return Err(DumpError::new("a user or password of postgres_users in the vault holds a line break")
            .help("PostgreSQL's programs take none: give the role another password"));
    }
    let mut escaped = Zeroizing::new(String::with_capacity(text.len() * 2));
    for character in text.chars() {
        if matches!(character, ':' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::vocab::Secret;

    #[test]
    fn nobody_else_may_read_it_and_odd_passwords_are_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let login =
            |user: &str, word: &str| Login { username: Secret::new(user), password: Secret::new(word) };
        let (one, two) = (login("backup", "a:b\\c d"), login("replication", "plain"));
        let path = write(folder.path(), &[&one, &two]).expect("written");
        let text = std::fs::read_to_string(&path).expect("there");
        assert_eq!(text, "*:*:*:backup:a\\:b\\\\c d\n*:*:*:replication:plain\n");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let error = write(folder.path(), &[&login("backup", "canary\nx")]).expect_err("two lines");
        assert!(!error.message.contains("canary"), "{error}");
    }
}
