//! Which backups the tables of a host make, and when: read by plain rules of this file, not by the program's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use reconcile::resources::crontab;
use reconcile::vocab::{JobCommand, Schedule, Tier};

/// Tables of a host by their paths.
pub type Tables = BTreeMap<String, Vec<u8>>;

/// A backup of a datastore.
pub type Job = (String, Tier);

/// Minutes of the fortnight that is simulated.
pub const MINUTES: usize = 14 * 24 * 60;

const SCRIPTS: [(&str, &str); 4] = [
    ("/create_postgres_dump.sh", "postgresql"),
    ("/create_couchdb_backup.sh", "couchdb"),
    ("/create_blobdb_backup.sh", "blobdb"),
    ("/create_es_snapshot.py", "elasticsearch"),
];

/// The backup that one line of an older tool makes, and its schedule.
pub fn old_job(line: &str) -> Option<(Job, Schedule)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if line.starts_with('#') || words.len() < 6 {
        return None;
    }
    let script = |word: &str| SCRIPTS.iter().find(|(script, _)| word.ends_with(script));
    let at = words.iter().position(|word| script(word).is_some())?;
    // What only handles the script does not run it.
    if words[5..at].iter().any(|word| ["cp", "ls", "test"].contains(word)) {
        return None;
    }
    let (_, datastore) = script(words[at])?;
    let tier = match words.get(at + 1) {
        Some(&"hourly") => Tier::Hourly,
        Some(&"weekly") => Tier::Weekly,
        _ => Tier::Daily,
    };
    let schedule = words[..5].join(" ").parse().expect("a schedule");
    Some((((*datastore).to_owned(), tier), schedule))
}

/// Everything that the tables of a host make.
pub fn jobs(tables: &Tables) -> BTreeMap<Job, BTreeSet<Schedule>> {
    let mut jobs: BTreeMap<Job, BTreeSet<Schedule>> = BTreeMap::new();
    for (path, bytes) in tables {
        let text = String::from_utf8_lossy(bytes);
        if path.contains("/reconcile-") {
            for crontab::Entry { schedule, command, .. } in crontab::parse(&text).entries.into_values() {
                let JobCommand { datastore, tier, .. } = command;
                // Checks and proofs make no backup.
                let Some(tier) = tier else { continue };
                jobs.entry((datastore.to_string(), tier)).or_default().insert(schedule);
            }
            continue;
        }
        // The last line counts only where it ends.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            if let Some((job, schedule)) = old_job(line) {
                jobs.entry(job).or_default().insert(schedule);
            }
        }
    }
    jobs
}

/// The first minute of the fortnight.
fn start() -> DateTime<Utc> {
    "2026-11-21T00:00:00Z".parse().expect("an instant")
}

/// The minutes in which schedules fire, each minute tried.
pub fn firing(schedules: &BTreeSet<Schedule>) -> BTreeSet<usize> {
    static KNOWN: Mutex<BTreeMap<Schedule, BTreeSet<usize>>> = Mutex::new(BTreeMap::new());
    let fires = |schedule: &Schedule| {
        let minute = |at: &usize| start() + TimeDelta::minutes(i64::try_from(*at).expect("small"));
        (0..MINUTES).filter(|at| schedule.fires_at(minute(at), chrono_tz::UTC)).collect::<BTreeSet<_>>()
    };
    let mut known = KNOWN.lock().expect("nobody panicked");
    let all = schedules
        .iter()
        .map(|schedule| known.entry(schedule.clone()).or_insert_with(|| fires(schedule)).clone());
    all.flatten().collect()
}

/// A tier's period, in minutes: a backup that is late by less is the same one. Hourly ones are as far apart as they were.
fn period(tier: Tier, before: &BTreeSet<usize>) -> usize {
    match tier {
        Tier::Daily => 24 * 60,
        Tier::Weekly => 7 * 24 * 60,
        Tier::Hourly => {
            let gaps = before.iter().zip(before.iter().skip(1)).map(|(a, b)| b - a);
            gaps.min().unwrap_or(60)
        }
    }
}

/// A backup that the old entries would have made and that nothing makes, where the tables are `first` up to some minute and
/// `then` from it on, whichever minute that is.
pub fn gap(before: &Tables, first: &Tables, then: &Tables) -> Option<String> {
    let (old, first, then) = (jobs(before), jobs(first), jobs(then));
    for ((datastore, tier), schedules) in &old {
        let job = (datastore.clone(), *tier);
        let wanted = firing(schedules);
        let of = |jobs: &BTreeMap<Job, BTreeSet<Schedule>>| jobs.get(&job).map(firing).unwrap_or_default();
        let (early, late) = (of(&first), of(&then));
        let period = period(*tier, &wanted);
        // Only at minutes in which something fires does it matter which of the two is there.
        let turns: BTreeSet<usize> =
            early.iter().chain(&late).flat_map(|at| [*at, at + 1]).chain([0, MINUTES]).collect();
        for turn in turns {
            for due in wanted.iter().filter(|due| **due + period <= MINUTES) {
                let made = early.range(*due..due + period).any(|at| *at < turn)
                    || late.range(*due..due + period).any(|at| *at >= turn);
                if !made {
                    return Some(format!("{datastore} {tier}, due at minute {due}, changed at {turn}"));
                }
            }
        }
    }
    None
}

#[test]
fn the_simulation_sees_what_is_lost() {
    let table =
        |text: &str| Tables::from([("/etc/cron.d/backup_postgres".to_owned(), text.as_bytes().to_vec())]);
    let line =
        |hour: u32| format!("0 {hour} * * * postgres /usr/local/sbin/create_postgres_dump.sh daily 2\n");
    let before = table(&line(3));
    assert_eq!(gap(&before, &before, &before), None);
    assert_eq!(gap(&before, &before, &table(&line(5))), None, "late, within the period");
    assert!(gap(&before, &before, &table("")).is_some());
    assert!(gap(&before, &table(""), &before).is_some());
    assert!(gap(&before, &before, &table(line(3).trim_end())).is_some(), "a line without an end");
    assert!(gap(&before, &before, &table(&line(3).replace('*', "1"))).is_some());
    let ours = "0 3 * * * postgres /usr/local/bin/reconcile run backup postgresql --tier daily\n";
    let ours = Tables::from([("/etc/cron.d/reconcile-p-postgresql".to_owned(), ours.as_bytes().to_vec())]);
    assert_eq!(gap(&before, &before, &ours), None);
}
