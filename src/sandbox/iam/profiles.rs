//! Instance profiles: what gives a role to a machine.

use std::sync::Arc;

use super::names::{self, Kind, limit};
use super::page::Page;
use super::records::InstanceProfile;
use super::{
    Outcome, Request, conflict, exists, instant, no_such, nothing, result, roles, write_some_tags, write_tags,
};
use crate::sandbox::http::Refusal;
use crate::sandbox::records::fresh_unique_id;
use crate::sandbox::xml::Xml;

pub fn create(request: &Request<'_>) -> Outcome {
    let name = names::name(request.form, Kind::InstanceProfile)?;
    let profile = InstanceProfile {
        name: name.to_owned(),
        path: names::path(request.form)?.to_owned(),
        id: fresh_unique_id("AIPA"),
        created: request.now,
        tags: names::tags(request.form)?,
        role: None,
    };
    if request.directory().profiles.get(name)?.is_some() {
        return Err(exists(format!("Instance Profile {name} already exists.")));
    }
    request.directory().profiles.put(name, profile.clone())?;
    result_of(request, &profile)
}

pub fn get(request: &Request<'_>) -> Outcome {
    result_of(request, &*request.named_profile()?)
}

fn result_of(request: &Request<'_>, profile: &InstanceProfile) -> Outcome {
    let mut element = String::new();
    write(request, profile, &mut element)?;
    result(|xml| {
        xml.element("InstanceProfile", |xml| {
            xml.raw(&element);
        });
    })
}

pub fn delete(request: &Request<'_>) -> Outcome {
    let profile = request.named_profile()?;
    if profile.role.is_some() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    request.directory().profiles.remove(&profile.name)?;
    nothing()
}

pub fn add_role(request: &Request<'_>) -> Outcome {
    let role = request.named_role()?;
    change(request, |profile| match &profile.role {
        // One role each (https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html).
        Some(_) => Err(limit("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")),
        None => {
            profile.role = Some(role.name.clone());
            Ok(())
        }
    })
}

pub fn remove_role(request: &Request<'_>) -> Outcome {
    let name = names::name(request.form, Kind::Role)?;
    change(request, |profile| {
        if profile.role.as_deref() != Some(name) {
            let profile = &profile.name;
            return Err(no_such(format!("Role {name} is not in the instance profile {profile}.")));
        }
        profile.role = None;
        Ok(())
    })
}

pub fn tag(request: &Request<'_>) -> Outcome {
    change(request, |profile| names::add_tags(&mut profile.tags, request.form))
}

pub fn untag(request: &Request<'_>) -> Outcome {
    change(request, |profile| {
        names::remove_tags(&mut profile.tags, request.form);
        Ok(())
    })
}

pub fn list_tags(request: &Request<'_>) -> Outcome {
    let profile = request.named_profile()?;
    result(|xml| {
        write_tags(xml, &profile.tags);
        xml.text("IsTruncated", false);
    })
}

fn change(
    request: &Request<'_>,
    change: impl FnOnce(&mut InstanceProfile) -> Result<(), Refusal>,
) -> Outcome {
    let mut profile = Arc::unwrap_or_clone(request.named_profile()?);
    change(&mut profile)?;
    request.directory().profiles.put(&profile.name.clone(), profile)?;
    nothing()
}

pub fn list(request: &Request<'_>) -> Outcome {
    let prefix = names::path_prefix(request.form)?;
    listed(request, |profile| profile.path.starts_with(prefix))
}

pub fn list_of_role(request: &Request<'_>) -> Outcome {
    let role = request.named_role()?;
    listed(request, |profile| profile.role.as_ref() == Some(&role.name))
}

fn listed(request: &Request<'_>, wanted: impl Fn(&InstanceProfile) -> bool) -> Outcome {
    let mut members = Vec::new();
    for profile in request.directory().profiles.all()?.into_iter().filter(|profile| wanted(profile)) {
        let mut element = String::new();
        write(request, &profile, &mut element)?;
        members.push((profile.name.clone(), element));
    }
    let page = Page::cut(request.form, members)?;
    result(|xml| {
        page.write(xml, "InstanceProfiles", |member, element| {
            member.raw(element);
        });
    })
}

/// The members of an instance profile's element, its role among them.
pub fn write(request: &Request<'_>, profile: &InstanceProfile, text: &mut String) -> Result<(), Refusal> {
    let role = match &profile.role {
        Some(name) => request.directory().roles.get(name)?,
        None => None,
    };
    text.push_str(&Xml::fragment(|xml| {
        xml.text("Path", &profile.path).text("InstanceProfileName", &profile.name);
        xml.text("InstanceProfileId", &profile.id);
        xml.text("Arn", request.account().arn(Kind::InstanceProfile, &profile.path, &profile.name));
        xml.text("CreateDate", instant(profile.created));
        xml.element("Roles", |list| {
            if let Some(role) = &role {
                list.element("member", |member| roles::write(member, request, role, roles::Detail::Listed));
            }
        });
        write_some_tags(xml, &profile.tags);
    }));
    Ok(())
}
