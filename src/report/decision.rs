//! Decisions as text and JSON: may it happen, and by which statements.

use serde_json::Value as Json;

use super::documents::{self, decision as document};
use super::text::{BOLD, one_line, styled, wrapped};
use crate::policy::{Decision, Layer, Question, Verdict};

/// A decision for people: the answer with its reason, then the path, one statement a line.
pub fn text(question: &Question, decision: &Decision) -> String {
    let verdict = decision.verdict.as_str();
    let asked = format!("{} {} on {}", question.short_principal(), question.action, question.resource);
    let first = format!("{} ", styled(BOLD, format_args!("{verdict}:")));
    let mut text = format!("{first}{}\n", one_line(&asked));
    let why = match (&decision.missing, decision.verdict) {
        (Some(layer), _) => Some(format!("no statement of {} allows it", layer.words())),
        (None, Verdict::Denied) => Some("a statement denies it".to_owned()),
        (None, Verdict::Unknown) => Some("it depends on something that is not modelled".to_owned()),
        (None, Verdict::Conditional) => Some("it depends on what is left open".to_owned()),
        (None, Verdict::Allowed) => None,
    };
    for line in why.into_iter().chain(decision.path.iter().map(ToString::to_string)) {
        text.push_str(&format!("    {}\n", one_line(&line)));
    }
    let absent = question.absent_keys();
    if !absent.is_empty() {
        let absent = one_line(&absent.join(", "));
        text.push_str(&wrapped("    ", 6, &format!("not in the context, so taken as absent: {absent}")));
        text.push('\n');
    }
    text
}

/// A decision for scripts.
pub fn json(question: &Question, decision: &Decision) -> Json {
    documents::json(&document::Decision {
        format: document::FORMAT,
        decision: match decision.verdict {
            Verdict::Allowed => document::Verdict::Allowed,
            Verdict::Denied => document::Verdict::Denied,
            Verdict::Conditional => document::Verdict::Conditional,
            Verdict::Unknown => document::Verdict::Unknown,
        },
        path: decision.path.iter().map(ToString::to_string).collect(),
        denial: (decision.verdict == Verdict::Denied).then_some(match decision.missing {
            Some(_) => document::Denial::Implicit,
            None => document::Denial::Explicit,
        }),
        missing: decision.missing.map(|layer| match layer {
            Layer::Identity => document::Layer::Identity,
            Layer::Resource => document::Layer::Resource,
            Layer::Boundary => document::Layer::Boundary,
            Layer::Session => document::Layer::Session,
            Layer::ServiceControl => document::Layer::ServiceControl,
        }),
        absent_keys: question.absent_keys(),
    })
}
