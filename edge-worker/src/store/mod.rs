//! Storage in the service's nouns: one [`Read`] and one [`Write`] per message, and the trait of a [`Store`].
//!
//! A write names the versions and keys that its message read ([`Basis`]) and fails with [`CommitError::Conflict`] when
//! one of them has changed since: whoever folded the message reads again and folds again. [`sql`] says both as statements,
//! once for every host that stores in SQLite; [`memory`] keeps everything in memory.

pub(crate) mod index;
pub mod memory;
pub mod sql;

use crate::message::{KeyOf, WhichRelease};

/// The data that a message needs before it can be folded; one read per message.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// The profiles that are known by any of these keys, each once.
    Profiles(Vec<KeyOf>),
    /// The bundle that each audience runs.
    Pointers,
    /// The last bundles of one audience, of which the first runs.
    Releases {
        /// The audience's id.
        audience: String,
    },
    /// One of them with its body.
    Release {
        /// The audience's id.
        audience: String,
        /// The one that is wanted.
        which: WhichRelease,
    },
    /// A bundle's body.
    Bundle {
        /// Its hash.
        hash: String,
    },
    /// The newest bundle of each audience with which profiles were written here.
    Written,
}

/// The result of a [`Read`].
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Profiles, each once, in the order of the first key that names it.
    Profiles(Vec<FoundProfile>),
    /// Pointers, ascending by audience.
    Pointers(Vec<Pointer>),
    /// Newest first.
    Releases(Vec<Release>),
    /// Those that are kept, and the one that was asked for with its body.
    Release {
        /// All that are kept, newest first; empty: the audience runs nothing.
        releases: Vec<Release>,
        /// None: there is no such one, or it is no longer kept.
        wanted: Option<(Release, Vec<u8>)>,
    },
    /// A body, if it is there.
    Bundle(Option<Vec<u8>>),
}

/// A profile that a [`Read`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundProfile {
    /// The audience's id.
    pub audience: String,
    /// The keys that name it, by their indexes among those that were read, ascending.
    pub keys: Vec<usize>,
    /// The profile's id.
    pub id: [u8; 16],
    /// How many times it was committed.
    pub version: u64,
    /// As it was encoded.
    pub state: Vec<u8>,
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

/// One number in the history of an audience's bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Counts the bundles of the audience, from 1.
    pub number: u64,
    /// The bundle's hash.
    pub hash: String,
    /// The number under which this content was published: its own, or for a rollback the one that it brought back.
    pub origin: u64,
    /// When it began to run, Unix milliseconds; 0 where nobody wrote it down.
    pub at_ms: i64,
}

/// A bundle that an audience runs from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The audience's id.
    pub audience: String,
    /// Its place in the history.
    pub release: Release,
    /// The bundle as it was put; None: what is stored of it stays.
    pub body: Option<Vec<u8>>,
    /// Numbers up to this one are forgotten.
    pub forgotten: u64,
    /// Hashes of the bodies that nobody can go back to any more.
    pub dropped: Vec<String>,
}

/// The changes of a message; all of them or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Write {
    /// Profiles as they are now.
    pub profiles: Vec<ProfileRow>,
    /// Profiles that are no more.
    pub retired: Vec<Retired>,
    /// Steps of stitching, for operators.
    pub journal: Vec<JournalRow>,
    /// A bundle that an audience runs from now on.
    pub bundle: Option<Published>,
    /// Bundles with which profiles of this write were written first.
    pub written: Vec<Pointer>,
    /// When the shard was asked whether it writes, Unix milliseconds.
    pub probed_ms: Option<i64>,
}

impl Write {
    /// Both together; they are of different audiences.
    pub(crate) fn append(&mut self, mut other: Write) {
        self.profiles.append(&mut other.profiles);
        self.retired.append(&mut other.retired);
        self.journal.append(&mut other.journal);
        self.bundle = self.bundle.take().or(other.bundle);
        self.written.append(&mut other.written);
        self.probed_ms = self.probed_ms.or(other.probed_ms);
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Write::default()
    }
}

/// The facts that a message read, as far as its write depends on them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Basis {
    /// Each key that was read, with the profile that holds it and that profile's version; none: nobody holds it.
    pub keys: Vec<(KeyOf, Option<Holder>)>,
    /// The audience whose history was read, with the number that it runs; 0: it runs nothing.
    pub running: Option<(String, u64)>,
}

/// Who holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The profile's id.
    pub id: [u8; 16],
    /// The profile's version.
    pub version: u64,
}

impl Basis {
    /// What a read found, before a message is folded with it.
    pub fn of(read: &Read, found: &Found) -> Basis {
        match (read, found) {
            (Read::Profiles(keys), Found::Profiles(profiles)) => {
                let mut held: Vec<(KeyOf, Option<Holder>)> =
                    keys.iter().map(|key| (key.clone(), None)).collect();
                for profile in profiles {
                    let holder = Holder { id: profile.id, version: profile.version };
                    for index in &profile.keys {
                        if let Some((_, known)) = held.get_mut(*index) {
                            *known = Some(holder);
                        }
                    }
                }
                Basis { keys: held, running: None }
            }
            (
                Read::Releases { audience } | Read::Release { audience, .. },
                Found::Releases(releases) | Found::Release { releases, .. },
            ) => {
                let number = releases.first().map_or(0, |release| release.number);
                Basis { keys: Vec::new(), running: Some((audience.clone(), number)) }
            }
            _ => Basis::default(),
        }
    }
}

/// A profile as storage keeps it.
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
    /// All keys it is known by, (name, value), where they changed: others that storage has for it are gone. None: they
    /// are what storage has, and most events change none.
    pub keys: Option<Vec<(String, String)>>,
}

/// A profile that was merged into another.
#[derive(Clone, Debug, PartialEq)]
pub struct Retired {
    /// The audience's id.
    pub audience: String,
    /// Which.
    pub id: [u8; 16],
    /// Into which.
    pub into: [u8; 16],
}

/// A line of the merge journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub profile: [u8; 16],
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The step, as JSON without any key's value.
    pub entry: String,
}

/// Storage of a writer.
pub trait Store {
    /// Reads what a message needs.
    ///
    /// # Errors
    ///
    /// Storage did not answer; nothing may be concluded about what it holds.
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure>;
    /// Writes what a message changed, durably, before it returns: all of it or nothing.
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`] when another writer has changed what the message read; nothing is written then.
    /// [`CommitError::Failed`] when storage does not answer.
    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError>;
}

/// Why a write did not take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// Another writer was faster.
    Conflict,
    /// Storage did not answer.
    Failed(StoreFailure),
}

impl From<StoreFailure> for CommitError {
    fn from(failure: StoreFailure) -> CommitError {
        CommitError::Failed(failure)
    }
}

/// Storage did not answer. What it says is for the log; callers get 503.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFailure(pub String);

impl core::fmt::Display for StoreFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "storage failed: {}", self.0)
    }
}

impl core::error::Error for StoreFailure {}
