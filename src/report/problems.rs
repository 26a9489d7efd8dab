//! Problems of settings: carets for people, one JSON document for programs, annotations for GitHub.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::Value as Json;

use super::documents;
use super::text::{WIDTH, broken, counted, harmless};
use crate::vocab::{Problem, Problems, Severity};

/// Lines longer than this are no settings; the place says enough.
const LONGEST_LINE: usize = 2000;
/// A person mends some and asks again; JSON holds all.
const MOST_SHOWN: usize = 100;

/// Problems with the line each points into, errors first, and their count: `1 error, 2 warnings in DIR`. Holds
/// colours; strip them where nobody sees them. Empty where there are none.
pub fn text(problems: &Problems, where_: &str) -> String {
    if problems.list.is_empty() {
        return String::new();
    }
    let renderer = Renderer::styled().term_width(WIDTH);
    let mut text = String::new();
    for problem in in_order(problems).take(MOST_SHOWN) {
        text.push_str(&one(problem, problems, &renderer));
        text.push_str("\n\n");
    }
    if let Some(more) = problems.list.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("and {more} more; --output json shows all\n\n"));
    }
    text.push_str(&count(problems, where_));
    text.push('\n');
    text
}

/// `reconcile.problems/1`.
pub fn json(problems: &Problems) -> Json {
    let one = |problem: &Problem| documents::problems::Problem {
        file: problem.file.to_string(),
        line: problem.place.as_ref().map(|place| place.line),
        column: problem.place.as_ref().map(|place| place.column),
        key: problem.key.clone(),
        severity: problem.severity(),
        check: problem.check.name,
        message: problem.message.clone(),
        help: help(problem),
    };
    let problems = in_order(problems).map(one).collect();
    documents::json(&documents::problems::Problems { format: documents::problems::FORMAT, problems })
}

/// Workflow commands that GitHub shows beside the lines of a pull request
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).
pub fn github(problems: &Problems) -> String {
    let mut text = String::new();
    for problem in in_order(problems) {
        let kind = match problem.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut at = format!("file={}", property(&problem.file));
        if let Some(place) = &problem.place {
            at.push_str(&format!(",line={},col={}", place.line, place.column));
        }
        at.push_str(&format!(",title={}", property(problem.check.name)));
        let message = match help(problem) {
            Some(help) => format!("{}\n{help}", problem.message),
            None => problem.message.clone(),
        };
        text.push_str(&format!("::{kind} {at}::{}\n", data(&message)));
    }
    text
}

fn data(text: &str) -> String {
    harmless(text).replace('%', "%25").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// What is under the caret and what to do, in one line for programs.
pub(super) fn help(problem: &Problem) -> Option<String> {
    let parts: Vec<&str> = problem.label.iter().chain(&problem.help).map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

pub(super) fn in_order(problems: &Problems) -> impl Iterator<Item = &Problem> {
    let of = |severity| problems.list.iter().filter(move |problem| problem.severity() == severity);
    of(Severity::Error).chain(of(Severity::Warning))
}

fn count(problems: &Problems, where_: &str) -> String {
    let errors = problems.list.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.list.len() - errors;
    let mut counts = Vec::new();
    if errors > 0 {
        counts.push(counted(errors, "error"));
    }
    if warnings > 0 {
        counts.push(counted(warnings, "warning"));
    }
    let counts = counts.join(", ");
    if where_.is_empty() { counts } else { format!("{counts} in {}", harmless(where_)) }
}

fn one(problem: &Problem, problems: &Problems, renderer: &Renderer) -> String {
    let level = match problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let kind = if problem.is_error() { "error" } else { "warning" };
    let indent = kind.len() + problem.check.name.len() + "[]: ".len();
    let title = broken(&harmless(&problem.message), indent, indent);
    let mut group = Group::with_title(level.primary_title(title).id(problem.check.name));
    let file = harmless(&problem.file);
    let quoted = quoted(problem, problems);
    let gutter = problem.place.as_ref().map_or(1, |place| place.line.to_string().len());
    group = match &quoted {
        Some(quoted) => {
            let mark = AnnotationKind::Primary.span(quoted.span.clone());
            let mark = match beside(problem, quoted) {
                Some(label) => mark.label(harmless(label)),
                None => mark,
            };
            group.element(
                Snippet::source(quoted.line.clone()).line_start(quoted.number).path(file).annotation(mark),
            )
        }
        None => group.element(match &problem.place {
            Some(place) => Origin::path(file).line(place.line as usize).char_column(place.column as usize),
            None => Origin::path(file),
        }),
    };
    let is_beside = quoted.as_ref().is_some_and(|quoted| beside(problem, quoted).is_some());
    let says = |label: &&str| {
        let bare = label.strip_prefix("must be ").unwrap_or(label);
        !problem.message.contains(bare)
    };
    // Without room behind the carets it is a help, unless the message says the same.
    let label = problem.label.as_deref().filter(|_| !is_beside).filter(says);
    for help in label.into_iter().chain(problem.help.as_deref()) {
        let indent = gutter + " = help: ".len();
        group = group.element(Level::HELP.message(broken(&harmless(help), indent, indent)));
    }
    renderer.render(&[group])
}

/// The label, where there is room for it behind the carets.
fn beside<'a>(problem: &'a Problem, quoted: &Quoted) -> Option<&'a str> {
    let carets = quoted.line.get(..quoted.span.end).map_or(0, |text| text.chars().count());
    let gutter = quoted.number.to_string().len() + " | ".len();
    let label = problem.label.as_deref()?;
    (gutter + carets + 1 + label.chars().count() <= WIDTH).then_some(label)
}

/// The line that a problem points into, harmless, with the bytes to mark in it.
struct Quoted {
    line: String,
    number: usize,
    span: std::ops::Range<usize>,
}

fn quoted(problem: &Problem, problems: &Problems) -> Option<Quoted> {
    let (place, span) = (problem.place.as_ref()?, problem.span.as_ref()?);
    let source = problems.sources.get(&problem.file)?;
    let start = source.get(..span.start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = source.get(start..)?.lines().next().unwrap_or_default();
    if line.len() > LONGEST_LINE {
        return None;
    }
    // A value of many lines is marked on its first.
    let from = (span.start - start).min(line.len());
    let to = (span.end.max(span.start) - start).clamp(from, line.len());
    let before = harmless(line.get(..from)?);
    let marked = harmless(line.get(from..to)?);
    let after = harmless(line.get(to..)?);
    Some(Quoted {
        number: place.line as usize,
        span: before.len()..before.len() + marked.len(),
        line: before + &marked + &after,
    })
}
