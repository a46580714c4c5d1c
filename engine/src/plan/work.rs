//! What an event or an answer takes at most: for those who play many of them before anybody waits.

use alloc::string::String;

use super::Plan;
use crate::event::column_of;
use crate::expr::op::Op;
use crate::expr::{Predicate, Slot};
use crate::limits::{PATTERN_TEXT_BYTES_MAX, VALUE_BYTES_MAX};
use crate::pattern::Pattern;
use crate::value::Value;

/// What an attribute that an event feeds takes: its filter, its state, and to read and write the profile again.
const FED: u64 = 2_000;

impl Plan {
    /// What folding an event of a table takes at most, in steps of a pattern on a character. `columns` are those it has.
    pub fn work_of_event(&self, table: usize, columns: &[(String, Value)]) -> u64 {
        let key_events = self.key_events.iter().filter(|key_event| key_event.table == table);
        let fed = key_events
            .map(|key_event| key_event.feeds.len().saturating_add(key_event.takes.len()).saturating_add(1))
            .fold(0, usize::saturating_add);
        let rules = self.key_rules.iter().flat_map(|rule| {
            let length = text_of(columns, &rule.name);
            rule.valid.iter().chain(&rule.exclude).map(move |pattern| steps(pattern, length))
        });
        let patterns = self.work_of_patterns(|slot| match slot {
            Slot::Column(name) => text_of(columns, name),
            _ => 0,
        });
        rules.fold(patterns.saturating_add(count(fed).saturating_mul(FED)), u64::saturating_add)
    }

    /// What an answer takes at most in the same steps, beyond its event's own work. `columns` are those of the event that
    /// is answered.
    pub fn work_of_answer(&self, columns: &[(String, Value)], inputs: &[(String, Value)]) -> u64 {
        self.work_of_patterns(|slot| match slot {
            Slot::Attribute(_) => VALUE_BYTES_MAX,
            Slot::Column(name) => text_of(columns, name),
            Slot::Input(name) => text_of(inputs, name),
            Slot::Edge(_) => PATTERN_TEXT_BYTES_MAX,
            Slot::Segment(_) => 0,
        })
    }

    /// Each is asked once at most, however many criteria share it.
    fn work_of_patterns(&self, length: impl Fn(&Slot) -> usize) -> u64 {
        let of = |predicate: &Predicate| match (&predicate.op, self.program.typed_slot(predicate)) {
            (Op::Matches(pattern), Some(typed)) => steps(pattern, length(&typed.slot)),
            _ => 0,
        };
        self.program.predicates.iter().map(of).fold(0, u64::saturating_add)
    }
}

/// How long the text there is that a pattern is asked of.
fn text_of(values: &[(String, Value)], name: &str) -> usize {
    column_of(values, name).and_then(Value::as_str).map_or(0, str::len)
}

fn steps(pattern: &Pattern, length: usize) -> u64 {
    let is_read = length <= PATTERN_TEXT_BYTES_MAX || !pattern.is_bounded();
    if is_read { count(pattern.weight()).saturating_mul(count(length)) } else { 0 }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
