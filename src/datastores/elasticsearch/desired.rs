//! Elasticsearch's settings -> the resources on its host. Pure.

use super::settings::{Elasticsearch, SnapshotStore};
use crate::datastores::backed::{self, Backed};
use crate::datastores::job_file::Source;
use crate::datastores::{JobTerms, Piece};
use crate::resources::{Resource, SnapshotRepository};
use crate::vocab::{HostName, Id, Kind};

/// The datastore's name, in ids and on the command line.
pub const NAME: &str = "elasticsearch";

/// What its host needs. Empty while the switch is off.
pub fn pieces(settings: &Elasticsearch, terms: &JobTerms<'_>) -> Vec<Piece> {
    // Elasticsearch writes to the bucket itself: the job uploads nothing and needs no keys.
    let alone = Backed { s3: false, bucket: None, ..settings.backed.clone() };
    let mut pieces = backed::pieces(&alone, terms, &[], |_| Source::Elasticsearch(settings.source.clone()));
    let hosts = alone.hosts.iter().filter(|_| alone.on);
    let repositories: Vec<Piece> = hosts.filter_map(|host| repository(settings, host)).collect();
    for repository in &repositories {
        for piece in pieces.iter_mut().filter(|piece| piece.id.kind() == Kind::Crontab) {
            if piece.id.host() == repository.id.host() {
                piece.needs.insert(repository.id.clone());
            }
        }
    }
    pieces.extend(repositories);
    pieces
}

/// The repository as settings want it; none where they leave it to whoever registered it.
fn repository(settings: &Elasticsearch, host: &HostName) -> Option<Piece> {
    let store = settings.source.store.as_ref()?;
    let bucket = match store {
        SnapshotStore::S3 { bucket, .. } => Some(Id::cloud(Kind::Bucket, bucket.as_str())),
        SnapshotStore::Fs { .. } => None,
    };
    Some(Piece {
        id: Id::on_host(Kind::SnapshotRepository, host.clone(), settings.source.repository.as_str()),
        resource: Resource::SnapshotRepository(wanted(settings.source.at.clone(), store)),
        needs: bucket.into_iter().collect(),
        secret: false,
        programs: &[],
    })
}

/// The repository in its normal form, as far as settings manage it.
pub fn wanted(at: Vec<String>, store: &SnapshotStore) -> SnapshotRepository {
    let any = SnapshotRepository {
        at,
        kind: String::new(),
        bucket: None,
        base_path: None,
        endpoint: None,
        location: None,
        read_only: Some(false),
    };
    match store {
        SnapshotStore::S3 { bucket, endpoint } => SnapshotRepository {
            kind: "s3".to_owned(),
            bucket: Some(bucket.to_string()),
            endpoint: endpoint.as_deref().map(crate::resources::snapshot_repository::normal_endpoint),
            ..any
        },
        SnapshotStore::Fs { location } => {
            SnapshotRepository { kind: "fs".to_owned(), location: Some(location.clone()), ..any }
        }
    }
}
