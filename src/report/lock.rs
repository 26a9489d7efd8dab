//! The lock of applies as text and JSON: who holds it, where, since when, and what to do about it.

use serde_json::Value as Json;

use super::documents::{self, lock as document};
use super::text::{BOLD, MAGENTA, counted, one_line, rfc3339, styled, wrapped};
use crate::state::{Holder, LockPlace, Standing, Told};
use crate::vocab::{Environment, words};

/// One place, and what is known of it.
#[derive(Clone, Debug)]
pub struct PlaceView<'a> {
    pub place: &'a LockPlace,
    /// What it says, or why nobody can tell.
    pub told: Result<&'a Told, &'a str>,
    /// Of its holder.
    pub standing: Option<Standing>,
    /// What became of breaking it, where that was tried.
    pub removed: Option<Result<(), &'a str>>,
}

/// `alice as role/backup-operator of account 123456789012, on laptop, process 4711, since 2026-11-21 12:00:00 UTC`.
pub fn who(holder: &Holder) -> String {
    let account = holder.account.as_ref().map(|account| format!(" of account {account}")).unwrap_or_default();
    let identity = holder.identity.as_deref().map(|identity| format!(" as {identity}{account}"));
    let since = words::second(holder.since);
    one_line(&format!(
        "{}{}, on {}, process {}, since {since}",
        holder.user,
        identity.unwrap_or_default(),
        holder.machine,
        holder.process
    ))
}

/// What the standing of a holder means for whoever waits.
fn standing_words(standing: Standing) -> &'static str {
    match standing {
        Standing::AtWork => "its process runs on this machine",
        Standing::Gone => "its process is gone: the next apply on this machine takes over",
        Standing::Elsewhere => "whether that process is still at work cannot be told from here",
    }
}

/// Why an apply is refused: message and help. `command` breaks the lock.
pub fn blocked<'a>(
    environment: &Environment,
    places: impl Iterator<Item = &'a LockPlace>,
    by: &Told,
    standing: Option<Standing>,
    command: &str,
) -> (String, String) {
    let places = listed(places);
    let (by, help) = match (by, standing) {
        (Told::Held(holder, _), Some(Standing::AtWork)) => (
            format!("is held by {}", who(holder)),
            "wait for it, or end that process if it hangs; breaking the lock is",
        ),
        (Told::Held(holder, _), _) => {
            (format!("is held by {}", who(holder)), "wait for it; if it is gone for certain, break the lock:")
        }
        (Told::Unreadable(why), _) => (
            format!("is held by something that cannot be read: {}", one_line(why)),
            "another version may be at work; if nobody is for certain, break the lock:",
        ),
        (Told::Free, _) => ("was held a moment ago".to_owned(), "try again; if it stays so, break the lock:"),
    };
    let message = format!("the lock of environment {environment} {by}, in {places}: nothing was touched");
    (message, format!("{help}\n{command}"))
}

fn listed<'a>(places: impl Iterator<Item = &'a LockPlace>) -> String {
    places.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Where an apply goes on without the lock being held there.
pub fn without(place: &LockPlace, why: &str) -> String {
    let text = wrapped("note: ", 6, &format!("{place} does not hold the lock of applies: {}", one_line(why)));
    format!("{text}\n")
}

/// That nothing at all holds the lock.
pub fn unheld() -> String {
    let words = "nothing holds the lock of applies: see that nobody else applies this environment now";
    format!("{}\n", wrapped("note: ", 6, words))
}

/// That a dead holder was followed.
pub fn followed<'a>(places: impl Iterator<Item = &'a LockPlace>, holder: &Holder) -> String {
    let words = format!(
        "the lock was left by {}, whose process is gone: taken over in {}",
        who(holder),
        listed(places)
    );
    format!("{}\n", wrapped("note: ", 6, &words))
}

/// That the lock could not be given back.
pub fn stuck(place: &LockPlace, why: &str, command: &str) -> String {
    let words = format!("{place} may still hold the lock of this apply: {}; if so, break it:", one_line(why));
    format!("{}\n      {}\n", wrapped("note: ", 6, &words), styled(BOLD, command))
}

/// All places for people.
pub fn text(environment: &Environment, places: &[PlaceView<'_>]) -> String {
    let mut text = format!("environment {}\n\n", styled(BOLD, environment));
    let mut groups: Vec<(&Told, Vec<&PlaceView<'_>>)> = Vec::new();
    for view in places {
        let Some(told) = view.told.ok().filter(|told| **told != Told::Free) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == told) {
            Some((_, views)) => views.push(view),
            None => groups.push((told, vec![view])),
        }
    }
    for (told, views) in &groups {
        let words = match told {
            Told::Held(holder, _) => who(holder),
            Told::Unreadable(why) => format!("something that cannot be read: {}", one_line(why)),
            Told::Free => continue,
        };
        text.push_str(&wrapped("held by ", 4, &words));
        text.push('\n');
        if let Some(standing) = views.first().and_then(|view| view.standing) {
            text.push_str(&format!("    {}\n", standing_words(standing)));
        }
        for view in views {
            let removed = match view.removed {
                None => String::new(),
                Some(Ok(())) => "  removed".to_owned(),
                Some(Err(why)) => format!("  not removed: {}", one_line(why)),
            };
            text.push_str(&format!("    {}{removed}\n", view.place));
        }
        text.push('\n');
    }
    for view in places {
        if let Err(why) = view.told {
            let glyph = styled(MAGENTA.bold(), '!');
            text.push_str(&format!("{glyph} {}  unknown\n", styled(BOLD, view.place)));
            text.push_str(&format!("{}\n\n", wrapped("    ", 4, &one_line(why))));
        }
    }
    text.push_str(&format!("{}\n", styled(BOLD, summary(places))));
    text
}

fn summary(places: &[PlaceView<'_>]) -> String {
    let count = |wanted: &dyn Fn(&PlaceView<'_>) -> bool| places.iter().filter(|view| wanted(view)).count();
    let free = count(&|view| view.told == Ok(&Told::Free));
    let unknown = count(&|view| view.told.is_err());
    let removed = count(&|view| view.removed == Some(Ok(())));
    let held = places.len() - free - unknown - removed;
    let mut parts = Vec::new();
    for (count, word) in [(held, "held in"), (removed, "removed from")] {
        if count > 0 {
            parts.push(format!("{word} {}", counted(count, "place")));
        }
    }
    for (count, word) in [(free, "free"), (unknown, "unknown")] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    match (held + removed + unknown, free) {
        (0, 0) => "Nobody holds the lock: there is no place yet that could.".to_owned(),
        (0, _) => format!("Nobody holds the lock: free in {}.", counted(free, "place")),
        _ => {
            let text = parts.join(", ");
            let mut letters = text.chars();
            letters
                .next()
                .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
        }
    }
}

/// All places for scripts.
pub fn json(environment: &Environment, places: &[PlaceView<'_>]) -> Json {
    let place = |view: &PlaceView<'_>| {
        let (state, holder, why) = match view.told {
            Ok(Told::Free) => (document::State::Free, None, None),
            Ok(Told::Held(holder, _)) => {
                (document::State::Held, Some(holder_json(holder, view.standing)), None)
            }
            Ok(Told::Unreadable(why)) => (document::State::Unreadable, None, Some(why.clone())),
            Err(why) => (document::State::Unknown, None, Some(why.to_owned())),
        };
        document::Place {
            kind: match view.place {
                LockPlace::Bucket(_) => document::Kind::Bucket,
                LockPlace::Host(_) => document::Kind::Host,
            },
            name: view.place.name().to_owned(),
            state,
            holder,
            removed: view.removed.map(|removed| removed.is_ok()),
            why: view.removed.and_then(|removed| removed.err().map(str::to_owned)).or(why),
        }
    };
    documents::json(&document::Locks {
        format: document::FORMAT,
        environment: environment.clone(),
        places: places.iter().map(place).collect(),
    })
}

fn holder_json(holder: &Holder, standing: Option<Standing>) -> document::Holder {
    document::Holder {
        user: holder.user.clone(),
        identity: holder.identity.clone(),
        account: holder.account.clone(),
        machine: holder.machine.clone(),
        process: holder.process,
        since: rfc3339(holder.since),
        standing: match standing {
            Some(Standing::AtWork) => document::Standing::AtWork,
            Some(Standing::Gone) => document::Standing::Gone,
            Some(Standing::Elsewhere) | None => document::Standing::Elsewhere,
        },
    }
}
