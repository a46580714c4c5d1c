//! The part of a commit beside the offset of its partition: the ends of its outputs.
//!
//! Rows that were written and not yet committed when a process dies stand in their topics behind the ends that the commit names.
//! The next process reads them there, by their headers, and writes none of them again. A process that lacks the state of that
//! offset makes it again from events that were read before; where to begin stands in the commit, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clients::Named;

/// The most bytes of a commit's metadata, which brokers bound at 4 KiB.
const METADATA_BYTES_MAX: usize = 4_000;
/// The number of points that divide the time for which an event counts.
const POINTS: i64 = 32;
const VERSION: u32 = 1;

/// The metadata of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Metadata {
    #[serde(rename = "v")]
    version: u32,
    /// The clock of the partition.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) clock_ms: Option<i64>,
    /// The acknowledged ends of outputs.
    #[serde(rename = "o", default)]
    pub(super) ends: Ends,
    /// The point from which on events are read again to make the state again.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Point>,
}

/// Ends of partitions by topic. One that is missing is at its beginning.
pub(super) type Ends = BTreeMap<String, BTreeMap<i32, u64>>;

/// A moment of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Point {
    /// The offset of the next event.
    #[serde(rename = "n")]
    pub(super) next: u64,
    #[serde(rename = "c")]
    clock_ms: i64,
    /// The acknowledged ends of outputs.
    #[serde(rename = "o", default)]
    pub(super) ends: Ends,
}

impl Metadata {
    /// The metadata of a commit; None: another program wrote it, or another version.
    pub(super) fn read(text: &str) -> Option<Metadata> {
        serde_json::from_str(text).ok().filter(|metadata: &Metadata| metadata.version == VERSION)
    }

    /// As text. What does not fit is left out, which costs the next process time and nothing else.
    pub(super) fn text(&self) -> String {
        let without_from = Metadata { from: None, ..self.clone() };
        let without_ends = Metadata { ends: Ends::new(), ..without_from.clone() };
        let forms = [self, &without_from, &without_ends];
        let mut texts = forms.into_iter().filter_map(|form| serde_json::to_string(form).ok());
        texts.find(|text| text.len() <= METADATA_BYTES_MAX).unwrap_or_default()
    }
}

/// A partition that is this process's.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The offset of the next event.
    pub(super) next: u64,
    /// The offset from which on there is something to commit: the state before it is made again, and was committed.
    pub(super) commits_from: u64,
    /// Moments since the time that the state reaches back to, the oldest first.
    points: Vec<Point>,
}

impl Place {
    pub(super) fn new(next: u64, commits_from: u64, from: Option<Point>) -> Place {
        Place { next, commits_from, points: from.into_iter().collect() }
    }

    /// The metadata of a commit at this moment, when events count for so long.
    pub(super) fn metadata(&mut self, clock_ms: Option<i64>, reach_ms: i64, ends: &Ends) -> Metadata {
        let mut metadata = Metadata { version: VERSION, clock_ms, ends: ends.clone(), from: None };
        let Some(clock_ms) = clock_ms else { return metadata };
        let is_apart = |last: &Point| clock_ms.saturating_sub(last.clock_ms) >= reach_ms / POINTS;
        if self.points.last().is_none_or(is_apart) {
            self.points.push(Point { next: self.next, clock_ms, ends: ends.clone() });
        }
        // All events before the point are over: none is later than the clock was.
        let over = self.points.iter().rposition(|point| point.clock_ms < clock_ms.saturating_sub(reach_ms));
        self.points.drain(..over.unwrap_or(0));
        metadata.from = self.points.first().filter(|_| over.is_some()).cloned();
        metadata
    }
}

/// The ends of partitions by topic.
pub(super) fn by_topic<'a>(ends: impl IntoIterator<Item = (&'a Named, &'a u64)>) -> Ends {
    let mut all = Ends::new();
    for ((topic, partition), end) in ends {
        all.entry(topic.clone()).or_default().insert(*partition, *end);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(end: u64) -> Ends {
        by_topic([(&("rows".to_owned(), 0), &end)])
    }

    #[test]
    fn metadata_reads_back_and_leaves_out_what_does_not_fit() {
        let mut place = Place::new(0, 0, None);
        let first = place.metadata(Some(1_000), 100, &ends(1));
        assert_eq!(first.from, None);
        place.next = 9;
        let second = place.metadata(Some(2_000), 100, &ends(7));
        assert_eq!(second.from.as_ref().map(|from| (from.next, &from.ends)), Some((0, &ends(1))));
        assert_eq!(Metadata::read(&second.text()), Some(second.clone()));
        let one = ("rows".to_owned(), 0);
        let many = by_topic((0..400).map(|_| (&one, &1)));
        assert_eq!(many, ends(1));
        let wide: Ends = [("rows".to_owned(), (0..1_000).map(|partition| (partition, 1)).collect())].into();
        let wide = Metadata { ends: wide, ..second };
        assert_eq!(Metadata::read(&wide.text()).map(|read| (read.from, read.ends.len())), Some((None, 0)));
        assert_eq!(Metadata::read(""), None);
        assert_eq!(Metadata::read("{\"v\":2}"), None);
    }

    #[test]
    fn the_point_to_begin_at_is_the_last_one_before_which_everything_is_over() {
        let mut place = Place::new(0, 0, None);
        for step in 0..1_000_u64 {
            place.next = step * 10;
            let clock_ms = i64::try_from(step).unwrap_or(0) * 100;
            let from = place.metadata(Some(clock_ms), 5_000, &ends(step)).from;
            assert!(place.points.len() <= 40, "{}", place.points.len());
            match from {
                None => assert!(step <= 52, "{step}"),
                Some(from) => {
                    assert!(from.clock_ms < clock_ms - 5_000, "{step}: an event that counts is left out");
                    assert!(from.clock_ms >= clock_ms - 5_400, "{step}: too much is read again");
                }
            }
        }
    }
}
