//! The scripts that a host runs for us: POSIX sh, and nothing that a small machine lacks. What files hold is not in them.

use super::view::Question;
use super::{Access, HostError, error};

/// Becomes root, then runs [`SERVE`].
pub(super) const ENTER: &str = include_str!("scripts/enter.sh");
/// Runs one script after the other.
pub(super) const SERVE: &str = include_str!("scripts/serve.sh");
const LOOK: &str = include_str!("scripts/look.sh");
const CHANGE: &str = include_str!("scripts/change.sh");
pub(super) const ASK: &str = include_str!("scripts/ask.sh");
const TAKE: &str = include_str!("scripts/take.sh");

/// The question as a script.
pub(super) fn look(question: &Question) -> Result<String, HostError> {
    let mut script = match question.asks.is_empty() {
        true => LOOK.to_owned(),
        false => format!("{LOOK}\n{ASK}"),
    };
    let mut call = |function: &str, words: &mut dyn Iterator<Item = &str>| -> Result<(), HostError> {
        let words: Vec<&str> = words.collect();
        if !words.is_empty() {
            script.push_str(&format!("{function} {}\n", quoted(&words)?));
        }
        Ok(())
    };
    if question.facts {
        // A function without arguments.
        call("facts", &mut std::iter::once(""))?;
    }
    call("users", &mut question.users.iter().map(String::as_str))?;
    call("postgresql", &mut question.postgresql.iter().map(String::as_str))?;
    call("program", &mut question.program.iter().map(String::as_str))?;
    let directories = question.directories.keys().chain(&question.sizes).chain(&question.named_after_users);
    for path in question.paths.iter().chain(directories) {
        super::plain(path)?;
    }
    call("owned", &mut question.named_after_users.iter().map(String::as_str))?;
    call("space", &mut question.space.iter().map(String::as_str))?;
    for directory in &question.sizes {
        call("sizes", &mut std::iter::once(directory.as_str()))?;
    }
    for (key, ask) in &question.asks {
        call("ask", &mut super::asks::words(key, ask).iter().map(String::as_str))?;
    }
    let inside: Vec<String> = question
        .directories
        .iter()
        .map(|(directory, contents)| format!("{directory}/*{}", contents.ending()))
        .collect();
    call("pack", &mut question.paths.iter().chain(&inside).map(String::as_str))?;
    Ok(script)
}

/// One change as a script.
pub(super) fn change(function: &str, words: &[&str]) -> Result<String, HostError> {
    Ok(format!("{CHANGE}\n{function} {}\n", quoted(words)?))
}

/// Calls that take lines out of tables, as a script.
pub(super) fn taking(calls: &str) -> String {
    format!("{CHANGE}\n{TAKE}\n{calls}")
}

/// The words of a function that gives something to its owner.
pub(super) fn given(path: &str, access: &Access) -> Vec<String> {
    vec![path.to_owned(), access.owner.clone(), access.group.clone(), format!("{:o}", access.mode)]
}

/// Words as one line of `sh`.
pub(super) fn quoted(words: &[&str]) -> Result<String, HostError> {
    shlex::try_join(words.iter().copied())
        .map_err(|_| error("cannot use", &words.join(" ").replace('\0', "?"), "it holds a NUL"))
}
