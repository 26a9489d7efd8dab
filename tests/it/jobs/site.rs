//! A sandbox on the disk whose one host has a job file, for the real program: what a test can end, stop and disturb.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use chrono::{DateTime, TimeDelta, Utc};
use reconcile::clients::aws::Aws;
use reconcile::jobs::Manifest;
use reconcile::sandbox::Sandbox;
use reconcile::vocab::Clock;
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub const BUCKET: &str = "backups";
pub const TREE: &str = "/opt/data/blobdb";

/// A sandbox whose one host backs up a tree into a bucket.
pub struct Site {
    folder: TempDir,
    datastore: String,
    pub now: DateTime<Utc>,
}

/// Under which keys a site uploads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    Undated,
    Dated,
}

impl Site {
    /// A tree of the blob database. `bytes`: how much there is to back up; it does not compress.
    pub fn new(bytes: usize) -> Site {
        Site::under(Keys::Undated, bytes)
    }

    pub fn under(keys: Keys, bytes: usize) -> Site {
        let source = json!({"tree": {"path": TREE, "exclude": [], "host": null}});
        Site::of_under(keys, "blobdb", source, TREE, bytes)
    }

    /// Another datastore, whose source is this tree.
    pub fn of(datastore: &str, source: serde_json::Value, tree: &str, bytes: usize) -> Site {
        Site::of_under(Keys::Undated, datastore, source, tree, bytes)
    }

    fn of_under(keys: Keys, datastore: &str, source: serde_json::Value, tree: &str, bytes: usize) -> Site {
        let site = Site {
            folder: tempfile::tempdir().expect("a folder"),
            datastore: datastore.to_owned(),
            now: "2026-11-21T01:00:00Z".parse().expect("an instant"),
        };
        fs::create_dir_all(site.backups()).expect("made");
        for directory in [tree, "/etc/reconcile/production"] {
            fs::create_dir_all(site.inside(directory)).expect("made");
        }
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        let noise: Vec<u8> = (0..bytes).map(|_| noise()).collect();
        fs::write(site.inside(tree).join("blob"), noise).expect("written");
        let job = json!({
            "reconcile": {"environment": "production", "id": format!("host_file/db1/{datastore}")}, "version": 2,
            "environment": "production", "host": "db1", "datastore": datastore,
            "source": source,
            "directory": format!("/opt/data/backups/{datastore}"), "compression": "zstd", "keep": {"days": 2, "weeks": 1, "hours": 72},
            "upload": {"bucket": BUCKET, "region": null, "endpoint": null, "account": null, "versioned": keys == Keys::Undated},
            "schedules": {"daily": "0 1 * * *"},
            "alerts": {"email": ["ops@example.org"], "smtp": null, "prometheus_textfile": null},
        });
        fs::write(site.inside(&site.job()), job.to_string()).expect("written");
        fs::set_permissions(site.inside(&site.job()), PermissionsExt::from_mode(0o600)).expect("given");
        site.like("");
        site.wait(async {
            let client = site.client().await;
            client.create_bucket().bucket(BUCKET).send().await.expect("made");
            let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let put = client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(on);
            put.send().await.expect("put");
        });
        site
    }

    fn job(&self) -> String {
        format!("/etc/reconcile/production/{}.json", self.datastore)
    }

    pub fn backups(&self) -> PathBuf {
        self.inside(&format!("/opt/data/backups/{}", self.datastore))
    }

    /// Letters and pings that left.
    pub fn letters(&self) -> usize {
        fs::read_dir(self.sandbox().join("outbox")).map_or(0, Iterator::count)
    }

    /// How many versions there are of backups in the bucket, without their manifests.
    pub fn versions(&self) -> usize {
        let listed = self.wait(async {
            self.client().await.list_object_versions().bucket(BUCKET).send().await.expect("listed")
        });
        listed
            .versions()
            .iter()
            .filter(|version| version.key().is_some_and(|key| !key.ends_with(".json")))
            .count()
    }

    pub fn sandbox(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("there").join("sandbox")
    }

    pub fn inside(&self, path: &str) -> PathBuf {
        self.sandbox_host().join(path.trim_start_matches('/'))
    }

    fn sandbox_host(&self) -> PathBuf {
        let host = self.folder.path().join("sandbox/hosts/db1");
        fs::create_dir_all(&host).expect("made");
        host.canonicalize().expect("there")
    }

    /// Says what time it is, and what goes wrong besides.
    pub fn like(&self, faults: &str) {
        let text = format!("now: {}\n{faults}", self.now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        fs::write(self.sandbox().join("sandbox.yml"), text).expect("written");
    }

    fn wait<F: Future>(&self, future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(future)
    }

    async fn client(&self) -> aws_sdk_s3::Client {
        let sandbox = Sandbox::open(&self.sandbox(), Clock::fixed(self.now)).expect("a sandbox");
        Aws::load(sandbox.aws_settings()).await.s3(None)
    }

    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        command
            .args(["--sandbox", self.sandbox().to_str().expect("utf-8")])
            .args(words.split_whitespace())
            .args(["--job", &self.job()])
            .current_dir("/")
            .env("RECONCILE_SANDBOX_HOST", "db1")
            .env("NO_COLOR", "1")
            .env_remove("RECONCILE_ENV")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &str) -> Output {
        self.command(words).output().expect("it runs")
    }

    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.backups()).expect("there");
        let mut files: Vec<String> =
            entries.map(|entry| entry.expect("one").file_name().into_string().expect("utf-8")).collect();
        files.sort();
        files
    }

    pub fn manifest(&self, name: &str) -> Option<Manifest> {
        let path = self.backups().join(format!("{name}.manifest.json"));
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Every file that has a final name is whole, and what its manifest says.
    pub fn nothing_is_half(&self, when: &str) {
        for file in self.files().iter().filter(|file| file.ends_with(".tar.zst")) {
            let bytes = fs::read(self.backups().join(file)).expect("there");
            zstd::stream::decode_all(&bytes[..]).unwrap_or_else(|error| panic!("{when}: {file}: {error}"));
            if let Some(manifest) = self.manifest(file) {
                assert_eq!(manifest.sha256, hex::encode(Sha256::digest(&bytes)), "{when}: {file}");
            }
        }
    }

    /// What an earlier run proved is there, here and in the bucket. One of the same day that is proven too takes its place
    /// here: for a moment there is a whole backup whose manifest lies beside it.
    pub fn has(&self, proven: &Manifest, when: &str) {
        let manifest = self.manifest(&proven.name);
        let next = self.backups().join(format!("{}.manifest.json.next", proven.name));
        let next = || serde_json::from_slice::<Manifest>(&fs::read(&next).ok()?).ok();
        let replaced = || {
            manifest.is_none()
                && self.files().contains(&proven.name)
                && next().is_some_and(|next| next.proven())
        };
        assert!(manifest.as_ref() == Some(proven) || replaced(), "{when}: {:?}", self.files());
        let remote = proven.remote.as_ref().expect("a copy");
        let head = self.wait(async {
            let ask = self.client().await.head_object().bucket(BUCKET).key(&remote.key);
            ask.set_version_id(remote.version_id.clone()).send().await
        });
        assert_eq!(head.expect(when).content_length(), i64::try_from(proven.bytes).ok(), "{when}");
    }

    /// A run that nothing disturbs: it succeeds, and leaves nothing of those before it but whole backups.
    pub fn next_run(&self, when: &str) -> Manifest {
        let run = self.run(&format!("run backup {} --tier daily --output json", self.datastore));
        assert_eq!(run.status.code(), Some(0), "{when}: {}", String::from_utf8_lossy(&run.stderr));
        let report: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
        let made: Manifest = serde_json::from_value(report["manifest"].clone()).expect("a manifest");
        let left: Vec<String> = self
            .files()
            .into_iter()
            .filter(|file| {
                [".partial", ".scratch", ".next"].iter().any(|end| file.ends_with(end))
                    || file.contains("failure")
            })
            .collect();
        assert_eq!(left, [""; 0], "{when}");
        self.nothing_is_half(when);
        self.has(&made, when);
        let uploads = self.wait(async {
            self.client().await.list_multipart_uploads().bucket(BUCKET).send().await.expect("listed")
        });
        assert_eq!(uploads.uploads().len(), 0, "{when}");
        made
    }

    pub fn tomorrow(&mut self) {
        self.now += TimeDelta::days(1);
        self.like("");
    }
}
