//! What an identity may do, said in buckets, databases and networks: the normal form of the one policy that is ours.

use std::collections::{BTreeMap, BTreeSet};

use crate::vocab::{BucketName, Network, Value};

/// The least that writing backups needs, and from where. Never holds the power to destroy one: whether overwriting does is
/// the bucket's business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Buckets that are written to, listed, and read back from.
    pub writes: BTreeSet<BucketName>,
    /// The KMS keys, or aliases of keys, that these buckets encrypt with, as settings name them; used through S3 alone.
    pub keys: BTreeSet<String>,
    /// Databases of RDS, in lower case, whose snapshots may be created and described.
    pub snapshots: BTreeSet<String>,
    /// Where requests must come from; `None` is anywhere.
    pub from: Option<Source>,
}

/// Where requests must come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Public networks, by the address that AWS sees. Requests through an endpoint of a VPC have none, and are refused.
    Networks(BTreeSet<Network>),
    /// A VPC with an endpoint of the service that is asked, and the private networks in it; none is the whole VPC.
    Vpc { vpc: String, networks: BTreeSet<Network> },
}

impl Grants {
    /// Whether it allows nothing at all: then there is no policy to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.snapshots.is_empty()
    }

    /// Whether requests are allowed from somewhere from which `before` refused them.
    pub fn come_from_more_than(&self, before: &Grants) -> bool {
        match (&before.from, &self.from) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(Source::Networks(old)), Some(Source::Networks(new))) => !all_within(new, old),
            (
                Some(Source::Vpc { vpc: old_vpc, networks: old }),
                Some(Source::Vpc { vpc: new_vpc, networks: new }),
            ) => {
                let within = old.is_empty() || (!new.is_empty() && all_within(new, old));
                old_vpc != new_vpc || !within
            }
            (Some(_), Some(_)) => true,
        }
    }
}

fn all_within(parts: &BTreeSet<Network>, wholes: &BTreeSet<Network>) -> bool {
    parts.iter().all(|part| wholes.iter().any(|whole| whole.holds(part)))
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Value {
    Value::List(items.into_iter().map(|item| Value::Text(item.to_string())).collect())
}

impl From<&Grants> for Value {
    /// Members that say nothing are left out.
    fn from(grants: &Grants) -> Self {
        let Grants { writes, keys, snapshots, from } = grants;
        let mut members = BTreeMap::new();
        let lists = [("writes", texts(writes)), ("keys", texts(keys)), ("snapshots", texts(snapshots))];
        for (name, list) in lists {
            if list != Value::List(Vec::new()) {
                members.insert(name.to_owned(), list);
            }
        }
        if let Some(source) = from {
            members.insert("from".to_owned(), source.into());
        }
        Value::Map(members)
    }
}

impl From<&Source> for Value {
    fn from(source: &Source) -> Self {
        let (vpc, networks) = match source {
            Source::Networks(networks) => (None, networks),
            Source::Vpc { vpc, networks } => (Some(vpc), networks),
        };
        let mut members = BTreeMap::new();
        if let Some(vpc) = vpc {
            members.insert("vpc".to_owned(), Value::text(vpc.as_str()));
        }
        if !networks.is_empty() {
            members.insert("networks".to_owned(), texts(networks));
        }
        Value::Map(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> BTreeSet<Network> {
        list.iter().map(|network| network.parse().expect("a network")).collect()
    }

    fn from(source: Option<Source>) -> Grants {
        Grants { from: source, ..Grants::default() }
    }

    #[test]
    fn a_source_that_admits_more_is_told() {
        let public = |list: &[&str]| from(Some(Source::Networks(networks(list))));
        let vpc = |vpc: &str, list: &[&str]| {
            from(Some(Source::Vpc { vpc: vpc.to_owned(), networks: networks(list) }))
        };
        for (before, after, wanted) in [
            (from(None), public(&["203.0.113.0/24"]), false),
            (public(&["203.0.113.0/24"]), from(None), true),
            (public(&["203.0.113.0/24"]), public(&["203.0.113.7/32"]), false),
            (public(&["203.0.113.7/32"]), public(&["203.0.113.7/32", "198.51.100.1/32"]), true),
            (vpc("vpc-1", &[]), vpc("vpc-1", &["10.0.0.0/16"]), false),
            (vpc("vpc-1", &["10.0.0.0/16"]), vpc("vpc-1", &[]), true),
            (vpc("vpc-1", &[]), vpc("vpc-2", &[]), true),
            (vpc("vpc-1", &["10.0.0.0/16"]), public(&["203.0.113.0/24"]), true),
        ] {
            assert_eq!(after.come_from_more_than(&before), wanted, "{before:?} {after:?}");
        }
    }
}
