//! A stand-in for CouchDB, written from its published API: the databases of one node that say which shard lies where, with
//! revisions, conflicts, logins and the words of its errors. No CouchDB is at hand
//! (<https://docs.couchdb.org/en/stable/api/>).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// What it holds, and how it behaves.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub version: String,
    /// This node's name, and with whom it is connected besides.
    pub node: String,
    pub connected: Vec<String>,
    /// `_dbs` and `_nodes`: documents by their names.
    pub databases: BTreeMap<String, BTreeMap<String, Value>>,
    pub login: Option<(&'static str, &'static str)>,
    /// So many writes find that somebody else wrote first.
    pub conflicts: usize,
    /// So many questions are answered with a status of an error, as when it has only just started.
    pub starting: usize,
    /// Every question is sent on elsewhere.
    pub redirects: bool,
    /// `METHOD path` of each request.
    pub requests: Vec<String>,
    revisions: usize,
}

pub struct Couch {
    pub port: u16,
    /// The node's own port, which CouchDB 2 has.
    pub node_port: u16,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

/// The map of a database whose shards lie on these nodes.
pub fn map(name: &str, nodes: &[&str]) -> Value {
    let ranges = ["00000000-7fffffff", "80000000-ffffffff"];
    let by_node: BTreeMap<&str, Value> = nodes.iter().map(|node| (*node, json!(ranges))).collect();
    let by_range: BTreeMap<&str, Value> = ranges.iter().map(|range| (*range, json!(nodes))).collect();
    let added = ranges.iter().flat_map(|range| nodes.iter().map(move |node| json!(["add", range, node])));
    json!({
        "_id": name, "_rev": "1-e13fb7e7", "shard_suffix": [46, 49, 53, 51], "changelog": added.collect::<Vec<_>>(),
        "by_node": by_node, "by_range": by_range,
    })
}

impl Couch {
    /// One of this version, restored from `before` on a node that is called `node`.
    pub fn start(version: &str, node: &str, before: &str) -> Couch {
        let maps =
            ["_users", "commcarehq", "commcarehq/apps+x"].map(|name| (name.to_owned(), map(name, &[before])));
        let known = [before, node].map(|name| (name.to_owned(), json!({"_id": name, "_rev": "1-967a"})));
        let state = State {
            version: version.to_owned(),
            node: node.to_owned(),
            databases: [("_dbs".to_owned(), maps.into()), ("_nodes".to_owned(), known.into())].into(),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let stopped = Arc::new(AtomicBool::new(false));
        let listen = |of_node: bool| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = listener.local_addr().expect("an address").port();
            let (state, stopped) = (Arc::clone(&state), Arc::clone(&stopped));
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || serve(&stream, &state, of_node));
                }
            });
            port
        };
        Couch { port: listen(false), node_port: listen(true), state, stopped }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("state")
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The nodes that the maps name, each with its database.
    pub fn nodes(&self) -> Vec<(String, String)> {
        let state = self.state();
        let of = |(name, map): (&String, &Value)| {
            let node = map["by_node"].as_object().and_then(|nodes| nodes.keys().next().cloned());
            (name.clone(), node.unwrap_or_default())
        };
        state.databases["_dbs"].iter().map(of).collect()
    }
}

impl Drop for Couch {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        for port in [self.port, self.node_port] {
            let _ = TcpStream::connect(("127.0.0.1", port));
        }
    }
}

/// Requests of one connection, one after the other.
fn serve(stream: &TcpStream, state: &Mutex<State>, of_node: bool) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        let mut words = line.split_whitespace();
        let (method, path) =
            (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let (mut length, mut login) = (0, None);
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or_default() == 0 || header.trim().is_empty() {
                break;
            }
            let Some((name, value)) = header.split_once(':') else { continue };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or_default(),
                "authorization" => login = value.trim().strip_prefix("Basic ").map(str::to_owned),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) =
            state.lock().expect("state").answer(&method, &path, &body, login.as_deref(), of_node);
        let text = answer.to_string();
        let location = if status == 302 { "location: http://127.0.0.1:1/canary\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\n{location}content-length: {}\r\n\r\n",
            text.len()
        );
        let mut stream = stream;
        if stream.write_all(format!("{head}{text}").as_bytes()).is_err() {
            return;
        }
    }
}

fn error(status: u16, error: &str, reason: &str) -> (u16, Value) {
    (status, json!({"error": error, "reason": reason}))
}

impl State {
    fn answer(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
        login: Option<&str>,
        of_node: bool,
    ) -> (u16, Value) {
        self.requests.push(format!("{method} {path}"));
        if self.redirects {
            return error(302, "moved", "elsewhere");
        }
        if self.starting > 0 {
            self.starting -= 1;
            return error(500, "error", "not yet");
        }
        if path == "/" {
            return (
                200,
                json!({"couchdb": "Welcome", "version": self.version, "vendor": {"name": "a stand-in"}}),
            );
        }
        if let Some((user, word)) = self.login
            && login != Some(&BASE64_STANDARD.encode(format!("{user}:{word}")))
        {
            return match login {
                None => error(401, "unauthorized", "You are not a server admin."),
                Some(_) => error(401, "unauthorized", "Name or password is incorrect."),
            };
        }
        let is_old = self.version.starts_with("2.");
        let local = if is_old { path } else { path.strip_prefix("/_node/_local").unwrap_or(path) };
        match (method, path) {
            ("GET", "/_membership") => {
                let mut all = self.connected.clone();
                all.push(self.node.clone());
                all.sort();
                let known: Vec<&String> = self.databases["_nodes"].keys().collect();
                return (200, json!({"all_nodes": all, "cluster_nodes": known}));
            }
            ("GET", "/_node/_local") if !is_old => return (200, json!({"name": self.node})),
            _ => {}
        }
        // The node's own databases are behind its port, or behind its path.
        if (is_old && !of_node) || (!is_old && local == path) {
            return error(404, "not_found", "Database does not exist.");
        }
        let (local, query) = local.split_once('?').unwrap_or((local, ""));
        let mut parts = local.trim_start_matches('/').splitn(2, '/');
        let (database, document) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let document = percent_encoding::percent_decode_str(document).decode_utf8_lossy().into_owned();
        self.document(method, database, &document, query, body)
    }

    fn document(
        &mut self,
        method: &str,
        database: &str,
        name: &str,
        query: &str,
        body: &Value,
    ) -> (u16, Value) {
        self.revisions += 1;
        let next = format!("{}-somebody", self.revisions + 1);
        let Some(documents) = self.databases.get_mut(database) else {
            return error(404, "not_found", "Database does not exist.");
        };
        let present =
            documents.get(name).map(|document| document["_rev"].as_str().unwrap_or_default().to_owned());
        let given = match method {
            "PUT" => body["_rev"].as_str().map(str::to_owned),
            _ => query
                .strip_prefix("rev=")
                .map(|rev| percent_encoding::percent_decode_str(rev).decode_utf8_lossy().into_owned()),
        };
        match method {
            "GET" if name == "_all_docs" => {
                let row = |name: &String| json!({"id": name, "key": name, "value": {"rev": "1-x"}});
                let design = json!({"id": "_design/x", "key": "_design/x", "value": {"rev": "1-x"}});
                let rows: Vec<Value> = std::iter::once(design).chain(documents.keys().map(row)).collect();
                (200, json!({"total_rows": rows.len(), "offset": 0, "rows": rows}))
            }
            "GET" => match documents.get(name) {
                Some(document) => (200, document.clone()),
                None => error(404, "not_found", "missing"),
            },
            "PUT" | "DELETE" if present.is_none() && method == "DELETE" => error(404, "not_found", "missing"),
            "PUT" | "DELETE" => {
                if self.conflicts > 0
                    && let Some(document) = documents.get_mut(name)
                {
                    self.conflicts -= 1;
                    document["_rev"] = json!(next);
                    document["by_somebody_else"] = json!(self.revisions);
                    return error(409, "conflict", "Document update conflict.");
                }
                if present != given {
                    return error(409, "conflict", "Document update conflict.");
                }
                if method == "DELETE" {
                    documents.remove(name);
                } else {
                    let mut document = body.clone();
                    document["_rev"] = json!(next);
                    documents.insert(name.to_owned(), document);
                }
                (if method == "PUT" { 201 } else { 200 }, json!({"ok": true, "id": name, "rev": next}))
            }
            _ => error(405, "method_not_allowed", "Only DELETE,GET,HEAD,PUT allowed"),
        }
    }
}
