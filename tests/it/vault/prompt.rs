//! Passwords that a person types: on a terminal, hidden, and never waited for where there is none.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

use super::Desk;

/// What a person does: waits for a question, and types an answer.
struct Talk<'a>(&'a [(&'a str, &'a str)]);

/// The exit code, what stood on standard output, and on the terminal; whether the terminal shows what is typed again.
fn talk(mut command: Command, Talk(talk): Talk<'_>) -> (i32, Vec<u8>, String, bool) {
    let pty = openpty(None, None).expect("a terminal");
    let terminal = |fd: &OwnedFd| Stdio::from(fd.try_clone().expect("a terminal"));
    command.stdin(terminal(&pty.slave)).stderr(terminal(&pty.slave)).stdout(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut person = File::from(pty.master.try_clone().expect("a terminal"));
    let heard = heard(File::from(pty.master));
    let mut said = String::new();
    for (question, answer) in talk {
        let before = said.len();
        while !said.get(before..).unwrap_or_default().contains(question) {
            let more = heard.recv_timeout(Duration::from_secs(30));
            said.push_str(&more.unwrap_or_else(|_| panic!("{question}? {said}")));
        }
        person.write_all(answer.as_bytes()).expect("typed");
    }
    let mut output = child.stdout.take().expect("a pipe");
    let output = std::thread::spawn(move || {
        let mut all = Vec::new();
        output.read_to_end(&mut all).map(|_| all)
    });
    let begun = Instant::now();
    let status = loop {
        said.extend(heard.recv_timeout(Duration::from_millis(20)));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().expect("ended");
            panic!("it waits: {said}");
        }
    };
    while let Ok(more) = heard.recv_timeout(Duration::from_millis(100)) {
        said.push_str(&more);
    }
    let shows = tcgetattr(&pty.slave).expect("a terminal").local_flags;
    let output = output.join().expect("joined").expect("read");
    (status.code().unwrap_or(-1), output, said, shows.contains(LocalFlags::ECHO | LocalFlags::ISIG))
}

/// What appears on the terminal, until that is closed.
fn heard(mut terminal: File) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = terminal.read(&mut bytes) {
            if send.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                break;
            }
        }
    });
    receive
}

fn sealed(desk: &Desk) -> Vec<u8> {
    desk.run_with(&["vault", "encrypt", "--vault-password-file", "password"], b"deploy_env: prod\n").good()
}

#[test]
fn a_password_is_typed_and_not_shown() {
    let desk = Desk::new();
    desk.write("sealed", &sealed(&desk));
    let view = desk.program(&["vault", "view", "sealed"]);
    let (code, output, said, shows) = talk(view, Talk(&[("Vault password: ", "canary-passwort\x7fd\r")]));
    assert_eq!((code, output.as_slice()), (0, &b"deploy_env: prod\n"[..]), "{said}");
    assert!(!said.contains("canary") && shows, "{said}");
    let labelled = desk.program(&["vault", "view", "sealed", "--vault-id", "prod@prompt"]);
    let (code, _, said, _) = talk(labelled, Talk(&[("Vault password of prod: ", "wrong\n")]));
    assert!(code == 1 && said.contains("password is wrong"), "{said}");
}

#[test]
fn a_new_password_is_typed_twice() {
    let desk = Desk::new();
    desk.write("plain", b"text");
    let encrypt = || desk.program(&["vault", "encrypt", "plain"]);
    let differing = [("New vault password: ", "one\n"), ("The same again: ", "two\n")];
    let (code, _, said, _) = talk(encrypt(), Talk(&differing));
    assert!(code == 3 && said.contains("what was typed differs"), "{said}");
    assert_eq!(desk.read("plain"), b"text");
    let (code, _, said, _) = talk(
        encrypt(),
        Talk(&[("New vault password: ", "canary-password\n"), ("again: ", "canary-password\n")]),
    );
    assert_eq!(code, 0, "{said}");
    assert_eq!(desk.run(&["vault", "view", "plain", "--vault-password-file", "password"]).good(), b"text");
    let string = desk.program(&["vault", "encrypt-string", "--vault-password-file", "password"]);
    let (code, output, said, _) = talk(string, Talk(&[("String to encrypt (hidden): ", "canary\n")]));
    assert!(code == 0 && output.starts_with(b"!vault |") && !said.contains("canary"), "{said}");
}

#[test]
fn a_terminal_is_as_it_was_after_ctrl_c() {
    let desk = Desk::new();
    desk.write("sealed", &sealed(&desk));
    let view = desk.program(&["vault", "view", "sealed"]);
    let (code, output, said, shows) = talk(view, Talk(&[("Vault password: ", "half\x03")]));
    assert!(code == 3 && output.is_empty() && shows, "{said}");
}

#[test]
fn an_environment_asks_only_where_something_is_encrypted() {
    let desk = Desk::new();
    desk.write("public.yml", b"deploy_env: prod\n");
    let validate = || desk.program(&["validate"]);
    let (code, output, said, _) = talk(validate(), Talk(&[]));
    assert!(code == 0 && !said.contains("password"), "{said}");
    assert_eq!(output, b"no problems in .\n");
    let vault = desk.run_with(
        &["vault", "encrypt", "--vault-password-file", "password"],
        b"AMAZON_S3_ACCESS_KEY: a\nAMAZON_S3_SECRET_KEY: b\n",
    );
    desk.write("vault.yml", &vault.good());
    let (code, _, said, _) = talk(validate(), Talk(&[("Vault password: ", "canary-password\n")]));
    assert_eq!(code, 0, "{said}");
    let (code, _, said, _) = talk(validate(), Talk(&[("Vault password: ", "wrong\n")]));
    assert!(code == 1 && said.contains("password is wrong"), "{said}");
    // Nothing typed: locked, as without a terminal.
    let (code, _, said, _) = talk(validate(), Talk(&[("Vault password: ", "\n")]));
    assert_eq!(code, 0, "{said}");
    assert_eq!(desk.run(&["validate"]).good(), b"no problems in .\n");
    // A file judged by itself has no vault.
    let (code, _, said, _) = talk(desk.program(&["validate", "public.yml"]), Talk(&[]));
    assert_eq!(code, 0, "{said}");
    let asked = desk.run(&["validate", "--vault-id", "prod@prompt"]).failed(1);
    assert!(asked.contains("there is no terminal to ask on"), "{asked}");
}
