//! Real machines on this one: an sshd each, in namespaces of its own, so that every one has its own hostname, processes,
//! users and directories, and all of it goes when the test ends.
//!
//! Needs root, as namespaces do. What the machine under them lacks is skipped visibly.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::skip;

/// The user that logs in, where it is not root, and the password that `sudo` asks for.
pub const OPERATOR: &str = "operator";
pub const PASSWORD: &str = "CANARY-sudo-password";

/// What a machine is like.
#[derive(Clone, Debug)]
pub struct Like {
    pub name: String,
    /// What its sudoers file says of the operator.
    pub sudoers: &'static str,
    /// Whether a process of the name `cron` runs.
    pub cron: bool,
    /// Whether its log tells every command.
    pub verbose: bool,
}

impl Like {
    pub fn named(name: impl Into<String>) -> Self {
        Like { name: name.into(), sudoers: "operator ALL=(ALL) NOPASSWD: ALL", cron: true, verbose: false }
    }
}

/// A machine with an sshd. Everything of it ends when it is dropped.
pub struct Machine {
    process: Child,
    pub port: u16,
    directory: tempfile::TempDir,
}

/// Directories that every machine has of its own; the rest it shares with the one below, which nothing here writes to.
const OWN: [&str; 8] = [
    "/etc/cron.d",
    "/etc/reconcile",
    "/usr/local/bin",
    "/var/spool/cron",
    "/opt",
    "/run/lock",
    "/run/postgresql",
    "/srv",
];

impl Machine {
    /// Starts one; `None` is a skip that was told.
    pub fn start(like: &Like) -> Option<Machine> {
        if !nix::unistd::geteuid().is_root() {
            skip("ssh", "machines are made of namespaces, which only root may make");
            return None;
        }
        for tool in ["sshd", "ssh", "ssh-keygen", "sudo", "unshare", "setpriv", "openssl"] {
            let found =
                Command::new("sh").args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {tool}")]).output();
            if !found.is_ok_and(|found| found.status.success()) {
                skip("ssh", &format!("`{tool}` is not installed"));
                return None;
            }
        }
        // A port that was free may be taken a moment later.
        (0..10).find_map(|_| Machine::try_start(like)).or_else(|| {
            skip("ssh", "no sshd could be started in namespaces of its own");
            None
        })
    }

    fn try_start(like: &Like) -> Option<Machine> {
        let directory = tempfile::tempdir().expect("a directory");
        let top = directory.path();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        keygen(&top.join("host_key"));
        keygen(&top.join("client_key"));
        let public = fs::read_to_string(top.join("client_key.pub")).expect("made");
        write(&top.join("authorized_keys"), &public, 0o644);
        // Whoever logs in reads the keys as themselves.
        fs::set_permissions(top, fs::Permissions::from_mode(0o755)).expect("given");
        fs::create_dir_all(top.join("etc/upper")).expect("made");
        fs::create_dir_all(top.join("etc/work")).expect("made");
        fs::create_dir(top.join("root")).expect("made");
        for own in OWN {
            fs::create_dir_all(top.join("root").join(own.trim_start_matches('/'))).expect("made");
        }
        accounts(top, like);
        write(&top.join("sshd_config"), &sshd_config(top, port, like), 0o600);
        write(&top.join("begin"), &begin(top, like), 0o700);
        // Also where whoever started it is killed.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare"])
            .args(["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["--propagation", "private", "sh"])
            .arg(top.join("begin"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(top.join("log")).expect("a log"))
            .spawn()
            .ok()?;
        let mut machine = Machine { process, port, directory };
        machine.answers().then_some(machine)
    }

    fn answers(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                let mut hello = [0; 4];
                if stream.read_exact(&mut hello).is_ok() && &hello == b"SSH-" {
                    return true;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// A path of the machine where it lies on the one below; only what is the machine's own.
    pub fn at(&self, path: &str) -> PathBuf {
        assert!(OWN.iter().any(|own| path.starts_with(own)), "{path} is not the machine's own");
        self.directory.path().join("root").join(path.trim_start_matches('/'))
    }

    pub fn client_key(&self) -> PathBuf {
        self.directory.path().join("client_key")
    }

    /// Its line of known_hosts, for a port that leads to it.
    pub fn known_host(&self, port: u16) -> String {
        let key = fs::read_to_string(self.directory.path().join("host_key.pub")).expect("made");
        format!("[127.0.0.1]:{port} {key}")
    }

    /// The line of an inventory, by that user and port.
    pub fn inventory_line(&self, name: &str, user: &str, port: u16) -> String {
        let key = self.client_key().display().to_string();
        format!(
            "{name} ansible_host=127.0.0.1 ansible_port={port} ansible_user={user} ansible_ssh_private_key_file={key}\n"
        )
    }

    /// What was said by sshd and sudo.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The first process of the namespace takes all the others with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("given");
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(made.expect("ssh-keygen runs").success());
}

/// The users of this machine, and the operator besides.
fn accounts(top: &Path, like: &Like) {
    // Not in its arguments: tests look whether the password is in anybody's.
    let mut openssl = Command::new("openssl")
        .args(["passwd", "-6", "-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    openssl.stdin.take().expect("a pipe").write_all(format!("{PASSWORD}\n").as_bytes()).expect("said");
    let hash = openssl.wait_with_output().expect("openssl ends").stdout;
    let hash = String::from_utf8(hash).expect("text");
    let with = |file: &str, line: &str, mode| {
        let text = fs::read_to_string(Path::new("/etc").join(file)).expect("readable");
        // What root's own shell does at each login on the machine below is no part of what is tried here.
        let plain = |line: &str| match line.starts_with("root:") && file == "passwd" {
            true => "root:x:0:0:root:/:/bin/sh".to_owned(),
            false => line.to_owned(),
        };
        let mut text: String = text.lines().map(|line| plain(line) + "\n").collect();
        let _ = writeln!(text, "{line}");
        write(&top.join(file), &text, mode);
    };
    with("passwd", &format!("{OPERATOR}:x:7777:7777::/:/bin/sh"), 0o644);
    with("group", &format!("{OPERATOR}:x:7777:"), 0o644);
    with("shadow", &format!("{OPERATOR}:{}:19000:0:99999:7:::", hash.trim()), 0o640);
    write(
        &top.join("sudoers"),
        &format!("Defaults !fqdn\nroot ALL=(ALL:ALL) ALL\n{}\n", like.sudoers),
        0o440,
    );
}

fn sshd_config(top: &Path, port: u16, like: &Like) -> String {
    let top = top.display();
    let level = if like.verbose { "VERBOSE" } else { "INFO" };
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {top}/host_key\nAuthorizedKeysFile {top}/authorized_keys\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\n\
         PermitRootLogin yes\nMaxStartups 100:30:200\nUseDNS no\nPrintMotd no\nLogLevel {level}\n"
    )
}

/// What the first process of the machine does.
fn begin(top: &Path, like: &Like) -> String {
    let top = top.display();
    let mut script = format!("set -e\nhostname {}\n", like.name);
    // Nothing may be written to the machine below, not even a place to mount something at.
    let _ = writeln!(
        script,
        "mount -t overlay -o lowerdir=/etc,upperdir={top}/etc/upper,workdir={top}/etc/work overlay /etc"
    );
    // What the developer's own shell does at a login is no part of a machine: a lock that it leaves would hold up the next.
    script.push_str("mount -t tmpfs tmpfs /root\n");
    script.push_str("mount -t tmpfs tmpfs /run\nmount -t tmpfs tmpfs /var/spool\nmkdir -p /run/sshd\n");
    for own in OWN {
        let _ = writeln!(script, "mkdir -p {own} && mount --bind {top}/root{own} {own}");
    }
    for file in ["passwd", "group", "shadow", "sudoers"] {
        let _ = writeln!(script, "mount --bind {top}/{file} /etc/{file}");
    }
    if like.cron {
        // Only its name is looked at: nothing must fire while a test runs.
        let _ = writeln!(script, "cp /bin/sleep {top}/cron && {top}/cron infinity &");
    }
    let _ = writeln!(script, "exec /usr/sbin/sshd -D -e -f {top}/sshd_config");
    script
}

/// A way to a port that takes its time, or ends.
pub struct Proxy {
    pub port: u16,
    /// What went towards the machine, in bytes.
    pub sent: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Proxy {
    /// Every byte is that much later, in each direction; after so many bytes towards the machine both ends are closed.
    pub fn to(target: u16, delay: Duration, breaks_after: Option<u64>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sent, stopped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, stop) = (Arc::clone(&sent), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                pass(&client, &server, delay, breaks_after, Some(Arc::clone(&counter)));
                pass(&server, &client, delay, None, None);
            }
        });
        Proxy { port, sent, stopped }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Passes bytes on, each as much later as it must be, without holding up those behind it.
fn pass(
    from: &TcpStream,
    to: &TcpStream,
    delay: Duration,
    breaks_after: Option<u64>,
    counter: Option<Arc<AtomicU64>>,
) {
    let (mut from, mut to) = (from.try_clone().expect("cloned"), to.try_clone().expect("cloned"));
    let (queue, due) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
    let (from_too, to_too) = (from.try_clone().expect("cloned"), to.try_clone().expect("cloned"));
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if queue.send((Instant::now() + delay, buffer[..read].to_vec())).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        let mut passed = 0;
        for (at, bytes) in due {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            passed += bytes.len() as u64;
            if let Some(counter) = &counter {
                counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            if breaks_after.is_some_and(|limit| passed > limit) || to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to_too.shutdown(std::net::Shutdown::Both);
        let _ = from_too.shutdown(std::net::Shutdown::Both);
    });
}
