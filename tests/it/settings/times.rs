//! `schedule` and `retention`: what a policy keeps, when a schedule fires, what an environment runs when.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::folder::Folder;

fn reconcile(folder: &Folder, input: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reconcile"))
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("RECONCILE_ENV")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn answer(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn nothing() -> Folder {
    Folder::new(&[])
}

#[test]
fn a_schedule_is_shown_as_instants_in_utc() {
    let run = |arguments: &[&str]| {
        let from = ["--from", "2026-03-28T12:00:00Z"];
        answer(&reconcile(&nothing(), "", &[&["schedule"], arguments, &from].concat()))
    };
    let (code, out, _) = run(&["30 1 * * *", "--timezone", "Europe/London", "--count", "2"]);
    // At 01:30 of the 29th the clocks of London skip; cron runs such a job when they have.
    assert_eq!((code, out.as_str()), (Some(0), "2026-03-29T01:00:00Z\n2026-03-30T00:30:00Z\n"));
    let (code, out, _) = run(&["@hourly", "--output", "json"]);
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, Some(0));
    assert_eq!(
        document,
        serde_json::json!({"format": "reconcile.runs/1",
            "runs": ["2026-03-28T13:00:00Z", "2026-03-28T14:00:00Z", "2026-03-28T15:00:00Z"]})
    );
    let (code, out, err) = run(&["0 0 30 2 *"]);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", "`0 0 30 2 *` never fires\n"));
    let (code, out, err) = run(&["1,,2 * * * *"]);
    assert_eq!((code, out.as_str()), (Some(64), ""));
    assert!(err.contains("the list of the minute has an empty"), "{err}");
    let (code, _, err) = run(&["@daily", "--timezone", "London"]);
    assert!(code == Some(64) && err.contains("there is no such time zone"), "{err}");
}

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "public.yml",
        "deploy_env: prod\nbackup_postgres: dump\nbackup_couch: yes\nbackup_blobdb: yes\nnadir_hour: 2\n",
    ),
    ("inventory.ini", "[pg_backup]\ndb1\n[couchdb2]\ndb1\ndb2\n[shared_dir_host]\n"),
];

#[test]
fn the_timeline_of_an_environment_tells_what_meets() {
    let arguments =
        ["schedule", "--from", "2026-11-21T12:00:00Z", "--timezone", "Europe/London", "--count", "6"];
    let (code, out, _) = answer(&reconcile(&Folder::new(ENVIRONMENT), "", &arguments));
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(out);
    let json = [&arguments[..], &["--output", "json"]].concat();
    let (_, out, _) = answer(&reconcile(&Folder::new(ENVIRONMENT), "", &json));
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(document["runs"].as_array().map(Vec::len), Some(6));
    assert_eq!(
        document["timeline"][0],
        serde_json::json!({"at": "2026-11-22T02:00:00Z", "host": "db1", "datastore": "couchdb", "tier": "weekly"})
    );
    assert_eq!(
        document["conflicts"][0],
        serde_json::json!({"at": "2026-11-22T02:00:00Z", "host": "db1", "times": 1, "runs":
            [{"datastore": "couchdb", "tier": "weekly"}, {"datastore": "postgresql", "tier": "weekly"}]})
    );
}

const TIMES: &str = "# nightly\n2026-11-19T01:00:00Z\n\n2026-11-21T01:00:00+01:00\n  2026-11-20T01:00:00Z\n";

#[test]
fn a_policy_tells_what_it_keeps_and_why() {
    let (code, out, _) = answer(&reconcile(&nothing(), TIMES, &["retention", "last=1,daily=2"]));
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(out);
    let (_, out, _) =
        answer(&reconcile(&nothing(), TIMES, &["retention", "last=1,daily=2", "--output", "json"]));
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        document,
        serde_json::json!({"format": "reconcile.retention/1",
            "kept": [
                {"timestamp": "2026-11-21T01:00:00+01:00", "because": ["last 1/1", "daily 1/2"]},
                {"timestamp": "2026-11-20T01:00:00Z", "because": ["daily 2/2"]}],
            "removed": ["2026-11-19T01:00:00Z"]})
    );
}

#[test]
fn a_line_that_is_no_time_is_told_with_its_place() {
    let folder = Folder::new(&[("times", "2026-11-21T01:00:00Z\nyesterday\n")]);
    let (code, out, err) =
        answer(&reconcile(&folder, "", &["retention", "daily=1", "--timestamps", "times"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("times:2:1: `yesterday` is no time"), "{err}");
    let (code, _, err) = answer(&reconcile(&folder, "", &["retention", "daily"]));
    assert!(code == Some(64) && err.contains("`daily` is not RULE=COUNT"), "{err}");
    let (code, _, _) = answer(&reconcile(&folder, "", &["retention", "daily=1", "--timestamps", "nowhere"]));
    assert_eq!(code, Some(1));
}

#[test]
fn init_begins_an_environment_that_validates_and_replaces_nothing() {
    let folder = nothing();
    let (code, out, _) = answer(&reconcile(&folder, "", &["init", "production"]));
    assert_eq!(code, Some(0), "{out}");
    let (code, out, err) = answer(&reconcile(&folder, "", &["validate", "production", "--strict"]));
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "no problems in production\n", ""));
    // So is what stands behind a `#`, which is no comment where words follow it at once or after its own spaces.
    let path = folder.path().join("production/public.yml");
    let text = std::fs::read_to_string(&path).expect("written");
    let setting = |line: &str| {
        let rest = line.strip_prefix('#')?;
        (!rest.starts_with(' ') || rest.starts_with("  ")).then(|| rest.to_owned())
    };
    let lines = text.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n");
    let whole: String = lines.collect();
    assert!(whole.contains("\nbackups:\n  account:"), "{whole}");
    std::fs::write(&path, whole).expect("written");
    let (code, _, err) = answer(&reconcile(&folder, "", &["validate", "production"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("holds no credentials") && err.contains("1 warning in"), "{err}");
    let before = std::fs::read(&path).expect("there");
    let (code, _, err) = answer(&reconcile(&folder, "", &["init", "production"]));
    assert!(code == Some(3) && err.contains("init replaces nothing"), "{err}");
    assert_eq!(std::fs::read(&path).expect("there"), before);
    let (code, _, err) = answer(&reconcile(&folder, "", &["init", "not a name"]));
    assert!(code == Some(1) && err.contains("cannot be an environment's name"), "{err}");
}

#[test]
fn shells_and_man_know_every_command() {
    let (code, page, _) = answer(&reconcile(&nothing(), "", &["man"]));
    assert!(code == Some(0) && page.contains("reconcile\\-plan"), "{page}");
    let folder = nothing();
    assert_eq!(answer(&reconcile(&folder, "", &["man", "pages"])).0, Some(0));
    assert!(folder.path().join("pages/reconcile-show-settings.1").exists());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, text, _) = answer(&reconcile(&nothing(), "", &["completions", shell]));
        assert!(code == Some(0) && text.contains("deploy-stack"), "{shell}");
    }
}
