//! Mail: handed to a server over SMTP, to the host's own `sendmail`, or put into a folder that plays the world.
//!
//! A letter goes to each of its addresses by itself, so that one that is refused keeps it from nobody else. Every step has a
//! time limit. Must never put a password into an error, and never say one over a connection that others can read.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Mailboxes, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::vocab::Login;

/// How long one letter to one address may take, from the first word to the last.
pub const LIMIT: Duration = Duration::from_secs(45);

/// Where `sendmail` lies (Filesystem Hierarchy Standard 3.0, 4.6); cron's PATH need not lead there.
const SENDMAIL: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// A message in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub body: String,
    pub at: DateTime<Utc>,
}

/// How letters leave.
#[derive(Clone, Debug)]
pub enum Way {
    Smtp(Server),
    /// A program of that kind, or where it usually lies.
    Sendmail(Option<PathBuf>),
    /// Nothing leaves: each letter is a file in this folder.
    Outbox(PathBuf),
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// User and password.
    pub login: Option<Login>,
    /// What this machine calls itself.
    pub hello: String,
    /// How long a letter may take.
    pub limit: Duration,
}

/// How the connection is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    None,
    Starttls,
    Tls,
}

/// An address that was not reached, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mail to {to} was not taken: {why}")]
pub struct MailError {
    pub to: String,
    pub why: String,
}

/// Sends a letter to each of its addresses; the answer holds those that were not reached.
pub async fn send(way: &Way, letter: &Letter) -> Vec<MailError> {
    let all = |why: &str| {
        let error = |to: &String| MailError { to: to.clone(), why: why.to_owned() };
        letter.to.iter().map(error).collect()
    };
    let bytes = match render(letter) {
        Ok(bytes) => bytes,
        Err(why) => return all(&why),
    };
    if let Way::Outbox(folder) = way {
        return keep(folder, letter, &bytes).map_or_else(|error| all(&error.to_string()), |()| Vec::new());
    }
    let mut errors = Vec::new();
    for to in &letter.to {
        let sent = async {
            match way {
                Way::Smtp(server) => Box::pin(by_smtp(server, &letter.from, to, &bytes)).await,
                Way::Sendmail(program) => by_sendmail(program.as_deref(), &letter.from, to, &bytes).await,
                Way::Outbox(_) => Ok(()),
            }
        };
        let limit = if let Way::Smtp(server) = way { server.limit } else { LIMIT };
        let sent = tokio::time::timeout(limit, Box::pin(sent)).await;
        let sent =
            sent.unwrap_or_else(|_| Err(format!("nothing came of it within {} s", limit.as_secs_f32())));
        errors.extend(sent.err().map(|why| MailError { to: to.clone(), why }));
    }
    errors
}

/// The letter as it goes over the wire (RFC 5322). The same letter always has the same Message-ID, so that one that is
/// sent again is known for it.
pub fn render(letter: &Letter) -> Result<Vec<u8>, String> {
    let Letter { from, to, subject, body, at } = letter;
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| format!("{text}: {error}"));
    let sender = mailbox(from)?;
    let mut digest = Sha256::new();
    for part in [from, subject, body, &at.to_rfc3339()] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let id = format!("<{:.32}@{}>", hex::encode(digest.finalize()), sender.email.domain());
    let receivers = to.iter().map(|to| mailbox(to)).collect::<Result<Mailboxes, _>>()?;
    let message = Message::builder()
        .from(sender)
        .mailbox(lettre::message::header::To::from(receivers))
        // A header is one line, whatever was put into it.
        .subject(subject.replace(char::is_control, " "))
        .date((*at).into())
        .message_id(Some(id))
        .header(ContentType::TEXT_PLAIN)
        .body(body.replace("\r\n", "\n").replace('\n', "\r\n"))
        .map_err(|error| error.to_string())?;
    Ok(message.formatted())
}

async fn by_smtp(server: &Server, from: &str, to: &str, bytes: &[u8]) -> Result<(), String> {
    let Server { host, port, security, login, hello, limit } = server;
    let address = |text: &str| text.parse::<Address>().map_err(|error| format!("{text}: {error}"));
    let envelope =
        Envelope::new(Some(address(from)?), vec![address(to)?]).map_err(|error| error.to_string())?;
    if login.is_some() && *security == Security::None && !is_here(host) {
        return Err(format!(
            "the password would go to {host} for everybody to read; set tls to starttls or tls, or take the login out of \
             the vault"
        ));
    }
    let parameters = || TlsParameters::new(host.clone()).map_err(|error| error.to_string());
    let tls = match security {
        Security::None => Tls::None,
        Security::Starttls => Tls::Required(parameters()?),
        Security::Tls => Tls::Wrapper(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(*port)
        .tls(tls)
        .timeout(Some(*limit))
        .hello_name(ClientId::Domain(hello.clone()));
    if let Some(Login { username, password }) = login {
        let (username, password) = (username.expose().to_owned(), password.expose().to_owned());
        builder = builder.credentials(Credentials::new(username, password));
    }
    let sent = builder.build().send_raw(&envelope, bytes).await;
    sent.map(|_| ()).map_err(|error| {
        let place = format!("{host} port {port}");
        veiled(&format!("{place}: {}", told(&error)), login.as_ref())
    })
}

/// An error with all that lies below it.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        let below_text = below.to_string();
        if !text.contains(&below_text) {
            text = format!("{text}: {below_text}");
        }
        cause = below.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A server may say back what it was told.
fn veiled(text: &str, login: Option<&Login>) -> String {
    use base64::Engine;
    let mut text = text.to_owned();
    let Some(Login { username, password }) = login else { return text };
    let plain = format!("\0{}\0{}", username.expose(), password.expose());
    for secret in [plain.as_str(), password.expose()] {
        let encoded = base64::prelude::BASE64_STANDARD.encode(secret);
        for form in [encoded.as_str(), secret] {
            if !form.is_empty() {
                text = text.replace(form, "(secret)");
            }
        }
    }
    text
}

/// Whether a server is on this machine, where nobody listens in between.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn by_sendmail(program: Option<&Path>, from: &str, to: &str, bytes: &[u8]) -> Result<(), String> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => SENDMAIL
            .iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
            .or_else(|| super::process::find("sendmail", &[]))
            .ok_or(
                "there is no sendmail on this machine; install a mail server, or name one under alerts.smtp",
            )?,
    };
    // A dot on a line of its own is not the end; and what follows is an address, whatever it begins with.
    let mut child = tokio::process::Command::new(&program)
        .args(["-i", "-f", from, "--", to])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    if let Some(mut input) = child.stdin.take() {
        // The program wants the line ends of its own system. One that reads nothing says why in its status.
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let _ = input.write_all(text.as_bytes()).await;
    }
    let done = child.wait_with_output().await.map_err(|error| error.to_string())?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said: Vec<&str> = said.split_whitespace().take(60).collect();
    Err(format!("{} {}: {}", program.display(), done.status, said.join(" ")))
}

/// Puts a letter into the folder that plays the world, in the order of their times.
fn keep(folder: &Path, letter: &Letter, bytes: &[u8]) -> std::io::Result<()> {
    record(folder, letter.at, "eml", bytes)
}

/// Writes down in a folder what would have left: `2026-11-21T12-00-00Z-1.eml`.
pub fn record(folder: &Path, at: DateTime<Utc>, ending: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let time = at.format("%Y-%m-%dT%H-%M-%SZ");
    for number in 1..10_000 {
        let path = folder.join(format!("{time}-{number}.{ending}"));
        match std::fs::File::create_new(path) {
            Ok(mut file) => return std::io::Write::write_all(&mut file, bytes),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("too many letters in one second"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Secret;

    fn letter(body: &str) -> Letter {
        Letter {
            from: "backups@example.org".to_owned(),
            to: vec!["ops@example.org".to_owned(), "second@example.org".to_owned()],
            subject: "ALERT production\r\nBcc: thief@example.org".to_owned(),
            body: body.to_owned(),
            at: "2026-11-21T12:00:00Z".parse().expect("an instant"),
        }
    }

    #[test]
    fn a_letter_is_the_same_whenever_it_is_sent_and_its_headers_stay_lines() {
        let text = String::from_utf8(render(&letter("one\n.\ntwo\n")).expect("a letter")).expect("ASCII");
        assert_eq!(render(&letter("one\n.\ntwo\n")).expect("a letter"), text.as_bytes());
        assert!(text.contains("Subject: ALERT production  Bcc: thief@example.org\r\n"), "{text}");
        assert!(text.contains("To: ops@example.org, second@example.org\r\n"), "{text}");
        assert!(text.contains("Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\none\r\n.\r\ntwo\r\n"), "{text:?}");
        assert!(render(&Letter { from: "nobody".to_owned(), ..letter("") }).is_err());
    }

    #[test]
    fn what_a_server_says_back_is_veiled() {
        let login = Login { username: Secret::new("user"), password: Secret::new("canary") };
        let said = "535 no: Y2FuYXJ5 AHVzZXIAY2FuYXJ5 canary";
        assert_eq!(veiled(said, Some(&login)), "535 no: (secret) (secret) (secret)");
    }

    #[tokio::test]
    async fn a_password_never_goes_in_the_clear_to_another_machine() {
        let server = Server {
            host: "mail.example.org".to_owned(),
            port: 25,
            security: Security::None,
            login: Some(Login { username: Secret::new("user"), password: Secret::new("canary") }),
            hello: "db1".to_owned(),
            limit: LIMIT,
        };
        let errors = send(&Way::Smtp(server), &letter("x")).await;
        assert_eq!(errors.len(), 2);
        assert!(errors[0].why.contains("for everybody to read"), "{}", errors[0]);
    }

    #[tokio::test]
    async fn letters_that_do_not_leave_lie_in_their_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let outbox = Way::Outbox(folder.path().join("outbox"));
        assert_eq!(send(&outbox, &letter("first")).await, []);
        assert_eq!(send(&outbox, &letter("second")).await, []);
        let read =
            |name: &str| std::fs::read_to_string(folder.path().join("outbox").join(name)).expect("kept");
        assert!(read("2026-11-21T12-00-00Z-1.eml").ends_with("first"));
        assert!(read("2026-11-21T12-00-00Z-2.eml").ends_with("second"));
    }

    #[tokio::test]
    async fn sendmail_hears_the_letter_and_its_failure_is_heard() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("sendmail");
        let script = |text: &str| {
            std::fs::write(&program, text).expect("written");
            std::process::Command::new("chmod").arg("+x").arg(&program).status().expect("chmod");
        };
        let kept = folder.path().join("kept");
        script(&format!("#!/bin/sh\necho \"$@\" >> {0}\ncat >> {0}\n", kept.display()));
        let way = Way::Sendmail(Some(program.clone()));
        assert_eq!(send(&way, &letter("one\n.\ntwo\n")).await, []);
        let text = std::fs::read_to_string(&kept).expect("kept");
        assert!(text.starts_with("-i -f backups@example.org -- ops@example.org\n"), "{text}");
        assert!(text.contains("-i -f backups@example.org -- second@example.org\n"), "{text}");
        assert!(text.contains("\n\none\n.\ntwo\n"), "{text}");
        script("#!/bin/sh\necho no such user >&2\nexit 67\n");
        let errors = send(&way, &letter("x")).await;
        assert_eq!(errors.len(), 2);
        assert!(errors[0].why.ends_with("no such user"), "{}", errors[0]);
    }
}
