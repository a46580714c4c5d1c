//! Messages between shards: questions, which are answered at once, and stored messages, which are sent until they
//! are answered (docs/shards.md).

pub(super) mod bytes;
mod parts;

pub(crate) use parts::{moved, read_moved};
use parts::{optional, optional_place, place, read_optional, read_optional_place, read_place};

use super::activations::DeliveryRow;
use super::place::{KeyOf, Place};
use crate::wire::frame::{FrameReader, FrameWriter};

/// The holder of a key, as its home knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyState {
    /// Counts the changes of its holder; 0: it has no pointer.
    pub(crate) generation: u64,
    /// None: it is nobody's.
    pub(crate) holder: Option<Place>,
    /// The holder before, which has it still if the present one was never committed.
    pub(crate) before: Option<Place>,
    /// True once the holder, elsewhere, has told the home that it lists the key.
    pub(crate) committed: bool,
}

/// A shard's knowledge of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Card {
    Here {
        created_ms: i64,
        /// The value of its primary key.
        person: Option<String>,
    },
    /// It has handed its state over, or is about to.
    Sealed,
    /// It was merged into this one.
    Moved(Place),
    /// It was never committed, and never will be.
    Void,
    /// It was erased, or deleted after it was not seen for long.
    Erased,
    /// Its stored bytes are damaged.
    Damaged,
    /// A newer build wrote it.
    TooNew,
}

/// For a shard, by another one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ToShard {
    Ask(Ask),
    Claim(Claim),
    Seal(Seal),
    Absorb(Absorb),
    Propose(Propose),
    Repoint(Repoint),
    Drop(Drop),
    Records(Records),
    /// Asks for the stored messages that are due at this time, Unix milliseconds.
    Due(i64),
    Settle(Settle),
    Suppress(Suppress),
    Forget(Forget),
    Evicted(Evicted),
    Committed(Committed),
}

/// The last erasure of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Erasure {
    /// Earlier events are refused, Unix milliseconds.
    pub(crate) at_ms: i64,
    /// True if imports are refused, too.
    pub(crate) imports: bool,
}

/// Asks whose keys are, and for cards of profiles.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) audience: String,
    /// The number of the bundle that the asker runs.
    pub(crate) number: u64,
    /// Names and values of keys whose home this shard is.
    pub(crate) keys: Vec<(String, String)>,
    /// Ids of profiles of this shard.
    pub(crate) profiles: Vec<[u8; 16]>,
    /// Asks whether profiles of this shard list keys that have their homes elsewhere.
    pub(crate) listed: Vec<Listed>,
}

/// Asks whether a profile lists a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) profile: [u8; 16],
    /// The profile that the pointer names, which has become this one.
    pub(crate) pointed: [u8; 16],
    /// Name and value.
    pub(crate) key: (String, String),
    /// The generation of the pointer that leads to the profile. If the profile does not list the key now, it must not list it
    /// by this generation later, because the asking shard may give the key to another profile. 0: the question is from a
    /// lookup, and the answer binds nothing.
    pub(crate) generation: u64,
}

/// The answer to an [`Ask`]: one for each key, and one for each profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) keys: Vec<(KeyState, Option<Card>)>,
    pub(crate) cards: Vec<Card>,
    /// None: the profile is not here, or cannot be read.
    pub(crate) listed: Vec<Option<bool>>,
    /// Of each key; None: it was not erased.
    pub(crate) erased: Vec<Option<Erasure>>,
}

/// Makes a profile the holder of a key, if its holder is still the expected one. The answer is a [`KeyState`], when the key was
/// erased, and if the holder is committed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    pub(crate) key: KeyOf,
    pub(crate) number: u64,
    pub(crate) expected: KeyState,
    /// True if the expected holder was never committed: who had the key before stays the same.
    pub(crate) holder_is_gone: bool,
    pub(crate) to: Place,
    pub(crate) at_ms: i64,
}

/// Asks a source for its state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seal {
    pub(crate) audience: String,
    pub(crate) number: u64,
    pub(crate) intent: [u8; 16],
    pub(crate) source: [u8; 16],
    pub(crate) into: Place,
    /// The survivor's primary key.
    pub(crate) person: Option<String>,
    /// Names and values of the keys of the event that joins them: the bound on keys takes others.
    pub(crate) known: Vec<(String, String)>,
    pub(crate) at_ms: i64,
}

/// The answer to [`Seal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    Sealed,
    /// It was merged into another one, created then.
    Moved(Place, i64),
    /// It is another person's, damaged, or was never committed.
    Left,
}

/// The state of a sealed source, for its survivor. The answer is the survivor's creation; None: it is withdrawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Absorb {
    pub(crate) audience: String,
    pub(crate) number: u64,
    pub(crate) intent: [u8; 16],
    pub(crate) source: [u8; 16],
    pub(crate) into: Place,
    pub(crate) state: Vec<u8>,
    pub(crate) known: Vec<(String, String)>,
    pub(crate) at_ms: i64,
    /// Its keys that were erased, by their names in suppressions, and when.
    pub(crate) erased: Vec<(String, i64)>,
    /// Messages of its steps that are not sent yet, oldest first.
    pub(crate) unsent: Vec<Unsent>,
}

/// A message of a step of a journey that is not sent yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unsent {
    /// The same for every attempt.
    pub(crate) id: [u8; 16],
    /// The time of the step, Unix milliseconds.
    pub(crate) at_ms: i64,
    /// As JSON.
    pub(crate) message: String,
    /// How its delivery stood; None: no turn has seen it.
    pub(crate) delivery: Option<Box<DeliveryRow>>,
}

/// Asks the shard of the older of two profiles to absorb the other. The answer says where the older one went, and when that
/// was created; None: nothing more is to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Propose {
    pub(crate) audience: String,
    pub(crate) number: u64,
    pub(crate) intent: [u8; 16],
    pub(crate) source: Place,
    pub(crate) source_created_ms: i64,
    pub(crate) into: [u8; 16],
    pub(crate) at_ms: i64,
}

/// Makes a pointer that leads to one profile lead to another, or to none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Repoint {
    pub(crate) audience: String,
    pub(crate) hash: [u8; 16],
    pub(crate) from: [u8; 16],
    pub(crate) to: Option<Place>,
    /// The generation of the pointer; 0: whichever it has.
    pub(crate) generation: u64,
}

/// Asks the home of a key that a profile has lost to the bound on keys by which generation it has it. The answer is a [`KeyState`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evicted {
    pub(crate) key: KeyOf,
    pub(crate) from: [u8; 16],
}

/// Tells the home of keys that profiles which have claimed them are committed with them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Committed {
    pub(crate) audience: String,
    /// Each key as pointers name it, with the generation of the claim.
    pub(crate) keys: Vec<([u8; 16], u64)>,
}

/// Takes a key from a profile that holds it no more. The answer says where the profile went; None: it is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Drop {
    pub(crate) key: KeyOf,
    pub(crate) number: u64,
    pub(crate) from: [u8; 16],
    pub(crate) to: Place,
    /// Of the pointer that leads elsewhere.
    pub(crate) generation: u64,
    pub(crate) at_ms: i64,
}

/// The records of a key that moved, for its holder. The answer says where the holder is; None: it is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Records {
    pub(crate) key: KeyOf,
    pub(crate) number: u64,
    /// Zero: the home of the key is asked who it is.
    pub(crate) to: [u8; 16],
    pub(crate) carrier: Vec<u8>,
    pub(crate) at_ms: i64,
}

/// Refuses events and imports of keys whose home this shard is, because a profile that lists them is about to be erased. The answer
/// is a list of [`Refusing`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Suppress {
    pub(crate) audience: String,
    pub(crate) number: u64,
    /// Names and values.
    pub(crate) keys: Vec<(String, String)>,
    /// Events before this time are refused.
    pub(crate) at_ms: i64,
}

/// The home of a key refuses what is older than its erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusing {
    /// The holder of the key, as its home knows it.
    pub(crate) holder: Option<Place>,
    /// The generation of its pointer.
    pub(crate) generation: u64,
    /// True if that one is here, and has handed its state over.
    pub(crate) is_sealed: bool,
}

/// Forgets an erased profile and those that it had absorbed: pointers to them, where they went, their journals.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forget {
    pub(crate) audience: String,
    /// Keys that it listed, as pointers name them.
    pub(crate) hashes: Vec<[u8; 16]>,
    pub(crate) profiles: Vec<[u8; 16]>,
}

/// The answer to a stored message, for the shard that sent it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settle {
    /// The number of its row.
    pub(crate) number: u64,
    /// The message as stored.
    pub(crate) message: Vec<u8>,
    /// None: there was none, or it was refused.
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) at_ms: i64,
}

/// A stored message that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The number of its row, for [`settle`](super::settle).
    pub number: u64,
    /// The shard that it is for.
    pub shard: u32,
    /// For `drive::open` there.
    pub message: Vec<u8>,
}

impl Delivery {
    /// The answer to [`due`](super::due); None: it is no list.
    pub fn list(answer: &[u8]) -> Option<Vec<Delivery>> {
        FrameReader(answer).list(|r| {
            let number = r.long()?.cast_unsigned();
            Some(Delivery { number, shard: r.number()?, message: r.bytes()?.to_vec() })
        })
    }

    pub(crate) fn encode(list: &[Delivery]) -> Vec<u8> {
        let mut w = FrameWriter::default();
        w.list(list, |w, row| {
            w.long(row.number.cast_signed()).number(row.shard).bytes(&row.message);
        });
        w.0
    }
}

impl KeyState {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut w = FrameWriter::default();
        self.write(&mut w);
        w.0
    }

    /// Without `committed`, which follows what older builds read, and which no expectation is about.
    pub(crate) fn write(self, w: &mut FrameWriter) {
        optional_place(w.long(self.generation.cast_signed()), self.holder);
        optional_place(w, self.before);
    }

    /// True if it is still the one that an asker was told: a word of the holder that came since changes nothing.
    pub(crate) fn is(self, told: KeyState) -> bool {
        self == KeyState { committed: self.committed, ..told }
    }

    pub(crate) fn read(r: &mut FrameReader<'_>) -> Option<KeyState> {
        let generation = r.long()?.cast_unsigned();
        let (holder, before) = (read_optional_place(r)?, read_optional_place(r)?);
        Some(KeyState { generation, holder, before, committed: false })
    }
}

impl Erasure {
    pub(crate) fn write(erased: Option<Erasure>, w: &mut FrameWriter) {
        match erased {
            None => w.byte(0),
            Some(erased) => w.byte(1 + u8::from(erased.imports)).long(erased.at_ms),
        };
    }

    pub(crate) fn read(r: &mut FrameReader<'_>) -> Option<Option<Erasure>> {
        Some(match r.byte()? {
            0 => None,
            is => Some(Erasure { at_ms: r.long()?, imports: is == 2 }),
        })
    }

    /// Of two the later one, which refuses imports if one of them does.
    pub(crate) fn and(self, other: Erasure) -> Erasure {
        Erasure { at_ms: self.at_ms.max(other.at_ms), imports: self.imports || other.imports }
    }
}

impl Refusing {
    pub(crate) fn encode(list: &[Refusing]) -> Vec<u8> {
        let mut w = FrameWriter::default();
        w.list(list, |w, refusing| {
            optional_place(w.byte(u8::from(refusing.is_sealed)), refusing.holder);
            w.long(refusing.generation.cast_signed());
        });
        w.0
    }

    pub(crate) fn list(bytes: &[u8]) -> Option<Vec<Refusing>> {
        FrameReader(bytes).list(|r| {
            let is_sealed = r.byte()? != 0;
            let holder = read_optional_place(r)?;
            Some(Refusing { is_sealed, holder, generation: r.long()?.cast_unsigned() })
        })
    }
}

impl Card {
    fn write(&self, w: &mut FrameWriter) {
        match self {
            Card::Here { created_ms, person } => {
                optional(w.byte(0).long(*created_ms), person.as_deref());
            }
            Card::Sealed => {
                w.byte(1);
            }
            Card::Moved(to) => place(w.byte(2), *to),
            Card::Void => {
                w.byte(3);
            }
            Card::Damaged => {
                w.byte(4);
            }
            Card::TooNew => {
                w.byte(5);
            }
            Card::Erased => {
                w.byte(6);
            }
        }
    }

    fn read(r: &mut FrameReader<'_>) -> Option<Card> {
        Some(match r.byte()? {
            0 => Card::Here { created_ms: r.long()?, person: read_optional(r)? },
            1 => Card::Sealed,
            2 => Card::Moved(read_place(r)?),
            3 => Card::Void,
            4 => Card::Damaged,
            5 => Card::TooNew,
            6 => Card::Erased,
            _ => return None,
        })
    }
}

impl Facts {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = FrameWriter::default();
        w.list(&self.keys, |w, (state, card)| {
            state.write(w);
            w.byte(u8::from(card.is_some()));
            if let Some(card) = card {
                card.write(w);
            }
        });
        w.list(&self.cards, |w, card| card.write(w));
        w.list(&self.listed, |w, listed| {
            w.byte(listed.map_or(2, u8::from));
        });
        w.list(&self.erased, |w, erased| Erasure::write(*erased, w));
        w.list(&self.keys, |w, (state, _)| {
            w.byte(u8::from(state.committed));
        });
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Facts> {
        let mut r = FrameReader(bytes);
        let key = |r: &mut FrameReader<'_>| {
            let state = KeyState::read(r)?;
            let card = if r.byte()? != 0 { Some(Card::read(r)?) } else { None };
            Some((state, card))
        };
        let listed = |r: &mut FrameReader<'_>| r.byte().map(|byte| (byte < 2).then_some(byte == 1));
        let mut facts = Facts {
            keys: r.list(key)?,
            cards: r.list(Card::read)?,
            listed: r.list(listed)?,
            erased: r.list(Erasure::read)?,
        };
        // A build that marks no pointers ends before.
        let committed: Vec<u8> = r.list(|r| r.byte()).unwrap_or_default();
        for ((state, _), committed) in facts.keys.iter_mut().zip(committed) {
            state.committed = committed != 0;
        }
        Some(facts)
    }
}

impl Sealing {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut w = FrameWriter::default();
        match self {
            Sealing::Sealed => {
                w.byte(0);
            }
            Sealing::Moved(to, created_ms) => {
                place(w.byte(1), to);
                w.long(created_ms);
            }
            Sealing::Left => {
                w.byte(2);
            }
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Sealing> {
        let mut r = FrameReader(bytes);
        Some(match r.byte()? {
            0 => Sealing::Sealed,
            1 => Sealing::Moved(read_place(&mut r)?, r.long()?),
            2 => Sealing::Left,
            _ => return None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::{Card, Facts, KeyState};
    use crate::message::Place;

    /// Builds that mark no pointers read the facts of this one, and this one theirs, which end before the marks.
    #[test]
    fn facts_of_a_build_that_marks_no_pointers() {
        let holder = Some(Place { id: [7; 16], shard: 3 });
        let marked = KeyState { generation: 5, holder, before: None, committed: true };
        let facts = Facts {
            keys: vec![(marked, Some(Card::Sealed)), (KeyState::default(), None)],
            cards: vec![Card::Void],
            listed: vec![Some(true), None],
            erased: vec![None, None],
        };
        let bytes = facts.encode();
        assert_eq!(Facts::decode(&bytes).unwrap(), facts);
        // The number of the marks, and a byte for each.
        let older = &bytes[..bytes.len() - 2 - size_of::<u32>()];
        let mut unmarked = facts;
        unmarked.keys[0].0.committed = false;
        assert_eq!(Facts::decode(older).unwrap(), unmarked);
    }
}
