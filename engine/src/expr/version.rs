//! Versions of software: `1.2.3-beta.1+build`, compared by the precedence of SemVer 2.0.
//!
//! Missing parts are 0 (`1.2` is `1.2.0`, `1.2-beta` is `1.2.0-beta`) and a leading `v` is dropped. Numbers have no
//! leading zeros and any length. Build metadata does not count.

use alloc::boxed::Box;
use core::cmp::Ordering;
use core::ops::Bound;

use super::interval::Interval;
use crate::bytes::{Reader, Writer};
use crate::flat::Flat;

/// A text that is a version. Equal and ordered by precedence.
#[derive(Clone, Debug)]
pub(crate) struct Version(Box<str>);

impl Version {
    /// None for a text that is not a version.
    pub(super) fn new(text: &str) -> Option<Version> {
        Parts::of(text)?;
        Some(Version(text.into()))
    }

    fn parts(&self) -> Parts<'_> {
        Parts::of(&self.0).unwrap_or(Parts { numbers: ["0"; 3], before: None })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.parts().compare(other.parts())
    }
}

impl Interval<Version> {
    /// True if a text is a version between the ends; None when it is not a version.
    pub(super) fn has(&self, text: &str) -> Option<bool> {
        let parts = Parts::of(text)?;
        let to = |end: &Version| parts.compare(end.parts());
        let above = match &self.low {
            Bound::Unbounded => true,
            Bound::Included(low) => to(low).is_ge(),
            Bound::Excluded(low) => to(low).is_gt(),
        };
        let below = match &self.high {
            Bound::Unbounded => true,
            Bound::Included(high) => to(high).is_le(),
            Bound::Excluded(high) => to(high).is_lt(),
        };
        Some(above && below)
    }
}

/// A version split into its parts.
#[derive(Clone, Copy)]
struct Parts<'a> {
    /// Major, minor and patch, in digits.
    numbers: [&'a str; 3],
    /// The pre-release identifiers, which sort before the release.
    before: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Parts<'a>> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = match text.split_once('+') {
            Some((text, build)) => (text, Some(build)),
            None => (text, None),
        };
        let (core, before) = match text.split_once('-') {
            Some((core, before)) => (core, Some(before)),
            None => (text, None),
        };
        let mut numbers = ["0"; 3];
        let mut written = core.split('.');
        for (number, digits) in numbers.iter_mut().zip(&mut written) {
            *number = digits;
        }
        let is_named = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let fits = written.next().is_none()
            && numbers.iter().all(|digits| is_number(digits) && has_no_zeros_before(digits))
            && build.is_none_or(|build| build.split('.').all(is_named))
            && before.is_none_or(|before| {
                before
                    .split('.')
                    .all(|name| is_named(name) && (!is_number(name) || has_no_zeros_before(name)))
            });
        fits.then_some(Parts { numbers, before })
    }

    fn compare(self, other: Parts<'_>) -> Ordering {
        let numbers = self.numbers.iter().zip(other.numbers).map(|(mine, theirs)| by_number(mine, theirs));
        let numbers = numbers.fold(Ordering::Equal, Ordering::then);
        numbers.then_with(|| match (self.before, other.before) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            // Identifier by identifier; a numeric one comes before an alphanumeric one, and fewer before more.
            (Some(mine), Some(theirs)) => {
                mine.split('.').map(Identifier).cmp(theirs.split('.').map(Identifier))
            }
        })
    }
}

/// One identifier of a pre-release.
#[derive(PartialEq, Eq)]
struct Identifier<'a>(&'a str);

impl PartialOrd for Identifier<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Identifier<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (is_number(self.0), is_number(other.0)) {
            (true, true) => by_number(self.0, other.0),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.0.cmp(other.0),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_no_zeros_before(digits: &str) -> bool {
    digits.len() == 1 || !digits.starts_with('0')
}

/// Compares digits without leading zeros, of any length.
fn by_number(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl Flat for Version {
    fn write(&self, w: &mut Writer) {
        self.0.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Version {
        Version(Flat::read(r))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_precedence() {
        let ascending = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "v1",
            "1.0.1",
            "1.2-beta",
            "1.2",
            "1.10",
            "18446744073709551616",
            "18446744073709551617.0.0-0",
        ];
        for (index, low) in ascending.iter().enumerate() {
            for (place, high) in ascending.iter().enumerate() {
                let [low, high] = [low, high].map(|text| Version::new(text).unwrap());
                assert_eq!(low.cmp(&high), index.cmp(&place), "{low:?} {high:?}");
            }
        }
        for (one, other) in [("1", "1.0.0"), ("v1.2", "1.2.0+build.007"), ("1-x", "1.0.0-x"), ("1+a", "1+b")]
        {
            assert_eq!(Version::new(one).unwrap(), Version::new(other).unwrap(), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_version() {
        for text in [
            "",
            "v",
            "V1",
            "vv1",
            "1.",
            ".1",
            "1..2",
            "1.2.3.4",
            "01",
            "1.02",
            "1.2.03",
            "1-",
            "1-01",
            "1-a..b",
            "1+",
            "1+a..b",
            "1 ",
            " 1",
            "1.x",
            "1-é",
            "latest",
            "-1",
            "1_0",
            "1.2.3-a+b+c",
        ] {
            assert!(Version::new(text).is_none(), "{text}");
        }
        assert!(
            Version::new("1-0a").is_some() && Version::new("1--").is_some() && Version::new("0").is_some()
        );
    }
}
