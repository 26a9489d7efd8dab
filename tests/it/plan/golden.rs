//! What a reader sees of a plan in which everything happens at once, in each format. `UPDATE_GOLDEN=1` writes the files
//! anew; look at them before you commit them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reconcile::plan::{Answer, Plan, between};
use reconcile::report::plan::{View, plan_json, plan_markdown, plan_text};
use reconcile::resources::bucket::{
    AbortUploads, BucketObjectLock, PublicAccess, VersionRule, VersioningLock,
};
use reconcile::resources::crontab::old::{self, Doubt, Doubtful, OldLine, Seen, Table};
use reconcile::resources::host_file::Body;
use reconcile::resources::{Bucket, Crontab, HostFile, Resource, crontab};
use reconcile::retention::{Loss, Losses};
use reconcile::state::{
    Caller, Desired, HeldBefore, HeldCode, HostFacts, HostSighting, JobFailure, Observed, Owner, Presence,
    Selection, Sighting, Wanted,
};
use reconcile::vocab::{
    Id, JobCommand, JobKind, KeepVersions, Kind, LockMode, ObjectLock, Secret, Tier, Value, Versioning,
};

use super::{host_id, role};
use crate::support::desired::{desired, environment, wanted};

fn at(text: &str) -> chrono::DateTime<chrono::Utc> {
    text.parse().expect("an instant")
}

fn bucket(days: u32) -> Bucket {
    let keep = VersionRule::Keep(KeepVersions { days, newest: 0 });
    Bucket {
        owner: Some(Some(environment())),
        region: Some("eu-west-2".parse().expect("valid")),
        versioning: Some(Versioning::Enabled),
        keep_versions: Some(BTreeMap::from([("postgres_daily_".to_owned(), keep)])),
        abort_uploads: Some(AbortUploads::AfterDays(7)),
        public_access: Some(PublicAccess::BLOCKED),
        ..Bucket::newborn()
    }
}

fn held_for_a_month() -> Bucket {
    let lock = BucketObjectLock::Holds(ObjectLock { mode: LockMode::Governance, days: 30 });
    Bucket { object_lock: Some(lock), ..bucket(90) }
}

/// With the versioning lock, but for these actions.
fn locked(days: u32, missing: &[&str]) -> Bucket {
    let lock = VersioningLock::Denies {
        missing: missing.iter().map(|action| (*action).to_owned()).collect(),
        break_glass: BTreeSet::from([role("OrganizationAdmin")]),
    };
    Bucket { versioning_lock: Some(lock), ..bucket(days) }
}

fn job_file(key: &str) -> HostFile {
    HostFile {
        path: "/etc/reconcile/production/postgresql.json".to_owned(),
        owner: "postgres".parse().expect("valid"),
        group: "postgres".parse().expect("valid"),
        mode: 0o600,
        body: Body::Members {
            members: BTreeMap::from([("compression".to_owned(), Value::text("gzip"))]),
            secrets: BTreeMap::from([("secret_key".to_owned(), Secret::new(key).digest())]),
        },
    }
}

fn crontab_at(hour: u32, by_hand: &[&str]) -> Crontab {
    let mut crontab = Crontab::of([crontab::Entry {
        schedule: format!("0 {hour} * * 1,2,3,4,5,6").parse().expect("valid"),
        user: "postgres".parse().expect("valid"),
        command: JobCommand {
            job: JobKind::Backup,
            datastore: "postgresql".parse().expect("valid"),
            tier: Some(Tier::Daily),
            job_file: Some("/etc/reconcile/production/postgresql.json".to_owned()),
        },
    }])
    .expect("root is a user");
    crontab.other = by_hand.iter().map(|line| (*line).to_owned()).collect();
    crontab
}

/// Entries that an older tool left in a table.
fn old_lines(path: &str, text: &str) -> Vec<OldLine> {
    let found = old::lines(text.as_bytes(), &Table::System(path.to_owned()));
    let backup = |found: old::Found| match found.seen {
        Seen::Entry(line) => Some(line),
        _ => None,
    };
    found.into_iter().filter_map(backup).collect()
}

/// A job file that keeps local backups for 2 days and 4 weeks.
fn job_file_that_keeps() -> HostFile {
    let keep = [("days", 2), ("weeks", 4), ("hours", 1)];
    let keep = keep.into_iter().map(|(name, count)| (name.to_owned(), Value::Number(count))).collect();
    let members = BTreeMap::from([
        ("datastore".to_owned(), Value::text("postgresql")),
        ("directory".to_owned(), Value::text("/opt/data/backups/postgresql")),
        ("keep".to_owned(), Value::Map(keep)),
    ]);
    HostFile { body: Body::Members { members, secrets: BTreeMap::new() }, ..job_file("") }
}

/// A plan with every action, risk and kind of held item that there is.
fn plan() -> Plan {
    let cloud = |name: &str| Id::cloud(Kind::Bucket, name);
    let wanted = |resource| Wanted {
        datastores: BTreeSet::from(["postgresql".parse().expect("valid")]),
        ..wanted(resource)
    };
    let resources = [
        (cloud("a-new-bucket"), wanted(Resource::Bucket(held_for_a_month()))),
        (cloud("kept-shorter"), wanted(Resource::Bucket(locked(7, &[])))),
        (cloud("made-by-hand"), wanted(Resource::Bucket(bucket(90)))),
        (cloud("somebody-elses"), wanted(Resource::Bucket(bucket(90)))),
        (cloud("not-to-be-seen"), wanted(Resource::Bucket(bucket(90)))),
        (host_id(Kind::HostFile, "db1", "postgresql"), wanted(Resource::HostFile(job_file("CANARY-NEW")))),
        (host_id(Kind::Crontab, "db1", "postgresql"), wanted(Resource::Crontab(crontab_at(16, &[])))),
        (host_id(Kind::Crontab, "db2", "postgresql"), wanted(Resource::Crontab(crontab_at(16, &[])))),
        (host_id(Kind::HostFile, "db3", "postgresql"), wanted(Resource::HostFile(job_file_that_keeps()))),
        (host_id(Kind::Crontab, "db3", "postgresql"), wanted(Resource::Crontab(crontab_at(16, &[])))),
    ];
    let held = vec![HeldBefore {
        id: Id::cloud(Kind::Datastore, "couchdb"),
        code: HeldCode::NoHost,
        why: "on since public.yml:53:1, but no host is in [couchdb2]: nothing is backed up".to_owned(),
        datastore: None,
    }];
    let desired = Desired { held, ..desired(resources) };
    let stranger = Bucket { region: Some("eu-west-2".parse().expect("valid")), ..Bucket::newborn() };
    let sightings = BTreeMap::from([
        (cloud("a-new-bucket"), Sighting::Absent),
        (
            cloud("kept-shorter"),
            Sighting::Ours(Resource::Bucket(locked(
                90,
                &["s3:PutBucketPolicy", "s3:PutLifecycleConfiguration"],
            ))),
        ),
        (cloud("made-by-hand"), Sighting::Unmarked(Resource::Bucket(stranger))),
        (cloud("somebody-elses"), Sighting::Foreign(Owner::Account)),
        (cloud("not-to-be-seen"), Sighting::Unknown("s3:GetBucketPolicy: access denied".to_owned())),
        (
            host_id(Kind::HostFile, "db1", "postgresql"),
            Sighting::Ours(Resource::HostFile(job_file("CANARY-OLD"))),
        ),
        (
            host_id(Kind::Crontab, "db1", "postgresql"),
            Sighting::Ours(Resource::Crontab(Crontab {
                old: old_lines(
                    "/etc/crontab",
                    "0 4 * * * postgres nice CANARY=1 /usr/local/sbin/create_postgres_dump.sh daily 2\n",
                ),
                ..crontab_at(4, &["0 3 * * * root /usr/local/sbin/mine \u{1b}[2J"])
            })),
        ),
        (host_id(Kind::HostFile, "db3", "postgresql"), Sighting::Absent),
        (
            host_id(Kind::Crontab, "db3", "postgresql"),
            Sighting::Unmarked(Resource::Crontab(
                Crontab::only_old(old_lines(
                    "/etc/cron.d/backup_postgres",
                    "#Ansible: Backup postgres daily\n\
                     0 16 * * 1,2,3,4,5,6 postgres /usr/local/sbin/create_postgres_dump.sh daily 7\n\
                     0 16 * * 0 postgres /usr/local/sbin/create_postgres_dump.sh weekly 28\n\
                     15 1,3,5,7,9,11,13,15,17 * * 1-6 postgres /usr/local/sbin/create_postgres_dump.sh hourly 60\n",
                ))
                .expect("root is a user"),
            )),
        ),
        (host_id(Kind::Crontab, "db1", "blobdb"), Sighting::Ours(Resource::Crontab(crontab_at(4, &[])))),
    ]);
    let facts = HostFacts::played("Asia/Kolkata".parse().expect("a zone"));
    let observed = Observed {
        caller: Caller {
            account: Some("123456789012".parse().expect("valid")),
            partition: Some("aws".to_owned()),
            identity: Some("role/backup-operator".to_owned()),
            region: Some("eu-west-2".parse().expect("valid")),
            ..Caller::default()
        },
        sightings,
        hosts: BTreeMap::from([
            ("db1".parse().expect("valid"), HostSighting::Reached(facts.clone())),
            ("db3".parse().expect("valid"), HostSighting::Reached(facts)),
            (
                "db2".parse().expect("valid"),
                HostSighting::Unreachable("10.0.0.12 port 22 timed out".to_owned()),
            ),
        ]),
        break_glass: BTreeMap::from([(role("OrganizationAdmin"), Presence::Exists)]),
        job_key: Default::default(),
        doubtful: BTreeMap::from([(
            "db1".parse().expect("valid"),
            vec![Doubtful {
                table: Table::User("postgres".parse().expect("valid")),
                line: 7,
                datastore: "postgresql".parse().expect("valid"),
                doubt: Doubt::Other("rsync".to_owned()),
            }],
        )]),
        failures: vec![JobFailure {
            host: "db1".parse().expect("valid"),
            datastore: "postgresql".parse().expect("valid"),
            at: at("2026-11-20T16:00:12Z"),
            message: "the disk is full: the dump stopped after 3.1 GiB, and the backups before it are kept"
                .to_owned(),
        }],
    };
    let plan = between(&desired, &Selection::all(), &observed);
    let mut losses = Losses::default();
    for day in 1..=5 {
        losses.add(Loss {
            backup: format!("kept-shorter/postgres_daily_db1.tar.gz?versionId=v{day}"),
            taken: at(&format!("2026-11-0{day}T00:14:00Z")),
            bytes: 536_870_912,
            when: at("2026-11-22T00:00:00Z"),
        });
    }
    let mut local = Losses::default();
    local.add(Loss {
        backup: "db3:/opt/data/backups/postgresql/postgres_production_daily_2026_11_16.tar.gz".to_owned(),
        taken: at("2026-11-16T16:09:00Z"),
        bytes: 536_870_912,
        when: at("2026-11-21T12:00:00Z"),
    });
    let answers = plan
        .questions()
        .into_iter()
        .map(|question| {
            let lost = match question.id().name() {
                "kept-shorter" => losses.clone(),
                "postgresql" => local.clone(),
                _ => Losses::default(),
            };
            (question, Answer::Lost(lost))
        })
        .collect();
    plan.with_losses(answers, None)
}

fn compare(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/plan/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, text).expect("written");
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(golden, text, "{name} changed: look at it, then UPDATE_GOLDEN=1");
}

/// Colours repeat what the words say: without them nothing is lost.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn a_plan_reads_the_same_as_yesterday() {
    let plan = plan();
    let view = View { now: at("2026-11-21T12:00:00Z"), verbose: false, command: Some("reconcile apply") };
    let text = plan_text(&plan, view);
    compare("plan.txt", &plain(&text));
    compare("plan-verbose.txt", &plain(&plan_text(&plan, View { verbose: true, ..view })));
    compare("plan.md", &plan_markdown(&plan, "reconcile apply"));
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    compare("plan.json", &format!("{:#}\n", plan_json(&plan)).replace(&version, "\"version\": \"...\""));
    for shown in [text, plan_markdown(&plan, "reconcile apply"), plan_json(&plan).to_string()] {
        assert!(!shown.contains("CANARY") && !shown.contains("\u{1b}[2J"), "{shown}");
    }
}
