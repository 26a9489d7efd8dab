//! Checks about the store: buckets, credentials, endpoint, region.

use super::{Context, table};
use crate::settings::Vault;
use crate::vocab::Problem;

/// A dated key holds no host's name: the last host to upload would be the only one kept.
pub(super) fn dated_keys_of_several_hosts(context: &Context<'_>) -> Option<Problem> {
    let hosts = &context.settings.postgresql.hosts;
    if !context.uploads() || context.settings.storage.versioned_keys || hosts.len() < 2 {
        return None;
    }
    let message =
        format!("{} hosts would upload under the same dated key, and overwrite each other", hosts.len());
    let problem = context.value(table::DATED_KEYS, "aws_versioning_enabled", message)?;
    Some(problem.helped(
        "set aws_versioning_enabled: true, which names keys by host, or keep one host in [pg_backup]",
    ))
}

/// The vault may live elsewhere, and a host may have a role of its own, so this is only doubtful.
pub(super) fn upload_without_credentials(context: &Context<'_>) -> Option<Problem> {
    let has_none = match &context.settings.vault {
        Vault::Absent => true,
        Vault::Locked { .. } => false,
        Vault::Open { secrets, .. } => secrets.s3.is_none(),
    };
    if !context.whole_environment || !context.uploads() || !has_none {
        return None;
    }
    let message = "backups are to be uploaded, but the environment holds no credentials for it";
    let problem = context.key(table::NO_CREDENTIALS, "postgres_s3", message)?;
    Some(problem.helped(
        "put AMAZON_S3_ACCESS_KEY and AMAZON_S3_SECRET_KEY into vault.yml, unless the hosts have a role",
    ))
}

/// `aws_versioning_enabled` counts on the storage to keep old versions.
pub(super) fn versions_of_an_unversioned_claim(context: &Context<'_>) -> Option<Problem> {
    let bucket = context.settings.backups.buckets.get(&context.settings.postgresql.bucket)?;
    if !context.uploads() || !context.settings.storage.versioned_keys || bucket.versioned {
        return None;
    }
    let message =
        "backups share one key per host, but nothing sees to it that this bucket keeps old versions";
    let mut problem = Problem::of_file(table::UNMANAGED_VERSIONS, &bucket.place.file, message);
    problem.place = Some(bucket.place.clone());
    let problem = problem.at_key(format!("backups.buckets.{}", context.settings.postgresql.bucket));
    Some(problem.helped("set versioning: enabled, or aws_versioning_enabled: false for dated keys"))
}

/// A store that is not AWS's has no accounts to hold the settings to.
pub(super) fn account_at_another_store(context: &Context<'_>) -> Option<Problem> {
    context.settings.backups.account.as_ref()?;
    let endpoint = context.settings.storage.endpoint.as_deref()?;
    if is_aws(endpoint) {
        return None;
    }
    let message = "this store is not AWS's and has no accounts, so backups.account could never be checked";
    let problem = context.value(table::ACCOUNT_ELSEWHERE, "aws_endpoint", message)?;
    Some(problem.helped("remove backups.account, or aws_endpoint"))
}

fn is_aws(endpoint: &str) -> bool {
    let host = endpoint.split("://").nth(1).unwrap_or(endpoint);
    let host = host.split([':', '/']).next().unwrap_or(host);
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

pub(super) fn endpoint_without_tls(context: &Context<'_>) -> Option<Problem> {
    let rest = context.settings.storage.endpoint.as_deref()?.strip_prefix("http://")?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    let is_here =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_here {
        return None;
    }
    let message = "backups and their credentials' signatures would travel unencrypted";
    context.value(table::NO_TLS, "aws_endpoint", message).map(|problem| problem.labelled("use https://"))
}

/// `eu-west2` is no region, and the first call would only time out.
pub(super) fn region_that_aws_does_not_have(context: &Context<'_>) -> Option<Problem> {
    let region = context.settings.storage.region.as_ref()?;
    if context.settings.storage.endpoint.is_some() || looks_like_a_region(region.as_str()) {
        return None;
    }
    let message = format!("`{region}` does not look like a region of AWS");
    context
        .value(table::UNKNOWN_REGION, "aws_region", message)
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
