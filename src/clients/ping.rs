//! A GET that tells a service elsewhere that a run ended, well or not: somebody who waits for it notices when this
//! machine is gone.
//!
//! The URL is a secret: whoever has it can say that all is well. So no error holds it, nor what the server answered.

use std::time::Duration;

use http::Uri;

use super::http::{Ask, Method, Unanswered, network, over};
use crate::vocab::Secret;

/// How long a ping may take, answer included.
const LIMIT: Duration = Duration::from_secs(20);

/// Why a ping did not arrive, without its URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    #[error("its URL is none that can be asked: it must begin with https:// or http://")]
    Url,
    #[error("it gave no answer within {} seconds", LIMIT.as_secs())]
    TimedOut,
    #[error("no connection can be made")]
    Unreachable,
    #[error("it answered with status {0}")]
    Refused(u16),
}

/// Asks for the URL once. Only an answer of success counts; a redirect does not, for it would take the secret elsewhere.
pub async fn ping(url: &Secret) -> Result<(), PingError> {
    let ask = ask(url).ok_or(PingError::Url)?;
    match Box::pin(over(&network(), &ask)).await {
        Ok(said) if said.is_success() => Ok(()),
        Ok(said) => Err(PingError::Refused(said.status)),
        Err(Unanswered::Redirect { status, .. }) => Err(PingError::Refused(status)),
        Err(Unanswered::TimedOut { .. }) => Err(PingError::TimedOut),
        Err(Unanswered::Address(_)) => Err(PingError::Url),
        Err(_) => Err(PingError::Unreachable),
    }
}

fn ask(url: &Secret) -> Option<Ask> {
    let url: Uri = url.expose().parse().ok()?;
    let at = format!("{}://{}", url.scheme_str()?, url.authority()?);
    let path = url.path_and_query()?.to_string();
    Some(Ask { method: Method::GET, at: vec![at], path, body: None, login: None, limit: LIMIT })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes, and tells what was asked.
    fn server(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/canary/fail", listener.local_addr().expect("an address"));
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut asked = [0; 1024];
            let read = stream.read(&mut asked).expect("a request");
            stream.write_all(answer.as_bytes()).expect("answered");
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (url, asked)
    }

    #[tokio::test]
    async fn only_success_counts_and_no_error_holds_the_url() {
        let (url, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK");
        assert_eq!(ping(&Secret::new(url)).await, Ok(()));
        assert!(asked.join().expect("asked").starts_with("GET /canary/fail HTTP/1.1\r\n"));
        for (answer, status) in [
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404),
            ("HTTP/1.1 302 Found\r\nlocation: /canary\r\ncontent-length: 0\r\n\r\n", 302),
        ] {
            let (url, asked) = server(answer);
            assert_eq!(ping(&Secret::new(url)).await, Err(PingError::Refused(status)));
            asked.join().expect("asked");
        }
        let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let error = ping(&Secret::new(format!("http://{gone}/canary"))).await.expect_err("nobody there");
        assert_eq!(error, PingError::Unreachable);
        assert!(!error.to_string().contains("canary"), "{error}");
        for url in ["canary", "ftp://canary", "http://", "https://[canary"] {
            let error = ping(&Secret::new(url)).await.expect_err(url);
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
