//! Which backup script of commcare-cloud a cron command runs. Pure.
//!
//! Premise: a line is taken over only where it does that one thing and nothing else, since all of it goes. What stands
//! around the script may change how it runs (`nice`, `flock`, `cd`, redirections), or only pass on what it prints
//! (`| logger`). Anything else is a doubt, and a doubtful line stays. So does a command that only names the script.

#[cfg(test)]
mod tests;

use super::shell::{self, Word};
use super::{Doubt, Keeps};
use crate::vocab::Tier;

/// Where commcare-cloud's roles put the scripts: today, and until 2016.
const DIRECTORIES: [&str; 2] = ["/usr/local/sbin", "/etc/cron.d"];
/// Where the roles put the freshness check.
const CHECK_DIRECTORIES: [&str; 2] = ["/usr/local/bin", "/usr/local/sbin"];

/// A script that the roles install.
#[derive(Debug)]
struct Script {
    name: &'static str,
    /// `None`: the argument says it.
    datastore: Option<&'static str>,
    arguments: Arguments,
}

#[derive(Clone, Copy, Debug)]
enum Arguments {
    /// `TIER KEEP`.
    TierAndKeep,
    /// None: it makes one backup a day, and how long that is kept stands in the script.
    None,
    /// `postgres`, `couch` or `blobdb`.
    Checked,
}

const fn dump(name: &'static str, datastore: &'static str) -> Script {
    Script { name, datastore: Some(datastore), arguments: Arguments::TierAndKeep }
}

/// Every script that entries of the roles have called, from 2015 on.
const SCRIPTS: [Script; 8] = [
    dump("create_postgres_dump.sh", "postgresql"),
    dump("create_postgres_dump_hourly.sh", "postgresql"),
    dump("create_couchdb_backup.sh", "couchdb"),
    dump("create_couchdb_backup_hourly.sh", "couchdb"),
    dump("create_blobdb_backup.sh", "blobdb"),
    dump("create_blobdb_backup_hourly.sh", "blobdb"),
    Script { name: "create_es_snapshot.py", datastore: Some("elasticsearch"), arguments: Arguments::None },
    Script { name: "check_s3_backup.py", datastore: None, arguments: Arguments::Checked },
];

/// What the freshness check calls the datastores.
const CHECKED: [(&str, &str); 3] = [("postgres", "postgresql"), ("couch", "couchdb"), ("blobdb", "blobdb")];

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    Backup {
        tier: Tier,
        keeps: Keeps,
    },
    /// Looks whether a backup has reached the bucket.
    Check,
}

/// A script that a command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub datastore: &'static str,
    pub purpose: Purpose,
    /// The script and the arguments that it reads, for people.
    pub shown: String,
}

/// The datastore of the first script that a text names, whether it runs it or not.
pub fn named(text: &str) -> Option<&'static str> {
    // A check that is not taken over goes on to find our backups, so that there is nothing to be told of it.
    SCRIPTS.iter().filter(|script| text.contains(script.name)).find_map(|script| script.datastore)
}

/// Whether a text names a script at all.
fn names_one(text: &str) -> bool {
    SCRIPTS.iter().any(|script| text.contains(script.name))
}

/// What a command does, as `/bin/sh` reads it; `path` is the value of `PATH` that cron gives it. `Ok(None)` where it has
/// nothing to do with the scripts.
pub fn read(command: &str, path: Option<&str>) -> Result<Option<Run>, Doubt> {
    if !names_one(command) {
        return Ok(None);
    }
    let mut reader = Reader { path: path.map(str::to_owned), ..Reader::default() };
    reader.line(command, 0);
    if let Some(check) = reader.runs.iter().find(|run| run.purpose == Purpose::Check)
        && reader.runs.iter().all(|run| run.purpose == Purpose::Check)
    {
        // The roles' own line mails what the check found, and so does ours. One that does more, or looks after several, is
        // nobody's: it goes on to find our backups, and nothing is to be told of it.
        let mails = |doubt: &Doubt| matches!(doubt, Doubt::Other(name) if MAILERS.contains(&name.as_str()));
        let alone = reader.runs.len() == 1 && reader.doubts.iter().all(mails);
        return Ok(alone.then(|| check.clone()));
    }
    match (reader.doubts.into_iter().next(), reader.runs.as_slice()) {
        (Some(doubt), _) => Err(doubt),
        (None, [run]) => Ok(Some(run.clone())),
        (None, []) => Err(Doubt::NotRun),
        (None, _) => Err(Doubt::Several),
    }
}

/// Programs that run another one and change how it runs.
struct Wrapper {
    name: &'static str,
    /// Options whose value is the next word.
    valued: &'static [&'static str],
    /// Words before the command that it runs.
    operands: usize,
}

const fn wrapper(name: &'static str, valued: &'static [&'static str], operands: usize) -> Wrapper {
    Wrapper { name, valued, operands }
}

const WRAPPERS: [Wrapper; 16] = [
    wrapper("nice", &["-n", "--adjustment"], 0),
    wrapper("ionice", &["-c", "--class", "-n", "--classdata"], 0),
    wrapper("flock", &["-w", "--wait", "--timeout", "-E", "--conflict-exit-code"], 1),
    wrapper("setlock", &[], 1),
    wrapper("timeout", &["-s", "--signal", "-k", "--kill-after"], 1),
    wrapper("sudo", &["-u", "--user", "-g", "--group", "-p", "--prompt"], 0),
    wrapper("env", &["-u", "--unset", "-C", "--chdir"], 0),
    wrapper("systemd-cat", &["-t", "--identifier", "-p", "--priority"], 0),
    wrapper("stdbuf", &["-i", "-o", "-e"], 0),
    wrapper("nohup", &[], 0),
    wrapper("setsid", &[], 0),
    wrapper("time", &["-f", "-o"], 0),
    wrapper("exec", &["-a"], 0),
    wrapper("command", &[], 0),
    wrapper("chronic", &[], 0),
    wrapper("run-one", &[], 0),
];

const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ksh", "zsh"];

/// What changes nothing but the command's own surroundings, and what only passes on what is printed.
const HARMLESS: [&str; 20] = [
    ":", "true", "false", "sleep", "umask", "export", "unset", "set", "ulimit", ".", "source", "wait",
    "exit", "echo", "printf", "date", "hostname", "logger", "tee", "ts",
];

/// What the roles' own line does with what a check found.
const MAILERS: [&str; 3] = ["mail", "mailx", "cat"];

/// How deep shells may be called by shells.
const DEEPEST: usize = 4;

#[derive(Default)]
struct Reader {
    path: Option<String>,
    /// Where the last `cd` led, if that can be told.
    directory: Option<String>,
    runs: Vec<Run>,
    doubts: Vec<Doubt>,
}

impl Reader {
    fn line(&mut self, line: &str, depth: usize) {
        let Some(commands) = shell::commands(line).filter(|_| depth < DEEPEST) else {
            return self.doubts.push(Doubt::Shell);
        };
        for words in &commands {
            if let Err(doubt) = self.command(words, depth) {
                self.doubts.push(doubt);
            }
        }
    }

    fn command(&mut self, words: &[Word], depth: usize) -> Result<(), Doubt> {
        let assigned = words.iter().take_while(|word| is_assignment(word) || is_bracket(word)).count();
        let (before, words) = words.split_at(assigned);
        before.iter().for_each(|word| self.assign(word));
        let Some((head, rest)) = words.split_first() else { return Ok(()) };
        if !head.literal {
            return Err(Doubt::Shell);
        }
        let name = base_name(&head.text);
        if let Some(script) = SCRIPTS.iter().find(|script| script.name == name) {
            return self.script(script, head, rest, true);
        }
        match name {
            "cd" => {
                self.directory = match rest {
                    [to] if to.literal && to.text.starts_with('/') => Some(to.text.clone()),
                    _ => None,
                };
                Ok(())
            }
            // A condition about the script itself is one that holds.
            "test" | "[" if rest.iter().any(|word| names_one(&word.text)) => Ok(()),
            "export" => {
                rest.iter().for_each(|word| self.assign(word));
                Ok(())
            }
            _ if HARMLESS.contains(&name) && !rest.iter().any(|word| names_one(&word.text)) => Ok(()),
            "su" | "runuser" => self.other_user(name, rest, depth),
            _ if SHELLS.contains(&name) => self.shell(name, rest, depth),
            _ if name.starts_with("python") => match rest.iter().find(|word| !is_option(word)) {
                Some(script) if !rest.iter().any(|word| matches!(word.text.as_str(), "-c" | "-m")) => {
                    let at = rest.iter().position(|word| word == script).unwrap_or_default();
                    self.file(script, &rest[at + 1..], name)
                }
                _ => Err(Doubt::Other(name.to_owned())),
            },
            _ => match WRAPPERS.iter().find(|wrapper| wrapper.name == name) {
                Some(wrapper) => match wrapper.behind(rest) {
                    // `flock FILE -c COMMAND`.
                    Some([option, line]) if option.text == "-c" || option.text == "--command" => {
                        self.text(line, name, depth)
                    }
                    Some(words) => self.command(words, depth),
                    None => Err(Doubt::Other(name.to_owned())),
                },
                None => Err(Doubt::Other(name.to_owned())),
            },
        }
    }

    /// `PATH=..` says where commands are looked for from here on.
    fn assign(&mut self, word: &Word) {
        if let Some(path) = word.text.strip_prefix("PATH=") {
            self.path = Some(path.to_owned());
        }
    }

    /// A word that holds a command of its own.
    fn text(&mut self, line: &Word, name: &str, depth: usize) -> Result<(), Doubt> {
        match line.literal {
            true => {
                self.line(&line.text, depth + 1);
                Ok(())
            }
            false => Err(Doubt::Other(name.to_owned())),
        }
    }

    fn shell(&mut self, name: &str, words: &[Word], depth: usize) -> Result<(), Doubt> {
        let other = || Doubt::Other(name.to_owned());
        let mut rest = words;
        while let Some((option, behind)) = rest.split_first().filter(|(word, _)| is_option(word)) {
            let is_cluster = !option.text.starts_with("--");
            if is_cluster && option.text.contains('c') {
                // Options may stand between `-c` and the command.
                let line = behind.iter().find(|word| !is_option(word)).ok_or_else(other)?;
                return self.text(line, name, depth);
            }
            rest = match is_cluster && option.text.ends_with('o') {
                true => behind.get(1..).ok_or_else(other)?,
                false => behind,
            };
        }
        let (script, arguments) = rest.split_first().ok_or_else(other)?;
        self.file(script, arguments, name)
    }

    /// `su USER -c COMMAND`, and the same of runuser(1), which also takes a plain command behind `-u USER`.
    fn other_user(&mut self, name: &str, words: &[Word], depth: usize) -> Result<(), Doubt> {
        let other = || Doubt::Other(name.to_owned());
        if let Some(at) = words.iter().position(|word| word.text == "-c" || word.text == "--command") {
            return self.text(words.get(at + 1).ok_or_else(other)?, name, depth);
        }
        let plain = wrapper("runuser", &["-u", "--user", "-g", "--group", "-G"], 0);
        match plain.behind(words).filter(|_| name == "runuser") {
            Some(command) => self.command(command, depth),
            None => Err(other()),
        }
    }

    /// A script that an interpreter is given.
    fn file(&mut self, file: &Word, arguments: &[Word], interpreter: &str) -> Result<(), Doubt> {
        match SCRIPTS.iter().find(|script| script.name == base_name(&file.text)) {
            Some(script) => self.script(script, file, arguments, false),
            None => Err(Doubt::Other(interpreter.to_owned())),
        }
    }

    fn script(
        &mut self,
        script: &Script,
        word: &Word,
        arguments: &[Word],
        by_path: bool,
    ) -> Result<(), Doubt> {
        let directories = match script.arguments {
            Arguments::Checked => CHECK_DIRECTORIES,
            Arguments::TierAndKeep | Arguments::None => DIRECTORIES,
        };
        self.is_in(&directories, word, by_path)?;
        let run = |datastore, purpose, read: usize| {
            let words = std::iter::once(word).chain(arguments.iter().take(read));
            let shown = words.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
            Run { datastore, purpose, shown }
        };
        let first = arguments.first().filter(|word| word.literal).map(|word| word.text.as_str());
        self.runs.push(match (script.arguments, script.datastore) {
            (Arguments::Checked, _) | (_, None) => {
                let named = CHECKED.iter().find(|(name, _)| Some(*name) == first);
                let (_, datastore) = named.ok_or(Doubt::Arguments)?;
                run(datastore, Purpose::Check, 1)
            }
            (Arguments::None, Some(datastore)) => {
                run(datastore, Purpose::Backup { tier: Tier::Daily, keeps: Keeps::AsScripted }, 0)
            }
            (Arguments::TierAndKeep, Some(datastore)) => {
                let tier = Tier::ALL.into_iter().find(|tier| Some(tier.name()) == first);
                let tier = tier.ok_or(Doubt::Arguments)?;
                let keeps = keeps(tier, arguments.get(1))?;
                run(datastore, Purpose::Backup { tier, keeps }, 2)
            }
        });
        Ok(())
    }

    /// Whether a script is one that the roles put there.
    fn is_in(&self, directories: &[&str], word: &Word, by_path: bool) -> Result<(), Doubt> {
        if !word.literal {
            return Err(Doubt::Shell);
        }
        if !word.text.contains('/') && by_path {
            let path = self.path.as_deref().unwrap_or_default();
            let is_found = path.split(':').any(|directory| directories.contains(&plain(directory).as_str()));
            return if is_found { Ok(()) } else { Err(Doubt::NotFound) };
        }
        let absolute = match (word.text.starts_with('/'), &self.directory) {
            (true, _) => word.text.clone(),
            (false, Some(directory)) => format!("{directory}/{}", word.text),
            (false, None) => return Err(Doubt::Elsewhere),
        };
        let place = plain(&absolute);
        let directory = place.rsplit_once('/').map_or("", |(directory, _)| directory);
        if directories.contains(&directory) { Ok(()) } else { Err(Doubt::Elsewhere) }
    }
}

impl Wrapper {
    /// The words of the command that it runs, or its options from `-c` on; `None` where there are none.
    fn behind<'a>(&self, words: &'a [Word]) -> Option<&'a [Word]> {
        let mut rest = words;
        while let Some((option, behind)) = rest.split_first().filter(|(word, _)| is_option(word)) {
            if self.name == "env" && (option.text.starts_with("-S") || option.text.starts_with("--split")) {
                return None;
            }
            rest = match self.valued.contains(&option.text.as_str()) {
                true => behind.get(1..)?,
                false => behind,
            };
            if option.text == "--" {
                break;
            }
        }
        rest.get(self.operands..).filter(|rest| !rest.is_empty())
    }
}

/// How long a script keeps what it makes, by its second argument: that of `find -mtime +N`, of hourly backups
/// `find -mmin +N`. find(1) refuses what is no number, and then nothing is ever removed.
fn keeps(tier: Tier, argument: Option<&Word>) -> Result<Keeps, Doubt> {
    let Some(argument) = argument else { return Ok(Keeps::ForEver) };
    if !argument.literal {
        return Err(Doubt::Arguments);
    }
    if argument.text.is_empty() || !argument.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Keeps::ForEver);
    }
    let number = argument.text.parse().unwrap_or(u32::MAX);
    Ok(match tier {
        Tier::Hourly => Keeps::Minutes(number),
        Tier::Daily | Tier::Weekly => Keeps::Days(number),
    })
}

fn is_option(word: &Word) -> bool {
    word.text.len() > 1 && word.text.starts_with('-')
}

/// `NAME=value` in front of a command.
fn is_assignment(word: &Word) -> bool {
    let name = word.text.split_once('=').map_or("", |(name, _)| name);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(is_plain)
}

/// What groups and negates commands.
fn is_bracket(word: &Word) -> bool {
    matches!(word.text.as_str(), "{" | "}" | "!")
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A path without `//`, `.` and `..`; links are not looked at.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
