//! Buckets out of chance: as settings could ask for them, and as somebody may have left them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reconcile::resources::Bucket;
use reconcile::resources::bucket::{
    AbortUploads, BucketObjectLock, PublicAccess, VersionRule, VersioningLock,
};
use reconcile::vocab::{Encryption, KeepVersions, LockMode, ObjectLock, RegionName, Versioning};

use crate::plan::role;
use crate::support::desired::environment;

fn region() -> Option<RegionName> {
    Some("eu-west-2".parse().expect("valid"))
}

fn kept() -> impl Strategy<Value = VersionRule> {
    (1u32..4, 0u32..3).prop_map(|(days, newest)| VersionRule::Keep(KeepVersions { days, newest }))
}

fn rules(rule: impl Strategy<Value = VersionRule>) -> impl Strategy<Value = BTreeMap<String, VersionRule>> {
    prop::collection::btree_map("postgres_(daily|weekly)_", rule, 0..3)
}

fn abort() -> impl Strategy<Value = AbortUploads> {
    prop_oneof![Just(AbortUploads::Never), (1u32..9).prop_map(AbortUploads::AfterDays)]
}

fn object_lock() -> impl Strategy<Value = BucketObjectLock> {
    let mode = prop_oneof![Just(LockMode::Governance), Just(LockMode::Compliance)];
    (mode, 1u32..4).prop_map(|(mode, days)| BucketObjectLock::Holds(ObjectLock { mode, days }))
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

prop_compose! {
    /// A bucket that settings could ask for: fields may be left alone, and nothing unrecognised is wanted.
    pub(in crate::plan) fn wanted_bucket()(
        versioning in prop::option::of(Just(Versioning::Enabled)),
        keep_versions in prop::option::of(rules(kept())),
        abort_uploads in prop::option::of(abort()),
        encryption in prop::option::of(prop_oneof![Just(Encryption::Aes256), Just(Encryption::Kms(None))]),
        public_access in prop::option::of(Just(PublicAccess::BLOCKED)),
        tls_only in prop::option::of(any::<bool>()),
        object_lock in prop::option::of(object_lock()),
        versioning_lock in prop::option::of(wanted_lock()),
    ) -> Bucket {
        Bucket {
            owner: Some(Some(environment())),
            region: region(),
            versioning,
            keep_versions,
            abort_uploads,
            encryption,
            public_access,
            tls_only,
            object_lock,
            versioning_lock,
        }
    }
}

prop_compose! {
    /// A bucket that was read: every field is known, whatever it says.
    pub(super) fn present_bucket(marked: bool)(
        versioning in prop_oneof![
            Just(Versioning::Never), Just(Versioning::Enabled), Just(Versioning::Suspended),
        ],
        rules in rules(prop_oneof![
            4 => kept(),
            1 => Just(VersionRule::Unrecognised("disabled".to_owned())),
        ]),
        abort in abort(),
        encryption in prop_oneof![
            Just(Encryption::Aes256), Just(Encryption::Kms(None)), Just(Encryption::None),
        ],
        access in prop_oneof![Just(PublicAccess::BLOCKED), Just(PublicAccess::OPEN)],
        tls_only in any::<bool>(),
        held in prop_oneof![Just(BucketObjectLock::None), object_lock()],
        lock in present_lock(),
    ) -> Bucket {
        Bucket {
            owner: Some(marked.then(environment)),
            region: region(),
            versioning: Some(versioning),
            keep_versions: Some(rules),
            abort_uploads: Some(abort),
            encryption: Some(encryption),
            public_access: Some(access),
            tls_only: Some(tls_only),
            object_lock: Some(held),
            versioning_lock: Some(lock),
        }
    }
}
