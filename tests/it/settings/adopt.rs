//! Datastores that are ours whatever their flat switches say.

use reconcile::datastores::job_file::Compression;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::derive;

use super::folder::{Folder, loaded};

const INVENTORY: &str = "[pg_backup]\ndb1\n[couchdb2]\ndb1\n[shared_dir_host]\ndb1\n[elasticsearch]\ndb1\n";

fn settings(public: &str) -> reconcile::settings::Settings {
    loaded(&[("public.yml", public), ("inventory.ini", INVENTORY)])
}

#[test]
fn what_is_adopted_is_on_whatever_the_flat_switch_says() {
    for (switch, method) in [
        ("", Method::Plain),
        ("backup_postgres: false\n", Method::Plain),
        ("backup_postgres: dump\n", Method::Dump),
    ] {
        let settings =
            settings(&format!("deploy_env: prod\n{switch}backups:\n  adopt: [blobdb, postgresql]\n"));
        assert!(settings.problems.list.is_empty(), "{:#?}", settings.problems.list);
        assert!(settings.postgresql.backed.on && settings.postgresql.method == method, "{switch}");
        let on: Vec<String> =
            settings.datastores().into_iter().filter(|one| one.enabled).map(|one| one.name).collect();
        assert_eq!(on, ["postgresql", "blobdb"]);
        // Where it is switched on, for reasons.
        let line = settings.postgresql.backed.switch.as_ref().map(|place| place.line);
        assert_eq!(line, Some(if switch.contains("dump") { 2 } else { 3 + u32::from(!switch.is_empty()) }));
        let desired = derive::desired(&settings);
        let ids: Vec<String> = desired.declared.iter().map(ToString::to_string).collect();
        assert!(ids.iter().any(|id| id == "crontab/db1/postgresql"), "{ids:?}");
        assert!(ids.iter().any(|id| id == "crontab/db1/blobdb"), "{ids:?}");
        assert!(!ids.iter().any(|id| id.contains("couchdb")), "{ids:?}");
        // Its checks look for the names that they know.
        assert_eq!(settings.storage.compression, Compression::Gzip);
    }
}

#[test]
fn what_cannot_be_adopted_is_told() {
    let told = |adopt: &str, more: &str| {
        let public = format!("deploy_env: prod\nbackups:\n  adopt: {adopt}\n{more}");
        Folder::new(&[("public.yml", &public), ("inventory.ini", "[pg_backup]\ndb1\n")]).validated()
    };
    insta::assert_snapshot!(
        [
            told("[postgres]", ""),
            told("postgresql", ""),
            told("[postgresql, couchdb, postgresql]", ""),
            told("[postgresql]", "  postgresql: {hosts: [db1], method: dump}\n"),
        ]
        .join("\n")
    );
}
