//! An inventory of five hundred hosts: each is told once, and what nobody needs to read is not there.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;

use super::fleet::Fleet;
use crate::story::stage::Stage;

const HOSTS: usize = 500;

fn name(number: usize) -> String {
    format!("db{number:03}")
}

#[test]
fn five_hundred_played_hosts_are_planned_each_by_itself() {
    let stage = Stage::new();
    let names: Vec<String> = (0..HOSTS).map(name).collect();
    let inventory = format!("[all]\n{}\n[pg_backup]\n{}\n", names.join("\n"), names.join("\n"));
    fs::write(stage.path("environment/inventory.ini"), inventory).expect("written");
    // One of them has a foreign file where ours belongs.
    let foreign = stage.path("sandbox/hosts/db250/etc/cron.d/reconcile-commcare-example-postgresql");
    fs::create_dir_all(foreign.parent().expect("a directory")).expect("made");
    fs::write(&foreign, "0 0 * * * root /usr/bin/true\n").expect("written");

    let plan = stage.reconcile("plan --output json").exits(0).json();
    let changes = plan["changes"].as_array().expect("a list");
    for host in &names {
        let entries = changes.iter().filter(|change| change["id"] == format!("crontab/{host}/postgresql"));
        assert_eq!(entries.count(), usize::from(host != "db250"), "{host}");
    }
    let held = plan["held"].as_array().expect("a list");
    assert_eq!(held.iter().map(|held| &held["id"]).collect::<Vec<_>>(), ["crontab/db250/postgresql"]);
    // An operator looks at one of them.
    let one = stage.reconcile("plan --limit db007").exits(0);
    assert!(one.stdout.contains("db007") && !one.stdout.contains("db008"), "{one}");
    assert_eq!(fs::read_to_string(&foreign).expect("stays"), "0 0 * * * root /usr/bin/true\n");
}

#[test]
fn five_hundred_machines_that_are_down_are_told_each_by_its_name() {
    let Some(fleet) = Fleet::new() else { return };
    // A port that nobody listens at.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let mut inventory = "[pg_backup]\n".to_owned();
    for number in 0..HOSTS {
        let _ = writeln!(inventory, "{} ansible_host=127.0.0.1 ansible_port={port}", name(number));
    }
    fleet.write("inventory.ini", &inventory);
    let planned = fleet.reconcile("plan --output json --parallel 64").exits(1);
    assert_eq!(planned.changes(), Vec::<String>::new());
    let held = planned.held();
    assert_eq!(held.len(), HOSTS);
    for (number, (id, code, why)) in held.iter().enumerate() {
        assert_eq!((id.as_str(), code.as_str()), (format!("host/{}", name(number)).as_str(), "unknown"));
        assert!(why.contains(&format!("127.0.0.1 port {port} refused the connection")), "{why}");
    }
}
