//! Words without quotes that another reader of YAML takes for something else: `12:30` is 750, `010` is 8, `1.10` is 1.1
//! (YAML 1.1, as PyYAML and with it Ansible reads it).

use serde_json::Value as Json;

use super::Places;
use crate::settings::checks::table;
use crate::settings::scalar::{Meaning, Scalar, Style};
use crate::settings::source::Source;
use crate::vocab::{Check, Problem};

/// Every such word below `backups:`. The account has a problem of its own.
pub(super) fn all(source: &Source, json: &Json, places: &Places) -> Vec<Problem> {
    let doubt = |(path, word): (&Vec<String>, &Scalar)| {
        let (check, number) = misread(word, json.pointer(&pointer(path)))?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let text = word.text.trim();
        let message = format!("`{text}` without quotes is the number {number} to Ansible");
        let problem = source.problem(check, &places.value(&parts), message);
        Some(problem.labelled("quote it").at_key(format!("backups.{}", parts.join("."))))
    };
    // A time in place of a schedule is told as that; the account has a problem of its own.
    let is_judged =
        |path: &[String]| path != ["account"] && path.last().is_none_or(|last| last != "schedule");
    places.words.iter().filter(|(path, _)| is_judged(path)).filter_map(doubt).collect()
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
}

/// The number that another reader sees, where that is not what is written.
fn misread(word: &Scalar, read: Option<&Json>) -> Option<(Check, String)> {
    let text = word.text.trim();
    if word.style != Style::Plain {
        return None;
    }
    let number = match (word.meaning(), read?) {
        (Meaning::Sexagesimal(number), _) => return Some((table::UNQUOTED_TIME, number.to_string())),
        (Meaning::Int(number), _) => number.to_string(),
        (Meaning::Float(number), Json::String(_)) => format!("{number:?}"),
        _ => return None,
    };
    (number != text.trim_start_matches('+')).then_some((table::UNQUOTED_NUMBER, number))
}
