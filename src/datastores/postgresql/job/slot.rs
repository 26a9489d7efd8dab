//! A slot that holds the WAL of a base backup until it is fetched: temporary, so that it goes with the session that owns it,
//! however the job ends.

use std::io::{BufRead, BufReader, Write};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::server::{Connection, Server};
use crate::clients::process::{ProcessError, Running, Talk};
use crate::datastores::dump::DumpError;

/// How long the server may take to give a slot.
const LIMIT: Duration = Duration::from_secs(60);

/// A temporary replication slot and the session that owns it. Dropping ends the session, and the slot with it.
pub(super) struct Slot {
    // Dropped first: the end of its input is how psql is told to go.
    _input: ChildStdin,
    _session: Running,
}

impl Slot {
    pub(super) fn take(connection: &Connection, server: &Server) -> Result<Self, DumpError> {
        let error = |why: ProcessError| {
            let help = connection.help_with_login(why.stderr()).unwrap_or_else(|| {
                "see the server's log; free slots are in pg_replication_slots, the limit is max_replication_slots".to_owned()
            });
            DumpError::new(format!("no replication slot to hold the WAL that the backup needs: {why}"))
                .help(help)
        };
        // A role that only reads files is let in for nothing else: it asks as pg_basebackup does.
        let by_replication = connection.role.is_some();
        let unlimited = server.major() >= 14;
        let psql = match by_replication {
            true if unlimited => connection
                .psql_at("replication=true options='-c idle_session_timeout=0'", Some(server.major())),
            true => connection.psql_at("replication=true", Some(server.major())),
            false => connection.psql(Some(server.major())),
        };
        let mut session = psql?.start(Talk::Both).map_err(error)?;
        let (Some(mut input), Some(output)) = (session.stdin(), session.stdout()) else {
            return Err(DumpError::new("no replication slot can be asked for: psql has no pipes"));
        };
        // Unlike the name of any other job's on this host, in this process or another.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("reconcile_{}_{number}", std::process::id());
        let mut words = String::new();
        if by_replication {
            words.push_str(&format!("CREATE_REPLICATION_SLOT {name} TEMPORARY PHYSICAL RESERVE_WAL;\n"));
        } else {
            if unlimited {
                words.push_str("set idle_session_timeout = 0;\n");
            }
            words.push_str(&format!("select pg_create_physical_replication_slot('{name}', true, true);\n"));
        }
        input.write_all(words.as_bytes()).map_err(|why| error(session.pipe_error(why)))?;
        let (done, answer) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(output).read_line(&mut line);
            let _ = done.send(line);
        });
        match answer.recv_timeout(LIMIT) {
            Ok(line) if !line.trim().is_empty() => Ok(Slot { _input: input, _session: session }),
            // The end of its output: psql is ending and says why on standard error.
            Ok(_) => Err(match session.wait() {
                Err(why) => error(why),
                Ok(()) => DumpError::new("no replication slot: psql ended without an answer"),
            }),
            Err(_) => Err(error(session.time_out(LIMIT))),
        }
    }
}
