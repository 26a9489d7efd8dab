//! Writes that fail midway: the old file stays, byte for byte, and nothing else does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::{Answer, Desk, answer};

/// Two files to be worked on, in a folder of their own.
fn desk() -> (Desk, Vec<u8>, Vec<u8>) {
    let desk = Desk::new();
    let plain = b"0123456789abcdef".repeat(4096);
    let sealed = desk.run_with(&["vault", "encrypt", "--vault-password-file", "password"], &plain).good();
    desk.write("work/plain", &plain);
    desk.write("work/sealed", &sealed);
    desk.write("other", b"other");
    (desk, plain, sealed)
}

const WRITES: [&[&str]; 5] = [
    &["encrypt", "work/plain"],
    &["decrypt", "work/sealed"],
    &["rekey", "work/sealed", "--new-vault-password-file", "other"],
    &["encrypt", "work/plain", "--to", "work/sealed"],
    &["decrypt", "work/sealed", "--to", "work/new"],
];

fn harmless(run: impl Fn(&Desk, &[&str]) -> Answer) {
    let (desk, plain, sealed) = desk();
    for arguments in WRITES {
        let arguments = [&["vault", "--vault-password-file", "password"], arguments].concat();
        let stderr = run(&desk, &arguments).failed(1);
        assert!(stderr.contains("cannot be written"), "{arguments:?}: {stderr}");
        let mut names: Vec<_> = fs::read_dir(desk.path("work")).expect("listed").flatten().collect();
        names.sort_by_key(fs::DirEntry::file_name);
        let names: Vec<_> = names.iter().map(fs::DirEntry::file_name).collect();
        assert_eq!(names, ["plain", "sealed"], "{arguments:?}");
        assert!(desk.read("work/plain") == plain && desk.read("work/sealed") == sealed, "{arguments:?}");
    }
}

/// A disk that is full after some blocks looks like a limit on the size of files.
#[test]
fn a_write_that_is_cut_short_leaves_the_old_file() {
    harmless(|desk, arguments| {
        // In blocks of 512 or 1024 bytes, as the shell has it; less than each of the texts.
        let script = "ulimit -f 40; exec \"$@\"";
        let program = env!("CARGO_BIN_EXE_reconcile");
        let arguments = [&["-c", script, "sh", program], arguments].concat();
        answer(desk.command(Path::new("/bin/sh"), &arguments), b"")
    });
}

#[test]
fn a_folder_that_may_not_be_written_leaves_the_old_file() {
    let is_root = nix::unistd::geteuid().is_root();
    harmless(|desk, arguments| {
        fs::set_permissions(desk.path("work"), fs::Permissions::from_mode(0o555)).expect("set");
        if !is_root {
            return desk.run(arguments);
        }
        // Nothing is forbidden to root: somebody else tries, with a program that they can reach.
        fs::set_permissions(desk.path("."), fs::Permissions::from_mode(0o755)).expect("set");
        let program = desk.path("reconcile");
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_reconcile"), &program).expect("copied");
        }
        let mut command = desk.command(&program, arguments);
        answer(
            {
                command.uid(65534).gid(65534);
                command
            },
            b"",
        )
    });
}

#[test]
fn a_full_standard_output_is_a_failure() {
    let (desk, _, _) = desk();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("opened");
    let mut view = desk.program(&["vault", "view", "work/sealed", "--vault-password-file", "password"]);
    let status = view.stdout(full).stderr(std::process::Stdio::null()).status().expect("ended");
    assert_eq!(status.code(), Some(1));
}
