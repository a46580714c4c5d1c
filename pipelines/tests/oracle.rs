//! A slow model of streams, written from their rules: it keeps every record and asks all of them at every step. Ten thousand
//! small histories must come out alike, also when the stream is made anew from its entries on the way, and when partitions are
//! another process's for a while.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use usher_config::{Source, read_pipelines};
use usher_engine::definition::pipeline::Pipeline;
use usher_engine::value::Value;
use usher_pipelines::{
    Bounds, Chain, Change, EndReason, Entry, Given, Output, Plan, Record, Stream, partition_of,
};

const MINUTE: i64 = 60_000;
/// All times are around this one.
const NOON: i64 = 1_767_268_800_000;
const GRACE: i64 = 5 * MINUTE;

/// The shapes of the query: `FROM c`, `a` joined by a column of the event, `b` by a column of `a`.
#[derive(Clone, Copy, Debug)]
struct Shape {
    a_is_inner: bool,
    b_is_inner: bool,
    /// The columns that are required: x of `a`, y of `b`.
    requires: [bool; 2],
    condition: Condition,
    /// Minutes; None: a dimension.
    a_ttl: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
enum Condition {
    None,
    Event,
    Joined,
    Missing,
}

const TTL: i64 = 30 * MINUTE;

impl Shape {
    fn pipeline(self) -> Pipeline {
        let kind = |is_inner| if is_inner { "JOIN" } else { "LEFT JOIN" };
        let condition = match self.condition {
            Condition::None => "",
            Condition::Event => " WHERE c.n > 1",
            Condition::Joined => " WHERE a.x > 1",
            Condition::Missing => " WHERE a.x > 1 OR b.y IS NULL",
        };
        let required: Vec<&str> =
            ["x", "y"].into_iter().zip(self.requires).filter(|(_, is)| *is).map(|(name, _)| name).collect();
        let emission = if required.is_empty() {
            String::new()
        } else {
            format!("emission: {{require: [{}]}}\n", required.join(", "))
        };
        let state = match self.a_ttl {
            Some(minutes) => {
                format!(
                    "state: {{events: {{default_ttl: 30m, overrides: {{a: {minutes}m}}}}, dimensions: [b]}}\n"
                )
            }
            None => "state: {events: {default_ttl: 30m}, dimensions: [a, b]}\n".to_owned(),
        };
        let text = format!(
            "name: p\nquery: SELECT c.event_id, a.x, b.y FROM c {} a ON c.k = a.k {} b ON a.j = b.j{condition}\n\
             output: {{topic: out, format: json}}\n{emission}{state}",
            kind(self.a_is_inner),
            kind(self.b_is_inner),
        );
        let read = read_pipelines(&[Source { name: "p".to_owned(), text }]);
        assert!(!read.has_errors(), "{:?}", read.findings);
        read.pipelines[0].clone()
    }
}

/// One step of a history. Times are minutes from noon.
#[derive(Clone, Debug)]
enum Step {
    Event {
        partition: u32,
        id: u8,
        time: i64,
        k: Option<u8>,
        n: Option<i64>,
    },
    A {
        k: u8,
        time: i64,
        x: Option<i64>,
        j: Option<u8>,
    },
    B {
        j: u8,
        y: Option<i64>,
    },
    DeleteA(u8),
    DeleteB(u8),
    /// Minutes of the wall clock.
    Tick(i64),
    /// The stream ends, and another one goes on from what it left.
    Resume,
    /// A partition is another process's, which does nothing with it, until it comes back.
    Away(u32),
    Back(u32),
}

fn optional<T: std::fmt::Debug + Clone>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop_oneof![4 => of.prop_map(Some), 1 => Just(None)]
}

fn step() -> impl Strategy<Value = Step> {
    let event = (0_u32..2, 0_u8..8, -50_i64..50, optional(0_u8..3), optional(0_i64..4));
    let a = (0_u8..3, -60_i64..60, optional(0_i64..4), optional(0_u8..2));
    prop_oneof![
        5 => event.prop_map(|(partition, id, time, k, n)| Step::Event { partition, id, time, k, n }),
        3 => a.prop_map(|(k, time, x, j)| Step::A { k, time, x, j }),
        2 => (0_u8..2, optional(0_i64..4)).prop_map(|(j, y)| Step::B { j, y }),
        1 => (0_u8..3).prop_map(Step::DeleteA),
        1 => (0_u8..2).prop_map(Step::DeleteB),
        1 => (1_i64..20).prop_map(Step::Tick),
        2 => Just(Step::Resume),
        1 => (0_u32..2).prop_map(Step::Away),
        2 => (0_u32..2).prop_map(Step::Back),
    ]
}

fn shape() -> impl Strategy<Value = usize> {
    0..shapes().len()
}

fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for bits in 0..16_u8 {
        let bit = |at: u8| bits & (1 << at) != 0;
        for condition in [Condition::None, Condition::Event, Condition::Joined, Condition::Missing] {
            for a_ttl in [None, Some(20)] {
                let requires = [bit(2), bit(3)];
                shapes.push(Shape { a_is_inner: bit(0), b_is_inner: bit(1), requires, condition, a_ttl });
            }
        }
    }
    shapes
}

/// An output: an emitted row, or the end of an event.
#[derive(Clone, Debug, PartialEq)]
enum Out {
    Row(u8, Option<i64>, Option<i64>),
    End(u8, EndReason),
}

#[derive(Clone, Debug)]
struct Event {
    partition: u32,
    id: u8,
    time: i64,
    /// The moment since which its TTL runs.
    since: i64,
    k: Option<u8>,
    n: Option<i64>,
    waits: bool,
}

#[derive(Clone, Copy, Debug)]
struct RowA {
    k: u8,
    time: i64,
    x: Option<i64>,
    j: Option<u8>,
    gone: bool,
}

/// The model. Every record stays in its lists.
struct Model {
    shape: Shape,
    /// True if another pipeline passes events on first: their TTL runs since they came.
    is_chained: bool,
    /// The ids that it passed on.
    passed: Vec<(u32, u8, i64)>,
    events: Vec<Event>,
    a: Vec<RowA>,
    b: Vec<(u8, Option<i64>, bool)>,
    /// Partition, id, and the time of the event.
    emitted: Vec<(u32, u8, i64)>,
    /// The clock of each partition, and both clocks when its last event came.
    clocks: Vec<(u32, i64, i64, i64)>,
    /// The partitions that are another process's: none of their events is asked, and their clocks stand still.
    away: BTreeSet<u32>,
    out: Vec<Out>,
}

impl Model {
    fn step(&mut self, step: &Step, wall: i64) {
        match *step {
            Step::Event { partition, id, time, k, n } => {
                let time = (NOON + time * MINUTE).min(wall);
                self.clock_of(partition, time.min(wall + GRACE), wall);
                if self.is_chained {
                    let is_copy = |(of, known, time): &(u32, u8, i64)| {
                        (*of, *known) == (partition, id) && !self.over(partition, *time)
                    };
                    if self.passed.iter().any(is_copy) {
                        return;
                    }
                    self.passed.push((partition, id, time));
                }
                let since = if self.is_chained { self.clock_at(partition) } else { time };
                let over = self.over(partition, since);
                let is_known = |event: &Event| event.waits && (event.partition, event.id) == (partition, id);
                let was_emitted = self.emitted.iter().any(|(of, known, since)| {
                    (*of, *known) == (partition, id) && !self.over(partition, *since)
                });
                if self.events.iter().any(is_known) || was_emitted {
                    return;
                }
                self.events.push(Event { partition, id, time, since, k, n, waits: true });
                self.ask();
                let event = self.events.last_mut().unwrap();
                if over && event.waits {
                    event.waits = false;
                    self.out.push(Out::End(id, EndReason::Expired));
                }
            }
            Step::A { k, time, x, j } => {
                let time = (NOON + time * MINUTE).min(wall);
                self.a.push(RowA { k, time, x, j, gone: false });
                self.forget();
            }
            Step::B { j, y } => {
                self.b.push((j, y, false));
                self.forget();
            }
            Step::DeleteA(k) => {
                self.a.iter_mut().filter(|row| row.k == k).for_each(|row| row.gone = true);
                self.forget();
            }
            Step::DeleteB(j) => {
                self.b.iter_mut().filter(|row| row.0 == j).for_each(|row| row.2 = true);
                self.forget();
            }
            Step::Resume => {}
            Step::Away(partition) => {
                self.away.insert(partition);
            }
            Step::Back(partition) => {
                self.away.remove(&partition);
                self.begin(partition);
            }
            Step::Tick(_) => {
                for at in 0..self.clocks.len() {
                    let (partition, clock, then, wall_then) = self.clocks[at];
                    if clock > i64::MIN && !self.away.contains(&partition) {
                        self.clock(partition, (then + (wall - wall_then)).min(wall + GRACE));
                    }
                }
            }
        }
        self.ask();
    }

    /// A partition has a clock from now on. One that had no event shows no time.
    fn begin(&mut self, partition: u32) {
        if !self.clocks.iter().any(|(of, ..)| *of == partition) {
            self.clocks.push((partition, i64::MIN, 0, 0));
            self.clocks.sort_unstable();
        }
    }

    fn clock_of(&mut self, partition: u32, time: i64, wall: i64) {
        self.begin(partition);
        let of = self.clocks.iter_mut().find(|(of, ..)| *of == partition).unwrap();
        (of.2, of.3) = (of.1.max(time), wall);
        self.clock(partition, time);
    }

    /// A partition's clock shows at least this; what is over ends, the earliest first.
    fn clock(&mut self, partition: u32, time: i64) {
        let of = self.clocks.iter_mut().find(|(of, ..)| *of == partition).unwrap();
        if of.1 >= time {
            return;
        }
        of.1 = time;
        let over: BTreeSet<(i64, usize)> = (0..self.events.len())
            .filter(|at| {
                let event = &self.events[*at];
                event.waits && event.partition == partition && self.over(partition, event.since)
            })
            .map(|at| (self.events[at].since, at))
            .collect();
        for (_, at) in over {
            self.events[at].waits = false;
            self.out.push(Out::End(self.events[at].id, EndReason::Expired));
        }
        self.forget();
    }

    /// A row that no event within its TTL can use is forgotten for good.
    fn forget(&mut self) {
        let here = self.clocks.iter().filter(|(partition, ..)| !self.away.contains(partition));
        let Some(slowest) = here.map(|(_, clock, ..)| *clock).min() else { return };
        if let Some(ttl) = self.shape.a_ttl {
            // A chained event may have come late to the pipeline that passed it on, too.
            let age = (TTL + GRACE) * if self.is_chained { 2 } else { 1 };
            let oldest = slowest.saturating_sub(age).saturating_sub(ttl * MINUTE + GRACE);
            self.a.iter_mut().filter(|row| row.time < oldest).for_each(|row| row.gone = true);
        }
    }

    fn clock_at(&self, partition: u32) -> i64 {
        self.clocks.iter().find(|(of, ..)| *of == partition).unwrap().1
    }

    /// True if the TTL is over that runs since this moment.
    fn over(&self, partition: u32, since: i64) -> bool {
        self.clock_at(partition) - since > TTL + GRACE
    }

    /// Asks every event that waits, in the order in which they came.
    fn ask(&mut self) {
        for at in 0..self.events.len() {
            if self.events[at].waits && !self.away.contains(&self.events[at].partition) {
                self.ask_one(at);
            }
        }
    }

    fn ask_one(&mut self, at: usize) {
        let Shape { a_is_inner, b_is_inner, requires, condition, a_ttl } = self.shape;
        let event = self.events[at].clone();
        let newest = self.a.iter().rev().find(|row| Some(row.k) == event.k).filter(|row| !row.gone);
        let a = newest.filter(|row| a_ttl.is_none_or(|ttl| event.time - row.time <= ttl * MINUTE + GRACE));
        let j = a.and_then(|row| row.j);
        let b = self.b.iter().rev().find(|row| Some(row.0) == j).filter(|row| !row.2);
        let (x, y) = (a.and_then(|row| row.x), b.and_then(|row| row.1));
        let truth = match condition {
            Condition::None => Some(true),
            Condition::Event => event.n.map(|n| n > 1),
            Condition::Joined => x.map(|x| x > 1),
            Condition::Missing => match (x.map(|x| x > 1), y.is_none()) {
                (Some(true), _) | (_, true) => Some(true),
                (unknown_or_false, false) => unknown_or_false,
            },
        };
        let is_smart = requires != [false, false];
        let joined = (a.is_some() || !a_is_inner) && (b.is_some() || !b_is_inner);
        let complete = a.is_some() && b.is_some();
        let required = (x.is_some() || !requires[0]) && (y.is_some() || !requires[1]);
        let settled = match truth {
            _ if !is_smart => true,
            Some(false) => true,
            None => complete,
            Some(true) => joined && required,
        };
        if !settled {
            return;
        }
        self.events[at].waits = false;
        if truth == Some(true) && joined && required {
            self.emitted.push((event.partition, event.id, event.since));
            self.out.push(Out::Row(event.id, x, y));
        }
    }
}

fn number(value: Option<i64>) -> Value {
    value.map_or(Value::Null, Value::from)
}

fn column(name: &str, value: Value) -> (String, Value) {
    (name.to_owned(), value)
}

fn record(partition: u32, wall: i64, columns: Vec<(String, Value)>) -> Record {
    Record { partition, offset: 0, arrival_ms: wall, key: None, columns }
}

fn small(value: Option<u8>) -> Value {
    number(value.map(i64::from))
}

fn take(chain: &mut Chain, step: &Step, wall: i64, out: &mut Vec<usher_pipelines::Out>) {
    let deleted = || column("_deleted", true.into());
    let (topic, partition, columns) = match *step {
        Step::Event { partition, id, time, k, n } => {
            let columns = vec![
                column("event_id", Value::string(id.to_string())),
                column("time", Value::from((NOON + time * MINUTE) / 1_000)),
                column("k", small(k)),
                column("n", number(n)),
            ];
            ("c", partition, columns)
        }
        Step::A { k, time, x, j } => {
            let columns = vec![
                column("k", small(Some(k))),
                column("time", Value::from((NOON + time * MINUTE) / 1_000)),
                column("x", number(x)),
                column("j", small(j)),
            ];
            ("a", 0, columns)
        }
        Step::B { j, y } => ("b", 0, vec![column("j", small(Some(j))), column("y", number(y))]),
        Step::DeleteA(k) => ("a", 0, vec![column("k", small(Some(k))), deleted()]),
        Step::DeleteB(j) => ("b", 0, vec![column("j", small(Some(j))), deleted()]),
        Step::Tick(_) => return chain.tick(wall, out),
        Step::Resume | Step::Away(_) | Step::Back(_) => return,
    };
    chain.record(topic, record(partition, wall, columns), wall, out);
}

fn seen(output: &Output) -> Out {
    let id = |value: Option<&Value>| value.and_then(Value::as_str).unwrap().parse().unwrap();
    match output {
        Output::Row(row) => {
            let integer = |at: usize| match &row.columns[at].1 {
                Value::Number(usher_engine::value::Number::Integer(value)) => Some(*value),
                Value::Null => None,
                other => panic!("{other:?}"),
            };
            Out::Row(id(Some(&row.columns[0].1)), integer(1), integer(2))
        }
        Output::Ended(ended) => {
            let named = ended.columns.iter().find(|(name, _)| name == "event_id").map(|(_, value)| value);
            Out::End(id(named), ended.reason)
        }
    }
}

/// The pipelines of a shape, which takes events as they come, or from a pipeline that passes them on.
#[derive(Clone)]
struct Deployed {
    shape: Shape,
    pipelines: Vec<Pipeline>,
}

impl Deployed {
    fn of(shape: Shape, is_chained: bool) -> Deployed {
        let mut own = shape.pipeline();
        if !is_chained {
            return Deployed { shape, pipelines: vec![own] };
        }
        own.from.topic = "passed".to_owned();
        let text = "name: passes\nquery: SELECT k, n, event_id FROM c\n\
                    output: {topic: passed, format: json}\nwindow: 30m\n";
        let read = read_pipelines(&[Source { name: "passes".to_owned(), text: text.to_owned() }]);
        // The order in which they are given is not that in which they read each other.
        Deployed { shape, pipelines: vec![own, read.pipelines[0].clone()] }
    }

    fn chain(&self, stream: impl Fn(usize, Plan) -> Stream) -> Chain {
        let plans = self.pipelines.iter().map(|pipeline| Plan::compile(pipeline).unwrap());
        let place = |plan: &Plan| usize::from(self.pipelines.len() > 1 && plan.name() == "p");
        Chain::new(plans.map(|plan| stream(place(&plan), plan)).collect()).unwrap()
    }
}

/// What a store would have.
#[derive(Default)]
struct Entries(BTreeMap<(usize, Vec<u8>), Vec<u8>>);

impl Entries {
    fn commit(&mut self, chain: &mut Chain) {
        for (place, Change { key, value }) in chain.changes() {
            match value {
                Some(value) => self.0.insert((place, key), value),
                None => self.0.remove(&(place, key)),
            };
        }
    }

    fn resumed(&self, deployed: &Deployed) -> Chain {
        deployed.chain(|place, plan| {
            let own = self.0.iter().filter(|((of, _), _)| *of == place);
            let entries = own.map(|((_, key), value)| Ok((key.clone(), value.clone())));
            Stream::resumed(plan, Bounds::default(), entries).unwrap()
        })
    }

    /// The same with the partitions that are this process's, each given on its own.
    fn resumed_with(&self, deployed: &Deployed, partitions: &BTreeSet<u32>) -> Chain {
        let mut chain = deployed.chain(|place, plan| {
            let own = self.0.iter().filter(|((of, _), _)| *of == place);
            let entries = own.map(|((_, key), value)| Ok((key.clone(), value.clone())));
            Stream::resumed_rows(plan, Bounds::default(), entries).unwrap()
        });
        let mut out = Vec::new();
        partitions.iter().for_each(|partition| chain.give(self.given(*partition), &mut out).unwrap());
        assert!(out.is_empty(), "nothing came since: {out:?}");
        chain
    }

    /// A partition as the store has it.
    fn given(&self, partition: u32) -> Given {
        let mut entries: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
        let is_own = |key: &[u8], value: &[u8]| partition_of(key, value) == Some(partition);
        for ((place, key), value) in self.0.iter().filter(|((_, key), value)| is_own(key, value)) {
            entries.entry(*place).or_default().push((key.clone(), value.clone()));
        }
        let entries = entries.into_iter().collect();
        Given { topic: "c".to_owned(), partition, entries, ..Given::default() }
    }
}

#[test]
fn streams_do_what_a_slow_model_does() {
    let deployed: Vec<[Deployed; 2]> = shapes()
        .into_iter()
        .map(|shape| [false, true].map(|is_chained| Deployed::of(shape, is_chained)))
        .collect();
    let mut runner =
        TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let histories = (shape(), any::<bool>(), proptest::collection::vec(step(), 1..24));
    runner
        .run(&histories, |(shape, is_chained, steps)| {
            let deployed = &deployed[shape][usize::from(is_chained)];
            let shape = deployed.shape;
            let last = deployed.pipelines.len() - 1;
            let mut entries = Entries::default();
            let mut chain = entries.resumed(deployed);
            let mut model = Model {
                shape,
                is_chained,
                passed: Vec::new(),
                events: Vec::new(),
                a: Vec::new(),
                b: Vec::new(),
                emitted: Vec::new(),
                clocks: Vec::new(),
                away: BTreeSet::new(),
                out: Vec::new(),
            };
            let mut wall = NOON;
            for (at, step) in steps.iter().enumerate() {
                if let Step::Tick(minutes) = step {
                    wall += minutes * MINUTE;
                }
                let mut out = Vec::new();
                match step {
                    Step::Resume if model.away.is_empty() => chain = entries.resumed(deployed),
                    Step::Resume => {
                        let here: BTreeSet<u32> = (0..2).filter(|of| !model.away.contains(of)).collect();
                        chain = entries.resumed_with(deployed, &here);
                        here.into_iter().for_each(|partition| model.begin(partition));
                    }
                    Step::Away(partition) => chain.take("c", *partition),
                    Step::Back(partition) if model.away.contains(partition) => {
                        chain.give(entries.given(*partition), &mut out).unwrap();
                    }
                    Step::Back(_) => continue,
                    // Another process's.
                    Step::Event { partition, .. } if model.away.contains(partition) => continue,
                    _ => {}
                }
                take(&mut chain, step, wall, &mut out);
                entries.commit(&mut chain);
                model.step(step, wall);
                let own = out.iter().filter(|(place, _)| *place == last);
                let found: Vec<Out> = own.map(|(_, output)| seen(output)).collect();
                prop_assert_eq!(found, std::mem::take(&mut model.out), "step {} of {:?}", at, shape);
            }
            let waiting = model.events.iter().filter(|event| event.waits);
            let here = waiting.clone().filter(|event| !model.away.contains(&event.partition)).count();
            let waiting = waiting.count();
            prop_assert_eq!(chain.streams()[last].held(), here);
            // What ended leaves no entry behind.
            let resumed = entries.resumed(deployed);
            prop_assert_eq!(resumed.streams()[last].held(), waiting);
            prop_assert_eq!(resumed.streams()[last].rows(0), chain.streams()[last].rows(0));
            Ok(())
        })
        .unwrap();
}

/// With rows that do not change, the ids that are emitted and their required columns are those of any other order.
#[test]
fn the_order_of_records_changes_no_required_column() {
    let shapes: Vec<Shape> = shapes().into_iter().filter(|shape| shape.requires == [true, true]).collect();
    let deployed: Vec<Deployed> = shapes.iter().map(|shape| Deployed::of(*shape, false)).collect();
    let events = proptest::collection::vec((0_u8..20, optional(0_u8..3), optional(0_i64..4)), 1..8);
    let rows = (
        proptest::array::uniform3((optional(0_i64..4), optional(0_u8..2))),
        proptest::array::uniform2(optional(0_i64..4)),
    );
    let histories = (0..deployed.len(), events, rows).prop_flat_map(|(shape, events, (a, b))| {
        let mut ids = BTreeSet::new();
        let events = events.into_iter().filter(|(id, ..)| ids.insert(*id));
        let events = events.map(|(id, k, n)| Step::Event { partition: 0, id, time: 0, k, n });
        let a = (0_u8..).zip(a).map(|(k, (x, j))| Step::A { k, time: 0, x, j });
        let b = (0_u8..).zip(b).map(|(j, y)| Step::B { j, y });
        let steps: Vec<Step> = events.chain(a).chain(b).collect();
        (Just(shape), Just(steps.clone()), Just(steps).prop_shuffle())
    });
    let mut runner = TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
    runner
        .run(&histories, |(shape, steps, shuffled)| {
            let emitted = |steps: &[Step]| {
                let mut chain = deployed[shape].chain(|_, plan| Stream::new(plan, Bounds::default()));
                let mut out = Vec::new();
                steps.iter().for_each(|step| take(&mut chain, step, NOON, &mut out));
                let rows = out.iter().map(|(_, output)| output);
                let rows = rows.filter(|output| matches!(output, Output::Row(_))).map(seen);
                let mut rows: Vec<String> = rows.map(|row| format!("{row:?}")).collect();
                rows.sort();
                rows
            };
            prop_assert_eq!(emitted(&steps), emitted(&shuffled));
            Ok(())
        })
        .unwrap();
}
