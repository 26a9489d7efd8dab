//! No output holds a secret: canaries in the vault, in the password, in places where secrets do not belong.

use reconcile::report;
use reconcile::settings::{self, VaultPassword};
use reconcile::vocab::Secret;

use super::folder::Folder;
use super::vault::SEALED;

#[test]
fn no_view_and_no_debug_text_holds_a_canary() {
    let public = "deploy_env: prod\nbackup_postgres: dump\npostgres_s3: true\n";
    let folder = Folder::new(&[
        ("public.yml", public),
        ("vault.yml", SEALED),
        ("inventory.ini", "[pg_backup]\ndb1\n"),
    ]);
    let password = VaultPassword::Given(Secret::new("canary-password"));
    let settings = settings::load(&folder.sources().with_vault_password(Some(password))).expect("loads");
    for text in [
        report::settings::text(&settings),
        report::settings::json(&settings).to_string(),
        report::problems::text(&settings.problems, "ENV"),
        report::problems::json(&settings.problems).to_string(),
        format!("{settings:?}"),
    ] {
        assert!(!text.to_lowercase().contains("canary"), "{text}");
    }
}

/// A vault that somebody decrypted and broke: the line is told, its words are not.
#[test]
fn a_broken_plain_vault_quotes_nothing() {
    for vault in [
        "AMAZON_S3_SECRET_KEY: CANARY\nAMAZON_S3_SECRET_KEY: CANARY\n",
        "CANARY\n",
        "a: \"CANARY\n",
        "CANARY: 1\nCANARY: 2\n",
        "a: !CANARY b\n",
        "AMAZON_S3_ACCESS_KEY: CANARY\nAMAZON_S3_SECRET_KEY: !vault CANARY\n",
    ] {
        let folder = Folder::new(&[("public.yml", "deploy_env: prod\n"), ("vault.yml", vault)]);
        let problems = match folder.load() {
            Ok(settings) => settings.problems,
            Err(problems) => problems,
        };
        assert!(!problems.list.is_empty() || vault.contains("!vault"), "{vault}");
        let shown = format!(
            "{} {} {} {problems:?}",
            report::problems::text(&problems, "ENV"),
            report::problems::json(&problems),
            report::problems::github(&problems)
        );
        assert!(!shown.contains("CANARY"), "{vault}: {shown}");
    }
}

/// Somebody wrote keys into the endpoint.
#[test]
fn a_password_in_an_endpoint_is_refused_without_being_repeated() {
    let folder =
        Folder::new(&[("public.yml", "deploy_env: prod\naws_endpoint: https://u:CANARY@s3.example.org\n")]);
    let problems = folder.load().expect_err("refused");
    assert!(!report::problems::json(&problems).to_string().contains("CANARY"));
    assert!(!folder.validated().contains("CANARY"));
}

/// Keys in the file that everybody reads: told by their place, also on lines that are wrong in another way.
#[test]
fn a_secret_in_public_yml_is_told_and_never_repeated() {
    let id = format!("AK{}", "IACANARYCANARY2345");
    for text in [
        format!("aws_access_key: {id}\n"),
        format!("notes: [see {id}]\n"),
        format!("postgres_s3: {id}\n"),
        format!("postgres_snapshot_bucket: {id}\n"),
        format!("backups:\n  {id}: 1\n"),
        "app:\n  smtp_password: CANARY/1234+x\n".to_owned(),
        "backups:\n  secret_key: CANARY/1234+x\n".to_owned(),
        "db_password: CANARY/1234+x\ndb_password: CANARY/1234+x\n".to_owned(),
        "db_password: \"CANARY/1234+x\n".to_owned(),
        "db_password CANARY/1234+x\nx: AKIACANARYCANARY2345\n".replace("AKIA", &id[..4]),
    ] {
        let folder = Folder::new(&[("public.yml", &format!("deploy_env: prod\n{text}"))]);
        let problems = folder.load().map_or_else(|problems| problems, |settings| settings.problems);
        assert!(!problems.list.is_empty(), "{text}");
        let here = folder.path();
        let shown = format!(
            "{} {} {} {}",
            report::problems::text(&problems, "ENV"),
            report::problems::json(&problems),
            report::problems::github(&problems),
            report::sarif::sarif(&problems, here)
        );
        let held = shown.find("CANARY").map(|at| shown[at.saturating_sub(200)..at].to_owned());
        assert_eq!(held, None, "{text}");
    }
}

/// An inventory with a password in a line that is wrong.
#[test]
fn a_wrong_line_with_a_password_is_not_quoted() {
    let inventory = "[pg_backup]\ndb1 ansible_become_pass='CANARY\n";
    let folder = Folder::new(&[("public.yml", "deploy_env: prod\n"), ("inventory.ini", inventory)]);
    let text = folder.validated();
    assert!(text.contains("inventory.ini:2:1") && !text.contains("CANARY"), "{text}");
}
