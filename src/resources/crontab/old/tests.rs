//! Tables of cron as machines have them, and any others.

use proptest::prelude::*;

use super::*;

fn system() -> Table {
    Table::System("/etc/cron.d/backup_postgres".to_owned())
}

fn user() -> Table {
    Table::User("postgres".parse().expect("a user"))
}

/// Each line in short: what goes, or why it stays.
fn told(text: &str, table: &Table) -> Vec<String> {
    let short = |found: Found| match found.seen {
        Seen::Entry(line) => {
            assert_eq!(line.text, text[found.range]);
            let makes = line.tier.map_or("check", Tier::name);
            format!("{} {} {} {makes} {:?}", line.schedule, line.user, line.datastore, line.keeps)
        }
        Seen::Doubtful(Doubtful { line, datastore, doubt, .. }) => {
            format!("line {line}, {datastore}: {doubt}")
        }
    };
    lines(text.as_bytes(), table).into_iter().map(short).collect()
}

fn left(text: &str, table: &Table) -> String {
    let found = lines(text.as_bytes(), table);
    let gone = found.iter().filter(|found| matches!(found.seen, Seen::Entry(_)));
    String::from_utf8(without(text.as_bytes(), gone)).expect("UTF-8")
}

#[test]
fn the_roles_files_are_recognised_line_by_line() {
    let text = "#Ansible: Backup couchdb daily\n\
                0 0 * * 1,2,3,4,5,6 couchdb /usr/local/sbin/create_couchdb_backup.sh daily 2\n\
                #Ansible: Backup coudhdb weekly\n\
                0 0 * * 0 couchdb /usr/local/sbin/create_couchdb_backup.sh weekly 14\n\
                #Ansible: Check couch s3 backups\n\
                0 3,7,11,15,19,23 * * * couchdb /x/bin/python3 /usr/local/bin/check_s3_backup.py couch > /o || \
                { cat /o | mail -s 'Recent couch backups missing' a@example.org; }\n";
    assert_eq!(
        told(text, &system()),
        [
            "0 0 * * 1,2,3,4,5,6 couchdb couchdb daily Days(2)",
            "0 0 * * 0 couchdb couchdb weekly Days(14)",
            "0 3,7,11,15,19,23 * * * couchdb couchdb check AsScripted",
        ]
    );
    // Ours checks in its place. One that does more than to mail what it found stays.
    assert_eq!(left(text, &system()), "");
    let more = text.replace("{ cat /o | mail -s 'Recent couch backups missing' a@example.org; }", "/x/page");
    assert!(left(&more, &system()).starts_with("#Ansible: Check couch s3 backups\n0 3,7"));
}

#[test]
fn what_is_between_the_old_lines_stays_as_it_was() {
    let text = "# by hand\r\n\
                SHELL=/bin/bash\n\
                \n\
                #Ansible: MAILTO\n\
                MAILTO=ops@example.org\n\
                #Ansible: Backup postgres daily\n\
                \t 0  0\t* * 1-6 postgres \t/usr/local/sbin/create_postgres_dump.sh daily 2\n\
                #Ansible: Rotate\n\
                5 4 * * * root /usr/sbin/logrotate /etc/x\n\
                #Ansible: Backup postgres weekly\n\
                #0 0 * * 0 postgres /usr/local/sbin/create_postgres_dump.sh weekly 14\n\
                #Ansible: Backup postgres hourly\n\
                \n\
                @hourly postgres /usr/local/sbin/create_postgres_dump.sh hourly 60\n\
                0 1 * * * root /usr/bin/true";
    assert_eq!(
        told(text, &system()),
        ["0 0 * * 1-6 postgres postgresql daily Days(2)", "@hourly postgres postgresql hourly Minutes(60)"]
    );
    assert_eq!(
        left(text, &system()),
        "# by hand\r\nSHELL=/bin/bash\n\n#Ansible: MAILTO\nMAILTO=ops@example.org\n\
         #Ansible: Rotate\n5 4 * * * root /usr/sbin/logrotate /etc/x\n\
         #Ansible: Backup postgres weekly\n\
         #0 0 * * 0 postgres /usr/local/sbin/create_postgres_dump.sh weekly 14\n\
         #Ansible: Backup postgres hourly\n\n0 1 * * * root /usr/bin/true"
    );
}

#[test]
fn a_users_table_names_no_user() {
    let text = "PATH = \"/usr/local/sbin:/usr/bin\"\n@daily create_postgres_dump.sh daily 3\n";
    assert_eq!(told(text, &user()), ["@daily postgres postgresql daily Days(3)"]);
    // In a table of all users the script's name would stand where the user does.
    assert_eq!(told(text, &system()), ["line 2, postgresql: it only names the script"]);
    let without_path = "@daily create_postgres_dump.sh daily 3\n";
    assert_eq!(
        told(without_path, &user()),
        ["line 1, postgresql: the PATH that cron gives it does not lead to the script"]
    );
}

#[test]
fn a_carriage_return_is_a_part_of_the_last_word_as_it_is_to_cron() {
    let text = "#Ansible: Backup postgres daily\r\n\
                0 0 * * * postgres /usr/local/sbin/create_postgres_dump.sh daily 2\r\n\
                0 0 * * * postgres /usr/local/sbin/create_postgres_dump.sh daily\r\n\
                \r\n";
    assert_eq!(
        told(text, &system()),
        [
            "0 0 * * * postgres postgresql daily ForEver",
            "line 3, postgresql: its arguments are none that commcare-cloud gave the script",
        ]
    );
    assert_eq!(left(text, &system()), text.split_inclusive('\n').skip(2).collect::<String>());
}

#[test]
fn doubtful_lines_stay_and_are_told() {
    let script = "/usr/local/sbin/create_postgres_dump.sh daily 2";
    for (line, why) in [
        (format!("0 0 * * * postgres {script}"), "cron does not read a last line that has no end"),
        (format!("@reboot postgres {script}\n"), "its schedule is none that this program reads"),
        (format!("0 0 * * {script}\n"), "its schedule is none that this program reads"),
        (format!("0 0 * * * post:gres {script}\n"), "what stands in the place of its user is no user's name"),
        (format!("0 0 * * * postgres {script}%input\n"), "it gives its command something to read (`%`)"),
        (format!("0 0 * * * postgres {script} && rsync x y:\n"), "it runs `rsync` too"),
    ] {
        assert_eq!(told(&line, &system()), [format!("line 1, postgresql: {why}")], "{line}");
        assert_eq!(left(&line, &system()), line);
    }
    let latin = [b"#Ansible: \xe4\n0 0 * * * postgres ", script.as_bytes(), b"\n"].concat();
    let [Found { seen: Seen::Doubtful(told), .. }] = &lines(&latin, &system())[..] else {
        panic!("not told")
    };
    assert_eq!(told.doubt, Doubt::Text);
}

#[test]
fn a_password_on_a_line_is_told_to_nobody() {
    let text =
        "0 0 * * * postgres PGPASSWORD=CANARY /usr/local/sbin/create_postgres_dump.sh daily 2 CANARY\n";
    let found = lines(text.as_bytes(), &system());
    let [Found { seen: Seen::Entry(line), .. }] = &found[..] else { panic!("{found:?}") };
    let shown = Value::from(line).to_json().to_string();
    assert!(!shown.contains("CANARY") && shown.contains("create_postgres_dump.sh daily 2"), "{shown}");
}

#[test]
fn only_ansibles_own_words_are_nothing() {
    assert!(is_empty(b"") && is_empty(b"\n \r\n#Ansible: Backup postgres hourly\n"));
    for text in ["# by hand\n", "MAILTO=\n", "#Ansible:x\n", "0 0 * * * root true"] {
        assert!(!is_empty(text.as_bytes()), "{text}");
    }
}

/// Lines of every sort, whole and broken.
fn line() -> impl Strategy<Value = String> {
    let script = prop::sample::select(vec![
        "/usr/local/sbin/create_postgres_dump.sh",
        "/etc/cron.d/create_blobdb_backup.sh",
        "create_es_snapshot.py",
        "/usr/bin/true",
    ]);
    let arguments =
        prop::sample::select(vec!["daily 2", "weekly 14", "hourly 60", "", "daily 2 > /x", "; rm x"]);
    let schedule =
        prop::sample::select(vec!["0 0 * * 1-6 ", "@daily ", " 5\t4 * * 0  ", "#0 0 * * * ", "x ", ""]);
    let user = prop::sample::select(vec!["postgres ", "root\t", ""]);
    let entry = (schedule, user, script, arguments)
        .prop_map(|(when, user, script, arguments)| format!("{when}{user}{script} {arguments}"));
    prop_oneof![
        4 => entry,
        2 => Just("#Ansible: Backup postgres daily".to_owned()),
        1 => Just("PATH=/usr/local/sbin:/usr/bin".to_owned()),
        1 => "\\PC{0,12}",
    ]
}

proptest! {
    /// What goes and what stays together are all of it, in order, whatever it is.
    #[test]
    fn nothing_is_lost(
        all in prop::collection::vec((line(), prop::sample::select(vec!["\n", "\r\n", "\n\n", ""])), 0..9),
        of_user in any::<bool>(),
        every in 1usize..3,
    ) {
        let table = if of_user { user() } else { system() };
        let text: String = all.into_iter().map(|(line, end)| line + end).collect();
        let found = lines(text.as_bytes(), &table);
        let gone: Vec<&Found> = found.iter().step_by(every).collect();
        let left = without(text.as_bytes(), gone.iter().copied());
        let (mut woven, mut rest) = (Vec::new(), left.as_slice());
        for found in &gone {
            let (before, behind) = rest.split_at(found.range.start - woven.len());
            woven.extend_from_slice(before);
            woven.extend_from_slice(&text.as_bytes()[found.range.clone()]);
            rest = behind;
        }
        woven.extend_from_slice(rest);
        prop_assert_eq!(&woven, text.as_bytes());
        // Only whole lines go, and none of them twice.
        for pair in found.windows(2) {
            prop_assert!(pair[0].range.end <= pair[1].range.start);
        }
        for Found { range, .. } in &found {
            prop_assert!(range.start == 0 || text.as_bytes()[range.start - 1] == b'\n');
        }
    }

    /// Any bytes are read, and after all that goes is gone, nothing more goes.
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let left = without(&bytes, &lines(&bytes, &system()));
        prop_assert!(lines(&left, &system()).is_empty());
    }

    #[test]
    fn what_is_gone_is_gone(all in prop::collection::vec(line(), 0..9)) {
        let text = left(&all.join("\n"), &system());
        prop_assert_eq!(left(&text, &system()), text);
    }
}
