//! Policies of identities: inline and managed, their versions, quotas and boundaries.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::identities::{role, user};
use super::{Cloud, assert_code, cases, fresh, refused};

cases!("policies":
    inline_policies_come_back,
    inline_policies_have_a_quota,
    a_policy_that_is_none_is_malformed,
    a_policy_of_an_identity_names_nobody,
    managed_policies_have_versions,
    a_policy_with_versions_stays,
    a_sixth_version_is_refused,
    a_managed_policy_has_a_quota,
    a_managed_policy_in_use_stays,
    ten_policies_are_attached_at_most,
    what_does_not_exist_is_not_attached,
    amazons_own_policies_are_read,
    a_boundary_comes_and_goes,
    a_boundary_must_exist,
    groups_have_policies,
);

pub(super) const READS: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Reads","Effect":"Allow",
    "Action":["s3:GetObject"],"Resource":"arn:aws:s3:::bucket/*"}]}"#;

/// A document, URL-encoded or not, as a value.
pub(super) fn document(text: Option<&str>) -> Value {
    let text = percent_decode_str(text.unwrap_or_default()).decode_utf8_lossy().into_owned();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A policy whose text has about so many characters.
fn long(characters: usize) -> String {
    let keys: String = (0..characters / 20).map(|n| format!(r#","arn:aws:s3:::b{n:05}""#)).collect();
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:GetObject",
            "Resource":["arn:aws:s3:::b"{keys}]}}]}}"#
    )
}

async fn managed(cloud: &Cloud) -> String {
    let create = cloud.iam.create_policy().policy_name(fresh("policy")).policy_document(READS);
    create.send().await.expect("made").policy.expect("a policy").arn.expect("an ARN")
}

async fn inline_policies_come_back(cloud: Cloud) {
    let role = role(&cloud).await;
    let get = || cloud.iam.get_role_policy().role_name(&role).policy_name("backups").send();
    assert_code(&refused(get().await), 404, "NoSuchEntity");
    let put = cloud.iam.put_role_policy().role_name(&role).policy_name("backups").policy_document(READS);
    put.send().await.expect("put");
    let read = get().await.expect("there");
    assert_eq!(document(Some(read.policy_document())), document(Some(READS)));
    let list = cloud.iam.list_role_policies().role_name(&role).send().await.expect("a list");
    assert_eq!(list.policy_names(), ["backups"]);
    let delete = || cloud.iam.delete_role_policy().role_name(&role).policy_name("backups").send();
    delete().await.expect("deleted");
    assert_code(&refused(delete().await), 404, "NoSuchEntity");
}

async fn inline_policies_have_a_quota(cloud: Cloud) {
    let (user, role) = (user(&cloud).await, role(&cloud).await);
    let text = long(4_000);
    let put = cloud.iam.put_user_policy().user_name(&user).policy_name("p").policy_document(&text);
    assert_code(&refused(put.send().await), 409, "LimitExceeded");
    let put = cloud.iam.put_role_policy().role_name(&role).policy_name("p").policy_document(&text);
    put.send().await.expect("roles have room for more");
    let put = cloud.iam.put_role_policy().role_name(&role).policy_name("q").policy_document(long(12_000));
    assert_code(&refused(put.send().await), 409, "LimitExceeded");
}

async fn a_policy_that_is_none_is_malformed(cloud: Cloud) {
    let role = role(&cloud).await;
    for text in [
        "{",
        r#"{"Version":"2012-10-17"}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"getobject","Resource":"*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps","Action":"s3:*","Resource":"*"}]}"#,
    ] {
        let put = cloud.iam.put_role_policy().role_name(&role).policy_name("p").policy_document(text);
        assert_code(&refused(put.send().await), 400, "MalformedPolicyDocument");
    }
}

async fn a_policy_of_an_identity_names_nobody(cloud: Cloud) {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
        "Resource":"*"}]}"#;
    let create = cloud.iam.create_policy().policy_name(fresh("policy")).policy_document(text);
    assert_code(&refused(create.send().await), 400, "MalformedPolicyDocument");
}

async fn managed_policies_have_versions(cloud: Cloud) {
    let arn = managed(&cloud).await;
    let policy = || async {
        cloud.iam.get_policy().policy_arn(&arn).send().await.expect("there").policy.expect("a policy")
    };
    assert_eq!(policy().await.default_version_id(), Some("v1"));
    let text = READS.replace("GetObject", "PutObject");
    let create = cloud.iam.create_policy_version().policy_arn(&arn).policy_document(&text);
    let made = create.set_as_default(true).send().await.expect("made").policy_version.expect("a version");
    assert_eq!(made.version_id(), Some("v2"));
    assert_eq!(policy().await.default_version_id(), Some("v2"));
    let get = |id: &'static str| cloud.iam.get_policy_version().policy_arn(&arn).version_id(id).send();
    let second = get("v2").await.expect("there").policy_version.expect("a version");
    assert_eq!(document(second.document()), document(Some(&text)));
    assert!(second.is_default_version());
    let set = cloud.iam.set_default_policy_version().policy_arn(&arn).version_id("v1");
    set.send().await.expect("set");
    assert_eq!(policy().await.default_version_id(), Some("v1"));
    let delete = |id: &'static str| cloud.iam.delete_policy_version().policy_arn(&arn).version_id(id).send();
    assert_code(&refused(delete("v1").await), 409, "DeleteConflict");
    delete("v2").await.expect("deleted");
    assert_code(&refused(get("v2").await), 404, "NoSuchEntity");
    cloud.iam.delete_policy().policy_arn(&arn).send().await.expect("deleted");
    assert_code(&refused(cloud.iam.get_policy().policy_arn(&arn).send().await), 404, "NoSuchEntity");
}

async fn a_policy_with_versions_stays(cloud: Cloud) {
    let arn = managed(&cloud).await;
    let create = cloud.iam.create_policy_version().policy_arn(&arn).policy_document(READS);
    create.send().await.expect("made");
    assert_code(&refused(cloud.iam.delete_policy().policy_arn(&arn).send().await), 409, "DeleteConflict");
}

async fn a_sixth_version_is_refused(cloud: Cloud) {
    let arn = managed(&cloud).await;
    let create = || cloud.iam.create_policy_version().policy_arn(&arn).policy_document(READS).send();
    for _ in 2..=5 {
        create().await.expect("made");
    }
    assert_code(&refused(create().await), 409, "LimitExceeded");
    let list = cloud.iam.list_policy_versions().policy_arn(&arn).send().await.expect("a list");
    assert_eq!(list.versions().len(), 5);
    let delete = cloud.iam.delete_policy_version().policy_arn(&arn).version_id("v3");
    delete.send().await.expect("deleted");
    let sixth = create().await.expect("made").policy_version.expect("a version");
    assert_eq!(sixth.version_id(), Some("v6"), "numbers are not used again");
}

async fn a_managed_policy_has_a_quota(cloud: Cloud) {
    let create = cloud.iam.create_policy().policy_name(fresh("long")).policy_document(long(8_000));
    assert_code(&refused(create.send().await), 409, "LimitExceeded");
}

async fn a_managed_policy_in_use_stays(cloud: Cloud) {
    let (arn, role) = (managed(&cloud).await, role(&cloud).await);
    cloud.iam.attach_role_policy().role_name(&role).policy_arn(&arn).send().await.expect("attached");
    let policy = cloud.iam.get_policy().policy_arn(&arn).send().await.expect("there").policy.expect("it");
    assert_eq!(policy.attachment_count(), Some(1));
    assert_code(&refused(cloud.iam.delete_policy().policy_arn(&arn).send().await), 409, "DeleteConflict");
    assert_code(&refused(cloud.iam.delete_role().role_name(&role).send().await), 409, "DeleteConflict");
    let list = cloud.iam.list_attached_role_policies().role_name(&role).send().await.expect("a list");
    let arns: Vec<_> = list.attached_policies().iter().filter_map(|policy| policy.policy_arn()).collect();
    assert_eq!(arns, [arn.as_str()]);
    let detach = || cloud.iam.detach_role_policy().role_name(&role).policy_arn(&arn).send();
    detach().await.expect("detached");
    assert_code(&refused(detach().await), 404, "NoSuchEntity");
    cloud.iam.delete_policy().policy_arn(&arn).send().await.expect("deleted");
}

async fn ten_policies_are_attached_at_most(cloud: Cloud) {
    let user = user(&cloud).await;
    for _ in 0..10 {
        let arn = managed(&cloud).await;
        cloud.iam.attach_user_policy().user_name(&user).policy_arn(arn).send().await.expect("attached");
    }
    let attach = cloud.iam.attach_user_policy().user_name(&user).policy_arn(managed(&cloud).await);
    assert_code(&refused(attach.send().await), 409, "LimitExceeded");
}

async fn what_does_not_exist_is_not_attached(cloud: Cloud) {
    let user = user(&cloud).await;
    for arn in ["arn:aws:iam::123456789012:policy/never-made", "arn:aws:iam::aws:policy/NeverMade"] {
        let attach = cloud.iam.attach_user_policy().user_name(&user).policy_arn(arn);
        assert_code(&refused(attach.send().await), 404, "NoSuchEntity");
    }
}

async fn amazons_own_policies_are_read(cloud: Cloud) {
    for (name, word) in [
        ("AdministratorAccess", r#""Action":"*""#),
        ("PowerUserAccess", "NotAction"),
        ("AmazonS3FullAccess", "s3:*"),
        ("IAMFullAccess", "iam:*"),
    ] {
        let arn = format!("arn:aws:iam::aws:policy/{name}");
        let policy = cloud.iam.get_policy().policy_arn(&arn).send().await.expect("there").policy.expect("it");
        let version = policy.default_version_id().expect("a default");
        let version = cloud.iam.get_policy_version().policy_arn(&arn).version_id(version).send().await;
        let version = version.expect("there").policy_version.expect("a version");
        assert!(document(version.document()).to_string().contains(word), "{name}");
    }
}

async fn a_boundary_comes_and_goes(cloud: Cloud) {
    let (arn, role) = (managed(&cloud).await, role(&cloud).await);
    let boundary = || async {
        let role = cloud.iam.get_role().role_name(&role).send().await.expect("there").role.expect("a role");
        role.permissions_boundary().and_then(|set| set.permissions_boundary_arn()).map(str::to_owned)
    };
    assert_eq!(boundary().await, None);
    let put = cloud.iam.put_role_permissions_boundary().role_name(&role).permissions_boundary(&arn);
    put.send().await.expect("put");
    assert_eq!(boundary().await, Some(arn));
    cloud.iam.delete_role_permissions_boundary().role_name(&role).send().await.expect("deleted");
    assert_eq!(boundary().await, None);
}

async fn a_boundary_must_exist(cloud: Cloud) {
    let user = user(&cloud).await;
    let arn = "arn:aws:iam::123456789012:policy/never-made";
    let put = cloud.iam.put_user_permissions_boundary().user_name(&user).permissions_boundary(arn);
    assert_code(&refused(put.send().await), 404, "NoSuchEntity");
}

async fn groups_have_policies(cloud: Cloud) {
    let name = fresh("group");
    cloud.iam.create_group().group_name(&name).send().await.expect("made");
    let put = cloud.iam.put_group_policy().group_name(&name).policy_name("p").policy_document(READS);
    put.send().await.expect("put");
    let get = cloud.iam.get_group_policy().group_name(&name).policy_name("p").send().await.expect("there");
    assert_eq!(document(Some(get.policy_document())), document(Some(READS)));
    let arn = managed(&cloud).await;
    cloud.iam.attach_group_policy().group_name(&name).policy_arn(&arn).send().await.expect("attached");
    let list = cloud.iam.list_attached_group_policies().group_name(&name).send().await.expect("a list");
    assert_eq!(list.attached_policies().len(), 1);
    assert_code(&refused(cloud.iam.delete_group().group_name(&name).send().await), 409, "DeleteConflict");
}
