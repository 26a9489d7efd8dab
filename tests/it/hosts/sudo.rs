//! Becoming root: with and without a password, and where it cannot be.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fleet::{Answer, Fleet};
use crate::support::sshd::{Like, OPERATOR, PASSWORD};

const WITH_PASSWORD: &str = "operator ALL=(ALL) ALL";

/// Every argument of every process, from all namespaces, until told to stop.
fn watch() -> (Arc<AtomicBool>, std::thread::JoinHandle<BTreeSet<String>>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let watching = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !stopped.load(Ordering::Relaxed) {
            for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
                for file in ["cmdline", "environ"] {
                    if let Ok(text) = fs::read(process.path().join(file)) {
                        let text = String::from_utf8_lossy(&text).replace('\0', " ");
                        if text.contains("CANARY") || text.contains("sudo") {
                            seen.insert(text);
                        }
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        seen
    });
    (stop, watching)
}

#[test]
fn the_password_of_sudo_is_used_and_seen_nowhere() {
    let Some(fleet) = Fleet::new() else { return };
    let like = |name| Like { sudoers: WITH_PASSWORD, ..Like::named(name) };
    let Some(machine) = fleet.bare_machine(&like("careful")) else { return };
    let Some(lax) = fleet.machine(&Like::named("lax")) else { return };
    // The one asks for it, the other does not and gets it all the same.
    fleet.inventory(&[("db1", &machine, OPERATOR, machine.port), ("db2", &lax, OPERATOR, lax.port)]);
    fleet.write("vault.yml", &format!("ansible_sudo_pass: {PASSWORD}\n"));
    let (stop, watching) = watch();
    let planned = fleet.reconcile("plan -v").exits(0);
    let applied = fleet.reconcile("apply --auto-approve -v").exits(0);
    let again = fleet.reconcile("plan --detailed-exitcode --output json").exits(0);
    stop.store(true, Ordering::Relaxed);
    let processes = watching.join().expect("watched");
    assert!(processes.iter().any(|line| line.contains("sudo -S")), "the watch saw sudo at work");
    for line in &processes {
        assert!(!line.contains(PASSWORD), "{line}");
    }
    for Answer { stdout, stderr, .. } in [&planned, &applied, &again] {
        assert!(!stdout.contains(PASSWORD) && !stderr.contains(PASSWORD), "{stdout}\n{stderr}");
    }
    for machine in [&machine, &lax] {
        assert!(!machine.log().contains(PASSWORD), "{}", machine.log());
        let found = std::process::Command::new("grep")
            .args(["-rl", PASSWORD])
            .arg(machine.at("/etc/cron.d").ancestors().nth(2).expect("the top"))
            .output()
            .expect("grep runs");
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "a file of the machine holds it");
    }
}

#[test]
fn where_root_cannot_be_reached_the_host_says_why() {
    let Some(fleet) = Fleet::new() else { return };
    let like = |name, sudoers| Like { sudoers, ..Like::named(name) };
    let Some(asks) = fleet.machine(&like("asks", WITH_PASSWORD)) else { return };
    let Some(never) = fleet.machine(&like("never", "# nobody")) else { return };
    fleet.inventory(&[("asks", &asks, OPERATOR, asks.port), ("never", &never, OPERATOR, never.port)]);
    let why = |answer: &Answer, id: &str| {
        let held = answer.held();
        held.iter().find(|(held, _, _)| held == id).unwrap_or_else(|| panic!("{id}: {held:?}")).2.clone()
    };
    let without = fleet.reconcile("plan --output json").exits(1);
    assert!(why(&without, "host/asks").contains("sudo wants a password"), "{}", without.stdout);

    fleet.write("vault.yml", "ansible_sudo_pass: CANARY-wrong-password\n");
    let wrong = fleet.reconcile("plan --output json").exits(1);
    assert!(why(&wrong, "host/asks").contains("sudo there does not take the password"), "{}", wrong.stdout);
    assert!(!wrong.stdout.contains("CANARY-wrong") && !wrong.stderr.contains("CANARY-wrong"));

    fleet.write("vault.yml", &format!("ansible_sudo_pass: {PASSWORD}\n"));
    let right = fleet.reconcile("plan --output json").exits(1);
    assert!(why(&right, "host/never").contains("may not use sudo"), "{}", right.stdout);
    assert!(right.changes().iter().any(|id| id == "crontab/asks/postgresql"), "{}", right.stdout);
}
