//! A GET that tells a service elsewhere that a run ended, well or not: somebody who waits for it notices when this
//! machine is gone.
//!
//! The URL is a secret: whoever has it can say that all is well. So no error holds it, nor what the server answered.

use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

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
    let address = url.expose();
    if !["https://", "http://"].iter().any(|scheme| address.starts_with(scheme)) {
        return Err(PingError::Url);
    }
    let request = HttpRequest::get(address).map_err(|_| PingError::Url)?;
    let connector = Connector::builder()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .sleep_impl(TokioSleep::new())
        .build();
    let answer = tokio::time::timeout(LIMIT, Box::pin(connector.call(request)));
    let answer = answer.await.map_err(|_| PingError::TimedOut)?;
    match answer
        .map_err(|error| if error.is_timeout() { PingError::TimedOut } else { PingError::Unreachable })
    {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(PingError::Refused(answer.status().as_u16())),
        Err(error) => Err(error),
    }
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
