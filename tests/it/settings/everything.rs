//! The documented example of `backups:` whole: everything parses, and what is not carried out is told.

use reconcile::datastores::postgresql::settings::Method;
use reconcile::settings::declared::{From, Who, Window};
use reconcile::vocab::{AccountId, Encryption, KeepVersions, Tier};

use super::folder::loaded;

const EVERYTHING: &str = r#"
deploy_env: sportfin
backups:
  account: "123456789012"
  break_glass:
    - arn:aws:iam::123456789012:role/OrganizationAdmin
  objectives: {recovery_point: 26h, verified_within: 7d}
  buckets:
    sportfin-prod-database-backups:
      region: eu-west-2
      versioning: enabled
      versioning_lock: true
      keep_versions: {hourly: {days: 3}, daily: {days: 90, newest: 5}, weekly: {days: 400}}
      object_lock: {mode: governance, days: 30}
      abort_uploads_after: 14d
      encryption: aws:kms
      public_access: blocked
      tls_only: "no"
    plain-bucket:
  identities:
    - role: sportfin-prod-database-backups-ec2-s3-access
      assumed_by: ec2
      writes: [sportfin-prod-database-backups]
    - user: aquamark_ws
      writes: [aquamark-files]
      from: {vpc: vpc-0abc, networks: [172.31.0.0/16]}
    - user: aquamark_backup
      snapshots: [aquamark]
  databases:
    - identifier: cobalt-production-green
      window: "16:00-16:30"
      retention_days: 14
      deletion_protection: true
      copy_tags: true
      long_term: {weekly: 52, monthly: 24, region: ap-southeast-4}
      off_system: {hosts: [off_system], schedule: "30 16 * * *", reach: {ssh: web}, instance_class: db.t3.micro,
                   keep_days: 3, exclude_table_data: ["public.post_office_*"],
                   copy_to: {bucket: abf-offsite-backups, credentials: backblaze},
                   verify: {checks: ["SELECT count(*) > 0 FROM accounts_user"]}}
  files:
    - name: media
      hosts: [off_system]
      source: {host: web, path: /cobalt-media}
      exclude: ["/post_office_attachments"]
      schedule: "0 18 * * *"
      keep_days: 3
      bucket: abf-offsite-backups
  dokku:
    - service: prod
      hosts: [dokku]
      schedule: "30 14 * * *"
      bucket: sportfin-prod-database-backups
      use_iam: true
  alerts:
    email: ops@example.com
    smtp: {host: localhost, port: 25, from: backups@example.com, tls: none}
    prometheus_textfile: /var/lib/node_exporter/textfile
  postgresql: {hosts: [db], method: dump, dir: /srv/backups, keep: {daily: 7, weekly: 4}, bucket: b-one}
backup_couch: yes
"#;

const INVENTORY: &str = "[db]\ndb1\n[couchdb2]\ndb1\n[off_system]\noff1\n[dokku]\nd1\n[web]\nw1\n";

#[test]
fn everything_documented_parses_and_what_is_left_undone_is_told() {
    let settings = loaded(&[("public.yml", EVERYTHING), ("inventory.ini", INVENTORY)]);
    let told: Vec<(&str, Option<&str>)> =
        settings.problems.list.iter().map(|one| (one.check.name, one.key.as_deref())).collect();
    let uploads = ["backups.files.0.bucket", "backups.postgresql.bucket"];
    assert_eq!(told, uploads.map(|key| ("no-credentials", Some(key))));
    let undone: Vec<&str> = settings.unsupported.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(undone, ["backups.databases", "backups.dokku"]);
    let places: Vec<u32> = settings.unsupported.iter().map(|one| one.place.line).collect();
    assert_eq!(places, [29, 48]);
}

#[test]
fn buckets_have_their_settings_and_their_defaults() {
    let settings = loaded(&[("public.yml", EVERYTHING)]);
    assert_eq!(settings.backups.account.as_ref().map(AccountId::as_str), Some("123456789012"));
    let bucket = |name: &str| &settings.backups.buckets[&name.parse().expect("a bucket")];
    let full = bucket("sportfin-prod-database-backups");
    assert_eq!(full.place.line, 9);
    assert_eq!(full.region.as_ref().map(ToString::to_string).as_deref(), Some("eu-west-2"));
    assert_eq!(full.keep_versions[&Tier::Daily], KeepVersions { days: 90, newest: 5 });
    assert_eq!(full.keep_versions[&Tier::Weekly], KeepVersions { days: 400, newest: 0 });
    assert_eq!(full.encryption, Encryption::Kms(None));
    assert_eq!(full.abort_uploads_after_days, 14);
    assert!(!full.tls_only, "a quoted `no` is false");
    let plain = bucket("plain-bucket");
    assert!(plain.versioned && plain.block_public_access && plain.tls_only);
    assert!(plain.keep_versions.is_empty(), "old versions stay for ever");
    assert_eq!((plain.abort_uploads_after_days, &plain.encryption), (7, &Encryption::Aes256));
}

#[test]
fn the_rest_of_backups_is_plain_data() {
    let settings = loaded(&[("public.yml", EVERYTHING), ("inventory.ini", INVENTORY)]);
    let declared = &settings.backups.declared;
    assert_eq!(declared.break_glass[0].account.as_str(), "123456789012");
    assert_eq!(declared.objectives.recovery_point, chrono::TimeDelta::try_hours(26));
    assert!(matches!(&declared.identities[0].who, Who::Role { assumed_by: Some(by), .. } if by == "ec2"));
    assert!(
        matches!(&declared.identities[1].from, Some(From::Vpc { networks, .. }) if networks[0].bits == 16)
    );
    let database = &declared.databases[0];
    assert_eq!(database.window, Some(Window { start: 16 * 60, end: 16 * 60 + 30 }));
    let off_system = database.off_system.as_ref().expect("declared");
    assert_eq!(off_system.schedule.as_str(), "30 16 * * *");
    assert_eq!(off_system.copy_to.as_ref().and_then(|(_, name)| name.as_deref()), Some("backblaze"));
    assert_eq!(declared.files[0].source, "/cobalt-media");
    assert_eq!(declared.files[0].source_host.as_ref().map(ToString::to_string).as_deref(), Some("web"));
    assert!(declared.dokku[0].use_iam);
    assert_eq!(declared.alerts.as_ref().expect("declared").email, ["ops@example.com"]);
}

#[test]
fn postgresql_declared_directly_is_what_the_flat_keys_would_be() {
    let settings = loaded(&[("public.yml", EVERYTHING), ("inventory.ini", INVENTORY)]);
    assert_eq!(settings.postgresql.method, Method::Dump);
    let own = &settings.postgresql.backed;
    assert_eq!(own.upload().map(|bucket| bucket.as_str()), Some("b-one"));
    assert_eq!((own.keep.days, own.keep.weeks), (7, 4));
    assert_eq!(own.directory, "/srv/backups");
    assert_eq!(own.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["db1"]);
    assert_eq!(own.schedules[&Tier::Daily].as_str(), "0 0 * * 1,2,3,4,5,6");
    assert!(!own.schedules.contains_key(&Tier::Hourly));
    assert_eq!(own.switch.as_ref().map(|place| place.line), Some(58));
    let desired = reconcile::derive::desired(&settings);
    let ids: Vec<String> = desired.resources.keys().map(ToString::to_string).collect();
    assert!(ids.iter().any(|id| id.starts_with("crontab/db1/")), "{ids:?}");
    let timed = "deploy_env: prod\nbackups:\n  postgresql: {hosts: [db1], method: plain, keep: {hourly: 24},\
                 \x20schedule: '15 3 * * *'}\n";
    let own = loaded(&[("public.yml", timed), ("inventory.ini", INVENTORY)]).postgresql.backed;
    assert_eq!(own.schedules[&Tier::Weekly].as_str(), "15 3 * * 0");
    assert_eq!(own.schedules[&Tier::Hourly].as_str(), "15 */3 * * 1,2,3,4,5,6");
    assert_eq!((own.keep.hours, own.s3), (24, false));
}

#[test]
fn templates_take_the_environments_own_variables() {
    let public = "deploy_env: prod\norg: acme\nnames: {pg: '{{ org }}-{{ deploy_env }}'}\n\
                  postgres_snapshot_bucket: '{{ names.pg }}-backups'\nencrypted_root: /srv\n\
                  postgresql_backup_dir: '{{ encrypted_root }}/pg/{{ groups.pg_backup[0] }}'\n\
                  unrelated: '{{ nowhere }}'\n";
    let settings = loaded(&[("public.yml", public), ("inventory.ini", "[pg_backup]\ndb1\n")]);
    let bucket = settings.postgresql.backed.bucket.as_ref().map(|bucket| bucket.as_str());
    assert_eq!(bucket, Some("acme-prod-backups"));
    assert_eq!(settings.postgresql.backed.directory, "/srv/pg/db1");
    assert_eq!(settings.flat["couch_backup_dir"].value.as_text(), Some("/srv/backups/couchdb2"));
}

#[test]
fn public_yml_outweighs_the_inventory_which_outweighs_the_default() {
    let inventory = "[pg_backup]\ndb1 pg_backup_from=db2\ndb2\ndb3\n[ansible_skip]\ndb3\n\
                     [all:vars]\nnadir_hour=4\npostgresql_backup_weeks='6'\n[pg_backup:vars]\npostgresql_backup_days=9\n";
    let public = "deploy_env: prod\nbackup_postgres: dump\npostgresql_backup_weeks: 5\n";
    let settings = loaded(&[("public.yml", public), ("inventory.ini", inventory)]);
    let postgresql = &settings.postgresql;
    let backed = &postgresql.backed;
    assert_eq!((backed.keep.days, backed.keep.weeks, backed.keep.hours), (9, 5, 1));
    assert_eq!(backed.schedules[&Tier::Daily].as_str(), "0 4 * * 1,2,3,4,5,6");
    let names: Vec<String> = backed.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["db1", "db2"]);
    let from = postgresql.read_from.get(&backed.hosts[0]).map(ToString::to_string);
    assert_eq!(from.as_deref(), Some("db2"));
}

#[test]
fn trees_and_directories_declared_directly_are_backed_up() {
    let public = "deploy_env: prod\nbackups:\n  couchdb: {hosts: [c1], source: /srv/couch, keep: {daily: 5}, bucket: couch-two}\n\
                  \x20 blobdb: {hosts: [c1], dir: /srv/blob-backups}\n\
                  \x20 files:\n    - {name: media, hosts: [c1], source: /srv/media, schedule: '0 6,18 * * *', user: media}\n\
                  remote_couch_backup: c2\n";
    let settings = loaded(&[("public.yml", public), ("inventory.ini", "[couch]\nc1\nc2\n")]);
    let couchdb = &settings.couchdb;
    assert_eq!((couchdb.source.data_dir.as_str(), couchdb.backed.keep.days), ("/srv/couch", 5));
    assert_eq!(couchdb.source.remote_copy.as_ref().map(|host| host.as_str()), Some("c2"));
    assert_eq!(couchdb.backed.upload().map(|bucket| bucket.as_str()), Some("couch-two"));
    assert_eq!(settings.blobdb.backed.directory, "/srv/blob-backups");
    let media = &settings.files[0].backed;
    assert_eq!((media.directory.as_str(), media.user.as_str()), ("/opt/data/backups/files-media", "media"));
    // Twice a day is told apart by the hour, and stays for as many days.
    assert_eq!(media.schedules.keys().copied().collect::<Vec<_>>(), [Tier::Hourly]);
    assert_eq!((media.keep.days, media.keep.hours), (2, 72));
    let ids: Vec<String> =
        reconcile::derive::desired(&settings).resources.keys().map(ToString::to_string).collect();
    for name in ["couchdb", "blobdb", "files-media"] {
        for kind in ["host_directory", "host_file", "crontab"] {
            assert!(ids.contains(&format!("{kind}/c1/{name}")), "{kind} {name}: {ids:?}");
        }
    }
    let shown = settings.datastores().into_iter().find(|one| one.name == "files-media").expect("shown");
    assert_eq!((shown.bucket, shown.tiers[0].keep.as_str()), (None, "2 days"));
}

#[test]
fn a_host_that_holds_a_tree_reads_it_where_it_is() {
    let public = "deploy_env: prod\nbackups:\n  files:\n    - {name: media, hosts: [off1, web], source: {host: web, path: /m}, \
                  schedule: '0 1 * * *'}\n";
    let settings = loaded(&[("public.yml", public), ("inventory.ini", "[all]\noff1\nweb\n")]);
    let desired = reconcile::derive::desired(&settings);
    for (host, from) in [("off1", Some("web")), ("web", None)] {
        let id = format!("host_file/{host}/files-media").parse().expect("an id");
        let reconcile::resources::Resource::HostFile(file) = &desired.resources[&id].resource else {
            panic!("no job file");
        };
        let reconcile::resources::host_file::Body::Members { members, .. } = &file.body else {
            panic!("no members");
        };
        let tree = members["source"].get("tree").expect("a tree");
        assert_eq!(tree.get("host").and_then(|value| value.as_text()), from, "{host}");
    }
}
