//! YAML as a tree in which every key and every value knows its place.
//!
//! Place on the data's path: text -> tree; shape and meaning come after.

mod builder;

use builder::Builder;
use zeroize::Zeroize;

use super::checks::table;
use super::scalar::{Meaning, Scalar};
use super::source::{Mark, Source};
use crate::vocab::Problem;

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

    /// What stands below these keys, each a mapping's.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        let (first, rest) = path.split_first()?;
        let node = &self.get(first)?.value;
        if rest.is_empty() { Some(node) } else { node.as_map()?.at(rest) }
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
    read(Builder::new(source, false))
}

/// As `parse`, for files of which Ansible itself is the judge: of a key that stands twice the last value holds, and a
/// warning says so.
pub fn parse_vars(source: &Source) -> Parsed {
    read(Builder::new(source, true))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scalar::Style;
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
