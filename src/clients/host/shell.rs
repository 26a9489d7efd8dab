//! One shell on a machine, kept open: this machine's own, or one behind ssh, root's where we may become root.
//!
//! One connection, one process and one `sudo` a host, whatever is done there. The first script travels in the command, so
//! that a look costs one round trip once the line stands; later ones, and all data, go through standard input. A line that
//! breaks off is noticed, told, and opened anew for whatever is asked next: each script is whole or not at all.

use std::fmt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::script::{self, ENTER, SERVE};
use super::ssh::{Ssh, is_crowded};
use super::{
    Access, HostError, ProgramFile, Question, Ran, Swapped, View, answer, asks, error, plain, with_help,
};
use crate::vocab::Secret;

/// Which machine it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    Local,
    Ssh(Ssh),
}

/// A machine with a shell.
pub struct Shell {
    way: Way,
    /// What `sudo` asks for there.
    password: Option<Secret>,
    session: tokio::sync::Mutex<Option<Session>>,
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("way", &self.way).finish_non_exhaustive()
    }
}

/// A script that takes longer than this is given up: nothing that is asked here does.
const LIMIT: Duration = Duration::from_secs(60);
/// A program over a slow line.
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// The most that a script may answer.
const MOST_ANSWER: usize = 64 << 20;
/// Attempts to open a connection where the machine has too many at once.
const ATTEMPTS: u32 = 5;
/// How much of standard error is kept: its end, where programs say why they stop.
const SAID_KEPT: usize = 8 << 10;
/// What `sudo` asks with; see `enter.sh`.
const PROMPT: &str = "reconcile asks for the password of sudo";
/// What a program is sent in; see `install`.
const BLOCK: usize = 65536;

/// What `swap` answers where something else is there, and where nothing is.
const SWAP_ELSE: i32 = 3;
const SWAP_NOTHING: i32 = 4;

/// A shell that listens.
struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// What our lines begin with, both ways.
    mark: String,
    errors: Errors,
}

/// What comes over standard error, as it comes.
struct Errors {
    said: Arc<Mutex<String>>,
    /// Told when `sudo` asks again: it did not take the password.
    asked_again: Arc<Notify>,
    reader: JoinHandle<()>,
}

/// Why there was no answer.
enum Silence {
    /// What ended it said this; whether the shell had begun to answer.
    Ended { said: String, was_open: bool },
    /// In words for people.
    Told(String),
}

impl Shell {
    pub fn new(way: Way, password: Option<Secret>) -> Self {
        Shell { way, password, session: tokio::sync::Mutex::default() }
    }

    /// Whether it is the machine that this program runs on.
    pub fn is_here(&self) -> bool {
        self.way == Way::Local
    }

    pub(super) async fn look(&self, question: &Question) -> Result<View, String> {
        let script = script::look(question).map_err(|error| error.to_string())?;
        let has_login = question.asks.values().any(|ask| ask.login.is_some());
        let (output, _) = self.exchange(&script, asks::secret(has_login), LIMIT).await?;
        let mut view = answer::view(&output)?;
        view.asked = asks::all(&question.asks, &std::mem::take(&mut view.raw));
        Ok(view)
    }

    pub(super) async fn write(&self, path: &str, bytes: &[u8], access: &Access) -> Result<(), HostError> {
        let words = script::given(plain(path)?, access);
        self.change("cannot write", "replace", path, &words, Some(coded(bytes).as_bytes()), LIMIT).await
    }

    pub(super) async fn make_directory(&self, path: &str, access: &Access) -> Result<(), HostError> {
        let words = script::given(plain(path)?, access);
        self.change("cannot make", "directory", path, &words, None, LIMIT).await
    }

    pub(super) async fn remove(&self, path: &str) -> Result<(), HostError> {
        let words = [plain(path)?.to_owned()];
        self.change("cannot remove", "vanish", path, &words, None, LIMIT).await
    }

    pub(super) async fn swap(
        &self,
        path: &str,
        from: Option<&[u8]>,
        to: Option<&[u8]>,
    ) -> Result<Swapped, HostError> {
        let from = from.map_or_else(|| "-".to_owned(), |bytes| hex::encode(Sha256::digest(bytes)));
        let words = [plain(path)?, &from, if to.is_some() { "+" } else { "-" }];
        let script = script::change("swap", &words)?;
        let data = to.map(coded);
        let answer = self.exchange(&script, data.as_ref().map(|data| data.as_bytes()), LIMIT).await;
        let (output, status) = answer.map_err(|why| error("cannot write", path, why))?;
        match status {
            0 => Ok(Swapped::Done),
            SWAP_ELSE => Ok(Swapped::Differs(Some(output))),
            SWAP_NOTHING => Ok(Swapped::Differs(None)),
            _ => Err(refused("cannot write", path, &output)),
        }
    }

    pub(super) async fn install(&self, path: &str, program: &ProgramFile) -> Result<(), HostError> {
        let failed = |cause: std::io::Error| error("cannot write", path, cause.to_string());
        let mut data = Vec::new();
        let mut encoder = flate2::write::GzEncoder::new(&mut data, flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &program.bytes).map_err(failed)?;
        encoder.finish().map_err(failed)?;
        let length = data.len();
        let blocks = length.div_ceil(BLOCK);
        data.resize(blocks * BLOCK, 0);
        let words = [
            plain(path)?.to_owned(),
            blocks.to_string(),
            length.to_string(),
            program.sha256.clone(),
            program.banner.clone(),
        ];
        let result = self.change("cannot write", "install", path, &words, Some(&data), INSTALL_LIMIT).await;
        if result.is_err() {
            // What was not taken of the program is still in the line.
            *self.session.lock().await = None;
        }
        result
    }

    pub(super) async fn run(&self, user: &str, words: &[String], limit: Duration) -> Result<Ran, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = script::quoted(&words).map_err(|error| error.to_string())?;
        let script = script::change("run", &[user, &command]).map_err(|error| error.to_string())?;
        let (output, status) = self.exchange(&script, None, limit).await?;
        Ok(Ran { succeeded: status == 0, output: String::from_utf8_lossy(&output).into_owned() })
    }

    async fn change(
        &self,
        what: &'static str,
        function: &str,
        path: &str,
        words: &[String],
        data: Option<&[u8]>,
        limit: Duration,
    ) -> Result<(), HostError> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let script = script::change(function, &words)?;
        let (output, status) =
            self.exchange(&script, data, limit).await.map_err(|why| error(what, path, why))?;
        if status == 0 {
            return Ok(());
        }
        Err(refused(what, path, &output))
    }

    /// Runs one script: what it printed, and its status.
    pub(super) async fn exchange(
        &self,
        script: &str,
        data: Option<&[u8]>,
        limit: Duration,
    ) -> Result<(Vec<u8>, i32), String> {
        let mut slot = self.session.lock().await;
        let talk = self.talk(&mut slot, script, data);
        let result = match tokio::time::timeout(limit, Box::pin(talk)).await {
            Ok(result) => result,
            Err(_) => Err(format!("it gave no answer within {} seconds", limit.as_secs())),
        };
        let result = result.and_then(|output| {
            let (said, status) = answer::split_status(&output)?;
            Ok((said.to_vec(), status))
        });
        if result.is_err() {
            *slot = None;
        }
        result
    }

    async fn talk(
        &self,
        slot: &mut Option<Session>,
        script: &str,
        data: Option<&[u8]>,
    ) -> Result<Vec<u8>, String> {
        if slot.is_none() {
            // Data must not be on its way before it is known who reads it.
            let (session, answer) = self.open(if data.is_none() { script } else { ":" }).await?;
            *slot = Some(session);
            if data.is_none() {
                return Ok(answer);
            }
        }
        let Some(session) = slot else { return Err("there is no connection".to_owned()) };
        session.ask(script, data.unwrap_or_default()).await.map_err(|silence| self.told(silence))
    }

    /// Opens a shell; answers what its first script printed. A crowded machine is tried again: nothing happened there.
    async fn open(&self, first: &str) -> Result<(Session, Vec<u8>), String> {
        let mut pause = Duration::from_millis(200);
        for _ in 1..ATTEMPTS {
            match Box::pin(self.open_once(first)).await {
                Err(Silence::Ended { said, was_open: false }) if is_crowded(&said) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                result => return result.map_err(|silence| self.told(silence)),
            }
        }
        Box::pin(self.open_once(first)).await.map_err(|silence| self.told(silence))
    }

    async fn open_once(&self, first: &str) -> Result<(Session, Vec<u8>), Silence> {
        let mut session = self.start(first).map_err(Silence::Told)?;
        if let Some(password) = &self.password {
            // Where `sudo` does not ask, the shell takes it for a line that is not ours.
            let line = Zeroizing::new(format!("{}\n", password.expose()));
            // A shell that ended already says why on standard error.
            let _ = session.stdin.write_all(line.as_bytes()).await;
        }
        let answer = session.answer(false).await?;
        Ok((session, answer))
    }

    fn start(&self, first: &str) -> Result<Session, String> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| format!("no random numbers: {error}"))?;
        let mark = format!("reconcile-{}", hex::encode(random));
        let mode = match (&self.password, &self.way) {
            (Some(_), _) => "ask",
            // Whoever runs this without being root sees what they may see.
            (None, Way::Local) if crate::clients::process::find("sudo", &[]).is_none() => "self",
            (None, _) => "never",
        };
        let words = ["sh", "-c", ENTER, mode, SERVE, "reconcile", &mark, first];
        let mut command = match &self.way {
            Way::Local => {
                let mut command = Command::new("sh");
                command.args(words.iter().skip(1));
                command
            }
            Way::Ssh(ssh) => {
                let line = script::quoted(&words).map_err(|error| error.to_string())?;
                let mut command = Command::new("ssh");
                command.args(ssh.arguments(&format!("exec {line}")));
                command
            }
        };
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| match (error.kind(), &self.way) {
            (std::io::ErrorKind::NotFound, Way::Ssh(_)) => {
                "the program `ssh` is not here; on Debian `apt install openssh-client`".to_owned()
            }
            _ => format!("a shell cannot be started: {error}"),
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("a shell without pipes".to_owned());
        };
        Ok(Session { child, stdin, stdout: BufReader::new(stdout), mark, errors: Errors::of(stderr) })
    }

    /// Why a shell gave no answer, for people.
    fn told(&self, silence: Silence) -> String {
        let (said, was_open) = match silence {
            Silence::Told(why) => return why,
            Silence::Ended { said, was_open } => (said, was_open),
        };
        let said: Vec<&str> =
            said.lines().map(str::trim).filter(|line| !line.is_empty() && *line != PROMPT).collect();
        let said = said.join("\n");
        let has = |words: &str| said.contains(words);
        if has("a password is required") {
            return "sudo wants a password there, and the vault has none: put ansible_sudo_pass into it, or let this user \
                    run sudo without one"
                .to_owned();
        }
        if has("not in the sudoers file") || has("not allowed to execute") || has("may not run sudo") {
            return "the user that logs in there may not use sudo: allow it, or log in as one that may (ansible_user)"
                .to_owned();
        }
        if has("incorrect password") || has("no password was provided") {
            return WRONG_PASSWORD.to_owned();
        }
        if let Some(line) = said.lines().find(|line| line.starts_with("sudo:")) {
            return format!("sudo does not work there: {}", line.trim_start_matches("sudo:").trim());
        }
        match &self.way {
            Way::Ssh(_) if was_open => {
                "the connection broke off in the middle; what was under way there is whole or \
                                        undone: plan again"
                    .to_owned()
            }
            Way::Ssh(ssh) => ssh.why(&said),
            Way::Local => format!("the shell ended: {}", said.replace('\n', "; ")),
        }
    }
}

/// Bytes as lines that a script reads with `data`. Secrets pass through here.
fn coded(bytes: &[u8]) -> Zeroizing<String> {
    let mut data = Zeroizing::new(String::with_capacity(bytes.len() * 3 / 2 + 8));
    for line in bytes.chunks(57) {
        STANDARD.encode_string(line, &mut data);
        data.push('\n');
    }
    data.push_str(".\n");
    data
}

/// What a script said that could not do its work.
fn refused(what: &'static str, path: &str, output: &[u8]) -> HostError {
    let said = String::from_utf8_lossy(output);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    error(what, path, with_help(&lines.join("; ")))
}

const WRONG_PASSWORD: &str =
    "sudo there does not take the password: see ansible_sudo_pass in the vault; it was tried once";

impl Session {
    async fn ask(&mut self, script: &str, data: &[u8]) -> Result<Vec<u8>, Silence> {
        let line = format!("{} {}\n", self.mark, STANDARD.encode(script));
        let sent = async {
            self.stdin.write_all(line.as_bytes()).await?;
            self.stdin.write_all(data).await?;
            self.stdin.flush().await
        };
        if sent.await.is_err() {
            return Err(self.ended(true).await);
        }
        self.answer(true).await
    }

    /// What the script printed, its status behind it. `was_open`: whether this shell answered before.
    async fn answer(&mut self, was_open: bool) -> Result<Vec<u8>, Silence> {
        let (begin, end) = (format!("{} begin\n", self.mark), format!("{} end\n", self.mark));
        let asked_again = Arc::clone(&self.errors.asked_again);
        let mut began = None;
        let mut coded = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut self.stdout).take(MOST_ANSWER as u64);
            let read = tokio::select! {
                read = bounded.read_until(b'\n', &mut line) => read,
                () = asked_again.notified() => return Err(Silence::Told(WRONG_PASSWORD.to_owned())),
            };
            if read.is_err() || line.last() != Some(&b'\n') {
                return Err(self.ended(was_open || began.is_some()).await);
            }
            match began {
                None if line == begin.as_bytes() => began = Some(()),
                None => {}
                Some(()) if line == end.as_bytes() => break,
                Some(()) => {
                    line.pop();
                    coded.extend_from_slice(&line);
                }
            }
            if coded.len() > MOST_ANSWER {
                return Err(Silence::Told("its answer is larger than 64 MiB".to_owned()));
            }
        }
        let decoded = STANDARD.decode(&coded);
        decoded.map_err(|error| Silence::Told(format!("its answer cannot be understood: {error}")))
    }

    /// The last words of a shell that is gone.
    async fn ended(&mut self, was_open: bool) -> Silence {
        let patience = Duration::from_secs(2);
        let _ = tokio::time::timeout(patience, self.child.wait()).await;
        let _ = tokio::time::timeout(patience, &mut self.errors.reader).await;
        let said = self.errors.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Silence::Ended { said, was_open }
    }
}

impl Errors {
    fn of(mut stderr: tokio::process::ChildStderr) -> Self {
        let said = Arc::new(Mutex::new(String::new()));
        let asked_again = Arc::new(Notify::new());
        let reader = {
            let (said, asked_again) = (Arc::clone(&said), Arc::clone(&asked_again));
            tokio::spawn(async move {
                let mut chunk = [0; 1024];
                while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
                    let text = String::from_utf8_lossy(chunk.get(..read).unwrap_or_default());
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    said.push_str(&text);
                    if said.matches(PROMPT).count() > 1 {
                        asked_again.notify_one();
                    }
                    let surplus = said.len().saturating_sub(SAID_KEPT);
                    let cut = (surplus..=said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or(0);
                    said.drain(..cut);
                }
            })
        };
        Errors { said, asked_again, reader }
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
