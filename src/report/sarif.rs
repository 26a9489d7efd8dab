//! Problems of settings as SARIF 2.1.0, for code scanners
//! (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>): one rule for each check, one result for each
//! problem.

use std::path::{Component, Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

use super::problems::help;
use super::text::harmless;
use crate::settings::checks::table::TABLE;
use crate::vocab::{Check, Problem, Problems, Severity};

/// What a segment of a path may hold as it is (RFC 3986, section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One log with one run. Paths are relative to `here`, an absolute directory, where they lie in it.
pub fn sarif(problems: &Problems, here: &Path) -> Json {
    let repository = env!("CARGO_PKG_REPOSITORY");
    let results: Vec<Json> =
        super::problems::in_order(problems).map(|problem| result(problem, problems, here)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "reconcile",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": repository,
                "rules": TABLE.iter().map(|row| rule(&row.check, repository)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(check: &Check, repository: &str) -> Json {
    let page = format!("{repository}/blob/main/docs/checks/{}.md", check.name);
    let mut meaning = check.meaning.to_owned();
    let is_a_name = meaning.split(' ').next().is_some_and(|word| word.contains('.'));
    if let Some(first) = meaning.get(..1).map(str::to_uppercase)
        && !is_a_name
    {
        meaning.replace_range(..1, &first);
    }
    json!({
        "id": check.name,
        "shortDescription": {"text": format!("{meaning}.")},
        "helpUri": page,
        "help": {"text": format!("{meaning}. Why it matters, and what to do: {page}")},
        "defaultConfiguration": {"level": level(check.severity)},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(problem: &Problem, problems: &Problems, here: &Path) -> Json {
    let text = match help(problem) {
        Some(help) => format!("{}\n{help}", problem.message),
        None => problem.message.clone(),
    };
    let mut place = json!({"artifactLocation": {"uri": uri(&problem.file, here)}});
    if let Some(region) = region(problem, problems) {
        place["region"] = region;
    }
    json!({
        "ruleId": problem.check.name,
        "ruleIndex": TABLE.iter().position(|row| row.check.name == problem.check.name),
        "level": level(problem.severity()),
        "message": {"text": harmless(&text)},
        "locations": [{"physicalLocation": place}],
    })
}

/// Lines and columns count from one, columns in characters; the end is the column behind the last one.
fn region(problem: &Problem, problems: &Problems) -> Option<Json> {
    let place = problem.place.as_ref()?;
    let mut region = json!({"startLine": place.line, "startColumn": place.column});
    let source = problems.sources.get(&problem.file);
    let marked = problem.span.as_ref().and_then(|span| source?.get(span.clone()));
    if let Some(marked) = marked.filter(|marked| !marked.is_empty()) {
        let lines = marked.matches('\n').count() as u64;
        let last = marked.rsplit('\n').next().unwrap_or_default().chars().count() as u64;
        let end = if lines == 0 { u64::from(place.column) + last } else { last + 1 };
        region["endLine"] = (u64::from(place.line) + lines).into();
        region["endColumn"] = end.into();
    }
    Some(region)
}

/// A file as a URI: relative to the directory where it lies in it, else absolute.
fn uri(file: &str, here: &Path) -> String {
    let path = Path::new(file);
    let whole = if path.is_absolute() { path.to_path_buf() } else { here.join(path) };
    let mut plain: Vec<String> = Vec::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::Normal(part) => plain.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    let around: Vec<String> = here.iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
    let encoded = |parts: &[String]| {
        let parts: Vec<String> =
            parts.iter().map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
        parts.join("/")
    };
    match plain.strip_prefix(around.as_slice()) {
        Some(inside) => encoded(inside),
        None => format!("file:///{}", encoded(&plain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_relative_uris_where_they_can_be() {
        let here = Path::new("/repo/envs");
        assert_eq!(uri("prod/public.yml", here), "prod/public.yml");
        assert_eq!(uri("./prod/../public.yml", here), "public.yml");
        assert_eq!(uri("/repo/envs/ä b/public.yml", here), "%C3%A4%20b/public.yml");
        assert_eq!(uri("../other/public.yml", here), "file:///repo/other/public.yml");
        assert_eq!(uri("/etc/x", here), "file:///etc/x");
    }
}
