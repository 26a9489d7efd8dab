//! Taking over on a real machine: over ssh and sudo, out of tables in /etc/cron.d and a user's own table, which only the
//! machine's crontab(1) may write.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use super::fleet::Fleet;
use crate::support::skip;
use crate::support::sshd::{Like, Machine, OPERATOR};

const TABLE: &str = "/etc/cron.d/backup_postgres";
const OWN_TABLE: &str = "/var/spool/cron/crontabs/postgres";
const OURS: &str = "/etc/cron.d/reconcile-fleet-postgresql";
const DAILY: &str = "#Ansible: Backup postgres daily\n\
    0 1 * * 1,2,3,4,5,6 postgres /usr/local/sbin/create_postgres_dump.sh daily 2\n";
const OWN_DAILY: &str = "0 2 * * 1,2,3,4,5,6 /usr/local/sbin/create_postgres_dump.sh daily 2\n";
/// Without a newline at its end, as people leave files.
const FOREIGN: &str = "# mine\n30 2 * * * root /usr/bin/true";
const OWN_FOREIGN: &str = "MAILTO=dba@example.com\n15 4 * * * vacuumdb --all # 100\\% mine\n";

/// A machine that commcare-cloud backed up; `None` is a skip that was told.
fn machine(fleet: &Fleet) -> Option<Machine> {
    let user = fs::metadata("/usr/bin/crontab").ok().and(id(&["-u", "postgres"]));
    let (Some(user), Some(group)) = (user, id(&["-g", "postgres"])) else {
        skip("ssh", "there is no crontab(1), or no user postgres");
        return None;
    };
    let machine = fleet.machine(&Like::named("old"))?;
    let spool = machine.at("/var/spool/cron/crontabs");
    fs::create_dir_all(&spool).expect("made");
    fs::set_permissions(&spool, fs::Permissions::from_mode(0o1730)).expect("given");
    fs::write(machine.at(TABLE), format!("{DAILY}{FOREIGN}")).expect("written");
    own_table(&machine, &format!("{OWN_FOREIGN}{OWN_DAILY}"));
    chown(machine.at(OWN_TABLE), Some(user), Some(group)).expect("given");
    Some(machine)
}

fn id(words: &[&str]) -> Option<u32> {
    String::from_utf8(Command::new("id").args(words).output().ok()?.stdout).ok()?.trim().parse().ok()
}

fn own_table(machine: &Machine, text: &str) {
    fs::write(machine.at(OWN_TABLE), text).expect("written");
    fs::set_permissions(machine.at(OWN_TABLE), fs::Permissions::from_mode(0o600)).expect("given");
}

#[test]
fn a_real_machine_is_taken_over_and_what_is_foreign_stays_to_the_byte() {
    let Some(fleet) = Fleet::new() else { return };
    let Some(machine) = machine(&fleet) else { return };
    fleet.inventory(&[("db1", &machine, OPERATOR, machine.port)]);
    let table = || fs::read_to_string(machine.at(TABLE)).expect("there");
    // crontab(1) puts three lines about itself on top of what it writes on some systems.
    let own = || fs::read_to_string(machine.at(OWN_TABLE)).expect("there");
    fleet.reconcile("plan").exits(0).says(&[
        "> crontab db1 postgresql (adopted)",
        "takes over /etc/cron.d/backup_postgres",
        "create_postgres_dump.sh daily 2 as postgres",
        "takes over crontab of postgres",
    ]);

    fleet.reconcile("apply --auto-approve").exits(0);
    assert!(fs::read_to_string(machine.at(OURS)).expect("there").contains("run backup postgresql"));
    assert_eq!(table(), FOREIGN);
    assert!(own().ends_with(OWN_FOREIGN) && !own().contains("create_postgres_dump"), "{}", own());
    let kept = fs::read_dir(machine.at("/etc/reconcile/fleet/adopted")).expect("kept");
    let kept: Vec<_> = kept.map(|entry| entry.expect("an entry").path()).collect();
    let texts: Vec<String> = kept.iter().map(|path| fs::read_to_string(path).expect("read")).collect();
    for line in [DAILY, OWN_DAILY] {
        assert_eq!(texts.iter().filter(|text| text.ends_with(line)).count(), 1, "{texts:#?}");
    }
    assert!(kept.iter().all(|path| fs::metadata(path).expect("there").mode() & 0o777 == 0o600));
    let own_again = fs::metadata(machine.at(OWN_TABLE)).expect("there");
    assert_eq!((own_again.uid(), own_again.mode() & 0o777), (id(&["-u", "postgres"]).expect("known"), 0o600));
    fleet.reconcile("plan --detailed-exitcode").exits(0).says(&["Nothing to change"]);

    // The old tool runs again, and what it wrote goes the same way.
    own_table(&machine, &format!("{OWN_FOREIGN}{OWN_DAILY}"));
    fleet.reconcile("plan --detailed-exitcode").exits(2).says(&["they came back"]);
    fleet.reconcile("apply --auto-approve").exits(0);
    assert!(own().ends_with(OWN_FOREIGN), "{}", own());
    fleet.reconcile("plan --detailed-exitcode").exits(0);
}
