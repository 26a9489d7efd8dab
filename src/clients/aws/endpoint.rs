//! What the address of a store says of it.

use aws_config::Region;

/// `s3.example.org` and `https://s3.example.org/` as one URL without a slash at its end.
pub fn normal_endpoint(endpoint: &str) -> String {
    let endpoint = endpoint.trim().trim_end_matches('/');
    if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") }
}

fn endpoint_host(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default()
}

/// Whether an address is Amazon's own
/// (<https://docs.aws.amazon.com/general/latest/gr/s3.html>).
pub fn amazon(endpoint: &str) -> bool {
    let host = endpoint_host(endpoint);
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn") || host == "amazonaws.com"
}

/// The region in `s3.eu-west-2.amazonaws.com` or the older `s3-eu-west-2.amazonaws.com`.
pub fn region_of_endpoint(endpoint: &str) -> Option<Region> {
    let name = endpoint_host(endpoint).split(".amazonaws.com").next()?;
    let region = name.rsplit('.').next().filter(|label| *label != "s3")?;
    let region = region.strip_prefix("s3-").unwrap_or(region);
    region.contains('-').then(|| Region::new(region.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_of_amazon_says_only_the_region() {
        let region = |endpoint| region_of_endpoint(&normal_endpoint(endpoint)).map(|r| r.to_string());
        assert_eq!(region("s3.eu-west-2.amazonaws.com").as_deref(), Some("eu-west-2"));
        assert_eq!(region("https://s3-eu-west-1.amazonaws.com/").as_deref(), Some("eu-west-1"));
        assert_eq!(region("https://s3.dualstack.ap-south-1.amazonaws.com").as_deref(), Some("ap-south-1"));
        assert_eq!(region("https://s3.amazonaws.com"), None);
        assert!(amazon("https://s3.amazonaws.com") && amazon("https://s3.cn-north-1.amazonaws.com.cn"));
        assert!(!amazon("https://s3.example.org") && !amazon("https://amazonaws.com.example.org"));
    }

    #[test]
    fn a_host_name_is_reached_over_https() {
        assert_eq!(normal_endpoint(" s3.example.org/ "), "https://s3.example.org");
        assert_eq!(normal_endpoint("http://127.0.0.1:9000"), "http://127.0.0.1:9000");
    }
}
