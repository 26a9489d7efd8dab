//! The policies of keys: read, replaced, and what KMS looks at when one is written
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html>).

use serde_json::json;

use super::records::Key;
use super::{Outcome, Request, keys, not_found};
use crate::policy::Document;
use crate::sandbox::http::Refusal;
use crate::sandbox::iam::{Account, check_principals};

/// The parameter that lets a policy through after which its writer could not replace it.
pub const BYPASS: &str = "BypassPolicyLockoutSafetyCheck";

/// The one policy that a key has.
const NAME: &str = "default";

/// In bytes (<https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>).
const LARGEST: usize = 32 * 1024;

/// What a key begins with: the account's own policies decide
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>).
pub fn fresh(account: &Account) -> String {
    let statement = json!({"Sid": "Enable IAM User Permissions", "Effect": "Allow",
        "Principal": {"AWS": account.root()}, "Action": "kms:*", "Resource": "*"});
    json!({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}).to_string()
}

/// That of the key which AWS keeps for S3: whoever S3 lets write may use it through S3, and the account may look at it.
pub fn of_s3(account: &Account, region: &str) -> String {
    let through = json!({"StringEquals": {
        "kms:CallerAccount": account.id, "kms:ViaService": format!("s3.{region}.amazonaws.com")}});
    let uses = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"];
    let looks = ["kms:Describe*", "kms:Get*", "kms:List*"];
    json!({"Version": "2012-10-17", "Id": "auto-s3-2", "Statement": [
        {"Sid": "Allow access through S3", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": uses,
         "Resource": "*", "Condition": through},
        {"Sid": "Allow direct access to key metadata to the account", "Effect": "Allow",
         "Principal": {"AWS": account.root()}, "Action": looks, "Resource": "*"},
    ]})
    .to_string()
}

fn named(request: &Request<'_>) -> Result<(), Refusal> {
    match request.parameters.text("PolicyName")? {
        None | Some(NAME) => Ok(()),
        Some(_) => Err(not_found("No such policy exists")),
    }
}

/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html>
pub fn get(request: &Request<'_>, key: Key) -> Outcome {
    named(request)?;
    Ok(Some(json!({"Policy": key.policy, "PolicyName": NAME})))
}

/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html>
pub fn put(request: &Request<'_>, mut key: Key) -> Outcome {
    keys::own(request, &key)?;
    named(request)?;
    let policy = request.parameters.required("Policy")?;
    check(request, &key, policy)?;
    key.policy = policy.to_owned();
    request.kms.directory.put(key)?;
    Ok(None)
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicyDocumentException", message)
}

/// Holds a document to what a key's policy must be. KMS takes a statement without Resource, which then has no effect;
/// here it is refused.
pub fn check(request: &Request<'_>, key: &Key, text: &str) -> Result<(), Refusal> {
    if text.len() > LARGEST {
        return Err(Refusal::new(
            400,
            "LimitExceededException",
            "The key policy is larger than 32768 bytes.",
        ));
    }
    let document = Document::parse(text).map_err(|error| malformed(error.to_string()))?;
    if document.statements.is_empty() {
        return Err(malformed("Missing required field Statement"));
    }
    for statement in &document.statements {
        if let Some(element) = statement.unmodelled.keys().next() {
            return Err(malformed(format!("Syntax errors in policy. (unknown element {element})")));
        }
        if let Some(operator) = statement.unmodelled_operator() {
            return Err(malformed(format!("Invalid Condition type : {operator}.")));
        }
        let Some(principals) = &statement.principals else {
            return Err(malformed("Policy contains a statement with no principal."));
        };
        if statement.resources.is_none() {
            return Err(malformed("Policy contains a statement with no resource."));
        }
        if check_principals(request.guard.iam(), principals)?.is_err() {
            return Err(malformed("Policy contains a statement with one or more invalid principals."));
        }
    }
    // Asked of the policy as it will be, of who writes it.
    if !request.parameters.flag(BYPASS)? {
        let policy = request.guard.named("the new key policy", text);
        let context = request.guard.context().with("kms:CallerAccount", request.kms.account.id.clone());
        let context = key.describe(context.with("kms:BypassPolicyLockoutSafetyCheck", "false"));
        let arn = key.arn(&request.kms.account);
        if !request.guard.may("kms:PutKeyPolicy", &arn, &context, Some(&policy))? {
            return Err(malformed(
                "The new key policy will not allow you to update the key policy in the future.",
            ));
        }
    }
    Ok(())
}
