//! Upper bounds on the work of an event or an answer, for rehearsals that run many of them.

use alloc::string::String;
use alloc::vec::Vec;

use super::Plan;
use crate::attribute::plan::{Kind, Part};
use crate::event::column_of;
use crate::expr::value::Tested;
use crate::expr::{Predicate, Slot};
use crate::limits::{ARRAY_ITEMS_MAX, EXPRESSION_TEXT_BYTES_MAX, PATTERN_TEXT_BYTES_MAX, VALUE_BYTES_MAX};
use crate::pattern::Pattern;
use crate::value::Value;

/// The work of an attribute that an event feeds: its filter, its state, and reading and writing the profile.
const FED: u64 = 2_000;

impl Plan {
    /// The most work that folding an event of a table takes, in steps of a pattern on a character.
    pub fn work_of_event(&self, table: usize, columns: &[(String, Value)]) -> u64 {
        let key_events = self.key_events.iter().filter(|key_event| key_event.table == table);
        let fed = key_events
            .map(|key_event| key_event.feeds.len().saturating_add(key_event.takes.len()).saturating_add(1))
            .fold(0, usize::saturating_add);
        let rules = self.key_rules.iter().flat_map(|rule| {
            let lengths = texts_of(columns, &rule.name);
            rule.valid.iter().chain(&rule.exclude).map(move |pattern| steps(pattern, &lengths))
        });
        let patterns = self.work_of_patterns(|slot| match slot {
            Slot::Column(name) => texts_of(columns, name),
            _ => Vec::new(),
        });
        rules.fold(patterns.saturating_add(count(fed).saturating_mul(FED)), u64::saturating_add)
    }

    /// The most work that an answer takes in the same steps, beyond its event's own. `columns` are those of the
    /// answered event.
    pub fn work_of_answer(&self, columns: &[(String, Value)], inputs: &[(String, Value)]) -> u64 {
        self.work_of_patterns(|slot| match slot {
            Slot::Attribute(index) => self.texts_of_attribute(*index),
            Slot::Column(name) => texts_of(columns, name),
            Slot::Input(name) => texts_of(inputs, name),
            Slot::Edge(_) => alloc::vec![PATTERN_TEXT_BYTES_MAX],
            Slot::Segment(_) => Vec::new(),
        })
    }

    /// The lengths of an attribute's texts: a list may have one in each item.
    fn texts_of_attribute(&self, fact: u16) -> Vec<usize> {
        let fact = self.facts.get(usize::from(fact));
        let attribute = fact.and_then(|fact| self.attributes.get(fact.attribute));
        let count = match (attribute.map(|attribute| &attribute.kind), fact.map(|fact| &fact.part)) {
            (Some(Kind::List(list)), Some(Part::Items { aggregation, .. })) if aggregation.is_list() => {
                list.bounds.items_max as usize
            }
            _ => 1,
        };
        alloc::vec![VALUE_BYTES_MAX; count]
    }

    /// Each pattern runs once at most, however many criteria share it.
    fn work_of_patterns(&self, lengths: impl Fn(&Slot) -> Vec<usize>) -> u64 {
        let of = |predicate: &Predicate| {
            let typed = self.program.typed_slot(predicate);
            let patterns = predicate.op.patterns();
            let asked = patterns.filter_map(|pattern| Some(steps(pattern, &lengths(&typed?.slot))));
            asked.fold(0, u64::saturating_add)
        };
        let of_expressions = self.program.computed.iter().map(|tested| match tested {
            Tested::Op { op, .. } => {
                let asked = op.patterns().map(|pattern| steps(pattern, &[EXPRESSION_TEXT_BYTES_MAX]));
                asked.fold(0, u64::saturating_add)
            }
            _ => 0,
        });
        self.program.predicates.iter().map(of).chain(of_expressions).fold(0, u64::saturating_add)
    }
}

/// The lengths of the texts in a column or input, one for each item of an array.
fn texts_of(values: &[(String, Value)], name: &str) -> Vec<usize> {
    let items = match column_of(values, name) {
        Some(Value::List(items)) => items.get(..ARRAY_ITEMS_MAX).unwrap_or(items),
        Some(value) => core::slice::from_ref(value),
        None => &[],
    };
    items.iter().filter_map(Value::as_str).map(str::len).collect()
}

fn steps(pattern: &Pattern, lengths: &[usize]) -> u64 {
    let is_read = |length: &&usize| **length <= PATTERN_TEXT_BYTES_MAX || !pattern.is_bounded();
    let read = lengths.iter().filter(is_read).fold(0, |all: usize, length| all.saturating_add(*length));
    count(pattern.weight()).saturating_mul(count(read))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
