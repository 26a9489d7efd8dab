//! YAML as a tree in which every key and every value knows its place.
//!
//! Place on the data's path: text -> tree; shape and meaning come after. Works on the parser's events rather than
//! through serde, because serde loses what matters here: the place of keys, tags, and whether a word was quoted.
//! Must never build more than its budget, whatever the text: depth, nodes and what aliases repeat are counted.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag, options};
use zeroize::Zeroize;

use super::checks::table;
use super::scalar::{Meaning, Scalar, Style};
use super::source::{Mark, Source};
use crate::vocab::Problem;

/// How deep collections may nest; real settings stay below ten.
const MAX_DEPTH: usize = 64;
/// How many values a file may hold, those that aliases repeat included.
const MAX_NODES: usize = 100_000;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    pub mark: Mark,
    pub content: Content,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
    /// `!vault`: the text of an Ansible Vault envelope.
    Vaulted(String),
}

/// The members of a mapping in the order of the file; no key twice.
#[derive(Clone, Debug, Default)]
pub struct Map {
    pub entries: Vec<Entry>,
}

/// One member of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_mark: Mark,
    pub value: Node,
}

impl Map {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Node {
    pub fn as_map(&self) -> Option<&Map> {
        match &self.content {
            Content::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.content {
            Content::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Overwrites every text below: for trees that hold secrets.
    pub fn wipe(&mut self) {
        match &mut self.content {
            Content::Scalar(scalar) => scalar.text.zeroize(),
            Content::Vaulted(text) => text.zeroize(),
            Content::List(items) => items.iter_mut().for_each(Node::wipe),
            Content::Map(map) => map.entries.iter_mut().for_each(|entry| entry.value.wipe()),
        }
    }
}

/// What became of a text.
#[derive(Debug)]
pub struct Parsed {
    pub map: Map,
    pub problems: Vec<Problem>,
    /// Whether the text was read to its end; where not, what is missing from the map means nothing.
    pub complete: bool,
}

/// Reads one YAML document whose top is a mapping. An empty text is an empty mapping.
///
/// Errors: what the parser refuses (only the first, it cannot go on), a second document, a top that is no mapping,
/// more than the budget; then every key that stands twice, every tag that is not Ansible's, every key that is no
/// single word. The tree comes back also with these latter ones, for the checks that follow.
pub fn parse(source: &Source) -> Parsed {
    read(Builder::new(source))
}

/// As `parse`, for files of which Ansible itself is the judge: of a key that stands twice the last value holds, and a
/// warning says so.
pub fn parse_vars(source: &Source) -> Parsed {
    read(Builder { last_holds: true, ..Builder::new(source) })
}

fn read(mut builder: Builder<'_>) -> Parsed {
    let source = builder.source;
    let (top, mut complete) = match builder.document() {
        Ok(top) => (top, true),
        Err(problem) => {
            builder.problems.push(*problem);
            (None, false)
        }
    };
    let mut problems = builder.problems;
    let map = match top {
        None => Map::default(),
        Some(Node { content: Content::Map(map), .. }) => map,
        Some(Node { content: Content::Scalar(scalar), .. }) if scalar.meaning() == Meaning::Null => {
            Map::default()
        }
        Some(node) => {
            problems.push(
                source
                    .problem(
                        table::YAML_SYNTAX,
                        &node.mark,
                        "the file must hold keys and values, and this is neither",
                    )
                    .labelled("expected `key: value`"),
            );
            complete = false;
            Map::default()
        }
    };
    Parsed { map, problems, complete }
}

type Fallible<T> = Result<T, Box<Problem>>;

struct Builder<'a> {
    source: &'a Source,
    /// Whether a key may stand twice.
    last_holds: bool,
    parser: Parser<'a, serde_saphyr::granit_parser::StrInput<'a>>,
    /// What anchors name, with how many nodes it holds.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    /// Where the tag of the latest event stands.
    tag_mark: Option<Mark>,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source) -> Self {
        let options = options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        Builder {
            source,
            last_holds: false,
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

    fn document(&mut self) -> Fallible<Option<Node>> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Map, Vec<Problem>) {
        let Parsed { map, problems, .. } = parse(&Source::new("x.yml", text));
        (map, problems)
    }

    fn message(text: &str) -> String {
        let (_, problems) = read(text);
        let [problem] = problems.as_slice() else { panic!("one problem, not {problems:#?}") };
        let place = problem.place.as_ref().expect("a place");
        format!("{}:{}: {}", place.line, place.column, problem.message)
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        let (map, problems) = read("a: 1\nb:\n  cä: [x, \"y\"]\n");
        assert!(problems.is_empty(), "{problems:?}");
        let inner = map.get("b").and_then(|entry| entry.value.as_map()).expect("a map");
        let list = inner.get("cä").expect("a member");
        assert_eq!((list.key_mark.line, list.key_mark.column), (3, 3));
        let Content::List(items) = &list.value.content else { panic!("a list") };
        assert_eq!((items[1].mark.line, items[1].mark.column), (3, 11));
        assert_eq!(items[1].as_scalar().map(|scalar| scalar.style), Some(Style::Quoted));
    }

    #[test]
    fn the_byte_span_of_a_value_is_its_text() {
        let text = "ö: 1\nkey:   value # why\n";
        let (map, _) = read(text);
        let span = map.get("key").expect("a member").value.mark.span.clone();
        assert_eq!(&text[span], "value");
    }

    #[test]
    fn a_key_twice_names_both_lines() {
        assert_eq!(message("a: 1\nb: 2\na: 3\n"), "3:1: `a` is set twice, and only one of them would count");
    }

    #[test]
    fn merge_keys_fill_what_is_not_set() {
        let (map, problems) =
            read("base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nuse:\n  <<: [*b, *m]\n  x: 9\n");
        assert!(problems.is_empty(), "{problems:?}");
        let used = map.get("use").and_then(|entry| entry.value.as_map()).expect("a map");
        let values: Vec<_> = used
            .entries
            .iter()
            .map(|entry| (entry.key.as_str(), entry.value.as_scalar().map_or("", |s| &s.text)))
            .collect();
        assert_eq!(values, [("x", "9"), ("y", "2"), ("z", "4")]);
    }

    #[test]
    fn tags_of_ansible_are_known_and_others_refused() {
        let (map, problems) = read("a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\nb: !unsafe '{{ x }}'\n");
        assert!(problems.is_empty(), "{problems:?}");
        assert!(matches!(map.get("a").map(|e| &e.value.content), Some(Content::Vaulted(_))));
        assert!(!map.get("b").and_then(|e| e.value.as_scalar()).expect("a scalar").is_template());
        assert!(message("a: !!python/object/apply:os.system [id]\n").contains("not one that Ansible reads"));
        assert!(message("a: !include other.yml\n").contains("`!include`"));
    }

    #[test]
    fn hostile_text_is_one_clear_problem() {
        assert!(message("a: 1\n---\nb: 2\n").starts_with("2:1: a second document"));
        assert!(message(&format!("a: {}", "[".repeat(20_000))).starts_with("1:"));
        assert!(message("- a\n").contains("keys and values"));
        assert!(message("a: \"x\n").contains("not YAML"));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let alias = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 9].join(",")));
        }
        assert!(message(&bomb).contains("more than 100000 values"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,80}|[-:\\[\\]{}&*!|>'\"%@` \\na-c]{0,120}") {
            let (_, problems) = read(&text);
            for problem in problems {
                let place = problem.place.expect("a place");
                prop_assert!(place.line >= 1 && place.column >= 1);
                let span = problem.span.expect("a span");
                prop_assert!(text.get(span.clone()).is_some(), "{span:?} is no part of the text");
            }
        }
    }
}
