//! The laws again, on the live world with the sandbox below it: real serialisers, real files, fewer cases.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reconcile::plan::{Action, Change, Consent, FieldChange, Plan, between};
use reconcile::resources::bucket::VersioningLock;
use reconcile::resources::program::Offers;
use reconcile::resources::{Bucket, HostDirectory, Program, Resource};
use reconcile::sandbox::{Fault, FaultKind};
use reconcile::state::{Desired, HeldCode, Selection, Sighting, Wanted};
use reconcile::vocab::{Id, Kind};
use reconcile::world::{LiveWorld, WorldRead, WorldWrite, apply};

use super::on_sandbox::{BREAK_GLASS, live, program, sandbox};
use super::worlds::{
    crontab_of, directory, job_file, wanted_bucket, wanted_repository, wanted_role, wanted_user,
};
use super::{cases, host_id};
use crate::support::desired::{needing, wanted};
use crate::support::{self, wait};

prop_compose! {
    fn desired()(
        buckets in prop::collection::btree_map("bucket-[a-c]", wanted_bucket(), 0..3),
        role in prop::option::of(wanted_role()),
        user in prop::option::of(wanted_user()),
        on_host in prop::option::of((directory(), job_file(), crontab_of(false))),
        repository in prop::option::of(wanted_repository()),
    ) -> Desired {
        let mut resources: BTreeMap<Id, Wanted> = buckets
            .into_iter()
            .map(|(name, bucket)| {
                // S3 locks objects only where it keeps versions; and whoever applies must be able to go on.
                let object_lock = bucket.object_lock.filter(|_| bucket.versioning.is_some());
                let versioning_lock = bucket.versioning_lock.map(|lock| match lock {
                    VersioningLock::None => VersioningLock::None,
                    VersioningLock::Denies { .. } => VersioningLock::complete([BREAK_GLASS.to_owned()].into()),
                });
                let bucket = Bucket { object_lock, versioning_lock, ..bucket };
                (Id::cloud(Kind::Bucket, name), wanted(Resource::Bucket(bucket)))
            })
            .collect();
        // A role that nobody assumes is adopted, never made.
        let role = role.filter(|role| role.trust.is_some());
        let role = role.map(|role| (Id::cloud(Kind::Role, "writer"), Resource::Role(Box::new(role))));
        let user = user.map(|user| (Id::cloud(Kind::User, "writer"), Resource::User(Box::new(user))));
        resources.extend(role.into_iter().chain(user).map(|(id, resource)| (id, wanted(resource))));
        // A repository needs its bucket.
        let repository = repository.filter(|one| {
            let bucket = one.bucket.as_ref().map(|bucket| Id::cloud(Kind::Bucket, bucket.as_str()));
            bucket.is_none_or(|bucket| resources.contains_key(&bucket))
        });
        if let Some(repository) = repository {
            let bucket = repository.bucket.as_ref().map(|bucket| Id::cloud(Kind::Bucket, bucket.as_str()));
            let needs: Vec<&Id> = bucket.iter().collect();
            let id = host_id(Kind::SnapshotRepository, "db1", "snapshots");
            resources.insert(id, needing(Resource::SnapshotRepository(repository), &needs));
        }
        if let Some((backups, file, crontab)) = on_host {
            let job_files = HostDirectory {
                path: "/etc/reconcile/production".to_owned(),
                ..backups.clone()
            };
            let id = |kind| host_id(kind, "db1", "postgresql");
            let below = host_id(Kind::HostDirectory, "db1", "job-files");
            resources.insert(below.clone(), wanted(Resource::HostDirectory(job_files)));
            resources.insert(id(Kind::HostDirectory), wanted(Resource::HostDirectory(backups)));
            resources.insert(id(Kind::HostFile), needing(Resource::HostFile(file), &[&below]));
            let program = host_id(Kind::Program, "db1", "reconcile");
            let needs = [&program, &id(Kind::HostFile)];
            resources.insert(id(Kind::Crontab), needing(Resource::Crontab(crontab), &needs));
            resources.insert(program, wanted(Resource::Program(Program::own())));
        }
        Desired {
            hosts: BTreeSet::from(["db1".parse().expect("valid")]),
            offers: Offers { played: Some(program().sha256), ..Offers::default() },
            break_glass: [BREAK_GLASS.to_owned()].into(),
            ..support::desired::desired(resources)
        }
    }
}

async fn plan(world: &LiveWorld, desired: &Desired) -> Plan {
    between(desired, &Selection::all(), &world.observe(&desired.scope()).await)
}

/// Applies everything; whether all of it was done.
async fn carry_out(world: &LiveWorld, desired: &Desired) -> bool {
    let plan = plan(world, desired).await;
    let consent = Consent { allowed: plan.needed_consents(), sandbox: true };
    let granted = plan.grant(&consent).expect("everything is allowed");
    apply(world, granted, 8, &|_, _| {}).await.all_done()
}

/// Everything that is there, as it is read.
async fn things(world: &LiveWorld, desired: &Desired) -> BTreeMap<Id, Sighting> {
    world.observe(&desired.scope()).await.sightings
}

proptest! {
    #![proptest_config(cases(32))]

    /// Law 1: after a full apply the next plan is empty; and going from any state to any other ends there too.
    #[test]
    fn after_apply_nothing_is_left_to_do(first in desired(), second in desired()) {
        wait(async {
            let sandbox = sandbox();
            let world = live(&sandbox).await;
            for desired in [&first, &second] {
                assert!(carry_out(&world, desired).await);
                let next = plan(&world, desired).await;
                // Keys and instances are a person's to give.
                let by_hand = [HeldCode::NoAccessKey, HeldCode::Unsupported];
                let held = next.held.iter().filter(|held| !by_hand.contains(&held.code)).count();
                assert!(next.is_empty() && held == 0, "{:?} {:?}", next.changes, next.held);
            }
        });
    }

    /// `read(write(x)) == x`, for every kind: what was written is read back as it was wanted, on top of what was there.
    #[test]
    fn what_is_written_is_read_back(desired in desired()) {
        wait(async {
            let sandbox = sandbox();
            let world = live(&sandbox).await;
            // Each thing by itself, but for what a cluster needs to write.
            for (id, wanted) in &desired.resources {
                let mut wanted = wanted.clone();
                if let Resource::Program(program) = &mut wanted.resource {
                    *program = program.fitted(&desired.offers, None).expect("there is one");
                }
                let change = Change {
                    id: id.clone(),
                    action: Action::Create,
                    fields: between_one(&desired, id).await,
                    risk: BTreeSet::new(),
                    reasons: Vec::new(),
                    datastores: BTreeSet::new(),
                    losses: Default::default(),
                    needs: BTreeSet::new(),
                    desired: Some(wanted.resource.clone()),
                    observed: None,
                };
                world.carry_out(&change).await.expect("written");
                let Sighting::Ours(read) = world.sight(id, &wanted.resource).await else {
                    panic!("{id} is not ours after it was written");
                };
                // Of identities all fields are read, since what others gave them matters.
                assert_eq!(wanted.resource.over(Some(&read)), read, "{id}");
                let asked = |resource: &Resource| -> Vec<_> {
                    let fields = resource.fields().into_iter().zip(wanted.resource.fields());
                    fields.filter(|(_, asked)| asked.value.is_some()).map(|(field, _)| field).collect()
                };
                assert_eq!(asked(&read), asked(&wanted.resource), "{id}");
            }
        });
    }
}

/// The field changes of creating one thing.
async fn between_one(desired: &Desired, id: &Id) -> Vec<FieldChange> {
    let empty = sandbox();
    let world = live(&empty).await;
    let plan = plan(&world, desired).await;
    plan.changes.into_iter().find(|change| change.id == *id).map(|change| change.fields).unwrap_or_default()
}

proptest! {
    #![proptest_config(cases(6))]

    /// Law 5: a crash of each mutating call, before it takes effect and after it but before its answer; the next apply
    /// reaches the same world.
    #[test]
    fn a_crash_anywhere_is_mended_by_the_next_apply(before in desired(), after in desired()) {
        wait(async {
            let undisturbed = sandbox();
            let world = live(&undisturbed).await;
            carry_out(&world, &before).await;
            undisturbed.forget_requests();
            carry_out(&world, &after).await;
            let end = things(&world, &after).await;
            for kind in [FaultKind::CrashBefore, FaultKind::CrashAfter] {
                for nth in 1.. {
                    let stopped = sandbox();
                    carry_out(&live(&stopped).await, &before).await;
                    let world = live(&stopped).await;
                    stopped.inject(Fault::new(kind).nth(nth));
                    carry_out(&world, &after).await;
                    if !stopped.crashed() {
                        break;
                    }
                    let again = stopped.reopened();
                    let world = live(&again).await;
                    assert!(carry_out(&world, &after).await, "{kind:?} {nth}");
                    assert_eq!(things(&world, &after).await, end, "{kind:?} {nth}");
                }
            }
        });
    }
}
