//! The account's identities, page by page, in the shape that exports have too.

use aws_sdk_iam::types as iam;

use super::LiveWorld;
use crate::audit::account::READ;
use crate::audit::raw::{
    AttachedPolicy, AuthorizationDetails, Boundary, GroupDetail, InlinePolicy, InstanceProfile, LastUsed,
    ManagedPolicyDetail, PolicyText, PolicyVersion, RoleDetail, Tag, UserDetail,
};
use crate::audit::{Account, Fact, Unread};
use crate::clients::aws_error::aws_error;

/// The most that IAM gives at once.
const PAGE: i32 = 1000;

impl LiveWorld {
    /// Every user, group, role and policy. A list that breaks off is told as unread: who is missing in it may do
    /// anything.
    pub(super) async fn identities(&self) -> Fact<Account> {
        if !self.aws.is_aws() {
            return Fact::NotAsked;
        }
        let mut details = AuthorizationDetails::default();
        let client = self.aws.iam();
        let mut marker = None;
        loop {
            let answer = {
                let _permit = self.gate.acquire().await.ok();
                let call = client.get_account_authorization_details().max_items(PAGE).set_marker(marker);
                call.send().await
            };
            match answer {
                Ok(answer) => {
                    marker = answer.marker.filter(|_| answer.is_truncated);
                    details.join(AuthorizationDetails {
                        user_detail_list: Some(
                            answer.user_detail_list.unwrap_or_default().into_iter().map(user).collect(),
                        ),
                        group_detail_list: Some(
                            answer.group_detail_list.unwrap_or_default().into_iter().map(group).collect(),
                        ),
                        role_detail_list: Some(
                            answer.role_detail_list.unwrap_or_default().into_iter().map(role).collect(),
                        ),
                        policies: Some(
                            answer.policies.unwrap_or_default().into_iter().map(managed).collect(),
                        ),
                        is_truncated: false,
                    });
                    if marker.is_none() {
                        return Fact::Known(Account::of(details));
                    }
                }
                Err(error) => {
                    let why = aws_error(&error).to_string();
                    return Fact::Unread(Unread::new("the account's identities", READ, why));
                }
            }
        }
    }
}

fn text(document: Option<String>) -> PolicyText {
    document
        .map_or_else(|| PolicyText(Err("IAM tells no document".to_owned())), |text| PolicyText::parse(&text))
}

fn inline(list: Option<Vec<iam::PolicyDetail>>) -> Vec<InlinePolicy> {
    let one = |policy: iam::PolicyDetail| InlinePolicy {
        policy_name: policy.policy_name.unwrap_or_default(),
        policy_document: text(policy.policy_document),
    };
    list.unwrap_or_default().into_iter().map(one).collect()
}

fn attached(list: Option<Vec<iam::AttachedPolicy>>) -> Vec<AttachedPolicy> {
    let one = |policy: iam::AttachedPolicy| AttachedPolicy {
        policy_name: policy.policy_name.unwrap_or_default(),
        policy_arn: policy.policy_arn.unwrap_or_default(),
    };
    list.unwrap_or_default().into_iter().map(one).collect()
}

fn boundary(boundary: Option<iam::AttachedPermissionsBoundary>) -> Option<Boundary> {
    let arn = boundary?.permissions_boundary_arn.unwrap_or_default();
    Some(Boundary { permissions_boundary_arn: arn })
}

fn tags(list: Option<Vec<iam::Tag>>) -> Vec<Tag> {
    list.unwrap_or_default().into_iter().map(|tag| Tag { key: tag.key, value: tag.value }).collect()
}

fn user(user: iam::UserDetail) -> UserDetail {
    UserDetail {
        user_name: user.user_name.unwrap_or_default(),
        arn: user.arn.unwrap_or_default(),
        user_policy_list: inline(user.user_policy_list),
        group_list: user.group_list.unwrap_or_default(),
        attached_managed_policies: attached(user.attached_managed_policies),
        permissions_boundary: boundary(user.permissions_boundary),
        tags: tags(user.tags),
    }
}

fn group(group: iam::GroupDetail) -> GroupDetail {
    GroupDetail {
        group_name: group.group_name.unwrap_or_default(),
        arn: group.arn.unwrap_or_default(),
        group_policy_list: inline(group.group_policy_list),
        attached_managed_policies: attached(group.attached_managed_policies),
    }
}

fn role(role: iam::RoleDetail) -> RoleDetail {
    let profiles = role.instance_profile_list.unwrap_or_default();
    let last_used = role.role_last_used.and_then(|used| used.last_used_date);
    RoleDetail {
        role_name: role.role_name.unwrap_or_default(),
        arn: role.arn.unwrap_or_default(),
        assume_role_policy_document: role
            .assume_role_policy_document
            .map(|document| PolicyText::parse(&document)),
        instance_profile_list: profiles
            .into_iter()
            .map(|profile| InstanceProfile { instance_profile_name: profile.instance_profile_name })
            .collect(),
        role_policy_list: inline(role.role_policy_list),
        attached_managed_policies: attached(role.attached_managed_policies),
        permissions_boundary: boundary(role.permissions_boundary),
        tags: tags(role.tags),
        role_last_used: last_used.map(|at| LastUsed { last_used_date: Some(at.to_string()) }),
    }
}

fn managed(policy: iam::ManagedPolicyDetail) -> ManagedPolicyDetail {
    let versions = policy.policy_version_list.unwrap_or_default();
    ManagedPolicyDetail {
        policy_name: policy.policy_name.unwrap_or_default(),
        arn: policy.arn.unwrap_or_default(),
        policy_version_list: versions
            .into_iter()
            .map(|version| PolicyVersion {
                version_id: version.version_id.unwrap_or_default(),
                is_default_version: version.is_default_version,
                document: version.document.map(|document| PolicyText::parse(&document)),
            })
            .collect(),
    }
}
