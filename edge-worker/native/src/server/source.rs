//! The source of a request: the peer, or the last hop before the proxies that an operator trusts.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A caller as rates count it: an IPv4 address, or the /64 of an IPv6 address, which is one customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl Source {
    pub(super) fn of(address: IpAddr) -> Source {
        match address.to_canonical() {
            IpAddr::V6(address) => Source(Ipv6Addr::from_bits(address.to_bits() & u128::MAX << 64).into()),
            address => Source(address),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network, as `10.0.0.0/8` or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let wanted = || format!("`{text}` is no network: write an address, or a network such as 10.0.0.0/8");
        let address: IpAddr = address.trim().parse().map_err(|_| wanted())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.trim().parse()).map_err(|_| wanted())?;
        if prefix > longest { Err(wanted()) } else { Ok(Network { address, prefix }) }
    }
}

impl Network {
    fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// The proxies whose word is taken for who called them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(pub(crate) Vec<Network>);

impl Proxies {
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.has(address))
    }

    /// The last hop that is not a trusted proxy. `forwarded` are the values of `X-Forwarded-For`, in order: each proxy
    /// adds the address that called it at the end, and what stands before the last untrusted one is anybody's word.
    pub(super) fn source<'h>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'h str>,
    ) -> Source {
        let mut source = peer;
        let mut hops = forwarded.rev().flat_map(|value| value.rsplit(','));
        while self.trust(source) {
            // A hop that is no address ends what can be known.
            let Some(Some(hop)) = hops.next().map(hop) else { break };
            source = hop;
        }
        Source::of(source)
    }
}

/// An address, with or without a port or brackets.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    bare.parse().ok().or_else(|| bare.split_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_hop_that_nobody_vouches_for_is_the_source() {
        let proxies =
            Proxies(["10.0.0.0/8", "192.0.2.7", "fd00::/8"].map(|text| text.parse().unwrap()).to_vec());
        for (peer, forwarded, source) in [
            ("203.0.113.5", vec!["198.51.100.1"], "203.0.113.5"),
            ("10.1.2.3", vec!["198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", vec![], "10.1.2.3"),
            // Two headers are one list; whatever the caller itself wrote stands before.
            ("192.0.2.7", vec!["1.1.1.1, 198.51.100.2", "10.9.9.9"], "198.51.100.2"),
            ("192.0.2.8", vec!["198.51.100.2"], "192.0.2.8"),
            ("10.1.2.3", vec!["1.1.1.1, nonsense"], "10.1.2.3"),
            ("::ffff:10.1.2.3", vec!["198.51.100.1:4711"], "198.51.100.1"),
            ("fd00::1", vec!["[2001:db8:1:2:3:4:5:6]:4711"], "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::9", vec![], "2001:db8:1:2::"),
        ] {
            let found = proxies.source(ip(peer), forwarded.iter().copied());
            assert_eq!(found.to_string(), source, "{peer} {forwarded:?}");
        }
        for text in ["", "10.0.0.0/33", "x", "10.0.0.0/x", "fd00::/129"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().has(ip("8.8.8.8")));
        assert!("::/0".parse::<Network>().unwrap().has(ip("2001:db8::1")));
    }
}
