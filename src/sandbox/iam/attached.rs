//! Managed policies at users, groups and roles, and the boundary that one of them may be.

use super::holder::Holder;
use super::managed;
use super::names::{Kind, limit};
use super::page::Page;
use super::{Outcome, Request, no_such, nothing, result};
use crate::sandbox::http::Refusal;
use crate::sandbox::query::validation;

/// Managed policies of one user, group or role
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const MOST_ATTACHED: usize = 10;

pub fn attach(request: &Request<'_>, kind: Kind) -> Outcome {
    let mut holder = Holder::of(request, kind)?;
    let arn = managed::arn(request)?;
    managed::find(request, arn)?;
    holder.grants_mut().attached.insert(arn.to_owned());
    if holder.grants().attached.len() > MOST_ATTACHED {
        let quota = match kind {
            Kind::User => "PoliciesPerUser",
            Kind::Group => "PoliciesPerGroup",
            Kind::Role | Kind::Policy | Kind::InstanceProfile => "PoliciesPerRole",
        };
        return Err(limit(format!("Cannot exceed quota for {quota}: {MOST_ATTACHED}")));
    }
    holder.save(request)?;
    nothing()
}

pub fn detach(request: &Request<'_>, kind: Kind) -> Outcome {
    let mut holder = Holder::of(request, kind)?;
    let arn = managed::arn(request)?;
    if !holder.grants_mut().attached.remove(arn) {
        return Err(no_such(format!("Policy {arn} was not found.")));
    }
    holder.save(request)?;
    nothing()
}

pub fn list(request: &Request<'_>, kind: Kind) -> Outcome {
    let holder = Holder::of(request, kind)?;
    let prefix = super::names::path_prefix(request.form)?;
    let mut policies = Vec::new();
    for arn in &holder.grants().attached {
        let policy = managed::find(request, arn)?;
        if policy.path().starts_with(prefix) {
            policies.push((arn.clone(), (policy.name().to_owned(), arn.clone())));
        }
    }
    let page = Page::cut(request.form, policies)?;
    result(|xml| {
        page.write(xml, "AttachedPolicies", |member, (name, arn)| {
            member.text("PolicyName", name).text("PolicyArn", arn);
        });
    })
}

pub fn put_boundary(request: &Request<'_>, kind: Kind) -> Outcome {
    let arn =
        boundary(request)?.ok_or_else(|| validation("Value at 'permissionsBoundary' must not be null"))?;
    set_boundary(request, kind, Some(arn))
}

pub fn delete_boundary(request: &Request<'_>, kind: Kind) -> Outcome {
    set_boundary(request, kind, None)
}

fn set_boundary(request: &Request<'_>, kind: Kind, arn: Option<String>) -> Outcome {
    let mut holder = Holder::of(request, kind)?;
    let name = holder.name().to_owned();
    let Some(boundary) = holder.boundary_mut() else {
        return Err(Refusal::not_implemented(format!("a boundary of the {} {name}", kind.word())));
    };
    if arn.is_none() && boundary.is_none() {
        return Err(no_such(format!("{} {name} does not have a permissions boundary.", kind.word())));
    }
    *boundary = arn;
    holder.save(request)?;
    nothing()
}

/// The boundary that a request gives, if its policy exists.
pub fn boundary(request: &Request<'_>) -> Result<Option<String>, Refusal> {
    let Some(arn) = request.form.get("PermissionsBoundary") else { return Ok(None) };
    managed::find(request, arn)?;
    Ok(Some(arn.to_owned()))
}
