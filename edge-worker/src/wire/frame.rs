//! Frames: the byte format between a host and the service, and between the front and a writer.
//!
//! Little-endian, lengths as `u32`, no alignment, so that a few lines of JavaScript can read and write it. A frame has
//! no version of its own: a host and its service are one build, and messages carry their form (`message/codec.rs`).

/// Writes a frame.
///
/// # Examples
///
/// ```
/// use usher_edge::wire::frame::{FrameReader, FrameWriter};
///
/// let mut w = FrameWriter::default();
/// w.byte(7).text("email").long(-1);
/// let mut r = FrameReader(&w.0);
/// assert_eq!((r.byte(), r.text(), r.long()), (Some(7), Some("email"), Some(-1)));
/// // Nothing is left.
/// assert_eq!(r.byte(), None);
/// ```
#[derive(Debug, Default)]
pub struct FrameWriter(pub Vec<u8>);

impl FrameWriter {
    /// One byte.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// A 32-bit number.
    pub fn number(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A 64-bit number.
    pub fn long(&mut self, value: i64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Bytes with their length. No frame reaches 4 GiB: bodies are bounded long before.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Text with its length.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// A list: its count, then its items.
    pub fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.count(items.len());
        for item in items {
            write(self, item);
        }
        self
    }

    fn count(&mut self, count: usize) {
        self.number(u32::try_from(count).unwrap_or(u32::MAX));
    }
}

/// Reads a frame; None when it ends early, which only a bug can cause.
#[derive(Clone, Copy, Debug)]
pub struct FrameReader<'a>(pub &'a [u8]);

impl<'a> FrameReader<'a> {
    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A 32-bit number.
    pub fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A 64-bit number.
    pub fn long(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Bytes of a known length.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        self.take(length)
    }

    /// Text with its length.
    pub fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    /// A list: its count, then its items.
    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()? as usize;
        if count > self.0.len() {
            return None;
        }
        // A loop instead of `collect`, which compiles to three more functions for every type.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Some(items)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}
