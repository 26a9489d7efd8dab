//! A secret in a vault, and the password that opens it, appear nowhere but where they were asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use clap::CommandFactory;
use reconcile::cli::Cli;

use super::{Answer, Desk};

const PASSWORD: &str = "canary-of-the-password";
const SECRET: &str = "canaryofthesecret";

/// An environment and its sandbox. The password program notes what everybody on a machine can see of its caller.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write(
        "password",
        format!("#!/bin/sh\ncat /proc/$PPID/cmdline >> seen\necho {PASSWORD}\n").as_bytes(),
    );
    fs::set_permissions(desk.path("password"), fs::Permissions::from_mode(0o700)).expect("set");
    desk.write("inventory.ini", b"[pg_backup]\ndb1 ansible_connection=local\n");
    desk.write(
        "public.yml",
        b"deploy_env: prod\nbackup_postgres: dump\npostgres_s3: true\naws_region: eu-west-2\n",
    );
    let vault = format!("AMAZON_S3_ACCESS_KEY: {SECRET}\nAMAZON_S3_SECRET_KEY: {SECRET}\nother: {SECRET}\n");
    desk.write("vault.yml", vault.as_bytes());
    desk
}

fn is_silent(what: &[&str], answer: &Answer) {
    let said = format!("{}{}", String::from_utf8_lossy(&answer.stdout), answer.stderr).to_lowercase();
    assert!(!said.contains("canary"), "{what:?}: {said}");
}

#[test]
fn no_verb_says_a_secret() {
    let desk = desk();
    let run = |code: i32, arguments: &[&str]| {
        for output in ["text", "json", "markdown", "github"] {
            let all = [arguments, &["--sandbox", "sandbox", "-vv", "--output", output][..]].concat();
            let mut command = desk.program(&all);
            command.env("ANSIBLE_VAULT_PASSWORD_FILE", "./password").env("RECONCILE_LOG", "trace");
            let answer = super::answer(command, b"");
            is_silent(&all, &answer);
            assert!(answer.code == code || answer.code == 64, "{all:?}: {} {}", answer.code, answer.stderr);
        }
    };
    // In plain, and with a plain mistake.
    run(0, &["validate"]);
    let plain = desk.read("vault.yml");
    desk.write("vault.yml", &[&plain[..], b"canaryline\n"].concat());
    run(1, &["validate"]);
    desk.write("vault.yml", &plain);
    run(0, &["vault", "encrypt", "vault.yml"]);
    let told: &[&[&str]] = &[
        &["validate"],
        &["show", "settings"],
        &["show", "desired"],
        &["schedule"],
        &["plan"],
        &["apply", "--auto-approve", "--allow", "widening"],
        &["plan"],
        &["deploy-stack", "--tags=backups", "--auto-approve"],
        &["permissions", "plan"],
        &["permissions", "apply"],
        &["list", "postgresql"],
        &["status"],
        &["check"],
        &["alerts", "test"],
        &["verify", "postgresql"],
        &["restore", "postgresql", "--to", "elsewhere"],
        &["lock", "show"],
        &["lock", "break", "--auto-approve"],
        &["sandbox", "show"],
        &["vault", "rekey", "vault.yml", "--new-vault-password-file", "./password"],
        &["vault", "decrypt", "vault.yml", "--to", "plain"],
        &["sandbox", "reset"],
    ];
    for verb in Cli::command().get_subcommands().map(|verb| verb.get_name().to_owned()) {
        // These read no environment; what jobs say is looked at wherever a story runs them.
        let has_no_secret =
            ["audit", "init", "retention", "schema", "completions", "man", "run"].contains(&verb.as_str());
        assert!(
            has_no_secret || told.iter().any(|arguments| arguments[0] == verb),
            "nobody listens to {verb}"
        );
    }
    for arguments in told.iter().copied() {
        let all = [arguments, &["--sandbox", "sandbox", "-vv"]].concat();
        let mut command = desk.program(&all);
        command.env("ANSIBLE_VAULT_PASSWORD_FILE", "./password").env("RECONCILE_LOG", "trace");
        let answer = super::answer(command, b"");
        is_silent(&all, &answer);
        // Here there is nobody to tell and no backup to restore.
        let may_fail = ["alerts", "verify", "restore"].contains(&arguments[0]);
        assert!(answer.code == 0 || may_fail, "{all:?}: {} {}", answer.code, answer.stderr);
        let mut json = desk.program(&[&all[..], &["--output", "json"]].concat());
        json.env("ANSIBLE_VAULT_PASSWORD_FILE", "./password");
        is_silent(&all, &super::answer(json, b""));
    }
    assert_eq!(desk.read("plain"), plain, "and yet it was read");
    let mut string = desk.program(&["vault", "encrypt-string", "--name", "KEY", "-vv"]);
    string.env("RECONCILE_VAULT_PASSWORD", PASSWORD).env("RECONCILE_LOG", "trace");
    is_silent(&["encrypt-string"], &super::answer(string, SECRET.as_bytes()));
    let seen = String::from_utf8_lossy(&desk.read("seen")).into_owned();
    assert!(seen.contains("encrypt") && !seen.to_lowercase().contains("canary"), "{seen}");
}

/// A wrong password, a password where an option's value belongs, a damaged vault.
#[test]
fn no_mistake_repeats_a_secret() {
    let desk = desk();
    let sealed = ["vault", "encrypt", "vault.yml", "--vault-password-file", "./password"];
    desk.run(&sealed).good();
    desk.write("wrong", b"canary-but-wrong");
    for arguments in [
        &["vault", "view", "vault.yml", "--vault-password-file", "wrong"][..],
        &["vault", "decrypt", "vault.yml", "--vault-id", "prod@wrong"],
        &["validate", "--vault-id", "prod@wrong", "--vault-id", "dev@wrong"],
        &["vault", "encrypt-string", "canary"],
        &["validate", "--vault-password-file", "public.yml"],
    ] {
        let answer = desk.run(arguments);
        assert_ne!(answer.code, 0, "{arguments:?}");
        is_silent(arguments, &answer);
    }
}
