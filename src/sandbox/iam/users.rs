//! Users, and whether they have a password.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::attached;
use super::names::{self, Kind};
use super::page::Page;
use super::records::{Grants, Login, User};
use super::{
    Outcome, Request, conflict, exists, instant, no_such, nothing, result, write_boundary, write_some_tags,
    write_tags,
};
use crate::sandbox::http::Refusal;
use crate::sandbox::query::validation;
use crate::sandbox::records::fresh_unique_id;
use crate::sandbox::xml::Xml;

pub fn create(request: &Request<'_>) -> Outcome {
    let name = names::name(request.form, Kind::User)?;
    let user = User {
        name: name.to_owned(),
        path: names::path(request.form)?.to_owned(),
        id: fresh_unique_id("AIDA"),
        created: request.now,
        tags: names::tags(request.form)?,
        grants: Grants::default(),
        boundary: attached::boundary(request)?,
        groups: BTreeSet::new(),
        login: None,
    };
    if request.directory().users.get(name)?.is_some() {
        return Err(exists(format!("User with name {name} already exists.")));
    }
    request.directory().users.put(name, user.clone())?;
    result(|xml| {
        xml.element("User", |element| write(element, request, &user, true));
    })
}

pub fn get(request: &Request<'_>) -> Outcome {
    let user = request.user_or_self()?;
    result(|xml| {
        xml.element("User", |element| write(element, request, &user, true));
    })
}

pub fn list(request: &Request<'_>) -> Outcome {
    let prefix = names::path_prefix(request.form)?;
    let users = request.directory().users.all()?.into_iter().filter(|user| user.path.starts_with(prefix));
    let page = Page::cut(request.form, users.map(|user| (user.name.clone(), user)).collect())?;
    result(|xml| {
        page.write(xml, "Users", |member, user| write(member, request, user, false));
    })
}

/// Another name or path. Everything that belongs to the user stays with it.
pub fn update(request: &Request<'_>) -> Outcome {
    let old = request.named_user()?;
    let mut user = User::clone(&old);
    if request.form.get("NewPath").is_some() {
        let path = request.form.renamed("NewPath", "Path");
        user.path = names::path(&path)?.to_owned();
    }
    if request.form.get("NewUserName").is_some() {
        let renamed = request.form.renamed("NewUserName", Kind::User.parameter());
        user.name = names::name(&renamed, Kind::User)?.to_owned();
    }
    let directory = request.directory();
    let moved = user.name.to_lowercase() != old.name.to_lowercase();
    if moved && directory.users.get(&user.name)?.is_some() {
        return Err(exists(format!("User with name {} already exists.", user.name)));
    }
    for key in directory.keys.all()?.into_iter().filter(|key| key.user == old.name) {
        let mut key = Arc::unwrap_or_clone(key);
        key.user.clone_from(&user.name);
        directory.keys.put(&key.id.clone(), key)?;
    }
    directory.users.put(&user.name.clone(), user)?;
    if moved {
        directory.users.remove(&old.name)?;
    }
    nothing()
}

pub fn delete(request: &Request<'_>) -> Outcome {
    let user = request.named_user()?;
    let keys = request.iam.keys_of(&user.name)?;
    let blocked = [
        (user.login.is_some(), "delete login profile"),
        (!keys.is_empty(), "delete access keys"),
        (!user.groups.is_empty(), "remove users from group"),
        (!user.grants.attached.is_empty(), "detach all policies"),
        (!user.grants.inline.is_empty(), "delete policies"),
    ];
    if let Some((_, first)) = blocked.into_iter().find(|(blocks, _)| *blocks) {
        return Err(conflict(format!("Cannot delete entity, must {first} first.")));
    }
    request.directory().users.remove(&user.name)?;
    nothing()
}

fn change(request: &Request<'_>, change: impl FnOnce(&mut User) -> Result<(), Refusal>) -> Outcome {
    let mut user = Arc::unwrap_or_clone(request.named_user()?);
    change(&mut user)?;
    request.directory().users.put(&user.name.clone(), user)?;
    nothing()
}

pub fn tag(request: &Request<'_>) -> Outcome {
    change(request, |user| names::add_tags(&mut user.tags, request.form))
}

pub fn untag(request: &Request<'_>) -> Outcome {
    change(request, |user| {
        names::remove_tags(&mut user.tags, request.form);
        Ok(())
    })
}

pub fn list_tags(request: &Request<'_>) -> Outcome {
    let user = request.named_user()?;
    result(|xml| {
        write_tags(xml, &user.tags);
        xml.text("IsTruncated", false);
    })
}

fn no_login(user: &User) -> Refusal {
    no_such(format!("Login Profile for User {} cannot be found.", user.name))
}

/// The password itself is looked at and forgotten.
fn password(request: &Request<'_>, needed: bool) -> Result<(), Refusal> {
    match request.form.get("Password") {
        Some(password) if password.is_empty() || password.chars().count() > 128 => Err(validation(
            "Value at 'password' failed to satisfy constraint: Member must have 1 to 128 characters",
        )),
        Some(_) => Ok(()),
        None if needed => request.form.required("Password").map(drop),
        None => Ok(()),
    }
}

pub fn create_login(request: &Request<'_>) -> Outcome {
    password(request, true)?;
    let reset_required = request.form.flag("PasswordResetRequired")?.unwrap_or(false);
    change(request, |user| match user.login {
        Some(_) => Err(exists(format!("Login Profile for user {} already exists.", user.name))),
        None => {
            user.login = Some(Login { created: request.now, reset_required });
            Ok(())
        }
    })?;
    get_login(request)
}

pub fn get_login(request: &Request<'_>) -> Outcome {
    let user = request.user_or_self()?;
    let login = user.login.as_ref().ok_or_else(|| no_login(&user))?;
    result(|xml| {
        xml.element("LoginProfile", |profile| {
            profile.text("UserName", &user.name).text("CreateDate", instant(login.created));
            profile.text("PasswordResetRequired", login.reset_required);
        });
    })
}

pub fn update_login(request: &Request<'_>) -> Outcome {
    password(request, false)?;
    let reset_required = request.form.flag("PasswordResetRequired")?;
    change(request, |user| match &mut user.login {
        None => Err(no_login(user)),
        Some(login) => {
            login.reset_required = reset_required.unwrap_or(login.reset_required);
            Ok(())
        }
    })
}

pub fn delete_login(request: &Request<'_>) -> Outcome {
    change(request, |user| match user.login.take() {
        None => Err(no_login(user)),
        Some(_) => Ok(()),
    })
}

/// Lists leave out tags and boundaries
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>).
pub fn write(xml: &mut Xml, request: &Request<'_>, user: &User, whole: bool) {
    xml.text("Path", &user.path).text("UserName", &user.name).text("UserId", &user.id);
    xml.text("Arn", request.account().arn(Kind::User, &user.path, &user.name));
    xml.text("CreateDate", instant(user.created));
    if whole {
        write_boundary(xml, user.boundary.as_ref());
        write_some_tags(xml, &user.tags);
    }
}
