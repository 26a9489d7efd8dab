//! The documented example of `backups:` whole: everything parses, and what is not carried out is told.

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

#[test]
fn everything_documented_parses_and_what_is_left_undone_is_told() {
    let settings = loaded(&[("public.yml", EVERYTHING)]);
    assert!(settings.problems.list.is_empty(), "{:#?}", settings.problems.list);
    let undone: Vec<&str> = settings.unsupported.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(
        undone,
        [
            "backups.buckets.sportfin-prod-database-backups.versioning_lock",
            "backups.buckets.sportfin-prod-database-backups.object_lock",
            "backups.break_glass",
            "backups.objectives",
            "backups.identities",
            "backups.databases",
            "backups.files",
            "backups.dokku",
            "backups.alerts",
            "backups.postgresql",
        ]
    );
    let places: Vec<u32> = settings.unsupported.iter().map(|one| one.place.line).collect();
    assert_eq!(places, [12, 14, 5, 7, 20, 29, 40, 48, 54, 58]);
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
fn templates_take_the_environments_own_variables() {
    let public = "deploy_env: prod\norg: acme\nnames: {pg: '{{ org }}-{{ deploy_env }}'}\n\
                  postgres_snapshot_bucket: '{{ names.pg }}-backups'\nencrypted_root: /srv\n\
                  postgresql_backup_dir: '{{ encrypted_root }}/pg/{{ groups.pg_backup[0] }}'\n\
                  unrelated: '{{ nowhere }}'\n";
    let settings = loaded(&[("public.yml", public), ("inventory.ini", "[pg_backup]\ndb1\n")]);
    assert_eq!(settings.postgresql.bucket.as_str(), "acme-prod-backups");
    assert_eq!(settings.postgresql.directory, "/srv/pg/db1");
    assert_eq!(settings.flat["couch_backup_dir"].value.as_text(), Some("/srv/backups/couchdb2"));
}

#[test]
fn public_yml_outweighs_the_inventory_which_outweighs_the_default() {
    let inventory = "[pg_backup]\ndb1 pg_backup_from=db2\ndb2\ndb3\n[ansible_skip]\ndb3\n\
                     [all:vars]\nnadir_hour=4\npostgresql_backup_weeks='6'\n[pg_backup:vars]\npostgresql_backup_days=9\n";
    let public = "deploy_env: prod\nbackup_postgres: dump\npostgresql_backup_weeks: 5\n";
    let settings = loaded(&[("public.yml", public), ("inventory.ini", inventory)]);
    let postgresql = &settings.postgresql;
    assert_eq!((postgresql.keep.days, postgresql.keep.weeks, postgresql.keep.hours), (9, 5, 1));
    assert_eq!(postgresql.schedules[&Tier::Daily].as_str(), "0 4 * * 1,2,3,4,5,6");
    let names: Vec<String> = postgresql.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["db1", "db2"]);
    let from = postgresql.read_from.get(&postgresql.hosts[0]).map(ToString::to_string);
    assert_eq!(from.as_deref(), Some("db2"));
}
