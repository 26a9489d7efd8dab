//! JSON over HTTP with a server beside the data, such as CouchDB or Elasticsearch: one question, one answer, both bounded,
//! over the connector that the clients of AWS use.
//!
//! No redirect is followed: it would take the password elsewhere. No error holds the password, nor the body that was sent;
//! of an answer that is not understood it holds the status alone.

use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
pub use http::Method;
use http::Uri;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

pub use crate::vocab::Login;

/// How long a question may take, answer included, where nobody says otherwise.
pub const LIMIT: Duration = Duration::from_secs(30);

/// How many bytes an answer may have, where nobody says otherwise.
pub const ANSWER: usize = 16 << 20;

/// A server that speaks JSON. Connections are kept open between questions.
#[derive(Clone, Debug)]
pub struct JsonServer {
    connector: SharedHttpConnector,
    /// Scheme, host and port, without a slash at its end.
    base: String,
    /// Who asks: HTTP's basic authentication (RFC 7617).
    login: Option<Login>,
    limit: Duration,
    answer: usize,
}

/// What a server answered, with whatever status but a redirect's.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Null where it said nothing, or an error in something else than JSON.
    pub body: Value,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("{0} is no address that can be asked: it must begin with http:// or https://, and hold no login")]
    Address(String),
    #[error("{at} gave no answer within {} seconds", limit.as_secs())]
    TimedOut { at: String, limit: Duration },
    #[error("{at} cannot be reached: {why}")]
    Unreachable { at: String, why: String },
    #[error("{at} sends on to another address (status {status}), and a password is never sent on")]
    Redirect { at: String, status: u16 },
    #[error("{at} answered with more than {limit} bytes")]
    TooLarge { at: String, limit: usize },
    #[error("{at} answered with status {status} and no JSON")]
    NotJson { at: String, status: u16 },
    #[error("the answer of {at} broke off: {why}")]
    BrokenOff { at: String, why: String },
}

impl JsonServer {
    /// A server by its scheme, host and port, such as `http://127.0.0.1:5984`. A path in front of all others may follow.
    ///
    /// Errors: what is no such address; one that holds a login, which would stand in every error.
    pub fn new(base: &str) -> Result<Self, HttpError> {
        let base = base.trim_end_matches('/');
        let uri: Option<Uri> = base.parse().ok();
        let is_good = uri.is_some_and(|uri| {
            let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
            scheme && uri.host().is_some_and(|host| !host.is_empty()) && !base.contains('@')
        });
        if !is_good {
            // What may hold a login is not repeated.
            let shown = base.rsplit_once('@').map_or(base, |(_, rest)| rest);
            return Err(HttpError::Address(shown.to_owned()));
        }
        let connector = Connector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .sleep_impl(TokioSleep::new())
            .build();
        let connector = SharedHttpConnector::new(connector);
        Ok(JsonServer { connector, base: base.to_owned(), login: None, limit: LIMIT, answer: ANSWER })
    }

    pub fn login(self, login: Option<Login>) -> Self {
        JsonServer { login, ..self }
    }

    /// How long each question may take, and how many bytes its answer may have.
    pub fn limits(self, limit: Duration, answer: usize) -> Self {
        JsonServer { limit, answer, ..self }
    }

    /// Asks once. `path` begins with a slash, may hold a query, and is percent-encoded already.
    ///
    /// Any status but a redirect's is an answer: what it means is the asker's to know.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, HttpError> {
        let at = || format!("{method} {}{path}", self.base);
        let request = self.request(&method, path, body).ok_or_else(|| HttpError::Address(at()))?;
        let answered = tokio::time::timeout(self.limit, Box::pin(self.answered(request, at())));
        answered.await.unwrap_or_else(|_| Err(HttpError::TimedOut { at: at(), limit: self.limit }))
    }

    fn request(&self, method: &Method, path: &str, body: Option<&Value>) -> Option<HttpRequest> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(ACCEPT, "application/json");
        if let Some(Login { username, password }) = &self.login {
            let pair = BASE64_STANDARD.encode(format!("{}:{}", username.expose(), password.expose()));
            let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                SdkBody::from(body.to_string())
            }
            None => SdkBody::empty(),
        };
        HttpRequest::try_from(request.body(body).ok()?).ok()
    }

    async fn answered(&self, request: HttpRequest, at: String) -> Result<Answer, HttpError> {
        let response = match self.connector.call(request).await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return Err(HttpError::TimedOut { at, limit: self.limit }),
            Err(error) => return Err(HttpError::Unreachable { at, why: root(&error) }),
        };
        let status = response.status().as_u16();
        if (300..400).contains(&status) {
            return Err(HttpError::Redirect { at, status });
        }
        let body = match Limited::new(response.into_body(), self.answer).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(HttpError::TooLarge { at, limit: self.answer });
            }
            Err(error) => return Err(HttpError::BrokenOff { at, why: root(error.as_ref()) }),
        };
        let is_empty = body.iter().all(u8::is_ascii_whitespace);
        let body = match serde_json::from_slice(&body) {
            Ok(body) => body,
            // Proxies tell their errors in HTML; the status is what matters.
            Err(_) if is_empty || status >= 400 => Value::Null,
            Err(_) => return Err(HttpError::NotJson { at, status }),
        };
        Ok(Answer { status, body })
    }
}

/// What an error comes from in the end: `Connection refused` and not five layers around it.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;
    use crate::vocab::Secret;

    /// Answers one request with these bytes, and tells what was asked.
    fn server(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut asked = Vec::new();
            let mut buffer = [0; 1024];
            // What these tests send ends in a brace, or with its head.
            let is_whole = |asked: &[u8]| match asked.starts_with(b"GET") {
                true => asked.ends_with(b"\r\n\r\n"),
                false => asked.ends_with(b"}"),
            };
            while !is_whole(&asked) {
                let read = stream.read(&mut buffer).expect("a request");
                asked.extend_from_slice(&buffer[..read]);
            }
            // A caller that has read enough may be gone.
            let _ = stream.write_all(answer.as_bytes());
            String::from_utf8_lossy(&asked).into_owned()
        });
        (base, asked)
    }

    fn login() -> Option<Login> {
        Some(Login { username: Secret::new("canary-user"), password: Secret::new("canary:word") })
    }

    async fn ask(answer: &'static str) -> Result<Answer, HttpError> {
        let (base, asked) = server(answer);
        let server = JsonServer::new(&base).expect("an address").limits(LIMIT, 64);
        let result = server.ask(Method::GET, "/x", None).await;
        asked.join().expect("asked");
        result
    }

    #[tokio::test]
    async fn a_question_carries_its_body_and_the_login() {
        let (base, asked) = server("HTTP/1.1 201 Created\r\ncontent-length: 11\r\n\r\n{\"ok\":true}");
        let server = JsonServer::new(&format!("{base}/")).expect("an address").login(login());
        let answer = server.ask(Method::PUT, "/_dbs/a%2Fb?rev=1", Some(&json!({"a": 1}))).await;
        assert_eq!(answer, Ok(Answer { status: 201, body: json!({"ok": true}) }));
        let asked = asked.join().expect("asked");
        assert!(asked.starts_with("PUT /_dbs/a%2Fb?rev=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5OndvcmQ=\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\n{\"a\":1}"), "{asked}");
        assert!(!format!("{server:?}").contains("canary"));
    }

    #[tokio::test]
    async fn whatever_status_is_an_answer_but_a_redirect() {
        let refused = ask("HTTP/1.1 401 Unauthorized\r\ncontent-length: 12\r\n\r\n{\"error\":\"\"}").await;
        assert_eq!(refused, Ok(Answer { status: 401, body: json!({"error": ""}) }));
        let proxy = ask("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>").await;
        assert_eq!(proxy, Ok(Answer { status: 502, body: Value::Null }));
        let empty = ask("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(empty, Ok(Answer { status: 200, body: Value::Null }));
        let moved = ask("HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n").await;
        assert!(matches!(moved, Err(HttpError::Redirect { status: 302, .. })), "{moved:?}");
        let page = ask("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>").await;
        assert!(matches!(page, Err(HttpError::NotJson { status: 200, .. })), "{page:?}");
    }

    #[tokio::test]
    async fn answers_are_bounded_and_broken_ones_are_told() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\n";
        let long: &'static str = Box::leak(format!("{head}\"{}\"", "x".repeat(68)).into_boxed_str());
        let large = ask(long).await;
        assert!(matches!(large, Err(HttpError::TooLarge { limit: 64, .. })), "{large:?}");
        let cut = ask("HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{\"a\"").await;
        assert!(matches!(cut, Err(HttpError::BrokenOff { .. })), "{cut:?}");
    }

    #[tokio::test]
    async fn who_is_not_there_or_says_nothing_is_told_without_a_secret() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = silent.local_addr().expect("an address");
        let server = JsonServer::new(&format!("http://{at}")).expect("an address").login(login());
        let server = server.limits(Duration::from_millis(100), 64);
        let error = server.ask(Method::GET, "/", None).await.expect_err("silent");
        assert!(matches!(error, HttpError::TimedOut { .. }), "{error}");
        drop(silent);
        let error = server.ask(Method::GET, "/", None).await.expect_err("gone");
        assert!(error.to_string().contains("refused"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
        for base in ["", "canary.example.org", "ftp://x", "http://", "http://canary-user:canary@x"] {
            let error = JsonServer::new(base).expect_err(base);
            assert!(!error.to_string().contains("canary-user"), "{error}");
        }
    }
}
