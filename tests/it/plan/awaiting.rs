//! Datastores of the flat keys: what is prepared for each, and what is held because nobody runs it.

use reconcile::derive;
use reconcile::resources::Resource;
use reconcile::state::{Desired, HeldCode};
use reconcile::vocab::Id;

use crate::settings::folder::loaded;

const INVENTORY: &str = "[couchdb2]\nc1\nc2\n[shared_dir_host]\nweb\n[elasticsearch]\ne1\ne2\n";

fn desired(public: &str, inventory: &str) -> Desired {
    derive::desired(&loaded(&[("public.yml", public), ("inventory.ini", inventory)]))
}

fn ids(desired: &Desired) -> Vec<String> {
    desired.resources.keys().map(ToString::to_string).collect()
}

fn held(desired: &Desired) -> Vec<(String, HeldCode)> {
    desired.held.iter().map(|held| (held.id.to_string(), held.code)).collect()
}

#[test]
fn all_that_a_job_needs_is_prepared() {
    let public = "deploy_env: prod\naws_region: eu-west-2\nbackup_couch: yes\ncouch_s3: yes\nbackup_blobdb: yes\n\
                  blobdb_user: cchq\nbackup_es_s3: yes\n";
    let desired = desired(public, INVENTORY);
    assert_eq!(
        ids(&desired),
        [
            "bucket/dimagi-prod-couch-backups",
            "bucket/dimagi-prod-es-snapshots",
            "program/c1/reconcile",
            "program/c2/reconcile",
            "program/e1/reconcile",
            "program/web/reconcile",
            "snapshot_repository/e1/prod_es_snapshot",
            "host_directory/c1/couchdb",
            "host_directory/c1/job-files",
            "host_directory/c2/couchdb",
            "host_directory/c2/job-files",
            "host_directory/e1/elasticsearch",
            "host_directory/e1/job-files",
            "host_directory/web/blobdb",
            "host_directory/web/job-files",
            "host_file/c1/couchdb",
            "host_file/c2/couchdb",
            "host_file/e1/elasticsearch",
            "host_file/web/blobdb",
            "crontab/c1/couchdb",
            "crontab/c2/couchdb",
            "crontab/e1/elasticsearch",
            "crontab/web/blobdb",
        ]
    );
    assert_eq!(held(&desired), []);
    // A snapshot that has nowhere to go is no backup: its entry waits for the repository, and that for its bucket.
    let needs = |id: &str| &desired.resources[&id.parse::<Id>().expect("an id")].needs;
    let (repository, bucket) = ("snapshot_repository/e1/prod_es_snapshot", "bucket/dimagi-prod-es-snapshots");
    assert!(needs("crontab/e1/elasticsearch").contains(&repository.parse().expect("an id")));
    assert!(needs(repository).contains(&bucket.parse().expect("an id")));
    let id: Id = "host_directory/web/blobdb".parse().expect("an id");
    let Resource::HostDirectory(directory) = &desired.resources[&id].resource else {
        panic!("no directory");
    };
    let owner = directory.owner.to_string();
    assert_eq!(
        (directory.path.as_str(), owner.as_str(), directory.mode),
        ("/opt/data/backups/blobdb", "cchq", 0o700)
    );
    assert!(desired.tag("couchdb").is_ok(), "a datastore is a tag");
}

#[test]
fn what_no_host_runs_is_held_and_what_is_off_is_nothing() {
    let desired = desired("deploy_env: prod\nbackup_couch: yes\n", "[couchdb2]\n");
    assert_eq!(ids(&desired), [""; 0]);
    assert_eq!(held(&desired), [("datastore/couchdb".to_owned(), HeldCode::NoHost)]);
    let why = &desired.held[0].why;
    assert!(why.contains("public.yml:2") && why.contains("no host is in [couchdb2]"), "{why}");
}
