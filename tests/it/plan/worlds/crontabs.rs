//! Entries of cron out of chance: ours, those of other hands, and those that older tools left.

use proptest::prelude::*;
use reconcile::resources::crontab::old::{self, OldLine, Seen, Table};
use reconcile::resources::{Crontab, Resource, crontab};
use reconcile::state::Sighting;
use reconcile::vocab::{JobCommand, JobKind, Tier};

use super::host_sighting;

pub(in crate::plan) fn crontab_of(other: bool) -> impl Strategy<Value = Crontab> {
    let line = (prop::sample::select(Tier::ALL.to_vec()), 0u32..3);
    (prop::collection::btree_map(line.clone().prop_map(|(tier, _)| tier), 0u32..3, 0..4), any::<bool>())
        .prop_map(move |(entries, strange)| {
            let mut crontab = Crontab::of(entries.into_iter().map(|(tier, hour)| crontab::Entry {
                schedule: format!("0 {hour} * * *").parse().expect("valid"),
                user: "postgres".parse().expect("valid"),
                command: JobCommand {
                    job: JobKind::Backup,
                    datastore: "postgresql".parse().expect("valid"),
                    tier: Some(tier),
                    job_file: None,
                },
            }))
            .expect("root is a user");
            if other && strange {
                crontab.other.push("# by hand".to_owned());
            }
            crontab
        })
}

/// Entries that an older tool left for postgresql, in one table or several.
pub(in crate::plan) fn old_lines() -> BoxedStrategy<Vec<OldLine>> {
    let tables = [
        Table::System("/etc/cron.d/backup_postgres".to_owned()),
        Table::System("/etc/crontab".to_owned()),
        Table::User("postgres".parse().expect("valid")),
    ];
    let line = (prop::sample::select(tables.to_vec()), prop::sample::select(Tier::ALL.to_vec()), 0u32..4);
    prop::collection::vec(line, 1..4)
        .prop_map(|lines| {
            let mut lines: Vec<OldLine> = lines
                .into_iter()
                .flat_map(|(table, tier, keep)| {
                    let user = if matches!(table, Table::System(_)) { "postgres " } else { "" };
                    // Nothing is ever removed where find(1) is given no number.
                    let keep = if keep == 0 { String::new() } else { keep.to_string() };
                    let script = "/usr/local/sbin/create_postgres_dump.sh";
                    let text =
                        format!("#Ansible: Backup postgres {tier}\n0 3 * * * {user}{script} {tier} {keep}\n");
                    let found = old::lines(text.as_bytes(), &table);
                    found.into_iter().map(|found| match found.seen {
                        Seen::Entry(line) => line,
                        other => panic!("{other:?}"),
                    })
                })
                .collect();
            lines.sort();
            lines
        })
        .boxed()
}

/// A file of ours, other tools' entries, both or neither.
pub(super) fn crontab_sighting() -> BoxedStrategy<Sighting> {
    let only_old = |lines| Resource::Crontab(Crontab::only_old(lines).expect("root is a user"));
    prop_oneof![
        3 => host_sighting(crontab_of(true).prop_map(Resource::Crontab)),
        2 => old_lines().prop_map(only_old).prop_map(Sighting::Unmarked),
        1 => (crontab_of(true), old_lines())
            .prop_map(|(crontab, old)| Sighting::Ours(Resource::Crontab(Crontab { old, ..crontab }))),
    ]
    .boxed()
}
