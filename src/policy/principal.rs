//! Who asks: the principal of a request, and what its ARN tells of it
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>).

use std::fmt;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// An account's root.
    Root {
        arn: String,
        account: String,
    },
    User {
        arn: String,
        account: String,
        name: String,
    },
    /// A role whatever the session: what holds for it holds for each of its sessions.
    Role {
        arn: String,
        account: String,
        name: String,
    },
    /// A session of a role. Its ARN lacks the role's path, so the role's own ARN is known only when it was given.
    Session {
        arn: String,
        account: String,
        name: String,
        role: Option<String>,
    },
    /// A session of `GetFederationToken`.
    FederatedUser {
        arn: String,
        account: String,
    },
    /// An AWS service, such as `backup.amazonaws.com`.
    Service(String),
    /// Somebody whom an identity provider vouches for: a domain, or a provider's ARN.
    Federated(String),
    /// Nobody known: a request without a signature.
    Anonymous,
}

/// Why a text names no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no principal: an ARN of a user, a role, a session or an account's root, a service, or *")]
pub struct PrincipalError(String);

impl Principal {
    /// Reads an ARN, an account's number (its root), a service's name, an identity provider, or `*` (anonymous).
    pub fn parse(text: &str) -> Result<Self, PrincipalError> {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        let refused = || PrincipalError(text.chars().take(200).collect());
        let arn = text.to_owned();
        if text == "*" || text == "anonymous" {
            return Ok(Principal::Anonymous);
        }
        if is_account(text) {
            return Ok(Principal::Root { arn: format!("arn:aws:iam::{text}:root"), account: arn });
        }
        if !text.starts_with("arn:") {
            let is_domain = text.contains('.')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'/' | b'_'));
            return match is_domain {
                true if text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn") => {
                    // Cognito vouches for identities; it does not call for itself.
                    Ok(match text.starts_with("cognito-identity.") {
                        true => Principal::Federated(arn),
                        false => Principal::Service(arn),
                    })
                }
                true => Ok(Principal::Federated(arn)),
                false => Err(refused()),
            };
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [_, _, service @ ("iam" | "sts"), "", id, rest] = parts[..] else { return Err(refused()) };
        if !is_account(id) {
            return Err(refused());
        }
        let account = id.to_owned();
        let (kind, path) = rest.split_once('/').unwrap_or((rest, ""));
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        match (service, kind) {
            ("iam", "root") if path.is_empty() => Ok(Principal::Root { arn, account }),
            _ if name.is_empty() => Err(refused()),
            ("iam", "user") => Ok(Principal::User { arn, account, name }),
            ("iam", "role") => Ok(Principal::Role { arn, account, name }),
            ("iam", "saml-provider" | "oidc-provider") => Ok(Principal::Federated(arn)),
            ("sts", "federated-user") => Ok(Principal::FederatedUser { arn, account }),
            ("sts", "assumed-role") => match path.split_once('/') {
                Some((role, session)) if !role.is_empty() && !session.is_empty() => {
                    Ok(Principal::Session { name: role.to_owned(), role: None, arn, account })
                }
                _ => Err(refused()),
            },
            _ => Err(refused()),
        }
    }

    /// A session with its role's ARN, path and all. Others stay as they are.
    #[must_use]
    pub fn of_role(self, role_arn: impl Into<String>) -> Self {
        match self {
            Principal::Session { arn, account, name, .. } => {
                Principal::Session { arn, account, name, role: Some(role_arn.into()) }
            }
            other => other,
        }
    }

    /// The account that it belongs to; `None` for services, identity providers and anonymous callers.
    pub fn account(&self) -> Option<&str> {
        match self {
            Principal::Root { account, .. }
            | Principal::User { account, .. }
            | Principal::Role { account, .. }
            | Principal::Session { account, .. }
            | Principal::FederatedUser { account, .. } => Some(account),
            Principal::Service(_) | Principal::Federated(_) | Principal::Anonymous => None,
        }
    }

    /// A role that a service made for itself, which no service control policy limits
    /// (<https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html>).
    pub fn is_service_linked(&self) -> bool {
        match self {
            Principal::Role { arn, .. } | Principal::Session { role: Some(arn), .. } => {
                arn.contains(":role/aws-service-role/")
            }
            Principal::Session { name, role: None, .. } => name.starts_with("AWSServiceRoleFor"),
            _ => false,
        }
    }
}

/// Its ARN, a service's name, or `*`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Principal::Root { arn, .. }
            | Principal::User { arn, .. }
            | Principal::Role { arn, .. }
            | Principal::Session { arn, .. }
            | Principal::FederatedUser { arn, .. } => arn,
            Principal::Service(name) | Principal::Federated(name) => name,
            Principal::Anonymous => "*",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_read_and_written() {
        for text in [
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/teams/ops/dev",
            "arn:aws-cn:iam::111122223333:role/reconcile/prod/writer",
            "arn:aws:sts::111122223333:assumed-role/ops/sess",
            "arn:aws:sts::111122223333:federated-user/bob",
            "arn:aws:iam::111122223333:saml-provider/idp",
            "backup.amazonaws.com",
            "accounts.google.com",
            "*",
        ] {
            assert_eq!(Principal::parse(text).map(|principal| principal.to_string()).as_deref(), Ok(text));
        }
        let root = Principal::parse("111122223333").expect("an account");
        assert_eq!(root.to_string(), "arn:aws:iam::111122223333:root");
        let user = Principal::parse("arn:aws:iam::111122223333:user/teams/ops/dev");
        assert!(matches!(user, Ok(Principal::User { name, .. }) if name == "dev"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "dev",
            "arn:aws:iam::1:user/x",
            "arn:aws:iam::111122223333:user/",
            "arn:aws:iam::111122223333:group/x",
            "arn:aws:sts::111122223333:assumed-role/ops",
            "arn:aws:sts::111122223333:assumed-role/ops/",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::111122223333:root/x",
            "a b.com",
        ] {
            assert!(Principal::parse(text).is_err(), "{text}");
        }
    }
}
