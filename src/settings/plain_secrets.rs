//! Secrets that stand in a vault which nobody encrypted: each is told with its place, none is quoted.

use super::checks::table;
use super::scalar::Meaning;
use super::source::Source;
use super::tree::{Content, Map, Node};
use super::values::shown;
use crate::vocab::Problem;

/// Last words of the names of secrets.
const WORDS: [&str; 9] =
    ["password", "passwd", "passphrase", "pass", "secret", "key", "token", "credentials", "credential"];
/// Mappings in which everything is a secret, whatever it is called.
const MAPS: [&str; 2] = ["database_passwords", "pings"];
/// What is called a key and is not secret.
const PUBLIC: [&str; 2] = ["public", "pub"];

/// A warning for every plain value that is a secret by its name.
pub fn warnings(source: &Source, map: &Map) -> Vec<Problem> {
    let mut found = Vec::new();
    below(source, map, "", false, &mut found);
    found
}

/// That a value stands in plain.
pub fn warning(source: &Source, node: &Node, name: &str, path: &str) -> Problem {
    let why = match name {
        "AMAZON_S3_ACCESS_KEY" | "AMAZON_S3_SECRET_KEY" => "who reads this file can write to the bucket",
        _ => "who reads this file has it",
    };
    let mut warning = source
        .problem(table::PLAIN_SECRET, &node.mark, format!("{} is not encrypted: {why}", shown(name)))
        .helped(match source.name.ends_with("vault.yml") {
            true => format!("reconcile vault encrypt {}", source.name),
            false => "move it to vault.yml, or write what `reconcile vault encrypt-string` prints".to_owned(),
        })
        .at_key(shown(path));
    warning.span = None;
    warning
}

fn below(source: &Source, map: &Map, path: &str, all: bool, found: &mut Vec<Problem>) {
    for entry in &map.entries {
        let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        value(source, &entry.value, &entry.key, &path, all, found);
    }
}

fn value(source: &Source, node: &Node, name: &str, path: &str, all: bool, found: &mut Vec<Problem>) {
    match &node.content {
        Content::Map(map) => below(source, map, path, all || MAPS.contains(&name), found),
        Content::List(items) => items.iter().for_each(|item| value(source, item, name, path, all, found)),
        Content::Scalar(scalar) => {
            let says_nothing = scalar.text.trim().is_empty()
                || scalar.is_template()
                || matches!(scalar.meaning(), Meaning::Null | Meaning::Bool(_));
            if (all || is_secret(name)) && !says_nothing {
                found.push(warning(source, node, name, path));
            }
        }
        Content::Vaulted(_) => {}
    }
}

/// By its last word: `COUCH_PASSWORD`, `ansible_sudo_pass`, `secretKey` no.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(['_', '-', '.']).rev();
    let last = words.next().unwrap_or_default();
    let is_public = words.any(|word| PUBLIC.contains(&word));
    !is_public && WORDS.iter().any(|word| last == *word || last.strip_suffix('s') == Some(word))
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    #[test]
    fn every_secret_is_told_by_its_name_and_none_is_quoted() {
        let text = "COUCH_USERNAME: user\nCOUCH_PASSWORD: CANARY\nansible_sudo_pass: CANARY\nempty_password: ''\n\
                    secrets: {API_TOKEN: CANARY, ssh_public_key: shown, other: '{{ API_TOKEN }}'}\n\
                    users: [{password: CANARY}, {password: !vault x}]\ndatabase_passwords: {main: CANARY}\n\
                    use_secret_key: false\npings: {success: 'https://CANARY'}\n";
        let source = Source::new("vault.yml", text);
        let warnings = warnings(&source, &tree::parse(&source).map);
        let keys: Vec<&str> = warnings.iter().filter_map(|warning| warning.key.as_deref()).collect();
        assert_eq!(
            keys,
            [
                "COUCH_PASSWORD",
                "ansible_sudo_pass",
                "secrets.API_TOKEN",
                "users.password",
                "database_passwords.main",
                "pings.success"
            ]
        );
        assert!(!format!("{warnings:?}").contains("CANARY"));
    }
}
