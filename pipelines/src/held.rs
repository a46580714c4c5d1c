//! Events that wait for rows: by the rows that they look up, and by the end of their TTL.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use usher_engine::value::Value;

use crate::bytes::{Reader, Writer};
use crate::changed::Changed;
use crate::record::bytes_of;

/// An event of `FROM` while it is evaluated, and while it waits.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    /// None: it has no id of its own, and is never a duplicate.
    pub(crate) id: Option<Rc<str>>,
    pub(crate) time_ms: i64,
    /// The moment since which its TTL runs: its time, or in a chain the moment at which it was emitted.
    pub(crate) since_ms: i64,
    pub(crate) columns: Vec<(String, Value)>,
    /// True if its row stands in the output, or it ended, before this process read it.
    pub(crate) is_written: bool,
}

/// The rows that an event looks up: the join, and the text of the key.
pub(crate) type Lookups = Vec<(usize, Rc<str>)>;

#[derive(Debug)]
struct Waiting {
    event: Event,
    lookups: Lookups,
    /// The moment of its partition's clock after which it is over.
    until_ms: i64,
}

/// All held events, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Held {
    events: BTreeMap<u64, Waiting>,
    next: u64,
    by_lookup: HashMap<(usize, Rc<str>), BTreeSet<u64>>,
    /// By partition and end.
    by_end: BTreeSet<(u32, i64, u64)>,
    by_id: HashMap<(u32, Rc<str>), u64>,
    bytes: u64,
    pub(crate) changed: Changed<u64>,
}

impl Held {
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True if an event of this partition with this id waits.
    pub(crate) fn has(&self, partition: u32, id: &Rc<str>) -> bool {
        self.by_id.contains_key(&(partition, Rc::clone(id)))
    }

    /// Holds an event until a moment of its partition's clock.
    pub(crate) fn hold(&mut self, event: Event, lookups: Lookups, until_ms: i64) {
        self.insert(self.next, event, lookups, until_ms);
    }

    /// The same, for an event that has its number.
    pub(crate) fn insert(&mut self, number: u64, event: Event, lookups: Lookups, until_ms: i64) {
        self.reserve(number);
        self.changed.note(|| number);
        if let Some(id) = &event.id {
            self.by_id.insert((event.partition, Rc::clone(id)), number);
        }
        self.by_end.insert((event.partition, until_ms, number));
        self.bytes += bytes(&event);
        self.look(number, &lookups);
        self.events.insert(number, Waiting { event, lookups, until_ms });
    }

    /// The events that look up a row, in the order in which they came.
    pub(crate) fn that_look_up(&self, join: usize, key: &Rc<str>) -> Vec<u64> {
        let found = self.by_lookup.get(&(join, Rc::clone(key)));
        found.into_iter().flatten().copied().collect()
    }

    pub(crate) fn event(&self, number: u64) -> Option<&Event> {
        self.events.get(&number).map(|waiting| &waiting.event)
    }

    /// An event as bytes, and None for one that is gone.
    pub(crate) fn write(&self, number: u64) -> Option<Vec<u8>> {
        let Waiting { event, until_ms, .. } = self.events.get(&number)?;
        let w = Writer::default().u32(event.partition).u64(event.offset);
        let w = w.i64(event.time_ms).i64(event.since_ms).i64(*until_ms);
        let w = w.optional(event.id.as_deref(), Writer::text).columns(&event.columns);
        // Only where it is true, because states of before have none.
        Some(if event.is_written { w.byte(1) } else { w }.done())
    }

    /// The event of bytes, and the moment after which it is over.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Event, i64)> {
        let mut r = Reader::new(bytes);
        let (partition, offset) = (r.u32()?, r.u64()?);
        let (time_ms, since_ms, until_ms) = (r.i64()?, r.i64()?, r.i64()?);
        let id = r.optional(Reader::text)?.map(Rc::from);
        let columns = r.columns()?;
        let is_written = !r.is_done() && r.byte()? == 1;
        let event = Event { partition, offset, id, time_ms, since_ms, columns, is_written };
        r.end()?;
        Some((event, until_ms))
    }

    /// An event that waits on looks up these rows from now on.
    pub(crate) fn look_up(&mut self, number: u64, lookups: Lookups) {
        let Some(waiting) = self.events.get_mut(&number).filter(|waiting| waiting.lookups != lookups) else {
            return;
        };
        let before = std::mem::replace(&mut waiting.lookups, lookups.clone());
        self.overlook(number, &before);
        self.look(number, &lookups);
    }

    /// Takes an event out.
    pub(crate) fn release(&mut self, number: u64) -> Option<Event> {
        let Waiting { event, lookups, until_ms } = self.events.remove(&number)?;
        self.changed.note(|| number);
        self.overlook(number, &lookups);
        self.by_end.remove(&(event.partition, until_ms, number));
        if let Some(id) = &event.id {
            self.by_id.remove(&(event.partition, Rc::clone(id)));
        }
        self.bytes = self.bytes.saturating_sub(bytes(&event));
        Some(event)
    }

    /// The next event of a partition that is over when its clock shows this.
    pub(crate) fn over(&self, partition: u32, clock_ms: i64) -> Option<u64> {
        let next = self.by_end.range((partition, i64::MIN, 0)..).next();
        next.filter(|(of, until_ms, _)| *of == partition && *until_ms < clock_ms)
            .map(|(_, _, number)| *number)
    }

    /// The numbers of the events of a partition.
    pub(crate) fn of(&self, partition: u32) -> Vec<u64> {
        let from = self.by_end.range((partition, i64::MIN, 0)..);
        from.take_while(|(of, ..)| *of == partition).map(|(_, _, number)| *number).collect()
    }

    /// Notes of the events of a partition at these offsets that their rows stand in the output, and returns the offsets that are
    /// of other events.
    pub(crate) fn mark(&mut self, partition: u32, offsets: &BTreeSet<u64>) -> BTreeSet<u64> {
        let mut rest = offsets.clone();
        for number in self.of(partition) {
            let Some(waiting) = self.events.get_mut(&number) else { continue };
            if rest.remove(&waiting.event.offset) {
                waiting.event.is_written = true;
                self.changed.note(|| number);
            }
        }
        rest
    }

    /// A number that the store has, and an event that comes must not get.
    pub(crate) fn reserve(&mut self, number: u64) {
        self.next = self.next.max(number.saturating_add(1));
    }

    /// The event that waits longest.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.events.keys().next().copied()
    }

    fn look(&mut self, number: u64, lookups: &Lookups) {
        for lookup in lookups {
            self.by_lookup.entry(lookup.clone()).or_default().insert(number);
        }
    }

    fn overlook(&mut self, number: u64, lookups: &Lookups) {
        for lookup in lookups {
            if let Some(numbers) = self.by_lookup.get_mut(lookup) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_lookup.remove(lookup);
                }
            }
        }
    }
}

/// Bytes that an event takes beside its columns: its entries in four tables.
const HELD_BYTES: usize = 400;

fn bytes(event: &Event) -> u64 {
    let columns: usize =
        event.columns.iter().map(|(name, value)| name.capacity() + 24 + bytes_of(value)).sum();
    (HELD_BYTES + columns) as u64
}
