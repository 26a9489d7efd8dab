//! Decisions that another implementation of AWS's rules made, judged by their own program.

use std::path::Path;
use std::process::Command;

use crate::settings::environments::cases;

const PROGRAM: &str = env!("CARGO_BIN_EXE_reconcile");

#[test]
fn decisions_are_those_of_another_implementation() {
    let Some(folder) = cases("A_iam") else { return };
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adapters/iam.py");
    let output = Command::new("python3")
        .arg(folder.join("run.py"))
        .args(["--batch", "--set", "all", "--cmd"])
        .arg(format!("python3 {} {PROGRAM}", adapter.display()))
        .output()
        .expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
