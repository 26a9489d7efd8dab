//! Whether a caller may do what it asks.

use super::caller::Caller;
use super::http::Refusal;

/// A refusal as AWS words it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>).
pub fn not_authorised(caller: &Caller, action: &str, resource: &str, why: Option<&str>) -> Refusal {
    let mut message =
        format!("User: {} is not authorized to perform: {action} on resource: {resource}", caller.arn);
    if let Some(why) = why {
        message.push_str(" because ");
        message.push_str(why);
    }
    Refusal::new(403, "AccessDenied", message)
}
