//! Parses JSON by RFC 8259: no comments, no trailing commas.

use usher_engine::diagnostic::Code;
use usher_engine::value::Number;

use super::node::{Content, Entry, Fault, Node, Scalar, Span, Style};
use crate::limits::{DOCUMENT_DEPTH_MAX, NODES_MAX};

/// Parses the only document of a text.
pub(super) fn read(text: &str, faults: &mut Vec<Fault>) -> Result<Node, Fault> {
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { text, at, nodes: 0, faults };
    reader.blanks();
    let node = reader.node(0)?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.fault(reader.at, "the file goes on after its end"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: usize,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn node(&mut self, depth: usize) -> Result<Node, Fault> {
        let start = self.at;
        let here = Span { start, end: start + 1 };
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Fault::too_many(here));
        }
        let content = match self.peek() {
            Some(b'{' | b'[') if depth >= DOCUMENT_DEPTH_MAX => return Err(Fault::too_deep(here)),
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Content::Scalar(Scalar { text: self.string()?, style: Style::Double }),
            Some(b'-' | b'0'..=b'9' | b'a'..=b'z') => self.word()?,
            Some(_) => return Err(self.expected("a value")),
            None => return Err(self.expected("a value")),
        };
        Ok(Node { content, span: Span { start, end: self.at } })
    }

    fn map(&mut self, depth: usize) -> Result<Content, Fault> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = std::collections::HashSet::new();
        self.blanks();
        if self.take(b'}') {
            return Ok(Content::Map(entries));
        }
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in double quotes"));
            }
            let key = self.string()?;
            let key_span = Span { start, end: self.at };
            self.blanks();
            if !self.take(b':') {
                return Err(self.expected("a colon"));
            }
            self.blanks();
            let value = self.node(depth + 1)?;
            if keys.insert(key.clone()) {
                entries.push(Entry { key, key_span, value });
            } else {
                self.faults.push(Fault::duplicate(&key, key_span));
            }
            self.blanks();
            if self.take(b'}') {
                return Ok(Content::Map(entries));
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or `}`"));
            }
            self.blanks();
        }
    }

    fn list(&mut self, depth: usize) -> Result<Content, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Ok(Content::List(items));
        }
        loop {
            items.push(self.node(depth + 1)?);
            self.blanks();
            if self.take(b']') {
                return Ok(Content::List(items));
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or `]`"));
            }
            self.blanks();
        }
    }

    /// A number or one of the three words, kept as text; the core schema gives it a meaning.
    fn word(&mut self) -> Result<Content, Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
        let word = rest.get(..length).unwrap_or_default();
        // An overlarge number gets a finding of its own.
        if !matches!(word, "true" | "false" | "null") && Number::parse_or_beyond(word).is_none() {
            return Err(self.fault(self.at, "this is no JSON value; texts stand in double quotes"));
        }
        self.at += length;
        Ok(Content::Scalar(Scalar { text: word.to_owned(), style: Style::Plain }))
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let Some((decoded, length)) = escape(rest) else {
                        return Err(self.fault(self.at, "this escape is not known to JSON"));
                    };
                    text.push(decoded);
                    self.at += length;
                }
                Some(b'\n' | b'\r') => {
                    let mut fault = self.fault(start, "this text does not end on its line");
                    fault.help =
                        Some("close its quote; a line break within a text is written `\\n`".to_owned());
                    return Err(fault);
                }
                Some(_) => return Err(self.fault(self.at, "a control character must be escaped in a text")),
                None => return Err(self.fault(start, "this text has no end")),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// An error about an unexpected character; frequent mistakes have their own messages.
    fn expected(&self, what: &str) -> Fault {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let before = self.text.get(..self.at).unwrap_or_default().trim_end();
        let mut fault = self.fault(self.at, "");
        let (message, help) = if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') {
            ("JSON has no comments".to_owned(), Some("remove it; YAML files may hold comments"))
        } else if before.ends_with(',') && rest.starts_with(['}', ']']) {
            let comma = before.len() - 1;
            fault.span = Span { start: comma, end: comma + 1 };
            ("nothing follows this comma".to_owned(), Some("remove it"))
        } else if rest.starts_with('\'') {
            ("JSON has no single quotes".to_owned(), Some("write double quotes"))
        } else if rest.is_empty() {
            (
                format!("the file ends where {what} was expected"),
                Some("a bracket or a quote before it was never closed"),
            )
        } else {
            (format!("{what} was expected here"), None)
        };
        fault.message = message;
        fault.help = help.map(str::to_owned);
        fault
    }

    fn fault(&self, start: usize, message: &str) -> Fault {
        Fault::new(Code::Unreadable, Span { start, end: start + 1 }, message)
    }
}

/// The character of an escape at the start of the text, and its length in bytes.
pub(super) fn escape(text: &str) -> Option<(char, usize)> {
    let hex = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    Some(match text.as_bytes().get(1)? {
        b'"' => ('"', 2),
        b'\\' => ('\\', 2),
        b'/' => ('/', 2),
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'u' => match hex(text)? {
            high @ 0xD800..=0xDBFF => {
                let low = hex(text.get(6..)?)?;
                let low = (0xDC00..=0xDFFF).contains(&low).then_some(low)?;
                (char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?, 12)
            }
            unit => (char::from_u32(unit)?, 6),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_makes_more_work_than_the_bound() {
        for (name, text) in [
            ("lists", "[".repeat(500_000)),
            ("objects", "{\"a\":".repeat(100_000)),
            ("many", format!("[{}0]", "0,".repeat(400_000))),
            (
                "keys",
                format!("{{{}\"z\":0}}", (0..150_000).map(|at| format!("\"{at}\":0,")).collect::<String>()),
            ),
        ] {
            let mut faults = Vec::new();
            let mut reader = Reader { text: &text, at: 0, nodes: 0, faults: &mut faults };
            let fault = reader.node(0).unwrap_err();
            assert_eq!(fault.code, Code::OverBound, "{name}");
            assert!(reader.nodes <= NODES_MAX + 1, "{name} made {} values", reader.nodes);
        }
    }
}
