//! Proofs that fail, and the people who hear of it: once, until the end; and a loss that somebody answers for.

use std::fs;
use std::process::{Command, Output, Stdio};

use chrono::TimeDelta;
use reconcile::datastores::job_file::{Alerts, Smtp as SmtpSettings, SmtpTls};
use reconcile::freshness::Matter;
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::verify::{self, Evidence};
use reconcile::jobs::{self, CheckReport, check, tell};
use reconcile::vocab::Tier;

use super::host::Host;
use super::trees::{TREE, host};
use crate::support::smtp::{Letter, Mood, Smtp};

/// A host with a tree of two parts, that mails to this server, and is held to proofs within a week.
fn watched(server: &Smtp) -> Host {
    let mut host = host(&[]);
    for name in ["photos", "letters"] {
        fs::create_dir_all(host.inside(TREE).join(name)).expect("made");
        fs::write(host.inside(TREE).join(name).join("all"), vec![b'x'; 9000]).expect("written");
    }
    let job = &mut host.context.job;
    job.objectives.verified_within = Some(7 * 86_400);
    job.schedules = [(Tier::Daily, "0 0 * * *".parse().expect("a schedule"))].into();
    job.alerts = Alerts {
        email: vec!["ops@example.org".to_owned()],
        smtp: Some(SmtpSettings {
            host: "127.0.0.1".parse().expect("a host"),
            port: server.port,
            tls: SmtpTls::None,
            from: Some("backups@example.org".to_owned()),
        }),
        prometheus_textfile: None,
    };
    host.context.run = "5f3a9c1d2e4b".to_owned();
    host.context.written = Some("2026-11-20T12:00:00Z".parse().expect("an instant"));
    host
}

/// A night: a backup, and the look at it that somebody declared.
async fn night(host: &Host) -> Evidence {
    host.pass(TimeDelta::days(1));
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    look(host).await
}

async fn look(host: &Host) -> Evidence {
    let evidence = verify::verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    assert_eq!(tell::verified(&host.context).await, [""; 0]);
    evidence
}

async fn checked(host: &Host) -> CheckReport {
    let report = check::look(&host.context, &[]).await;
    assert_eq!(tell::checked(&host.context, &report).await, [""; 0]);
    report
}

fn subjects(server: &Smtp) -> Vec<String> {
    server.letters().iter().map(Letter::subject).collect()
}

#[tokio::test]
async fn a_condemned_backup_is_one_letter_and_its_end_another() {
    let server = Smtp::start(Mood::Takes);
    let host = watched(&server);
    assert!(night(&host).await.is_proof());
    assert!(checked(&host).await.is_good());
    assert_eq!(subjects(&server), [""; 0]);

    // Somebody removes half of it.
    fs::rename(host.inside(TREE).join("photos"), host.inside("/srv/photos")).expect("moved");
    let evidence = night(&host).await;
    assert!(!evidence.is_proof() && evidence.is_acceptable(), "{evidence:#?}");
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    insta::assert_snapshot!(
        "letter_of_a_condemned_backup",
        letters[0].text.split_once("\n\n").expect("a body").1
    );
    let what = "files-media backups on db1.example.org (production)";
    assert_eq!(letters[0].subject(), format!("[ALERT] {what}: the daily backup is NOT PROVEN"));

    // The checks see it, and so do more nights; nobody hears of it again, nor in the end that there is no proof in time.
    for _ in 0..9 {
        let report = checked(&host).await;
        assert!(!report.is_good());
        assert_eq!(report.proofs.wrong()[0].0, Matter::Condemned);
        assert_eq!(report.watch.incident, Some(evidence.ended), "since the first");
        night(&host).await;
    }
    assert!(
        check::status_file::text(&check::look(&host.context, &[]).await)
            .contains("[ALERT] files-media_daily")
    );
    assert_eq!(subjects(&server), [""; 0]);

    // It is back: a proof ends it, once.
    fs::rename(host.inside("/srv/photos"), host.inside(TREE).join("photos")).expect("moved");
    assert!(night(&host).await.is_proof());
    assert_eq!(subjects(&server), [format!("[OK] {what}: proven again")]);
    assert!(checked(&host).await.is_good());
    assert!(look(&host).await.is_proof());
    assert_eq!(subjects(&server), [""; 0]);
}

#[tokio::test]
async fn a_proof_that_could_not_be_made_is_told() {
    let server = Smtp::start(Mood::Takes);
    let host = watched(&server);
    // Nothing was ever backed up.
    let error = verify::verify(&host.context, &[], &Wanted::Newest, None).await.expect_err("nothing there");
    for _ in 0..2 {
        assert_eq!(tell::unverified(&host.context, &error).await, [""; 0]);
    }
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0].subject().ends_with(": the verification could not be made"),
        "{}",
        letters[0].subject()
    );
    assert!(letters[0].text.contains("there is no backup to restore"), "{}", letters[0].text);
    assert!(check::look(&host.context, &[]).await.proofs.words_of_unmade().is_some());
    assert!(night(&host).await.is_proof());
    assert!(subjects(&server)[0].contains("proven again"));
    assert!(check::look(&host.context, &[]).await.proofs.is_good());
}

/// Whoever is at work says what it finds; whoever hangs says nothing, and keeps every other from looking.
#[tokio::test]
async fn a_verification_that_hangs_is_told_once_and_one_at_work_never() {
    let server = Smtp::start(Mood::Takes);
    let host = watched(&server);
    assert!(night(&host).await.is_proof());
    let lock = host.path(".reconcile-production-files-media-verify.lock");
    let held = fs::File::options().read(true).write(true).open(&lock).expect("there");
    let holds = |began: &str| {
        held.try_lock().expect("free");
        let holder = format!(
            "{{\"pid\": 1, \"host\": \"db1\", \"job\": \"verify files-media of production\", \"began\": \"{began}\"}}"
        );
        fs::write(&lock, holder).expect("written");
    };
    let refused = async || {
        let error = verify::verify(&host.context, &[], &Wanted::Newest, None).await.expect_err("held");
        assert!(error.is_refusal(), "{error}");
        assert_eq!(tell::unverified(&host.context, &error).await, [""; 0]);
    };
    // Since the night before.
    holds("2026-11-22T00:00:00Z");
    host.pass(TimeDelta::days(1));
    refused().await;
    assert!(checked(&host).await.proofs.is_good());
    assert_eq!(subjects(&server), [""; 0]);
    host.pass(TimeDelta::minutes(1));
    for _ in 0..3 {
        refused().await;
        checked(&host).await;
        host.pass(TimeDelta::minutes(10));
    }
    let letters = server.letters();
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert!(letters[0].subject().ends_with(": the verification could not be made"), "{letters:#?}");
    let text = letters[0].text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("`verify files-media of production`, process 1 on db1, since 2026-11-22"),
        "{text}"
    );
    assert!(text.contains("end that process if it hangs"), "{text}");
    // It is gone, and the next one says that all is well.
    held.unlock().expect("released");
    assert!(night(&host).await.is_proof());
    assert!(subjects(&server).iter().any(|subject| subject.ends_with("proven again")));
    // The clock was ahead when it began: nobody knows for how long.
    holds("2027-11-22T00:00:00Z");
    refused().await;
    assert!(subjects(&server)[0].ends_with(": the verification could not be made"));
}

#[tokio::test]
async fn only_an_accepted_loss_lowers_the_measure() {
    let server = Smtp::start(Mood::Takes);
    let host = watched(&server);
    assert!(night(&host).await.is_proof());
    fs::remove_dir_all(host.inside(TREE).join("photos")).expect("removed");
    let shown = night(&host).await;
    assert_eq!(verify::acceptable(&host.context, &[], &Wanted::Newest).await, Ok(Some(shown.clone())));

    // Looking again changes nothing: the one that failed is no measure for itself.
    host.pass(TimeDelta::hours(1));
    assert!(!look(&host).await.is_proof());
    let stale = verify::accept(&host.context, &[], &Wanted::Newest, &shown, "alice")
        .await
        .expect_err("looked at again");
    assert!(stale.message.contains("is not what was shown any more"), "{stale}");
    let shown =
        verify::acceptable(&host.context, &[], &Wanted::Newest).await.expect("chosen").expect("a loss");
    let accepted =
        verify::accept(&host.context, &[], &Wanted::Newest, &shown, "alice as root").await.expect("accepted");
    assert!(accepted.is_proof());
    let record = accepted.accepted.clone().expect("recorded");
    assert_eq!((record.by.as_str(), &record.reasons), ("alice as root", &shown.losses));
    assert!(record.reasons.iter().any(|reason| reason.contains("bytes: photos is gone, which held 9000")));
    let written =
        fs::read_to_string(host.path(&format!("{}.verified.json", accepted.name))).expect("evidence");
    assert!(written.contains("alice as root"), "{written}");
    assert_eq!(tell::verified(&host.context).await, [""; 0]);
    assert_eq!(subjects(&server).len(), 2, "its beginning, and its end");

    // What is left is the measure: for this one, whoever looks again, and for the next.
    let again = look(&host).await;
    assert!(again.is_proof() && again.accepted == accepted.accepted, "{again:#?}");
    assert!(night(&host).await.is_proof());
    // In small steps it is lost all the same.
    let letters = host.inside(TREE).join("letters/all");
    let mut size = 9000;
    let condemned = loop {
        size -= 900;
        fs::write(&letters, vec![b'x'; size]).expect("written");
        let evidence = night(&host).await;
        if !evidence.is_proof() {
            break evidence;
        }
    };
    assert_eq!(size, 3600, "{condemned:#?}");
    assert!(condemned.reasons[0].contains("it holds 3600 where a proven backup held 9000"), "{condemned:#?}");
}

#[tokio::test]
async fn what_is_more_than_a_loss_cannot_be_accepted() {
    let server = Smtp::start(Mood::Takes);
    let host = watched(&server);
    assert!(night(&host).await.is_proof());
    fs::remove_dir_all(host.inside(TREE)).expect("removed");
    fs::create_dir_all(host.inside(TREE).join("empty")).expect("made");
    fs::write(host.inside(TREE).join("empty/file"), "").expect("written");
    let evidence = night(&host).await;
    assert!(!evidence.is_acceptable() && !evidence.losses.is_empty(), "{evidence:#?}");
    assert_eq!(verify::acceptable(&host.context, &[], &Wanted::Newest).await, Ok(None));
    let error =
        verify::accept(&host.context, &[], &Wanted::Newest, &evidence, "alice").await.expect_err("refused");
    assert!(error.message.contains("only a loss can be accepted"), "{error}");
}

/// The program on the machine itself, by a job file.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { folder: tempfile::tempdir().expect("a folder") };
        let at = |name: &str| machine.folder.path().join(name);
        for directory in ["tree/photos", "tree/letters", "backups"] {
            fs::create_dir_all(at(directory)).expect("made");
        }
        for name in ["tree/photos/all", "tree/letters/all"] {
            fs::write(at(name), vec![b'x'; 9000]).expect("written");
        }
        let job = serde_json::json!({
            "reconcile": {"environment": "production", "id": "host_file/db1/files-media"},
            "version": 2, "environment": "production", "host": "db1", "datastore": "files-media",
            "source": {"tree": {"path": at("tree"), "exclude": [], "host": null}},
            "directory": at("backups"), "compression": "gzip",
            "keep": {"days": 2, "weeks": 2, "hours": 1}, "upload": null,
        });
        fs::write(at("job.json"), job.to_string()).expect("written");
        machine
    }

    fn run(&self, line: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_reconcile"))
            .args(line.split_whitespace())
            .arg("--job")
            .arg(self.folder.path().join("job.json"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env("NO_COLOR", "1")
            .env("SUDO_USER", "alice")
            .env_remove("RECONCILE_ENV")
            .output()
            .expect("it runs")
    }

    fn says(&self, line: &str, code: i32, words: &[&str]) -> String {
        let output = self.run(line);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in words {
            assert!(flat.contains(words), "{line} lacks {words:?}: {text}");
        }
        text
    }
}

#[test]
fn accepting_is_asked_for_and_recorded() {
    let machine = Machine::new();
    machine.says("run backup files-media --tier daily", 0, &[]);
    machine.says("verify files-media", 0, &["proven"]);
    machine.says("verify files-media --accept", 0, &["proven"]);
    fs::remove_dir_all(machine.folder.path().join("tree/photos")).expect("removed");
    machine.says("run backup files-media --tier weekly", 0, &[]);
    let name = machine
        .says(
            "verify files-media",
            1,
            &["NOT PROVEN", "photos is gone, which held 9000", "--accept` measures the next"],
        )
        .split_whitespace()
        .nth(2)
        .expect("a name")
        .to_owned();
    machine.says("verify files-media --accept", 3, &["there is no terminal to ask on: nothing was accepted"]);
    machine.says("verify files-media --accept --confirm other", 3, &["other was confirmed"]);
    machine.says("verify files-media --confirm other", 64, &[]);
    machine.says(
        &format!("verify files-media --accept --confirm {name}"),
        0,
        &["proven", "what it had lost was accepted by alice as", "photos is gone"],
    );
    machine.says("verify files-media", 0, &["proven"]);
    machine.says("check files-media", 0, &["tells no schedule"]);
    assert!(machine.folder.path().join("backups/.reconcile-production-files-media.measure.json").is_file());
}

#[test]
fn cron_hears_nothing_of_what_goes_well() {
    let machine = Machine::new();
    let job = machine.folder.path().join("job.json");
    let text = fs::read_to_string(&job).expect("there");
    let scheduled =
        text.replacen("\"upload\":null", "\"upload\":null,\"schedules\":{\"daily\":\"0 1 * * *\"}", 1);
    assert_ne!(text, scheduled);
    fs::write(&job, scheduled).expect("written");
    let cron = |line: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_reconcile"))
            .args(line.split_whitespace())
            .arg("--job")
            .arg(&job)
            .stdin(Stdio::null())
            .env_remove("TERM")
            .env_remove("RECONCILE_ENV")
            .output()
            .expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    for line in ["run backup files-media --tier daily", "run verify files-media", "run check files-media"] {
        assert_eq!(cron(line), (Some(0), String::new()), "{line}");
    }
    fs::remove_dir_all(machine.folder.path().join("tree/photos")).expect("removed");
    assert_eq!(cron("run backup files-media --tier daily"), (Some(0), String::new()));
    let (code, said) = cron("run verify files-media");
    assert!(code == Some(1) && said.contains("NOT PROVEN"), "{said}");
    let (code, said) = cron("run check files-media");
    assert!(code == Some(2) && said.contains("photos is gone"), "{said}");
}
