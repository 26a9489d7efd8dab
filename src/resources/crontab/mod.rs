//! The cron entries of one datastore on one host: one file in `/etc/cron.d`, whole and ours.
//!
//! Entries are rendered from [`JobCommand`] and parse back into it. What somebody added by hand is kept as
//! unrecognised lines, so that a plan shows it before a write replaces it. Entries of older tools for the same backups,
//! wherever cron reads them on the host, belong to it too: none are wanted. Pure; `live.rs` reads and writes.

pub mod live;
pub mod old;

use std::collections::{BTreeMap, BTreeSet};

use super::host_directory::{self, mode_text};
use super::{Field, Judgement};
use crate::vocab::{Environment, Id, JobCommand, JobKind, OsUser, Risk, Schedule, Tier, Value};

use old::OldLine;

/// Where cron looks for files like ours (cron(8), Debian: names of letters, digits, `-` and `_` only).
pub const DIRECTORY: &str = "/etc/cron.d";

const MARK: &str = "# reconcile";

/// The field of entries that are taken over.
pub const OLD: &str = "old entries";

/// A file of cron entries in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crontab {
    pub owner: OsUser,
    pub group: OsUser,
    /// Permission bits; cron ignores a file that others than root may write.
    pub mode: u32,
    /// `SHELL`, `PATH`, `MAILTO`: cron sets no useful ones itself (crontab(5)).
    pub variables: BTreeMap<String, String>,
    /// By the words a person reads: `backup postgresql daily`.
    pub entries: BTreeMap<String, Entry>,
    /// Lines that this program did not write.
    pub other: Vec<String>,
    /// Entries of older tools for the same backups, in other tables of the same host; sorted.
    pub old: Vec<OldLine>,
}

/// One line: when, as whom, what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub schedule: Schedule,
    pub user: OsUser,
    pub command: JobCommand,
}

impl From<Entry> for Value {
    fn from(entry: Entry) -> Self {
        Value::Map(BTreeMap::from([
            ("schedule".to_owned(), entry.schedule.as_str().into()),
            ("user".to_owned(), entry.user.as_str().into()),
            ("command".to_owned(), entry.command.to_shell().into()),
        ]))
    }
}

impl Crontab {
    /// A file with these entries and the variables that every one of ours has.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Option<Self> {
        Some(Crontab {
            owner: "root".parse().ok()?,
            group: "root".parse().ok()?,
            mode: 0o644,
            variables: BTreeMap::from([
                ("SHELL".to_owned(), "/bin/sh".to_owned()),
                (
                    "PATH".to_owned(),
                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
                ),
                // Failures are told by the job itself: cron's mails go unread.
                ("MAILTO".to_owned(), String::new()),
            ]),
            entries: entries.into_iter().map(|entry| (entry.command.to_string(), entry)).collect(),
            other: Vec::new(),
            old: Vec::new(),
        })
    }

    /// Old entries where there is no file of ours.
    pub fn only_old(old: Vec<OldLine>) -> Option<Self> {
        Some(Crontab { variables: BTreeMap::new(), old, ..Crontab::of([])? })
    }

    /// The backups that old entries make and that no entry here makes in their place.
    pub fn leaves_undone(&self, old: &[OldLine]) -> BTreeSet<Tier> {
        let makes = |tier: Tier| {
            let mut ours = self.entries.values().map(|entry| &entry.command);
            ours.any(|command| command.job == JobKind::Backup && command.tier.unwrap_or(Tier::Daily) == tier)
        };
        old.iter().filter_map(|line| line.tier).filter(|tier| !makes(*tier)).collect()
    }

    pub fn fields(&self) -> Vec<Field> {
        let Crontab { owner, group, mode, variables, entries, other, old } = self;
        let mut fields = vec![
            Field::new("owner", owner.as_str()),
            Field::new("group", group.as_str()),
            Field::new("mode", mode_text(*mode)),
        ];
        fields.extend(entries.iter().map(|(words, entry)| Field::new(words.clone(), entry.clone())));
        let variables = variables.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        fields.push(Field::new("variables", Value::Map(variables)));
        let other = other.iter().map(|line| line.as_str().into()).collect();
        fields.push(Field::new("other lines", Value::List(other)));
        fields.push(Field::new(OLD, Value::List(old.iter().map(Value::from).collect())));
        fields
    }

    /// The file's text: mark, variables, entries, a newline at the end (without it cron ignores the last line).
    pub fn render(&self, environment: &Environment, id: &Id) -> String {
        let mut text = format!("{MARK} environment={environment} id={id}\n");
        for (name, value) in &self.variables {
            match value.is_empty() {
                true => text.push_str(&format!("{name}=\"\"\n")),
                false => text.push_str(&format!("{name}={value}\n")),
            }
        }
        for Entry { schedule, user, command } in self.entries.values() {
            text.push_str(&format!("{schedule} {user} {}\n", command.to_cron()));
        }
        for line in &self.other {
            text.push_str(&format!("{line}\n"));
        }
        text
    }
}

/// What the first line of a file of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub environment: Environment,
    pub id: Option<Id>,
}

/// Reads the mark in a file's first line, if it has one.
pub fn mark(text: &str) -> Option<Mark> {
    let words = text.lines().next()?.strip_prefix(MARK)?;
    // `# reconciled by hand` is no mark.
    if !words.starts_with(char::is_whitespace) {
        return None;
    }
    let value = |name: &str| {
        words
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')))
    };
    let environment = value("environment")?.parse().ok()?;
    Some(Mark { environment, id: value("id").and_then(|id| id.parse().ok()) })
}

/// What the lines of a crontab in `/etc/cron.d` say; the mark's line and blank lines are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pub variables: BTreeMap<String, String>,
    pub entries: BTreeMap<String, Entry>,
    pub other: Vec<String>,
}

/// Parses the text of a file of ours. A line that cron would not read as it stands is none of ours, whatever it says: to
/// cron a carriage return is part of the command, and a last line without a newline is not there (crontab(5)).
pub fn parse(text: &str) -> Lines {
    let mut lines = Lines::default();
    for (number, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.trim_end_matches('\n');
        if line.contains('\r') || !whole.ends_with('\n') {
            lines.other.push(line.to_owned());
            continue;
        }
        if line.trim_matches([' ', '\t']).is_empty() || (number == 0 && mark(text).is_some()) {
            continue;
        }
        if let Some((name, value)) = variable(line)
            && !lines.variables.contains_key(name)
        {
            lines.variables.insert(name.to_owned(), value.to_owned());
            continue;
        }
        match entry(line) {
            Some(entry) if !lines.entries.contains_key(&entry.command.to_string()) => {
                lines.entries.insert(entry.command.to_string(), entry);
            }
            _ => lines.other.push(line.to_owned()),
        }
    }
    lines
}

/// `NAME = "value"`, quotes and spaces around the sign optional (crontab(5)).
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    let value = value.trim();
    let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    Some((name, quoted('"').or_else(|| quoted('\'')).unwrap_or(value)))
}

/// `SCHEDULE USER COMMAND`, where the command is a job of ours.
fn entry(line: &str) -> Option<Entry> {
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line.trim_start();
    let mut words = Vec::new();
    for _ in 0..=fields {
        let (word, tail) = rest.split_once([' ', '\t'])?;
        words.push(word);
        rest = tail.trim_start();
    }
    let user = words.pop()?.parse().ok()?;
    let schedule = words.join(" ").parse().ok()?;
    Some(Entry { schedule, user, command: JobCommand::from_cron(rest).ok()? })
}

/// The file's name in `/etc/cron.d` for an environment and a name: `reconcile-ENV-NAME`.
///
/// cron reads only names of letters, digits, `-` and `_`. Two different pairs never share a name: `_` stands for the
/// escape, and the last `-` without one parts the environment from the name.
pub fn file_name(environment: &Environment, name: &str) -> String {
    let escape = |text: &str, dash: &str| -> String {
        text.chars()
            .map(|c| match c {
                '_' => "__".to_owned(),
                '.' => "_d".to_owned(),
                ':' => "_c".to_owned(),
                '-' => dash.to_owned(),
                c => c.to_string(),
            })
            .collect()
    };
    format!("reconcile-{}-{}", escape(environment.as_str(), "-"), escape(name, "_-"))
}

/// The risk of one field changing: an entry that goes is a backup that is no longer made.
pub fn risk(name: &str, from: &Value, to: &Value) -> Judgement {
    match name {
        "owner" | "group" | "mode" => host_directory::risk(name, from, to),
        "variables" => Risk::Routine.into(),
        // Somebody wrote these lines by hand, perhaps a job of theirs.
        "other lines" => Judgement { risk: Risk::Destructive, may_break: vec!["what these lines run"] },
        // Ours stands before they go; what it does not make in their place is told apart.
        OLD => Risk::Routine.into(),
        _ if to.is_null() => Risk::Destructive.into(),
        _ => Risk::Routine.into(),
    }
}

/// The risk of taking over what is there: a backup that nobody makes any more.
pub fn takeover_judgement(present: &Crontab, wanted: &Crontab) -> Judgement {
    match wanted.leaves_undone(&present.old).is_empty() {
        true => Risk::Routine.into(),
        false => Risk::Destructive.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::vocab::{JobKind, Tier};

    fn entry_of(schedule: &str, tier: Tier, file: &str) -> Entry {
        Entry {
            schedule: schedule.parse().expect("valid"),
            user: "postgres".parse().expect("valid"),
            command: JobCommand {
                job: JobKind::Backup,
                datastore: "postgresql".parse().expect("valid"),
                tier: Some(tier),
                job_file: Some(file.to_owned()),
            },
        }
    }

    #[test]
    fn a_crontab_reads_as_an_operator_expects() {
        let crontab = Crontab::of([
            entry_of("0 0 * * 1,2,3,4,5,6", Tier::Daily, "/etc/reconcile/p/postgresql.json"),
            entry_of("0 0 * * 0", Tier::Weekly, "/etc/reconcile/100%/postgresql.json"),
        ])
        .expect("root is a user");
        let id: Id = "crontab/db1/postgresql".parse().expect("valid");
        let text = crontab.render(&"p".parse().expect("valid"), &id);
        assert_eq!(
            text,
            "# reconcile environment=p id=crontab/db1/postgresql\n\
             MAILTO=\"\"\n\
             PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
             SHELL=/bin/sh\n\
             0 0 * * 1,2,3,4,5,6 postgres /usr/local/bin/reconcile run backup postgresql --tier daily \
             --job /etc/reconcile/p/postgresql.json\n\
             0 0 * * 0 postgres /usr/local/bin/reconcile run backup postgresql --tier weekly \
             --job '/etc/reconcile/100\\%/postgresql.json'\n"
        );
        let lines = parse(&text);
        assert_eq!(
            (lines.entries, lines.variables, lines.other),
            (crontab.entries, crontab.variables, vec![])
        );
        assert_eq!(mark(&text), Some(Mark { environment: "p".parse().expect("valid"), id: Some(id) }));
    }

    #[test]
    fn lines_of_others_are_kept_and_told() {
        let text = "# reconcile environment=p id=crontab/db1/postgresql\n\
                    MAILTO=ops@example.org\n\
                    # keep this\n\
                    0 3 * * * root /usr/bin/true\n";
        let lines = parse(text);
        assert_eq!(lines.other, ["# keep this", "0 3 * * * root /usr/bin/true"]);
        assert_eq!(lines.variables["MAILTO"], "ops@example.org");
        assert_eq!(parse("\n \n\t").other, ["\t"]);
        assert_eq!(mark("0 3 * * * root true\n"), None);
        assert_eq!(mark("# reconciled by hand, environment=p id=crontab/db1/postgresql\n"), None);
    }

    proptest! {
        /// Whatever stands in a file is shown somewhere, so that no write drops a line unseen.
        #[test]
        fn no_line_is_dropped(text in "(([A-Z]{1,2} ?= ?[a-z'\"]{0,3}|[@0-9*# a-z/-]{0,20}|\\PC{0,9})[\r\n]{0,2}){0,9}") {
            let lines = parse(&text);
            let told = lines.variables.len() + lines.entries.len() + lines.other.len();
            // Only blanks that cron reads as such say nothing: at the end they cost it the line or the file.
            let says = |line: &&str| !line.ends_with('\n') || !line.trim_matches([' ', '\t', '\n']).is_empty();
            prop_assert_eq!(told, text.split_inclusive('\n').filter(says).count());
        }

        /// No two pairs of environment and name share a file.
        #[test]
        fn file_names_do_not_collide(
            pairs in prop::collection::btree_set(("[a-c_][a-c_.-]{0,3}", "[a-c_][a-c_-]{0,3}"), 2..40),
        ) {
            let names: BTreeSet<String> = pairs
                .iter()
                .map(|(environment, name)| file_name(&environment.parse().expect("valid"), name))
                .collect();
            prop_assert_eq!(names.len(), pairs.len());
            for name in names {
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')));
            }
        }
    }
}
