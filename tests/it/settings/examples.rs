//! The examples at the root load, and show every setting that they should.

use reconcile::settings::{Vault, keys};

use super::folder::Folder;

fn root(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).expect("an example")
}

#[test]
fn the_examples_load_without_an_error() {
    let public = root("public.yml.example");
    let vault = root("vault.example.yml");
    let inventory = "[pg_backup]\ndb1.example.org\n";
    let folder = Folder::new(&[("public.yml", &public), ("vault.yml", &vault), ("inventory.ini", inventory)]);
    let settings = folder.load().unwrap_or_else(|problems| panic!("{:#?}", problems.list));
    assert!(matches!(&settings.vault, Vault::Open { secrets, .. } if secrets.s3.is_some()));
    let about_the_vault = |file: &str| file.ends_with("vault.yml");
    assert!(
        settings.problems.list.iter().all(|problem| about_the_vault(&problem.file)),
        "{:#?}",
        settings.problems.list
    );
    assert!(settings.unsupported.is_empty(), "{:#?}", settings.unsupported);
}

#[test]
fn the_example_names_every_setting_that_is_carried_out() {
    let public = root("public.yml.example");
    for key in keys::KEYS {
        if key.part != keys::Part::Elasticsearch {
            assert!(public.contains(&format!("{}:", key.name)), "{} is not shown", key.name);
        }
    }
    for member in [
        "account",
        "region",
        "versioning",
        "keep_versions",
        "abort_uploads_after",
        "encryption",
        "public_access",
        "tls_only",
    ] {
        assert!(public.contains(&format!("{member}:")), "{member} is not shown");
    }
}
