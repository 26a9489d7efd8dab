//! A real PostgreSQL in a temporary directory: its own data, its own socket, no TCP. Root drops to the user
//! `postgres`, since the server refuses to run as root. Stopped when dropped, on a panic as well.

// clippy.toml lets test functions panic; what they share is outside of its sight.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reconcile::datastores::postgresql::job::Connection;
use tempfile::TempDir;

/// The port is only part of the socket's name.
const PORT: u16 = 54321;

pub struct Postgres {
    server: Child,
    bin: PathBuf,
    folder: TempDir,
    port: u16,
}

/// The server's programs, the newest version's; `None` is a skip.
pub fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, bin)| bin);
    if newest.is_none() {
        super::skip("postgres", "no PostgreSQL server under /usr/lib/postgresql");
    }
    newest
}

/// A command that runs as a user whom the server accepts.
pub fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// `postgres`, where the tests run as root.
fn server_user() -> Option<(u32, u32)> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let user = nix::unistd::User::from_name("postgres").expect("users").expect("a user `postgres`");
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

impl Postgres {
    /// A fresh cluster with these settings added to postgresql.conf; `None` where no server is installed.
    pub fn start(settings: &str) -> Option<Self> {
        Self::start_with(&[], settings)
    }

    /// The same with more options for initdb.
    pub fn start_with(options: &[&str], settings: &str) -> Option<Self> {
        let bin = programs()?;
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
        give(folder.path());
        let data = folder.path().join("data");
        let made = as_postgres(&bin.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D"])
            .arg(&data)
            .args(options)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let conf = data.join("postgresql.conf");
        let mut text = std::fs::read_to_string(&conf).expect("conf");
        text.push_str("\nfsync = off\nshared_buffers = 16MB\nautovacuum = off\n");
        text.push_str(settings);
        std::fs::write(&conf, text).expect("conf");
        Some(Self::run(bin, folder, &data))
    }

    /// A server on data that a backup was unpacked into.
    pub fn restored(folder: TempDir, data: &Path) -> Self {
        give(folder.path());
        Self::run(programs().expect("a server made the backup"), folder, data)
    }

    fn run(bin: PathBuf, folder: TempDir, data: &Path) -> Self {
        Self::run_with(bin, folder, data, &[])
    }

    /// The same with more options; the last word wins.
    fn run_with(bin: PathBuf, folder: TempDir, data: &Path, options: &[String]) -> Self {
        // Whoever connects passes through the folder; only the data must be closed.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("mode");
        let log = std::fs::File::create(folder.path().join("log")).expect("log");
        let server = as_postgres(&bin.join("postgres"))
            .arg("-D")
            .arg(data)
            .args(["-c", "listen_addresses=", "-c", &format!("port={PORT}")])
            .arg("-k")
            .arg(folder.path())
            .args(options)
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let port = options.iter().find_map(|option| option.strip_prefix("port=")?.parse().ok());
        let mut postgres = Postgres { server, bin, folder, port: port.unwrap_or(PORT) };
        for _ in 0..600 {
            let ready = postgres.command("pg_isready").output().expect("pg_isready runs");
            if ready.status.success() {
                return postgres;
            }
            assert!(
                postgres.server.try_wait().expect("server").is_none(),
                "the server ended: {}",
                postgres.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not come up: {}", postgres.log());
    }

    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it again after [`Postgres::kill`], on whatever its data is by now.
    pub fn start_again(self) -> Self {
        let mut old = std::mem::ManuallyDrop::new(self);
        old.kill();
        let folder = std::mem::replace(&mut old.folder, tempfile::tempdir().expect("folder"));
        let data = folder.path().join("data");
        Self::run(old.bin.clone(), folder, &data)
    }

    pub fn connection(&self) -> Connection {
        Connection {
            host: Some(self.folder.path().to_str().expect("utf-8").to_owned()),
            port: Some(self.port),
            user: Some("postgres".to_owned()),
            ..Connection::default()
        }
    }

    /// A client program with the options to reach this server.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string(), "-U", "postgres"]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs SQL and answers with its bare output.
    pub fn sql(&self, sql: &str) -> String {
        let psql = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", sql];
        let done = self.command("psql").args(psql).output().expect("psql runs");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// A folder that the server may use, such as for a tablespace.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir(&path).expect("folder");
        give(&path);
        path
    }

    pub fn kill(&mut self) {
        // SIGINT ends every session at once; SIGKILL would leave the server's children behind.
        let pid = i32::try_from(self.server.id()).expect("pid");
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT);
        let _ = self.server.wait();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A standby that follows another server, lets in whom `hba` says, and listens on 127.0.0.1 at the port that is answered;
/// `None` is a skip.
pub fn standby_of(primary: &Postgres, hba: &str) -> Option<(Postgres, u16)> {
    let bin = programs()?;
    // A port that was free may be taken a moment later.
    for _ in 0..5 {
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
        give(folder.path());
        let data = folder.path().join("data");
        let copied = as_postgres(&bin.join("pg_basebackup"))
            .args([
                "-h",
                primary.folder.path().to_str().expect("utf-8"),
                "-p",
                &PORT.to_string(),
                "-U",
                "postgres",
            ])
            .args(["-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("pg_basebackup runs");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        std::fs::write(data.join("pg_hba.conf"), hba).expect("written");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.expect("a port").port();
        let taken = std::net::TcpListener::bind(("127.0.0.1", port)).is_err();
        if taken {
            continue;
        }
        // The socket keeps its name, and the address its port: one server has one port, so the socket has this one too.
        let options = ["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")].map(str::to_owned);
        return Some((Postgres::run_with(bin, folder, &data, &options), port));
    }
    None
}

/// Gives a path and everything below it to the server's user.
pub fn give(path: &Path) {
    let Some((uid, gid)) = server_user() else { return };
    std::os::unix::fs::lchown(path, Some(uid), Some(gid)).expect("chown");
    let metadata = std::fs::symlink_metadata(path).expect("metadata");
    if metadata.is_dir() {
        chown(path, Some(uid), Some(gid)).expect("chown");
        for entry in std::fs::read_dir(path).expect("folder") {
            give(&entry.expect("entry").path());
        }
    }
}
