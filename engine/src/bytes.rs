//! The byte encoding of profiles and device programs: LEB128 numbers, signed ones in zigzag, and everything else prefixed with its length.

use alloc::string::String;
use alloc::vec::Vec;

use crate::limits::{CONSTANT_DEPTH_MAX, STORED_DEPTH_MAX};
use crate::value::{Number, Value};

#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn unsigned(&mut self, mut value: u64) {
        if value <= 0x7f {
            return self.0.push(value as u8);
        }
        // Filled first and copied once, because most of a profile is such numbers.
        let mut bytes = [0; 10];
        let mut length = 0_usize;
        for byte in &mut bytes {
            length = length.saturating_add(1);
            *byte = (value & 0x7f) as u8 | 0x80;
            value >>= 7;
            if value == 0 {
                *byte &= 0x7f;
                break;
            }
        }
        self.0.extend_from_slice(bytes.get(..length).unwrap_or(&bytes));
    }

    pub(crate) fn count(&mut self, value: usize) {
        self.unsigned(value as u64);
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Like `signed`, with 128 bits.
    pub(crate) fn wide(&mut self, value: i128) {
        if let Ok(value) = i64::try_from(value) {
            return self.signed(value);
        }
        let mut raw = ((value << 1) ^ (value >> 127)).cast_unsigned();
        while u64::try_from(raw).is_err() {
            self.0.push((raw & 0x7f) as u8 | 0x80);
            raw >>= 7;
        }
        self.unsigned(raw as u64);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Writer, &T)) {
        self.count(items.len());
        items.iter().for_each(|item| write(self, item));
    }

    pub(crate) fn optional<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Writer, &T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.byte(0),
            Value::Boolean(value) => self.byte(if *value { 2 } else { 1 }),
            Value::Number(Number::Integer(value)) => {
                self.byte(3);
                self.signed(*value);
            }
            Value::Number(Number::Float(value)) => {
                self.byte(4);
                self.bytes(&value.to_le_bytes());
            }
            Value::String(text) => {
                self.byte(5);
                self.text(text);
            }
            Value::List(items) => {
                self.byte(6);
                self.list(items, Writer::value);
            }
            Value::Object(entries) => {
                self.byte(7);
                self.list(entries, |w, (name, value)| {
                    w.text(name);
                    w.value(value);
                });
            }
        }
    }
}

/// Reads what a [`Writer`] wrote. It does not stop at the first byte that does not fit, because code that returns from every
/// field took 8 KB of wasm: it notes the reason and reads zeros and empty texts from there. A caller asks
/// [`Reader::finish`] before it uses what it read.
pub(crate) struct Reader<'a> {
    pub(crate) rest: &'a [u8],
    damage: Option<Damaged>,
    /// The levels that [`Reader::nested`] still enters.
    levels: u8,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, damage: None, levels: STORED_DEPTH_MAX }
    }

    /// Notes why the bytes cannot be read; nothing is read after that.
    #[cold]
    #[inline(never)]
    pub(crate) fn fail(&mut self, why: &'static str) {
        self.damage.get_or_insert(Damaged(why));
        self.rest = &[];
    }

    /// `Err` if something did not fit.
    pub(crate) fn sound(&self) -> Result<(), Damaged> {
        self.damage.map_or(Ok(()), Err)
    }

    /// `Err` if something did not fit, or if bytes are left.
    pub(crate) fn finish(&self) -> Result<(), Damaged> {
        self.sound()?;
        if self.rest.is_empty() { Ok(()) } else { Err(Damaged("has more than it lists")) }
    }

    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            self.fail("ends early");
            return &[];
        };
        self.rest = rest;
        bytes
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            self.fail("ends early");
            return 0;
        };
        self.rest = rest;
        *first
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap_or([0; N])
    }

    pub(crate) fn hash(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    #[inline(always)]
    pub(crate) fn unsigned(&mut self) -> u64 {
        // Fast path: most numbers are short lengths.
        if let Some((byte @ 0..=0x7f, rest)) = self.rest.split_first() {
            self.rest = rest;
            return u64::from(*byte);
        }
        self.long_unsigned()
    }

    #[inline(never)]
    fn long_unsigned(&mut self) -> u64 {
        let mut value = 0_u64;
        let mut shift = 0_u32;
        for (index, byte) in self.rest.iter().enumerate() {
            let bits = u64::from(byte & 0x7f);
            // The last byte of 64 bits holds only one of them.
            if shift > 63 || (shift == 63 && bits > 1) {
                self.fail("a number is too large");
                return 0;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(index..).and_then(|rest| rest.get(1..)).unwrap_or(&[]);
                return value;
            }
            shift = shift.saturating_add(7);
        }
        self.fail("ends early");
        0
    }

    pub(crate) fn wide(&mut self) -> i128 {
        // Numbers of up to nine bytes take the path for 64 bits.
        if self.rest.iter().take(9).any(|byte| byte & 0x80 == 0) {
            return i128::from(self.signed());
        }
        let mut raw = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte();
            let bits = u128::from(byte & 0x7f);
            // The last byte of 128 bits holds only two of them.
            if shift == 126 && bits > 3 {
                self.fail("a number is too large");
                return 0;
            }
            raw |= bits << shift;
            if byte & 0x80 == 0 {
                return (raw >> 1).cast_signed() ^ (raw & 1).cast_signed().wrapping_neg();
            }
        }
        self.fail("a number is too long");
        0
    }

    pub(crate) fn signed(&mut self) -> i64 {
        let raw = self.unsigned();
        (raw >> 1).cast_signed() ^ (raw & 1).cast_signed().wrapping_neg()
    }

    /// A length that the remaining bytes can hold, so that no memory is reserved for absent content.
    pub(crate) fn length(&mut self) -> usize {
        let length = self.unsigned();
        if length > self.rest.len() as u64 {
            self.fail("ends early");
            return 0;
        }
        length as usize
    }

    #[expect(
        clippy::reserve_after_initialization,
        reason = "a capacity at once takes more wasm for every type"
    )]
    pub(crate) fn many<T>(&mut self, mut read: impl FnMut(&mut Reader<'a>) -> T) -> Vec<T> {
        let count = self.length();
        // A loop instead of `collect`, which compiles to three more functions for every type.
        let mut items = Vec::new();
        items.reserve(count.min(128));
        for _ in 0..count {
            items.push(read(self));
            if self.damage.is_some() {
                break;
            }
        }
        items
    }

    /// Reads over as many items as there are.
    pub(crate) fn skip_many(&mut self, skip: &mut dyn FnMut(&mut Reader<'a>)) {
        for _ in 0..self.length() {
            skip(self);
            if self.damage.is_some() {
                break;
            }
        }
    }

    pub(crate) fn optional<T>(&mut self, read: impl FnOnce(&mut Reader<'a>) -> T) -> Option<T> {
        match self.byte() {
            0 => None,
            1 => Some(read(self)),
            _ => {
                self.fail("a flag is neither 0 nor 1");
                None
            }
        }
    }

    /// Reads something that may contain its like, down to [`STORED_DEPTH_MAX`] levels; None below.
    pub(crate) fn nested<T>(&mut self, read: impl FnOnce(&mut Reader<'a>) -> T) -> Option<T> {
        let Some(levels) = self.levels.checked_sub(1) else {
            self.fail("nests too deep");
            return None;
        };
        self.levels = levels;
        let item = read(self);
        self.levels = levels.saturating_add(1);
        Some(item)
    }

    pub(crate) fn text(&mut self) -> String {
        self.shown().into()
    }

    /// A text, borrowed from the bytes.
    pub(crate) fn shown(&mut self) -> &'a str {
        let length = self.length();
        core::str::from_utf8(self.take(length)).unwrap_or_else(|_| {
            self.fail("a text is not UTF-8");
            ""
        })
    }

    pub(crate) fn value(&mut self) -> Value {
        self.nested_value(STORED_DEPTH_MAX)
    }

    /// A value of a definition, which may nest deeper than those of visitors.
    pub(crate) fn constant(&mut self) -> Value {
        self.nested_value(CONSTANT_DEPTH_MAX)
    }

    fn float(&mut self) -> Number {
        Number::float(f64::from_le_bytes(self.array())).unwrap_or_else(|| {
            self.fail("a number is not finite");
            Number::Integer(0)
        })
    }

    /// Skips a value that `value` would read.
    pub(crate) fn skip_value(&mut self, depth: u8) {
        let Some(depth) = depth.checked_sub(1) else { return self.fail("a value nests too deep") };
        match self.byte() {
            0..=2 => {}
            3 => {
                self.signed();
            }
            4 => {
                self.float();
            }
            5 => {
                self.shown();
            }
            6 => self.skip_many(&mut |r| r.skip_value(depth)),
            7 => self.skip_many(&mut |r| {
                r.shown();
                r.skip_value(depth);
            }),
            _ => self.fail("a value is of an unknown kind"),
        }
    }

    fn nested_value(&mut self, depth: u8) -> Value {
        let Some(depth) = depth.checked_sub(1) else {
            self.fail("a value nests too deep");
            return Value::Null;
        };
        match self.byte() {
            0 => Value::Null,
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::from(self.signed()),
            4 => Value::Number(self.float()),
            5 => Value::String(self.text()),
            6 => Value::List(self.many(|r| r.nested_value(depth))),
            7 => Value::Object(self.many(|r| (r.text(), r.nested_value(depth)))),
            _ => {
                self.fail("a value is of an unknown kind");
                Value::Null
            }
        }
    }
}

/// A 64-bit checksum: four lanes of eight bytes at a time, each mixed in by invertible steps, so that a change within
/// one such word is always detected, and other changes almost always.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    const ODD: [u64; 4] =
        [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63];
    let mix = |lane: u64, word: u64, odd: u64| (lane ^ word).wrapping_mul(odd).rotate_left(29);
    let length = bytes.len() as u64;
    let [mut a, mut b, mut c, mut d] = ODD.map(|odd| odd ^ length);
    let (words, rest) = bytes.as_chunks::<8>();
    let (blocks, words) = words.as_chunks::<4>();
    let [odd_a, odd_b, odd_c, odd_d] = ODD;
    for [word_a, word_b, word_c, word_d] in blocks {
        a = mix(a, u64::from_le_bytes(*word_a), odd_a);
        b = mix(b, u64::from_le_bytes(*word_b), odd_b);
        c = mix(c, u64::from_le_bytes(*word_c), odd_c);
        d = mix(d, u64::from_le_bytes(*word_d), odd_d);
    }
    for word in words {
        a = mix(a, u64::from_le_bytes(*word), odd_b);
    }
    // A partial word is padded; the length, mixed in first, distinguishes such ends.
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    b = mix(b, u64::from_le_bytes(last), odd_c);
    let sum = mix(mix(mix(mix(length, a, odd_a), b, odd_b), c, odd_c), d, odd_d);
    (sum ^ (sum >> 32)).wrapping_mul(odd_a)
}

/// The reason why bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_their_bits_end() {
        fn read<'a, T>(bytes: &'a [u8], read: impl FnOnce(&mut Reader<'a>) -> T) -> Result<T, Damaged> {
            let mut reader = Reader::new(bytes);
            let value = read(&mut reader);
            reader.finish().map(|()| value)
        }
        let number = |last: u8| read(&[&[0xff; 9][..], &[last]].concat(), Reader::unsigned);
        assert_eq!(number(0), Ok(u64::MAX >> 1));
        assert_eq!(number(1), Ok(u64::MAX));
        assert_eq!(number(2), Err(Damaged("a number is too large")));
        assert_eq!(number(0x80), Err(Damaged("ends early")));
        let wide = |last: u8| read(&[&[0xff; 18][..], &[last]].concat(), Reader::wide);
        // The lowest bit is the sign.
        assert_eq!(wide(3), Ok(i128::MIN));
        assert_eq!(wide(1), Ok(i128::MIN / 2));
        assert_eq!(wide(4), Err(Damaged("a number is too large")));
        assert_eq!(wide(0x83), Err(Damaged("a number is too long")));
        for value in [0, 1, -1, i128::from(i64::MAX), i128::from(i64::MAX) + 1, i128::MIN, i128::MAX] {
            let mut writer = Writer::default();
            writer.wide(value);
            assert_eq!(read(&writer.0, Reader::wide), Ok(value));
        }
    }

    #[test]
    fn the_first_byte_that_does_not_fit_is_the_reason() {
        let mut reader = Reader::new(&[7, 1, b'a', 9, 9]);
        let value = reader.value();
        assert_eq!(
            value,
            Value::Object(alloc::vec![(String::new(), Value::Null)]),
            "nothing is read behind it"
        );
        assert_eq!((reader.text().as_str(), reader.signed(), reader.byte()), ("", 0, 0));
        assert_eq!(reader.finish(), Err(Damaged("ends early")));
        let mut reader = Reader::new(&[5, 1, 0xff, 9]);
        assert_eq!((reader.value(), reader.value()), (Value::from(""), Value::Null));
        assert_eq!(reader.finish(), Err(Damaged("a text is not UTF-8")));
    }

    /// Stored with every profile: with another checksum all of them would count as damaged.
    #[test]
    fn the_checksum_is_what_it_was() {
        let bytes: alloc::vec::Vec<u8> = (0..100).collect();
        let sums = [0, 1, 7, 8, 31, 32, 45, 64, 100].map(|length| checksum(&bytes[..length]));
        assert_eq!(
            sums,
            [
                0x9d02_969b_3172_350a,
                0x89c2_37ae_9a7e_9306,
                0xdf10_946c_8d61_89fa,
                0xc72b_8ca1_4b6c_787b,
                0xda66_b4d7_fcca_98af,
                0xbd5b_0adc_c897_7cee,
                0x1584_678e_fcd0_3b66,
                0xe8c7_a596_8149_7752,
                0x5155_fc78_832e_9777
            ]
        );
    }
}
