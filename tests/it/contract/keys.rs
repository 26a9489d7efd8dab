//! What KMS promises of keys, their policies and their aliases.

use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeyState, OriginType};
use serde_json::{Value, json};

use super::{Cloud, assert_code, cases, fresh, refused};

cases!("keys":
    a_key_begins_with_the_policy_of_its_account,
    a_key_is_switched_off_and_on,
    a_deletion_waits_and_can_be_cancelled,
    a_deletion_waits_seven_days_to_thirty,
    a_scheduled_deletion_is_told_in_full,
    a_key_that_waits_for_its_end_stays_as_it_is,
    an_imported_key_begins_without_material,
    what_is_not_there_is_not_found,
    a_policy_is_replaced,
    a_policy_that_is_none_is_refused,
    a_policy_has_a_quota,
    a_policy_has_one_name,
    a_policy_names_somebody_who_exists,
    a_policy_does_not_shut_its_writer_out,
    an_alias_stands_for_its_key,
    an_alias_has_a_form_and_stands_for_one,
    an_alias_is_no_name_for_changes,
    a_key_of_aws_is_nobodys,
    a_key_is_in_its_region,
);

async fn key(cloud: &Cloud) -> KeyMetadata {
    let made = cloud.kms.create_key().description("of a case").send().await.expect("a key");
    made.key_metadata.expect("a key")
}

async fn state(cloud: &Cloud, key: &str) -> KeyState {
    let described = cloud.kms.describe_key().key_id(key).send().await.expect("described");
    described.key_metadata.and_then(|key| key.key_state).expect("a state")
}

async fn account(cloud: &Cloud) -> String {
    cloud.sts.get_caller_identity().send().await.expect("a caller").account.expect("an account")
}

fn allowing(who: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Managed by us", "Effect": "Allow", "Principal": {"AWS": who}, "Action": "kms:*", "Resource": "*"}]})
}

async fn policy_of(cloud: &Cloud, key: &str) -> Value {
    let read = cloud.kms.get_key_policy().key_id(key).policy_name("default").send().await.expect("a policy");
    serde_json::from_str(read.policy().expect("a policy")).expect("JSON")
}

async fn a_key_begins_with_the_policy_of_its_account(cloud: Cloud) {
    let made = key(&cloud).await;
    let arn = made.arn.clone().expect("an ARN");
    assert!(arn.ends_with(&format!(":key/{}", made.key_id)), "{arn}");
    for name in [made.key_id.as_str(), &arn] {
        let described = cloud.kms.describe_key().key_id(name).send().await.expect("described");
        let described = described.key_metadata.expect("a key");
        assert_eq!((described.key_id.as_str(), described.arn.as_ref()), (made.key_id.as_str(), Some(&arn)));
        assert_eq!((described.key_state, described.enabled), (Some(KeyState::Enabled), true));
        assert_eq!(described.key_manager, Some(KeyManagerType::Customer));
        assert_eq!(
            (described.origin, described.multi_region == Some(true)),
            (Some(OriginType::AwsKms), false)
        );
        assert_eq!((described.deletion_date, described.description.as_deref()), (None, Some("of a case")));
    }
    let policy = policy_of(&cloud, &made.key_id).await;
    let statement = &policy["Statement"][0];
    let root = format!("arn:aws:iam::{}:root", account(&cloud).await);
    assert_eq!(statement["Principal"], json!({"AWS": root}));
    assert_eq!((&statement["Effect"], &statement["Action"]), (&json!("Allow"), &json!("kms:*")));
}

async fn a_key_is_switched_off_and_on(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    cloud.kms.disable_key().key_id(&id).send().await.expect("disabled");
    assert_eq!(state(&cloud, &id).await, KeyState::Disabled);
    cloud.kms.enable_key().key_id(&id).send().await.expect("enabled");
    assert_eq!(state(&cloud, &id).await, KeyState::Enabled);
}

async fn a_deletion_waits_and_can_be_cancelled(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    cloud.kms.schedule_key_deletion().key_id(&id).pending_window_in_days(7).send().await.expect("scheduled");
    let described = cloud.kms.describe_key().key_id(&id).send().await.expect("described");
    let described = described.key_metadata.expect("a key");
    assert_eq!((described.key_state, described.enabled), (Some(KeyState::PendingDeletion), false));
    let wait =
        described.deletion_date.expect("a date").secs() - described.creation_date.expect("a date").secs();
    assert_eq!(wait / 86_400, 7);
    cloud.kms.cancel_key_deletion().key_id(&id).send().await.expect("cancelled");
    assert_eq!(state(&cloud, &id).await, KeyState::Disabled, "somebody has to enable it");
}

async fn a_scheduled_deletion_is_told_in_full(cloud: Cloud) {
    let made = key(&cloud).await;
    let schedule = cloud.kms.schedule_key_deletion().key_id(&made.key_id).pending_window_in_days(7);
    let scheduled = schedule.send().await.expect("scheduled");
    assert_eq!(
        (scheduled.key_id, scheduled.key_state, scheduled.pending_window_in_days),
        (made.arn, Some(KeyState::PendingDeletion), Some(7))
    );
    let described = cloud.kms.describe_key().key_id(&made.key_id).send().await.expect("described");
    let described = described.key_metadata.and_then(|key| key.deletion_date).map(|at| at.secs());
    assert_eq!(scheduled.deletion_date.map(|at| at.secs()), described);
}

async fn a_key_that_waits_for_its_end_stays_as_it_is(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    let pending = "KMSInvalidStateException";
    assert_code(&refused(cloud.kms.cancel_key_deletion().key_id(&id).send().await), 400, pending);
    let schedule = || cloud.kms.schedule_key_deletion().key_id(&id);
    schedule().send().await.expect("scheduled");
    assert_code(&refused(schedule().send().await), 400, pending);
    assert_code(&refused(cloud.kms.enable_key().key_id(&id).send().await), 400, pending);
    assert_code(&refused(cloud.kms.disable_key().key_id(&id).send().await), 400, pending);
}

async fn a_deletion_waits_seven_days_to_thirty(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    for days in [0, 6, 31] {
        let schedule = cloud.kms.schedule_key_deletion().key_id(&id).pending_window_in_days(days);
        assert_code(&refused(schedule.send().await), 400, "ValidationException");
    }
    let made = cloud.kms.describe_key().key_id(&id).send().await.expect("described");
    let made = made.key_metadata.and_then(|key| key.creation_date).expect("a date").secs();
    let scheduled = cloud.kms.schedule_key_deletion().key_id(&id).send().await.expect("scheduled");
    let days = (scheduled.deletion_date.expect("a date").secs() - made) / 86_400;
    assert_eq!(days, 30);
}

async fn an_imported_key_begins_without_material(cloud: Cloud) {
    let made = cloud.kms.create_key().origin(OriginType::External).send().await.expect("a key");
    let made = made.key_metadata.expect("a key");
    assert_eq!((made.key_state, made.enabled), (Some(KeyState::PendingImport), false));
    assert_eq!(made.origin, Some(OriginType::External));
    assert_code(
        &refused(cloud.kms.enable_key().key_id(&made.key_id).send().await),
        400,
        "KMSInvalidStateException",
    );
    cloud.kms.delete_imported_key_material().key_id(&made.key_id).send().await.expect("nothing to delete");
    let own = key(&cloud).await.key_id;
    let delete = cloud.kms.delete_imported_key_material().key_id(&own).send().await;
    assert_code(&refused(delete), 400, "UnsupportedOperationException");
}

async fn what_is_not_there_is_not_found(cloud: Cloud) {
    let id = "00000000-0000-4000-8000-000000000000";
    let arn = format!("arn:aws:kms:us-east-1:{}:key/{id}", account(&cloud).await);
    for name in [id, &arn, "alias/of-nothing"] {
        let describe = cloud.kms.describe_key().key_id(name).send().await;
        assert_code(&refused(describe), 400, "NotFoundException");
    }
    let get = cloud.kms.get_key_policy().key_id(id).policy_name("default").send().await;
    assert_code(&refused(get), 400, "NotFoundException");
    let schedule = cloud.kms.schedule_key_deletion().key_id(&arn).send().await;
    assert_code(&refused(schedule), 400, "NotFoundException");
}

async fn a_policy_is_replaced(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    let wanted = allowing(&account(&cloud).await);
    let put = cloud.kms.put_key_policy().key_id(&id).policy_name("default").policy(wanted.to_string());
    put.send().await.expect("taken");
    assert_eq!(policy_of(&cloud, &id).await, wanted);
    let made = cloud.kms.create_key().policy(wanted.to_string()).send().await.expect("a key");
    assert_eq!(policy_of(&cloud, &made.key_metadata.expect("a key").key_id).await, wanted);
}

async fn a_policy_that_is_none_is_refused(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    let mut nobodys = allowing("*");
    nobodys["Statement"][0].as_object_mut().expect("a statement").remove("Principal");
    for text in ["no JSON".to_owned(), "[]".to_owned(), "{}".to_owned(), nobodys.to_string()] {
        let put = cloud.kms.put_key_policy().key_id(&id).policy_name("default").policy(&text).send().await;
        assert_code(&refused(put), 400, "MalformedPolicyDocumentException");
        let make = cloud.kms.create_key().policy(&text).send().await;
        assert_code(&refused(make), 400, "MalformedPolicyDocumentException");
    }
}

async fn a_policy_has_a_quota(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    let mut large = allowing(&account(&cloud).await);
    large["Id"] = json!("x".repeat(33_000));
    let put =
        cloud.kms.put_key_policy().key_id(&id).policy_name("default").policy(large.to_string()).send().await;
    assert_code(&refused(put), 400, "LimitExceededException");
}

async fn a_policy_has_one_name(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    let get = cloud.kms.get_key_policy().key_id(&id).policy_name("other").send().await;
    assert_code(&refused(get), 400, "NotFoundException");
    cloud.kms.get_key_policy().key_id(&id).send().await.expect("the one that there is");
}

async fn a_policy_names_somebody_who_exists(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    let account = account(&cloud).await;
    let mut policy = allowing(&account);
    let nobody = format!("arn:aws:iam::{account}:role/{}", fresh("nobody"));
    policy["Statement"][0]["Principal"] = json!({"AWS": [account, nobody]});
    let put =
        cloud.kms.put_key_policy().key_id(&id).policy_name("default").policy(policy.to_string()).send().await;
    assert_code(&refused(put), 400, "MalformedPolicyDocumentException");
}

/// Unless it says that it means it.
async fn a_policy_does_not_shut_its_writer_out(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    let name = fresh("keeper");
    let made = cloud.iam.create_user().user_name(&name).send().await.expect("a user").user;
    let shut = allowing(&made.expect("a user").arn).to_string();
    let put = || cloud.kms.put_key_policy().key_id(&id).policy_name("default").policy(&shut);
    assert_code(&refused(put().send().await), 400, "MalformedPolicyDocumentException");
    let make = cloud.kms.create_key().policy(&shut);
    assert_code(&refused(make.send().await), 400, "MalformedPolicyDocumentException");
    put().bypass_policy_lockout_safety_check(true).send().await.expect("taken");
}

async fn an_alias_stands_for_its_key(cloud: Cloud) {
    let made = key(&cloud).await;
    let alias = format!("alias/{}", fresh("case"));
    let create = cloud.kms.create_alias().alias_name(&alias).target_key_id(&made.key_id);
    create.send().await.expect("an alias");
    let listed = cloud.kms.list_aliases().key_id(&made.key_id).send().await.expect("a list");
    assert!(!listed.truncated);
    let [one] = listed.aliases() else { panic!("{:?}", listed.aliases) };
    assert_eq!((one.alias_name(), one.target_key_id()), (Some(alias.as_str()), Some(made.key_id.as_str())));
    let arn = one.alias_arn().expect("an ARN");
    assert!(arn.ends_with(&format!(":{alias}")), "{arn}");
    for name in [alias.as_str(), arn] {
        let described = cloud.kms.describe_key().key_id(name).send().await.expect("described");
        assert_eq!(described.key_metadata.and_then(|key| key.arn), made.arn);
    }
    let all = cloud.kms.list_aliases().into_paginator().page_size(1).items().send();
    let all: Vec<_> = all.collect::<Result<Vec<_>, _>>().await.expect("pages");
    assert!(all.iter().any(|one| one.alias_name() == Some(&alias)));
}

async fn an_alias_has_a_form_and_stands_for_one(cloud: Cloud) {
    let (one, other) = (key(&cloud).await.key_id, key(&cloud).await.key_id);
    let create = |name: &str, key: &str| cloud.kms.create_alias().alias_name(name).target_key_id(key).send();
    let alias = format!("alias/{}", fresh("case"));
    create(&alias, &one).await.expect("an alias");
    assert_code(&refused(create(&alias, &other).await), 400, "AlreadyExistsException");
    assert_code(&refused(create("backups", &one).await), 400, "ValidationException");
    assert_code(&refused(create("alias/with a space", &one).await), 400, "ValidationException");
    assert_code(&refused(create("alias/aws/mine", &one).await), 400, "NotAuthorizedException");
}

async fn an_alias_is_no_name_for_changes(cloud: Cloud) {
    let id = key(&cloud).await.key_id;
    let alias = format!("alias/{}", fresh("case"));
    cloud.kms.create_alias().alias_name(&alias).target_key_id(&id).send().await.expect("an alias");
    let get = cloud.kms.get_key_policy().key_id(&alias).send().await;
    assert_code(&refused(get), 400, "NotFoundException");
    assert_code(&refused(cloud.kms.disable_key().key_id(&alias).send().await), 400, "NotFoundException");
}

/// It is there from the moment that somebody asks for it.
async fn a_key_of_aws_is_nobodys(cloud: Cloud) {
    let described = cloud.kms.describe_key().key_id("alias/aws/s3").send().await.expect("described");
    let own = described.key_metadata.expect("a key");
    assert_eq!((own.key_manager, own.key_state), (Some(KeyManagerType::Aws), Some(KeyState::Enabled)));
    let again = cloud.kms.describe_key().key_id(&own.key_id).send().await.expect("described");
    assert_eq!(again.key_metadata.and_then(|key| key.arn), own.arn);
    policy_of(&cloud, &own.key_id).await;
    let denied = "AccessDeniedException";
    let schedule = cloud.kms.schedule_key_deletion().key_id(&own.key_id).send().await;
    assert_code(&refused(schedule), 400, denied);
    assert_code(&refused(cloud.kms.disable_key().key_id(&own.key_id).send().await), 400, denied);
    let put = cloud.kms.put_key_policy().key_id(&own.key_id).policy(allowing("*").to_string());
    assert_code(&refused(put.send().await), 400, denied);
}

async fn a_key_is_in_its_region(cloud: Cloud) {
    let made = key(&cloud).await;
    let elsewhere = made.arn.expect("an ARN").replace("us-east-1", "eu-west-2");
    let describe = cloud.kms.describe_key().key_id(elsewhere).send().await;
    assert_code(&refused(describe), 400, "NotFoundException");
}
