//! Elasticsearch from `public.yml` to a snapshot that is proven and restored, on the sandbox. Its cluster is a stand-in.

use std::fs;
use std::path::PathBuf;

use super::stage::Stage;

/// What commcare-cloud's role left on the first host.
const OLD: &str = "#Ansible: Daily ES Snapshot\n0 5 * * * root /usr/local/sbin/create_es_snapshot.py\n";
const NAME: &str = "commcare-example_es_snapshot_2026_11_23";

/// The example with a cluster of two hosts, and the vault's user for it.
fn stage(flat: &str) -> Stage {
    let stage = Stage::new();
    stage.edit(
        "environment/inventory.ini",
        "[pg_backup:children]",
        "[elasticsearch]\nes1\nes2\n\n[pg_backup:children]",
    );
    stage.edit(
        "environment/public.yml",
        "backup_postgres: plain",
        &format!("{flat}\nbackup_postgres: plain"),
    );
    stage
}

fn on_es1(stage: &Stage, path: &str) -> PathBuf {
    stage.path("sandbox/hosts/es1").join(path.trim_start_matches('/'))
}

/// The cluster's own file.
fn cluster(stage: &Stage) -> serde_json::Value {
    let text = fs::read(on_es1(stage, "/var/lib/elasticsearch/stand-in.json")).expect("there");
    serde_json::from_slice(&text).expect("JSON")
}

fn change(stage: &Stage, change: impl FnOnce(&mut serde_json::Value)) {
    let mut state = cluster(stage);
    change(&mut state);
    fs::write(on_es1(stage, "/var/lib/elasticsearch/stand-in.json"), state.to_string()).expect("written");
}

fn apply(stage: &Stage) {
    let plan = stage.reconcile("plan").exits(0);
    let line = plan.line_to_apply().expect("something to apply").to_owned();
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0);
}

#[test]
fn from_public_yml_to_a_snapshot_that_is_proven_and_restored() {
    let stage = stage("backup_es_s3: true");
    fs::create_dir_all(on_es1(&stage, "/etc/cron.d")).expect("made");
    fs::write(on_es1(&stage, "/etc/cron.d/create_es_snapshot"), OLD).expect("written");
    stage.reconcile("validate environment").exits(0);
    let plan = stage.reconcile("plan --tags elasticsearch").exits(0).says(&[
        "+ bucket               dimagi-commcare-example-es-snapshots",
        "+ snapshot_repository  es1 commcare-example_es_snapshot",
        "type                   s3",
        "bucket                 dimagi-commcare-example-es-snapshots",
        "> crontab              es1 elasticsearch (adopted)",
        "0 5 * * *              backup elasticsearch daily as root",
        "takes over             /etc/cron.d/create_es_snapshot",
        "create_es_snapshot.py as root",
    ]);
    assert!(!plan.stdout.contains("held"), "{plan}");
    apply(&stage);
    stage.reconcile("plan --detailed-exitcode").exits(0).says(&["Nothing to change"]);
    assert!(!on_es1(&stage, "/etc/cron.d/create_es_snapshot").exists());
    assert_eq!(cluster(&stage)["repositories"]["commcare-example_es_snapshot"]["kind"], "s3");

    // Four hours after nadir_hour, every night.
    for day in 23..27 {
        let made = stage.reconcile(&format!("sandbox run es1 --at 2026-11-{day}T05:00:00Z")).exits(0);
        made.says(&[
            "backup elasticsearch daily",
            "elasticsearch daily snapshot: 3 indices in 6 shards, 5.8 MiB",
        ]);
    }
    stage.edit("sandbox/sandbox.yml", "2026-11-21T12", "2026-11-26T06");
    stage.reconcile("list elasticsearch -v").exits(0).says(&[
        "elasticsearch on es1: /opt/data/backups/elasticsearch",
        "and the repository commcare-example_es_snapshot, s3://dimagi-commcare-example-es-snapshots",
        "2026-11-26 05:00   daily     5.8 MiB   newer is proven",
        "commcare-example_es_snapshot_2026_11_26",
        "2026-11-23 05:00   daily     5.8 MiB   2026-11-26 05:00",
        NAME,
    ]);
    stage.reconcile("check elasticsearch").exits(0);
    stage.reconcile("status elasticsearch").exits(0).says(&["elasticsearch", "es1"]);
    stage
        .reconcile("verify elasticsearch")
        .exits(0)
        .says(&["proven commcare-example_es_snapshot_2026_11_26", "3 indices, 6035 documents"]);

    // An accident: a restore asks for the name, keeps what is there, and brings the documents back.
    change(&stage, |state| state["indices"]["forms_2024-05-09"]["documents"] = 1.into());
    stage
        .reconcile("restore elasticsearch")
        .exits(3)
        .complains(&["--confirm commcare-example_es_snapshot_2026_11_26"]);
    stage.reconcile(&format!("restore elasticsearch {NAME} --confirm {NAME}")).exits(0).says(&[
        "closes and replaces",
        "keeps   before-restore-commcare-example-20261126t060000z",
        "holds   6035 documents",
    ]);
    assert_eq!(cluster(&stage)["indices"]["forms_2024-05-09"]["documents"], 4800);
    stage.reconcile("list elasticsearch").exits(0).says(&["for ever"]);
    stage
        .reconcile("restore elasticsearch --before 2026-11-25T00:00:00Z --to copy-")
        .exits(0)
        .says(&["copy-INDEX"]);
    assert_eq!(cluster(&stage)["indices"]["copy-cases_2024-05-09"]["documents"], 1200);

    // A night that fails is told by the exit code, the list and the check; nothing older goes.
    stage.edit("sandbox/sandbox.yml", "now:", "elasticsearch: {outcome: partial}\nnow:");
    stage.reconcile("sandbox run es1 --at 2026-11-29T05:00:00Z").exits(1);
    stage.edit("sandbox/sandbox.yml", "2026-11-26T06", "2026-11-29T11");
    stage.reconcile("check elasticsearch").exits(2);
    stage.reconcile("list elasticsearch").exits(0).says(&[
        "failed at snapshot",
        "PARTIAL",
        "2026-11-23 05:00",
    ]);
}

#[test]
fn less_days_are_named_snapshot_by_snapshot_and_another_place_needs_a_word() {
    let stage = stage("es_local_repo: true\nelasticsearch_backup_days: 9");
    apply(&stage);
    assert_eq!(
        cluster(&stage)["repositories"]["commcare-example_es_snapshot"],
        serde_json::json!({"kind": "fs", "settings": {"location": "commcare-example_es_snapshot"}})
    );
    for day in 23..27 {
        stage.reconcile(&format!("sandbox run es1 --at 2026-11-{day}T05:00:00Z")).exits(0);
    }
    stage.edit("sandbox/sandbox.yml", "2026-11-21T12", "2026-11-26T06");
    stage.edit("environment/public.yml", "elasticsearch_backup_days: 9", "elasticsearch_backup_days: 2");
    stage.reconcile("plan").exits(0).says(&[
        "DESTRUCTIVE",
        "loses 4 backups",
        NAME,
        "--allow destructive:host_file/es1/elasticsearch",
    ]);
    stage.edit("environment/public.yml", "elasticsearch_backup_days: 2", "elasticsearch_backup_days: 9");

    // Somebody registered the name for another place.
    change(&stage, |state| {
        state["repositories"]["commcare-example_es_snapshot"]["settings"]["location"] = "theirs".into();
    });
    stage.reconcile("check elasticsearch").exits(2).says(&["leads elsewhere"]);
    stage.reconcile("sandbox run es1 --at 2026-11-27T05:00:00Z").exits(1);
    let plan = stage.reconcile("plan").exits(0).says(&[
        "snapshot_repository  es1 commcare-example_es_snapshot",
        "DESTRUCTIVE",
        "theirs -> commcare-example_es_snapshot",
    ]);
    let allow = "--allow destructive:snapshot_repository/es1/commcare-example_es_snapshot";
    assert!(plan.stdout.contains(allow), "{plan}");
    stage.reconcile("apply --auto-approve").exits(3);
    apply(&stage);
    stage.reconcile("sandbox run es1 --at 2026-11-27T05:00:00Z").exits(0);
}

#[test]
fn a_cluster_that_asks_who_is_there_is_told_by_the_vault() {
    let stage = stage("es_local_repo: true");
    stage.edit(
        "sandbox/sandbox.yml",
        "now:",
        "elasticsearch: {login: {username: backup, password: CANARY}}\nnow:",
    );
    stage.reconcile("plan").exits(0).says(&["! snapshot_repository", "unknown", "into the vault"]);
    // Another vault, in the place of the example's.
    let vault = "AMAZON_S3_ACCESS_KEY: AKIAEXAMPLE\nAMAZON_S3_SECRET_KEY: example-secret-key\n\
                 elasticsearch: {username: backup, password: CANARY}\n";
    fs::write(stage.path("environment/vault.yml"), vault).expect("written");
    apply(&stage);
    let job = fs::read_to_string(on_es1(&stage, "/etc/reconcile/commcare-example/elasticsearch.json"))
        .expect("read");
    assert!(job.contains("\"elasticsearch_password\": \"CANARY\""), "{}", job.len());
    assert!(!job.contains("AKIAEXAMPLE"), "the job needs no keys of the bucket");
    stage.reconcile("sandbox run es1 --at 2026-11-23T05:00:00Z").exits(0);
    stage.reconcile("plan --detailed-exitcode").exits(0);
}

#[test]
fn declared_directly_it_has_its_own_address_schedule_and_name() {
    let stage = stage("");
    stage.edit(
        "environment/public.yml",
        "backups:\n",
        "backups:\n  elasticsearch:\n    hosts: [elasticsearch]\n    bucket: example-org-es\n    repository: Nightly\n    \
         url: http://localhost:9201\n    keep_days: 14\n    schedule: \"30 2 * * *\"\n  verify:\n    elasticsearch: \
         {schedule: \"0 6 * * 0\"}\n",
    );
    stage.reconcile("validate environment").exits(0);
    apply(&stage);
    let job = fs::read_to_string(on_es1(&stage, "/etc/reconcile/commcare-example/elasticsearch.json"))
        .expect("read");
    let job: serde_json::Value = serde_json::from_str(&job).expect("JSON");
    assert_eq!(
        job["source"]["elasticsearch"],
        serde_json::json!({
            "at": ["http://localhost:9201"], "repository": "Nightly",
            "store": {"s3": {"bucket": "example-org-es", "endpoint": null}}
        })
    );
    assert_eq!((&job["keep"]["days"], &job["upload"]), (&14.into(), &serde_json::Value::Null));
    stage.reconcile("sandbox run es1 --at 2026-11-28T02:30:00Z").exits(0).says(&["nightly_2026_11_28"]);
    stage
        .reconcile("sandbox run es1 --at 2026-11-29T06:00:00Z")
        .exits(0)
        .says(&["proven nightly_2026_11_28"]);
}
