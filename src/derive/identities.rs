//! Identities that write backups: the least that each needs for what it is declared to do.

use std::collections::BTreeSet;

use super::Derivation;
use crate::resources::identity::{Grants, InlinePolicy, Realm, Source};
use crate::resources::{Resource, Role, User};
use crate::settings::declared::{self, Identity, Who};
use crate::state::{HeldBefore, HeldCode, Wanted};
use crate::vocab::{Datastore, Encryption, Id, Kind, Principal};

/// How long all inline policies of an identity may be together, white space not counted
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const MOST_OF_A_USER: usize = 2_048;
const MOST_OF_A_ROLE: usize = 10_240;

impl Derivation<'_> {
    /// After the buckets: whose backups an identity writes follows from its buckets.
    pub(super) fn identities(&mut self) {
        for identity in &self.settings.backups.declared.identities {
            self.identity(identity);
        }
    }

    fn identity(&mut self, identity: &Identity) {
        let environment = &self.settings.environment;
        let grants = self.grants(identity);
        let datastores = self.datastores_of(&grants);
        let longest = longest(&grants);
        let policy = InlinePolicy::of(grants);
        let (principal, most, resource) = match &identity.who {
            Who::Role { name, assumed_by } => {
                let role = Role::wanted(environment, name, assumed_by.as_deref(), policy);
                (Principal::Role(name.clone()), MOST_OF_A_ROLE, Resource::Role(Box::new(role)))
            }
            Who::User { name } => {
                let user = User::wanted(environment, policy);
                (Principal::User(name.clone()), MOST_OF_A_USER, Resource::User(Box::new(user)))
            }
        };
        let id = principal.id();
        if longest > most {
            self.held.push(HeldBefore {
                id,
                code: HeldCode::NotReady,
                why: format!(
                    "its policy would have {longest} characters, and IAM allows {most}: declare a second identity for some \
                     of its buckets ({})",
                    identity.place
                ),
                datastore: None,
            });
            return;
        }
        let declared = Some(identity.place.clone());
        let (needs, programs) = (BTreeSet::new(), BTreeSet::new());
        self.resources.insert(id, Wanted { resource, datastores, declared, needs, programs });
    }

    pub(super) fn grants(&self, identity: &Identity) -> Grants {
        let writes: BTreeSet<_> = identity.writes.iter().cloned().collect();
        // The account's own key `aws/s3` lets in whoever may use the bucket.
        let key = |encryption: &Encryption| match encryption {
            Encryption::Kms(key) | Encryption::KmsDouble(key) => key.clone(),
            Encryption::None | Encryption::Aes256 | Encryption::Unrecognised(_) => None,
        };
        let buckets = &self.settings.backups.buckets;
        let keys = writes.iter().filter_map(|name| key(&buckets.get(name)?.encryption)).collect();
        let snapshots = identity.snapshots.iter().map(|name| name.to_lowercase()).collect();
        let from = identity.from.as_ref().map(|from| match from {
            declared::From::Networks(networks) => Source::Networks(networks.iter().copied().collect()),
            declared::From::Vpc { vpc, networks } => {
                Source::Vpc { vpc: vpc.clone(), networks: networks.iter().copied().collect() }
            }
        });
        Grants { writes, keys, snapshots, from }
    }

    fn datastores_of(&self, grants: &Grants) -> BTreeSet<Datastore> {
        let buckets = grants.writes.iter().map(|name| Id::cloud(Kind::Bucket, name.as_str()));
        let wanted = buckets.filter_map(|id| self.resources.get(&id));
        wanted.flat_map(|wanted| wanted.datastores.iter().cloned()).collect()
    }
}

/// The length of the policy in the partition with the longest name.
fn longest(grants: &Grants) -> usize {
    let realm = Realm { partition: "aws-us-gov".to_owned(), account: "000000000000".to_owned() };
    grants.to_document(&realm).to_string().len()
}
