//! How fresh the backups of real machines are, seen over ssh: who answers, who does not, and what their bucket shows all the
//! same; a test of the alerts that leaves from there; a restore beside the living data.

use std::fs;
use std::process::{Command, Output, Stdio};

use super::fleet::{Fleet, PUBLIC};
use crate::support::moto;
use crate::support::smtp::{Letter, Mood, Smtp};
use crate::support::sshd::{Like, Machine, OPERATOR};

/// Runs the program on a machine as the user that makes its backups, as cron there would.
fn run(machine: &Machine, user: &str, words: &str) -> Output {
    let far = format!("su -s /bin/sh {user} -c '/usr/local/bin/reconcile {words}'");
    Command::new("ssh")
        .args(["-i"])
        .arg(machine.client_key())
        .args(["-p", &machine.port.to_string(), "-o", "StrictHostKeyChecking=no"])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"])
        .args(["root@127.0.0.1", &far])
        .stdin(Stdio::null())
        .output()
        .expect("ssh runs")
}

fn ran(machine: &Machine, user: &str, words: &str) -> String {
    let output = run(machine, user, words);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{words}: {said}");
    said
}

#[test]
fn a_fleet_is_seen_and_a_silent_host_hides_nothing_that_its_bucket_shows() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(store) = moto::start() else { return };
    let Some(one) = fleet.machine(&Like::named("one")) else { return };
    let Some(two) = fleet.machine(&Like::named("two")) else { return };
    let server = Smtp::start(Mood::Takes);
    fs::create_dir_all(two.at("/srv/media")).expect("made");
    fs::write(two.at("/srv/media/photo"), vec![b'x'; 9000]).expect("written");
    fleet.write(
        "public.yml",
        &format!(
            "{}postgres_s3: true\naws_versioning_enabled: false\npostgres_snapshot_bucket: fleet-backups\naws_region: eu-west-2\naws_endpoint: {}\n\
             backups:\n  buckets:\n    fleet-backups: {{versioning: unmanaged, tls_only: false, versioning_lock: false}}\n\
             \x20 files:\n    - {{name: media, hosts: [db2], source: /srv/media, schedule: \"0 1 * * *\", bucket: fleet-backups}}\n\
             \x20 alerts: {{email: ops@example.org, smtp: {{host: 127.0.0.1, port: {}, tls: none, from: b@example.org}}}}\n",
            PUBLIC.replace("postgres_s3: false\n", ""),
            store.url(),
            server.port
        ),
    );
    fleet.write(
        "vault.yml",
        "AMAZON_S3_ACCESS_KEY: AKIACANARY00000000\nAMAZON_S3_SECRET_KEY: CANARY-secret\n",
    );
    fleet.inventory(&[("db1", &one, OPERATOR, one.port)]);
    let inventory = fs::read_to_string(fleet.path("inventory.ini")).expect("there");
    let other = two.inventory_line("db2", "root", two.port);
    fleet.write("inventory.ini", &format!("{inventory}\n[media]\n{other}"));
    let known = fs::read_to_string(fleet.path("known_hosts")).expect("there");
    fleet.write("known_hosts", &format!("{known}{}", two.known_host(two.port)));
    fleet.reconcile("apply --auto-approve").exits(0);

    // Nothing was due yet, and nobody ever saw an alert.
    fleet.reconcile("status").exits(0).says(&["not due yet", "never", "no alert was ever seen to arrive"]);
    let job = |name: &str| format!("--job /etc/reconcile/fleet/{name}.json");
    ran(&one, "postgres", &format!("run backup postgresql --tier daily {}", job("postgresql")));
    ran(&two, "root", &format!("run backup files-media --tier daily {}", job("files-media")));
    let status = fleet.reconcile("status").exits(0).says(&["2 datastores as they should be"]);
    assert!(!status.stdout.contains("CANARY") && !status.stderr.contains("CANARY"));
    fleet.reconcile("check").exits(0).says(&["2 datastores as they should be"]);
    fleet.reconcile("check postgresql --output json").exits(0);
    let json = fleet.reconcile("status --output json").exits(0).json();
    assert_eq!((&json["complete"], &json["good"]), (&true.into(), &true.into()), "{json:#}");
    for backups in json["backups"].as_array().expect("two") {
        assert_eq!(backups["tiers"][0]["tier"], "daily");
        let places = &backups["tiers"][0]["places"];
        assert_eq!(
            (&places[0]["state"], &places[1]["state"]),
            (&"fresh".into(), &"fresh".into()),
            "{json:#}"
        );
        assert_eq!(backups["proofs"]["proven"], serde_json::Value::Null);
    }
    let list = fleet.reconcile("list postgresql --output json").exits(0).json();
    assert_eq!(list["hosts"][0]["backups"].as_array().map(Vec::len), Some(1), "{list:#}");

    // Every machine sends its own, under one code; somebody has it.
    fleet.reconcile("alerts test").exits(0).says(&["postgresql on db1", "files-media on db2"]);
    let subjects: Vec<String> = server.letters().iter().map(Letter::subject).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    let code = subjects[0].rsplit(' ').next().expect("a code").to_owned();
    assert!(subjects.iter().all(|subject| subject.ends_with(&code)), "{subjects:?}");
    fleet.reconcile(&format!("alerts test --code {code}")).exits(0).says(&["db2: the alert arrived"]);
    let again = fleet.reconcile("status").exits(0);
    assert!(!again.stdout.contains("was ever seen to arrive"), "{}", again.stdout);

    // A restore is done on the machine itself, and says so from here.
    fleet
        .reconcile("restore postgresql --on db1 --to /srv/back")
        .exits(1)
        .says(&["so is this to be done there", "ssh db1"]);
    let said = ran(&one, "root", &format!("restore postgresql --to /srv/back {}", job("postgresql")));
    assert!(said.contains("its checksum is what was written"), "{said}");
    assert!(one.at("/srv/back/PG_VERSION").is_file());

    // One is gone: what its bucket shows is seen, and that it is not all.
    let port = one.port;
    drop(one);
    let status = fleet.reconcile("status").exits(1).says(&[
        "postgresql on db1: what is on the host cannot be seen",
        &format!("port {port} refused the connection"),
        "1 datastore as it should be, 1 not seen in full.",
    ]);
    let line = status.stdout.lines().find(|line| line.contains("db1   daily")).expect("its line").to_owned();
    assert!(line.contains("not seen"), "{line}");
    let json = fleet.reconcile("status --output json").exits(1).json();
    let places = &json["backups"][0]["tiers"][0]["places"];
    assert_eq!((&places[0]["state"], &places[1]["state"]), (&"unseen".into(), &"fresh".into()), "{json:#}");
    assert_eq!((&json["complete"], &json["backups"][0]["alerts"]), (&false.into(), &serde_json::Value::Null));
    let metrics = fleet.path("metrics.prom");
    fleet.reconcile(&format!("status --prometheus {}", metrics.display())).exits(1);
    let metrics = fs::read_to_string(metrics).expect("metrics");
    assert!(
        metrics.contains("reconcile_seen{environment=\"fleet\",host=\"db1\",datastore=\"postgresql\"} 0\n"),
        "{metrics}"
    );
    assert!(!metrics.contains("reconcile_proofs_good{environment=\"fleet\",host=\"db1\""), "{metrics}");
    fleet.reconcile("check").exits(1);
    // What is told goes to whoever answers.
    fleet.reconcile("alerts test").exits(1).says(&["db2", "refused the connection"]);
    assert_eq!(server.letters().len(), 1);
}
