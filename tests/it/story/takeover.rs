//! An operator takes over a machine that commcare-cloud backed up: what is told, what is done, what is kept.

use std::fs;

use super::stage::Stage;

const TABLE: &str = "/etc/cron.d/backup_postgres";
const OLD: &str = "#Ansible: Backup postgres daily\n\
    0 1 * * 1,2,3,4,5,6 postgres /usr/local/sbin/create_postgres_dump.sh daily 7\n\
    #Ansible: Backup postgres weekly\n\
    0 1 * * 0 postgres /usr/local/sbin/create_postgres_dump.sh weekly 28\n";
const FOREIGN: &str = "# mine\n30 2 * * * root /usr/bin/true\n";

fn stage() -> Stage {
    let stage = Stage::new();
    fs::create_dir_all(stage.on_host("/etc/cron.d")).expect("made");
    fs::write(stage.on_host(TABLE), format!("{FOREIGN}{OLD}")).expect("written");
    stage
}

fn table(stage: &Stage) -> String {
    fs::read_to_string(stage.on_host(TABLE)).unwrap_or_default()
}

fn apply(stage: &Stage) {
    let plan = stage.reconcile("plan").exits(0);
    let line = plan.line_to_apply().expect("something to apply").to_owned();
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0);
}

#[test]
fn what_the_roles_left_is_shown_taken_over_and_kept() {
    let stage = stage();
    let plan = stage.reconcile("plan").exits(0).says(&[
        "> crontab   db1 postgresql (adopted)\n",
        "    0 1 * * 1-6            backup postgresql daily as postgres\n",
        "    takes over             /etc/cron.d/backup_postgres\n",
        "      0 1 * * 1-6          create_postgres_dump.sh daily 7 as postgres\n",
        "      0 1 * * 0            create_postgres_dump.sh weekly 28 as postgres\n",
        "      move to /etc/reconcile/commcare-example/adopted/; the scripts stay\n",
        "1 to adopt",
    ]);
    assert!(!plan.stdout.contains("DESTRUCTIVE"), "{plan}");
    let json = stage.reconcile("plan --output json").exits(0).json();
    let changes = json["changes"].as_array().expect("a list");
    let adopted = changes.iter().find(|change| change["action"] == "adopt").expect("adopted");
    assert_eq!(adopted["reasons"][0]["code"], "takes-over");
    let field =
        adopted["fields"].as_array().expect("fields").iter().find(|field| field["field"] == "old entries");
    let field = field.unwrap_or_else(|| panic!("{adopted:#}"));
    assert_eq!(
        field["from"][0],
        serde_json::json!({
            "table": TABLE,
            "schedule": "0 1 * * 1,2,3,4,5,6",
            "user": "postgres",
            "command": "/usr/local/sbin/create_postgres_dump.sh daily 7",
        }),
        "{field:#}"
    );
    assert_eq!(field["to"], serde_json::json!([]));

    apply(&stage);
    assert_eq!(table(&stage), FOREIGN);
    let kept = fs::read_dir(stage.on_host("/etc/reconcile/commcare-example/adopted")).expect("kept");
    let kept: Vec<_> = kept.map(|entry| entry.expect("an entry").path()).collect();
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    let text = fs::read_to_string(kept).expect("read");
    assert!(text.ends_with(OLD) && text.contains("# Out of /etc/cron.d/backup_postgres"), "{text}");
    stage.reconcile("plan --detailed-exitcode").exits(0).says(&["Nothing to change"]);

    // The old tool runs again.
    fs::write(stage.on_host(TABLE), format!("{FOREIGN}{OLD}")).expect("written");
    stage.reconcile("plan --detailed-exitcode").exits(2).says(&[
        "~ crontab   db1 postgresql\n",
        "    takes over             /etc/cron.d/backup_postgres\n",
        "      they came back: the tool that writes them ran again",
    ]);
    apply(&stage);
    assert_eq!(table(&stage), FOREIGN);
}

#[test]
fn what_can_go_back_goes_back() {
    let stage = stage();
    apply(&stage);
    stage.edit("environment/public.yml", "backup_postgres: plain", "backup_postgres: false");
    // As what is kept says: first out of the settings, then the lines back into their table.
    apply(&stage);
    fs::write(stage.on_host(TABLE), format!("{FOREIGN}{OLD}")).expect("written");
    stage.reconcile("plan --detailed-exitcode").exits(0);
    assert_eq!(table(&stage), format!("{FOREIGN}{OLD}"));
}

#[test]
fn the_sandbox_plays_ours_and_tells_of_the_rest() {
    let stage = stage();
    stage.reconcile("sandbox run db1 --at 2026-11-23T09:00:00Z").exits(0).complains(&[
        "/etc/cron.d/backup_postgres: not a job of this program, not run",
        "create_postgres_dump.sh daily 7",
    ]);
}
