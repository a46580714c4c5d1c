//! The bytes of entries: numbers big-endian, so that keys sort by them; texts and lists after their length.

use usher_engine::value::{Number, Value};

/// Named values, as a record has them.
pub(crate) type Columns = Vec<(String, Value)>;

/// Writes the fields of an entry.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(kind: u8) -> Writer {
        Writer(vec![kind])
    }

    pub(crate) fn u32(mut self, value: u32) -> Writer {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Writer {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn i64(self, value: i64) -> Writer {
        self.u64(value.cast_unsigned())
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    pub(crate) fn count(mut self, value: usize) -> Writer {
        let mut rest = value;
        while rest > 0x7f {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.byte(rest as u8)
    }

    /// A text that is the last field needs no length.
    pub(crate) fn rest(mut self, text: &str) -> Writer {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn text(self, text: &str) -> Writer {
        self.count(text.len()).rest(text)
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Writer {
        let mut w = self.count(bytes.len());
        w.0.extend_from_slice(bytes);
        w
    }

    pub(crate) fn byte(mut self, byte: u8) -> Writer {
        self.0.push(byte);
        self
    }

    pub(crate) fn optional<T>(self, value: Option<T>, write: impl FnOnce(Writer, T) -> Writer) -> Writer {
        match value {
            None => self.byte(0),
            Some(value) => write(self.byte(1), value),
        }
    }

    pub(crate) fn columns(self, columns: &[(String, Value)]) -> Writer {
        columns.iter().fold(self.count(columns.len()), |w, (name, value)| w.text(name).value(value))
    }

    pub(crate) fn value(self, value: &Value) -> Writer {
        match value {
            Value::Null => self.byte(0),
            Value::Boolean(false) => self.byte(1),
            Value::Boolean(true) => self.byte(2),
            Value::Number(Number::Integer(value)) => self.byte(3).i64(*value),
            Value::Number(Number::Float(value)) => self.byte(4).u64(value.to_bits()),
            Value::String(text) => self.byte(5).text(text),
            Value::List(items) => items.iter().fold(self.byte(6).count(items.len()), Writer::value),
            Value::Object(columns) => self.byte(7).columns(columns),
        }
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads the fields of an entry; None where they end early or are of no kind.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.u64().map(u64::cast_signed)
    }

    /// A count of things that take a byte each at least.
    pub(crate) fn count(&mut self) -> Option<usize> {
        let (mut count, mut shift) = (0_usize, 0_u32);
        loop {
            let byte = self.byte()?;
            let bits = usize::from(byte & 0x7f);
            count |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        (count <= self.0.len()).then_some(count)
    }

    pub(crate) fn rest(&mut self) -> Option<&'a str> {
        std::str::from_utf8(std::mem::take(&mut self.0)).ok()
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let count = self.count()?;
        std::str::from_utf8(self.take(count)?).ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.take(count)
    }

    pub(crate) fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    pub(crate) fn columns(&mut self) -> Option<Columns> {
        (0..self.count()?).map(|_| Some((self.text()?.to_owned(), self.value()?))).collect()
    }

    pub(crate) fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            0 => Value::Null,
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::Number(Number::Integer(self.i64()?)),
            4 => Value::Number(Number::float(f64::from_bits(self.u64()?))?),
            5 => Value::string(self.text()?),
            6 => Value::List((0..self.count()?).map(|_| self.value()).collect::<Option<_>>()?),
            7 => Value::Object(self.columns()?),
            _ => return None,
        })
    }

    /// True if nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_bit_by_bit() {
        let values = [
            Value::Null,
            Value::from(true),
            Value::from(i64::MIN),
            Value::Number(Number::Float(-0.0)),
            Value::Number(Number::Float(0.1 + 0.2)),
            Value::string("é\n".repeat(100)),
            Value::Object(vec![("l".to_owned(), Value::List(vec![Value::from(5), Value::Null]))]),
        ];
        for value in values {
            let bytes = Writer::default().value(&value).done();
            let mut reader = Reader::new(&bytes);
            let read = reader.value();
            assert_eq!(format!("{read:?}"), format!("{:?}", Some(value)));
            assert_eq!(reader.end(), Some(()));
            for short in 0..bytes.len() {
                assert_eq!(Reader::new(&bytes[..short]).value(), None, "{short} of {bytes:?}");
            }
        }
    }

    #[test]
    fn a_damaged_count_allocates_nothing() {
        let bytes = Writer::default().byte(6).count(usize::MAX).done();
        assert_eq!(Reader::new(&bytes).value(), None);
        assert_eq!(
            Reader::new(&[6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).value(),
            None
        );
        assert_eq!(Reader::new(&[9]).value(), None);
    }
}
