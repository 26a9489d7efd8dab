//! Checks about who makes backups.

use std::collections::BTreeMap;

use super::names::{NAMES, Names};
use super::stores::{Named, Spot, below};
use super::{Context, table};
use crate::settings::{Inventory, suggest};
use crate::vocab::{HostName, Problem};

/// Half of the real environments have exactly this, and nobody noticed.
pub(super) fn backups_that_no_host_makes(context: &Context<'_>) -> Vec<Problem> {
    if !context.whole_environment {
        return Vec::new();
    }
    let stores = context.stores().iter().filter(|store| store.hosts.is_empty());
    let problem = |store: &super::stores::Store| {
        let at = |why: &str| {
            let message = format!("{} backups are on, but {why}", capital(&store.whose));
            context.at_spot(table::NO_HOST, &store.switch, message)
        };
        let off = match &store.switch {
            Spot::Key(key) | Spot::Value(key) => format!("set {key}: false"),
            Spot::Below(path) if path.first().is_some_and(|key| key == "adopt") => {
                format!("take {} out of backups.adopt", store.name)
            }
            Spot::Below(path) => format!("remove backups.{}", path.join(".")),
        };
        let inventory = &context.settings.inventory;
        match (&store.named, context.has_inventory) {
            (Named::Group(group), false) => at("there is no inventory, so no host makes them")
                .helped(format!("add inventory.ini with the hosts under [{group}]")),
            (Named::Words(..), false) => at("there is no inventory, so no host makes them")
                .helped("add inventory.ini with the hosts and groups that are named here"),
            (Named::Group(group), true) => {
                let is_skipped = inventory.groups.get(*group).is_some_and(|hosts| !hosts.is_empty());
                match is_skipped {
                    true => {
                        let out = left_out(inventory, inventory.groups.get(*group).into_iter().flatten());
                        at(&format!("every host of [{group}] is also in {out}"))
                            .helped(format!("take one of them out of {out}, or {off}"))
                    }
                    false => at(&format!("no host is in [{group}], so nothing is backed up"))
                        .helped(format!("list the hosts under [{group}] in the inventory, or {off}")),
                }
            }
            (Named::Words(words, path), true) => {
                let mut problem = at(&match words.as_slice() {
                    [] => "no host is named, so nothing is backed up".to_owned(),
                    words if words.iter().any(|word| inventory.knows(word)) => {
                        format!(
                            "no host is left in {}: empty groups, [ansible_skip] or [backups_retired]",
                            words.join(", ")
                        )
                    }
                    words => format!("{} is no group and no host of the inventory", words.join(", ")),
                });
                let mark = context.at_spot(table::NO_HOST, &below(path), "");
                (problem.place, problem.span, problem.key) = (mark.place, mark.span, mark.key);
                match words.iter().find_map(|word| near(context, word)) {
                    Some(near) => problem.helped(format!("did you mean {near}?")),
                    None => problem.helped(format!("name a group or a host of the inventory, or {off}")),
                }
            }
        }
    };
    stores.map(problem).collect()
}

/// The groups for whose sake these hosts are left out.
fn left_out<'a>(inventory: &Inventory, hosts: impl Iterator<Item = &'a HostName> + Clone) -> String {
    let holds = |group: &&&str| {
        inventory.groups.get(**group).is_some_and(|out| hosts.clone().any(|host| out.contains(host)))
    };
    let groups = Inventory::LEFT_OUT.iter().filter(holds);
    groups.map(|group| format!("[{group}]")).collect::<Vec<_>>().join(" or ")
}

/// Whoever reads the one group believes in backups that the other one has ended.
pub(super) fn retired_hosts_that_are_named(context: &Context<'_>) -> Vec<Problem> {
    if !context.whole_environment {
        return Vec::new();
    }
    let inventory = &context.settings.inventory;
    let mut named: BTreeMap<&HostName, Vec<String>> = BTreeMap::new();
    for store in context.stores() {
        let groups: Vec<String> = match &store.named {
            Named::Group(group) => vec![(*group).to_owned()],
            Named::Words(words, _) => words.clone(),
        };
        for host in inventory.retired() {
            for word in &groups {
                let is_named = match inventory.groups.get(word) {
                    Some(members) => members.contains(host),
                    None => host.as_str() == word,
                };
                let told = match inventory.groups.contains_key(word) {
                    true => format!("[{word}]"),
                    false => format!("the hosts of {}", store.name),
                };
                let words = named.entry(host).or_default();
                if is_named && !words.contains(&told) {
                    words.push(told);
                }
            }
        }
    }
    let problem = |(host, words): (&HostName, Vec<String>)| {
        let words = words.join(" and ");
        let message = format!("{host} is in {words}, and in [{}]: it backs nothing up", Inventory::RETIRED);
        let place = inventory.hosts.get(host).and_then(|host| host.place.clone());
        let file = place.as_ref().map_or_else(|| context.public.name.clone(), |place| place.file.clone());
        let mut problem = Problem::of_file(table::RETIRED_HOST, &file, message);
        problem.place = place;
        problem.helped(format!("take it out of {words}, or out of [{}]", Inventory::RETIRED))
    };
    named.into_iter().filter(|(_, words)| !words.is_empty()).map(problem).collect()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn near(context: &Context<'_>, word: &str) -> Option<String> {
    let inventory = &context.settings.inventory;
    let hosts = inventory.hosts.keys().map(|host| host.as_str());
    suggest::nearest(word, inventory.groups.keys().map(String::as_str).chain(hosts)).map(str::to_owned)
}

/// Where some of the words are hosts, the others are easily overlooked.
pub(super) fn words_that_are_no_hosts(context: &Context<'_>) -> Vec<Problem> {
    if !context.whole_environment || !context.has_inventory {
        return Vec::new();
    }
    let declared = &context.settings.backups.declared;
    let mut words: Vec<(String, Vec<String>)> = Vec::new();
    for store in context.stores().iter().filter(|store| !store.hosts.is_empty()) {
        if let Named::Words(hosts, path) = &store.named {
            words.extend(hosts.iter().enumerate().map(|(index, word)| {
                (word.clone(), path.iter().cloned().chain([index.to_string()]).collect())
            }));
        }
    }
    let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    for files in &declared.files {
        let at = files.at.to_string();
        words.extend(
            files
                .source_host
                .as_ref()
                .map(|host| (host.to_string(), path(&["files", &at, "source", "host"]))),
        );
    }
    for database in &declared.databases {
        let at = database.at.to_string();
        let host = database.off_system.as_ref().and_then(|own| own.reach_over.as_ref());
        let place = path(&["databases", &at, "off_system", "reach", "ssh"]);
        words.extend(host.map(|host| (host.to_string(), place)));
    }
    let unknown = words.into_iter().filter(|(word, _)| !context.settings.inventory.knows(word));
    let problem = |(word, path): (String, Vec<String>)| {
        let message = format!("`{word}` is no group and no host of the inventory");
        let problem = context.at_spot(table::UNKNOWN_HOST, &below(&path), message);
        match near(context, &word) {
            Some(near) => problem.labelled(format!("did you mean {near}?")),
            None => problem.helped("add it to the inventory, or remove it here"),
        }
    };
    unknown.map(problem).collect()
}

/// The same datastore in both layers: which one should win is a guess.
pub(super) fn declared_in_both_layers(context: &Context<'_>) -> Vec<Problem> {
    let declared = &context.settings.backups.declared;
    let is_declared = |name: &str| match name {
        "postgresql" => declared.postgresql.is_some(),
        "couchdb" => declared.couchdb.is_some(),
        "blobdb" => declared.blobdb.is_some(),
        _ => declared.elasticsearch.is_some(),
    };
    let is_on = |key: &str| context.flat.text(key).is_some() || context.flat.is(key);
    let both = NAMES
        .iter()
        .filter(|names| is_declared(names.name))
        .filter(|names| is_on(names.switch) || declared.adopt.contains_key(names.name));
    let problem = |names: &&Names| {
        let message = format!("{} backups are declared here and in backups.{}", names.whose, names.name);
        let (spot, other) = match context.adopted(names) {
            Some(spot) => (spot, format!("take {} out of backups.adopt", names.name)),
            None => (Spot::Key(names.switch), names.switch.to_owned()),
        };
        context
            .at_spot(table::DECLARED_TWICE, &spot, capital(&message))
            .helped(format!("keep one of them: remove backups.{}, or {other}", names.name))
    };
    both.map(problem).collect()
}

pub(super) fn both_elasticsearch_repositories(context: &Context<'_>) -> Vec<Problem> {
    if !context.flat.is("backup_es_s3") || !context.flat.is("es_local_repo") {
        return Vec::new();
    }
    let message = "snapshots go either to a bucket or to a local directory, and both are switched on";
    let problem = context.at_spot(table::TWO_REPOSITORIES, &Spot::Key("es_local_repo"), message);
    vec![problem.helped("set backup_es_s3 or es_local_repo to false")]
}
