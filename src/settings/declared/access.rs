//! Break-glass and identities.

use std::net::IpAddr;

use super::read::Reader;
use super::{From, Identity, Role, Who};
use crate::settings::backups;
use crate::settings::checks::table;
use crate::settings::values::shown;
use crate::vocab::{AccountId, Network};

pub(super) fn break_glass(reader: &mut Reader<'_>, list: &[String]) -> Vec<Role> {
    let one = |(at, arn): (usize, &String)| match role(arn.trim()) {
        Ok(account) => Some(Role { at, account, arn: arn.trim().to_owned() }),
        Err((why, help)) => {
            let index = at.to_string();
            let problem = reader.problem(
                table::BAD_PRINCIPAL,
                &["break_glass", &index],
                format!("`{}` {why}", shown(arn)),
            );
            problem.label = Some("must be the ARN of a role".to_owned());
            problem.help = help.map(str::to_owned);
            None
        }
    };
    list.iter().enumerate().filter_map(one).collect()
}

const FORM: &str = "write arn:aws:iam::ACCOUNT:role/NAME, its path included";

/// The account of `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`, or what else it is
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
fn role(arn: &str) -> Result<AccountId, (&'static str, Option<&'static str>)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, region, account, resource] = parts.as_slice() else {
        return Err(("is no ARN, so it could never be the one who asks", Some(FORM)));
    };
    if *service == "sts" {
        let why = "is one session, and the next one has another name";
        return Err((why, Some("name the role itself: arn:aws:iam::ACCOUNT:role/NAME")));
    }
    if *service != "iam" || !region.is_empty() || !partition.starts_with("aws") {
        return Err(("is no role of IAM, so it could never be the one who asks", Some(FORM)));
    }
    let Ok(account) = account.parse::<AccountId>() else {
        return Err(("does not name an account of twelve digits", Some(FORM)));
    };
    if *resource == "root" {
        let why = "is the whole account: every administrator of it could destroy the backups";
        return Err((why, Some("name one role that is used for nothing else")));
    }
    if resource.starts_with("user/") {
        let why = "is a user, whose keys lie in files for years";
        return Err((why, Some("name a role, which has to be assumed each time")));
    }
    let name = resource.strip_prefix("role/").unwrap_or_default();
    let is_good = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c);
    let last = name.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || last.is_empty() || last.len() > 64 || !name.chars().all(is_good) {
        return Err(("is no role of IAM, so it could never be the one who asks", Some(FORM)));
    }
    Ok(account)
}

pub(super) fn identities(reader: &mut Reader<'_>, list: &[backups::Identity]) -> Vec<Identity> {
    let one = |(at, file): (usize, &backups::Identity)| {
        let index = at.to_string();
        let who = who(reader, &index, file);
        let mut writes = Vec::new();
        for (place, bucket) in file.writes.iter().enumerate() {
            let place = place.to_string();
            writes.extend(reader.bucket(&["identities", &index, "writes", &place], bucket));
        }
        let from = match &file.from {
            None => None,
            Some(networks) => Some(from(reader, &index, networks)?),
        };
        let snapshots = snapshots(reader, &index, &file.snapshots);
        let place = reader.place(&["identities", &index]);
        Some(Identity { at, place, who: who?, writes, snapshots, from })
    };
    list.iter().enumerate().filter_map(one).collect()
}

fn who(reader: &mut Reader<'_>, index: &str, file: &backups::Identity) -> Option<Who> {
    let path = |member: &'static str| ["identities".to_owned(), index.to_owned(), member.to_owned()];
    let refs = |path: &[String; 3]| -> Vec<String> { path.to_vec() };
    let (kind, name) = match (&file.role, &file.user) {
        (Some(role), None) => ("role", role),
        (None, Some(user)) => ("user", user),
        (None, None) if reader.is_partial(&["identities", index]) => return None,
        (both, _) => {
            let message = match both {
                Some(_) => "this is both a role and a user, and can be only one",
                None => "this names neither a role nor a user, so nobody would write",
            };
            let problem = reader.problem(table::BAD_IDENTITY, &["identities", index], message);
            problem.label = Some("one of role and user".to_owned());
            return None;
        }
    };
    // <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
    let is_good = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if !name.chars().all(is_good) {
        let at = refs(&path(kind));
        let at: Vec<&str> = at.iter().map(String::as_str).collect();
        let problem =
            reader.problem(table::BAD_NAME, &at, format!("`{}` cannot be a {kind} of IAM", shown(name)));
        problem.label = Some("must be a name, not an ARN: letters, digits and + = , . @ _ -".to_owned());
        return None;
    }
    if kind == "user" && file.assumed_by.is_some() {
        let at = ["identities", index, "assumed_by"];
        let problem = reader.problem(table::BAD_IDENTITY, &at, "a user is not assumed, only a role is");
        problem.label = Some("remove it, or name a role".to_owned());
        return None;
    }
    // <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
    let is_service = |by: &String| {
        by.starts_with(|c: char| c.is_ascii_lowercase())
            && by.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
    };
    if let Some(by) = file.assumed_by.as_ref().filter(|by| !is_service(by)) {
        let at = ["identities", index, "assumed_by"];
        let message = format!("`{}` is no service of AWS, and only services are let in here", shown(by));
        let problem = reader.problem(table::BAD_IDENTITY, &at, message);
        problem.label = Some("such as ec2, or backup.amazonaws.com".to_owned());
        problem.help =
            Some("leave it out for a role that people assume: make it by hand, and it is adopted".to_owned());
        return None;
    }
    Some(match kind {
        "role" => Who::Role { name: name.clone(), assumed_by: file.assumed_by.clone() },
        _ => Who::User { name: name.clone() },
    })
}

fn from(reader: &mut Reader<'_>, index: &str, file: &backups::Networks) -> Option<From> {
    let mut networks = Vec::new();
    let mut all_good = true;
    for (place, text) in file.networks.iter().enumerate() {
        match network(text.trim()) {
            Ok(network) => networks.push(network),
            Err(why) => {
                all_good = false;
                let place = place.to_string();
                let path = ["identities", index, "from", "networks", &place];
                let problem = reader.problem(table::BAD_NETWORK, &path, format!("`{}` {why}", shown(text)));
                problem.label = Some("such as 172.31.0.0/16".to_owned());
            }
        }
    }
    let path = ["identities", index, "from"];
    let private = networks.iter().filter(|network| is_private(network.address)).count();
    let public = networks.len() - private;
    if !all_good || reader.is_partial(&path) {
        return None;
    }
    match (&file.vpc, private, public) {
        (None, 0, 0) => {
            reader.problem(table::BAD_NETWORK, &path, "no network and no VPC: nobody could write at all");
            None
        }
        (_, 1.., 1..) => {
            let message = "private and public networks together can be held by no single condition: \
                           in a VPC S3 sees the private address, outside of it the public one";
            reader.problem(table::MIXED_NETWORKS, &path, message).help =
                Some("make two identities: one for the VPC, one for the public addresses".to_owned());
            None
        }
        (Some(_), 0, 1..) => {
            let message =
                "requests through a VPC have a private address, so these public networks would never match";
            reader.problem(table::MIXED_NETWORKS, &path, message).help =
                Some("remove the vpc, or name the VPC's private networks".to_owned());
            None
        }
        (None, 1.., _) => {
            let message = "private networks exist in every VPC, so anybody's would be allowed";
            reader.problem(table::NETWORK_WITHOUT_VPC, &path, message).help =
                Some("name their vpc, or the public addresses that the requests come from".to_owned());
            None
        }
        (Some(vpc), _, 0) => Some(From::Vpc { vpc: vpc.clone(), networks }),
        (None, 0, 1..) => Some(From::Networks(networks)),
    }
}

/// An address, and after a slash how many of its bits count, as AWS takes it.
fn network(text: &str) -> Result<Network, &'static str> {
    let network: Network = text.parse().map_err(|_| match text.split_once('/') {
        Some((address, _)) if address.parse::<IpAddr>().is_ok() => "has no such number of bits",
        _ => "is no network",
    })?;
    if network.bits == 0 {
        return Err("is every address there is, so it would hold nobody off");
    }
    let (number, width) = match network.address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let host_bits = width - u32::from(network.bits);
    let rest = if host_bits == 0 { 0 } else { number & (u128::MAX >> (128 - host_bits)) };
    if rest != 0 {
        return Err("has bits beyond its mask, and AWS would refuse it");
    }
    Ok(network)
}

/// Identifiers of databases: a wildcard among them would be every database.
fn snapshots(reader: &mut Reader<'_>, index: &str, list: &[String]) -> Vec<String> {
    let mut read = Vec::new();
    for (place, name) in list.iter().enumerate() {
        // <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
        let is_good = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if is_good {
            read.push(name.clone());
            continue;
        }
        let place = place.to_string();
        let path = ["identities", index, "snapshots", &place];
        let message = format!("`{}` cannot be a database of RDS", shown(name));
        reader.problem(table::BAD_NAME, &path, message).label =
            Some("must be its identifier: letters, digits and hyphens".to_owned());
    }
    read
}

/// RFC 1918, RFC 6598 and RFC 4193, and what never leaves a machine or a link.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_break_the_glass() {
        let good = [
            "arn:aws:iam::123456789012:role/OrganizationAdmin",
            "arn:aws-us-gov:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-2/Admin_0a",
        ];
        for arn in good {
            assert_eq!(role(arn).map(String::from), Ok("123456789012".to_owned()), "{arn}");
        }
        for arn in [
            "OrganizationAdmin",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:user/bob",
            "arn:aws:iam::1234:role/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:sts::123456789012:assumed-role/Admin/bob",
            "arn:aws:s3:::bucket",
            "*",
        ] {
            assert!(role(arn).is_err(), "{arn}");
        }
    }

    #[test]
    fn networks_are_what_aws_takes() {
        for good in ["172.31.0.0/16", "203.0.113.7", "203.0.113.7/32", "2001:db8::/32", "10.0.0.0/8"] {
            assert!(network(good).is_ok(), "{good}");
        }
        for bad in ["172.31.0.1/16", "0.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0", "x/8", "10.0.0.0/-1", ""] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}
