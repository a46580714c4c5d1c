//! The state of a stream as entries of a store: what changed since the last commit, and a stream made from all entries.

use std::rc::Rc;

use crate::bytes::{Reader, Writer};
use crate::held::Held;
use crate::plan::Plan;
use crate::rows::Row;
use crate::stream::{Bounds, Partition, Stream};

/// An entry that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its key, unique in the state of its stream.
    pub key: Vec<u8>,
    /// Its value; None: it is gone.
    pub value: Option<Vec<u8>>,
}

/// The first byte of keys. The end of an event's wait stands in its value, so that nothing but its number is its key.
const ROW: u8 = b'r';
const HELD: u8 = b'h';
const ID: u8 = b'i';
const PARTITION: u8 = b'p';
const WRITTEN: u8 = b'w';

/// A key and a value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// The partition whose state an entry belongs to; None: that of joined rows, which belong to none.
pub fn partition_of(key: &[u8], value: &[u8]) -> Option<u32> {
    let mut r = Reader::new(key);
    match r.byte()? {
        HELD => Reader::new(value).u32(),
        ID | PARTITION | WRITTEN => r.u32(),
        _ => None,
    }
}

fn row_key(join: u32, key: &str) -> Vec<u8> {
    Writer::new(ROW).u32(join).rest(key).done()
}

/// The number of an event that waits.
fn held_number(key: &[u8]) -> Option<u64> {
    let mut r = Reader::new(key);
    (r.byte()? == HELD).then(|| r.u64()).flatten()
}

fn id_key(partition: u32, id: &str) -> Vec<u8> {
    Writer::new(ID).u32(partition).rest(id).done()
}

impl Plan {
    /// The form of the state, for people and for comparison: a state of another form cannot be used.
    pub fn form(&self) -> String {
        let joins = self.joins.iter().map(|join| {
            let kept = join.kept.as_ref().map_or("everything".to_owned(), |kept| kept.join(", "));
            format!("; {} by {}: {kept}", join.topic, join.column)
        });
        format!("events of {}{}", self.from, joins.collect::<String>())
    }
}

impl Stream {
    /// A stream whose state is that of some entries, in any order. From then on it notes changes.
    ///
    /// # Errors
    ///
    /// An entry cannot be read; the text is for people.
    pub fn resumed(
        plan: Plan,
        bounds: Bounds,
        entries: impl IntoIterator<Item = Result<Entry, String>>,
    ) -> Result<Stream, String> {
        let mut stream = Stream::new(plan, bounds);
        stream.restore_all(entries)?;
        stream.begin();
        Ok(stream)
    }

    /// The same without the state of partitions, which [`Chain::give`](crate::Chain::give) brings.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn resumed_rows(
        plan: Plan,
        bounds: Bounds,
        entries: impl IntoIterator<Item = Result<Entry, String>>,
    ) -> Result<Stream, String> {
        let mut stream = Stream::new(plan, bounds);
        let mut highest = None;
        let of_rows = entries.into_iter().filter(|entry| match entry {
            Ok((key, value)) if partition_of(key, value).is_some() => {
                highest = highest.max(held_number(key));
                false
            }
            _ => true,
        });
        stream.restore_all(of_rows)?;
        highest.into_iter().for_each(|number| stream.held.reserve(number));
        stream.begin();
        Ok(stream)
    }

    /// Takes the state of a partition, which the store has.
    pub(crate) fn give(&mut self, partition: u32, entries: Vec<Entry>) -> Result<(), String> {
        self.drop_partition(partition);
        let (held, written) = (self.held.changed.unnoted(), self.written.changed.unnoted());
        let notes = std::mem::replace(&mut self.notes, false);
        let restored = self.restore_all(entries.into_iter().map(Ok));
        self.held.changed.noted(held);
        self.written.changed.noted(written);
        self.notes = notes;
        if let Some(of) = self.partitions.get_mut(&partition).filter(|_| notes) {
            of.begin();
        }
        restored
    }

    /// Drops the state of a partition from memory; the store keeps what it has.
    pub(crate) fn drop_partition(&mut self, partition: u32) {
        let (held, written) = (self.held.changed.unnoted(), self.written.changed.unnoted());
        for number in self.held.of(partition) {
            self.held.release(number);
        }
        self.written.clear(partition);
        self.partitions.remove(&partition);
        self.held.changed.noted(held);
        self.written.changed.noted(written);
    }

    fn restore_all(
        &mut self,
        entries: impl IntoIterator<Item = Result<Entry, String>>,
    ) -> Result<(), String> {
        let mut held = Vec::new();
        for entry in entries {
            let (key, value) = entry?;
            let damaged = || format!("an entry of the state is damaged: {}", key.escape_ascii());
            match self.restore(&key, &value).ok_or_else(damaged)? {
                None => {}
                Some(number) => held.push((number, Held::read(&value).ok_or_else(damaged)?)),
            }
        }
        // Which rows an event looks up follows from the rows, which are all there now.
        for (number, (event, until_ms)) in held {
            let lookups = self.find(&event).lookups;
            self.held.insert(number, event, lookups, until_ms);
        }
        Ok(())
    }

    /// Takes an entry. The number of an event that waits is left to the caller.
    fn restore(&mut self, key: &[u8], value: &[u8]) -> Option<Option<u64>> {
        let (mut key, mut r) = (Reader::new(key), Reader::new(value));
        match key.byte()? {
            ROW => {
                let join = usize::try_from(key.u32()?).ok()?;
                self.rows.get_mut(join)?.put(key.rest()?, Row::read(value)?);
            }
            ID => {
                let (partition, id) = (key.u32()?, key.rest()?);
                self.partition(partition).emitted.remember(Rc::from(id), r.i64()?);
                r.end()?;
            }
            PARTITION => {
                let of = self.partition(key.u32()?);
                (of.clock_ms, of.last) = (r.i64()?, (r.i64()?, r.i64()?));
                key.end()?;
                r.end()?;
            }
            WRITTEN => {
                self.written.note(key.u32()?, key.u64()?);
                key.end()?;
                r.end()?;
            }
            HELD => {
                let number = key.u64()?;
                key.end()?;
                return Some(Some(number));
            }
            _ => return None,
        }
        Some(None)
    }

    /// Notes changes from now on.
    fn begin(&mut self) {
        self.rows.iter_mut().for_each(|rows| rows.changed.begin());
        self.held.changed.begin();
        self.written.changed.begin();
        self.partitions.values_mut().for_each(Partition::begin);
        self.notes = true;
    }

    /// The entries that changed since the last time.
    pub fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (join, rows) in (0..).zip(&mut self.rows) {
            for key in rows.changed.take() {
                let value = rows.get(&key).map(|row| row.write());
                changes.push(Change { key: row_key(join, &key), value });
            }
        }
        for number in self.held.changed.take() {
            let value = self.held.write(number);
            changes.push(Change { key: Writer::new(HELD).u64(number).done(), value });
        }
        for (partition, offset) in self.written.changed.take() {
            let value = self.written.has(partition, offset).then(Vec::new);
            changes.push(Change { key: Writer::new(WRITTEN).u32(partition).u64(offset).done(), value });
        }
        for (&partition, of) in &mut self.partitions {
            for id in of.emitted.changed.take() {
                let value = of.emitted.until_ms(&id).map(|until_ms| Writer::default().i64(until_ms).done());
                changes.push(Change { key: id_key(partition, &id), value });
            }
            if std::mem::take(&mut of.moved) {
                let value = Writer::default().i64(of.clock_ms).i64(of.last.0).i64(of.last.1).done();
                changes
                    .push(Change { key: Writer::new(PARTITION).u32(partition).done(), value: Some(value) });
            }
        }
        changes
    }
}
