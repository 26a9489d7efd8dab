//! Networks as IAM's address conditions write them: `203.0.113.0/24`, `2001:db8::/32`, or one address.

use std::net::IpAddr;

/// A network, or a single address as one of its full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// `None` for what is no address, or has a length that its family does not have.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let full = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => length.parse().ok()?,
            Some(_) => return None,
            None => full,
        };
        (length <= full).then_some(Network { address, length })
    }

    /// Whether an address lies in it. The two families have nothing in common.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(32 - u32::from(self.length)).unwrap_or_default() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(128 - u32::from(self.length)).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lie_in_their_networks() {
        let lies = |network: &str, address: &str| {
            Network::parse(network).expect("a network").contains(address.parse().expect("an address"))
        };
        assert!(lies("172.31.0.0/16", "172.31.4.9"));
        assert!(!lies("172.31.0.0/16", "172.32.0.1"));
        assert!(lies("203.0.113.7/24", "203.0.113.9"), "bits of the host do not count");
        assert!(lies("203.0.113.7", "203.0.113.7") && !lies("203.0.113.7", "203.0.113.8"));
        assert!(lies("0.0.0.0/0", "198.51.100.1") && lies("::/0", "2001:db8::1"));
        assert!(!lies("0.0.0.0/0", "2001:db8::1"), "the families have nothing in common");
        assert!(lies("2001:db8:1234::/48", "2001:db8:1234:1::9"));
        assert!(!lies("2001:db8:1234::/48", "2001:db8:1235::9"));
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in
            ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "a/8", "10.0.0.0/8/8"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
