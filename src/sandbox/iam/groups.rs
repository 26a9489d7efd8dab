//! Groups, and who is in them.

use std::sync::Arc;

use super::names::{self, Kind, limit};
use super::page::Page;
use super::records::{Grants, Group};
use super::{Outcome, Request, conflict, exists, instant, no_such, nothing, result, users};
use crate::sandbox::records::fresh_unique_id;
use crate::sandbox::xml::Xml;

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MOST_GROUPS: usize = 10;

pub fn create(request: &Request<'_>) -> Outcome {
    let name = names::name(request.form, Kind::Group)?;
    let group = Group {
        name: name.to_owned(),
        path: names::path(request.form)?.to_owned(),
        id: fresh_unique_id("AGPA"),
        created: request.now,
        grants: Grants::default(),
    };
    if request.directory().groups.get(name)?.is_some() {
        return Err(exists(format!("Group with name {name} already exists.")));
    }
    request.directory().groups.put(name, group.clone())?;
    result(|xml| {
        xml.element("Group", |element| write(element, request, &group));
    })
}

/// The group with its users.
pub fn get(request: &Request<'_>) -> Outcome {
    let group = request.named_group()?;
    let members =
        request.directory().users.all()?.into_iter().filter(|user| user.groups.contains(&group.name));
    let page = Page::cut(request.form, members.map(|user| (user.name.clone(), user)).collect())?;
    result(|xml| {
        xml.element("Group", |element| write(element, request, &group));
        page.write(xml, "Users", |member, user| users::write(member, request, user, false));
    })
}

pub fn list(request: &Request<'_>) -> Outcome {
    let prefix = names::path_prefix(request.form)?;
    listed(request, |group| group.path.starts_with(prefix))
}

pub fn list_of_user(request: &Request<'_>) -> Outcome {
    let user = request.named_user()?;
    listed(request, |group| user.groups.contains(&group.name))
}

fn listed(request: &Request<'_>, wanted: impl Fn(&Group) -> bool) -> Outcome {
    let groups = request.directory().groups.all()?.into_iter().filter(|group| wanted(group));
    let page = Page::cut(request.form, groups.map(|group| (group.name.clone(), group)).collect())?;
    result(|xml| {
        page.write(xml, "Groups", |member, group| write(member, request, group));
    })
}

pub fn delete(request: &Request<'_>) -> Outcome {
    let group = request.named_group()?;
    if request.directory().users.all()?.iter().any(|user| user.groups.contains(&group.name)) {
        return Err(conflict("Cannot delete entity, must remove users from group first."));
    }
    if !group.grants.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !group.grants.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    request.directory().groups.remove(&group.name)?;
    nothing()
}

pub fn add_user(request: &Request<'_>) -> Outcome {
    let group = request.named_group()?;
    let mut user = Arc::unwrap_or_clone(request.named_user()?);
    user.groups.insert(group.name.clone());
    if user.groups.len() > MOST_GROUPS {
        return Err(limit(format!("Cannot exceed quota for GroupsPerUser: {MOST_GROUPS}")));
    }
    request.directory().users.put(&user.name.clone(), user)?;
    nothing()
}

pub fn remove_user(request: &Request<'_>) -> Outcome {
    let group = request.named_group()?;
    let mut user = Arc::unwrap_or_clone(request.named_user()?);
    if !user.groups.remove(&group.name) {
        return Err(no_such(format!("User {} is not in group {}.", user.name, group.name)));
    }
    request.directory().users.put(&user.name.clone(), user)?;
    nothing()
}

pub fn write(xml: &mut Xml, request: &Request<'_>, group: &Group) {
    xml.text("Path", &group.path).text("GroupName", &group.name).text("GroupId", &group.id);
    xml.text("Arn", request.account().arn(Kind::Group, &group.path, &group.name));
    xml.text("CreateDate", instant(group.created));
}
