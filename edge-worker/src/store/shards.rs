//! The rows by which shards know of each other: pointers, merges, and messages that are not answered yet (docs/shards.md).

use super::journeys::SendRow;
use super::rows::{ErasedKey, FoundProfile, HeldKey, Holder, JournalRow};
use crate::message::shards::KeyState;
use crate::message::{KeyOf, Place};
use usher_engine::gather::Gather;

/// The rows that a message reads in a shard of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardRead {
    /// The profiles that list any of these keys.
    pub keys: Vec<KeyOf>,
    /// The pointers of these keys, by the audience's id and the keyed hash.
    pub pointers: Vec<(String, [u8; 16])>,
    /// These profiles, by the audience's id and their own; or where they went.
    pub ids: Vec<(String, [u8; 16])>,
    /// These intents.
    pub intents: Vec<[u8; 16]>,
    /// This row of the outbox.
    pub row: Option<u64>,
    /// True to have the journal of the profiles that list the keys.
    pub journal: bool,
    /// The names of the keys, in the same order, to have which of them were erased; empty: nobody asks.
    pub names: Vec<String>,
    /// True to have all keys of the profiles that list the keys.
    pub held: bool,
    /// True to have what steps of journeys have not sent yet of the profiles that are read by their ids.
    pub sends: bool,
}

/// The result of a [`ShardRead`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardFound {
    /// Those that list keys, in the order of the first key that names each; then those that were read by their ids alone.
    pub profiles: Vec<FoundProfile>,
    /// The pointers that there are.
    pub pointers: Vec<PointerRow>,
    /// The profiles among the read ids that are no longer here.
    pub gone: Vec<GoneRow>,
    /// The sealed ones among all found profiles, with their intents.
    pub sealed: Vec<SealedRow>,
    /// The intents that were read by their ids, and those whose survivors were found.
    pub intents: Vec<IntentRow>,
    /// True if the row of the outbox is there.
    pub row: bool,
    /// In a build that asks no other shard, in place of pointers, sealed profiles and erased keys: true if a key's home says that
    /// another profile has it, a found profile merges, or a key was erased.
    pub elsewhere: bool,
    /// The journal, newest first, if it was asked for.
    pub journal: Vec<JournalRow>,
    /// The names that were erased, as far as this shard knows, by their places among those that were asked for.
    pub erased: Vec<ErasedKey>,
    /// All keys of the found profiles, if they were asked for.
    pub held: Vec<HeldKey>,
    /// Messages of steps that are not sent yet, oldest first, if they were asked for.
    pub sends: Vec<SendRow>,
}

/// A pointer: whose a key is, in the key's home. In another shard it says with which generation a profile there got the
/// key, if that is not the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerRow {
    /// The audience's id.
    pub audience: String,
    /// The keyed hash of the key.
    pub hash: [u8; 16],
    /// None: a profile here lists it, or nobody has it.
    pub holder: Option<Place>,
    /// Counts the changes of its holder.
    pub generation: u64,
    /// The holder before a claim, which has it still if the present one was never committed.
    pub before: Option<Place>,
    /// True once the holder is known to list the key. It is there from then on, or its shard says where it went: otherwise its
    /// shard was restored to an earlier time.
    pub committed: bool,
}

impl PointerRow {
    /// One that leads nowhere.
    pub(crate) fn closed(audience: String, hash: [u8; 16], generation: u64) -> PointerRow {
        PointerRow { audience, hash, holder: None, generation, before: None, committed: false }
    }
}

impl From<&PointerRow> for KeyState {
    fn from(row: &PointerRow) -> KeyState {
        let PointerRow { holder, generation, before, committed, .. } = row;
        KeyState { generation: *generation, holder: *holder, before: *before, committed: *committed }
    }
}

/// A profile that is no longer here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneRow {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub id: [u8; 16],
    /// The profile that absorbed it, and when that was created, in Unix milliseconds. None: it must not be committed, because
    /// it was erased, or because others were told that it never was.
    pub into: Option<(Place, i64)>,
    /// True if it was committed, and erased or deleted since.
    pub erased: bool,
}

/// A profile that has handed its state over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub id: [u8; 16],
    /// The intent for which.
    pub intent: [u8; 16],
}

/// The intent of a profile to absorb another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// The intent's id.
    pub id: [u8; 16],
    /// The audience's id.
    pub audience: String,
    /// The profile here that absorbs.
    pub survivor: [u8; 16],
    /// The profile that it absorbs.
    pub source: [u8; 16],
    /// True if it must not absorb it any more.
    pub withdrawn: bool,
    /// True if it has got the primary key of that one, and not yet what that one has counted.
    pub has_person: bool,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// A message for another shard, to be sent until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The shard that it is for.
    pub shard: u32,
    /// The message.
    pub message: Vec<u8>,
    /// When it is due, Unix milliseconds.
    pub due_ms: i64,
    /// False if the answer of who stores it does not depend on what becomes of it.
    pub is_awaited: bool,
}

/// The changes of a message to the rows of a shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardWrite {
    /// Pointers, in place of those of the same keys.
    pub pointers: Vec<PointerRow>,
    /// Profiles that are gone.
    pub gone: Vec<GoneRow>,
    /// Profiles that are sealed.
    pub sealed: Vec<SealedRow>,
    /// Profiles that are not sealed any more.
    pub unsealed: Vec<(String, [u8; 16])>,
    /// Intents, in place of those with the same ids.
    pub intents: Vec<IntentRow>,
    /// Intents that are closed.
    pub closed: Vec<[u8; 16]>,
    /// New messages.
    pub outbox: Vec<OutboxRow>,
    /// Messages that are answered, by the numbers of their rows.
    pub answered: Vec<u64>,
    /// Messages that are due again, and when.
    pub again: Vec<(u64, i64)>,
    /// Names of erased keys that profiles here list and whose homes are elsewhere, and when they were erased.
    pub erased: Vec<(String, i64)>,
    /// Messages of steps that another shard sends from now on.
    pub handed_over: Vec<SendRow>,
    /// Erased profiles, and those that they had absorbed: where they went, their journals, and what was to be sent, are forgotten.
    pub forgotten: Vec<(String, [u8; 16])>,
}

impl ShardWrite {
    /// False if all that it stores for other shards is news on which no answer depends: nobody waits for merges.
    pub fn is_awaited(&self) -> bool {
        self.outbox.is_empty() || self.outbox.iter().any(|row| row.is_awaited)
    }

    pub(super) fn append(&mut self, mut other: ShardWrite) {
        self.pointers.append(&mut other.pointers);
        self.gone.append(&mut other.gone);
        self.sealed.append(&mut other.sealed);
        self.unsealed.append(&mut other.unsealed);
        self.intents.append(&mut other.intents);
        self.closed.append(&mut other.closed);
        self.outbox.append(&mut other.outbox);
        self.answered.append(&mut other.answered);
        self.again.append(&mut other.again);
        self.erased.append(&mut other.erased);
        self.handed_over.append(&mut other.handed_over);
        self.forgotten.append(&mut other.forgotten);
    }
}

/// The facts of a [`ShardRead`] that a write depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardBasis {
    /// Each pointer that was read, with its generation; 0: there was none.
    pub pointers: Vec<(String, [u8; 16], u64)>,
    /// Each profile that was read by its id, with its holder; None: it was not here.
    pub profiles: Vec<(String, [u8; 16], Option<Holder>)>,
    /// The sealed ones among all found profiles.
    pub sealed: Vec<SealedRow>,
    /// The row of the outbox that must still be there.
    pub row: Option<u64>,
}

impl ShardBasis {
    pub(super) fn of(read: &ShardRead, found: &ShardFound) -> ShardBasis {
        let generation = |(audience, hash): &(String, [u8; 16])| {
            let row = found.pointers.iter().find(|row| (&row.audience, &row.hash) == (audience, hash));
            (audience.clone(), *hash, row.map_or(0, |row| row.generation))
        };
        let profile = |(audience, id): &(String, [u8; 16])| {
            let row = found.profiles.iter().find(|row| (&row.audience, &row.id) == (audience, id));
            let holder = row.map(|row| Holder { id: row.id, version: row.version });
            (audience.clone(), *id, holder)
        };
        ShardBasis {
            pointers: read.pointers.iter().map(generation).gather(),
            profiles: read.ids.iter().map(profile).gather(),
            sealed: found.sealed.clone(),
            row: read.row.filter(|_| found.row),
        }
    }
}
