//! Networks, as policies and settings write them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address and how many of its bits count: `172.31.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    pub address: IpAddr,
    pub bits: u8,
}

impl Network {
    /// Whether every address of `other` is one of this network's.
    pub fn holds(&self, other: &Network) -> bool {
        let prefix = |address: IpAddr, bits: u8| match address {
            IpAddr::V4(address) => {
                (u128::from(u32::from(address)) << 96).checked_shr(128 - u32::from(bits)).unwrap_or(0)
            }
            IpAddr::V6(address) => u128::from(address).checked_shr(128 - u32::from(bits)).unwrap_or(0),
        };
        self.address.is_ipv4() == other.address.is_ipv4()
            && self.bits <= other.bits
            && prefix(self.address, self.bits) == prefix(other.address, self.bits)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no network")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads `address/bits`; an address alone is itself and no other.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or(NetworkError)?,
        };
        Ok(Network { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    #[test]
    fn a_network_holds_its_parts() {
        for (whole, part, wanted) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("10.1.0.0/16", "10.2.0.0/16", false),
            ("10.1.0.0/16", "10.1.0.0/16", true),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("2001:db8::/32", "2001:db8:1::/48", true),
            ("2001:db8::/32", "2001:db9::/48", false),
            ("::/0", "10.0.0.0/8", false),
            ("203.0.113.7/32", "203.0.113.7", true),
        ] {
            assert_eq!(network(whole).holds(&network(part)), wanted, "{whole} {part}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["172.31.0.0/16", "203.0.113.7/32", "2001:db8::/32"] {
            assert_eq!(network(text).to_string(), text);
        }
        for text in ["", "x/8", "10.0.0.0/33", "10.0.0", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
