//! SARIF: the rules of its schema that code scanners hold a log to, and places that are right.

use std::collections::BTreeSet;

use reconcile::report;
use reconcile::settings::checks::table::TABLE;

use super::folder::Folder;

/// The part of the schema of SARIF 2.1.0 that is used here, with what GitHub asks for besides.
fn schema() -> serde_json::Value {
    let message = serde_json::json!({"type": "object", "required": ["text"],
        "properties": {"text": {"type": "string", "minLength": 1}}});
    let level = serde_json::json!({"enum": ["none", "note", "warning", "error"]});
    let region = serde_json::json!({"type": "object", "required": ["startLine"], "additionalProperties": false,
        "properties": {
            "startLine": {"type": "integer", "minimum": 1}, "startColumn": {"type": "integer", "minimum": 1},
            "endLine": {"type": "integer", "minimum": 1}, "endColumn": {"type": "integer", "minimum": 1}}});
    let place = serde_json::json!({"type": "object", "required": ["artifactLocation"], "properties": {
        "artifactLocation": {"type": "object", "required": ["uri"], "properties": {
            "uri": {"type": "string", "pattern": "^[A-Za-z0-9._~%:/-]+$"}}},
        "region": region}});
    let rule = serde_json::json!({"type": "object", "required": ["id", "shortDescription", "helpUri", "help"],
        "additionalProperties": false, "properties": {
            "id": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
            "shortDescription": message, "help": message,
            "helpUri": {"type": "string", "pattern": "^https://"},
            "defaultConfiguration": {"type": "object", "properties": {"level": level}}}});
    let result = serde_json::json!({"type": "object", "required": ["ruleId", "message", "locations"],
        "additionalProperties": false, "properties": {
            "ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": 0}, "level": level,
            "message": message,
            "locations": {"type": "array", "minItems": 1, "items": {"type": "object",
                "required": ["physicalLocation"], "properties": {"physicalLocation": place}}}}});
    serde_json::json!({"type": "object", "required": ["version", "runs"], "additionalProperties": false,
        "properties": {
            "$schema": {"type": "string"}, "version": {"const": "2.1.0"},
            "runs": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["tool", "results"],
                "additionalProperties": false, "properties": {
                    "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {"type": "object",
                        "required": ["name", "rules"], "properties": {
                            "name": {"type": "string"}, "version": {"type": "string"},
                            "informationUri": {"type": "string", "pattern": "^https://"},
                            "rules": {"type": "array", "items": rule, "uniqueItems": true}}}}},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": result}}}}}})
}

fn log(files: &[(&str, &str)]) -> serde_json::Value {
    let folder = Folder::new(files);
    let problems = folder.load().map_or_else(|problems| problems, |settings| settings.problems);
    let log = report::sarif::sarif(&problems, &folder.path().canonicalize().expect("a folder"));
    let validator = jsonschema::draft202012::new(&schema()).expect("a schema");
    let errors: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    for result in log["runs"][0]["results"].as_array().expect("results") {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    log
}

#[test]
fn every_check_is_a_rule_and_every_problem_a_result() {
    let log = log(&[(
        "public.yml",
        "deploy_env: prod\nbackup_postgres: plian # ä\nö: 1\npostgresql_backup_day: 3\n",
    )]);
    let run = &log["runs"][0];
    let rules: BTreeSet<&str> = run["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .filter_map(|rule| rule["id"].as_str())
        .collect();
    assert_eq!(rules, TABLE.iter().map(|row| row.check.name).collect());
    let results = run["results"].as_array().expect("results");
    let ids: Vec<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    assert_eq!(ids, ["bad-value", "near-miss"]);
    assert_eq!(
        results[0]["locations"][0]["physicalLocation"],
        serde_json::json!({"artifactLocation": {"uri": "public.yml"},
            "region": {"startLine": 2, "startColumn": 18, "endLine": 2, "endColumn": 23}})
    );
}

#[test]
fn columns_are_characters_and_a_value_of_many_lines_ends_on_its_last() {
    let text = "deploy_env: prod\nbackups:\n  bückets: {}\n  account: |\n    12\n    34\n";
    let log = log(&[("public.yml", text)]);
    let regions: Vec<&serde_json::Value> = log["runs"][0]["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| &result["locations"][0]["physicalLocation"]["region"])
        .collect();
    assert_eq!(
        regions[0],
        &serde_json::json!({"startLine": 3, "startColumn": 3, "endLine": 3, "endColumn": 10})
    );
    assert!(regions[1]["endLine"].as_u64() > Some(4), "{}", regions[1]);
}

#[test]
fn what_has_no_line_and_what_has_no_problem_are_logs_too() {
    log(&[("meta.yml", "")]);
    let clean = log(&[("public.yml", "deploy_env: prod\n")]);
    assert_eq!(clean["runs"][0]["results"], serde_json::json!([]));
}
