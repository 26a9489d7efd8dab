//! What there is of a datastore's backups: on disk with their manifests, in the bucket with their versions, each backup
//! one row wherever it lies. Reads only, and takes no lock.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::context::{Context, Store};
use super::error::{JobError, Stage};
use super::failure::{self, LastFailure};
use super::remote::{self, Hidden, Object};
use super::{directory, expire, snapshot};
use crate::datastores::names::Series;
use crate::retention::local::{Because, Fate};
use crate::vocab::{BucketName, Datastore, Environment, HostName, Label, Tier, words};

/// Every backup that could be seen, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    pub datastore: Datastore,
    pub host: HostName,
    pub directory: String,
    pub bucket: Option<BucketName>,
    /// The repository of a store that makes its snapshots itself, and where it leads, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    pub backups: Vec<Row>,
    /// The last job that failed, where none has succeeded since.
    pub last_failure: Option<LastFailure>,
    /// Keys whose backups a delete marker hides: their versions are there, and only listed ones are found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(default)]
    pub hidden: Vec<Hidden>,
    /// What could not be seen, and why; the rest is complete.
    pub unseen: Vec<String>,
}

/// A bucket that was uploaded to before, and how it is read.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub bucket: BucketName,
    pub store: Store,
}

/// One backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The file's name here, else the key.
    pub name: String,
    /// `None` of a labelled one.
    pub tier: Option<Tier>,
    /// What the person called it who wanted it, and the last day on which it is kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_until: Option<NaiveDate>,
    /// When it was whole; for a backup that only the bucket has, the storage's date.
    pub taken: DateTime<Utc>,
    pub bytes: u64,
    /// The copy in the backup directory.
    pub here: Option<Here>,
    /// The copy in the bucket.
    pub remote: Option<Copy>,
    /// The environment's name when it was made, where that is an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_name: Option<Environment>,
    /// Whether every copy that was wanted was proven; `None` where the manifest that would say so is gone.
    pub proven: Option<bool>,
    /// What a snapshot is that is not whole: `PARTIAL`, `FAILED`, `IN_PROGRESS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether it was restored and found good; `None` where nobody tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<bool>,
}

/// The copy in the backup directory, and how long it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    pub keep: Keep,
    /// For `until` the instant from which it may go, for `due` since when it may.
    pub when: Option<DateTime<Utc>>,
}

/// Why, as a clause.
impl fmt::Display for Here {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = |when: Option<DateTime<Utc>>| when.map(words::minute);
        match (self.keep, until(self.when)) {
            (Keep::Until, Some(until)) => write!(f, "the policy keeps it until {until}"),
            (Keep::Until, None) => f.write_str("the policy keeps it for ever"),
            (Keep::Labelled, Some(until)) => write!(f, "whoever labelled it keeps it until {until}"),
            (Keep::Labelled, None) => f.write_str("whoever labelled it keeps it until a person removes it"),
            (Keep::NewestProven, _) => f.write_str("it is the newest proven one"),
            (Keep::NewestOfTier, _) => f.write_str("nothing is proven, and it is the newest of its kind"),
            (Keep::FromTheFuture, _) => {
                f.write_str("its time lies in the future: a clock was wrong when it was made, or is now")
            }
            (Keep::Due, Some(since)) => write!(f, "its time was over {since}"),
            (Keep::Due, None) => f.write_str("its time is over"),
            (Keep::NotOurs, _) => f.write_str("no job wrote it there, and none removes it"),
            (Keep::EarlierName, _) => f.write_str("it has an earlier name of the environment"),
        }
    }
}

/// Why a local copy stays, or that it no longer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// By the policy, until an instant.
    Until,
    /// By the person who labelled it: until an instant, or until a person removes it.
    Labelled,
    /// It is the newest proven one, and stays until another is.
    NewestProven,
    /// Nothing is proven, and it is the newest of its tier.
    NewestOfTier,
    /// Its time lies in the future.
    FromTheFuture,
    /// Its time is over: the next proven backup removes it.
    Due,
    /// It has an earlier name of the environment, and no job removes it.
    EarlierName,
    /// No job wrote it there: a key's copy that somebody fetched, say.
    NotOurs,
}

impl From<Fate> for Here {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Kept(Because::Young { until }) => Here { keep: Keep::Until, when: until },
            Fate::Kept(Because::Labelled { until }) => Here { keep: Keep::Labelled, when: until },
            Fate::Kept(Because::NewestProven) => Here { keep: Keep::NewestProven, when: None },
            Fate::Kept(Because::NewestOfTier) => Here { keep: Keep::NewestOfTier, when: None },
            Fate::Kept(Because::FromTheFuture) => Here { keep: Keep::FromTheFuture, when: None },
            Fate::Removed { since } => Here { keep: Keep::Due, when: Some(since) },
        }
    }
}

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// The bucket, where it is one that was uploaded to before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_bucket: Option<BucketName>,
    pub key: String,
    /// `None` where the bucket keeps no versions.
    pub version_id: Option<String>,
    /// Whether it is what the key shows; older versions need their id to be read.
    pub latest: bool,
    /// The storage's own date: of a large object, when its upload began.
    pub modified: DateTime<Utc>,
}

impl Copy {
    /// How a person names it: `KEY?versionId=V`, with `null` for the version of a bucket that keeps none, as S3 has it.
    pub fn address(&self) -> String {
        format!("{}?versionId={}", self.key, self.version_id.as_deref().unwrap_or("null"))
    }
}

/// A bucket that was listed, and what is in it.
pub(super) struct Looked {
    pub bucket: BucketName,
    pub store: Store,
    pub found: remote::Found,
}

/// Lists the backups of the job file's datastore. A bucket that cannot be read is told and hides nothing else.
pub async fn list(context: &Context, earlier: &[Earlier]) -> Result<Listing, JobError> {
    look(context, earlier).await.map(|(listing, _)| listing)
}

/// The same, with what each bucket holds besides.
pub(super) async fn look(context: &Context, earlier: &[Earlier]) -> Result<(Listing, Vec<Looked>), JobError> {
    if snapshot::is_of(context) {
        return Box::pin(snapshot::listing(context)).await.map(|listing| (listing, Vec::new()));
    }
    let place = directory::find(context)?;
    let names = &context.job.previous.names;
    let all: Vec<(Option<&Environment>, Series)> = std::iter::once((None, context.series()))
        .chain(names.iter().map(|name| (Some(name), Series::new(&context.job.datastore, name))))
        .collect();
    let mut local = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, series) in &all {
        let found = expire::seen(&place, series, context);
        let found = found.map_err(|error| {
            JobError::new(
                Stage::Prepare,
                format!("the directory {} cannot be read: {error}", place.display()),
            )
            .help("run it as the user that makes the backups")
        })?;
        for (backup, here) in found {
            if seen.insert(backup.file.clone()) {
                local.push((*name, backup, here));
            }
        }
    }
    let (mut unseen, mut remote, mut looked) = (Vec::new(), Vec::new(), Vec::new());
    let bucket = context.job.upload.as_ref().map(|upload| upload.bucket.clone());
    if let (Some(store), Some(bucket)) = (&context.store, &bucket) {
        match remote::list(store, bucket, &all).await {
            Ok(found) => {
                remote = found.objects.clone();
                looked.push(Looked { bucket: bucket.clone(), store: store.clone(), found });
            }
            Err(why) => unseen.push(format!("the bucket {bucket} cannot be listed: {why}")),
        }
    }
    for Earlier { bucket, store } in earlier {
        match remote::list(store, bucket, &all).await {
            Ok(found) => {
                remote.extend(found.objects.iter().cloned().map(|object| Object {
                    copy: Copy { earlier_bucket: Some(bucket.clone()), ..object.copy },
                    ..object
                }));
                looked.push(Looked { bucket: bucket.clone(), store: store.clone(), found });
            }
            Err(why) => unseen.push(format!("the previous bucket {bucket} cannot be listed: {why}")),
        }
    }
    let mut backups: Vec<Row> = Vec::new();
    for (name, backup, here) in local {
        let copy = backup.manifest.as_ref().and_then(|manifest| manifest.remote.as_ref()).and_then(|known| {
            let same = |object: &Object| {
                // Keys of one host are the same in each of its buckets.
                object.copy.earlier_bucket.as_ref().or(bucket.as_ref()) == Some(&known.bucket)
                    && object.copy.key == known.key
                    && known.proven
                    && object.copy.version_id == known.version_id
            };
            remote.iter().position(same).map(|index| remote.swap_remove(index).copy)
        });
        backups.push(Row {
            taken: backup.taken(),
            proven: backup.manifest.as_ref().map(|_| backup.proven()),
            restored: backup.restored,
            name: backup.file,
            tier: backup.name.tier(),
            label: backup.name.label().cloned(),
            keep_until: backup.manifest.as_ref().and_then(|manifest| manifest.keep_until),
            bytes: backup.bytes,
            here: Some(match name {
                Some(_) => Here { keep: Keep::EarlierName, when: None },
                None => here,
            }),
            earlier_name: name.cloned(),
            remote: copy,
            state: None,
        });
    }
    backups.extend(remote.into_iter().map(|object| Row {
        name: object.copy.key.clone(),
        tier: object.name.tier(),
        label: object.name.label().cloned(),
        keep_until: None,
        taken: object.copy.modified,
        bytes: object.bytes,
        here: None,
        earlier_name: object.earlier_name,
        remote: Some(object.copy),
        proven: None,
        state: None,
        restored: None,
    }));
    backups.sort_by(|a, b| (b.taken, &b.name).cmp(&(a.taken, &a.name)));
    let hidden = looked.iter().flat_map(|looked: &Looked| looked.found.hidden.clone()).collect();
    let listing = Listing {
        datastore: context.job.datastore.clone(),
        host: context.job.host.clone(),
        directory: context.job.directory.clone(),
        bucket,
        repository: None,
        backups,
        last_failure: failure::last(context),
        hidden,
        unseen,
    };
    Ok((listing, looked))
}
