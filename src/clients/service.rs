//! A question to a service that speaks HTTP, and its answer: over the network from where this program runs, or on a host by
//! the host's own `curl`.
//!
//! Must never follow a redirect (a login would go elsewhere), never put a login into an error, a log or the arguments of a
//! program, and never ask twice by itself: whether that is safe only who asks knows.

use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Limited};

use crate::vocab::Login;

/// How long a connection may take to stand.
pub const CONNECT: Duration = Duration::from_secs(5);
/// The most that is read of an answer.
const MOST: usize = 32 << 20;

/// What is done to the thing that a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Put,
    Post,
    Delete,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        }
    }
}

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
    pub login: Option<Login>,
    /// How long all of it may take at one place.
    pub limit: Duration,
}

/// What a service answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why there is no answer. What was meant to happen did not, but for [`Unanswered::Broken`] and [`Unanswered::TimedOut`]:
/// then nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// No connection stands; at each place, why.
    #[error("no connection can be made to {0}")]
    Nowhere(String),
    #[error("the connection to {0} broke off before the answer was whole")]
    Broken(String),
    #[error("{at} gave no answer within {seconds} seconds")]
    TimedOut { at: String, seconds: u64 },
    /// An address that means nothing.
    #[error("{0} is no address that can be asked: it begins with http:// or https://")]
    Address(String),
    /// The host lacks the program that would ask.
    #[error("the program `curl` is not on the host, and without it nobody there can be asked: install it")]
    NoCurl,
    /// The host itself did not answer.
    #[error("{0}")]
    Host(String),
}

/// What the network is, for whoever asks from here.
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
            Ok(Err(Attempt::NotConnected)) => nowhere.push(at.clone()),
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

enum Attempt {
    NotConnected,
    Failed(Unanswered),
}

async fn once(network: &SharedHttpConnector, ask: &Ask, at: &str) -> Result<Said, Attempt> {
    let address = || Attempt::Failed(Unanswered::Address(at.to_owned()));
    if !is_address(at) {
        return Err(address());
    }
    let url = format!("{}{}", at.trim_end_matches('/'), ask.path);
    let body = ask.body.clone().map_or_else(SdkBody::empty, SdkBody::from);
    let mut request = HttpRequest::new(body);
    request.set_uri(url.as_str()).map_err(|_| address())?;
    request.set_method(ask.method.name()).map_err(|_| address())?;
    let mut header =
        |name: &'static str, value: String| request.headers_mut().try_insert(name, value).map(|_| ());
    if ask.body.is_some() {
        header("content-type", "application/json".to_owned()).map_err(|_| address())?;
    }
    if let Some(login) = &ask.login {
        header("authorization", basic(login)).map_err(|_| address())?;
    }
    let broken = || Attempt::Failed(Unanswered::Broken(at.to_owned()));
    let answer = network.call(request).await.map_err(|error| match is_unconnected(&error) {
        true => Attempt::NotConnected,
        false if error.is_timeout() => Attempt::Failed(timed_out(ask, at)),
        false => broken(),
    })?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MOST).collect().await.map_err(|_| broken())?;
    Ok(Said { status, body: body.to_bytes().to_vec() })
}

fn is_address(at: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| at.starts_with(scheme))
        && !at.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\' | '@'))
}

fn basic(login: &Login) -> String {
    let pair = format!("{}:{}", login.username.expose(), login.password.expose());
    format!("Basic {}", STANDARD.encode(pair))
}

/// Whether nobody took the connection, so that nothing was asked. The client tells it only by its words.
fn is_unconnected(error: &ConnectorError) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source()).any(|cause| {
        let refused = cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
            use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
            matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        });
        let said = cause.to_string();
        refused
            || ["client error (Connect)", "dns error", "HTTP connect timeout"]
                .iter()
                .any(|words| said.starts_with(words))
    })
}

/// The question to one place as a configuration that `curl -K -` reads (curl(1)): a login is in no argument. The last line
/// that it prints is the status. `None` where the place is no address.
pub(in crate::clients) fn curl_config(ask: &Ask, at: &str) -> Option<String> {
    if !is_address(at) {
        return None;
    }
    let mut config = format!(
        "silent\ngloboff\nnoproxy = \"*\"\nproto = \"=http,https\"\nconnect-timeout = {}\nmax-time = {}\nrequest = \"{}\"\n\
         url = {}\nwrite-out = \"\\n%{{num_connects}} %{{http_code}}\"\n",
        CONNECT.as_secs(),
        ask.limit.as_secs(),
        ask.method.name(),
        quoted(&format!("{}{}", at.trim_end_matches('/'), ask.path)),
    );
    if let Some(login) = &ask.login {
        config.push_str(&format!("header = {}\n", quoted(&format!("Authorization: {}", basic(login)))));
    }
    if let Some(body) = &ask.body {
        config.push_str("header = \"Content-Type: application/json\"\n");
        config.push_str(&format!("data-binary = {}\n", quoted(body)));
    }
    Some(config)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// What curl printed at one place, its own end in the last line, means (curl(1), EXIT CODES); `None`: nobody took the
/// connection there.
pub(in crate::clients) fn curl_ended(ask: &Ask, at: &str, out: &[u8]) -> Option<Result<Said, Unanswered>> {
    let broken = || Some(Err(Unanswered::Broken(at.to_owned())));
    let cut = |out: &[u8]| {
        let cut = out.iter().rposition(|byte| *byte == b'\n')?;
        let last = std::str::from_utf8(out.get(cut + 1..)?).ok()?.trim().to_owned();
        Some((out.get(..cut)?.to_vec(), last))
    };
    let Some((rest, code)) = cut(out) else { return broken() };
    if code == "127" {
        return Some(Err(Unanswered::NoCurl));
    }
    let Some((body, ended)) = cut(&rest) else { return broken() };
    let (connections, status) = ended.split_once(' ').unwrap_or_default();
    match (code.as_str(), connections) {
        ("0", _) => match status.parse() {
            Ok(status) => Some(Ok(Said { status, body })),
            Err(_) => broken(),
        },
        ("5" | "6" | "7" | "28", "0") => None,
        ("28", _) => Some(Err(timed_out(ask, at))),
        ("1" | "3", _) => Some(Err(Unanswered::Address(at.to_owned()))),
        _ => broken(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Secret;

    fn ask() -> Ask {
        Ask {
            method: Method::Put,
            at: vec!["http://127.0.0.1:9200".to_owned()],
            path: "/_snapshot/a".to_owned(),
            body: Some("{\"a\": \"b\\c\"}".to_owned()),
            login: Some(Login { username: Secret::new("elastic"), password: Secret::new("canary\"\n") }),
            limit: Duration::from_secs(30),
        }
    }

    #[test]
    fn no_login_is_shown() {
        assert!(!format!("{:?}", ask()).contains("canary"));
        assert_eq!(ask(), ask());
    }

    #[test]
    fn curl_reads_what_is_asked_from_its_input() {
        let config = curl_config(&ask(), "http://127.0.0.1:9200/").expect("an address");
        assert!(config.contains("url = \"http://127.0.0.1:9200/_snapshot/a\"\n"), "{config}");
        assert!(config.contains("data-binary = \"{\\\"a\\\": \\\"b\\\\c\\\"}\"\n"), "{config}");
        for bad in ["ftp://x", "http://x\"\noutput = \"/etc/passwd", "localhost:9200"] {
            assert_eq!(curl_config(&ask(), bad), None, "{bad}");
        }
    }

    #[test]
    fn curls_ends_are_told_apart() {
        let at = "http://127.0.0.1:9200";
        let ended = |out: &[u8]| curl_ended(&ask(), at, out);
        assert_eq!(ended(b"{}\n\n1 404\n0"), Some(Ok(Said { status: 404, body: b"{}\n".to_vec() })));
        assert_eq!(ended(b"\n0 000\n7"), None);
        assert_eq!(ended(b"\n0 000\n28"), None);
        assert_eq!(ended(b"\n0 000\n127"), Some(Err(Unanswered::NoCurl)));
        for broken in [&b"\n1 000\n52"[..], b"no status\n0", b"", b"\n", b"\n1 x\n0"] {
            assert_eq!(ended(broken), Some(Err(Unanswered::Broken(at.to_owned()))), "{broken:?}");
        }
        assert!(matches!(ended(b"\n1 000\n28"), Some(Err(Unanswered::TimedOut { seconds: 30, .. }))));
    }

    #[tokio::test]
    async fn where_nobody_listens_the_next_place_is_asked_and_nothing_was_done() {
        let gone =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let ask = Ask { at: vec![format!("http://{gone}"), format!("http://{gone}")], ..ask() };
        let error = over(&network(), &ask).await.expect_err("nobody there");
        assert_eq!(error, Unanswered::Nowhere(format!("http://{gone} or http://{gone}")));
        let ask = Ask { at: vec!["http://no-such-host.invalid:9200".to_owned()], ..ask };
        let error = over(&network(), &ask).await.expect_err("nobody there");
        assert!(matches!(error, Unanswered::Nowhere(_)), "{error:?}");
    }
}
