//! From options to an environment: its settings, what should be, and the world that it is compared with.

use std::collections::BTreeSet;

use futures_util::StreamExt;

use super::place::Place;
use super::{Failure, Global};
use crate::clients::aws::{Aws, AwsSettings, Keys};
use crate::derive;
use crate::plan::{self, Plan};
use crate::settings::{self, Secrets, Settings, Vault};
use crate::state::{Desired, Selection, Tag};
use crate::vocab::{HostName, Secret};
use crate::world::{LiveWorld, WorldRead};

/// Loads the settings, or fails with every problem at once.
pub fn load(global: &Global) -> Result<Settings, Failure> {
    settings::load(&global.sources()).map_err(Failure::Problems)
}

/// `--tags` and `--limit`, checked against the environment.
pub fn selection(
    settings: &Settings,
    desired: &Desired,
    tags: &[String],
    limit: &[String],
) -> Result<Selection, Failure> {
    let mut selection = Selection { tags: BTreeSet::new(), limit: BTreeSet::new() };
    for word in tags {
        selection.tags.insert(desired.tag(word).map_err(|error| Failure::usage(format!("--tags: {error}")))?);
    }
    if selection.tags.is_empty() {
        selection.tags.insert(Tag::Backups);
    }
    for name in limit {
        let known = name.parse::<HostName>().ok().filter(|host| settings.inventory.hosts.contains_key(host));
        let host =
            known.ok_or_else(|| Failure::usage(format!("--limit: no host `{name}` is in the inventory")))?;
        selection.limit.insert(host);
    }
    Ok(selection)
}

/// Connects to the world of an environment: asks once who is calling.
pub async fn connect(global: &Global, place: &Place, settings: &Settings) -> LiveWorld {
    let keys = match &settings.vault {
        Vault::Open { secrets: Secrets { s3: Some(keys), .. }, .. } => Some(keys),
        _ => None,
    };
    let aws = Aws::load(AwsSettings {
        endpoint: settings.storage.endpoint.clone(),
        region: settings.storage.region.clone().or_else(|| place.aws().region),
        // The hosts' keys are for their jobs; a plan uses them only where nothing else is found.
        keys: keys
            .map(|keys| Keys::Fallback { access: keys.access_key.clone(), secret: keys.secret_key.clone() }),
        ..place.aws()
    });
    let job_key =
        keys.map(|keys| Keys::Forced { access: keys.access_key.clone(), secret: keys.secret_key.clone() });
    let secrets: Vec<Secret> = match &settings.vault {
        Vault::Open { secrets, .. } => secrets.of_jobs().cloned().collect(),
        Vault::Absent | Vault::Locked { .. } => Vec::new(),
    };
    let parallel = usize::from(global.parallel);
    let hosts = place.hosts(settings, &global.directory());
    let environment = settings.environment.clone();
    let world = LiveWorld::connect(environment, aws.await, hosts, secrets, parallel, place.clock()).await;
    let previous = settings.backups.declared.previous_names.iter().map(|one| one.name.clone());
    let elasticsearch = match &settings.vault {
        Vault::Open { secrets, .. } => secrets.logins.elasticsearch.clone(),
        Vault::Absent | Vault::Locked { .. } => None,
    };
    world.with_job_key(job_key).with_elasticsearch(elasticsearch).with_previous(previous)
}

/// Looks at reality and compares: the plan with everything that it would lose.
pub async fn plan(world: &LiveWorld, desired: &Desired, selection: &Selection, parallel: u16) -> Plan {
    let selected = desired.select(selection);
    let observed = world.observe(&selected.scope()).await;
    let plan = plan::between(&selected, selection, &observed);
    // Each may wait for another host or bucket.
    let answers = futures_util::stream::iter(plan.questions()).map(|question| async {
        let answer = Box::pin(world.answer(&question)).await;
        (question, answer)
    });
    let answers = answers.buffered(usize::from(parallel.max(1))).collect().await;
    plan.with_losses(answers, desired.vault_digest.as_deref())
}

/// The whole of `desired` for an environment.
pub fn desired(settings: &Settings) -> Desired {
    derive::desired(settings)
}

/// Runs a verb that waits. One thread is enough: what takes time is waiting.
pub fn wait<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}
