//! The world of a run: true time, what is due, and everything that lives in it. One thread, one seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use usher_edge::store::{Basis, CommitError, Found, Read, StoreFailure, Write};
use usher_edge::{Ambient, Form, Response, Store};

use crate::call::{self, Call, Person};
use crate::chance::Chance;
use crate::deployment::Kind;
use crate::disk::Disk;
use crate::isolate::Isolate;
use crate::kv::Kv;
use crate::model::{Key, Model};
use crate::objects::{Looking, Object};
use crate::setting::{Fault, Setting, Style};
use crate::sharded::{Envelope, Parts, Reply, Task};
use crate::shared::Attempt;
use crate::{Options, planted};

/// True time at the beginning, Unix milliseconds.
pub const START_MS: i64 = 1_790_000_000_000;
/// The steps after which a run is taken not to come to rest.
const STEPS_MOST: usize = 100_000;
/// The time that a client waits for an answer, in milliseconds.
const PATIENCE_MS: i64 = 30_000;

/// An event of the simulation.
pub enum Due {
    /// The next action of the run.
    Act,
    /// A request goes on.
    Step(u64),
    /// A client stops to wait for an answer to this attempt.
    Deadline {
        /// The call.
        call: usize,
        /// Its attempt.
        attempt: usize,
    },
    /// A client sends again.
    Again(usize),
    /// A client sends.
    First(Box<Call>),
    /// A message reaches a shard.
    Arrive(Box<Envelope>),
    /// An answer of a shard reaches who waits for it.
    Reply(Reply, Box<Response>),
    /// Nobody waits for that answer any longer.
    GiveUp(Reply),
    /// Time has passed for a message in a shard.
    Wake(u64),
    /// The alarm of a shard.
    Alarm(u32),
    /// An isolate catches up in the background.
    Refresh {
        /// Which one.
        isolate: usize,
        /// It may have restarted since.
        epoch: u32,
    },
}

/// One copy of a request on its way.
pub struct Exchange {
    /// Its call.
    pub call: usize,
    /// The isolate that serves it.
    pub isolate: usize,
    /// The isolate's epoch since it arrived; None: it has not.
    pub epoch: Option<u32>,
    /// Its arrival there.
    pub ambient: Ambient,
    /// Its place.
    pub stage: Stage,
    /// Keys that its commit moved to others, and whose they were.
    pub moved: Vec<(Key, String)>,
    /// The step at which the copy was kept that answers it.
    pub copied_at: Option<usize>,
}

/// A key whose move an isolate has heard of.
pub struct Heard {
    /// Which isolate.
    pub isolate: usize,
    /// The key.
    pub key: Key,
    /// Whose it was.
    pub whose: String,
    /// At which step.
    pub at: usize,
}

/// The place of a request on its way.
pub enum Stage {
    /// Before the front.
    Front,
    /// At an object, or on its way there.
    AtObject(Object, Vec<u8>, usize),
    /// On its way back from an object.
    FromObject(Object, Response),
    /// A bundle's body before its pointer.
    Putting,
    /// Waits for the answers of its shards.
    Parts(Parts),
    /// A lookup walks the tiers.
    Looking(Looking),
    /// A message on storage that others use, too.
    Shared(Box<Attempt>),
    /// On its way to the client.
    Home(Response),
}

/// The world.
pub struct World {
    /// All chance.
    pub chance: Chance,
    /// True time, Unix milliseconds.
    pub now_ms: i64,
    /// The decisions of the seed.
    pub setting: Setting,
    /// Storage of each shard's profiles, and for objects that of the control object.
    pub disks: Vec<Disk>,
    /// The location of each object.
    pub places: Vec<usize>,
    /// The form in which each object writes; None: it has just started.
    pub object_forms: Vec<Option<Form>>,
    /// The isolates.
    pub isolates: Vec<Isolate>,
    /// Key-value store.
    pub kv: Kv,
    /// Visitors.
    pub persons: Vec<Person>,
    /// All calls.
    pub calls: Vec<Call>,
    /// Requests on their way.
    pub exchanges: BTreeMap<u64, Exchange>,
    /// The laws, and the events that they are held on.
    pub model: Model,
    /// Moves of keys that isolates have heard of.
    pub heard: Vec<Heard>,
    /// Whose each key is, as commits said; empty: of nobody who is named.
    pub holders: BTreeMap<Key, String>,
    /// The definition of the writer of the next commit, if it runs in place of another.
    pub standing: Option<Kind>,
    /// Keys that the last commit moved to others, and whose they were.
    pub moved: Vec<(Key, String)>,
    /// Lookups that wait for the writer, by request.
    pub lookups: BTreeMap<u64, Looking>,
    /// The answers of the audit, by call.
    pub answers: BTreeMap<usize, Response>,
    /// The first law that was broken.
    pub failure: Option<String>,
    /// Steps in plain words, if they are wanted.
    pub trace: Option<Vec<String>>,
    /// The number of steps.
    pub steps: usize,
    /// Messages in the memory of shards.
    pub tasks: BTreeMap<u64, Task>,
    /// The number of the last one.
    pub next_task: u64,
    /// Rows of outboxes that are on their way.
    pub sent: BTreeSet<(u32, u64)>,
    /// Shards with an alarm.
    pub alarms: BTreeSet<u32>,
    /// The time at which a front took the message that is committed.
    pub taken_ms: i64,
    /// True while the deployment is made and audited: nothing fails.
    pub is_calm: bool,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    due: BTreeMap<u64, Due>,
    next: u64,
    actions_left: usize,
}

impl World {
    /// The world of a seed, before anything happened.
    pub fn new(options: &Options) -> World {
        let mut chance = Chance::new(options.seed);
        let setting = Setting::of(&mut chance, &options.without);
        let clock = setting.rate(Fault::Clock) > 0;
        let isolates: Vec<Isolate> = (0..setting.isolates)
            .map(|index| {
                let (skew_ms, drift) = match clock {
                    true => (chance.between(-300_000, 300_000), chance.between(-200, 200)),
                    false => (0, 0),
                };
                Isolate::start(setting.forms[index], setting.shards, index % 2, skew_ms, drift)
            })
            .collect();
        let shared = if setting.rate(Fault::Sharing) > 0 { 40 } else { 0 };
        let persons = call::persons(setting.persons, shared, options.seed, &mut chance);
        let objects = setting.shards as usize + 1;
        let places = (0..objects).map(|_| chance.below(isolates.len())).collect();
        let actions_left = options.actions.unwrap_or(setting.actions).min(setting.actions);
        World {
            now_ms: START_MS,
            disks: (0..objects).map(|_| Disk::new(setting.sqlite)).collect(),
            places,
            object_forms: vec![None; objects],
            isolates,
            kv: Kv::default(),
            persons,
            calls: Vec::new(),
            exchanges: BTreeMap::new(),
            model: Model::new(setting.people, setting.shards),
            heard: Vec::new(),
            holders: BTreeMap::new(),
            lookups: BTreeMap::new(),
            moved: Vec::new(),
            standing: None,
            answers: BTreeMap::new(),
            failure: None,
            trace: options.trace.then(Vec::new),
            steps: 0,
            tasks: BTreeMap::new(),
            next_task: 0,
            sent: BTreeSet::new(),
            alarms: BTreeSet::new(),
            taken_ms: 0,
            is_calm: true,
            queue: BinaryHeap::new(),
            due: BTreeMap::new(),
            next: 0,
            actions_left,
            chance,
            setting,
        }
    }

    /// Runs to the end: publishes, acts, lets everything come to rest, audits.
    pub fn run(&mut self) {
        let (setting, actions) = (&self.setting, self.actions_left);
        let built = format!(
            "{:?}, {} shards, {} isolates, {}, people {:?}, {} persons, {actions} actions, forms {:?}",
            setting.style,
            setting.shards,
            setting.isolates,
            if setting.sqlite { "SQLite" } else { "memory" },
            setting.people,
            setting.persons,
            setting.forms,
        );
        let faults = Fault::ALL.iter().filter(|(fault, _)| setting.rate(*fault) > 0);
        let faults: Vec<String> =
            faults.map(|(fault, name)| format!("{name} {}%", setting.rate(*fault))).collect();
        self.say(|| format!("deployed: {built}; faults: {}", faults.join(", ")));
        self.meet_forms();
        self.send(call::publish(self.setting.people, Kind::Plain));
        self.rest();
        self.is_calm = false;
        self.schedule(0, Due::Act);
        self.rest();
        self.heal();
        self.audit();
    }

    /// Notes a step, if steps are wanted.
    pub fn say(&mut self, words: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = self.now_ms - START_MS;
            trace.push(format!("{:>6}.{:03} s  {}", at / 1_000, at % 1_000, words()));
        }
    }

    /// A law is broken.
    pub fn fail(&mut self, law: impl Into<String>) {
        let law = law.into();
        self.say(|| format!("BROKEN: {law}"));
        self.failure.get_or_insert(law);
    }

    /// Fails unless this holds.
    pub fn hold(&mut self, held: Result<(), String>) {
        if let Err(law) = held {
            self.fail(law);
        }
    }

    /// True if this fault happens now.
    pub fn meets(&mut self, fault: Fault) -> bool {
        let rate = if self.is_calm { 0 } else { self.setting.rate(fault) };
        self.chance.percent(rate)
    }

    /// Something happens in this many milliseconds.
    pub fn schedule(&mut self, after_ms: i64, due: Due) {
        self.next += 1;
        self.queue.push(Reverse((self.now_ms + after_ms, self.next)));
        self.due.insert(self.next, due);
    }

    /// The time that a message is on its way, in milliseconds.
    pub fn way_ms(&mut self) -> i64 {
        let usual = self.chance.between(1, 40);
        if self.meets(Fault::Slow) { usual + self.chance.between(0, 12_000) } else { usual }
    }

    /// Lets everything happen that is due, until nothing is, or a law is broken.
    pub fn rest(&mut self) {
        while let Some(Reverse((at_ms, number))) = self.queue.pop() {
            if self.failure.is_some() {
                return;
            }
            self.now_ms = self.now_ms.max(at_ms);
            self.steps += 1;
            if self.steps > STEPS_MOST {
                return self.fail("it does not come to rest");
            }
            match self.due.remove(&number).expect("it was scheduled") {
                Due::Act => {
                    if self.actions_left > 0 {
                        self.actions_left -= 1;
                        self.act();
                        let pause = self.pause_ms();
                        self.schedule(pause, Due::Act);
                    }
                }
                Due::Step(exchange) => self.step(exchange),
                Due::Deadline { call, attempt } => self.deadline(call, attempt),
                Due::Again(call) => self.send_again(call),
                Due::Arrive(envelope) => self.arrive(*envelope),
                Due::Reply(reply, response) => self.answered(reply, *response),
                Due::GiveUp(reply) => self.give_up(reply),
                Due::Wake(task) => self.wake(task),
                Due::Alarm(shard) => self.alarm(shard),
                Due::First(call) => drop(self.send(*call)),
                Due::Refresh { isolate, epoch } => {
                    if self.isolates[isolate].epoch == epoch {
                        self.refresh(isolate);
                    }
                }
            }
        }
    }

    fn pause_ms(&mut self) -> i64 {
        match self.chance.below(20) {
            0..=9 => self.chance.between(0, 60),
            10..=16 => self.chance.between(0, 5_000),
            17 | 18 => self.chance.between(10_000, 90_000),
            _ => self.chance.between(0, 3 * 3_600_000),
        }
    }

    /// A client sends a call for the first time.
    pub fn send(&mut self, mut call: Call) -> usize {
        call.sent_ms = self.now_ms;
        let keys: Vec<Key> =
            call.events.iter().flat_map(|event| self.model.events[*event].keys.clone()).collect();
        call.certain = self.model.certain(&keys);
        self.calls.push(call);
        let number = self.calls.len() - 1;
        self.send_again(number);
        number
    }

    fn send_again(&mut self, number: usize) {
        self.calls[number].attempts += 1;
        let (call, attempt) = (self.calls[number].clone(), self.calls[number].attempts);
        let lost = self.meets(Fault::Lost);
        let copies = 1 + usize::from(self.meets(Fault::Twice));
        for copy in 0..copies {
            for event in &call.events {
                self.model.events[*event].deliveries += 1;
            }
            let far = self.chance.percent(if call.near.is_some() { 8 } else { 35 });
            let isolate = match far {
                true => self.chance.below(self.isolates.len()),
                // The one that is near.
                false => call.near.unwrap_or(call.person) % self.isolates.len(),
            };
            let ambient = Ambient { now_ms: 0, entropy: self.chance.entropy() };
            self.next += 1;
            let id = self.next;
            self.say(|| {
                let body = String::from_utf8_lossy(&call.body[..call.body.len().min(300)]).into_owned();
                let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                let copy = if copy > 0 { ", again by the network" } else { "" };
                format!(
                    "#{id} {:?} sends {:?} to isolate {isolate}{again}{copy}: {body}",
                    call.caller, call.what
                )
            });
            if lost && copy == 0 {
                self.say(|| format!("#{id} is lost on its way"));
                continue;
            }
            let stage = Stage::Front;
            let exchange = Exchange {
                call: number,
                isolate,
                epoch: None,
                ambient,
                stage,
                moved: Vec::new(),
                copied_at: None,
            };
            self.exchanges.insert(id, exchange);
            let way = self.way_ms();
            self.schedule(way, Due::Step(id));
        }
        self.schedule(PATIENCE_MS, Due::Deadline { call: number, attempt });
    }

    fn deadline(&mut self, number: usize, attempt: usize) {
        let call = &self.calls[number];
        if !call.is_answered && call.attempts == attempt {
            self.say(|| format!("call {number} got no answer"));
            self.refused(number);
        }
    }

    /// A call failed: its client may try again.
    pub fn refused(&mut self, number: usize) {
        let call = &self.calls[number];
        let is_counted_once = call.events.iter().all(|event| self.model.events[*event].has_id);
        let (most, may) = (if self.is_calm { 8 } else { 4 }, is_counted_once || self.is_calm);
        if call.attempts < most && may && (self.is_calm || self.chance.percent(80)) {
            let pause = self.chance.between(200, 20_000);
            self.schedule(pause, Due::Again(number));
        } else {
            self.say(|| format!("the client of call {number} gives up"));
        }
    }

    /// A request goes on, unless its isolate has died.
    fn step(&mut self, id: u64) {
        let Some(mut exchange) = self.exchanges.remove(&id) else { return };
        let epoch = self.isolates[exchange.isolate].epoch;
        let is_home = matches!(exchange.stage, Stage::Home(_));
        if !is_home && *exchange.epoch.get_or_insert(epoch) != epoch {
            self.say(|| format!("#{id} is lost: its isolate died"));
            return;
        }
        if let Stage::Home(response) = exchange.stage {
            return self.receive(exchange.call, &response);
        }
        let going_on = match self.setting.style {
            Style::Objects => self.step_at_objects(id, exchange),
            Style::Shared => self.step_on_shared(id, exchange),
            Style::Whole => self.step_whole(id, exchange),
        };
        let Some((exchange, after_ms)) = going_on else { return };
        self.exchanges.insert(id, exchange);
        self.schedule(after_ms, Due::Step(id));
    }

    /// The answer leaves its front.
    pub fn answer(&mut self, id: u64, mut exchange: Exchange, response: Response) -> Option<(Exchange, i64)> {
        self.say(|| {
            let body = String::from_utf8_lossy(&response.body[..response.body.len().min(4000)]).into_owned();
            format!("#{id} is answered {}: {body}", response.status)
        });
        self.inspect(&exchange, &response);
        if self.meets(Fault::Lost) {
            self.say(|| format!("the answer to #{id} is lost"));
            return None;
        }
        exchange.stage = Stage::Home(response);
        let way = self.way_ms();
        Some((exchange, way))
    }

    /// The time on an isolate's clock.
    pub fn clock(&self, isolate: usize) -> i64 {
        self.isolates[isolate].now_ms(self.now_ms, self.now_ms - START_MS)
    }

    /// An isolate dies and starts again.
    pub fn crash(&mut self, isolate: usize, setting: u8) {
        self.say(|| format!("isolate {isolate} dies"));
        self.isolates[isolate].restart(setting);
        self.heard.retain(|heard| heard.isolate != isolate);
        for object in 0..self.places.len() {
            if self.places[object] == isolate {
                self.places[object] = self.chance.below(self.isolates.len());
                self.object_forms[object] = None;
                if self.setting.shards > 1 && object < self.setting.shards as usize {
                    self.forget_tasks(object as u32);
                }
            }
        }
        if self.setting.style != Style::Objects {
            self.meet_form(isolate);
        }
    }

    /// Where storage is not an object's, each process asks for its form when it starts.
    fn meet_forms(&mut self) {
        if self.setting.style != Style::Objects {
            (0..self.isolates.len()).for_each(|isolate| self.meet_form(isolate));
        }
    }

    /// A process learns the form of storage, and stores the one that it writes.
    pub fn meet_form(&mut self, isolate: usize) {
        let stored = self.disks[0].form();
        if let Some(form) = self.isolates[isolate].edge.meet_form(stored) {
            self.disks[0].set_form(form);
        }
    }

    /// Reads from storage, which may fail.
    pub fn read(&mut self, disk: usize, read: &Read) -> Result<Found, StoreFailure> {
        if self.meets(Fault::Disk) {
            self.say(|| "storage fails to read".to_owned());
            return Err(StoreFailure("the simulation".to_owned()));
        }
        self.disks[disk].read(read)
    }

    /// Writes to storage, which may fail before or after; the model sees what was written.
    pub fn commit(
        &mut self,
        disk: usize,
        basis: &Basis,
        write: &Write,
        events: &[usize],
    ) -> Result<(), CommitError> {
        if self.meets(Fault::Disk) {
            self.say(|| "storage fails to write".to_owned());
            return Err(StoreFailure("the simulation".to_owned()).into());
        }
        self.disks[disk].commit(basis, write)?;
        self.moved = self.note_moves(write);
        if self.model.has_shards {
            let held = self.model.follow(write, events, self.taken_ms, self.now_ms);
            self.hold(held);
        }
        let held = self.model.committed(write, events, self.setting.only_form_1, self.standing, self.now_ms);
        self.hold(held);
        if self.meets(Fault::Doubt) {
            self.say(|| "storage writes, and says that it failed".to_owned());
            return Err(StoreFailure("the simulation, after it wrote".to_owned()).into());
        }
        Ok(())
    }

    /// Lines of the operator's log, which name no visitor.
    pub fn log(&mut self, line: &str) {
        self.say(|| format!("log: {line}"));
        if let Some(value) = self.personal_value_in(line) {
            self.fail(format!("a line of the log has a visitor's value {value}: {line}"));
        }
    }

    /// A visitor's value that a text has in it.
    pub fn personal_value_in(&self, text: &str) -> Option<String> {
        let values = |person: &'_ Person| {
            let mut values = person.browsers.clone();
            values.extend([person.email.clone(), person.member.clone()]);
            values
        };
        self.persons.iter().flat_map(values).find(|value| text.contains(value.as_str()))
    }

    /// True if this bug is planted.
    pub fn has(&self, bug: planted::Bug) -> bool {
        planted::is(bug)
    }
}
