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

fn row_key(join: u32, key: &str) -> Vec<u8> {
    Writer::new(ROW).u32(join).rest(key).done()
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
        entries: impl IntoIterator<Item = Result<(Vec<u8>, Vec<u8>), String>>,
    ) -> Result<Stream, String> {
        let mut stream = Stream::new(plan, bounds);
        let mut held = Vec::new();
        for entry in entries {
            let (key, value) = entry?;
            let damaged = || format!("an entry of the state is damaged: {}", key.escape_ascii());
            match stream.restore(&key, &value).ok_or_else(damaged)? {
                None => {}
                Some(number) => held.push((number, Held::read(&value).ok_or_else(damaged)?)),
            }
        }
        // Which rows an event looks up follows from the rows, which are all there now.
        for (number, (event, until_ms)) in held {
            let lookups = stream.find(&event).lookups;
            stream.held.insert(number, event, lookups, until_ms);
        }
        stream.begin();
        Ok(stream)
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
