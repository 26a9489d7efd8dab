//! Requests as the services of the sandbox read them, and what they answer.

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use percent_encoding::percent_decode_str;

use super::records::fresh_id;
use super::xml::Xml;

/// A request without its body.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    /// Lower case, without the port.
    pub host: String,
    /// Decoded, with its slash.
    pub path: String,
    /// In the order of the request; `None` for a name without a value.
    pub query: Vec<(String, Option<String>)>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    /// Whether what it brings is lost on the way to the disks.
    pub loses: bool,
}

impl Call {
    pub fn read(request: &HttpRequest) -> Self {
        let uri: http::Uri = request.uri().parse().unwrap_or_default();
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let query = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Call {
            method: request.method().to_owned(),
            host: uri.host().unwrap_or_default().to_lowercase(),
            path: decode(uri.path()),
            query: query
                .map(|pair| match pair.split_once('=') {
                    Some((name, value)) => (decode(name), Some(decode(value))),
                    None => (decode(pair), None),
                })
                .collect(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            loses: false,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As a store reads it that knows no conditions.
    pub fn forget_conditions(&mut self) {
        self.headers.retain(|(name, _)| !["if-match", "if-none-match"].contains(&name.as_str()));
    }

    /// Whether the query has the name, with a value or without.
    pub fn asks(&self, name: &str) -> bool {
        self.query.iter().any(|(known, _)| known == name)
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_deref())
    }

    /// The region that the signature is for: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>).
    pub fn signed_region(&self) -> Option<&str> {
        self.credential()?.nth(2)
    }

    /// The access key that signed.
    pub fn signed_key(&self) -> Option<&str> {
        self.credential()?.next()
    }

    fn credential(&self) -> Option<std::str::Split<'_, char>> {
        let authorization = self.header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
        Some(authorization.split_once("Credential=")?.1.split('/'))
    }
}

/// What a service answers, before it is a response of the SDK.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: SdkBody,
}

impl Answer {
    pub fn empty(status: u16) -> Self {
        Answer { status, headers: Vec::new(), body: SdkBody::empty() }
    }

    pub fn xml(text: String) -> Self {
        Answer { body: SdkBody::from(text), ..Answer::empty(200) }.with("content-type", "application/xml")
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn with_some(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The response; an answer to HEAD keeps its headers and loses its body.
    pub fn into_response(self, head: bool) -> HttpResponse {
        let status =
            http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::new(status.into(), if head { SdkBody::empty() } else { self.body });
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            // A value that no header can hold, such as metadata with a newline, cannot come in by a header either.
            let _ = headers.try_insert(name, value);
        }
        let _ = headers.try_insert("x-amz-request-id", fresh_id());
        response
    }
}

/// A refusal as the services of AWS word it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// Further elements of the error document.
    pub details: Vec<(&'static str, String)>,
    pub headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Refusal { status, code, message: message.into(), details: Vec::new(), headers: Vec::new() }
    }

    /// 501: what the sandbox does not know it refuses, so that nothing seems to work that was never tried.
    pub fn not_implemented(what: impl std::fmt::Display) -> Self {
        Refusal::new(501, "NotImplemented", format!("The sandbox does not know {what}."))
    }

    pub fn detail(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.details.push((element, value.into()));
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// `<Error>` of S3's REST API
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
    pub fn into_s3(self) -> Answer {
        // 304 has no body in HTTP.
        let document = Xml::document("Error", |error| {
            error.text("Code", self.code).text("Message", &self.message);
            for (element, value) in &self.details {
                error.text(element, value);
            }
        });
        let mut answer = Answer::xml(document);
        answer.status = self.status;
        if self.status == 304 {
            answer.body = SdkBody::empty();
        }
        self.headers.into_iter().fold(answer, |answer, (name, value)| answer.with(name, value))
    }
}

/// The sandbox's own disk failed it. S3 would say no more than this.
impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Refusal::new(500, "InternalError", format!("the sandbox's store: {error}"))
    }
}
