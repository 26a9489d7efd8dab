//! Trees that change, cannot be read, or break off while they are read.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reconcile::datastores::dump::{Dump, DumpError, Facts};
use reconcile::datastores::job::{self, Around};
use reconcile::datastores::job_file::Compression;
use reconcile::jobs::{self, BackupReport, JobError, Stage};
use reconcile::vocab::Tier;

use super::host::Host;
use super::local::SmallDisk;
use super::trees::{TREE, host};
use crate::support;

/// What a test does once the first bytes have come.
type Deed = Box<dyn FnOnce(&[u8]) + Send>;

/// A dump in whose beginning something happens.
struct Interrupted {
    inner: Box<dyn Dump>,
    deed: Option<Deed>,
}

impl Dump for Interrupted {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    fn stream(&mut self) -> Result<Box<dyn Read + Send>, DumpError> {
        let mut stream = self.inner.stream()?;
        let mut first = vec![0; 8 << 10];
        stream.read_exact(&mut first).expect("a beginning");
        if let Some(deed) = self.deed.take() {
            deed(&first);
        }
        Ok(Box::new(io::Cursor::new(first).chain(stream)))
    }

    fn finish(self: Box<Self>, last: &[u8]) -> Result<Vec<String>, DumpError> {
        self.inner.finish(last)
    }

    fn restore(&self, name: &str, compression: Compression) -> Vec<String> {
        self.inner.restore(name, compression)
    }
}

/// A backup of a host in whose beginning something happens: tar has then written no more than a pipe holds.
pub async fn interrupted(
    host: &Host,
    deed: impl FnOnce(&[u8]) + Send + 'static,
) -> Result<BackupReport, JobError> {
    let around = Around {
        root: host.context.root.clone(),
        directory: host.context.job.directory.clone(),
        postgresql: host.context.postgresql.clone(),
        elsewhere: host.context.elsewhere.clone(),
        couchdb: Default::default(),
    };
    let source = host.context.job.source.clone();
    let deed: Deed = Box::new(deed);
    jobs::backup_with(&host.context, Tier::Daily, move |scratch| {
        let inner = job::open(&source, &around, scratch)?;
        Ok(Box::new(Interrupted { inner, deed: Some(deed) }))
    })
    .await
}

/// A host whose tree holds files of four mebibytes, more than is read ahead.
fn busy() -> Host {
    let host = host(&[]);
    for name in ["a", "b", "c", "d", "e", "f"] {
        fs::write(host.inside(TREE).join(name), vec![name.as_bytes()[0]; 4 << 20]).expect("written");
    }
    host
}

/// The file that tar was reading: the first behind the tree itself.
fn being_read(first: &[u8]) -> String {
    let name = &first[512..612];
    let end = name.iter().position(|byte| *byte == 0).expect("an end");
    String::from_utf8(name[..end].to_vec()).expect("utf-8").trim_start_matches("./").to_owned()
}

/// What a note must say, with the file in it.
fn says(report: &BackupReport, words: &str) {
    assert!(report.warnings.iter().any(|note| note.contains(words)), "{words}: {:?}", report.warnings);
    assert_eq!(report.warnings, report.manifest.notes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_vanishes_is_told() {
    let host = busy();
    let tree = host.inside(TREE);
    let report = interrupted(&host, move |first| {
        let now = being_read(first);
        // The one behind it may have been opened already.
        for name in ["a", "b", "c", "d", "e", "f"].iter().filter(|name| **name != now) {
            fs::remove_file(tree.join(name)).expect("removed");
        }
    })
    .await
    .expect("a backup");
    says(&report, "files vanished before they were read: ./");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_grows_is_told_and_whole_up_to_where_it_was() {
    let host = busy();
    let tree = host.inside(TREE);
    let (tell, told) = std::sync::mpsc::channel();
    let report = interrupted(&host, move |first| {
        let name = being_read(first);
        let mut file = fs::File::options().append(true).open(tree.join(&name)).expect("opened");
        io::Write::write_all(&mut file, &[b'!'; 5000]).expect("written");
        tell.send(name).expect("the test listens");
    })
    .await
    .expect("a backup");
    let name = told.recv().expect("told");
    says(&report, &format!("1 file or directory changed while it was read: ./{name}"));
    let folder = super::trees::restored(&host, &report);
    let back = fs::read(folder.path().join("back").join(&name)).expect("restored");
    assert_eq!(back, vec![name.as_bytes()[0]; 4 << 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_cut_short_is_told() {
    let host = busy();
    let tree = host.inside(TREE);
    let report = interrupted(&host, move |first| {
        let file = fs::File::options().write(true).open(tree.join(being_read(first))).expect("opened");
        file.set_len(10).expect("cut");
    })
    .await
    .expect("a backup");
    says(&report, "1 file shrank while it was read, and ends in zeros here: ./");
}

/// The processes of this test's tar: those that name its tree.
fn kill_tar_of(tree: &Path) {
    let tree = tree.to_str().expect("utf-8");
    let mut killed = 0;
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if line.starts_with("tar\0") && line.contains(tree) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
                .expect("killed");
            killed += 1;
        }
    }
    assert_eq!(killed, 1, "one tar reads {tree}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tar_that_is_killed_leaves_what_was_there() {
    let host = busy();
    let before = jobs::backup(&host.context, Tier::Weekly).await.expect("a backup").manifest.name;
    let tree = host.inside(TREE);
    let error = interrupted(&host, move |_| kill_tar_of(&tree)).await.expect_err("killed");
    assert_eq!(error.stage, Stage::Dump);
    assert!(error.message.contains("tar was killed by signal 9"), "{error}");
    assert_eq!(
        host.files(),
        [before.clone(), format!("{before}.manifest.json"), "last-failure.json".to_owned()]
    );
    jobs::backup(&host.context, Tier::Daily).await.expect("the next one succeeds");
}

#[tokio::test]
async fn a_disk_that_fills_up_leaves_what_was_there() {
    let host = host(&[]);
    let Some(_disk) = SmallDisk::mount(&host.context.directory()) else { return };
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    })
    .take(3 << 20)
    .collect();
    fs::write(host.inside(TREE).join("noise"), &noise).expect("written");
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("full");
    assert!(error.message.contains("must stay for whoever else writes there"), "{error}");
    assert_eq!(host.files(), ["last-failure.json"]);
    fs::write(host.inside(TREE).join("noise"), &noise[..1 << 20]).expect("written");
    jobs::backup(&host.context, Tier::Daily).await.expect("fits");
}

/// A journal that hangs, where lines would go: this machine's own, or logger(1) that waits for it.
#[test]
fn a_log_that_takes_no_line_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["tree", "backups", "bin"] {
        fs::create_dir(at(name)).expect("made");
    }
    fs::write(at("tree/a"), "x").expect("written");
    let script = format!("#!/bin/sh\necho asked >> {}\nexec sleep 600\n", at("asked").display());
    fs::write(at("bin/logger"), script).expect("written");
    fs::set_permissions(at("bin/logger"), PermissionsExt::from_mode(0o755)).expect("given");
    let job = serde_json::json!({
        "reconcile": {"environment": "production", "id": "host_file/db1/files-media"}, "version": 2,
        "environment": "production", "host": "db1", "datastore": "files-media",
        "source": {"tree": {"path": at("tree"), "exclude": [], "host": null}},
        "directory": at("backups"), "compression": "gzip", "keep": {"days": 2, "weeks": 1, "hours": 72}, "upload": null,
    });
    fs::write(at("job.json"), job.to_string()).expect("written");
    let path = std::env::var("PATH").expect("a path");
    let mut run = Command::new(env!("CARGO_BIN_EXE_reconcile"))
        .args(["run", "backup", "files-media", "--job"])
        .arg(at("job.json"))
        .env("PATH", format!("{}:{path}", at("bin").display()))
        .env_remove("RECONCILE_ENV")
        .current_dir("/")
        .stdout(Stdio::null())
        .spawn()
        .expect("the program runs");
    let until = Instant::now() + Duration::from_secs(120);
    let ended = loop {
        match run.try_wait().expect("a child") {
            Some(ended) => break ended,
            None if Instant::now() > until => {
                run.kill().expect("killed");
                panic!("it waits for its log");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert!(ended.success(), "{ended}");
    assert!(at("asked").exists() || Path::new("/run/systemd/journal/socket").exists());
}

/// The job as a user who may not read everything, as cron would run it.
#[test]
fn what_cannot_be_read_is_fatal_and_named() {
    if !nix::unistd::geteuid().is_root() {
        return support::skip("root", "only root may become another user");
    }
    let nobody = 65_534;
    let folder = tempfile::tempdir().expect("folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("given");
    let (tree, backups) = (folder.path().join("tree"), folder.path().join("backups"));
    fs::create_dir(&tree).expect("made");
    fs::create_dir(&backups).expect("made");
    std::os::unix::fs::chown(&backups, Some(nobody), Some(nobody)).expect("given");
    fs::write(tree.join("open"), "x").expect("written");
    fs::write(tree.join("secret"), "x").expect("written");
    fs::set_permissions(tree.join("secret"), PermissionsExt::from_mode(0o600)).expect("given");
    let file = folder.path().join("job.json");
    let job = serde_json::json!({
        "reconcile": {"environment": "production", "id": "host_file/db1/files-media"}, "version": 2,
        "environment": "production", "host": "db1", "datastore": "files-media",
        "source": {"tree": {"path": tree, "exclude": [], "host": null}},
        "directory": backups, "compression": "gzip", "keep": {"days": 2, "weeks": 1, "hours": 72}, "upload": null,
    });
    fs::write(&file, job.to_string()).expect("written");
    let run = || {
        Command::new(env!("CARGO_BIN_EXE_reconcile"))
            .args(["run", "backup", "files-media", "--job"])
            .arg(&file)
            .env_remove("RECONCILE_ENV")
            .current_dir("/")
            .uid(nobody)
            .gid(nobody)
            .output()
            .expect("the program runs")
    };
    let failed = run();
    let said = String::from_utf8_lossy(&failed.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("tar failed with exit code 2: ./secret: Cannot open: Permission denied"), "{said}");
    fs::remove_file(tree.join("secret")).expect("removed");
    assert_eq!(run().status.code(), Some(0));
}
