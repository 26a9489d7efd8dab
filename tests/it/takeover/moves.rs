//! Old entries that differ from ours: at other times, kept for longer, made where we make none; and what is in the way.

use std::fs;

use reconcile::plan::{Action, Answer, Consent, LocalKeep, Plan, Question, Reason, Refusal};
use reconcile::sandbox::Sandbox;
use reconcile::state::HeldCode;
use reconcile::vocab::{HostName, Tier};

use super::hosts::{Case, Fixture, Piece, Table, put};
use super::jobs::gap;
use crate::settings::folder::loaded;
use crate::support::wait;

const TABLE: &str = "/etc/cron.d/backup_postgres";

fn host() -> HostName {
    "db1".parse().expect("a host")
}

fn line(schedule: &str, arguments: &str) -> String {
    format!("{schedule} postgres /usr/local/sbin/create_postgres_dump.sh {arguments}\n")
}

/// PostgreSQL on one host, backed up as `public` says, with one old table.
fn case(public: &str, table: &str) -> Case {
    let public = format!("deploy_env: prod\nbackup_postgres: plain\n{public}");
    let settings = loaded(&[("public.yml", &public), ("inventory.ini", "[pg_backup]\ndb1\n")]);
    let pieces = vec![Piece { text: table.to_owned(), old: Some("postgresql".to_owned()) }];
    let fixture = Fixture::from([(host(), vec![Table { path: TABLE.to_owned(), pieces }])]);
    Case::new(settings, fixture)
}

fn read(sandbox: &Sandbox, path: &str) -> Option<String> {
    fs::read_to_string(sandbox.host_dir(&host()).join(path.trim_start_matches('/'))).ok()
}

async fn plan_with_losses(case: &Case, sandbox: &Sandbox) -> Plan {
    let plan = case.plan(sandbox).await;
    let mut answers = Vec::new();
    for question in plan.questions() {
        let answer = case.answer(sandbox, &question).await;
        answers.push((question, answer));
    }
    plan.with_losses(answers, None)
}

#[test]
fn ours_may_run_at_another_hour() {
    let old = line("0 3 * * 1,2,3,4,5,6", "daily 2") + &line("0 3 * * 0", "weekly 14");
    let case = case("nadir_hour: 16\n", &old);
    wait(async {
        let sandbox = case.stage();
        let before = case.tables(&sandbox);
        assert!(case.plan(&sandbox).await.needed_consents().is_empty());
        assert!(case.apply(&sandbox).await);
        let after = case.tables(&sandbox);
        assert_eq!(read(&sandbox, TABLE), None);
        for (first, then) in [(&before, &after), (&after, &after)] {
            assert_eq!(gap(&before[&host()], &first[&host()], &then[&host()]), None);
        }
    });
}

#[test]
fn what_ours_does_not_make_goes_with_consent_alone() {
    let old = line("0 0 * * *", "daily 2") + &line("15 * * * *", "hourly 60");
    let case = case("", &old);
    wait(async {
        let sandbox = case.stage();
        let plan = case.plan(&sandbox).await;
        let change = plan.changes.iter().find(|change| change.action == Action::Adopt).expect("adopted");
        assert!(
            change.reasons.contains(&Reason::LeavesUndone([Tier::Hourly].into())),
            "{:?}",
            change.reasons
        );
        let needed = plan.needed_consents();
        assert_eq!(
            needed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["destructive:crontab/db1/postgresql"]
        );
        let refused = plan.grant(&Consent { allowed: Vec::new(), sandbox: true });
        assert_eq!(refused.err(), Some(Refusal::NoConsent(needed)));
        assert!(case.apply(&sandbox).await);
        assert_eq!(read(&sandbox, TABLE), None);
    });
}

#[test]
fn a_shorter_life_of_local_backups_names_what_is_lost() {
    let old = line("0 0 * * *", "daily 7") + &line("0 0 * * 0", "weekly 28") + &line("0 0 * * 0", "weekly");
    let case = case("postgresql_backup_days: 3\npostgresql_backup_weeks: 4\n", &old);
    wait(async {
        let sandbox = case.stage();
        // Made by the old script five days and one day before; a weekly one that is kept as long as before.
        for (name, days) in [("daily_2026_11_16", 5), ("daily_2026_11_20", 1), ("weekly_2026_11_15", 6)] {
            let path = format!("/opt/data/backups/postgresql/postgres_prod_{name}.tar.gz");
            put(&sandbox, &host(), &path, "bytes");
            let file = fs::File::options()
                .write(true)
                .open(sandbox.host_dir(&host()).join(path.trim_start_matches('/')))
                .expect("there");
            let now: std::time::SystemTime = sandbox.clock().now().into();
            file.set_modified(now - std::time::Duration::from_secs(days * 86_400)).expect("set");
        }
        let plan = plan_with_losses(&case, &sandbox).await;
        let change = plan.changes.iter().find(|change| change.action == Action::Adopt).expect("adopted");
        let Some(Reason::KeepsLess { old, new }) =
            change.reasons.iter().find(|reason| matches!(reason, Reason::KeepsLess { .. }))
        else {
            panic!("{:?}", change.reasons)
        };
        // Of two entries the one that removes earlier decides.
        assert_eq!((old.days, new.days, old.weeks, new.weeks), (7, 3, 4, 4));
        let lost: Vec<&str> = change.losses.first.iter().map(|loss| loss.backup.as_str()).collect();
        let gone = "db1:/opt/data/backups/postgresql/postgres_prod_daily_2026_11_16.tar.gz";
        // Where nothing is proven the newest of a tier stays.
        assert_eq!(lost, [gone]);
        let needed: Vec<String> = plan.needed_consents().iter().map(ToString::to_string).collect();
        assert!(needed.contains(&"destructive:crontab/db1/postgresql".to_owned()), "{needed:?}");
    });
}

#[test]
fn where_nothing_was_ever_removed_every_policy_is_shorter() {
    let case = case("postgresql_backup_weeks: 100\n", &line("0 0 * * 0", "weekly"));
    wait(async {
        let sandbox = case.stage();
        let plan = case.plan(&sandbox).await;
        let [Question::Local { old, .. }] = &plan.questions()[..] else { panic!("{:?}", plan.questions()) };
        assert_eq!(old.weeks, LocalKeep::FOR_EVER);
        let text = reconcile::report::plan::plan_markdown(&plan, "reconcile apply");
        assert!(text.contains("destructive"), "{text}");
    });
}

#[test]
fn what_is_in_the_way_of_ours_leaves_the_old_entries() {
    let old = line("0 0 * * *", "daily 2");
    let case = case("", &old);
    let ours = "/etc/cron.d/reconcile-prod-postgresql";
    for (what, code) in [
        ("# written by hand\n", HeldCode::Foreign),
        ("# reconcile environment=other id=crontab/db1/postgresql\n", HeldCode::Foreign),
    ] {
        wait(async {
            let sandbox = case.stage();
            put(&sandbox, &host(), ours, what);
            let plan = case.plan(&sandbox).await;
            let held = plan.held.iter().find(|held| held.id.to_string() == "crontab/db1/postgresql");
            assert_eq!(held.map(|held| held.code), Some(code), "{:?}", plan.held);
            case.apply(&sandbox).await;
            assert_eq!(read(&sandbox, TABLE).as_deref(), Some(old.as_str()));
            assert_eq!(read(&sandbox, ours).as_deref(), Some(what));
        });
    }
}

#[test]
fn a_table_that_cannot_be_read_may_hold_anything() {
    let case = case("", &line("0 0 * * *", "daily 2"));
    wait(async {
        let sandbox = case.stage();
        put(&sandbox, &host(), "/etc/cron.d/huge", &"# a very long comment\n".repeat(250_000));
        let plan = case.plan(&sandbox).await;
        let held = plan.held.iter().find(|held| held.id.to_string() == "crontab/db1/postgresql");
        let held = held.unwrap_or_else(|| panic!("{:?}", plan.held));
        assert!(held.code == HeldCode::Unknown && held.why.contains("/etc/cron.d/huge"), "{}", held.why);
        assert!(plan.changes.iter().all(|change| change.id != held.id));
    });
}

#[test]
fn when_ours_goes_old_entries_stay() {
    let old = line("0 0 * * *", "daily 2");
    let case = case("", &old);
    wait(async {
        let sandbox = case.stage();
        assert!(case.apply(&sandbox).await);
        put(&sandbox, &host(), TABLE, &old);
        let settings =
            loaded(&[("public.yml", "deploy_env: prod\n"), ("inventory.ini", "[pg_backup]\ndb1\n")]);
        let off = Case::new(settings, case.fixture.clone());
        let plan = off.plan(&sandbox).await;
        let change = plan.changes.iter().find(|change| change.id.name() == "postgresql").expect("a removal");
        assert_eq!(change.action, Action::Remove);
        assert!(change.fields.iter().all(|field| !field.field.contains("old")), "{:?}", change.fields);
        assert!(off.apply(&sandbox).await);
        assert_eq!(read(&sandbox, TABLE).as_deref(), Some(old.as_str()));
        assert!(off.plan(&sandbox).await.is_empty());
    });
}

#[test]
fn doubtful_lines_stay_and_are_held() {
    let doubtful = line("0 0 * * *", "daily 2 && rsync -a /opt/data/backups other:");
    let case = case("", &(line("0 0 * * 0", "weekly 14") + &doubtful));
    wait(async {
        let sandbox = case.stage();
        for _ in 0..2 {
            let plan = case.plan(&sandbox).await;
            let held: Vec<&str> = plan.held.iter().map(|held| held.why.as_str()).collect();
            assert!(held.iter().any(|why| why.contains("`rsync`")), "{held:?}");
            assert!(case.apply(&sandbox).await);
            assert_eq!(read(&sandbox, TABLE).as_deref(), Some(doubtful.as_str()));
        }
    });
}

#[test]
fn what_was_answered_is_of_that_host_alone() {
    let case = case("postgresql_backup_days: 1\n", &line("0 0 * * *", "daily 7"));
    wait(async {
        let sandbox = case.stage();
        // Without a directory there is nothing to lose, and that is known.
        for question in case.plan(&sandbox).await.questions() {
            let Answer::Lost(losses) = case.answer(&sandbox, &question).await else { panic!("unknown") };
            assert!(losses.is_empty());
        }
    });
}
