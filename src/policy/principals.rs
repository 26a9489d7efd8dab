//! `Principal` and `NotPrincipal`: whom a statement of a resource's policy speaks of
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>).

use std::fmt;

/// `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principals {
    /// `NotPrincipal`: everybody but these.
    pub negated: bool,
    /// In order, without duplicates.
    pub who: Vec<Who>,
}

/// One entry of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// `"*"`, or `{"AWS": "*"}`: everybody, anonymous callers too.
    Everyone,
    /// An account, by its number or its root's ARN: whom the account lets.
    Account { partition: String, id: String },
    /// A user, a role, a session, or what else has an ARN in IAM or STS. Never a wildcard.
    Arn(String),
    /// What IAM leaves where a user or role was removed, such as `AIDA...`: matches nobody any more.
    Removed(String),
    /// An AWS service, such as `backup.amazonaws.com`; `*` is every one.
    Service(String),
    /// An identity provider: a domain, or the ARN of a provider in IAM.
    Federated(String),
    /// An account by the number that S3 alone knows it by. Which account that is cannot be told.
    CanonicalUser(String),
}

impl Who {
    /// An entry below `AWS`.
    pub(super) fn aws(text: String) -> Self {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        if text == "*" {
            return Who::Everyone;
        }
        if is_account(&text) {
            return Who::Account { partition: "aws".to_owned(), id: text };
        }
        if let ["arn", partition, "iam", "", id, "root"] = text.split(':').collect::<Vec<_>>()[..]
            && is_account(id)
        {
            return Who::Account { partition: partition.to_owned(), id: id.to_owned() };
        }
        if text.starts_with("arn:") { Who::Arn(text) } else { Who::Removed(text) }
    }

    /// The member of `Principal` that it stands below.
    pub fn kind(&self) -> &'static str {
        match self {
            Who::Everyone | Who::Account { .. } | Who::Arn(_) | Who::Removed(_) => "AWS",
            Who::Service(_) => "Service",
            Who::Federated(_) => "Federated",
            Who::CanonicalUser(_) => "CanonicalUser",
        }
    }
}

/// As it stands in a document.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Everyone => f.write_str("*"),
            Who::Account { partition, id } => write!(f, "arn:{partition}:iam::{id}:root"),
            Who::Arn(text)
            | Who::Removed(text)
            | Who::Service(text)
            | Who::Federated(text)
            | Who::CanonicalUser(text) => f.write_str(text),
        }
    }
}
