//! The known ways in which somebody in IAM gets the power of somebody else, or more power of their own.
//!
//! `change` is what can be done to an identity's policies, `reach` how an identity's power is got, `services` the
//! table of services that work as a role, `search` puts them together from those who can destroy backwards.
//! Pure. Must never take a way for closed that it did not ask about.

mod change;
mod reach;
mod search;
mod services;

pub use search::{Found, Search};

/// Actions of IAM and STS that the ways ask about.
const IAM: &[&str] = &[
    "sts:AssumeRole",
    "iam:PassRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:UpdateLoginProfile",
    "iam:PutUserPolicy",
    "iam:AttachUserPolicy",
    "iam:PutRolePolicy",
    "iam:AttachRolePolicy",
    "iam:PutGroupPolicy",
    "iam:AttachGroupPolicy",
    "iam:AddUserToGroup",
    "iam:RemoveUserFromGroup",
    "iam:CreatePolicyVersion",
    "iam:SetDefaultPolicyVersion",
    "iam:DeleteUserPolicy",
    "iam:DetachUserPolicy",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:DeleteGroupPolicy",
    "iam:DetachGroupPolicy",
    "iam:DeleteUserPermissionsBoundary",
    "iam:PutUserPermissionsBoundary",
    "iam:DeleteRolePermissionsBoundary",
    "iam:PutRolePermissionsBoundary",
    "iam:CreateUser",
    "iam:CreateRole",
    "iam:AddRoleToInstanceProfile",
];

/// Every action that any way asks about.
pub static ACTIONS: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| {
    let of_services = services::SERVICES
        .iter()
        .flat_map(|service| service.starts.iter().chain(service.takes_over))
        .flat_map(|together| together.iter().copied());
    IAM.iter().copied().chain(of_services).collect()
});
