//! What the table looks like: wide and narrow, all well and not, with colour and without.

use super::*;
use crate::freshness::{Freshness, Newest, PlaceFreshness, State, TierFreshness};
use crate::jobs::tell::Watch;
use crate::jobs::tell::pings::Apart;
use crate::jobs::verify::{Condemned, Proven, Standing};
use crate::vocab::Tier;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-{text}:00Z").parse().expect("an instant")
}

fn now() -> DateTime<Utc> {
    at("25T12:00")
}

/// A tier whose newest is of that time, in each place in that state.
fn tier(tier: Tier, ended: &str, bytes: u64, states: [State; 2]) -> TierFreshness {
    let goal = if tier == Tier::Weekly { TimeDelta::days(7) } else { TimeDelta::hours(25) };
    let places = [Place::Here, Place::Remote].into_iter().zip(states).map(|(place, state)| PlaceFreshness {
        place,
        newest: Some(Newest { name: "x".to_owned(), ended: at(ended), bytes })
            .filter(|_| !matches!(state, State::Missing { .. } | State::Awaited | State::Unseen { .. })),
        ahead: None,
        state,
    });
    TierFreshness {
        tier,
        schedule: "0 1 * * *".parse().expect("a schedule"),
        since: at("01T12:00"),
        due: Some(at(ended)),
        next: None,
        limit: Some(at(ended) + goal),
        places: places.collect(),
    }
}

fn report(host: &str, datastore: &str, tiers: Vec<TierFreshness>) -> CheckReport {
    let proven = Proven { at: at("24T02:00"), name: "x".to_owned(), taken: None, seconds: 250 };
    CheckReport {
        environment: "production".parse().expect("a name"),
        host: host.parse().expect("a name"),
        datastore: datastore.parse().expect("a name"),
        at: now(),
        zone: "UTC".to_owned(),
        directory: "/opt/data/backups".to_owned(),
        bucket: Some("dimagi-production-backups".parse().expect("a name")),
        freshness: Freshness { tiers, objectives: Vec::new() },
        old_entries: Vec::new(),
        lost: Vec::new(),
        unversioned: Default::default(),
        proofs: Standing { proven: Some(proven), ..Standing::default() },
        last_failure: None,
        watch: Watch {
            channels: vec!["mail to ops@example.org by sendmail".to_owned()],
            ping: true,
            confirmed: Some(crate::jobs::tell::memory::Confirmed {
                sent: at("20T12:00"),
                at: at("20T12:05"),
                by: "alice".to_owned(),
                channels: Vec::new(),
            }),
            ..Watch::default()
        },
    }
}

fn fresh() -> [State; 2] {
    [State::Fresh, State::Fresh]
}

fn host(report: Result<CheckReport, (&str, &str, &str)>) -> Host {
    match report {
        Ok(report) => {
            Host { host: report.host.clone(), datastore: report.datastore.clone(), report: Ok(report) }
        }
        Err((host, datastore, why)) => Host {
            host: host.parse().expect("a name"),
            datastore: datastore.parse().expect("a name"),
            report: Err(why.to_owned()),
        },
    }
}

fn shown(hosts: Vec<Host>, width: usize) -> String {
    let environment = "production".parse().expect("a name");
    let all = hosts.iter().map(|host| (host.host.clone(), host.datastore.clone())).collect();
    let text = status(&Status { environment, at: now(), watcher: Watcher::Metrics, hosts, all }, width);
    for line in anstream::adapter::strip_str(&text).to_string().lines().skip(2) {
        let is_table = line.starts_with("datastore") || line.starts_with("postgresql  ");
        assert!(!is_table || line.chars().count() <= width, "{width}: {line}");
    }
    text
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn all_fresh() -> Vec<Host> {
    let both = || {
        vec![
            tier(Tier::Daily, "25T01:02", 536_870_912, fresh()),
            tier(Tier::Weekly, "22T01:02", 531_000_000, fresh()),
        ]
    };
    let never = CheckReport { proofs: Standing::default(), ..report("couch1", "couchdb", both()) };
    vec![host(Ok(report("db1", "postgresql", both()))), host(Ok(never))]
}

#[test]
fn all_is_well_at_every_width() {
    insta::assert_snapshot!("status_all_fresh_80", plain(&shown(all_fresh(), 80)));
    insta::assert_snapshot!("status_all_fresh_100", plain(&shown(all_fresh(), 100)));
    insta::assert_snapshot!("status_all_fresh_60", plain(&shown(all_fresh(), 60)));
}

#[test]
fn a_silent_host_and_one_whose_bucket_is_seen() {
    let unseen = || State::Unseen { why: "10.0.0.12 port 22 timed out".to_owned() };
    let mut afar = report(
        "db2",
        "postgresql",
        vec![tier(Tier::Daily, "25T01:02", 536_870_912, [unseen(), State::Fresh])],
    );
    afar.proofs = Standing::default();
    afar.watch = Watch::default();
    let hosts =
        vec![host(Err(("db1", "postgresql", "10.0.0.11 port 22 refused the connection"))), host(Ok(afar))];
    insta::assert_snapshot!("status_silent_hosts", plain(&shown(hosts, 80)));
}

#[test]
fn stale_small_hidden_and_condemned() {
    let missing = State::Missing { since: at("24T01:00"), runs: 2, running: None };
    let hidden = State::Hidden { since: at("25T11:00") };
    let mut bad = report(
        "db1",
        "postgresql",
        vec![
            tier(Tier::Hourly, "25T09:15", 12_000_000, [missing.clone(), missing]),
            tier(Tier::Daily, "25T01:02", 12_000, [State::Small { usual: 536_870_912 }, hidden]),
            tier(Tier::Weekly, "22T01:02", 531_000_000, fresh()),
        ],
    );
    bad.proofs.condemned = Some(Condemned {
        at: at("25T05:10"),
        name: "postgres_production_weekly_2026_11_22.tar.gz".to_owned(),
        tier: Tier::Weekly,
        taken: Some(at("22T01:02")),
        reasons: vec!["app: people is gone, which held 1000 in a proven backup".to_owned()],
        more: 0,
        acceptable: true,
    });
    let text = shown(vec![host(Ok(bad))], 80);
    insta::assert_snapshot!("status_stale_small_hidden", plain(&text));
    // Colour repeats what the words say.
    insta::assert_snapshot!("status_in_colour", text.replace('\u{1b}', "ESC"));
}

#[test]
fn the_summary_says_what_it_counts() {
    let missing = || State::Missing { since: at("24T01:00"), runs: 2, running: None };
    let one = |states| host(Ok(report("db1", "postgresql", vec![tier(Tier::Daily, "25T01:02", 9, states)])));
    let (good, bad) = (|| one(fresh()), || one([missing(), missing()]));
    let unseen = || host(Err(("db3", "postgresql", "10.0.0.11 port 22 refused the connection")));
    let said = |hosts: &[Host]| plain(&summary(hosts));
    assert_eq!(said(&[good()]), "1 datastore as it should be.");
    assert_eq!(said(&[good(), good()]), "2 datastores as they should be.");
    assert_eq!(
        said(&[good(), bad(), good(), unseen()]),
        "2 datastores as they should be, 1 not, 1 not seen in full."
    );
    assert_eq!(said(&[bad(), bad()]), "2 datastores not as they should be.");
    assert_eq!(said(&[bad(), unseen()]), "1 datastore not as it should be, 1 not seen in full.");
    assert_eq!(said(&[unseen()]), "1 datastore not seen in full.");
}

/// What failed is not as it should be from the first minute, and not only when its hour is over.
#[test]
fn a_failure_that_nothing_has_answered_is_told_everywhere() {
    let tiers = || {
        vec![
            tier(Tier::Daily, "25T01:02", 536_870_912, fresh()),
            tier(Tier::Weekly, "22T01:02", 531_000_000, fresh()),
        ]
    };
    let failed = |of: Tier, when: &str| CheckReport {
        last_failure: Some(crate::jobs::LastFailure {
            environment: "production".parse().expect("a name"),
            host: "db1".parse().expect("a name"),
            datastore: "postgresql".parse().expect("a name"),
            tier: of,
            at: at(when),
            stage: crate::jobs::Stage::Dump,
            message: "no backup without the server".to_owned(),
            help: Some("see that the server runs".to_owned()),
            run: String::new(),
        }),
        ..report("db1", "postgresql", tiers())
    };
    let report = failed(Tier::Weekly, "25T11:30");
    assert!(!report.is_good());
    let text = plain(&shown(vec![host(Ok(report.clone()))], 80));
    let marked: Vec<&str> = text.lines().filter(|line| line.ends_with(" !")).collect();
    assert!(marked.len() == 1 && marked[0].contains("weekly"), "{text}");
    assert!(text.contains("the last weekly backup failed at dump, 2026-11-25 11:30"), "{text}");
    assert!(text.contains("1 datastore not as it should be."), "{text}");
    let environment = "production".parse().expect("a name");
    let hosts = vec![host(Ok(report))];
    let seen = Status { environment, at: now(), watcher: Watcher::Person, hosts, all: Vec::new() };
    let json = status_json(&seen);
    assert_eq!((&json["good"], &json["backups"][0]["good"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!(json["backups"][0]["findings"][0]["matter"], "late");
    assert_eq!(json["backups"][0]["findings"][0]["help"], "see that the server runs");
    let incident =
        metrics(&seen).lines().find(|line| line.starts_with("reconcile_incident{")).map(str::to_owned);
    assert!(incident.as_ref().is_some_and(|line| line.ends_with(" 1")), "{incident:?}");
    // A newer one is there, or no schedule wants its tier any more.
    for over in [failed(Tier::Daily, "24T01:00"), failed(Tier::Hourly, "25T11:30")] {
        assert!(over.is_good() && over.failure().is_none());
        let text = plain(&shown(vec![host(Ok(over))], 80));
        assert!(!text.contains("failed at") && text.contains("1 datastore as it should be."), "{text}");
    }
}

#[test]
fn metrics_tell_of_proofs() {
    let status = Status {
        environment: "production".parse().expect("a name"),
        at: now(),
        watcher: Watcher::Metrics,
        hosts: all_fresh(),
        all: Vec::new(),
    };
    let text = metrics(&status);
    let labels = "environment=\"production\",host=\"db1\",datastore=\"postgresql\"";
    let proven = at("24T02:00").timestamp();
    assert!(text.contains(&format!("reconcile_proven_timestamp_seconds{{{labels}}} {proven}\n")), "{text}");
    assert!(text.contains(&format!("reconcile_proofs_good{{{labels}}} 1\n")), "{text}");
    assert_eq!(text.matches("\nreconcile_proven_timestamp_seconds{").count(), 1, "never is no time: {text}");
    let json = status_json(&status);
    assert_eq!(json["backups"][0]["proofs"]["proven"]["age_seconds"], 34 * 3600);
    assert_eq!(json["backups"][1]["proofs"]["proven"], Value::Null);
}

/// A service that hears all is well at one URL from several misses none of them.
#[test]
fn a_url_that_several_share_watches_none_of_them() {
    let told = |apart: Apart, looked_at: usize, watcher: Watcher| {
        let mut hosts = all_fresh();
        let all = hosts.iter().map(|host| (host.host.clone(), host.datastore.clone())).collect();
        hosts.truncate(looked_at);
        for report in hosts.iter_mut().filter_map(|host| host.report.as_mut().ok()) {
            report.watch.apart = apart;
        }
        let environment = "production".parse().expect("a name");
        let seen = Status { environment, at: now(), watcher, hosts, all };
        let pings = status_json(&seen)["backups"]
            .as_array()
            .map(|all| all.iter().all(|one| one["alerts"]["ping"] == true));
        let text = plain(&status(&seen, 80)).split_whitespace().collect::<Vec<_>>().join(" ");
        (text.matches("one other shares the URL of pings.success").count(), pings == Some(true), text)
    };
    let (lines, pings, text) = told(Apart::default(), 2, Watcher::Person);
    assert_eq!((lines, pings), (2, false), "{text}");
    assert!(text.contains("write {host} and {datastore} into the URL in the vault"), "{text}");
    // Also where only one of them is looked at.
    let (lines, pings, text) = told(Apart::default(), 1, Watcher::Person);
    assert_eq!((lines, pings), (1, false), "{text}");
    // Somebody else watches: nothing needs to be said.
    assert_eq!(told(Apart::default(), 2, Watcher::Metrics).0, 0);
    for apart in [Apart { hosts: true, datastores: false }, Apart { hosts: false, datastores: true }] {
        let (lines, pings, text) = told(apart, 2, Watcher::Person);
        assert_eq!((lines, pings), (0, true), "{text}");
    }
}
