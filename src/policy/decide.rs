//! AWS's order of evaluation
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>): a deny anywhere is a
//! deny; then every kind of policy that limits must allow, and one that grants must.
//!
//! Nothing is allocated until a statement is found that decides. Must never take an uncertain statement for one that
//! does not apply.

use super::decision::{Certainty, Decision, Layer, Named, Policies, Request, Resource, Step, Verdict};
use super::document::{Effect, Statement};
use super::pattern::Cover;
use super::principal::Principal;
use super::truth::Truth;
use super::{condition, keys, whom};

/// Whether the policies let it happen, and by which statements.
pub fn decide(request: &Request<'_>, policies: &Policies<'_>) -> Decision {
    let weighed = weigh(request, policies);
    let verdict = weighed.verdict;
    if verdict == Verdict::Denied {
        let path = weighed.denies.explicit.iter().map(|found| found.step(request)).collect();
        return Decision { verdict, path, missing: weighed.missing };
    }
    let mut path: Vec<Step> = weighed.route.found.iter().flatten().map(|found| found.step(request)).collect();
    let mut known = Denies::NONE;
    for level in weighed.levels {
        let allowed = scan_all(request, policies, Layer::ServiceControl, level, &mut known);
        path.extend(allowed.direct.found.map(|found| found.step(request)));
    }
    if weighed.denies.none != Truth::True {
        path.extend(possible_denies(request, policies, weighed.levels));
    }
    Decision { verdict, path, missing: None }
}

/// The verdict of [`decide`] alone, which allocates nothing: for whoever asks very often and tells the path of a few.
pub fn verdict(request: &Request<'_>, policies: &Policies<'_>) -> Verdict {
    weigh(request, policies).verdict
}

/// What all policies say together.
struct Weighed<'p> {
    verdict: Verdict,
    route: Route<'p>,
    denies: Denies<'p>,
    /// The service control policies that count.
    levels: &'p [Vec<Named>],
    missing: Option<Layer>,
}

fn weigh<'p>(request: &Request<'_>, policies: &Policies<'p>) -> Weighed<'p> {
    let mut denies = Denies::NONE;
    let identity = scan_all(request, policies, Layer::Identity, policies.identity, &mut denies);
    let mut scan = |layer: Layer, named| {
        let mut found = Grants::NONE;
        read(request, policies, layer, named, &mut found, &mut denies);
        found
    };
    let boundary = policies.boundary.map(|named| scan(Layer::Boundary, named).direct);
    let session = policies.session.map(|named| scan(Layer::Session, named).direct);
    let resource = policies.resource.map_or(Grants::NONE, |named| scan(Layer::Resource, named));
    let is_limited = request.principal.account().is_some() && !request.principal.is_service_linked();
    let levels = if is_limited { policies.scps } else { &[] };
    let mut control = Truth::True;
    for level in levels {
        let allowed = scan_all(request, policies, Layer::ServiceControl, level, &mut denies);
        control = control.and(allowed.direct.truth);
    }
    let layers = Layers { identity: identity.direct, boundary, session, resource };
    let route = layers.best_route(request);
    let verdict = match route.truth.and(control).and(denies.none) {
        Truth::True => Verdict::Allowed,
        Truth::Open => Verdict::Conditional,
        Truth::Unknown => Verdict::Unknown,
        Truth::False => Verdict::Denied,
    };
    let missing = match (verdict, denies.explicit) {
        (Verdict::Denied, None) if control == Truth::False => Some(Layer::ServiceControl),
        (Verdict::Denied, None) => Some(route.missing),
        _ => None,
    };
    Weighed { verdict, route, denies, levels, missing }
}

/// Reads all policies of a layer.
fn scan_all<'p>(
    request: &Request<'_>,
    policies: &Policies<'_>,
    layer: Layer,
    all: &'p [Named],
    denies: &mut Denies<'p>,
) -> Grants<'p> {
    let mut grants = Grants::NONE;
    for named in all {
        read(request, policies, layer, named, &mut grants, denies);
    }
    grants
}

/// The statements that may deny, in the order in which a path tells policies.
fn possible_denies(request: &Request<'_>, policies: &Policies<'_>, levels: &[Vec<Named>]) -> Vec<Step> {
    let single = [
        (Layer::Resource, policies.resource),
        (Layer::Boundary, policies.boundary),
        (Layer::Session, policies.session),
    ];
    let identity = policies.identity.iter().map(|named| (Layer::Identity, named));
    let single = single.into_iter().filter_map(|(layer, named)| named.map(|named| (layer, named)));
    let control = levels.iter().flatten().map(|named| (Layer::ServiceControl, named));
    let mut steps = Vec::new();
    for (layer, named) in identity.chain(single).chain(control) {
        for statement in &named.document.statements {
            if statement.effect != Effect::Deny || !statement.may_concern(request.action) {
                continue;
            }
            let truth = denying(statement, request, policies, layer);
            if matches!(truth, Truth::Open | Truth::Unknown) {
                steps.push(Found { layer, named, statement, truth }.step(request));
            }
        }
    }
    steps
}

/// A statement that applies, or may.
#[derive(Clone, Copy)]
struct Found<'p> {
    layer: Layer,
    named: &'p Named,
    statement: &'p Statement,
    truth: Truth,
}

/// Whether something is granted, and by what.
#[derive(Clone, Copy)]
struct Grant<'p> {
    truth: Truth,
    found: Option<Found<'p>>,
}

impl<'p> Grant<'p> {
    const NONE: Grant<'p> = Grant { truth: Truth::False, found: None };
    /// Nothing limits.
    const FREE: Grant<'p> = Grant { truth: Truth::True, found: None };

    fn or(self, other: Grant<'p>) -> Grant<'p> {
        if other.truth > self.truth { other } else { self }
    }
}

/// What a policy grants, by how it names the principal. Policies that name nobody grant directly.
#[derive(Clone, Copy)]
struct Grants<'p> {
    direct: Grant<'p>,
    by_role: Grant<'p>,
    by_account: Grant<'p>,
}

impl<'p> Grants<'p> {
    const NONE: Grants<'p> = Grants { direct: Grant::NONE, by_role: Grant::NONE, by_account: Grant::NONE };

    fn or(self, other: Grants<'p>) -> Grants<'p> {
        Grants {
            direct: self.direct.or(other.direct),
            by_role: self.by_role.or(other.by_role),
            by_account: self.by_account.or(other.by_account),
        }
    }
}

/// What denies.
struct Denies<'p> {
    /// Whether nothing does.
    none: Truth,
    explicit: Option<Found<'p>>,
}

impl Denies<'_> {
    const NONE: Self = Denies { none: Truth::True, explicit: None };
}

/// Reads a policy's statements.
fn read<'p>(
    request: &Request<'_>,
    policies: &Policies<'_>,
    layer: Layer,
    named: &'p Named,
    grants: &mut Grants<'p>,
    denies: &mut Denies<'p>,
) {
    for statement in &named.document.statements {
        if !statement.may_concern(request.action) {
            continue;
        }
        if statement.effect == Effect::Deny {
            let truth = denying(statement, request, policies, layer);
            denies.none = denies.none.and(truth.not());
            if truth == Truth::True && denies.explicit.is_none() {
                denies.explicit = Some(Found { layer, named, statement, truth });
            }
            continue;
        }
        let names = applies(statement, request, layer, policies.boundary.is_some());
        if names.at_all() != Truth::False {
            let found = |truth: Truth| Grant { truth, found: Some(Found { layer, named, statement, truth }) };
            *grants = grants.or(Grants {
                direct: found(names.directly),
                by_role: found(names.by_role),
                by_account: found(names.by_account),
            });
        }
    }
}

/// Whether a statement that denies the action does so here.
fn denying(statement: &Statement, request: &Request<'_>, policies: &Policies<'_>, layer: Layer) -> Truth {
    if layer == Layer::Resource && is_owner_of_bucket_policy(request) {
        return Truth::False;
    }
    applies(statement, request, layer, policies.boundary.is_some()).at_all()
}

/// Whether a statement that speaks of the action applies, and how it names the principal.
fn applies(statement: &Statement, request: &Request<'_>, layer: Layer, has_boundary: bool) -> whom::Named {
    let everybody = whom::Named { directly: Truth::True, by_role: Truth::False, by_account: Truth::False };
    let is_open = request.context.is_open();
    let named = match (&statement.principals, layer) {
        (Some(principals), Layer::Resource) => {
            principals.name(request.principal, statement.effect, has_boundary, is_open)
        }
        (None, Layer::Resource) | (Some(_), _) => everybody.and(Truth::Unknown),
        (None, _) => everybody,
    };
    if named.at_all() == Truth::False {
        return named;
    }
    let resource = match &statement.resources {
        Some(resources) => {
            let each = resources.patterns.iter().map(|pattern| match request.resource {
                Resource::Exact(arn) => pattern.matches_arn(arn, &|key| request.variable(key)).into(),
                Resource::Under(prefix) => match pattern.covers(prefix, &|key| request.variable(key)) {
                    Cover::Nothing => Truth::False,
                    Cover::Some => Truth::Open,
                    Cover::All => Truth::True,
                },
            });
            if resources.negated { Truth::any(each).not() } else { Truth::any(each) }
        }
        None if layer == Layer::Resource && keys::is_without_effect(statement, request) => Truth::False,
        None if layer == Layer::Resource => Truth::True,
        None => Truth::Unknown,
    };
    if resource == Truth::False {
        return named.and(resource);
    }
    let unmodelled = if statement.unmodelled.is_empty() { Truth::True } else { Truth::Unknown };
    let conditions = Truth::all(statement.conditions.iter().map(|condition| condition.holds(request)));
    named.and(resource).and(unmodelled).and(conditions)
}

/// The root of a bucket's account can always read, replace and remove the bucket's policy, whatever that says
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html>).
fn is_owner_of_bucket_policy(request: &Request<'_>) -> bool {
    let is_root = matches!(request.principal, Principal::Root { .. });
    is_root
        && is_same_account(request)
        && ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]
            .iter()
            .any(|action| request.action.eq_ignore_ascii_case(action))
}

fn is_same_account(request: &Request<'_>) -> bool {
    request.resource_account.is_none() || request.resource_account == request.principal.account()
}

/// A key or a role's trust, where an identity's policy counts only as far as the resource's own names the account
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html>,
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-req-pol.html>).
fn speaks_for_itself(request: &Request<'_>) -> bool {
    let (Resource::Exact(arn) | Resource::Under(arn)) = request.resource;
    keys::is_of_key(request)
        || is_assuming(request)
        || (arn.contains(":role/")
            && ["sts:TagSession", "sts:Set"].iter().any(|prefix| begins(request.action, prefix)))
}

fn is_assuming(request: &Request<'_>) -> bool {
    begins(request.action, "sts:AssumeRole")
}

/// Whether an action begins so, in whatever case.
pub(super) fn begins(action: &str, prefix: &str) -> bool {
    action.split_at_checked(prefix.len()).is_some_and(|(begin, _)| begin.eq_ignore_ascii_case(prefix))
}

/// What each kind of policy says.
struct Layers<'p> {
    identity: Grant<'p>,
    boundary: Option<Grant<'p>>,
    session: Option<Grant<'p>>,
    resource: Grants<'p>,
}

/// A way to be allowed, and what is missing where it leads nowhere.
struct Route<'p> {
    truth: Truth,
    found: [Option<Found<'p>>; 4],
    missing: Layer,
}

impl<'p> Route<'p> {
    /// All of these must allow.
    fn through(grants: [(Layer, Grant<'p>); 4]) -> Self {
        let truth = Truth::all(grants.iter().map(|(_, grant)| grant.truth));
        let missing = grants.iter().find(|(_, grant)| grant.truth == Truth::False);
        Route {
            truth,
            found: grants.map(|(_, grant)| grant.found),
            missing: missing.map_or(Layer::Identity, |(layer, _)| *layer),
        }
    }

    fn or(self, other: Route<'p>) -> Route<'p> {
        if other.truth > self.truth { other } else { self }
    }
}

impl<'p> Layers<'p> {
    fn best_route(&self, request: &Request<'_>) -> Route<'p> {
        let free = (Layer::Identity, Grant::FREE);
        let boundary = (Layer::Boundary, self.boundary.unwrap_or(Grant::FREE));
        let session = (Layer::Session, self.session.unwrap_or(Grant::FREE));
        let resource = |grant: Grant<'p>| (Layer::Resource, grant);
        let Grants { direct, by_role, by_account } = self.resource;
        let any = direct.or(by_role).or(by_account);
        if keys::is_out_of_reach(request) {
            return Route::through([resource(Grant::NONE), free, free, free]);
        }
        let identity = match request.principal {
            // Services, providers and strangers have no policies of their own.
            Principal::Service(_) | Principal::Federated(_) | Principal::Anonymous => {
                return Route::through([resource(any), free, free, free]);
            }
            // Root may do everything but assume roles
            // (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
            Principal::Root { .. } if is_assuming(request) => {
                return Route::through([(Layer::Identity, Grant::NONE), free, free, free]);
            }
            Principal::Root { .. } => free,
            _ => (Layer::Identity, self.identity),
        };
        if !is_same_account(request) {
            return Route::through([identity, resource(any), boundary, session]);
        }
        // A user's session policy makes it a federated session of that user, which the grant to the user does not
        // lift.
        let is_lifted = !matches!(request.principal, Principal::User { .. }) || self.session.is_none();
        let granted = match is_lifted {
            true => Route::through([resource(direct), free, free, free]),
            false => Route::through([resource(direct), free, boundary, session]),
        };
        let by_role = Route::through([resource(by_role), free, boundary, session]);
        let by_identity = match speaks_for_itself(request) {
            true => Route::through([identity, resource(by_account), boundary, session]),
            false => Route::through([identity, free, boundary, session]),
        };
        // The identity's own policies first: of equals the first is told.
        by_identity.or(granted).or(by_role)
    }
}

impl Found<'_> {
    fn step(&self, request: &Request<'_>) -> Step {
        Step {
            layer: self.layer,
            policy: self.named.name.clone(),
            statement: self.statement.number,
            sid: self.statement.sid.clone(),
            effect: self.statement.effect,
            certainty: match self.truth {
                Truth::True | Truth::False => Certainty::Applies,
                Truth::Open => Certainty::DependsOn(open_keys(self.statement, request)),
                Truth::Unknown => Certainty::Unmodelled(unmodelled(self.statement, request)),
            },
        }
    }
}

/// The keys on which it depends whether a statement applies, as they are written.
fn open_keys(statement: &Statement, request: &Request<'_>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut add = |key: &str| {
        if !keys.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            keys.push(key.to_owned());
        }
    };
    let is_open = |folded: &str| request.variable(folded) == super::pattern::Lookup::Open;
    for condition in &statement.conditions {
        if condition.holds(request) != Truth::Open {
            continue;
        }
        if is_open(&condition.folded) {
            add(&condition.key);
        }
        for value in &condition.values {
            value.variables().filter(|key| is_open(key)).for_each(&mut add);
        }
    }
    let patterns = statement.resources.iter().flat_map(|resources| &resources.patterns);
    patterns.flat_map(|pattern| pattern.variables()).filter(|key| is_open(key)).for_each(&mut add);
    keys
}

/// What is not modelled in a statement, in words.
fn unmodelled(statement: &Statement, request: &Request<'_>) -> String {
    if statement.unmodelled.contains_key("Unread") {
        return "a policy that could not be read".to_owned();
    }
    if let Some(name) = statement.unmodelled.keys().next() {
        return format!("the element {name}, which is not known here");
    }
    let condition = statement.conditions.iter().find(|condition| condition.holds(request) == Truth::Unknown);
    match condition {
        Some(condition) => match condition.operator {
            condition::Operator::Unmodelled(_) => {
                format!("the operator {}, which is not known here", condition.operator)
            }
            condition::Operator::Known { .. } => {
                format!("{} {}, which cannot be compared", condition.operator, condition.key)
            }
        },
        None => "whom or what it speaks of, which cannot be told".to_owned(),
    }
}
