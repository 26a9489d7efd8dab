//! An apply's own hold on the lock: who we are, how it is taken and given back, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;
use super::plan::lock_command;
use super::{Failure, Global, Output};
use crate::clients::machine;
use crate::report::lock as words;
use crate::resources::{Bucket, Resource};
use crate::state::{Desired, Holder, Kernel, LockPlace, Standing, Told};
use crate::vocab::{HostName, Id};
use crate::world::{LiveWorld, LockSpots, Taken};

/// Where the lock of an environment can be held, these being the hosts to ask. Its buckets are all of them, whatever part of
/// it is selected: every apply may meet every other there.
pub async fn spots(world: &LiveWorld, desired: &Desired, hosts: &BTreeSet<HostName>) -> LockSpots {
    let buckets = desired.resources.iter().filter_map(|(id, wanted)| match &wanted.resource {
        Resource::Bucket(bucket) => Some((id, bucket)),
        _ => None,
    });
    let buckets: Vec<(&Id, &Bucket)> = buckets.collect();
    Box::pin(world.lock_spots(desired.account.as_ref(), buckets, hosts)).await
}

/// Whether a holder can still be at work, as far as this machine can tell.
pub fn standing(holder: &Holder) -> Standing {
    holder.standing(kernel().as_ref(), machine::runs)
}

fn kernel() -> Option<Kernel> {
    machine::kernel().map(|(boot, namespace)| Kernel { boot, namespace })
}

/// Takes the lock, or says who holds it. `hosts` are those that were reached.
pub async fn take(
    world: &LiveWorld,
    desired: &Desired,
    hosts: &BTreeSet<HostName>,
    place: &Place,
    global: &Global,
    out: &mut Output,
) -> Result<Taken, Failure> {
    let spots = spots(world, desired, hosts).await;
    let caller = world.caller();
    let process = std::process::id();
    let holder = Holder {
        user: machine::user(),
        identity: caller.identity.clone(),
        account: caller.account.clone(),
        machine: machine::hostname(),
        process,
        since: place.clock().now(),
        kernel: kernel(),
        started: machine::started(process),
    };
    let token = machine::random_token().map_err(Failure::failed)?;
    let taken = match Box::pin(world.take_lock(spots, token, holder, &standing)).await {
        Ok(taken) => taken,
        Err(blocked) => {
            let standing = match &blocked.by {
                Told::Held(holder, _) => Some(standing(holder)),
                _ => None,
            };
            let command = lock_command(global, "break");
            let (message, help) =
                words::blocked(&world.environment, blocked.places.iter(), &blocked.by, standing, &command);
            return Err(Failure::refused(message, help));
        }
    };
    for (place, why) in &taken.without {
        out.notice(&words::without(place, why));
    }
    if taken.places().next().is_none() {
        out.notice(&words::unheld());
    }
    let mut followed: BTreeMap<String, (&Holder, Vec<&LockPlace>)> = BTreeMap::new();
    for (place, holder) in &taken.followed {
        followed.entry(words::who(holder)).or_insert((holder, Vec::new())).1.push(place);
    }
    for (holder, places) in followed.into_values() {
        out.notice(&words::followed(places.into_iter(), holder));
    }
    Ok(taken)
}

/// Gives the lock back. Where that does not work it is told: what was applied stays applied.
pub async fn give_back(world: &LiveWorld, taken: Taken, global: &Global, out: &mut Output) {
    let command = lock_command(global, "break");
    for (place, why) in Box::pin(world.release_lock(taken)).await {
        out.notice(&words::stuck(&place, &why, &command));
    }
}
