//! Entries of ours are written, and those of older tools for the same backups go: in this order, away from every minute
//! in which one of them fires, by the host's own clock. Whatever happens in between, a backup has two entries rather than
//! none.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{LiveWorld, facts, host_of};
use crate::clients::host::{Host, Question, Taken, Taking};
use crate::plan::Change;
use crate::resources::crontab::old::{self, OldLine, minutes};
use crate::resources::{Crontab, Resource, crontab};
use crate::vocab::Id;

/// How often a host is looked at anew because something moved there: others may write tables at the same time.
const ATTEMPTS: u32 = 4;

/// What is to be done, at a time at which nothing fires.
struct Exchange {
    takings: Vec<Taking>,
    /// Minutes to stay away from, in seconds since 1970.
    avoided: Vec<i64>,
}

impl LiveWorld {
    /// Writes our entries; then those go that are taken over.
    pub(super) async fn write_crontab(
        &self,
        host: &Host,
        change: &Change,
        wanted: &Crontab,
    ) -> Result<(), String> {
        let id = &change.id;
        let old = change.observed.as_ref().map(Resource::old_entries).unwrap_or_default();
        if old.is_empty() {
            return self.write_entries(host, id, wanted).await;
        }
        let mut exchange = self.when_quiet(host, id, wanted, old).await?;
        if change.fields.iter().any(|field| field.field != crontab::OLD) {
            self.write_entries(host, id, wanted).await?;
        }
        let both =
            |why: String| format!("ours stand, and the old entries stay beside them: {why}; apply again");
        for _ in 1..ATTEMPTS {
            let taken = host.take_lines(&exchange.takings, &exchange.avoided).await;
            match taken.map_err(|error| both(error.to_string()))? {
                Taken::Done => return Ok(()),
                Taken::TooNear | Taken::Moved => {
                    exchange = self.when_quiet(host, id, wanted, old).await.map_err(both)?;
                }
            }
        }
        Err(both("their tables change all the time".to_owned()))
    }

    async fn write_entries(&self, host: &Host, id: &Id, wanted: &Crontab) -> Result<(), String> {
        crontab::live::write(host, &self.environment, id, wanted).await.map_err(|error| error.to_string())
    }

    /// Looks where the old entries stand, again and again until nothing is about to fire.
    async fn when_quiet(
        &self,
        host: &Host,
        id: &Id,
        wanted: &Crontab,
        old: &[OldLine],
    ) -> Result<Exchange, String> {
        let moved = || "an old entry is no longer where it was: plan again".to_owned();
        let mut question = Question { facts: true, ..Question::default() };
        old::live::ask(&mut question);
        loop {
            let begun = self.clock.now();
            let view = Box::pin(host.look(&question)).await?;
            let takings =
                old::live::takings(&view, &self.environment, &self.previous, id, old)?.ok_or_else(moved)?;
            // A host that is played has no clock that goes on.
            let Some(now) = view.facts.clock.and_then(|clock| DateTime::<Utc>::from_timestamp(clock, 0))
            else {
                return Ok(Exchange { takings, avoided: Vec::new() });
            };
            let zone = facts::of(&view.facts, begun, self.clock.now()).zone;
            let ours = wanted.entries.values().map(|entry| &entry.schedule);
            let firing = minutes::firing(old.iter().map(|line| &line.schedule).chain(ours), zone, now);
            let wait = minutes::quiet_in(now, &firing).ok_or_else(|| {
                let host = host_of(id).map(ToString::to_string).unwrap_or_default();
                format!("something fires on {host} every minute or two, and entries are exchanged while nothing does")
            })?;
            match wait.to_std() {
                Ok(Duration::ZERO) | Err(_) => {
                    let avoided = firing.iter().map(DateTime::timestamp).collect();
                    return Ok(Exchange { takings, avoided });
                }
                Ok(wait) => tokio::time::sleep(wait).await,
            }
        }
    }
}
