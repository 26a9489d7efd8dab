//! What went wrong with a call to AWS, in one shape for people and for decisions.
//!
//! Place on the data's path: every answer of the SDK that is not a success passes through [`aws_error`]. Must never
//! hold a secret: neither requests nor credentials are looked at, only what the service said.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::vocab::RegionName;

/// What a failed call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsErrorKind {
    /// The thing, or the setting asked for, does not exist.
    NotFound,
    /// The caller may not do this, or may not even know.
    Denied,
    /// The service knows no such operation.
    NotImplemented,
    /// Asked too often, after every retry.
    Throttled,
    /// The bucket lives elsewhere; where, if the service said so.
    WrongRegion(Option<RegionName>),
    /// No credentials were found, or they are no longer valid.
    NoCredentials,
    /// No answer: name, network, TLS or time.
    Unreachable,
    /// Anything else; the code says it.
    Other,
}

/// A failed call to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    pub kind: AwsErrorKind,
    /// The service's code, such as `NoSuchBucket`.
    pub code: Option<String>,
    /// The service's words, or those of what stood in the way.
    pub message: String,
    /// What Amazon's support asks for.
    pub request_id: Option<String>,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
}

impl AwsError {
    /// Whether the service answered with this code.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    pub fn is_not_found(&self) -> bool {
        self.kind == AwsErrorKind::NotFound
    }

    /// What to do about it; `None` where only the code can tell.
    pub fn help(&self) -> Option<String> {
        Some(match &self.kind {
            AwsErrorKind::NotFound => "check the name, and the account that the credentials belong to".to_owned(),
            AwsErrorKind::Denied => {
                "grant the caller this action, or use other credentials; a policy of the bucket or of the \
                 organisation may also deny it"
                    .to_owned()
            }
            AwsErrorKind::NotImplemented => {
                "the store behind this endpoint cannot do this; leave the setting out for it".to_owned()
            }
            AwsErrorKind::Throttled => "try again later, or with a smaller --parallel".to_owned(),
            AwsErrorKind::WrongRegion(Some(region)) => format!("set the bucket's region to {region}"),
            AwsErrorKind::WrongRegion(None) => "set the bucket's region to where it lives".to_owned(),
            AwsErrorKind::NoCredentials => {
                "log in (`aws sso login`), set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .to_owned()
            }
            AwsErrorKind::Unreachable => {
                "check the network, the proxy, the endpoint and the region's spelling".to_owned()
            }
            AwsErrorKind::Other => return None,
        })
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, self.status) {
            (AwsErrorKind::Denied, _) => f.write_str("access denied")?,
            (AwsErrorKind::NotFound, _) => f.write_str("not found")?,
            (AwsErrorKind::NotImplemented, _) => f.write_str("not supported by this store")?,
            (AwsErrorKind::Throttled, _) => f.write_str("throttled")?,
            (AwsErrorKind::WrongRegion(Some(region)), _) => write!(f, "the bucket is in {region}")?,
            (AwsErrorKind::WrongRegion(None), _) => f.write_str("the bucket is in another region")?,
            (AwsErrorKind::NoCredentials, _) => f.write_str("no valid AWS credentials")?,
            (AwsErrorKind::Unreachable, _) => f.write_str("no answer from AWS")?,
            (AwsErrorKind::Other, Some(status)) => write!(f, "refused with status {status}")?,
            (AwsErrorKind::Other, None) => f.write_str("failed")?,
        }
        match &self.code {
            Some(code) if self.message.is_empty() => write!(f, ": {code}")?,
            Some(code) => write!(f, ": {code}: {}", self.message)?,
            None if self.message.is_empty() => {}
            None => write!(f, ": {}", self.message)?,
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl Error for AwsError {}

/// Which call failed, and how.
#[derive(Debug)]
pub struct CallError {
    /// The IAM action that the call needs.
    pub action: &'static str,
    pub error: AwsError,
}

impl CallError {
    /// An answer, or a request, that cannot be used although nobody refused it.
    pub fn unusable(action: &'static str, message: String) -> Self {
        let error =
            AwsError { kind: AwsErrorKind::Other, code: None, message, request_id: None, status: None };
        CallError { action, error }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.error)?;
        match self.error.help() {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Names what a failed call means. Works for every operation of every service.
pub fn aws_error<E>(error: &SdkError<E, HttpResponse>) -> AwsError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match error {
        // A success that the SDK cannot read is a broken store, not a refusal.
        SdkError::ServiceError(context) if !context.raw().status().is_success() => {
            answered(context.err().meta(), context.raw())
        }
        SdkError::ServiceError(context) => AwsError {
            kind: AwsErrorKind::Other,
            code: None,
            message: format!("the answer cannot be understood: {}", innermost(error)),
            request_id: header(context.raw(), "x-amz-request-id"),
            status: None,
        },
        SdkError::ResponseError(context) => AwsError {
            kind: AwsErrorKind::Other,
            code: None,
            message: format!("the answer cannot be understood: {}", innermost(error)),
            request_id: header(context.raw(), "x-amz-request-id"),
            status: Some(context.raw().status().as_u16()),
        },
        SdkError::TimeoutError(_) => unanswered(AwsErrorKind::Unreachable, innermost(error)),
        SdkError::DispatchFailure(failure) if failure.is_timeout() || failure.is_io() => {
            unanswered(AwsErrorKind::Unreachable, innermost(error))
        }
        _ if credentials_failed(error) => unanswered(AwsErrorKind::NoCredentials, innermost(error)),
        _ => unanswered(AwsErrorKind::Other, innermost(error)),
    }
}

/// What the service said. An answer to HEAD has no body, so there only the status speaks.
fn answered(meta: &aws_smithy_types::error::ErrorMetadata, raw: &HttpResponse) -> AwsError {
    let status = raw.status().as_u16();
    let code = meta.code().map(str::to_owned);
    let region = header(raw, "x-amz-bucket-region").and_then(|name| name.parse().ok());
    AwsError {
        kind: kind(code.as_deref(), status, region),
        message: meta.message().unwrap_or_default().to_owned(),
        request_id: header(raw, "x-amz-request-id").or_else(|| header(raw, "x-amzn-requestid")),
        status: Some(status),
        code,
    }
}

/// Codes first: one status stands for many things
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
fn kind(code: Option<&str>, status: u16, region: Option<RegionName>) -> AwsErrorKind {
    match code {
        Some("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed")
        | Some("IllegalLocationConstraintException") => AwsErrorKind::WrongRegion(region),
        Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "ExpiredTokenException")
        | Some(
            "InvalidToken" | "InvalidClientTokenId" | "TokenRefreshRequired" | "UnrecognizedClientException",
        ) => AwsErrorKind::NoCredentials,
        Some("AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "AccountProblem") => {
            AwsErrorKind::Denied
        }
        Some("NotImplemented" | "XNotImplemented" | "UnsupportedOperation") => AwsErrorKind::NotImplemented,
        Some(
            "SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests",
        )
        | Some("ServiceUnavailable") => AwsErrorKind::Throttled,
        Some(code) if code.starts_with("NoSuch") || code.ends_with("NotFound") => AwsErrorKind::NotFound,
        Some(code) if code.ends_with("NotFoundError") || code.ends_with("NotFoundException") => {
            AwsErrorKind::NotFound
        }
        _ => match status {
            301 | 307 => AwsErrorKind::WrongRegion(region),
            400 if region.is_some() => AwsErrorKind::WrongRegion(region),
            401 | 403 => AwsErrorKind::Denied,
            404 => AwsErrorKind::NotFound,
            429 | 503 => AwsErrorKind::Throttled,
            405 | 501 => AwsErrorKind::NotImplemented,
            _ => AwsErrorKind::Other,
        },
    }
}

fn unanswered(kind: AwsErrorKind, message: String) -> AwsError {
    AwsError { kind, code: None, message, request_id: None, status: None }
}

fn header(raw: &HttpResponse, name: &str) -> Option<String> {
    raw.headers().get(name).map(str::to_owned)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The last cause is the one that says something: "connection refused", not "dispatch failure".
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn credentials_failed(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<CredentialsError>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_speak_before_statuses() {
        assert_eq!(kind(Some("NoSuchTagSet"), 404, None), AwsErrorKind::NotFound);
        assert_eq!(
            kind(Some("ServerSideEncryptionConfigurationNotFoundError"), 404, None),
            AwsErrorKind::NotFound
        );
        assert_eq!(kind(Some("AccessDenied"), 403, None), AwsErrorKind::Denied);
        assert_eq!(kind(Some("SignatureDoesNotMatch"), 403, None), AwsErrorKind::NoCredentials);
        assert_eq!(kind(Some("PreconditionFailed"), 412, None), AwsErrorKind::Other);
        assert_eq!(kind(Some("SlowDown"), 503, None), AwsErrorKind::Throttled);
    }

    #[test]
    fn an_answer_without_a_body_is_told_by_its_status() {
        let london: RegionName = "eu-west-2".parse().expect("valid");
        assert_eq!(kind(None, 301, Some(london.clone())), AwsErrorKind::WrongRegion(Some(london.clone())));
        assert_eq!(kind(None, 400, Some(london.clone())), AwsErrorKind::WrongRegion(Some(london)));
        assert_eq!(kind(None, 403, None), AwsErrorKind::Denied);
        assert_eq!(kind(None, 404, None), AwsErrorKind::NotFound);
        assert_eq!(kind(None, 501, None), AwsErrorKind::NotImplemented);
    }
}
