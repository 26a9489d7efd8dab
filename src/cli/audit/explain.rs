//! `reconcile audit explain`: may this happen, and by which statements.
//!
//! Either a request brings all its policies, or the account (live, or an export of it) has them.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value as Json;

use super::look;
use crate::audit::{Asked, Evidence, Terms, question};
use crate::cli::environment::{desired, load};
use crate::cli::place::Place;
use crate::cli::{Exit, Failure, Format, Global, Output};
use crate::policy::{Question, Questions};
use crate::report;
use crate::vocab::BucketName;

/// Some thousand requests with all their policies; more is a mistake.
const MAX_BYTES: u64 = 64 << 20;

/// What `audit explain` is asked.
#[derive(Debug, Args)]
pub struct Explain {
    /// Who: an ARN, user/NAME or role/NAME of the account, a service, or * for anybody
    #[arg(long, required_unless_present = "request")]
    principal: Option<String>,

    /// Such as s3:PutBucketVersioning
    #[arg(long, required_unless_present = "request")]
    action: Option<String>,

    /// An ARN, or * for an action that has no resource
    #[arg(long, required_unless_present = "request")]
    resource: Option<String>,

    /// A condition key of the request, repeatable; what is not given is absent
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,

    /// The policies of an export of the account in DIR; no call is made
    #[arg(long, value_name = "DIR")]
    account_export: Option<PathBuf>,

    /// Requests as JSON, one or a list; - is standard input. Each with all its policies (reconcile.request/1), or,
    /// with --account-export, principal, action, resource and context alone
    #[arg(long, value_name = "FILE", conflicts_with_all = ["principal", "action", "resource", "context"])]
    request: Option<PathBuf>,
}

impl Explain {
    /// Answers. Whatever the answer, it is a success to have one.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("audit explain", &[Format::Text, Format::Json])?;
        let questions = match (&self.request, &self.account_export) {
            (Some(request), None) => complete(request)?,
            (Some(request), Some(export)) => {
                let evidence = look::exported(export, None)?;
                let (name, text) = text(request)?;
                asked_in(&text, &evidence).map_err(|why| Failure::failed(format!("{name}: {why}")))?
            }
            (None, export) => {
                let asked = self.asked()?;
                let evidence = match export {
                    Some(export) => look::exported(export, None)?,
                    None => live(global, &asked)?,
                };
                let question = question(&evidence, &asked).map_err(Failure::failed)?;
                Questions::One(Box::new(question))
            }
        };
        match (out.format(), questions) {
            (Format::Json, Questions::One(question)) => out.json(&json(&question)),
            (Format::Json, Questions::Many(list)) => out.json(&list.iter().map(json).collect()),
            (_, Questions::One(question)) => out.result(&told(&question)),
            (_, Questions::Many(list)) => {
                let told: Vec<String> = list.iter().map(told).collect();
                out.result(&told.join("\n"));
            }
        }
        Ok(Exit::Ok)
    }

    /// The question that stands on the command line.
    fn asked(&self) -> Result<Asked, Failure> {
        let mut context = std::collections::BTreeMap::new();
        for pair in &self.context {
            let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                return Err(Failure::usage(format!("--context: `{pair}` is not KEY=VALUE")));
            };
            let values = context.entry(key.to_owned()).or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(values) = values {
                values.push(value.into());
            }
        }
        Ok(Asked {
            principal: self.principal.clone().unwrap_or_default(),
            action: self.action.clone().unwrap_or_default(),
            resource: self.resource.clone().unwrap_or_default(),
            resource_account: None,
            context,
        })
    }
}

/// Requests that bring all their policies.
fn complete(request: &Path) -> Result<Questions, Failure> {
    let (name, text) = text(request)?;
    Questions::parse(&text).map_err(|error| {
        Failure::failed_with_help(
            format!("{name}: {error}"),
            "what a request holds is in docs/scripting.md, and in `reconcile schema request`",
        )
    })
}

/// Requests whose policies the account has.
fn asked_in(text: &str, evidence: &Evidence) -> Result<Questions, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let ask = |json: Json| {
        let asked: Asked = serde_json::from_value(json).map_err(|error| error.to_string())?;
        question(evidence, &asked)
    };
    match json {
        Json::Array(list) => {
            let each = list.into_iter().enumerate();
            let each =
                each.map(|(index, json)| ask(json).map_err(|why| format!("request {}: {why}", index + 1)));
            each.collect::<Result<_, _>>().map(Questions::Many)
        }
        one => ask(one).map(|question| Questions::One(Box::new(question))),
    }
}

/// The account of the environment, and of its buckets the one that is asked about.
fn live(global: &Global, asked: &Asked) -> Result<Evidence, Failure> {
    let settings = load(global)?;
    let place = Place::of(global)?;
    let mut terms: Terms = look::terms(&settings, &desired(&settings));
    let name = asked.resource.split(":s3:::").nth(1).and_then(|rest| rest.split('/').next());
    let name = name.and_then(|name| name.parse::<BucketName>().ok());
    let of_name = name.map(|name| (name.clone(), terms.buckets.remove(&name).unwrap_or_default()));
    terms.buckets = of_name.into_iter().collect();
    look::evidence(global, &place, &settings, &mut terms, None)
}

fn text(request: &Path) -> Result<(String, String), Failure> {
    let mut text = String::new();
    let (name, read) = if request == Path::new("-") {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Failure::usage("which request? Give it as a file, or on standard input"));
        }
        ("standard input".to_owned(), stdin.take(MAX_BYTES + 1).read_to_string(&mut text))
    } else {
        let file = std::fs::File::open(request);
        let read = file.and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
        (request.display().to_string(), read)
    };
    read.map_err(|error| Failure::failed(format!("{name} cannot be read: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Failure::failed(format!("{name} is larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok((name, text))
}

fn told(question: &Question) -> String {
    report::decision::text(question, &question.decide())
}

fn json(question: &Question) -> Json {
    report::decision::json(question, &question.decide())
}
