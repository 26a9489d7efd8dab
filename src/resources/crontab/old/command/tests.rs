//! Commands as the roles and administrators wrote them, and what is read from each.

use proptest::prelude::*;

use super::*;

/// Datastore, tier and how long, in short; `check` for checks.
fn told(command: &str) -> Result<String, Doubt> {
    Ok(match read(command, Some("/usr/local/sbin:/usr/bin"))? {
        None => "none".to_owned(),
        Some(Run { datastore, purpose: Purpose::Check, .. }) => format!("check {datastore}"),
        Some(Run { datastore, purpose: Purpose::Backup { tier, keeps }, .. }) => {
            format!("{datastore} {tier} {keeps:?}")
        }
    })
}

#[test]
fn what_the_roles_wrote_is_known() {
    for (command, wanted) in [
        ("/usr/local/sbin/create_postgres_dump.sh daily 2", "postgresql daily Days(2)"),
        ("/usr/local/sbin/create_postgres_dump.sh weekly 14", "postgresql weekly Days(14)"),
        ("/usr/local/sbin/create_postgres_dump.sh hourly 240", "postgresql hourly Minutes(240)"),
        ("/etc/cron.d/create_postgres_dump.sh weekly 28", "postgresql weekly Days(28)"),
        ("/usr/local/sbin/create_couchdb_backup.sh daily 2", "couchdb daily Days(2)"),
        ("/usr/local/sbin/create_couchdb_backup_hourly.sh hourly 60", "couchdb hourly Minutes(60)"),
        ("/etc/cron.d/create_blobdb_backup.sh daily 7", "blobdb daily Days(7)"),
        ("/usr/local/sbin/create_es_snapshot.py", "elasticsearch daily AsScripted"),
        ("/etc/cron.d/create_es_snapshot.py", "elasticsearch daily AsScripted"),
        (
            "/home/cchq/www/x/current/python_env/bin/python3 /usr/local/bin/check_s3_backup.py couch > \
             /opt/data/s.txt || { cat /opt/data/s.txt | mail -s 'Recent couch backups missing' a@b.org; }",
            "check couchdb",
        ),
    ] {
        assert_eq!(told(command).as_deref(), Ok(wanted), "{command}");
    }
}

#[test]
fn what_stands_around_the_script_does_not_matter_where_it_is_about_it_alone() {
    for command in [
        "nice -n 19 ionice -c2 -n7 /usr/local/sbin/create_postgres_dump.sh daily 2",
        "nice -19 /usr/local/sbin/create_postgres_dump.sh daily 2",
        "flock -n /var/lock/backup /usr/local/sbin/create_postgres_dump.sh daily 2",
        "/usr/bin/flock -w 10 /var/lock/b -c '/usr/local/sbin/create_postgres_dump.sh daily 2'",
        "cd /var/lib/postgresql && /usr/local/sbin/create_postgres_dump.sh daily 2",
        "cd /usr/local/sbin; ./create_postgres_dump.sh daily 2",
        "create_postgres_dump.sh daily 2",
        "/usr/local//sbin/../sbin/create_postgres_dump.sh daily 2 more",
        "/usr/local/sbin/create_postgres_dump.sh daily 2 >> /var/log/backup.log 2>&1",
        "/usr/local/sbin/create_postgres_dump.sh \"daily\" '2' | logger -t backup",
        "sleep 30; umask 077; PGHOST=/run timeout -k 5 2h bash -e /usr/local/sbin/create_postgres_dump.sh daily 2 &",
        "[ -x /usr/local/sbin/create_postgres_dump.sh ] && /usr/local/sbin/create_postgres_dump.sh daily 2",
        "su - postgres -c '/usr/local/sbin/create_postgres_dump.sh daily 2'",
        "sudo -H -u postgres /usr/local/sbin/create_postgres_dump.sh daily 2",
        "runuser -u postgres -- /usr/local/sbin/create_postgres_dump.sh daily 2",
        "bash -lc 'cd / && exec /usr/local/sbin/create_postgres_dump.sh daily 2'",
        "( . /etc/profile; /usr/local/sbin/create_postgres_dump.sh daily 2 || echo failed )",
        "env -u HOME LANG=C /usr/local/sbin/create_postgres_dump.sh daily 2",
    ] {
        assert_eq!(told(command).as_deref(), Ok("postgresql daily Days(2)"), "{command}");
    }
}

#[test]
fn without_a_number_nothing_was_ever_removed() {
    for keep in ["", " two", " 2\r", " ''", " -2"] {
        let command = format!("/usr/local/sbin/create_blobdb_backup.sh weekly{keep}");
        assert_eq!(told(&command).as_deref(), Ok("blobdb weekly ForEver"), "{command}");
    }
}

#[test]
fn what_is_doubtful_stays() {
    let other = |name: &str| Doubt::Other(name.to_owned());
    let script = "/usr/local/sbin/create_postgres_dump.sh daily 2";
    for (command, doubt) in [
        (format!("{script} && rsync -a /backups other:"), other("rsync")),
        (format!("{script} || mail -s failed ops@example.org"), other("mail")),
        (format!("{script}; curl -s https://example.org/ping"), other("curl")),
        (format!("pg_isready && {script}"), other("pg_isready")),
        (format!("test -f /etc/primary && {script}"), other("test")),
        (format!("if true; then {script}; fi"), other("if")),
        (format!("monitored {script}"), other("monitored")),
        (format!("{script} > /var/log/$(date +F)"), Doubt::Shell),
        (format!("{script} 'x"), Doubt::Shell),
        (format!("{script}; {script}"), Doubt::Several),
        (format!("{script}; /usr/local/sbin/create_es_snapshot.py"), Doubt::Several),
        ("ls -l /usr/local/sbin/create_postgres_dump.sh".to_owned(), other("ls")),
        ("echo create_postgres_dump.sh".to_owned(), other("echo")),
        ("[ -x /usr/local/sbin/create_postgres_dump.sh ]".to_owned(), Doubt::NotRun),
        ("$DIR/create_postgres_dump.sh daily 2".to_owned(), Doubt::Shell),
        ("/home/ops/create_postgres_dump.sh daily 2".to_owned(), Doubt::Elsewhere),
        ("./create_postgres_dump.sh daily 2".to_owned(), Doubt::Elsewhere),
        ("cd; ./create_postgres_dump.sh daily 2".to_owned(), Doubt::Elsewhere),
        ("bash create_postgres_dump.sh daily 2".to_owned(), Doubt::Elsewhere),
        ("PATH=/usr/bin create_postgres_dump.sh daily 2".to_owned(), Doubt::NotFound),
        ("/usr/local/sbin/create_postgres_dump.sh".to_owned(), Doubt::Arguments),
        ("/usr/local/sbin/create_postgres_dump.sh monthly 60".to_owned(), Doubt::Arguments),
        ("/usr/local/sbin/create_postgres_dump.sh daily $KEEP".to_owned(), Doubt::Arguments),
        ("/usr/local/sbin/create_postgres_dump.sh daily\r".to_owned(), Doubt::Arguments),
        ("python3 -c 'create_es_snapshot.py'".to_owned(), other("python3")),
    ] {
        assert_eq!(told(&command), Err(doubt), "{command}");
    }
}

#[test]
fn other_commands_are_nobodys_business() {
    for command in ["/usr/bin/true", "create_postgres_dump.s", "'", "$(x)", ""] {
        assert_eq!(told(command).as_deref(), Ok("none"), "{command}");
    }
}

proptest! {
    /// No command breaks it, and whatever is taken names a script.
    #[test]
    fn no_command_breaks_it(
        before in "(nice|flock|env|sh|su|sudo|-[a-z]|'|\"|;|&&|/x| ){0,6}",
        after in "[-a-z0-9 $;|&<>'\"]{0,12}",
    ) {
        let command = format!("{before} /usr/local/sbin/create_postgres_dump.sh {after}");
        if let Ok(run) = read(&command, None) {
            prop_assert!(run.is_some(), "{}", command);
        }
    }
}
