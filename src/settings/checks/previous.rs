//! Checks about what had another name before.

use super::stores::below;
use super::{Context, table};
use crate::vocab::Problem;

/// What is in use is nothing earlier: as an earlier name its entries would be taken for those to be removed.
pub(super) fn present_names(context: &Context<'_>) -> Vec<Problem> {
    let declared = &context.settings.backups.declared;
    let environment = &context.settings.environment;
    let names = declared.previous_names.iter().filter(|one| one.name == *environment).map(|one| {
        let spot = below(&["previous_names", &one.at.to_string()]);
        let message = format!("`{environment}` is this environment's name now, not an earlier one");
        let problem = context.at_spot(table::NOT_PREVIOUS, &spot, message);
        problem.helped("name what deploy_env said before, or remove it")
    });
    let uploads: Vec<_> = context.stores().iter().filter_map(|store| store.upload.as_ref()).collect();
    // Another datastore may go on with the bucket that one of them has left.
    let is_present = |bucket| !uploads.is_empty() && uploads.iter().all(|upload| upload.bucket == bucket);
    let buckets = declared.previous_buckets.iter().filter(|one| is_present(one.name.clone())).map(|one| {
        let spot = below(&["previous_buckets", &one.at.to_string()]);
        let message = format!("every backup is uploaded to {}, so it is no earlier bucket", one.name);
        let problem = context.at_spot(table::NOT_PREVIOUS, &spot, message);
        problem.helped("name the bucket that was uploaded to before, or remove it")
    });
    names.chain(buckets).collect()
}
