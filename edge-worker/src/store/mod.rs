//! Storage in the service's terms: one [`Read`] and one [`Write`] per message or part of it, and the trait of a [`Store`].
//!
//! A write names the versions and keys that its message read ([`Basis`]) and fails with [`CommitError::Conflict`] when
//! one of them has changed since: the message is then read and folded again. [`sql`] turns both into statements, once
//! for every host that stores in SQLite; [`memory`] keeps everything in memory.

pub mod activations;
mod control;
pub(crate) mod index;
pub mod journeys;
pub mod memory;
mod rows;
pub mod shards;
pub mod sql;
pub mod tables;

use activations::{ActivationsRead, ActivationsWrite, FoundActivations};
pub use control::{ControlBasis, ControlRead, ControlRow, ControlWrite, NEVER_MS};
use journeys::{SendRow, WaitRow};
pub use rows::{ErasedKey, FoundProfile, HeldKey, Holder, JournalRow};
use shards::{ShardBasis, ShardFound, ShardRead, ShardWrite};
use tables::{FoundOwn, FoundRow, OwnRows, RowName, TableBasis, TableState, TableWrite, VersionsOf};

use crate::message::{Delivery, KeyOf, WhichRelease};
use crate::plane::{HAS_CONTROL_PLANE, InControlPlane};
use crate::wire::frame::FrameReader;
use usher_engine::gather::Gather;

/// The data that a message, or a part of it, needs before it can be folded.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// The profiles that have any of these keys, each once.
    Profiles(Vec<KeyOf>),
    /// The sizes of these profiles, which decide how many of them are read at once.
    Sizes(Vec<KeyOf>),
    /// The bundle that each audience runs.
    Pointers,
    /// The stored bundles of one audience; the first runs.
    Releases {
        /// The audience's id.
        audience: String,
    },
    /// One of them with its body.
    Release {
        /// The audience's id.
        audience: String,
        /// The requested one.
        which: WhichRelease,
    },
    /// A bundle's body.
    Bundle {
        /// Its hash.
        hash: String,
    },
    /// The same with what the journal has of them.
    Journals(Vec<KeyOf>),
    /// The newest bundle of each audience that wrote profiles here.
    Written,
    /// The same, and the size of the database: that reading works, and how much there is.
    Probe,
    /// Rows that are due for upkeep.
    Due(DueBefore),
    /// The profiles of these keys, and which of the keys were erased. `names` are the keys' as `Suppression` has them, in
    /// the same order.
    Unerased {
        /// The keys.
        keys: Vec<KeyOf>,
        /// Their names.
        names: Vec<String>,
    },
    /// The same, and all keys of each profile.
    Whole {
        /// The keys.
        keys: Vec<KeyOf>,
        /// Their names.
        names: Vec<String>,
    },
    /// Profiles of a shard of several, and what it knows of other shards.
    Shard(Box<ShardRead>),
    /// The messages for other shards that are due at this time, Unix milliseconds.
    Unanswered(i64),
    /// The state of the control API for an audience.
    Control(ControlRead),
    /// Rows of tables.
    Rows(InControlPlane<Vec<RowName>>),
    /// The same beside what another read finds.
    WithRows(InControlPlane<Box<(Read, Vec<RowName>)>>),
    /// The generations of a table: its audience and its name.
    Table(InControlPlane<(String, String)>),
    /// Rows of any table by the values of a visitor's keys.
    Own(InControlPlane<OwnRows>),
    /// The versions of rows.
    Versions(InControlPlane<VersionsOf>),
    /// Stored activations.
    Activations(ActivationsRead),
}

/// The result of a [`Read`].
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Profiles, each once, in the order of the first key that names it.
    Profiles(Vec<FoundProfile>),
    /// Rows that are due for upkeep.
    Due(Box<Due>),
    /// The same as for [`Found::Profiles`], all keys of each, and the keys that were erased.
    Whole(Vec<FoundProfile>, Vec<HeldKey>, Vec<ErasedKey>),
    /// The same without the keys of each.
    Unerased(Vec<FoundProfile>, Vec<ErasedKey>),
    /// Sizes of profiles, each once.
    Sizes(Vec<FoundSize>),
    /// The same, with the journal of all of them, newest first.
    Journals(Vec<FoundProfile>, Vec<JournalRow>),
    /// Pointers, ascending by audience.
    Pointers(Vec<Pointer>),
    /// The size of the database in bytes; 0: the host does not say.
    Probe(i64),
    /// Newest first.
    Releases(Vec<Release>),
    /// The stored bundles, and the requested one with its body.
    Release {
        /// All stored bundles, newest first; empty: the audience runs nothing.
        releases: Vec<Release>,
        /// None: there is no such bundle, or it is no longer stored.
        wanted: Option<(Release, Vec<u8>)>,
    },
    /// A body, if stored.
    Bundle(Option<Vec<u8>>),
    /// Rows that only a shard of several has.
    Shard(Box<ShardFound>),
    /// Messages for other shards, oldest first, at most so many that they can be sent at once.
    Unanswered(Vec<Delivery>),
    /// The state of the control API for an audience.
    Control(Box<FoundControl>),
    /// Those of the rows that there are.
    Rows(InControlPlane<Vec<FoundRow>>),
    /// The result of the other read, and those rows.
    WithRows(InControlPlane<Box<(Found, Vec<FoundRow>)>>),
    /// The generations of a table.
    Table(InControlPlane<TableState>),
    /// Those rows.
    Own(InControlPlane<FoundOwn>),
    /// Of those rows that there are the index among the read ones, and the version.
    Versions(InControlPlane<Vec<(usize, Vec<u8>)>>),
    /// Stored activations.
    Activations(Box<FoundActivations>),
}

/// The state of the control API for an audience, and what the audience runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundControl {
    /// The audience's id; empty: nothing is known of the object, or no draft is due.
    pub audience: String,
    /// The greatest id of any object; 0: there is none.
    pub last_id: u64,
    /// The stored bundles, newest first.
    pub releases: Vec<Release>,
    /// The body of the one that runs.
    pub body: Option<Vec<u8>>,
    /// The state; None: nobody has called the control API for it.
    pub state: Option<ControlRow>,
}

/// The size of a profile that a [`Read`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSize {
    /// The keys that it has, by their indexes among the read keys.
    pub keys: Vec<usize>,
    /// The size of the encoded profile, in bytes.
    pub bytes: usize,
}

/// The bundle that an audience runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The audience's id.
    pub audience: String,
    /// Counts the bundles of the audience, from 1.
    pub number: u64,
    /// The bundle's hash.
    pub hash: String,
}

impl Pointer {
    /// Reads `audience · number · hash`, as answers for hosts have it.
    pub fn read(frame: &mut FrameReader<'_>) -> Option<Pointer> {
        let (audience, number) = (frame.text()?.to_owned(), frame.long()?.cast_unsigned());
        Some(Pointer { audience, number, hash: frame.text()?.to_owned() })
    }
}

/// One number in the history of an audience's bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Counts the bundles of the audience, from 1.
    pub number: u64,
    /// The bundle's hash.
    pub hash: String,
    /// The number under which this content was first published: its own, or for a rollback that of the restored bundle.
    pub origin: u64,
    /// When it began to run, Unix milliseconds; 0 if unknown.
    pub at_ms: i64,
}

/// A bundle to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The audience's id.
    pub audience: String,
    /// Its place in the history.
    pub release: Release,
    /// The body of the bundle; None: it is stored already.
    pub body: Option<Vec<u8>>,
    /// Numbers up to this one are dropped from the history.
    pub forgotten: u64,
    /// Hashes of the bodies that no stored bundle has.
    pub dropped: Vec<String>,
}

/// The changes of a message, or of a part of it; all of them or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Write {
    /// Changed profiles.
    pub profiles: Vec<ProfileRow>,
    /// Profiles that were merged into others.
    pub retired: Vec<Retired>,
    /// Steps of stitching, for operators.
    pub journal: Vec<JournalRow>,
    /// A bundle to run.
    pub bundle: Option<Published>,
    /// Bundles that write profiles here for the first time.
    pub written: Vec<Pointer>,
    /// When the shard was asked whether it writes, Unix milliseconds.
    pub probed_ms: Option<i64>,
    /// Erasures, suppressions and a turn of upkeep.
    pub upkeep: Option<Box<Upkeep>>,
    /// Rows about other shards; none where there is one shard.
    pub shard: ShardWrite,
    /// When profiles have to be led on in journeys.
    pub waits: Vec<WaitRow>,
    /// Messages that steps of journeys send.
    pub sends: Vec<SendRow>,
    /// A change of the control API's state.
    pub control: Option<Box<ControlWrite>>,
    /// Rows of a table.
    pub table: InControlPlane<Box<TableWrite>>,
    /// Changes of the delivery of activations.
    pub activations: Option<Box<ActivationsWrite>>,
}

/// Changes that only the control plane makes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upkeep {
    /// Profiles to remove.
    pub erased: Vec<Erased>,
    /// Rows of tables that go with them.
    pub rows: InControlPlane<Vec<RowName>>,
    /// Keys that are refused from now on.
    pub suppressed: Vec<Suppression>,
    /// Names of keys whose imports are taken again.
    pub admitted: Vec<String>,
    /// A turn of upkeep.
    pub turn: Option<Turn>,
}

/// The times that decide what upkeep looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueBefore {
    /// Profiles that were last seen before this day, since 1970.
    pub day: i64,
    /// Rows of the journal up to this time, Unix milliseconds.
    pub journal_ms: i64,
    /// Refusals of erased keys up to this time.
    pub suppressed_ms: i64,
    /// Erased keys whose copies have to be replaced once more: those that were erased until this time.
    pub entomb_ms: i64,
    /// Visitors who wait until this time.
    pub now_ms: i64,
}

/// The rows that are due, of each kind at most [`UPKEEP_ROWS_MAX`](crate::limits::UPKEEP_ROWS_MAX).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Due {
    /// Profiles that may have been idle for too long.
    pub idle: Vec<DueProfile>,
    /// Profiles of an earlier build, which have no day yet.
    pub unlisted: Vec<IdleSince>,
    /// True if there may be more of these.
    pub is_listing: bool,
    /// The names of erased keys whose copies have to be replaced once more.
    pub entombed: Vec<String>,
    /// Profiles that have to be led on in journeys; without a state: there is no such profile any more.
    pub waiting: Vec<FoundProfile>,
    /// The time at which the next one has to be, Unix milliseconds; None: nobody waits.
    pub next_due_ms: Option<i64>,
    /// The number of rows of the journal.
    pub journal: usize,
    /// The number of refusals of erased keys.
    pub suppressed: usize,
    /// The number of rows about merged profiles, which release 0.1.0 wrote and nothing reads.
    pub retired: usize,
    /// The number of rows about other shards that are of no more use.
    pub aged: usize,
    /// The number of rows of tables that were replaced.
    pub replaced: usize,
    /// The holder of the lease on upkeep and its end, in Unix milliseconds; 0: there is none.
    pub lease: (i64, i64),
    /// The progress of writing the tables of visitors anew; None: the host's SQLite overwrites what it deletes.
    pub renewal: Option<FoundRenewal>,
}

/// The progress of writing the tables of visitors anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    /// The number of the step that is under way, from 1; 0: none.
    pub step: i64,
    /// When the last renewal began, Unix milliseconds.
    pub began_ms: i64,
    /// True if rows of visitors were removed since.
    pub is_due: bool,
    /// The size of the database when the step began to fill its free pages; 0: it did not.
    pub filled_from: i64,
}

/// A renewal, and what decides how it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoundRenewal {
    /// As it is stored.
    pub renewal: Renewal,
    /// True if all rows are copied.
    pub is_copied: bool,
    /// True if there are zeros that were written over free pages.
    pub has_zeros: bool,
    /// The size of the database in bytes.
    pub bytes: i64,
}

/// A turn of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renews {
    /// Its work; None: the step before was done, and this only says so.
    pub work: Option<RenewalWork>,
    /// The renewal as it is stored afterwards.
    pub renewal: Renewal,
    /// True if the step before is done.
    pub is_next_step: bool,
}

/// The work of a turn of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalWork {
    /// Writes zeros over free pages.
    Fill,
    /// Makes these pages free again.
    Empty,
    /// Copies profiles.
    CopyProfiles,
    /// Puts the copies in the place of the profiles.
    SwapProfiles,
    /// Copies keys.
    CopyKeys,
    /// Puts the copies in the place of the keys.
    SwapKeys,
    /// Gives the index of the keys its name.
    Index,
}

/// A profile that may have been idle for too long.
#[derive(Clone, Debug, PartialEq)]
pub struct DueProfile {
    /// Its row in the list of idle profiles.
    pub since: IdleSince,
    /// When it was last written, Unix milliseconds; None: there is no such profile any more.
    pub touched_ms: Option<i64>,
    /// The encoded profile, if that was before the day that is asked for.
    pub state: Vec<u8>,
}

/// A profile and the day, since 1970, on which it was seen, or a later one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdleSince {
    /// The day.
    pub day: i64,
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub id: [u8; 16],
}

/// The changes of a turn of upkeep.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// The times that it was about.
    pub due: DueBefore,
    /// Profiles that are not listed there any more.
    pub unlisted: Vec<IdleSince>,
    /// Profiles that are listed.
    pub listed: Vec<IdleSince>,
    /// The last of the profiles of an earlier build that was listed; None: all are.
    pub listing: Option<(String, [u8; 16])>,
    /// Names of erased keys whose copies were replaced.
    pub entombed: Vec<String>,
    /// The same from now on.
    pub lease: (i64, i64),
    /// A turn of a renewal.
    pub renews: Option<Renews>,
}

/// A profile to remove with everything that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub id: [u8; 16],
    /// Ids of the profiles that it absorbed.
    pub absorbed: Vec<[u8; 16]>,
}

/// The refusal of events and imports of a key whose profile was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// A keyed hash of audience, key and value, which is also the name of their snapshot.
    pub name: String,
    /// Events before this time are refused, Unix milliseconds.
    pub at_ms: i64,
}

impl Write {
    /// Appends another write; the two are for different audiences.
    pub(crate) fn append(&mut self, mut other: Write) {
        self.profiles.append(&mut other.profiles);
        self.retired.append(&mut other.retired);
        self.journal.append(&mut other.journal);
        self.bundle = self.bundle.take().or(other.bundle);
        self.written.append(&mut other.written);
        self.probed_ms = self.probed_ms.or(other.probed_ms);
        self.upkeep = self.upkeep.take().or(other.upkeep);
        self.shard.append(other.shard);
        self.waits.append(&mut other.waits);
        self.sends.append(&mut other.sends);
        self.control = self.control.take().or(other.control);
        if let Some(table) = other.table.take() {
            self.table = InControlPlane::new(table);
        }
        self.activations = self.activations.take().or(other.activations);
    }

    /// The number of profiles that are stored for the first time.
    pub(crate) fn new_profiles(&self) -> usize {
        self.profiles.iter().filter(|row| row.version == 1).count()
    }

    /// True if it erases profiles or rows, of which nothing may be left in a file. Those that upkeep deletes may.
    pub fn erases(&self) -> bool {
        let erases = |upkeep: &Upkeep| !upkeep.erased.is_empty() || upkeep.rows.get().is_some();
        self.upkeep.as_ref().is_some_and(|upkeep| erases(upkeep) && upkeep.turn.is_none())
    }

    /// True if messages may have to be sent now, so that a turn of delivery is due.
    pub fn sends(&self) -> bool {
        !self.sends.is_empty() || (HAS_CONTROL_PLANE && self.activations.is_some())
    }

    /// True if there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Write::default()
    }
}

/// The facts that a write depends on, as the message read them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Basis {
    /// Each key that was read, with the id and version of the profile that has it; None: no profile.
    pub keys: Vec<(KeyOf, Option<Holder>)>,
    /// The audience whose history was read, with the number of its running bundle; 0: none.
    pub running: Option<(String, u64)>,
    /// Rows that were read about other shards.
    pub shard: ShardBasis,
    /// The state of the control API that was read.
    pub control: Option<ControlBasis>,
    /// The generations of a table that were read.
    pub table: InControlPlane<TableBasis>,
}

impl Basis {
    /// The basis in the result of a read, taken before the message is folded.
    pub fn of(read: &Read, found: &Found) -> Basis {
        match (read, found) {
            (Read::Profiles(keys), Found::Profiles(profiles))
            | (Read::Whole { keys, .. }, Found::Whole(profiles, ..))
            | (Read::Unerased { keys, .. }, Found::Unerased(profiles, _)) => {
                Basis::of_profiles(keys, profiles)
            }
            (Read::Shard(read), Found::Shard(found)) => Basis {
                shard: ShardBasis::of(read, found),
                ..Basis::of_profiles(&read.keys, &found.profiles)
            },
            (
                Read::Releases { audience } | Read::Release { audience, .. },
                Found::Releases(releases) | Found::Release { releases, .. },
            ) => {
                let number = releases.first().map_or(0, |release| release.number);
                Basis { running: Some((audience.clone(), number)), ..Basis::default() }
            }
            (Read::Control(_), Found::Control(found)) if HAS_CONTROL_PLANE => {
                let FoundControl { audience, last_id, releases, state, .. } = &**found;
                let number = releases.first().map_or(0, |release| release.number);
                let version = state.as_ref().map_or(0, |row| row.version);
                let control = ControlBasis { audience: audience.clone(), version, last_id: *last_id };
                let running = Some((audience.clone(), number));
                Basis { running, control: Some(control), ..Basis::default() }
            }
            // Rows are as they were when they were read: an answer may be older than a row that came since.
            (Read::WithRows(read), Found::WithRows(found)) => match (read.get(), found.get()) {
                (Some(read), Some(found)) => Basis::of(&read.0, &found.0),
                _ => Basis::default(),
            },
            (Read::Table(of), Found::Table(state)) => match (of.get().cloned(), state.get().cloned()) {
                (Some((audience, table)), Some(state)) => {
                    let table = InControlPlane::new(TableBasis { audience, table, state });
                    Basis { table, ..Basis::default() }
                }
                _ => Basis::default(),
            },
            _ => Basis::default(),
        }
    }

    fn of_profiles(keys: &[KeyOf], profiles: &[FoundProfile]) -> Basis {
        let mut held: Vec<(KeyOf, Option<Holder>)> = keys.iter().map(|key| (key.clone(), None)).gather();
        for profile in profiles {
            let holder = Holder { id: profile.id, version: profile.version };
            for index in &profile.keys {
                if let Some((_, known)) = held.get_mut(*index) {
                    *known = Some(holder);
                }
            }
        }
        Basis { keys: held, ..Basis::default() }
    }
}

/// A profile to store.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRow {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub id: [u8; 16],
    /// Counts its commits, from 1.
    pub version: u64,
    /// When it was last written, Unix milliseconds.
    pub touched_ms: i64,
    /// The encoded profile.
    pub state: Vec<u8>,
    /// All its keys as (name, value), if they changed; stored keys that are not listed are removed. None: unchanged, as
    /// for most events.
    pub keys: Option<Vec<(String, String)>>,
}

/// A profile that was merged into another.
#[derive(Clone, Debug, PartialEq)]
pub struct Retired {
    /// The audience's id.
    pub audience: String,
    /// The merged profile's id.
    pub id: [u8; 16],
    /// The id of the profile that absorbed it.
    pub into: [u8; 16],
}

/// Storage of a writer.
pub trait Store {
    /// Runs the read of a message.
    ///
    /// # Errors
    ///
    /// If storage fails; the stored data is then unknown.
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure>;
    /// Stores the changes of a part of a message: reads find them, and the next [`commit`](Store::commit) makes them
    /// durable together with its own. Only one message is staged at a time.
    ///
    /// # Errors
    ///
    /// As for `commit`; the parts before are then still staged.
    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError>;
    /// Takes back everything that is staged.
    fn undo(&mut self);
    /// Stores the changes of a message durably before it returns, with what was staged: all or nothing.
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`] when another writer has changed data of the basis; nothing is written then.
    /// [`CommitError::Failed`] when storage fails.
    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError>;
}

/// The reason why a write was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// Another writer changed the data first.
    Conflict,
    /// Storage failed.
    Failed(StoreFailure),
}

impl From<StoreFailure> for CommitError {
    fn from(failure: StoreFailure) -> CommitError {
        CommitError::Failed(failure)
    }
}

/// Storage failed. The message is for the log; callers get 503.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFailure(pub String);

impl core::fmt::Display for StoreFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "storage failed: {}", self.0)
    }
}

impl core::error::Error for StoreFailure {}
