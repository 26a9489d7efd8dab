//! `reconcile alerts test`: sends a message with a short code by every way that alerts take, from every host that they come
//! from, and asks a person for it: only who reads it knows that it arrived. What they say is recorded on those hosts.

use std::io::{BufRead, Write, stderr, stdin};

use clap::{Args, Subcommand};
use futures_util::StreamExt;
use serde_json::json;

use super::environment::{desired, load};
use super::fleet::{self, Wanted, Watched};
use super::place::Place;
use super::run::block_on;
use super::surroundings::Surroundings;
use super::{Exit, Failure, Format, Global, Output, prompt};
use crate::clients::host::Host;
use crate::clients::machine;
use crate::datastores::job_path;
use crate::jobs::Context;
use crate::jobs::tell::test::{self, Tested};
use crate::report::text::{ALARM, BOLD, GREEN, one_line, styled, wrapped};
use crate::settings::Settings;
use crate::vocab::{Datastore, Environment, HostName};
use crate::world::{Hosts, Reach};

/// Letters and digits that nobody takes for each other.
const ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
const LENGTH: usize = 6;

#[derive(Debug, Args)]
pub struct AlertsArgs {
    #[command(subcommand)]
    command: AlertsCommand,
}

#[derive(Debug, Subcommand)]
enum AlertsCommand {
    /// Send a message with a code by every way, and record that it arrived
    Test(TestArgs),
}

#[derive(Clone, Debug, Args)]
struct TestArgs {
    /// Whose alerts, such as postgresql [default: everything]
    datastore: Option<Datastore>,

    /// The code of a message that arrived: nothing is sent, its arrival is recorded
    #[arg(long, value_name = "CODE", value_parser = code)]
    code: Option<String>,

    /// The job file that `apply` wrote on this host [default: /etc/reconcile/ENV/DATASTORE.json]
    #[arg(long = "job", value_name = "FILE", requires = "datastore")]
    job_file: Option<String>,

    /// Set for hosts that are asked to send: the code of all of them
    #[arg(long, hide = true, value_name = "CODE", value_parser = code, conflicts_with = "code")]
    send: Option<String>,

    /// Set for hosts that are asked: who asks
    #[arg(long, hide = true, value_name = "NAME")]
    by: Option<String>,
}

/// What became of a host's part.
struct Part {
    host: HostName,
    datastore: Datastore,
    result: Result<Tested, String>,
}

fn code(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    let is_code = text.len() == LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte));
    if is_code { Ok(text) } else { Err(format!("a code has {LENGTH} letters and digits")) }
}

impl AlertsArgs {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        let AlertsCommand::Test(test) = &self.command;
        out.expect_format("alerts test", &[Format::Text, Format::Json])?;
        test.run(global, out)
    }
}

impl TestArgs {
    /// Exit code 1 where something did not leave, 3 where nobody said that it arrived.
    fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        let place = Place::of(global)?;
        let by_environment = self.job_file.is_none() && global.directory().join("public.yml").exists();
        let all = match by_environment {
            true => All::of_environment(&place, load(global)?, global, self.datastore.as_ref())?,
            false => All::here(&place, global, self.datastore.as_ref(), self.job_file.as_deref())?,
        };
        let by = self.by.clone().unwrap_or_else(machine::user);
        if let Some(code) = &self.code {
            return all.confirm(&place, code, &by, out);
        }
        let code = match &self.send {
            Some(code) => code.clone(),
            None => new_code()?,
        };
        let parts = all.send(&place, &code, &by)?;
        let exit = show(&parts, &place, out);
        if self.send.is_some() || out.format() == Format::Json || exit != Exit::Ok {
            return Ok(exit);
        }
        if parts.iter().all(|part| part.result.as_ref().is_ok_and(|tested| tested.sent.is_empty())) {
            return Err(Failure::failed_with_help(
                "there is no way by which anybody could be told",
                "set alerts.email below backups:, or pings in the vault, and apply",
            ));
        }
        if !prompt::can_ask() {
            out.result(&wrapped(
                "",
                0,
                "When it has arrived, run the same command again with --code CODE, the code that the message tells.",
            ));
            out.result("\n");
            return Ok(Exit::Ok);
        }
        let typed = asked("The code that arrived (nothing if none did): ");
        match code_of(&typed) {
            Some(typed) => all.confirm(&place, &typed, &by, out),
            None => Err(Failure::refused(
                "nobody said that the alert arrived",
                "look where it may have ended (the server's log, the folder of spam), mend it, and test again",
            )),
        }
    }
}

fn code_of(typed: &str) -> Option<String> {
    code(typed).ok()
}

/// One line, as it is typed: a code is no secret.
fn asked(question: &str) -> String {
    let mut line = String::new();
    let mut screen = stderr().lock();
    let _ = screen.write_all(question.as_bytes()).and_then(|()| screen.flush());
    let _ = stdin().lock().read_line(&mut line);
    line
}

fn new_code() -> Result<String, Failure> {
    let token = machine::random_token().map_err(Failure::failed)?;
    let letters = token.as_bytes().chunks(2).take(LENGTH).map(|pair| {
        let number = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        char::from(ALPHABET[usize::from(number.unwrap_or_default()) % ALPHABET.len()])
    });
    Ok(letters.collect())
}

/// Everything whose alerts are tested, and how it is reached.
struct All {
    watched: Vec<(HostName, Datastore, Way)>,
    hosts: Hosts,
    parallel: usize,
}

/// How a datastore's job is reached.
enum Way {
    /// By its job file on this machine, or on a host of the sandbox.
    Near(Option<String>),
    /// By the program on its host.
    Far(Box<Watched>, String),
}

impl All {
    fn of_environment(
        place: &Place,
        settings: Settings,
        global: &Global,
        datastore: Option<&Datastore>,
    ) -> Result<All, Failure> {
        let hosts = place.hosts(&settings, &global.directory());
        let wanted = Wanted { datastore: datastore.cloned() };
        let watched = fleet::watched(&desired(&settings), &wanted);
        if watched.is_empty() {
            return Err(nothing(&settings.environment));
        }
        let way = |one: Watched| {
            let path = job_path(&settings.environment, one.datastore.as_str());
            let is_far = match hosts.get(&one.host) {
                Some(Reach::Machine(Host::Shell(shell))) => !shell.is_here(),
                Some(Reach::Not(_)) | None => true,
                _ => false,
            };
            let (host, datastore) = (one.host.clone(), one.datastore.clone());
            let way = if is_far { Way::Far(Box::new(one), path) } else { Way::Near(Some(path)) };
            (host, datastore, way)
        };
        let watched = watched.into_iter().map(way).collect();
        Ok(All { watched, hosts, parallel: usize::from(global.parallel) })
    }

    fn here(
        place: &Place,
        global: &Global,
        datastore: Option<&Datastore>,
        file: Option<&str>,
    ) -> Result<All, Failure> {
        let host = Surroundings::of(place, global.sandbox_host.as_ref())?;
        let name: HostName = global.sandbox_host.clone().map_or_else(
            || host.hostname.parse().map_err(|error| Failure::failed(format!("{}: {error}", host.hostname))),
            Ok,
        )?;
        let jobs = match datastore {
            Some(datastore) => vec![(datastore.clone(), file.map(str::to_owned))],
            None => host.job_files()?.into_iter().map(|(name, path)| (name, Some(path))).collect(),
        };
        let watched = jobs.into_iter().map(|(datastore, file)| (name.clone(), datastore, Way::Near(file)));
        Ok(All { watched: watched.collect(), hosts: Hosts::default(), parallel: 1 })
    }

    fn send(&self, place: &Place, code: &str, by: &str) -> Result<Vec<Part>, Failure> {
        let parts = self.watched.iter().map(|one| Box::pin(self.send_one(place, one, code, by)));
        block_on(futures_util::stream::iter(parts).buffered(self.parallel.max(1)).collect())
    }

    async fn send_one(
        &self,
        place: &Place,
        (host, datastore, way): &(HostName, Datastore, Way),
        code: &str,
        by: &str,
    ) -> Part {
        let result = match way {
            Way::Near(file) => match near(place, host, datastore, file.as_deref()).await {
                Ok(context) => Box::pin(test::send(&context, code, by)).await.map_err(|error| error.line()),
                Err(why) => Err(why),
            },
            Way::Far(watched, path) => {
                let rest = ["--send", code, "--by", by, "--output", "json"];
                let words = watched.words(&["alerts", "test"], path, &rest);
                let ran = fleet::host_run(self.hosts.get(host), &watched.user, &words).await;
                ran.and_then(|ran| sent(&ran.output))
            }
        };
        Part { host: host.clone(), datastore: datastore.clone(), result }
    }

    async fn confirm_one(
        &self,
        place: &Place,
        (host, datastore, way): &(HostName, Datastore, Way),
        code: &str,
        by: &str,
    ) -> Result<(), String> {
        match way {
            Way::Near(file) => {
                let context = near(place, host, datastore, file.as_deref()).await?;
                let confirmed = Box::pin(test::confirm(&context, code, by)).await;
                confirmed.map(|_| ()).map_err(|error| error.line())
            }
            Way::Far(watched, path) => {
                let words = watched.words(&["alerts", "test"], path, &["--code", code, "--by", by]);
                let ran = fleet::host_run(self.hosts.get(host), &watched.user, &words).await?;
                if ran.succeeded { Ok(()) } else { Err(one_line(ran.output.trim())) }
            }
        }
    }

    /// Records that a test arrived, wherever this code was sent from.
    fn confirm(&self, place: &Place, code: &str, by: &str, out: &mut Output) -> Result<Exit, Failure> {
        let each = self.watched.iter().map(|one| Box::pin(self.confirm_one(place, one, code, by)));
        let confirmed: Vec<Result<(), String>> =
            block_on(futures_util::stream::iter(each).buffered(self.parallel.max(1)).collect())?;
        let mut exit = Exit::Ok;
        let mut parts = Vec::new();
        let mut text = String::new();
        for ((host, datastore, _), result) in self.watched.iter().zip(confirmed) {
            let about = format!("{datastore} on {host}");
            match &result {
                Ok(()) => text.push_str(&format!("{} {about}: the alert arrived\n", styled(GREEN, "+"))),
                Err(why) => {
                    exit = Exit::Failed;
                    let line = format!("{about}: {}", one_line(why));
                    text.push_str(&format!("{}\n", wrapped(&format!("{} ", styled(ALARM, "!")), 2, &line)));
                }
            }
            parts.push(json!({"host": host.to_string(), "datastore": datastore.to_string(),
                              "confirmed": result.is_ok(), "error": result.err()}));
        }
        match out.format() {
            Format::Json => out.json(&json!({"format": "reconcile.alerts-confirmed/1", "alerts": parts})),
            _ => out.result(&text),
        }
        Ok(exit)
    }
}

fn nothing(environment: &Environment) -> Failure {
    Failure::failed_with_help(
        format!("no host of environment {environment} backs that up"),
        "`reconcile show settings` tells which datastores are on, and where",
    )
}

async fn near(
    place: &Place,
    host: &HostName,
    datastore: &Datastore,
    file: Option<&str>,
) -> Result<Context, String> {
    let surroundings = Surroundings::of(place, Some(host)).map_err(|failure| failure.to_text())?;
    let context = Box::pin(surroundings.context(file, datastore)).await;
    context.map_err(|failure| failure.to_text())
}

/// What a host says of its part: `reconcile.alerts-test/1` with one item.
fn sent(output: &str) -> Result<Tested, String> {
    let document = output.match_indices('{').find_map(|(at, _)| {
        let mut stream =
            serde_json::Deserializer::from_str(output.get(at..)?).into_iter::<serde_json::Value>();
        stream.next()?.ok().filter(|value| value.get("format").is_some())
    });
    let first = document.as_ref().and_then(|document| document.get("alerts")?.get(0));
    let text = |name: &str| {
        let list = first.and_then(|first| first.get(name)?.as_array()).into_iter().flatten();
        list.filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let at = first.and_then(|first| first.get("at")?.as_str()?.parse().ok());
    match at {
        Some(at) => Ok(Tested { at, sent: text("sent"), failed: text("failed") }),
        None => Err(one_line(output.trim())),
    }
}

fn show(parts: &[Part], place: &Place, out: &mut Output) -> Exit {
    let mut exit = Exit::Ok;
    let mut text = place.banner();
    let mut items = Vec::new();
    for part in parts {
        let Part { host, datastore, result } = part;
        text.push_str(&format!("{}\n", styled(BOLD, format_args!("{datastore} on {host}"))));
        let mut wrong = |why: &str| {
            exit = Exit::Failed;
            text.push_str(&format!(
                "{}\n",
                wrapped(&format!("  {} ", styled(ALARM, "!")), 4, &one_line(why))
            ));
        };
        match result {
            Ok(Tested { at, sent, failed }) => {
                failed.iter().for_each(|why| wrong(why));
                for way in sent {
                    text.push_str(&format!("  {} {} left\n", styled(GREEN, "+"), one_line(way)));
                }
                items.push(json!({"host": host.to_string(), "datastore": datastore.to_string(),
                                  "at": at.to_rfc3339(), "sent": sent, "failed": failed, "error": null}));
            }
            Err(why) => {
                wrong(why);
                items.push(json!({"host": host.to_string(), "datastore": datastore.to_string(),
                                  "at": null, "sent": [], "failed": [], "error": why}));
            }
        }
    }
    if let Place::Sandbox(sandbox) = place {
        let note = format!(
            "Nothing leaves a sandbox: its letters and pings are files in {}.",
            sandbox.outbox().display()
        );
        text.push_str(&format!("\n{}\n", wrapped("", 0, &note)));
    }
    match out.format() {
        Format::Json => out.json(&json!({"format": "reconcile.alerts-test/1", "alerts": items})),
        _ => out.result(&text),
    }
    exit
}
