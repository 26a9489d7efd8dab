//! An AWS emulator that others wrote, as a process of its own on a free port of the loopback address.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use reconcile::vocab::Clock;

/// Ended when dropped, also by a panic.
pub struct Moto {
    process: Child,
    port: u16,
}

impl Moto {
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From here on each call needs the key of somebody whose identity policies allow it.
    pub fn enforce(&self) {
        // The body is how many calls may still come unasked.
        let request =
            "POST /moto-api/reset-auth HTTP/1.0\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n0";
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("moto_server listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        stream.write_all(request.as_bytes()).expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split_whitespace().nth(1);
        assert_eq!(status, Some("200"), "{answer}");
    }

    pub fn sts(&self) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(aws_sdk_sts::config::BehaviorVersion::v2026_01_12())
            .endpoint_url(self.url())
            .region(aws_sdk_sts::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_sts::config::Credentials::new(
                "testing", "testing", None, None, "test",
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_sts::Client::from_conf(config.build())
    }

    pub fn iam(&self) -> aws_sdk_iam::Client {
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(aws_sdk_iam::config::BehaviorVersion::v2026_01_12())
            .endpoint_url(self.url())
            .region(aws_sdk_iam::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_iam::config::Credentials::new(
                "testing", "testing", None, None, "test",
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_iam::Client::from_conf(config.build())
    }

    pub fn kms(&self) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(aws_sdk_kms::config::BehaviorVersion::v2026_01_12())
            .endpoint_url(self.url())
            .region(aws_sdk_kms::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_kms::config::Credentials::new(
                "testing", "testing", None, None, "test",
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_kms::Client::from_conf(config.build())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Its whole group: some installations put a launcher before the server.
        let group = nix::unistd::Pid::from_raw(-(self.process.id() as i32));
        let _ = nix::sys::signal::kill(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the server. Without one on this machine the test is skipped, unless `RECONCILE_REQUIRE` names moto.
pub fn start() -> Option<Moto> {
    let Some(program) = program() else {
        super::skip("moto", "moto_server is neither in PATH nor in $RECONCILE_VENV/bin");
        return None;
    };
    // Another process may take the port between the two lines, so a few are tried.
    for _ in 0..5 {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let mut command = Command::new(&program);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let process = command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server starts");
        let mut moto = Moto { process, port };
        for _ in 0..300 {
            if answers(port) {
                return Some(moto);
            }
            if moto.process.try_wait().expect("a child").is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    panic!("moto_server does not answer");
}

fn program() -> Option<PathBuf> {
    let venv = std::env::var_os("RECONCILE_VENV").map(|venv| PathBuf::from(venv).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    venv.into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join("moto_server"))
        .find(|file| file.is_file())
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut answer = [0; 12];
    stream.write_all(b"GET /moto-api/ HTTP/1.0\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/")
}

/// The machine's clock: the server looks at the real time.
#[expect(clippy::disallowed_methods, reason = "a server outside the program")]
pub fn clock() -> Clock {
    Clock::new(|| SystemTime::now().into())
}
