//! The table of operations: which parameters each knows, what it does, and on what its permission is asked for. The
//! permission is `iam:` and the operation's name, with the resource of its subject
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>).

use super::{
    Kind, Outcome, Request, access_keys, account, attached, groups, inline, managed, profiles, roles, users,
};
use crate::sandbox::http::Refusal;
use crate::sandbox::query::Form;

/// What a permission is asked for on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Everything: `*`.
    Account,
    /// The thing whose name the request gives; a user who gives none means itself.
    One(Kind),
    /// The things of a kind below `PathPrefix`.
    Listed(Kind),
    /// The managed policy whose ARN the request gives.
    Policy,
    /// The user whose access key the request names.
    KeysUser,
}

/// One operation of IAM's API.
pub struct Operation {
    /// As the API reference calls it.
    pub name: &'static str,
    pub subject: Subject,
    /// Whether it changes anything.
    pub changes: bool,
    parameters: &'static [&'static str],
    pub(super) run: fn(&Request<'_>) -> Outcome,
}

const fn read(
    name: &'static str,
    subject: Subject,
    parameters: &'static [&'static str],
    run: fn(&Request<'_>) -> Outcome,
) -> Operation {
    Operation { name, subject, changes: false, parameters, run }
}

const fn change(
    name: &'static str,
    subject: Subject,
    parameters: &'static [&'static str],
    run: fn(&Request<'_>) -> Outcome,
) -> Operation {
    Operation { changes: true, ..read(name, subject, parameters, run) }
}

const USER: Subject = Subject::One(Kind::User);
const GROUP: Subject = Subject::One(Kind::Group);
const ROLE: Subject = Subject::One(Kind::Role);
const PROFILE: Subject = Subject::One(Kind::InstanceProfile);

#[rustfmt::skip] // a table
static OPERATIONS: &[Operation] = &[
    change("CreateUser", USER, &["UserName", "Path", "PermissionsBoundary", "Tags"], users::create),
    read("GetUser", USER, &["UserName"], users::get),
    read("ListUsers", Subject::Listed(Kind::User), &["PathPrefix", "Marker", "MaxItems"], users::list),
    change("UpdateUser", USER, &["UserName", "NewUserName", "NewPath"], users::update),
    change("DeleteUser", USER, &["UserName"], users::delete),
    change("TagUser", USER, &["UserName", "Tags"], users::tag),
    change("UntagUser", USER, &["UserName", "TagKeys"], users::untag),
    read("ListUserTags", USER, &["UserName", "Marker", "MaxItems"], users::list_tags),
    change("CreateLoginProfile", USER, &["UserName", "Password", "PasswordResetRequired"], users::create_login),
    read("GetLoginProfile", USER, &["UserName"], users::get_login),
    change("UpdateLoginProfile", USER, &["UserName", "Password", "PasswordResetRequired"], users::update_login),
    change("DeleteLoginProfile", USER, &["UserName"], users::delete_login),

    change("CreateAccessKey", USER, &["UserName"], access_keys::create),
    read("ListAccessKeys", USER, &["UserName", "Marker", "MaxItems"], access_keys::list),
    change("UpdateAccessKey", USER, &["UserName", "AccessKeyId", "Status"], access_keys::update),
    change("DeleteAccessKey", USER, &["UserName", "AccessKeyId"], access_keys::delete),
    read("GetAccessKeyLastUsed", Subject::KeysUser, &["AccessKeyId"], access_keys::last_used),

    change("CreateGroup", GROUP, &["GroupName", "Path"], groups::create),
    read("GetGroup", GROUP, &["GroupName", "Marker", "MaxItems"], groups::get),
    read("ListGroups", Subject::Listed(Kind::Group), &["PathPrefix", "Marker", "MaxItems"], groups::list),
    read("ListGroupsForUser", USER, &["UserName", "Marker", "MaxItems"], groups::list_of_user),
    change("DeleteGroup", GROUP, &["GroupName"], groups::delete),
    change("AddUserToGroup", GROUP, &["GroupName", "UserName"], groups::add_user),
    change("RemoveUserFromGroup", GROUP, &["GroupName", "UserName"], groups::remove_user),

    change("CreateRole", ROLE, &["RoleName", "Path", "AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "PermissionsBoundary", "Tags"], roles::create),
    read("GetRole", ROLE, &["RoleName"], roles::get),
    read("ListRoles", Subject::Listed(Kind::Role), &["PathPrefix", "Marker", "MaxItems"], roles::list),
    change("UpdateRole", ROLE, &["RoleName", "Description", "MaxSessionDuration"], roles::update),
    change("UpdateAssumeRolePolicy", ROLE, &["RoleName", "PolicyDocument"], roles::update_trust),
    change("DeleteRole", ROLE, &["RoleName"], roles::delete),
    change("TagRole", ROLE, &["RoleName", "Tags"], roles::tag),
    change("UntagRole", ROLE, &["RoleName", "TagKeys"], roles::untag),
    read("ListRoleTags", ROLE, &["RoleName", "Marker", "MaxItems"], roles::list_tags),

    change("PutUserPolicy", USER, &["UserName", "PolicyName", "PolicyDocument"], |request| inline::put(request, Kind::User)),
    read("GetUserPolicy", USER, &["UserName", "PolicyName"], |request| inline::get(request, Kind::User)),
    read("ListUserPolicies", USER, &["UserName", "Marker", "MaxItems"], |request| inline::list(request, Kind::User)),
    change("DeleteUserPolicy", USER, &["UserName", "PolicyName"], |request| inline::delete(request, Kind::User)),
    change("PutGroupPolicy", GROUP, &["GroupName", "PolicyName", "PolicyDocument"], |request| inline::put(request, Kind::Group)),
    read("GetGroupPolicy", GROUP, &["GroupName", "PolicyName"], |request| inline::get(request, Kind::Group)),
    read("ListGroupPolicies", GROUP, &["GroupName", "Marker", "MaxItems"], |request| inline::list(request, Kind::Group)),
    change("DeleteGroupPolicy", GROUP, &["GroupName", "PolicyName"], |request| inline::delete(request, Kind::Group)),
    change("PutRolePolicy", ROLE, &["RoleName", "PolicyName", "PolicyDocument"], |request| inline::put(request, Kind::Role)),
    read("GetRolePolicy", ROLE, &["RoleName", "PolicyName"], |request| inline::get(request, Kind::Role)),
    read("ListRolePolicies", ROLE, &["RoleName", "Marker", "MaxItems"], |request| inline::list(request, Kind::Role)),
    change("DeleteRolePolicy", ROLE, &["RoleName", "PolicyName"], |request| inline::delete(request, Kind::Role)),

    change("AttachUserPolicy", USER, &["UserName", "PolicyArn"], |request| attached::attach(request, Kind::User)),
    change("DetachUserPolicy", USER, &["UserName", "PolicyArn"], |request| attached::detach(request, Kind::User)),
    read("ListAttachedUserPolicies", USER, &["UserName", "PathPrefix", "Marker", "MaxItems"], |request| attached::list(request, Kind::User)),
    change("AttachGroupPolicy", GROUP, &["GroupName", "PolicyArn"], |request| attached::attach(request, Kind::Group)),
    change("DetachGroupPolicy", GROUP, &["GroupName", "PolicyArn"], |request| attached::detach(request, Kind::Group)),
    read("ListAttachedGroupPolicies", GROUP, &["GroupName", "PathPrefix", "Marker", "MaxItems"], |request| attached::list(request, Kind::Group)),
    change("AttachRolePolicy", ROLE, &["RoleName", "PolicyArn"], |request| attached::attach(request, Kind::Role)),
    change("DetachRolePolicy", ROLE, &["RoleName", "PolicyArn"], |request| attached::detach(request, Kind::Role)),
    read("ListAttachedRolePolicies", ROLE, &["RoleName", "PathPrefix", "Marker", "MaxItems"], |request| attached::list(request, Kind::Role)),
    change("PutUserPermissionsBoundary", USER, &["UserName", "PermissionsBoundary"], |request| attached::put_boundary(request, Kind::User)),
    change("DeleteUserPermissionsBoundary", USER, &["UserName"], |request| attached::delete_boundary(request, Kind::User)),
    change("PutRolePermissionsBoundary", ROLE, &["RoleName", "PermissionsBoundary"], |request| attached::put_boundary(request, Kind::Role)),
    change("DeleteRolePermissionsBoundary", ROLE, &["RoleName"], |request| attached::delete_boundary(request, Kind::Role)),

    change("CreatePolicy", Subject::One(Kind::Policy), &["PolicyName", "Path", "PolicyDocument", "Description", "Tags"], managed::create),
    read("GetPolicy", Subject::Policy, &["PolicyArn"], managed::get),
    read("ListPolicies", Subject::Listed(Kind::Policy), &["Scope", "OnlyAttached", "PathPrefix", "Marker", "MaxItems"], managed::list),
    change("DeletePolicy", Subject::Policy, &["PolicyArn"], managed::delete),
    change("CreatePolicyVersion", Subject::Policy, &["PolicyArn", "PolicyDocument", "SetAsDefault"], managed::create_version),
    read("GetPolicyVersion", Subject::Policy, &["PolicyArn", "VersionId"], managed::get_version),
    read("ListPolicyVersions", Subject::Policy, &["PolicyArn", "Marker", "MaxItems"], managed::list_versions),
    change("DeletePolicyVersion", Subject::Policy, &["PolicyArn", "VersionId"], managed::delete_version),
    change("SetDefaultPolicyVersion", Subject::Policy, &["PolicyArn", "VersionId"], managed::set_default),
    read("ListEntitiesForPolicy", Subject::Policy, &["PolicyArn", "EntityFilter", "PolicyUsageFilter", "Marker", "MaxItems"], managed::list_entities),
    change("TagPolicy", Subject::Policy, &["PolicyArn", "Tags"], managed::tag),
    change("UntagPolicy", Subject::Policy, &["PolicyArn", "TagKeys"], managed::untag),
    read("ListPolicyTags", Subject::Policy, &["PolicyArn", "Marker", "MaxItems"], managed::list_tags),

    change("CreateInstanceProfile", PROFILE, &["InstanceProfileName", "Path", "Tags"], profiles::create),
    read("GetInstanceProfile", PROFILE, &["InstanceProfileName"], profiles::get),
    read("ListInstanceProfiles", Subject::Listed(Kind::InstanceProfile), &["PathPrefix", "Marker", "MaxItems"], profiles::list),
    read("ListInstanceProfilesForRole", ROLE, &["RoleName", "Marker", "MaxItems"], profiles::list_of_role),
    change("DeleteInstanceProfile", PROFILE, &["InstanceProfileName"], profiles::delete),
    change("AddRoleToInstanceProfile", PROFILE, &["InstanceProfileName", "RoleName"], profiles::add_role),
    change("RemoveRoleFromInstanceProfile", PROFILE, &["InstanceProfileName", "RoleName"], profiles::remove_role),
    change("TagInstanceProfile", PROFILE, &["InstanceProfileName", "Tags"], profiles::tag),
    change("UntagInstanceProfile", PROFILE, &["InstanceProfileName", "TagKeys"], profiles::untag),
    read("ListInstanceProfileTags", PROFILE, &["InstanceProfileName", "Marker", "MaxItems"], profiles::list_tags),

    read("GetAccountAuthorizationDetails", Subject::Account, &["Filter", "Marker", "MaxItems"], account::details),
    read("GetAccountSummary", Subject::Account, &[], account::summary),
    read("ListAccountAliases", Subject::Account, &["Marker", "MaxItems"], account::aliases),
];

/// The operation of a form, unless it asks for anything that the sandbox does not know.
pub fn find(form: &Form) -> Result<&'static Operation, Refusal> {
    let action = form.action();
    let operation = OPERATIONS
        .iter()
        .find(|operation| operation.name == action)
        .ok_or_else(|| Refusal::not_implemented(format!("the IAM action {action}")))?;
    form.expect_only(operation.parameters)?;
    Ok(operation)
}
