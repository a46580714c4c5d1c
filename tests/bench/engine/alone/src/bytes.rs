//! Values as bytes: a tag, then what it holds.

use usher_engine::value::{Number, Value};

/// The bytes that are left to read.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

/// Maximum depth of values.
const DEPTH: u8 = 64;

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.count()?;
        Some(std::str::from_utf8(self.take(length)?).ok()?.to_owned())
    }

    pub(crate) fn value(&mut self) -> Option<Value> {
        self.nested(DEPTH)
    }

    fn nested(&mut self, depth: u8) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        Some(match self.array()? {
            [0] => Value::Null,
            [1] => Value::Boolean(false),
            [2] => Value::Boolean(true),
            [3] => Value::from(i64::from_le_bytes(self.array()?)),
            [4] => Value::Number(Number::float(f64::from_le_bytes(self.array()?))?),
            [5] => Value::String(self.text()?),
            [6] => {
                let mut items = Vec::new();
                for _ in 0..self.count()? {
                    items.push(self.nested(depth)?);
                }
                Value::List(items)
            }
            [7] => {
                let mut entries = Vec::new();
                for _ in 0..self.count()? {
                    entries.push((self.text()?, self.nested(depth)?));
                }
                Value::Object(entries)
            }
            _ => return None,
        })
    }
}

pub(crate) fn count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(value) => out.push(if *value { 2 } else { 1 }),
        Value::Number(Number::Integer(value)) => {
            out.push(3);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Number(Number::Float(value)) => {
            out.push(4);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::String(string) => {
            out.push(5);
            text(out, string);
        }
        Value::List(items) => {
            out.push(6);
            count(out, items.len());
            items.iter().for_each(|item| write(out, item));
        }
        Value::Object(entries) => {
            out.push(7);
            count(out, entries.len());
            for (name, value) in entries {
                text(out, name);
                write(out, value);
            }
        }
    }
}
