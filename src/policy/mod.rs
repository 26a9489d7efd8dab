//! The policy language of AWS IAM: documents, what they match, and what they decide together.
//!
//! Place on the data's path: beside it. The sandbox asks whether a call is allowed, plans ask what a change lets people
//! do, the audit asks who can destroy. All get the same answer from [`decide`]. Must never read a clock, the network
//! or a file, must never take for denied what it does not model, and must never evaluate what the caller did not hand
//! in.
//!
//! The rules are those of the IAM User Guide
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>); each part names its
//! page. What is modelled and what is not is in docs/decisions/0008-policy-engine.md.

mod compare;
mod condition;
mod context;
mod decide;
mod decision;
pub mod destroyers;
mod document;
mod keys;
mod network;
mod pattern;
mod principal;
mod principals;
mod question;
mod read;
mod truth;
mod whom;
mod wildcard;
mod write;

pub use condition::{Condition, ConditionValue, Operator, Set, Test};
pub use context::Context;
pub use decide::{decide, verdict};
pub use decision::{Certainty, Decision, Layer, Named, Policies, Request, Resource, Step, Verdict};
pub use document::{Actions, Document, Effect, Resources, Statement, Version};
pub use pattern::Pattern;
pub use principal::{Principal, PrincipalError};
pub use principals::{Principals, Who};
pub use question::{FORMAT as REQUEST, Question, QuestionDocument, QuestionError, Questions};
pub use read::DocumentError;
