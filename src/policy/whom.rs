//! Whether a statement of a resource's policy speaks of a principal, and how it names it: that decides which other
//! policies still limit it
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-req-pol.html>).

use super::document::Effect;
use super::principal::Principal;
use super::principals::{Principals, Who};
use super::truth::Truth;

/// In which ways a principal is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Itself, or everybody: a user, a session, a service.
    pub(super) directly: Truth,
    /// By its role: boundaries and session policies still limit it.
    pub(super) by_role: Truth,
    /// By its account, which decides for itself whom it lets.
    pub(super) by_account: Truth,
}

impl Named {
    const NOT: Named = Named { directly: Truth::False, by_role: Truth::False, by_account: Truth::False };

    fn or(self, other: Named) -> Named {
        Named {
            directly: self.directly.or(other.directly),
            by_role: self.by_role.or(other.by_role),
            by_account: self.by_account.or(other.by_account),
        }
    }

    /// The same, where something else must hold too.
    pub(super) fn and(self, truth: Truth) -> Named {
        Named {
            directly: self.directly.and(truth),
            by_role: self.by_role.and(truth),
            by_account: self.by_account.and(truth),
        }
    }

    /// In any way.
    pub(super) fn at_all(self) -> Truth {
        self.directly.or(self.by_role).or(self.by_account)
    }
}

impl Principals {
    /// How a statement with this element speaks of the principal. `has_boundary` is whether a permissions boundary is
    /// attached to it.
    pub(super) fn name(
        &self,
        principal: &Principal,
        effect: Effect,
        has_boundary: bool,
        is_open: bool,
    ) -> Named {
        let listed = self.who.iter().fold(Named::NOT, |named, who| named.or(who.names(principal, is_open)));
        if !self.negated {
            return listed;
        }
        let excepted = match effect {
            Effect::Allow => listed.at_all(),
            // "Will always deny any IAM principal that has a permissions boundary policy attached"
            // (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html).
            Effect::Deny if has_boundary => Truth::False,
            Effect::Deny => match principal {
                Principal::Root { .. } => listed.at_all(),
                Principal::Role { .. } => listed.directly.or(listed.by_role),
                // Listing the account excepts its root, not whom it lets.
                Principal::Session { .. } if listed.directly != Truth::True => {
                    // AWS tells that a session may be validated as account, as role and as session, and leaves open
                    // when.
                    match listed.by_role {
                        Truth::False => listed.directly,
                        _ => Truth::Unknown,
                    }
                }
                _ => listed.directly,
            },
        };
        Named { directly: excepted.not(), ..Named::NOT }
    }
}

impl Who {
    fn names(&self, principal: &Principal, is_open: bool) -> Named {
        let directly = |truth: Truth| Named { directly: truth, ..Named::NOT };
        let by_role = |truth: Truth| Named { by_role: truth, ..Named::NOT };
        let by_account = |truth: Truth| Named { by_account: truth, ..Named::NOT };
        match self {
            Who::Everyone => directly(Truth::True),
            Who::Account { id, .. } => by_account((principal.account() == Some(id)).into()),
            Who::Removed(_) => Named::NOT,
            Who::Service(name) => directly(match principal {
                Principal::Service(own) => (name == "*" || name.eq_ignore_ascii_case(own)).into(),
                _ => Truth::False,
            }),
            Who::Federated(name) => directly(match principal {
                Principal::Federated(own) => (name == "*" || name == own).into(),
                _ => Truth::False,
            }),
            Who::CanonicalUser(_) => by_account(match principal.account() {
                Some(_) => Truth::Unknown,
                None => Truth::False,
            }),
            Who::Arn(arn) => match principal {
                Principal::User { arn: own, .. } => directly((arn == own).into()),
                Principal::Role { arn: own, .. } if arn == own => by_role(Truth::True),
                // Some session of the role may have the name that is listed.
                Principal::Role { account, name, .. } => {
                    let is_session = is_session_of(arn, account, name);
                    directly(if is_session && is_open { Truth::Open } else { Truth::False })
                }
                Principal::Session { arn: own, .. } if arn == own => directly(Truth::True),
                Principal::Session { role: Some(role), .. } => by_role((arn == role).into()),
                Principal::Session { account, name, role: None, .. } => {
                    by_role(is_role(arn, account, name).into())
                }
                Principal::FederatedUser { arn: own, .. } if arn == own => directly(Truth::True),
                // Which user made the session is not in its ARN.
                Principal::FederatedUser { account, .. } => {
                    by_role(if is_user_of(arn, account) { Truth::Unknown } else { Truth::False })
                }
                Principal::Root { .. }
                | Principal::Service(_)
                | Principal::Federated(_)
                | Principal::Anonymous => Named::NOT,
            },
        }
    }
}

/// What stands behind the account in an ARN of that service and account.
fn behind<'a>(arn: &'a str, service: &str, account: &str) -> Option<&'a str> {
    let mut parts = arn.splitn(6, ':');
    let (_, _) = (parts.next()?, parts.next()?);
    let is_same = parts.next()? == service && parts.next()?.is_empty() && parts.next()? == account;
    parts.next().filter(|_| is_same)
}

fn is_role(arn: &str, account: &str, name: &str) -> bool {
    behind(arn, "iam", account)
        .and_then(|rest| rest.strip_prefix("role/"))
        .is_some_and(|path| path.rsplit('/').next() == Some(name))
}

fn is_session_of(arn: &str, account: &str, role: &str) -> bool {
    behind(arn, "sts", account)
        .and_then(|rest| rest.strip_prefix("assumed-role/"))
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(name, _)| name == role)
}

fn is_user_of(arn: &str, account: &str) -> bool {
    behind(arn, "iam", account).is_some_and(|rest| rest.starts_with("user/"))
}
