//! Backups of directory trees: what comes back is what was there, with ordinary tools.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use reconcile::datastores::job_file::{Compression, Source};
use reconcile::datastores::tree::job::Elsewhere;
use reconcile::datastores::tree::settings::TreeSource;
use reconcile::jobs::{self, BackupReport, Stage};
use reconcile::vocab::Tier;
use sha2::{Digest, Sha256};

use super::host::Host;
use crate::support::{self, sshd};

pub const TREE: &str = "/srv/media";
pub const BACKUPS: &str = "/opt/data/backups/files-media";

/// A host with a tree, of which these are left out.
pub fn host(exclude: &[&str]) -> Host {
    let exclude = exclude.iter().map(|text| (*text).to_owned()).collect();
    let host = Host::of(
        "files-media",
        BACKUPS,
        Source::Tree(TreeSource { path: TREE.to_owned(), exclude, host: None }),
    );
    fs::create_dir_all(host.inside(TREE)).expect("made");
    host
}

/// What can be told of one thing in a tree.
#[derive(Debug, PartialEq, Eq)]
struct Thing {
    kind: String,
    mode: u32,
    owner: (u32, u32),
    modified: i64,
    links: u64,
    content: String,
}

/// Everything below a directory, by its path from there.
fn things(top: &Path) -> BTreeMap<OsString, Thing> {
    let mut found = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(relative) = todo.pop() {
        let path = top.join(&relative);
        let seen = fs::symlink_metadata(&path).expect("there");
        let (kind, content) = if seen.is_dir() {
            let inner = fs::read_dir(&path).expect("readable");
            todo.extend(inner.map(|entry| relative.join(entry.expect("an entry").file_name())));
            ("directory", String::new())
        } else if seen.file_type().is_symlink() {
            ("link", fs::read_link(&path).expect("a link").display().to_string())
        } else if seen.file_type().is_fifo() {
            ("pipe", String::new())
        } else {
            ("file", hex::encode(Sha256::digest(fs::read(&path).expect("readable"))))
        };
        let thing = Thing {
            kind: kind.to_owned(),
            mode: seen.mode(),
            owner: (seen.uid(), seen.gid()),
            modified: seen.mtime(),
            links: if seen.is_dir() { 0 } else { seen.nlink() },
            content,
        };
        found.insert(relative.into_os_string(), thing);
    }
    found
}

/// Runs the lines of the manifest that are commands, with `DIR` in a fresh directory.
pub fn restored(host: &Host, report: &BackupReport) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    for line in report.manifest.restore.iter().filter(|line| line.contains("DIR")) {
        let is_command = line.starts_with("mkdir") || line.contains("| tar");
        if is_command {
            let line = line.replace("DIR", folder.path().join("back").to_str().expect("utf-8"));
            let done = Command::new("bash")
                .args(["-euo", "pipefail", "-c", &line])
                .current_dir(host.context.directory())
                .output()
                .expect("bash runs");
            assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }
    folder
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[tokio::test]
async fn a_tree_comes_back_as_it_was() {
    let mut host = host(&[]);
    let top = host.inside(TREE);
    fs::write(top.join("plain"), "plain").expect("written");
    fs::hard_link(top.join("plain"), top.join("another name")).expect("linked");
    symlink("nowhere/at all", top.join("dangling")).expect("linked");
    fs::create_dir(top.join("empty")).expect("made");
    fs::set_permissions(top.join("empty"), PermissionsExt::from_mode(0o3711)).expect("given");
    nix::unistd::mkfifo(&top.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
    fs::write(top.join(OsStr::from_bytes(b"new\nline \xff\xfe")), "odd").expect("written");
    fs::write(top.join("-rf"), "odd").expect("written");
    fs::write(top.join("l".repeat(200)), "long").expect("written");
    let deep = (0..12).fold(top.clone(), |path, n| path.join(format!("{n:02}{}", "d".repeat(60))));
    fs::create_dir_all(&deep).expect("made");
    fs::write(deep.join("deep"), "deep").expect("written");
    fs::write(top.join("closed"), "closed").expect("written");
    fs::set_permissions(top.join("closed"), PermissionsExt::from_mode(0o4000)).expect("given");
    if is_root() {
        chown(top.join("plain"), Some(54_321), Some(65_432)).expect("given");
        // Beyond the seven octal digits of a plain header.
        chown(top.join("dangling").parent().expect("one").join("-rf"), Some(3_000_000), None).expect("given");
    }
    // A gibibyte with three bytes in it.
    let sparse = fs::File::create(top.join("sparse")).expect("made");
    sparse.set_len(1 << 30).expect("given");
    std::os::unix::fs::FileExt::write_at(&sparse, b"end", (1 << 30) - 3).expect("written");
    let old = fs::File::options().write(true).open(top.join("plain")).expect("opened");
    old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).expect("given");

    let before = things(&top);
    assert!(before.len() > 20, "{before:?}");
    for compression in [Compression::Gzip, Compression::Zstd] {
        if compression == Compression::Zstd && Command::new("zstd").arg("-V").output().is_err() {
            continue;
        }
        host.context.job.compression = compression;
        let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        let name = format!("files-media_daily_2026_11_21.tar.{}", compression.ending());
        assert_eq!((report.manifest.name.as_str(), report.manifest.method.as_str()), (name.as_str(), "tree"));
        assert_eq!(report.warnings, [""; 0]);
        assert!(report.manifest.uncompressed_bytes < 1 << 20, "{}", report.manifest.uncompressed_bytes);
        let folder = restored(&host, &report);
        let back = folder.path().join("back");
        assert_eq!(things(&back), before);
        let sparse = fs::metadata(back.join("sparse")).expect("there");
        assert!(sparse.len() == 1 << 30 && sparse.blocks() < 2048, "{} blocks", sparse.blocks());
    }
}

#[tokio::test]
async fn attributes_come_back_where_the_file_system_has_them() {
    let host = host(&[]);
    let file = host.inside(TREE).join("file");
    fs::write(&file, "x").expect("written");
    let python = |deed: &str, file: &Path| {
        let script = format!("import os,sys; {deed}");
        Command::new("python3").args(["-c", &script]).arg(file).output()
    };
    match python("os.setxattr(sys.argv[1], 'user.origin', b'kept')", &file) {
        Ok(done) if done.status.success() => {}
        _ => return support::skip("xattr", "no python3, or a file system without attributes"),
    }
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let back = restored(&host, &report).keep();
    let read =
        python("print(os.getxattr(sys.argv[1], 'user.origin'))", &back.join("back/file")).expect("runs");
    let _ = fs::remove_dir_all(&back);
    assert_eq!(
        String::from_utf8_lossy(&read.stdout),
        "b'kept'\n",
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
}

/// Paths in an archive, as tar lists them.
pub fn members(host: &Host, report: &BackupReport) -> Vec<String> {
    let listed =
        Command::new("tar").arg("-tzf").arg(host.path(&report.manifest.name)).output().expect("tar runs");
    assert!(listed.status.success());
    String::from_utf8(listed.stdout).expect("utf-8").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_left_out_is_left_out_and_nothing_else() {
    let host = host(&["/post_office_attachments", "keep/skip", "*.tmp", "/logs/*.log"]);
    let top = host.inside(TREE);
    for file in [
        "post_office_attachments/a",
        "deep/post_office_attachments/a",
        "keep/skip/a",
        "keep/skipped",
        "deep/keep/skip/a",
        "a.tmp",
        "deep/b.tmp",
        "logs/a.log",
        "logs/deep/a.log",
        ".hidden",
    ] {
        fs::create_dir_all(top.join(file).parent().expect("one")).expect("made");
        fs::write(top.join(file), "x").expect("written");
    }
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let mut files: Vec<String> =
        members(&host, &report).into_iter().filter(|name| !name.ends_with('/')).collect();
    files.sort();
    assert_eq!(
        files,
        [
            "./.hidden",
            "./deep/keep/skip/a",
            "./deep/post_office_attachments/a",
            "./keep/skipped",
            "./logs/deep/a.log",
        ]
    );
}

#[tokio::test]
async fn a_backup_never_holds_its_own_directory() {
    // A name that tar would take for a pattern.
    let directory = "/srv/media/backups/[own]";
    let source = TreeSource { path: TREE.to_owned(), exclude: Vec::new(), host: None };
    let host = Host::of("files-media", directory, Source::Tree(source));
    fs::write(host.inside("/srv/media/file"), "x").expect("written");
    fs::create_dir_all(host.inside("/srv/media/backups/other")).expect("made");
    for _ in 0..2 {
        let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        let mut found = members(&host, &report);
        found.sort();
        assert_eq!(found, ["./", "./backups/", "./backups/other/", "./file"]);
        host.pass(chrono::TimeDelta::days(1));
    }
}

#[tokio::test]
async fn an_empty_tree_is_refused_before_and_after_what_is_left_out() {
    let host = host(&["/only"]);
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("empty");
    assert_eq!(
        (error.stage, error.message.as_str()),
        (Stage::Dump, "/srv/media is empty: is its volume mounted?")
    );
    fs::write(host.inside("/srv/media/only"), "x").expect("written");
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("nothing is left");
    assert!(error.message.contains("is empty"), "{error}");
    assert_eq!(host.files(), ["last-failure.json"]);
    fs::write(host.inside("/srv/media/.keep"), "").expect("written");
    jobs::backup(&host.context, Tier::Daily).await.expect("meant so");
    fs::remove_dir_all(host.inside(TREE)).expect("removed");
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("gone");
    assert!(error.message.contains("No such file or directory"), "{error}");
    let checks = jobs::preflight(&host.context, Tier::Daily, false).await;
    let source = checks.iter().find(|check| check.name == "source").expect("looked at");
    assert!(source.wrong.as_ref().is_some_and(|wrong| wrong.contains("volume is mounted")), "{source:?}");
}

#[tokio::test]
async fn old_names_of_the_blob_database_are_listed_and_expire() {
    let source = TreeSource { path: TREE.to_owned(), exclude: Vec::new(), host: None };
    let host = Host::of("blobdb", "/opt/data/backups/blobdb", Source::Tree(source));
    fs::create_dir_all(host.inside(TREE)).expect("made");
    fs::write(host.inside("/srv/media/blob"), "x").expect("written");
    let old = "blobdb_daily_2026_11_10_00.tar.gz";
    let file = fs::File::create(host.path(old)).expect("made");
    let at: chrono::DateTime<chrono::Utc> = "2026-11-10T00:30:00Z".parse().expect("an instant");
    file.set_modified(at.into()).expect("given");
    let listing = jobs::list(&host.context, &[]).await.expect("a list");
    assert_eq!(listing.backups[0].name, old);
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    assert_eq!(
        (report.manifest.name.as_str(), report.swept.gone()),
        ("blobdb_daily_2026_11_21.tar.gz", vec![old])
    );
}

/// A host whose tree lies on a machine of its own; the configuration of ssh that leads there.
fn far(machine: &sshd::Machine, folder: &Path) -> Host {
    let known = folder.join("known_hosts");
    fs::write(&known, machine.known_host(machine.port)).expect("written");
    let config = folder.join("config");
    let text = format!(
        "Host web\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        machine.port,
        machine.client_key().display(),
        known.display()
    );
    fs::write(&config, text).expect("written");
    let source = TreeSource {
        path: TREE.to_owned(),
        exclude: vec!["/it's left out".to_owned()],
        host: Some("web".parse().expect("name")),
    };
    let mut host = Host::of("files-media", BACKUPS, Source::Tree(source));
    host.context.elsewhere = Elsewhere::Ssh { config: Some(config) };
    host
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_on_another_host_comes_over_ssh() {
    let Some(machine) = sshd::Machine::start(&sshd::Like::named("web")) else { return };
    let folder = tempfile::tempdir().expect("folder");
    let host = far(&machine, folder.path());
    let tree = machine.at(TREE);
    let told = |error: jobs::JobError| format!("{} | {}", error.message, error.help.unwrap_or_default());

    let error = told(jobs::backup(&host.context, Tier::Daily).await.expect_err("not there"));
    assert!(error.contains("web:/srv/media") && error.contains("No such file"), "{error}");
    fs::create_dir(&tree).expect("made");
    let checks = jobs::preflight(&host.context, Tier::Daily, false).await;
    let wrong = checks.iter().find_map(|check| check.wrong.clone()).expect("empty");
    assert!(wrong.contains("web:/srv/media is empty"), "{wrong}");
    let error = told(jobs::backup(&host.context, Tier::Daily).await.expect_err("empty"));
    assert!(error.contains("is empty"), "{error}");

    fs::write(tree.join("a b"), vec![7; 3 << 20]).expect("written");
    fs::write(tree.join("it's left out"), "x").expect("written");
    let checks = jobs::preflight(&host.context, Tier::Daily, false).await;
    assert!(checks.iter().all(|check| check.wrong.is_none()), "{checks:?}");
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    assert_eq!(members(&host, &report), ["./", "./a b"]);
    assert!(report.manifest.restore.iter().any(|line| line == "it was web:/srv/media"));

    // Nobody vouched for another key.
    fs::write(folder.path().join("known_hosts"), "").expect("written");
    let error = told(jobs::backup(&host.context, Tier::Daily).await.expect_err("unknown"));
    assert!(error.contains("web cannot be reached over ssh") && error.contains("known_hosts"), "{error}");
    fs::write(folder.path().join("known_hosts"), machine.known_host(machine.port)).expect("written");
    drop(machine);
    let error = told(jobs::backup(&host.context, Tier::Daily).await.expect_err("down"));
    assert!(error.contains("web cannot be reached"), "{error}");
    assert_eq!(host.files().len(), 3, "{:?}", host.files());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_is_never_a_whole_archive() {
    let Some(machine) = sshd::Machine::start(&sshd::Like::named("web")) else { return };
    let folder = tempfile::tempdir().expect("folder");
    let host = far(&machine, folder.path());
    fs::create_dir(machine.at(TREE)).expect("made");
    for n in 0..8 {
        fs::write(machine.at(TREE).join(n.to_string()), vec![n; 4 << 20]).expect("written");
    }
    let context = host.context.clone();
    let error = super::tree_faults::interrupted(&host, move |_| drop(machine)).await.expect_err("broken");
    assert!(error.message.contains("web cannot be reached over ssh, or the connection broke"), "{error}");
    assert_eq!(context.job.environment.as_str(), "production");
    assert_eq!(host.files(), ["last-failure.json"]);
}

#[test]
fn names_of_bytes_survive_the_tests_own_helper() {
    let folder = tempfile::tempdir().expect("folder");
    let odd = OsString::from_vec(vec![b'a', 0xff]);
    fs::write(folder.path().join(&odd), "x").expect("written");
    assert!(things(folder.path()).contains_key(&odd));
}
