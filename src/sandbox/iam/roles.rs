//! Roles: who may become them, and what they are.

use std::sync::Arc;

use super::attached;
use super::documents::{self, check_trust};
use super::names::{self, Kind, limit};
use super::page::Page;
use super::records::{Grants, Role};
use super::{
    Outcome, Request, conflict, exists, instant, nothing, result, write_boundary, write_some_tags, write_tags,
};
use crate::sandbox::http::Refusal;
use crate::sandbox::query::validation;
use crate::sandbox::records::fresh_unique_id;
use crate::sandbox::xml::Xml;

/// Characters of a trust policy, white space aside
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const LONGEST_TRUST: usize = 2_048;

/// Seconds that a session lasts at most: an hour unless the role says more, twelve at the most.
const HOUR: u32 = 3_600;

fn trust<'a>(request: &Request<'a>, parameter: &str) -> Result<&'a str, Refusal> {
    let document = request.form.required(parameter)?;
    check_trust(request.iam, document)?;
    if documents::size(document) > LONGEST_TRUST {
        return Err(limit(format!("Cannot exceed quota for ACLSizePerRole: {LONGEST_TRUST}")));
    }
    Ok(document)
}

fn longest_session(request: &Request<'_>) -> Result<Option<u32>, Refusal> {
    match request.form.number("MaxSessionDuration")? {
        Some(seconds) if !(HOUR..=12 * HOUR).contains(&seconds) => Err(validation(format!(
            "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: \
             Member must have value between 3600 and 43200"
        ))),
        seconds => Ok(seconds),
    }
}

pub fn create(request: &Request<'_>) -> Outcome {
    let name = names::name(request.form, Kind::Role)?;
    let role = Role {
        name: name.to_owned(),
        path: names::path(request.form)?.to_owned(),
        id: fresh_unique_id("AROA"),
        created: request.now,
        trust: trust(request, "AssumeRolePolicyDocument")?.to_owned(),
        description: request.form.get("Description").map(str::to_owned),
        longest_session: longest_session(request)?.unwrap_or(HOUR),
        tags: names::tags(request.form)?,
        grants: Grants::default(),
        boundary: attached::boundary(request)?,
    };
    if request.directory().roles.get(name)?.is_some() {
        return Err(exists(format!("Role with name {name} already exists.")));
    }
    request.directory().roles.put(name, role.clone())?;
    result(|xml| {
        xml.element("Role", |element| write(element, request, &role, Detail::Whole));
    })
}

pub fn get(request: &Request<'_>) -> Outcome {
    let role = request.named_role()?;
    result(|xml| {
        xml.element("Role", |element| write(element, request, &role, Detail::Whole));
    })
}

pub fn list(request: &Request<'_>) -> Outcome {
    let prefix = names::path_prefix(request.form)?;
    let roles = request.directory().roles.all()?.into_iter().filter(|role| role.path.starts_with(prefix));
    let page = Page::cut(request.form, roles.map(|role| (role.name.clone(), role)).collect())?;
    result(|xml| {
        page.write(xml, "Roles", |member, role| write(member, request, role, Detail::Listed));
    })
}

pub fn delete(request: &Request<'_>) -> Outcome {
    let role = request.named_role()?;
    let profiles = request.directory().profiles.all()?;
    if profiles.iter().any(|profile| profile.role.as_ref() == Some(&role.name)) {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    if !role.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.grants.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    request.directory().roles.remove(&role.name)?;
    nothing()
}

fn change(request: &Request<'_>, change: impl FnOnce(&mut Role) -> Result<(), Refusal>) -> Outcome {
    let mut role = Arc::unwrap_or_clone(request.named_role()?);
    change(&mut role)?;
    request.directory().roles.put(&role.name.clone(), role)?;
    nothing()
}

pub fn update(request: &Request<'_>) -> Outcome {
    let longest = longest_session(request)?;
    change(request, |role| {
        if let Some(description) = request.form.get("Description") {
            role.description = Some(description.to_owned());
        }
        role.longest_session = longest.unwrap_or(role.longest_session);
        Ok(())
    })?;
    result(|_| {})
}

pub fn update_trust(request: &Request<'_>) -> Outcome {
    change(request, |role| {
        role.trust = trust(request, "PolicyDocument")?.to_owned();
        Ok(())
    })
}

pub fn tag(request: &Request<'_>) -> Outcome {
    change(request, |role| names::add_tags(&mut role.tags, request.form))
}

pub fn untag(request: &Request<'_>) -> Outcome {
    change(request, |role| {
        names::remove_tags(&mut role.tags, request.form);
        Ok(())
    })
}

pub fn list_tags(request: &Request<'_>) -> Outcome {
    let role = request.named_role()?;
    result(|xml| {
        write_tags(xml, &role.tags);
        xml.text("IsTruncated", false);
    })
}

/// How much of a role an answer tells. Lists leave out tags and boundaries
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Whole,
    Listed,
}

pub fn write(xml: &mut Xml, request: &Request<'_>, role: &Role, detail: Detail) {
    xml.text("Path", &role.path).text("RoleName", &role.name).text("RoleId", &role.id);
    xml.text("Arn", request.account().arn(Kind::Role, &role.path, &role.name));
    xml.text("CreateDate", instant(role.created));
    xml.text("AssumeRolePolicyDocument", documents::encoded(&role.trust));
    xml.text_if("Description", role.description.as_ref()).text("MaxSessionDuration", role.longest_session);
    if detail == Detail::Whole {
        write_boundary(xml, role.boundary.as_ref());
        write_some_tags(xml, &role.tags);
    }
}
