//! `ansible-vault` reads everything that we write, and we everything that it writes.

use std::path::PathBuf;

use super::{Desk, answer};
use crate::support::ansible::program;

/// Contents of every kind, by name: `ansible-vault` takes everything but an empty string.
fn contents() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("one byte", b"x".to_vec()),
        ("a newline", b"\n".to_vec()),
        ("fifteen", b"0123456789abcde".to_vec()),
        ("sixteen", b"0123456789abcdef".to_vec()),
        ("seventeen", b"0123456789abcdefg".to_vec()),
        ("UTF-8", "schlüssel: 日本 🔑\n".as_bytes().to_vec()),
        ("binary", (0..=255).rev().cycle().take(1000).collect()),
        ("a vault inside", b"# $ANSIBLE_VAULT;1.1;AES256\nfoo\n".to_vec()),
        ("5 MiB", b"0123456789abcdef".repeat(5 << 16)),
    ]
}

fn ids() -> [(&'static str, &'static str); 3] {
    [
        ("default@password", "1.1;AES256\n"),
        ("prod@password", "1.2;AES256;prod\n"),
        ("a b@spaced", "1.2;AES256;a b\n"),
    ]
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("spaced", " pässwörd with spaces \n".as_bytes());
    desk
}

/// Files of all contents, by name; the large one, which takes its time, for one password.
fn files(desk: &Desk, id: &str) -> Vec<(&'static str, Vec<u8>)> {
    let is_small = |bytes: &Vec<u8>| bytes.len() < 1 << 20;
    let files: Vec<_> =
        contents().into_iter().filter(|(_, bytes)| is_small(bytes) || id == "prod@password").collect();
    files.iter().for_each(|(name, bytes)| desk.write(name, bytes));
    files
}

#[test]
fn ansible_opens_what_we_write() {
    let Some(ansible) = program("ansible-vault") else { return };
    let desk = desk();
    for (id, header) in ids() {
        let files = files(&desk, id);
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        desk.run(&[&["vault", "encrypt", "--vault-id", id], &names[..]].concat()).good();
        for (name, _) in &files {
            assert!(desk.read(name).starts_with(format!("$ANSIBLE_VAULT;{header}").as_bytes()), "{name}");
        }
        let decrypt = desk.command(&ansible, &[&["decrypt", "--vault-id", id], &names[..]].concat());
        answer(decrypt, b"").good();
        for (name, bytes) in &files {
            assert!(desk.read(name) == *bytes, "{name}, {id}");
        }
    }
}

#[test]
fn we_open_what_ansible_writes() {
    let Some(ansible) = program("ansible-vault") else { return };
    let desk = desk();
    for (id, _) in ids() {
        let mut files = files(&desk, id);
        desk.write("nothing", b"");
        files.push(("nothing", Vec::new()));
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        let encrypt = desk.command(&ansible, &[&["encrypt", "--vault-id", id], &names[..]].concat());
        answer(encrypt, b"").good();
        for (name, bytes) in &files {
            assert!(desk.run(&["vault", "view", name, "--vault-id", id]).good() == *bytes, "{name}, {id}");
        }
    }
}

#[test]
fn the_layout_is_ansibles() {
    let Some(ansible) = program("ansible-vault") else { return };
    let desk = desk();
    let shape = |text: Vec<u8>| {
        let text = String::from_utf8(text).expect("ASCII");
        let line = |line: &str| {
            if line.contains('$') || line.contains(':') { line.to_owned() } else { line.len().to_string() }
        };
        (text.lines().map(line).collect::<Vec<_>>(), text.ends_with('\n'))
    };
    let id = ["--vault-id", "prod@password"];
    let ours =
        desk.run_with(&[&["vault", "encrypt-string", "--name", "KEY"], &id[..]].concat(), b"value").good();
    let theirs = desk.command(&ansible, &[&["encrypt_string", "--stdin-name", "KEY"], &id[..]].concat());
    assert_eq!(shape(ours), shape(answer(theirs, b"value").good()));
}

/// A value of ours within a file of variables, which Ansible loads and uses.
#[test]
fn ansible_reads_our_inline_values() {
    let Some(ansible) = program("ansible") else { return };
    let desk = desk();
    let id = ["--vault-id", "prod@password"];
    let mut vars = "plain: text\n".to_owned();
    for (key, value) in [("ONE", "first"), ("TWO", "zwölf: '{{ x }}' # 日本\n two lines")] {
        let arguments = [&["vault", "encrypt-string", "--name", key], &id[..]].concat();
        vars.push_str(&String::from_utf8(desk.run_with(&arguments, value.as_bytes()).good()).expect("ASCII"));
    }
    desk.write("vars.yml", vars.as_bytes());
    let arguments = [
        "localhost",
        "-m",
        "debug",
        "-a",
        "msg={{ [plain, ONE, TWO | length] | to_json }}",
        "-e",
        "@vars.yml",
    ];
    let mut debug = desk.command(&ansible, &[&arguments, &id[..]].concat());
    debug.env("ANSIBLE_LOCALHOST_WARNING", "False").env("LC_ALL", "C.UTF-8").env("ANSIBLE_NOCOLOR", "1");
    let said = String::from_utf8(answer(debug, b"").good()).expect("UTF-8");
    assert!(said.contains(r#"[\"text\", \"first\", "#), "{said}");
}

/// A value of Ansible's in our vault, found as an access key.
#[test]
fn we_read_ansibles_inline_values() {
    let Some(ansible) = program("ansible-vault") else { return };
    let desk = desk();
    let mut vault = String::new();
    for (key, value) in [("AMAZON_S3_ACCESS_KEY", "ACCESS"), ("AMAZON_S3_SECRET_KEY", "SECRET")] {
        let arguments = ["encrypt_string", "--stdin-name", key, "--vault-id", "prod@password"];
        let text = answer(desk.command(&ansible, &arguments), value.as_bytes()).good();
        vault.push_str(&String::from_utf8(text).expect("ASCII"));
    }
    let folder =
        crate::settings::folder::Folder::new(&[("public.yml", "deploy_env: prod\n"), ("vault.yml", &vault)]);
    let ids = [format!("prod@{}", desk.path("password").display()).parse().expect("an id")];
    let sources = folder.sources().with_keyring(reconcile::settings::Keyring::new(ids));
    let settings = reconcile::settings::load(&sources).expect("loads");
    let reconcile::settings::Vault::Open { secrets, .. } = &settings.vault else {
        panic!("{:?}", settings.vault)
    };
    let keys = secrets.s3.as_ref().expect("keys");
    assert_eq!((keys.access_key.expose(), keys.secret_key.expose()), ("ACCESS", "SECRET"));
}

/// The vectors of Ansible's own tests and of its releases, through the command line.
#[test]
fn the_recorded_vaults_pass_their_own_runner() {
    let Some(root) = crate::settings::environments::cases("B_vault") else { return };
    let command = format!(
        "{} vault view {{file}} --vault-password-file {{password_file}}",
        env!("CARGO_BIN_EXE_reconcile")
    );
    let desk = Desk::new();
    let python = program("ansible-vault").map(|vault| vault.with_file_name("python"));
    let runner: PathBuf = root.join("run.py");
    let runner = runner.to_str().expect("UTF-8");
    let mut arguments = vec![runner, "--cmd", &command];
    // Without Ansible's own Python the large one cannot be made.
    let big = python.as_ref().filter(|python| python.is_file()).and_then(|python| python.to_str());
    arguments.extend(big.iter().flat_map(|python| ["--big", "--ansible-python", python]));
    let said = answer(desk.command("python3".as_ref(), &arguments), b"");
    assert_eq!(said.code, 0, "{}{}", String::from_utf8_lossy(&said.stdout), said.stderr);
}
