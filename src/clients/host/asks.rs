//! Asking services on a host: by its own `curl` where it is a machine, over what plays its network where it is a folder. What
//! is asked and what the answer means is [`http`](crate::clients::http)'s.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::shell::Shell;
use super::{Folder, Host, script};
use crate::clients::http::{self, Ask, CONNECT, Said, Unanswered};

/// What the shell and the machine may take besides.
const SLACK: Duration = Duration::from_secs(30);

/// What curl printed for each question: how many places took no connection, and the last one's answer.
pub(super) type Raw = BTreeMap<String, (usize, Vec<u8>)>;

/// What became of each question.
pub(super) type Asked = BTreeMap<String, Result<Said, Unanswered>>;

impl Host {
    /// Asks a service on this host, once.
    pub async fn ask(&self, ask: &Ask) -> Result<Said, Unanswered> {
        match self {
            Host::Folder(folder) => Box::pin(folder.ask(ask)).await,
            Host::Shell(shell) => shell.ask(ask).await,
        }
    }
}

impl Folder {
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Said, Unanswered> {
        match &self.services {
            Some(network) => http::over(network, ask).await,
            None => Err(Unanswered::Nowhere(ask.at.join(" or "))),
        }
    }
}

impl Shell {
    async fn ask(&self, ask: &Ask) -> Result<Said, Unanswered> {
        const KEY: &str = "it";
        let words = words(KEY, ask);
        let words: Vec<&str> = ["ask"].into_iter().chain(words.iter().map(String::as_str)).collect();
        let call = script::quoted(&words).map_err(|error| Unanswered::Host(error.to_string()))?;
        let script = format!("{}\n{call}\n", script::ASK);
        let places = u32::try_from(ask.at.len()).unwrap_or(u32::MAX);
        let limit = ask.limit.saturating_add(CONNECT.saturating_mul(places)).saturating_add(SLACK);
        let (said, _) =
            self.exchange(&script, secret(ask.login.is_some()), limit).await.map_err(Unanswered::Host)?;
        let mut raw = Raw::new();
        for line in String::from_utf8_lossy(&said).lines() {
            if let Some(rest) = line.strip_prefix("asked ") {
                note(&mut raw, rest);
            }
        }
        let unheard = || Unanswered::Host("the host does not tell what was answered".to_owned());
        raw.remove(KEY).map_or_else(|| Err(unheard()), |raw| ended(ask, &raw))
    }
}

/// The first script of a connection travels in an argument, and what has data beside it does not: so is a login kept out.
pub(super) fn secret(has_login: bool) -> Option<&'static [u8]> {
    has_login.then_some(b"")
}

/// The words of `ask` in `ask.sh` for one question.
pub(super) fn words(key: &str, ask: &Ask) -> Vec<String> {
    let configs = ask.at.iter().filter_map(|at| http::config(ask, at));
    std::iter::once(key.to_owned()).chain(configs.map(|config| STANDARD.encode(config))).collect()
}

/// Takes in one line of `ask.sh`, without its first word.
pub(super) fn note(raw: &mut Raw, rest: &str) {
    let mut words = rest.splitn(3, ' ');
    let (Some(key), Some(skipped), coded) = (words.next(), words.next(), words.next().unwrap_or_default())
    else {
        return;
    };
    if let (Ok(skipped), Ok(said)) = (skipped.parse(), STANDARD.decode(coded.trim())) {
        raw.insert(key.to_owned(), (skipped, said));
    }
}

/// What became of every question that was asked with a look.
pub(super) fn all(asks: &BTreeMap<String, Ask>, raw: &Raw) -> Asked {
    let unheard = || Unanswered::Host("the host does not tell what was answered".to_owned());
    let one = |(key, ask): (&String, &Ask)| {
        let said = raw.get(key).map_or_else(|| Err(unheard()), |raw| ended(ask, raw));
        (key.clone(), said)
    };
    asks.iter().map(one).collect()
}

fn ended(ask: &Ask, (skipped, said): &(usize, Vec<u8>)) -> Result<Said, Unanswered> {
    let places: Vec<&String> = ask.at.iter().filter(|at| http::config(ask, at).is_some()).collect();
    if places.is_empty() {
        return Err(http::address(&ask.at.join(" or ")));
    }
    let nowhere = || Unanswered::Nowhere(ask.at.join(" or "));
    let Some(at) = places.get(*skipped) else { return Err(nowhere()) };
    http::ended(ask, at, said).unwrap_or_else(|| Err(nowhere()))
}
