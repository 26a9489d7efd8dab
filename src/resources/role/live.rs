//! Reads and writes a role through IAM. What others attached or wrote is read and left alone.

use std::collections::BTreeSet;

use super::{INSTANCE_PROFILES, Role, TRUST, Trust};
use crate::clients::aws_error::CallError;
use crate::policy::Document;
use crate::resources::Found;
use crate::resources::identity::live::{Target, absent_is_none, decoded, mark, marked, pages};
use crate::resources::identity::{InlinePolicy, Others, POLICY, field, path_of};
use crate::vocab::Environment;

/// The role, whole; `None` where there is none. One call, and then at the same time one for each policy.
pub async fn read(target: &Target<'_>) -> Result<Option<Found<Role>>, CallError> {
    const ACTION: &str = "iam:GetRole";
    let call = target.iam.get_role().role_name(target.name).send();
    let Some(role) = absent_is_none(target.call(ACTION, call).await)?.and_then(|answer| answer.role) else {
        return Ok(None);
    };
    let mark = mark(ACTION, role.tags())?;
    let trust = decoded(role.assume_role_policy_document().unwrap_or_default());
    let trust = Document::parse(&trust)
        .map_err(|why| CallError::unusable(ACTION, format!("who may assume it cannot be read: {why}")))?;
    let ((policy, other_policies), attached, instance_profiles, boundary) = futures_util::try_join!(
        Box::pin(inline(target)),
        Box::pin(attached(target)),
        Box::pin(profiles(target)),
        Box::pin(target.boundary(role.permissions_boundary())),
    )?;
    let thing = Role {
        owner: Some(mark.clone()),
        path: Some(role.path().to_owned()),
        trust: Some(Trust::of_document(&trust)),
        policy: Some(policy),
        attached: Some(attached),
        other_policies: Some(other_policies),
        boundary: Some(boundary),
        instance_profiles: Some(instance_profiles),
        in_use: role.role_last_used().is_some_and(|used| used.last_used_date().is_some()),
    };
    Ok(Some(Found { mark, thing }))
}

/// Our inline policy, and those of others.
async fn inline(target: &Target<'_>) -> Result<(InlinePolicy, Others), CallError> {
    let names = pages!(
        target,
        "iam:ListRolePolicies",
        target.iam.list_role_policies().role_name(target.name),
        policy_names
    );
    let document = |name: String| async move {
        let call = target.iam.get_role_policy().role_name(target.name).policy_name(name).send();
        Ok(target.call("iam:GetRolePolicy", call).await?.policy_document)
    };
    target.inline(names, document).await
}

async fn attached(target: &Target<'_>) -> Result<Others, CallError> {
    let request = || target.iam.list_attached_role_policies().role_name(target.name);
    let list = pages!(target, "iam:ListAttachedRolePolicies", request(), attached_policies);
    let list: Vec<_> = list.into_iter().flatten().collect();
    target.attached(&list).await
}

async fn profiles(target: &Target<'_>) -> Result<BTreeSet<String>, CallError> {
    let profiles = pages!(
        target,
        "iam:ListInstanceProfilesForRole",
        target.iam.list_instance_profiles_for_role().role_name(target.name),
        instance_profiles
    );
    Ok(profiles.into_iter().map(|profile| profile.instance_profile_name).collect())
}

/// Makes the role, with its mark and with who may assume it, in one call. Repeating it after a crash is no error.
pub async fn create(target: &Target<'_>, owner: &Environment, wanted: &Role) -> Result<(), CallError> {
    const ACTION: &str = "iam:CreateRole";
    let trust = wanted.trust.clone().unwrap_or_default().to_document(target.realm);
    let call = target
        .iam
        .create_role()
        .role_name(target.name)
        .path(path_of(owner))
        .assume_role_policy_document(trust.to_string())
        .description(format!("Writes backups of {owner}; made by reconcile"))
        .tags(marked(ACTION, owner)?)
        .send();
    match target.call(ACTION, call).await {
        // Another try of this very call may have succeeded while its answer was lost.
        Err(error) if error.error.is("EntityAlreadyExists") => match Box::pin(read(target)).await? {
            Some(found) if found.mark.as_ref() == Some(owner) => Ok(()),
            _ => Err(error),
        },
        answer => answer.map(drop),
    }
}

/// Writes the named fields; one that was `just_made` has its mark already. The policy comes before the mark of an adopted role: should the program stop in between, the
/// next run adopts it.
pub async fn write(
    target: &Target<'_>,
    owner: &Environment,
    wanted: &Role,
    fields: &[&str],
    just_made: bool,
) -> Result<(), CallError> {
    let made: &[&str] = if just_made { &[field::OWNER, TRUST] } else { &[] };
    let changes = |name| fields.contains(&name) && !made.contains(&name);
    if changes(TRUST)
        && let Some(trust) = &wanted.trust
    {
        put_trust(target, trust).await?;
    }
    if changes(field::POLICY)
        && let Some(policy) = &wanted.policy
    {
        put_policy(target, policy).await?;
    }
    if changes(INSTANCE_PROFILES) {
        for name in wanted.instance_profiles.iter().flatten() {
            give_profile(target, owner, name).await?;
        }
    }
    if changes(field::OWNER) {
        const ACTION: &str = "iam:TagRole";
        let mark = marked(ACTION, owner)?;
        target
            .patiently(|| {
                let call = target.iam.tag_role().role_name(target.name).tags(mark.clone());
                async move { target.call(ACTION, call.send()).await }
            })
            .await?;
    }
    Ok(())
}

async fn put_trust(target: &Target<'_>, trust: &Trust) -> Result<(), CallError> {
    let document = trust.to_document(target.realm).to_string();
    let call = target.iam.update_assume_role_policy().role_name(target.name).policy_document(document);
    target.call("iam:UpdateAssumeRolePolicy", call.send()).await.map(drop)
}

async fn put_policy(target: &Target<'_>, policy: &InlinePolicy) -> Result<(), CallError> {
    let document = match policy {
        InlinePolicy::Grants(grants) => grants.to_document(target.realm).to_string(),
        InlinePolicy::None => {
            let call = target.iam.delete_role_policy().role_name(target.name).policy_name(POLICY);
            let gone = absent_is_none(target.call("iam:DeleteRolePolicy", call.send()).await);
            return gone.map(drop);
        }
        // Never desired: settings cannot say it.
        InlinePolicy::Unrecognised(_) => return Ok(()),
    };
    let put = || {
        let call = target.iam.put_role_policy().role_name(target.name).policy_name(POLICY);
        let call = call.policy_document(&document);
        async move { target.call("iam:PutRolePolicy", call.send()).await }
    };
    target.patiently(put).await.map(drop)
}

/// Makes an instance profile and puts the role into it. What an earlier try made is used; a profile that holds another
/// role, or is another environment's, is left alone.
async fn give_profile(target: &Target<'_>, owner: &Environment, name: &str) -> Result<(), CallError> {
    const ACTION: &str = "iam:CreateInstanceProfile";
    let call = target
        .iam
        .create_instance_profile()
        .instance_profile_name(name)
        .path(path_of(owner))
        .tags(marked(ACTION, owner)?)
        .send();
    match target.call(ACTION, call).await {
        Err(error) if error.error.is("EntityAlreadyExists") => {
            if is_in_profile(target, owner, name).await? {
                return Ok(());
            }
        }
        answer => drop(answer?),
    }
    let add = || {
        let call =
            target.iam.add_role_to_instance_profile().instance_profile_name(name).role_name(target.name);
        async move { target.call("iam:AddRoleToInstanceProfile", call.send()).await }
    };
    match target.patiently(add).await {
        // A profile holds one role at most, and an earlier try may have put it there.
        Err(error) if error.error.is("LimitExceeded") => match is_in_profile(target, owner, name).await? {
            true => Ok(()),
            false => Err(error),
        },
        answer => answer.map(drop),
    }
}

/// Whether a profile holds the role; an error where it may not.
async fn is_in_profile(target: &Target<'_>, owner: &Environment, name: &str) -> Result<bool, CallError> {
    const ACTION: &str = "iam:GetInstanceProfile";
    let get = || {
        let call = target.iam.get_instance_profile().instance_profile_name(name);
        async move { target.call(ACTION, call.send()).await }
    };
    let Some(profile) = target.patiently(get).await?.instance_profile else { return Ok(false) };
    if profile.roles().iter().any(|role| role.role_name() == target.name) {
        return Ok(true);
    }
    if let Some(other) = mark(ACTION, profile.tags())?.filter(|other| other != owner) {
        let message = format!("the instance profile {name} belongs to environment {other}");
        return Err(CallError::unusable(ACTION, message));
    }
    match profile.roles().first() {
        None => Ok(false),
        Some(role) => {
            let message = format!(
                "the instance profile {name} holds role {}: empty it, or give this role a profile by hand",
                role.role_name()
            );
            Err(CallError::unusable(ACTION, message))
        }
    }
}
