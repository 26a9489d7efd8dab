//! From `public.yml` to backups of CouchDB, the blob database and a tree on another host, and what the roles left for them.

use std::fs;
use std::process::Command;

use super::stage::Stage;

const PUBLIC: &str = "deploy_env: commcare-example\naws_region: eu-west-2\nnadir_hour: 1\n\
    backup_couch: true\ncouch_s3: true\ncouchdb_snapshot_bucket: example-couch\n\
    backup_blobdb: true\nblobdb_s3: true\nblobdb_snapshot_bucket: example-blobs\n\
    backups:\n  account: \"123456789012\"\n  files:\n    - name: media\n      hosts: [db1]\n\
    \x20     source: {host: web, path: /srv/media}\n      exclude: [/cache]\n      schedule: \"30 1 * * *\"\n\
    \x20     bucket: example-media\n";

const INVENTORY: &str = "[couchdb2]\ndb1\n[shared_dir_host]\ndb1\n[web]\nweb\n";

/// What the roles left on the machine.
const OLD: [(&str, &str); 2] = [
    (
        "/etc/cron.d/backup_couch",
        "#Ansible: Backup couchdb daily\n0 1 * * 1,2,3,4,5,6 couchdb /usr/local/sbin/create_couchdb_backup.sh daily 2\n",
    ),
    (
        "/etc/cron.d/backup_blobdb",
        "#Ansible: Backup blobdb daily\n0 1 * * 1,2,3,4,5,6 root /usr/local/sbin/create_blobdb_backup.sh daily 2\n",
    ),
];

pub(super) fn stage() -> Stage {
    let stage = Stage::new();
    fs::write(stage.path("environment/public.yml"), PUBLIC).expect("written");
    fs::write(stage.path("environment/inventory.ini"), INVENTORY).expect("written");
    let file = |path: std::path::PathBuf, text: &str| {
        fs::create_dir_all(path.parent().expect("one")).expect("made");
        fs::write(path, text).expect("written");
    };
    file(stage.on_host("/opt/data/couchdb2/_dbs.couch"), "map");
    file(stage.on_host("/opt/data/couchdb2/shards/00000000-ffffffff/hq.1.couch"), "documents");
    file(stage.on_host("/opt/data/blobdb/form/1"), "blob");
    file(stage.path("sandbox/hosts/web/srv/media/photo"), "photo");
    file(stage.path("sandbox/hosts/web/srv/media/cache/thumbnail"), "small");
    stage
}

#[test]
fn trees_are_planned_applied_run_and_listed() {
    let stage = stage();
    for (path, text) in OLD {
        fs::create_dir_all(stage.on_host("/etc/cron.d")).expect("made");
        fs::write(stage.on_host(path), text).expect("written");
    }
    stage.reconcile("validate environment").exits(0);
    stage.reconcile("show settings").exits(0).says(&["files-media", "source       web:/srv/media"]);
    let plan = stage.reconcile("plan --detailed-exitcode").exits(2).says(&[
        "> crontab   db1 blobdb (adopted)",
        "takes over             /etc/cron.d/backup_blobdb",
        "> crontab   db1 couchdb (adopted)",
        "backup couchdb daily as couchdb",
        "takes over             /etc/cron.d/backup_couch",
        "+ crontab   db1 files-media",
        "30 1 * * *             backup files-media daily as root",
    ]);
    let line = plan.line_to_apply().expect("something to apply").to_owned();
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0);
    stage.reconcile("plan --detailed-exitcode").exits(0);
    for (path, _) in OLD {
        assert!(!stage.on_host(path).exists(), "{path} was taken over");
    }

    stage
        .reconcile("sandbox run db1 --at 2026-11-23T01:00:00Z")
        .exits(0)
        .says(&["blobdb_daily_2026_11_23.tar.gz", "couchdb_daily_2026_11_23.tar.gz"]);
    stage
        .reconcile("sandbox run db1 --at 2026-11-23T01:30:00Z")
        .exits(0)
        .says(&["files-media_daily_2026_11_23.tar.gz"]);
    for (name, bucket, directory, members) in [
        (
            "couchdb",
            "example-couch",
            "couchdb2",
            "./\n./shards/\n./shards/00000000-ffffffff/\n./shards/00000000-ffffffff/hq.1.couch\n./_dbs.couch\n",
        ),
        ("blobdb", "example-blobs", "blobdb", "./\n./form/\n./form/1\n"),
        ("files-media", "example-media", "files-media", "./\n./photo\n"),
    ] {
        let list = stage.reconcile(&format!("list {name} --output json")).exits(0).json();
        let backup = &list["hosts"][0]["backups"][0];
        assert_eq!(backup["proven"], true, "{list:#}");
        assert_eq!(backup["remote"]["key"], format!("{name}_daily_db1.tar.gz"), "{bucket}: {list:#}");
        let archive = stage.on_host(&format!("/opt/data/backups/{directory}/{name}_daily_2026_11_23.tar.gz"));
        let listed = Command::new("tar").arg("-tzf").arg(archive).output().expect("tar runs");
        assert_eq!(String::from_utf8_lossy(&listed.stdout), members);
    }

    // A volume that is not mounted is loud, and the old backups stay.
    fs::rename(stage.on_host("/opt/data/blobdb"), stage.on_host("/opt/data/elsewhere")).expect("moved");
    fs::create_dir(stage.on_host("/opt/data/blobdb")).expect("made");
    stage
        .reconcile("sandbox run db1 --at 2026-11-24T01:00:00Z")
        .exits(1)
        .complains(&["/opt/data/blobdb is empty: is its volume mounted?"]);
    stage.reconcile("list blobdb").exits(0).says(&["2026-11-23"]);
}

#[test]
fn slips_in_what_is_said_of_a_tree_are_told() {
    let stage = stage();
    for (from, to, told) in [
        ("name: media", "name: media_daily", "bad-name"),
        ("exclude: [/cache]", "exclude: [/cache, ../x]", "bad-path"),
        ("exclude: [/cache]", "exclude: ['/']", "bad-path"),
        ("exclude: [/cache]", "dir: relative", "bad-path"),
        ("exclude: [/cache]", "dir: /opt/data/backups/blobdb", "shared-directory"),
        ("exclude: [/cache]", "user: 'a b'", "error"),
    ] {
        stage.edit("environment/public.yml", from, to);
        let answer = stage.reconcile("validate environment").exits(1);
        assert!(answer.stderr.contains(told) || answer.stdout.contains(told), "{to}: {answer}");
        stage.edit("environment/public.yml", to, from);
    }
}
