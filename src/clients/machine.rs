//! What this machine itself tells: its zone, its name, whether it has a cron.

use std::fs;
use std::path::Path;

use chrono_tz::Tz;

/// The zone in which this machine's cron fires: what `/etc/localtime` points to, else what `/etc/timezone` says, else
/// UTC, as systemd and Debian have it.
pub fn zone() -> Tz {
    let linked = fs::canonicalize("/etc/localtime").ok().and_then(|path| {
        let path = path.to_str()?.to_owned();
        path.split_once("/zoneinfo/")?.1.parse().ok()
    });
    let written = || fs::read_to_string("/etc/timezone").ok()?.trim().parse().ok();
    linked.or_else(written).unwrap_or(Tz::UTC)
}

/// The machine's own name, as `hostname` prints it.
pub fn hostname() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "localhost".to_owned())
}

/// Whether a cron daemon is running, by the names that the usual ones have.
pub fn cron_runs() -> bool {
    const NAMES: [&str; 4] = ["cron", "crond", "fcron", "bcron-start"];
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        NAMES.contains(&name.trim())
    })
}

/// Whether a program can be started from a path.
pub fn is_program(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(Path::new(path));
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
