//! The guard between a plan and the world: consent, and the refusals that no flag lifts.
//!
//! The prompt only confirms and `--auto-approve` only replaces the prompt: neither is consent. Without consent for every
//! risk the whole plan is refused before anything is touched.

use std::fmt;
use std::str::FromStr;

use super::{Change, Plan};
use crate::resources::{bucket, role};
use crate::vocab::{AccountId, Id, Kind, Risk};

/// One `--allow RISK[:ID]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    pub risk: Risk,
    pub id: Option<Id>,
}

/// A text behind `--allow` that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AllowError(String);

impl FromStr for Allow {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, AllowError> {
        let (risk, id) = match text.split_once(':') {
            Some((risk, id)) => (risk, Some(id)),
            None => (text, None),
        };
        let risk: Risk = risk.parse().map_err(AllowError)?;
        if !risk.needs_consent() {
            return Err(AllowError("routine changes need no consent".to_owned()));
        }
        let id = id.map(Id::from_str).transpose().map_err(|error| AllowError(error.to_string()))?;
        if id.is_none() && risk == Risk::Destructive {
            return Err(AllowError(
                "destructive changes are allowed one by one: write destructive:ID, exactly as the plan shows it"
                    .to_owned(),
            ));
        }
        Ok(Allow { risk, id })
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{}:{id}", self.risk),
            None => write!(f, "{}", self.risk),
        }
    }
}

/// Everything that the operator allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    pub allowed: Vec<Allow>,
    /// A sandbox may be applied without a written name.
    pub sandbox: bool,
}

/// Why a plan may not be applied. `report` makes the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Settings belong to one account, and the credentials to another.
    WrongAccount { declared: AccountId, actual: Option<AccountId> },
    /// No file states the environment's name.
    NameNotWritten,
    /// Consents for things that the plan does not change in that way: a typing mistake, or an older plan.
    NotInPlan(Vec<Allow>),
    /// Consents that are missing.
    NoConsent(Vec<Allow>),
    /// Who may assume the role that applies this would change: the next plan might be nobody's to make.
    LocksOut(Id),
}

/// A plan that may be applied: consent and guards are behind it. There is no other way to get one.
#[derive(Debug)]
pub struct Granted(Plan);

impl Granted {
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    pub fn into_plan(self) -> Plan {
        self.0
    }
}

impl Plan {
    /// The refusal that stands whatever the operator allows, known as soon as the plan is made.
    pub fn wrong_account(&self) -> Option<Refusal> {
        let declared = self.declared_account.as_ref()?;
        let actual = self.caller.account.as_ref();
        // Who could not be seen was not touched either: each bucket is unknown then.
        if actual == Some(declared) || (actual.is_none() && self.caller.unknown.is_some()) {
            return None;
        }
        Some(Refusal::WrongAccount { declared: declared.clone(), actual: actual.cloned() })
    }

    /// The plan as something that may be applied, or why not.
    pub fn grant(self, consent: &Consent) -> Result<Granted, Refusal> {
        if let Some(refusal) = self.wrong_account() {
            return Err(refusal);
        }
        if !self.environment_written && !consent.sandbox {
            return Err(Refusal::NameNotWritten);
        }
        if let Some(own) = self.shuts_out_the_caller() {
            return Err(Refusal::LocksOut(own));
        }
        let idle: Vec<Allow> =
            consent.allowed.iter().filter(|allow| !self.asks_for(allow)).cloned().collect();
        if !idle.is_empty() {
            return Err(Refusal::NotInPlan(idle));
        }
        let missing: Vec<Allow> = self
            .needed_consents()
            .into_iter()
            .filter(|needed| {
                let change = self.changes.iter().find(|change| Some(&change.id) == needed.id.as_ref());
                !change.is_some_and(|change| {
                    consent.allowed.iter().any(|allow| covers(allow, change, needed.risk))
                })
            })
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::NoConsent(missing));
        }
        Ok(Granted(self))
    }

    /// The caller's own role, where the plan changes who may assume it.
    fn shuts_out_the_caller(&self) -> Option<Id> {
        let own = self.caller.identity.as_deref()?;
        let trusted_otherwise = |change: &&Change| {
            change.fields.iter().any(|field| field.field == role::TRUST && !field.from.is_null())
        };
        let of_caller = |change: &&Change| change.id.to_string() == own;
        self.changes.iter().filter(of_caller).find(trusted_otherwise).map(|change| change.id.clone())
    }

    /// A consent with an id must name a change of the plan with that risk; one without may stand in a script.
    fn asks_for(&self, allow: &Allow) -> bool {
        match &allow.id {
            None => true,
            Some(id) => {
                self.changes.iter().any(|change| change.id == *id && change.risk.contains(&allow.risk))
            }
        }
    }
}

fn covers(allow: &Allow, change: &Change, risk: Risk) -> bool {
    allow.risk == risk
        && match (&allow.id, risk) {
            (Some(id), _) => *id == change.id,
            (None, Risk::Widening) => true,
            (None, Risk::Irreversible) => only_first_versioning(change),
            (None, Risk::Routine | Risk::Destructive) => false,
        }
}

/// Whether the first versioning of a bucket is all about the change that is final.
fn only_first_versioning(change: &Change) -> bool {
    change.id.kind() == Kind::Bucket
        && change
            .fields
            .iter()
            .filter(|field| field.risk == Risk::Irreversible)
            .all(|field| field.field == bucket::field::VERSIONING)
}
