//! Every datastore that is switched on, from both layers, in the one shape that the checks look at.

use chrono_tz::Tz;

use super::Context;
use super::names::{NAMES, Names};
use crate::settings::declared::{Direct, Objectives};
use crate::settings::summary::DatastoreSummary;
use crate::vocab::{BucketName, Check, HostName, Problem, Schedule, Tier};

/// Where something is written: a flat key's name or value, or a member of `backups:`.
#[derive(Clone, Debug)]
pub enum Spot {
    Key(&'static str),
    Value(&'static str),
    Below(Vec<String>),
}

/// One datastore that is switched on.
#[derive(Clone, Debug)]
pub struct Store {
    /// `postgresql`, `files-media`.
    pub name: String,
    /// Whose backups they are, for sentences: `PostgreSQL's`.
    pub whose: String,
    /// Where it is switched on.
    pub switch: Spot,
    /// The hosts that make the backups, and what names them: `[pg_backup]`, or words.
    pub hosts: Vec<HostName>,
    pub named: Named,
    /// The backup directory.
    pub directory: Option<(String, Spot)>,
    /// The directory that is backed up, where it is on the same host.
    pub source: Option<(String, Spot)>,
    /// The bucket that is uploaded to.
    pub upload: Option<Upload>,
    pub runs: Vec<Run>,
    /// Whether keys are named as `aws_versioning_enabled` says.
    pub has_our_keys: bool,
    pub objectives: Objectives,
}

/// What names the hosts of a store.
#[derive(Clone, Debug)]
pub enum Named {
    Group(&'static str),
    Words(Vec<String>, Vec<String>),
}

/// A bucket that a store uploads to.
#[derive(Clone, Debug)]
pub struct Upload {
    pub bucket: BucketName,
    pub spot: Spot,
    /// The host's own role, said so in the settings.
    pub by_role: bool,
}

/// When a store makes backups, and how long they stay on the host.
#[derive(Clone, Debug)]
pub struct Run {
    pub tier: Option<Tier>,
    pub schedule: Schedule,
    pub spot: Spot,
    /// Hours that a backup stays, where that can be too short, and where it is written.
    pub kept: Option<(i64, Spot)>,
}

pub(super) fn below<S: AsRef<str>>(path: &[S]) -> Spot {
    Spot::Below(path.iter().map(|part| part.as_ref().to_owned()).collect())
}

impl Context<'_> {
    /// A problem at a spot; at the top of the file where nothing of it is written.
    pub(super) fn at_spot(&self, check: Check, spot: &Spot, message: impl Into<String>) -> Problem {
        let message = message.into();
        match spot {
            Spot::Below(path) => {
                let parts: Vec<&str> = path.iter().map(String::as_str).collect();
                let mark = self.places.value(&parts);
                let key = format!("backups.{}", path.join("."));
                self.public.problem(check, &mark, message).at_key(key)
            }
            Spot::Key(key) | Spot::Value(key) => {
                let Some(at) = self.flat.at(key) else {
                    return Problem::of_file(check, &self.public.name, message).at_key(*key);
                };
                let mark = if matches!(spot, Spot::Key(_)) { &at.key } else { &at.value };
                at.source.problem(check, mark, message).at_key(*key)
            }
        }
    }

    /// The first of these flat keys that is written.
    pub(super) fn written(&self, keys: &[&'static str]) -> Spot {
        let written = keys.iter().find(|key| self.flat.at(key).is_some());
        Spot::Value(written.or(keys.last()).copied().unwrap_or_default())
    }

    /// The zone of a store's first host, where a variable of it or of the environment says so.
    pub(super) fn zone(&self, store: &Store) -> Option<Tz> {
        const NAMES: [&str; 8] = [
            "timezone",
            "time_zone",
            "tz",
            "ntp_timezone",
            "system_timezone",
            "server_timezone",
            "TIME_ZONE",
            "TZ",
        ];
        let host = store.hosts.first().and_then(|host| self.settings.inventory.hosts.get(host));
        let of_host = host.and_then(|host| {
            NAMES.iter().find_map(|name| host.scope.get(name)?.value().as_text()?.parse().ok())
        });
        let public =
            || NAMES.iter().find_map(|name| self.top.get(name)?.value.as_scalar()?.text.trim().parse().ok());
        of_host.or_else(public)
    }

    /// Every datastore that is switched on.
    pub(super) fn stores(&self) -> &[Store] {
        self.stores.get_or_init(|| self.all_stores())
    }

    fn all_stores(&self) -> Vec<Store> {
        let declared = &self.settings.backups.declared;
        let directs = [&declared.postgresql, &declared.couchdb, &declared.blobdb];
        let names = self.settings.datastores().into_iter().zip(NAMES);
        let mut stores: Vec<Store> = names
            .zip(directs.into_iter().map(Option::as_ref).chain([None]))
            // What is declared directly comes below.
            .filter(|((_, names), _)| names.name != "elasticsearch" || declared.elasticsearch.is_none())
            .filter_map(|((summary, names), direct)| self.store(summary, names, direct))
            .collect();
        stores.extend(self.elasticsearch());
        stores.extend(self.files());
        stores.extend(self.dokku());
        stores.extend(self.off_system());
        stores
    }

    fn store(&self, summary: DatastoreSummary, names: &Names, direct: Option<&Direct>) -> Option<Store> {
        let own = |member: &str| below(&[names.name, member]);
        let at = |member: &str, key: &'static str, is_there: bool| match direct {
            Some(_) if is_there => own(member),
            Some(_) => below(&[names.name]),
            None => Spot::Value(key),
        };
        if !summary.enabled && direct.is_none() {
            return None;
        }
        let kept = |tier: Tier| match (tier, direct) {
            (Tier::Hourly, Some(_)) => below(&[names.name, "keep", "hourly"]),
            (Tier::Hourly, None) => self.written(&[names.hours, "nadir_hour_frequency", names.hourly]),
            _ => self.switch_of(names),
        };
        let hours = direct.and_then(|direct| direct.hours).or(summary.hours).unwrap_or(1);
        let time = |direct: &Direct| direct.at.is_some();
        let run = |tier: Tier, text: &str| {
            Some(Run {
                tier: Some(tier),
                schedule: text.parse().ok()?,
                spot: match tier {
                    Tier::Hourly => match direct {
                        Some(_) => below(&[names.name, "keep", "hourly"]),
                        None => self.written(&["nadir_hour_frequency", names.hourly]),
                    },
                    _ => match direct {
                        Some(direct) if time(direct) => own("schedule"),
                        Some(_) => below(&[names.name]),
                        None => match self.adopted(names).filter(|_| self.flat.at("nadir_hour").is_none()) {
                            Some(adopted) => adopted,
                            None => self.written(&["nadir_hour", names.switch]),
                        },
                    },
                },
                kept: (tier == Tier::Hourly).then(|| (i64::from(hours), kept(tier))),
            })
        };
        let direct_upload = direct.and_then(|direct| direct.bucket.clone());
        let bucket = match direct {
            Some(_) => direct_upload,
            None => summary.bucket.as_ref().filter(|_| summary.s3).and_then(|bucket| bucket.parse().ok()),
        };
        Some(Store {
            name: names.name.to_owned(),
            whose: names.whose.to_owned(),
            switch: match direct {
                Some(_) => below(&[names.name]),
                None => self.switch_of(names),
            },
            hosts: match direct {
                Some(direct) => self.settings.inventory.members(&direct.hosts),
                None => summary.hosts,
            },
            named: match direct {
                Some(direct) => words(&direct.hosts, &[names.name, "hosts"]),
                None => Named::Group(names.group),
            },
            directory: summary.dir.map(|dir| {
                let own = direct.and_then(|direct| direct.directory.clone());
                let spot = at("dir", names.dir, own.is_some());
                (own.unwrap_or(dir), spot)
            }),
            source: summary.source_dir.map(|dir| {
                let own = direct.and_then(|direct| direct.source.clone());
                let spot = at("source", names.source, own.is_some());
                (own.unwrap_or(dir), spot)
            }),
            upload: bucket.map(|bucket| Upload {
                bucket,
                spot: at("bucket", names.s3, true),
                by_role: false,
            }),
            runs: summary.tiers.iter().filter_map(|tier| run(tier.tier, &tier.schedule)).collect(),
            has_our_keys: names.name != "elasticsearch",
            objectives: direct.map(|direct| direct.objectives.clone()).unwrap_or_default(),
        })
    }

    /// `es_local_repo` may be the switch too.
    /// Where a datastore is adopted whose flat switch is off.
    pub(super) fn adopted(&self, names: &Names) -> Option<Spot> {
        let is_on = |key: &str| self.flat.is(key) || self.flat.text(key).is_some();
        let is_local = names.name == "elasticsearch" && is_on("es_local_repo");
        let adopted = self.settings.backups.declared.adopt.get(names.name)?;
        (!is_on(names.switch) && !is_local).then(|| below(&["adopt", &adopted.at.to_string()]))
    }

    fn switch_of(&self, names: &Names) -> Spot {
        let is_on = |key: &str| self.flat.is(key);
        if let Some(adopted) = self.adopted(names) {
            return adopted;
        }
        Spot::Key(if names.name == "elasticsearch" && !is_on(names.switch) {
            "es_local_repo"
        } else {
            names.switch
        })
    }

    fn elasticsearch(&self) -> Option<Store> {
        let own = self.settings.backups.declared.elasticsearch.as_ref()?;
        let name = "elasticsearch";
        Some(Store {
            name: name.to_owned(),
            whose: "Elasticsearch's".to_owned(),
            switch: below(&[name]),
            hosts: self.settings.inventory.members(&own.hosts).into_iter().take(1).collect(),
            named: words(&own.hosts, &[name, "hosts"]),
            directory: None,
            source: None,
            upload: Some(Upload {
                bucket: own.bucket.clone(),
                spot: below(&[name, "bucket"]),
                by_role: false,
            }),
            runs: own
                .schedule
                .iter()
                .map(|schedule| Run {
                    tier: None,
                    schedule: schedule.clone(),
                    spot: below(&[name, "schedule"]),
                    kept: own.keep_days.map(|days| (i64::from(days) * 24, below(&[name, "keep_days"]))),
                })
                .collect(),
            has_our_keys: false,
            objectives: own.objectives.clone(),
        })
    }

    fn files(&self) -> Vec<Store> {
        let one = |own: &crate::settings::declared::Files| {
            let at = own.at.to_string();
            let spot = |member: &str| below(&["files", &at, member]);
            Store {
                name: format!("files-{}", own.name),
                whose: self.whose(&["files", &at, "name"], "the tree", &own.name),
                switch: below(&["files", &at]),
                hosts: self.settings.inventory.members(&own.hosts),
                named: words(&own.hosts, &["files", &at, "hosts"]),
                directory: self.settings.files.iter().find(|one| one.at == own.at).map(|one| {
                    let spot = if own.directory.is_some() { spot("dir") } else { below(&["files", &at]) };
                    (one.backed.directory.clone(), spot)
                }),
                source: own.source_host.is_none().then(|| (own.source.clone(), spot("source"))),
                upload: own.bucket.clone().map(|bucket| Upload {
                    bucket,
                    spot: spot("bucket"),
                    by_role: false,
                }),
                runs: vec![Run {
                    tier: None,
                    schedule: own.schedule.clone(),
                    spot: spot("schedule"),
                    kept: own.keep_days.map(|days| (i64::from(days) * 24, spot("keep_days"))),
                }],
                has_our_keys: true,
                objectives: own.objectives.clone(),
            }
        };
        self.settings.backups.declared.files.iter().map(one).collect()
    }

    fn dokku(&self) -> Vec<Store> {
        let one = |own: &crate::settings::declared::Dokku| {
            let at = own.at.to_string();
            let spot = |member: &str| below(&["dokku", &at, member]);
            Store {
                name: format!("dokku-{}", own.service),
                whose: self.whose(&["dokku", &at, "service"], "dokku's", &own.service),
                switch: below(&["dokku", &at]),
                hosts: self.settings.inventory.members(&own.hosts),
                named: words(&own.hosts, &["dokku", &at, "hosts"]),
                directory: None,
                source: None,
                upload: Some(Upload {
                    bucket: own.bucket.clone(),
                    spot: spot("bucket"),
                    by_role: own.use_iam,
                }),
                runs: vec![Run {
                    tier: None,
                    schedule: own.schedule.clone(),
                    spot: spot("schedule"),
                    kept: None,
                }],
                has_our_keys: false,
                objectives: own.objectives.clone(),
            }
        };
        self.settings.backups.declared.dokku.iter().map(one).collect()
    }

    /// Whose backups they are; a name that is wrong is not repeated.
    fn whose(&self, path: &[&str], what: &str, name: &str) -> String {
        match self.places.is_guess(&format!("backups.{}", path.join("."))) {
            true => "these".to_owned(),
            false => format!("{what} {name}'s"),
        }
    }

    /// Dumps of restored snapshots: the part of a database that a host makes.
    fn off_system(&self) -> Vec<Store> {
        let one = |database: &crate::settings::declared::Database| {
            let own = database.off_system.as_ref()?;
            let at = database.at.to_string();
            let spot = |member: &str| below(&["databases", &at, "off_system", member]);
            Some(Store {
                name: format!("rds-{}", database.identifier),
                whose: self.whose(&["databases", &at, "identifier"], "the database", &database.identifier),
                switch: below(&["databases", &at, "off_system"]),
                hosts: self.settings.inventory.members(&own.hosts),
                named: words(&own.hosts, &["databases", &at, "off_system", "hosts"]),
                directory: None,
                source: None,
                upload: own.copy_to.as_ref().map(|(bucket, credentials)| Upload {
                    bucket: bucket.clone(),
                    spot: spot("copy_to"),
                    // Credentials of their own are looked for by name.
                    by_role: credentials.is_some(),
                }),
                runs: vec![Run {
                    tier: None,
                    schedule: own.schedule.clone(),
                    spot: spot("schedule"),
                    kept: own.keep_days.map(|days| (i64::from(days) * 24, spot("keep_days"))),
                }],
                has_our_keys: false,
                objectives: database.objectives.clone(),
            })
        };
        self.settings.backups.declared.databases.iter().filter_map(one).collect()
    }
}

fn words<S: AsRef<str>>(hosts: &[String], path: &[S]) -> Named {
    Named::Words(hosts.to_vec(), path.iter().map(|part| part.as_ref().to_owned()).collect())
}
