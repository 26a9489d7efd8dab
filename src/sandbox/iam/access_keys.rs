//! Access keys. Their secrets are told once, as AWS does, and then forgotten even here.

use std::sync::Arc;

use chrono::DateTime;

use super::names::{Kind, limit};
use super::page::Page;
use super::records::{AccessKey, KeyStatus};
use super::{Iam, Outcome, Request, instant, no_such, nothing, result};
use crate::sandbox::http::Refusal;
use crate::sandbox::query::validation;
use crate::sandbox::records::{fresh_id, fresh_unique_id};

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MOST_KEYS: usize = 2;

fn status(key: &AccessKey) -> &'static str {
    match key.status {
        KeyStatus::Active => "Active",
        KeyStatus::Inactive | KeyStatus::Deleted => "Inactive",
    }
}

impl Iam {
    /// The access key of an id, those that `sandbox.yml` gives to users that exist among them.
    pub fn key(&self, id: &str) -> Result<Option<AccessKey>, Refusal> {
        if let Some(key) = self.directory.keys.get(id)? {
            return Ok(Some(Arc::unwrap_or_clone(key)));
        }
        let Some(name) = self.given_keys.get(id) else { return Ok(None) };
        let user = self.directory.users.get(name)?.filter(|user| user.name == *name);
        Ok(Some(AccessKey {
            id: id.to_owned(),
            user: name.clone(),
            created: user.as_ref().map_or_else(DateTime::default, |user| user.created),
            // Before there is the user, the key is nobody's.
            status: if user.is_some() { KeyStatus::Active } else { KeyStatus::Deleted },
            last_used: None,
        }))
    }

    /// The keys of a user.
    pub fn keys_of(&self, user: &str) -> Result<Vec<AccessKey>, Refusal> {
        let mut keys: Vec<AccessKey> =
            self.directory.keys.all()?.into_iter().map(Arc::unwrap_or_clone).collect();
        for id in
            self.given_keys.keys().filter(|id| keys.iter().all(|key| key.id != **id)).collect::<Vec<_>>()
        {
            keys.extend(self.key(id)?);
        }
        keys.retain(|key| key.user == user && key.status != KeyStatus::Deleted);
        Ok(keys)
    }
}

pub fn create(request: &Request<'_>) -> Outcome {
    let user = request.user_or_self()?;
    if request.iam.keys_of(&user.name)?.len() >= MOST_KEYS {
        return Err(limit(format!("Cannot exceed quota for AccessKeysPerUser: {MOST_KEYS}")));
    }
    let id: String = fresh_unique_id("AKIA").chars().take(20).collect();
    let key = AccessKey {
        id: id.clone(),
        user: user.name.clone(),
        created: request.now,
        status: KeyStatus::Active,
        last_used: None,
    };
    request.directory().keys.put(&id, key)?;
    let secret: String = format!("{}{}", fresh_id(), fresh_id()).chars().take(40).collect();
    result(|xml| {
        xml.element("AccessKey", |element| {
            element.text("UserName", &user.name).text("AccessKeyId", &id).text("Status", "Active");
            element.text("SecretAccessKey", secret).text("CreateDate", instant(request.now));
        });
    })
}

pub fn list(request: &Request<'_>) -> Outcome {
    let user = request.user_or_self()?;
    let keys = request.iam.keys_of(&user.name)?;
    let page = Page::cut(request.form, keys.into_iter().map(|key| (key.id.clone(), key)).collect())?;
    result(|xml| {
        page.write(xml, "AccessKeyMetadata", |member, key| {
            member.text("UserName", &key.user).text("AccessKeyId", &key.id).text("Status", status(key));
            member.text("CreateDate", instant(key.created));
        });
    })
}

fn absent(id: &str) -> Refusal {
    no_such(format!("The Access Key with id {id} cannot be found."))
}

/// The key that the request names: of the user it names, else of the one who asks.
fn named(request: &Request<'_>) -> Result<AccessKey, Refusal> {
    let id = request.form.required("AccessKeyId")?;
    let key = request.iam.key(id)?.filter(|key| key.status != KeyStatus::Deleted);
    let key = key.ok_or_else(|| absent(id))?;
    let user = match request.form.get(Kind::User.parameter()) {
        Some(_) => request.named_user()?.name.clone(),
        None => request.user.unwrap_or(&key.user).to_owned(),
    };
    if key.user == user { Ok(key) } else { Err(absent(id)) }
}

pub fn update(request: &Request<'_>) -> Outcome {
    let mut key = named(request)?;
    key.status = match request.form.required("Status")? {
        "Active" => KeyStatus::Active,
        "Inactive" => KeyStatus::Inactive,
        other => {
            return Err(validation(format!(
                "1 validation error detected: Value '{other}' at 'status' failed to satisfy constraint: Member must \
                 satisfy enum value set: [Active, Inactive]"
            )));
        }
    };
    request.directory().keys.put(&key.id.clone(), key)?;
    nothing()
}

pub fn delete(request: &Request<'_>) -> Outcome {
    let key = AccessKey { status: KeyStatus::Deleted, ..named(request)? };
    request.directory().keys.put(&key.id.clone(), key)?;
    nothing()
}

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html>
pub fn last_used(request: &Request<'_>) -> Outcome {
    let id = request.form.required("AccessKeyId")?;
    let key = request.iam.key(id)?.filter(|key| key.status != KeyStatus::Deleted);
    // AWS does not say which keys there are: what it does not know, you may not ask about.
    let key = key.ok_or_else(|| {
        Refusal::new(
            403,
            "AccessDenied",
            format!("User is not authorized to perform: iam:GetAccessKeyLastUsed on access key {id}"),
        )
    })?;
    result(|xml| {
        xml.text("UserName", &key.user);
        xml.element("AccessKeyLastUsed", |element| match &key.last_used {
            Some(used) => {
                element.text("LastUsedDate", instant(used.at)).text("ServiceName", &used.service);
                element.text("Region", &used.region);
            }
            None => {
                element.text("ServiceName", "N/A").text("Region", "N/A");
            }
        });
    })
}
