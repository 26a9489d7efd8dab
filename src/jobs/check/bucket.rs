//! What the bucket holds of a datastore's backups, as far as it says how fresh they are.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Whose;
use crate::datastores::names::Slot;
use crate::freshness::{Place, Seen};
use crate::jobs::context::{Context, Store};
use crate::jobs::directory::Local;
use crate::jobs::list::Earlier;
use crate::jobs::manifest::Manifest;
use crate::jobs::remote::{self, Object};
use crate::vocab::{BucketName, Tier};

/// Of how many of the newest of a tier the manifest is asked for in the bucket, where the host has none: its end is what
/// ages count from, and its format what sizes are compared by.
const ASKED: usize = 6;

/// The backups of this host in the bucket; the error says why they cannot be seen.
pub async fn seen(
    context: &Context,
    earlier: &[Earlier],
    local: &[Local],
    whose: Whose,
) -> Result<Vec<Seen>, String> {
    let (Some(store), Some(upload)) = (&context.store, &context.job.upload) else {
        return Err("there is no client for the bucket".to_owned());
    };
    let mut seen = seen_in(context, (store, &upload.bucket), local, whose).await?;
    for Earlier { bucket, store } in earlier {
        // What cannot be seen there excuses nothing; `list` tells why.
        seen.extend(seen_in(context, (store, bucket), local, whose).await.unwrap_or_default());
    }
    Ok(seen)
}

/// Those in one bucket, under whatever name the environment had.
async fn seen_in(
    context: &Context,
    (store, bucket): (&Store, &BucketName),
    local: &[Local],
    whose: Whose,
) -> Result<Vec<Seen>, String> {
    let in_bucket = |why: String| format!("s3://{bucket}: {why}");
    let names: Vec<_> = context.all_series().into_iter().map(|series| (None, series)).collect();
    let found = remote::list(store, bucket, &names).await.map_err(in_bucket)?;
    // What a person labelled no schedule promised.
    let ours = |object: &Object| match &object.name.slot {
        Slot::Undated { tier, host } => match whose {
            Whose::ThisHost => *host == context.hostname,
            Whose::Named => first_label(host) == first_label(&context.hostname),
        }
        .then_some(*tier),
        Slot::Dated { tier, .. } => Some(*tier),
        Slot::Labelled { .. } => None,
    };
    let markers: BTreeMap<&str, DateTime<Utc>> =
        found.hidden.iter().map(|hidden| (hidden.key.as_str(), hidden.since)).collect();
    let mut objects: Vec<(Tier, &Object)> =
        found.objects.iter().filter_map(|object| Some((ours(object)?, object))).collect();
    objects.sort_by_key(|(_, object)| std::cmp::Reverse(object.copy.modified));
    let mut asked: BTreeMap<Tier, usize> = BTreeMap::new();
    let mut seen = Vec::new();
    for (tier, object) in objects {
        let here = local.iter().filter_map(|one| one.manifest.as_ref()).find(|one| is_of(one, object));
        let times = asked.entry(tier).or_default();
        let there = match here {
            None if *times < ASKED => {
                *times += 1;
                // One that cannot be read leaves the storage's own date.
                remote::manifest_of(store, bucket, &found, &object.copy).await.ok().flatten()
            }
            _ => None,
        };
        let manifest = here.or(there.as_ref());
        // Dated keys do not say of which host they are.
        if manifest.is_some_and(|manifest| manifest.host != context.job.host) {
            continue;
        }
        seen.push(as_seen(tier, object, manifest, &markers));
    }
    Ok(seen)
}

fn is_of(manifest: &Manifest, object: &Object) -> bool {
    let same = |remote: &crate::jobs::Remote| {
        remote.key == object.copy.key && remote.version_id == object.copy.version_id
    };
    manifest.bytes == object.bytes && manifest.remote.as_ref().is_some_and(same)
}

fn as_seen(
    tier: Tier,
    object: &Object,
    manifest: Option<&Manifest>,
    markers: &BTreeMap<&str, DateTime<Utc>>,
) -> Seen {
    Seen {
        tier,
        place: Place::Remote,
        name: object.copy.key.clone(),
        began: manifest.map_or(object.copy.modified, |manifest| manifest.began),
        ended: manifest.map_or(object.copy.modified, |manifest| manifest.ended),
        bytes: object.bytes,
        written: manifest.map(|manifest| manifest.bytes).filter(|written| *written != object.bytes),
        format: manifest.map(Manifest::format_of_sizes),
        hidden: markers.get(object.copy.key.as_str()).copied(),
        dated_by_storage: manifest.is_none(),
    }
}

fn first_label(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}
