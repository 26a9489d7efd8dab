//! Entries of older tools that make the same backups again, as far as the job's own user can see: in the tables that
//! everybody may read, and in its own. What `plan` takes over is told here at night.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::clients::process::Program;
use crate::jobs::context::Context;
use crate::resources::crontab::old::{SPOOLS, SYSTEM_TABLE, Seen, Table, lines, listed};
use crate::resources::crontab::{self, DIRECTORY};

/// More than any table of cron.
const LIMIT: u64 = 4 << 20;

/// Each as a person reads it: what it runs, and where it stands.
pub fn entries(context: &Context) -> Vec<String> {
    let mut found = Vec::new();
    for (table, text) in tables(context) {
        for line in lines(&text, &table) {
            // An old check disturbs nobody: it finds our backups as well as its own.
            if let Seen::Entry(line) = line.seen
                && line.datastore == context.job.datastore
                && line.tier.is_some()
            {
                found.push(format!("{} in {}", line.runs, line.table));
            }
        }
    }
    found
}

fn tables(context: &Context) -> Vec<(Table, Vec<u8>)> {
    let inside = |path: &str| context.root.join(path.trim_start_matches('/'));
    let mut tables = Vec::new();
    let mut system = |path: String| {
        let text = read(&inside(&path));
        // What carries a mark is this program's own.
        tables.extend(
            text.filter(|text| crontab::mark(&String::from_utf8_lossy(text)).is_none())
                .map(|text| (Table::System(path), text)),
        );
    };
    system(SYSTEM_TABLE.to_owned());
    for name in names(&inside(DIRECTORY)) {
        system(format!("{DIRECTORY}/{name}"));
    }
    if context.root == Path::new("/") {
        // Only crontab(1) may read the folder of users' tables; without a table it fails, and there is nothing to tell.
        let own = Program::new("crontab").args(["-l"]).output(Duration::from_secs(20));
        if let (Ok(text), Ok(user)) = (own, crate::clients::machine::user().parse()) {
            tables.push((Table::User(user), text.into_bytes()));
        }
        return tables;
    }
    for spool in SPOOLS {
        for name in names(&inside(spool)) {
            let text = read(&inside(&format!("{spool}/{name}")));
            if let (Some(text), Ok(user)) = (text, name.parse()) {
                tables.push((Table::User(user), listed(&text).to_vec()));
            }
        }
    }
    tables
}

/// The names that cron reads in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_read = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let mut names: Vec<String> = names.filter(is_read).collect();
    names.sort();
    names
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let metadata = fs::symlink_metadata(path).ok()?;
    (metadata.is_file() && metadata.len() <= LIMIT).then(|| fs::read(path).ok()).flatten()
}
