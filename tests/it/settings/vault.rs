//! Vaults: Ansible's own vectors through the library, and environments with one.

use base64::Engine;
use reconcile::settings::vault::Envelope;
use reconcile::settings::{self, Vault, VaultPassword};
use reconcile::vocab::Secret;

use super::environments::cases;
use super::folder::Folder;

/// `AMAZON_S3_ACCESS_KEY: CANARYACCESS` and `AMAZON_S3_SECRET_KEY: CANARYSECRET`, in the format of ansible-vault 1.2 with
/// the password `canary-password` and the label `prod`.
pub const SEALED: &str = include_str!("sealed.vault");

#[test]
fn ansibles_own_vaults_open() {
    let Some(root) = cases("B_vault") else { return };
    let manifest = std::fs::read_to_string(root.join("manifest.json")).expect("a manifest");
    let vectors: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let decode = |value: &serde_json::Value| {
        base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or_default()).expect("base64")
    };
    let mut opened = 0;
    for vector in vectors.as_array().expect("a list") {
        let id = vector["id"].as_str().expect("an id");
        let bytes = std::fs::read(root.join(vector["file"].as_str().expect("a file"))).expect("a vault");
        let text = String::from_utf8_lossy(&bytes);
        let result =
            Envelope::parse(&text).and_then(|envelope| envelope.open(&decode(&vector["password_b64"])));
        match vector["expect"].as_str() {
            Some("decrypt") => {
                let plain = result.unwrap_or_else(|error| panic!("{id}: {error}"));
                assert_eq!(hash(&plain), vector["plaintext_sha256"], "{id}");
                opened += 1;
            }
            _ => assert!(result.is_err(), "{id} must fail"),
        }
    }
    assert!(opened > 10, "only {opened} vectors");
}

fn hash(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}

fn environment() -> Folder {
    Folder::new(&[("public.yml", "deploy_env: prod\n"), ("vault.yml", SEALED)])
}

fn given(password: &str) -> Option<VaultPassword> {
    Some(VaultPassword::Given(Secret::new(password)))
}

#[test]
fn with_its_password_a_vault_gives_the_keys() {
    let sources = environment();
    let settings =
        settings::load(&sources.sources().with_vault_password(given("canary-password"))).expect("loads");
    let Vault::Open { secrets, digest } = &settings.vault else { panic!("{:?}", settings.vault) };
    let keys = secrets.s3.as_ref().expect("keys");
    assert_eq!((keys.access_key.expose(), keys.secret_key.expose()), ("CANARYACCESS", "CANARYSECRET"));
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
}

#[test]
fn without_its_password_a_vault_is_locked_and_all_else_loads() {
    let settings = environment().load().expect("loads");
    let Vault::Locked { digest, .. } = &settings.vault else { panic!("{:?}", settings.vault) };
    assert!(digest.starts_with("sha256:"));
    assert!(settings.problems.list.is_empty());
}

#[test]
fn a_wrong_password_is_told_and_never_repeated() {
    let folder = environment();
    let problems =
        settings::load(&folder.sources().with_vault_password(given("wrong-canary"))).expect_err("refused");
    let [problem] = problems.list.as_slice() else { panic!("{problems:#?}") };
    assert_eq!(problem.message, "the vault's password is wrong, or the file was changed");
    let help = "this vault wants the password that is labelled prod: --vault-id prod@FILE";
    assert_eq!(problem.help.as_deref(), Some(help));
    assert!(!format!("{problems:?}").contains("wrong-canary"));
}

#[test]
fn a_password_file_may_be_a_program() {
    use std::os::unix::fs::PermissionsExt;
    let folder = environment();
    let program = folder.path().join("password");
    std::fs::write(&program, "#!/bin/sh\nprintf 'canary-%s\\n' password\n").expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("executable");
    let sources = folder.sources().with_vault_password(Some(VaultPassword::File(program)));
    let settings = settings::load(&sources).expect("loads");
    assert!(matches!(&settings.vault, Vault::Open { secrets, .. } if secrets.s3.is_some()));
}

#[test]
fn a_missing_password_file_is_told() {
    let folder = environment();
    let missing = VaultPassword::File(folder.path().join("nothing"));
    let problems = settings::load(&folder.sources().with_vault_password(Some(missing))).expect_err("refused");
    assert_eq!(problems.list[0].message, "the vault's password cannot be had: it does not exist");
}

#[test]
fn plain_secrets_work_with_a_warning_wherever_commcare_cloud_keeps_them() {
    for house in ["", "localsettings_private:\n  ", "secrets:\n  "] {
        let indent = if house.is_empty() { "" } else { "  " };
        let vault = format!(
            "{house}AMAZON_S3_ACCESS_KEY: CANARYACCESS\n{indent}AMAZON_S3_SECRET_KEY: CANARYSECRET\n"
        );
        let folder = Folder::new(&[("public.yml", "deploy_env: prod\n"), ("vault.yml", &vault)]);
        let settings = folder.load().expect("loads");
        assert!(matches!(&settings.vault, Vault::Open { secrets, .. } if secrets.s3.is_some()));
        assert_eq!(settings.problems.list.len(), 2);
        let text = folder.validated();
        assert!(text.contains("is not encrypted") && !text.contains("CANARY"), "{text}");
    }
}

#[test]
fn inline_values_open_with_the_password_and_are_locked_without() {
    let sealed = SEALED_VALUE.trim_end().replace('\n', "\n  ");
    let vault =
        format!("AMAZON_S3_ACCESS_KEY: !vault |\n  {sealed}\nAMAZON_S3_SECRET_KEY: !vault |\n  {sealed}\n");
    let folder = Folder::new(&[("public.yml", "deploy_env: prod\n"), ("vault.yml", &vault)]);
    assert!(matches!(folder.load().expect("loads").vault, Vault::Locked { .. }));
    let settings =
        settings::load(&folder.sources().with_vault_password(given("canary-password"))).expect("loads");
    let Vault::Open { secrets, .. } = &settings.vault else { panic!("{:?}", settings.vault) };
    assert_eq!(secrets.s3.as_ref().map(|keys| keys.access_key.expose()), Some("CANARYVALUE"));
    assert!(settings.problems.list.is_empty());
}

/// `CANARYVALUE`, in the format of ansible-vault 1.1 with the password `canary-password`.
const SEALED_VALUE: &str = include_str!("sealed-value.vault");
