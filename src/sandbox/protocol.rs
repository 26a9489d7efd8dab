//! Which service a request is for, and so in which form it comes and is answered.
//!
//! Place on the data's path: the connector asks for it first, by the host's name.

use super::http::{Answer, Refusal};
use super::json;
use super::query::Service;

/// The form of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// S3's own: a path, headers, XML.
    S3,
    /// A form comes in, XML goes out.
    Query(Service),
    /// KMS': JSON both ways.
    Json,
}

impl Protocol {
    /// The protocol of a host name; what is no other service's is S3's, which has any number of names
    /// (<https://docs.aws.amazon.com/general/latest/gr/iam-service.html>,
    /// <https://docs.aws.amazon.com/general/latest/gr/sts.html>,
    /// <https://docs.aws.amazon.com/general/latest/gr/kms.html>).
    pub fn of_host(host: &str) -> Self {
        let Some(name) =
            host.strip_suffix(".amazonaws.com.cn").or_else(|| host.strip_suffix(".amazonaws.com"))
        else {
            return Protocol::S3;
        };
        // `iam.s3.eu-west-2` is a bucket of that name.
        let (service, region) = name.split_once('.').unwrap_or((name, ""));
        match service {
            _ if region.contains('.') || region == "s3" => Protocol::S3,
            "iam" => Protocol::Query(Service::Iam),
            "sts" => Protocol::Query(Service::Sts),
            "kms" if !region.is_empty() => Protocol::Json,
            _ => Protocol::S3,
        }
    }

    /// A refusal in the protocol's form.
    pub fn refused(self, refusal: Refusal) -> Answer {
        match self {
            Protocol::S3 => refusal.into_s3(),
            Protocol::Query(service) => service.refused(refusal),
            Protocol::Json => json::refused(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_tell_the_service() {
        let (iam, sts) = (Protocol::Query(Service::Iam), Protocol::Query(Service::Sts));
        for (host, protocol) in [
            ("iam.amazonaws.com", iam),
            ("iam.cn-north-1.amazonaws.com.cn", iam),
            ("sts.eu-west-2.amazonaws.com", sts),
            ("kms.eu-west-2.amazonaws.com", Protocol::Json),
            ("iam.s3.amazonaws.com.example.org", Protocol::S3),
            ("iam.s3.eu-west-2.amazonaws.com", Protocol::S3),
            ("sts.s3.amazonaws.com", Protocol::S3),
            ("kms.s3.amazonaws.com", Protocol::S3),
            ("kms.amazonaws.com", Protocol::S3),
        ] {
            assert_eq!(Protocol::of_host(host), protocol, "{host}");
        }
    }
}
