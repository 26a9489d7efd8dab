//! Whether a caller may do what it asks: the sandbox's AWS puts the question to `policy`, with everything that AWS would
//! know of the request.
//!
//! Place on the data's path: between who calls and what is done. Stricter than AWS, never laxer: what a policy says in
//! words that `policy` does not model counts as denied.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::caller::{Caller, Standing};
use super::http::Refusal;
use super::iam::records::Grants;
use super::iam::{Iam, Kind};
use super::store::Access;
use crate::policy::{
    Context, Decision, Document, Effect, Layer, Named, Policies, Principal, Request, Resource, Verdict,
    decide, verdict,
};

/// What an administrator has; also AWS's own policy of that name.
static EVERYTHING: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let document =
        super::iam::amazon_document("AdministratorAccess").and_then(|text| Document::parse(text).ok());
    vec![Named::new("an administrator", document.unwrap_or_else(Document::unread))]
});

/// From where requests come, as `sandbox.yml` says.
#[derive(Clone, Debug)]
pub struct Origin {
    pub ip: IpAddr,
    /// Requests come through an endpoint of this network, if one is named.
    pub vpc: Option<String>,
}

/// Documents that were read before, by their text.
#[derive(Debug, Default)]
pub struct Parsed(Mutex<HashMap<String, Arc<Document>>>);

/// Texts that are remembered; a sandbox has seldom more.
const REMEMBERED: usize = 4096;

impl Parsed {
    /// The document of a text. One that cannot be read may allow or deny anything.
    pub fn document(&self, text: &str) -> Arc<Document> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = known.get(text) {
            return document.clone();
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let document = Arc::new(Document::parse(text).unwrap_or_else(|_| Document::unread()));
        known.insert(text.to_owned(), document.clone());
        document
    }
}

/// The policies of a caller.
#[derive(Debug)]
struct Granted {
    identity: Vec<Named>,
    boundary: Option<Named>,
    session: Option<Named>,
}

/// Judges what one caller asks in one request.
pub struct Guard<'a> {
    iam: &'a Iam,
    caller: &'a Caller,
    parsed: &'a Parsed,
    principal: Principal,
    origin: &'a Origin,
    region: &'a str,
    now: DateTime<Utc>,
    granted: OnceCell<Granted>,
}

impl<'a> Guard<'a> {
    pub fn new(
        iam: &'a Iam,
        caller: &'a Caller,
        parsed: &'a Parsed,
        origin: &'a Origin,
        region: &'a str,
        now: DateTime<Utc>,
    ) -> Self {
        let principal =
            match (&caller.standing, Principal::parse(&caller.arn).unwrap_or(Principal::Anonymous)) {
                (Standing::Role(role, _), session @ Principal::Session { .. }) => {
                    session.of_role(iam.account.arn(Kind::Role, &role.path, &role.name))
                }
                (_, principal) => principal,
            };
        Guard { iam, caller, parsed, principal, origin, region, now, granted: OnceCell::new() }
    }

    pub fn iam(&self) -> &Iam {
        self.iam
    }

    pub fn caller(&self) -> &Caller {
        self.caller
    }

    /// What every question of the request has in common; an operation adds its own keys.
    pub fn context(&self) -> Context {
        let origin = match &self.origin.vpc {
            // Through an endpoint the address is told under another name
            // (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html).
            Some(vpc) => {
                vec![("aws:SourceVpc", vpc.clone()), ("aws:VpcSourceIp", self.origin.ip.to_string())]
            }
            None => vec![("aws:SourceIp", self.origin.ip.to_string())],
        };
        let context = self.context_of_service().with("aws:ViaAWSService", "false");
        origin.into_iter().fold(context, |context, (key, value)| context.with(key, value))
    }

    /// The same for what a service asks on the caller's behalf: from where the caller came is not known then
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html>).
    pub fn context_of_service(&self) -> Context {
        context(self.caller, self.region, self.now)
    }

    /// Whether nothing needs to be asked: an administrator or the root of the account, and no policy of the resource.
    pub fn is_free(&self, resource_policy: Option<&Named>) -> bool {
        resource_policy.is_none()
            && matches!(self.caller.standing, Standing::Administrator | Standing::Root)
            && self.principal.account() == Some(&self.iam.account.id)
    }

    /// A policy of a resource, for [`Guard::check`].
    pub fn named(&self, name: impl Into<String>, text: &str) -> Named {
        Named::new(name, self.parsed.document(text))
    }

    /// Refuses what is not allowed, as AWS words it.
    pub fn check(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
        resource_policy: Option<&Named>,
    ) -> Result<(), Refusal> {
        if self.is_free(resource_policy) {
            return Ok(());
        }
        if self.judge(action, resource, context, resource_policy, verdict)? == Verdict::Allowed {
            return Ok(());
        }
        let decision = self.judge(action, resource, context, resource_policy, decide)?;
        tracing::debug!(action, resource, verdict = %decision.verdict, "sandbox: denied");
        Err(not_authorised(self.caller, action, resource, Some(&why(action, &decision))))
    }

    /// The same as an answer: for what only changes how AWS answers.
    pub fn may(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
        resource_policy: Option<&Named>,
    ) -> Result<bool, Refusal> {
        Ok(self.is_free(resource_policy)
            || self.judge(action, resource, context, resource_policy, verdict)? == Verdict::Allowed)
    }

    fn judge<T>(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
        resource_policy: Option<&Named>,
        judge: fn(&Request<'_>, &Policies<'_>) -> T,
    ) -> Result<T, Refusal> {
        let granted = match self.granted.get() {
            Some(granted) => granted,
            None => {
                let granted = self.read()?;
                self.granted.get_or_init(|| granted)
            }
        };
        let request = Request {
            principal: &self.principal,
            action,
            resource: Resource::Exact(resource),
            resource_account: Some(&self.iam.account.id),
            context,
        };
        let policies = Policies {
            identity: &granted.identity,
            boundary: granted.boundary.as_ref(),
            session: granted.session.as_ref(),
            scps: &[],
            resource: resource_policy,
        };
        Ok(judge(&request, &policies))
    }

    /// Collects the caller's policies as they are now.
    fn read(&self) -> Result<Granted, Refusal> {
        let _lock = self.iam.directory.lock(Access::Read)?;
        let mut identity = Vec::new();
        let (boundary, session) = match &self.caller.standing {
            Standing::Administrator | Standing::Root => {
                identity.extend(EVERYTHING.iter().cloned());
                (None, None)
            }
            Standing::User(user) => {
                self.collect(&format!("user/{}", user.name), &user.grants, &mut identity)?;
                for name in &user.groups {
                    if let Some(group) = self.iam.directory.groups.get(name)? {
                        self.collect(&format!("group/{name}"), &group.grants, &mut identity)?;
                    }
                }
                (user.boundary.as_deref(), None)
            }
            Standing::Role(role, session) => {
                self.collect(&format!("role/{}", role.name), &role.grants, &mut identity)?;
                (role.boundary.as_deref(), session.as_deref())
            }
        };
        let boundary = boundary.map(|arn| self.managed("the permissions boundary", arn)).transpose()?;
        let session = session.filter(|session| !session.policies.is_empty()).map(|session| {
            let documents = session.policies.iter().map(|(_, text)| self.parsed.document(text));
            Named::new("the session policy", together(documents))
        });
        Ok(Granted { identity, boundary, session })
    }

    fn collect(&self, whose: &str, grants: &Grants, into: &mut Vec<Named>) -> Result<(), Refusal> {
        for (name, text) in &grants.inline {
            into.push(self.named(format!("{whose}: policy {name}"), text));
        }
        for arn in &grants.attached {
            into.push(self.managed(whose, arn)?);
        }
        Ok(())
    }

    fn managed(&self, whose: &str, arn: &str) -> Result<Named, Refusal> {
        Ok(match self.iam.managed(arn)? {
            Some(policy) => self.named(format!("{whose}: policy {}", policy.name()), policy.document()),
            // Nothing removes a policy that is in use, so this is a damaged directory.
            None => Named::new(format!("{whose}: policy {arn}"), Document::unread()),
        })
    }
}

/// Several session policies allow what any of them allows.
fn together(documents: impl Iterator<Item = Arc<Document>>) -> Document {
    documents.fold(
        Document { version: Default::default(), id: None, statements: Vec::new() },
        |mut whole, one| {
            whole.statements.extend(one.statements.iter().cloned());
            Document { version: one.version, ..whole }
        },
    )
}

/// The keys that every request has
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>). The connection is in the
/// process, which counts as TLS.
fn context(caller: &Caller, region: &str, now: DateTime<Utc>) -> Context {
    let mut values: Vec<(String, Vec<String>)> = Vec::new();
    let mut put = |key: &str, value: String| values.push((key.to_owned(), vec![value]));
    put("aws:SecureTransport", "true".to_owned());
    put("aws:CurrentTime", now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    put("aws:EpochTime", now.timestamp().to_string());
    put("aws:RequestedRegion", region.to_owned());
    put("aws:userid", caller.user_id.clone());
    put("aws:ViaAWSService", "true".to_owned());
    let tags = match &caller.standing {
        Standing::User(user) => Some(&user.tags),
        Standing::Role(role, session) => {
            if session.is_some() {
                put("aws:MultiFactorAuthPresent", "false".to_owned());
            }
            Some(&role.tags)
        }
        Standing::Administrator | Standing::Root => None,
    };
    for (key, value) in tags.into_iter().flatten() {
        put(&format!("aws:PrincipalTag/{key}"), value.clone());
    }
    Context::closed(values).derived()
}

/// The reason in AWS's words
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>).
fn why(action: &str, decision: &Decision) -> String {
    let kind = |layer: Layer| match layer {
        Layer::Identity => "identity-based policy",
        Layer::Resource => "resource-based policy",
        Layer::Boundary => "permissions boundary",
        Layer::Session => "session policy",
        Layer::ServiceControl => "service control policy",
    };
    if let Some(step) = decision.path.iter().find(|step| step.effect == Effect::Deny) {
        let article = if step.layer == Layer::Identity { "an" } else { "a" };
        return format!("with an explicit deny in {article} {}", kind(step.layer));
    }
    format!("because no {} allows the {action} action", kind(decision.missing.unwrap_or(Layer::Identity)))
}

/// A refusal as AWS words it.
pub fn not_authorised(caller: &Caller, action: &str, resource: &str, why: Option<&str>) -> Refusal {
    // S3 alone puts the resource into quotation marks.
    let resource = if action.starts_with("s3:") { format!("\"{resource}\"") } else { resource.to_owned() };
    let mut message =
        format!("User: {} is not authorized to perform: {action} on resource: {resource}", caller.arn);
    if let Some(why) = why {
        message.push(' ');
        message.push_str(why);
    }
    Refusal::new(403, "AccessDenied", message)
}
