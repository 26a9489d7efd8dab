//! What a restore will do and what it did, for people and for scripts.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::jobs::document;
use super::text::{ALARM, BOLD, DIM, YELLOW, bytes, minute, one_line, styled, wrapped};
use crate::jobs::restore::{Fetched, Ready, Restored};
use crate::vocab::{Datastore, HostName};

/// What is about to happen: for somebody who has to type the backup's name next.
pub fn ready(ready: &Ready, datastore: &Datastore, host: &HostName) -> String {
    let chosen = &ready.chosen;
    let mut text = format!("{BOLD}restore {datastore} on {host}{BOLD:#}\n");
    text.push_str(&format!("    backup  {}\n", one_line(&chosen.name)));
    text.push_str(&format!("            {}, {}\n", whole(chosen.ended), bytes(chosen.bytes)));
    text.push_str(&format!("    from    {}\n", one_line(&chosen.place())));
    text.push_str(&format!("    into    {}\n", ready.home.display()));
    if let Some(kept) = &ready.kept {
        text.push_str(&format!("    keeps   {}: what is there now\n", kept.display()));
    }
    for passed in &chosen.passed {
        let line = format!("passed over: {}", one_line(passed));
        text.push_str(&wrapped(&format!("  {} ", styled(YELLOW, "!")), 4, &line));
        text.push('\n');
    }
    for doubt in &chosen.doubts {
        text.push_str(&wrapped(&format!("  {} ", styled(ALARM, "!")), 4, &one_line(doubt)));
        text.push('\n');
    }
    if let Some(declared) = &ready.declared {
        text.push_str(&format!("    stops   {}\n", one_line(&declared.stop)));
        text.push_str(&format!("    starts  {}\n", one_line(&declared.start)));
    } else if let Some(who) = &ready.in_use {
        let stop =
            ready.services.stop.as_ref().map(|stop| format!("; stop it first: {stop}")).unwrap_or_default();
        text.push_str(&wrapped(&format!("  {} ", styled(ALARM, "!")), 4, &format!("{who}{stop}")));
        text.push('\n');
    }
    text
}

fn whole(ended: Option<DateTime<Utc>>) -> String {
    ended.map_or_else(
        || "nobody noted when it was whole".to_owned(),
        |ended| format!("whole at {} UTC", minute(ended)),
    )
}

/// What was restored, and what is left for a person.
pub fn restored(restored: &Restored) -> String {
    let mut text = format!("{BOLD}restored{BOLD:#} {}\n", one_line(&restored.name));
    text.push_str(&format!("    into    {}\n", restored.into));
    text.push_str(&compared(restored.compared, restored.bytes));
    for kept in &restored.kept {
        text.push_str(&format!("    before  {kept}\n"));
        text.push_str(&format!(
            "            {DIM}remove it when you are sure that you do not need it{DIM:#}\n"
        ));
    }
    for note in &restored.notes {
        text.push_str(&wrapped(&format!("  {} ", styled(YELLOW, "!")), 4, &one_line(note)));
        text.push('\n');
    }
    if let Some(start) = &restored.start {
        text.push_str(&format!("    start   {start}\n"));
    }
    if let Some(then) = &restored.then {
        text.push_str(&format!("    then    {then}, once it runs\n"));
    }
    text
}

/// What was done once whoever uses the data ran again.
pub fn settled(done: &str) -> String {
    format!("{BOLD}settled{BOLD:#}  {}\n", one_line(done))
}

/// `reconcile.settled/1`.
pub fn settled_json(done: &str) -> Value {
    serde_json::json!({"format": "reconcile.settled/1", "done": done})
}

fn compared(compared: bool, read: u64) -> String {
    match compared {
        true => format!("    read    {}, and its checksum is what was written\n", bytes(read)),
        false => {
            let words = format!(
                "{} were read; no checksum was known to compare with: another program made it, and it was only unpacked",
                bytes(read)
            );
            format!("{}\n", wrapped(&format!("  {} ", styled(YELLOW, "!")), 4, &words))
        }
    }
}

/// What was fetched without an environment, and how it is put to use by hand.
pub fn fetched(fetched: &Fetched) -> String {
    let mut text = format!("{BOLD}unpacked{BOLD:#} {}\n", one_line(&fetched.from));
    text.push_str(&format!("    into    {}\n", one_line(&fetched.into)));
    text.push_str(&compared(fetched.compared, fetched.bytes));
    if let Some(manifest) = &fetched.manifest {
        text.push_str(&format!(
            "    {} of environment {} on {}, {}\n",
            manifest.datastore,
            manifest.environment,
            manifest.host,
            whole(Some(manifest.ended))
        ));
        for note in &manifest.notes {
            text.push_str(&wrapped("    ", 4, &one_line(note)));
            text.push('\n');
        }
        text.push_str("    by hand:\n");
        for line in &manifest.restore {
            text.push_str(&format!("      {}\n", one_line(line)));
        }
    }
    text
}

/// `reconcile.restore/1`.
pub fn restored_json(restored: &Restored) -> Value {
    document("reconcile.restore/1", restored)
}

/// `reconcile.fetch/1`.
pub fn fetched_json(fetched: &Fetched) -> Value {
    document("reconcile.fetch/1", fetched)
}
