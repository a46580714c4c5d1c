//! The laws, and what they are held on: every event that was sent and acknowledged, and every commit that was seen.

use std::collections::{BTreeMap, BTreeSet};

use usher_edge::store::Write;
use usher_engine::profile::codec;

use crate::deployment::{DIGITS, Kind, PARKED_SUMS, People, SUMS, bundle, sha256};
use crate::erasures::{Erasures, Sent};

/// Name and value of a stitching key.
pub type Key = (String, String);

/// An event that was sent.
#[derive(Clone, Debug)]
pub struct Event {
    /// The keys by which it may stitch.
    pub keys: Vec<Key>,
    /// True if it has an id of its own, so that its copies count once.
    pub has_id: bool,
    /// True if its client has a receipt.
    pub is_acked: bool,
    /// When, in true time.
    pub acked_ms: i64,
    /// The number of times that it was given to the network.
    pub deliveries: usize,
    /// The definition under which it was first committed.
    pub kind: Option<Kind>,
    /// Its own time, Unix milliseconds; `i64::MAX`: it says none.
    pub happened_ms: i64,
    /// When a message with it was last committed, true time.
    pub committed_ms: i64,
    /// When its profile was certainly erased after it, true time; `i64::MAX`: never.
    pub erased_ms: i64,
}

impl Event {
    /// The primary key's value, where people have one.
    pub fn email(&self) -> Option<&str> {
        self.keys.iter().find(|(name, _)| name == "email").map(|(_, value)| value.as_str())
    }
}

/// Groups of keys that some events join.
#[derive(Default)]
pub struct Groups {
    index: BTreeMap<Key, usize>,
    parent: Vec<usize>,
}

impl Groups {
    /// Joins these keys.
    pub fn join(&mut self, keys: &[Key]) {
        let roots: Vec<usize> = keys.iter().map(|key| self.root(key)).collect();
        for pair in roots.windows(2) {
            let (one, other) = (self.up(pair[0]), self.up(pair[1]));
            self.parent[one] = other;
        }
    }

    /// The group of a key.
    pub fn root(&mut self, key: &Key) -> usize {
        let next = self.parent.len();
        let index = *self.index.entry(key.clone()).or_insert(next);
        if index == next {
            self.parent.push(next);
        }
        self.up(index)
    }

    fn up(&self, mut index: usize) -> usize {
        while self.parent[index] != index {
            index = self.parent[index];
        }
        index
    }
}

/// A profile as the model knows it.
struct Known {
    version: u64,
    bundle: u64,
    is_retired: bool,
}

/// Everything that was sent, acknowledged and committed.
pub struct Model {
    /// Whether people have a primary key.
    pub people: People,
    /// True if profiles lie in several shards: those of one visitor become one some time after the event that joins them.
    pub has_shards: bool,
    /// By number.
    pub events: Vec<Event>,
    /// Keys that sent events join: who may be one visitor at most.
    pub sent: Groups,
    /// Keys that acknowledged events join: who is one visitor at least.
    pub acked: Groups,
    /// Keys of which an erasure was asked.
    erased: Vec<Key>,
    /// Keys by which a profile was erased, and when somebody had the answer, true time.
    gone: BTreeMap<Key, i64>,
    /// Of several shards: what their profiles hold, and lose.
    erasures: Erasures,
    profiles: BTreeMap<[u8; 16], Known>,
    kinds: Vec<(String, Kind)>,
    /// The definition of each number.
    numbers: BTreeMap<u64, Kind>,
    /// The greatest number of a bundle.
    pub number: u64,
    /// True once the control object lost its data: numbers may come again.
    pub has_lost_control: bool,
}

impl Model {
    /// Before anything happened.
    pub fn new(people: People, shards: u32) -> Model {
        let kinds = Kind::ALL.map(|kind| (sha256(bundle(people, kind)), kind)).to_vec();
        Model {
            people,
            has_shards: shards > 1,
            events: Vec::new(),
            sent: Groups::default(),
            acked: Groups::default(),
            erased: Vec::new(),
            gone: BTreeMap::new(),
            erasures: Erasures::default(),
            profiles: BTreeMap::new(),
            kinds,
            numbers: BTreeMap::new(),
            number: 0,
            has_lost_control: false,
        }
    }

    /// The definition of a bundle.
    pub fn kind_of(&self, hash: &str) -> Option<Kind> {
        self.kinds.iter().find(|(known, _)| known == hash).map(|(_, kind)| *kind)
    }

    /// An event is going to be sent.
    pub fn send(&mut self, keys: Vec<Key>, has_id: bool) -> usize {
        self.sent.join(&keys);
        let event = Event {
            keys,
            has_id,
            is_acked: false,
            acked_ms: 0,
            deliveries: 0,
            kind: None,
            happened_ms: i64::MAX,
            committed_ms: 0,
            erased_ms: i64::MAX,
        };
        self.events.push(event);
        self.events.len() - 1
    }

    /// An erasure is asked. Returns the events that are certainly in the profile.
    pub fn erase(&mut self, key: &Key) -> Vec<usize> {
        let may_be_parted = self.may_be_erased(key);
        self.erased.push(key.clone());
        if self.has_shards {
            return self.certain_alone(key);
        }
        let mut certain = self.certain(std::slice::from_ref(key));
        if may_be_parted {
            // What was joined before an erasure is not joined by events after it: only events of this very key are.
            certain.retain(|event| self.events[*event].keys.contains(key));
        }
        certain
    }

    /// An erasure by this key is answered at this time.
    pub fn note_gone(&mut self, key: &Key, at_ms: i64) {
        self.gone.entry(key.clone()).or_insert(at_ms);
    }

    /// True if an erasure by this key had been answered before this time.
    pub fn is_gone(&self, key: &Key, at_ms: i64) -> bool {
        self.gone.get(key).is_some_and(|gone_ms| *gone_ms < at_ms)
    }

    /// The acknowledged events that are certainly in the profile of a key in some shard: those that named it alone. Another one may be
    /// in a profile that is about to absorb that of the key.
    fn certain_alone(&self, key: &Key) -> Vec<usize> {
        let stays = self.people == People::Merge || key.0 == "email";
        let is_its = |event: &Event| stays && event.is_acked && event.keys == [key.clone()];
        let events = self.events.iter().enumerate().filter(|(_, event)| is_its(event));
        events.map(|(number, _)| number).collect()
    }

    /// An event's profile is erased at this time, or was later already.
    pub fn note_erased(&mut self, event: usize, at_ms: i64) {
        let erased_ms = &mut self.events[event].erased_ms;
        *erased_ms = if *erased_ms == i64::MAX { at_ms } else { at_ms.max(*erased_ms) };
    }

    /// A shard of several made a write, for a message with these events that a front took at `taken_ms`.
    ///
    /// # Errors
    ///
    /// The law that it breaks.
    pub fn follow(
        &mut self,
        write: &Write,
        events: &[usize],
        taken_ms: i64,
        now_ms: i64,
    ) -> Result<(), String> {
        let new = |event: &usize| {
            let known = &self.events[*event];
            Sent { event: *event, keys: known.keys.clone(), at_ms: known.happened_ms.min(taken_ms) }
        };
        let sent: Vec<Sent> = events.iter().map(new).collect();
        for event in self.erasures.follow(write, &sent, taken_ms, self.people)? {
            if event < self.events.len() {
                self.note_erased(event, now_ms);
            }
        }
        Ok(())
    }

    /// True if an event, or a key, may have been of a profile that somebody wanted to be erased.
    pub fn may_be_erased(&mut self, key: &Key) -> bool {
        let root = self.sent.root(key);
        let erased = self.erased.clone();
        erased.iter().any(|known| self.sent.root(known) == root)
    }

    /// Its client has a receipt.
    pub fn acknowledge(&mut self, event: usize, now_ms: i64) {
        let known = &mut self.events[event];
        if !known.is_acked {
            (known.is_acked, known.acked_ms) = (true, now_ms);
            let keys = known.keys.clone();
            self.acked.join(&keys);
        }
    }

    /// The acknowledged events that are certainly in the profile of these keys.
    pub fn certain(&mut self, keys: &[Key]) -> Vec<usize> {
        let mut certain = Vec::new();
        if self.has_shards {
            return certain;
        }
        for event in 0..self.events.len() {
            if self.events[event].is_acked && self.is_certain(event, keys) {
                certain.push(event);
            }
        }
        certain
    }

    /// The acknowledged events that were certainly in the profile of this key at this time, where nobody has a primary key.
    pub fn certain_since(&self, key: &Key, at_ms: i64) -> Vec<usize> {
        let mut groups = Groups::default();
        let old = |event: &&Event| event.is_acked && event.acked_ms < at_ms;
        self.events.iter().filter(old).for_each(|event| groups.join(&event.keys));
        let root = groups.root(key);
        let events = self.events.iter().enumerate().filter(|(_, event)| old(event));
        events.filter(|(_, event)| groups.root(&event.keys[0]) == root).map(|(number, _)| number).collect()
    }

    fn is_certain(&mut self, event: usize, keys: &[Key]) -> bool {
        match self.people {
            People::Merge => {
                let own = self.events[event].keys.clone();
                let roots: Vec<usize> = keys.iter().map(|key| self.acked.root(key)).collect();
                own.first().is_some_and(|key| roots.contains(&self.acked.root(key)))
            }
            // Keys of browsers move; whose an event is, its primary key says.
            People::StayApart => {
                let email = self.events[event].email();
                email.is_some() && keys.iter().any(|(name, value)| name == "email" && Some(&**value) == email)
            }
        }
    }

    /// A write was made for a message with these events.
    ///
    /// `standing` is the definition that wrote, if it runs under the number of another.
    ///
    /// # Errors
    ///
    /// The law that it breaks.
    pub fn committed(
        &mut self,
        write: &Write,
        events: &[usize],
        only_form_1: bool,
        standing: Option<Kind>,
        now_ms: i64,
    ) -> Result<(), String> {
        let mut kind = None;
        for row in &write.profiles {
            let Ok(profile) = codec::decode(&row.state) else {
                return Err("a profile was stored that cannot be read".to_owned());
            };
            if only_form_1 && codec::form_of(&row.state) != Some(codec::Form::Two) {
                return Err(
                    "a profile was stored in a form that the previous release does not read".to_owned()
                );
            }
            let known =
                self.profiles.entry(row.id).or_insert(Known { version: 0, bundle: 0, is_retired: false });
            if known.is_retired {
                return Err("a profile was written after another had absorbed it".to_owned());
            }
            if row.version <= known.version {
                return Err(format!(
                    "version {} of a profile was written over version {}",
                    row.version, known.version
                ));
            }
            if profile.bundle < known.bundle && !self.has_lost_control {
                return Err(format!(
                    "bundle {} wrote a profile that bundle {} had written",
                    profile.bundle, known.bundle
                ));
            }
            (known.version, known.bundle) = (row.version, profile.bundle);
            kind = kind.or(standing).or(self.numbers.get(&profile.bundle).copied());
        }
        for retired in &write.retired {
            if let Some(known) = self.profiles.get_mut(&retired.id) {
                known.is_retired = true;
            }
        }
        if !write.profiles.is_empty() {
            for event in events {
                let first = &mut self.events[*event].kind;
                *first = first.or(kind);
                self.events[*event].committed_ms = now_ms;
            }
        }
        if let Some(published) = &write.bundle {
            let release = &published.release;
            let Some(kind) = self.kind_of(&release.hash) else {
                return Err("a bundle runs that nobody published".to_owned());
            };
            let again = self.numbers.get(&release.number);
            if !self.has_lost_control && release.number <= self.number && again != Some(&kind) {
                return Err(format!("bundle {} was published after bundle {}", release.number, self.number));
            }
            self.number = self.number.max(release.number);
            self.numbers.insert(release.number, kind);
        }
        Ok(())
    }

    /// Holds a lookup by this key to what may be known. `seen` are the counts of events in the answer; `must` those that
    /// its caller has seen.
    pub fn check_lookup(
        &mut self,
        key: &Key,
        seen: &Counts,
        ids: &BTreeSet<usize>,
        must: &[usize],
    ) -> Result<(), String> {
        if *ids != seen.keys().copied().collect() {
            return Err(format!("sums count events {:?}, the list {ids:?}", seen.keys()));
        }
        let is_erased = !self.erased.is_empty();
        for (event, count) in seen {
            let Some(known) = self.events.get(*event).filter(|event| event.deliveries > 0) else {
                return Err(format!("event {event} was never sent"));
            };
            // A browser that was erased is nobody's; who comes to it next gets the copies that were counted there since.
            let is_anybodys = is_erased && self.people == People::StayApart && known.email().is_none();
            let most = if known.has_id && !is_anybodys { 1 } else { known.deliveries };
            if *count > most {
                return Err(format!("event {event} is counted {count} times"));
            }
            let is_own = match self.people {
                People::Merge => {
                    let own = known.keys[0].clone();
                    self.sent.root(key) == self.sent.root(&own)
                }
                People::StayApart => key.0 != "email" || known.email().is_none_or(|email| email == key.1),
            };
            if !is_own {
                return Err(format!("a lookup by {}={} answers event {event} of another", key.0, key.1));
            }
        }
        if self.people == People::StayApart {
            let emails: BTreeSet<&str> =
                seen.keys().filter_map(|event| self.events[*event].email()).collect();
            if emails.len() > 1 {
                return Err(format!("one profile has the events of {emails:?}"));
            }
        }
        match must.iter().find(|event| !seen.contains_key(event)) {
            Some(event) => Err(format!("its caller had seen event {event}, which is not in the answer")),
            None => Ok(()),
        }
    }
}

/// The number of times that each event is counted.
pub type Counts = BTreeMap<usize, usize>;

/// The counts in the sums of a profile; `value` gives the sum of this name.
pub fn counts(prefix: char, value: impl Fn(&str) -> Option<u64>) -> Counts {
    let sums = if prefix == 'a' { SUMS } else { PARKED_SUMS };
    let mut counts = Counts::new();
    for sum in 0..sums {
        let mut rest = value(&format!("{prefix}{sum}")).unwrap_or(0);
        for digit in 0.. {
            if rest == 0 {
                break;
            }
            let count = (rest % 4) as usize;
            if count > 0 {
                counts.insert(sum * DIGITS + digit, count);
            }
            rest /= 4;
        }
    }
    counts
}
