//! The table of operations: which parameters each knows, what it does, and on what its permission is asked for. The
//! permission is `kms:` and the operation's name
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>).

use super::records::Key;
use super::{Outcome, Request, aliases, keys, policies};
use crate::sandbox::http::Refusal;
use crate::sandbox::json::Parameters;

/// How a request names its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// `KeyId`: an ID or an ARN of a key.
    Key,
    /// The same, or an alias.
    KeyOrAlias,
    /// `TargetKeyId`: the key that an alias will stand for.
    Target,
}

impl Subject {
    pub fn parameter(self) -> &'static str {
        match self {
            Subject::Key | Subject::KeyOrAlias => "KeyId",
            Subject::Target => "TargetKeyId",
        }
    }
}

/// What an operation does.
#[derive(Clone, Copy)]
pub(super) enum Run {
    OnAccount(fn(&Request<'_>) -> Outcome),
    OnKey(Subject, fn(&Request<'_>, Key) -> Outcome),
}

/// One operation of KMS' API.
pub struct Operation {
    /// As the API reference calls it.
    pub name: &'static str,
    /// Whether it changes anything.
    pub changes: bool,
    parameters: &'static [&'static str],
    pub(super) run: Run,
}

impl Operation {
    pub(super) fn permission(&self) -> String {
        format!("kms:{}", self.name)
    }
}

const fn read(name: &'static str, parameters: &'static [&'static str], run: Run) -> Operation {
    Operation { name, changes: false, parameters, run }
}

const fn change(name: &'static str, parameters: &'static [&'static str], run: Run) -> Operation {
    Operation { changes: true, ..read(name, parameters, run) }
}

#[rustfmt::skip] // a table
static OPERATIONS: &[Operation] = &[
    change("CreateKey", &["Policy", "Description", "KeyUsage", "KeySpec", "CustomerMasterKeySpec", "Origin", "MultiRegion", policies::BYPASS], Run::OnAccount(keys::create)),
    read("DescribeKey", &["KeyId"], Run::OnKey(Subject::KeyOrAlias, keys::describe)),
    change("EnableKey", &["KeyId"], Run::OnKey(Subject::Key, keys::enable)),
    change("DisableKey", &["KeyId"], Run::OnKey(Subject::Key, keys::disable)),
    change("ScheduleKeyDeletion", &["KeyId", "PendingWindowInDays"], Run::OnKey(Subject::Key, keys::schedule)),
    change("CancelKeyDeletion", &["KeyId"], Run::OnKey(Subject::Key, keys::cancel)),
    change("DeleteImportedKeyMaterial", &["KeyId"], Run::OnKey(Subject::Key, keys::delete_material)),
    read("GetKeyPolicy", &["KeyId", "PolicyName"], Run::OnKey(Subject::Key, policies::get)),
    change("PutKeyPolicy", &["KeyId", "PolicyName", "Policy", policies::BYPASS], Run::OnKey(Subject::Key, policies::put)),
    change("CreateAlias", &["AliasName", "TargetKeyId"], Run::OnKey(Subject::Target, aliases::create)),
    read("ListAliases", &["KeyId", "Limit", "Marker"], Run::OnAccount(aliases::list)),
];

/// The operation that a header names, with its parameters, unless it asks for anything that the sandbox does not know.
pub fn find(target: &str, body: &[u8]) -> Result<(&'static Operation, Parameters), Refusal> {
    let name = target.strip_prefix("TrentService.").unwrap_or(target);
    let operation = OPERATIONS
        .iter()
        .find(|operation| operation.name == name)
        .ok_or_else(|| Refusal::not_implemented(format!("the KMS operation {name}")))?;
    let parameters = Parameters::read(body)?;
    parameters.expect_only(operation.name, operation.parameters)?;
    Ok((operation, parameters))
}
