//! A day of the host: every job at its hour, and what it comes to.

use std::fs;

use chrono::{Datelike, TimeDelta, Timelike, Weekday};
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::verify::verify;
use reconcile::jobs::{self, Context, check, tell};
use reconcile::vocab::Tier;

use super::source::{Archive, End};
use super::world::{PROVEN_WITHIN, World, start, store};

/// Hours at which checks run: a run of the night is missed by the first if it left nothing. The second is there on some
/// days only, which saves time and changes nothing.
const CHECKS: [u32; 2] = [3, 15];

impl World {
    pub(super) async fn day(&mut self, day: i64) {
        if self.set_weather() {
            // Every job is a process of its own, and none lives through this.
            self.good = store(&self.clouds[0], &self.host.context.clock).await;
            self.broken = store(&self.clouds[1], &self.host.context.clock).await;
        }
        for hour in 0..24 {
            *self.now.lock().expect("clock") = start() + TimeDelta::days(day) + TimeDelta::hours(hour);
            self.hour().await;
        }
        self.clean_bucket().await;
    }

    async fn hour(&mut self) {
        let (hour, weekday) = (self.time().hour(), self.time().weekday());
        if self.weather.host_is_down > 0 {
            if CHECKS.contains(&hour) {
                self.look_from_afar().await;
            }
            return;
        }
        match hour {
            15 if !self.open && !self.unproven && !self.chance.one_in(4) => return,
            1 => self.run(Tier::Daily).await,
            2 if weekday == Weekday::Sun => self.run(Tier::Weekly).await,
            5 if weekday == Weekday::Wed => self.verify().await,
            hour if CHECKS.contains(&hour) => self.check().await,
            _ => return,
        }
        self.holds(hour == 1).await;
    }

    async fn run(&mut self, tier: Tier) {
        let end = match self.chance.below(30) {
            0 => End::Refused,
            1 => End::Breaks,
            2 => End::Fails,
            _ => End::Whole,
        };
        let context = self.context();
        let made = jobs::backup_with(&context, tier, Archive::open(&self.archive, end)).await;
        match made {
            Ok(report) => {
                assert_eq!(end, End::Whole);
                self.proven.insert(tier, report.manifest.ended);
                self.failed.remove(&tier);
                self.last = Some(report.manifest);
                self.read_letters();
                self.keeps_no_more();
            }
            Err(error) => {
                assert!(!error.is_refusal(), "{error}");
                self.failures += 1;
                self.failed.insert(tier);
                self.read_letters();
                assert!(self.open, "{}: nobody was told that {error}", self.time());
            }
        }
    }

    async fn check(&mut self) {
        let context = self.context();
        let report = check::look(&context, &[]).await;
        tell::checked(&context, &report).await;
        self.read_letters();
        self.blind = if report.saw_everything() { 0 } else { self.blind + 1 };
        if self.blind >= 2 {
            assert!(self.open, "{}: nobody was told that nothing can be seen", self.time());
        }
        if self.blind > 0 || self.truth() < self.disturbed_until {
            return;
        }
        let wrong = self.wrong();
        assert_eq!(self.open, wrong.is_some(), "{}: {wrong:?}, {report:#?}", self.time());
        let overdue = self.time() - self.verified > PROVEN_WITHIN;
        assert_eq!(self.unproven, overdue || self.verify_failed, "{}: {report:#?}", self.time());
    }

    /// A host that is down tells nothing: whoever watches it does.
    async fn look_from_afar(&mut self) {
        if self.weather.storage_is_down > 0 || self.truth() < self.disturbed_until {
            return;
        }
        let root = self.elsewhere.path().join("nothing");
        let context = Context { root, written: None, ..self.context() };
        let report = check::look_from_afar(&context, "it does not answer".to_owned()).await;
        // Whoever has never seen a backup knows of no promise.
        if self.proven.len() == 2 && self.missing(self.time()).is_some() {
            assert!(!report.is_good(), "{}: {report:#?}", self.time());
        }
    }

    async fn verify(&mut self) {
        let context = self.context();
        let Some(last) = self.last.clone() else { return };
        let path = self.host.path(&last.name);
        let good = fs::read(&path).expect("the newest proven one is there");
        let harm = self.chance.one_in(6) && self.weather.disk_is_full == 0;
        if harm {
            let mut bad = good.clone();
            bad[good.len() / 2] ^= 1;
            fs::write(&path, bad).expect("written");
        }
        let looked = verify(&context, &[], &Wanted::Named(last.name.clone()), None).await;
        if harm {
            fs::write(&path, good).expect("written");
        }
        match looked {
            Ok(evidence) => {
                assert_eq!(evidence.is_proof(), !harm, "{evidence:#?}");
                self.verify_failed = harm;
                if !harm {
                    self.verified = self.time();
                }
            }
            Err(error) => {
                assert!(self.weather.disk_is_full > 0 || self.weather.storage_is_down > 0, "{error}")
            }
        }
        self.read_letters();
    }
}
