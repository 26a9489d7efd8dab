//! What KMS does otherwise than the services whose resources have policies too.
//!
//! Place on the data's path: asked by the order of evaluation, of requests on keys alone.

use super::decide::begins;
use super::decision::{Request, Resource};
use super::document::Statement;
use super::principal::Principal;

/// What KMS lets nobody do to a key of another account, so that a key's policy which allows it there has no effect
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html>; the column
/// "cross-account use" of <https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>).
const WITHIN_THE_ACCOUNT: [&str; 24] = [
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DeleteImportedKeyMaterial",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetParametersForImport",
    "kms:ImportKeyMaterial",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ReplicateKey",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:SynchronizeMultiRegionKey",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
    "kms:UpdatePrimaryRegion",
];

/// Whether it is asked of a key, which has a policy of its own.
pub(super) fn is_of_key(request: &Request<'_>) -> bool {
    let (Resource::Exact(arn) | Resource::Under(arn)) = request.resource;
    begins(request.action, "kms:") && arn.contains(":key/")
}

/// Whether KMS refuses it whatever the key's policy says: to those who sign nothing everything, and to other accounts what
/// is not for them. A service asks for itself.
pub(super) fn is_out_of_reach(request: &Request<'_>) -> bool {
    if !is_of_key(request) {
        return false;
    }
    match request.principal {
        Principal::Service(_) => false,
        Principal::Anonymous | Principal::Federated(_) => true,
        principal => {
            let is_other =
                request.resource_account.is_some() && request.resource_account != principal.account();
            is_other && WITHIN_THE_ACCOUNT.iter().any(|action| request.action.eq_ignore_ascii_case(action))
        }
    }
}

/// Whether a statement of a key's policy names no resource: then KMS passes it over
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html>, Policy). One that stands for what could
/// not be read is no such statement.
pub(super) fn is_without_effect(statement: &Statement, request: &Request<'_>) -> bool {
    is_of_key(request) && statement.resources.is_none() && statement.unmodelled.is_empty()
}
