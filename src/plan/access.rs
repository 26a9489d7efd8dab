//! What a plan has to say of identities beyond their fields: what a change newly lets one destroy, what only a person
//! can do for it, and whose key the jobs upload with.

use super::FieldChange;
use super::between::Comparison;
use crate::resources::Resource;
use crate::resources::identity::{Ability, InlinePolicy, POLICY, Realm, field};
use crate::state::{HeldCode, JobKey};
use crate::vocab::{Id, Kind, Principal, Risk};

/// The power of an identity to destroy backups, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Power {
    /// The field that brings it.
    pub field: &'static str,
    /// The policy that allows it, as people look for it.
    pub by: String,
    /// The actions of IAM, the gravest first.
    pub actions: Vec<&'static str>,
    /// What becomes of the backups by the first of them: continues "whoever may do it ..".
    pub how: String,
}

impl Comparison<'_> {
    /// What a change lets an identity of ours destroy that it could not before, or that we now answer for. The fields that
    /// bring it are at least widening.
    pub(super) fn newly_able(
        &self,
        id: &Id,
        present: Option<&Resource>,
        wanted: &Resource,
        changes: &mut [FieldChange],
    ) -> Vec<Power> {
        let mut powers = self.overwrites(present, wanted);
        // What an adopted identity could do all along becomes ours to answer for.
        powers.extend(present.map(|present| self.brought(id, present)).unwrap_or_default());
        powers.retain(|power| changes.iter().any(|change| change.field == power.field));
        for change in changes {
            if powers.iter().any(|power| power.field == change.field) {
                change.risk = change.risk.max(Risk::Widening);
            }
        }
        powers
    }

    /// Buckets that our own policy newly lets somebody write to, and that keep no old versions as far as these settings
    /// see to it.
    fn overwrites(&self, present: Option<&Resource>, wanted: &Resource) -> Vec<Power> {
        let Some(InlinePolicy::Grants(new)) = wanted.policy() else { return Vec::new() };
        let before = |bucket| match present.and_then(Resource::policy) {
            Some(InlinePolicy::Grants(old)) => old.writes.contains(bucket),
            _ => false,
        };
        let is_kept = |bucket| self.desired.stakes.get(bucket).is_some_and(|stake| stake.versioned);
        let exposed = new.writes.iter().filter(|bucket| !before(bucket) && !is_kept(*bucket));
        exposed
            .map(|bucket| Power {
                field: field::POLICY,
                by: format!("policy {POLICY}"),
                actions: vec!["s3:PutObject"],
                how: format!(
                    "overwrites backups in {bucket} for good: nothing here sees to it that it keeps old versions"
                ),
            })
            .collect()
    }

    /// What policies of others let an identity destroy.
    fn brought(&self, id: &Id, present: &Resource) -> Vec<Power> {
        let Some(holder) = present.holder(id.name()) else { return Vec::new() };
        let caller = &self.observed.caller;
        let realm = Realm {
            partition: caller.partition.clone().unwrap_or_else(|| "aws".to_owned()),
            account: caller.account.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string),
        };
        let power = |Ability { policy, rows }: Ability| {
            let actions = rows.iter().map(|row| row.action).collect();
            Some(Power { field: field::OWNER, by: policy, actions, how: rows.first()?.how.to_owned() })
        };
        holder.abilities(&realm, &self.desired.stakes).into_iter().filter_map(power).collect()
    }

    /// Why there are no identities to manage.
    pub(super) fn no_identities(&self, id: &Id) -> Option<&'static str> {
        let at_another_store = self.observed.caller.endpoint.is_some();
        (at_another_store && matches!(id.kind(), Kind::Role | Kind::User)).then_some(
            "this store has no IAM: make the identity by its own means, and give it the rights that `reconcile \
             permissions backup` prints",
        )
    }

    /// What settings ask for and only a person can do: no key is made, since it would have to be handed to somebody, and no
    /// running instance is given a role behind its operator's back.
    pub(super) fn hold_by_hand(&mut self, id: &Id, present: Option<&Resource>, wanted: &Resource) {
        let name = id.name();
        match (wanted, present) {
            (Resource::User(_), present) => {
                let keys = match present {
                    Some(Resource::User(user)) => user.access_keys,
                    _ => None,
                };
                if keys.unwrap_or_default() == 0 {
                    self.hold(id, HeldCode::NoAccessKey, no_key(name));
                }
            }
            (Resource::Role(role), present) => {
                let in_use = matches!(present, Some(Resource::Role(present)) if present.in_use);
                if let Some(profile) = role.instance_profiles.as_ref().and_then(|profiles| profiles.first())
                    && !in_use
                {
                    let why = format!(
                        "no instance is known to use it, and a running one is given no role by this program:\n\
                         aws ec2 associate-iam-instance-profile --iam-instance-profile Name={profile} --instance-id \
                         INSTANCE"
                    );
                    self.hold(id, HeldCode::Unsupported, why);
                }
            }
            _ => {}
        }
    }

    /// The jobs' key decides what jobs may do, whatever the declared identities may.
    pub(super) fn hold_stray_key(&mut self) {
        let is_identity = |id: &&Id| matches!(id.kind(), Kind::Role | Kind::User);
        let declared: Vec<Id> = self.desired.declared.iter().filter(is_identity).cloned().collect();
        let Some(user) = declared.iter().find(|id| id.kind() == Kind::User).or(declared.first()) else {
            return;
        };
        let instead = match Principal::of(user) {
            Some(Principal::User(name)) => {
                format!("put a key of user {name} there:\n{}", create_key(&name))
            }
            _ => "take it out of the vault where the hosts have a role".to_owned(),
        };
        let why = match &self.observed.job_key {
            JobKey::NotAsked => return,
            JobKey::Of(principal) if declared.contains(&principal.id()) => return,
            JobKey::Of(principal) => format!(
                "it belongs to {principal}, which backups.identities does not name, and jobs upload with its rights, \
                 whatever they are; {instead}"
            ),
            JobKey::Root => format!(
                "it belongs to the account's root, which may do everything, and nothing can be denied to it: delete that \
                 key, and {instead}"
            ),
            JobKey::Elsewhere(account) => {
                format!("it belongs to account {account}, and not to the identities declared here; {instead}")
            }
            JobKey::Refused(why) => {
                format!("AWS does not take it ({why}): no job uploads anything with it; {instead}")
            }
            JobKey::Unknown(why) => {
                let setting = Id::cloud(Kind::Setting, JobKey::SETTING);
                return self.hold(&setting, HeldCode::Unknown, format!("whose it is cannot be told: {why}"));
            }
        };
        self.hold(&Id::cloud(Kind::Setting, JobKey::SETTING), HeldCode::NoAccessKey, why);
    }
}

/// The command that makes a key, and where the key goes.
fn no_key(name: &str) -> String {
    format!(
        "it has no active access key, and this program makes none; put what follows prints into the vault as \
         AMAZON_S3_ACCESS_KEY and AMAZON_S3_SECRET_KEY, where jobs use it, or to where it is used:\n{}",
        create_key(name)
    )
}

fn create_key(name: &str) -> String {
    format!("aws iam create-access-key --user-name {name}")
}
