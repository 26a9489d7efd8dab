//! A store that is not AWS's, behind `aws_endpoint`: an emulator that others wrote, over a real socket, without the
//! sandbox in between. It has no STS and no accounts for us; the endpoint takes the account's place.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::moto;

/// Versioning is left alone: what the emulator answers about it is XML that the SDK refuses (contract/moto.md).
const PUBLIC: &str = "\
deploy_env: elsewhere
aws_endpoint: ENDPOINT
aws_region: eu-west-2
backups:
  buckets:
    elsewhere-backups:
      versioning: unmanaged
";

struct Elsewhere {
    folder: tempfile::TempDir,
}

impl Elsewhere {
    fn new(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        fs::write(folder.path().join("public.yml"), PUBLIC.replace("ENDPOINT", endpoint)).expect("written");
        Elsewhere { folder }
    }

    fn reconcile(&self, line: &str) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_reconcile"))
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", Path::new("/usr/bin"))
            .env("NO_COLOR", "1")
            .env("AWS_ACCESS_KEY_ID", "AKIAELSEWHERE")
            .env("AWS_SECRET_ACCESS_KEY", "canary-of-elsewhere")
            .output()
            .expect("the program runs");
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let said = String::from_utf8(said).expect("UTF-8");
        assert!(!said.contains("canary"), "{said}");
        (output.status.code().unwrap_or(-1), said)
    }
}

#[test]
fn a_store_behind_an_endpoint_is_planned_and_applied_without_an_account() {
    let Some(moto) = moto::start() else { return };
    let elsewhere = Elsewhere::new(&moto.url());

    let (code, text) = elsewhere.reconcile("plan --detailed-exitcode");
    assert_eq!(code, 2, "{text}");
    assert!(text.contains(&format!("store {}", moto.url())) && text.contains("+ bucket"), "{text}");
    let (_, json) = elsewhere.reconcile("plan --output json");
    let plan: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&plan["account"], &plan["endpoint"]), (&serde_json::Value::Null, &moto.url().into()));

    let (code, text) = elsewhere.reconcile("apply --auto-approve");
    assert_eq!(code, 0, "{text}");
    let (code, text) = elsewhere.reconcile("plan --detailed-exitcode");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Nothing to change: 1 as they should be, 1 held."), "{text}");
    assert!(text.contains("unsupported") && text.contains("this store has no IAM"), "{text}");
}

#[test]
fn a_store_that_does_not_answer_is_unknown_and_nothing_is_planned() {
    // Nobody listens on the discard port of the loopback.
    let elsewhere = Elsewhere::new("http://127.0.0.1:9");
    let (code, text) = elsewhere.reconcile("plan");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("! bucket    elsewhere-backups  unknown") && text.contains("no answer"), "{text}");
    let (code, text) = elsewhere.reconcile("apply --auto-approve");
    assert_eq!(code, 1, "{text}");
}
