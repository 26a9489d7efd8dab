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

    // What was noted of it holds until anything touches it.
    let question = Question { program: Some(path.clone()), ..Question::default() };
    let told = || async {
        let view = tried.host.look(&question).await.expect("it answers");
        view.facts.program.map(|program| (program.sha256, program.banner)).expect("there")
    };
    assert_eq!(told().await, (good.sha256.clone(), good.banner.clone()));
    let note = tried.path("/bin/.reconcile.installed");
    let noted = fs::read_to_string(&note).expect("noted");
    fs::write(&note, noted.replace("reconcile 1.2.3", "reconcile as noted")).expect("written");
    assert_eq!(told().await.1, "reconcile as noted");
    let modified = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("known");
    let changed = format!("#!/bin/sh\necho reconcile 6.6.6\nexit 0\n{padding}");
    fs::write(&path, &changed).expect("written");
    // As somebody would who hides a change.
    fs::File::open(&path).and_then(|file| file.set_modified(modified)).expect("set");
    assert_eq!(told().await, (sum_of(changed.as_bytes()), "reconcile 6.6.6".to_owned()));
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

#[tokio::test]
async fn files_are_told_that_are_named_after_users() {
    for tried in [folder(None), machine()] {
        tried.host.make_directory(&tried.path("/spool"), &tried.access(0o700)).await.expect("made");
        for name in ["root", "no-such-user-here", "-x"] {
            let path = tried.path(&format!("/spool/{name}"));
            tried.host.write(&path, b"* * * * * true\n", &tried.access(0o600)).await.expect("written");
        }
        let question = Question { named_after_users: [tried.path("/spool")].into(), ..Question::default() };
        let view = tried.host.look(&question).await.expect("it answers");
        assert!(view.named_after_users.contains(&tried.path("/spool/root")), "{view:?}");
        // A folder has no users, and so any.
        let is_folder = tried.top.is_empty();
        assert_eq!(view.named_after_users.contains(&tried.path("/spool/no-such-user-here")), is_folder);
    }
}

/// SHA-256 as a look would tell it.
fn sum_of(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}

async fn lines_leave_a_table(tried: &Tried) {
    let host = &tried.host;
    let (table, all) = (tried.path("/etc/cron.d/backup"), &b"# mine\nold 1\nold 2\nmine \xff"[..]);
    let taking = |left: Option<&[u8]>| Taking {
        path: table.clone(),
        table: InTable::File(tried.access(0o640)),
        sum: sum_of(all),
        to: tried.path("/etc/reconcile/p/adopted/backup-1"),
        kept: b"old 1\nold 2\n".to_vec(),
        left: left.map(<[u8]>::to_vec),
    };
    host.make_directory(&tried.path("/etc/cron.d"), &tried.access(0o755)).await.expect("made");
    host.write(&table, b"something else", &tried.access(0o640)).await.expect("written");
    // What is not as it was seen is left alone, and so is everything else.
    assert_eq!(host.take_lines(&[taking(None)], &[]).await.expect("tried"), Taken::Moved);
    assert_eq!(tried.names("/etc/reconcile/p/adopted").await, Vec::<String>::new());
    host.write(&table, all, &tried.access(0o640)).await.expect("written");
    let taken = host.take_lines(&[taking(Some(b"# mine\nmine \xff"))], &[]).await;
    assert_eq!(taken.expect("taken"), Taken::Done);
    let look = async || tried.look(&["/etc/cron.d/backup"], "/etc/reconcile/p/adopted").await;
    let view = look().await;
    let seen = view.at(&table).expect("readable").expect("there");
    assert_eq!((&seen.access, seen.bytes.as_slice()), (&tried.access(0o640), &b"# mine\nmine \xff"[..]));
    let kept = view.at(&tried.path("/etc/reconcile/p/adopted/backup-1")).expect("readable").expect("kept");
    assert_eq!((kept.access.mode, kept.bytes.as_slice()), (0o600, &b"old 1\nold 2\n"[..]));
    // Again, as after a crash, and with nothing left of the table.
    host.write(&table, all, &tried.access(0o640)).await.expect("written");
    assert_eq!(host.take_lines(&[taking(None)], &[]).await.expect("taken"), Taken::Done);
    assert_eq!(look().await.at(&table).expect("seen"), None);
    assert_eq!(host.take_lines(&[taking(None)], &[]).await.expect("tried"), Taken::Moved);
    // Nothing is left over beside them.
    assert_eq!(tried.names("/etc/cron.d").await, Vec::<String>::new());
    assert_eq!(tried.names("/etc/reconcile/p/adopted").await, ["backup-1"]);
}

#[tokio::test]
async fn lines_leave_a_table_of_a_folder_and_of_this_machine() {
    lines_leave_a_table(&folder(None)).await;
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root gives files to root");
    }
    lines_leave_a_table(&machine()).await;
}

#[tokio::test]
async fn a_machine_stays_away_from_minutes_by_its_own_clock() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root gives files to root");
    }
    let tried = machine();
    let path = tried.path("/table");
    tried.host.write(&path, b"old\n", &tried.access(0o644)).await.expect("written");
    let question = Question { facts: true, ..Question::default() };
    let now = tried.host.look(&question).await.expect("it answers").facts.clock.expect("a clock");
    let taking = Taking {
        path: path.clone(),
        table: InTable::File(tried.access(0o644)),
        sum: sum_of(b"old\n"),
        to: tried.path("/adopted/table"),
        kept: b"old\n".to_vec(),
        left: None,
    };
    // It begins within the minute, or has begun.
    for near in [now + 50, now - 40] {
        let taken = tried.host.take_lines(std::slice::from_ref(&taking), &[now + 3600, near]).await;
        assert_eq!(taken.expect("tried"), Taken::TooNear, "{}", near - now);
    }
    assert_eq!(tried.names("").await, ["table"]);
    let taken = tried.host.take_lines(std::slice::from_ref(&taking), &[now + 600, now - 600]).await;
    assert_eq!(taken.expect("taken"), Taken::Done);
    assert_eq!(tried.names("").await, ["adopted"]);
}

/// A `crontab` that keeps tables in a directory and writes Debian's header, for one that is not installed here.
const CRONTAB: &str = r#"#!/bin/sh
[ "$1" = -u ] || exit 2
[ "$2" = nobody-there ] && { echo "crontab: user \`$2' unknown" >&2; exit 1; }
case $3 in
  -r) rm "$SPOOL/$2" ;;
  -) { echo '# DO NOT EDIT THIS FILE - edit the master and reinstall.'; cat; } > "$SPOOL/$2" ;;
  *) exit 2 ;;
esac
"#;

#[test]
fn a_users_table_is_written_by_crontab_alone() {
    use std::io::Write;
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root gives files to root");
    }
    let base = tempfile::tempdir().expect("a directory");
    let top = base.path().display().to_string();
    for directory in ["bin", "spool", "adopted"] {
        fs::create_dir(base.path().join(directory)).expect("made");
    }
    fs::write(base.path().join("bin/crontab"), CRONTAB).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(base.path().join("bin/crontab"), mode).expect("given");
    let take = |user: &str, sum: &str, left: &str, data: &str| {
        let calls = format!("take_own {top}/spool/{user} {sum} {top}/adopted/{user} {user} {left}");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &script::taking(&calls)])
            .env("PATH", format!("{top}/bin:/usr/bin:/bin"))
            .env("SPOOL", format!("{top}/spool"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        child.stdin.take().expect("piped").write_all(data.as_bytes()).expect("sent");
        let output = child.wait_with_output().expect("ended");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let read = |name: &str| fs::read_to_string(base.path().join(name)).ok();
    for user in ["postgres", "nobody-there"] {
        fs::write(base.path().join("spool").join(user), "old\nmine\n").expect("written");
    }
    // `old` and `mine`, each with its newline.
    let data = "b2xkCg==\n.\nbWluZQo=\n.\n";
    let sum = sum_of(b"old\nmine\n");
    assert_eq!(take("postgres", &sum_of(b"else"), "left", data).0, Some(66));
    assert_eq!((read("spool/postgres").as_deref(), read("adopted/postgres")), (Some("old\nmine\n"), None));
    assert_eq!(take("postgres", &sum, "left", data).0, Some(0));
    let header = "# DO NOT EDIT THIS FILE - edit the master and reinstall.\n";
    assert_eq!(read("spool/postgres"), Some(format!("{header}mine\n")));
    assert_eq!(read("adopted/postgres").as_deref(), Some("old\n"));
    let sum_now = sum_of(format!("{header}mine\n").as_bytes());
    assert_eq!(take("postgres", &sum_now, "empty", "b2xkCg==\n.\n.\n").0, Some(0));
    assert_eq!(read("spool/postgres"), None);
    // A table that crontab refuses stays as it is.
    assert_eq!(take("nobody-there", &sum, "left", data).0, Some(1));
    assert_eq!(read("spool/nobody-there").as_deref(), Some("old\nmine\n"));
}
