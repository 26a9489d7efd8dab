//! The lock of applies in the live world: taken, looked at, given back.
//!
//! It is held in every bucket that carries the environment's mark and on every host that an apply is about, so two applies
//! that could disturb each other always meet. All places are tried at the same time; whoever meets somebody gives back what
//! it has and goes through them once more, one after the other in their order: then never two hold half each, and one of
//! them goes on. Must never take a holder for dead that the caller's judgement does not.

use std::collections::{BTreeMap, BTreeSet};

use super::{LiveWorld, all, buckets};
use crate::clients::host::{EntryKind, Host, Question, Swapped};
use crate::resources::{Bucket, Resource};
use crate::state::{Holder, LockPlace, LockRecord, Sighting, Standing, Told};
use crate::vocab::{AccountId, HostName, Id, RegionName};

/// Where the lock can be held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockSpots {
    pub(super) spots: BTreeMap<LockPlace, Option<RegionName>>,
    /// Where it cannot, and why, for people.
    pub without: BTreeMap<LockPlace, String>,
}

impl LockSpots {
    pub fn places(&self) -> impl Iterator<Item = &LockPlace> {
        self.spots.keys()
    }
}

/// What proves in a place that the record there is the one that was seen or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The tag of the object.
    Tag(String),
    /// The file's bytes.
    Bytes(Vec<u8>),
}

/// The lock, held.
#[derive(Debug)]
pub struct Taken {
    record: LockRecord,
    held: BTreeMap<LockPlace, (Option<RegionName>, Proof)>,
    /// Where it is not held, and why, for people.
    pub without: BTreeMap<LockPlace, String>,
    /// Who held it, is no more, and was followed.
    pub followed: BTreeMap<LockPlace, Holder>,
}

impl Taken {
    /// Where it is held.
    pub fn places(&self) -> impl Iterator<Item = &LockPlace> {
        self.held.keys()
    }
}

/// Somebody else holds the lock; nothing of it is held here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Where they were met.
    pub places: BTreeSet<LockPlace>,
    pub by: Told,
}

/// What one place was seen to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockLook {
    pub place: LockPlace,
    /// What is there, or why nobody can tell.
    pub told: Result<Told, String>,
    region: Option<RegionName>,
    proof: Option<Proof>,
}

/// What became of trying one place.
pub(super) enum Attempt {
    /// Held, and whom it follows.
    Held(Proof, Option<Holder>),
    Met(Told),
    /// The place cannot hold it, and why.
    Cannot(String),
}

/// How often a place that changes under the hand is tried.
pub(super) const ROUNDS: u32 = 5;

/// Judges whether a holder can still be at work.
type Judge<'a> = &'a (dyn Fn(&Holder) -> Standing + Sync);

impl LiveWorld {
    /// Where the lock of this environment can be held: buckets that carry its mark, and these hosts.
    pub async fn lock_spots<'a>(
        &self,
        account: Option<&AccountId>,
        buckets: impl IntoIterator<Item = (&'a Id, &'a Bucket)>,
        hosts: impl IntoIterator<Item = &'a HostName>,
    ) -> LockSpots {
        let mut found = LockSpots::default();
        found.spots.extend(hosts.into_iter().map(|host| (LockPlace::Host(host.clone()), None)));
        let buckets = buckets.into_iter().filter_map(|(id, like)| Some((id, id.name().parse().ok()?, like)));
        let buckets: Vec<_> = buckets.collect();
        if buckets.is_empty() {
            return found;
        }
        let listing = match self.nothing_may_be_asked(account) {
            Some(why) => Err(why),
            None => self.list().await.map_err(|error| buckets::with_help(&error)),
        };
        let sightings = all(buckets, self.parallel, |(id, name, like)| {
            let listing = &listing;
            async move {
                let sighting = match listing {
                    Ok(listing) => Box::pin(self.sight_bucket(id, &mark_alone(like), listing)).await,
                    Err(why) => Sighting::Unknown(why.clone()),
                };
                (LockPlace::Bucket(name), sighting)
            }
        });
        for (place, sighting) in sightings.await {
            let why = match sighting {
                Sighting::Ours(Resource::Bucket(bucket)) => {
                    found.spots.insert(place, bucket.region);
                    continue;
                }
                // Nothing is written to what is not ours, and it is told as held in the plan.
                Sighting::Foreign(_) => continue,
                Sighting::Absent => "it does not exist yet".to_owned(),
                Sighting::Unmarked(_) | Sighting::Ours(_) => "it is not adopted yet".to_owned(),
                Sighting::Unknown(why) => why,
            };
            found.without.insert(place, why);
        }
        found
    }

    /// Takes the lock wherever it can be held, or meets somebody and holds nothing.
    pub async fn take_lock(
        &self,
        spots: LockSpots,
        token: String,
        holder: Holder,
        judge: Judge<'_>,
    ) -> Result<Taken, Box<Blocked>> {
        let record = LockRecord::held(&self.environment, token, holder);
        let LockSpots { spots, without } = spots;
        let mut taken = Taken { record, held: BTreeMap::new(), without, followed: BTreeMap::new() };
        let record = &taken.record;
        let attempts = all(&spots, self.parallel, |(place, region)| async move {
            (place, region, self.attempt(place, region.as_ref(), record, judge).await)
        });
        let mut met: Vec<(LockPlace, Told)> = Vec::new();
        for (place, region, attempt) in attempts.await {
            match attempt {
                Attempt::Held(proof, followed) => {
                    taken.held.insert(place.clone(), (region.clone(), proof));
                    taken.followed.extend(followed.map(|holder| (place.clone(), holder)));
                }
                Attempt::Met(told) => met.push((place.clone(), told)),
                Attempt::Cannot(why) => _ = taken.without.insert(place.clone(), why),
            }
        }
        if met.is_empty() {
            return Ok(taken);
        }
        self.give_back(&mut taken).await;
        for (place, region) in &spots {
            if taken.without.contains_key(place) {
                continue;
            }
            match self.attempt(place, region.as_ref(), &taken.record, judge).await {
                Attempt::Held(proof, followed) => {
                    taken.held.insert(place.clone(), (region.clone(), proof));
                    taken.followed.extend(followed.map(|holder| (place.clone(), holder)));
                }
                Attempt::Met(by) => {
                    self.give_back(&mut taken).await;
                    let same = met.into_iter().filter(|(_, told)| *told == by).map(|(place, _)| place);
                    let places = same.chain([place.clone()]).collect();
                    return Err(Box::new(Blocked { places, by }));
                }
                Attempt::Cannot(why) => _ = taken.without.insert(place.clone(), why),
            }
        }
        Ok(taken)
    }

    async fn attempt(
        &self,
        place: &LockPlace,
        region: Option<&RegionName>,
        record: &LockRecord,
        judge: Judge<'_>,
    ) -> Attempt {
        match place {
            LockPlace::Bucket(name) => Box::pin(self.attempt_in_bucket(name, region, record, judge)).await,
            LockPlace::Host(name) => Box::pin(self.attempt_on_host(name, record, judge)).await,
        }
    }

    async fn attempt_on_host(&self, name: &HostName, record: &LockRecord, judge: Judge<'_>) -> Attempt {
        let host = match self.host(name) {
            Ok(host) => host,
            Err(why) => return Attempt::Cannot(why),
        };
        let (path, bytes) = (LockPlace::path(&self.environment), record.bytes());
        let (mut from, mut followed): (Option<Vec<u8>>, _) = (None, None);
        for _ in 0..ROUNDS {
            let there = match host.swap(&path, from.as_deref(), Some(&bytes)).await {
                Ok(Swapped::Done) => return Attempt::Held(Proof::Bytes(bytes), followed),
                Ok(Swapped::Differs(there)) => there,
                Err(error) => {
                    // Whether it came through nobody knows.
                    let _ = host.swap(&path, Some(&bytes), None).await;
                    return Attempt::Cannot(error.to_string());
                }
            };
            // A machine that the inventory has under two names.
            if there.as_ref() == Some(&bytes) {
                return Attempt::Held(Proof::Bytes(bytes), followed);
            }
            followed = match there.as_ref().map(|there| LockRecord::read(there, &self.environment)) {
                None | Some(Told::Free) => None,
                Some(Told::Held(holder, _)) if judge(&holder) == Standing::Gone => Some(holder),
                Some(told) => return Attempt::Met(told),
            };
            from = there;
        }
        Attempt::Met(Told::Unreadable(UNSTEADY.to_owned()))
    }

    /// Gives the lock back: where that did not work and why, for people.
    pub async fn release_lock(&self, mut taken: Taken) -> BTreeMap<LockPlace, String> {
        self.give_back(&mut taken).await
    }

    async fn give_back(&self, taken: &mut Taken) -> BTreeMap<LockPlace, String> {
        let held = std::mem::take(&mut taken.held);
        let token = &taken.record.token;
        let freed = all(held, self.parallel, |(place, (region, proof))| async move {
            let freed = self.free(&place, region.as_ref(), &proof, token).await;
            freed.err().map(|why| (place, why))
        });
        freed.await.into_iter().flatten().collect()
    }

    /// Frees one place, if what is there is still what `proof` tells. A host that has nothing any more is free.
    async fn free(
        &self,
        place: &LockPlace,
        region: Option<&RegionName>,
        proof: &Proof,
        token: &str,
    ) -> Result<(), String> {
        match (place, proof) {
            (LockPlace::Bucket(name), Proof::Tag(tag)) => {
                Box::pin(self.free_in_bucket(name, region, tag, token)).await
            }
            (LockPlace::Host(name), Proof::Bytes(bytes)) => {
                let path = LockPlace::path(&self.environment);
                match Box::pin(self.host(name)?.swap(&path, Some(bytes), None)).await {
                    Ok(Swapped::Done | Swapped::Differs(None)) => Ok(()),
                    Ok(Swapped::Differs(Some(_))) => Err(MOVED.to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
            _ => Err(format!("{place} was not looked at")),
        }
    }

    /// What each place holds, in their order.
    pub async fn look_at_lock(&self, spots: &LockSpots) -> Vec<LockLook> {
        let looks = all(&spots.spots, self.parallel * 2, |(place, region)| async move {
            let seen = match place {
                LockPlace::Bucket(name) => Box::pin(self.read_lock(name, region.as_ref())).await,
                LockPlace::Host(name) => match self.host(name) {
                    Ok(host) => Box::pin(self.read_lock_file(host)).await,
                    Err(why) => Err(why),
                },
            };
            let (told, proof) = match seen {
                Ok(None) => (Ok(Told::Free), None),
                Ok(Some((bytes, proof))) => (Ok(LockRecord::read(&bytes, &self.environment)), Some(proof)),
                Err(why) => (Err(why), None),
            };
            LockLook { place: place.clone(), told, region: region.clone(), proof }
        });
        let mut looks = looks.await;
        looks.sort_by(|a, b| a.place.cmp(&b.place));
        looks
    }

    async fn read_lock_file(&self, host: &Host) -> Result<Option<(Vec<u8>, Proof)>, String> {
        let path = LockPlace::path(&self.environment);
        let view = host.look(&Question { paths: [path.clone()].into(), ..Question::default() }).await?;
        let seen = view.at(&path).map_err(|error| error.to_string())?;
        match seen {
            None => Ok(None),
            Some(seen) if seen.kind == EntryKind::File => {
                Ok(Some((seen.bytes.clone(), Proof::Bytes(seen.bytes.clone()))))
            }
            Some(_) => Err(format!("{path} is no file; remove it there")),
        }
    }

    /// Frees a place of which somebody decided that nobody is at work there: only what was seen goes.
    pub async fn break_lock(&self, look: &LockLook) -> Result<(), String> {
        match &look.proof {
            // Nobody's token: only the tag may prove it.
            Some(proof) => self.free(&look.place, look.region.as_ref(), proof, "").await,
            None => Err(format!("{} was not looked at", look.place)),
        }
    }
}

/// What is to be seen of a bucket to know whose it is.
fn mark_alone(like: &Bucket) -> Bucket {
    Bucket {
        owner: like.owner.clone(),
        region: like.region.clone(),
        versioning: None,
        keep_versions: None,
        abort_uploads: None,
        encryption: None,
        public_access: None,
        tls_only: None,
        object_lock: None,
        versioning_lock: None,
    }
}

pub(super) const UNSTEADY: &str = "it changes faster than it can be read; try again";
pub(super) const MOVED: &str =
    "somebody broke it meanwhile, and somebody else may hold it now: look with `reconcile lock show`";
