//! Names that come from settings and end up in paths, keys, cron lines and calls: checked once, at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text cannot be the name it should be: what is wrong, in words for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(pub String);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text).map_err(NameError)?;
                Ok($name(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The environment's identity: it marks what is ours, and stands in file names and keys.
    Environment,
    environment
);
name!(
    /// A host as the inventory names it: a DNS name or an address.
    HostName,
    host
);
name!(
    /// An AWS account: twelve digits.
    AccountId,
    account
);
name!(
    /// An S3 bucket of the general kind
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
    BucketName,
    bucket
);
name!(
    /// An AWS region such as `eu-west-2`, or the name that an S3-compatible store uses in its place.
    RegionName,
    region
);
name!(
    /// What is backed up: `postgresql`, `couchdb`, `files-media`, `rds-blue`.
    Datastore,
    datastore
);
name!(
    /// A user of a host, by login name (useradd(8)).
    OsUser,
    os_user
);
name!(
    /// What a person calls a backup of their own, such as `before-upgrade`: part of a file's name and a key.
    Label,
    label
);

fn only(text: &str, what: &str, max: usize, allowed: fn(char) -> bool, say: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if text.len() > max {
        return Err(format!("{what} is longer than {max} characters"));
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(' ') => Err(format!("{what} has a space: only {say} are allowed")),
        Some(c) => Err(format!("{what} has the character {c:?}: only {say} are allowed")),
        None => Ok(()),
    }
}

fn environment(text: &str) -> Result<(), String> {
    only(
        text,
        "the environment's name",
        64,
        |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
        "letters, digits, `-`, `_`, `.`",
    )?;
    if text.starts_with(['.', '-']) {
        return Err("the environment's name must begin with a letter, a digit or `_`".to_owned());
    }
    Ok(())
}

fn host(text: &str) -> Result<(), String> {
    only(
        text,
        "the host's name",
        253,
        |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'),
        "letters, digits, `-`, `_`, `.`, `:`",
    )?;
    if text.starts_with(['.', '-']) {
        return Err("a host's name must not begin with `.` or `-`".to_owned());
    }
    Ok(())
}

fn account(text: &str) -> Result<(), String> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(())
    } else {
        Err("an AWS account is twelve digits (quote it: \"012345678901\")".to_owned())
    }
}

fn bucket(text: &str) -> Result<(), String> {
    if !(3..=63).contains(&text.len()) {
        return Err("a bucket's name has 3 to 63 characters".to_owned());
    }
    only(
        text,
        "the bucket's name",
        63,
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'),
        "lower-case letters, digits, `-`, `.`",
    )?;
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !text.starts_with(edge) || !text.ends_with(edge) {
        return Err("a bucket's name begins and ends with a letter or a digit".to_owned());
    }
    if text.contains("..") {
        return Err("a bucket's name must not contain two dots in a row".to_owned());
    }
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err("a bucket's name must not look like an IP address".to_owned());
    }
    const PREFIXES: [&str; 4] = ["xn--", "sthree-", "amzn-s3-demo-", "arn:"];
    const SUFFIXES: [&str; 6] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an"];
    if let Some(prefix) = PREFIXES.iter().find(|prefix| text.starts_with(**prefix)) {
        return Err(format!("AWS keeps bucket names that begin with `{prefix}` for itself"));
    }
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| text.ends_with(**suffix)) {
        return Err(format!("AWS keeps bucket names that end with `{suffix}` for itself"));
    }
    Ok(())
}

fn region(text: &str) -> Result<(), String> {
    only(
        text,
        "the region",
        32,
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
        "lower-case letters, digits, `-`",
    )
}

fn datastore(text: &str) -> Result<(), String> {
    only(
        text,
        "the datastore's name",
        64,
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'),
        "lower-case letters, digits, `-`, `_`",
    )
}

/// What a file's name, a key of S3 and a shell take as it is
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>). `_` stands between the parts of a name.
fn label(text: &str) -> Result<(), String> {
    only(
        text,
        "the label",
        40,
        |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'),
        "letters, digits, `-`, `.`",
    )
    .map_err(|why| format!("{why}: it becomes part of a file's name and of a key"))?;
    match text.starts_with(['-', '.']) {
        true => Err("the label must begin with a letter or a digit".to_owned()),
        false => Ok(()),
    }
}

fn os_user(text: &str) -> Result<(), String> {
    only(
        text,
        "the user's name",
        32,
        |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
        "letters, digits, `-`, `_`, `.`",
    )?;
    if text.starts_with(['-', '.']) {
        return Err("a user's name must not begin with `-` or `.`".to_owned());
    }
    Ok(())
}
