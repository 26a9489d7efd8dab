//! Random histories of writes, each backed up, damaged, proven and restored: what comes back is what was there.

use std::fs;

use chrono::TimeDelta;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs;
use reconcile::jobs::restore::Wanted;
use reconcile::vocab::Tier;

use super::restore::{host, restored};
use super::verify::proof;
use crate::support::postgres::Postgres;

const HISTORIES: u32 = 50;

/// The same numbers in every run.
struct Random {
    state: u64,
    /// How often something was written: names that are new each time.
    writes: u32,
}

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.state >> 33) % limit
    }

    /// Something that people do to a database.
    fn write(&mut self) -> String {
        self.writes += 1;
        let number = self.writes;
        let (table, n) = (format!("t{}", self.below(6)), self.below(400) + 1);
        let make = format!(
            "create table if not exists {table} (id bigserial primary key, words text, at timestamptz)"
        );
        let what = match self.below(12) {
            0 => format!(
                "insert into {table} (words) select repeat(md5(g::text), 3) from generate_series(1, {n}) g"
            ),
            1 => format!("update {table} set words = words || '{n}' where id % 3 = 0"),
            2 => format!("delete from {table} where id % 5 = {}", n % 5),
            3 => format!("truncate {table}; insert into {table} (words) values ('first'), (null)"),
            4 => format!("drop table {table}"),
            5 => format!("create index on {table} (words); analyze {table}"),
            6 => format!("create role r{number} login password 'x'; grant select on {table} to r{number}"),
            7 => format!("select setval('{table}_id_seq', (select coalesce(max(id), 0) + {n} from {table}))"),
            8 => format!("alter table {table} add column if not exists c{} int default {n}", n % 7),
            9 => format!("create or replace view v{number} as select count(*) as n from {table}"),
            10 => format!("select lo_from_bytea(0, decode(repeat('ab', {n}), 'hex'))"),
            _ => format!("comment on table {table} is 'it''s number {number}'"),
        };
        // Views stand in the way of some of it.
        format!(
            "{make}; do $do$ begin {what}; exception when dependent_objects_still_exist then null; end $do$"
        )
        .replace("begin select ", "begin perform ")
    }
}

/// Everything that a cluster holds, as text.
fn picture(server: &Postgres) -> String {
    let dumped = server.command("pg_dumpall").output().expect("it runs");
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let text = String::from_utf8(dumped.stdout).expect("UTF-8");
    // The key of a dump is another each time.
    let lines =
        text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}

async fn histories(method: Method, seed: u64) {
    let Some(mut server) = Postgres::start("") else { return };
    let host = host(&server, method);
    let mut random = Random { state: seed, writes: 0 };
    for number in 0..HISTORIES {
        for _ in 0..=random.below(5) {
            server.sql(&random.write());
        }
        server.sql("create table if not exists always as select 1 as one");
        let before = picture(&server);
        jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        // What happens afterwards is no part of it.
        server.sql("drop schema public cascade; create schema public; create table damage ()");
        let evidence = proof(&host).await.expect("looked at");
        // Much may go in a history: what is a loss beside the proven ones is meant here.
        let meant = |reason: &&String| !evidence.losses.contains(reason);
        assert_eq!(evidence.reasons.iter().find(meant), None, "history {number}: {evidence:#?}");
        // One that lost something is taken by its name alone.
        server.kill();
        let done = restored(&host, &Wanted::Named(evidence.name), None).await.expect("restored");
        server = server.start_again();
        assert!(picture(&server) == before, "history {number} differs");
        fs::remove_dir_all(&done.kept[0]).expect("removed");
        host.pass(TimeDelta::hours(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_come_back_from_base_backups() {
    histories(Method::Plain, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_come_back_from_dumps() {
    histories(Method::Dump, 2).await;
}
