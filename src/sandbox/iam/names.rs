//! What IAM takes for a name, a path, a tag, and how an ARN is put together from them
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).

use super::records::Tags;
use crate::sandbox::http::Refusal;
use crate::sandbox::query::{Form, lower, validation};

/// Tags of one thing.
const MOST_TAGS: usize = 50;

/// A kind of thing, as ARNs and messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    User,
    Group,
    Role,
    Policy,
    InstanceProfile,
}

impl Kind {
    /// In ARNs and in the policy language.
    pub fn word(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Group => "group",
            Kind::Role => "role",
            Kind::Policy => "policy",
            Kind::InstanceProfile => "instance-profile",
        }
    }

    /// In the names of operations.
    pub fn title(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::Group => "Group",
            Kind::Role => "Role",
            Kind::Policy => "Policy",
            Kind::InstanceProfile => "InstanceProfile",
        }
    }

    /// What its names are called in requests.
    pub fn parameter(self) -> &'static str {
        match self {
            Kind::User => "UserName",
            Kind::Group => "GroupName",
            Kind::Role => "RoleName",
            Kind::Policy => "PolicyName",
            Kind::InstanceProfile => "InstanceProfileName",
        }
    }

    fn longest_name(self) -> usize {
        match self {
            Kind::User | Kind::Role => 64,
            Kind::Group | Kind::Policy | Kind::InstanceProfile => 128,
        }
    }
}

/// What the owner of everything is called in ARNs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: &'static str,
    pub id: String,
}

impl Account {
    /// An account whose things are in a region's partition.
    pub fn new(id: &str, region: &str) -> Self {
        let partition = match region {
            _ if region.starts_with("cn-") => "aws-cn",
            _ if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Account { partition, id: id.to_owned() }
    }

    pub fn arn(&self, kind: Kind, path: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:{}{path}{name}", self.partition, self.id, kind.word())
    }

    pub fn root(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.id)
    }

    pub fn session(&self, role: &str, session: &str) -> String {
        format!("arn:{}:sts::{}:assumed-role/{role}/{session}", self.partition, self.id)
    }
}

fn violated(value: &str, parameter: &str, constraint: &str) -> Refusal {
    validation(format!(
        "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: {constraint}",
        lower(parameter)
    ))
}

/// Letters, digits and `+=,.@_-`, in ASCII.
fn check(name: &str, parameter: &str, longest: usize) -> Result<(), Refusal> {
    if name.len() > longest {
        let constraint = format!("Member must have length less than or equal to {longest}");
        return Err(violated(name, parameter, &constraint));
    }
    if name.is_empty() {
        return Err(violated(name, parameter, "Member must have length greater than or equal to 1"));
    }
    if name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)) {
        Ok(())
    } else {
        Err(violated(name, parameter, "Member must satisfy regular expression pattern: [\\w+=,.@-]+"))
    }
}

/// The name that a request gives to a thing of a kind.
pub fn name(form: &Form, kind: Kind) -> Result<&str, Refusal> {
    let parameter = kind.parameter();
    let name = form.required(parameter)?;
    check(name, parameter, kind.longest_name())?;
    Ok(name)
}

/// The name of a session, as `AssumeRole` has it: 2 to 64 characters.
pub fn session_name(form: &Form) -> Result<&str, Refusal> {
    let parameter = "RoleSessionName";
    let name = form.required(parameter)?;
    if name.len() < 2 {
        return Err(violated(name, parameter, "Member must have length greater than or equal to 2"));
    }
    check(name, parameter, 64)?;
    Ok(name)
}

/// The path of a new thing; `/` where none is given.
pub fn path(form: &Form) -> Result<&str, Refusal> {
    let path = form.get("Path").unwrap_or("/");
    let shape = path.starts_with('/') && path.ends_with('/') && path.bytes().all(|c| c.is_ascii_graphic());
    if !shape || path.len() > 512 || (path.len() > 1 && path.contains("//")) {
        return Err(validation(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
             characters and/or / characters.",
        ));
    }
    Ok(path)
}

/// `PathPrefix` of a list.
pub fn path_prefix(form: &Form) -> Result<&str, Refusal> {
    let prefix = form.get("PathPrefix").unwrap_or("/");
    if prefix.starts_with('/') {
        Ok(prefix)
    } else {
        Err(violated(
            prefix,
            "PathPrefix",
            "Member must satisfy regular expression pattern: \\u002F[\\u0021-\\u007F]*",
        ))
    }
}

/// The tags of a request.
pub fn tags(form: &Form) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for (key, value) in form.pairs("Tags", "Key", "Value") {
        check_tag(key, value)?;
        if tags.keys().any(|known| same_key(known, key)) {
            return Err(invalid_input(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key.to_owned(), value.to_owned());
    }
    at_most(&tags)?;
    Ok(tags)
}

fn at_most(tags: &Tags) -> Result<(), Refusal> {
    if tags.len() > MOST_TAGS {
        return Err(limit(format!("The number of tags has reached the maximum limit: {MOST_TAGS}")));
    }
    Ok(())
}

fn check_tag(key: &str, value: &str) -> Result<(), Refusal> {
    let allowed =
        |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c));
    let pattern = "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]";
    if key.is_empty() || key.chars().count() > 128 || !allowed(key) {
        return Err(violated(key, "Tags.1.member.key", pattern));
    }
    if value.chars().count() > 256 || !allowed(value) {
        return Err(violated(value, "Tags.1.member.value", pattern));
    }
    if key.to_lowercase().starts_with("aws:") {
        return Err(invalid_input(
            "Tag keys beginning with aws: are reserved for system use. Please use a different tag key.",
        ));
    }
    Ok(())
}

fn same_key(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// `TagX`: what is new replaces what has the same key.
pub fn add_tags(tags: &mut Tags, form: &Form) -> Result<(), Refusal> {
    let new = self::tags(form)?;
    if new.is_empty() {
        return Err(validation(
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must not be null",
        ));
    }
    tags.retain(|known, _| !new.keys().any(|key| same_key(key, known)));
    tags.extend(new);
    at_most(tags)
}

/// `UntagX`: keys that are not there are none.
pub fn remove_tags(tags: &mut Tags, form: &Form) {
    let keys = form.list("TagKeys");
    tags.retain(|known, _| !keys.iter().any(|key| same_key(key, known)));
}

pub fn invalid_input(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidInput", message)
}

pub fn limit(message: impl Into<String>) -> Refusal {
    Refusal::new(409, "LimitExceeded", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::read(text.as_bytes())
    }

    #[test]
    fn names_and_paths_are_held_to_their_rules() {
        for good in ["a", "with%2Bplus", "under_score", "a.b%40c"] {
            assert!(name(&form(&format!("RoleName={good}")), Kind::Role).is_ok(), "{good}");
        }
        for bad in ["", "a%20b", "a/b", "%C3%A9", &"x".repeat(65)] {
            let form = form(&format!("RoleName={bad}"));
            let refused = name(&form, Kind::Role);
            assert_eq!(refused.map_err(|refusal| refusal.code), Err("ValidationError"), "{bad}");
        }
        assert!(name(&form(&format!("GroupName={}", "x".repeat(128))), Kind::Group).is_ok());
        for (good, bad) in [("/", ""), ("/a/", "/a"), ("/a/b/", "a/"), ("/reconcile/prod/", "/a//b/")] {
            assert!(path(&form(&format!("Path={good}"))).is_ok(), "{good}");
            assert!(path(&form(&format!("Path={bad}"))).is_err(), "{bad}");
        }
        assert_eq!(path(&form("A=b")), Ok("/"));
    }

    #[test]
    fn tags_are_told_apart_without_case() {
        let pair =
            |key: &str, number: u32| format!("Tags.member.{number}.Key={key}&Tags.member.{number}.Value=v");
        assert!(tags(&form(&format!("{}&{}", pair("a", 1), pair("b", 2)))).is_ok());
        let twice = tags(&form(&format!("{}&{}", pair("a", 1), pair("A", 2))));
        assert_eq!(twice.map_err(|refusal| refusal.code), Err("InvalidInput"));
        assert!(tags(&form(&pair("aws:x", 1))).is_err());
        let mut known = Tags::from([("Owner".to_owned(), "old".to_owned())]);
        add_tags(&mut known, &form(&pair("owner", 1))).expect("taken");
        assert_eq!(known, Tags::from([("owner".to_owned(), "v".to_owned())]));
        remove_tags(&mut known, &form("TagKeys.member.1=OWNER"));
        assert!(known.is_empty());
    }
}
