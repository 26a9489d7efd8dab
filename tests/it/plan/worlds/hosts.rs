//! What is on hosts, out of chance: programs, directories, job files, repositories, and a host with all of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reconcile::resources::host_file::Body;
use reconcile::resources::program::Offers;
use reconcile::resources::{Crontab, HostDirectory, HostFile, Program, Resource, SnapshotRepository};
use reconcile::state::{Sighting, Wanted};
use reconcile::vocab::{Id, Kind, Value};

use super::crontabs::{crontab_of, crontab_sighting, old_lines};
use super::host_sighting;
use crate::plan::host_id;
use crate::support::desired::needing;

pub(in crate::plan) fn directory() -> impl Strategy<Value = HostDirectory> {
    (prop_oneof![Just("root"), Just("postgres")], prop_oneof![Just(0o700u32), Just(0o755)]).prop_map(
        |(owner, mode)| HostDirectory {
            path: "/opt/data/backups/postgresql".to_owned(),
            owner: owner.parse().expect("valid"),
            group: owner.parse().expect("valid"),
            mode,
        },
    )
}

pub(in crate::plan) fn job_file() -> impl Strategy<Value = HostFile> {
    (1i64..4, 1i64..4, any::<bool>()).prop_map(|(days, weeks, upload)| HostFile {
        path: "/etc/reconcile/production/postgresql.json".to_owned(),
        owner: "postgres".parse().expect("valid"),
        group: "postgres".parse().expect("valid"),
        mode: 0o600,
        body: Body::Members {
            members: BTreeMap::from([
                (
                    "keep".to_owned(),
                    Value::Map(BTreeMap::from([
                        ("days".to_owned(), Value::Number(days)),
                        ("hours".to_owned(), Value::Number(1)),
                        ("weeks".to_owned(), Value::Number(weeks)),
                    ])),
                ),
                ("datastore".to_owned(), Value::text("postgresql")),
                ("directory".to_owned(), Value::text("/opt/data/backups/postgresql")),
                ("upload".to_owned(), if upload { Value::text("bucket") } else { Value::Null }),
            ]),
            secrets: BTreeMap::new(),
        },
    })
}

/// Older, the same, with another checksum, and one that does not start.
fn program() -> impl Strategy<Value = Program> {
    let version = prop::sample::select(vec!["", "0.0.1", env!("CARGO_PKG_VERSION")]);
    let sum = prop::sample::select(vec!["aa", "bb"]);
    (version, sum)
        .prop_map(|(version, sum)| Program { version: version.to_owned(), sha256: Some(sum.to_owned()) })
}

/// A program is wanted as whatever there is to be copied.
pub(in crate::plan) fn fitted(resource: &Resource) -> Resource {
    match resource {
        Resource::Program(program) => {
            Resource::Program(program.fitted(&offers(), None).expect("there is one"))
        }
        other => other.clone(),
    }
}

/// What there is to be copied.
pub(super) fn offers() -> Offers {
    Offers { played: Some("aa".to_owned()), ..Offers::default() }
}

/// A repository that settings could ask for.
pub(in crate::plan) fn wanted_repository() -> impl Strategy<Value = SnapshotRepository> {
    let of = |kind: &str| SnapshotRepository {
        at: vec!["http://127.0.0.1:9200".to_owned()],
        kind: kind.to_owned(),
        bucket: None,
        base_path: None,
        endpoint: None,
        location: None,
        read_only: Some(false),
    };
    let s3 = (
        prop_oneof![Just("bucket-a"), Just("bucket-b")],
        prop::option::of(Just("s3.example.org".to_owned())),
    );
    let location = prop_oneof![Just("one"), Just("two")];
    prop_oneof![
        s3.prop_map(move |(bucket, endpoint)| SnapshotRepository {
            bucket: Some(bucket.to_owned()),
            endpoint,
            ..of("s3")
        }),
        location
            .prop_map(move |location| SnapshotRepository { location: Some(location.to_owned()), ..of("fs") }),
    ]
}

/// One that somebody registered.
fn present_repository() -> impl Strategy<Value = SnapshotRepository> {
    (wanted_repository(), prop::option::of(Just("below".to_owned())), any::<bool>()).prop_map(
        |(repository, base_path, read_only)| SnapshotRepository {
            base_path: base_path.filter(|_| repository.kind == "s3"),
            read_only: Some(read_only),
            ..repository
        },
    )
}

prop_compose! {
    /// What is wanted of a host, and what is seen of it.
    pub(super) fn on_host(host: &'static str)(
        want_repository in prop::option::of(wanted_repository()),
        is_repository in host_sighting(present_repository().prop_map(Resource::SnapshotRepository)),
        want in prop::option::of((directory(), job_file(), crontab_of(false))),
        is_program in host_sighting(program().prop_map(Resource::Program)),
        is_directory in host_sighting(directory().prop_map(Resource::HostDirectory)),
        is_file in host_sighting(job_file().prop_map(Resource::HostFile)),
        is_crontab in crontab_sighting(),
        is_stray in prop::option::of((crontab_of(true), prop::option::of(old_lines()))),
    ) -> (Vec<(Id, Wanted)>, Vec<(Id, Sighting)>) {
        let program = host_id(Kind::Program, host, "reconcile");
        let directory = host_id(Kind::HostDirectory, host, "postgresql");
        let file = host_id(Kind::HostFile, host, "postgresql");
        let crontab = host_id(Kind::Crontab, host, "postgresql");
        let repository = host_id(Kind::SnapshotRepository, host, "snapshots");
        let wanted = |resource, needs: &[&Id]| Wanted {
            datastores: BTreeSet::from(["postgresql".parse().expect("valid")]),
            ..needing(resource, needs)
        };
        let mut want_all = Vec::new();
        if let Some((one_directory, one_file, one_crontab)) = want {
            let needs = [&program, &directory, &file];
            want_all.push((program.clone(), wanted(Resource::Program(Program::own()), &[])));
            want_all.push((directory.clone(), wanted(Resource::HostDirectory(one_directory), &[])));
            want_all.push((file.clone(), wanted(Resource::HostFile(one_file), &[])));
            want_all.push((crontab.clone(), wanted(Resource::Crontab(one_crontab), &needs)));
        }
        if let Some(one) = want_repository {
            want_all.push((repository.clone(), wanted(Resource::SnapshotRepository(one), &[])));
        }
        let mut is = vec![
            (program, is_program),
            (directory, is_directory),
            (file, is_file),
            (crontab, is_crontab),
            (repository, is_repository),
        ];
        if let Some((stray, old)) = is_stray {
            let stray = Crontab { old: old.unwrap_or_default(), ..stray };
            is.push((host_id(Kind::Crontab, host, "gone"), Sighting::Ours(Resource::Crontab(stray))));
        }
        (want_all, is)
    }
}
