//! The state of one stitched visitor.
//!
//! A profile is plain data; the plan gives its attributes their meaning. [`codec`] stores it. Stored parts are decoded
//! on use, and parts that were not decoded are stored again unchanged: an answer that needs 8 of 60 attributes decodes
//! 8, and state that the running plan does not know is kept, so that a rollback finds its counters again.

mod changes;
pub mod codec;
mod parts;
mod seen_ids;
mod state;
mod states;
mod stored;
mod trim;

pub use parts::{Key, Orphan, ProfileId};
pub(crate) use seen_ids::Dedupe;
pub use seen_ids::SeenIds;
pub use states::States;

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

use crate::attribute::shape::PARKED_SEPARATOR;
use crate::attribute::{BatchRecord, State, put_record};
use crate::bytes::Writer;
use crate::gather::Gather;
use crate::limits::{ABSORBED_MAX, ORPHAN_MS};
use crate::order;
use stored::{Stored, Tag};

/// True if this build does what is rare for a visitor. The linker drops what only that uses.
pub(crate) const HAS_RARE: bool = cfg!(feature = "rare");

/// The state of one stitched visitor.
///
/// # Examples
///
/// ```
/// use usher_engine::{Profile, ProfileId};
///
/// let profile = Profile::new(ProfileId([7; 16]), 1_790_000_000_000);
/// assert_eq!((profile.created_ms, profile.version), (1_790_000_000_000, 0));
/// assert!(profile.keys().is_empty() && !profile.has_key("email", "anna@mail.example"));
/// // Without a batch record nobody is known.
/// assert!(!profile.is_known());
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    /// The internal id.
    pub id: ProfileId,
    /// Arrival of the first row that created it, Unix milliseconds: of several profiles the earliest survives a merge.
    pub created_ms: i64,
    /// Number of its commits; 0 before the first.
    pub version: u64,
    /// Number of the bundle that wrote it last; an older bundle must not write it.
    pub bundle: u64,
    /// True if it was too large and lost state that the merge laws of its attributes promise to keep.
    pub trimmed: bool,
    stored: Stored,
    keys: OnceCell<Vec<Key>>,
    absorbed: OnceCell<Vec<ProfileId>>,
    seen_ids: OnceCell<SeenIds>,
    batch: OnceCell<Vec<BatchRecord>>,
    orphans: OnceCell<Vec<Orphan>>,
    states: States,
    /// True if it took over state that another bundle wrote, and no bundle has adopted it since.
    mixed: bool,
    /// True if more has to be done to it than this build or its plan can.
    unfinished: bool,
}

impl Profile {
    /// An empty profile.
    pub fn new(id: ProfileId, created_ms: i64) -> Profile {
        Profile { id, created_ms, ..Profile::of(Stored::default()) }
    }

    /// The profile of an unknown visitor, for answers that are not stored.
    pub fn unknown() -> Profile {
        Profile::new(ProfileId([0; 16]), 0)
    }

    fn of(stored: Stored) -> Profile {
        let states = States::of(stored.part(Tag::Attributes));
        Profile {
            id: ProfileId([0; 16]),
            created_ms: 0,
            version: 0,
            bundle: 0,
            trimmed: false,
            stored,
            keys: OnceCell::new(),
            absorbed: OnceCell::new(),
            seen_ids: OnceCell::new(),
            batch: OnceCell::new(),
            orphans: OnceCell::new(),
            states,
            mixed: false,
            unfinished: false,
        }
    }

    /// Its identifiers.
    pub fn keys(&self) -> &[Key] {
        self.keys.get_or_init(|| self.stored.keys())
    }

    /// Ids of profiles that were merged into it, ascending; of more than [`ABSORBED_MAX`] the latest.
    pub fn absorbed(&self) -> &[ProfileId] {
        self.absorbed.get_or_init(|| self.stored.ids())
    }

    /// Ids of the counted events.
    pub fn seen_ids(&self) -> &SeenIds {
        self.seen_ids.get_or_init(|| self.stored.seen_ids())
    }

    /// Its batch records.
    pub fn batch(&self) -> &[BatchRecord] {
        self.batch.get_or_init(|| self.stored.records())
    }

    /// State that no definition reads, and since when.
    pub fn orphans(&self) -> &[Orphan] {
        self.orphans.get_or_init(|| self.stored.orphans())
    }

    /// State of event-fed attributes, by the attribute's name, ascending.
    pub fn states(&self) -> impl Iterator<Item = (&str, &State)> {
        self.states.iter(self.stored.part(Tag::Attributes))
    }

    /// The names of its states, ascending.
    pub(crate) fn state_names(&self) -> impl Iterator<Item = &str> {
        self.states.names(self.stored.part(Tag::Attributes))
    }

    /// True if it has a batch record.
    pub fn is_known(&self) -> bool {
        !self.batch().is_empty()
    }

    /// True if it has this identifier.
    pub fn has_key(&self, name: &str, value: &str) -> bool {
        self.keys().iter().any(|key| key.name == name && key.value == value)
    }

    /// The value of a key that a profile has at most one of.
    pub fn key(&self, name: &str) -> Option<&str> {
        self.keys().iter().find(|key| key.name == name).map(|key| key.value.as_str())
    }

    /// The state of an attribute.
    pub fn state(&self, name: &str) -> Option<&State> {
        self.states.get(self.stored.part(Tag::Attributes), name)
    }

    /// The state of an attribute, mutable.
    pub fn state_mut(&mut self, name: &str) -> &mut Option<State> {
        let place = self.place_near(name, &mut 0);
        self.at(place)
    }

    /// The index of a state to change; valid until another one is requested. `near` is a guess of that index, and is
    /// passed on from one name to the next, ascending.
    pub(crate) fn place_near(&mut self, name: &str, near: &mut usize) -> usize {
        self.states.place(self.stored.part(Tag::Attributes), name, near)
    }

    /// The state at an index.
    pub(crate) fn at(&mut self, place: usize) -> &mut Option<State> {
        self.states.at(place)
    }

    /// Changes its identifiers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::profile::Key;
    /// # use usher_engine::{Profile, ProfileId};
    /// # let mut profile = Profile::new(ProfileId([7; 16]), 0);
    /// profile.learn(Key { name: "email".into(), value: "anna@mail.example".into(), seen_ms: 0 });
    /// profile.edit_keys(|keys| keys.retain(|key| key.name != "email"));
    /// assert!(profile.keys().is_empty());
    /// ```
    pub fn edit_keys(&mut self, change: impl FnOnce(&mut Vec<Key>)) {
        self.keys();
        edit(&mut self.keys, change);
    }

    /// Changes the ids of the counted events.
    pub fn edit_seen_ids<T>(&mut self, change: impl FnOnce(&mut SeenIds) -> T) -> T {
        self.seen_ids();
        edit(&mut self.seen_ids, change)
    }

    /// Changes its batch records.
    pub fn edit_batch<T>(&mut self, change: impl FnOnce(&mut Vec<BatchRecord>) -> T) -> T {
        self.batch();
        edit(&mut self.batch, change)
    }

    /// True if it may hold parked state.
    pub(crate) fn has_parked(&self) -> bool {
        self.mixed || self.orphans().iter().any(|orphan| orphan.name.contains(PARKED_SEPARATOR))
    }

    /// True if a bundle has not adopted all of it yet.
    pub(crate) fn is_new_to(&self, bundle: u64) -> bool {
        self.mixed || self.bundle != bundle
    }

    /// True if an event could not be folded into it, so that it must not be stored: that takes a build with the feature `rare`, or for
    /// steps of journeys a plan that was compiled here.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    pub(crate) fn leave_unfinished(&mut self) {
        self.unfinished = true;
    }

    /// Parks a state under an address; it merges with what is parked there.
    pub(crate) fn park(&mut self, address: &str, state: State) {
        self.mixed = true;
        let place = self.state_mut(address);
        *place = Some(match place.take() {
            Some(known) => known.merge(state),
            None => state,
        });
    }

    /// Removes and returns the state that is parked under an address.
    pub(crate) fn unpark(&mut self, address: &str) -> Option<State> {
        self.state(address)?;
        self.mixed = true;
        self.state_mut(address).take()
    }

    /// Notes the bundle that writes it, and the state that this bundle's definition does not know. State unknown for 30
    /// days is dropped.
    pub(crate) fn adopt(&mut self, bundle: u64, knows: impl Fn(&str) -> bool, now_ms: i64) {
        if self.is_new_to(bundle) {
            self.bundle = bundle;
            self.mixed = false;
            let unknown = self.states().map(|(name, _)| name).filter(|name| !knows(name)).map(String::from);
            let unknown: Vec<String> = unknown.gather();
            self.orphans();
            edit(&mut self.orphans, |orphans| {
                let before = orphans.clone();
                orphans.retain(|orphan| unknown.contains(&orphan.name));
                for name in unknown {
                    if !orphans.iter().any(|orphan| orphan.name == name) {
                        // Parked state is unread since the same time as its attribute, if no definition knew that
                        // either.
                        let own = name.split(PARKED_SEPARATOR).next();
                        let known = before.iter().find(|orphan| Some(orphan.name.as_str()) == own);
                        let since_ms = known.map_or(now_ms, |orphan| orphan.since_ms);
                        orphans.push(Orphan { name, since_ms });
                    }
                }
            });
        }
        let over = |orphan: &Orphan| now_ms.saturating_sub(orphan.since_ms) >= ORPHAN_MS;
        if self.orphans().iter().any(over) {
            let gone: Vec<String> = self
                .orphans()
                .iter()
                .filter(|orphan| over(orphan))
                .map(|orphan| orphan.name.clone())
                .gather();
            gone.iter().for_each(|name| *self.state_mut(name) = None);
            edit(&mut self.orphans, |orphans| orphans.retain(|orphan| !over(orphan)));
        }
    }

    /// Makes room in a profile that is this many bytes too large: drops state that no definition reads, the longest
    /// unread first. Returns whether anything was dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::{Profile, ProfileId};
    /// let mut profile = Profile::new(ProfileId([7; 16]), 1_790_000_000_000);
    /// // Every state that it has is read by a definition: there is nothing to drop.
    /// assert!(!profile.make_room(1_000));
    /// ```
    pub fn make_room(&mut self, bytes: usize) -> bool {
        let mut orphans: Vec<(i64, String)> =
            self.orphans().iter().map(|orphan| (orphan.since_ms, orphan.name.clone())).gather();
        order::sort(&mut orphans, Ord::cmp);
        let mut room = 0_usize;
        for (_, name) in orphans {
            if room >= bytes {
                break;
            }
            if let Some(state) = self.state(&name) {
                let mut written = Writer::default();
                state::write_state(&mut written, state);
                room = room.saturating_add(written.0.len());
            }
            *self.state_mut(&name) = None;
            edit(&mut self.orphans, |orphans| orphans.retain(|orphan| orphan.name != name));
        }
        room > 0
    }

    /// Merges everything of another profile but its states. None when that profile is already absorbed; otherwise
    /// whether the bound on remembered event ids dropped some.
    ///
    /// Absorbed ids are kept up to a bound. They are the second guard: a source is sealed before it is absorbed, in the
    /// same commit or an earlier one, and a sealed profile is never loaded again.
    pub(crate) fn absorb_all_but_states(&mut self, other: &Profile) -> Option<bool> {
        if other.id == self.id || self.absorbed().contains(&other.id) {
            return None;
        }
        edit(&mut self.absorbed, |absorbed| {
            for id in other.absorbed().iter().chain([&other.id]) {
                if let Err(index) = absorbed.binary_search(id) {
                    absorbed.insert(index, *id);
                }
            }
            // Keeps the greatest ids, which do not depend on the order of merging.
            absorbed.drain(..absorbed.len().saturating_sub(ABSORBED_MAX));
        });
        self.mixed |= other.mixed || self.bundle != other.bundle;
        self.bundle = self.bundle.max(other.bundle);
        self.trimmed |= other.trimmed;
        other.keys().iter().for_each(|key| self.learn(key.clone()));
        let forgot = self.edit_seen_ids(|seen| seen.merge(other.seen_ids()));
        self.edit_batch(|records| {
            for record in other.batch() {
                put_record(records, record.clone(), false);
            }
        });
        self.orphans();
        edit(&mut self.orphans, |orphans| {
            for theirs in other.orphans() {
                match orphans.iter_mut().find(|mine| mine.name == theirs.name) {
                    Some(mine) => mine.since_ms = mine.since_ms.min(theirs.since_ms),
                    None => orphans.push(theirs.clone()),
                }
            }
        });
        Some(forgot)
    }

    /// Adds an identifier, or updates when it was last seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::profile::Key;
    /// use usher_engine::{Profile, ProfileId};
    ///
    /// let mut profile = Profile::new(ProfileId([7; 16]), 1_790_000_000_000);
    /// profile.learn(Key { name: "email".into(), value: "anna@mail.example".into(), seen_ms: 1_790_000_000_000 });
    /// // Seen again, later: the newest time stays.
    /// profile.learn(Key { name: "email".into(), value: "anna@mail.example".into(), seen_ms: 1_790_000_060_000 });
    /// assert!(profile.has_key("email", "anna@mail.example"));
    /// assert_eq!(profile.key("email"), Some("anna@mail.example"));
    /// assert_eq!((profile.keys().len(), profile.keys()[0].seen_ms), (1, 1_790_000_060_000));
    /// ```
    pub fn learn(&mut self, key: Key) {
        self.edit_keys(|keys| learn(keys, key));
    }
}

impl PartialEq for Profile {
    /// Compares content, whether decoded or not.
    fn eq(&self, other: &Profile) -> bool {
        let head = |p: &Profile| (p.id, p.created_ms, p.version, p.bundle, p.trimmed);
        head(self) == head(other)
            && self.keys() == other.keys()
            && self.absorbed() == other.absorbed()
            && self.seen_ids() == other.seen_ids()
            && self.batch() == other.batch()
            && self.orphans() == other.orphans()
            && self.states().eq(other.states())
    }
}

/// Changes a part that was decoded before.
fn edit<T: Default, R>(cell: &mut OnceCell<T>, change: impl FnOnce(&mut T) -> R) -> R {
    let mut value = cell.take().unwrap_or_default();
    let result = change(&mut value);
    *cell = OnceCell::from(value);
    result
}

fn learn(keys: &mut Vec<Key>, key: Key) {
    match keys.iter_mut().find(|known| known.name == key.name && known.value == key.value) {
        Some(known) => known.seen_ms = known.seen_ms.max(key.seen_ms),
        None => keys.push(key),
    }
}
