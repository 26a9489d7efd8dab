//! The account as a whole: every identity with every policy, page by page, and how many there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::documents;
use super::managed::{self, Managed, Uses};
use super::names::Kind;
use super::page::Page;
use super::records::{Grants, Group, ManagedPolicy, Role, User};
use super::{Outcome, Request, amazon, groups, instant, profiles, result, roles, users};
use crate::sandbox::http::Refusal;
use crate::sandbox::query::validation;
use crate::sandbox::xml::Xml;

/// An identity or a policy, as `GetAccountAuthorizationDetails` tells of it.
enum Entry {
    User(Arc<User>),
    Group(Arc<Group>),
    Role(Arc<Role>),
    Policy(String, Managed),
}

const FILTERS: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html>. Of AWS's own policies
/// those in use are told.
pub fn details(request: &Request<'_>) -> Outcome {
    let filters = request.form.list("Filter");
    if let Some(other) = filters.iter().find(|filter| !FILTERS.contains(filter)) {
        return Err(validation(format!(
            "1 validation error detected: Value '[{other}]' at 'filter' failed to satisfy constraint: Member must \
             satisfy enum value set: [{}]",
            FILTERS.join(", ")
        )));
    }
    let wanted = |filter: &str| filters.is_empty() || filters.contains(&filter);
    let directory = request.directory();
    let uses = Uses::count(request)?;
    let mut entries: Vec<(String, Entry)> = Vec::new();
    if wanted("User") {
        entries.extend(
            directory.users.all()?.into_iter().map(|user| (format!("1 {}", user.name), Entry::User(user))),
        );
    }
    if wanted("Group") {
        entries.extend(
            directory
                .groups
                .all()?
                .into_iter()
                .map(|group| (format!("2 {}", group.name), Entry::Group(group))),
        );
    }
    if wanted("Role") {
        entries.extend(
            directory.roles.all()?.into_iter().map(|role| (format!("3 {}", role.name), Entry::Role(role))),
        );
    }
    if wanted("LocalManagedPolicy") {
        entries.extend(directory.policies.all()?.into_iter().map(|policy| {
            let arn = request.account().arn(Kind::Policy, &policy.path, &policy.name);
            (format!("4 {arn}"), Entry::Policy(arn, Managed::Own(policy)))
        }));
    }
    if wanted("AWSManagedPolicy") {
        let own = amazon::ALL.iter().map(|policy| (policy.arn(request.account().partition), policy));
        let used = own.filter(|(arn, _)| uses.attached(arn) + uses.bounding(arn) > 0);
        entries.extend(
            used.map(|(arn, policy)| (format!("4 {arn}"), Entry::Policy(arn, Managed::Amazon(policy)))),
        );
    }
    let page = Page::cut(request.form, entries)?;
    let profiles = profiles_by_role(request)?;

    const LISTS: [&str; 4] = ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"];
    let mut lists = LISTS.map(|list| (list, String::new()));
    for entry in &page.items {
        let (list, member) = match entry {
            Entry::User(user) => ("UserDetailList", of_user(request, user)?),
            Entry::Group(group) => ("GroupDetailList", of_group(request, group)?),
            Entry::Role(role) => ("RoleDetailList", of_role(request, role, &profiles)?),
            Entry::Policy(arn, policy) => ("Policies", of_policy(request, arn, policy, &uses)),
        };
        if let Some((_, text)) = lists.iter_mut().find(|(name, _)| *name == list) {
            text.push_str(&Xml::fragment(|xml| {
                xml.element("member", |element| {
                    element.raw(&member);
                });
            }));
        }
    }
    result(|xml| {
        for (list, members) in &lists {
            xml.element(list, |element| {
                element.raw(members);
            });
        }
        page.end(xml);
    })
}

/// The elements of instance profiles by the role in them.
fn profiles_by_role(request: &Request<'_>) -> Result<BTreeMap<String, String>, Refusal> {
    let mut by_role: BTreeMap<String, String> = BTreeMap::new();
    for profile in request.directory().profiles.all()? {
        if let Some(role) = &profile.role {
            let text = by_role.entry(role.clone()).or_default();
            text.push_str("<member>");
            profiles::write(request, &profile, text)?;
            text.push_str("</member>");
        }
    }
    Ok(by_role)
}

fn of_user(request: &Request<'_>, user: &User) -> Result<String, Refusal> {
    let grants = of_grants(request, &user.grants, "UserPolicyList")?;
    Ok(Xml::fragment(|xml| {
        users::write(xml, request, user, true);
        xml.raw(&grants);
        xml.element("GroupList", |list| {
            for group in &user.groups {
                list.text("member", group);
            }
        });
    }))
}

fn of_group(request: &Request<'_>, group: &Group) -> Result<String, Refusal> {
    let grants = of_grants(request, &group.grants, "GroupPolicyList")?;
    Ok(Xml::fragment(|xml| {
        groups::write(xml, request, group);
        xml.raw(&grants);
    }))
}

fn of_role(
    request: &Request<'_>,
    role: &Role,
    profiles: &BTreeMap<String, String>,
) -> Result<String, Refusal> {
    let grants = of_grants(request, &role.grants, "RolePolicyList")?;
    Ok(Xml::fragment(|xml| {
        roles::write(xml, request, role, roles::Detail::Whole);
        xml.raw(&grants);
        xml.element("InstanceProfileList", |list| {
            list.raw(profiles.get(&role.name).map(String::as_str).unwrap_or_default());
        });
    }))
}

fn of_grants(request: &Request<'_>, grants: &Grants, list: &str) -> Result<String, Refusal> {
    let mut attached = Vec::new();
    for arn in &grants.attached {
        attached.push((managed::find(request, arn)?.name().to_owned(), arn));
    }
    Ok(Xml::fragment(|xml| {
        xml.element(list, |list| {
            for (name, document) in &grants.inline {
                list.element("member", |member| {
                    member.text("PolicyName", name).text("PolicyDocument", documents::encoded(document));
                });
            }
        });
        xml.element("AttachedManagedPolicies", |list| {
            for (name, arn) in attached {
                list.element("member", |member| {
                    member.text("PolicyName", name).text("PolicyArn", arn);
                });
            }
        });
    }))
}

fn of_policy(request: &Request<'_>, arn: &str, policy: &Managed, uses: &Uses) -> String {
    let version = |list: &mut Xml, number: u32, document: &str, default: u32, created: String| {
        list.element("member", |member| {
            member.text("Document", documents::encoded(document)).text("VersionId", format!("v{number}"));
            member.text("IsDefaultVersion", number == default).text("CreateDate", created);
        });
    };
    Xml::fragment(|xml| match policy {
        Managed::Own(policy) => {
            let policy: &ManagedPolicy = policy;
            managed::write_own(xml, request, policy, uses);
            xml.element("PolicyVersionList", |list| {
                for (number, own) in policy.versions.iter().rev() {
                    version(list, *number, &own.document, policy.default, instant(own.created));
                }
            });
        }
        Managed::Amazon(policy) => {
            managed::write_amazon(xml, arn, policy, uses);
            xml.element("PolicyVersionList", |list| {
                version(list, policy.version, policy.document, policy.version, policy.updated.to_owned());
            });
        }
    })
}

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>
pub fn summary(request: &Request<'_>) -> Outcome {
    let directory = request.directory();
    let counts = [
        ("Users", directory.users.all()?.len()),
        ("UsersQuota", 5000),
        ("Groups", directory.groups.all()?.len()),
        ("GroupsQuota", 300),
        ("Roles", directory.roles.all()?.len()),
        ("RolesQuota", 1000),
        ("Policies", directory.policies.all()?.len()),
        ("PoliciesQuota", 1500),
        ("InstanceProfiles", directory.profiles.all()?.len()),
        ("InstanceProfilesQuota", 1000),
        ("AccessKeysPerUserQuota", 2),
        ("AttachedPoliciesPerUserQuota", 10),
        ("AttachedPoliciesPerGroupQuota", 10),
        ("AttachedPoliciesPerRoleQuota", 10),
        ("VersionsPerPolicyQuota", 5),
        ("UserPolicySizeQuota", 2048),
        ("GroupPolicySizeQuota", 5120),
        ("RolePolicySizeQuota", 10_240),
        ("PolicySizeQuota", 6144),
        // The root has no key here, and a second factor: what an auditor would ask about cannot be set.
        ("AccountAccessKeysPresent", 0),
        ("AccountMFAEnabled", 1),
    ];
    result(|xml| {
        xml.element("SummaryMap", |map| {
            for (key, value) in &counts {
                map.element("entry", |entry| {
                    entry.text("key", key).text("value", value);
                });
            }
        });
    })
}

pub fn aliases(_: &Request<'_>) -> Outcome {
    result(|xml| {
        xml.element("AccountAliases", |_| {});
        xml.text("IsTruncated", false);
    })
}
