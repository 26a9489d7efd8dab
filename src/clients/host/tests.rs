//! One contract for every kind of host: a folder of the sandbox, and this machine through its shell.

use super::*;
use crate::vocab::Secret;

/// A host whose files lie below a directory of the test's, and how paths of it are written.
struct Tried {
    host: Host,
    top: String,
    _base: tempfile::TempDir,
}

fn folder(tripwire: Option<Tripwire>) -> Tried {
    let base = tempfile::tempdir().expect("a directory");
    let host = Host::Folder(Folder::new(base.path().join("db1"), tripwire));
    Tried { host, top: String::new(), _base: base }
}

/// Paths of this machine begin in the test's own directory.
fn machine() -> Tried {
    let base = tempfile::tempdir().expect("a directory");
    let top = base.path().canonicalize().expect("there").display().to_string();
    Tried { host: Host::Shell(Box::new(Shell::new(Way::Local, None))), top, _base: base }
}

impl Tried {
    fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.top)
    }

    /// Whoever runs the tests, on the machine; on a folder, anybody.
    fn access(&self, mode: u32) -> Access {
        let name = |name: Option<String>| name.unwrap_or_else(|| "root".to_owned());
        if self.top.is_empty() {
            return Access { owner: "postgres".to_owned(), group: "postgres".to_owned(), mode };
        }
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).ok().flatten();
        Access { owner: name(user.map(|user| user.name)), group: name(group.map(|group| group.name)), mode }
    }

    /// The same host, over a connection of its own.
    fn again(&self) -> Host {
        match &self.host {
            Host::Folder(folder) => Host::Folder(folder.clone()),
            Host::Shell(_) => Host::Shell(Box::new(Shell::new(Way::Local, None))),
        }
    }

    async fn look(&self, paths: &[&str], directory: &str) -> View {
        let question = Question {
            paths: paths.iter().map(|path| self.path(path)).collect(),
            directories: [(self.path(directory), Contents::All)].into(),
            ..Question::default()
        };
        self.host.look(&question).await.expect("it answers")
    }

    /// Names in a directory.
    async fn names(&self, directory: &str) -> Vec<String> {
        let (view, directory) = (self.look(&[], directory).await, self.path(directory));
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        view.within(&directory).map(|(path, _)| name(path)).collect()
    }
}

async fn keeps_files_owners_and_modes(tried: &Tried) {
    let (host, file) = (&tried.host, tried.path("/etc/reconcile/p/x.json"));
    host.make_directory(&tried.path("/etc/reconcile/p"), &tried.access(0o750)).await.expect("made");
    // Bytes that a shell, a terminal or a line of base64 might stumble over.
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    host.write(&file, &bytes, &tried.access(0o600)).await.expect("written");
    let view = tried
        .look(&["/etc/reconcile/p/x.json", "/etc/reconcile/p", "/nowhere/at/all"], "/etc/reconcile/p")
        .await;
    let seen = view.at(&file).expect("readable").expect("there");
    assert_eq!((seen.kind, &seen.access, seen.bytes == bytes), (EntryKind::File, &tried.access(0o600), true));
    let directory = view.at(&tried.path("/etc/reconcile/p")).expect("readable").expect("there");
    assert_eq!((directory.kind, directory.access.mode), (EntryKind::Directory, 0o750));
    assert_eq!(view.at(&tried.path("/nowhere/at/all")).expect("seen not to be there"), None);
    assert_eq!(tried.names("/etc/reconcile/p").await, ["x.json"]);
    assert_eq!(tried.names("/nowhere").await, Vec::<String>::new());
    // Again, with other bytes and bits; an empty file is one too.
    host.write(&file, b"", &tried.access(0o644)).await.expect("replaced");
    let view = tried.look(&["/etc/reconcile/p/x.json"], "/etc").await;
    let seen = view.at(&file).expect("readable").expect("there");
    assert_eq!((&seen.access, seen.bytes.len()), (&tried.access(0o644), 0));
    host.remove(&file).await.expect("removed");
    host.remove(&file).await.expect("removed once more");
    assert_eq!(tried.names("/etc/reconcile/p").await, Vec::<String>::new());
}

async fn a_write_that_fails_leaves_the_old_file(tried: &Tried) {
    let (host, access) = (&tried.host, tried.access(0o644));
    host.make_directory(&tried.path("/srv/d"), &access_of_directory(tried)).await.expect("made");
    host.write(&tried.path("/srv/x"), b"old", &access).await.expect("written");
    // A directory in the file's place cannot be replaced by a file, and without a directory there is no place.
    assert!(host.write(&tried.path("/srv/d"), b"new", &access).await.is_err());
    assert!(host.write(&tried.path("/missing/x"), b"new", &access).await.is_err());
    // The connection is still good.
    let view = tried.look(&["/srv/x"], "/srv").await;
    assert_eq!(
        view.at(&tried.path("/srv/x")).expect("readable").map(|seen| seen.bytes.clone()),
        Some(b"old".to_vec())
    );
    assert_eq!(tried.names("/srv").await, ["d", "x"]);
}

async fn of_many_who_swap_at_once_one_does(tried: &Tried) {
    let (host, path) = (&tried.host, tried.path("/run/reconcile/x.lock"));
    assert_eq!(host.swap(&path, Some(b"old"), Some(b"new")).await.expect("tried"), Swapped::Differs(None));
    assert_eq!(host.swap(&path, None, Some(b"first \xff\n")).await.expect("tried"), Swapped::Done);
    let there = Swapped::Differs(Some(b"first \xff\n".to_vec()));
    assert_eq!(host.swap(&path, None, Some(b"second")).await.expect("tried"), there);
    assert_eq!(host.swap(&path, Some(b"other"), None).await.expect("tried"), there);
    assert_eq!(host.swap(&path, Some(b"first \xff\n"), Some(b"second")).await.expect("tried"), Swapped::Done);
    assert_eq!(tried.names("/run/reconcile").await, ["x.lock"], "nothing is left over");
    assert_eq!(host.swap(&path, Some(b"second"), None).await.expect("tried"), Swapped::Done);
    assert_eq!(tried.names("/run/reconcile").await, Vec::<String>::new());

    // Many connections, each with its own bytes: to make it, to replace it, to remove it.
    let hosts: Vec<Host> = (0..8).map(|_| tried.again()).collect();
    let mut from: Option<Vec<u8>> = None;
    for round in 0..4_u8 {
        let to = |at: usize| (round < 3).then(|| vec![round, at as u8]);
        let tries = hosts.iter().enumerate().map(|(at, host)| {
            let (path, from) = (&path, from.as_deref());
            async move { host.swap(path, from, to(at).as_deref()).await.expect("tried") }
        });
        let swapped = futures_util::future::join_all(tries).await;
        let done: Vec<usize> = (0..8).filter(|at| swapped[*at] == Swapped::Done).collect();
        assert_eq!(done.len(), 1, "round {round}: {swapped:?}");
        from = to(done[0]);
        let there = swapped.iter().filter(|swapped| **swapped != Swapped::Done);
        assert!(
            there.clone().all(|there| *there == Swapped::Differs(from.clone())),
            "round {round}: {swapped:?}"
        );
    }
}

async fn what_is_no_file_is_not_swapped(tried: &Tried) {
    let (host, path) = (&tried.host, tried.path("/run/reconcile/d"));
    host.make_directory(&path, &tried.access(0o755)).await.expect("made");
    assert!(host.swap(&path, None, Some(b"x")).await.is_err());
    assert_eq!(tried.names("/run/reconcile").await, ["d"], "nothing is left over");
}

fn access_of_directory(tried: &Tried) -> Access {
    tried.access(0o755)
}

async fn links_and_ways_out_are_refused(tried: &Tried) {
    tried.host.make_directory(&tried.path("/etc"), &tried.access(0o755)).await.expect("made");
    let real = match &tried.host {
        Host::Folder(folder) => folder.locate("/etc/link").expect("a path"),
        Host::Shell(_) => tried.path("/etc/link").into(),
    };
    std::os::unix::fs::symlink("/etc/passwd", real).expect("linked");
    let view = tried.look(&["/etc/link"], "/etc").await;
    let seen = view.at(&tried.path("/etc/link")).expect("seen").expect("there");
    assert_eq!((seen.kind, seen.bytes.len()), (EntryKind::Other, 0));
    assert!(tried.host.make_directory(&tried.path("/etc/link"), &tried.access(0o755)).await.is_err());
    for path in ["/etc/../../x", "etc", "", "/./x/..", "/etc/*", "/etc/a\nb"] {
        assert!(tried.host.write(path, b"x", &tried.access(0o644)).await.is_err(), "{path:?}");
    }
}

#[tokio::test]
async fn a_folder_is_a_host() {
    keeps_files_owners_and_modes(&folder(None)).await;
    a_write_that_fails_leaves_the_old_file(&folder(None)).await;
    links_and_ways_out_are_refused(&folder(None)).await;
    of_many_who_swap_at_once_one_does(&folder(None)).await;
    what_is_no_file_is_not_swapped(&folder(None)).await;
}

#[tokio::test]
async fn this_machine_is_a_host() {
    keeps_files_owners_and_modes(&machine()).await;
    a_write_that_fails_leaves_the_old_file(&machine()).await;
    links_and_ways_out_are_refused(&machine()).await;
    of_many_who_swap_at_once_one_does(&machine()).await;
    what_is_no_file_is_not_swapped(&machine()).await;
}

#[tokio::test]
async fn a_folder_that_is_stopped_changes_nothing() {
    let tried = folder(Some(Arc::new(|_| Err("stopped".to_owned()))));
    assert!(tried.host.write("/srv/x", b"new", &tried.access(0o644)).await.is_err());
    assert_eq!(tried.names("/srv").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_machine_says_what_is_wrong() {
    let tried = machine();
    let nobody = Access { owner: "no-such-user-here".to_owned(), ..tried.access(0o600) };
    let path = tried.path("/x");
    let error = tried.host.write(&path, b"new", &nobody).await.expect_err("no such user").to_string();
    assert!(error.contains("no user `no-such-user-here`"), "{error}");
    assert_eq!(tried.names("").await, Vec::<String>::new(), "nothing is left over");
}

#[tokio::test]
async fn a_machine_tells_its_facts_and_what_it_has() {
    let tried = machine();
    fs::write(tried.path("/tool"), "#!/bin/sh\necho reconcile 9.9.9\n").expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tried.path("/tool"), mode).expect("given");
    fs::write(tried.path("/big name.gz"), vec![0; 1 << 16]).expect("written");
    let question = Question {
        facts: true,
        program: Some(tried.path("/tool")),
        users: ["root".to_owned(), "no-such-user-here".to_owned()].into(),
        space: [tried.path("/not/yet/there")].into(),
        sizes: [tried.top.clone()].into(),
        ..Question::default()
    };
    let view = tried.host.look(&question).await.expect("it answers");
    let facts = &view.facts;
    assert!(facts.clock.is_some() && facts.hostname.is_some() && facts.architecture.is_some());
    assert_eq!(facts.users, ["root".to_owned()].into());
    assert_eq!(facts.program.as_ref().map(|program| program.banner.as_str()), Some("reconcile 9.9.9"));
    assert!(facts.space[&tried.path("/not/yet/there")].total > 0);
    assert_eq!(view.sizes[&tried.path("/big name.gz")].0, 1 << 16);
}

#[tokio::test]
async fn a_program_is_tried_before_it_is_put_in_its_place() {
    use sha2::{Digest, Sha256};
    let program = |text: &str, banner: &str| ProgramFile {
        bytes: text.as_bytes().into(),
        sha256: hex::encode(Sha256::digest(text.as_bytes())),
        banner: banner.to_owned(),
    };
    let tried = machine();
    let path = tried.path("/bin/reconcile");
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root gives files to root");
    }
    // Larger than what travels at once.
    let padding = "# padding that does not repeat itself too well\n".repeat(4000);
    let good = program(&format!("#!/bin/sh\necho reconcile 1.2.3\nexit 0\n{padding}"), "reconcile 1.2.3");
    tried.host.install(&path, &good).await.expect("installed");
    for (bad, why) in [
        (program("#!/bin/sh\nexit 3\n", "reconcile 1.2.3"), "does not start"),
        (program("#!/bin/sh\necho other 1\n", "reconcile 1.2.3"), "calls itself"),
        (ProgramFile { sha256: "00".repeat(32), ..good.clone() }, "did not arrive whole"),
    ] {
        let error = tried.host.install(&path, &bad).await.expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(fs::read(&path).expect("there"), good.bytes.as_ref());
    assert_eq!(tried.names("/bin").await, ["reconcile"]);
}

#[tokio::test]
async fn a_password_is_no_command_and_in_no_argument() {
    // Root is asked for none: the line with it reaches the shell, which must not run or repeat it.
    let tried = machine();
    let canary = format!("touch {}", tried.path("/canary"));
    let shell = Shell::new(Way::Local, Some(Secret::new(canary.clone())));
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root is asked for no password");
    }
    let words = ["sh", "-c", "tr '\\0' ' ' < /proc/$PPID/cmdline"].map(str::to_owned);
    let ran = shell.run("root", &words, Duration::from_secs(20)).await.expect("it ran");
    assert!(ran.succeeded && !ran.output.contains("canary") && ran.output.contains("sh"), "{}", ran.output);
    assert_eq!(tried.names("").await, Vec::<String>::new());
    assert!(!format!("{shell:?}").contains("canary"));
}
