//! STS: who is calling, and temporary keys of roles
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>).

use chrono::TimeDelta;

use super::caller::{Caller, Standing, token_digest};
use super::guard::{Guard, not_authorised};
use super::http::{Answer, Refusal};
use super::iam::records::Session;
use super::iam::{Iam, check_identity, instant, names};
use super::query::{Form, Service, validation};
use super::records::{fresh_id, fresh_unique_id};
use super::store::Access;
use super::xml::Xml;

/// Seconds: an hour where nothing is said, a quarter of one at least; a role's session that assumes another role has
/// an hour at most (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html>, role chaining).
const HOUR: u32 = 3_600;
const SHORTEST_SESSION: u32 = 900;

/// Characters of the policy of a session (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
const LONGEST_POLICY: usize = 2_048;
const MOST_POLICIES: usize = 10;

/// One operation of STS' API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    GetCallerIdentity,
    AssumeRole,
    GetAccessKeyInfo,
}

impl Operation {
    /// The operation of a form, unless it asks for anything that the sandbox does not know.
    pub fn find(form: &Form) -> Result<Self, Refusal> {
        let (operation, known): (_, &[&str]) = match form.action() {
            "GetCallerIdentity" => (Operation::GetCallerIdentity, &[]),
            "AssumeRole" => (
                Operation::AssumeRole,
                &["RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "PolicyArns", "ExternalId"],
            ),
            "GetAccessKeyInfo" => (Operation::GetAccessKeyInfo, &["AccessKeyId"]),
            other => return Err(Refusal::not_implemented(format!("the STS action {other}"))),
        };
        form.expect_only(known)?;
        Ok(operation)
    }

    pub fn name(self) -> &'static str {
        match self {
            Operation::GetCallerIdentity => "GetCallerIdentity",
            Operation::AssumeRole => "AssumeRole",
            Operation::GetAccessKeyInfo => "GetAccessKeyInfo",
        }
    }

    pub fn changes(self) -> bool {
        self == Operation::AssumeRole
    }
}

/// Answers a request, if the caller may ask.
pub fn serve(operation: Operation, form: &Form, guard: &Guard<'_>) -> Answer {
    let result = match operation {
        // Everybody may ask who they are.
        Operation::GetCallerIdentity => Ok(caller_identity(guard.iam(), guard.caller())),
        Operation::AssumeRole => assume_role(form, guard),
        Operation::GetAccessKeyInfo => guard
            .check("sts:GetAccessKeyInfo", "*", &guard.context(), None)
            .and_then(|()| access_key_info(guard.iam(), form)),
    };
    match result {
        Ok(result) => Service::Sts.answer(operation.name(), Some(result)),
        Err(refusal) => Service::Sts.refused(refusal),
    }
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
fn caller_identity(iam: &Iam, caller: &Caller) -> String {
    // A caller of `sandbox.yml` may be of another account.
    let account =
        caller.arn.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(&iam.account.id);
    Xml::fragment(|result| {
        result.text("Arn", &caller.arn).text("UserId", &caller.user_id).text("Account", account);
    })
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
fn assume_role(form: &Form, guard: &Guard<'_>) -> Result<String, Refusal> {
    const ACTION: &str = "sts:AssumeRole";
    let (iam, caller) = (guard.iam(), guard.caller());
    let name = names::session_name(form)?;
    let arn = form.required("RoleArn")?;
    // Whether there is such a role AWS does not say.
    let role = iam.role_of_arn(arn)?.ok_or_else(|| not_authorised(caller, ACTION, arn, None))?;
    let mut context = guard.context().with("sts:RoleSessionName", name);
    if let Some(external) = form.get("ExternalId") {
        context = context.with("sts:ExternalId", external);
    }
    for (key, value) in &role.tags {
        context = context.with(&format!("aws:ResourceTag/{key}"), value.clone());
        context = context.with(&format!("iam:ResourceTag/{key}"), value.clone());
    }
    let trust = guard.named(format!("role/{}: trust policy", role.name), &role.trust);
    guard.check(ACTION, arn, &context, Some(&trust))?;
    let _lock = iam.directory.lock(Access::Change)?;
    let seconds = form.number("DurationSeconds")?.unwrap_or(HOUR);
    if !(SHORTEST_SESSION..=role.longest_session).contains(&seconds) {
        return Err(validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if matches!(caller.standing, Standing::Role(..)) && seconds > HOUR {
        return Err(validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    let token = format!("{}{}", fresh_id(), fresh_id());
    let session = Session {
        key: fresh_unique_id("ASIA").chars().take(20).collect(),
        role: role.name.clone(),
        role_id: role.id.clone(),
        name: name.to_owned(),
        expires: iam.clock.now() + TimeDelta::seconds(i64::from(seconds)),
        token: token_digest(&token),
        policies: session_policies(iam, form)?,
    };
    iam.directory.sessions.put(&session.key, session.clone())?;
    let secret: String = format!("{}{}", fresh_id(), fresh_id()).chars().take(40).collect();
    Ok(Xml::fragment(|result| {
        result.element("AssumedRoleUser", |user| {
            user.text("AssumedRoleId", format!("{}:{name}", role.id));
            user.text("Arn", iam.account.session(&role.name, name));
        });
        result.element("Credentials", |keys| {
            keys.text("AccessKeyId", &session.key).text("SecretAccessKey", secret);
            keys.text("SessionToken", token).text("Expiration", instant(session.expires));
        });
    }))
}

/// The documents that narrow a session: the one given with it and those of managed policies, as they are now.
fn session_policies(iam: &Iam, form: &Form) -> Result<Vec<(String, String)>, Refusal> {
    let mut policies = Vec::new();
    if let Some(document) = form.get("Policy") {
        check_identity(document)?;
        if document.chars().count() > LONGEST_POLICY {
            return Err(Refusal::new(400, "PackedPolicyTooLarge", "The session policy is too large."));
        }
        policies.push(("the session's own policy".to_owned(), document.to_owned()));
    }
    let arns: Vec<&str> =
        (1..).map_while(|number| form.get(&format!("PolicyArns.member.{number}.arn"))).collect();
    if arns.len() > MOST_POLICIES {
        return Err(validation("A session may have 10 managed policies at most"));
    }
    for arn in arns {
        let policy = iam.managed(arn)?.ok_or_else(|| {
            Refusal::new(400, "MalformedPolicyDocument", format!("Policy {arn} was not found."))
        })?;
        policies.push((format!("the session's policy {}", policy.name()), policy.document().to_owned()));
    }
    Ok(policies)
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html>
fn access_key_info(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let id = form.required("AccessKeyId")?;
    let _lock = iam.directory.lock(Access::Read)?;
    match iam.key(id)? {
        Some(_) => Ok(Xml::fragment(|result| {
            result.text("Account", &iam.account.id);
        })),
        None => Err(validation(format!("Access key {id} is of no account that the sandbox knows"))),
    }
}
