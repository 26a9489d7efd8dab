//! Roles and users through IAM's own calls, on the sandbox and on an emulator that others wrote: made, read back,
//! repeated, adopted.

use std::collections::BTreeSet;

use reconcile::clients::aws::Aws;
use reconcile::resources::identity::live::Target;
use reconcile::resources::identity::{Grants, InlinePolicy, Others, POLICY, Realm, Source, field};
use reconcile::resources::role::{self, INSTANCE_PROFILES, TRUST, Trust};
use reconcile::resources::{Role, User, user};
use tokio::sync::Semaphore;

use super::on_sandbox::sandbox;
use crate::support::desired::environment;
use crate::support::moto;

const HARMLESS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;

fn grants() -> InlinePolicy {
    InlinePolicy::Grants(Grants {
        writes: ["bucket-a", "bucket-b"].iter().map(|name| name.parse().expect("valid")).collect(),
        keys: ["arn:aws:kms:eu-west-2:123456789012:key/0000-1111".to_owned()].into(),
        snapshots: ["aquamark".to_owned()].into(),
        from: Some(Source::Vpc {
            vpc: "vpc-0abc".to_owned(),
            networks: ["172.31.0.0/16".parse().expect("valid")].into(),
        }),
    })
}

/// Everything is written, twice; what is read is what was wanted, whatever others add.
async fn is_kept(iam: &aws_sdk_iam::Client) {
    let realm = Realm { partition: "aws".to_owned(), account: "123456789012".to_owned() };
    let (gate, owner) = (Semaphore::new(4), environment());
    let target = Target { iam, name: "writer", realm: &realm, gate: &gate };
    let all = [field::OWNER, TRUST, field::POLICY, INSTANCE_PROFILES];

    assert!(role::live::read(&target).await.expect("read").is_none());
    let wanted = Role::wanted(&owner, "writer", Some("ec2"), grants());
    for _ in 0..2 {
        role::live::create(&target, &owner, &wanted).await.expect("made");
        role::live::write(&target, &owner, &wanted, &all, true).await.expect("written");
    }
    let found = role::live::read(&target).await.expect("read").expect("there");
    assert_eq!((found.mark, &found.thing), (Some(owner.clone()), &wanted.over(None)));
    iam.put_role_policy()
        .role_name("writer")
        .policy_name("theirs")
        .policy_document(HARMLESS)
        .send()
        .await
        .expect("put");
    let changed =
        Role { trust: Some(Trust::of_service("lambda")), policy: Some(InlinePolicy::None), ..wanted };
    role::live::write(&target, &owner, &changed, &all, false).await.expect("written");
    let found = role::live::read(&target).await.expect("read").expect("there").thing;
    assert_eq!((found.trust, found.policy), (changed.trust, changed.policy));
    assert_eq!(found.other_policies.expect("read").keys().collect::<Vec<_>>(), ["theirs"]);
    assert_eq!(found.instance_profiles, Some(BTreeSet::from(["writer".to_owned()])));

    // A user that somebody made and put into a group.
    iam.create_user().user_name("writer").send().await.expect("made");
    iam.create_group().group_name("team").send().await.expect("made");
    iam.add_user_to_group().group_name("team").user_name("writer").send().await.expect("added");
    let put = iam.put_group_policy().group_name("team").policy_name("reading").policy_document(HARMLESS);
    put.send().await.expect("put");
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    iam.attach_user_policy().user_name("writer").policy_arn(admin).send().await.expect("attached");
    let found = user::live::read(&target).await.expect("read").expect("there");
    assert_eq!(found.mark, None);
    let wanted = User::wanted(&owner, grants());
    user::live::write(&target, &owner, &wanted, &[field::OWNER, field::POLICY], false)
        .await
        .expect("written");
    let now = user::live::read(&target).await.expect("read").expect("there");
    assert_eq!((now.mark, &now.thing), (Some(owner), &wanted.over(Some(&found.thing))));
    let names = |others: Option<Others>| others.expect("read").into_keys().collect::<Vec<_>>();
    assert_eq!(names(now.thing.attached), ["aws:policy/AdministratorAccess"]);
    assert_eq!(now.thing.groups.expect("read")["team"].keys().collect::<Vec<_>>(), ["reading"]);
    assert_eq!((now.thing.path.as_deref(), now.thing.access_keys), (Some("/"), Some(0)));

    // A policy of our name that says something else is not ours.
    let put = iam.put_user_policy().user_name("writer").policy_name(POLICY).policy_document(HARMLESS);
    put.send().await.expect("put");
    let strange = user::live::read(&target).await.expect("read").expect("there").thing.policy;
    assert!(matches!(strange, Some(InlinePolicy::Unrecognised(_))), "{strange:?}");
}

#[tokio::test]
async fn an_identity_is_read_as_it_was_written() {
    Box::pin(is_kept(&Aws::load(sandbox().aws_settings()).await.iam())).await;
}

#[tokio::test]
async fn an_identity_is_read_as_it_was_written_on_moto() {
    let Some(moto) = moto::start() else { return };
    Box::pin(is_kept(&moto.iam())).await;
}
