//! Identities of the live world: what each is like, and whose key the jobs have.

use std::collections::BTreeMap;

use super::{LiveWorld, all};
use crate::clients::aws_error::{AwsErrorKind, aws_error};
use crate::plan::{Action, Change};
use crate::resources::identity::Realm;
use crate::resources::identity::live::Target;
use crate::resources::{Found, Resource, role, user};
use crate::state::{JobKey, Owner, Sighting};
use crate::vocab::{AccountId, Id, Principal};

impl LiveWorld {
    pub(super) async fn observe_identities(
        &self,
        account: Option<&AccountId>,
        identities: Vec<(&Id, &Resource)>,
    ) -> BTreeMap<Id, Sighting> {
        let sightings = all(identities, self.parallel, |(id, like)| async move {
            let sighting = match self.nothing_may_be_asked(account) {
                Some(why) => Sighting::Unknown(why),
                None => Box::pin(self.sight_identity(id, like)).await,
            };
            (id.clone(), sighting)
        });
        sightings.await.into_iter().collect()
    }

    pub(super) async fn sight_identity(&self, id: &Id, like: &Resource) -> Sighting {
        if !self.aws.is_aws() {
            return Sighting::Unknown("this store has no IAM".to_owned());
        }
        let (iam, realm) = (self.aws.iam(), self.realm());
        let target = Target { iam: &iam, name: id.name(), realm: &realm, gate: &self.gate };
        let found = match like {
            Resource::Role(_) => {
                let found = Box::pin(role::live::read(&target)).await;
                found.map(|found| found.map(|Found { mark, thing }| (mark, Resource::Role(Box::new(thing)))))
            }
            _ => {
                let found = Box::pin(user::live::read(&target)).await;
                found.map(|found| found.map(|Found { mark, thing }| (mark, Resource::User(Box::new(thing)))))
            }
        };
        match found {
            Ok(None) => Sighting::Absent,
            Ok(Some((Some(mark), resource))) if mark == self.environment => Sighting::Ours(resource),
            Ok(Some((Some(other), resource))) if self.previous.contains(&other) => {
                Sighting::Unmarked(resource)
            }
            Ok(Some((Some(other), _))) => Sighting::Foreign(Owner::Environment(other)),
            Ok(Some((None, resource))) => Sighting::Unmarked(resource),
            Err(error) => Sighting::Unknown(error.to_string()),
        }
    }

    pub(super) async fn write_identity(&self, change: &Change) -> Result<(), String> {
        let (iam, realm) = (self.aws.iam(), self.realm());
        let target = Target { iam: &iam, name: change.id.name(), realm: &realm, gate: &self.gate };
        let fields: Vec<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
        let just_made = change.action == Action::Create;
        let owner = &self.environment;
        let written = match &change.desired {
            Some(Resource::Role(wanted)) => {
                Box::pin(async {
                    if just_made {
                        role::live::create(&target, owner, wanted).await?;
                    }
                    role::live::write(&target, owner, wanted, &fields, just_made).await
                })
                .await
            }
            Some(Resource::User(wanted)) => {
                Box::pin(async {
                    if just_made {
                        user::live::create(&target, owner).await?;
                    }
                    user::live::write(&target, owner, wanted, &fields, just_made).await
                })
                .await
            }
            _ => return Err(format!("{} is no identity that may be written", change.id)),
        };
        written.map_err(|error| error.to_string())
    }

    fn realm(&self) -> Realm {
        Realm {
            partition: self.caller.partition.clone().unwrap_or_else(|| "aws".to_owned()),
            account: self.caller.account.as_ref().map_or_else(|| "*".to_owned(), AccountId::to_string),
        }
    }

    /// Whose the jobs' key is. STS is asked with the key itself: it needs no permission and cannot be denied, sees that the
    /// secret fits and that the key is active, and answers across accounts, none of which the lookups by its name do
    /// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>).
    pub async fn job_key(&self) -> JobKey {
        let Some(keys) = &self.job_keys else { return JobKey::NotAsked };
        if !self.aws.is_aws() {
            return JobKey::NotAsked;
        }
        let sts = self.aws.with_keys(keys).sts();
        let _permit = self.gate.acquire().await.ok();
        match Box::pin(sts.get_caller_identity().send()).await {
            Ok(identity) => {
                let arn = identity.arn().unwrap_or_default();
                let account = identity.account().unwrap_or_default();
                let ours = self.caller.account.as_ref().map(AccountId::as_str);
                whose(arn, account, ours)
            }
            Err(error) => match aws_error(&error) {
                error if error.kind == AwsErrorKind::NoCredentials => {
                    JobKey::Refused(error.code.unwrap_or_default())
                }
                error => JobKey::Unknown(format!("sts:GetCallerIdentity: {error}")),
            },
        }
    }
}

/// The principal behind an ARN: names are unique in an account whatever their paths.
fn whose(arn: &str, account: &str, ours: Option<&str>) -> JobKey {
    if ours.is_some_and(|ours| ours != account) {
        return JobKey::Elsewhere(account.to_owned());
    }
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    match resource.split_once('/') {
        Some(("user", path)) => JobKey::Of(Principal::User(name(path))),
        Some(("assumed-role", path)) => {
            JobKey::Of(Principal::Role(path.split('/').next().unwrap_or(path).to_owned()))
        }
        _ if resource == "root" => JobKey::Root,
        _ => JobKey::Unknown(format!("AWS calls it `{resource}`, which is neither a user nor a role")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_user_its_role_or_root() {
        let ours = Some("123456789012");
        for (arn, wanted) in [
            ("arn:aws:iam::123456789012:user/a/path/bob", JobKey::Of(Principal::User("bob".to_owned()))),
            (
                "arn:aws:sts::123456789012:assumed-role/writer/i-0abc",
                JobKey::Of(Principal::Role("writer".to_owned())),
            ),
            ("arn:aws:iam::123456789012:root", JobKey::Root),
        ] {
            assert_eq!(whose(arn, "123456789012", ours), wanted, "{arn}");
        }
        let elsewhere = whose("arn:aws:iam::999999999999:user/bob", "999999999999", ours);
        assert_eq!(elsewhere, JobKey::Elsewhere("999999999999".to_owned()));
    }
}
