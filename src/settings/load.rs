//! From the files of an environment to [`Settings`], or to every problem at once.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::backed;
use super::checks::{self, table};
use super::files::{self, Sources};
use super::flat::{self, Flat};
use super::inventory;
use super::scalar::{Meaning, Scalar};
use super::source::Source;
use super::template::{self, Variables};
use super::tree::{self, Map, Parsed};
use super::{Effective, Inventory, Keyring, Origin, Settings, Storage, buckets, secrets, shape, values};
use crate::datastores::job_file::Compression;
use crate::vocab::{Check, Environment, HostName, Problem, Problems, Value};

/// Reads and cross-checks an environment.
///
/// `Err` holds at least one error and every warning; `Ok` holds the warnings in `Settings::problems`. Reads only the
/// files of the environment and the vault's password.
pub fn load(sources: &Sources) -> Result<Settings, Problems> {
    let mut found = Found::default();
    let public_path = sources.public();
    let Some(public_source) = found.read(&public_path) else {
        if found.problems.list.is_empty() {
            let name = public_path.display().to_string();
            found.problems.list.push(missing(&name, sources));
        }
        return Err(found.problems);
    };
    let Parsed { map: public, complete, .. } = found.parse(&public_source);
    let meta = sources.beside("meta.yml").and_then(|path| found.read(&path)).map(|source| {
        let map = found.parse(&source).map;
        (source, map)
    });
    let mut inventory = inventory::read(sources, &mut found.problems.list);
    found.know(std::mem::take(&mut inventory.sources));
    // A file judged by itself has no vault, and nobody is asked for its password.
    let no_keys = Keyring::default();
    let secrets = secrets::Inputs {
        vault: sources.beside("vault.yml").and_then(|path| found.read_secret(&path)),
        public: (&public_source, &public),
        // What cannot be read is told where the inventory is read.
        group_vars: sources
            .group_vars_of_all()
            .iter()
            .filter_map(|path| files::read(path).ok().flatten())
            .collect(),
        keyring: if sources.is_environment() { &sources.keyring } else { &no_keys },
    };
    let vault = secrets::open(secrets, &mut found.problems.list);
    if !complete {
        return Err(found.sorted());
    }

    let mut variables = Variables {
        layers: std::iter::once(&public).chain(meta.as_ref().map(|(_, map)| map)).collect(),
        texts: BTreeMap::from([("encrypted_root".to_owned(), "/opt/data".to_owned())]),
        groups: group_names(&inventory.inventory),
    };
    let named =
        environment(sources, &public_source, &public, meta.as_ref(), &variables, &mut found.problems.list);
    let name = named.as_ref().map_or("ENV", |(name, _)| name.as_str());
    variables.texts.insert("deploy_env".to_owned(), name.to_owned());

    let own = (&public_source, &public);
    inventory::connect(&mut inventory.inventory, own, &variables, &mut found.problems.list);
    let (flat, faults) = flat::read(&flat::Inputs {
        source: &public_source,
        public: &public,
        inventory: &inventory.inventory,
        variables: &variables,
        environment: name,
    });
    found.problems.list.extend(faults);
    let backups_entry = public.get("backups");
    found
        .problems
        .list
        .extend(backups_entry.map(|entry| buckets::bad_names(&public_source, entry)).unwrap_or_default());
    let read = backups_entry
        .and_then(|entry| shape::read(&public_source, entry, &variables, &mut found.problems.list));
    let shape::Read { file, places, values } = read.unwrap_or_default();
    let mut read = buckets::read(&public_source, &file, &places);
    let is_real = |problem: &Problem| !problem.key.as_deref().is_some_and(|key| places.is_guess(key));
    read.problems.retain(is_real);
    found.problems.list.append(&mut read.problems);
    let unsupported = std::mem::take(&mut read.unsupported);
    let mut backups = read.backups;
    backups.values = values;
    for (path, value) in buckets::defaults(&backups.buckets) {
        backups.values.entry(path).or_insert(Effective { value, from: Origin::Default });
    }

    let mut problems = Vec::new();
    let mut read_from =
        |hosts: &[HostName]| inventory::read_from(&inventory.inventory, hosts, &variables, &mut problems);
    let is_new = backups_entry.is_some() && backups.declared.adopt.is_empty();
    let storage = storage(&flat, is_new);
    let inputs = backed::Inputs {
        flat: &flat,
        declared: &backups.declared,
        inventory: &inventory.inventory,
        source: &public_source,
        places: &places,
        endpoint: storage.endpoint.as_deref(),
    };
    let read = backed::read(&inputs, &mut read_from);
    found.problems.list.append(&mut problems);
    let (Some((environment, environment_written)), Some(read)) = (named, read) else {
        return Err(found.sorted());
    };
    let backed::Read { postgresql, couchdb, blobdb, elasticsearch, files } = read;
    let mut settings = Settings {
        environment,
        environment_written,
        flat: effective(&flat, &storage),
        storage,
        backups,
        postgresql,
        couchdb,
        blobdb,
        elasticsearch,
        files,
        inventory: inventory.inventory,
        vault,
        unsupported,
        problems: Problems::default(),
    };
    let context = checks::Context {
        settings: &settings,
        flat: &flat,
        public: &public_source,
        top: &public,
        places: &places,
        whole_environment: sources.is_environment(),
        has_inventory: inventory.is_there,
        stores: OnceCell::new(),
    };
    found.problems.list.extend(checks::all(&context).into_iter().filter(is_real));
    let problems = found.sorted();
    if problems.has_errors() {
        return Err(problems);
    }
    settings.problems = problems;
    Ok(settings)
}

/// What reading the files gave.
#[derive(Default)]
struct Found {
    problems: Problems,
    /// Lines that are not even YAML of Ansible's kind; what follows from them is not worth telling.
    broken: BTreeSet<(Arc<str>, u32)>,
    /// Files whose lines may hold passwords beside what is wrong.
    inventory: BTreeMap<Arc<str>, Source>,
}

impl Found {
    fn read(&mut self, path: &std::path::Path) -> Option<Source> {
        let source = self.read_secret(path)?;
        self.problems.sources.insert(source.name.clone(), source.text.clone());
        Some(source)
    }

    fn parse(&mut self, source: &Source) -> Parsed {
        let mut parsed = tree::parse(source);
        let lines = parsed.problems.iter().filter_map(|fault| fault.place.as_ref());
        self.broken.extend(lines.map(|place| (place.file.clone(), place.line)));
        self.problems.list.append(&mut parsed.problems);
        parsed
    }

    /// Has problems point into texts that were read elsewhere.
    fn know(&mut self, sources: Vec<Source>) {
        for source in sources {
            self.problems.sources.insert(source.name.clone(), source.text.clone());
            self.inventory.insert(source.name.clone(), source);
        }
    }

    /// As `read`, but no problem will ever quote the text.
    fn read_secret(&mut self, path: &std::path::Path) -> Option<Source> {
        match files::read(path) {
            Ok(source) => source,
            Err(problem) => {
                self.problems.list.push(*problem);
                None
            }
        }
    }

    /// Errors first, then by file and place: what a person should read first comes first, and always the same way.
    fn sorted(mut self) -> Problems {
        for problem in &mut self.problems.list {
            if let Some(source) = self.inventory.get(&problem.file) {
                inventory::veil(source, problem);
            }
            let text = self.problems.sources.get(&problem.file).map_or("", |text| text);
            checks::veil(problem, text);
        }
        let mut told = BTreeSet::new();
        self.problems.list.retain(|problem| match &problem.place {
            Some(place) => {
                let line = (place.file.clone(), place.line);
                !self.broken.contains(&line) || told.insert(line)
            }
            None => true,
        });
        self.problems.list.sort_by(|a, b| {
            let rank = |problem: &Problem| (problem.severity(), problem.file.clone(), problem.place.clone());
            rank(a).cmp(&rank(b))
        });
        self.problems.list.dedup();
        self.problems
    }
}

fn missing(name: &str, sources: &Sources) -> Problem {
    let problem =
        Problem::of_file(table::NO_SETTINGS, name, "there is no such file, so there are no settings");
    match &sources.at {
        files::Location::Directory(_) => problem.helped(
            "name the environment's directory with -e DIR, or begin one: a public.yml in an empty directory",
        ),
        files::Location::File(_) => problem.helped("check the path"),
    }
}

fn group_names(inventory: &Inventory) -> BTreeMap<String, Vec<String>> {
    let names = |hosts: &[HostName]| hosts.iter().map(ToString::to_string).collect();
    inventory.groups.iter().map(|(group, hosts)| (group.clone(), names(hosts))).collect()
}

/// The environment's name, and whether it is written down: `deploy_env` in `public.yml`, else in `meta.yml`, else the
/// directory's name.
fn environment(
    sources: &Sources,
    public_source: &Source,
    public: &Map,
    meta: Option<&(Source, Map)>,
    variables: &Variables<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(Environment, bool)> {
    let candidates = std::iter::once((public_source, public)).chain(meta.map(|(source, map)| (source, map)));
    for (source, map) in candidates {
        let Some(entry) = map.get("deploy_env") else { continue };
        let Some(scalar) = entry.value.as_scalar() else {
            problems.push(
                source
                    .problem(table::WRONG_TYPE, &entry.key_mark, "the environment's name must be a word")
                    .at_key("deploy_env"),
            );
            return None;
        };
        if scalar.meaning() == Meaning::Null || scalar.text.trim().is_empty() {
            continue;
        }
        return match evaluated(scalar, variables) {
            Ok(name) => Some((name, true)),
            Err((check, why)) => {
                // `flat` tells of the same key when it stands in public.yml.
                if !std::ptr::eq(source, public_source) {
                    problems.push(source.problem(check, &entry.value.mark, why).at_key("deploy_env"));
                }
                None
            }
        };
    }
    let directory = sources.directory_name().unwrap_or_default();
    match directory.parse() {
        Ok(name) => Some((name, false)),
        Err(_) => {
            problems.push(
                Problem::of_file(
                    table::NO_NAME,
                    &public_source.name,
                    format!(
                        "the environment has no name, and its directory `{}` cannot be one",
                        values::shown(&directory)
                    ),
                )
                .helped("write deploy_env: NAME")
                .at_key("deploy_env"),
            );
            None
        }
    }
}

fn evaluated(scalar: &Scalar, variables: &Variables<'_>) -> Result<Environment, (Check, String)> {
    let text = match scalar.is_template() {
        true => template::render(&scalar.text, variables).map_err(|why| (table::BAD_TEMPLATE, why))?,
        false => scalar.text.trim().to_owned(),
    };
    text.parse().map_err(|why| (table::BAD_NAME, format!("`{}` cannot be used: {why}", values::shown(&text))))
}

/// `is_new`: there is `backups:`, and nothing in it comes from commcare-cloud.
fn storage(flat: &Flat, is_new: bool) -> Storage {
    let compression = match flat.text("backup_compression") {
        Some("zstd") => Compression::Zstd,
        Some(_) => Compression::Gzip,
        // Who comes from commcare-cloud has checks that look for names ending in .gz.
        None if is_new && !flat.names_a_datastore() => Compression::Zstd,
        None => Compression::Gzip,
    };
    Storage {
        endpoint: flat.text("aws_endpoint").map(str::to_owned),
        region: flat.parsed("aws_region"),
        versioned_keys: flat.is("aws_versioning_enabled"),
        compression,
    }
}

/// The table's values, with the one default that depends on which keys are written.
fn effective(flat: &Flat, storage: &Storage) -> BTreeMap<&'static str, Effective> {
    let mut effective = flat.effective();
    if let Some(one) = effective.get_mut("backup_compression").filter(|one| one.value.is_null()) {
        one.value = Value::text(match storage.compression {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        });
    }
    effective
}
