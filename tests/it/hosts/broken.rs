//! Machines on which something is wrong, and lines that break off.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use super::fleet::Fleet;
use crate::support::sshd::{Like, Machine, Proxy};

const CRONTAB: &str = "/etc/cron.d/reconcile-fleet-postgresql";
const JOB_FILE: &str = "/etc/reconcile/fleet/postgresql.json";

fn one(fleet: &Fleet) -> Option<Machine> {
    let machine = fleet.machine(&Like::named("one"))?;
    fleet.inventory(&[("db1", &machine, "root", machine.port)]);
    Some(machine)
}

/// What lies below a directory of the machine, names and bytes.
fn tree(machine: &Machine, directory: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![machine.at(directory)];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry")) {
            match entry.file_type().expect("a type").is_dir() {
                true => open.push(entry.path()),
                false => found
                    .push((entry.path().display().to_string(), fs::read(entry.path()).expect("readable"))),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_line_that_breaks_off_anywhere_leaves_whole_files() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = one(&fleet) else { return };
    // How much an undisturbed apply sends.
    let way = Proxy::to(machine.port, Duration::ZERO, None);
    fleet.inventory(&[("db1", &machine, "root", way.port)]);
    fleet.reconcile("apply --auto-approve").exits(0);
    let whole = tree(&machine, "/etc/cron.d");
    let job = tree(&machine, "/etc/reconcile");
    let sent = way.sent.load(std::sync::atomic::Ordering::Relaxed);
    // The look itself is most of it; every place after it is a write or its answer.
    for step in 1..=12 {
        for directory in ["/etc/cron.d", "/etc/reconcile", "/opt"] {
            let there = machine.at(directory);
            for entry in fs::read_dir(&there).expect("a directory").flatten() {
                let removed = if entry.path().is_dir() {
                    fs::remove_dir_all(entry.path())
                } else {
                    fs::remove_file(entry.path())
                };
                removed.expect("removed");
            }
        }
        let way = Proxy::to(machine.port, Duration::ZERO, Some(sent * step / 12 - sent / 24));
        fleet.inventory(&[("db1", &machine, "root", way.port)]);
        let answer = fleet.reconcile("apply --auto-approve");
        assert!([0, 1, 3].contains(&answer.code), "{}\n{}", answer.stdout, answer.stderr);
        for (path, bytes) in tree(&machine, "/etc/cron.d").into_iter().chain(tree(&machine, "/etc/reconcile"))
        {
            // A temporary file may be left where the machine was cut off in the middle; cron reads no such names.
            if path.contains("/.reconcile-") {
                continue;
            }
            let good = whole.iter().chain(&job).find(|(name, _)| *name == path);
            assert_eq!(good.map(|(_, good)| good), Some(&bytes), "{path} after {step} twelfths");
        }
    }
    fleet.inventory(&[("db1", &machine, "root", machine.port)]);
    fleet.reconcile("apply --auto-approve").exits(0);
    fleet.reconcile("plan --detailed-exitcode").exits(0);
    assert_eq!(tree(&machine, "/etc/cron.d"), whole);
}

#[test]
fn what_others_put_in_our_place_keeps_every_byte() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = one(&fleet) else { return };
    let foreign = b"# mine\n0 1 * * * root /usr/local/sbin/mine\n";
    fs::write(machine.at(CRONTAB), foreign).expect("written");
    fs::write(machine.at("/etc/cron.d/else"), "5 5 * * * root true").expect("written");
    let planned = fleet.reconcile("plan --output json").exits(0);
    assert!(
        planned.held().iter().any(|(id, code, _)| id == "crontab/db1/postgresql" && code == "foreign"),
        "{}",
        planned.stdout
    );
    fleet.reconcile("apply --auto-approve").exits(0);
    assert_eq!(fs::read(machine.at(CRONTAB)).expect("there"), foreign);
    assert_eq!(fs::read(machine.at("/etc/cron.d/else")).expect("there"), b"5 5 * * * root true");
}

#[test]
fn a_job_file_edited_by_hand_is_shown_and_mended() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = one(&fleet) else { return };
    fleet.reconcile("apply --auto-approve").exits(0);
    let good = fs::read_to_string(machine.at(JOB_FILE)).expect("there");
    fs::write(machine.at(JOB_FILE), good.replace("\"days\": 2", "\"days\": 9")).expect("written");
    let planned = fleet.reconcile("plan --detailed-exitcode").exits(2);
    planned.says(&["~ job file db1 postgresql", "days 9", "days 2"]);
    fs::write(machine.at(JOB_FILE), "{").expect("written");
    let planned = fleet.reconcile("plan --output json");
    assert!(planned.code == 0 || planned.code == 1, "{}", planned.stderr);
}

#[test]
fn a_machine_without_cron_d_or_with_a_full_or_read_only_disk_says_so_and_keeps_what_it_had() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = one(&fleet) else { return };
    fleet.reconcile("apply --auto-approve").exits(0);
    let before = tree(&machine, "/etc/cron.d");
    let inside = |script: &str| {
        // As the machine's root: through its own ssh.
        let done = Command::new("ssh")
            .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", fleet.path("known_hosts").display()))
            .arg("-i")
            .arg(machine.client_key())
            .args(["-p", &machine.port.to_string(), "root@127.0.0.1", script])
            .output()
            .expect("ssh runs");
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    };
    fleet.write("public.yml", &super::fleet::PUBLIC.replace("nadir_hour: 1", "nadir_hour: 2"));

    // Mounts of another session are this machine's too: they share its namespace.
    inside("mount -o remount,bind,ro /etc/cron.d");
    let said = fleet.reconcile("apply --auto-approve").exits(1);
    said.says(&["failed", "read-only", "nothing was changed"]);
    assert_eq!(tree(&machine, "/etc/cron.d"), before);
    inside("mount -o remount,bind,rw /etc/cron.d");

    inside(
        "mkdir -p /srv/small && mount -t tmpfs -o size=16k tmpfs /srv/small && cp /etc/cron.d/* /srv/small/ && \
            { dd if=/dev/zero of=/srv/small/full bs=1k count=64 2>/dev/null; mount --bind /srv/small /etc/cron.d; }",
    );
    let said = fleet.reconcile("apply --auto-approve").exits(1);
    said.says(&["failed", "No space left on device", "nothing was changed"]);
    inside("umount /etc/cron.d && umount /srv/small");
    assert_eq!(tree(&machine, "/etc/cron.d"), before);

    // What lies below the mount is the machine's own as well.
    inside("grep -q '^overlay /etc ' /proc/mounts && umount /etc/cron.d && rm -r /etc/cron.d");
    let held = fleet.reconcile("plan --output json").held();
    assert!(
        held.iter().any(|(id, code, why)| id == "crontab/db1/postgresql"
            && code == "not-ready"
            && why.contains("no /etc/cron.d")),
        "{held:?}"
    );
}

#[test]
fn names_that_a_shell_would_read_are_names() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = one(&fleet) else { return };
    let odd = "/opt/my $(touch canary) 'backups';&";
    fleet.write("public.yml", &format!("{}postgresql_backup_dir: \"{odd}\"\n", super::fleet::PUBLIC));
    let applied = fleet.reconcile("apply --auto-approve");
    match applied.code {
        // Either such a path is none, or it is taken for what it is.
        0 => {
            let mode = fs::metadata(machine.at(odd)).expect("made").permissions().mode() & 0o7777;
            assert_eq!(mode, 0o700);
            fleet.reconcile("plan --detailed-exitcode").exits(0);
        }
        _ => _ = applied.exits(1).says(&["postgresql_backup_dir"]),
    }
    assert_eq!(
        fs::read_dir(machine.at("/opt"))
            .expect("there")
            .flatten()
            .filter(|entry| entry.file_name() == "canary")
            .count(),
        0
    );
}
