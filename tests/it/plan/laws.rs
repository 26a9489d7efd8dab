//! The laws of the design, on a world that is a map: a thousand cases each.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reconcile::plan::{Action, Allow, Consent, Granted, Held, Plan, Report, between};
use reconcile::resources::bucket::{
    AbortUploads, BucketObjectLock, PublicAccess, VersionRule, VersioningLock,
};
use reconcile::resources::crontab::old::{self, Keeps, OldLine, Seen, Table};
use reconcile::resources::host_file::Body;
use reconcile::resources::identity::{Grants, InlinePolicy, Others, Source, Stake};
use reconcile::resources::program::Offers;
use reconcile::resources::role::Trust;
use reconcile::resources::{
    Bucket, Crontab, HostDirectory, HostFile, Program, Resource, Role, SnapshotRepository, User, crontab,
};
use reconcile::state::{
    Desired, HostFacts, HostSighting, Observed, Owner, Presence, Selection, Sighting, Wanted,
};
use reconcile::vocab::{
    Encryption, Environment, Id, JobCommand, JobKind, KeepVersions, Kind, LockMode, Network, ObjectLock,
    Tier, Value, Versioning,
};
use reconcile::world::{MemoryWorld, WorldRead, apply};

pub(super) fn environment() -> Environment {
    "production".parse().expect("valid")
}

fn settings() -> ProptestConfig {
    ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
}

// --- worlds -----------------------------------------------------------------------------------------------------------

fn rule() -> impl Strategy<Value = VersionRule> {
    prop_oneof![
        4 => (1u32..4, 0u32..3).prop_map(|(days, newest)| VersionRule::Keep(KeepVersions { days, newest })),
        1 => Just(VersionRule::Unrecognised("disabled".to_owned())),
    ]
}

fn rules() -> impl Strategy<Value = BTreeMap<String, VersionRule>> {
    prop::collection::btree_map("postgres_(daily|weekly)_", rule(), 0..3)
}

fn versioning() -> impl Strategy<Value = Versioning> {
    prop_oneof![Just(Versioning::Never), Just(Versioning::Enabled), Just(Versioning::Suspended)]
}

fn encryption() -> impl Strategy<Value = Encryption> {
    prop_oneof![Just(Encryption::Aes256), Just(Encryption::Kms(None)), Just(Encryption::None)]
}

fn public_access() -> impl Strategy<Value = PublicAccess> {
    prop_oneof![Just(PublicAccess::BLOCKED), Just(PublicAccess::OPEN)]
}

fn abort() -> impl Strategy<Value = AbortUploads> {
    prop_oneof![Just(AbortUploads::Never), (1u32..9).prop_map(AbortUploads::AfterDays)]
}

fn object_lock() -> impl Strategy<Value = BucketObjectLock> {
    let mode = prop_oneof![Just(LockMode::Governance), Just(LockMode::Compliance)];
    (mode, 1u32..4).prop_map(|(mode, days)| BucketObjectLock::Holds(ObjectLock { mode, days }))
}

pub(super) fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn roles() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[a-c]".prop_map(|name| role(&name)), 0..3)
}

/// A lock as settings ask for it: complete, or gone.
fn wanted_lock() -> impl Strategy<Value = VersioningLock> {
    prop_oneof![1 => Just(VersioningLock::None), 3 => roles().prop_map(VersioningLock::complete)]
}

fn present_lock() -> impl Strategy<Value = VersioningLock> {
    let missing = prop::collection::btree_set(
        prop_oneof![Just("s3:PutBucketPolicy".to_owned()), Just("s3:DeleteBucket".to_owned())],
        0..3,
    );
    let denies =
        (missing, roles()).prop_map(|(missing, break_glass)| VersioningLock::Denies { missing, break_glass });
    prop_oneof![1 => Just(VersioningLock::None), 3 => denies]
}

/// A bucket that settings could ask for: fields may be left alone, and nothing unrecognised is wanted.
pub(super) fn wanted_bucket() -> impl Strategy<Value = Bucket> {
    let keep =
        prop::collection::btree_map("postgres_(daily|weekly)_", (1u32..4, 0u32..3), 0..3).prop_map(|rules| {
            rules
                .into_iter()
                .map(|(prefix, (days, newest))| (prefix, VersionRule::Keep(KeepVersions { days, newest })))
                .collect::<BTreeMap<_, _>>()
        });
    (
        prop::option::of(Just(Versioning::Enabled)),
        prop::option::of(keep),
        prop::option::of(abort()),
        prop::option::of(prop_oneof![Just(Encryption::Aes256), Just(Encryption::Kms(None))]),
        prop::option::of(Just(PublicAccess::BLOCKED)),
        prop::option::of(any::<bool>()),
        prop::option::of(object_lock()),
        prop::option::of(wanted_lock()),
    )
        .prop_map(
            |(
                versioning,
                keep_versions,
                abort_uploads,
                encryption,
                public_access,
                tls_only,
                object_lock,
                versioning_lock,
            )| {
                Bucket {
                    owner: Some(Some(environment())),
                    region: Some("eu-west-2".parse().expect("valid")),
                    versioning,
                    keep_versions,
                    abort_uploads,
                    encryption,
                    public_access,
                    tls_only,
                    object_lock,
                    versioning_lock,
                }
            },
        )
}

fn present_bucket(marked: bool) -> impl Strategy<Value = Bucket> {
    let protection = (prop_oneof![Just(BucketObjectLock::None), object_lock()], present_lock());
    (versioning(), rules(), abort(), encryption(), public_access(), any::<bool>(), protection).prop_map(
        move |(versioning, keep, abort, encryption, access, tls_only, (object_lock, lock))| Bucket {
            owner: Some(marked.then(environment)),
            region: Some("eu-west-2".parse().expect("valid")),
            versioning: Some(versioning),
            keep_versions: Some(keep),
            abort_uploads: Some(abort),
            encryption: Some(encryption),
            public_access: Some(access),
            tls_only: Some(tls_only),
            object_lock: Some(object_lock),
            versioning_lock: Some(lock),
        },
    )
}

// --- identities -------------------------------------------------------------------------------------------------------

fn networks() -> impl Strategy<Value = BTreeSet<Network>> {
    let all = ["10.0.0.0/8", "10.1.0.0/16", "203.0.113.0/24"].map(|network| network.parse().expect("valid"));
    prop::sample::subsequence(all.to_vec(), 1..3).prop_map(|networks| networks.into_iter().collect())
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        networks().prop_map(Source::Networks),
        prop::option::of(networks()).prop_map(|networks| Source::Vpc {
            vpc: "vpc-0abc".to_owned(),
            networks: networks.unwrap_or_default(),
        }),
    ]
}

fn grants() -> impl Strategy<Value = Grants> {
    let keys =
        ["key/0000-1111", "alias/backups"].map(|key| format!("arn:aws:kms:eu-west-2:123456789012:{key}"));
    (
        prop::collection::btree_set("bucket-[a-d]", 0..3),
        prop::sample::subsequence(keys.to_vec(), 0..3),
        prop::collection::btree_set("database-[a-b]", 0..2),
        prop::option::of(source()),
    )
        .prop_map(|(writes, keys, snapshots, from)| Grants {
            keys: keys.into_iter().filter(|_| !writes.is_empty()).collect(),
            writes: writes.into_iter().map(|name| name.parse().expect("valid")).collect(),
            from: from.filter(|_| !snapshots.is_empty()),
            snapshots,
        })
}

fn inline_policy(strange: bool) -> impl Strategy<Value = InlinePolicy> {
    let unrecognised = InlinePolicy::Unrecognised("{}".to_owned());
    prop_oneof![
        4 => grants().prop_map(InlinePolicy::of),
        1 => Just(if strange { unrecognised } else { InlinePolicy::None }),
    ]
}

fn others() -> impl Strategy<Value = Others> {
    let harmless = r#"{"Statement":{"Action":"s3:GetObject","Effect":"Allow","Resource":"*"}}"#;
    let all = r#"{"Statement":{"Action":"*","Effect":"Allow","Resource":"*"}}"#;
    prop_oneof![
        2 => Just(Others::new()),
        1 => Just(Others::from([("by-hand".to_owned(), harmless.to_owned())])),
        1 => Just(Others::from([("everything".to_owned(), all.to_owned())])),
    ]
}

pub(super) fn wanted_role() -> impl Strategy<Value = Role> {
    (prop::option::of(prop_oneof![Just("ec2"), Just("lambda")]), inline_policy(false))
        .prop_map(|(by, policy)| Role::wanted(&environment(), "writer", by, policy))
}

pub(super) fn wanted_user() -> impl Strategy<Value = User> {
    inline_policy(false).prop_map(|policy| User::wanted(&environment(), policy))
}

fn present_role(marked: bool) -> impl Strategy<Value = Role> {
    let services = prop::collection::btree_set("ec2|lambda", 0..3);
    let profiles = prop::collection::btree_set("writer|by-hand", 0..2);
    (
        prop_oneof![Just("/"), Just("/reconcile/production/")],
        (services, any::<bool>()),
        inline_policy(true),
        (others(), others()),
        (prop::option::of(Just(("policy/most".to_owned(), "{}".to_owned()))), profiles, any::<bool>()),
    )
        .prop_map(move |(path, (services, is_open), policy, (attached, other_policies), rest)| {
            let (boundary, profiles, in_use) = rest;
            let stranger = r#"{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":"*"}}"#;
            Role {
                owner: Some(marked.then(environment)),
                path: Some(path.to_owned()),
                trust: Some(Trust {
                    services,
                    others: BTreeSet::from([stranger.to_owned()]).into_iter().filter(|_| is_open).collect(),
                }),
                policy: Some(policy),
                attached: Some(attached),
                other_policies: Some(other_policies),
                boundary: Some(boundary.into_iter().collect()),
                instance_profiles: Some(profiles),
                in_use,
            }
        })
}

fn present_user(marked: bool) -> impl Strategy<Value = User> {
    (inline_policy(true), others(), others(), others(), 0u32..3).prop_map(
        move |(policy, attached, other_policies, group, keys)| User {
            owner: Some(marked.then(environment)),
            path: Some("/".to_owned()),
            policy: Some(policy),
            attached: Some(attached),
            other_policies: Some(other_policies),
            boundary: Some(Others::new()),
            groups: Some(BTreeMap::from([("writers".to_owned(), group)])),
            access_keys: Some(keys),
        },
    )
}

prop_compose! {
    fn identities()(
        role in prop::option::of((wanted_role(), sighting(
            present_role(true).prop_map(|role| Resource::Role(Box::new(role))),
            present_role(false).prop_map(|role| Resource::Role(Box::new(role))).boxed(),
        ))),
        user in prop::option::of((wanted_user(), sighting(
            present_user(true).prop_map(|user| Resource::User(Box::new(user))),
            present_user(false).prop_map(|user| Resource::User(Box::new(user))).boxed(),
        ))),
    ) -> Vec<(Id, Resource, Sighting)> {
        let role = role.map(|(wanted, is)| {
            (Id::cloud(Kind::Role, "writer"), Resource::Role(Box::new(wanted)), is)
        });
        let user = user.map(|(wanted, is)| {
            (Id::cloud(Kind::User, "writer"), Resource::User(Box::new(wanted)), is)
        });
        role.into_iter().chain(user).collect()
    }
}

pub(super) fn directory() -> impl Strategy<Value = HostDirectory> {
    (prop_oneof![Just("root"), Just("postgres")], prop_oneof![Just(0o700u32), Just(0o755)]).prop_map(
        |(owner, mode)| HostDirectory {
            path: "/opt/data/backups/postgresql".to_owned(),
            owner: owner.parse().expect("valid"),
            group: owner.parse().expect("valid"),
            mode,
        },
    )
}

pub(super) fn job_file() -> impl Strategy<Value = HostFile> {
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

pub(super) fn crontab_of(other: bool) -> impl Strategy<Value = Crontab> {
    let line = (prop::sample::select(Tier::ALL.to_vec()), 0u32..3);
    (prop::collection::btree_map(line.clone().prop_map(|(tier, _)| tier), 0u32..3, 0..4), any::<bool>())
        .prop_map(move |(entries, strange)| {
            let mut crontab = Crontab::of(entries.into_iter().map(|(tier, hour)| crontab::Entry {
                schedule: format!("0 {hour} * * *").parse().expect("valid"),
                user: "postgres".parse().expect("valid"),
                command: JobCommand {
                    job: JobKind::Backup,
                    datastore: "postgresql".parse().expect("valid"),
                    tier: Some(tier),
                    job_file: None,
                },
            }))
            .expect("root is a user");
            if other && strange {
                crontab.other.push("# by hand".to_owned());
            }
            crontab
        })
}

/// Entries that an older tool left for postgresql, in one table or several.
pub(super) fn old_lines() -> BoxedStrategy<Vec<OldLine>> {
    let tables = [
        Table::System("/etc/cron.d/backup_postgres".to_owned()),
        Table::System("/etc/crontab".to_owned()),
        Table::User("postgres".parse().expect("valid")),
    ];
    let line = (prop::sample::select(tables.to_vec()), prop::sample::select(Tier::ALL.to_vec()), 0u32..4);
    prop::collection::vec(line, 1..4)
        .prop_map(|lines| {
            let mut lines: Vec<OldLine> = lines
                .into_iter()
                .flat_map(|(table, tier, keep)| {
                    let user = if matches!(table, Table::System(_)) { "postgres " } else { "" };
                    // Nothing is ever removed where find(1) is given no number.
                    let keep = if keep == 0 { String::new() } else { keep.to_string() };
                    let script = "/usr/local/sbin/create_postgres_dump.sh";
                    let text =
                        format!("#Ansible: Backup postgres {tier}\n0 3 * * * {user}{script} {tier} {keep}\n");
                    let found = old::lines(text.as_bytes(), &table);
                    found.into_iter().map(|found| match found.seen {
                        Seen::Entry(line) => line,
                        other => panic!("{other:?}"),
                    })
                })
                .collect();
            lines.sort();
            lines
        })
        .boxed()
}

/// A file of ours, other tools' entries, both or neither.
fn crontab_sighting() -> BoxedStrategy<Sighting> {
    let only_old = |lines| Resource::Crontab(Crontab::only_old(lines).expect("root is a user"));
    prop_oneof![
        3 => host_sighting(crontab_of(true).prop_map(Resource::Crontab)),
        2 => old_lines().prop_map(only_old).prop_map(Sighting::Unmarked),
        1 => (crontab_of(true), old_lines())
            .prop_map(|(crontab, old)| Sighting::Ours(Resource::Crontab(Crontab { old, ..crontab }))),
    ]
    .boxed()
}

fn sighting(
    marked: impl Strategy<Value = Resource>,
    unmarked: BoxedStrategy<Resource>,
) -> impl Strategy<Value = Sighting> {
    prop_oneof![
        4 => marked.prop_map(Sighting::Ours),
        2 => unmarked.prop_map(Sighting::Unmarked),
        3 => Just(Sighting::Absent),
        1 => Just(Sighting::Foreign(Owner::Account)),
        1 => Just(Sighting::Unknown("access denied".to_owned())),
    ]
}

/// Where nothing can be adopted, what is there is ours.
fn host_sighting(marked: impl Strategy<Value = Resource>) -> impl Strategy<Value = Sighting> {
    prop_oneof![
        4 => marked.prop_map(Sighting::Ours),
        3 => Just(Sighting::Absent),
        1 => Just(Sighting::Foreign(Owner::Unmarked)),
        1 => Just(Sighting::Unknown("permission denied".to_owned())),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    desired: Desired,
    things: BTreeMap<Id, Sighting>,
    break_glass: BTreeMap<String, Presence>,
}

/// Whether each of the roles that locks may spare exists.
fn break_glass() -> impl Strategy<Value = BTreeMap<String, Presence>> {
    let presence = || {
        prop_oneof![
            6 => Just(Presence::Exists),
            2 => Just(Presence::Absent("there is no such role".to_owned())),
            1 => Just(Presence::Unknown("the network is down".to_owned())),
        ]
    };
    (presence(), presence(), presence())
        .prop_map(|(a, b, c)| BTreeMap::from([(role("a"), a), (role("b"), b), (role("c"), c)]))
}

pub(super) fn host_id(kind: Kind, host: &str, name: &str) -> Id {
    Id::on_host(kind, host.parse().expect("valid"), name)
}

/// Older, the same, with another checksum, and one that does not start.
fn program() -> impl Strategy<Value = Program> {
    let version = prop::sample::select(vec!["", "0.0.1", env!("CARGO_PKG_VERSION")]);
    let sum = prop::sample::select(vec!["aa", "bb"]);
    (version, sum)
        .prop_map(|(version, sum)| Program { version: version.to_owned(), sha256: Some(sum.to_owned()) })
}

/// A program is wanted as whatever there is to be copied.
fn fitted(resource: &Resource) -> Resource {
    match resource {
        Resource::Program(program) => {
            Resource::Program(program.fitted(&offers(), None).expect("there is one"))
        }
        other => other.clone(),
    }
}

/// What there is to be copied.
fn offers() -> Offers {
    Offers { played: Some("aa".to_owned()), ..Offers::default() }
}

/// A repository that settings could ask for.
pub(super) fn wanted_repository() -> impl Strategy<Value = SnapshotRepository> {
    let at = vec!["http://127.0.0.1:9200".to_owned()];
    let s3 = (
        prop_oneof![Just("bucket-a"), Just("bucket-b")],
        prop::option::of(Just("s3.example.org".to_owned())),
    );
    let wanted =
        move |kind: &str, bucket: Option<&str>, endpoint, location: Option<&str>| SnapshotRepository {
            at: at.clone(),
            kind: kind.to_owned(),
            bucket: bucket.map(str::to_owned),
            base_path: None,
            endpoint,
            location: location.map(str::to_owned),
            read_only: Some(false),
        };
    let other = wanted.clone();
    prop_oneof![
        s3.prop_map(move |(bucket, endpoint)| wanted("s3", Some(bucket), endpoint, None)),
        prop_oneof![Just("one"), Just("two")].prop_map(move |location| other(
            "fs",
            None,
            None,
            Some(location)
        )),
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
    fn on_host(host: &'static str)(
        repository in (
            prop::option::of(wanted_repository()),
            host_sighting(present_repository().prop_map(Resource::SnapshotRepository)).boxed(),
        ),
        want in prop::option::of((directory(), job_file(), crontab_of(false))),
        is_program in host_sighting(program().prop_map(Resource::Program)).boxed(),
        is_directory in host_sighting(directory().prop_map(Resource::HostDirectory)),
        is_file in host_sighting(job_file().prop_map(Resource::HostFile)),
        is_crontab in crontab_sighting(),
        is_stray in prop::option::of((crontab_of(true), prop::option::of(old_lines()))),
    ) -> (Vec<(Id, Wanted)>, Vec<(Id, Sighting)>) {
        let ids = [
            host_id(Kind::Program, host, "reconcile"),
            host_id(Kind::HostDirectory, host, "postgresql"),
            host_id(Kind::HostFile, host, "postgresql"),
            host_id(Kind::Crontab, host, "postgresql"),
        ];
        let wanted = |resource, needs: &[&Id]| Wanted {
            resource,
            datastores: BTreeSet::from(["postgresql".parse().expect("valid")]),
            declared: None,
            needs: needs.iter().map(|id| (*id).clone()).collect(), programs: BTreeSet::new(),
        };
        let mut want_all = Vec::new();
        if let Some((directory, file, crontab)) = want {
            want_all.push((ids[0].clone(), wanted(Resource::Program(Program::own()), &[])));
            want_all.push((ids[1].clone(), wanted(Resource::HostDirectory(directory), &[])));
            want_all.push((ids[2].clone(), wanted(Resource::HostFile(file), &[])));
            want_all.push((ids[3].clone(), wanted(Resource::Crontab(crontab), &[&ids[0], &ids[1], &ids[2]])));
        }
        let snapshots = host_id(Kind::SnapshotRepository, host, "snapshots");
        if let Some(repository) = repository.0 {
            want_all.push((snapshots.clone(), wanted(Resource::SnapshotRepository(repository), &[])));
        }
        let [program, directory, file, crontab] = ids;
        let mut is = vec![(program, is_program), (directory, is_directory), (file, is_file), (crontab, is_crontab)];
        is.push((snapshots, repository.1));
        if let Some((stray, old)) = is_stray {
            let stray = Crontab { old: old.unwrap_or_default(), ..stray };
            is.push((host_id(Kind::Crontab, host, "gone"), Sighting::Ours(Resource::Crontab(stray))));
        }
        (want_all, is)
    }
}

prop_compose! {
    fn case()(
        buckets in prop::collection::btree_map("bucket-[a-d]", (
            wanted_bucket(),
            sighting(
                present_bucket(true).prop_map(Resource::Bucket),
                present_bucket(false).prop_map(Resource::Bucket).boxed(),
            ),
        ), 0..4),
        identities in identities(),
        versioned in prop::collection::btree_set("bucket-[a-d]", 0..4),
        hosts in (on_host("db1").boxed(), on_host("db2").boxed()),
        break_glass in break_glass(),
    ) -> Case {
        let mut resources = BTreeMap::new();
        let mut things = BTreeMap::new();
        for (name, (bucket, sighting)) in buckets {
            let id = Id::cloud(Kind::Bucket, name);
            let wanted = Wanted {
                resource: Resource::Bucket(bucket),
                datastores: BTreeSet::new(),
                declared: None,
                needs: BTreeSet::new(), programs: BTreeSet::new(),
            };
            resources.insert(id.clone(), wanted);
            things.insert(id, sighting);
        }
        for (id, resource, sighting) in identities {
            let wanted =
                Wanted { resource, datastores: BTreeSet::new(), declared: None, needs: BTreeSet::new(), programs: BTreeSet::new() };
            resources.insert(id.clone(), wanted);
            things.insert(id, sighting);
        }
        for (want, is) in [hosts.0, hosts.1] {
            resources.extend(want);
            things.extend(is);
        }
        things.retain(|_, sighting| *sighting != Sighting::Absent);
        let desired = Desired {
            environment: environment(),
            environment_written: true,
            account: None,
            endpoint: None,
            declared: resources.keys().cloned().collect(),
            resources,
            held: Vec::new(),
            hosts: ["db1", "db2"].iter().map(|host| host.parse().expect("valid")).collect(),
            retired: Default::default(),
            offers: offers(),
            stakes: versioned
                .into_iter()
                .map(|name| (name.parse().expect("valid"), Stake { versioned: true, ..Stake::default() }))
                .collect(),
            break_glass: break_glass.keys().cloned().collect(),
            vault_digest: None,
        };
        Case { desired, things, break_glass }
    }
}

// --- what the laws do with them ---------------------------------------------------------------------------------------

fn world(case: &Case) -> MemoryWorld {
    let mut world = MemoryWorld::new(case.things.clone());
    world.break_glass = case.break_glass.clone();
    let facts = HostFacts::played(chrono_tz::UTC);
    for host in ["db1", "db2"] {
        world.hosts.insert(host.parse().expect("valid"), HostSighting::Reached(facts.clone()));
    }
    world
}

pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// The same for worlds that wait.
pub(super) fn wait_io<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn observe(desired: &Desired, world: &MemoryWorld) -> Observed {
    wait(world.observe(&desired.scope()))
}

pub(super) fn plan(desired: &Desired, world: &MemoryWorld) -> Plan {
    between(desired, &Selection::all(), &observe(desired, world))
}

fn granted(plan: Plan) -> Granted {
    let consent = Consent { allowed: plan.needed_consents(), sandbox: false };
    plan.grant(&consent).expect("everything is allowed")
}

fn carry_out(world: &MemoryWorld, plan: Plan) -> Report {
    wait(apply(world, granted(plan), 4, &|_, _| {}))
}

fn bytes(plan: &Plan) -> String {
    reconcile::report::plan::plan_json(plan).to_string()
}

proptest! {
    #![proptest_config(settings())]

    /// Law 1: after a full apply the next plan is empty.
    #[test]
    fn after_apply_nothing_is_left_to_do(case in case()) {
        let world = world(&case);
        let report = carry_out(&world, plan(&case.desired, &world));
        prop_assert!(report.all_done(), "{:?}", report.outcomes);
        let next = plan(&case.desired, &world);
        prop_assert!(next.is_empty(), "{}", bytes(&next));
    }

    /// Law 2: the same inputs give the same bytes, whatever their order.
    #[test]
    fn the_same_inputs_give_the_same_bytes(case in case()) {
        let mut shuffled = case.desired.clone();
        shuffled.resources = case.desired.resources.iter().rev().map(|(id, wanted)| (id.clone(), wanted.clone())).collect();
        let things = case.things.iter().rev().map(|(id, thing)| (id.clone(), thing.clone())).collect();
        let other = Case { things, ..case.clone() };
        prop_assert_eq!(bytes(&plan(&case.desired, &world(&case))), bytes(&plan(&shuffled, &world(&other))));
    }

    /// Law 3: no change ever names a foreign or unknown thing.
    #[test]
    fn what_is_foreign_or_unknown_is_left_alone(case in case()) {
        for change in plan(&case.desired, &world(&case)).changes {
            let sighting = case.things.get(&change.id);
            prop_assert!(!matches!(sighting, Some(Sighting::Foreign(_) | Sighting::Unknown(_))), "{}", change.id);
        }
    }

    /// Law 4: turning any sighting into unknown adds no change.
    #[test]
    fn seeing_less_never_does_more(case in case(), index in any::<prop::sample::Index>()) {
        let before = plan(&case.desired, &world(&case));
        let all: Vec<&Id> = case.desired.resources.keys().chain(case.things.keys()).collect();
        prop_assume!(!all.is_empty());
        let mut less = case.clone();
        less.things.insert(all[index.index(all.len())].clone(), Sighting::Unknown("the network is down".to_owned()));
        for change in plan(&case.desired, &world(&less)).changes {
            prop_assert!(before.changes.contains(&change), "{} is new", change.id);
        }
    }

    /// The same of the roles that a lock spares: what else changes of the bucket changes as before.
    #[test]
    fn seeing_less_of_break_glass_never_does_more(case in case(), which in "[a-c]") {
        let before = plan(&case.desired, &world(&case));
        let mut less = case.clone();
        less.break_glass.insert(role(&which), Presence::Unknown("the network is down".to_owned()));
        for change in plan(&case.desired, &world(&less)).changes {
            let was = before.changes.iter().find(|was| was.id == change.id);
            let fields = was.map(|was| was.fields.as_slice()).unwrap_or_default();
            for field in &change.fields {
                prop_assert!(fields.contains(field), "{} {} is new", change.id, field.field);
            }
        }
    }

    /// A lock spares nobody whose existence was not seen, and never stands without anyone to lift it.
    #[test]
    fn only_who_exists_is_spared(case in case()) {
        for change in plan(&case.desired, &world(&case)).changes {
            let Some(Resource::Bucket(bucket)) = &change.desired else { continue };
            let Some(VersioningLock::Denies { break_glass, .. }) = &bucket.versioning_lock else { continue };
            prop_assert!(!break_glass.is_empty(), "{}", change.id);
            for role in break_glass {
                prop_assert_eq!(case.break_glass.get(role), Some(&Presence::Exists), "{}", role);
            }
        }
    }

    /// Law 5: stopped after any step, planning and applying again reaches the same world.
    #[test]
    fn a_stopped_apply_is_finished_by_the_next(case in case(), step in 0usize..12) {
        let undisturbed = world(&case);
        carry_out(&undisturbed, plan(&case.desired, &undisturbed));

        let stopped = world(&case);
        stopped.stop_after(Some(step));
        carry_out(&stopped, plan(&case.desired, &stopped));
        stopped.stop_after(None);
        carry_out(&stopped, plan(&case.desired, &stopped));
        prop_assert_eq!(undisturbed.things(), stopped.things());
    }

    /// Law 6: field changes exist exactly where desired and observed differ.
    #[test]
    fn fields_change_where_they_differ_and_nowhere_else(case in case()) {
        let plan = plan(&case.desired, &world(&case));
        for (id, wanted) in &case.desired.resources {
            let Some(present) = case.things.get(id).and_then(Sighting::resource) else { continue };
            let differs = fitted(&wanted.resource).over(Some(present)) != *present;
            let change = plan.changes.iter().find(|change| change.id == *id);
            let narrowed = |held: &Held| held.id == *id || held.id.kind() == Kind::Setting;
            if plan.held.iter().any(narrowed) {
                continue;
            }
            prop_assert_eq!(differs, change.is_some(), "{}", id);
            let Some(change) = change else { continue };
            let have = present.fields();
            for field in &change.fields {
                prop_assert_ne!(&field.from, &field.to);
                let was = have.iter().find(|have| have.name == field.field).and_then(|have| have.value.clone());
                prop_assert_eq!(was.unwrap_or(Value::Null), field.from.clone());
            }
            let changed: BTreeSet<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
            for field in wanted.resource.fitted(Some(present)).fields() {
                let Some(to) = field.value else { continue };
                let was = have.iter().find(|have| have.name == field.name).and_then(|have| have.value.clone());
                prop_assert_eq!(was != Some(to), changed.contains(field.name.as_str()), "{} {}", id, field.name);
            }
        }
    }

    /// Law 10: no plan without consent makes any backup live shorter.
    #[test]
    fn without_consent_nothing_lives_shorter(case in case()) {
        let world = world(&case);
        let Ok(granted) = plan(&case.desired, &world).grant(&Consent::default()) else { return Ok(()) };
        wait(apply(&world, granted, 4, &|_, _| {}));
        let after = world.things();
        for (id, before) in &case.things {
            let is_ours = matches!(before, Sighting::Ours(_)) || id.kind() == Kind::Crontab;
            let Some(before) = before.resource().filter(|_| is_ours) else { continue };
            let Some(now) = after.get(id).and_then(Sighting::resource) else {
                return Err(TestCaseError::fail(format!("{id} is gone")));
            };
            prop_assert_eq!(shorter(before, now), None, "{}", id);
            if let (Resource::Crontab(before), Resource::Crontab(now)) = (before, now) {
                let job_file = host_id(Kind::HostFile, id.host().expect("a host").as_str(), id.name());
                let job_file = after.get(&job_file).and_then(Sighting::resource);
                prop_assert_eq!(lost_with_old(before, now, job_file), None, "{}", id);
            }
        }
    }

    /// A consent for everything but one thing is refused, and names what is missing.
    #[test]
    fn every_consent_is_needed(case in case(), index in any::<prop::sample::Index>()) {
        let plan = plan(&case.desired, &world(&case));
        let needed = plan.needed_consents();
        prop_assume!(!needed.is_empty());
        let missing: Allow = needed[index.index(needed.len())].clone();
        let allowed = needed.into_iter().filter(|allow| *allow != missing).collect();
        let refused = plan.grant(&Consent { allowed, sandbox: false });
        prop_assert_eq!(refused.err(), Some(reconcile::plan::Refusal::NoConsent(vec![missing])));
    }
}

/// Whether somebody may destroy who could not before.
fn opened(before: &Bucket, after: &Bucket) -> Option<String> {
    let spared = |bucket: &Bucket| match &bucket.versioning_lock {
        Some(VersioningLock::Denies { missing, break_glass }) => Some((missing.clone(), break_glass.clone())),
        _ => None,
    };
    if let Some((missing, roles)) = spared(before) {
        match spared(after) {
            Some((missing_now, now)) if missing_now.is_subset(&missing) && now.is_subset(&roles) => {}
            // Who denies more asks for the word that nothing undoes it, and may name others then.
            _ => return Some("the versioning lock is weaker".to_owned()),
        }
    }
    match (&before.object_lock, &after.object_lock) {
        (Some(BucketObjectLock::Holds(old)), Some(BucketObjectLock::Holds(new)))
            if new.days < old.days || new.mode < old.mode =>
        {
            Some("object lock is weaker".to_owned())
        }
        _ => None,
    }
}

/// The judge of law 10 looks at the things themselves, not at what the planner says of them.
fn shorter(before: &Resource, after: &Resource) -> Option<String> {
    match (before, after) {
        (Resource::Bucket(before), Resource::Bucket(after)) => {
            if let Some(why) = opened(before, after) {
                return Some(why);
            }
            if before.versioning == Some(Versioning::Enabled) && after.versioning != Some(Versioning::Enabled)
            {
                return Some("old versions are no longer kept".to_owned());
            }
            let before = before.keep_versions.clone().unwrap_or_default();
            after.keep_versions.clone().unwrap_or_default().into_iter().find_map(|(prefix, rule)| {
                let VersionRule::Keep(new) = rule else { return None };
                match before.get(&prefix) {
                    Some(VersionRule::Keep(old)) if new.days >= old.days && new.newest >= old.newest => None,
                    _ => Some(prefix),
                }
            })
        }
        // What leads elsewhere finds nothing of what it held.
        (Resource::SnapshotRepository(before), Resource::SnapshotRepository(after)) => {
            let place = |one: &SnapshotRepository| {
                (one.kind.clone(), one.bucket.clone(), one.base_path.clone(), one.location.clone())
            };
            (place(before) != place(after)).then(|| "the repository leads elsewhere".to_owned())
        }
        (Resource::HostFile(before), Resource::HostFile(after)) => {
            let number = |file: &HostFile, name: &str| match &file.body {
                Body::Members { members, .. } => {
                    members.get("keep").and_then(|keep| keep.get(name)).and_then(Value::as_number)
                }
                Body::Unrecognised(_) => None,
            };
            ["days", "weeks"]
                .into_iter()
                .find(|name| number(after, name) < number(before, name))
                .map(str::to_owned)
        }
        (Resource::Crontab(before), Resource::Crontab(after)) => {
            before.entries.keys().find(|entry| !after.entries.contains_key(*entry)).cloned()
        }
        _ => None,
    }
}

/// What an old entry did and nothing does any more, or does for less long.
pub(super) fn lost_with_old(
    before: &Crontab,
    after: &Crontab,
    job_file: Option<&Resource>,
) -> Option<String> {
    let keep = match job_file {
        Some(Resource::HostFile(HostFile { body: Body::Members { members, .. }, .. })) => members.get("keep"),
        _ => None,
    };
    let ours = |name| keep.and_then(|keep| keep.get(name)).and_then(Value::as_number).unwrap_or(0);
    before.old.iter().filter(|line| !after.old.contains(line)).find_map(|line| {
        let another = before.old.iter().any(|other| {
            let minutes = |keeps| match keeps {
                Keeps::Days(days) => days * 24 * 60,
                Keeps::Minutes(minutes) => minutes,
                Keeps::ForEver | Keeps::AsScripted => u32::MAX,
            };
            other.tier == line.tier && minutes(other.keeps) < minutes(line.keeps)
        });
        let is_made = after.entries.values().any(|entry| entry.command.tier == line.tier);
        let is_kept = match (line.tier, line.keeps) {
            // What another entry removes earlier had no longer life.
            _ if another => true,
            (Some(Tier::Daily), Keeps::Days(days)) => i64::from(days) <= ours("days"),
            (Some(Tier::Weekly), Keeps::Days(days)) => i64::from(days) <= ours("weeks") * 7,
            (Some(Tier::Hourly), Keeps::Minutes(minutes)) => i64::from(minutes) <= ours("hours") * 60,
            _ => false,
        };
        (!is_made || !is_kept).then(|| format!("{line:?}"))
    })
}

/// An adopted bucket shows whose it becomes; a new one has no consent to ask for.
#[test]
fn adoption_says_whose_it_becomes_and_creation_asks_for_nothing() {
    let id = Id::cloud(Kind::Bucket, "bucket-a");
    let wanted = Bucket { owner: Some(Some(environment())), ..Bucket::newborn() };
    let mut case = Case {
        desired: Desired {
            environment: environment(),
            environment_written: true,
            account: None,
            endpoint: None,
            declared: BTreeSet::from([id.clone()]),
            resources: BTreeMap::from([(
                id.clone(),
                Wanted {
                    resource: Resource::Bucket(Bucket {
                        versioning: Some(Versioning::Enabled),
                        region: Some("eu-west-2".parse().expect("valid")),
                        ..wanted
                    }),
                    datastores: BTreeSet::new(),
                    declared: None,
                    needs: BTreeSet::new(),
                    programs: BTreeSet::new(),
                },
            )]),
            held: Vec::new(),
            hosts: BTreeSet::new(),
            retired: Default::default(),
            offers: Default::default(),
            stakes: BTreeMap::new(),
            break_glass: BTreeSet::new(),
            vault_digest: None,
        },
        things: BTreeMap::new(),
        break_glass: BTreeMap::new(),
    };
    let created = plan(&case.desired, &world(&case));
    assert_eq!(created.changes[0].action, Action::Create);
    assert_eq!(created.needed_consents(), []);

    let present = Bucket { region: Some("eu-west-2".parse().expect("valid")), ..Bucket::newborn() };
    case.things.insert(id.clone(), Sighting::Unmarked(Resource::Bucket(present)));
    let adopted = plan(&case.desired, &world(&case));
    assert_eq!(adopted.changes[0].action, Action::Adopt);
    assert_eq!(adopted.changes[0].fields[0].shown(), (serde_json::Value::Null, "production".into()));
    assert_eq!(adopted.needed_consents()[0].to_string(), "irreversible:bucket/bucket-a");
    // The first versioning may be allowed without naming the bucket.
    let consent = Consent { allowed: vec!["irreversible".parse().expect("a consent")], sandbox: false };
    assert!(adopted.grant(&consent).is_ok());
}
