//! Exports: what they lack is told, what is malformed is an error with its place, and size is no trouble.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use reconcile::audit::judge;
use serde_json::{Value as Json, json};

use super::{
    ACCOUNT, BUCKET, allow, break_glass, complete_lock, details, evidence, good_bucket, judged, policy, role,
    terms, unexpected, user, way,
};

/// An environment with one bucket, and an export of its account.
pub struct Export {
    folder: tempfile::TempDir,
}

impl Export {
    pub fn new(identities: &Json, policy: &Json) -> Self {
        let export = Export { folder: tempfile::tempdir().expect("a directory") };
        fs::create_dir_all(export.path("export/bucket-policies")).expect("made");
        export.write("public.yml", &format!(
            "deploy_env: prod\nbackups:\n  account: \"{ACCOUNT}\"\n  break_glass: [{}]\n  buckets:\n    {BUCKET}: {{region: eu-west-2}}\n",
            super::BREAK_GLASS
        ));
        export.write("export/authorization-details.json", &identities.to_string());
        export.write(&format!("export/bucket-policies/{BUCKET}.json"), &policy.to_string());
        export
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        program(self.folder.path(), &[&["audit", "--account-export", "export"], arguments].concat())
    }

    fn json(&self) -> (Option<i32>, Json) {
        let output = self.run(&["--output", "json"]);
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), json)
    }
}

/// Runs `reconcile` where any call would fail: nothing listens there.
pub fn program(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reconcile"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_ACCESS_KEY_ID", "AKIACANARY")
        .env("AWS_SECRET_ACCESS_KEY", "canary")
        .env_remove("RECONCILE_ENV")
        .output()
        .expect("the program runs")
}

fn calm() -> Export {
    Export::new(&details(&[], &[break_glass()]), &complete_lock())
}

#[test]
fn a_whole_export_is_judged_without_a_call() {
    let (code, json) = calm().json();
    assert_eq!((code, &json["complete"], &json["findings"]), (Some(0), &json!(true), &json!([])), "{json:#}");
    let operator = user("operator", json!([allow("s3:*", "*")]));
    let open = Export::new(&details(&[operator], &[break_glass()]), &Json::Null);
    assert_eq!(open.json().0, Some(2));
    assert_eq!(open.run(&["--fail-on", "low"]).status.code(), Some(2));
    let text = String::from_utf8(open.run(&[]).stdout).expect("text");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn what_an_export_lacks_is_told_and_nobody_is_safe() {
    let export = calm();
    export.remove("export/authorization-details.json");
    let (code, json) = export.json();
    assert_eq!((code, &json["complete"]), (Some(1), &json!(false)), "{json:#}");
    assert_eq!(json["unread"][0]["permission"], "iam:GetAccountAuthorizationDetails");
    assert!(json["summary"]["unknown"].as_u64() > Some(0));

    let export = calm();
    export.remove("export/bucket-policies");
    let (code, json) = export.json();
    assert_eq!((code, &json["complete"]), (Some(1), &json!(false)), "{json:#}");
    let anyone = json["abilities"].as_array().expect("a list").iter().find(|one| one["principal"] == "*");
    assert_eq!(anyone.expect("whoever the policy lets in")["decision"], "unknown");

    let (code, json) = {
        let mut cut = details(&[], &[break_glass()]);
        cut["IsTruncated"] = json!(true);
        Export::new(&cut, &complete_lock()).json()
    };
    assert_eq!((code, &json["complete"]), (Some(1), &json!(false)), "a list that was cut off");
    for list in ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"] {
        let mut lacking = details(&[], &[break_glass()]);
        lacking.as_object_mut().expect("an object").remove(list);
        let (code, json) = Export::new(&lacking, &complete_lock()).json();
        assert_eq!((code, &json["complete"]), (Some(1), &json!(false)), "{list}");
        assert!(json["unread"][0]["why"].as_str().expect("words").contains(list));
    }
    assert_eq!(program(Path::new("/"), &["audit", "--account-export", "/nowhere"]).status.code(), Some(1));
}

/// Keys are in no export: what depends on one is unknown, and that it was not read is told.
#[test]
fn the_key_of_an_exports_bucket_is_not_seen() {
    for (key, subject) in [
        (format!("arn:aws:kms:eu-west-2:{ACCOUNT}:key/1234"), "key/1234"),
        (format!("arn:aws:kms:eu-west-2:{ACCOUNT}:alias/backups"), "alias/backups"),
    ] {
        let strong = user("strong", json!([allow("kms:*", "*")]));
        let export = Export::new(&details(&[strong], &[break_glass()]), &complete_lock());
        export.write("public.yml", &format!(
            "deploy_env: prod\nbackups:\n  account: \"{ACCOUNT}\"\n  break_glass: [{}]\n  buckets:\n    {BUCKET}: \
             {{region: eu-west-2, encryption: {{kms_key: \"{key}\"}}}}\n",
            super::BREAK_GLASS
        ));
        let (code, json) = export.json();
        assert_eq!((code, &json["complete"]), (Some(1), &json!(false)), "{json:#}");
        let unread = &json["unread"][0];
        assert_eq!(
            (&unread["subject"], &unread["permission"]),
            (&json!(subject), &json!("kms:GetKeyPolicy"))
        );
        let on_keys = json["abilities"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|one| one["principal"].as_str().is_some_and(|who| who.ends_with("user/strong")));
        let decisions: Vec<&str> = on_keys.filter_map(|one| one["decision"].as_str()).collect();
        assert!(decisions.len() == 4 && decisions.iter().all(|one| *one == "unknown"), "{json:#}");
        let text = String::from_utf8(export.run(&[]).stdout).expect("text");
        assert!(text.contains("an export holds no keys"), "{text}");
    }
}

#[test]
fn what_is_malformed_is_an_error_with_its_file_and_place() {
    for (name, text, place) in [
        ("authorization-details.json", "{\"UserDetailList\": [{]}", "line 1 column 22"),
        ("authorization-details.json", "[]", "authorization-details.json"),
        (
            "authorization-details.json",
            "{\"UserDetailList\": [{\"UserName\": \"x\"}]}",
            "missing field `Arn`",
        ),
        (
            "bucket-policies/backups.json",
            "{\"Statement\": [{\"Effect\": \"Perhaps\"}]}",
            "Statement[0].Effect",
        ),
        ("bucket-policies/backups.json", "", "bucket-policies/backups.json"),
        ("bucket-policies/No Bucket.json", "null", "No Bucket.json"),
        ("databases.json", "7", "databases.json"),
        ("service-control-policies.json", "{\"a\": 1}", "service-control-policies.json"),
    ] {
        let export = calm();
        export.write(&format!("export/{name}"), text);
        let output = export.run(&[]);
        let told = String::from_utf8(output.stderr).expect("text").replace("\n       ", " ");
        assert_eq!(output.status.code(), Some(1), "{name}: {told}");
        assert!(
            told.contains(name.rsplit('/').next().expect("a name")) && told.contains(place),
            "{name}: {told}"
        );
    }
    let export = calm();
    let large = fs::File::create(export.path("export/authorization-details.json")).expect("made");
    large.set_len((256 << 20) + 1).expect("sparse");
    let told = String::from_utf8(export.run(&[]).stderr).expect("text");
    assert!(told.contains("256 MiB"), "{told}");
}

#[test]
fn an_account_of_another_number_is_refused() {
    let foreign = user("x", json!([])).to_string().replace(ACCOUNT, "999988887777");
    let foreign: Json = serde_json::from_str(&foreign).expect("JSON");
    let output = Export::new(&details(&[foreign], &[]), &Json::Null).run(&[]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_policy_that_cannot_be_read_is_never_safe() {
    let mut odd = user("odd", json!([]));
    odd["UserPolicyList"] =
        json!([{"PolicyName": "P", "PolicyDocument": {"Statement": [{"Effect": "Allow"}]}}]);
    let mut without = user("without", json!([]));
    without["AttachedManagedPolicies"] =
        json!([{"PolicyName": "Gone", "PolicyArn": "arn:aws:iam::aws:policy/Gone"}]);
    let mut lost = user("lost", json!([]));
    lost["GroupList"] = json!(["gone"]);
    let audit = judged(details(&[odd, without, lost], &[break_glass()]), good_bucket(None));
    assert!(!audit.is_complete());
    for who in ["user/odd", "user/without", "user/lost"] {
        let found = unexpected(&audit);
        let decision = found.get(&(who.to_owned(), "s3:DeleteObjectVersion".to_owned()));
        assert_eq!(decision.map(String::as_str), Some("unknown"), "{who}");
        let is_told =
            |unread: &reconcile::audit::Unread| unread.subject.contains(who) || unread.why.contains(who);
        assert!(audit.unread.iter().any(is_told), "{who}: {:?}", audit.unread);
    }
}

#[test]
fn policies_of_ten_thousand_statements_and_contradictions_are_judged() {
    let many: Vec<Json> = (0..10_000)
        .map(|index| allow("s3:PutLifecycleConfiguration", &format!("arn:aws:s3:::other-{index}")))
        .chain([allow("s3:PutBucketVersioning", "*")])
        .chain([json!({"Effect": "Deny", "Action": "s3:PutBucketVersioning", "Resource": "*"})])
        .chain([allow("s3:PutLifecycleConfiguration", "arn:aws:s3:::back*")])
        .collect();
    let audit = judged(details(&[user("x", json!(many))], &[break_glass()]), good_bucket(None));
    assert!(way(&audit, "user/x", "s3:PutBucketVersioning").is_none());
    let (_, path) = way(&audit, "user/x", "s3:PutLifecycleConfiguration").expect("found");
    assert_eq!(path, ["user/x: policy P statement 10003"]);
}

#[test]
fn five_thousand_principals_are_judged() {
    let users: Vec<Json> =
        (0..2_500).map(|index| user(&format!("u{index}"), json!([allow("s3:GetObject", "*")]))).collect();
    let roles: Vec<Json> = (0..2_500)
        .map(|index| {
            let next = format!("arn:aws:iam::{ACCOUNT}:role/r{}", index + 1);
            let root = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")});
            let statements = match index {
                2_499 => json!([allow("s3:*", "*")]),
                _ => json!([allow("sts:AssumeRole", &next)]),
            };
            role(&format!("r{index}"), root, statements)
        })
        .collect();
    let audit = judge(&evidence(details(&users, &roles), good_bucket(None)), &terms());
    let able: std::collections::BTreeSet<_> = unexpected(&audit).into_keys().map(|(who, _)| who).collect();
    assert_eq!(able.len(), 7, "the last, and six who reach it: {able:?}");
}

/// Questions to an export: by name and by ARN, sessions by their role, with a context.
#[test]
fn questions_are_answered_from_an_export() {
    let conditional = json!({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}});
    let worker = role("worker", json!({"Service": "ec2.amazonaws.com"}), json!([allow("s3:GetObject", "*")]));
    let export = Export::new(
        &details(&[user("w", json!([conditional]))], &[worker, break_glass()]),
        &policy(json!([])),
    );
    let ask = |words: &str| {
        let line = format!("audit explain --account-export export --output json {words}");
        let output = program(export.folder.path(), &line.split(' ').collect::<Vec<_>>());
        let json: Json = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (
            json["decision"].as_str().unwrap_or_default().to_owned(),
            String::from_utf8(output.stderr).expect("text"),
        )
    };
    let put = "--action s3:PutObject --resource arn:aws:s3:::backups/x";
    assert_eq!(ask(&format!("--principal user/w {put}")).0, "denied");
    assert_eq!(ask(&format!("--principal user/w {put} --context aws:SourceIp=10.1.2.3")).0, "allowed");
    assert_eq!(
        ask(&format!("--principal arn:aws:iam::{ACCOUNT}:user/w {put} --context aws:SourceIp=9.9.9.9")).0,
        "denied"
    );
    let get = "--action s3:GetObject --resource arn:aws:s3:::backups/x";
    assert_eq!(
        ask(&format!("--principal arn:aws:sts::{ACCOUNT}:assumed-role/worker/i-1 {get}")).0,
        "allowed"
    );
    // A bucket whose policy is not at hand may let them in, or keep them out.
    assert_eq!(ask(&format!("--principal user/w {}", get.replace("backups", "unknown"))).0, "unknown");
    assert_eq!(ask(&format!("--principal role/worker {}", get.replace("backups", "unknown"))).0, "unknown");
    let (_, told) = ask(&format!("--principal user/nobody {put}"));
    assert!(told.contains("the account has no user/nobody"), "{told}");
    assert!(ask(&format!("--principal user/w {put} --context x")).1.contains("KEY=VALUE"));
}
