//! Each verb, what it says, and its exit code.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::Desk;

const PASSWORD: [&str; 2] = ["--vault-password-file", "password"];

fn vault<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    ["vault"].iter().chain(arguments).chain(&PASSWORD).copied().collect()
}

#[test]
fn a_file_is_encrypted_in_place_viewed_and_decrypted() {
    let desk = Desk::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).chain(*b"\x1b[31mred\x1b[0m\r\n").collect();
    desk.write("file", &bytes);
    fs::set_permissions(desk.path("file"), fs::Permissions::from_mode(0o640)).expect("set");
    assert_eq!(desk.run(&vault(&["encrypt", "file"])).good(), b"encrypted file\n");
    let sealed = String::from_utf8(desk.read("file")).expect("ASCII");
    assert!(sealed.starts_with("$ANSIBLE_VAULT;1.1;AES256\n") && sealed.ends_with('\n'));
    let lines: Vec<&str> = sealed.lines().skip(1).collect();
    assert!(lines.iter().rev().skip(1).all(|line| line.len() == 80));
    assert_eq!(fs::metadata(desk.path("file")).expect("a file").mode() & 0o7777, 0o640);
    assert_eq!(desk.run(&vault(&["view", "file"])).good(), bytes);
    assert_eq!(desk.run(&vault(&["view", "file", "file"])).good(), [&bytes[..], &bytes[..]].concat());
    let decrypted = desk.run(&vault(&["decrypt", "file"]));
    assert!(decrypted.stderr.contains("warning: file is plain now"), "{}", decrypted.stderr);
    assert_eq!(decrypted.good(), b"decrypted file\n");
    assert_eq!(desk.read("file"), bytes);
    assert_eq!(fs::metadata(desk.path("file")).expect("a file").mode() & 0o7777, 0o640);
    assert_eq!(desk.names(), ["file", "password"]);
}

#[test]
fn standard_input_goes_to_standard_output_and_to_names_another_file() {
    let desk = Desk::new();
    let sealed = desk.run_with(&vault(&["encrypt"]), b"plain").good();
    assert_eq!(desk.run_with(&vault(&["decrypt", "-"]), &sealed).good(), b"plain");
    assert_eq!(desk.run_with(&vault(&["view", "-"]), &sealed).good(), b"plain");
    desk.write("sealed", &sealed);
    assert_eq!(desk.run(&vault(&["decrypt", "sealed", "--to", "-"])).good(), b"plain");
    desk.run(&vault(&["decrypt", "sealed", "--to", "plain"])).good();
    assert_eq!((desk.read("plain"), desk.read("sealed")), (b"plain".to_vec(), sealed));
    assert_eq!(fs::metadata(desk.path("plain")).expect("a file").mode() & 0o777, 0o600);
    desk.run(&vault(&["encrypt", "sealed", "plain", "--to", "x"])).failed(64);
    desk.run(&vault(&["view", "plain", "--output", "json"])).failed(64);
}

#[test]
fn what_makes_no_sense_is_told_and_touches_nothing() {
    let desk = Desk::new();
    let sealed = desk.run_with(&vault(&["encrypt"]), b"plain").good();
    let text = String::from_utf8(sealed.clone()).expect("ASCII");
    desk.write("sealed", &sealed);
    desk.write("plain", b"plain");
    desk.write("empty", b"");
    desk.write("cut", &sealed[..sealed.len() - 2]);
    desk.write("wrong-digit", text.replacen("\n3", "\ng", 1).as_bytes());
    desk.write("other", b"another");
    let other = ["--vault-password-file", "other"];
    let cases: [(&[&str], i32, &str); 12] = [
        (&["encrypt", "sealed"], 1, "error: sealed is encrypted already"),
        (&["encrypt", "empty"], 1, "error: empty is empty"),
        (&["encrypt", "missing"], 1, "error: missing cannot be read: No such file"),
        (&["encrypt", "."], 1, "error: . is no regular file"),
        (&["decrypt", "plain"], 1, "error: plain is not encrypted"),
        (&["decrypt", "empty"], 1, "error: empty is empty"),
        (&["view", "plain"], 1, "error: plain is not encrypted"),
        (&["view", "sealed", "plain"], 1, "error: plain is not encrypted"),
        (&["view", "cut"], 1, "the vault is damaged: something is missing"),
        (&["view", "wrong-digit"], 1, "--> wrong-digit:2:1"),
        (&["decrypt", "sealed", "cut"], 1, "the vault is damaged"),
        (&["rekey", "plain", "--new-vault-password-file", "other"], 1, "error: plain is not encrypted"),
    ];
    let before: Vec<Vec<u8>> = desk.names().iter().map(|name| desk.read(name)).collect();
    let names = desk.names();
    for (arguments, code, says) in cases {
        let stderr = desk.run(&vault(arguments)).failed(code);
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
    for verb in ["view", "decrypt"] {
        let stderr = desk.run(&[&["vault", verb, "sealed"][..], &other].concat()).failed(1);
        assert!(
            stderr.contains("the vault's password is wrong") && stderr.contains("sealed:1:1"),
            "{stderr}"
        );
    }
    let stderr = desk.run(&["vault", "view", "sealed"]).failed(3);
    assert!(stderr.contains("refused: the vault's password cannot be had: there is no terminal"), "{stderr}");
    let stderr = desk.run(&["vault", "encrypt", "plain"]).failed(3);
    assert!(stderr.contains("no terminal to ask on"), "{stderr}");
    assert_eq!(desk.names(), names);
    assert_eq!(names.iter().map(|name| desk.read(name)).collect::<Vec<_>>(), before);
}

#[test]
fn passwords_have_labels() {
    let desk = Desk::new();
    for label in ["dev", "prod"] {
        desk.write(label, label.as_bytes());
        desk.write(&format!("of-{label}"), b"text");
    }
    let both = ["--vault-id", "dev@dev", "--vault-id", "prod@prod"];
    let run = |arguments: &[&str]| desk.run(&[&["vault"], arguments, &both].concat());
    assert!(run(&["encrypt", "of-dev"]).failed(64).contains("--encrypt-vault-id"));
    assert!(run(&["encrypt", "of-dev", "--encrypt-vault-id", "none"]).failed(64).contains("labelled none"));
    let told = run(&["encrypt", "of-prod", "--encrypt-vault-id", "prod"]).good();
    assert_eq!(told, b"encrypted of-prod, with the password of prod\n");
    assert!(desk.read("of-prod").starts_with(b"$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    assert_eq!(run(&["view", "of-prod"]).good(), b"text");
    // The label is a hint: a password of another name opens it too.
    assert_eq!(desk.run(&["vault", "view", "of-prod", "--vault-id", "dev@prod"]).good(), b"text");
    let stderr = desk.run(&["vault", "view", "of-prod", "--vault-id", "dev@dev"]).failed(1);
    assert!(stderr.contains("wants the password that is labelled prod"), "{stderr}");
    // A password without a label takes the one that is asked for.
    desk.run(&vault(&["encrypt", "of-dev", "--encrypt-vault-id", "dev"])).good();
    assert!(desk.read("of-dev").starts_with(b"$ANSIBLE_VAULT;1.2;AES256;dev\n"));
    let stderr = run(&["view", "of-dev"]).failed(1);
    assert!(stderr.contains("none of the 2 passwords (dev, prod) opens this vault"), "{stderr}");
    desk.run(&vault(&["rekey", "of-dev", "--new-vault-id", "prod@prod"])).good();
    assert!(desk.read("of-dev").starts_with(b"$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    assert_eq!(run(&["view", "of-dev"]).good(), b"text");
    desk.run(&["vault", "view", "of-dev", "--vault-id", "a;b@dev"]).failed(64);
}

#[test]
fn only_the_program_of_the_right_label_runs() {
    let desk = Desk::new();
    for label in ["dev", "prod"] {
        let client = format!("store-{label}-client");
        desk.write(&client, format!("#!/bin/sh\necho \"$*\" >> ran\necho {label}\n").as_bytes());
        fs::set_permissions(desk.path(&client), fs::Permissions::from_mode(0o700)).expect("set");
    }
    let ids = ["--vault-id", "dev@store-dev-client", "--vault-id", "prod@./store-prod-client"];
    let encrypt = ["vault", "encrypt", "-", "--encrypt-vault-id", "prod"];
    let sealed = desk.run_with(&[&encrypt[..], &ids].concat(), b"text").good();
    assert_eq!(desk.run_with(&[&["vault", "view", "-"], &ids[..]].concat(), &sealed).good(), b"text");
    assert_eq!(desk.read("ran"), b"--vault-id prod\n--vault-id prod\n");
}

#[test]
fn the_password_may_stand_in_the_environment() {
    let desk = Desk::new();
    let mut encrypt = desk.program(&["vault", "encrypt"]);
    encrypt.env("RECONCILE_VAULT_PASSWORD", "canary-password");
    let sealed = super::answer(encrypt, b"text").good();
    let mut view = desk.program(&["vault", "view", "-"]);
    view.env("ANSIBLE_VAULT_PASSWORD_FILE", "password").env("RECONCILE_VAULT_PASSWORD", "not this one");
    assert_eq!(super::answer(view, &sealed).good(), b"text");
    // Neither a shell nor anybody else has put the home directory in its place.
    let mut view = desk.program(&["vault", "view", "-"]);
    view.env("ANSIBLE_VAULT_PASSWORD_FILE", "~/password").current_dir("/");
    assert_eq!(super::answer(view, &sealed).good(), b"text");
}

#[test]
fn a_link_stays_a_link_and_a_second_name_is_refused() {
    let desk = Desk::new();
    desk.write("below/real", b"text");
    symlink("below/real", desk.path("link")).expect("a link");
    desk.run(&vault(&["encrypt", "link"])).good();
    assert!(fs::symlink_metadata(desk.path("link")).expect("a link").is_symlink());
    assert!(desk.read("below/real").starts_with(b"$ANSIBLE_VAULT"));
    symlink("nowhere", desk.path("lost")).expect("a link");
    let stderr = desk.run(&vault(&["decrypt", "link", "--to", "lost"])).failed(1);
    assert!(stderr.contains("lost is a link that leads nowhere"), "{stderr}");
    desk.write("one", b"text");
    fs::hard_link(desk.path("one"), desk.path("two")).expect("a second name");
    let stderr = desk.run(&vault(&["encrypt", "one"])).failed(1);
    assert!(stderr.contains("2 names (hard links)"), "{stderr}");
    assert_eq!((desk.read("one"), desk.read("two")), (b"text".to_vec(), b"text".to_vec()));
}

#[test]
fn a_string_becomes_a_value_of_yaml_and_is_no_argument() {
    let desk = Desk::new();
    let value = desk.run_with(&vault(&["encrypt-string", "--name", "KEY"]), b"secret").good();
    let text = String::from_utf8(value).expect("ASCII");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("KEY: !vault |"));
    assert_eq!(lines.next(), Some("          $ANSIBLE_VAULT;1.1;AES256"));
    let sealed: String = text.lines().skip(1).map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(desk.run_with(&vault(&["view", "-"]), sealed.as_bytes()).good(), b"secret");
    let newline = desk.run_with(&vault(&["encrypt_string"]), b"secret\n");
    assert!(newline.stderr.contains("ends with a newline"));
    assert!(newline.good().starts_with(b"!vault |\n"));
    let stderr = desk.run(&vault(&["encrypt-string", "CANARY"])).failed(64);
    assert!(stderr.contains("takes no argument") && !stderr.contains("CANARY"), "{stderr}");
    desk.run_with(&vault(&["encrypt-string", "--name", "a: b"]), b"secret").failed(64);
    desk.run_with(&vault(&["encrypt-string"]), b"").failed(1);
    desk.run_with(&vault(&["encrypt-string"]), b"\xff").failed(1);
    let stderr = desk.run_with(&vault(&["encrypt-string", "--to", "password"]), b"secret").failed(1);
    assert!(stderr.contains("password exists"), "{stderr}");
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let desk = Desk::new();
    let large = fs::File::create(desk.path("large")).expect("created");
    large.set_len((16 << 20) + 1).expect("grown");
    let stderr = desk.run(&vault(&["encrypt", "large"])).failed(1);
    assert!(stderr.contains("larger than 16 MiB"), "{stderr}");
    large.set_len(1 << 40).expect("grown");
    assert!(desk.run(&vault(&["view", "large"])).failed(1).contains("larger than 64 MiB"));
}
