//! Cases that nobody here wrote, judged by their own programs: what other implementations do with the same inputs.

use std::path::Path;
use std::process::Command;

use super::environments::cases;

const PROGRAM: &str = env!("CARGO_BIN_EXE_reconcile");

fn adapter(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adapters").join(name);
    format!("python3 {} {PROGRAM}", file.display())
}

/// Runs the judge of a set of cases; its failures, one a line. `None` where the cases are not at hand.
fn judged(set: &str, command: &str, more: &[&str]) -> Option<Vec<String>> {
    let judge = cases(set)?.join("run.py");
    let output = Command::new("python3")
        .arg(judge)
        .args(["--cmd", command])
        .args(more)
        .env_remove("RECONCILE_VAULT_PASSWORD")
        .env_remove("ANSIBLE_VAULT_PASSWORD_FILE")
        .output()
        .expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = text.lines().last().unwrap_or_default().split(' ').next().unwrap_or_default().to_owned();
    assert!(
        count.parse::<u32>().is_ok_and(|passed| passed > 0),
        "{set}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(text.lines().filter_map(|line| line.strip_prefix("FAIL ")).map(str::to_owned).collect())
}

#[test]
fn schedules_fire_when_two_other_implementations_say() {
    let command = format!("{PROGRAM} schedule {{expr}} --from {{from}} --timezone {{tz}}");
    let Some(failures) = judged("D_cron", &command, &[]) else { return };
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_policy_keeps_what_restic_keeps() {
    let Some(failures) = judged("E_retention", &adapter("retention.py"), &[]) else { return };
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn vaults_open_to_the_bytes_that_were_put_in() {
    let command = format!("{PROGRAM} vault view {{file}} --vault-password-file {{password_file}}");
    for (set, more) in [("B_vault", &[][..]), ("F_hostile", &["--kind", "vault", "--max-secs", "5"])] {
        let Some(failures) = judged(set, &command, more) else { return };
        assert!(failures.is_empty(), "{set}: {failures:#?}");
    }
}

#[test]
fn hostile_files_are_refused_in_a_moment_and_nothing_of_them_is_obeyed() {
    let command = format!("{PROGRAM} validate {{file}}");
    for kind in ["yaml", "fs"] {
        // The limits of time are the judge's; a busy machine gets more of it.
        let Some(failures) = judged("F_hostile", &command, &["--kind", kind, "--max-secs", "5"]) else {
            return;
        };
        assert!(failures.is_empty(), "{kind}: {failures:#?}");
    }
}

/// Where this program means something else than commcare-cloud's roles did. Each has its reason here.
fn is_documented(difference: &str) -> bool {
    // The roles deploy blobdb's backups only where its host is in one of seven other groups too; ours need no more
    // than the host.
    difference.starts_with(".blobdb.hosts: 0 items expected, got ")
}

#[test]
fn environments_mean_for_every_datastore_what_the_roles_did() {
    let keys = ["--keys", "postgres,couch,blobdb,elasticsearch"];
    let command = adapter("settings.py") + " {env_dir}";
    let Some(failures) = judged("C_settings", &command, &keys) else { return };
    let undocumented: Vec<&String> = failures
        .iter()
        .filter(|failure| {
            let differences =
                failure.split_once(": ").map_or(failure.as_str(), |(_, differences)| differences);
            !differences.split("; ").all(is_documented)
        })
        .collect();
    assert!(undocumented.is_empty(), "{undocumented:#?}");
}
