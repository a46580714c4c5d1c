//! Profiles as bytes: what storage keeps and snapshots carry.
//!
//! ```text
//! "USHP" · format (1 byte) · sections, each: tag (1 byte) · length · bytes
//! ```
//! The attribute section begins with a table of (name, kind, length), so that a state can be found without decoding
//! the others. Numbers are LEB128, signed ones zigzag. All sections stand in the order of their tags, and unknown ones
//! are an error: an older build must not rewrite, and so lose, what a newer one stored. A damaged blob is an error, never
//! a fresh profile.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Key, Profile, ProfileId, Seen};
use crate::attribute::{BatchRecord, Item, ItemList, Last, Ring, State};
use crate::limits::{BUCKETS_MAX, LIST_ITEMS_MAX, PROFILE_BYTES_MAX, SEEN_MAX, VALUE_DEPTH_MAX};
use crate::value::{Nanos, Number, Value};

const MAGIC: &[u8; 4] = b"USHP";
const FORMAT: u8 = 1;

/// The profile as bytes.
pub fn encode(profile: &Profile) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(MAGIC);
    out.push(FORMAT);
    section(&mut out, Tag::Head, |w| {
        w.bytes(&profile.id.0);
        w.signed(profile.created_ms);
        w.unsigned(profile.version);
        w.unsigned(profile.bundle);
    });
    section(&mut out, Tag::Keys, |w| {
        w.count(profile.keys.len());
        for key in &profile.keys {
            w.text(&key.name);
            w.text(&key.value);
            w.signed(key.seen_ms);
        }
    });
    section(&mut out, Tag::Absorbed, |w| {
        w.count(profile.absorbed.len());
        for id in &profile.absorbed {
            w.bytes(&id.0);
        }
    });
    section(&mut out, Tag::Seen, |w| {
        w.count(profile.seen.events.len());
        // Arrivals ascend, so their differences are small.
        let mut before_ms = 0;
        for (hash, arrival_ms) in &profile.seen.events {
            w.bytes(&hash.to_le_bytes());
            w.signed(arrival_ms.wrapping_sub(before_ms));
            before_ms = *arrival_ms;
        }
    });
    section(&mut out, Tag::Batch, |w| {
        w.count(profile.batch.len());
        for record in &profile.batch {
            w.record(record);
        }
    });
    section(&mut out, Tag::Attributes, |w| {
        let states: Vec<Vec<u8>> = profile.attributes.iter().map(|(_, state)| encode_state(state)).collect();
        w.count(states.len());
        for ((name, state), bytes) in profile.attributes.iter().zip(&states) {
            w.text(name);
            w.0.push(kind(state));
            w.count(bytes.len());
        }
        for bytes in &states {
            w.bytes(bytes);
        }
    });
    out
}

/// The profile that these bytes are.
pub fn decode(bytes: &[u8]) -> Result<Profile, Damaged> {
    if bytes.len() > PROFILE_BYTES_MAX.saturating_mul(2) {
        return Err(Damaged("too large"));
    }
    let mut reader = Reader(bytes);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(Damaged("not a profile"));
    }
    if reader.byte()? != FORMAT {
        return Err(Damaged("written in an unknown format"));
    }
    let mut profile = Profile::unknown();
    let mut sections = 0_u8;
    while !reader.0.is_empty() {
        let tag = reader.byte()?;
        sections = sections.saturating_add(1);
        if tag != sections {
            return Err(Damaged("has a section that this build does not know"));
        }
        let length = reader.length()?;
        let mut part = Reader(reader.take(length)?);
        match tag {
            tag if tag == Tag::Head as u8 => {
                profile.id = part.id()?;
                profile.created_ms = part.signed()?;
                profile.version = part.unsigned()?;
                profile.bundle = part.unsigned()?;
            }
            tag if tag == Tag::Keys as u8 => {
                profile.keys = part.many(usize::MAX, |r| {
                    Ok(Key { name: r.text()?, value: r.text()?, seen_ms: r.signed()? })
                })?;
            }
            tag if tag == Tag::Absorbed as u8 => profile.absorbed = part.many(usize::MAX, Reader::id)?,
            tag if tag == Tag::Seen as u8 => {
                let mut before_ms = 0_i64;
                let events = part.many(SEEN_MAX, |r| {
                    let hash = r.hash()?;
                    before_ms = before_ms.wrapping_add(r.signed()?);
                    Ok((hash, before_ms))
                })?;
                profile.seen = Seen { events };
            }
            tag if tag == Tag::Batch as u8 => profile.batch = part.many(usize::MAX, Reader::record)?,
            tag if tag == Tag::Attributes as u8 => profile.attributes = part.attributes()?,
            _ => return Err(Damaged("has a section that this build does not know")),
        }
        if !part.0.is_empty() {
            return Err(Damaged("a section is longer than its content"));
        }
    }
    if sections == Tag::Attributes as u8 { Ok(profile) } else { Err(Damaged("ends early")) }
}

/// Why bytes are no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged(pub &'static str);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged profile: {}", self.0)
    }
}

impl core::error::Error for Damaged {}

#[derive(Clone, Copy)]
enum Tag {
    Head = 1,
    Keys = 2,
    Absorbed = 3,
    Seen = 4,
    Batch = 5,
    Attributes = 6,
}

fn section(out: &mut Vec<u8>, tag: Tag, fill: impl FnOnce(&mut Writer)) {
    let mut writer = Writer(Vec::new());
    fill(&mut writer);
    out.push(tag as u8);
    let mut length = Writer(Vec::new());
    length.count(writer.0.len());
    out.extend_from_slice(&length.0);
    out.extend_from_slice(&writer.0);
}

fn kind(state: &State) -> u8 {
    match state {
        State::Last(_) => 1,
        State::Sum(_) => 2,
        State::List(_) => 3,
        State::Counter(_) => 4,
    }
}

fn encode_state(state: &State) -> Vec<u8> {
    let mut w = Writer(Vec::new());
    match state {
        State::Last(last) => {
            w.signed(last.time_ms);
            w.text(&last.event_id);
            w.value(&last.value);
        }
        State::Sum(sum) => w.wide(sum.0),
        State::List(list) => {
            w.count(list.items().len());
            for item in list.items() {
                w.signed(item.time_ms);
                w.text(&item.event_id);
                w.value(&item.value);
            }
        }
        State::Counter(ring) => {
            w.signed(ring.width_ms);
            w.count(ring.buckets.len());
            for (bucket, amount) in &ring.buckets {
                w.signed(*bucket);
                w.wide(*amount);
            }
        }
    }
    w.0
}

struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn unsigned(&mut self, value: u64) {
        self.leb(u128::from(value));
    }

    fn count(&mut self, value: usize) {
        self.leb(value as u128);
    }

    fn signed(&mut self, value: i64) {
        self.wide(i128::from(value));
    }

    fn wide(&mut self, value: i128) {
        self.leb(((value << 1) ^ (value >> 127)).cast_unsigned());
    }

    fn leb(&mut self, mut value: u128) {
        while value > 0x7f {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.push(0),
            Value::Boolean(value) => self.0.push(if *value { 2 } else { 1 }),
            Value::Number(Number::Integer(value)) => {
                self.0.push(3);
                self.signed(*value);
            }
            Value::Number(Number::Float(value)) => {
                self.0.push(4);
                self.bytes(&value.to_le_bytes());
            }
            Value::String(text) => {
                self.0.push(5);
                self.text(text);
            }
            Value::List(items) => {
                self.0.push(6);
                self.count(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(entries) => {
                self.0.push(7);
                self.count(entries.len());
                for (name, value) in entries {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }

    fn record(&mut self, record: &BatchRecord) {
        self.text(&record.key);
        self.signed(record.computed_ms);
        self.signed(record.arrival_ms);
        match &record.segments {
            None => self.0.push(0),
            Some(segments) => {
                self.0.push(1);
                self.count(segments.len());
                segments.iter().for_each(|segment| self.text(segment));
            }
        }
        self.count(record.values.len());
        for (column, value) in &record.values {
            self.text(column);
            self.value(value);
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damaged("ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged("ends early"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N)?.try_into().map_err(|_| Damaged("ends early"))
    }

    fn id(&mut self) -> Result<ProfileId, Damaged> {
        self.array().map(ProfileId)
    }

    fn hash(&mut self) -> Result<u64, Damaged> {
        self.array().map(u64::from_le_bytes)
    }

    fn leb(&mut self) -> Result<u128, Damaged> {
        let mut value = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            // The last byte of 128 bits has room for two of them.
            if shift == 126 && bits > 3 {
                return Err(Damaged("a number is too large"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damaged("a number is too long"))
    }

    fn unsigned(&mut self) -> Result<u64, Damaged> {
        u64::try_from(self.leb()?).map_err(|_| Damaged("a number is too large"))
    }

    fn wide(&mut self) -> Result<i128, Damaged> {
        let raw = self.leb()?;
        Ok((raw >> 1).cast_signed() ^ (raw & 1).cast_signed().wrapping_neg())
    }

    fn signed(&mut self) -> Result<i64, Damaged> {
        i64::try_from(self.wide()?).map_err(|_| Damaged("a number is too large"))
    }

    /// A length that the remaining bytes can hold, so that nothing is reserved for content that is not there.
    fn length(&mut self) -> Result<usize, Damaged> {
        let length = usize::try_from(self.leb()?).map_err(|_| Damaged("a length is too large"))?;
        if length > self.0.len() { Err(Damaged("ends early")) } else { Ok(length) }
    }

    fn many<T>(
        &mut self,
        max: usize,
        mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Damaged>,
    ) -> Result<Vec<T>, Damaged> {
        let count = self.length()?;
        if count > max {
            return Err(Damaged("has more entries than its bound"));
        }
        // A loop and no `collect`, which is three functions more for every type.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn text(&mut self) -> Result<String, Damaged> {
        let length = self.length()?;
        let text = core::str::from_utf8(self.take(length)?).map_err(|_| Damaged("a text is not UTF-8"))?;
        Ok(text.into())
    }

    fn value(&mut self) -> Result<Value, Damaged> {
        self.nested_value(VALUE_DEPTH_MAX)
    }

    fn nested_value(&mut self, depth: u8) -> Result<Value, Damaged> {
        let depth = depth.checked_sub(1).ok_or(Damaged("a value nests too deep"))?;
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::from(self.signed()?),
            4 => {
                let float = f64::from_le_bytes(self.array()?);
                Value::Number(Number::float(float).ok_or(Damaged("a number is not finite"))?)
            }
            5 => Value::String(self.text()?),
            6 => Value::List(self.many(usize::MAX, |r| r.nested_value(depth))?),
            7 => Value::Object(self.many(usize::MAX, |r| Ok((r.text()?, r.nested_value(depth)?)))?),
            _ => return Err(Damaged("a value is of an unknown kind")),
        })
    }

    fn record(&mut self) -> Result<BatchRecord, Damaged> {
        Ok(BatchRecord {
            key: self.text()?,
            computed_ms: self.signed()?,
            arrival_ms: self.signed()?,
            segments: match self.byte()? {
                0 => None,
                1 => Some(self.many(usize::MAX, Reader::text)?),
                _ => return Err(Damaged("a flag is neither 0 nor 1")),
            },
            values: self.many(usize::MAX, |r| Ok((r.text()?, r.value()?)))?,
        })
    }

    fn attributes(&mut self) -> Result<Vec<(String, State)>, Damaged> {
        let table = self.many(usize::MAX, |r| {
            // The length is of bytes behind the whole table, so it is checked when they are taken.
            let (name, kind) = (r.text()?, r.byte()?);
            let length = usize::try_from(r.leb()?).map_err(|_| Damaged("a length is too large"))?;
            Ok((name, kind, length))
        })?;
        if !table.is_sorted_by(|(a, _, _), (b, _, _)| a < b) {
            return Err(Damaged("attributes are not in order"));
        }
        let mut attributes = Vec::with_capacity(table.len());
        for (name, kind, length) in table {
            let mut part = Reader(self.take(length)?);
            attributes.push((name, part.state(kind)?));
            if !part.0.is_empty() {
                return Err(Damaged("a state is longer than its content"));
            }
        }
        Ok(attributes)
    }

    fn state(&mut self, kind: u8) -> Result<State, Damaged> {
        Ok(match kind {
            1 => State::Last(Last { time_ms: self.signed()?, event_id: self.text()?, value: self.value()? }),
            2 => State::Sum(Nanos(self.wide()?)),
            3 => State::List(ItemList::new(self.many(LIST_ITEMS_MAX as usize, |r| {
                Ok(Item { time_ms: r.signed()?, event_id: r.text()?, value: r.value()? })
            })?)),
            4 => {
                let mut ring = Ring::new(self.signed()?);
                let max = usize::try_from(BUCKETS_MAX).unwrap_or(usize::MAX).saturating_add(1);
                ring.buckets = self.many(max, |r| Ok((r.signed()?, r.wide()?)))?;
                if !ring.buckets.is_sorted_by(|(a, _), (b, _)| a < b) {
                    return Err(Damaged("buckets are not in order"));
                }
                State::Counter(ring)
            }
            _ => return Err(Damaged("a state is of an unknown kind")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Profile {
        let mut profile = Profile::new(ProfileId([7; 16]), 1_790_000_000_000);
        profile.version = 3;
        profile.bundle = 9;
        profile.keys.push(Key { name: "td_client_id".into(), value: "anon-7".into(), seen_ms: -5 });
        profile.absorbed.push(ProfileId([9; 16]));
        profile.seen.events = alloc::vec![(1, 5), (u64::MAX, 700_000)];
        profile.batch.push(BatchRecord {
            key: "c-1".into(),
            computed_ms: 1,
            arrival_ms: 2,
            segments: Some(alloc::vec!["vip".into()]),
            values: alloc::vec![
                ("tier".into(), "VIP".into()),
                ("list".into(), Value::List(alloc::vec![1.into()]))
            ],
        });
        let last = Last { time_ms: 4, event_id: "e".into(), value: Value::Number(Number::Float(-0.5)) };
        let item = Item { value: true.into(), time_ms: 3, event_id: "f".into() };
        let mut ring = Ring::new(60_000);
        ring.buckets = alloc::vec![(-1, i128::MIN), (8, i128::MAX)];
        profile.attributes = alloc::vec![
            ("a".into(), State::Last(last)),
            ("b".into(), State::Sum(Nanos(-1))),
            ("c".into(), State::List(ItemList::new(alloc::vec![item]))),
            ("d".into(), State::Counter(ring)),
        ];
        profile
    }

    #[test]
    fn profiles_come_back() {
        let profile = sample();
        assert_eq!(decode(&encode(&profile)), Ok(profile));
        assert_eq!(decode(&encode(&Profile::unknown())), Ok(Profile::unknown()));
    }

    #[test]
    fn every_truncation_is_noticed() {
        let bytes = encode(&sample());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "cut at {length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn damaged_bytes_are_refused_or_read(position in 0..400_usize, byte in any::<u8>()) {
            let mut bytes = encode(&sample());
            let position = position % bytes.len();
            bytes[position] = byte;
            if let Ok(profile) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&profile)), Ok(profile));
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = b"USHP\x01".to_vec();
            framed.extend(bytes);
            let _ = decode(&framed);
        }
    }
}
