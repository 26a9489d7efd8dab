//! `reconcile restore`: takes a backup back, here or into a directory; shows what it will do and asks for the backup's
//! name before anything is replaced.

use std::path::PathBuf;

use clap::Args;

use super::on_host::{OnHost, Which};
use super::place::Place;
use super::run::block_on;
use super::surroundings::Surroundings;
use super::{Exit, Failure, Format, Global, Output, prompt};
use crate::datastores::couchdb::job::Address;
use crate::jobs::restore::{self, Url};
use crate::jobs::{Context, snapshot};
use crate::report;
use crate::vocab::{Datastore, Login, Secret};

/// Restores a datastore's backup on this host, or any object of S3 into a directory.
#[derive(Clone, Debug, Args)]
pub struct Restore {
    /// What was backed up, such as postgresql; or s3://BUCKET/KEY, with ?versionId=V for one version
    pub what: String,

    #[command(flatten)]
    pub which: Which,

    /// Restore into this directory, which is empty or not there yet, and leave the present data alone; of Elasticsearch: what
    /// stands before the names of the restored indices
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,

    /// Do what is left once the restored data is in use again: CouchDB's maps of shards name this node
    #[arg(long, conflicts_with_all = ["name", "before", "to", "confirm"])]
    pub after_start: bool,

    /// Where CouchDB answers [default: as its configuration says, else http://127.0.0.1:5984]
    #[arg(long, value_name = "URL", requires = "after_start")]
    pub url: Option<String>,

    /// Where its node answers, before version 3 [default: the same, else http://127.0.0.1:5986]
    #[arg(long, value_name = "URL", requires = "url")]
    pub node_url: Option<String>,

    /// The administrator, whose password is asked for [default: COUCH_USERNAME of the vault]
    #[arg(long, value_name = "NAME", requires = "after_start")]
    pub login: Option<String>,

    /// Do not ask: the name of the backup that is to replace the present data
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,

    #[command(flatten)]
    pub of: OnHost,
}

impl Restore {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("restore", &[Format::Text, Format::Json])?;
        let place = Place::of(global)?;
        if self.what.starts_with("s3://") && self.after_start {
            return Err(Failure::usage("--after-start is of a datastore: what S3 holds does not run"));
        }
        if self.what.starts_with("s3://") {
            return block_on(Box::pin(self.of_url(&place, out)))?;
        }
        let datastore: Datastore = self.what.parse().map_err(|error| {
            Failure::usage(format!("`{}` is neither a datastore nor s3://..: {error}", self.what))
        })?;
        let (host, job_file) = self.of.find("restore", &place, global, &datastore)?;
        block_on(Box::pin(self.here(&place, &host, job_file.as_deref(), &datastore, out)))?
    }

    async fn here(
        &self,
        place: &Place,
        host: &Surroundings,
        job_file: Option<&str>,
        datastore: &Datastore,
        out: &mut Output,
    ) -> Result<Exit, Failure> {
        let context = Box::pin(host.context(job_file, datastore)).await?;
        if self.after_start {
            return Box::pin(self.settle(place, context, out)).await;
        }
        if snapshot::is_of(&context) {
            return self.snapshot(place, &context, datastore, out).await;
        }
        let earlier = Box::pin(host.earlier(job_file, datastore)).await?;
        let to = match &self.to {
            Some(to) => Some(std::path::absolute(to).map_err(|error| Failure::usage(error.to_string()))?),
            None => None,
        };
        let ready = Box::pin(restore::prepare(&context, &earlier, &self.which.wanted(), to)).await?;
        if out.format() == Format::Text {
            out.result(&place.banner());
            out.result(&report::restore::ready(&ready, datastore, &context.job.host));
        }
        if ready.in_place {
            self.agreed(&ready.chosen.name, &ready.home.display().to_string())?;
        }
        let restored = Box::pin(ready.carry_out(&context)).await?;
        match out.format() {
            Format::Json => out.json(&report::restore::restored_json(&restored)),
            _ => out.result(&report::restore::restored(&restored)),
        }
        Ok(Exit::Ok)
    }

    /// What is left once it runs.
    async fn settle(&self, place: &Place, mut context: Context, out: &mut Output) -> Result<Exit, Failure> {
        if place.is_sandbox() {
            return Err(Failure::usage(
                "a sandbox plays no CouchDB: nothing runs there that could be settled",
            ));
        }
        context.couchdb.address =
            self.url.clone().map(|url| Address { url, node_url: self.node_url.clone() });
        if let Some(name) = &self.login {
            let password = prompt::hidden(&format!("Password of {name}: ")).map_err(Failure::failed)?;
            let password = String::from_utf8_lossy(&password).into_owned();
            let login = Login { username: Secret::new(name.as_str()), password: Secret::new(password) };
            context.couchdb.login = Some(login);
        }
        let Some(done) = Box::pin(restore::after_start(&context)).await? else {
            let datastore = &context.job.datastore;
            return Err(Failure::usage(format!("nothing is left to do for {datastore} once it runs")));
        };
        match out.format() {
            Format::Json => out.json(&report::restore::settled_json(&done)),
            _ => out.result(&report::restore::settled(&done)),
        }
        Ok(Exit::Ok)
    }

    /// The present data is replaced only by somebody who says by which backup.
    fn agreed(&self, name: &str, what: &str) -> Result<(), Failure> {
        let refused = |why: String| Failure::Refused {
            message: format!("{why}: nothing was touched"),
            help: Some(format!("add --confirm {name}, or --to DIR to restore it elsewhere")),
        };
        let asked = format!("To replace {what}");
        prompt::named(name, self.confirm.as_deref(), &asked, "would be restored").map_err(refused)
    }

    /// Indices of Elasticsearch, over those that are there or beside them.
    async fn snapshot(
        &self,
        place: &Place,
        context: &Context,
        datastore: &Datastore,
        out: &mut Output,
    ) -> Result<Exit, Failure> {
        let wanted = self.which.wanted();
        let prefix = match self.to.as_deref().map(|to| to.to_str()) {
            Some(None) => {
                return Err(Failure::usage("--to: what stands before names of indices is plain text"));
            }
            prefix => prefix.flatten(),
        };
        let ready = Box::pin(snapshot::prepare(context, &wanted, prefix)).await?;
        if out.format() == Format::Text {
            out.result(&place.banner());
            out.result(&report::snapshot::ready(&ready, datastore, &context.job.host));
        }
        if ready.in_place() {
            self.agreed(&ready.name, "what these indices hold")?;
        }
        let restored = Box::pin(ready.carry_out(context)).await?;
        match out.format() {
            Format::Json => out.json(&report::snapshot::restored_json(&restored)),
            _ => out.result(&report::snapshot::restored(&restored)),
        }
        Ok(Exit::Ok)
    }

    async fn of_url(&self, place: &Place, out: &mut Output) -> Result<Exit, Failure> {
        let url: Url = self.what.parse().map_err(Failure::usage)?;
        if self.which.is_said() {
            return Err(Failure::usage(
                "an address of S3 names one backup already; older versions are named by ?versionId=V",
            ));
        }
        let Some(to) = &self.to else {
            return Err(Failure::usage("say where it is to be unpacked: --to DIR"));
        };
        let store = Box::pin(Surroundings::store_of(place, &url.bucket)).await;
        let fetched = Box::pin(restore::fetch(store, &url, to, &place.clock())).await?;
        match out.format() {
            Format::Json => out.json(&report::restore::fetched_json(&fetched)),
            _ => {
                out.result(&place.banner());
                out.result(&report::restore::fetched(&fetched));
            }
        }
        Ok(Exit::Ok)
    }
}
