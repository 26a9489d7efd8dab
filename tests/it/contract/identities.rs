//! Users, groups, roles and instance profiles: what is made is what is read, and what is in use stays.

use aws_sdk_iam::types::{StatusType, Tag};

use super::policies::{READS, document};
use super::{Cloud, assert_code, cases, fresh, refused};

cases!("identities":
    a_user_is_made_read_and_deleted,
    ids_tell_the_kind,
    names_are_one_whatever_their_case,
    bad_names_are_refused,
    tags_of_users_come_back,
    tags_differ_in_more_than_case,
    a_user_has_two_access_keys_at_most,
    an_access_key_tells_its_user,
    a_password_is_known_to_exist,
    a_user_that_has_something_stays,
    groups_have_members,
    users_are_listed_in_pages,
    a_role_is_made_read_and_deleted,
    a_role_is_trusted_to_somebody_else,
    a_trust_of_nobody_is_malformed,
    a_trust_has_no_resource,
    tags_of_roles_come_back,
    an_instance_profile_has_one_role,
    a_role_in_a_profile_stays,
    roles_become_sessions,
    the_account_tells_everything,
);

/// The trust of machines.
pub(super) const MACHINES: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().expect("a tag")
}

pub(super) async fn user(cloud: &Cloud) -> String {
    let name = fresh("user");
    cloud.iam.create_user().user_name(&name).send().await.expect("a user");
    name
}

pub(super) async fn role(cloud: &Cloud) -> String {
    let name = fresh("role");
    let create = cloud.iam.create_role().role_name(&name).assume_role_policy_document(MACHINES);
    create.send().await.expect("a role");
    name
}

async fn a_user_is_made_read_and_deleted(cloud: Cloud) {
    let name = fresh("made");
    let create = cloud.iam.create_user().user_name(&name).path("/reconcile/prod/");
    let made = create.send().await.expect("made").user.expect("a user");
    assert!(made.arn().ends_with(&format!(":user/reconcile/prod/{name}")), "{}", made.arn());
    let read = cloud.iam.get_user().user_name(&name).send().await.expect("there").user.expect("a user");
    assert_eq!((read.arn(), read.path(), read.user_id()), (made.arn(), "/reconcile/prod/", made.user_id()));
    assert_eq!(read.permissions_boundary(), None);
    let again = cloud.iam.create_user().user_name(&name).send().await;
    assert_code(&refused(again), 409, "EntityAlreadyExists");
    cloud.iam.delete_user().user_name(&name).send().await.expect("deleted");
    let error = refused(cloud.iam.get_user().user_name(&name).send().await);
    assert_code(&error, 404, "NoSuchEntity");
    assert!(error.is_not_found());
    assert_code(&refused(cloud.iam.delete_user().user_name(&name).send().await), 404, "NoSuchEntity");
}

async fn ids_tell_the_kind(cloud: Cloud) {
    let (user, group) = (fresh("id"), fresh("id"));
    let user = cloud.iam.create_user().user_name(user).send().await.expect("made").user.expect("a user");
    let group =
        cloud.iam.create_group().group_name(group).send().await.expect("made").group.expect("a group");
    for (id, prefix) in [(user.user_id(), "AIDA"), (group.group_id(), "AGPA")] {
        assert!(id.len() == 21 && id.starts_with(prefix), "{id}");
    }
}

async fn names_are_one_whatever_their_case(cloud: Cloud) {
    let name = user(&cloud).await;
    let again = cloud.iam.create_user().user_name(name.to_uppercase()).send().await;
    assert_code(&refused(again), 409, "EntityAlreadyExists");
}

async fn bad_names_are_refused(cloud: Cloud) {
    for name in ["with space", "with/slash", &"x".repeat(65)] {
        let error = refused(cloud.iam.create_user().user_name(name).send().await);
        assert_code(&error, 400, "ValidationError");
        let create = cloud.iam.create_role().role_name(name).assume_role_policy_document(MACHINES);
        assert_code(&refused(create.send().await), 400, "ValidationError");
    }
}

async fn tags_of_users_come_back(cloud: Cloud) {
    let name = fresh("tagged");
    let create = cloud.iam.create_user().user_name(&name).tags(tag("reconcile:environment", "prod"));
    create.send().await.expect("made");
    cloud.iam.tag_user().user_name(&name).tags(tag("owner", "a b")).send().await.expect("tagged");
    let read = || async {
        let tags = cloud.iam.list_user_tags().user_name(&name).send().await.expect("tags").tags;
        let mut tags: Vec<(String, String)> =
            tags.into_iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        tags.sort();
        tags
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(read().await, [pair("owner", "a b"), pair("reconcile:environment", "prod")]);
    let told = cloud.iam.get_user().user_name(&name).send().await.expect("there").user.expect("a user");
    assert_eq!(told.tags().len(), 2);
    cloud.iam.untag_user().user_name(&name).tag_keys("owner").send().await.expect("untagged");
    assert_eq!(read().await, [pair("reconcile:environment", "prod")]);
}

async fn tags_differ_in_more_than_case(cloud: Cloud) {
    let create = cloud.iam.create_user().user_name(fresh("tags")).tags(tag("a", "1")).tags(tag("A", "2"));
    assert_code(&refused(create.send().await), 400, "InvalidInput");
}

async fn a_user_has_two_access_keys_at_most(cloud: Cloud) {
    let name = user(&cloud).await;
    let create = || cloud.iam.create_access_key().user_name(&name).send();
    let first = create().await.expect("made").access_key.expect("a key");
    assert!(first.access_key_id().starts_with("AKIA") && first.access_key_id().len() == 20);
    assert_eq!(first.secret_access_key().len(), 40);
    create().await.expect("a second");
    assert_code(&refused(create().await), 409, "LimitExceeded");
    let list = cloud.iam.list_access_keys().user_name(&name).send().await.expect("a list");
    assert_eq!(list.access_key_metadata().len(), 2);
    let id = first.access_key_id();
    let update =
        cloud.iam.update_access_key().user_name(&name).access_key_id(id).status(StatusType::Inactive);
    update.send().await.expect("switched off");
    let list = cloud.iam.list_access_keys().user_name(&name).send().await.expect("a list");
    let found = list.access_key_metadata().iter().find(|key| key.access_key_id() == Some(id));
    assert_eq!(found.and_then(|key| key.status()), Some(&StatusType::Inactive));
    cloud.iam.delete_access_key().user_name(&name).access_key_id(id).send().await.expect("deleted");
    let list = cloud.iam.list_access_keys().user_name(&name).send().await.expect("a list");
    assert_eq!(list.access_key_metadata().len(), 1);
}

async fn an_access_key_tells_its_user(cloud: Cloud) {
    let name = user(&cloud).await;
    let made = cloud.iam.create_access_key().user_name(&name).send().await.expect("made");
    let id = made.access_key().expect("a key").access_key_id();
    let used = cloud.iam.get_access_key_last_used().access_key_id(id).send().await.expect("an answer");
    assert_eq!(used.user_name(), Some(name.as_str()));
    assert_eq!(used.access_key_last_used().map(|used| used.service_name()), Some("N/A"));
    let unknown = cloud.iam.get_access_key_last_used().access_key_id("AKIAAAAAAAAAAAAAAAAA").send().await;
    refused(unknown);
}

async fn a_password_is_known_to_exist(cloud: Cloud) {
    let name = user(&cloud).await;
    let get = || cloud.iam.get_login_profile().user_name(&name).send();
    assert_code(&refused(get().await), 404, "NoSuchEntity");
    let create = cloud.iam.create_login_profile().user_name(&name).password("Very-Secret-1");
    create.send().await.expect("made");
    let profile = get().await.expect("there").login_profile.expect("a profile");
    assert_eq!(profile.user_name(), name);
    cloud.iam.delete_login_profile().user_name(&name).send().await.expect("deleted");
    assert_code(&refused(get().await), 404, "NoSuchEntity");
}

async fn a_user_that_has_something_stays(cloud: Cloud) {
    let name = user(&cloud).await;
    let delete = || cloud.iam.delete_user().user_name(&name).send();
    let put = cloud.iam.put_user_policy().user_name(&name).policy_name("p").policy_document(READS);
    put.send().await.expect("put");
    assert_code(&refused(delete().await), 409, "DeleteConflict");
    cloud.iam.delete_user_policy().user_name(&name).policy_name("p").send().await.expect("deleted");
    let arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    cloud.iam.attach_user_policy().user_name(&name).policy_arn(arn).send().await.expect("attached");
    assert_code(&refused(delete().await), 409, "DeleteConflict");
    cloud.iam.detach_user_policy().user_name(&name).policy_arn(arn).send().await.expect("detached");
    let key = cloud.iam.create_access_key().user_name(&name).send().await.expect("made");
    assert_code(&refused(delete().await), 409, "DeleteConflict");
    let id = key.access_key().expect("a key").access_key_id();
    cloud.iam.delete_access_key().user_name(&name).access_key_id(id).send().await.expect("deleted");
    delete().await.expect("nothing is left");
}

async fn groups_have_members(cloud: Cloud) {
    let (name, member) = (fresh("group"), user(&cloud).await);
    let made = cloud.iam.create_group().group_name(&name).send().await.expect("made").group.expect("a group");
    assert!(made.arn().ends_with(&format!(":group/{name}")), "{}", made.arn());
    cloud.iam.add_user_to_group().group_name(&name).user_name(&member).send().await.expect("added");
    let told = cloud.iam.get_group().group_name(&name).send().await.expect("there");
    assert_eq!(told.users().iter().map(|user| user.user_name()).collect::<Vec<_>>(), [member.as_str()]);
    let groups = cloud.iam.list_groups_for_user().user_name(&member).send().await.expect("groups");
    assert_eq!(groups.groups().iter().map(|group| group.group_name()).collect::<Vec<_>>(), [name.as_str()]);
    assert_code(&refused(cloud.iam.delete_group().group_name(&name).send().await), 409, "DeleteConflict");
    let remove = || cloud.iam.remove_user_from_group().group_name(&name).user_name(&member).send();
    remove().await.expect("removed");
    assert_code(&refused(remove().await), 404, "NoSuchEntity");
    cloud.iam.delete_group().group_name(&name).send().await.expect("deleted");
    assert_code(&refused(cloud.iam.get_group().group_name(&name).send().await), 404, "NoSuchEntity");
}

async fn users_are_listed_in_pages(cloud: Cloud) {
    let path = format!("/{}/", fresh("pages"));
    let mut names: Vec<String> = (0..5).map(|_| fresh("paged")).collect();
    for name in &names {
        cloud.iam.create_user().user_name(name).path(&path).send().await.expect("made");
    }
    let mut listed = Vec::new();
    let mut marker = None;
    for page in 1.. {
        let list = cloud.iam.list_users().path_prefix(&path).max_items(2).set_marker(marker);
        let list = list.send().await.expect("a page");
        listed.extend(list.users().iter().map(|user| user.user_name().to_owned()));
        marker = list.marker().map(str::to_owned);
        assert_eq!(list.is_truncated(), marker.is_some());
        assert!(page <= 3, "more pages than there can be");
        if marker.is_none() {
            break;
        }
    }
    names.sort();
    assert_eq!(listed, names);
}

async fn a_role_is_made_read_and_deleted(cloud: Cloud) {
    let name = fresh("role");
    let create = cloud
        .iam
        .create_role()
        .role_name(&name)
        .path("/reconcile/prod/")
        .assume_role_policy_document(MACHINES)
        .description("writes backups")
        .max_session_duration(7200);
    let made = create.send().await.expect("made").role.expect("a role");
    assert!(made.arn().ends_with(&format!(":role/reconcile/prod/{name}")), "{}", made.arn());
    assert!(made.role_id().starts_with("AROA"), "{}", made.role_id());
    let read = cloud.iam.get_role().role_name(&name).send().await.expect("there").role.expect("a role");
    assert_eq!((read.arn(), read.path(), read.role_id()), (made.arn(), "/reconcile/prod/", made.role_id()));
    assert_eq!((read.description(), read.max_session_duration()), (Some("writes backups"), Some(7200)));
    assert_eq!(document(read.assume_role_policy_document()), document(Some(MACHINES)));
    let again = cloud.iam.create_role().role_name(&name).assume_role_policy_document(MACHINES).send().await;
    assert_code(&refused(again), 409, "EntityAlreadyExists");
    let update = cloud.iam.update_role().role_name(&name).description("reads them").send().await;
    update.expect("updated");
    let read = cloud.iam.get_role().role_name(&name).send().await.expect("there").role.expect("a role");
    assert_eq!(read.description(), Some("reads them"));
    cloud.iam.delete_role().role_name(&name).send().await.expect("deleted");
    assert_code(&refused(cloud.iam.get_role().role_name(&name).send().await), 404, "NoSuchEntity");
}

async fn a_role_is_trusted_to_somebody_else(cloud: Cloud) {
    let name = role(&cloud).await;
    let account = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}}"#;
    let update = cloud.iam.update_assume_role_policy().role_name(&name).policy_document(account);
    update.send().await.expect("updated");
    let read = cloud.iam.get_role().role_name(&name).send().await.expect("there").role.expect("a role");
    assert_eq!(document(read.assume_role_policy_document()), document(Some(account)));
}

async fn a_trust_of_nobody_is_malformed(cloud: Cloud) {
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"AWS":"arn:aws:iam::123456789012:role/never-made"},"Action":"sts:AssumeRole"}}"#;
    let create = cloud.iam.create_role().role_name(fresh("trust")).assume_role_policy_document(trust);
    assert_code(&refused(create.send().await), 400, "MalformedPolicyDocument");
}

async fn a_trust_has_no_resource(cloud: Cloud) {
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Resource":"*"}}"#;
    let create = cloud.iam.create_role().role_name(fresh("trust")).assume_role_policy_document(trust);
    assert_code(&refused(create.send().await), 400, "MalformedPolicyDocument");
}

async fn tags_of_roles_come_back(cloud: Cloud) {
    let name = role(&cloud).await;
    let mark = tag("reconcile:environment", "prod");
    cloud.iam.tag_role().role_name(&name).tags(mark.clone()).send().await.expect("tagged");
    let tags = cloud.iam.list_role_tags().role_name(&name).send().await.expect("tags").tags;
    assert_eq!(tags, [mark]);
    let untag = cloud.iam.untag_role().role_name(&name).tag_keys("reconcile:environment");
    untag.send().await.expect("untagged");
    assert!(cloud.iam.list_role_tags().role_name(&name).send().await.expect("tags").tags.is_empty());
}

async fn an_instance_profile_has_one_role(cloud: Cloud) {
    let (name, first, second) = (fresh("profile"), role(&cloud).await, role(&cloud).await);
    let create = cloud.iam.create_instance_profile().instance_profile_name(&name).path("/reconcile/prod/");
    let made = create.send().await.expect("made").instance_profile.expect("a profile");
    assert!(made.arn().ends_with(&format!(":instance-profile/reconcile/prod/{name}")), "{}", made.arn());
    assert!(made.roles().is_empty());
    let add = |role: &str| {
        cloud.iam.add_role_to_instance_profile().instance_profile_name(&name).role_name(role).send()
    };
    add(&first).await.expect("added");
    assert_code(&refused(add(&second).await), 409, "LimitExceeded");
    let read = cloud.iam.get_instance_profile().instance_profile_name(&name).send().await.expect("there");
    let read = read.instance_profile.expect("a profile");
    assert_eq!(read.roles().iter().map(|role| role.role_name()).collect::<Vec<_>>(), [first.as_str()]);
    let of_role = cloud.iam.list_instance_profiles_for_role().role_name(&first).send().await.expect("a list");
    let names: Vec<&str> =
        of_role.instance_profiles().iter().map(|profile| profile.instance_profile_name()).collect();
    assert_eq!(names, [name.as_str()]);
    let delete = || cloud.iam.delete_instance_profile().instance_profile_name(&name).send();
    assert_code(&refused(delete().await), 409, "DeleteConflict");
    let remove = cloud.iam.remove_role_from_instance_profile().instance_profile_name(&name).role_name(&first);
    remove.send().await.expect("removed");
    delete().await.expect("deleted");
    let get = cloud.iam.get_instance_profile().instance_profile_name(&name).send().await;
    assert_code(&refused(get), 404, "NoSuchEntity");
}

async fn a_role_in_a_profile_stays(cloud: Cloud) {
    let (profile, role) = (fresh("profile"), role(&cloud).await);
    let iam = &cloud.iam;
    iam.create_instance_profile().instance_profile_name(&profile).send().await.expect("made");
    let add = iam.add_role_to_instance_profile().instance_profile_name(&profile).role_name(&role);
    add.send().await.expect("added");
    assert_code(&refused(iam.delete_role().role_name(&role).send().await), 409, "DeleteConflict");
}

async fn roles_become_sessions(cloud: Cloud) {
    let name = fresh("assumed");
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},
        "Action":"sts:AssumeRole"}}"#;
    let create = cloud.iam.create_role().role_name(&name).assume_role_policy_document(trust);
    let arn = create.send().await.expect("made").role.expect("a role").arn;
    let assume = cloud.sts.assume_role().role_arn(&arn).role_session_name("me");
    let session = assume.send().await.expect("assumed");
    let who = session.assumed_role_user().expect("somebody");
    assert!(who.arn().ends_with(&format!(":assumed-role/{name}/me")), "{}", who.arn());
    let keys = session.credentials().expect("keys");
    assert!(keys.access_key_id().starts_with("ASIA"), "{}", keys.access_key_id());
}

async fn the_account_tells_everything(cloud: Cloud) {
    let (role, user) = (role(&cloud).await, user(&cloud).await);
    let reads = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let put = cloud.iam.put_role_policy().role_name(&role).policy_name("inline").policy_document(READS);
    put.send().await.expect("put");
    cloud.iam.attach_role_policy().role_name(&role).policy_arn(reads).send().await.expect("attached");
    let mut details = cloud.iam.get_account_authorization_details().into_paginator().send();
    let (mut roles, mut users, mut policies) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(page) = details.next().await {
        let page = page.expect("a page");
        roles.extend(page.role_detail_list().to_vec());
        users.extend(page.user_detail_list().to_vec());
        policies.extend(page.policies().to_vec());
    }
    assert!(users.iter().any(|known| known.user_name() == Some(&user)));
    let found = roles.iter().find(|known| known.role_name() == Some(&role)).expect("the role");
    assert_eq!(document(found.assume_role_policy_document()), document(Some(MACHINES)));
    let inline = found.role_policy_list().first().expect("an inline policy");
    assert_eq!(inline.policy_name(), Some("inline"));
    assert_eq!(document(inline.policy_document()), document(Some(READS)));
    let attached = found.attached_managed_policies().first().expect("an attached policy");
    assert_eq!(attached.policy_arn(), Some(reads));
    let policy = policies.iter().find(|policy| policy.arn() == Some(reads)).expect("AWS's own, in use");
    let version = policy.policy_version_list().iter().find(|version| version.is_default_version());
    assert!(document(version.expect("a default").document()).to_string().contains("s3:Get*"));
}
