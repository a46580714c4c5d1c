//! A running pipeline: records in, rows out. It has no clock, reads nothing and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use usher_engine::value::Value;
use usher_engine::{Event as Resolved, Note};

use crate::counts::{Counts, JoinCounts};
use crate::emitted::Emitted;
use crate::held::{Event, Held};
use crate::judge::{self, Found, Verdict};
use crate::limits::{AHEAD_MS, GRACE_MS, HELD_MAX, STATE_BYTES_MAX};
use crate::output::{EndReason, Ended, Origin, Output, OutputRow};
use crate::plan::Plan;
use crate::record::{Record, find, is_tombstone, key_text};
use crate::rows::{Brought, Columns, Row, Rows};
use crate::written::{Rebuilt, Written};

/// Bounds of the state of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most events that wait.
    pub held: usize,
    /// The most bytes of rows, held events and ids, roughly.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { held: HELD_MAX, bytes: STATE_BYTES_MAX }
    }
}

/// The state of one partition of `FROM`.
#[derive(Debug)]
pub(crate) struct Partition {
    /// The greatest time seen, moved on when the partition is idle.
    pub(crate) clock_ms: i64,
    /// The wall clock when the last event came, and the clock then.
    pub(crate) last: (i64, i64),
    pub(crate) emitted: Emitted,
    /// True if a clock changed since changes were taken.
    pub(crate) moved: bool,
    /// While the state is made again from events that were read before.
    pub(crate) rebuilt: Option<Rebuilt>,
}

impl Partition {
    fn new(notes: bool) -> Partition {
        let (last, emitted) = ((0, 0), Emitted::default());
        let mut new = Partition { clock_ms: i64::MIN, last, emitted, moved: false, rebuilt: None };
        if notes {
            new.begin();
        }
        new
    }

    /// Notes changes from now on.
    pub(crate) fn begin(&mut self) {
        self.emitted.changed.begin();
    }
}

/// A pipeline with its state.
#[derive(Debug)]
pub struct Stream {
    plan: Plan,
    bounds: Bounds,
    pub(crate) rows: Vec<Rows>,
    pub(crate) held: Held,
    pub(crate) partitions: BTreeMap<u32, Partition>,
    pub(crate) written: Written,
    counts: Counts,
    /// True if changes are noted, because somebody takes them.
    pub(crate) notes: bool,
    /// Of a stream that takes the rows of another one, whose clocks it follows: how much older than the clock an event may be
    /// when it comes.
    pub(crate) lag_ms: Option<i64>,
}

/// The columns with an event's time.
const TIMES: [&str; 2] = ["time", "timestamp"];

/// The notes on a time in whose place the arrival counts.
const BY_ARRIVAL: [Note; 3] = [Note::TimeUnreadable, Note::TimeInFuture, Note::TimeImplausible];

/// Columns by their names.
type RowColumns = Vec<(String, Value)>;

impl Stream {
    /// A stream without state.
    pub fn new(plan: Plan, bounds: Bounds) -> Stream {
        let joins = plan.joins.len();
        let rows = plan.joins.iter().map(|join| Rows::new(join.ttl_ms.is_some())).collect();
        let counts = Counts { joins: vec![JoinCounts::default(); joins], ..Counts::default() };
        let (held, partitions, written) = (Held::default(), BTreeMap::new(), Written::default());
        Stream { plan, bounds, rows, held, partitions, written, counts, notes: false, lag_ms: None }
    }

    /// The state of a partition, made if it is not there.
    pub(crate) fn partition(&mut self, partition: u32) -> &mut Partition {
        let notes = self.notes;
        self.partitions.entry(partition).or_insert_with(|| Partition::new(notes))
    }

    /// The compiled pipeline.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Counts since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The number of events that wait.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Notes of events of a partition, by their offsets, that their rows stand in the output. Events before `next` that do not wait
    /// will not come again.
    pub(crate) fn mark(&mut self, partition: u32, offsets: &BTreeSet<u64>, next: u64) {
        let rest = self.held.mark(partition, offsets);
        rest.into_iter().filter(|offset| *offset >= next).for_each(|at| self.written.note(partition, at));
    }

    /// The number of ids that were emitted and are remembered.
    pub fn ids(&self) -> usize {
        self.partitions.values().map(|of| of.emitted.len()).sum()
    }

    /// The number of rows of a join.
    pub fn rows(&self, join: usize) -> usize {
        self.rows.get(join).map_or(0, Rows::len)
    }

    /// Takes a record of `FROM` at this time of the wall clock, Unix milliseconds.
    pub fn event(&mut self, record: Record, wall_ms: i64, out: &mut Vec<Output>) {
        let Record { partition, offset, arrival_ms, columns, .. } = record;
        let has_time = TIMES.iter().any(|name| find(&columns, name).is_some());
        let resolved = Resolved::resolve(0, columns, arrival_ms, String::new());
        if !has_time || resolved.notes.iter().any(|note| BY_ARRIVAL.contains(note)) {
            self.counts.undated += 1;
        }
        let event = Event {
            partition,
            offset,
            id: (!resolved.minted).then(|| Rc::from(resolved.id)),
            time_ms: resolved.time_ms,
            since_ms: resolved.time_ms,
            columns: resolved.columns,
            is_written: false,
        };
        let clock_ms = event.time_ms.min(wall_ms.saturating_add(AHEAD_MS));
        let of = self.partition(partition);
        let clock_ms = of.clock_ms.max(clock_ms);
        of.last = (wall_ms, clock_ms);
        of.moved = true;
        self.advance(partition, clock_ms, out);
        self.take(event, out);
    }

    /// Takes a row of another stream as an event. It keeps its event's id, time and place; its TTL runs from this moment of
    /// that stream's clock.
    pub(crate) fn chained(
        &mut self,
        row: &OutputRow,
        columns: RowColumns,
        clock_ms: i64,
        out: &mut Vec<Output>,
    ) {
        let Origin { partition, offset } = row.origin;
        self.follow(partition, clock_ms, out);
        let (id, time_ms) = (row.id.clone(), row.time_ms);
        let since_ms = clock_ms;
        self.take(Event { partition, offset, id, time_ms, since_ms, columns, is_written: false }, out);
    }

    /// The clock of a partition is that of the stream whose rows this one takes.
    pub(crate) fn follow(&mut self, partition: u32, clock_ms: i64, out: &mut Vec<Output>) {
        self.partition(partition);
        self.advance(partition, clock_ms, out);
    }

    /// The clock of a partition that had an event.
    pub(crate) fn clock_ms(&self, partition: u32) -> Option<i64> {
        self.partitions.get(&partition).map(|of| of.clock_ms)
    }

    /// The partitions that had an event, with their clocks.
    pub(crate) fn clocks(&self) -> impl Iterator<Item = (u32, i64)> {
        self.partitions.iter().map(|(partition, of)| (*partition, of.clock_ms))
    }

    /// How much older than the clock a row may be when it leaves.
    pub(crate) fn row_lag_ms(&self) -> i64 {
        self.lag_ms.unwrap_or(0).saturating_add(self.plan.ttl_ms).saturating_add(GRACE_MS)
    }

    /// Takes an event, when the clock of its partition was moved on.
    fn take(&mut self, mut event: Event, out: &mut Vec<Output>) {
        self.counts.events += 1;
        event.is_written = self.was_written(&event);
        let (partition, clock_ms) = (event.partition, self.partition(event.partition).clock_ms);
        let known = event.id.as_ref().is_some_and(|id| {
            self.held.has(partition, id)
                || self.partitions.get(&partition).is_some_and(|of| of.emitted.has(id))
        });
        if known {
            self.counts.duplicates += 1;
            return;
        }
        let found = self.find(&event);
        match self.judge(&event, &found) {
            Verdict::Wait(missing) => {
                let until_ms = self.until_ms(event.since_ms);
                if until_ms < clock_ms {
                    self.judged(&found);
                    self.end(event, missing, EndReason::Expired, out);
                } else {
                    self.held.hold(event, found.lookups, until_ms);
                    self.bound(out);
                }
            }
            verdict => {
                self.judged(&found);
                self.settle(&event, verdict, out);
            }
        }
    }

    /// True for an event whose row stands in the output, or that ended, before this process read it.
    fn was_written(&mut self, event: &Event) -> bool {
        let (partition, offset) = (event.partition, event.offset);
        let is_noted = self.written.take(partition, offset);
        let is_first = self.lag_ms.is_none();
        let at_once = is_first && !self.plan.is_smart();
        let until_ms = self.until_ms(event.since_ms);
        let Some(of) = self.partitions.get_mut(&partition) else { return is_noted };
        if is_first && of.rebuilt.as_ref().is_some_and(|rebuilt| offset >= rebuilt.until) {
            of.rebuilt = None;
        }
        // What waits for nothing came out when it was read, and what waited ended when the clock showed its end.
        let has_ended = |rebuilt: &Rebuilt| at_once || (is_first && until_ms < rebuilt.clock_ms);
        is_noted || of.rebuilt.as_ref().is_some_and(has_ended)
    }

    /// Takes a record of a joined source, by the join's place in the query. False: it has no join column.
    pub fn row(&mut self, join: usize, record: Record, out: &mut Vec<Output>) -> bool {
        let Record { arrival_ms, key, columns, .. } = record;
        let resolved = Resolved::resolve(0, columns, arrival_ms, String::new());
        self.row_of(join, resolved.columns, resolved.time_ms, key, out)
    }

    /// Deletes the rows of a joined source that messages with this key brought.
    pub(crate) fn delete(&mut self, join: usize, message: &[u8], out: &mut Vec<Output>) {
        let (Some(rows), Some(counts)) = (self.rows.get_mut(join), self.counts.joins.get_mut(join)) else {
            return;
        };
        counts.deleted += 1;
        let keys = rows.brought_by(message);
        for key in &keys {
            rows.remove(key);
        }
        for key in keys {
            for number in self.held.that_look_up(join, &key) {
                self.again(number, out);
            }
        }
    }

    /// The same, for columns of a known time.
    pub(crate) fn row_of(
        &mut self,
        join: usize,
        columns: RowColumns,
        time_ms: i64,
        message: Option<Vec<u8>>,
        out: &mut Vec<Output>,
    ) -> bool {
        let (Some(plan), Some(rows)) = (self.plan.joins.get(join), self.rows.get_mut(join)) else {
            return false;
        };
        let Some(counts) = self.counts.joins.get_mut(join) else { return false };
        let key = find(&columns, &plan.column).and_then(key_text).map(|key| Rc::<str>::from(&*key));
        let Some(key) = key else {
            counts.keyless += 1;
            return false;
        };
        if is_tombstone(&columns) {
            counts.deleted += 1;
            rows.remove(&key);
        } else {
            counts.rows += 1;
            let columns = Columns::keep(columns, plan.kept.as_deref());
            let brought = Brought::new(message, &key);
            rows.put(&key, Row { time_ms, columns, brought });
        }
        self.forget();
        for number in self.held.that_look_up(join, &key) {
            self.again(number, out);
        }
        self.bound(out);
        true
    }

    /// Moves the clocks of idle partitions on with the wall clock.
    pub fn tick(&mut self, wall_ms: i64, out: &mut Vec<Output>) {
        // One that had no event has no time yet.
        let begun = self.partitions.iter().filter(|(_, of)| of.clock_ms > i64::MIN);
        let moved = begun.filter_map(|(partition, of)| {
            let (wall_then_ms, clock_then_ms) = of.last;
            let clock_ms = clock_then_ms.saturating_add(wall_ms.saturating_sub(wall_then_ms).max(0));
            let clock_ms = clock_ms.min(wall_ms.saturating_add(AHEAD_MS)).max(of.clock_ms);
            (clock_ms > of.clock_ms).then_some((*partition, clock_ms))
        });
        for (partition, clock_ms) in moved.collect::<Vec<_>>() {
            self.advance(partition, clock_ms, out);
        }
    }

    /// Ends the events that wait: no row will come.
    pub fn finish(&mut self, out: &mut Vec<Output>) {
        while let Some(number) = self.held.oldest() {
            self.give_up(number, EndReason::EndOfInput, out);
        }
    }

    /// The clock of a partition shows this: what is over leaves.
    fn advance(&mut self, partition: u32, clock_ms: i64, out: &mut Vec<Output>) {
        let Some(of) = self.partitions.get_mut(&partition).filter(|of| of.clock_ms < clock_ms) else {
            return;
        };
        of.clock_ms = clock_ms;
        of.moved = true;
        of.emitted.forget(clock_ms);
        while let Some(number) = self.held.over(partition, clock_ms) {
            self.give_up(number, EndReason::Expired, out);
        }
        self.forget();
    }

    /// Forgets rows that no event within its TTL can use.
    fn forget(&mut self) {
        let Some(slowest_ms) = self.partitions.values().map(|of| of.clock_ms).min() else { return };
        let ttl_ms = self.plan.ttl_ms.saturating_add(self.lag_ms.unwrap_or(0));
        for ((join, rows), counts) in self.plan.joins.iter().zip(&mut self.rows).zip(&mut self.counts.joins) {
            if let Some(row_ttl_ms) = join.ttl_ms {
                // An event within its TTL is at most this old.
                let oldest_ms = slowest_ms.saturating_sub(ttl_ms).saturating_sub(GRACE_MS);
                counts.forgotten +=
                    rows.forget(oldest_ms.saturating_sub(row_ttl_ms).saturating_sub(GRACE_MS));
            }
        }
    }

    /// Evaluates the events of a partition that wait, in the order in which they came, because rows may have come without them.
    pub(crate) fn look_again(&mut self, partition: u32, out: &mut Vec<Output>) {
        let mut numbers = self.held.of(partition);
        numbers.sort_unstable();
        for number in numbers {
            self.again(number, out);
        }
        self.bound(out);
    }

    /// Evaluates an event that waits, because a row that it looks up changed.
    fn again(&mut self, number: u64, out: &mut Vec<Output>) {
        let Some(event) = self.held.event(number) else { return };
        let found = self.find(event);
        match self.judge(event, &found) {
            Verdict::Wait(_) => self.held.look_up(number, found.lookups),
            verdict => {
                let Some(event) = self.held.release(number) else { return };
                self.judged(&found);
                self.settle(&event, verdict, out);
            }
        }
    }

    /// Ends an event that waits.
    fn give_up(&mut self, number: u64, reason: EndReason, out: &mut Vec<Output>) {
        let Some(event) = self.held.release(number) else { return };
        let found = self.find(&event);
        let missing = match self.judge(&event, &found) {
            Verdict::Wait(missing) => missing,
            _ => Vec::new(),
        };
        self.judged(&found);
        self.end(event, missing, reason, out);
    }

    fn end(&mut self, event: Event, missing: Vec<String>, reason: EndReason, out: &mut Vec<Output>) {
        if event.is_written {
            self.counts.written_before += 1;
            return;
        }
        match reason {
            EndReason::Expired => self.counts.expired += 1,
            EndReason::StateFull => self.counts.state_full += 1,
            EndReason::EndOfInput => self.counts.unfinished += 1,
        }
        let origin = Origin { partition: event.partition, offset: event.offset };
        out.push(Output::Ended(Ended { reason, origin, missing, columns: event.columns }));
    }

    /// Counts and emits what does not wait.
    fn settle(&mut self, event: &Event, verdict: Verdict, out: &mut Vec<Output>) {
        match verdict {
            Verdict::Filtered => self.counts.filtered += 1,
            Verdict::Unjoined => self.counts.unjoined += 1,
            Verdict::Wait(_) => {}
            Verdict::Emit(row) => {
                if row.is_written {
                    self.counts.written_before += 1;
                } else {
                    self.counts.emitted += 1;
                }
                let until_ms = self.until_ms(event.since_ms);
                if let (Some(id), Some(of)) = (&event.id, self.partitions.get_mut(&event.partition))
                    && until_ms >= of.clock_ms
                {
                    of.emitted.remember(Rc::clone(id), until_ms);
                }
                out.push(Output::Row(row));
                self.bound(out);
            }
        }
    }

    /// The joins of an event that is emitted or ended, each a hit or a miss.
    fn judged(&mut self, found: &Found) {
        for (row, counts) in found.rows.iter().zip(&mut self.counts.joins) {
            match row {
                Some(_) => counts.hits += 1,
                None => counts.misses += 1,
            }
        }
    }

    /// The moment after which an event is over whose TTL runs since this one.
    fn until_ms(&self, since_ms: i64) -> i64 {
        since_ms.saturating_add(self.plan.ttl_ms).saturating_add(GRACE_MS)
    }

    /// The rows that an event meets now.
    pub(crate) fn find(&self, event: &Event) -> Found {
        judge::find(&self.plan, &self.rows, event)
    }

    fn judge(&self, event: &Event, found: &Found) -> Verdict {
        judge::judge(&self.plan, event, found)
    }

    /// Keeps the state within its bounds.
    fn bound(&mut self, out: &mut Vec<Output>) {
        loop {
            let full = self.bytes() > self.bounds.bytes;
            if self.held.len() <= self.bounds.held && !full {
                return;
            }
            if let Some(number) = self.held.oldest() {
                self.give_up(number, EndReason::StateFull, out);
            } else if self.partitions.values_mut().any(|of| of.emitted.forget_oldest()) {
                self.counts.ids_forgotten += 1;
            } else {
                return;
            }
        }
    }

    /// Roughly the bytes of the state.
    pub fn bytes(&self) -> u64 {
        let rows: u64 = self.rows.iter().map(Rows::bytes).sum();
        let ids: u64 = self.partitions.values().map(|of| of.emitted.bytes()).sum();
        rows + ids + self.held.bytes()
    }
}
