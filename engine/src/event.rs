//! Events: flat objects with an id and a time, resolved once when they arrive.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::compare::equal;
use crate::limits::{DAY_MS, EVENT_ID_BYTES_MAX};
use crate::time;
use crate::value::{Number, Value};

/// One event, with its id and time resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Index of its event table in the plan.
    pub table: usize,
    /// The event's id; of two events with one id the first to arrive counts.
    pub id: String,
    /// True if the id was minted for this request, so that the event is never a duplicate.
    pub minted: bool,
    /// When it happened, Unix milliseconds; never after its arrival.
    pub time_ms: i64,
    /// Its columns in the order in which they were sent.
    pub columns: Vec<(String, Value)>,
    /// The corrections made to it, for the receipt.
    pub notes: Vec<Note>,
}

/// A correction made to an event that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Its time could not be read and was replaced by its arrival.
    TimeUnreadable,
    /// Its time lay in the future and was replaced by its arrival.
    TimeInFuture,
    /// Its time lay before the year 2000 and was replaced by its arrival.
    TimeImplausible,
    /// The batch's `sentAt` could not be read, or is impossible; the event's time was not corrected by it.
    SentAtUnusable,
    /// Its id was longer than the bound and was dropped.
    IdTooLong,
    /// A column of its id held neither a text nor an integer.
    IdUnusable,
}

impl Note {
    /// A stable name for receipts and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Note::TimeUnreadable => "time_unreadable",
            Note::TimeInFuture => "time_in_future",
            Note::TimeImplausible => "time_implausible",
            Note::SentAtUnusable => "sent_at_unusable",
            Note::IdTooLong => "id_too_long",
            Note::IdUnusable => "id_unusable",
        }
    }
}

/// The time at which a batch was sent, by a clock that may be wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SentAt {
    /// The batch gives none.
    #[default]
    Absent,
    /// Not a time, or one at which no batch can have been sent.
    Unusable,
    /// Unix milliseconds.
    At(i64),
}

impl SentAt {
    /// Reads the `sentAt` of a batch that arrived at `arrival_ms`; null is missing. A time before 2000 or more than a
    /// day ahead is unusable: it is in another unit, or no clock shows it.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::SentAt;
    ///
    /// let arrival_ms = 1_790_000_000_000;
    /// let sent = SentAt::read(Some(&"2026-09-21T14:13:10Z".into()), arrival_ms);
    /// assert_eq!(sent, SentAt::At(1_789_999_990_000));
    /// assert_eq!(SentAt::read(Some(&"yesterday".into()), arrival_ms), SentAt::Unusable);
    /// assert_eq!(SentAt::read(None, arrival_ms), SentAt::Absent);
    /// ```
    pub fn read(value: Option<&Value>, arrival_ms: i64) -> SentAt {
        let Some(value) = value.and_then(Value::present) else { return SentAt::Absent };
        let is_usable =
            |sent_ms: &i64| *sent_ms >= YEAR_2000_MS && *sent_ms <= arrival_ms.saturating_add(DAY_MS);
        time::instant_ms(value).filter(is_usable).map_or(SentAt::Unusable, SentAt::At)
    }
}

/// The columns that may hold an event's id, in order of preference.
pub(crate) const ID_COLUMNS: [&str; 3] = ["uuid", "event_id", "messageId"];

/// The earliest possible time of an event: 2000-01-01T00:00:00Z.
const YEAR_2000_MS: i64 = 946_684_800_000;

/// Resolves id and time; `id_columns` are tried in order.
pub(crate) fn resolve<'c>(
    id_columns: impl Iterator<Item = &'c str>,
    table: usize,
    columns: Vec<(String, Value)>,
    arrival_ms: i64,
    minted_id: String,
    sent: SentAt,
) -> Event {
    let mut notes = Vec::new();
    let mut named: Option<Cow<'_, str>> = None;
    for value in id_columns.filter_map(|name| column_of(&columns, name)) {
        let id = match value {
            Value::String(id) if !id.is_empty() => Cow::Borrowed(id.as_str()),
            Value::Number(Number::Integer(id)) => Cow::Owned(id.to_string()),
            _ => {
                note(&mut notes, Note::IdUnusable);
                continue;
            }
        };
        named.get_or_insert(id);
    }
    let id = named.filter(|id| {
        let fits = id.len() <= EVENT_ID_BYTES_MAX;
        if !fits {
            note(&mut notes, Note::IdTooLong);
        }
        fits
    });
    let id = id.map(Cow::into_owned);
    let times = ["time", "timestamp"].map(|name| top(&columns, name));
    let read = times.iter().flatten().find_map(|value| time::instant_ms(value));
    if read.is_none() && times.iter().any(Option::is_some) {
        note(&mut notes, Note::TimeUnreadable);
    }
    let shift_ms = match sent {
        SentAt::Absent => 0,
        SentAt::Unusable => {
            note(&mut notes, Note::SentAtUnusable);
            0
        }
        SentAt::At(sent_ms) => arrival_ms.saturating_sub(sent_ms),
    };
    let said = read.map(|time_ms| time_ms.saturating_add(shift_ms)).filter(|time_ms| {
        if *time_ms > arrival_ms {
            note(&mut notes, Note::TimeInFuture);
        } else if *time_ms < YEAR_2000_MS {
            note(&mut notes, Note::TimeImplausible);
        }
        (YEAR_2000_MS..=arrival_ms).contains(time_ms)
    });
    Event {
        table,
        minted: id.is_none(),
        id: id.unwrap_or(minted_id),
        time_ms: said.unwrap_or(arrival_ms),
        columns,
        notes,
    }
}

fn note(notes: &mut Vec<Note>, note: Note) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

impl Event {
    /// Resolves id and time of an event that arrived at `arrival_ms`, with the standard id columns;
    /// [`Plan::event`](crate::Plan::event) also tries the definition's own.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::Event;
    ///
    /// let columns = vec![("event_id".into(), "e-7".into()), ("time".into(), 1_790_000_000.into())];
    /// let event = Event::resolve(0, columns, 1_790_000_005_000, "minted".into());
    /// assert_eq!((event.id.as_str(), event.time_ms), ("e-7", 1_790_000_000_000));
    /// ```
    pub fn resolve(table: usize, columns: Vec<(String, Value)>, arrival_ms: i64, minted_id: String) -> Event {
        resolve(ID_COLUMNS.into_iter(), table, columns, arrival_ms, minted_id, SentAt::Absent)
    }

    /// A column as sent, by its literal name or, with dots, by its path; null is missing.
    ///
    /// Does not replace the column `time` by the resolved [`Event::time_ms`]; callers that need the latter read it
    /// themselves.
    pub fn column(&self, name: &str) -> Option<&Value> {
        column_of(&self.columns, name)
    }

    /// Unix seconds, as the column `time` shows it.
    pub fn time_seconds(&self) -> i64 {
        self.time_ms.div_euclid(1_000)
    }
}

/// Keeps the order of a batch whose times lay in the future: such events are placed 1 ms apart before their arrival.
///
/// Events without a time get the arrival itself, so that none is older than an event that arrived before it; among
/// those their ids decide, and minted ids ascend.
///
/// # Examples
///
/// ```
/// use usher_engine::{Event, order_clamped};
///
/// let arrival_ms = 1_790_000_000_000;
/// let ahead = |id: &str| Event::resolve(0, vec![("time".into(), 1_800_000_000.into())], arrival_ms, id.into());
/// let mut batch = [ahead("a"), ahead("b")];
/// order_clamped(batch.iter_mut());
/// assert_eq!(batch.map(|event| event.time_ms), [arrival_ms - 1, arrival_ms]);
/// ```
pub fn order_clamped<'a>(batch: impl DoubleEndedIterator<Item = &'a mut Event>) {
    let mut step = 0_i64;
    for event in batch.rev().filter(|event| event.notes.contains(&Note::TimeInFuture)) {
        event.time_ms = event.time_ms.saturating_sub(step);
        step = step.saturating_add(1);
    }
}

/// The same for columns that are not an event yet.
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

    const NOW_MS: i64 = 1_790_000_000_000;

    fn event(columns: Vec<(&str, Value)>) -> Event {
        sent(columns, SentAt::Absent)
    }

    fn sent(columns: Vec<(&str, Value)>, sent: SentAt) -> Event {
        let columns = columns.into_iter().map(|(name, value)| (name.into(), value)).collect();
        resolve(ID_COLUMNS.into_iter(), 0, columns, NOW_MS, "minted".into(), sent)
    }

    #[test]
    fn ids() {
        let float = |value| Value::Number(Number::float(value).unwrap());
        for (columns, id, notes) in [
            (vec![("event_id", "e".into()), ("uuid", "u".into())], "u", vec![]),
            (vec![("event_id", "e".into())], "e", vec![]),
            (vec![("uuid", 7.into())], "7", vec![]),
            (vec![("uuid", i64::MIN.into())], "-9223372036854775808", vec![]),
            (vec![("uuid", "".into()), ("event_id", "e".into())], "e", vec![Note::IdUnusable]),
            (vec![("uuid", "u".into()), ("messageId", true.into())], "u", vec![Note::IdUnusable]),
            (
                vec![("uuid", float(1e20)), ("event_id", Value::List(vec![]))],
                "minted",
                vec![Note::IdUnusable],
            ),
            (vec![("uuid", Value::Null)], "minted", vec![]),
            (vec![], "minted", vec![]),
            (vec![("uuid", "u".repeat(257).as_str().into())], "minted", vec![Note::IdTooLong]),
        ] {
            let found = event(columns);
            assert_eq!((found.id.as_str(), found.minted, found.notes), (id, id == "minted", notes));
        }
        assert_eq!(event(vec![("uuid", "u".repeat(256).as_str().into())]).id.len(), 256);
    }

    #[test]
    fn times() {
        let second = event(vec![("time", "soon".into()), ("timestamp", 1_600_000_000.into())]);
        assert_eq!((second.time_ms, second.notes.len()), (1_600_000_000_000, 0));
        let late = event(vec![("time", 1_790_000_001.into())]);
        assert_eq!((late.time_ms, late.notes), (NOW_MS, vec![Note::TimeInFuture]));
        let broken = event(vec![("time", "soon".into())]);
        assert_eq!((broken.time_ms, broken.notes), (NOW_MS, vec![Note::TimeUnreadable]));
        let oldest = event(vec![("time", 946_684_800.into())]);
        assert_eq!((oldest.time_ms, oldest.notes.len()), (YEAR_2000_MS, 0));
        let older = event(vec![("time", "1999-12-31T23:59:59.999Z".into())]);
        assert_eq!((older.time_ms, older.notes), (NOW_MS, vec![Note::TimeImplausible]));
    }

    #[test]
    fn a_clock_that_is_wrong_shifts_times_if_it_can_be_told() {
        let at = |value: Value| SentAt::read(Some(&value), NOW_MS);
        for (value, expected) in [
            (Value::Null, SentAt::Absent),
            (1_789_999_000.into(), SentAt::At(1_789_999_000_000)),
            (1_789_999_000_000_000_i64.into(), SentAt::At(1_789_999_000_000)),
            (946_684_800.into(), SentAt::At(YEAR_2000_MS)),
            (946_684_799.into(), SentAt::Unusable),
            ((1_790_000_000 + 86_400).into(), SentAt::At(NOW_MS + DAY_MS)),
            ((NOW_MS + DAY_MS + 1).into(), SentAt::Unusable),
            ("yesterday".into(), SentAt::Unusable),
        ] {
            assert_eq!(at(value.clone()), expected, "{value}");
        }
        let slow = sent(vec![("time", 1_789_998_990.into())], SentAt::At(1_789_999_000_000));
        assert_eq!((slow.time_ms, slow.notes.len()), (NOW_MS - 10_000, 0));
        let unusable = sent(vec![("time", 1_789_999_990.into())], SentAt::Unusable);
        assert_eq!((unusable.time_ms, unusable.notes), (NOW_MS - 10_000, vec![Note::SentAtUnusable]));
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
        let times = [
            Value::from(1_790_000_001),
            1_600_000_000.into(),
            1_790_000_002.into(),
            "soon".into(),
            Value::Null,
        ];
        let mut batch = times.map(|time| event(vec![("time", time)]));
        order_clamped(batch.iter_mut());
        assert_eq!(batch.map(|event| event.time_ms), [NOW_MS - 1, 1_600_000_000_000, NOW_MS, NOW_MS, NOW_MS]);
    }
}
