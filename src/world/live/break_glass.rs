//! Whether the roles that may break the glass exist, before a lock spares them.

use std::collections::{BTreeMap, BTreeSet};

use super::buckets::with_help;
use super::{LiveWorld, all};
use crate::clients::aws_error::aws_error;
use crate::state::Presence;
use crate::vocab::AccountId;

impl LiveWorld {
    pub(super) async fn observe_break_glass(
        &self,
        declared: Option<&AccountId>,
        roles: &BTreeSet<&str>,
    ) -> BTreeMap<String, Presence> {
        if roles.is_empty() || !self.aws.is_aws() {
            return BTreeMap::new();
        }
        if let Some(why) = self.nothing_may_be_asked(declared) {
            return roles.iter().map(|role| ((*role).to_owned(), Presence::Unknown(why.clone()))).collect();
        }
        let seen = all(roles, self.parallel, |role| async move {
            ((*role).to_owned(), Box::pin(self.look_up(role)).await)
        });
        seen.await.into_iter().collect()
    }

    /// By its name, which is unique within the account; then the ARN must be the same to the letter, for that is what
    /// the lock compares.
    async fn look_up(&self, arn: &str) -> Presence {
        let account = arn.split(':').nth(4).unwrap_or_default();
        if let Some(own) = &self.caller.account
            && own.as_str() != account
        {
            return Presence::Absent(format!(
                "it is of account {account}, and only principals of {own} may change the policies of its buckets"
            ));
        }
        let name = arn.rsplit('/').next().unwrap_or_default();
        let answer = {
            let _permit = self.gate.acquire().await.ok();
            self.aws.iam().get_role().role_name(name).send().await
        };
        match answer.map_err(|error| aws_error(&error)) {
            Ok(answer) => match answer.role().map(aws_sdk_iam::types::Role::arn) {
                Some(found) if found == arn => Presence::Exists,
                Some(found) => Presence::Absent(format!("there is {found} instead: correct its path")),
                None => Presence::Unknown("iam:GetRole: the answer tells no role".to_owned()),
            },
            Err(error) if error.is_not_found() || error.is("NoSuchEntity") => {
                Presence::Absent("there is no such role".to_owned())
            }
            Err(error) => Presence::Unknown(format!("iam:GetRole: {}", with_help(&error))),
        }
    }
}
