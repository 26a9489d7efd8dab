//! The URLs of pings, which may name whose word it is: `{host}`, `{datastore}` and `{environment}`. A service that waits for
//! word at one URL hears all is well as long as anybody says so there: only one that has a URL for each misses each.
//!
//! Must never show a URL: whoever has it can say that all is well.

use serde::{Deserialize, Serialize};

use crate::jobs::context::Context;
use crate::vocab::{Datastore, HostName, Secret};

const HOST: &str = "{host}";
const DATASTORE: &str = "{datastore}";
const ENVIRONMENT: &str = "{environment}";

/// Whom a URL tells apart, in one environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Apart {
    pub hosts: bool,
    pub datastores: bool,
}

impl Apart {
    pub(super) fn of(url: &Secret) -> Apart {
        Apart { hosts: url.expose().contains(HOST), datastores: url.expose().contains(DATASTORE) }
    }

    /// Whether the word of two is one for who waits for it.
    pub fn are_one(self, one: (&HostName, &Datastore), other: (&HostName, &Datastore)) -> bool {
        let is_one = |one: String, other: String| name(&one) == name(&other);
        (!self.hosts || is_one(one.0.to_string(), other.0.to_string()))
            && (!self.datastores || is_one(one.1.to_string(), other.1.to_string()))
    }
}

/// The URL at which this job's word is waited for.
pub(super) fn url(template: &Secret, context: &Context) -> Secret {
    let job = &context.job;
    let url = template.expose().replace(HOST, &name(&job.host.to_string()));
    let url = url.replace(DATASTORE, &name(&job.datastore.to_string()));
    Secret::new(url.replace(ENVIRONMENT, &name(&job.environment.to_string())))
}

/// As it stands in a URL, and as services take the names of checks: in lower case, with a hyphen for whatever is neither
/// letter nor digit nor `_`.
fn name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_apart_whom_it_names() {
        let are_one = |url: &str, one: (&str, &str), other: (&str, &str)| {
            let pair = |(host, datastore): (&str, &str)| {
                (host.parse::<HostName>().expect("a name"), datastore.parse::<Datastore>().expect("a name"))
            };
            let (one, other) = (pair(one), pair(other));
            Apart::of(&Secret::new(url)).are_one((&one.0, &one.1), (&other.0, &other.1))
        };
        let (db1, db2, couch) = (("db1", "postgresql"), ("db2", "postgresql"), ("db1", "couchdb"));
        for (url, hosts, datastores) in [
            ("https://service/canary", true, true),
            ("https://service/canary/{host}", false, true),
            ("https://service/canary/{datastore}", true, false),
            ("https://service/canary/{host}-{datastore}?create=1", false, false),
            ("https://service/canary/{environment}", true, true),
        ] {
            assert_eq!((are_one(url, db1, db2), are_one(url, db1, couch)), (hosts, datastores), "{url}");
        }
        // What a URL makes one name of is one.
        assert!(are_one("https://service/{host}", ("db1.example", "couchdb"), ("DB1-example", "couchdb")));
    }
}
