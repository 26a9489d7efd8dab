//! From the parser's events to the tree. Works on events rather than through serde, because serde loses what matters
//! here: the place of keys, tags, and whether a word was quoted.
//!
//! Must never build more than its budget, whatever the text: depth, nodes and what aliases repeat are counted.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag, options};

use super::{Content, Entry, Map, Node};
use crate::settings::checks::table;
use crate::settings::scalar::{Scalar, Style};
use crate::settings::source::{Mark, Source};
use crate::vocab::Problem;

/// How deep collections may nest; real settings stay below ten.
const MAX_DEPTH: usize = 64;
/// How many values a file may hold, those that aliases repeat included.
const MAX_NODES: usize = 100_000;

pub(super) type Fallible<T> = Result<T, Box<Problem>>;

/// Builds one tree.
pub(super) struct Builder<'a> {
    pub(super) source: &'a Source,
    /// Whether a key may stand twice.
    last_holds: bool,
    parser: Parser<'a, serde_saphyr::granit_parser::StrInput<'a>>,
    /// What anchors name, with how many nodes it holds.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    /// Where the tag of the latest event stands.
    tag_mark: Option<Mark>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    /// `last_holds` where a key may stand twice.
    pub(super) fn new(source: &'a Source, last_holds: bool) -> Self {
        let options = options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        Builder {
            source,
            last_holds,
            parser: Parser::new_from_str_with_options(&source.text, options),
            anchors: BTreeMap::new(),
            nodes: 0,
            tag_mark: None,
            problems: Vec::new(),
        }
    }

    fn next(&mut self) -> Fallible<(Event<'a>, Mark)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.tag_mark = span.tag_span().map(|span| mark_of(&span));
                Ok((event, mark_of(&span)))
            }
            Some(Err(error)) => Err(Box::new(self.refused(&error))),
            None => Ok((Event::StreamEnd, self.source.mark_at(usize::MAX, usize::MAX))),
        }
    }

    fn refused(&self, error: &ScanError) -> Problem {
        let at = error.marker();
        let start = at.byte_offset().unwrap_or(self.source.text.len());
        let end =
            self.source.text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let mark = mark(at.line(), at.col(), start..start + end);
        self.source
            .problem(table::YAML_SYNTAX, &mark, format!("this is not YAML: {}", in_words(error)))
            .helped("everything after this place is unread; mend it and validate again")
    }

    pub(super) fn document(&mut self) -> Fallible<Option<Node>> {
        let mut top = None;
        loop {
            let (event, mark) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(top),
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if top.is_some() => {
                    return Err(Box::new(
                        self.source
                            .problem(
                                table::YAML_SYNTAX,
                                &mark,
                                "a second document begins here, and Ansible would refuse the file",
                            )
                            .helped("join the two: one file holds one document"),
                    ));
                }
                Event::DocumentStart(..) => {}
                event => top = Some(self.node(event, mark, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, mark: Mark, depth: usize) -> Fallible<Node> {
        self.spend(1, &mark)?;
        if depth > MAX_DEPTH {
            return Err(Box::new(self.source.problem(
                table::TOO_LARGE,
                &mark,
                format!("values nest deeper than {MAX_DEPTH} levels"),
            )));
        }
        let before = self.nodes;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let content = self.scalar(text.into_owned(), style, tag.as_deref(), &mark);
                (anchor, Node { mark, content })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.expect_tag(tag.as_deref(), &["seq", "omap", "pairs"], &mark);
                (anchor, Node { content: Content::List(self.list(depth)?), mark })
            }
            Event::MappingStart(_, anchor, tag) => {
                self.expect_tag(tag.as_deref(), &["map", "set"], &mark);
                (anchor, Node { content: Content::Map(self.map(depth)?), mark })
            }
            Event::Alias(id) => {
                let Some((node, nodes)) = self.anchors.get(&id) else {
                    return Err(Box::new(self.source.problem(
                        table::YAML_SYNTAX,
                        &mark,
                        "this repeats a value that holds itself",
                    )));
                };
                let (node, nodes) = (node.clone(), *nodes);
                self.spend(nodes, &mark)?;
                (0, node)
            }
            _ => {
                return Err(Box::new(self.source.problem(
                    table::YAML_SYNTAX,
                    &mark,
                    "a value is missing here",
                )));
            }
        };
        if anchor != 0 {
            // The copy that later aliases repeat costs as much as the value: anchors around anchors add up.
            let nodes = 1 + self.nodes - before;
            self.spend(nodes, &node.mark)?;
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        Ok(node)
    }

    /// Counts nodes, also those that an alias repeats: nine aliases of nine aliases of .. fill any memory.
    fn spend(&mut self, nodes: usize, mark: &Mark) -> Fallible<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Box::new(
                self.source
                    .problem(
                        table::TOO_LARGE,
                        mark,
                        format!("the file holds more than {MAX_NODES} values, aliases counted"),
                    )
                    .helped("write the values out where they are needed, or split the file"),
            ));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Fallible<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, mark) => items.push(self.node(event, mark, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Fallible<Map> {
        let mut map = Map::default();
        let mut seen = BTreeMap::new();
        let mut merged = Vec::new();
        loop {
            let (event, key_mark) = match self.next()? {
                (Event::MappingEnd, _) => break,
                next => next,
            };
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, key_mark.clone(), depth + 1)?;
            let (event, mark) = self.next()?;
            let value = self.node(event, mark, depth + 1)?;
            if is_merge {
                merged.push((key_mark, value));
                continue;
            }
            let Content::Scalar(Scalar { text: key, .. }) = key.content else {
                self.problems.push(
                    self.source
                        .problem(
                            table::YAML_SYNTAX,
                            &key_mark,
                            "a key must be a single word, and this is a collection",
                        )
                        .helped("if this should be a template, quote it: \"{{ .. }}\""),
                );
                continue;
            };
            if let Some((first, at)) = seen.get(&key).copied() {
                if self.last_holds {
                    let problem = self.source.problem(
                        table::REPEATED_KEY,
                        &key_mark,
                        format!("`{key}` is set twice, and Ansible takes this, the last one"),
                    );
                    self.problems.push(
                        problem
                            .labelled(format!("first set on line {first}"))
                            .helped("remove one of them")
                            .at_key(key.clone()),
                    );
                    seen.insert(key.clone(), (key_mark.line, at));
                    if let Some(entry) = map.entries.get_mut(at) {
                        *entry = Entry { key, key_mark, value };
                    }
                    continue;
                }
                self.problems.push(
                    self.source
                        .problem(
                            table::DUPLICATE_KEY,
                            &key_mark,
                            format!("`{key}` is set twice, and only one of them would count"),
                        )
                        .labelled(format!("first set on line {first}"))
                        .helped("remove one of them")
                        .at_key(key),
                );
                continue;
            }
            seen.insert(key.clone(), (key_mark.line, map.entries.len()));
            map.entries.push(Entry { key, key_mark, value });
        }
        self.merge(&mut map, merged);
        Ok(map)
    }

    /// `<<`: members of other mappings that this one does not set itself
    /// (<https://yaml.org/type/merge.html>); of several, the earlier wins.
    fn merge(&mut self, map: &mut Map, merged: Vec<(Mark, Node)>) {
        let mut present: BTreeSet<String> = map.entries.iter().map(|entry| entry.key.clone()).collect();
        for (mark, node) in merged {
            let maps = match node.content {
                Content::List(items) => items,
                _ => vec![node],
            };
            for node in maps {
                let Content::Map(other) = node.content else {
                    self.problems.push(self.source.problem(
                        table::YAML_SYNTAX,
                        &mark,
                        "`<<` merges mappings, and this is none",
                    ));
                    continue;
                };
                for entry in other.entries {
                    if present.insert(entry.key.clone()) {
                        map.entries.push(entry);
                    }
                }
            }
        }
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, tag: Option<&Tag>, mark: &Mark) -> Content {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            _ => Style::Quoted,
        };
        let Some(tag) = tag else { return Content::Scalar(Scalar { text, style }) };
        match tag.core_suffix() {
            Some("str") => return Content::Scalar(Scalar { text, style: Style::Quoted }),
            // An explicit type says no more than the text does; the key that reads it checks.
            Some(_) => return Content::Scalar(Scalar { text, style: Style::Plain }),
            None => {}
        }
        match (tag.handle(), tag.suffix()) {
            ("!", "vault" | "vault-encrypted") => Content::Vaulted(text),
            ("!", "unsafe") => Content::Scalar(Scalar { text, style: Style::Unsafe }),
            // A lone `!` means "not resolved": text.
            ("", "!") | ("!", "") => Content::Scalar(Scalar { text, style: Style::Quoted }),
            ("tag:yaml.org,2002:", "timestamp" | "binary") => {
                Content::Scalar(Scalar { text, style: Style::Quoted })
            }
            _ => {
                self.foreign_tag(tag, mark);
                Content::Scalar(Scalar { text, style: Style::Quoted })
            }
        }
    }

    fn expect_tag(&mut self, tag: Option<&Tag>, known: &[&str], mark: &Mark) {
        let Some(tag) = tag else { return };
        let core = tag.handle() == "tag:yaml.org,2002:" && known.contains(&tag.suffix());
        if !core && (tag.handle(), tag.suffix()) != ("!", "unsafe") {
            self.foreign_tag(tag, mark);
        }
    }

    fn foreign_tag(&mut self, tag: &Tag, mark: &Mark) {
        let mark = self.tag_mark.clone().unwrap_or_else(|| mark.clone());
        self.problems.push(
            self.source
                .problem(
                    table::UNKNOWN_TAG,
                    &mark,
                    format!("the tag `{}` is not one that Ansible reads", tag.original()),
                )
                .helped("remove the tag; `!vault` and `!unsafe` are the ones to use"),
        );
    }
}

/// What the parser stumbled over, in words for who wrote it; the rarer kinds speak for themselves.
fn in_words(error: &ScanError) -> String {
    match error.kind() {
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            "a quote is opened before this place and never closed"
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping => "a `[` or `{` is opened before this place and never closed",
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            "a tab indents this line, and only spaces may"
        }
        ErrorKind::SimpleKeyExpected => "this should be `key: value`, and the colon or the value is missing",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            "the indentation of this line fits none of the lines above it"
        }
        ErrorKind::InvalidSimpleKey => "a value with `: ` in it needs quotes",
        ErrorKind::UnknownAnchor => "this repeats an anchor that is not defined above",
        ErrorKind::RecursionLimitExceeded => "values nest too deep",
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => {
            "a control character stands here; write it as an escape in double quotes"
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            "a text cannot begin with this character unless it is quoted"
        }
        _ => return error.info(),
    }
    .to_owned()
}

fn mark_of(span: &Span) -> Mark {
    mark(span.start.line(), span.start.col(), span.byte_range().unwrap_or_default())
}

fn mark(line: usize, column_from_zero: usize, span: std::ops::Range<usize>) -> Mark {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Mark { line: number(line), column: number(column_from_zero).saturating_add(1), span }
}
