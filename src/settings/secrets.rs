//! The secrets of an environment, found in its vault, in inline `!vault` values, or in plain.
//!
//! Must never put plain text into a problem: what it says of a vault is a place and a key at most.

use super::checks::table;
use super::plain_secrets;
use super::source::Source;
use super::tree::{self, Content, Map, Node, Parsed};
use super::vault::{self, Closed, Envelope, Keyring};
use super::{S3Keys, Secrets, Vault};
use crate::vocab::{Login, Place, Problem, Secret};

/// Where keys may stand besides the top: commcare-cloud had them there at one time or another.
const HOUSES: [&str; 2] = ["localsettings_private", "secrets"];
const ACCESS_KEY: &str = "AMAZON_S3_ACCESS_KEY";
const SECRET_KEY: &str = "AMAZON_S3_SECRET_KEY";
/// The users of PostgreSQL: settings call them so, and vaults of commcare-cloud in capitals.
const POSTGRES_USERS: [&str; 2] = ["postgres_users", "POSTGRES_USERS"];
/// The password of `sudo`, as commcare-cloud and as Ansible call it.
const SUDO: [&str; 3] = ["ansible_sudo_pass", "ansible_become_password", "ansible_become_pass"];

/// The files that may hold secrets.
pub struct Inputs<'a> {
    /// `vault.yml`.
    pub vault: Option<Source>,
    pub public: (&'a Source, &'a Map),
    /// Those of `group_vars/all`, the one that wins first.
    pub group_vars: Vec<Source>,
    pub keyring: &'a Keyring,
}

/// Opens what is encrypted as far as the passwords allow, in Ansible's order of precedence: `vault.yml`, `public.yml`,
/// `group_vars/all`.
///
/// Errors: a password that cannot be had or is wrong, a damaged envelope, plain text that is not YAML. A vault without
/// a password is no error: it is locked.
pub fn open(inputs: Inputs<'_>, problems: &mut Vec<Problem>) -> Vault {
    let Inputs { vault, public: (public_source, public), group_vars, keyring } = inputs;
    let is_absent = vault.is_none();
    let mut finder = Finder { keyring, sealed: Vec::new(), besides: Secrets::default(), problems };
    let found = finder.in_files(vault, (public_source, public), group_vars);
    let besides = std::mem::take(&mut finder.besides);
    let digest = vault::digest(&finder.sealed.join("\0"));
    match found {
        Answer::Keys(keys) => Vault::Open { secrets: Secrets { s3: Some(keys), ..besides }, digest },
        Answer::Locked(file) => Vault::Locked { file, digest },
        Answer::Nothing if is_absent && finder.sealed.is_empty() => Vault::Absent,
        Answer::Nothing => Vault::Open { secrets: besides, digest },
    }
}

/// What a file says of the keys.
enum Answer {
    Keys(S3Keys),
    /// This file wants a password.
    Locked(String),
    Nothing,
}

/// One value.
enum Found {
    Secret(Secret),
    Locked,
    Nothing,
}

struct Finder<'a> {
    keyring: &'a Keyring,
    /// What is encrypted, in the order in which it was met: a digest of it names this version of the secrets.
    sealed: Vec<String>,
    /// Everything but the keys: the first of each in the files that were opened.
    besides: Secrets,
    problems: &'a mut Vec<Problem>,
}

impl Finder<'_> {
    fn in_files(
        &mut self,
        vault: Option<Source>,
        public: (&Source, &Map),
        group_vars: Vec<Source>,
    ) -> Answer {
        if let Some(source) = &vault {
            let answer = self.in_vault(source);
            if !matches!(answer, Answer::Nothing) {
                return answer;
            }
        }
        let (source, map) = public;
        let mut answer = self.keys(source, map, Hidden::InPublic);
        let mut rest = group_vars.iter();
        while let (Answer::Nothing, Some(source)) = (&answer, rest.next()) {
            answer = self.in_file(source, Hidden::No);
        }
        answer
    }

    /// `vault.yml`, in which nothing should be plain.
    fn in_vault(&mut self, source: &Source) -> Answer {
        if !vault::is_envelope(source.text.as_bytes()) {
            self.sealed.push(source.text.trim().to_owned());
        }
        self.in_file(source, Hidden::InVault)
    }

    /// A file that is encrypted as a whole, or not at all, or in parts.
    fn in_file(&mut self, source: &Source, hidden: Hidden) -> Answer {
        if !vault::is_envelope(source.text.as_bytes()) {
            let Parsed { mut map, problems, .. } = tree::parse(source);
            // What else is wrong in variables of a group is told where the inventory is read.
            if hidden == Hidden::InVault {
                self.problems.extend(problems.into_iter().map(|fault| anonymous(fault, false)));
                self.problems.extend(plain_secrets::warnings(source, &map));
            }
            let answer = self.keys(source, &map, hidden);
            map.entries.iter_mut().for_each(|entry| entry.value.wipe());
            return answer;
        }
        self.sealed.push(source.text.trim().to_owned());
        let mut plain = match self.opened(source) {
            Ok(plain) => plain,
            Err(problem) => {
                self.problems.extend(problem.map(|problem| *problem));
                return Answer::Locked(source.name.to_string());
            }
        };
        let Parsed { mut map, problems, .. } = tree::parse(&plain);
        plain.wipe();
        self.problems.extend(problems.into_iter().map(|fault| anonymous(fault, true)));
        let answer = self.keys(source, &map, Hidden::Yes);
        map.entries.iter_mut().for_each(|entry| entry.value.wipe());
        answer
    }

    /// The plain text of a whole vault; `Err(None)` where it is locked.
    fn opened(&self, source: &Source) -> Result<Source, Option<Box<Problem>>> {
        let header = Place { file: source.name.clone(), line: 1, column: 1 };
        let closed = |closed: Closed| closed.problem(&header).map(Box::new);
        let envelope = Envelope::parse(&source.text).map_err(|error| closed(Closed::Damaged(error)))?;
        let opened = self.keyring.open(&envelope).map_err(closed)?;
        match std::str::from_utf8(&opened.text) {
            Ok(text) => Ok(Source::new(&source.name, text)),
            Err(_) => {
                let message = "what is encrypted is not UTF-8, so it cannot be settings";
                Err(Some(Box::new(source.problem(table::VAULT_DAMAGED, &source.mark_at(0, 0), message))))
            }
        }
    }

    /// The keys of one file. One that only names templates is as good as none.
    fn keys(&mut self, source: &Source, top: &Map, hidden: Hidden) -> Answer {
        self.find_sudo(source, top, hidden);
        if self.find_of_jobs(source, top, hidden) {
            return Answer::Locked(source.name.to_string());
        }
        let houses = HOUSES.iter().filter_map(|house| top.get(house)?.value.as_map());
        for map in std::iter::once(top).chain(houses) {
            let (Some(access), Some(secret)) = (map.get(ACCESS_KEY), map.get(SECRET_KEY)) else { continue };
            let access = self.secret(source, &access.value, ACCESS_KEY, hidden);
            if let Found::Locked = access {
                return Answer::Locked(source.name.to_string());
            }
            match (access, self.secret(source, &secret.value, SECRET_KEY, hidden)) {
                (_, Found::Locked) => return Answer::Locked(source.name.to_string()),
                (Found::Secret(access_key), Found::Secret(secret_key)) => {
                    return Answer::Keys(S3Keys { access_key, secret_key });
                }
                _ => {}
            }
        }
        Answer::Nothing
    }

    /// The password of `sudo` on the hosts. Without it hosts that ask for one are told, each as unreachable.
    fn find_sudo(&mut self, source: &Source, top: &Map, hidden: Hidden) {
        if self.besides.sudo.is_some() {
            return;
        }
        let houses = HOUSES.iter().filter_map(|house| top.get(house)?.value.as_map());
        for (map, key) in std::iter::once(top).chain(houses).flat_map(|map| SUDO.map(|key| (map, key))) {
            if let Some(entry) = map.get(key)
                && let Found::Secret(secret) = self.secret(source, &entry.value, key, hidden)
            {
                self.besides.sudo = Some(secret);
                return;
            }
        }
    }

    /// What jobs need besides their keys; whether any of it is locked.
    fn find_of_jobs(&mut self, source: &Source, top: &Map, hidden: Hidden) -> bool {
        let houses = HOUSES.iter().filter_map(|house| top.get(house)?.value.as_map());
        let maps: Vec<&Map> = std::iter::once(top).chain(houses).collect();
        let mut locked = false;
        let mut find = |finder: &mut Self, path: &[&str]| {
            let node = maps.iter().find_map(|map| map.at(path))?;
            // A user's name in plain is nothing to be warned of.
            let is_name = path.last().is_some_and(|key| key.to_ascii_lowercase().ends_with("username"));
            let hidden = if is_name && node.as_scalar().is_some() { Hidden::Yes } else { hidden };
            match finder.secret(source, node, &path.join("."), hidden) {
                Found::Secret(secret) => Some(secret),
                Found::Locked => {
                    locked = true;
                    None
                }
                Found::Nothing => None,
            }
        };
        if self.besides.pings.success.is_none() {
            self.besides.pings.success = find(self, &["pings", "success"]);
        }
        if self.besides.pings.failure.is_none() {
            self.besides.pings.failure = find(self, &["pings", "failure"]);
        }
        let mut login = |finder: &mut Self, username: &[&str], password: &[&str]| {
            let (username, password) = find(finder, username).zip(find(finder, password))?;
            Some(Login { username, password })
        };
        if self.besides.smtp.is_none() {
            self.besides.smtp = login(self, &["smtp", "username"], &["smtp", "password"]);
        }
        for users in POSTGRES_USERS {
            if self.besides.logins.backup.is_none() {
                let found = login(self, &[users, "backup", "username"], &[users, "backup", "password"]);
                self.besides.logins.backup = found;
            }
            if self.besides.logins.replication.is_none() {
                let found =
                    login(self, &[users, "replication", "username"], &[users, "replication", "password"]);
                self.besides.logins.replication = found;
            }
        }
        if self.besides.logins.elasticsearch.is_none() {
            let found = login(self, &["elasticsearch", "username"], &["elasticsearch", "password"]);
            self.besides.logins.elasticsearch = found;
        }
        if self.besides.logins.couch.is_none() {
            self.besides.logins.couch = login(self, &["COUCH_USERNAME"], &["COUCH_PASSWORD"]);
        }
        locked
    }

    fn secret(&mut self, source: &Source, node: &Node, key: &str, hidden: Hidden) -> Found {
        match &node.content {
            Content::Scalar(scalar) if scalar.text.is_empty() || scalar.is_template() => Found::Nothing,
            Content::Scalar(scalar) => {
                if hidden == Hidden::No {
                    self.problems.push(plain_secrets::warning(source, node, key, key));
                }
                Found::Secret(Secret::new(scalar.text.as_str()))
            }
            Content::Vaulted(envelope) => self.inline(source, node, envelope, key, hidden),
            Content::List(_) | Content::Map(_) => Found::Nothing,
        }
    }

    fn inline(&mut self, source: &Source, node: &Node, text: &str, key: &str, hidden: Hidden) -> Found {
        // The vault's text is counted already, as a whole.
        if hidden == Hidden::No || hidden == Hidden::InPublic {
            self.sealed.push(text.trim().to_owned());
        }
        let header = match hidden {
            // Places in what is encrypted mean nothing to a person.
            Hidden::Yes => Place { file: source.name.clone(), line: 1, column: 1 },
            Hidden::No | Hidden::InVault | Hidden::InPublic => header(source, node),
        };
        let opened =
            Envelope::parse(text).map_err(Closed::Damaged).and_then(|envelope| self.keyring.open(&envelope));
        match opened.as_ref().map(|opened| std::str::from_utf8(&opened.text)) {
            // `echo` ends a text with a newline that no key has.
            Ok(Ok(text)) => match text.trim_end_matches(['\r', '\n']) {
                "" => Found::Nothing,
                text => Found::Secret(Secret::new(text)),
            },
            Ok(Err(_)) => {
                let message = format!("what is encrypted here is not UTF-8, so {key} cannot be read");
                let problem = Problem {
                    place: Some(header),
                    ..source.problem(table::VAULT_DAMAGED, &node.mark, message)
                };
                self.problems.push(Problem { span: None, ..problem }.at_key(key));
                Found::Locked
            }
            Err(closed) => {
                self.problems.extend(closed.problem(&header).map(|problem| problem.at_key(key)));
                Found::Locked
            }
        }
    }
}

/// Whether the plain values of a file can be read by everybody who has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    /// The file was encrypted as a whole.
    Yes,
    No,
    /// They can, and all of them are warned of, whether they are keys or not.
    InVault,
    /// They can, and another check looks for them.
    InPublic,
}

/// Where the header of an inline value stands: lines of a block follow the key's.
fn header(source: &Source, node: &Node) -> Place {
    let start = node.mark.span.start;
    let below = source.text.get(start..).unwrap_or_default();
    match below.find("$ANSIBLE_VAULT") {
        Some(offset) => source.place(&source.mark_at(start + offset, start + offset)),
        None => source.place(&node.mark),
    }
}

/// A problem of decrypted text keeps its line and loses everything that quotes the text.
fn anonymous(fault: Problem, whole: bool) -> Problem {
    if !whole {
        // The words of a plain vault are secrets all the same.
        return Problem { span: None, label: None, key: None, message: veiled(&fault), ..fault };
    }
    let line = fault.place.as_ref().map_or(0, |place| place.line);
    let message = format!("line {line} of what is encrypted: {}", veiled(&fault));
    Problem { place: None, span: None, label: None, key: None, message, ..fault }
}

/// What is wrong without the words it is wrong with.
fn veiled(fault: &Problem) -> String {
    let mut message = String::new();
    for (index, part) in fault.message.split('`').enumerate() {
        message.push_str(if index % 2 == 0 { part } else { "(secret)" });
    }
    message
}
