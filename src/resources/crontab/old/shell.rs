//! The commands in one line of shell: words and what separates them, as far as they can be told without running anything
//! (POSIX, Shell Command Language, 2.2 to 2.10:
//! <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html>). Pure.
//!
//! Where the shell would run something to find out what the line says (`$(..)`, `` ` ``), read more lines (`<<`), or
//! refuse it (quotes that do not match), the answer is that it cannot be told.

use std::iter::Peekable;
use std::str::Chars;

/// One word, quotes taken off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// Whether the shell hands on just this text: nothing in it is expanded.
    pub literal: bool,
}

/// The words of each command, in order; redirections are left out, and so is what connects the commands.
pub type Commands = Vec<Vec<Word>>;

/// Splits a line into its commands. `None` where it cannot be told.
pub fn commands(line: &str) -> Option<Commands> {
    let mut reader = Reader::new(line);
    reader.read()?;
    reader.end_command();
    // A redirection to nowhere.
    (!reader.skips).then_some(reader.commands)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    word: Option<Word>,
    command: Vec<Word>,
    commands: Commands,
    /// Whether the next word is where something is redirected to.
    skips: bool,
}

impl<'a> Reader<'a> {
    fn new(line: &'a str) -> Self {
        Reader {
            rest: line.chars().peekable(),
            word: None,
            command: Vec::new(),
            commands: Vec::new(),
            skips: false,
        }
    }

    fn read(&mut self) -> Option<()> {
        while let Some(c) = self.rest.next() {
            match c {
                ' ' | '\t' => self.end_word(),
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '\'' => self.single_quoted()?,
                '"' => self.double_quoted()?,
                '\\' => {
                    let c = self.rest.next()?;
                    self.push(c);
                }
                '`' => return None,
                '$' => self.expansion()?,
                '*' | '?' => self.expanded(c),
                '~' if self.word.is_none() => self.expanded(c),
                // `&>` is a redirection to bash; to sh it ends a command and begins one. Neither matters here.
                '&' if self.rest.peek() == Some(&'>') => self.end_word(),
                ';' | '&' | '|' | '(' | ')' | '\n' => {
                    if self.skips && self.word.is_none() {
                        return None;
                    }
                    self.end_command();
                }
                '<' | '>' => self.redirection(c)?,
                c => self.push(c),
            }
        }
        Some(())
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_with(|| Word { text: String::new(), literal: true })
    }

    fn push(&mut self, c: char) {
        self.word().text.push(c);
    }

    fn expanded(&mut self, c: char) {
        self.push(c);
        self.word().literal = false;
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match std::mem::take(&mut self.skips) {
            true => {}
            false => self.command.push(word),
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.command.is_empty() {
            self.commands.push(std::mem::take(&mut self.command));
        }
    }

    fn single_quoted(&mut self) -> Option<()> {
        self.word();
        loop {
            match self.rest.next()? {
                '\'' => return Some(()),
                c => self.push(c),
            }
        }
    }

    fn double_quoted(&mut self) -> Option<()> {
        self.word();
        loop {
            match self.rest.next()? {
                '"' => return Some(()),
                '`' => return None,
                '$' => self.expansion()?,
                '\\' => match self.rest.next()? {
                    c @ ('$' | '`' | '"' | '\\') => self.push(c),
                    c => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                c => self.push(c),
            }
        }
    }

    /// A variable is nothing that runs; a substitution is.
    fn expansion(&mut self) -> Option<()> {
        match self.rest.peek() {
            Some('(') => None,
            _ => {
                self.expanded('$');
                Some(())
            }
        }
    }

    fn redirection(&mut self, sign: char) -> Option<()> {
        // `2>`: the number of what is redirected.
        if self.word.as_ref().is_some_and(|word| word.text.bytes().all(|byte| byte.is_ascii_digit())) {
            self.word = None;
        }
        if self.skips && self.word.is_none() {
            return None;
        }
        self.end_word();
        match self.rest.next_if(|c| matches!(c, '<' | '>' | '&' | '|')) {
            Some('<') if sign == '<' => return None,
            _ => {}
        }
        if self.rest.peek() == Some(&'(') {
            return None;
        }
        self.skips = true;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Option<Vec<Vec<String>>> {
        let texts = |words: Vec<Word>| words.into_iter().map(|word| word.text).collect();
        commands(line).map(|commands| commands.into_iter().map(texts).collect())
    }

    #[test]
    fn a_line_is_split_as_the_shell_splits_it() {
        let cases: [(&str, &[&[&str]]); 9] = [
            ("a b  c", &[&["a", "b", "c"]]),
            ("cd /x && a 'b c' || d;e&f|g", &[&["cd", "/x"], &["a", "b c"], &["d"], &["e"], &["f"], &["g"]]),
            (r#"a "b 'c' \" \n" d\ e"#, &[&["a", r#"b 'c' " \n"#, "d e"]]),
            ("a >/dev/null 2>&1 </x >> 'y z' b", &[&["a", "b"]]),
            ("a &> x; (b; c) # d; e", &[&["a"], &["b"], &["c"]]),
            ("a 2 >x b#c ''", &[&["a", "2", "b#c", ""]]),
            ("", &[]),
            (" ; ", &[]),
            ("a\r", &[&["a\r"]]),
        ];
        for (line, wanted) in cases {
            let wanted: Vec<Vec<String>> =
                wanted.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect();
            assert_eq!(read(line), Some(wanted), "{line}");
        }
    }

    #[test]
    fn what_only_running_it_would_tell_is_not_told() {
        for line in
            ["a $(b)", "a `b`", "a \"$(b)\"", "a 'b", "a \"b", "a \\", "a << b", "a < <(b)", "a >", "a > ; b"]
        {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_expanded_is_no_literal_word() {
        let literal = |line: &str| -> Vec<bool> {
            commands(line).into_iter().flatten().flatten().map(|word| word.literal).collect()
        };
        assert_eq!(
            literal("a $b \"c$d\" '$e' \\$f *.g ~/h i~j"),
            [true, false, false, true, true, false, false, true]
        );
    }

    proptest! {
        /// Quoted words come back as they were.
        #[test]
        fn quoted_words_survive(words in prop::collection::vec("[^\\p{Cc}]{0,9}", 1..5)) {
            let line = shlex::try_join(words.iter().map(String::as_str)).expect("no control characters");
            prop_assert_eq!(read(&line), Some(vec![words]));
        }

        #[test]
        fn no_line_breaks_it(line in "[ab$`'\"\\\\<>|&;()# \t\r~*2]{0,24}") {
            read(&line);
        }
    }
}
