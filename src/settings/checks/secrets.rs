//! Secrets in plain text in a file that everybody may read. Their words are never repeated: neither in the message nor
//! by quoting their line, whatever else is wrong with it.

use super::{Context, table};
use crate::settings::source::Source;
use crate::settings::tree::{Content, Entry, Map, Node};
use crate::settings::values::shown;
use crate::vocab::Problem;

/// Ends of keys whose values are secrets.
const WORDS: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "secret_key",
    "access_key",
    "private_key",
    "api_key",
    "auth_token",
    "secret_access_key",
];
/// How the identifiers of access keys begin
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>).
const KEY_IDS: [&str; 2] = ["AKIA", "ASIA"];
/// Letters and digits behind that.
const KEY_ID_REST: usize = 16;

/// Every value of `public.yml` that is a secret in plain text.
pub(super) fn secrets_in_public_yml(context: &Context<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for entry in &context.top.entries {
        look(context.public, entry, &mut problems);
    }
    problems
}

fn look(source: &Source, entry: &Entry, problems: &mut Vec<Problem>) {
    look_at(source, &entry.key, &entry.value, problems);
}

fn look_at(source: &Source, key: &str, node: &Node, problems: &mut Vec<Problem>) {
    match &node.content {
        Content::Map(Map { entries }) => entries.iter().for_each(|entry| look(source, entry, problems)),
        Content::List(items) => items.iter().for_each(|item| look_at(source, key, item, problems)),
        Content::Vaulted(_) => {}
        Content::Scalar(scalar) if scalar.is_template() => {}
        Content::Scalar(scalar) => {
            let text = scalar.text.trim();
            if !is_secret(key, text) {
                return;
            }
            let message = "this looks like a secret, and everybody who reads this file has it";
            let mut problem = source.problem(table::SECRET_IN_SETTINGS, &node.mark, message);
            problem.span = None;
            problems.push(
                problem
                    .helped(
                        "make a new one, put it into vault.yml, and revoke this one: it is in the history",
                    )
                    .at_key(shown(key)),
            );
        }
    }
}

/// Whether the value of a key looks like a secret.
pub fn is_secret(key: &str, text: &str) -> bool {
    has_key_id(text) || is_secret_key(key) && is_like_a_secret(text)
}

fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    WORDS.iter().any(|word| key.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
}

/// Long, without spaces, and no path, no address and no switch: names of secrets stand in settings too.
fn is_like_a_secret(text: &str) -> bool {
    let has = |kind: fn(char) -> bool| text.chars().any(kind);
    text.len() >= 8
        && !text.contains(char::is_whitespace)
        && !text.starts_with(['/', '.', '~'])
        && !text.contains("://")
        && has(|c| c.is_ascii_alphabetic())
        && has(|c| !c.is_ascii_alphabetic() && c != '_' && c != '-')
}

/// Whether a text holds the identifier of an access key of AWS.
fn has_key_id(text: &str) -> bool {
    key_id(text).is_some()
}

fn key_id(text: &str) -> Option<std::ops::Range<usize>> {
    KEY_IDS.iter().find_map(|start| {
        text.match_indices(start).find_map(|(at, _)| {
            let rest = text.get(at + start.len()..)?;
            let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            let length = rest.bytes().take_while(is_part).count();
            (length >= KEY_ID_REST).then(|| at..at + start.len() + length)
        })
    })
}

/// Takes the words of a secret out of a problem of whatever kind, and its line out of what is quoted.
pub fn veil(problem: &mut Problem, text: &str) {
    if let Some(span) = &problem.span {
        let start =
            text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if is_secret_line(line) {
            problem.span = None;
        }
    }
    for words in
        [Some(&mut problem.message), problem.key.as_mut(), problem.label.as_mut(), problem.help.as_mut()]
            .into_iter()
            .flatten()
    {
        while let Some(found) = key_id(words) {
            words.replace_range(found, "(secret)");
        }
    }
}

fn is_secret_line(line: &str) -> bool {
    if has_key_id(line) {
        return true;
    }
    // Also a line that is not YAML any more.
    line.split([',', '{', '}']).any(|part| {
        let part = part.trim().trim_start_matches("- ");
        let Some((key, value)) = part.split_once([':', '=', ' ', '\t']) else { return false };
        let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        is_secret_key(&bare(key)) && is_like_a_secret(&bare(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_by_their_end_and_values_by_their_look() {
        assert!(is_secret_key("AMAZON_S3_SECRET_KEY") && is_secret_key("password"));
        assert!(!is_secret_key("secret_key_file") && !is_secret_key("passwordless"));
        assert!(is_like_a_secret("wJalrXUtnFEMI/K7MDENG"));
        for harmless in ["/etc/secret", "true", "vault_password", "https://x.org/1", "changeme"] {
            assert!(!is_like_a_secret(harmless), "{harmless}");
        }
        // Put together here, so that no scanner takes this file for a leak.
        let id = format!("AK{}", "IAIOSFODNN7EXAMPLE");
        assert!(has_key_id(&id) && has_key_id(&format!("x={id};")) && !has_key_id("AKIASHORT"));
    }
}
