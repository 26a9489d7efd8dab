//! Plans and reports: `reconcile.plan/1` and `reconcile.report/1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::plan;
use crate::report::plan_words::reason;
use crate::report::text::rfc3339;
use crate::state::{HeldCode, Tag};
use crate::vocab::Risk;

pub const PLAN: &str = "reconcile.plan/1";
pub const REPORT: &str = "reconcile.report/1";

/// How reality differs from the settings, and what would be done about it
#[derive(Debug, Serialize, JsonSchema)]
pub struct Plan<C> {
    format: &'static str,
    /// The program's own version
    version: &'static str,
    environment: String,
    /// The AWS account; null where the endpoint is not AWS's, or nobody could say
    account: Option<String>,
    /// What was asked for: backups, buckets, access, schedules, hosts, or datastores
    tags: Vec<String>,
    /// The hosts that were asked for; none means all
    limit: Vec<String>,
    /// SHA-256 over all that decides what would be done; `apply FILE` refuses where it moved
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    fingerprint: String,
    /// In the order in which they are carried out
    changes: Vec<C>,
    /// What the settings ask for, and what is left alone
    held: Vec<Held>,
    summary: Summary,
    /// Backups whose last run failed
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    failures: Vec<Failure>,
    /// The S3-compatible store in place of AWS's
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
}

/// One thing that would be created, adopted, updated or removed
#[derive(Debug, Serialize, JsonSchema)]
pub struct Change {
    /// KIND/NAME, or KIND/HOST/NAME
    id: String,
    kind: &'static str,
    action: Action,
    /// Every risk among the fields; one above routine needs consent
    risk: Vec<Risk>,
    fields: Vec<Field>,
    reasons: Vec<Reason>,
    /// The datastores that need it
    datastores: Vec<String>,
    /// The backups that would be lost, the first hundred
    loses: Vec<Loss>,
    /// All of them, where there are more
    #[serde(skip_serializing_if = "Option::is_none")]
    loses_in_all: Option<LosesInAll>,
}

/// A change and what became of it
#[derive(Debug, Serialize, JsonSchema)]
pub struct Carried {
    #[serde(flatten)]
    change: Change,
    /// Absent where nothing was touched, because the whole plan was refused or declined
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    /// Why it failed or was skipped
    error: Option<String>,
}

/// What happens to a thing
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Action {
    Create,
    /// It exists, with nobody's mark, and becomes this environment's
    Adopt,
    Update,
    Remove,
}

/// What became of a change
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Outcome {
    Done,
    Failed,
    /// What it builds on failed
    Skipped,
}

/// One field of it
#[derive(Debug, Serialize, JsonSchema)]
struct Field {
    field: String,
    /// Null for what is absent; a secret is "(secret)"
    from: Json,
    /// A secret that differs is "(secret, changed)"
    to: Json,
    risk: Risk,
    /// What may stop working for others who use the thing
    may_break: Vec<&'static str>,
}

/// Why the thing is wanted, or what to know of it
#[derive(Debug, Serialize, JsonSchema)]
struct Reason {
    code: &'static str,
    text: String,
}

/// One backup that would be gone
#[derive(Debug, Serialize, JsonSchema)]
struct Loss {
    /// BUCKET/KEY?versionId=V, or HOST:PATH
    backup: String,
    #[schemars(extend("format" = "date-time"))]
    taken: String,
    bytes: u64,
    /// When it would go
    #[schemars(extend("format" = "date-time"))]
    when: String,
}

/// Every backup that would be gone
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct LosesInAll {
    backups: u64,
    bytes: u64,
}

/// What the settings ask for and what is not among the changes
#[derive(Debug, Serialize, JsonSchema)]
struct Held {
    id: String,
    kind: &'static str,
    code: HeldCode,
    why: String,
}

/// How many of each
#[derive(Debug, Serialize, JsonSchema)]
struct Summary {
    create: usize,
    adopt: usize,
    update: usize,
    remove: usize,
    unchanged: usize,
    held: usize,
}

/// A backup whose last run failed
#[derive(Debug, Serialize, JsonSchema)]
struct Failure {
    host: String,
    datastore: String,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    message: String,
}

/// The plan's document.
pub fn plan(plan: &plan::Plan) -> Json {
    let changes = plan.changes.iter().map(Change::of).collect();
    super::json(&Plan::of(PLAN, plan, changes))
}

/// The report's document: the plan's, with the outcome of each change.
pub fn report(report: &plan::Report) -> Json {
    let carried = |change: &plan::Change| {
        let (outcome, error) = match report.outcomes.get(&change.id) {
            None => (None, None),
            Some(plan::Outcome::Done) => (Some(Outcome::Done), None),
            Some(plan::Outcome::Failed(why)) => (Some(Outcome::Failed), Some(why.clone())),
            Some(plan::Outcome::Skipped(why)) => (Some(Outcome::Skipped), Some(why.clone())),
        };
        Carried { change: Change::of(change), outcome, error }
    };
    let changes = report.plan.changes.iter().map(carried).collect();
    super::json(&Plan::of(REPORT, &report.plan, changes))
}

impl<C> Plan<C> {
    fn of(format: &'static str, plan: &plan::Plan, changes: Vec<C>) -> Self {
        let plan::Summary { create, adopt, update, remove, unchanged, held } = plan.summary();
        let held_items = plan.held.iter().map(|held| Held {
            id: held.id.to_string(),
            kind: held.id.kind().name(),
            code: held.code,
            why: held.why.clone(),
        });
        let failures = plan.failures.iter().map(|failure| Failure {
            host: failure.host.to_string(),
            datastore: failure.datastore.to_string(),
            at: rfc3339(failure.at),
            message: failure.message.clone(),
        });
        Plan {
            format,
            version: env!("CARGO_PKG_VERSION"),
            environment: plan.environment.to_string(),
            account: plan.caller.account.as_ref().map(ToString::to_string),
            tags: plan.selection.tags.iter().map(|tag| Tag::name(tag).to_owned()).collect(),
            limit: plan.selection.limit.iter().map(ToString::to_string).collect(),
            fingerprint: plan.fingerprint.to_string(),
            changes,
            held: held_items.collect(),
            summary: Summary { create, adopt, update, remove, unchanged, held },
            failures: failures.collect(),
            endpoint: plan.caller.endpoint.clone(),
        }
    }
}

impl Change {
    fn of(change: &plan::Change) -> Self {
        let fields = change.fields.iter().map(|field| {
            let (from, to) = field.shown();
            Field {
                field: field.field.to_string(),
                from,
                to,
                risk: field.risk,
                may_break: field.may_break.clone(),
            }
        });
        let reasons = change.reasons.iter().map(|why| {
            let (code, text) = reason(why);
            Reason { code, text }
        });
        let loses = change.losses.first.iter().map(|loss| Loss {
            backup: loss.backup.clone(),
            taken: rfc3339(loss.taken),
            bytes: loss.bytes,
            when: rfc3339(loss.when),
        });
        let in_all = LosesInAll { backups: change.losses.count, bytes: change.losses.bytes };
        let has_more = in_all.backups > change.losses.first.len() as u64;
        Change {
            id: change.id.to_string(),
            kind: change.id.kind().name(),
            action: match change.action {
                plan::Action::Create => Action::Create,
                plan::Action::Adopt => Action::Adopt,
                plan::Action::Update => Action::Update,
                plan::Action::Remove => Action::Remove,
            },
            risk: change.risk.iter().copied().collect(),
            fields: fields.collect(),
            reasons: reasons.collect(),
            datastores: change.datastores.iter().map(ToString::to_string).collect(),
            loses: loses.collect(),
            loses_in_all: has_more.then_some(in_all),
        }
    }
}
