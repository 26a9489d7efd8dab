//! Checks about the store: buckets, versions, credentials, endpoint, region, account.

use chrono::TimeDelta;

use super::stores::{Spot, Store, below};
use super::{Context, table};
use crate::settings::declared::Who;
use crate::settings::{BucketSettings, Vault};
use crate::vocab::{BucketName, Problem, Tier};

/// A dated key holds no host's name: the last host to upload would be the only one kept.
pub(super) fn dated_keys_of_several_hosts(context: &Context<'_>) -> Vec<Problem> {
    if context.settings.storage.versioned_keys {
        return Vec::new();
    }
    let clash = |store: &&Store| store.has_our_keys && store.upload.is_some() && store.hosts.len() > 1;
    let problem = |store: &Store| {
        let message = format!(
            "{} hosts would upload {} backups under the same dated key, and overwrite each other",
            store.hosts.len(),
            store.whose
        );
        let spot = Spot::Value("aws_versioning_enabled");
        context.at_spot(table::DATED_KEYS, &spot, message).helped(
            "set aws_versioning_enabled: true, which names keys by host, or let one host make these backups",
        )
    };
    context.stores().iter().filter(clash).map(problem).collect()
}

/// The vault may live elsewhere, and a host may have a role of its own, so this is only doubtful.
pub(super) fn upload_without_credentials(context: &Context<'_>) -> Vec<Problem> {
    let has_none = match &context.settings.vault {
        Vault::Absent => true,
        Vault::Locked { .. } => false,
        Vault::Open { secrets, .. } => secrets.s3.is_none(),
    };
    if !context.whole_environment || !has_none {
        return Vec::new();
    }
    let identities = &context.settings.backups.declared.identities;
    let has_a_role = |bucket: &BucketName| {
        let is_machine = |who: &Who| matches!(who, Who::Role { assumed_by: Some(by), .. } if by == "ec2");
        identities.iter().any(|identity| is_machine(&identity.who) && identity.writes.contains(bucket))
    };
    let problem = |store: &Store| {
        let upload = store.upload.as_ref().filter(|upload| !upload.by_role && !has_a_role(&upload.bucket))?;
        let message =
            format!("{} backups are to be uploaded, but the environment holds no credentials", store.whose);
        let problem = context.at_spot(table::NO_CREDENTIALS, &key_of(&upload.spot), message);
        Some(problem.helped(
            "put AMAZON_S3_ACCESS_KEY and AMAZON_S3_SECRET_KEY into vault.yml, unless the hosts have a role",
        ))
    };
    context.stores().iter().filter_map(problem).collect()
}

/// A switch is pointed at by its name.
fn key_of(spot: &Spot) -> Spot {
    match spot {
        Spot::Value(key) => Spot::Key(key),
        other => other.clone(),
    }
}

/// `aws_versioning_enabled` counts on the storage to keep old versions.
pub(super) fn versions_of_an_unversioned_claim(context: &Context<'_>) -> Vec<Problem> {
    if !context.settings.storage.versioned_keys {
        return Vec::new();
    }
    let stores = context.stores();
    let unmanaged = context.settings.backups.buckets.iter().filter(|(name, bucket)| {
        let writes = |store: &Store| {
            store.has_our_keys && store.upload.as_ref().is_some_and(|upload| upload.bucket == **name)
        };
        !bucket.versioned && stores.iter().any(writes)
    });
    let problem = |(name, _): (&BucketName, &BucketSettings)| {
        let message =
            "backups share one key per host, but nothing sees to it that this bucket keeps old versions";
        let spot = below(&["buckets", name.as_str(), "versioning"]);
        let problem = context.at_spot(table::UNMANAGED_VERSIONS, &spot, message);
        problem.helped("set versioning: enabled, or aws_versioning_enabled: false for dated keys")
    };
    unmanaged.map(problem).collect()
}

/// Elasticsearch deletes and overwrites the files of its repository by itself
/// (<https://www.elastic.co/docs/deploy-manage/tools/snapshot-and-restore/s3-repository>).
pub(super) fn object_lock_below_elasticsearch(context: &Context<'_>) -> Vec<Problem> {
    let stores = context.stores();
    let used =
        stores.iter().filter(|store| store.name == "elasticsearch").filter_map(|store| store.upload.as_ref());
    let problem = |bucket: &BucketName| {
        context.settings.backups.buckets.get(bucket)?.object_lock?;
        let message = "Elasticsearch deletes its old snapshots from this bucket by itself, and object lock would keep \
                       every file of them";
        let spot = below(&["buckets", bucket.as_str(), "object_lock"]);
        let problem = context.at_spot(table::OBJECT_LOCK, &spot, message);
        Some(problem.helped("remove object_lock; versioning and its lock protect the snapshots"))
    };
    used.filter_map(|upload| problem(&upload.bucket)).collect()
}

/// S3 locks objects only where it keeps versions
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>), and no lock keeps what the next upload
/// overwrites for good.
pub(super) fn locks_without_versions(context: &Context<'_>) -> Vec<Problem> {
    let buckets = &context.settings.backups.buckets;
    let unmanaged = buckets.iter().filter(|(_, bucket)| !bucket.versioned && bucket.object_lock.is_some());
    let problem = |name: &BucketName| {
        let message = "S3 locks objects only in a bucket that keeps versions, and nothing sees to it that this one does";
        let spot = below(&["buckets", name.as_str(), "object_lock"]);
        let problem = context.at_spot(table::UNVERSIONED_LOCK, &spot, message);
        problem.helped("set versioning: enabled, or remove object_lock")
    };
    unmanaged.map(|(name, _)| problem(name)).collect()
}

/// A backup that turns out to be broken must have an older one behind it: three times the time within which one is
/// proven leaves room for two that failed.
pub(super) fn versions_shorter_than_their_proof(context: &Context<'_>) -> Vec<Problem> {
    let stores = context.stores();
    let common = context.settings.backups.declared.objectives.verified_within;
    let mut problems = Vec::new();
    for (name, bucket) in &context.settings.backups.buckets {
        let writers: Vec<&Store> = stores
            .iter()
            .filter(|store| store.upload.as_ref().is_some_and(|up| up.bucket == *name))
            .collect();
        let own = writers.iter().filter_map(|store| store.objectives.verified_within).max();
        let Some(within) = own.or(common) else { continue };
        let Some(needed) = within.checked_mul(3) else { continue };
        // Tiers that somebody writes; where nobody is known to, those that are listed.
        let made: Vec<Tier> =
            writers.iter().flat_map(|store| store.runs.iter().filter_map(|run| run.tier)).collect();
        let reaches = |tier: &Tier| match bucket.keep_versions.get(tier) {
            None => made.contains(tier),
            Some(keep) => TimeDelta::try_days(i64::from(keep.days)).is_none_or(|kept| kept >= needed),
        };
        if bucket.keep_versions.is_empty() || Tier::ALL.iter().any(reaches) {
            continue;
        }
        let message = format!(
            "no tier keeps its versions for {} days, three times objectives.verified_within: a broken backup could \
             outlive every good one",
            needed.num_days() + i64::from(needed > TimeDelta::days(needed.num_days()))
        );
        let spot = below(&["buckets", name.as_str(), "keep_versions"]);
        let problem = context.at_spot(table::UNPROVEN_VERSIONS, &spot, message);
        problems.push(problem.helped("keep one of the tiers longer, or prove backups more often"));
    }
    problems
}

/// A store that is not AWS's has no accounts to hold the settings to.
pub(super) fn account_at_another_store(context: &Context<'_>) -> Vec<Problem> {
    let endpoint = context.settings.storage.endpoint.as_deref();
    let elsewhere = endpoint.is_some_and(|endpoint| !is_aws(endpoint));
    if context.settings.backups.account.is_none() || !elsewhere {
        return Vec::new();
    }
    let message = "this store is not AWS's and has no accounts, so backups.account could never be checked";
    let problem = context.at_spot(table::ACCOUNT_ELSEWHERE, &Spot::Value("aws_endpoint"), message);
    vec![problem.helped("remove backups.account, or aws_endpoint")]
}

/// Whoever breaks the glass in another account is nobody that the bucket's policy of this one lets in by itself.
pub(super) fn break_glass_of_another_account(context: &Context<'_>) -> Vec<Problem> {
    let Some(account) = &context.settings.backups.account else { return Vec::new() };
    let strangers =
        context.settings.backups.declared.break_glass.iter().filter(|role| role.account != *account);
    let problem = |role: &crate::settings::declared::Role| {
        let message = format!("this role is of account {}, and the backups are in {account}", role.account);
        let spot = below(&["break_glass", &role.at.to_string()]);
        let problem = context.at_spot(table::FOREIGN_ACCOUNT, &spot, message);
        problem.helped("name a role of the account in backups.account, or mend the account")
    };
    strangers.map(problem).collect()
}

fn is_aws(endpoint: &str) -> bool {
    let host = endpoint.split("://").nth(1).unwrap_or(endpoint);
    let host = host.split([':', '/']).next().unwrap_or(host);
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

pub(super) fn endpoint_without_tls(context: &Context<'_>) -> Vec<Problem> {
    let endpoint = context.settings.storage.endpoint.as_deref();
    let Some(rest) = endpoint.and_then(|endpoint| endpoint.strip_prefix("http://")) else {
        return Vec::new();
    };
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    let is_here =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if is_here {
        return Vec::new();
    }
    let message = "backups and their credentials' signatures would travel unencrypted";
    vec![context.at_spot(table::NO_TLS, &Spot::Value("aws_endpoint"), message).labelled("use https://")]
}

/// `eu-west2` is no region, and the first call would only time out.
pub(super) fn region_that_aws_does_not_have(context: &Context<'_>) -> Vec<Problem> {
    let mut regions: Vec<(&str, Spot)> = Vec::new();
    if context.settings.storage.endpoint.is_none() {
        let own = context.settings.storage.region.as_ref();
        regions.extend(own.map(|region| (region.as_str(), Spot::Value("aws_region"))));
        for (name, bucket) in &context.settings.backups.buckets {
            let spot = below(&["buckets", name.as_str(), "region"]);
            regions.extend(bucket.region.as_ref().map(|region| (region.as_str(), spot)));
        }
    }
    for (region, spot) in long_term_regions(context) {
        regions.push((region, spot));
    }
    let strange = regions.into_iter().filter(|(region, _)| !looks_like_a_region(region));
    let problem = |(region, spot): (&str, Spot)| {
        let message = format!("`{region}` does not look like a region of AWS");
        context.at_spot(table::UNKNOWN_REGION, &spot, message).labelled("such as eu-west-2")
    };
    strange.map(problem).collect()
}

fn long_term_regions<'a>(context: &'a Context<'_>) -> Vec<(&'a str, Spot)> {
    let databases = context.settings.backups.declared.databases.iter();
    databases
        .filter_map(|database| {
            let region = database.long_term.as_ref()?.region.as_ref()?;
            let spot = below(&["databases", &database.at.to_string(), "long_term", "region"]);
            Some((region.as_str(), spot))
        })
        .collect()
}

/// Copies are for the day on which a region is gone.
pub(super) fn copies_in_the_same_region(context: &Context<'_>) -> Vec<Problem> {
    let Some(own) = &context.settings.storage.region else { return Vec::new() };
    let same = long_term_regions(context).into_iter().filter(|(region, _)| *region == own.as_str());
    let problem = |(region, spot): (&str, Spot)| {
        let message =
            format!("copies would stay in {region}, where the database is, and be lost together with it");
        let problem = context.at_spot(table::SAME_REGION, &spot, message);
        problem.helped("name another region, or leave region out for snapshots without a copy")
    };
    same.map(problem).collect()
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
