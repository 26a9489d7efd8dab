//! A question to a service that speaks HTTP, and its answer, both bounded: over the network from where this program runs,
//! or on a host by the host's own `curl`. The connector is the one that the clients of AWS use.
//!
//! Must never follow a redirect (a login would go elsewhere), never put a login into an error, a log or the arguments of a
//! program, and never ask twice by itself: whether that is safe only who asks knows.

mod curl;
#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
pub use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};

pub(in crate::clients) use self::curl::{config, ended};
use crate::vocab::Login;

/// How long a connection may take to stand.
pub const CONNECT: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes: every database of a large CouchDB, by its name.
const MOST: usize = 64 << 20;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub method: Method,
    /// Where the service may be, such as `http://10.0.0.4:9200`; the first that takes a connection is asked.
    pub at: Vec<String>,
    /// Path and query, encoded, with its slash.
    pub path: String,
    /// JSON.
    pub body: Option<String>,
    /// Who asks: HTTP's basic authentication (RFC 7617).
    pub login: Option<Login>,
    /// How long all of it may take at one place.
    pub limit: Duration,
}

/// What a service answered, with whatever status but a redirect's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Said {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer. What was meant to happen did not, but for [`Unanswered::Broken`], [`Unanswered::TooLarge`] and
/// [`Unanswered::TimedOut`]: then nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// No connection stands; each place, and why where that is known.
    #[error("no connection can be made to {0}")]
    Nowhere(String),
    #[error("the connection to {0} broke off before the answer was whole")]
    Broken(String),
    #[error("{at} gave no answer within {seconds} seconds")]
    TimedOut { at: String, seconds: u64 },
    #[error("{at} answered with more than {most} bytes")]
    TooLarge { at: String, most: usize },
    #[error("{at} sends on to another address (status {status}), and a login is never sent on")]
    Redirect { at: String, status: u16 },
    /// An address that means nothing.
    #[error("{0} is no address that can be asked: it begins with http:// or https://, and holds no login")]
    Address(String),
    /// The host lacks the program that would ask.
    #[error("the program `curl` is not on the host, and without it nobody there can be asked: install it")]
    NoCurl,
    /// The host itself did not answer.
    #[error("{0}")]
    Host(String),
}

/// What the network is, for whoever asks from here. Connections are kept open between questions.
pub fn network() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).build();
    let connector = Connector::builder()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .connector_settings(settings)
        .sleep_impl(TokioSleep::new())
        .build();
    SharedHttpConnector::new(connector)
}

/// Asks over a network.
pub async fn over(network: &SharedHttpConnector, ask: &Ask) -> Result<Said, Unanswered> {
    let mut nowhere = Vec::new();
    for at in &ask.at {
        match tokio::time::timeout(ask.limit, Box::pin(once(network, ask, at))).await {
            Ok(Err(Attempt::NotConnected(why))) => nowhere.push(format!("{at}: {why}")),
            Ok(Err(Attempt::Failed(why))) => return Err(why),
            Ok(Ok(said)) => return Ok(said),
            Err(_) => return Err(timed_out(ask, at)),
        }
    }
    Err(Unanswered::Nowhere(nowhere.join(" or ")))
}

fn timed_out(ask: &Ask, at: &str) -> Unanswered {
    Unanswered::TimedOut { at: at.to_owned(), seconds: ask.limit.as_secs() }
}

/// An answer, but for one that sends elsewhere.
fn answered(at: &str, status: u16, body: Vec<u8>) -> Result<Said, Unanswered> {
    match status {
        300..400 => Err(Unanswered::Redirect { at: at.to_owned(), status }),
        _ => Ok(Said { status, body }),
    }
}

enum Attempt {
    NotConnected(String),
    Failed(Unanswered),
}

async fn once(network: &SharedHttpConnector, ask: &Ask, at: &str) -> Result<Said, Attempt> {
    let request = request(ask, at).ok_or_else(|| Attempt::Failed(address(at)))?;
    let broken = || Attempt::Failed(Unanswered::Broken(at.to_owned()));
    let answer = network.call(request).await.map_err(|error| match unconnected(&error) {
        Some(why) => Attempt::NotConnected(why),
        None if error.is_timeout() => Attempt::Failed(timed_out(ask, at)),
        None => broken(),
    })?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MOST).collect().await.map_err(|error| match error
        .is::<LengthLimitError>(
    ) {
        true => Attempt::Failed(Unanswered::TooLarge { at: at.to_owned(), most: MOST }),
        false => broken(),
    })?;
    answered(at, status, body.to_bytes().to_vec()).map_err(Attempt::Failed)
}

fn request(ask: &Ask, at: &str) -> Option<HttpRequest> {
    let url = url(ask, at)?;
    let mut request =
        http::Request::builder().method(&ask.method).uri(url).header(ACCEPT, "application/json");
    if let Some(login) = &ask.login {
        let mut value = HeaderValue::try_from(basic(login)).ok()?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    if ask.body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = ask.body.clone().map_or_else(SdkBody::empty, SdkBody::from);
    HttpRequest::try_from(request.body(body).ok()?).ok()
}

/// `None` where the place is no address, or one that holds a login, which would stand in every error.
fn url(ask: &Ask, at: &str) -> Option<String> {
    let is_address = ["https://", "http://"].iter().any(|scheme| at.starts_with(scheme))
        && !at.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\' | '@'));
    is_address.then(|| format!("{}{}", at.trim_end_matches('/'), ask.path))
}

/// What may hold a login is not repeated.
pub(in crate::clients) fn address(at: &str) -> Unanswered {
    Unanswered::Address(at.rsplit_once('@').map_or(at, |(_, rest)| rest).to_owned())
}

fn basic(login: &Login) -> String {
    let pair = format!("{}:{}", login.username.expose(), login.password.expose());
    format!("Basic {}", STANDARD.encode(pair))
}

/// Why nobody took the connection, so that nothing was asked; `None` where somebody did. The client tells it only by its
/// words.
fn unconnected(error: &ConnectorError) -> Option<String> {
    let first: &(dyn std::error::Error + 'static) = error;
    let causes = || std::iter::successors(Some(first), |error| error.source());
    let is_unconnected = causes().any(|cause| {
        let refused = cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
            use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
            matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        });
        let said = cause.to_string();
        refused
            || ["client error (Connect)", "dns error", "HTTP connect timeout"]
                .iter()
                .any(|words| said.starts_with(words))
    });
    // `Connection refused`, and not five layers around it.
    is_unconnected.then(|| causes().last().map_or_else(String::new, ToString::to_string))
}
