//! Somebody is told: over a real SMTP listener in each of its moods, once for each incident, whoever finds out first.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use chrono::TimeDelta;
use reconcile::clients::mail::{self, Security, Server, Way};
use reconcile::datastores::job_file::{Alerts, Smtp as SmtpSettings, SmtpTls};
use reconcile::datastores::postgresql::settings::Method;
use reconcile::freshness::{Place, State};
use reconcile::jobs::job_file::AlertSecrets;
use reconcile::jobs::tell::{self, test};
use reconcile::jobs::{self, CheckReport, check};
use reconcile::vocab::{Login, Secret, Tier};

use super::dump::{End, Made};
use super::host::Host;
use super::store::Storage;
use super::upload::uploads_to;
use crate::support::smtp::{Letter, Mood, Smtp};

pub(super) const SMALL: u64 = 100_000;
pub(super) const OPS: &str = "ops@example.org";

/// A host whose daily backup runs at 01:00, and that mails to this server.
pub(super) fn host(server: &Smtp, to: &[&str]) -> Host {
    let mut host = Host::new(Method::Plain);
    let job = &mut host.context.job;
    job.schedules = BTreeMap::from([(Tier::Daily, "0 1 * * *".parse().expect("a schedule"))]);
    job.alerts = Alerts {
        email: to.iter().map(|to| (*to).to_owned()).collect(),
        smtp: Some(SmtpSettings {
            host: "127.0.0.1".parse().expect("a host"),
            port: server.port,
            tls: SmtpTls::None,
            from: Some("backups@example.org".to_owned()),
        }),
        prometheus_textfile: None,
    };
    host.context.written = Some("2026-11-20T12:00:00Z".parse().expect("an instant"));
    host
}

pub(super) async fn backup(host: &Host, end: End) {
    let made = jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, end)).await;
    assert_eq!(made.is_ok(), end == End::Whole, "{made:?}");
}

/// What cron's check does; what could not be told is the answer.
pub(super) async fn checked(host: &Host) -> (CheckReport, Vec<String>) {
    let report = check::look(&host.context, &[]).await;
    let troubles = tell::checked(&host.context, &report).await;
    (report, troubles)
}

pub(super) fn subjects(letters: &[Letter]) -> Vec<String> {
    letters.iter().map(Letter::subject).collect()
}

#[tokio::test]
async fn a_night_that_fails_is_one_letter_and_its_end_another() {
    let server = Smtp::start(Mood::Takes);
    let host = host(&server, &[OPS]);
    host.pass(TimeDelta::hours(1));
    backup(&host, End::Failed).await;
    let letters = server.letters();
    assert_eq!(
        subjects(&letters),
        ["[ALERT] postgresql backups on db1.example.org (production): the daily backup failed at dump"]
    );
    assert_eq!(
        (letters[0].from.as_str(), letters[0].to.as_slice()),
        ("backups@example.org", &[OPS.to_owned()][..])
    );
    let text = letters[0].text.split_once("\n\n").expect("a body").1;
    insta::assert_snapshot!("letter_of_a_failed_backup", text);

    // The checks of the day find that it is missing: somebody knows already. And so does the next night.
    for _ in 0..5 {
        host.pass(TimeDelta::hours(4));
        let (report, troubles) = checked(&host).await;
        assert!(!report.is_good() && troubles.is_empty(), "{troubles:?}");
    }
    backup(&host, End::Broken).await;
    assert_eq!(subjects(&server.letters()), [""; 0]);

    host.pass(TimeDelta::hours(24));
    backup(&host, End::Whole).await;
    let letters = server.letters();
    assert_eq!(
        subjects(&letters),
        ["[OK] postgresql backups on db1.example.org (production): as they should be again"]
    );
    insta::assert_snapshot!("letter_of_an_end", letters[0].text.split_once("\n\n").expect("a body").1);
    let (report, _) = checked(&host).await;
    assert!(report.is_good());
    assert_eq!(report.watch.incident, None);
    assert_eq!(subjects(&server.letters()), [""; 0]);
}

#[tokio::test]
async fn a_run_that_never_started_is_found_by_the_next_check() {
    let server = Smtp::start(Mood::Takes);
    let host = host(&server, &[OPS]);
    let (report, _) = checked(&host).await;
    assert!(report.is_good(), "the first run is still to come");
    host.pass(TimeDelta::hours(1) + TimeDelta::minutes(59));
    assert!(checked(&host).await.0.is_good(), "it has an hour");
    host.pass(TimeDelta::minutes(1));
    let (report, _) = checked(&host).await;
    assert!(matches!(report.freshness.tiers[0].places[0].state, State::Missing { runs: 1, .. }));
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    insta::assert_snapshot!(
        "letter_of_a_missing_backup",
        letters[0].text.split_once("\n\n").expect("a body").1
    );
    let status = check::status_file::text(&report);
    insta::assert_snapshot!(status, @r"
    [ALERT] No daily postgres backup
    [ALERT] no daily backup on the host since the run of 2026-11-21 01:00 UTC; there is none at all
    ");
}

/// Under cron nobody sees what a job says on standard error.
#[tokio::test]
async fn versioning_found_off_is_one_letter_and_the_next_undated_key_another() {
    let (server, storage) = (Smtp::start(Mood::Takes), Storage::new(true));
    let mut host = host(&server, &[OPS]);
    uploads_to(&storage, true, &mut host);
    host.pass(TimeDelta::hours(1));
    backup(&host, End::Whole).await;
    assert!(checked(&host).await.0.is_good());
    assert_eq!(subjects(&server.letters()), [""; 0]);

    storage.state().versioned = false;
    host.pass(TimeDelta::hours(24));
    backup(&host, End::Whole).await;
    let letters = server.letters();
    let what = "postgresql backups on db1.example.org (production)";
    assert_eq!(subjects(&letters), [format!("[ALERT] {what}: a copy is under its dated key")]);
    insta::assert_snapshot!("letter_of_a_dated_key", letters[0].text.split_once("\n\n").expect("a body").1);
    // Neither the checks nor the next night tell it again, and whoever looks sees it.
    let (report, _) = checked(&host).await;
    assert!(!report.is_good());
    assert!(check::status_file::text(&report).contains("[ALERT] the last daily backup: the bucket"));
    host.pass(TimeDelta::hours(24));
    backup(&host, End::Whole).await;
    assert_eq!(subjects(&server.letters()), [""; 0]);
    // Whoever forgot it finds it beside the backup, and so does the check after a job that was killed.
    let memory = host.path(".reconcile-production-postgresql.incident.json");
    std::fs::remove_file(memory).expect("forgotten");
    assert_eq!(checked(&host).await.0.unversioned.len(), 1);
    assert_eq!(server.letters().len(), 1);
    checked(&host).await;

    storage.state().versioned = true;
    host.pass(TimeDelta::hours(24));
    backup(&host, End::Whole).await;
    assert_eq!(subjects(&server.letters()), [format!("[OK] {what}: as they should be again")]);
    assert!(checked(&host).await.0.is_good());
    assert_eq!(subjects(&server.letters()), [""; 0]);
}

#[tokio::test]
async fn a_letter_that_nobody_took_is_told_and_sent_by_the_next_check() {
    let server = Smtp::start(Mood::Busy);
    let host = host(&server, &[OPS]);
    host.pass(TimeDelta::hours(1));
    for mood in [Mood::Busy, Mood::Closes] {
        server.becomes(mood);
        backup(&host, End::Failed).await;
        let report = check::look(&host.context, &[]).await;
        assert_eq!(report.watch.waiting, 1);
        let why = report.watch.untold.expect("a reason");
        assert!(why.contains("the mail to ops@example.org was not taken: 127.0.0.1 port "), "{why}");
    }
    // The incident is over before anybody heard of it: both are told, in their order.
    server.becomes(Mood::Busy);
    host.pass(TimeDelta::hours(24));
    backup(&host, End::Whole).await;
    server.becomes(Mood::Takes);
    let (_, troubles) = checked(&host).await;
    assert_eq!(troubles, [""; 0]);
    let letters = server.letters();
    assert_eq!(letters.len(), 2);
    assert!(letters[0].subject().starts_with("[ALERT]") && letters[1].subject().starts_with("[OK]"));
    assert!(letters[0].text.contains("Date: Sat, 21 Nov 2026 01:00:00 +0000"), "{}", letters[0].text);
    assert_eq!(check::look(&host.context, &[]).await.watch.waiting, 0);
    checked(&host).await;
    assert_eq!(server.letters(), []);
}

#[tokio::test]
async fn an_address_that_is_refused_keeps_the_letter_from_nobody_else() {
    let server = Smtp::start(Mood::Refuses("gone@example.org"));
    let host = host(&server, &["gone@example.org", OPS]);
    backup(&host, End::Failed).await;
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].to, [OPS]);
    assert!(letters[0].text.contains("To: gone@example.org, ops@example.org"));
    let (report, _) = checked(&host).await;
    assert!(report.watch.untold.expect("told").contains("gone@example.org"));
    server.becomes(Mood::Takes);
    checked(&host).await;
    let letters = server.letters();
    assert_eq!(letters.len(), 1, "only who has not got it");
    assert_eq!(letters[0].to, ["gone@example.org"]);
}

#[tokio::test]
async fn a_login_is_used_and_never_said_again() {
    let server = Smtp::start(Mood::WantsPassword("canary-right"));
    let mut host = host(&server, &[OPS]);
    let login = |password: &str| AlertSecrets {
        smtp: Some(Login { username: Secret::new("backups"), password: Secret::new(password) }),
        ..AlertSecrets::default()
    };
    host.context.channels.secrets = login("canary-wrong");
    backup(&host, End::Failed).await;
    let (report, troubles) = checked(&host).await;
    let remembered = std::fs::read_to_string(host.path(".reconcile-production-postgresql.incident.json"));
    for text in [report.watch.untold.expect("told"), troubles.join(" "), remembered.expect("a memory")] {
        assert!(text.contains("535"), "{text}");
        assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
    }
    host.context.channels.secrets = login("canary-right");
    checked(&host).await;
    assert_eq!(server.letters().len(), 1);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let server = Smtp::start(Mood::Silent);
    let way = Way::Smtp(Server {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        security: Security::None,
        login: None,
        hello: "db1".to_owned(),
        limit: Duration::from_millis(200),
    });
    let letter = mail::Letter {
        from: "backups@example.org".to_owned(),
        to: vec![OPS.to_owned()],
        subject: "x".to_owned(),
        body: "x".to_owned(),
        at: "2026-11-21T12:00:00Z".parse().expect("an instant"),
    };
    let errors = mail::send(&way, &letter).await;
    assert_eq!(errors.len(), 1);
    assert!(errors[0].why.contains("nothing came of it within 0.2 s"), "{}", errors[0]);
    // Where TLS is asked for nothing is said without it.
    let plain = Smtp::start(Mood::Takes);
    let way = |security| {
        Way::Smtp(Server {
            host: "127.0.0.1".to_owned(),
            port: plain.port,
            security,
            login: None,
            hello: "db1".to_owned(),
            limit: Duration::from_secs(5),
        })
    };
    for security in [Security::Starttls, Security::Tls] {
        assert_eq!(mail::send(&way(security), &letter).await.len(), 1);
    }
    assert_eq!(plain.letters(), []);
}

#[tokio::test]
async fn two_jobs_that_tell_at_once_send_one_letter() {
    let server = Smtp::start(Mood::Takes);
    let host = host(&server, &[OPS]);
    host.pass(TimeDelta::hours(3));
    let report = check::look(&host.context, &[]).await;
    let telling = [0; 4].map(|_| tell::checked(&host.context, &report));
    for troubles in futures_util::future::join_all(telling).await {
        assert_eq!(troubles, [""; 0]);
    }
    assert_eq!(server.letters().len(), 1);
}

#[tokio::test]
async fn a_directory_that_is_gone_is_told() {
    let server = Smtp::start(Mood::Takes);
    let host = host(&server, &[OPS]);
    std::fs::remove_dir(host.context.directory()).expect("empty");
    let (report, troubles) = checked(&host).await;
    assert!(!report.saw_everything());
    let why = report.freshness.unseen()[&Place::Here].to_owned();
    assert!(why.contains("run `reconcile apply`, which makes it; if it is on a volume"), "{why}");
    assert!(troubles.iter().any(|why| why.contains("cannot be remembered")), "{troubles:?}");
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].subject().contains("the copies cannot be seen"), "{}", letters[0].subject());
}

#[tokio::test]
async fn metrics_say_what_was_told() {
    let server = Smtp::start(Mood::Takes);
    let mut host = host(&server, &[]);
    std::fs::create_dir_all(host.context.root.join("var/metrics")).expect("a folder");
    host.context.job.alerts.prometheus_textfile = Some("/var/metrics".to_owned());
    let metrics = |host: &Host| {
        let path = host.context.root.join("var/metrics/reconcile-production-postgresql.prom");
        std::fs::read_to_string(path).expect("metrics")
    };
    host.pass(TimeDelta::hours(1));
    backup(&host, End::Failed).await;
    assert!(metrics(&host).contains(
        "reconcile_incident{environment=\"production\",host=\"db1.example.org\",datastore=\"postgresql\"} 1\n"
    ));
    backup(&host, End::Whole).await;
    checked(&host).await;
    let text = metrics(&host);
    assert!(text.contains("} 0\n") && text.contains("tier=\"daily\",place=\"here\"} 1\n"), "{text}");
    assert!(text.contains("reconcile_backup_timestamp_seconds"), "{text}");
    std::fs::remove_dir_all(host.context.root.join("var/metrics")).expect("removed");
    let (_, troubles) = checked(&host).await;
    assert!(troubles[0].contains("the metrics cannot be written to /var/metrics/"), "{troubles:?}");
    assert_eq!(server.letters(), []);
}

/// The service there misses each by its own URL, and whoever sees `status` knows which do.
#[tokio::test]
async fn pings_name_whose_word_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let asked = std::thread::spawn(move || {
        [0; 2].map(|_| {
            let (mut stream, _) = listener.accept().expect("asked");
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).expect("a request");
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("answered");
            line.trim().to_owned()
        })
    });
    let server = Smtp::start(Mood::Takes);
    let mut host = host(&server, &[]);
    host.context.channels.secrets = AlertSecrets {
        ping_success: Some(Secret::new(format!("http://{at}/canary/{{host}}-{{datastore}}?create=1"))),
        ping_failure: Some(Secret::new(format!("http://{at}/canary/{{environment}}/{{host}}/fail"))),
        ..AlertSecrets::default()
    };
    host.pass(TimeDelta::hours(1));
    backup(&host, End::Whole).await;
    backup(&host, End::Failed).await;
    assert_eq!(
        asked.join().expect("asked twice"),
        [
            "GET /canary/db1-example-org-postgresql?create=1 HTTP/1.1",
            "GET /canary/production/db1-example-org/fail HTTP/1.1"
        ]
    );
    let watch = check::look(&host.context, &[]).await.watch;
    assert!(watch.ping && watch.apart.hosts && watch.apart.datastores, "{watch:?}");
    assert!(!serde_json::to_string(&watch).expect("a document").contains("canary"));
}

#[tokio::test]
async fn hourly_backups_whose_time_is_over_are_no_miss() {
    let server = Smtp::start(Mood::Takes);
    let mut host = host(&server, &[OPS]);
    host.context.job.schedules.insert(Tier::Hourly, "0 23 * * *".parse().expect("a schedule"));
    host.pass(TimeDelta::hours(23));
    let made = jobs::backup_with(&host.context, Tier::Hourly, Made::open(SMALL, End::Whole)).await;
    made.expect("a backup");
    host.pass(TimeDelta::hours(2));
    let report =
        jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
    assert_eq!(report.swept.removed.len(), 1, "it was kept an hour");
    host.pass(TimeDelta::hours(1));
    let (report, _) = checked(&host).await;
    assert!(report.is_good(), "{:?}", report.freshness.findings());
    // Removed by hand it is missing.
    let memory = host.path(".reconcile-production-postgresql.incident.json");
    std::fs::remove_file(memory).expect("forgotten");
    assert!(!checked(&host).await.0.is_good());
}

#[tokio::test]
async fn a_test_counts_once_a_person_has_its_code() {
    let server = Smtp::start(Mood::Takes);
    let host = host(&server, &[OPS]);
    assert!(test::confirm(&host.context, "abc234", "me").await.is_err(), "nothing was sent");
    let tested = test::send(&host.context, "abc234", "me").await.expect("sent");
    assert_eq!((tested.sent, tested.failed), (vec![format!("mail to {OPS}")], vec![]));
    let letters = server.letters();
    assert_eq!(
        letters[0].subject(),
        "[TEST] postgresql backups on db1.example.org (production): code abc234"
    );
    assert_eq!(check::look(&host.context, &[]).await.watch.confirmed, None);
    let error = test::confirm(&host.context, "abc235", "me").await.expect_err("another code");
    assert!(error.message.contains("not the code of the last test"));
    let confirmed = test::confirm(&host.context, " ABC234\n", "me").await.expect("arrived");
    assert_eq!(confirmed.channels, [format!("mail to {OPS}")]);
    let watch = check::look(&host.context, &[]).await.watch;
    assert_eq!(watch.confirmed.expect("recorded").by, "me");
    assert!(test::confirm(&host.context, "abc234", "me").await.is_err(), "a code counts once");
    // What is remembered of tests survives what jobs remember.
    backup(&host, End::Whole).await;
    checked(&host).await;
    assert!(check::look(&host.context, &[]).await.watch.confirmed.is_some());
}
