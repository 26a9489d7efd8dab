//! Reads and writes a repository, on the host of its cluster.

use super::{SnapshotRepository, field, normal_endpoint};
use crate::clients::elasticsearch::{self, Elasticsearch, EsError, Pace, Repository, Way};
use crate::clients::host::{Host, View};
use crate::clients::http::{Ask, Unanswered};
use crate::vocab::Login;

/// What is asked of a host to see it.
pub fn ask(name: &str, like: &SnapshotRepository, login: Option<&Login>) -> Ask {
    elasticsearch::repository_ask(&like.at, login, name)
}

/// The repository that was answered to the question of that key. The error is for people.
pub fn read(
    view: &View,
    key: &str,
    name: &str,
    like: &SnapshotRepository,
) -> Result<Option<SnapshotRepository>, String> {
    let unasked = || Err(Unanswered::Host("it was not looked at".to_owned()));
    let said = view.asked.get(key).cloned().unwrap_or_else(unasked);
    let found = elasticsearch::repository_said(name, said).map_err(|error| error.to_string())?;
    Ok(found.map(|found| of(&found, &like.at)))
}

/// In its normal form.
pub fn of(found: &Repository, at: &[String]) -> SnapshotRepository {
    let text = |name: &str| found.settings.get(name).filter(|text| !text.is_empty()).cloned();
    SnapshotRepository {
        at: at.to_vec(),
        kind: found.kind.clone(),
        bucket: text(field::BUCKET),
        base_path: text(field::BASE_PATH),
        endpoint: text(field::ENDPOINT).map(|text| normal_endpoint(&text)),
        location: text(field::LOCATION),
        read_only: Some(text(field::READ_ONLY).as_deref() == Some("true")),
    }
}

/// Registers it, or changes where it leads; what else is set stays. Then every node must be able to write there: one that
/// cannot is told in Elasticsearch's words.
pub async fn write(
    host: &Host,
    name: &str,
    wanted: &SnapshotRepository,
    login: Option<&Login>,
) -> Result<(), String> {
    let pace = Pace { tries: 3, ..Pace::default() };
    let cluster = Elasticsearch { way: Way::Host(host), at: wanted.at.clone(), login: login.cloned(), pace };
    let told = |error: EsError| error.to_string();
    let present = Box::pin(cluster.repository(name)).await.map_err(told)?;
    let mut settings = match present {
        Some(present) if present.kind == wanted.kind => present.settings,
        _ => Default::default(),
    };
    let SnapshotRepository { at: _, kind, bucket, base_path, endpoint, location, read_only } = wanted;
    let texts = [
        (field::BUCKET, bucket),
        (field::BASE_PATH, base_path),
        (field::ENDPOINT, endpoint),
        (field::LOCATION, location),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            settings.insert(name.to_owned(), text.clone());
        }
    }
    match read_only {
        Some(true) => _ = settings.insert(field::READ_ONLY.to_owned(), "true".to_owned()),
        // What is not said is what holds.
        Some(false) => _ = settings.remove(field::READ_ONLY),
        None => {}
    }
    let repository = Repository { kind: kind.clone(), settings };
    Box::pin(cluster.register(name, &repository)).await.map_err(told)?;
    let nodes = Box::pin(cluster.verify(name)).await.map_err(|error| {
        format!("it is registered, and not every node can write to it: {error}; mend that, and apply again")
    })?;
    match nodes.is_empty() {
        true => Err("it is registered, and no node says that it can write to it".to_owned()),
        false => Ok(()),
    }
}
