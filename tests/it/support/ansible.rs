//! The programs of Ansible itself, whose files ours must agree with.

use std::path::PathBuf;

/// One of Ansible's programs. Without it the test is skipped, unless `RECONCILE_REQUIRE` names ansible.
pub fn program(name: &str) -> Option<PathBuf> {
    let venv = std::env::var_os("RECONCILE_VENV").map(|venv| PathBuf::from(venv).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = venv
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        super::skip("ansible", &format!("{name} is neither in PATH nor in $RECONCILE_VENV/bin"));
    }
    found
}
