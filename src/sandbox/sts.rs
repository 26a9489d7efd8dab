//! STS: who is calling.

use super::http::{Answer, Refusal};
use super::xml::Xml;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Which action a form asks for; the sandbox knows one.
pub fn action(form: &[u8]) -> Result<&'static str, Refusal> {
    let form = std::str::from_utf8(form).unwrap_or_default();
    match form.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
        Some("GetCallerIdentity") => Ok("GetCallerIdentity"),
        other => Err(Refusal::not_implemented(format!("the STS action {}", other.unwrap_or("(none)")))),
    }
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
pub fn caller_identity(account: &str, arn: &str) -> Answer {
    Answer::xml(Xml::namespaced("GetCallerIdentityResponse", NAMESPACE, |response| {
        response.element("GetCallerIdentityResult", |result| {
            result.text("Arn", arn).text("UserId", "AIDASANDBOXSANDBOX00").text("Account", account);
        });
    }))
}

/// A refusal in the form of Amazon's query protocol.
pub fn refused(refusal: Refusal) -> Answer {
    let kind = if refusal.status < 500 { "Sender" } else { "Receiver" };
    let document = Xml::namespaced("ErrorResponse", NAMESPACE, |response| {
        response.element("Error", |error| {
            error.text("Type", kind).text("Code", refusal.code).text("Message", &refusal.message);
        });
    });
    let mut answer = Answer::xml(document);
    answer.status = refusal.status;
    answer
}
