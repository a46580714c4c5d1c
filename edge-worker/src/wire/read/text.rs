//! A JSON tokenizer (RFC 8259); its callers build the values and enforce the bounds.
//!
//! Not a library: it reads every request, and a general one takes ten times the wasm. Tests compare it with
//! `serde_json`, which accepts and refuses the same texts.

use usher_engine::value::{Number, Value};

/// The reason why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not the JSON that the route expects.
    Malformed,
    /// It is an object that should have a list of events.
    WithoutEvents,
    /// It exceeds a bound.
    TooLarge,
}

/// The repairs made while reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repairs {
    /// Half of a surrogate pair was replaced by U+FFFD.
    pub(crate) text: bool,
    /// A number beyond every float was replaced by null.
    pub(crate) number: bool,
}

/// A JSON text and the current position.
pub(super) struct Text<'a> {
    text: &'a str,
    at: usize,
    /// The bytes before it in the body.
    before: usize,
    /// The repairs since they were last taken.
    pub(super) repairs: Repairs,
}

impl<'a> Text<'a> {
    pub(super) fn new(body: &'a [u8]) -> Result<Text<'a>, Unreadable> {
        // Some editors prefix a byte order mark.
        let marked = body;
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let before = marked.len() - body.len();
        let text = str::from_utf8(body).map_err(|_| Unreadable::Malformed)?;
        Ok(Text { text, at: 0, before, repairs: Repairs::default() })
    }

    /// The place in the body at which reading goes on.
    pub(super) fn at(&self) -> usize {
        self.before + self.at
    }

    /// The same, after blanks.
    pub(super) fn start(&mut self) -> usize {
        self.peek();
        self.at()
    }

    /// Checks that only blanks follow.
    pub(super) fn end(&mut self) -> Result<(), Unreadable> {
        if self.peek().is_none() { Ok(()) } else { Err(Unreadable::Malformed) }
    }

    /// The next byte after blanks.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Reads `[…]`; `item` reads each item.
    pub(super) fn list(
        &mut self,
        item: &mut dyn FnMut(&mut Self) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.enclosed(b'[', b']', item)
    }

    /// Reads `{…}`; `value` reads the value of each name.
    pub(super) fn object(
        &mut self,
        entry: &mut dyn FnMut(&mut Self, String) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.enclosed(b'{', b'}', &mut |text| {
            let name = text.string()?;
            text.expect(b':')?;
            entry(text, name)
        })
    }

    fn enclosed(
        &mut self,
        open: u8,
        close: u8,
        item: &mut dyn FnMut(&mut Self) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.expect(open)?;
        if self.peek() != Some(close) {
            item(self)?;
            while self.peek() == Some(b',') {
                self.at += 1;
                item(self)?;
            }
        }
        self.expect(close)
    }

    /// A value that is neither a list nor an object.
    pub(super) fn scalar(&mut self) -> Result<Value, Unreadable> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.word("true", Value::Boolean(true)),
            Some(b'f') => self.word("false", Value::Boolean(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() != Some(byte) {
            return Err(Unreadable::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// The remaining text; `at` is always at the start of a character.
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Unreadable> {
        if !self.rest().starts_with(word) {
            return Err(Unreadable::Malformed);
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Unreadable> {
        let rest = self.rest();
        let length =
            rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let digits = rest.get(..length.count()).unwrap_or_default();
        self.at += digits.len();
        // Fast path for short whole numbers; 18 digits fit 64 bits.
        let short = (1..=18).contains(&digits.len()) && (digits.len() == 1 || !digits.starts_with('0'));
        if short && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let whole = digits.bytes().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            return Ok(whole.into());
        }
        let number = Number::parse_or_beyond(digits).ok_or(Unreadable::Malformed)?;
        self.repairs.number |= number.is_none();
        Ok(number.map_or(Value::Null, Value::Number))
    }

    fn string(&mut self) -> Result<String, Unreadable> {
        self.expect(b'"')?;
        let mut string = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
            string.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    self.at += 1;
                    string.push(self.escaped()?);
                }
                // A control character, or the end.
                _ => return Err(Unreadable::Malformed),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Unreadable> {
        let byte = self.byte().ok_or(Unreadable::Malformed)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(Unreadable::Malformed),
        })
    }

    /// The character of an escape with four digits, or of two that form a surrogate pair. Half a pair becomes U+FFFD,
    /// as in encoded text.
    fn code_point(&mut self) -> Result<char, Unreadable> {
        let unit = self.digits()?;
        let mut code = unit;
        if let 0xd800..=0xdbff = unit {
            let after = self.at;
            let low = self.word("\\u", Value::Null).and_then(|_| self.digits());
            match low {
                Ok(low @ 0xdc00..=0xdfff) => code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                // It belongs to the next escape.
                _ => self.at = after,
            }
        }
        Ok(char::from_u32(code).unwrap_or_else(|| {
            self.repairs.text = true;
            char::REPLACEMENT_CHARACTER
        }))
    }

    fn digits(&mut self) -> Result<u32, Unreadable> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit * 16 + digit.ok_or(Unreadable::Malformed)?;
            self.at += 1;
        }
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use usher_engine::value::Number;

    use super::*;
    use crate::wire::read::{Bounds, document};

    /// The value that `serde_json` reads.
    fn theirs(body: &[u8]) -> Option<Value> {
        serde_json::from_slice(body).ok().map(converted)
    }

    fn converted(value: serde_json::Value) -> Value {
        use serde_json::Value as Theirs;
        match value {
            Theirs::Null => Value::Null,
            Theirs::Bool(value) => value.into(),
            Theirs::Number(number) => Value::Number(match number.as_i64() {
                Some(integer) => Number::Integer(integer),
                None => Number::float(number.as_f64().unwrap()).unwrap(),
            }),
            Theirs::String(text) => Value::String(text),
            Theirs::Array(items) => Value::List(items.into_iter().map(converted).collect()),
            Theirs::Object(entries) => {
                Value::Object(entries.into_iter().map(|(name, value)| (name, converted(value))).collect())
            }
        }
    }

    /// Sorts the entries of objects, whose order `serde_json` does not keep.
    fn ordered(value: Value) -> Value {
        match value {
            Value::List(items) => Value::List(items.into_iter().map(ordered).collect()),
            Value::Object(mut entries) => {
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().map(|(name, value)| (name, ordered(value))).collect())
            }
            value => value,
        }
    }

    /// A document is accepted or refused as by `serde_json`, except for a byte order mark. A caller's body is accepted
    /// where `serde_json` accepts it, and otherwise only with repairs.
    fn agrees(body: &[u8]) {
        let (ours, theirs) = (document(body), theirs(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)));
        assert_ne!(ours, Err(Unreadable::TooLarge));
        let shown = String::from_utf8_lossy(body);
        assert_eq!(ours.ok().map(ordered), theirs, "{shown}");
        let read = Text::new(body).and_then(|mut text| {
            let value = Bounds::DOCUMENT.value(&mut text, &mut usize::MAX.clone())?;
            text.end().map(|()| (value, text.repairs))
        });
        match (read, theirs) {
            (Ok((value, Repairs { text: false, number: false })), theirs) => {
                assert_eq!(Some(ordered(value)), theirs, "{shown}");
            }
            (read, theirs) => assert!(theirs.is_none(), "{shown}: {read:?}"),
        }
    }

    #[test]
    fn a_half_of_a_pair_is_a_character_that_says_so() {
        for (escaped, read) in [
            ("\\ud83d", "\u{fffd}"),
            ("\\ude00", "\u{fffd}"),
            ("a\\ud83d\\u0041", "a\u{fffd}A"),
            ("\\ud83d\\ud83d\\ude00", "\u{fffd}😀"),
            ("\\ude00\\ud83d", "\u{fffd}\u{fffd}"),
            ("\\ud83dx", "\u{fffd}x"),
            ("\\ud83d\\n", "\u{fffd}\n"),
        ] {
            let mut text = Text::new(escaped.as_bytes()).unwrap();
            text.text = Box::leak(format!("\"{escaped}\"").into_boxed_str());
            assert_eq!(text.scalar(), Ok(read.into()), "{escaped}");
            assert_eq!(text.repairs, Repairs { text: true, number: false });
        }
        for broken in ["\"\\ud83d\\u12\"", "\"\\ud83d\\x\"", "\"\\ud83"] {
            assert_eq!(
                Text::new(broken.as_bytes()).unwrap().scalar(),
                Err(Unreadable::Malformed),
                "{broken}"
            );
        }
    }

    #[test]
    fn the_corners_of_the_grammar() {
        for body in [
            "",
            " ",
            "null",
            "nul",
            "nulll",
            "true ",
            "\tfalse\r\n",
            "[",
            "[]",
            "[,]",
            "[1,]",
            "[1 2]",
            "{}",
            "{,}",
            "{\"a\":1,}",
            "{\"a\" : [ 1 , {} ] }",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":1,\"a\":2}",
            "[]]",
            "1 1",
            "\u{a0}1",
            "0",
            "-0",
            "-0.0",
            "-",
            "+1",
            "01",
            "1.",
            ".5",
            "1.5",
            "1e5",
            "1E+5",
            "1e-5",
            "1e",
            "1e999",
            "1e-999",
            "-1.7976931348623157e308",
            "4.9e-324",
            "0.1",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1-1",
            "1e5e5",
            "0x1",
            "NaN",
            "Infinity",
            "\"",
            "\"a\"",
            "\"\\",
            "\"\\\"\"",
            "\"\\/\\b\\f\\n\\r\\t\\\\\"",
            "\"\\x\"",
            "\"\\u00e9\"",
            "\"\\u00E9\"",
            "\"\\u00g0\"",
            "\"\\u12\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ud83d\\ud83d\"",
            "\"\\ud83dx\"",
            "\"\\u+123\"",
            "\"\\u0000\"",
            "\"\u{7f}é😀\"",
            "\"\n\"",
            "\"\u{0}\"",
            "\u{feff}1",
            "'a'",
            "// a\n1",
        ] {
            agrees(body.as_bytes());
        }
        for body in [&b"\"\xff\""[..], b"\"\xc3\"", b"\xff", b"\"\xed\xa0\x80\"", b"1\xc3\xa9"] {
            agrees(body);
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::hash_map(any::<String>(), inner, 0..6)
                    .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_writes(value in any_json(), pretty in any::<bool>()) {
            let write = if pretty { serde_json::to_vec_pretty } else { serde_json::to_vec };
            agrees(&write(&value).unwrap());
        }

        #[test]
        fn it_refuses_what_serde_json_refuses(
            value in any_json(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>(), any::<bool>()), 1..5),
        ) {
            let mut body = serde_json::to_vec(&value).unwrap();
            for (index, change, byte, usual) in changes {
                let at = index.index(body.len() + 1);
                // Every second byte is one of the grammar, which reaches deeper than random bytes.
                let usual_bytes = b"{}[]\",:\\/u0dD19eE+-. \n";
                let byte = if usual { usual_bytes[usize::from(byte) % usual_bytes.len()] } else { byte };
                match change {
                    0 => body.insert(at, byte),
                    1 if at < body.len() => body[at] = byte,
                    2 if at < body.len() => drop(body.remove(at)),
                    _ => {}
                }
            }
            agrees(&body);
        }

        #[test]
        fn numbers_are_read_as_serde_json_reads_them(text in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?") {
            agrees(text.as_bytes());
        }
    }
}
