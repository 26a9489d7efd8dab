//! Aliases: other names of keys (<https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html>).

use serde_json::{Value, json};

use super::records::{Key, State};
use super::{Outcome, Request, invalid_state, keys};
use crate::sandbox::http::Refusal;
use crate::sandbox::json::validation;

/// Entries of a page (<https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html>).
const PAGE: u64 = 50;
const LARGEST_PAGE: u64 = 100;

fn arn(request: &Request<'_>, name: &str) -> String {
    let account = &request.kms.account;
    format!("arn:{}:kms:{}:{}:{name}", account.partition, request.place.region, account.id)
}

/// The permission is asked for on the key, which was done, and on the alias
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html>).
pub fn create(request: &Request<'_>, mut key: Key) -> Outcome {
    keys::own(request, &key)?;
    let name = request.parameters.required("AliasName")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    let rest = name.strip_prefix("alias/").filter(|rest| !rest.is_empty() && rest.chars().all(plain));
    let Some(rest) = rest.filter(|_| name.len() <= 256) else {
        return Err(validation(
            "Alias must start with the prefix \"alias/\". Please see \
                               http://docs.aws.amazon.com/kms/latest/developerguide/programming-aliases.html",
        ));
    };
    let arn = arn(request, name);
    let context = request.guard.context().with("kms:CallerAccount", request.kms.account.id.clone());
    request.guard.check("kms:CreateAlias", &arn, &context, None)?;
    if rest.starts_with("aws/") {
        let message = "Alias names that begin with alias/aws/ are reserved for AWS.";
        return Err(Refusal::new(400, "NotAuthorizedException", message));
    }
    if matches!(key.state, State::PendingDeletion(_)) {
        return Err(invalid_state(format!("{} is pending deletion.", key.arn(&request.kms.account))));
    }
    let others = request.kms.directory.of_region(request.place.region)?;
    if others.iter().any(|other| other.aliases.contains(name) && !other.is_gone(request.now)) {
        let message = format!("An alias with the name {arn} already exists");
        return Err(Refusal::new(400, "AlreadyExistsException", message));
    }
    key.aliases.insert(name.to_owned());
    request.kms.directory.put(key)?;
    Ok(None)
}

/// All of the region, or those of one key.
pub fn list(request: &Request<'_>) -> Outcome {
    let limit = match request.parameters.number("Limit")?.unwrap_or(PAGE) {
        limit @ 1..=LARGEST_PAGE => usize::try_from(limit).unwrap_or_default(),
        _ => return Err(validation("Limit must be between 1 and 100")),
    };
    let key = match request.parameters.text("KeyId")? {
        Some(named) => {
            let found = request.kms.look_up(&request.place, named, false, request.now)?;
            Some(found.map_err(|missing| missing.refusal)?.id)
        }
        None => None,
    };
    let after = request.parameters.text("Marker")?;
    let keys = request.kms.directory.of_region(request.place.region)?;
    let mut aliases: Vec<(String, String)> = keys
        .iter()
        .filter(|of| !of.is_gone(request.now) && key.as_ref().is_none_or(|id| *id == of.id))
        .flat_map(|of| of.aliases.iter().map(|name| (name.clone(), of.id.clone())))
        .filter(|(name, _)| after.is_none_or(|after| name.as_str() > after))
        .collect();
    aliases.sort();
    let more = aliases.len() > limit;
    aliases.truncate(limit);
    let entries: Vec<Value> = aliases
        .iter()
        .map(|(name, id)| json!({"AliasName": name, "AliasArn": arn(request, name), "TargetKeyId": id}))
        .collect();
    let mut answer = json!({"Aliases": entries, "Truncated": more});
    if let (true, Some((last, _))) = (more, aliases.last()) {
        answer["NextMarker"] = json!(last);
    }
    Ok(Some(answer))
}
