//! Which permission each operation needs, on what, and what IAM knows of the request beside it
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>).

use super::operations::{Operation, Subject};
use super::{Iam, Kind};
use crate::policy::Context;
use crate::sandbox::guard::Guard;
use crate::sandbox::http::Refusal;
use crate::sandbox::query::Form;
use crate::sandbox::store::Access;

use super::records::Tags;

/// What a permission is asked for on, and what of it policies may look at.
#[derive(Default)]
struct Target {
    arn: String,
    tags: Tags,
    boundary: Option<String>,
}

/// Refuses an operation that the caller may not ask for.
pub fn check(operation: &Operation, form: &Form, guard: &Guard<'_>) -> Result<(), Refusal> {
    if guard.is_free(None) {
        return Ok(());
    }
    let iam = guard.iam();
    let target = {
        let _lock = iam.directory.lock(Access::Read)?;
        target(iam, operation.subject, form, guard.caller().user())?
    };
    let context = context(operation, form, &target, guard);
    guard.check(&format!("iam:{}", operation.name), &target.arn, &context, None)?;
    // Tags of a new thing are a second permission.
    if let (true, Subject::One(kind)) = (operation.name.starts_with("Create"), operation.subject)
        && !form.pairs("Tags", "Key", "Value").is_empty()
    {
        guard.check(&format!("iam:Tag{}", kind.title()), &target.arn, &context, None)?;
    }
    if operation.name == "AddRoleToInstanceProfile" {
        let role = {
            let _lock = iam.directory.lock(Access::Read)?;
            named(iam, Kind::Role, form.get(Kind::Role.parameter()).unwrap_or_default())?
        };
        let context = guard.context().with("iam:PassedToService", "ec2.amazonaws.com");
        guard.check("iam:PassRole", &role.arn, &context, None)?;
    }
    Ok(())
}

fn target(iam: &Iam, subject: Subject, form: &Form, own: Option<&str>) -> Result<Target, Refusal> {
    let plain = |arn: String| Target { arn, ..Target::default() };
    Ok(match subject {
        Subject::Account => plain("*".to_owned()),
        Subject::Listed(kind) => plain(iam.account.arn(kind, form.get("PathPrefix").unwrap_or("/"), "")),
        Subject::One(kind) => {
            let name = form.get(kind.parameter());
            let name = if kind == Kind::User { name.or(own) } else { name };
            let target = named(iam, kind, name.unwrap_or_default())?;
            // What is to be made is where it will be.
            match form.get("Path") {
                Some(path) => plain(iam.account.arn(kind, path, name.unwrap_or_default())),
                None => target,
            }
        }
        Subject::Policy => {
            let arn = form.get("PolicyArn").unwrap_or_default();
            let tags = match iam.managed(arn)? {
                Some(super::managed::Managed::Own(policy)) => policy.tags.clone(),
                _ => Tags::new(),
            };
            Target { arn: arn.to_owned(), tags, boundary: None }
        }
        Subject::KeysUser => match iam.key(form.get("AccessKeyId").unwrap_or_default())? {
            Some(key) => named(iam, Kind::User, &key.user)?,
            None => plain(iam.account.arn(Kind::User, "/", "*")),
        },
    })
}

/// The thing of a name; one that does not exist is asked for at the root of the paths.
fn named(iam: &Iam, kind: Kind, name: &str) -> Result<Target, Refusal> {
    let directory = &iam.directory;
    let found = match kind {
        Kind::User => directory
            .users
            .get(name)?
            .map(|user| (user.path.clone(), user.tags.clone(), user.boundary.clone())),
        Kind::Role => directory
            .roles
            .get(name)?
            .map(|role| (role.path.clone(), role.tags.clone(), role.boundary.clone())),
        Kind::Group => directory.groups.get(name)?.map(|group| (group.path.clone(), Tags::new(), None)),
        Kind::Policy => {
            directory.policies.get(name)?.map(|policy| (policy.path.clone(), policy.tags.clone(), None))
        }
        Kind::InstanceProfile => {
            directory.profiles.get(name)?.map(|profile| (profile.path.clone(), profile.tags.clone(), None))
        }
    };
    let (path, tags, boundary) = found.unwrap_or_else(|| ("/".to_owned(), Tags::new(), None));
    Ok(Target { arn: iam.account.arn(kind, &path, name), tags, boundary })
}

fn context(operation: &Operation, form: &Form, target: &Target, guard: &Guard<'_>) -> Context {
    let mut context = guard.context();
    for (key, value) in &target.tags {
        context = context.with(&format!("aws:ResourceTag/{key}"), value.clone());
        context = context.with(&format!("iam:ResourceTag/{key}"), value.clone());
    }
    let tags = form.pairs("Tags", "Key", "Value");
    for (key, value) in &tags {
        context = context.with(&format!("aws:RequestTag/{key}"), *value);
    }
    let keys: Vec<String> =
        tags.iter().map(|(key, _)| *key).chain(form.list("TagKeys")).map(str::to_owned).collect();
    if !keys.is_empty() {
        context = context.with_all("aws:TagKeys", keys);
    }
    if let (Subject::One(_), Some(arn)) = (operation.subject, form.get("PolicyArn")) {
        context = context.with("iam:PolicyARN", arn);
    }
    // The boundary that a request sets, else the one that stands where policies are changed.
    let boundary = form.get("PermissionsBoundary").or(target.boundary.as_deref());
    match boundary.filter(|_| operation.changes) {
        Some(arn) => context.with("iam:PermissionsBoundary", arn),
        None => context,
    }
}
