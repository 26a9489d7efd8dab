//! Elasticsearch's snapshots, as its published API has them: thin calls with time limits, and errors with names.
//!
//! Only what versions 2, 5, 6, 7 and 8 and OpenSearch have in common is used; where one of them differs a comment says so.
//! The API: <https://www.elastic.co/guide/en/elasticsearch/reference/2.4/modules-snapshots.html>,
//! <https://www.elastic.co/docs/api/doc/elasticsearch/group/endpoint-snapshot>,
//! <https://docs.opensearch.org/latest/api-reference/snapshots/index/>.
//!
//! Asks again only where that is safe: for what reads, and for what is the same however often it is done. A snapshot is never
//! begun twice by itself. Decides nothing, and names no login.

mod error;
mod read;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

pub use error::{EsError, EsErrorKind};
pub use read::{About, Health, Repository, Snapshot, State};

use super::host::Host;
use super::http::{self, Ask, Method, Said, Unanswered};
use crate::vocab::Login;

/// How long one answer may take. What lasts longer goes on without us.
const LIMIT: Duration = Duration::from_secs(60);
/// Deleting answers when it is done, and that may be many files
/// (<https://www.elastic.co/guide/en/elasticsearch/reference/7.17/delete-snapshot-api.html>).
const DELETE_LIMIT: Duration = Duration::from_secs(1800);

/// How often, and after which pauses, something is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first pause; each is twice the one before.
    pub first: Duration,
    pub most: Duration,
    /// Attempts where asking again is safe.
    pub tries: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { first: Duration::from_millis(500), most: Duration::from_secs(30), tries: 5 }
    }
}

impl Pace {
    /// The pause after so many attempts.
    pub fn pause(&self, attempts: u32) -> Duration {
        self.first.saturating_mul(1u32.checked_shl(attempts.min(16)).unwrap_or(u32::MAX)).min(self.most)
    }
}

/// By which way a cluster is asked.
#[derive(Clone, Debug)]
pub enum Way<'a> {
    /// From where this program runs, or by what plays a network.
    Network(SharedHttpConnector),
    /// On a host of ours.
    Host(&'a Host),
}

/// A cluster.
#[derive(Clone, Debug)]
pub struct Elasticsearch<'a> {
    pub way: Way<'a>,
    /// Where it may be, such as `http://10.0.0.4:9200`; the first that takes a connection is asked.
    pub at: Vec<String>,
    pub login: Option<Login>,
    pub pace: Pace,
}

/// What is to be restored, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoring<'a> {
    pub indices: &'a [String],
    /// What stands before each name; `None` restores under the names that they had.
    pub prefix: Option<&'a str>,
    /// Without copies on other nodes, and without aliases: for the time being only.
    pub scratch: bool,
}

/// What stands for itself in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One part of a path.
fn part(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}

/// The path of a repository.
pub fn repository_path(name: &str) -> String {
    format!("/_snapshot/{}", part(name))
}

/// What a repository is asked for with, where a host is looked at as a whole.
pub fn repository_ask(at: &[String], login: Option<&Login>, name: &str) -> Ask {
    Ask {
        method: Method::GET,
        at: at.to_vec(),
        path: repository_path(name),
        body: None,
        login: login.cloned(),
        limit: LIMIT,
    }
}

/// What was answered to it: `None` where there is no such repository.
pub fn repository_said(name: &str, said: Result<Said, Unanswered>) -> Result<Option<Repository>, EsError> {
    match understood(said) {
        Ok(answer) => Ok(Some(read::repository(&answer, name)?)),
        Err(error) if error.kind == EsErrorKind::RepositoryMissing => Ok(None),
        Err(error) => Err(error),
    }
}

fn understood(said: Result<Said, Unanswered>) -> Result<Value, EsError> {
    let said = said?;
    match said.status {
        200..300 => read::json(&said.body),
        _ => Err(EsError::of(&said)),
    }
}

/// Whether a question may be asked again by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Safe,
    /// Only where nothing can have been done.
    No,
}

impl Elasticsearch<'_> {
    async fn ask(&self, ask: &Ask) -> Result<Said, Unanswered> {
        match &self.way {
            Way::Network(network) => http::over(network, ask).await,
            Way::Host(host) => Box::pin(host.ask(ask)).await,
        }
    }

    async fn call(
        &self,
        method: Method,
        path: String,
        body: Option<Value>,
        again: Again,
        limit: Duration,
    ) -> Result<Value, EsError> {
        let (at, login) = (self.at.clone(), self.login.clone());
        let ask = Ask { method, at, path, body: body.map(|body| body.to_string()), login, limit };
        let mut attempts = 0;
        loop {
            let error = match understood(self.ask(&ask).await) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            attempts += 1;
            let may = match again {
                Again::Safe => error.kind.passes(),
                Again::No => error.kind.passes() && error.kind.did_nothing(),
            };
            if !may || attempts >= self.pace.tries {
                return Err(error);
            }
            tokio::time::sleep(self.pace.pause(attempts - 1)).await;
        }
    }

    async fn get(&self, path: String) -> Result<Value, EsError> {
        self.call(Method::GET, path, None, Again::Safe, LIMIT).await
    }

    /// Who answers.
    pub async fn about(&self) -> Result<About, EsError> {
        read::about(&self.get("/".to_owned()).await?)
    }

    /// A repository by its name, if there is one.
    pub async fn repository(&self, name: &str) -> Result<Option<Repository>, EsError> {
        match self.get(repository_path(name)).await {
            Ok(answer) => Ok(Some(read::repository(&answer, name)?)),
            Err(error) if error.kind == EsErrorKind::RepositoryMissing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Registers a repository, or replaces its settings; the master node looks whether it can write there.
    pub async fn register(&self, name: &str, repository: &Repository) -> Result<(), EsError> {
        let body = json!({"type": repository.kind, "settings": repository.settings});
        let path = format!("{}?verify=true", repository_path(name));
        self.call(Method::PUT, path, Some(body), Again::Safe, LIMIT).await.map(|_| ())
    }

    /// Has every node write to a repository; answers with their names.
    pub async fn verify(&self, name: &str) -> Result<Vec<String>, EsError> {
        let path = format!("{}/_verify", repository_path(name));
        read::nodes(&self.call(Method::POST, path, None, Again::Safe, LIMIT).await?)
    }

    /// Every snapshot in a repository, whoever made it.
    pub async fn snapshots(&self, repository: &str) -> Result<Vec<Snapshot>, EsError> {
        let path = format!("{}/_all?ignore_unavailable=true", repository_path(repository));
        read::snapshots(&self.get(path).await?)
    }

    /// One snapshot, if there is one of that name.
    pub async fn snapshot(&self, repository: &str, name: &str) -> Result<Option<Snapshot>, EsError> {
        match self.get(format!("{}/{}", repository_path(repository), part(name))).await {
            Ok(answer) => Ok(read::snapshots(&answer)?.into_iter().find(|one| one.name == name)),
            Err(error) if error.kind == EsErrorKind::SnapshotMissing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many bytes the files of a snapshot have, shared or not; `None` where the answer does not tell.
    pub async fn size(&self, repository: &str, name: &str) -> Result<Option<u64>, EsError> {
        let path = format!("{}/{}/_status", repository_path(repository), part(name));
        Ok(read::size(&self.get(path).await?))
    }

    /// Begins a snapshot of everything, the cluster's own settings included. Never asked again where it may have begun.
    pub async fn create(&self, repository: &str, name: &str) -> Result<(), EsError> {
        let path = format!("{}/{}?wait_for_completion=false", repository_path(repository), part(name));
        self.call(Method::PUT, path, None, Again::No, LIMIT).await.map(|_| ())
    }

    /// Deletes a snapshot that may be gone already; one that is under way is broken off.
    pub async fn delete(&self, repository: &str, name: &str) -> Result<(), EsError> {
        let path = format!("{}/{}", repository_path(repository), part(name));
        match self.call(Method::DELETE, path, None, Again::Safe, DELETE_LIMIT).await {
            Err(error) if error.kind != EsErrorKind::SnapshotMissing => Err(error),
            _ => Ok(()),
        }
    }

    /// Every index, and whether it is open.
    pub async fn indices(&self) -> Result<BTreeMap<String, bool>, EsError> {
        // Closed ones are in the cluster's state alone: version 2 shows them nowhere else.
        let path = "/_cluster/state/metadata?filter_path=metadata.indices.*.state".to_owned();
        Ok(read::indices(&self.get(path).await?))
    }

    /// Closes an index: it takes and answers nothing, and its data stays.
    pub async fn close(&self, index: &str) -> Result<(), EsError> {
        let path = format!("/{}/_close", part(index));
        self.call(Method::POST, path, None, Again::Safe, LIMIT).await.map(|_| ())
    }

    pub async fn open(&self, index: &str) -> Result<(), EsError> {
        let path = format!("/{}/_open", part(index));
        self.call(Method::POST, path, None, Again::Safe, LIMIT).await.map(|_| ())
    }

    /// Deletes an index by its whole name; one that is gone already is as good.
    pub async fn delete_index(&self, index: &str) -> Result<(), EsError> {
        match self.call(Method::DELETE, format!("/{}", part(index)), None, Again::Safe, LIMIT).await {
            Err(error) if error.kind != EsErrorKind::IndexMissing => Err(error),
            _ => Ok(()),
        }
    }

    /// Begins to restore indices; it goes on after the answer.
    pub async fn restore(
        &self,
        repository: &str,
        snapshot: &str,
        restoring: &Restoring<'_>,
    ) -> Result<(), EsError> {
        let Restoring { indices, prefix, scratch } = restoring;
        let mut body = Map::new();
        body.insert("indices".to_owned(), indices.join(",").into());
        body.insert("ignore_unavailable".to_owned(), false.into());
        body.insert("include_global_state".to_owned(), false.into());
        if let Some(prefix) = prefix {
            // An alias would lead to the living index and to its copy at once.
            body.insert("include_aliases".to_owned(), false.into());
            body.insert("rename_pattern".to_owned(), "(.+)".into());
            body.insert("rename_replacement".to_owned(), format!("{prefix}$1").into());
        }
        if *scratch {
            body.insert("index_settings".to_owned(), json!({"index.number_of_replicas": 0}));
        }
        let path = format!("{}/{}/_restore", repository_path(repository), part(snapshot));
        self.call(Method::POST, path, Some(Value::Object(body)), Again::No, LIMIT).await.map(|_| ())
    }

    /// Whether the primaries of an index are there.
    pub async fn health(&self, index: &str) -> Result<Health, EsError> {
        read::health(&self.get(format!("/_cluster/health/{}", part(index))).await?)
    }

    /// How many documents an index holds.
    pub async fn count(&self, index: &str) -> Result<u64, EsError> {
        read::count(&self.get(format!("/{}/_count", part(index))).await?)
    }
}
