//! The live world where somebody else is at work in it too.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{CreateBucketConfiguration, Tag, Tagging};
use reconcile::plan::{Action, Change, FieldChange, between};
use reconcile::resources::{Bucket, Crontab, Resource};
use reconcile::state::{
    Cron, Desired, HeldCode, HostFacts, HostSighting, Observed, Scope, Selection, Sighting,
};
use reconcile::vocab::{Id, Kind, Risk, Value};
use reconcile::world::{LiveWorld, WorldRead, WorldWrite};

use super::on_sandbox::{live, sandbox};
use crate::support::desired::{desired, environment, wanted};
use crate::support::wait;

/// The adoption of a bucket that nobody had marked when the plan was made.
fn adoption(name: &str) -> Change {
    Change {
        id: Id::cloud(Kind::Bucket, name),
        action: Action::Adopt,
        fields: vec![FieldChange {
            field: "owner".to_owned(),
            from: Value::Null,
            to: "production".into(),
            risk: Risk::Routine,
            may_break: Vec::new(),
        }],
        risk: BTreeSet::from([Risk::Routine]),
        reasons: Vec::new(),
        datastores: BTreeSet::new(),
        losses: Default::default(),
        needs: BTreeSet::new(),
        desired: Some(Resource::Bucket(Bucket { owner: Some(Some(environment())), ..Bucket::newborn() })),
        observed: Some(Resource::Bucket(Bucket::newborn())),
    }
}

/// A client of the region in which it made a bucket.
async fn with_bucket_a(world: &LiveWorld) -> aws_sdk_s3::Client {
    let s3 = world.aws.s3(Some(&"eu-west-2".parse().expect("valid")));
    let place = CreateBucketConfiguration::builder().location_constraint("eu-west-2".into()).build();
    s3.create_bucket().bucket("bucket-a").create_bucket_configuration(place).send().await.expect("made");
    s3
}

#[test]
fn a_mark_that_another_environment_set_meanwhile_stays() {
    wait(async {
        let sandbox = sandbox();
        let world = live(&sandbox).await;
        let s3 = with_bucket_a(&world).await;
        let mark = Tag::builder().key("reconcile:environment").value("staging").build().expect("a tag");
        let tags = Tagging::builder().tag_set(mark.clone()).build().expect("tags");
        s3.put_bucket_tagging().bucket("bucket-a").tagging(tags).send().await.expect("tagged");

        let mut change = adoption("bucket-a");
        if let Some(Resource::Bucket(bucket)) = &mut change.desired {
            bucket.region = Some("eu-west-2".parse().expect("valid"));
        }
        let why = world.carry_out(&change).await.expect_err("it is another's by now");
        assert!(why.contains("staging"), "{why}");
        let found = s3.get_bucket_tagging().bucket("bucket-a").send().await.expect("tags").tag_set;
        assert_eq!(found, [mark]);
    });
}

#[test]
fn the_listing_tells_where_buckets_are_so_that_each_is_not_asked() {
    wait(async {
        let sandbox = sandbox();
        let world = live(&sandbox).await;
        with_bucket_a(&world).await;
        sandbox.forget_requests();
        let (id, like) = (Id::cloud(Kind::Bucket, "bucket-a"), Resource::Bucket(Bucket::newborn()));
        let environment = environment();
        let scope = Scope {
            environment: &environment,
            account: None,
            wanted: [(&id, &like)].into(),
            hosts: BTreeSet::new(),
            break_glass: BTreeSet::new(),
        };
        let observed = world.observe(&scope).await;
        assert!(matches!(observed.sightings[&id], Sighting::Unmarked(_)), "{:?}", observed.sightings[&id]);
        let requests = sandbox.requests();
        assert_eq!(requests.get("HeadBucket"), None, "{requests:?}");
        // The listing, and what is read of the bucket.
        assert!(requests.values().sum::<u64>() <= 8, "{requests:?}");
    });
}

#[test]
fn an_entry_that_no_cron_runs_is_not_as_it_should_be_although_it_stands() {
    let id: Id = "crontab/db1/postgresql".parse().expect("an id");
    let crontab = Resource::Crontab(Crontab::of([]).expect("root is a user"));
    let desired = Desired {
        hosts: BTreeSet::from(["db1".parse().expect("valid")]),
        ..desired([(id.clone(), wanted(crontab.clone()))])
    };
    let plan = |cron_missing: Option<&str>| {
        let mut facts = HostFacts::played(chrono_tz::UTC);
        facts.cron = cron_missing.map_or(Cron::Played, |why| Cron::Missing(why.to_owned()));
        let observed = Observed {
            sightings: [(id.clone(), Sighting::Ours(crontab.clone()))].into(),
            hosts: [("db1".parse().expect("valid"), HostSighting::Reached(facts))].into(),
            ..Observed::default()
        };
        between(&desired, &Selection::all(), &observed)
    };
    let stopped = plan(Some("no cron is running here"));
    assert_eq!(stopped.held.iter().map(|held| held.code).collect::<Vec<_>>(), [HeldCode::NotReady]);
    assert!(!stopped.is_as_it_should_be() && stopped.is_empty());
    let running = plan(None);
    assert!(running.is_as_it_should_be());
    assert_eq!(running.unchanged, 1);
}
