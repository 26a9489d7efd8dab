//! What goes wrong and for how long: by chance, and the same in every run.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use chrono::TimeDelta;

use super::world::World;
use crate::support;

/// The same numbers in every run.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    pub(super) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// How many more days something lasts.
#[derive(Debug, Default)]
pub(super) struct Weather {
    pub(super) host_is_down: u64,
    pub(super) storage_is_down: u64,
    pub(super) disk_is_full: u64,
    pub(super) clock_is_off: u64,
}

/// A file system of its own that can be filled; gone when dropped.
pub(super) struct Disk(PathBuf);

impl Disk {
    pub(super) fn mount(at: PathBuf) -> Option<Disk> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&at).output();
        match done {
            Ok(output) if output.status.success() => Some(Disk(at)),
            _ => {
                support::skip("mount", "no disk of its own can be mounted here, so none is full");
                None
            }
        }
    }

    pub(super) fn fill(&self) {
        let mut file = fs::File::create(self.0.join("ballast")).expect("made");
        while io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    }

    pub(super) fn empty(&self) {
        let _ = fs::remove_file(self.0.join("ballast"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

impl World {
    /// Whether the host's clock was set.
    pub(super) fn set_weather(&mut self) -> bool {
        let Weather { host_is_down, storage_is_down, disk_is_full, clock_is_off } = &mut self.weather;
        let chance = &mut self.chance;
        let mut next = |left: &mut u64, often: u64, long: u64| {
            *left = left.saturating_sub(1);
            if *left == 0 && chance.one_in(often) {
                *left = 1 + chance.below(long);
            }
        };
        next(host_is_down, 30, 4);
        next(storage_is_down, 25, 3);
        next(disk_is_full, 40, 2);
        let was_off = *clock_is_off > 0;
        next(clock_is_off, 60, 3);
        let is_off = *clock_is_off > 0;
        if is_off != was_off {
            let days = match (is_off, self.chance.one_in(2)) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => -1,
            };
            *self.ahead.lock().expect("clock") = TimeDelta::days(days);
        }
        if is_off || was_off {
            self.disturbed_until = self.truth() + TimeDelta::days(12);
        }
        if let Some(disk) = &self.disk {
            if self.weather.disk_is_full > 0 { disk.fill() } else { disk.empty() }
        }
        is_off != was_off
    }
}
