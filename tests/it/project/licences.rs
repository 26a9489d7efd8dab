//! What is linked: every crate's licence is one that deny.toml allows, and none is a crate that it bans.

use std::process::Command;

use super::{root, text};

/// A crate of the build for this machine's platform.
struct Crate {
    name: String,
    /// The SPDX expression; empty where the crate states none.
    licence: String,
}

/// Every crate that `cargo metadata` resolves. Offline: the build has already fetched them.
fn crates() -> Vec<Crate> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let host = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let host = String::from_utf8(host.stdout).expect("text");
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages
        .iter()
        .map(|package| Crate {
            name: package["name"].as_str().unwrap_or_default().to_owned(),
            licence: package["license"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

/// The quoted texts of the list `key = [ .. ]` in `toml`, comments left out.
fn list(toml: &str, key: &str) -> Vec<String> {
    let start = toml.find(&format!("\n{key} = [")).unwrap_or_else(|| panic!("deny.toml has a list `{key}`"));
    let list = toml[start..].split("\n]").next().unwrap_or_default();
    let items = list.lines().skip(2).filter(|line| !line.trim_start().starts_with('#'));
    items.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

/// Whether `expression` can be met with the licences of `allowed` alone.
fn allows(allowed: &[String], expression: &str) -> bool {
    spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX)
        .is_ok_and(|expression| expression.evaluate(|licence| allowed.contains(&licence.to_string())))
}

#[test]
fn every_licence_is_allowed_and_no_banned_crate_is_linked() {
    let deny = text("deny.toml");
    let (allowed, banned) = (list(&deny, "allow"), list(&deny, "deny"));
    assert!(allowed.contains(&"MIT".to_owned()) && banned.contains(&"aws-lc-sys".to_owned()));

    let crates = crates();
    assert!(crates.iter().any(|found| found.name == "reconcile"), "cargo metadata names this package");
    let wrong: Vec<String> = crates
        .iter()
        .filter_map(|Crate { name, licence }| {
            if banned.contains(name) {
                return Some(format!("{name} is banned"));
            }
            (!allows(&allowed, licence)).then(|| format!("{name} is under `{licence}`"))
        })
        .collect();
    assert!(wrong.is_empty(), "against deny.toml:\n{}", wrong.join("\n"));
}

#[test]
fn an_expression_is_met_by_allowed_licences_alone() {
    let allowed = ["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
    for met in ["MIT", "MIT OR GPL-3.0-only", "MIT/Apache-2.0", "(MIT AND Apache-2.0 WITH LLVM-exception)"] {
        assert!(allows(&allowed, met), "{met}");
    }
    for unmet in ["", "GPL-3.0-only", "MIT AND ISC", "Apache-2.0", "made up"] {
        assert!(!allows(&allowed, unmet), "{unmet}");
    }
}
