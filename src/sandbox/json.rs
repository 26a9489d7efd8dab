//! Amazon's JSON protocol, version 1.1, which KMS speaks: the operation's name stands in a header, its parameters and its
//! answer are objects (<https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>).

use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value};

use super::http::{Answer, Refusal};
use super::query::lower;

const CONTENT: &str = "application/x-amz-json-1.1";

/// The parameters of a request by name.
#[derive(Clone, Default)]
pub struct Parameters(Map<String, Value>);

/// Values may be a policy; names tell enough.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// 400: a parameter that breaks a rule of its own, whatever else there is.
pub fn validation(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

fn no_such_type(name: &str, wanted: &str) -> Refusal {
    Refusal::new(400, "SerializationException", format!("{name} is no {wanted}"))
}

impl Parameters {
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        match body {
            [] => Ok(Parameters::default()),
            body => serde_json::from_slice(body)
                .map(Parameters)
                .map_err(|_| Refusal::new(400, "SerializationException", "The request is no JSON object")),
        }
    }

    /// Refuses a parameter that is not in the list: nothing that was never tried may seem to work.
    pub fn expect_only(&self, operation: &str, known: &[&str]) -> Result<(), Refusal> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Refusal::not_implemented(format!("the parameter {name} of {operation}"))),
            None => Ok(()),
        }
    }

    /// Null is as good as absent.
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        self.given(name).map(|value| value.as_str().ok_or_else(|| no_such_type(name, "string"))).transpose()
    }

    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)?.filter(|value| !value.is_empty()).ok_or_else(|| {
            validation(format!(
                "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must not be null",
                lower(name)
            ))
        })
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.given(name).map(|value| value.as_u64().ok_or_else(|| no_such_type(name, "number"))).transpose()
    }

    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        let flag = self.given(name).map(|value| value.as_bool().ok_or_else(|| no_such_type(name, "boolean")));
        Ok(flag.transpose()?.unwrap_or(false))
    }
}

/// The answer of an operation; one that says nothing has no body.
pub fn answer(result: Option<&Value>) -> Answer {
    let body = result.map_or_else(SdkBody::empty, |result| SdkBody::from(result.to_string()));
    Answer { body, ..Answer::empty(200) }.with("content-type", CONTENT)
}

/// A refusal in the protocol's form. Its names of what every service may answer are not S3's
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>).
pub fn refused(refusal: Refusal) -> Answer {
    let (status, code) = match refusal.code {
        "AccessDenied" => (400, "AccessDeniedException"),
        "SlowDown" => (400, "ThrottlingException"),
        "InternalError" => (500, "KMSInternalException"),
        code => (refusal.status, code),
    };
    let body = serde_json::json!({"__type": code, "message": refusal.message});
    Answer { body: SdkBody::from(body.to_string()), ..Answer::empty(status) }.with("content-type", CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_held_to_their_types() {
        let body = Parameters::read(br#"{"KeyId":"a","PendingWindowInDays":7,"Description":null}"#);
        let body = body.expect("an object");
        assert_eq!((body.required("KeyId"), body.text("Description")), (Ok("a"), Ok(None)));
        assert_eq!((body.number("PendingWindowInDays"), body.flag("Absent")), (Ok(Some(7)), Ok(false)));
        let code = |refused: Result<(), Refusal>| refused.map_err(|refusal| refusal.code);
        assert_eq!(code(body.number("KeyId").map(drop)), Err("SerializationException"));
        assert_eq!(code(body.flag("KeyId").map(drop)), Err("SerializationException"));
        assert_eq!(code(body.text("PendingWindowInDays").map(drop)), Err("SerializationException"));
        assert_eq!(code(body.required("Description").map(drop)), Err("ValidationException"));
        assert_eq!(code(body.expect_only("X", &["KeyId"])), Err("NotImplemented"));
        assert!(Parameters::read(b"[1]").is_err() && Parameters::read(b"").is_ok());
        assert!(!format!("{body:?}").contains('7'));
    }
}
