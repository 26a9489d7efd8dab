//! What GNU tar says of the files that it reads -> whether the archive is whole, and what somebody who restores it must
//! know.
//!
//! tar ends with 0 where nothing happened, with 1 where files changed under it, with 2 where it could not read something
//! (<https://www.gnu.org/software/tar/manual/html_section/Synopsis.html>). Its words are those of the C locale.

/// How many names are told; a busy tree has thousands.
const MOST: usize = 10;

/// What a kind of source makes of a file that is written to while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// It may be torn: told.
    Plain,
    /// Files only grow, and what was read is whole up to its own last mark; the first names are listed, so that one that
    /// goes meanwhile is no mistake: but for `marker`, without which the rest is worth nothing.
    AppendOnly { marker: &'static str },
}

/// What tar said so far.
#[derive(Debug)]
pub struct Told {
    flavour: Flavour,
    /// Whether the name went that must not.
    lacks_marker: bool,
    changed: Names,
    vanished: Names,
    shrank: Names,
    /// Listed by name, and gone before tar came to it.
    gone: Names,
    warnings: Names,
    /// Everything else: mistakes where tar fails.
    mistakes: Names,
}

/// The first few names, and how many there are.
#[derive(Debug, Default)]
struct Names {
    count: usize,
    first: Vec<String>,
}

impl Names {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.first.len() < MOST {
            self.first.push(name.to_owned());
        }
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn joined(&self, between: &str) -> String {
        let names = self.first.join(between);
        match self.count - self.first.len() {
            0 => names,
            more => format!("{names}{between}and {more} more"),
        }
    }

    /// `3 files vanished: ..`, in the words for one and for many.
    fn told(&self, one: &str, many: &str) -> Option<String> {
        let what = if self.count == 1 { one } else { many };
        (!self.is_empty()).then(|| format!("{} {what}: {}", self.count, self.joined(", ")))
    }
}

impl Told {
    pub fn of(flavour: Flavour) -> Self {
        Told {
            flavour,
            lacks_marker: false,
            changed: Names::default(),
            vanished: Names::default(),
            shrank: Names::default(),
            gone: Names::default(),
            warnings: Names::default(),
            mistakes: Names::default(),
        }
    }

    /// Whether a name, as tar tells it, is the one that must be there.
    fn is_marker(&self, name: &str) -> bool {
        matches!(self.flavour, Flavour::AppendOnly { marker } if name.strip_prefix("./") == Some(marker))
    }

    /// One line of its standard error.
    pub fn line(&mut self, line: &str) {
        let line = line.trim_end();
        let own = line.strip_prefix("tar: ");
        let Some(text) = own else {
            return if !line.trim().is_empty() {
                self.mistakes.add(line.trim())
            };
        };
        // What comes at the end of a failure, and what has no content that a backup could hold.
        let summary =
            ["Exiting with failure status due to previous errors", "Error is not recoverable: exiting now"];
        if summary.contains(&text) || text.ends_with(": socket ignored") || text.ends_with(": door ignored") {
            return;
        }
        let of = |ending: &str| text.strip_suffix(ending);
        if let Some(name) = of(": file changed as we read it") {
            self.changed.add(name);
        } else if let Some(name) = of(": File removed before we read it") {
            self.lacks_marker |= self.is_marker(name);
            self.vanished.add(name);
        } else if let Some((name, _)) = text.rsplit_once(": File shrank by ") {
            self.shrank.add(name);
        } else if let Some(name) = of(": Cannot stat: No such file or directory")
            .or_else(|| of(": Cannot open: No such file or directory"))
            .filter(|name| name.starts_with("./"))
        {
            self.lacks_marker |= self.is_marker(name);
            self.gone.add(name);
        } else if text.contains(": Warning: ") {
            self.warnings.add(text);
        } else {
            self.mistakes.add(text);
        }
    }

    /// What an end with this exit code means: what to know of a whole archive, or why it is none.
    pub fn judge(&self, code: Option<i32>) -> Result<Vec<String>, String> {
        let listed = match self.flavour {
            Flavour::AppendOnly { marker } if self.lacks_marker => {
                return Err(format!("{marker} vanished before it was read"));
            }
            Flavour::AppendOnly { .. } => true,
            Flavour::Plain => false,
        };
        let is_whole = match code {
            Some(0 | 1) => true,
            Some(2) => listed && self.mistakes.is_empty() && !self.gone.is_empty(),
            _ => false,
        };
        if !is_whole {
            return Err(match (self.mistakes.is_empty(), self.gone.is_empty()) {
                (false, _) => self.mistakes.joined("; "),
                (true, false) => format!("not there: {}", self.gone.joined(", ")),
                (true, true) => "it said nothing of why".to_owned(),
            });
        }
        let vanished = ("file vanished before it was read", "files vanished before they were read");
        let notes = [
            self.changed
                .told(
                    "file or directory changed while it was read",
                    "files or directories changed while they were read",
                )
                .filter(|_| !listed),
            self.vanished.told(vanished.0, vanished.1),
            self.gone.told(vanished.0, vanished.1),
            self.shrank.told(
                "file shrank while it was read, and ends in zeros here",
                "files shrank while they were read, and end in zeros here",
            ),
            self.warnings.told("warning of tar", "warnings of tar"),
            self.mistakes.told("message of tar", "messages of tar"),
        ];
        Ok(notes.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: Flavour = Flavour::AppendOnly { marker: "_dbs.couch" };

    fn judged(lines: &[&str], code: i32, flavour: Flavour) -> Result<Vec<String>, String> {
        let mut told = Told::of(flavour);
        lines.iter().for_each(|line| told.line(line));
        told.judge(Some(code))
    }

    #[test]
    fn what_changes_is_told_and_what_cannot_be_read_is_fatal() {
        let busy = [
            "tar: ./a: b: file changed as we read it",
            "tar: ./gone: File removed before we read it",
            "tar: ./log: File shrank by 81920 bytes; padding with zeros",
            "tar: ./s: socket ignored",
        ];
        let notes = [
            "1 file or directory changed while it was read: ./a: b",
            "1 file vanished before it was read: ./gone",
            "1 file shrank while it was read, and ends in zeros here: ./log",
        ];
        assert_eq!(judged(&busy, 1, Flavour::Plain), Ok(notes.map(str::to_owned).to_vec()));
        assert_eq!(judged(&busy, 1, LISTED), Ok(notes[1..].iter().map(|n| (*n).to_owned()).collect()));
        let closed = [
            "tar: ./a: file changed as we read it",
            "tar: ./secret: Cannot open: Permission denied",
            "tar: Exiting with failure status due to previous errors",
        ];
        for flavour in [Flavour::Plain, LISTED] {
            assert_eq!(
                judged(&closed, 2, flavour),
                Err("./secret: Cannot open: Permission denied".to_owned())
            );
        }
    }

    #[test]
    fn a_listed_file_that_is_gone_is_no_mistake_where_files_come_and_go() {
        let gone = [
            "tar: ./_dbs.couch.compact: Cannot stat: No such file or directory",
            "tar: Exiting with failure status due to previous errors",
        ];
        assert_eq!(
            judged(&gone, 2, LISTED),
            Ok(vec!["1 file vanished before it was read: ./_dbs.couch.compact".to_owned()])
        );
        assert!(judged(&gone, 2, Flavour::Plain).is_err());
        // The tree itself is another matter.
        let tree = [
            "tar: /opt/data: Cannot open: No such file or directory",
            "tar: Error is not recoverable: exiting now",
        ];
        assert!(judged(&tree, 2, LISTED).is_err());
    }

    #[test]
    fn what_all_the_rest_hangs_on_may_not_go() {
        let others =
            (0..2 * MOST).map(|n| format!("tar: ./{n}.couch: Cannot stat: No such file or directory"));
        for went in [
            "tar: ./_dbs.couch: Cannot stat: No such file or directory",
            "tar: ./_dbs.couch: Cannot open: No such file or directory",
            "tar: ./_dbs.couch: File removed before we read it",
        ] {
            // However many went before.
            let lines: Vec<String> = others.clone().chain([went.to_owned()]).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            for code in [1, 2] {
                let why = judged(&lines, code, LISTED).expect_err("worth nothing");
                assert_eq!(why, "_dbs.couch vanished before it was read", "{went}");
            }
        }
        let below = ["tar: ./shards/_dbs.couch: Cannot open: No such file or directory"];
        assert!(judged(&below, 2, LISTED).is_ok(), "another of that name");
    }

    #[test]
    fn thousands_of_names_are_a_few_and_a_number() {
        let lines: Vec<String> =
            (0..3000).map(|n| format!("tar: ./{n}: file changed as we read it")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let notes = judged(&lines, 1, Flavour::Plain).expect("whole");
        assert_eq!(
            notes,
            [
                "3000 files or directories changed while they were read: ./0, ./1, ./2, ./3, ./4, ./5, ./6, ./7, ./8, ./9, and \
              2990 more"
            ]
        );
    }

    #[test]
    fn an_end_by_a_signal_or_without_a_word_is_a_failure() {
        assert!(Told::of(Flavour::Plain).judge(None).is_err());
        assert!(
            judged(&["ssh: connect to host web port 22: Connection refused"], 255, Flavour::Plain).is_err()
        );
    }
}
