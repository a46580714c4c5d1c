//! The newest row for each value of a join column.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use usher_engine::value::Value;

use crate::bytes::{Reader, Writer};
use crate::changed::Changed;
use crate::record::{bytes_of, find};

/// One row of a joined source.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) time_ms: i64,
    pub(crate) columns: Columns,
    pub(crate) brought: Brought,
}

/// The key of the message that brought a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    /// It had none.
    ByNone,
    /// It is the row's own.
    ByItsKey,
    /// Another one.
    By(Box<[u8]>),
}

impl Brought {
    pub(crate) fn new(message: Option<Vec<u8>>, key: &str) -> Brought {
        match message {
            None => Brought::ByNone,
            Some(message) if message == key.as_bytes() => Brought::ByItsKey,
            Some(message) => Brought::By(message.into()),
        }
    }
}

/// The kind of a row's bytes: whether its columns are those that are read or all, and what brought it.
const WHOLE: u8 = 1;
const BY_ITS_KEY: u8 = 2;
const BY_ANOTHER: u8 = 4;

impl Row {
    pub(crate) fn write(&self) -> Vec<u8> {
        let whole = if matches!(self.columns, Columns::Whole(_)) { WHOLE } else { 0 };
        let w = Writer::default().i64(self.time_ms);
        let w = match &self.brought {
            Brought::ByNone => w.byte(whole),
            Brought::ByItsKey => w.byte(whole | BY_ITS_KEY),
            Brought::By(message) => w.byte(whole | BY_ANOTHER).bytes(message),
        };
        match &self.columns {
            Columns::Read(values) => values
                .iter()
                .fold(w.count(values.len()), |w, value| w.optional(value.as_ref(), Writer::value)),
            Columns::Whole(columns) => w.columns(columns),
        }
        .done()
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Row> {
        let mut r = Reader::new(bytes);
        let time_ms = r.i64()?;
        let kind = r.byte()?;
        let brought = match kind & !WHOLE {
            0 => Brought::ByNone,
            BY_ITS_KEY => Brought::ByItsKey,
            BY_ANOTHER => Brought::By(r.bytes()?.into()),
            _ => return None,
        };
        let columns = match kind & WHOLE {
            0 => Columns::Read((0..r.count()?).map(|_| r.optional(Reader::value)).collect::<Option<_>>()?),
            _ => Columns::Whole(r.columns()?),
        };
        r.end()?;
        Some(Row { time_ms, columns, brought })
    }
}

/// The columns of a row that are kept.
#[derive(Debug, PartialEq)]
pub(crate) enum Columns {
    /// Those that the query reads, by their slots.
    Read(Box<[Option<Value>]>),
    /// All, because the query passes them on.
    Whole(Vec<(String, Value)>),
}

impl Columns {
    /// Keeps what the query reads; `names` is None for a source that is passed on.
    pub(crate) fn keep(columns: Vec<(String, Value)>, names: Option<&[String]>) -> Columns {
        match names {
            Some(names) => Columns::Read(names.iter().map(|name| find(&columns, name).cloned()).collect()),
            None => Columns::Whole(columns),
        }
    }

    /// A column by its slot and name.
    pub(crate) fn get(&self, slot: usize, name: &str) -> Option<&Value> {
        match self {
            Columns::Read(values) => values.get(slot)?.as_ref(),
            Columns::Whole(columns) => find(columns, name),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Columns::Read(values) => {
                values.iter().map(|value| value.as_ref().map_or(size_of::<Value>(), bytes_of)).sum()
            }
            Columns::Whole(columns) => {
                columns.iter().map(|(name, value)| name.capacity() + 24 + bytes_of(value)).sum()
            }
        }
    }
}

/// The rows of one join.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: HashMap<Rc<str>, Rc<Row>>,
    /// By time, where rows are forgotten.
    by_time: BTreeSet<(i64, Rc<str>)>,
    /// The keys of the rows that a message with another key brought.
    by_message: HashMap<Box<[u8]>, BTreeSet<Rc<str>>>,
    forgets: bool,
    bytes: u64,
    pub(crate) changed: Changed<Rc<str>>,
}

/// Bytes that a row takes beside its values and its key: the entry of the table and the counts of its parts.
const ROW_BYTES: usize = 112;
/// Bytes that the key of a message takes beside its text: its entry in a table of its own.
const MESSAGE_BYTES: usize = 96;

impl Rows {
    /// `forgets`: rows have a TTL, so that [`Rows::forget`] has to find them by their time.
    pub(crate) fn new(forgets: bool) -> Rows {
        Rows { forgets, ..Rows::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Rc<Row>> {
        self.rows.get(key)
    }

    /// Takes the place of the row that is there.
    pub(crate) fn put(&mut self, key: &str, row: Row) {
        self.remove(key);
        let key: Rc<str> = Rc::from(key);
        self.bytes += bytes(&key, &row);
        self.changed.note(|| Rc::clone(&key));
        if self.forgets {
            self.by_time.insert((row.time_ms, Rc::clone(&key)));
        }
        if let Brought::By(message) = &row.brought {
            self.by_message.entry(message.clone()).or_default().insert(Rc::clone(&key));
        }
        self.rows.insert(key, Rc::new(row));
    }

    /// The keys of the rows that messages with this key brought.
    pub(crate) fn brought_by(&self, message: &[u8]) -> Vec<Rc<str>> {
        let own = std::str::from_utf8(message).ok().and_then(|key| self.rows.get_key_value(key));
        let own = own.filter(|(_, row)| row.brought == Brought::ByItsKey).map(|(key, _)| Rc::clone(key));
        let others = self.by_message.get(message).into_iter().flatten().cloned();
        own.into_iter().chain(others).collect()
    }

    /// True if there was one.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let Some((key, row)) = self.rows.remove_entry(key) else { return false };
        self.bytes = self.bytes.saturating_sub(bytes(&key, &row));
        self.changed.note(|| Rc::clone(&key));
        if let Brought::By(message) = &row.brought
            && let Some(keys) = self.by_message.get_mut(message)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_message.remove(message);
            }
        }
        if self.forgets {
            self.by_time.remove(&(row.time_ms, key));
        }
        true
    }

    /// Forgets the rows of before a time, and returns how many.
    pub(crate) fn forget(&mut self, before_ms: i64) -> u64 {
        let mut count = 0;
        while let Some((_, key)) = self.by_time.first().filter(|(time_ms, _)| *time_ms < before_ms).cloned() {
            self.remove(&key);
            count += 1;
        }
        count
    }
}

fn bytes(key: &str, row: &Row) -> u64 {
    let brought = match &row.brought {
        Brought::By(message) => MESSAGE_BYTES + message.len(),
        Brought::ByNone | Brought::ByItsKey => 0,
    };
    (ROW_BYTES + key.len() + row.columns.bytes() + brought) as u64
}
