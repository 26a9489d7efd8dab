//! The words of OpenSSH: how it is started, and what its errors mean. Pure.
//!
//! The system's own `ssh` runs with the user's configuration, agents and jump hosts. It asks nothing, since nobody would
//! answer, and takes no host key that is not known already: neither can be turned off here.

use std::path::{Path, PathBuf};

use crate::clients::process::Program;

/// How a machine is reached over ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Name or address, or an alias of the user's configuration.
    pub address: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub private_key: Option<String>,
    /// Host keys beside those that the user and the system know.
    pub known_hosts: Option<PathBuf>,
    /// A configuration in place of the user's and the system's.
    pub config: Option<PathBuf>,
}

/// Seconds until a machine that does not answer is given up.
pub(super) const CONNECT_SECONDS: u32 = 10;

/// How long a machine may be silent that was connected to: seconds between questions, and how many may stay unanswered.
#[derive(Clone, Copy)]
struct Patience(u32, u32);

/// A machine that dies in the middle is noticed within fifteen seconds.
const SHORT: Patience = Patience(5, 3);
/// One that is busy with a large tree is given two minutes.
const LONG: Patience = Patience(15, 8);

impl Ssh {
    /// The machine that the configuration of whoever runs the job knows by this name.
    pub fn named(name: &str, config: Option<&Path>) -> Self {
        Ssh {
            address: name.to_owned(),
            port: None,
            user: None,
            private_key: None,
            known_hosts: None,
            config: config.map(Path::to_owned),
        }
    }

    /// Runs `command`, a line of `sh`, for as long as it takes.
    pub fn program(&self, command: &str) -> Program {
        Program::new("ssh").args(self.long_options()).args(["--", &self.address, command])
    }

    /// `ssh` and its options as rsync's `--rsh` takes them: words with blanks between, in quotes where they hold any.
    pub fn remote_shell(&self) -> String {
        let quoted = |word: String| match word.contains(char::is_whitespace) {
            true => format!("'{word}'"),
            false => word,
        };
        std::iter::once("ssh".to_owned()).chain(self.long_options()).map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// The arguments that run `command`, a line of `sh`, on the machine.
    pub(super) fn arguments(&self, command: &str) -> Vec<String> {
        let mut words = self.options(SHORT);
        words.extend(["--".to_owned(), self.address.clone(), command.to_owned()]);
        words
    }

    /// A connection that others may share would outlive its program, and hold its output open.
    fn long_options(&self) -> Vec<String> {
        let mut words = self.options(LONG);
        words.extend(["-o", "ControlMaster=no"].map(str::to_owned));
        words
    }

    fn options(&self, Patience(seconds, times): Patience) -> Vec<String> {
        let mut words = vec!["-T".to_owned()];
        words.extend(self.config.iter().flat_map(|file| ["-F".to_owned(), file.display().to_string()]));
        let mut option = |text: String| words.extend(["-o".to_owned(), text]);
        option("BatchMode=yes".to_owned());
        option("StrictHostKeyChecking=yes".to_owned());
        option(format!("ConnectTimeout={CONNECT_SECONDS}"));
        option(format!("ServerAliveInterval={seconds}"));
        option(format!("ServerAliveCountMax={times}"));
        // What a user's configuration says for people at a prompt.
        option("RemoteCommand=none".to_owned());
        option("ClearAllForwardings=yes".to_owned());
        option("LogLevel=ERROR".to_owned());
        if let Some(file) = &self.known_hosts {
            option(format!("GlobalKnownHostsFile={} {SYSTEM_KNOWN_HOSTS}", in_quotes(file)));
        }
        words.extend(self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
        words.extend(self.user.iter().flat_map(|user| ["-l".to_owned(), user.clone()]));
        words.extend(self.private_key.iter().flat_map(|key| ["-i".to_owned(), home(key)]));
        words
    }

    fn place(&self) -> String {
        match self.port {
            Some(port) => format!("{} port {port}", self.address),
            None => self.address.clone(),
        }
    }

    /// Why ssh ended before the machine answered: for people, with what to do.
    pub(super) fn why(&self, said: &str) -> String {
        let place = self.place();
        let has = |words: &str| said.contains(words);
        let known = match &self.known_hosts {
            Some(file) => format!("{} or ~/.ssh/known_hosts", file.display()),
            None => "~/.ssh/known_hosts or the environment's known_hosts".to_owned(),
        };
        if has("IDENTIFICATION HAS CHANGED") {
            return format!(
                "{place} shows another host key than the one in known_hosts: it was set up anew, or somebody stands in \
                 between. Compare its key with what its console shows; only then replace the line in {known}"
            );
        }
        if has("Host key verification failed") {
            return format!(
                "{place} has a host key that nobody vouched for: compare it with what its console shows, then add it to \
                 {known} (ssh-keyscan prints the line)"
            );
        }
        if has("Permission denied") {
            let user = self.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
            return format!(
                "{place} refuses the login{user}: no key that ssh offers is taken there; see `ssh-add -l`, ansible_user and \
                 ansible_ssh_private_key_file"
            );
        }
        let cause = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("ssh ended at once");
        let short = [
            ("timed out", "timed out"),
            ("Connection refused", "refused the connection"),
            ("No route to host", "cannot be reached: no route to it"),
            ("Network is unreachable", "cannot be reached: no network"),
            ("Could not resolve", "is a name that cannot be resolved"),
        ];
        match short.iter().find(|(words, _)| cause.contains(words)) {
            Some((_, short)) => format!("{place} {short}"),
            None => format!("{place}: {cause}"),
        }
    }
}

/// The files that ssh reads by default (ssh_config(5)), which naming one of ours must not hide.
const SYSTEM_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2";

/// Whether the machine closed the connection before it was one: it takes only so many at a time (`MaxStartups` of
/// sshd_config(5)), and asking again is safe.
pub(super) fn is_crowded(said: &str) -> bool {
    ["kex_exchange_identification", "banner exchange"].iter().any(|words| said.contains(words))
        && ["closed", "reset"].iter().any(|words| said.contains(words))
}

/// A path as one word of ssh's options.
fn in_quotes(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

/// `~/key` in the home of who connects, as Ansible has it.
fn home(key: &str) -> String {
    match (key.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Ssh {
        Ssh {
            address: "10.0.0.12".to_owned(),
            port: Some(22),
            user: Some("ansible".to_owned()),
            private_key: None,
            known_hosts: Some(PathBuf::from("/my env/known_hosts")),
            config: None,
        }
    }

    #[test]
    fn host_keys_are_always_checked_and_nothing_is_asked() {
        let words = machine().arguments("true");
        let text = words.join(" ");
        for needed in
            ["BatchMode=yes", "StrictHostKeyChecking=yes", "\"/my env/known_hosts\" /etc/ssh/ssh_known_hosts"]
        {
            assert!(text.contains(needed), "{text}");
        }
        assert_eq!(words[words.len() - 3..], ["--", "10.0.0.12", "true"]);
    }

    #[test]
    fn jobs_use_the_configuration_of_their_user() {
        let text = Ssh::named("web", Some(Path::new("/a b/config"))).remote_shell();
        assert!(
            text.starts_with("ssh -T -F '/a b/config' -o BatchMode=yes -o StrictHostKeyChecking=yes"),
            "{text}"
        );
        assert!(!text.contains("-p") && !text.contains("-l"), "{text}");
    }

    #[test]
    fn errors_of_ssh_say_what_to_do() {
        let cases = [
            ("ssh: connect to host 10.0.0.12 port 22: Connection timed out", "10.0.0.12 port 22 timed out"),
            ("ssh: connect to host 10.0.0.12 port 22: Connection refused", "refused the connection"),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "another host key",
            ),
            (
                "No ED25519 host key is known for 10.0.0.12 and you have requested strict checking.\nHost key verification failed.",
                "nobody vouched for",
            ),
            ("ansible@10.0.0.12: Permission denied (publickey).", "refuses the login as ansible"),
            ("ssh: Could not resolve hostname db9: Name or service not known", "cannot be resolved"),
            ("", "ssh ended at once"),
        ];
        for (said, why) in cases {
            let told = machine().why(said);
            assert!(told.contains(why) && told.contains("10.0.0.12"), "{said}: {told}");
        }
        assert!(is_crowded("kex_exchange_identification: Connection closed by remote host"));
        assert!(!is_crowded("Connection closed by 10.0.0.12 port 22"));
    }
}
