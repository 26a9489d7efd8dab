//! Managed policies: documents with an ARN of their own, in up to five versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;

use super::amazon::{self, AmazonPolicy};
use super::documents::{self, check_identity};
use super::names::{self, Kind, limit};
use super::page::Page;
use super::records::{Grants, ManagedPolicy, PolicyVersion, Tags};
use super::{
    Outcome, Request, conflict, exists, instant, no_such, nothing, result, write_some_tags, write_tags,
};
use crate::sandbox::http::Refusal;
use crate::sandbox::query::validation;
use crate::sandbox::records::fresh_unique_id;
use crate::sandbox::xml::Xml;

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MOST_VERSIONS: usize = 5;
const LONGEST: usize = 6_144;

/// A managed policy of the account, or one of AWS's.
#[derive(Clone, Debug)]
pub enum Managed {
    Own(Arc<ManagedPolicy>),
    Amazon(&'static AmazonPolicy),
}

impl Managed {
    pub fn name(&self) -> &str {
        match self {
            Managed::Own(policy) => &policy.name,
            Managed::Amazon(policy) => policy.name,
        }
    }

    pub fn path(&self) -> &str {
        match self {
            Managed::Own(policy) => &policy.path,
            Managed::Amazon(policy) => policy.path,
        }
    }

    /// What its default version says.
    pub fn document(&self) -> &str {
        match self {
            Managed::Own(policy) => policy.document(),
            Managed::Amazon(policy) => policy.document,
        }
    }

    fn default(&self) -> u32 {
        match self {
            Managed::Own(policy) => policy.default,
            Managed::Amazon(policy) => policy.version,
        }
    }

    fn version(&self, number: u32) -> Option<(&str, String)> {
        match self {
            Managed::Own(policy) => policy
                .versions
                .get(&number)
                .map(|version| (version.document.as_str(), instant(version.created))),
            Managed::Amazon(policy) => {
                (policy.version == number).then(|| (policy.document, policy.updated.to_owned()))
            }
        }
    }
}

pub fn arn<'a>(request: &Request<'a>) -> Result<&'a str, Refusal> {
    let arn = request.form.required("PolicyArn")?;
    if arn.len() < 20 || !arn.starts_with("arn:") {
        return Err(validation(format!("ARN {arn} is not valid.")));
    }
    Ok(arn)
}

/// The policy of an ARN.
pub fn find(request: &Request<'_>, arn: &str) -> Result<Managed, Refusal> {
    request.iam.managed(arn)?.ok_or_else(|| no_such(format!("Policy {arn} was not found.")))
}

impl super::Iam {
    /// The policy of an ARN, if there is one.
    pub fn managed(&self, arn: &str) -> Result<Option<Managed>, Refusal> {
        if let Some(policy) = amazon::find(arn) {
            return Ok(Some(Managed::Amazon(policy)));
        }
        let name = arn.rsplit('/').next().unwrap_or_default();
        let own = self.directory.policies.get(name)?;
        let own = own.filter(|policy| self.account.arn(Kind::Policy, &policy.path, &policy.name) == arn);
        Ok(own.map(Managed::Own))
    }
}

/// The policy of the account that the request names, to be changed.
fn own(request: &Request<'_>) -> Result<ManagedPolicy, Refusal> {
    match find(request, arn(request)?)? {
        Managed::Own(policy) => Ok(Arc::unwrap_or_clone(policy)),
        Managed::Amazon(_) => Err(Refusal::new(403, "AccessDenied", "Policy is outside your own account.")),
    }
}

fn checked(request: &Request<'_>) -> Result<String, Refusal> {
    let document = request.form.required("PolicyDocument")?;
    check_identity(document)?;
    if documents::size(document) > LONGEST {
        return Err(limit(format!("Cannot exceed quota for PolicySize: {LONGEST}")));
    }
    Ok(document.to_owned())
}

pub fn create(request: &Request<'_>) -> Outcome {
    let name = names::name(request.form, Kind::Policy)?;
    let path = names::path(request.form)?;
    let tags = names::tags(request.form)?;
    let document = checked(request)?;
    if request.directory().policies.get(name)?.is_some() {
        return Err(exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    let policy = ManagedPolicy {
        name: name.to_owned(),
        path: path.to_owned(),
        id: fresh_unique_id("ANPA"),
        created: request.now,
        updated: request.now,
        description: request.form.get("Description").map(str::to_owned),
        tags,
        versions: BTreeMap::from([(1, PolicyVersion { document, created: request.now })]),
        default: 1,
        newest: 1,
    };
    request.directory().policies.put(name, policy.clone())?;
    let uses = Uses::default();
    result(|xml| {
        xml.element("Policy", |element| write_own(element, request, &policy, &uses));
    })
}

pub fn get(request: &Request<'_>) -> Outcome {
    let arn = arn(request)?;
    let policy = find(request, arn)?;
    let uses = Uses::count(request)?;
    result(|xml| {
        xml.element("Policy", |element| match &policy {
            Managed::Own(policy) => write_own(element, request, policy, &uses),
            Managed::Amazon(policy) => write_amazon(element, arn, policy, &uses),
        });
    })
}

pub fn list(request: &Request<'_>) -> Outcome {
    let prefix = names::path_prefix(request.form)?;
    let scope = request.form.get("Scope").unwrap_or("All");
    let only_attached = request.form.flag("OnlyAttached")?.unwrap_or(false);
    let uses = Uses::count(request)?;
    let account = request.account();
    let mut policies: Vec<(String, Managed)> = Vec::new();
    if matches!(scope, "All" | "Local") {
        let own = request.directory().policies.all()?;
        policies.extend(
            own.into_iter()
                .map(|policy| (account.arn(Kind::Policy, &policy.path, &policy.name), Managed::Own(policy))),
        );
    }
    if matches!(scope, "All" | "AWS") {
        policies.extend(
            amazon::ALL.iter().map(|policy| (policy.arn(account.partition), Managed::Amazon(policy))),
        );
    }
    policies.retain(|(arn, policy)| {
        policy.path().starts_with(prefix) && (!only_attached || uses.attached(arn) > 0)
    });
    let page = Page::cut(
        request.form,
        policies.into_iter().map(|(arn, policy)| (arn.clone(), (arn, policy))).collect(),
    )?;
    result(|xml| {
        page.write(xml, "Policies", |member, (arn, policy)| match policy {
            Managed::Own(policy) => write_own(member, request, policy, &uses),
            Managed::Amazon(policy) => write_amazon(member, arn, policy, &uses),
        });
    })
}

pub fn delete(request: &Request<'_>) -> Outcome {
    let policy = own(request)?;
    let arn = arn(request)?;
    let uses = Uses::count(request)?;
    if uses.attached(arn) > 0 || uses.bounding(arn) > 0 {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if policy.versions.len() > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
             The default version is deleted with the policy.",
        ));
    }
    request.directory().policies.remove(&policy.name)?;
    nothing()
}

pub fn create_version(request: &Request<'_>) -> Outcome {
    let mut policy = own(request)?;
    let document = checked(request)?;
    if policy.versions.len() >= MOST_VERSIONS {
        return Err(limit(
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing \
             version.",
        ));
    }
    policy.newest += 1;
    let number = policy.newest;
    policy.versions.insert(number, PolicyVersion { document, created: request.now });
    if request.form.flag("SetAsDefault")?.unwrap_or(false) {
        policy.default = number;
    }
    policy.updated = request.now;
    request.directory().policies.put(&policy.name.clone(), policy.clone())?;
    result(|xml| {
        xml.element("PolicyVersion", |element| {
            element
                .text("VersionId", format!("v{number}"))
                .text("IsDefaultVersion", policy.default == number);
            element.text("CreateDate", instant(request.now));
        });
    })
}

fn number(request: &Request<'_>) -> Result<u32, Refusal> {
    let text = request.form.required("VersionId")?;
    text.strip_prefix('v').and_then(|number| number.parse().ok()).ok_or_else(|| {
        validation(format!(
            "1 validation error detected: Value '{text}' at 'versionId' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
        ))
    })
}

fn no_version(arn: &str, number: u32) -> Refusal {
    no_such(format!("Policy {arn} version v{number} does not exist or is not attachable."))
}

pub fn get_version(request: &Request<'_>) -> Outcome {
    let arn = arn(request)?;
    let policy = find(request, arn)?;
    let number = number(request)?;
    let (document, created) = policy.version(number).ok_or_else(|| no_version(arn, number))?;
    result(|xml| {
        xml.element("PolicyVersion", |element| {
            element.text("Document", documents::encoded(document)).text("VersionId", format!("v{number}"));
            element.text("IsDefaultVersion", policy.default() == number).text("CreateDate", created);
        });
    })
}

pub fn list_versions(request: &Request<'_>) -> Outcome {
    let policy = find(request, arn(request)?)?;
    let versions: Vec<(u32, String)> = match &policy {
        Managed::Own(policy) => policy
            .versions
            .iter()
            .rev()
            .map(|(number, version)| (*number, instant(version.created)))
            .collect(),
        Managed::Amazon(policy) => vec![(policy.version, policy.updated.to_owned())],
    };
    let default = policy.default();
    // At most five, so they fit any page but the smallest; the newest first.
    let versions =
        versions.into_iter().enumerate().map(|(place, version)| (format!("{place:04}"), version)).collect();
    let page = Page::cut(request.form, versions)?;
    result(|xml| {
        page.write(xml, "Versions", |member, (number, created)| {
            member.text("VersionId", format!("v{number}")).text("IsDefaultVersion", *number == default);
            member.text("CreateDate", created);
        });
    })
}

pub fn delete_version(request: &Request<'_>) -> Outcome {
    let mut policy = own(request)?;
    let number = number(request)?;
    if number == policy.default {
        return Err(conflict("Cannot delete the default version of a policy."));
    }
    policy.versions.remove(&number).ok_or_else(|| no_version(arn(request).unwrap_or_default(), number))?;
    policy.updated = request.now;
    request.directory().policies.put(&policy.name.clone(), policy)?;
    nothing()
}

pub fn set_default(request: &Request<'_>) -> Outcome {
    let mut policy = own(request)?;
    let number = number(request)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(arn(request)?, number));
    }
    policy.default = number;
    policy.updated = request.now;
    request.directory().policies.put(&policy.name.clone(), policy)?;
    nothing()
}

pub fn tag(request: &Request<'_>) -> Outcome {
    let mut policy = own(request)?;
    names::add_tags(&mut policy.tags, request.form)?;
    request.directory().policies.put(&policy.name.clone(), policy)?;
    nothing()
}

pub fn untag(request: &Request<'_>) -> Outcome {
    let mut policy = own(request)?;
    names::remove_tags(&mut policy.tags, request.form);
    request.directory().policies.put(&policy.name.clone(), policy)?;
    nothing()
}

pub fn list_tags(request: &Request<'_>) -> Outcome {
    let tags = match find(request, arn(request)?)? {
        Managed::Own(policy) => policy.tags.clone(),
        Managed::Amazon(_) => Tags::new(),
    };
    result(|xml| {
        write_tags(xml, &tags);
        xml.text("IsTruncated", false);
    })
}

/// Who has a policy: `ListEntitiesForPolicy`.
pub fn list_entities(request: &Request<'_>) -> Outcome {
    let arn = arn(request)?;
    find(request, arn)?;
    let usage = request.form.get("PolicyUsageFilter").unwrap_or("PermissionsPolicy");
    let wanted = request.form.get("EntityFilter");
    let has = |grants: &Grants, boundary: Option<&String>| match usage {
        "PermissionsBoundary" => boundary.is_some_and(|boundary| boundary == arn),
        _ => grants.attached.contains(arn),
    };
    let directory = request.directory();
    let mut found: Vec<(String, (Kind, String, String))> = Vec::new();
    let mut add = |kind: Kind, name: &str, id: &str| {
        found.push((format!("{} {name}", kind.word()), (kind, name.to_owned(), id.to_owned())));
    };
    for group in directory.groups.all()?.iter().filter(|group| has(&group.grants, None)) {
        add(Kind::Group, &group.name, &group.id);
    }
    for role in directory.roles.all()?.iter().filter(|role| has(&role.grants, role.boundary.as_ref())) {
        add(Kind::Role, &role.name, &role.id);
    }
    for user in directory.users.all()?.iter().filter(|user| has(&user.grants, user.boundary.as_ref())) {
        add(Kind::User, &user.name, &user.id);
    }
    found.retain(|(_, (kind, ..))| match wanted {
        Some("User") => *kind == Kind::User,
        Some("Role") => *kind == Kind::Role,
        Some("Group") => *kind == Kind::Group,
        _ => true,
    });
    let page = Page::cut(request.form, found)?;
    result(|xml| {
        for (list, name, id, kind) in [
            ("PolicyGroups", "GroupName", "GroupId", Kind::Group),
            ("PolicyRoles", "RoleName", "RoleId", Kind::Role),
            ("PolicyUsers", "UserName", "UserId", Kind::User),
        ] {
            xml.element(list, |list| {
                for (_, own_name, own_id) in page.items.iter().filter(|(own, ..)| *own == kind) {
                    list.element("member", |member| {
                        member.text(name, own_name).text(id, own_id);
                    });
                }
            });
        }
        page.end(xml);
    })
}

/// How often each policy is in use.
#[derive(Debug, Default)]
pub struct Uses {
    attached: BTreeMap<String, usize>,
    bounding: BTreeMap<String, usize>,
}

impl Uses {
    pub fn count(request: &Request<'_>) -> Result<Self, Refusal> {
        let directory = request.directory();
        let mut uses = Uses::default();
        let (users, groups, roles) =
            (directory.users.all()?, directory.groups.all()?, directory.roles.all()?);
        let grants = users.iter().map(|user| &user.grants);
        let grants = grants.chain(groups.iter().map(|group| &group.grants));
        for arn in grants.chain(roles.iter().map(|role| &role.grants)).flat_map(|grants| &grants.attached) {
            *uses.attached.entry(arn.clone()).or_default() += 1;
        }
        let boundaries = users.iter().filter_map(|user| user.boundary.as_ref());
        for arn in boundaries.chain(roles.iter().filter_map(|role| role.boundary.as_ref())) {
            *uses.bounding.entry(arn.clone()).or_default() += 1;
        }
        Ok(uses)
    }

    pub fn attached(&self, arn: &str) -> usize {
        self.attached.get(arn).copied().unwrap_or_default()
    }

    pub fn bounding(&self, arn: &str) -> usize {
        self.bounding.get(arn).copied().unwrap_or_default()
    }
}

pub fn write_own(xml: &mut Xml, request: &Request<'_>, policy: &ManagedPolicy, uses: &Uses) {
    let arn = request.account().arn(Kind::Policy, &policy.path, &policy.name);
    xml.text("PolicyName", &policy.name)
        .text("PolicyId", &policy.id)
        .text("Arn", &arn)
        .text("Path", &policy.path);
    xml.text("DefaultVersionId", format!("v{}", policy.default));
    xml.text("AttachmentCount", uses.attached(&arn))
        .text("PermissionsBoundaryUsageCount", uses.bounding(&arn));
    xml.text("IsAttachable", true).text_if("Description", policy.description.as_ref());
    xml.text("CreateDate", instant(policy.created)).text("UpdateDate", instant(policy.updated));
    write_some_tags(xml, &policy.tags);
}

pub fn write_amazon(xml: &mut Xml, arn: &str, policy: &AmazonPolicy, uses: &Uses) {
    xml.text("PolicyName", policy.name).text("PolicyId", amazon_id(policy)).text("Arn", arn);
    xml.text("Path", policy.path).text("DefaultVersionId", format!("v{}", policy.version));
    xml.text("AttachmentCount", uses.attached(arn)).text("PermissionsBoundaryUsageCount", uses.bounding(arn));
    xml.text("IsAttachable", true)
        .text("CreateDate", instant(DateTime::UNIX_EPOCH))
        .text("UpdateDate", policy.updated);
}

/// AWS's policies have ids too; nobody looks at them, so they only have the shape.
fn amazon_id(policy: &AmazonPolicy) -> String {
    let letters = policy.name.to_ascii_uppercase();
    format!("ANPAI{:A<16.16}", letters)
}
