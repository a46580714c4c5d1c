//! Mints the ids of events without an id of their own, and of new profiles.

use sha2::{Digest, Sha256};
use usher_engine::ProfileId;
use usher_engine::profile::Key;

use crate::message::Ambient;

/// The id of a new profile for this key, made by the event or row at this place of the message.
///
/// Ids of one message are unpredictable, distinct by place, purpose and key, and ascending as far as 12 bits reach: of
/// events at one moment without ids of their own, the later is the newer. Parts of one batch may be minted from equal
/// entropy in several shards. Every key has one shard, so that a number that two shards use is used with different keys.
pub(super) fn profile(ambient: &Ambient, place: usize, audience: &str, key: &Key) -> ProfileId {
    let purpose = [b"profile", audience.as_bytes(), key.name.as_bytes(), key.value.as_bytes()];
    uuid(ambient, u64::try_from(place).unwrap_or(u64::MAX), &purpose)
}

/// The id of an intent that the event at this place causes.
pub(super) fn intent(ambient: &Ambient, place: usize, survivor: [u8; 16], source: [u8; 16]) -> [u8; 16] {
    let number = u64::try_from(place).unwrap_or(u64::MAX);
    uuid(ambient, number, &[b"intent", &survivor, &source]).0
}

/// The minted ids of the events of a message, by the event's place: an event has one id for all audiences that it has a
/// profile in.
pub(super) struct MintedIds {
    ambient: Ambient,
    ids: Vec<Option<String>>,
}

impl MintedIds {
    pub(super) fn new(ambient: Ambient) -> MintedIds {
        MintedIds { ambient, ids: Vec::new() }
    }

    /// The id of the event at this place of the message, by the first of its usable keys; without one it has no profile,
    /// and its id is nowhere kept.
    pub(super) fn id(&mut self, place: usize, first: Option<&Key>) -> String {
        let number = u64::try_from(place).unwrap_or(u64::MAX);
        let Some(key) = first else { return uuid(&self.ambient, number, &[b"event"]).to_string() };
        if self.ids.len() <= place {
            self.ids.resize(place + 1, None);
        }
        let mint = || {
            uuid(&self.ambient, number, &[b"event", key.name.as_bytes(), key.value.as_bytes()]).to_string()
        };
        match self.ids.get_mut(place) {
            Some(id) => id.get_or_insert_with(mint).clone(),
            None => mint(),
        }
    }
}

/// A UUIDv7: its first 48 bits are the time, so ids of older profiles are smaller.
fn uuid(ambient: &Ambient, number: u64, purpose: &[&[u8]]) -> ProfileId {
    let mut hasher = Sha256::new();
    hasher.update(ambient.entropy);
    hasher.update(number.to_le_bytes());
    for part in purpose {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let [.., high, low] = number.min(0x0fff).to_be_bytes();
    let mut bytes = [0_u8; 16];
    bytes.iter_mut().zip(hasher.finalize()).for_each(|(byte, random)| *byte = random);
    bytes
        .iter_mut()
        .zip(ambient.now_ms.to_be_bytes().into_iter().skip(2))
        .for_each(|(byte, time)| *byte = time);
    (bytes[6], bytes[7]) = (high | 0x70, low);
    bytes[8] = bytes[8] & 0x3f | 0x80;
    ProfileId(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, value: &str) -> Key {
        Key { name: name.to_owned(), value: value.to_owned(), seen_ms: 0 }
    }

    #[test]
    fn minted_ids_are_uuids_of_their_time() {
        let mut minted = MintedIds::new(Ambient { now_ms: 0x0123_4567_89ab, entropy: [1; 32] });
        let many: Vec<String> = (0..4_000).map(|place| minted.id(place, Some(&key("a", "b")))).collect();
        assert!(many.is_sorted_by(|a, b| a < b));
        let text = &many[0];
        assert!(text.starts_with("01234567-89ab-7"), "{text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
    }

    #[test]
    fn one_entropy_and_number_are_one_id_for_one_purpose_and_key_only() {
        let ambient = Ambient { now_ms: 5, entropy: [1; 32] };
        let event = |key: Option<&Key>| MintedIds::new(ambient).id(0, key);
        let keys = [key("a", "bc"), key("ab", "c"), key("a", "b")];
        let mut all: Vec<String> = keys.iter().map(|key| event(Some(key))).collect();
        all.push(event(None));
        for (audience, key) in [("7", &keys[0]), ("7", &keys[1]), ("7", &keys[2]), ("8", &keys[0])] {
            all.push(profile(&ambient, 0, audience, key).to_string());
        }
        let mut distinct = all.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 8, "{all:?}");
        // For a second audience it is the same event, whatever its keys are there.
        let mut minted = MintedIds::new(ambient);
        let first = minted.id(0, Some(&keys[0]));
        assert_eq!(minted.id(0, Some(&keys[1])), first);
    }
}
