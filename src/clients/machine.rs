//! What this machine itself tells: its zone, its name, its processes, where links lead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;

/// The zone in which this machine's cron fires.
pub fn zone() -> Tz {
    let localtime = fs::canonicalize("/etc/localtime").ok();
    let timezone = fs::read_to_string("/etc/timezone").ok();
    zone_of(localtime.as_deref().and_then(|path| path.to_str()), timezone.as_deref())
}

/// The zone of a machine: what its `/etc/localtime` leads to, else what its `/etc/timezone` says, else UTC, as systemd and
/// Debian have it.
pub fn zone_of(localtime: Option<&str>, timezone: Option<&str>) -> Tz {
    let linked = localtime.and_then(|path| path.split_once("/zoneinfo/")?.1.parse().ok());
    linked.or_else(|| timezone?.trim().parse().ok()).unwrap_or(Tz::UTC)
}

/// The machine's own name, as `hostname` prints it.
pub fn hostname() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "localhost".to_owned())
}

/// Thirty-two letters that nobody else makes.
pub fn random_token() -> Result<String, String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(hex::encode(random))
}

/// Who runs this program, by login name.
pub fn user() -> String {
    let id = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(id).ok().flatten();
    user.map_or_else(|| id.to_string(), |user| user.name)
}

/// Which person runs this program, as far as anybody can tell: who asked sudo to, else the user itself.
pub fn person() -> String {
    let user = user();
    let asked = std::env::var("SUDO_USER").unwrap_or_default();
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-@\\".contains(c))
    };
    if is_name(&asked) && asked != user { format!("{asked} as {user}") } else { user }
}

/// What tells this machine, since it booted, and this container on it from every other: the kernel's random boot id
/// (random(4)) and the namespace of process numbers (namespaces(7)).
pub fn kernel() -> Option<(String, String)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some((boot.trim().to_owned(), namespace.to_str()?.to_owned()))
}

/// A process that has a file in or below a directory open, as far as this user may see (proc_pid_fd(5)): its number and its
/// name.
pub fn holder(directory: &Path) -> Option<(u32, String)> {
    let directory = fs::canonicalize(directory).ok()?;
    let holds = |process: u32| {
        let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        open.filter_map(|one| fs::read_link(one.path()).ok()).any(|file| file.starts_with(&directory))
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let process = processes.find(|process| *process != std::process::id() && holds(*process))?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some((process, name.trim().to_owned()))
}

/// What a path leads to, where it is a link to something that is there; else the path itself. An error where it leads
/// nowhere.
pub fn behind_links(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => fs::canonicalize(path),
        _ => Ok(path.to_owned()),
    }
}

/// When a process began, in the kernel's ticks since it booted; `None` where nobody says.
pub fn started(process: u32) -> Option<u64> {
    stat(process).map(|(_, started)| started)
}

/// Whether a process runs that has this number and, where that is known, began then. In doubt it does.
pub fn runs(process: u32, began: Option<u64>) -> bool {
    let Some(number) = i32::try_from(process).ok().filter(|number| *number > 0) else { return false };
    // No signal: only whether there would be somebody to take it. Whose it is does not matter.
    let asked = nix::sys::signal::kill(nix::unistd::Pid::from_raw(number), None);
    if asked == Err(nix::errno::Errno::ESRCH) {
        return false;
    }
    match (stat(process), began) {
        // Ended, and only not yet asked how.
        (Some(('Z' | 'X', _)), _) => false,
        (Some((_, started)), Some(began)) => started == began,
        _ => true,
    }
}

/// The state of a process and when it began (proc_pid_stat(5), fields 3 and 22). Its name may hold anything.
fn stat(process: u32) -> Option<(char, u64)> {
    let text = fs::read(format!("/proc/{process}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_runs_until_it_ends() {
        let own = std::process::id();
        assert!(runs(own, started(own)) && runs(own, None) && started(own).is_some());
        assert!(!runs(own, Some(1)), "another one that had the number before");
        assert!(!runs(u32::MAX, None) && !runs(0, None));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("started");
        let began = started(child.id());
        assert!(began.is_some() && runs(child.id(), began));
        child.kill().expect("killed");
        // Until somebody asks how it ended its number is not free.
        while runs(child.id(), began) {
            std::thread::yield_now();
        }
        child.wait().expect("asked");
        assert!(!runs(child.id(), began));
        assert_eq!(kernel(), kernel());
    }
}
