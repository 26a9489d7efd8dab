//! A JSON file on a host: the job file, which holds what a job needs, secrets included.
//!
//! On disk: the mark as the first member, then the body's members, then `secrets`. In the normal form secrets are
//! digests; the writer fills them in from the vault at the moment of writing. Pure; `live.rs` reads and writes.

pub mod live;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::host_directory::{self, mode_text};
use super::{Field, Judgement};
use crate::vocab::{Environment, Id, OsUser, Risk, Secret, SecretDigest, Value};

/// The member that holds the mark.
const MARK: &str = "reconcile";
/// The member that holds what no view may show.
const SECRETS: &str = "secrets";
/// The member whose numbers say how long local backups live.
const KEEP: &str = "keep";

/// Where files of this kind lie on a host.
pub fn directory(environment: &Environment) -> String {
    format!("/etc/reconcile/{environment}")
}

/// A file in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFile {
    /// Absolute.
    pub path: String,
    pub owner: OsUser,
    pub group: OsUser,
    /// Permission bits, such as 0o600.
    pub mode: u32,
    pub body: Body,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Members {
        members: BTreeMap<String, Value>,
        secrets: BTreeMap<String, SecretDigest>,
    },
    /// Carries our mark and is not what this program writes; the words say how.
    Unrecognised(String),
}

impl HostFile {
    pub fn fields(&self) -> Vec<Field> {
        let HostFile { path, owner, group, mode, body } = self;
        let mut fields = vec![
            Field::new("path", path.as_str()),
            Field::new("owner", owner.as_str()),
            Field::new("group", group.as_str()),
            Field::new("mode", mode_text(*mode)),
        ];
        match body {
            Body::Members { members, secrets } => {
                fields.extend(members.iter().map(|(name, value)| Field::new(name.clone(), value.clone())));
                let secrets: BTreeMap<_, _> = secrets
                    .iter()
                    .map(|(name, digest)| (name.clone(), Value::Secret(digest.clone())))
                    .collect();
                fields.push(Field::new(SECRETS, Value::Map(secrets)));
            }
            Body::Unrecognised(what) => fields.push(Field::new("content", format!("unrecognised: {what}"))),
        }
        fields
    }

    /// The file's text, mark first, secrets last; `None` where a secret that the normal form names is not at hand.
    pub fn render(
        &self,
        environment: &Environment,
        id: &Id,
        secret: impl Fn(&SecretDigest) -> Option<Secret>,
    ) -> Option<String> {
        let Body::Members { members, secrets } = &self.body else { return None };
        let mut file = Map::new();
        file.insert(MARK.to_owned(), json!({"environment": environment, "id": id}));
        file.extend(members.iter().map(|(name, value)| (name.clone(), value.to_json())));
        let mut exposed = Map::new();
        for (name, digest) in secrets {
            exposed.insert(name.clone(), secret(digest)?.expose().into());
        }
        file.insert(SECRETS.to_owned(), Json::Object(exposed));
        Some(format!("{:#}\n", Json::Object(file)))
    }
}

/// The id in a file's mark, where it has one.
pub fn marked_id(text: &str) -> Option<Id> {
    let file: Json = serde_json::from_str(text).ok()?;
    file.get(MARK)?.get("id")?.as_str()?.parse().ok()
}

/// A file's text read back: whose mark it carries, and what it says.
pub fn parse(text: &str) -> (Option<Environment>, Body) {
    let unrecognised = |what: &str| Body::Unrecognised(what.to_owned());
    let file = match serde_json::from_str::<Json>(text) {
        Ok(Json::Object(file)) => file,
        Ok(_) => return (None, unrecognised("not a JSON object")),
        // An edit by hand may have broken the JSON behind our mark, which stands at the beginning.
        Err(error) => {
            return (
                mark_of_broken(text),
                Body::Unrecognised(format!("broken JSON at line {}", error.line())),
            );
        }
    };
    let mark = file.get(MARK).and_then(|mark| mark.get("environment")).and_then(Json::as_str);
    let owner = mark.and_then(|name| name.parse().ok());
    let mut secrets = BTreeMap::new();
    if let Some(Json::Object(exposed)) = file.get(SECRETS) {
        for (name, value) in exposed {
            let Json::String(text) = value else {
                return (owner, unrecognised("a secret is not text"));
            };
            secrets.insert(name.clone(), Secret::new(text.as_str()).digest());
        }
    }
    let members = file
        .iter()
        .filter(|(name, _)| *name != MARK && *name != SECRETS)
        .map(|(name, value)| (name.clone(), Value::from_json(value)))
        .collect();
    (owner, Body::Members { members, secrets })
}

fn mark_of_broken(text: &str) -> Option<Environment> {
    let after = |text: &str, word: &str| -> Option<String> {
        Some(text.trim_start().strip_prefix(word)?.trim_start().to_owned())
    };
    let rest = after(text, "{")?;
    let rest = after(&rest, "\"reconcile\"")?;
    let rest = after(&rest, ":")?;
    let rest = after(&rest, "{")?;
    let rest = after(&rest, "\"environment\"")?;
    let rest = after(&rest, ":")?;
    let rest = after(&rest, "\"")?;
    rest.split('"').next()?.parse().ok()
}

/// The risk of one field changing. Fewer days, weeks or hours, and no second copy, mean fewer backups.
pub fn risk(name: &str, from: &Value, to: &Value) -> Judgement {
    match name {
        KEEP if keeps_less(from, to) => Risk::Destructive.into(),
        "upload" if to.is_null() => Risk::Destructive.into(),
        // Without their keys jobs cannot upload: a vault that is missing from a checkout must not take them away.
        SECRETS if loses_members(from, to) => Risk::Destructive.into(),
        "owner" | "group" | "mode" => host_directory::risk(name, from, to),
        _ => Risk::Routine.into(),
    }
}

fn loses_members(from: &Value, to: &Value) -> bool {
    let Value::Map(from) = from else { return false };
    from.keys().any(|name| to.get(name).is_none())
}

/// Whether any number below `keep` falls.
pub fn keeps_less(from: &Value, to: &Value) -> bool {
    let Value::Map(from) = from else { return false };
    from.iter().any(|(name, old)| match (old.as_number(), to.get(name).and_then(Value::as_number)) {
        (Some(old), Some(new)) => new < old,
        (Some(_), None) => true,
        (None, _) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> HostFile {
        HostFile {
            path: "/etc/reconcile/icds-aws/postgresql.json".to_owned(),
            owner: "postgres".parse().expect("valid"),
            group: "postgres".parse().expect("valid"),
            mode: 0o600,
            body: Body::Members {
                members: BTreeMap::from([
                    ("keep".to_owned(), Value::from_json(&json!({"days": 7, "weeks": 2}))),
                    ("upload".to_owned(), Value::Null),
                ]),
                secrets: BTreeMap::from([("access_key".to_owned(), Secret::new("CANARY").digest())]),
            },
        }
    }

    #[test]
    fn a_job_file_survives_being_written_and_read_and_shows_no_secret() {
        let environment: Environment = "icds-aws".parse().expect("valid");
        let id: Id = "host_file/db1/postgresql".parse().expect("valid");
        let text = file()
            .render(&environment, &id, |digest| {
                let secret = Secret::new("CANARY");
                (secret.digest() == *digest).then_some(secret)
            })
            .expect("the secret is at hand");
        assert!(text.starts_with("{\n  \"reconcile\": {\n    \"environment\": \"icds-aws\""), "{text}");
        assert_eq!(parse(&text), (Some(environment.clone()), file().body));
        assert!(!format!("{:?}", file().fields()).contains("CANARY"));
        assert_eq!(file().render(&environment, &id, |_| None), None);

        // Broken behind the mark: still ours.
        let broken = &text[..text.len() / 2];
        assert_eq!(parse(broken).0, Some(environment));
        assert!(matches!(parse(broken).1, Body::Unrecognised(_)));
        assert_eq!(parse("#!/bin/sh").0, None);
    }

    #[test]
    fn fewer_days_and_no_second_copy_are_destructive() {
        let keep = |days: i64| Value::from_json(&json!({"days": days, "weeks": 2}));
        assert_eq!(risk("keep", &keep(7), &keep(2)).risk, Risk::Destructive);
        assert_eq!(risk("keep", &keep(2), &keep(7)).risk, Risk::Routine);
        assert_eq!(risk("upload", &Value::Map(BTreeMap::new()), &Value::Null).risk, Risk::Destructive);
    }
}
