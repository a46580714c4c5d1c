//! Addresses of destinations, read strictly: whatever two readers of addresses could take differently is none.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::TARGET_BYTES_MAX;

/// An absolute address without user, fragment or anything that has two spellings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    /// Scheme, host and port, as in `https://hooks.example`; the port is left out where it is the scheme's own.
    origin: String,
    host: String,
    /// Path and query; begins with `/`.
    target: String,
}

impl Address {
    /// None: it is no such address.
    pub(super) fn read(url: &str) -> Option<Address> {
        let is_plain = |byte: u8| {
            (b'!'..=b'~').contains(&byte)
                && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        };
        if url.len() > TARGET_BYTES_MAX || !url.bytes().all(is_plain) {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        let (scheme, port) = match scheme {
            "https" => ("https", "443"),
            "http" => ("http", "80"),
            _ => return None,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let (host, said) = host_and_port(authority)?;
        let origin = match said.filter(|said| *said != port) {
            Some(said) => format!("{scheme}://{host}:{said}"),
            None => format!("{scheme}://{host}"),
        };
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let address = Address { origin, host, target };
        is_straight(address.path()).then_some(address)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.origin.is_empty()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Without the query.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    /// True if the other one has the same origin, and the same path or one below.
    pub(super) fn covers(&self, other: &Address) -> bool {
        let below = other.path().strip_prefix(self.path());
        self.origin == other.origin
            && below
                .is_some_and(|below| below.is_empty() || below.starts_with('/') || self.path().ends_with('/'))
    }

    /// True for names and numbers of this machine, and numbers of private networks.
    pub(super) fn is_plainly_private(&self) -> bool {
        let name = self.host.rsplit('.').next().unwrap_or_default();
        let number = self.host.trim_start_matches('[').trim_end_matches(']');
        matches!(name, "localhost" | "internal" | "local" | "localdomain" | "home" | "lan")
            || number.parse().is_ok_and(|number: IpAddr| !is_public(number))
    }

    pub(super) fn text(&self) -> String {
        format!("{}{}", self.origin, self.target)
    }
}

/// The host in its one spelling, and the port as said.
fn host_and_port(authority: &str) -> Option<(String, Option<&str>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (number, port) = rest.split_once(']')?;
            let number: Ipv6Addr = number.parse().ok()?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
            (format!("[{number}]"), port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host_name(host)?, Some(port)),
            None => (host_name(authority)?, None),
        },
    };
    let is_port = |port: &str| {
        !port.starts_with('0')
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    };
    port.is_none_or(is_port).then_some((host, port))
}

/// A name, or a number in four parts. Names that some readers take for numbers are neither.
fn host_name(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let is_label = |label: &str| {
        let is_of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(is_of)
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return None;
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    let canonical = |number: Ipv4Addr| number.to_string() == host;
    (!is_number || host.parse().is_ok_and(canonical)).then_some(host)
}

/// True if no part of a path leads up or stays, however it is spelled, and each `%` begins a byte.
fn is_straight(path: &str) -> bool {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        let Some((digits, after)) = after.split_at_checked(2) else { return false };
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        decoded.push_str(before);
        match digits.to_ascii_lowercase().as_str() {
            "2e" => decoded.push('.'),
            "2f" | "5c" => decoded.push('/'),
            "00" | "0a" | "0d" => return false,
            _ => decoded.push('x'),
        }
        rest = after;
    }
    decoded.push_str(rest);
    // `;` begins parameters of a part, which some servers drop before they resolve dots.
    decoded.split('/').all(|part| !matches!(part.split(';').next().unwrap_or_default(), "." | ".."))
}

/// True for numbers of the public internet: not of this machine, a private or local network, a carrier's, nor reserved.
pub fn is_public(number: IpAddr) -> bool {
    match number {
        IpAddr::V4(number) => is_public_v4(number),
        IpAddr::V6(number) => {
            let [a, b, c, d, e, f, g, h] = number.segments();
            let embedded = |high: u16, low: u16| {
                let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
                is_public_v4(Ipv4Addr::new(a, b, c, d))
            };
            match [a, b, c, d, e, f] {
                // The number of an IPv4 host, by a translator.
                [0x64, 0xff9b, 0, 0, 0, 0] => embedded(g, h),
                // 6to4 has it further up.
                [0x2002, high, low, ..] => embedded(high, low),
                // Teredo, documentation, benchmarks, identifiers.
                [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
                // All unicast numbers that are given out. This leaves out mapped IPv4, unique local, link local and multicast.
                _ => a & 0xe000 == 0x2000,
            }
        }
    }
}

fn is_public_v4(number: Ipv4Addr) -> bool {
    !matches!(
        number.octets(),
        [0 | 10 | 127, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18..=19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [224..=255, ..]
    )
}
