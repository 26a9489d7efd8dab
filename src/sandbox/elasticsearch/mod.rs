//! A stand-in for Elasticsearch's snapshots, written from the published API: no real one is asked anywhere in this repository.
//!
//! It answers the calls that `clients::elasticsearch` makes, with the errors of the API, and refuses every other as
//! Elasticsearch does what it has no handler for. What it knows of an index is how many documents it holds: enough to see
//! whether a restore brought them back. Sources: <https://www.elastic.co/guide/en/elasticsearch/reference/2.4/modules-snapshots.html>,
//! <https://www.elastic.co/guide/en/elasticsearch/reference/7.17/snapshot-restore-apis.html>, and for the words of errors
//! the reports in <https://github.com/elastic/elasticsearch/issues>.
//!
//! One cluster is one host's; its state lies in the host's folder, so that it outlives a process. What a repository holds
//! outlives the cluster's indices, as it does in reality.

mod answers;
mod knobs;
mod records;
mod served;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use serde_json::{Value, json};

pub use knobs::{KnobLogin, Knobs, Outcome, Trouble, TroubleKind};
pub use records::{Index, Records, Repository as Registered};
pub use served::Served;

use super::http::{Answer, Call};
use crate::vocab::Clock;
use answers::{Operation, Refused};
use records::Shelf;

/// Where the state lies in a host's folder.
pub const FILE: &str = "var/lib/elasticsearch/stand-in.json";

/// Says whether there is a bucket of that name.
pub type HasBucket = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// A cluster of one node.
#[derive(Clone)]
pub struct Elasticsearch(Arc<Cluster>);

struct Cluster {
    shelf: Shelf,
    clock: Clock,
    knobs: Mutex<Knobs>,
    /// Without it every bucket is there.
    has_bucket: Option<HasBucket>,
}

impl fmt::Debug for Elasticsearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Elasticsearch (stand-in)")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a request ends.
enum Ending {
    Answered(u16, Value),
    /// Without an answer.
    Cut,
}

impl Elasticsearch {
    /// A cluster whose state ends with it.
    pub fn memory(clock: Clock, knobs: Knobs) -> Self {
        Elasticsearch::over(Shelf::memory(), clock, knobs, None)
    }

    /// A cluster whose state lies in a file.
    pub fn at(file: PathBuf, clock: Clock, knobs: Knobs, has_bucket: Option<HasBucket>) -> Self {
        Elasticsearch::over(Shelf::File(file), clock, knobs, has_bucket)
    }

    fn over(shelf: Shelf, clock: Clock, knobs: Knobs, has_bucket: Option<HasBucket>) -> Self {
        Elasticsearch(Arc::new(Cluster { shelf, clock, knobs: Mutex::new(knobs), has_bucket }))
    }

    /// What a client takes for the network.
    pub fn network(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    /// Changes what goes wrong.
    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut locked(&self.0.knobs));
    }

    /// Looks at the state, and may change it behind the back of everyone.
    pub fn state<T>(&self, look: impl FnOnce(&mut Records) -> T) -> std::io::Result<T> {
        self.0.shelf.change(look)
    }

    fn answer(&self, call: &Call, body: &[u8]) -> Ending {
        let refused = |refused: Refused| Ending::Answered(refused.status, refused.into_json());
        let mut knobs = locked(&self.0.knobs);
        if let Some(login) = &knobs.login
            && !login.is_in(call.header("authorization").unwrap_or_default())
        {
            return refused(Refused::new(
                401,
                "security_exception",
                "missing authentication credentials for REST request",
            ));
        }
        let segments: Vec<&str> = call.path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(operation) = Operation::of(&call.method, &segments) else {
            let uri = &call.path;
            let words = format!("no handler found for uri [{uri}] and method [{}]", call.method);
            return Ending::Answered(400, json!({"error": words}));
        };
        let trouble = knobs.strike(operation.name());
        let settings = knobs.clone();
        drop(knobs);
        match trouble {
            Some(TroubleKind::Cut) => return Ending::Cut,
            Some(TroubleKind::Busy) => {
                return refused(Refused::new(
                    503,
                    "concurrent_snapshot_execution_exception",
                    "[r:s] a snapshot is already running",
                ));
            }
            Some(TroubleKind::Rejected) => {
                return refused(Refused::new(
                    429,
                    "es_rejected_execution_exception",
                    "rejected execution of coordinating operation",
                ));
            }
            Some(TroubleKind::Denied) => {
                return refused(Refused::new(
                    403,
                    "security_exception",
                    "action is unauthorized for user [backup]",
                ));
            }
            Some(TroubleKind::Unready) => {
                return refused(Refused::new(503, "master_not_discovered_exception", "no master"));
            }
            Some(TroubleKind::CutAfter) | None => {}
        }
        let now = self.0.clock.now();
        let has_bucket = |name: &str| self.0.has_bucket.as_ref().is_none_or(|has| has(name));
        let done = self.0.shelf.change(|records| {
            let around = answers::Around { knobs: &settings, now, has_bucket: &has_bucket };
            answers::carry_out(&operation, records, body, &around)
        });
        if trouble == Some(TroubleKind::CutAfter) {
            return Ending::Cut;
        }
        match done {
            Ok(Ok(answer)) => Ending::Answered(200, answer),
            Ok(Err(why)) => refused(why),
            Err(error) => refused(Refused::new(500, "exception", format!("the stand-in's file: {error}"))),
        }
    }

    async fn respond(self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let call = Call::read(&request);
        let body = request.take_body().collect().await.map_err(ConnectorError::io)?.to_bytes();
        match self.answer(&call, &body) {
            Ending::Cut => {
                let reset =
                    std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset by peer");
                Err(ConnectorError::io(reset.into()))
            }
            Ending::Answered(status, body) => {
                let mut answer = Answer::empty(status).with("content-type", "application/json");
                answer.body = SdkBody::from(body.to_string());
                Ok(answer.into_response(false))
            }
        }
    }
}

impl HttpConnector for Elasticsearch {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().respond(request))
    }
}
