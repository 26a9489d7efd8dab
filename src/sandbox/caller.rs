//! Who calls: the access key of a request says whom the sandbox takes the caller for.
//!
//! Place on the data's path: between the connector and the services. Signatures are not verified, for the sandbox
//! shares no secret with anyone; but a key that was switched off or taken away, and a session that ended, are refused
//! as AWS refuses them.
//!
//! - A key that IAM's `CreateAccessKey` made, or that `sandbox.yml` gives to a user, is that user's.
//! - Temporary keys of `AssumeRole` are the session's.
//! - Any other is the caller's of `sandbox.yml`, so that settings with keys of another cloud can be played.
//!
//! A caller of `sandbox.yml` that the sandbox's IAM knows may do what its policies say. One that it does not know is
//! an administrator, so that a sandbox works before it has any identity.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::http::{Call, Refusal};
use super::iam::records::{AccessKey, KeyStatus, LastUsed, Role, Session, User};
use super::iam::{Iam, Kind};
use super::protocol::Protocol;
use super::store::Access;
use crate::clients::aws::SANDBOX_KEY;

/// How old the time of a key's last use may be before it is written again.
const LAST_USED_MINUTES: i64 = 15;

/// The caller of a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As `GetCallerIdentity` tells it.
    pub arn: String,
    pub user_id: String,
    pub standing: Standing,
}

/// What the caller is to the sandbox's IAM.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nobody that IAM knows: may do everything that nothing denies.
    Administrator,
    Root,
    User(Arc<User>),
    /// A role, with the session that plays it; without one where `sandbox.yml` names the role itself.
    Role(Arc<Role>, Option<Arc<Session>>),
}

impl Caller {
    /// The name of the user who calls, if it is one that IAM knows.
    pub fn user(&self) -> Option<&str> {
        match &self.standing {
            Standing::User(user) => Some(&user.name),
            _ => None,
        }
    }
}

/// Says whom requests come from.
#[derive(Clone, Debug)]
pub struct Callers {
    pub iam: Iam,
    /// The ARN of the caller of `sandbox.yml`.
    pub usual: String,
}

impl Callers {
    /// The caller of a request to a service.
    pub fn of(&self, call: &Call, protocol: Protocol) -> Result<Caller, Refusal> {
        let _lock = self.iam.directory.lock(Access::Read)?;
        let Some(id) = call.signed_key().filter(|id| *id != SANDBOX_KEY) else {
            return self.named(&self.usual);
        };
        if let Some(session) = self.iam.directory.sessions.get(id)? {
            return self.session(session, call.header("x-amz-security-token"));
        }
        match self.iam.key(id)? {
            Some(key) if key.status == KeyStatus::Active => match self.iam.directory.users.get(&key.user)? {
                Some(user) => Ok(self.of_user(user)),
                None => Err(unknown_key(protocol)),
            },
            Some(_) => Err(unknown_key(protocol)),
            // Temporary keys are nobody's before they are handed out, nor after they are forgotten.
            None if id.starts_with("ASIA") => Err(unknown_key(protocol)),
            None => self.named(&self.usual),
        }
    }

    fn of_user(&self, user: Arc<User>) -> Caller {
        Caller {
            arn: self.iam.account.arn(Kind::User, &user.path, &user.name),
            user_id: user.id.clone(),
            standing: Standing::User(user),
        }
    }

    fn session(&self, session: Arc<Session>, token: Option<&str>) -> Result<Caller, Refusal> {
        if token.map(token_digest).as_ref() != Some(&session.token) {
            let message = "The provided token is malformed or otherwise not valid.";
            return Err(Refusal::new(400, "InvalidToken", message));
        }
        if session.expires <= self.iam.clock.now() {
            return Err(Refusal::new(400, "ExpiredToken", "The provided token has expired."));
        }
        let role = self.iam.directory.roles.get(&session.role)?.filter(|role| role.id == session.role_id);
        let role = role.ok_or_else(|| {
            Refusal::new(400, "InvalidToken", "The provided token is malformed or otherwise not valid.")
        })?;
        Ok(Caller {
            arn: self.iam.account.session(&role.name, &session.name),
            user_id: format!("{}:{}", role.id, session.name),
            standing: Standing::Role(role, Some(session)),
        })
    }

    /// The caller of an ARN: what IAM knows by it, else an administrator of that name.
    fn named(&self, arn: &str) -> Result<Caller, Refusal> {
        let administrator = || Caller {
            arn: arn.to_owned(),
            user_id: "AIDASANDBOXSANDBOX00".to_owned(),
            standing: Standing::Administrator,
        };
        let account = &self.iam.account;
        if arn == account.root() {
            return Ok(Caller { arn: arn.to_owned(), user_id: account.id.clone(), standing: Standing::Root });
        }
        let Some(resource) = arn.splitn(6, ':').nth(5).filter(|_| arn.split(':').nth(4) == Some(&account.id))
        else {
            return Ok(administrator());
        };
        let name = resource.rsplit('/').next().unwrap_or_default();
        match resource.split('/').next() {
            Some("user") => {
                let user = self.iam.directory.users.get(name)?;
                let user = user.filter(|user| account.arn(Kind::User, &user.path, &user.name) == arn);
                Ok(user.map_or_else(administrator, |user| self.of_user(user)))
            }
            Some("role") => {
                let role = self.iam.directory.roles.get(name)?;
                let role = role.filter(|role| account.arn(Kind::Role, &role.path, &role.name) == arn);
                Ok(role.map_or_else(administrator, |role| Caller {
                    arn: arn.to_owned(),
                    user_id: role.id.clone(),
                    standing: Standing::Role(role, None),
                }))
            }
            Some("assumed-role") => {
                let role = resource.split('/').nth(1).unwrap_or_default();
                let role = self.iam.directory.roles.get(role)?.filter(|known| known.name == role);
                Ok(role.map_or_else(administrator, |role| Caller {
                    arn: arn.to_owned(),
                    user_id: format!("{}:{name}", role.id),
                    standing: Standing::Role(role, None),
                }))
            }
            _ => Ok(administrator()),
        }
    }

    /// Remembers that a key was used, as coarsely as AWS does
    /// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html>).
    pub fn note(&self, call: &Call, service: &str) -> Result<(), Refusal> {
        let Some(id) = call.signed_key().filter(|id| *id != SANDBOX_KEY) else { return Ok(()) };
        let now = self.iam.clock.now();
        let due = |key: &AccessKey| {
            key.status == KeyStatus::Active
                && key.last_used.as_ref().is_none_or(|used| {
                    used.service != service || (now - used.at).num_minutes().abs() >= LAST_USED_MINUTES
                })
        };
        if self.iam.key(id)?.is_none_or(|key| !due(&key)) {
            return Ok(());
        }
        let _lock = self.iam.directory.lock(Access::Change)?;
        if let Some(mut key) = self.iam.key(id)?.filter(due) {
            let region = call.signed_region().unwrap_or_default().to_owned();
            key.last_used = Some(LastUsed { at: now, service: service.to_owned(), region });
            self.iam.directory.keys.put(id, key)?;
        }
        Ok(())
    }
}

/// Each protocol has its own name for it.
fn unknown_key(protocol: Protocol) -> Refusal {
    let invalid = "The security token included in the request is invalid.";
    match protocol {
        Protocol::S3 => Refusal::new(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Protocol::Query(_) => Refusal::new(403, "InvalidClientTokenId", invalid),
        Protocol::Json => Refusal::new(400, "UnrecognizedClientException", invalid),
    }
}

/// What is kept of a session's token.
pub fn token_digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
