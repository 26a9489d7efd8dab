//! What is asked, what it is judged by, and the answer with its reasons.

use std::fmt;
use std::sync::Arc;

use super::context::Context;
use super::document::{Document, Effect};
use super::principal::Principal;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub principal: &'a Principal,
    /// Such as `s3:PutObject`, in whatever case.
    pub action: &'a str,
    pub resource: Resource<'a>,
    /// Twelve digits; `None` is the principal's own account.
    pub resource_account: Option<&'a str>,
    pub context: &'a Context,
}

/// On what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// An ARN, or `*` for actions that have no resource.
    Exact(&'a str),
    /// Anything whose ARN begins so and goes on, such as `arn:aws:s3:::bucket/`: what holds for some of it only is
    /// conditional.
    Under(&'a str),
}

impl<'a> From<&'a str> for Resource<'a> {
    fn from(arn: &'a str) -> Self {
        Resource::Exact(arn)
    }
}

/// A document with the name that paths show, such as `user/x: policy P`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub document: Arc<Document>,
}

impl Named {
    pub fn new(name: impl Into<String>, document: impl Into<Arc<Document>>) -> Self {
        Named { name: name.into(), document: document.into() }
    }
}

/// All policies that apply to a request. What is not there does not exist; for what could not be read there is
/// [`Document::unread`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Of the user and its groups, or of the role.
    pub identity: &'a [Named],
    /// The permissions boundary of the user or role.
    pub boundary: Option<&'a Named>,
    /// What the session was made with.
    pub session: Option<&'a Named>,
    /// The service control policies over the principal's account: one list per level from the organisation's root to
    /// the account. Each level must allow. Empty where there is no organisation.
    pub scps: &'a [Vec<Named>],
    /// The bucket's, the key's, or a role's trust policy.
    pub resource: Option<&'a Named>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// Each statement that decides: of a denial the one that denies, else those that allow, then those that may deny.
    /// Empty where nothing allows.
    pub path: Vec<Step>,
    /// Of a denial that no statement makes: the policies in which an allow is missing.
    pub missing: Option<Layer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Denied,
    /// It depends on something that is not modelled, or could not be read. Never safe.
    Unknown,
    /// It depends on what the context leaves open.
    Conditional,
    Allowed,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Denied => "denied",
            Verdict::Unknown => "unknown",
            Verdict::Conditional => "conditional",
            Verdict::Allowed => "allowed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kinds of policies, in the order in which a path tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    Identity,
    Resource,
    Boundary,
    Session,
    ServiceControl,
}

impl Layer {
    /// In words, as in "no statement of the identity's policies allows it".
    pub fn words(self) -> &'static str {
        match self {
            Layer::Identity => "the identity's policies",
            Layer::Resource => "the resource's policy",
            Layer::Boundary => "the permissions boundary",
            Layer::Session => "the session policy",
            Layer::ServiceControl => "the service control policies",
        }
    }
}

/// A statement that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub layer: Layer,
    /// The name of its policy.
    pub policy: String,
    /// Its number in the policy, from 1.
    pub statement: u32,
    pub sid: Option<String>,
    pub effect: Effect,
    /// Whether it applies.
    pub certainty: Certainty,
}

/// Whether a statement applies to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certainty {
    Applies,
    /// It depends on these condition keys; on none where it depends on which resource is meant.
    DependsOn(Vec<String>),
    /// It holds something that is not modelled; what, in words.
    Unmodelled(String),
}

/// Such as `user/x: policy P statement 2 (Sid)`; one that denies or is not certain says so behind a comma.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statement {}", self.policy, self.statement)?;
        if let Some(sid) = self.sid.as_deref().filter(|sid| !sid.is_empty()) {
            write!(f, " ({sid})")?;
        }
        match (self.effect, &self.certainty) {
            (Effect::Allow, Certainty::Applies) => Ok(()),
            (Effect::Deny, Certainty::Applies) => f.write_str(", denies"),
            (effect, certainty) => {
                let verb = if effect == Effect::Allow { "allows" } else { "denies" };
                match certainty {
                    Certainty::DependsOn(keys) if keys.is_empty() => {
                        write!(f, ", {verb} some of the resources")
                    }
                    Certainty::DependsOn(keys) => write!(f, ", {verb} depending on {}", keys.join(", ")),
                    Certainty::Unmodelled(what) => write!(f, ", {verb} depending on {what}"),
                    Certainty::Applies => Ok(()),
                }
            }
        }
    }
}
