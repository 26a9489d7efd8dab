//! What is left once CouchDB runs on restored data: this node's name in the maps of shards, over its HTTP API.
//!
//!     who answers -> its only node? -> every map of `_dbs` -> all of one other node? -> written back -> that node forgotten
//!
//! Nothing is written before every map was read and understood. A map that somebody wrote meanwhile is read again; run
//! twice it finds nothing to do. What the API is: <https://docs.couchdb.org/en/stable/api/server/common.html>,
//! <https://docs.couchdb.org/en/stable/cluster/sharding.html>, <https://docs.couchdb.org/en/stable/cluster/nodes.html>.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::shard_map;
use crate::clients::http::{self, Ask, Method, Unanswered};
use crate::datastores::dump::DumpError;
use crate::vocab::Login;

const PAUSE: Duration = Duration::from_millis(500);
/// How often one map is read again because somebody else wrote it.
const TRIES: usize = 5;
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Where CouchDB answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Scheme, host and port.
    pub url: String,
    /// The port of the node itself, which CouchDB had before version 3.
    pub node_url: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// This node, as CouchDB names it.
    pub node: String,
    /// The node that the maps spoke of, where that is another.
    pub before: Option<String>,
    /// Maps that were corrected, and maps that were right.
    pub corrected: usize,
    pub right: usize,
}

impl Settled {
    pub fn words(&self) -> String {
        let Settled { node, before, corrected, right } = self;
        match before {
            Some(before) => {
                let rest = if *right > 0 { format!("; {right} named it already") } else { String::new() };
                format!("{corrected} maps of shards name {node} in place of {before}{rest}")
            }
            None => format!("all {right} maps of shards name {node}: there was nothing to correct"),
        }
    }
}

/// Corrects the maps of the CouchDB that answers there, within that time.
pub async fn settle(
    address: &Address,
    login: Option<&Login>,
    patience: Duration,
) -> Result<Settled, DumpError> {
    let couch = Couch::reach(address, login, patience).await?;
    let members = couch.members().await?;
    let node = members.node.clone();
    let mut found = Vec::new();
    for name in couch.databases().await? {
        let map = couch.map(&name).await?;
        let of = shard_map::node(&map).map_err(|error| refused(format!("the database {name}: {error}")))?;
        found.push((name, map, of));
    }
    let others: BTreeSet<&String> = found.iter().map(|(_, _, of)| of).filter(|of| **of != node).collect();
    let before = match others.len() {
        0 => None,
        1 => others.first().map(|of| (*of).clone()),
        _ => {
            let names: Vec<&str> = others.iter().map(|of| of.as_str()).collect();
            return Err(refused(format!(
                "the maps of shards name several other nodes: {}",
                names.join(", ")
            )));
        }
    };
    members.are_alone_but_for(before.as_ref())?;
    let right = found.iter().filter(|(_, _, of)| *of == node).count();
    let mut corrected = 0;
    if let Some(before) = &before {
        for (name, map, _) in found.into_iter().filter(|(_, _, of)| *of == *before) {
            couch.correct(&name, map, before, &node).await?;
            corrected += 1;
        }
        couch.forget(before).await?;
    }
    Ok(Settled { node, before, corrected, right })
}

fn refused(why: String) -> DumpError {
    DumpError::new(format!("{why}: nothing was written"))
        .help("only a node that is alone can be given another name; for a cluster see CouchDB's manual on moving shards")
}

/// Who CouchDB says that there is.
struct Members {
    node: String,
    connected: BTreeSet<String>,
    known: BTreeSet<String>,
}

impl Members {
    /// Whether there is no other node but the one of that name, and that one is gone: any other would miss what is renamed.
    fn are_alone_but_for(&self, before: Option<&String>) -> Result<(), DumpError> {
        let others: Vec<&str> = self
            .known
            .iter()
            .filter(|one| **one != self.node && (Some(*one) != before || self.connected.contains(*one)))
            .map(String::as_str)
            .collect();
        match others.is_empty() {
            true => Ok(()),
            false => Err(refused(format!("{} is one of a cluster, with {}", self.node, others.join(", ")))),
        }
    }
}

/// What CouchDB answered; nothing where it is no JSON: proxies tell their errors in HTML.
struct Answer {
    status: u16,
    body: Value,
}

/// A CouchDB, and where it keeps what concerns this node alone.
struct Couch<'a> {
    network: SharedHttpConnector,
    login: Option<&'a Login>,
    /// Where it answers.
    server: &'a str,
    /// Where its own databases are, `_dbs` and `_nodes`.
    node: &'a str,
    /// What stands in front of the node's databases: they had a port of their own before version 3.
    prefix: &'static str,
}

impl<'a> Couch<'a> {
    /// Waits until it answers: it may only just have been started.
    async fn reach(
        address: &'a Address,
        login: Option<&'a Login>,
        patience: Duration,
    ) -> Result<Couch<'a>, DumpError> {
        let url = address.url.as_str();
        let front =
            Couch { network: http::network(), login, server: url, node: url, prefix: "/_node/_local" };
        let mut left = patience.as_millis() / PAUSE.as_millis();
        let answer = loop {
            match front.ask(Method::GET, url, "/", None).await {
                Err(Unanswered::Nowhere(_) | Unanswered::Broken(_)) if left > 0 => left -= 1,
                // It answers before it is ready.
                Ok(Answer { status: 500.., .. }) if left > 0 => left -= 1,
                answer => break answer.map_err(told)?,
            }
            tokio::time::sleep(PAUSE).await;
        };
        let answer = expect(&address.url, answer)?;
        let version =
            answer.get("version").and_then(Value::as_str).filter(|_| answer.get("couchdb").is_some());
        let Some(version) = version else {
            return Err(DumpError::new(format!("what answers at {} is no CouchDB", address.url))
                .help("say where it answers: --url http://HOST:PORT"));
        };
        let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
        match major {
            0 | 1 => {
                Err(DumpError::new(format!("CouchDB {version} has no shards: there is nothing to correct")))
            }
            2 => {
                let node = address.node_url.as_deref().ok_or_else(|| {
                    DumpError::new(format!(
                        "CouchDB {version} keeps its maps behind the port of the node, which is not known"
                    ))
                    .help("say where that is: --node-url http://127.0.0.1:5986")
                })?;
                Ok(Couch { node, prefix: "", ..front })
            }
            _ => Ok(front),
        }
    }

    /// This node's name, and the other nodes that it knows of or is connected with. Connected may also be programs that hold
    /// no shards, such as a search engine: what CouchDB takes for a node of its cluster stands in `cluster_nodes`.
    async fn members(&self) -> Result<Members, DumpError> {
        let answer = self.get(self.server, "/_membership").await?;
        let list = |name: &str| -> BTreeSet<String> {
            let names = answer.get(name).and_then(Value::as_array).into_iter().flatten();
            names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let (connected, known) = (list("all_nodes"), list("cluster_nodes"));
        // Not every CouchDB 2 says so by itself.
        let own = self.ask(Method::GET, self.server, "/_node/_local", None).await.map_err(told)?;
        let own =
            own.body.get("name").and_then(Value::as_str).filter(|_| own.status == 200).map(str::to_owned);
        let mut both = connected.intersection(&known);
        let node = match (own, both.next(), both.next()) {
            (Some(own), ..) => own,
            (None, Some(only), None) => only.clone(),
            _ => {
                return Err(refused(
                    "CouchDB does not say which node it is, or it is one of a cluster".to_owned(),
                ));
            }
        };
        Ok(Members { node, connected, known })
    }

    async fn databases(&self) -> Result<Vec<String>, DumpError> {
        let all = self.get(self.node, &format!("{}/_dbs/_all_docs", self.prefix)).await?;
        let rows = all.get("rows").and_then(Value::as_array).ok_or_else(|| {
            DumpError::new("CouchDB's answer is not understood: _dbs/_all_docs has no `rows`")
        })?;
        let names = rows.iter().filter_map(|row| row.get("id").and_then(Value::as_str));
        Ok(names.filter(|name| !name.starts_with("_design/")).map(str::to_owned).collect())
    }

    fn path(&self, database: &str, document: &str) -> String {
        format!("{}/{database}/{}", self.prefix, utf8_percent_encode(document, NON_ALPHANUMERIC))
    }

    async fn map(&self, name: &str) -> Result<Value, DumpError> {
        self.get(self.node, &self.path("_dbs", name)).await
    }

    /// Writes the map back. One that somebody wrote meanwhile is read again.
    async fn correct(&self, name: &str, mut map: Value, from: &str, to: &str) -> Result<(), DumpError> {
        let path = self.path("_dbs", name);
        for _ in 0..TRIES {
            let renamed = shard_map::renamed(&map, from, to);
            let answer = self.ask(Method::PUT, self.node, &path, Some(&renamed)).await.map_err(told)?;
            if answer.status != 409 {
                return expect(&path, answer).map(|_| ());
            }
            map = self.map(name).await?;
            match shard_map::node(&map) {
                Ok(of) if of == to => return Ok(()),
                Ok(of) if of == from => {}
                Ok(of) => return Err(changing(name, &format!("it names {of} now"))),
                Err(error) => return Err(changing(name, &error.to_string())),
            }
        }
        Err(changing(name, "every time it was written somebody else had written it"))
    }

    /// Takes the old name off the list of nodes: new databases would be put there.
    async fn forget(&self, node: &str) -> Result<(), DumpError> {
        let path = self.path("_nodes", node);
        for _ in 0..TRIES {
            let answer = self.ask(Method::GET, self.node, &path, None).await.map_err(told)?;
            if answer.status == 404 {
                return Ok(());
            }
            let document = expect(&path, answer)?;
            let Some(revision) = document.get("_rev").and_then(Value::as_str) else { break };
            let revision = utf8_percent_encode(revision, NON_ALPHANUMERIC);
            let gone = self
                .ask(Method::DELETE, self.node, &format!("{path}?rev={revision}"), None)
                .await
                .map_err(told)?;
            match gone.status {
                404 => return Ok(()),
                409 => {}
                _ => return expect(&path, gone).map(|_| ()),
            }
        }
        Err(DumpError::new(format!("the node {node} cannot be taken off the list of nodes"))
            .help("the maps of shards are right; run it again, or new databases would be put on that node"))
    }

    async fn ask(
        &self,
        method: Method,
        at: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Unanswered> {
        let (at, path, body) = (vec![at.to_owned()], path.to_owned(), body.map(Value::to_string));
        let ask = Ask { method, at, path, body, login: self.login.cloned(), limit: LIMIT };
        let said = Box::pin(http::over(&self.network, &ask)).await?;
        Ok(Answer { status: said.status, body: serde_json::from_slice(&said.body).unwrap_or_default() })
    }

    async fn get(&self, at: &str, path: &str) -> Result<Value, DumpError> {
        expect(path, self.ask(Method::GET, at, path, None).await.map_err(told)?)
    }
}

fn changing(name: &str, why: &str) -> DumpError {
    DumpError::new(format!("the map of {name} changes while it is corrected: {why}"))
        .help("see who else is at work on this CouchDB, and run it again: what is corrected stays")
}

fn told(error: Unanswered) -> DumpError {
    let help = match &error {
        Unanswered::Redirect { .. } | Unanswered::Address(_) => {
            "say where it answers itself: --url http://HOST:PORT"
        }
        _ => {
            "see that CouchDB runs, and say where it answers: --url http://HOST:PORT; what is corrected stays"
        }
    };
    DumpError::new(format!("CouchDB cannot be asked: {error}")).help(help)
}

/// The body of an answer of success.
fn expect(at: &str, answer: Answer) -> Result<Value, DumpError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let word = |name: &str| answer.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = match (word("error"), word("reason")) {
        ("", _) => String::new(),
        (error, "") => format!(" {error}"),
        (error, reason) => format!(" {error}: {reason}"),
    };
    let error = DumpError::new(format!("{at}: CouchDB answered {}{said}", answer.status));
    Err(match answer.status {
        401 | 403 => error.help(
            "it takes an administrator's login: COUCH_USERNAME and COUCH_PASSWORD in the vault, and `reconcile apply`; or \
             --login NAME, which asks for the password",
        ),
        404 => error.help("see that this is the CouchDB that was restored, and the port of the node itself"),
        _ => error.help("see CouchDB's log; run it again when that is mended: what is corrected stays"),
    })
}
