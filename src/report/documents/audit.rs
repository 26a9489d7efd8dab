//! What is wrong with the protection, and who can destroy: `reconcile.audit/1`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::audit;
use crate::policy;

pub const FORMAT: &str = "reconcile.audit/1";

/// What is wrong with the protection of backups, who can destroy them, and by which path
#[derive(Debug, Serialize, JsonSchema)]
pub struct Audit {
    format: &'static str,
    environment: String,
    /// The AWS account; null where nobody could say
    account: Option<String>,
    /// Whether everything was seen; what was not is in `unread`, and makes no answer safe
    complete: bool,
    /// The gravest first
    findings: Vec<Finding>,
    /// By what is destroyed, who, and action. Nobody else can, as far as everything was seen
    abilities: Vec<Ability>,
    /// What could not be seen
    unread: Vec<Unread>,
    summary: Summary,
}

/// Something that is wrong
#[derive(Debug, Serialize, JsonSchema)]
struct Finding {
    /// What kind: docs/findings has a page on each
    id: &'static str,
    severity: Severity,
    /// KIND/NAME
    subject: String,
    title: String,
    /// What shows it
    evidence: Vec<String>,
    /// What to do
    remedy: String,
}

/// How grave it is
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Severity {
    Critical,
    High,
    Medium,
    Low,
}

/// Who can destroy what
#[derive(Debug, Serialize, JsonSchema)]
struct Ability {
    /// An ARN, a service's name, or * for everyone
    principal: String,
    /// The action that destroys; the way to it may need others
    action: &'static str,
    /// An ARN, with * at its end where many things are meant
    resource: String,
    decision: Decision,
    /// Why it is as it should be; null where it is not
    expected: Option<Expected>,
    /// Each statement on the way, in order
    path: Vec<String>,
    /// The way in a few words, such as PassRole, lambda, role/admin; empty where it is direct
    via: Vec<String>,
    /// Whose backups: bucket/NAME or database/NAME
    subject: String,
    /// What becomes of them
    how: &'static str,
}

/// Whether it may happen
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Decision {
    Allowed,
    /// It depends on the request: where it comes from, when, what it says
    Conditional,
    /// It depends on something that could not be read or is not modelled; never safe
    Unknown,
}

/// Why an ability is as it should be
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum Expected {
    BreakGlass,
    AccountRoot,
}

/// Something that could not be seen
#[derive(Debug, Serialize, JsonSchema)]
struct Unread {
    subject: String,
    /// The IAM action that reads it
    permission: &'static str,
    why: String,
}

/// How many findings of each severity
#[derive(Debug, Serialize, JsonSchema)]
struct Summary {
    critical: usize,
    high: usize,
    medium: usize,
    low: usize,
    /// Things that could not be seen, and abilities that are unknown
    unknown: usize,
}

/// The audit's document.
pub fn audit(audit: &audit::Audit, environment: &str, account: Option<&str>) -> Json {
    let count = |severity| audit.findings.iter().filter(|finding| finding.severity == severity).count();
    let is_unknown = |ability: &&audit::Ability| ability.decision == policy::Verdict::Unknown;
    let unknown = audit.unread.len() + audit.abilities.iter().filter(is_unknown).count();
    super::json(&Audit {
        format: FORMAT,
        environment: environment.to_owned(),
        account: account.map(str::to_owned),
        complete: audit.is_complete(),
        findings: audit.findings.iter().map(finding).collect(),
        abilities: audit.abilities.iter().map(ability).collect(),
        unread: audit
            .unread
            .iter()
            .map(|unread| Unread {
                subject: unread.subject.clone(),
                permission: unread.permission,
                why: unread.why.clone(),
            })
            .collect(),
        summary: Summary {
            critical: count(audit::Severity::Critical),
            high: count(audit::Severity::High),
            medium: count(audit::Severity::Medium),
            low: count(audit::Severity::Low),
            unknown,
        },
    })
}

fn finding(finding: &audit::Finding) -> Finding {
    Finding {
        id: finding.id,
        severity: match finding.severity {
            audit::Severity::Critical => Severity::Critical,
            audit::Severity::High => Severity::High,
            audit::Severity::Medium => Severity::Medium,
            audit::Severity::Low => Severity::Low,
        },
        subject: finding.subject.clone(),
        title: finding.title.clone(),
        evidence: finding.evidence.clone(),
        remedy: finding.remedy.clone(),
    }
}

fn ability(ability: &audit::Ability) -> Ability {
    let texts = |list: &[std::sync::Arc<str>]| list.iter().map(ToString::to_string).collect();
    Ability {
        principal: ability.principal.to_string(),
        action: ability.row.action,
        resource: ability.resource.to_string(),
        decision: match ability.decision {
            policy::Verdict::Allowed => Decision::Allowed,
            policy::Verdict::Conditional => Decision::Conditional,
            // A denial is no ability, so there is none here.
            policy::Verdict::Unknown | policy::Verdict::Denied => Decision::Unknown,
        },
        expected: ability.expected.map(|expected| match expected {
            audit::Expected::BreakGlass => Expected::BreakGlass,
            audit::Expected::AccountRoot => Expected::AccountRoot,
        }),
        path: texts(&ability.path),
        via: texts(&ability.via),
        subject: ability.subject.to_string(),
        how: ability.row.how,
    }
}
