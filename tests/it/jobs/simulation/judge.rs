//! What must hold: the newest proven backup is there, nothing is kept too long, and letters come in turn.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use reconcile::jobs::Manifest;
use reconcile::vocab::{Schedule, Tier};

use super::world::{BUCKET, World, schedules};

impl World {
    /// What somebody must know of by now.
    pub(super) fn wrong(&self) -> Option<String> {
        if let Some(tier) = self.failed.first() {
            return Some(format!("the {tier} backup failed"));
        }
        self.missing(self.time()).map(|tier| format!("the {tier} backup is missing"))
    }

    /// A tier whose last run had an hour and left nothing.
    pub(super) fn missing(&self, now: DateTime<Utc>) -> Option<Tier> {
        let since = self.host.context.written.expect("written");
        let late = |(tier, schedule): (&Tier, &Schedule)| {
            let due = schedule.last(now - TimeDelta::hours(1), chrono_tz::Tz::UTC, since)?;
            self.proven.get(tier).is_none_or(|made| *made < due).then_some(*tier)
        };
        schedules().iter().find_map(late)
    }

    /// Letters come in turn: one that something is wrong, perhaps more of other kinds, one that it is not any more.
    pub(super) fn read_letters(&mut self) {
        let outbox = self.elsewhere.path().join("outbox");
        let Ok(entries) = fs::read_dir(outbox) else { return };
        let mut letters: Vec<(std::time::SystemTime, PathBuf)> = entries
            .map(|entry| entry.expect("an entry"))
            .map(|entry| (entry.metadata().expect("there").modified().expect("a time"), entry.path()))
            .collect();
        assert!(letters.len() <= 2, "{}: {letters:?}", self.time());
        letters.sort();
        for (_, path) in letters.drain(..) {
            let text = fs::read_to_string(&path).expect("a letter");
            fs::remove_file(path).expect("read");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let of_proofs = words.contains("wrong with the proofs") || words.contains("are proven again");
            let now = self.time();
            let open = if of_proofs { &mut self.unproven } else { &mut self.open };
            if words.contains("Something is wrong with") {
                assert!(!*open, "{now}: told twice\n{text}");
                *open = true;
                self.incidents += 1;
            } else if words.contains("Something more is wrong with") {
                assert!(*open, "{now}: {text}");
            } else {
                assert!(*open && words.contains("[OK]"), "{now}: over before it began\n{text}");
                *open = false;
            }
        }
    }

    /// What holds at every moment. The bucket is asked once a day.
    pub(super) async fn holds(&self, in_bucket: bool) {
        let files = self.host.files();
        assert!(
            !files.iter().any(|file| file.ends_with(".partial") || file.ends_with(".scratch")),
            "{files:?}"
        );
        let Some(last) = &self.last else { return };
        assert_eq!(&self.host.manifest(&last.name), last, "{}", self.time());
        assert_eq!(fs::metadata(self.host.path(&last.name)).expect("there").len(), last.bytes);
        if !in_bucket {
            return;
        }
        let remote = last.remote.as_ref().expect("a copy");
        let head = self.judge.head_object().bucket(BUCKET).key(&remote.key);
        let head = head.set_version_id(remote.version_id.clone()).send().await.expect("it is in the bucket");
        assert_eq!(head.content_length(), i64::try_from(last.bytes).ok());
    }

    /// After a success: what is over is gone.
    pub(super) fn keeps_no_more(&self) {
        let now = self.time();
        let keep = self.host.context.job.keep;
        let manifests: Vec<Manifest> = self
            .host
            .files()
            .iter()
            .filter_map(|file| file.strip_suffix(".manifest.json"))
            .map(|name| self.host.manifest(name))
            .collect();
        let past = manifests.iter().filter(|manifest| manifest.ended <= now);
        let newest = past.filter(|manifest| manifest.proven()).map(|manifest| manifest.ended).max();
        for manifest in &manifests {
            let days = match manifest.tier.expect("a tier") {
                Tier::Weekly => i64::from(keep.weeks) * 7,
                _ => i64::from(keep.days),
            };
            let young = now - manifest.ended < TimeDelta::days(days + 1);
            assert!(
                young || Some(manifest.ended) == newest,
                "{now}: {} of {}",
                manifest.name,
                manifest.ended
            );
        }
        let backups = self.host.files().into_iter().filter(|file| file.ends_with(".gz")).count();
        assert_eq!(backups, manifests.len(), "{:?}", self.host.files());
    }
}
