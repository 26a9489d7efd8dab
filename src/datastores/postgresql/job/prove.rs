//! Asking a restored cluster whether it is whole: what it holds, whether its structure is sound, and what an operator
//! declared to be true of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ScratchServer;
use super::rebuild::Data;
use crate::clients::process::{Ended, ProcessError};
use crate::datastores::dump::DumpError;
use crate::datastores::prove::{Checked, Counts, SqlCheck};

/// How long one question may take: counting reads every row.
const QUESTION_LIMIT: Duration = Duration::from_secs(6 * 3600);
/// How many tables are asked for, and counted, by one statement: a database may have tens of thousands, and an answer is
/// short.
const AT_ONCE: usize = 100;
/// How long pg_amcheck may take: it reads every table and every index.
const STRUCTURE_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// How much of pg_amcheck's words is kept.
const KEPT: u64 = 2000;

const DATABASES: &str = "select coalesce(json_agg(datname order by datname), '[]') from pg_database \
    where datallowconn and not datistemplate";

/// The statement that counts each table, of some tables. Unlogged ones are empty after a base backup, and views that were
/// never filled cannot be read.
fn tables(from: usize) -> String {
    format!(
        "select coalesce(json_agg(statement), '[]') from (select format('select %L as t, count(*) as n from %I.%I', \
         n.nspname || '.' || c.relname, n.nspname, c.relname) as statement \
         from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where (c.relkind = 'r' or c.relkind = 'm' and c.relispopulated) and c.relpersistence = 'p' \
         and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' \
         order by n.nspname, c.relname limit {AT_ONCE} offset {from}) as listed"
    )
}

/// How many rows every table of every database has.
pub fn count(server: &ScratchServer) -> Result<Counts, DumpError> {
    let databases: Vec<String> = json(&server.sql("postgres", DATABASES, QUESTION_LIMIT)?)?;
    let mut counts = Counts::new();
    for database in databases {
        let mut rows = BTreeMap::new();
        for from in (0..).step_by(AT_ONCE) {
            let some: Vec<String> = json(&server.sql(&database, &tables(from), QUESTION_LIMIT)?)?;
            if some.is_empty() {
                break;
            }
            let sql = format!("select json_object_agg(t, n) from ({}) as counted", some.join(" union all "));
            let counted: BTreeMap<String, u64> = json(&server.sql(&database, &sql, QUESTION_LIMIT)?)?;
            rows.extend(counted);
        }
        counts.insert(database, rows);
    }
    Ok(counts)
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DumpError> {
    serde_json::from_str(text).map_err(|error| {
        DumpError::new(format!("the restored server answered what is not understood: {error}"))
    })
}

/// What pg_amcheck finds: `Ok(None)` where it finds nothing, `Err` where it cannot look, with the reason.
pub fn structure(server: &ScratchServer, data: &Data) -> Result<Option<String>, String> {
    if !data.programs.bin.join("pg_amcheck").is_file() {
        return Err(format!("pg_amcheck is not part of PostgreSQL {} here", data.version.major));
    }
    let program = server.client("pg_amcheck").args(["--all", "--install-missing", "--jobs=2"]);
    // It names every page that is broken: the first ones are enough.
    let (ended, said) = program.told(KEPT, STRUCTURE_LIMIT).map_err(|error| match error {
        ProcessError::TimedOut { .. } => {
            format!("{error}; run it by hand on a restored copy to see where it stays, with `--progress --verbose`")
        }
        error => error.to_string(),
    })?;
    match ended {
        Ended { code: Some(0), .. } => Ok(None),
        // Where it found something it says so on its output, and fails.
        _ if !said.is_empty() => Ok(Some(said)),
        Ended { code, status, stderr } => {
            Err(ProcessError::Failed { program: "pg_amcheck".to_owned(), status, code, stderr }.to_string())
        }
    }
}

/// What became of each declared check: it must answer with one value, `t`. An error where one could not be asked.
pub fn declared(
    server: &ScratchServer,
    checks: &[SqlCheck],
    counts: &Counts,
) -> Result<Vec<Checked>, DumpError> {
    let own = counts.keys().filter(|name| *name != "postgres").collect::<Vec<_>>();
    checks
        .iter()
        .map(|check| {
            let database = match (&check.database, own.as_slice()) {
                (Some(named), _) => named.clone(),
                (None, [only]) => (*only).clone(),
                (None, []) => "postgres".to_owned(),
                (None, _) => {
                    let wrong = "it does not say in which database, and there are several".to_owned();
                    return Ok(Checked { sql: check.sql.clone(), database: None, wrong: Some(wrong) });
                }
            };
            let wrong = match server.sql(&database, &check.sql, QUESTION_LIMIT) {
                Ok(answer) if matches!(answer.trim(), "t" | "true") => None,
                Ok(answer) => {
                    Some(format!("it answered `{}`, not true", answer.chars().take(200).collect::<String>()))
                }
                Err(error) if error.is_lack => return Err(error),
                Err(error) => Some(error.message),
            };
            Ok(Checked { sql: check.sql.clone(), database: Some(database), wrong })
        })
        .collect()
}
