//! Bounds the work of examples before any of them runs: publishing takes as long as they do, and a worker has little time.

use core::fmt;

use usher_engine::definition::{Example, ExampleCall, ExampleEvent};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{EXAMPLE_EVENT_BYTES_MAX, EXAMPLES_WORK_MAX};
use usher_engine::value::Value;

use super::{Rehearsal, written};

/// The work of a byte of an event or record: reading and maybe storing it.
const BYTE: u64 = 10;

/// The first example that exceeds a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// This example's event, record or call exceeds [`EXAMPLE_EVENT_BYTES_MAX`].
    Bytes(usize),
    /// With this example, all of them together exceed [`EXAMPLES_WORK_MAX`].
    Work(usize),
}

impl fmt::Display for Excess {
    /// The text for the answer to a bundle.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, what) = match self {
            Excess::Bytes(index) => (index, "an event, a record or the inputs are too long"),
            Excess::Work(index) => (index, "with it, examples are more work than an edge takes on"),
        };
        write!(f, "{} at examples[{index}]: {what}; `usher validate` says more", Code::OverBound)
    }
}

impl Rehearsal {
    /// The first example that exceeds a bound, if any; check it before running any of them.
    pub fn excess(&self, examples: &[Example]) -> Option<Excess> {
        let mut work: u64 = 0;
        for (index, example) in examples.iter().enumerate() {
            work = match self.work(example) {
                Some(own) => work.saturating_add(own),
                None => return Some(Excess::Bytes(index)),
            };
            if work > EXAMPLES_WORK_MAX {
                return Some(Excess::Work(index));
            }
        }
        None
    }

    /// The most work of an example; None if one of its parts is too long.
    fn work(&self, example: &Example) -> Option<u64> {
        let plan = &self.edge.running(&self.audience)?.plan;
        let by_bytes = |value: &Value| {
            let length = written(value).len();
            let work = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(BYTE);
            (length <= EXAMPLE_EVENT_BYTES_MAX).then_some(work)
        };
        let of_event = |event: &ExampleEvent| {
            let columns = event.columns.as_object().unwrap_or_default();
            let table = plan.table(&event.table.database, &event.table.table);
            let work = table.map_or(0, |table| plan.work_of_event(table, columns));
            Some(work.saturating_add(by_bytes(&event.columns)?))
        };
        let inputs = example.inputs.as_object().unwrap_or_default();
        let mut work = by_bytes(&example.inputs)?;
        let called: &[(String, Value)] = match &example.call {
            ExampleCall::Event(event) => {
                work = work.saturating_add(of_event(event)?);
                event.columns.as_object().unwrap_or_default()
            }
            ExampleCall::Lookup(_) => &[],
        };
        work = work.saturating_add(plan.work_of_answer(called, inputs));
        for record in &example.records {
            work = work.saturating_add(by_bytes(record)?);
        }
        for row in example.rows.iter().flat_map(|of_table| &of_table.rows) {
            work = work.saturating_add(by_bytes(row)?);
        }
        for event in &example.events {
            work = work.saturating_add(of_event(event)?);
        }
        Some(work)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::rehearsal::check;

    const TABLE: &str = r#"{"database":"web","table":"pages"}"#;

    fn bundle(attributes: &[String], examples: usize, events: usize, columns: &str) -> Vec<u8> {
        let event = format!(r#"{{"table":{TABLE},"before_ms":1000,"columns":{{"id":"a",{columns}}}}}"#);
        let events = vec![event; events].join(",");
        let examples: Vec<String> = (0..examples)
            .map(|index| {
                format!(r#"{{"name":"e{index}","events":[{events}],"call":{{"lookup":{{"name":"id","value":"a"}}}},"personalization":"p","expect":[{{"section":"s"}}]}}"#)
            })
            .collect();
        let (attributes, examples) = (attributes.join(","), examples.join(","));
        format!(
            r#"{{"format":2,"definition":{{"audience":{{"id":"7"}},"key_events":[{{"name":"k","table":{TABLE}}}],"attributes":[{attributes}],"identity":{{"keys":[{{"name":"id"}}]}},"personalizations":[{{"name":"p","choice":"first","sections":[{{"name":"s","criteria":"TRUE","outputs":[]}}]}}]}},"examples":[{examples}]}}"#
        )
        .into_bytes()
    }

    fn single(index: usize, aggregation: &str) -> String {
        format!(
            r#"{{"name":"a{index:03}","kind":{{"single":{{"key_event":"k","column":"c","aggregation":"{aggregation}}}}},"sensitive":false}}"#
        )
    }

    #[test]
    fn what_would_take_for_ever_is_refused_before_it_is_played() {
        let plain = |count| (0..count).map(|index| single(index, "sum\"")).collect::<Vec<_>>();
        let pattern = |index: usize| format!("event.c MATCHES '(a?b?){{250}}{index}'");
        let patterns: Vec<String> = (0..100).map(pattern).collect();
        let heavy = [single(0, &format!(r#"last","filter":"{}""#, patterns.join(" OR ")))];
        let long = format!(r#""c":"{}""#, "ab".repeat(1_000));
        let refused = |index| Err(format!("{}", Excess::Work(index)));
        for (attributes, examples, events, columns, expected) in [
            // The size of a definition for a busy shop.
            (plain(60), 10, 50, r#""c":5"#, Ok(())),
            (plain(600), 6, 50, r#""c":5"#, Ok(())),
            (plain(600), 10, 50, r#""c":5"#, refused(6)),
            (heavy.to_vec(), 1, 1, &*long, Ok(())),
            (heavy.to_vec(), 3, 1, &*long, refused(1)),
            (heavy.to_vec(), 10, 50, &*long, refused(0)),
            // A text that no pattern reads.
            (heavy.to_vec(), 10, 50, r#""d":"short""#, Ok(())),
        ] {
            let body = bundle(&attributes, examples, events, columns);
            let start = Instant::now();
            assert_eq!(check(&body, "7"), expected, "{examples} x {events}");
            assert!(expected.is_ok() || start.elapsed() < Duration::from_secs(5));
        }
    }

    #[test]
    fn an_event_has_so_many_bytes() {
        // `{"id":"a","c":""}` has 17 bytes.
        for (length, expected) in [
            (EXAMPLE_EVENT_BYTES_MAX - 17, Ok(())),
            (EXAMPLE_EVENT_BYTES_MAX - 16, Err(format!("{}", Excess::Bytes(1)))),
        ] {
            let with = |length: usize| format!(r#""c":"{}""#, "x".repeat(length));
            let short = String::from_utf8(bundle(&[], 1, 1, &with(1))).unwrap();
            let long = String::from_utf8(bundle(&[], 2, 1, &with(length))).unwrap();
            let second = &long[long.rfind(r#"{"name":"e1""#).unwrap()..];
            let body = format!("{},{second}", short.strip_suffix("]}").unwrap());
            assert_eq!(check(body.as_bytes(), "7"), expected);
        }
    }
}
