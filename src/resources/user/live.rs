//! Reads and writes a user through IAM. What others attached or wrote is read and left alone; no access key is ever made.

use std::collections::BTreeMap;

use aws_sdk_iam::types::StatusType;
use futures_util::future::try_join_all;

use super::User;
use crate::clients::aws_error::CallError;
use crate::resources::Found;
use crate::resources::identity::live::{Target, absent_is_none, mark, marked, pages, text};
use crate::resources::identity::{InlinePolicy, Others, POLICY, field, path_of};
use crate::vocab::Environment;

/// The user, whole; `None` where there is none. One call, and then at the same time one for each policy and group.
pub async fn read(target: &Target<'_>) -> Result<Option<Found<User>>, CallError> {
    const ACTION: &str = "iam:GetUser";
    let call = target.iam.get_user().user_name(target.name).send();
    let Some(user) = absent_is_none(target.call(ACTION, call).await)?.and_then(|answer| answer.user) else {
        return Ok(None);
    };
    let mark = mark(ACTION, user.tags())?;
    let ((policy, other_policies), attached, groups, access_keys, boundary) = futures_util::try_join!(
        Box::pin(inline(target)),
        Box::pin(attached(target)),
        Box::pin(groups(target)),
        Box::pin(access_keys(target)),
        Box::pin(target.boundary(user.permissions_boundary())),
    )?;
    let thing = User {
        owner: Some(mark.clone()),
        path: Some(user.path().to_owned()),
        policy: Some(policy),
        attached: Some(attached),
        other_policies: Some(other_policies),
        boundary: Some(boundary),
        groups: Some(groups),
        access_keys: Some(access_keys),
    };
    Ok(Some(Found { mark, thing }))
}

/// Our inline policy, and those of others.
async fn inline(target: &Target<'_>) -> Result<(InlinePolicy, Others), CallError> {
    let names = pages!(
        target,
        "iam:ListUserPolicies",
        target.iam.list_user_policies().user_name(target.name),
        policy_names
    );
    let document = |name: String| async move {
        let call = target.iam.get_user_policy().user_name(target.name).policy_name(name).send();
        Ok(target.call("iam:GetUserPolicy", call).await?.policy_document)
    };
    target.inline(names, document).await
}

async fn attached(target: &Target<'_>) -> Result<Others, CallError> {
    let request = || target.iam.list_attached_user_policies().user_name(target.name);
    let list = pages!(target, "iam:ListAttachedUserPolicies", request(), attached_policies);
    let list: Vec<_> = list.into_iter().flatten().collect();
    target.attached(&list).await
}

/// Groups give their policies to their members.
async fn groups(target: &Target<'_>) -> Result<BTreeMap<String, Others>, CallError> {
    let groups = pages!(
        target,
        "iam:ListGroupsForUser",
        target.iam.list_groups_for_user().user_name(target.name),
        groups
    );
    let one = |name: String| async move {
        let policies = of_group(target, &name).await?;
        Ok::<_, CallError>((name, policies))
    };
    let groups = groups.into_iter().map(|group| Box::pin(one(group.group_name)));
    Ok(try_join_all(groups).await?.into_iter().collect())
}

async fn of_group(target: &Target<'_>, group: &str) -> Result<Others, CallError> {
    let request = || target.iam.list_attached_group_policies().group_name(group);
    let list = pages!(target, "iam:ListAttachedGroupPolicies", request(), attached_policies);
    let list: Vec<_> = list.into_iter().flatten().collect();
    let mut policies = target.attached(&list).await?;
    let names = pages!(
        target,
        "iam:ListGroupPolicies",
        target.iam.list_group_policies().group_name(group),
        policy_names
    );
    for name in names {
        let call = target.iam.get_group_policy().group_name(group).policy_name(&name).send();
        let answer = target.call("iam:GetGroupPolicy", call).await?;
        policies.insert(name, text(&answer.policy_document));
    }
    Ok(policies)
}

/// How many keys could be used now.
async fn access_keys(target: &Target<'_>) -> Result<u32, CallError> {
    let keys = pages!(
        target,
        "iam:ListAccessKeys",
        target.iam.list_access_keys().user_name(target.name),
        access_key_metadata
    );
    let active = keys.iter().filter(|key| key.status() == Some(&StatusType::Active)).count();
    Ok(u32::try_from(active).unwrap_or(u32::MAX))
}

/// Makes the user, with its mark, in one call. Repeating it after a crash is no error.
pub async fn create(target: &Target<'_>, owner: &Environment) -> Result<(), CallError> {
    const ACTION: &str = "iam:CreateUser";
    let call = target
        .iam
        .create_user()
        .user_name(target.name)
        .path(path_of(owner))
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

/// Writes the named fields; one that was `just_made` has its mark already. The policy comes before the mark of an adopted user: should the program stop in between, the
/// next run adopts it.
pub async fn write(
    target: &Target<'_>,
    owner: &Environment,
    wanted: &User,
    fields: &[&str],
    just_made: bool,
) -> Result<(), CallError> {
    let made: &[&str] = if just_made { &[field::OWNER] } else { &[] };
    let changes = |name| fields.contains(&name) && !made.contains(&name);
    if changes(field::POLICY)
        && let Some(policy) = &wanted.policy
    {
        put_policy(target, policy).await?;
    }
    if changes(field::OWNER) {
        const ACTION: &str = "iam:TagUser";
        let mark = marked(ACTION, owner)?;
        target
            .patiently(|| {
                let call = target.iam.tag_user().user_name(target.name).tags(mark.clone());
                async move { target.call(ACTION, call.send()).await }
            })
            .await?;
    }
    Ok(())
}

async fn put_policy(target: &Target<'_>, policy: &InlinePolicy) -> Result<(), CallError> {
    let document = match policy {
        InlinePolicy::Grants(grants) => grants.to_document(target.realm).to_string(),
        InlinePolicy::None => {
            let call = target.iam.delete_user_policy().user_name(target.name).policy_name(POLICY);
            let gone = absent_is_none(target.call("iam:DeleteUserPolicy", call.send()).await);
            return gone.map(drop);
        }
        // Never desired: settings cannot say it.
        InlinePolicy::Unrecognised(_) => return Ok(()),
    };
    let put = || {
        let call = target.iam.put_user_policy().user_name(target.name).policy_name(POLICY);
        let call = call.policy_document(&document);
        async move { target.call("iam:PutUserPolicy", call.send()).await }
    };
    target.patiently(put).await.map(drop)
}
