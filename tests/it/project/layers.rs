//! The layers of ARCHITECTURE.md: which module may use which, which are pure, who prints. The table in the document
//! is the rule itself, parsed here, so that document and test cannot differ.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Mention, mentions};
use super::{text, texts};

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Layer {
    /// Modules that every file may use; `None` is everything.
    uses: Option<BTreeSet<String>>,
    /// The files that touch the world, such as `live.rs`, and the modules that they may use besides.
    worldly: Option<(String, BTreeSet<String>)>,
    pure: bool,
}

type Layers = BTreeMap<String, Layer>;

/// The table below the heading "Layers".
fn layers(architecture: &str) -> Layers {
    let names = |cell: &str| -> BTreeSet<String> {
        cell.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    let section = architecture.split("\n## Layers\n").nth(1).expect("ARCHITECTURE.md has a section Layers");
    let section = section.split("\n## ").next().unwrap_or(section);
    let mut layers = Layers::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<String> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let [module, uses, worldly, pure, _] = cells.as_slice() else { panic!("not five cells: {row}") };
        let uses = match uses.as_str() {
            "everything" => None,
            "nothing" => Some(BTreeSet::new()),
            some => Some(names(some)),
        };
        let worldly = worldly.split_once(':').map(|(file, uses)| (file.trim().to_owned(), names(uses)));
        let pure = match pure.as_str() {
            "yes" => true,
            "no" => false,
            other => panic!("pure is yes or no, not {other}: {row}"),
        };
        let before = layers.insert(module.clone(), Layer { uses, worldly, pure });
        assert!(before.is_none(), "two rows for {module}");
    }
    layers
}

/// `src/plan/order.rs` is the module `["plan", "order"]`.
fn module(file: &str) -> Vec<&str> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').collect()
}

/// What `source`, the text of `file`, does against the rules: `file:line: what`.
fn offences(layers: &Layers, file: &str, source: &str) -> Vec<String> {
    let module = module(file);
    let Some(layer) = layers.get(module[0]) else {
        return vec![format!("{file}: `{}` has no row in ARCHITECTURE.md", module[0])];
    };
    let worldly = layer.worldly.as_ref().filter(|(name, _)| {
        let stem = name.trim_end_matches(".rs");
        module[1..].contains(&stem)
    });
    let tests_file = module.last() == Some(&"tests");
    mentions(&module, source)
        .iter()
        .filter_map(|mention| {
            let excused = mention.in_tests || tests_file;
            let wrong = upwards(layers, layer, worldly.map(|(_, uses)| uses), module[0], mention)
                .or_else(|| (layer.pure && worldly.is_none() && !excused).then(|| impure(mention)).flatten())
                .or_else(|| {
                    (!["cli", "report"].contains(&module[0]) && !excused).then(|| prints(mention)).flatten()
                })?;
            Some(format!("{file}:{}: {wrong}", mention.line))
        })
        .collect()
}

/// A path into a module that this one may not use.
fn upwards(
    layers: &Layers,
    layer: &Layer,
    besides: Option<&BTreeSet<String>>,
    own: &str,
    mention: &Mention,
) -> Option<String> {
    let used = match mention.path.as_slice() {
        [root, used, ..] if root == "crate" => used,
        _ => return None,
    };
    // A path to something that is no layer (a macro at the root, a glob of the whole crate) hides what it uses.
    let known = layers.contains_key(used);
    let allowed = match &layer.uses {
        None => known,
        Some(uses) => {
            known && (used == own || uses.contains(used) || besides.is_some_and(|uses| uses.contains(used)))
        }
    };
    (!allowed).then(|| format!("`{own}` may not use `crate::{used}`"))
}

/// A path that reaches out of a pure module.
fn impure(mention: &Mention) -> Option<String> {
    let path: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    let reaches = match path.as_slice() {
        // An address is a value; only what opens a connection or asks a resolver reaches out.
        ["std", "net", "IpAddr" | "Ipv4Addr" | "Ipv6Addr", ..] => false,
        ["tokio", _, ..] | ["std", "fs" | "net" | "process" | "env", ..] => true,
        [first, _, ..] if first.starts_with("aws_") => true,
        _ => {
            path.contains(&"SystemTime")
                || path.windows(2).any(|pair| matches!(pair, ["Utc" | "Local" | "Instant", "now"]))
        }
    };
    reaches.then(|| format!("a pure module may not use `{}`", path.join("::")))
}

/// A path that writes to the terminal.
fn prints(mention: &Mention) -> Option<String> {
    let path: Vec<&str> = mention.path.iter().map(String::as_str).collect();
    let prints = match path.as_slice() {
        ["println" | "eprintln" | "print" | "eprint" | "dbg"] => mention.is_macro,
        ["anstream", _, ..] => true,
        _ => path.windows(2).any(|pair| matches!(pair, ["io", "stdout" | "stderr"])),
    };
    prints.then(|| format!("only `cli` and `report` print, and this uses `{}`", path.join("::")))
}

#[test]
fn every_path_keeps_to_the_layers() {
    let layers = layers(&text("ARCHITECTURE.md"));
    let sources = texts("src");
    let offences: Vec<String> = sources
        .iter()
        .filter(|(file, _)| file.ends_with(".rs") && !["src/lib.rs", "src/main.rs"].contains(&file.as_str()))
        .flat_map(|(file, source)| offences(&layers, file, source))
        .collect();
    assert!(offences.is_empty(), "against ARCHITECTURE.md:\n{}", offences.join("\n"));
}

#[test]
fn the_table_has_every_module_and_no_other_and_nobody_uses_what_stands_below() {
    let architecture = text("ARCHITECTURE.md");
    let layers = layers(&architecture);
    let declared: BTreeSet<String> = text("src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')))
        .map(str::to_owned)
        .collect();
    assert_eq!(layers.keys().cloned().collect::<BTreeSet<_>>(), declared);

    // Lowest first, so the uses are free of circles. The exceptions of single files may look up: `clients` is a leaf.
    let order = |module: &str| architecture.find(&format!("\n| `{module}` |")).expect("a row");
    for (module, layer) in &layers {
        for used in layer.uses.iter().flatten() {
            assert!(layers.contains_key(used), "`{module}` may use `{used}`, which is no module");
            assert!(
                order(used) < order(module),
                "`{module}` may use `{used}`, which stands below it in the table"
            );
        }
    }
}

#[test]
fn a_made_up_offender_is_found() {
    let layers = layers(
        "\n## Layers\n\
         | `vocab` | nothing | | yes | |\n\
         | `kinds` | vocab | `live.rs`: clients | yes | |\n\
         | `clients` | vocab | | no | |\n\
         | `world` | vocab, kinds | | no | |\n\
         | `cli` | everything | | no | |\n",
    );
    let count = |file: &str, source: &str| offences(&layers, file, source).len();

    // Upwards, in each way of writing it.
    for source in [
        "use crate::world::Live;",
        "use crate::{vocab::Id, world::{self, Live}};",
        "fn f() -> crate::cli::Exit { x }",
        "use super::super::world::Live;",
        "mod tests { use crate::clients::Aws; }",
        "use crate::*;",
        "use crate::unheard_of::X;",
    ] {
        assert!(count("src/kinds/bucket/mod.rs", source) > 0, "{source}");
    }
    assert_eq!(count("src/kinds/bucket/mod.rs", "use crate::{vocab::Id, kinds::Form}; use super::Form;"), 0);
    assert_eq!(count("src/cli/plan.rs", "use crate::{world, kinds, vocab};"), 0);
    assert_eq!(count("src/unheard_of.rs", ""), 1);

    // A file that touches the world may, its neighbour may not.
    let touching = "use crate::clients::Aws; fn f() { std::fs::read(x) }";
    assert_eq!(count("src/kinds/bucket/live.rs", touching), 0);
    assert_eq!(count("src/kinds/bucket/mod.rs", touching), 2);

    // Purity: whatever the spelling, but not in unit tests.
    for source in [
        "use tokio::time;",
        "use aws_sdk_s3::Client;",
        "use std::{fmt, fs};",
        "use std::time::{Duration, SystemTime};",
        "fn f() { chrono::Utc::now() }",
        "fn f() { Utc::now() }",
        "fn f() { std::net::lookup(x) }",
    ] {
        assert_eq!(count("src/vocab/clock.rs", source), 1, "{source}");
        assert_eq!(
            count("src/vocab/clock.rs", &format!("#[cfg(test)] mod tests {{ {source} }}")),
            0,
            "{source}"
        );
        assert_eq!(count("src/world/mod.rs", source), 0, "{source}");
    }

    assert_eq!(count("src/vocab/names.rs", "use std::net::{IpAddr, Ipv4Addr};"), 0);

    // Printing.
    for source in ["fn f() { println!(); }", "use anstream::AutoStream;", "fn f() { std::io::stdout(); }"] {
        assert_eq!(count("src/world/mod.rs", source), 1, "{source}");
        assert_eq!(count("src/cli/mod.rs", source), 0, "{source}");
    }
}
