//! Looking after snapshots: what the repository says of them -> [`crate::freshness`] -> a report. Reads only.

use std::collections::BTreeMap;

use super::cluster::Cluster;
use super::list::{bucket, taken};
use super::manifest;
use crate::clients::elasticsearch::{Snapshot, State};
use crate::freshness::{Place, Seen};
use crate::jobs::check::{self, CheckReport};
use crate::jobs::context::Context;
use crate::jobs::directory;
use crate::jobs::tell::memory::Memory;
use crate::retention::snapshots;
use crate::vocab::{Tier, words};

/// What was found, and what could not be seen.
pub async fn look(context: &Context) -> CheckReport {
    let memory = Memory::read(context);
    let looked = Box::pin(repository(context)).await;
    let bucket = Cluster::of(context).ok().and_then(|cluster| bucket(&cluster));
    let place = if bucket.is_some() { Place::Remote } else { Place::Here };
    let (seen, lost, why) = match looked {
        Ok(Looked { seen, lost }) => {
            let seen = seen.into_iter().map(|seen| Seen { place, ..seen }).collect();
            (seen, lost, None)
        }
        Err(why) => (Vec::new(), Vec::new(), Some(why)),
    };
    let mut places = BTreeMap::from([(place, why)]);
    if let Err(error) = directory::find(context) {
        // Then nothing is remembered of it either.
        places.insert(Place::Here, Some(error.line()));
    }
    check::Looked { places, seen, lost, unversioned: BTreeMap::new(), bucket }.judged(context, &memory)
}

struct Looked {
    seen: Vec<Seen>,
    /// What was there and is not.
    lost: Vec<String>,
}

async fn repository(context: &Context) -> Result<Looked, String> {
    let cluster = Cluster::of(context).map_err(|error| error.message)?;
    let place = context.directory();
    let known = manifest::all(&place, context).unwrap_or_default();
    let mut lost = Vec::new();
    if let Some(why) = Box::pin(cluster.strange()).await.map_err(|error| error.to_string())? {
        // Whatever is in it is none of what settings promise.
        lost.push(why);
        return Ok(Looked { seen: Vec::new(), lost });
    }
    let all =
        Box::pin(cluster.client.snapshots(cluster.repository())).await.map_err(|error| error.to_string())?;
    let family = cluster.family();
    let whole = |one: &&Snapshot| one.state == State::Success && family.has(&one.name);
    let seen = all.iter().filter(whole).map(|one| {
        let bytes = known.iter().find(|known| known.name == one.name).and_then(|known| known.bytes);
        Seen {
            tier: Tier::Daily,
            place: Place::Here,
            name: one.name.clone(),
            began: one.started,
            ended: taken(one),
            bytes: bytes.unwrap_or_default(),
            written: None,
            format: bytes.map(|_| manifest::FORMAT_OF_SIZES.to_owned()),
            hidden: None,
            dated_by_storage: false,
        }
    });
    let seen: Vec<Seen> = seen.collect();
    let now = context.clock.now();
    let newest = known.iter().map(|known| known.ended).max();
    for known in &known {
        let there = all.iter().find(|one| one.name == known.name);
        let young = snapshots::due(known.began, context.job.keep.days).is_none_or(|due| now < due);
        let wanted = young || newest == Some(known.ended);
        let is_same = |one: &Snapshot| known.uuid.is_none() || one.uuid.is_none() || one.uuid == known.uuid;
        match there {
            Some(one) if one.state == State::Success && is_same(one) => {}
            Some(one) if one.state == State::Success => {
                lost.push(format!("the snapshot {} is another one than the job made", known.name));
            }
            Some(one) => {
                lost.push(format!("the snapshot {} was whole and is {} now", known.name, one.state.word()))
            }
            None if wanted => lost.push(format!(
                "the snapshot {} was whole at {}, and the repository {} does not have it any more",
                known.name,
                words::minute(known.ended),
                known.repository
            )),
            None => {}
        }
    }
    Ok(Looked { seen, lost })
}
