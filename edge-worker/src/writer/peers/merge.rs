//! The steps of a merge: propose, seal, absorb, point.

use usher_engine::planted::{self, Bug};
use usher_engine::profile::codec::{self, Unreadable};
use usher_engine::{Plan, Profile, ProfileId};

use super::super::journeys::note_wait;
use super::super::relate::open_intent;
use super::super::set::{ProfileIndex, ProfileSet};
use super::step::{Found, Step, keys_in};
use crate::limits::{DELIVERY_BYTES_MAX, HANDED_OVER_BYTES_MAX};
use crate::message::shards::{Absorb, Evicted, Propose, Repoint, Seal, Sealing, ToShard, Unsent};
use crate::message::{KeyOf, Place};
use crate::plane::HAS_JOURNEYS;
use crate::store::journeys::{SendRow, WaitRow};
use crate::store::shards::{GoneRow, IntentRow, PointerRow, SealedRow};
use crate::store::{JournalRow, Retired, Write};
use crate::wire::frame::{FrameReader, FrameWriter};
use crate::wire::json::Json;

impl Step<'_> {
    /// `names` are those of the source's keys in suppressions.
    pub(super) fn seal(&mut self, seal: &Seal, names: &[String]) -> Option<Sealing> {
        match self.profile(seal.source) {
            Found::Sealed(intent) => (intent == seal.intent).then_some(Sealing::Sealed),
            Found::Moved(into, created_ms) => Some(Sealing::Moved(into, created_ms)),
            // Withdrawn is what the survivor makes of it.
            Found::Nobody | Found::Damaged => Some(Sealing::Left),
            Found::TooNew => None,
            Found::Here(profile) => {
                let running = self.running?;
                let person = running.plan.person(profile.keys());
                if !Plan::may_unite(seal.person.as_deref(), person) {
                    return Some(Sealing::Left);
                }
                if profile.bundle > running.number {
                    self.behind = Some(profile.bundle);
                    return None;
                }
                let is_survivor = |row: &IntentRow| {
                    row.audience == self.audience && row.survivor == seal.source && !row.withdrawn
                };
                if self.found.intents.iter().any(is_survivor) {
                    return None;
                }
                let audience = self.audience.to_owned();
                let (id, intent) = (seal.source, seal.intent);
                self.write.shard.sealed.push(SealedRow { audience: audience.clone(), id, intent });
                let unsent = self.hand_over(id);
                let absorb = Absorb {
                    audience,
                    number: seal.number.max(running.number),
                    intent,
                    source: id,
                    into: seal.into,
                    state: codec::encode(&profile, self.edge.form().of_profiles()),
                    known: seal.known.clone(),
                    at_ms: seal.at_ms,
                    erased: self.erased_of(names),
                    unsent,
                };
                let row = self.across.stored(seal.into.shard, ToShard::Absorb(absorb), seal.at_ms);
                self.write.shard.outbox.push(row);
                Some(Sealing::Sealed)
            }
        }
    }

    /// The answer: `1 created · hashes of keys that it did not take`, or `0`: withdrawn.
    pub(super) fn absorb(&mut self, absorb: &Absorb) -> Option<Vec<u8>> {
        let intent = self.found.intents.iter().find(|row| row.id == absorb.intent);
        let done = |created_ms: i64, lost: &[[u8; 16]]| {
            let mut w = FrameWriter::default();
            w.byte(1).long(created_ms).list(lost, |w, hash| w.0.extend_from_slice(hash));
            Some(w.0)
        };
        let withdrawn = || Some(vec![0]);
        let Some(intent) = intent else {
            // Absorbed before.
            return match self.profile(absorb.into.id) {
                Found::Here(profile) => done(profile.created_ms, &[]),
                _ => done(i64::MIN, &[]),
            };
        };
        if intent.withdrawn {
            return withdrawn();
        }
        let source = match codec::decode(&absorb.state) {
            Ok(source) => source,
            Err(Unreadable::TooNew) => return None,
            Err(Unreadable::Damaged(_)) => {
                self.withdraw(intent);
                return withdrawn();
            }
        };
        match self.profile(intent.survivor) {
            Found::Here(_) => {}
            Found::Sealed(_) | Found::TooNew => return None,
            Found::Damaged | Found::Nobody | Found::Moved(..) => {
                self.withdraw(intent);
                return withdrawn();
            }
        }
        let plan = self.plan()?;
        let mut set = self.set()?;
        let index = set.of_id(intent.survivor)?;
        let survivor = set.get_mut(index)?;
        if !Plan::may_unite(plan.person(survivor.keys()), plan.person(source.keys())) {
            self.withdraw(intent);
            return withdrawn();
        }
        let mut source = source;
        self.keep_own_keys(&mut source, absorb.source);
        let keys: Vec<(String, String)> =
            source.keys().iter().map(|key| (key.name.clone(), key.value.clone())).collect();
        let created_ms = survivor.created_ms;
        if HAS_JOURNEYS {
            plan.join_journeys(survivor, &mut source, intent.at_ms);
        }
        let united = plan.unite(survivor, source, &absorb.known, self.now_ms);
        let id = survivor.id;
        set.note_all(id, &united.journal, self.now_ms);
        let lost = self.gained(&set, index, &keys);
        for change in set.key_changes() {
            // Keys that the bound took from the survivor itself.
            let key = KeyOf { audience: self.audience.to_owned(), name: change.name, value: change.value };
            if let (Some(from), None) = (change.before, change.after)
                && !self.across.is_home(&key)
            {
                let home = self.across.home(&key);
                let evicted = ToShard::Evicted(Evicted { key, from: from.0 });
                self.write.shard.outbox.push(self.across.stored(home, evicted, self.now_ms));
            }
        }
        if !self.commit(&mut set) {
            self.write = Write::default();
            self.withdraw(intent);
            return withdrawn();
        }
        self.write.shard.closed.push(intent.id);
        self.write.shard.erased.extend(absorb.erased.iter().cloned());
        self.write.sends.extend(unsent_rows(absorb, intent.survivor));
        done(created_ms, &lost)
    }

    /// Takes from a source the keys of this shard that have left it.
    pub(super) fn keep_own_keys(&self, source: &mut Profile, id: [u8; 16]) {
        // What it has absorbed may still be known here by the name that it had.
        let is_source = |known: [u8; 16]| known == id || source.absorbed().contains(&ProfileId(known));
        let left = |index: usize, key: &KeyOf| {
            let row = self.pointer(self.across.hash(key));
            self.across.is_home(key)
                && match row.and_then(|row| row.holder) {
                    Some(holder) => !is_source(holder.id),
                    // The source may be of this shard, too.
                    None => self.lister(key, index).map_or(row.is_some(), |lister| !is_source(lister)),
                }
        };
        let keys = source.keys().iter().enumerate();
        let gone: Vec<(String, String)> = keys
            .filter(|(index, key)| {
                let (name, value) = (key.name.clone(), key.value.clone());
                left(*index, &KeyOf { audience: self.audience.to_owned(), name, value })
            })
            .map(|(_, key)| (key.name.clone(), key.value.clone()))
            .collect();
        if !gone.is_empty() {
            source.edit_keys(|keys| {
                keys.retain(|key| !gone.iter().any(|(name, value)| (name, value) == (&key.name, &key.value)));
            });
        }
    }

    /// Writes the pointers of a survivor's new keys whose home is here. Returns the hashes of keys that it did not take.
    pub(super) fn gained(
        &mut self,
        set: &ProfileSet,
        index: ProfileIndex,
        keys: &[(String, String)],
    ) -> Vec<[u8; 16]> {
        let mut lost = Vec::new();
        let Some(survivor) = set.get(index) else { return lost };
        for (name, value) in keys {
            let key = KeyOf { audience: self.audience.to_owned(), name: name.clone(), value: value.clone() };
            let hash = self.across.hash(&key);
            if !survivor.has_key(name, value) {
                lost.push(hash);
            }
            if self.across.is_home(&key)
                && let Some(row) = self.pointer(hash)
            {
                let generation = row.generation + 1;
                let audience = self.audience.to_owned();
                self.write.shard.pointers.push(PointerRow::closed(audience, hash, generation));
            }
        }
        lost
    }

    /// Marks an intent, and tells the journal of its survivor.
    pub(super) fn withdraw(&mut self, intent: &IntentRow) {
        self.write.shard.intents.push(IntentRow { withdrawn: true, ..intent.clone() });
        let mut entry = Json::new();
        entry.object(|o| {
            o.field("kind").text("merge_withdrawn");
            o.field("source").text(&ProfileId(intent.source).to_string());
        });
        self.write.journal.push(JournalRow {
            audience: self.audience.to_owned(),
            profile: intent.survivor,
            at_ms: self.now_ms,
            entry: entry.into_text(),
        });
    }

    /// Where the older profile went; None: nothing more is to do.
    pub(super) fn propose(&mut self, propose: &Propose) -> Option<Option<(Place, i64)>> {
        if self.found.intents.iter().any(|row| row.id == propose.intent) {
            return Some(None);
        }
        match self.profile(propose.into) {
            Found::Moved(into, created_ms) => Some(Some((into, created_ms))),
            Found::Sealed(_) | Found::TooNew => None,
            Found::Nobody | Found::Damaged => Some(None),
            Found::Here(profile) => {
                let running = self.running?;
                let person = running.plan.person(profile.keys()).map(str::to_owned);
                let into = self.across.here(profile.id);
                let (audience, number) = (propose.audience.clone(), running.number);
                let (intent, source, known) = (propose.intent, propose.source.id, Vec::new());
                let seal = Seal { audience, number, intent, source, into, person, known, at_ms: self.now_ms };
                open_intent(self.across, propose.source.shard, seal, false, &mut self.write);
                Some(None)
            }
        }
    }

    /// Joins two profiles that a third one was to be merged with: the older one is asked to absorb the other. `own` is of
    /// this shard, unless it went on itself.
    pub(super) fn rejoin(
        &mut self,
        own: Place,
        other: (Place, i64),
        intent: [u8; 16],
        number: u64,
    ) -> Option<()> {
        let own = match self.profile(own.id) {
            Found::Here(profile) => (own, profile.created_ms),
            Found::Moved(into, created_ms) => (into, created_ms),
            // Where it goes, or what it is, is known later.
            Found::Sealed(_) | Found::TooNew => return None,
            Found::Nobody | Found::Damaged => return Some(()),
        };
        if own.0.id == other.0.id {
            return Some(());
        }
        let is_older = (own.1, own.0.id) < (other.1, other.0.id);
        let ((into, _), (source, source_created_ms)) = if is_older { (own, other) } else { (other, own) };
        let propose = Propose {
            audience: self.audience.to_owned(),
            number,
            intent: next_intent(intent),
            source,
            source_created_ms,
            into: into.id,
            at_ms: self.now_ms,
        };
        let row = self.across.stored(into.shard, ToShard::Propose(propose), self.now_ms);
        self.write.shard.outbox.push(row);
        Some(())
    }

    /// Makes the source lead to its survivor, or unseals it.
    pub(super) fn point(&mut self, absorb: &Absorb, answer: &[u8]) -> Option<()> {
        let is_own = |row: &SealedRow| (row.id, row.intent) == (absorb.source, absorb.intent);
        if !self.found.sealed.iter().any(is_own) {
            return Some(());
        }
        let audience = self.audience.to_owned();
        self.write.shard.unsealed.push((audience.clone(), absorb.source));
        let mut r = FrameReader(answer);
        if r.byte()? == 0 {
            self.take_back(absorb);
            return Some(());
        }
        let created_ms = r.long()?;
        let lost: Vec<[u8; 16]> = r.list(FrameReader::array)?;
        let (id, into) = (absorb.source, absorb.into.id);
        self.write.shard.gone.push(GoneRow {
            audience: audience.clone(),
            id,
            into: Some((absorb.into, created_ms)),
            erased: false,
        });
        self.write.retired.push(Retired { audience: audience.clone(), id, into });
        for key in keys_in(&audience, &absorb.state) {
            if planted::is(Bug::PointsNowhere) {
                break;
            }
            let hash = self.across.hash(&key);
            let to = Some(absorb.into).filter(|_| !lost.contains(&hash));
            let home = self.across.home(&key);
            if home == self.across.route.shard {
                let row = self.pointer(hash);
                // Some other profile may have it by now.
                if row.is_none_or(|row| row.holder.is_none_or(|holder| holder.id == id)) {
                    let generation = row.map_or(0, |row| row.generation) + 1;
                    let holder = to.filter(|to| to.shard != home);
                    let closed = PointerRow::closed(audience.clone(), hash, generation);
                    let committed = holder.is_some();
                    self.write.shard.pointers.push(PointerRow { holder, committed, ..closed });
                }
            } else if home != absorb.into.shard {
                let repoint = Repoint { audience: audience.clone(), hash, from: id, to, generation: 0 };
                let row = self.across.stored(home, ToShard::Repoint(repoint), self.now_ms);
                self.write.shard.outbox.push(row);
            }
        }
        Some(())
    }
}

impl Step<'_> {
    /// Ends the due time of a source, and takes what its steps have not sent, as far as a message holds it. The rest is sent from
    /// here.
    fn hand_over(&mut self, source: [u8; 16]) -> Vec<Unsent> {
        if !HAS_JOURNEYS {
            return Vec::new();
        }
        let waits_no_more = WaitRow { audience: self.audience.to_owned(), profile: source, due_ms: None };
        self.write.waits.push(waits_no_more);
        let mut bytes = 0_usize;
        for row in self.found.sends.iter().filter(|row| row.profile == source) {
            let standing = if row.delivery.is_some() { DELIVERY_BYTES_MAX } else { 0 };
            bytes = bytes.saturating_add(row.message.len()).saturating_add(standing);
            if bytes > HANDED_OVER_BYTES_MAX {
                break;
            }
            self.write.shard.handed_over.push(row.clone());
        }
        let unsent = |row: &SendRow| Unsent {
            id: row.id,
            at_ms: row.at_ms,
            message: row.message.clone(),
            delivery: row.delivery.clone(),
        };
        self.write.shard.handed_over.iter().map(unsent).collect()
    }

    /// The source of a merge that was withdrawn waits and sends again.
    fn take_back(&mut self, absorb: &Absorb) {
        if !HAS_JOURNEYS {
            return;
        }
        self.write.sends.extend(unsent_rows(absorb, absorb.source));
        if let (Some(plan), Ok(profile)) = (self.plan(), codec::decode(&absorb.state)) {
            note_wait(plan, &profile, &absorb.audience, self.now_ms, &mut self.write);
        }
    }
}

/// The unsent messages of a source, as those of this profile.
fn unsent_rows(absorb: &Absorb, profile: [u8; 16]) -> impl Iterator<Item = SendRow> {
    let row = move |unsent: &Unsent| SendRow {
        audience: absorb.audience.clone(),
        profile,
        id: unsent.id,
        at_ms: unsent.at_ms,
        message: unsent.message.clone(),
        delivery: unsent.delivery.clone(),
    };
    absorb.unsent.iter().map(row)
}

/// The id of an intent that takes another's place: withdrawn and closed ones keep their own.
fn next_intent(intent: [u8; 16]) -> [u8; 16] {
    (u128::from_be_bytes(intent).wrapping_add(1)).to_be_bytes()
}
