//! What commands write as JSON is what the committed schemas say, whatever happened.

use std::collections::BTreeSet;
use std::path::Path;

use reconcile::report::documents;
use reconcile::settings;
use serde_json::Value;

use super::stage::{Answer, Stage};

fn made(name: &str) -> Value {
    match name {
        "public" => settings::schema::public(),
        name => documents::schema(name).expect("a schema"),
    }
}

#[test]
fn the_committed_schemas_are_the_programs_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let names: BTreeSet<&str> = documents::NAMES.into_iter().chain(["public"]).collect();
    for name in &names {
        let committed =
            std::fs::read_to_string(folder.join(format!("{name}.schema.json"))).unwrap_or_default();
        assert!(committed == format!("{:#}\n", made(name)), "the schema of {name} moved: run `make schemas`");
    }
    assert_eq!(std::fs::read_dir(folder).expect("schemas").count(), names.len(), "a schema of nothing");
}

#[test]
fn the_reference_of_settings_is_the_programs_own_and_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == reconcile::report::reference::settings(), "the settings moved: run `make schemas`");
    for key in settings::keys::KEYS {
        assert!(committed.contains(&format!("| `{}` |", key.name)), "{}", key.name);
    }
    for path in
        ["account", "buckets.NAME.keep_versions.daily.days", "identities[].from.vpc", "alerts.smtp.port"]
    {
        assert!(committed.contains(&format!("| `backups.{path}` |")), "{path}");
    }
}

/// The document satisfies the schema, with no member that the schema does not describe.
fn holds(name: &str, answer: &Answer) {
    let document = answer.json();
    let mut schema = made(name);
    close(&mut schema);
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{answer}");
}

/// Forbids members that are not described: users may meet new ones, this version's are all known.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.contains_key("properties") && !members.contains_key("additionalProperties") {
                members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn every_document_is_as_its_schema_says() {
    let stage = Stage::new();
    holds("settings", &stage.reconcile("show settings --output json").exits(0));
    holds("desired", &stage.reconcile("show desired --output json").exits(0));
    holds("plan", &stage.reconcile("plan --output json").exits(0));
    // Declined for want of a terminal; then done; then with a refusal for want of consent and its losses.
    holds("report", &stage.reconcile("apply --output json").exits(3));
    holds("report", &stage.reconcile("apply --auto-approve --output json").exits(0));
    stage.edit("environment/public.yml", "daily: {days: 90", "daily: {days: 9");
    holds("plan", &stage.reconcile("plan --output json").exits(0));
    holds("report", &stage.reconcile("apply --auto-approve --output json").exits(3));
    holds("problems", &stage.reconcile("validate environment --output json").exits(0));
    stage.edit("environment/public.yml", "deploy_env:", "nadir_hour: 99\ndeploy_env:");
    holds("problems", &stage.reconcile("plan --output json").exits(1));
}

#[test]
fn a_request_and_its_decision_are_as_their_schemas_say() {
    let stage = Stage::new();
    let statement = serde_json::json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let request = serde_json::json!({"format": "reconcile.request/1", "action": "s3:DeleteObject",
        "principal": "arn:aws:iam::111122223333:user/dev", "resource": "arn:aws:s3:::b/x",
        "resource_account": "111122223333", "context": {"aws:SecureTransport": true, "aws:TagKeys": ["a", "b"]},
        "identity_policies": [{"name": "P", "policy": {"Version": "2012-10-17", "Statement": [statement]}}],
        "permissions_boundary": {"Statement": []}, "scps": [[{"policy": {"Statement": statement}}]]});
    let validator = jsonschema::draft202012::new(&made("request")).expect("a schema");
    assert!(validator.is_valid(&request));
    assert!(!validator.is_valid(&serde_json::json!({"principal": "*"})));
    std::fs::write(stage.path("request.json"), request.to_string()).expect("written");
    holds("decision", &stage.reconcile("audit explain --request request.json --output json").exits(0));
}

#[test]
fn a_failed_apply_has_its_errors_in_the_report() {
    let stage = Stage::new();
    stage.sandbox("now: 2026-11-21T12:00:00Z\nfaults: [{kind: denied, operation: CreateBucket}]\n");
    let answer = stage.reconcile("apply --auto-approve --output json");
    holds("report", &answer);
    let outcomes: BTreeSet<String> = answer.json()["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|change| change["outcome"].as_str().expect("an outcome").to_owned())
        .collect();
    assert!(outcomes.contains("failed") && outcomes.contains("done"), "{answer}");
}
