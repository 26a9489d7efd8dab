//! Environments of commcare-cloud, as they were: each loads, and says the same as commcare-cloud's own roles did.

use std::path::PathBuf;

use reconcile::settings::{self, Settings, Sources};
use reconcile::vocab::Tier;

/// The folder of real cases, or a visible skip.
pub fn cases(part: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("RECONCILE_CASES") else {
        let required = std::env::var("RECONCILE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|one| one == "cases"), "cases are required: set RECONCILE_CASES");
        eprintln!("skipped: {part}: RECONCILE_CASES names no folder of cases");
        return None;
    };
    Some(PathBuf::from(root).join(part))
}

fn environments() -> Vec<(String, Settings, serde_json::Value)> {
    let Some(root) = cases("C_settings") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("envs")).expect("environments") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let expected =
            std::fs::read_to_string(root.join("expected").join(format!("{name}.json"))).expect("expected");
        let settings = settings::load(&Sources::directory(&path))
            .unwrap_or_else(|problems| panic!("{name} does not load: {:#?}", problems.list));
        found.push((name, settings, serde_json::from_str(&expected).expect("JSON")));
    }
    assert!(!found.is_empty(), "no environments in {}", root.display());
    found
}

#[test]
fn every_environment_loads_and_means_what_the_roles_did() {
    for (name, settings, expected) in environments() {
        let postgres = &expected["postgres"];
        assert_eq!(settings.environment.as_str(), expected["deploy_env"], "{name}");
        if postgres.is_null() {
            continue;
        }
        let ours = &settings.postgresql.backed;
        let hosts: Vec<String> = ours.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(serde_json::json!(hosts), postgres["hosts"], "{name}");
        let method = match ours.on {
            true => serde_json::json!(settings.postgresql.method.name()),
            false => serde_json::json!(false),
        };
        assert_eq!(method, postgres["method"], "{name}");
        assert_eq!(ours.directory, postgres["dir"], "{name}");
        let number = |value: &serde_json::Value| -> u64 {
            value.as_u64().or_else(|| value.as_str()?.parse().ok()).expect("a number")
        };
        assert_eq!(u64::from(ours.keep.days), number(&postgres["days"]), "{name}");
        assert_eq!(u64::from(ours.keep.weeks), number(&postgres["weeks"]), "{name}");
        assert_eq!(u64::from(ours.keep.hours), number(&postgres["hours"]), "{name}");
        assert_eq!(
            serde_json::json!(ours.schedules.contains_key(&Tier::Hourly)),
            postgres["hourly"],
            "{name}"
        );
        assert_eq!(serde_json::json!(ours.s3), postgres["s3"], "{name}");
        assert_eq!(serde_json::json!(ours.bucket), postgres["bucket"], "{name}");
        assert_eq!(
            serde_json::json!(settings.storage.versioned_keys),
            postgres["aws_versioning_enabled"],
            "{name}"
        );
        assert_schedules(&name, &settings, &expected["cron_files"]);
    }
}

/// Each line that the roles wrote for a backup is one of our tiers, at the same time as the same user.
fn assert_schedules(name: &str, settings: &Settings, cron_files: &serde_json::Value) {
    for (host, files) in cron_files.as_object().expect("hosts") {
        let lines = files["backup_postgres"].as_array().map_or(&[][..], Vec::as_slice);
        for line in lines.iter().filter_map(serde_json::Value::as_str) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(at) = words.iter().position(|word| word.ends_with("create_postgres_dump.sh")) else {
                continue;
            };
            let tier = Tier::ALL.into_iter().find(|tier| tier.name() == words[at + 1]).expect("a tier");
            let schedule = settings.postgresql.backed.schedules.get(&tier).expect("scheduled");
            assert_eq!(schedule.as_str(), words[..5].join(" "), "{name} {host}");
            assert_eq!(settings.postgresql.backed.user.as_str(), words[5], "{name} {host}");
        }
    }
}
