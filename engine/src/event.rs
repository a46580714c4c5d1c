//! Events: flat objects with an id and a time, resolved once when they arrive.

use alloc::string::String;
use alloc::vec::Vec;

use crate::compare::equal;
use crate::limits::EVENT_ID_BYTES_MAX;
use crate::time;
use crate::value::Value;

/// One event as the engine sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Index of its event table in the plan.
    pub table: usize,
    /// Names it; of two copies the first to arrive is the event.
    pub id: String,
    /// Whether the id was minted for this request, so that the event is never a duplicate.
    pub minted: bool,
    /// When it happened, Unix milliseconds; never after its arrival.
    pub time_ms: i64,
    /// Its columns in the order in which they came.
    pub columns: Vec<(String, Value)>,
    /// What had to be put right, for the receipt.
    pub notes: Vec<Note>,
}

/// What was wrong with an event that was taken all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Its time could not be read; arrival stands for it.
    TimeUnreadable,
    /// Its time lay in the future; arrival stands for it.
    TimeInFuture,
    /// Its id was longer than the bound; it has none.
    IdTooLong,
}

impl Note {
    /// A stable name for receipts and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Note::TimeUnreadable => "time_unreadable",
            Note::TimeInFuture => "time_in_future",
            Note::IdTooLong => "id_too_long",
        }
    }
}

impl Event {
    /// Resolves id and time of what arrived at `arrival_ms`. `minted_id` is used when it has no id of its own.
    pub fn resolve(table: usize, columns: Vec<(String, Value)>, arrival_ms: i64, minted_id: String) -> Event {
        Event::resolve_sent(table, columns, arrival_ms, minted_id, None)
    }

    /// The same for an event of a batch that says when it was sent, by a clock that may be wrong: its times are shifted
    /// by what that clock is off.
    pub fn resolve_sent(
        table: usize,
        columns: Vec<(String, Value)>,
        arrival_ms: i64,
        minted_id: String,
        sent_ms: Option<i64>,
    ) -> Event {
        let mut notes = Vec::new();
        let named = ["uuid", "event_id", "messageId"]
            .iter()
            .filter_map(|name| top(&columns, name)?.as_str())
            .find(|id| !id.is_empty());
        let id = match named {
            Some(id) if id.len() > EVENT_ID_BYTES_MAX => {
                notes.push(Note::IdTooLong);
                None
            }
            named => named.map(String::from),
        };
        let times = ["time", "timestamp"].map(|name| top(&columns, name));
        let read = times.iter().flatten().find_map(|value| time::instant_ms(value));
        if read.is_none() && times.iter().any(Option::is_some) {
            notes.push(Note::TimeUnreadable);
        }
        let shift_ms = sent_ms.map_or(0, |sent_ms| arrival_ms.saturating_sub(sent_ms));
        let said = read.map(|time_ms| time_ms.saturating_add(shift_ms));
        if said.is_some_and(|time_ms| time_ms > arrival_ms) {
            notes.push(Note::TimeInFuture);
        }
        let said = said.filter(|time_ms| *time_ms <= arrival_ms);
        Event {
            table,
            minted: id.is_none(),
            id: id.unwrap_or(minted_id),
            time_ms: said.unwrap_or(arrival_ms),
            columns,
            notes,
        }
    }

    /// A column that was sent, by its literal name or, with dots, by its path; null is missing.
    ///
    /// The resolved [`Event::time_ms`] stands for the column `time`; who asks for it does not get here.
    pub fn column(&self, name: &str) -> Option<&Value> {
        column_of(&self.columns, name)
    }

    /// Unix seconds, as the column `time` shows it.
    pub fn time_seconds(&self) -> i64 {
        self.time_ms.div_euclid(1_000)
    }
}

/// Keeps the order of a batch whose times lay in the future: they became arrival, and stand 1 ms apart before it.
///
/// Events that say no time stand at arrival itself, so that none is older than what arrived before it; among those the ids
/// decide, and minted ones rise.
pub fn order_clamped<'a>(batch: impl DoubleEndedIterator<Item = &'a mut Event>) {
    let mut step = 0_i64;
    for event in batch.rev().filter(|event| event.notes.contains(&Note::TimeInFuture)) {
        event.time_ms = event.time_ms.saturating_sub(step);
        step = step.saturating_add(1);
    }
}

/// The same of columns that are no event yet.
pub(crate) fn column_of<'v>(columns: &'v [(String, Value)], name: &str) -> Option<&'v Value> {
    if let Some(value) = top(columns, name) {
        return Some(value);
    }
    let (head, mut rest) = name.split_once('.')?;
    let mut value = top(columns, head)?;
    loop {
        if let Some(found) = value.get(rest) {
            return Some(found);
        }
        let (head, tail) = rest.split_once('.')?;
        value = value.get(head)?;
        rest = tail;
    }
}

fn top<'a>(columns: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    columns.iter().find(|(column, _)| equal(column, name))?.1.present()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn event(columns: Vec<(&str, Value)>) -> Event {
        let columns = columns.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Event::resolve(0, columns, 1_000_000, "minted".into())
    }

    #[test]
    fn ids_and_times() {
        let plain = event(vec![("uuid", "".into()), ("event_id", "e".into()), ("time", 500.into())]);
        assert_eq!((plain.id.as_str(), plain.minted, plain.time_ms), ("e", false, 500_000));
        let bare = event(vec![("uuid", 7.into())]);
        assert_eq!((bare.id.as_str(), bare.minted, bare.time_ms), ("minted", true, 1_000_000));
        let second = event(vec![("time", "soon".into()), ("timestamp", 600.into())]);
        assert_eq!((second.time_ms, second.notes.len()), (600_000, 0));
        let late = event(vec![("time", 2_000.into())]);
        assert_eq!((late.time_ms, late.notes), (1_000_000, vec![Note::TimeInFuture]));
        let broken = event(vec![("time", "soon".into())]);
        assert_eq!((broken.time_ms, broken.notes), (1_000_000, vec![Note::TimeUnreadable]));
    }

    #[test]
    fn a_literal_column_wins_over_the_path() {
        let nested = Value::Object(vec![("b".into(), Value::Object(vec![("c".into(), 1.into())]))]);
        let both = event(vec![("a", nested.clone()), ("a.b.c", 2.into())]);
        assert_eq!(both.column("a.b.c"), Some(&Value::from(2)));
        let path = event(vec![("a", nested)]);
        assert_eq!(path.column("a.b.c"), Some(&Value::from(1)));
        assert_eq!(path.column("a.x"), None);
    }

    #[test]
    fn a_batch_from_the_future_keeps_its_order() {
        let times = [Value::from(2_000), 1.into(), 3_000.into(), "soon".into(), Value::Null];
        let mut batch = times.map(|time| event(vec![("time", time)]));
        order_clamped(batch.iter_mut());
        assert_eq!(batch.map(|event| event.time_ms), [999_999, 1_000, 1_000_000, 1_000_000, 1_000_000]);
    }
}
