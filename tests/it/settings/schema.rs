//! The schema of `public.yml`: in agreement with the program.

use reconcile::settings::schema;

use super::environments::cases;

fn judged(public: &serde_json::Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema::public()).expect("a schema");
    validator.iter_errors(public).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn an_editor_flags_what_the_program_refuses() {
    let good = serde_json::json!({
        "deploy_env": "prod", "backup_postgres": false, "postgresql_backup_days": "5", "postgres_s3": "yes",
        "postgres_snapshot_bucket": "{{ deploy_env }}-backups", "nadir_hour": 23, "SITE_HOST": ["anything"],
        "backups": {"buckets": {"b-one": {"keep_versions": {"daily": {"days": 1}}, "encryption": "aws:kms"}}},
    });
    assert_eq!(judged(&good), [""; 0]);
    for (key, value) in [
        ("backup_postgres", serde_json::json!("plian")),
        ("postgresql_backup_days", serde_json::json!(0)),
        ("nadir_hour", serde_json::json!(24)),
        ("postgres_snapshot_bucket", serde_json::json!("../x")),
        ("postgresql_backup_dir", serde_json::json!("relative")),
        ("backups", serde_json::json!({"bukcets": {}})),
        ("backups", serde_json::json!({"buckets": {"b-one": {"keep_versions": {"daily": {}}}}})),
    ] {
        assert_eq!(judged(&serde_json::json!({key: value})).len(), 1, "{key}");
    }
}

#[test]
fn every_key_tells_what_it_means() {
    let schema = schema::public();
    for (name, property) in schema["properties"].as_object().expect("properties") {
        let described =
            property["description"].is_string() || property["anyOf"][0]["description"].is_string();
        assert!(described, "{name} has no description");
    }
}

/// An editor shows what stands here, so nothing below `backups:` is without words.
#[test]
fn every_member_of_backups_tells_what_it_means() {
    let schema = schema::public();
    let mut silent = Vec::new();
    let mut look = vec![
        ("backups".to_owned(), &schema["properties"]["backups"]),
        ("$defs".to_owned(), &schema["$defs"]),
    ];
    while let Some((path, part)) = look.pop() {
        if let Some(properties) = part["properties"].as_object() {
            for (name, one) in properties {
                let described = |one: &serde_json::Value| one["description"].is_string();
                if !described(one) && one["$ref"].is_null() {
                    silent.push(format!("{path}/{name}"));
                }
            }
        }
        match part {
            serde_json::Value::Object(members) => {
                look.extend(members.iter().map(|(name, one)| (format!("{path}/{name}"), one)));
            }
            serde_json::Value::Array(items) => look.extend(items.iter().map(|one| (path.clone(), one))),
            _ => {}
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn real_environments_satisfy_the_schema() {
    let Some(root) = cases("C_settings") else { return };
    let mut judgements = 0;
    for entry in std::fs::read_dir(root.join("envs")).expect("environments") {
        let path = entry.expect("an entry").path().join("public.yml");
        let text = std::fs::read_to_string(&path).expect("read");
        let public: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
        assert_eq!(judged(&public), [""; 0], "{}", path.display());
        judgements += 1;
    }
    assert!(judgements > 0);
}
