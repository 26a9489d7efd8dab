//! Other hosts, as a job reaches them: by the system's `ssh` and the configuration of the job's own user, or, in the
//! sandbox, as folders.

use std::path::{Path, PathBuf};

use crate::clients::host::Ssh;
use crate::datastores::dump::DumpError;
use crate::datastores::job::below;
use crate::vocab::HostName;

/// How a job reaches other hosts.
#[derive(Clone, Debug)]
pub enum Elsewhere {
    /// Over ssh, with this configuration in place of that of the job's user.
    Ssh { config: Option<PathBuf> },
    /// Each is a folder of this one, by its name.
    Folders(PathBuf),
}

/// One other host.
#[derive(Clone, Debug)]
pub enum Way {
    Ssh(Ssh),
    Folder(PathBuf),
}

impl Elsewhere {
    pub fn way(&self, host: &HostName) -> Way {
        match self {
            Elsewhere::Ssh { config } => Way::Ssh(Ssh::named(host.as_str(), config.as_deref())),
            Elsewhere::Folders(all) => Way::Folder(all.join(host.as_str())),
        }
    }
}

impl Way {
    /// A path of the host where it lies here, if it does.
    pub fn here(&self, path: &str) -> Option<PathBuf> {
        match self {
            Way::Ssh(_) => None,
            Way::Folder(root) => Some(below(root, path)),
        }
    }

    /// A directory of the host in the words of rsync.
    pub fn rsync_place(&self, host: &HostName, path: &str) -> PathBuf {
        match self {
            Way::Folder(root) => below(root, path).join(""),
            // A name with a colon is an address of IPv6.
            Way::Ssh(_) if host.as_str().contains(':') => Path::new(&format!("[{host}]:{path}/")).to_owned(),
            Way::Ssh(_) => Path::new(&format!("{host}:{path}/")).to_owned(),
        }
    }
}

/// Why ssh did not do its work on `host`: what it said, and what to do about it.
pub fn unreachable(host: &HostName, said: &str) -> DumpError {
    let has = |words: &str| said.contains(words);
    let last =
        said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("ssh ended without a word");
    let error = DumpError::new(format!("{host} cannot be reached over ssh, or the connection broke: {last}"));
    error.help(if has("IDENTIFICATION HAS CHANGED") {
        format!("{host} shows another host key than before: compare it with what its console shows before anything else")
    } else if has("Host key verification failed") {
        format!(
            "compare the host key of {host} with what its console shows, then add it to ~/.ssh/known_hosts of the job's \
             user (`ssh-keyscan {host}` prints the line)"
        )
    } else if has("Permission denied") {
        format!("the job's user logs in to {host} with a key of its own, without a passphrase: see its ~/.ssh/config")
    } else {
        format!("as the job's user, `ssh {host} true` must succeed without a question: see its ~/.ssh/config")
    })
}
