//! What this machine itself tells: its zone and its name.

use std::fs;

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
