//! How a host is reached: `ansible_host` and the like, checked, since they end up in the arguments of ssh.
//!
//! Where an older name of a variable is set as well, it wins, as in ansible-core's ssh plugin. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::Scope;
use crate::settings::checks::table;
use crate::settings::scalar::{Meaning, Scalar, Style, whole};
use crate::settings::source::{Mark, Source};
use crate::settings::template::{self, Variables};
use crate::settings::tree::{Content, Map, Node};
use crate::settings::values::shown;
use crate::settings::{Connection, Inventory, InventoryHost};
use crate::vocab::{HostName, OsUser, Problem};

const HOST: &[&str] = &["ansible_host", "ansible_ssh_host"];
const PORT: &[&str] = &["ansible_port", "ansible_ssh_port"];
const USER: &[&str] = &["ansible_user", "ansible_ssh_user"];
const KEY: &[&str] = &["ansible_private_key_file", "ansible_ssh_private_key_file"];
const METHOD: &[&str] = &["ansible_connection"];

/// Fills in how each host is reached.
///
/// Errors: values that no connection could use, on hosts that back something up; on other hosts they are warnings, and
/// so is everywhere what only Ansible can evaluate. Either way the host says why it cannot be reached.
///
/// `own` is `public.yml`, which outweighs every inventory.
pub fn connect(
    inventory: &mut Inventory,
    own: (&Source, &Map),
    variables: &Variables<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut told = BTreeSet::new();
    for host in inventory.hosts.values_mut() {
        let scope = host.scope.clone();
        let mut faults = Vec::new();
        fill(host, &Lookup { scope: &scope, own, variables }, &mut faults);
        for fault in faults {
            host.cannot_connect.get_or_insert(fault.why.clone());
            let is_certain = host.backs_up && !fault.is_unknown;
            let check = if is_certain { table::BAD_CONNECTION } else { table::UNUSABLE_HOST };
            // A group's variable is wrong once, however many hosts have it.
            if told.insert((check.name, fault.source.name.clone(), fault.mark.line, fault.why.clone())) {
                problems.push(fault.source.problem(check, &fault.mark, fault.why).at_key(fault.name));
            }
        }
        if let Connection::Other(name) = &host.connection {
            let why = format!("ansible_connection is `{}`, and only ssh and local are spoken", shown(name));
            host.cannot_connect.get_or_insert(why);
        }
    }
}

fn fill(host: &mut InventoryHost, lookup: &Lookup<'_>, faults: &mut Vec<Fault>) {
    host.address = lookup.read(HOST, faults, |text, _| {
        text.parse::<HostName>().map_err(|why| format!("`{}` is no host to connect to: {why}", shown(text)))
    });
    host.port = lookup.read(PORT, faults, |text, scalar| {
        let number = match scalar.meaning() {
            Meaning::Int(number) => Some(number),
            _ => whole(text),
        };
        let port = number.and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
        port.ok_or_else(|| format!("`{}` is no port: one is a number from 1 to 65535", shown(text)))
    });
    host.user = lookup.read(USER, faults, |text, _| {
        text.parse::<OsUser>().map_err(|why| format!("`{}` is no user to connect as: {why}", shown(text)))
    });
    host.private_key = lookup.read(KEY, faults, |text, _| {
        let is_path =
            !text.starts_with('-') && !text.contains(|c: char| c.is_control() || "'\"`$;|&<>".contains(c));
        let why = || format!("`{}` is no path of a key: a shell or ssh would read it as more", shown(text));
        is_path.then(|| text.to_owned()).ok_or_else(why)
    });
    let method = lookup.read(METHOD, faults, |text, _| {
        Ok(match text.strip_prefix("ansible.builtin.").unwrap_or(text) {
            "local" => Connection::Local,
            "ssh" | "smart" | "paramiko" | "paramiko_ssh" => Connection::Ssh,
            _ => Connection::Other(text.to_owned()),
        })
    });
    host.connection = method.unwrap_or_default();
}

/// A value that cannot be used.
struct Fault {
    name: &'static str,
    source: Source,
    mark: Mark,
    why: String,
    /// Ansible may know better: it evaluates more, and opens more.
    is_unknown: bool,
}

/// The server that each of these hosts reads its backups from, where `pg_backup_from` names one.
pub fn read_from(
    inventory: &Inventory,
    hosts: &[HostName],
    variables: &Variables<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<HostName, HostName> {
    const NAME: &str = "pg_backup_from";
    let mut found = BTreeMap::new();
    let mut told = BTreeSet::new();
    for host in hosts {
        let Some(scope) = inventory.hosts.get(host).map(|host| &host.scope) else { continue };
        let Some(variable) = scope.get(NAME) else { continue };
        let from = match scalar(&variable.node, scope, variables) {
            Ok(scalar) if scalar.meaning() == Meaning::Null || scalar.text.trim().is_empty() => continue,
            Ok(scalar) => scalar
                .text
                .trim()
                .parse::<HostName>()
                .map_err(|_| format!("{NAME} must name a host, the server to read from")),
            Err(why) => Err(format!("{NAME} {why}")),
        };
        match from {
            Ok(from) => _ = found.insert(host.clone(), from),
            Err(why) => {
                if told.insert((variable.source.name.clone(), variable.mark.line, why.clone())) {
                    problems.push(variable.source.problem(table::BAD_NAME, &variable.mark, why).at_key(NAME));
                }
            }
        }
    }
    found
}

struct Lookup<'a> {
    scope: &'a Scope,
    own: (&'a Source, &'a Map),
    variables: &'a Variables<'a>,
}

impl Lookup<'_> {
    /// The last of these variables that is set, checked.
    fn read<T>(
        &self,
        names: &[&'static str],
        faults: &mut Vec<Fault>,
        check: impl Fn(&str, &Scalar) -> Result<T, String>,
    ) -> Option<T> {
        names
            .iter()
            .rev()
            .find_map(|name| {
                let (source, mark, node) = match (self.own.1.get(name), self.scope.get(name)) {
                    (Some(entry), _) => (self.own.0, &entry.key_mark, &entry.value),
                    (None, Some(variable)) => (&variable.source, &variable.mark, &variable.node),
                    (None, None) => return None,
                };
                let result = match scalar(node, self.scope, self.variables) {
                    Ok(scalar) if scalar.text.trim().is_empty() || scalar.meaning() == Meaning::Null => {
                        return None;
                    }
                    Ok(scalar) => check(scalar.text.trim(), &scalar),
                    Err(why) => Err(format!("{name} {why}")),
                };
                let is_unknown = match &node.content {
                    Content::Scalar(scalar) => scalar.is_template(),
                    content => matches!(content, Content::Vaulted(_)),
                };
                Some(result.map_err(|why| {
                    faults.push(Fault { name, source: source.clone(), mark: mark.clone(), why, is_unknown });
                }))
            })?
            .ok()
    }
}

/// The single value of a variable on a host, its template evaluated; the error says what is wrong with it.
fn scalar(node: &Node, scope: &Scope, variables: &Variables<'_>) -> Result<Scalar, String> {
    match &node.content {
        Content::Scalar(scalar) if scalar.is_template() => {
            match template::render_on(&scalar.text, variables, Some(scope)) {
                Ok((text, _)) => Ok(Scalar { text, style: Style::Quoted }),
                Err(why) => Err(format!("has no value here: {why}")),
            }
        }
        Content::Scalar(scalar) => Ok(scalar.clone()),
        Content::Vaulted(_) => Err("is encrypted, and plans show how hosts are reached".to_owned()),
        Content::List(_) | Content::Map(_) => Err("must be one value, and is a collection".to_owned()),
    }
}
