//! The account as the audit judges it: each user and role with every policy that speaks for it, groups expanded.
//!
//! Pure, made of [`AuthorizationDetails`] alone. A policy that is missing or cannot be read stands there as one that
//! may allow or deny anything ([`Document::unread`]), and is told as unread: must never be left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fact::Unread;
use super::raw::{
    AttachedPolicy, AuthorizationDetails, Boundary, InlinePolicy, ManagedPolicyDetail, PolicyText, Tag,
};
use crate::policy::{Document, Named, Principal};

/// The permission that reads all of it.
pub const READ: &str = "iam:GetAccountAuthorizationDetails";

/// Every user and role of an account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// In the order of their ARNs.
    pub identities: Vec<Identity>,
    /// In the order of their names.
    pub groups: Vec<Group>,
    /// Managed policies that are attached to anything, by ARN.
    pub managed: BTreeMap<String, Managed>,
    /// What is missing or cannot be read.
    pub unread: Vec<Unread>,
    /// Whether the lists of users and roles are there to their ends.
    pub is_whole: bool,
}

/// A user or a role.
#[derive(Clone, Debug)]
pub struct Identity {
    pub principal: Principal,
    pub arn: String,
    /// `user/NAME` or `role/NAME`, as people say it.
    pub label: String,
    /// Its own policies, then those of its groups.
    pub policies: Vec<Named>,
    /// Where each of the policies comes from, in the same order.
    pub sources: Vec<Source>,
    pub boundary: Option<Named>,
    /// The ARN of the boundary.
    pub boundary_arn: Option<String>,
    /// Who may assume it; users have none.
    pub trust: Option<Named>,
    pub instance_profiles: Vec<String>,
    /// Places in [`Account::groups`].
    pub groups: Vec<usize>,
    pub tags: BTreeMap<String, String>,
    /// When a role was last used, as IAM tells it.
    pub last_used: Option<String>,
}

/// Where a policy comes from, and so who can change it how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Inline,
    /// A managed policy by its ARN.
    Managed(String),
    /// Inline in a group: its place in [`Account::groups`].
    GroupInline(usize),
    GroupManaged(usize, String),
}

/// A group: no principal, only policies for its members.
#[derive(Clone, Debug)]
pub struct Group {
    pub arn: String,
    /// `group/NAME`.
    pub label: String,
    pub policies: Vec<Named>,
    pub sources: Vec<Source>,
}

/// A managed policy.
#[derive(Clone, Debug)]
pub struct Managed {
    pub name: String,
    pub document: Arc<Document>,
    /// The versions beside the default one: `iam:SetDefaultPolicyVersion` puts one of them in its place.
    pub others: Vec<(String, Arc<Document>)>,
}

impl Managed {
    /// AWS's own policies cannot be changed by anybody.
    pub fn is_aws(arn: &str) -> bool {
        arn.split(':').nth(4) == Some("aws")
    }
}

impl Identity {
    pub fn is_user(&self) -> bool {
        matches!(self.principal, Principal::User { .. })
    }

    /// Its name without path.
    pub fn name(&self) -> &str {
        self.label.split_once('/').map_or(self.label.as_str(), |(_, name)| name)
    }
}

impl Account {
    /// The account that these details describe. The order of their lists does not matter.
    pub fn of(details: AuthorizationDetails) -> Account {
        let mut reader = Reader { account: Account::default(), unread: Arc::new(Document::unread()) };
        if details.is_truncated {
            reader.note("the account's identities", "the list was cut off before its end");
        }
        for list in details.lacking() {
            reader.note("the account's identities", &format!("there is no {list}"));
        }
        details.policies.into_iter().flatten().for_each(|policy| reader.managed(policy));
        reader.account.is_whole =
            !details.is_truncated && details.user_detail_list.is_some() && details.role_detail_list.is_some();
        let mut members: BTreeMap<String, usize> = BTreeMap::new();
        let mut groups = details.group_detail_list.unwrap_or_default();
        groups.sort_by(|a, b| a.group_name.cmp(&b.group_name));
        for (index, group) in groups.into_iter().enumerate() {
            let label = format!("group/{}", group.group_name);
            let (mut policies, mut sources) = (Vec::new(), Vec::new());
            reader.inline(&label, group.group_policy_list, &mut policies);
            sources.resize(policies.len(), Source::GroupInline(index));
            for attached in &group.attached_managed_policies {
                policies.push(reader.attached(&label, attached));
                sources.push(Source::GroupManaged(index, attached.policy_arn.clone()));
            }
            reader.account.groups.push(Group { arn: group.arn, label, policies, sources });
            members.insert(group.group_name, index);
        }
        for user in details.user_detail_list.unwrap_or_default() {
            let label = format!("user/{}", user.user_name);
            let Some(mut identity) = reader.identity(
                label,
                user.arn,
                user.user_policy_list,
                &user.attached_managed_policies,
                user.permissions_boundary,
                user.tags,
            ) else {
                continue;
            };
            for name in user.group_list {
                match members.get(&name) {
                    Some(index) => {
                        let group = &reader.account.groups[*index];
                        identity.policies.extend(group.policies.iter().cloned());
                        identity.sources.extend(group.sources.iter().cloned());
                        identity.groups.push(*index);
                    }
                    None => {
                        let named = format!("group/{name}");
                        reader
                            .note(&named, &format!("{} is a member, and the list lacks it", identity.label));
                        identity.policies.push(Named::new(named, Arc::clone(&reader.unread)));
                        identity.sources.push(Source::Inline);
                    }
                }
            }
            reader.account.identities.push(identity);
        }
        for role in details.role_detail_list.unwrap_or_default() {
            let label = format!("role/{}", role.role_name);
            let Some(mut identity) = reader.identity(
                label,
                role.arn,
                role.role_policy_list,
                &role.attached_managed_policies,
                role.permissions_boundary,
                role.tags,
            ) else {
                continue;
            };
            let name = format!("{}: trust policy", identity.label);
            let text = role.assume_role_policy_document;
            let text = text.unwrap_or_else(|| PolicyText(Err("the list lacks it".to_owned())));
            identity.trust = Some(reader.named(name, text));
            identity.instance_profiles =
                role.instance_profile_list.into_iter().map(|profile| profile.instance_profile_name).collect();
            identity.last_used = role.role_last_used.and_then(|used| used.last_used_date);
            reader.account.identities.push(identity);
        }
        let mut account = reader.account;
        account.identities.sort_by(|a, b| a.arn.cmp(&b.arn));
        account.unread.sort();
        account.unread.dedup();
        account
    }

    /// An identity by its ARN, or by `user/NAME` or `role/NAME`.
    pub fn find(&self, name: &str) -> Option<&Identity> {
        self.identities.iter().find(|identity| identity.arn == name || identity.label == name)
    }

    /// The role of a session, by the name that the session's ARN tells.
    pub fn role_named(&self, name: &str) -> Option<&Identity> {
        self.identities.iter().find(|identity| !identity.is_user() && identity.name() == name)
    }
}

struct Reader {
    account: Account,
    unread: Arc<Document>,
}

impl Reader {
    fn note(&mut self, what: &str, why: &str) {
        self.account.unread.push(Unread::new(what, READ, why));
    }

    fn managed(&mut self, detail: ManagedPolicyDetail) {
        let mut document = None;
        let mut others = Vec::new();
        for version in detail.policy_version_list {
            let name = format!("policy {} {}", detail.policy_name, version.version_id);
            let text = version.document.unwrap_or_else(|| PolicyText(Err("the list lacks it".to_owned())));
            match version.is_default_version {
                true => document = Some(self.document(&name, text)),
                // Nothing depends on an old version that cannot be read but whether it may be put back.
                false => {
                    others.push((version.version_id, text.0.unwrap_or_else(|_| Arc::clone(&self.unread))))
                }
            }
        }
        let document = document.unwrap_or_else(|| {
            self.note(&format!("policy {}", detail.policy_name), "the list lacks its default version");
            Arc::clone(&self.unread)
        });
        self.account.managed.insert(detail.arn, Managed { name: detail.policy_name, document, others });
    }

    fn document(&mut self, name: &str, text: PolicyText) -> Arc<Document> {
        text.0.unwrap_or_else(|why| {
            self.note(name, &why);
            Arc::clone(&self.unread)
        })
    }

    fn named(&mut self, name: String, text: PolicyText) -> Named {
        let document = self.document(&name, text);
        Named { name, document }
    }

    fn inline(&mut self, label: &str, list: Vec<InlinePolicy>, policies: &mut Vec<Named>) {
        for policy in list {
            policies
                .push(self.named(format!("{label}: policy {}", policy.policy_name), policy.policy_document));
        }
    }

    fn attached(&mut self, label: &str, attached: &AttachedPolicy) -> Named {
        let name = format!("{label}: policy {}", attached.policy_name);
        Named { document: self.by_arn(&name, &attached.policy_arn), name }
    }

    fn by_arn(&mut self, name: &str, arn: &str) -> Arc<Document> {
        match self.account.managed.get(arn) {
            Some(managed) => Arc::clone(&managed.document),
            None => {
                self.note(name, &format!("the list lacks the managed policy {arn}"));
                Arc::clone(&self.unread)
            }
        }
    }

    fn identity(
        &mut self,
        label: String,
        arn: String,
        inline: Vec<InlinePolicy>,
        attached: &[AttachedPolicy],
        boundary: Option<Boundary>,
        tags: Vec<Tag>,
    ) -> Option<Identity> {
        let principal = match Principal::parse(&arn) {
            Ok(principal @ (Principal::User { .. } | Principal::Role { .. })) => principal,
            _ => {
                self.note(&label, "its ARN is none of a user or role");
                return None;
            }
        };
        let (mut policies, mut sources) = (Vec::new(), Vec::new());
        self.inline(&label, inline, &mut policies);
        sources.resize(policies.len(), Source::Inline);
        for attached in attached {
            policies.push(self.attached(&label, attached));
            sources.push(Source::Managed(attached.policy_arn.clone()));
        }
        let boundary_arn = boundary.map(|boundary| boundary.permissions_boundary_arn);
        let boundary = boundary_arn.as_ref().map(|arn| {
            let name = format!("{label}: boundary {}", arn.rsplit('/').next().unwrap_or(arn));
            Named { document: self.by_arn(&name, arn), name }
        });
        Some(Identity {
            principal,
            arn,
            label,
            policies,
            sources,
            boundary,
            boundary_arn,
            trust: None,
            instance_profiles: Vec::new(),
            groups: Vec::new(),
            tags: tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            last_used: None,
        })
    }
}
