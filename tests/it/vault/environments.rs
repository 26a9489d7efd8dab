//! Environments whose secrets stand in several files, under several passwords.

use reconcile::report;
use reconcile::settings::vault::seal;
use reconcile::settings::{self, Keyring, Settings, Vault, VaultId};
use reconcile::vocab::Problems;

use super::Desk;

const PUBLIC: &str = "deploy_env: prod\n";

fn sealed(text: &str, label: &str) -> String {
    seal(text.as_bytes(), format!("password-of-{label}").as_bytes(), label).expect("sealed")
}

fn inline(text: &str, label: &str) -> String {
    format!("!vault |\n  {}", sealed(text, label).trim_end().replace('\n', "\n  "))
}

/// Both keys, in plain.
fn keys(name: &str) -> String {
    format!("AMAZON_S3_ACCESS_KEY: {name}\nAMAZON_S3_SECRET_KEY: {name}SECRET\n")
}

fn environment(files: &[(&str, &str)]) -> Desk {
    let desk = Desk::new();
    for (name, text) in files {
        desk.write(name, text.as_bytes());
    }
    for label in ["default", "dev", "prod"] {
        desk.write(&format!("passwords/{label}"), format!("password-of-{label}\n").as_bytes());
    }
    desk
}

fn load(desk: &Desk, labels: &[&str]) -> Result<Settings, Problems> {
    let path = |label: &&str| desk.path("passwords").join(label);
    let ids = labels.iter().map(|label| format!("{label}@{}", path(label).display()));
    let ids: Vec<VaultId> = ids.map(|id| id.parse().expect("an id")).collect();
    let sources = settings::Sources::directory(desk.path(".")).with_keyring(Keyring::new(ids));
    settings::load(&sources)
}

/// The access key, or what the vault is instead.
fn access_key(settings: &Settings) -> String {
    match &settings.vault {
        Vault::Open { secrets, .. } => {
            secrets.s3.as_ref().map_or("none".to_owned(), |keys| keys.access_key.expose().to_owned())
        }
        Vault::Locked { file, .. } => format!("locked {}", file.rsplit('/').next().unwrap_or_default()),
        Vault::Absent => "absent".to_owned(),
    }
}

#[test]
fn the_password_of_the_headers_label_opens_each_value() {
    let vault = format!(
        "AMAZON_S3_ACCESS_KEY: {}\nAMAZON_S3_SECRET_KEY: {}\n",
        inline("INLINE", "dev"),
        inline("SECRET", "prod")
    );
    let desk = environment(&[("public.yml", PUBLIC), ("vault.yml", &vault)]);
    assert_eq!(access_key(&load(&desk, &["prod", "dev"]).expect("loads")), "INLINE");
    assert_eq!(access_key(&load(&desk, &[]).expect("loads")), "locked vault.yml");
    let problems = load(&desk, &["dev"]).expect_err("one password is missing");
    let [problem] = problems.list.as_slice() else { panic!("{problems:#?}") };
    // The header of the second value.
    let line = vault.lines().position(|line| line.contains(";prod")).expect("a header") + 1;
    assert_eq!(problem.place.as_ref().map(|place| place.line as usize), Some(line));
    assert_eq!(problem.key.as_deref(), Some("AMAZON_S3_SECRET_KEY"));
}

#[test]
fn keys_may_stand_in_every_file_that_ansible_reads_and_the_vault_wins() {
    let in_public = format!(
        "{PUBLIC}AMAZON_S3_ACCESS_KEY: {}\nAMAZON_S3_SECRET_KEY: {}\n",
        inline("PUBLIC", "prod"),
        inline("SECRET", "prod")
    );
    let group = sealed(&keys("GROUP"), "prod");
    let vault = sealed(&keys("VAULT"), "prod");
    let files =
        [("group_vars/all/vault.yml", group.as_str()), ("public.yml", &in_public), ("vault.yml", &vault)];
    for (count, wanted) in [(3, "VAULT"), (2, "PUBLIC")] {
        assert_eq!(access_key(&load(&environment(&files[..count]), &["prod"]).expect("loads")), wanted);
    }
    let group_alone = [files[0], ("public.yml", PUBLIC)];
    assert_eq!(access_key(&load(&environment(&group_alone), &["prod"]).expect("loads")), "GROUP");
    assert_eq!(access_key(&load(&environment(&group_alone), &[]).expect("loads")), "locked vault.yml");
    let no_vault = environment(&[("public.yml", PUBLIC), ("group_vars/all.yml", "other: 1\n")]);
    assert_eq!(access_key(&load(&no_vault, &["prod"]).expect("loads")), "absent");
    // The file that Ansible reads last wins, and hidden ones and backups are none.
    let (a, b) = (keys("A"), keys("B"));
    let several = environment(&[
        ("public.yml", PUBLIC),
        ("group_vars/all/a.yml", &a),
        ("group_vars/all/deeper/b.yml", &b),
        ("group_vars/all/z.yml~", "[broken"),
        ("group_vars/all/.z.yml", "[broken"),
        ("group_vars/all.yml", "[broken"),
    ]);
    let settings = load(&several, &[]).expect("loads");
    assert_eq!(access_key(&settings), "B");
    let text = report::problems::text(&settings.problems, "ENV");
    assert_eq!(text.matches("is not encrypted").count(), 2, "{text}");
}

#[test]
fn every_version_of_the_secrets_has_its_digest() {
    let digest = |files: &[(&str, &str)]| match load(&environment(files), &["prod"]).expect("loads").vault {
        Vault::Open { digest, .. } | Vault::Locked { digest, .. } => Some(digest),
        Vault::Absent => None,
    };
    let value = inline("PUBLIC", "prod");
    let other = inline("PUBLIC", "prod");
    let public =
        |value: &str| format!("{PUBLIC}AMAZON_S3_ACCESS_KEY: {value}\nAMAZON_S3_SECRET_KEY: {value}\n");
    let first = digest(&[("public.yml", &public(&value))]);
    assert!(first.is_some());
    assert_eq!(first, digest(&[("public.yml", &format!("{}# comment\n", public(&value)))]));
    assert_ne!(first, digest(&[("public.yml", &public(&other))]));
}

#[test]
fn damage_is_told_with_its_line_and_a_wrong_password_is_something_else() {
    let good = sealed(&keys("VAULT"), "prod");
    let lines: Vec<&str> = good.lines().collect();
    let told = |vault: &str| {
        let problems = load(&environment(&[("public.yml", PUBLIC), ("vault.yml", vault)]), &["prod"]);
        let problems = problems.expect_err("refused");
        let [problem] = problems.list.as_slice() else { panic!("{problems:#?}") };
        (problem.place.as_ref().map_or(0, |place| place.line), problem.message.clone())
    };
    let (line, message) = told(&[&lines[..2], &["not hexadecimal"], &lines[3..]].concat().join("\n"));
    assert!(line == 3 && message.contains("damaged"), "{line}: {message}");
    let (line, message) = told(&[&lines[..3], &[&lines[3][..79]], &lines[4..]].concat().join("\n"));
    assert!(line == 4 && message.contains("damaged"), "{line}: {message}");
    let (line, message) = told("$ANSIBLE_VAULT;1.1;AES\n3030\n");
    assert!(line == 1 && message.contains("the header is not one of"), "{line}: {message}");
    let (line, message) = told(&seal(b"a: 1", b"another", "prod").expect("sealed"));
    assert!(line == 1 && message.contains("password is wrong"), "{line}: {message}");
}
