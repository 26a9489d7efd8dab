//! `examples/commcare` on three hosts: played by the sandbox, and real ones, by the same test.

use std::fs;
use std::path::{Path, PathBuf};

use super::fleet::{Answer, Fleet};
use crate::story::stage::Stage;
use crate::support::moto::{self, Moto};
use crate::support::postgres::Postgres;
use crate::support::sshd::{Like, Machine, OPERATOR};

const HOSTS: [&str; 3] = ["db1", "db2", "db3"];
const CRONTAB: &str = "/etc/cron.d/reconcile-commcare-example-postgresql";
const JOB_FILE: &str = "/etc/reconcile/commcare-example/postgresql.json";

/// Where the story plays.
enum Place {
    Played { stage: Stage, _server: Postgres },
    Real { fleet: Fleet, machines: Vec<Machine>, _store: Moto },
}

impl Place {
    fn played() -> Option<Place> {
        let server =
            Postgres::start("wal_level = replica\nmax_wal_senders = 10\nmax_replication_slots = 10\n")?;
        Some(Place::Played { stage: Stage::new().with_server(&server), _server: server })
    }

    fn real() -> Option<Place> {
        let fleet = Fleet::new()?;
        let store = moto::start()?;
        let machines: Option<Vec<Machine>> =
            HOSTS.iter().map(|name| fleet.machine(&Like::named(*name))).collect();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/commcare");
        for name in ["public.yml", "vault.yml", "vault-password.txt"] {
            fs::copy(example.join(name), fleet.path(name)).expect("copied");
        }
        // A store of its own has no accounts.
        let public = fs::read_to_string(fleet.path("public.yml")).expect("there");
        let public = public.replace("  account: \"123456789012\"\n", "");
        // What contract/moto.md says of it: its answer about versioning is XML that the SDK refuses, and it takes the
        // condition of a denial as met.
        let (kept, rest) = public.split_once("      keep_versions:\n").expect("the example keeps versions");
        let (_, rest) = rest.split_once("      # Denies").expect("and has no lock");
        let public =
            format!("{kept}      versioning: unmanaged\n      tls_only: false\n      # Denies{rest}");
        fleet.write("public.yml", &format!("{public}\naws_endpoint: {}\n", store.url()));
        Some(Place::Real { fleet, machines: machines?, _store: store })
    }

    /// Says which hosts there are, and which of them back up.
    fn inventory(&self, backing_up: &[&str]) {
        match self {
            Place::Played { stage, .. } => {
                let text = format!("[all]\n{}\n[pg_backup]\n{}\n", HOSTS.join("\n"), backing_up.join("\n"));
                fs::write(stage.path("environment/inventory.ini"), text).expect("written");
            }
            Place::Real { fleet, machines, .. } => {
                let lines = HOSTS.iter().zip(machines);
                let hosts: Vec<_> =
                    lines.map(|(name, machine)| (*name, machine, OPERATOR, machine.port)).collect();
                fleet.inventory(&hosts);
                let all = fs::read_to_string(fleet.path("inventory.ini"))
                    .expect("there")
                    .replace("[pg_backup]", "[all]");
                fleet.write("inventory.ini", &format!("{all}\n[pg_backup]\n{}\n", backing_up.join("\n")));
            }
        }
    }

    fn reconcile(&self, line: &str) -> Answer {
        match self {
            Place::Played { stage, .. } => {
                let answer = stage.reconcile(line);
                Answer { code: answer.code, stdout: answer.stdout, stderr: answer.stderr }
            }
            Place::Real { fleet, .. } => {
                let password = fleet.path("vault-password.txt");
                Answer::of(
                    fleet.command(line).arg("--vault-password-file").arg(password).output().expect("it runs"),
                )
            }
        }
    }

    fn at(&self, host: &str, path: &str) -> PathBuf {
        match self {
            Place::Played { stage, .. } => stage.path(&format!("sandbox/hosts/{host}{path}")),
            Place::Real { machines, .. } => {
                let index = HOSTS.iter().position(|name| *name == host).expect("a host");
                machines[index].at(path)
            }
        }
    }
}

fn story(place: &Place) {
    place.inventory(&HOSTS);
    let planned = place.reconcile("plan --output json").exits(0);
    let entries = planned.changes().iter().filter(|id| id.starts_with("crontab/")).count();
    assert_eq!(entries, 3, "{}", planned.stdout);
    place.reconcile("apply --auto-approve").exits(0);
    place.reconcile("plan --detailed-exitcode").exits(0).says(&["Nothing to change", "3 hosts"]);
    for host in HOSTS {
        let crontab = fs::read_to_string(place.at(host, CRONTAB)).expect("there");
        assert!(
            crontab.contains("0 1 * * 1-6 postgres") || crontab.contains("0 1 * * 1,2,3,4,5,6 postgres"),
            "{crontab}"
        );
        assert!(crontab.contains(&format!("id=crontab/{host}/postgresql")), "{crontab}");
        assert!(fs::read_to_string(place.at(host, JOB_FILE)).expect("there").contains("secret_key"));
    }

    // A host that no longer backs up is cleared, with consent, its secrets first.
    place.inventory(&["db1", "db2"]);
    let planned = place.reconcile("plan --output json").exits(0);
    assert_eq!(
        planned.changes(),
        ["host_file/db3/postgresql", "crontab/db3/postgresql"],
        "{}",
        planned.stdout
    );
    place.reconcile("apply --auto-approve").exits(3).says(&["destructive:crontab/db3/postgresql"]);
    assert!(place.at("db3", CRONTAB).exists());
    let consent = "--allow destructive:crontab/db3/postgresql --allow destructive:host_file/db3/postgresql";
    place.reconcile(&format!("apply --auto-approve {consent}")).exits(0);
    assert!(!place.at("db3", CRONTAB).exists() && !place.at("db3", JOB_FILE).exists());
    assert!(place.at("db1", CRONTAB).exists() && place.at("db2", JOB_FILE).exists());
    place.reconcile("plan --detailed-exitcode").exits(0);
}

#[test]
fn the_example_on_three_hosts_of_the_sandbox() {
    let Some(place) = Place::played() else { return };
    story(&place);
}

#[test]
fn the_example_on_three_real_hosts() {
    let Some(place) = Place::real() else { return };
    story(&place);
}
