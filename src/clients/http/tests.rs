//! What is asked and answered over a network of this machine alone.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;
use crate::vocab::Secret;

pub(super) fn ask() -> Ask {
    Ask {
        method: Method::PUT,
        at: vec!["http://127.0.0.1:9200".to_owned()],
        path: "/_snapshot/a".to_owned(),
        body: Some("{\"a\": \"b\\c\"}".to_owned()),
        login: Some(Login { username: Secret::new("canary-user"), password: Secret::new("canary\"\n:word") }),
        limit: Duration::from_secs(30),
    }
}

/// Answers one request with these bytes, and tells what was asked.
fn server(answer: &'static [u8]) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let mut asked = Vec::new();
        let mut buffer = [0; 1024];
        while !asked.ends_with(b"}") {
            let read = stream.read(&mut buffer).expect("a request");
            asked.extend_from_slice(&buffer[..read]);
        }
        // A caller that has read enough may be gone.
        let _ = stream.write_all(answer);
        String::from_utf8_lossy(&asked).into_owned()
    });
    (at, asked)
}

async fn said(answer: &'static [u8]) -> Result<Said, Unanswered> {
    let (at, asked) = server(answer);
    let result = over(&network(), &Ask { at: vec![at], ..ask() }).await;
    asked.join().expect("asked");
    result
}

#[test]
fn no_login_is_shown() {
    assert!(!format!("{:?}", ask()).contains("canary"));
    let request = request(&ask(), "http://127.0.0.1:9200").expect("a request");
    assert!(!format!("{request:?}").contains("Y2FuYXJ5"), "{request:?}");
}

#[tokio::test]
async fn a_question_carries_its_body_and_the_login() {
    let (at, asked) = server(b"HTTP/1.1 201 Created\r\ncontent-length: 11\r\n\r\n{\"ok\":true}");
    let path = "/_dbs/a%2Fb?rev=1".to_owned();
    let login = Some(Login { username: Secret::new("canary-user"), password: Secret::new("canary:word") });
    let ask = Ask { at: vec![format!("{at}/")], path, login, ..ask() };
    let answer = over(&network(), &ask).await;
    assert_eq!(answer, Ok(Said { status: 201, body: b"{\"ok\":true}".to_vec() }));
    let asked = asked.join().expect("asked");
    assert!(asked.starts_with("PUT /_dbs/a%2Fb?rev=1 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5OndvcmQ=\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\n{\"a\": \"b\\c\"}"), "{asked}");
}

#[tokio::test]
async fn whatever_status_is_an_answer_but_a_redirect() {
    let refused = said(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 12\r\n\r\n{\"error\":\"\"}").await;
    assert_eq!(refused, Ok(Said { status: 401, body: b"{\"error\":\"\"}".to_vec() }));
    let moved = said(b"HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(moved, Err(Unanswered::Redirect { status: 302, .. })), "{moved:?}");
}

#[tokio::test]
async fn answers_are_bounded_and_broken_ones_are_told() {
    let mut long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MOST + 1).into_bytes();
    long.resize(long.len() + MOST + 1, b'x');
    let large = said(long.leak()).await;
    assert!(matches!(large, Err(Unanswered::TooLarge { most: MOST, .. })), "{large:?}");
    let cut = said(b"HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{\"a\"").await;
    assert!(matches!(cut, Err(Unanswered::Broken(_))), "{cut:?}");
}

#[tokio::test]
async fn who_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("http://{}", silent.local_addr().expect("an address"));
    let ask = Ask { at: vec![at], limit: Duration::from_millis(100), ..ask() };
    let ask = Ask { login: None, ..ask };
    let error = over(&network(), &ask).await.expect_err("silent");
    assert!(matches!(error, Unanswered::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn where_nobody_listens_the_next_place_is_asked_and_nothing_was_done() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let ask = Ask { login: None, ..ask() };
    let ask = Ask { at: vec![format!("http://{gone}"), format!("http://{gone}")], ..ask };
    let error = over(&network(), &ask).await.expect_err("nobody there");
    let why = "Connection refused (os error 111)";
    assert_eq!(error, Unanswered::Nowhere(format!("http://{gone}: {why} or http://{gone}: {why}")));
    let ask = Ask { at: vec!["http://no-such-host.invalid:9200".to_owned()], ..ask };
    let error = over(&network(), &ask).await.expect_err("nobody there");
    assert!(matches!(error, Unanswered::Nowhere(_)), "{error:?}");
}

#[tokio::test]
async fn what_is_no_address_is_told_without_the_login_that_it_may_hold() {
    for at in ["", "canary.example.org", "ftp://x", "http://", "http://canary-user:canary@x"] {
        let ask = Ask { at: vec![at.to_owned()], ..ask() };
        let error = over(&network(), &ask).await.expect_err(at);
        assert!(matches!(error, Unanswered::Address(_)), "{at}: {error:?}");
        assert!(!error.to_string().contains("canary-user"), "{error}");
    }
}
