//! May it happen, and by which statements: `reconcile.decision/1`.

use schemars::JsonSchema;
use serde::Serialize;

pub const FORMAT: &str = "reconcile.decision/1";

/// The answer to one request; a list of requests has a list of these, in its order
#[derive(Debug, Serialize, JsonSchema)]
pub struct Decision {
    pub format: &'static str,
    pub decision: Verdict,
    /// Each statement that decides, as POLICY statement NUMBER (SID), counted from 1. Of a denial the one that denies,
    /// else those that allow, then those that may deny
    pub path: Vec<String>,
    /// How it is denied; null where it is not
    pub denial: Option<Denial>,
    /// Of an implicit denial: the policies in which an allow is missing
    pub missing: Option<Layer>,
    /// Condition keys that policies ask for and the request's context does not have: they were taken as absent
    pub absent_keys: Vec<String>,
}

/// May it happen
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Allowed,
    Denied,
    /// It depends on what is left open
    Conditional,
    /// It depends on something that is not modelled; never safe
    Unknown,
}

/// How something is denied
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Denial {
    /// A statement denies it
    Explicit,
    /// No statement allows it
    Implicit,
}

/// A kind of policies
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    Identity,
    Resource,
    Boundary,
    Session,
    ServiceControl,
}
