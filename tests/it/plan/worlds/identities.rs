//! Roles and users out of chance: as settings could ask for them, and as somebody may have left them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reconcile::resources::identity::{Grants, InlinePolicy, Others, Source};
use reconcile::resources::role::Trust;
use reconcile::resources::{Resource, Role, User};
use reconcile::state::Sighting;
use reconcile::vocab::{Id, Kind, Network};

use super::sighting;
use crate::support::desired::environment;

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

pub(in crate::plan) fn wanted_role() -> impl Strategy<Value = Role> {
    (prop::option::of(prop_oneof![Just("ec2"), Just("lambda")]), inline_policy(false))
        .prop_map(|(by, policy)| Role::wanted(&environment(), "writer", by, policy))
}

pub(in crate::plan) fn wanted_user() -> impl Strategy<Value = User> {
    inline_policy(false).prop_map(|policy| User::wanted(&environment(), policy))
}

prop_compose! {
    fn present_role(marked: bool)(
        path in prop_oneof![Just("/"), Just("/reconcile/production/")],
        services in prop::collection::btree_set("ec2|lambda", 0..3),
        is_open in any::<bool>(),
        policy in inline_policy(true),
        attached in others(),
        other_policies in others(),
        boundary in prop::option::of(Just(("policy/most".to_owned(), "{}".to_owned()))),
        profiles in prop::collection::btree_set("writer|by-hand", 0..2),
        in_use in any::<bool>(),
    ) -> Resource {
        let stranger = r#"{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"AWS":"*"}}"#;
        let others = is_open.then(|| stranger.to_owned()).into_iter().collect();
        Resource::Role(Box::new(Role {
            owner: Some(marked.then(environment)),
            path: Some(path.to_owned()),
            trust: Some(Trust { services, others }),
            policy: Some(policy),
            attached: Some(attached),
            other_policies: Some(other_policies),
            boundary: Some(boundary.into_iter().collect()),
            instance_profiles: Some(profiles),
            in_use,
        }))
    }
}

prop_compose! {
    fn present_user(marked: bool)(
        policy in inline_policy(true),
        attached in others(),
        other_policies in others(),
        group in others(),
        keys in 0u32..3,
    ) -> Resource {
        Resource::User(Box::new(User {
            owner: Some(marked.then(environment)),
            path: Some("/".to_owned()),
            policy: Some(policy),
            attached: Some(attached),
            other_policies: Some(other_policies),
            boundary: Some(Others::new()),
            groups: Some(BTreeMap::from([("writers".to_owned(), group)])),
            access_keys: Some(keys),
        }))
    }
}

prop_compose! {
    /// A role, a user, both or neither: what is wanted of each, and what is seen of it.
    pub(super) fn identities()(
        role in prop::option::of((wanted_role(), sighting(present_role(true), present_role(false).boxed()))),
        user in prop::option::of((wanted_user(), sighting(present_user(true), present_user(false).boxed()))),
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
