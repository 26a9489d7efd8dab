//! Which machines are reached, and what is told of the others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::fleet::Fleet;
use crate::support::sshd::{Like, Machine, OPERATOR, Proxy};

fn files(machine: &Machine, directory: &str) -> Vec<String> {
    let names = fs::read_dir(machine.at(directory)).expect("a directory");
    let mut names: Vec<String> =
        names.map(|file| file.expect("a file").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn machines_are_planned_applied_and_as_they_should_be() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(one) = fleet.bare_machine(&Like::named("one")) else { return };
    let Some(two) = fleet.machine(&Like::named("two")) else { return };
    fleet.inventory(&[("db1", &one, OPERATOR, one.port), ("db2", &two, "root", two.port)]);
    let planned = fleet.reconcile("plan --output json").exits(0);
    let on = |host: &str, program: bool| {
        let kinds =
            [("program", "reconcile"), ("host_directory", "job-files"), ("host_directory", "postgresql")];
        let rest = [("host_file", "postgresql"), ("crontab", "postgresql")];
        kinds
            .into_iter()
            .chain(rest)
            .filter(|(kind, _)| program || *kind != "program")
            .map(|(kind, name)| format!("{kind}/{host}/{name}"))
            .collect::<Vec<_>>()
    };
    let mut expected = [on("db1", true), on("db2", false)].concat();
    let mut changes = planned.changes();
    expected.sort();
    changes.sort();
    assert_eq!(changes, expected, "{}", planned.stdout);

    fleet.reconcile("apply --auto-approve").exits(0).says(&["9 done."]);
    for machine in [&one, &two] {
        assert_eq!(files(machine, "/etc/cron.d"), ["reconcile-fleet-postgresql"]);
        assert!(files(machine, "/usr/local/bin").contains(&"reconcile".to_owned()));
        let crontab =
            fs::read_to_string(machine.at("/etc/cron.d/reconcile-fleet-postgresql")).expect("there");
        assert!(
            crontab.ends_with('\n')
                && crontab.contains("postgres /usr/local/bin/reconcile run backup postgresql")
        );
        let mode = |path: &str| fs::metadata(machine.at(path)).expect("there").permissions().mode() & 0o7777;
        assert_eq!(mode("/etc/cron.d/reconcile-fleet-postgresql"), 0o644);
        assert_eq!(mode("/etc/reconcile/fleet/postgresql.json"), 0o600);
        assert_eq!(mode("/opt/data/backups/postgresql"), 0o700);
        assert_eq!(mode("/usr/local/bin/reconcile"), 0o755);
    }
    let again = fleet.reconcile("plan --detailed-exitcode -v").exits(0);
    again.says(&[
        "Nothing to change",
        "2 hosts",
        "hostname one",
        "cron runs",
        "psql",
        "free in /opt/data/backups/postgresql",
    ]);
}

#[test]
fn a_fleet_with_machines_that_are_down_changed_or_bare_has_a_true_plan() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(good) = fleet.machine(&Like::named("good")) else { return };
    let Some(no_cron) = fleet.machine(&Like { cron: false, ..Like::named("nocron") }) else { return };
    let Some(changed) = fleet.machine(&Like::named("changed")) else { return };
    let Some(down) = fleet.machine(&Like::named("down")) else { return };
    let Some(slow) = fleet.machine(&Like::named("slow")) else { return };
    let way = Proxy::to(slow.port, Duration::from_millis(150), None);
    let hosts = [
        ("good", &good, "root", good.port),
        ("no-cron", &no_cron, "root", no_cron.port),
        ("changed", &changed, "root", changed.port),
        ("down", &down, "root", down.port),
        ("slow", &slow, "root", way.port),
        // The machine does not know this user.
        ("stranger", &good, "nobody-there", good.port),
    ];
    fleet.inventory(&hosts);
    // The key that was noted for it is another machine's now; and one machine is known to nobody.
    let known = fs::read_to_string(fleet.path("known_hosts")).expect("there");
    let of = |port: u16| format!("[127.0.0.1]:{port} ");
    let other = known
        .lines()
        .find(|line| line.starts_with(&of(good.port)))
        .expect("a line")
        .replace(&of(good.port), &of(changed.port));
    let kept: Vec<&str> = known.lines().filter(|line| !line.starts_with(&of(changed.port))).collect();
    fleet.write("known_hosts", &format!("{}\n{other}\n", kept.join("\n")));
    let down_port = down.port;
    drop(down);

    let begun = Instant::now();
    let planned = fleet.reconcile("plan --output json").exits(1);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    let held = planned.held();
    let why = |id: &str| {
        let found: Vec<_> = held.iter().filter(|(held, _, _)| held == id).collect();
        assert_eq!(found.len(), 1, "{id}: {held:#?}");
        (found[0].1.clone(), found[0].2.clone())
    };
    let says = |id: &str, code: &str, words: &str| {
        let (held, why) = why(id);
        assert!(held == code && why.contains(words), "{id}: {held}: {why}");
    };
    says("host/changed", "unknown", "another host key");
    says(
        "host/down",
        "unknown",
        &format!("127.0.0.1 port {down_port} refused the connection; its 5 items are not planned"),
    );
    says("host/stranger", "unknown", "refuses the login as nobody-there");
    says("crontab/no-cron/postgresql", "not-ready", "no cron is running");
    let changes = planned.changes();
    for host in ["good", "slow"] {
        assert!(changes.contains(&format!("crontab/{host}/postgresql")), "{changes:?}");
    }
    assert!(
        !changes.iter().any(|id| ["/changed/", "/down/", "/stranger/"].iter().any(|host| id.contains(host)))
    );

    // What can be done is done; the exit code says that not everything was seen.
    fleet.reconcile("apply --auto-approve").exits(1).says(&["unreachable", "done"]);
    assert_eq!(files(&good, "/etc/cron.d"), ["reconcile-fleet-postgresql"]);
    assert_eq!(files(&no_cron, "/etc/cron.d"), Vec::<String>::new());
    assert_eq!(files(&changed, "/etc/cron.d"), Vec::<String>::new());

    // They are back, and their keys are known.
    let Some(back) = fleet.machine(&Like::named("back")) else { return };
    fleet.inventory(&[
        ("good", &good, "root", good.port),
        ("changed", &changed, "root", changed.port),
        ("down", &back, "root", back.port),
        ("slow", &slow, "root", way.port),
    ]);
    fleet.reconcile("apply --auto-approve").exits(0);
    fleet.reconcile("plan --detailed-exitcode").exits(0).says(&["Nothing to change: 20 as they should be"]);
}

#[test]
fn an_unknown_host_key_is_never_taken() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = fleet.machine(&Like::named("new")) else { return };
    fleet.inventory(&[("db1", &machine, "root", machine.port)]);
    fleet.write("known_hosts", "# nobody yet\n");
    fleet.reconcile("plan").exits(1).says(&["has a host key that nobody vouched for", "ssh-keyscan"]);
    assert_eq!(fs::read_to_string(fleet.path("known_hosts")).expect("there"), "# nobody yet\n");
}

#[test]
fn one_machine_under_two_names_is_told() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = fleet.machine(&Like::named("twin")) else { return };
    fleet.inventory(&[("db1", &machine, "root", machine.port), ("db1-too", &machine, "root", machine.port)]);
    let planned = fleet.reconcile("plan --output json --detailed-exitcode").exits(2);
    let held = planned.held();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!((held[0].0.as_str(), held[0].1.as_str()), ("host/db1-too", "not-ready"));
    assert!(held[0].2.contains("the same machine as db1"), "{held:?}");
    fleet.reconcile("apply --auto-approve").exits(0);
    let crontab = fs::read_to_string(machine.at("/etc/cron.d/reconcile-fleet-postgresql")).expect("there");
    assert!(crontab.contains("id=crontab/db1/postgresql"), "{crontab}");
}

#[test]
fn a_look_is_one_connection_and_few_bytes() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = fleet.machine(&Like::named("one")) else { return };
    fleet.inventory(&[("db1", &machine, "root", machine.port)]);
    fleet.reconcile("apply --auto-approve").exits(0);
    let before = machine.log().matches("Accepted publickey").count();
    assert_eq!(before, 1, "an apply is one connection:\n{}", machine.log());
    fleet.reconcile("plan --detailed-exitcode").exits(0);
    assert_eq!(machine.log().matches("Accepted publickey").count(), before + 1);
}
