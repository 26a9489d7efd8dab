//! Keys: made, described, switched off and on, deleted after a time
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>).

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::records::{Key, Origin, State, fresh};
use super::{Outcome, Request, invalid_state, policies};
use crate::sandbox::http::Refusal;
use crate::sandbox::json::{Parameters, validation};

/// Days until a key is gone (<https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>).
const LONGEST_WINDOW: u64 = 30;
const SHORTEST_WINDOW: u64 = 7;

/// An instant as the protocol writes it: seconds since 1970.
fn instant(at: DateTime<Utc>) -> Value {
    json!(at.timestamp())
}

/// The days of a ScheduleKeyDeletion.
pub fn window(parameters: &Parameters) -> Result<u64, Refusal> {
    let days = parameters.number("PendingWindowInDays")?.unwrap_or(LONGEST_WINDOW);
    if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&days) {
        return Err(validation(format!(
            "PendingWindowInDays must be between {SHORTEST_WINDOW} and {LONGEST_WINDOW} (inclusive)."
        )));
    }
    Ok(days)
}

fn only(parameters: &Parameters, name: &str, known: &[&str]) -> Result<(), Refusal> {
    match parameters.text(name)?.filter(|value| !known.contains(value)) {
        Some(value) => Err(Refusal::not_implemented(format!("the {name} {value} of a key"))),
        None => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>, keys that encrypt and no others.
pub fn create(request: &Request<'_>) -> Outcome {
    let parameters = request.parameters;
    only(parameters, "KeyUsage", &["ENCRYPT_DECRYPT"])?;
    only(parameters, "KeySpec", &["SYMMETRIC_DEFAULT"])?;
    only(parameters, "CustomerMasterKeySpec", &["SYMMETRIC_DEFAULT"])?;
    only(parameters, "Origin", &["AWS_KMS", "EXTERNAL"])?;
    let (origin, state) = match parameters.text("Origin")? {
        Some("EXTERNAL") => (Origin::External, State::PendingImport),
        _ => (Origin::Kms, State::Enabled),
    };
    let multi_region = parameters.flag("MultiRegion")?;
    let mut key = Key {
        id: fresh(multi_region),
        region: request.place.region.to_owned(),
        created: request.now,
        description: parameters.text("Description")?.unwrap_or_default().to_owned(),
        state,
        origin,
        multi_region,
        policy: policies::fresh(&request.kms.account),
        aliases: BTreeSet::new(),
        by_aws: false,
    };
    if let Some(policy) = parameters.text("Policy")? {
        policies::check(request, &key, policy)?;
        key.policy = policy.to_owned();
    }
    let answer = json!({"KeyMetadata": metadata(request, &key)});
    request.kms.directory.put(key)?;
    Ok(Some(answer))
}

/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html>
pub fn describe(request: &Request<'_>, key: Key) -> Outcome {
    Ok(Some(json!({"KeyMetadata": metadata(request, &key)})))
}

fn metadata(request: &Request<'_>, key: &Key) -> Value {
    let mut metadata = json!({
        "AWSAccountId": request.kms.account.id,
        "KeyId": key.id,
        "Arn": key.arn(&request.kms.account),
        "CreationDate": instant(key.created),
        "Enabled": key.state == State::Enabled,
        "Description": key.description,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": key.state.name(),
        "Origin": key.origin.name(),
        "KeyManager": if key.by_aws { "AWS" } else { "CUSTOMER" },
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": key.multi_region,
    });
    if let State::PendingDeletion(at) = key.state {
        metadata["DeletionDate"] = instant(at);
    }
    metadata
}

/// Refuses what nobody may do to a key that AWS manages
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk>).
pub fn own(request: &Request<'_>, key: &Key) -> Result<(), Refusal> {
    match key.by_aws {
        true => Err(Refusal::new(
            400,
            "AccessDeniedException",
            format!("{} is managed by AWS, and nobody else may do this to it", key.arn(&request.kms.account)),
        )),
        false => Ok(()),
    }
}

fn pending_deletion(request: &Request<'_>, key: &Key) -> Refusal {
    invalid_state(format!("{} is pending deletion.", key.arn(&request.kms.account)))
}

pub fn enable(request: &Request<'_>, key: Key) -> Outcome {
    switch(request, key, State::Enabled)
}

pub fn disable(request: &Request<'_>, key: Key) -> Outcome {
    switch(request, key, State::Disabled)
}

fn switch(request: &Request<'_>, mut key: Key, state: State) -> Outcome {
    own(request, &key)?;
    match key.state {
        State::PendingDeletion(_) => return Err(pending_deletion(request, &key)),
        State::PendingImport => {
            return Err(invalid_state(format!("{} is pending import.", key.arn(&request.kms.account))));
        }
        State::Enabled | State::Disabled => key.state = state,
    }
    request.kms.directory.put(key)?;
    Ok(None)
}

/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>
pub fn schedule(request: &Request<'_>, mut key: Key) -> Outcome {
    own(request, &key)?;
    let days = window(request.parameters)?;
    if matches!(key.state, State::PendingDeletion(_)) {
        return Err(pending_deletion(request, &key));
    }
    let at = request.now + TimeDelta::days(i64::try_from(days).unwrap_or_default());
    key.state = State::PendingDeletion(at);
    let answer = json!({
        "KeyId": key.arn(&request.kms.account),
        "DeletionDate": instant(at),
        "KeyState": key.state.name(),
        "PendingWindowInDays": days,
    });
    request.kms.directory.put(key)?;
    Ok(Some(answer))
}

/// The key comes back switched off
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html>).
pub fn cancel(request: &Request<'_>, mut key: Key) -> Outcome {
    own(request, &key)?;
    if !matches!(key.state, State::PendingDeletion(_)) {
        return Err(invalid_state(format!("{} is not pending deletion.", key.arn(&request.kms.account))));
    }
    // No material ever comes into the sandbox.
    key.state = match key.origin {
        Origin::Kms => State::Disabled,
        Origin::External => State::PendingImport,
    };
    let answer = json!({"KeyId": key.arn(&request.kms.account)});
    request.kms.directory.put(key)?;
    Ok(Some(answer))
}

/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_DeleteImportedKeyMaterial.html>
pub fn delete_material(request: &Request<'_>, mut key: Key) -> Outcome {
    own(request, &key)?;
    if key.origin != Origin::External {
        let message = format!(
            "{} origin is AWS_KMS which is not valid for this operation.",
            key.arn(&request.kms.account)
        );
        return Err(Refusal::new(400, "UnsupportedOperationException", message));
    }
    if !matches!(key.state, State::PendingDeletion(_)) {
        key.state = State::PendingImport;
    }
    let answer = json!({"KeyId": key.arn(&request.kms.account)});
    request.kms.directory.put(key)?;
    Ok(Some(answer))
}
