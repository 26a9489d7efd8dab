//! What each value alone cannot show: a table of small functions over the whole settings.

use super::flat::{At, Flat};
use super::{Settings, Vault};
use crate::vocab::{Place, Problem, Severity, Tier};

/// What the checks look at.
pub struct Context<'a> {
    pub settings: &'a Settings,
    pub flat: &'a Flat,
    /// False where a single file is judged: nothing is known of inventory and vault.
    pub whole_environment: bool,
    pub has_inventory: bool,
}

type Check = fn(&Context<'_>) -> Option<Problem>;

/// Every check, in no particular order: problems are sorted by their place.
const CHECKS: &[Check] = &[
    backups_that_no_host_makes,
    dated_keys_of_several_hosts,
    upload_without_credentials,
    versions_of_an_unversioned_claim,
    account_at_another_store,
    endpoint_without_tls,
    region_that_aws_does_not_have,
    both_elasticsearch_repositories,
    hourly_backups_that_go_at_once,
];

/// Runs every check.
pub fn all(context: &Context<'_>) -> Vec<Problem> {
    CHECKS.iter().filter_map(|check| check(context)).collect()
}

impl<'a> Context<'a> {
    fn at(&self, key: &str) -> Option<&'a At> {
        self.flat.at(key)
    }

    /// A problem at a flat key's name.
    fn key(&self, key: &str, severity: Severity, message: impl Into<String>) -> Option<Problem> {
        let At { source, key: mark, .. } = self.at(key)?;
        let problem = match severity {
            Severity::Error => source.error(mark, message),
            Severity::Warning => source.warning(mark, message),
        };
        Some(problem.at_key(key))
    }

    /// A problem at a flat key's value.
    fn value(&self, key: &str, severity: Severity, message: impl Into<String>) -> Option<Problem> {
        let value = &self.at(key)?.value;
        let mut problem = self.key(key, severity, message)?;
        problem.place = problem.place.map(|place| Place { line: value.line, column: value.column, ..place });
        problem.span = Some(value.span.clone());
        Some(problem)
    }

    fn uploads(&self) -> bool {
        self.settings.postgresql.method.is_some() && self.settings.postgresql.s3
    }
}

/// Half of the real environments have exactly this, and nobody noticed.
fn backups_that_no_host_makes(context: &Context<'_>) -> Option<Problem> {
    let postgresql = &context.settings.postgresql;
    if !context.whole_environment || postgresql.method.is_none() || !postgresql.hosts.is_empty() {
        return None;
    }
    let problem = |message: &str| context.key("backup_postgres", Severity::Warning, message);
    if !context.has_inventory {
        return problem("PostgreSQL's backups are on, but there is no inventory, so no host makes them")
            .map(|problem| problem.helped("add inventory.ini with the hosts under [pg_backup]"));
    }
    let skipped = context.settings.inventory.groups.get("pg_backup").is_some_and(|hosts| !hosts.is_empty());
    if skipped {
        return problem(
            "PostgreSQL's backups are on, but every host of [pg_backup] is also in [ansible_skip]",
        )
        .map(|problem| {
            problem.helped("take one of them out of [ansible_skip], or set backup_postgres: false")
        });
    }
    problem("PostgreSQL's backups are on, but no host is in [pg_backup], so nothing is backed up").map(
        |problem| {
            problem.helped("list the hosts under [pg_backup] in the inventory, or set backup_postgres: false")
        },
    )
}

/// A dated key holds no host's name: the last host to upload would be the only one kept.
fn dated_keys_of_several_hosts(context: &Context<'_>) -> Option<Problem> {
    let hosts = &context.settings.postgresql.hosts;
    if !context.uploads() || context.settings.storage.versioned_keys || hosts.len() < 2 {
        return None;
    }
    let message =
        format!("{} hosts would upload under the same dated key, and overwrite each other", hosts.len());
    let problem = context.value("aws_versioning_enabled", Severity::Error, message)?;
    Some(problem.helped(
        "set aws_versioning_enabled: true, which names keys by host, or keep one host in [pg_backup]",
    ))
}

/// The vault may live elsewhere, and a host may have a role of its own, so this is only doubtful.
fn upload_without_credentials(context: &Context<'_>) -> Option<Problem> {
    let has_none = match &context.settings.vault {
        Vault::Absent => true,
        Vault::Locked { .. } => false,
        Vault::Open { secrets, .. } => secrets.s3.is_none(),
    };
    if !context.whole_environment || !context.uploads() || !has_none {
        return None;
    }
    let message = "backups are to be uploaded, but the environment holds no credentials for it";
    let problem = context.key("postgres_s3", Severity::Warning, message)?;
    Some(problem.helped(
        "put AMAZON_S3_ACCESS_KEY and AMAZON_S3_SECRET_KEY into vault.yml, unless the hosts have a role",
    ))
}

/// `aws_versioning_enabled` counts on the storage to keep old versions.
fn versions_of_an_unversioned_claim(context: &Context<'_>) -> Option<Problem> {
    let bucket = context.settings.backups.buckets.get(&context.settings.postgresql.bucket)?;
    if !context.uploads() || !context.settings.storage.versioned_keys || bucket.versioned {
        return None;
    }
    let message =
        "backups share one key per host, but nothing sees to it that this bucket keeps old versions";
    let mut problem = Problem::of_file(&bucket.place.file, Severity::Warning, message);
    problem.place = Some(bucket.place.clone());
    let problem = problem.at_key(format!("backups.buckets.{}", context.settings.postgresql.bucket));
    Some(problem.helped("set versioning: enabled, or aws_versioning_enabled: false for dated keys"))
}

/// A store that is not AWS's has no accounts to hold the settings to.
fn account_at_another_store(context: &Context<'_>) -> Option<Problem> {
    context.settings.backups.account.as_ref()?;
    let endpoint = context.settings.storage.endpoint.as_deref()?;
    if is_aws(endpoint) {
        return None;
    }
    let message = "this store is not AWS's and has no accounts, so backups.account could never be checked";
    let problem = context.value("aws_endpoint", Severity::Error, message)?;
    Some(problem.helped("remove backups.account, or aws_endpoint"))
}

fn is_aws(endpoint: &str) -> bool {
    let host = endpoint.split("://").nth(1).unwrap_or(endpoint);
    let host = host.split([':', '/']).next().unwrap_or(host);
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

fn endpoint_without_tls(context: &Context<'_>) -> Option<Problem> {
    let rest = context.settings.storage.endpoint.as_deref()?.strip_prefix("http://")?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    let is_here =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_here {
        return None;
    }
    let message = "backups and their credentials' signatures would travel unencrypted";
    context.value("aws_endpoint", Severity::Warning, message).map(|problem| problem.labelled("use https://"))
}

/// `eu-west2` is no region, and the first call would only time out.
fn region_that_aws_does_not_have(context: &Context<'_>) -> Option<Problem> {
    let region = context.settings.storage.region.as_ref()?;
    if context.settings.storage.endpoint.is_some() || looks_like_a_region(region.as_str()) {
        return None;
    }
    let message = format!("`{region}` does not look like a region of AWS");
    context
        .value("aws_region", Severity::Warning, message)
        .map(|problem| problem.labelled("such as eu-west-2"))
}

/// Two letters, words, a number, with dashes between.
fn looks_like_a_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, words @ .., number] = parts.as_slice() else { return false };
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    area.len() == 2
        && !words.is_empty()
        && words.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn both_elasticsearch_repositories(context: &Context<'_>) -> Option<Problem> {
    if !context.flat.is("backup_es_s3") || !context.flat.is("es_local_repo") {
        return None;
    }
    let message = "snapshots go either to a bucket or to a local directory, and both are switched on";
    context
        .key("es_local_repo", Severity::Error, message)
        .map(|problem| problem.helped("set backup_es_s3 or es_local_repo to false"))
}

/// Written so, it is a slip; the default does the same, and is commcare-cloud's.
fn hourly_backups_that_go_at_once(context: &Context<'_>) -> Option<Problem> {
    let every = context.flat.count("nadir_hour_frequency")?;
    let hours = context.settings.postgresql.keep.hours;
    let is_hourly = context.settings.postgresql.schedules.contains_key(&Tier::Hourly);
    if context.settings.postgresql.method.is_none() || !is_hourly || hours >= every {
        return None;
    }
    let message = format!("hourly backups are made every {every} hours and kept for {hours}");
    let problem = context.value("postgresql_backup_hours", Severity::Warning, message)?;
    Some(problem.helped(format!("the newest always stays; to keep more, set {every} or more")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_by_their_form() {
        for good in ["eu-west-2", "ap-southeast-4", "us-gov-west-1", "cn-north-1"] {
            assert!(looks_like_a_region(good), "{good}");
        }
        for bad in ["eu-west2", "euwest-2", "ireland", "eu--2", "eu-2"] {
            assert!(!looks_like_a_region(bad), "{bad}");
        }
    }

    #[test]
    fn amazon_is_known_by_its_hosts() {
        assert!(is_aws("https://s3.eu-west-2.amazonaws.com"));
        assert!(!is_aws("https://sos-ch-dk-2.exo.io") && !is_aws("https://amazonaws.com.evil.org"));
    }
}
