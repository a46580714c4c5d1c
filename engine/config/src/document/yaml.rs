//! Parses YAML 1.2 from the parser's events. Nothing here recurses, so no nesting can exhaust the stack.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marks, Tag};
use usher_engine::diagnostic::Code;

use super::node::{Content, Entry, Fault, Node, Scalar, Span, Style};
use super::origin::escape;
use super::yaml_words::words;
use crate::limits::{DOCUMENT_DEPTH_MAX, NODES_MAX, TAB_WORK_BYTES_MAX};

/// Parses the documents of a text.
pub(super) fn read(text: &str, faults: &mut Vec<Fault>) -> Result<Vec<Node>, Fault> {
    let mut blank = Cow::Borrowed(text);
    let (known, mut work) = (faults.len(), 0);
    loop {
        let body = blank.strip_prefix('\u{feff}').unwrap_or(&blank);
        let offsets = Offsets::of(&blank, body);
        let mut builder = Builder { text, offsets, ..Builder::default() };
        let error = match builder.all(body, faults)? {
            None => return Ok(builder.documents),
            Some(error) => error,
        };
        // YAML allows a tab after the colon of a key, the parser does not: the tab is replaced by a blank.
        let at = builder.offsets.byte(error.marker().index());
        work += at;
        let Some(tabs) = tabs_behind_colon(&blank, at).filter(|_| work <= TAB_WORK_BYTES_MAX) else {
            return Err(builder.unreadable(&error));
        };
        faults.truncate(known);
        let blanks = " ".repeat(tabs.len());
        blank.to_mut().replace_range(tabs, &blanks);
    }
}

/// The blanks and tabs that end at a byte, if they follow a colon and include a tab.
fn tabs_behind_colon(text: &str, end: usize) -> Option<Range<usize>> {
    let before = text.get(..end)?;
    let start = before.trim_end_matches([' ', '\t']).len();
    let is_one = before.get(..start)?.ends_with(':') && before.get(start..)?.contains('\t');
    is_one.then_some(start..end)
}

/// Builds trees from events.
#[derive(Default)]
struct Builder<'a> {
    text: &'a str,
    offsets: Offsets,
    documents: Vec<Node>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Measured>,
    /// The end of the last event.
    end: usize,
    /// Includes copies: those of aliases, and those that anchors keep.
    nodes: usize,
}

/// An open list or mapping.
struct Frame {
    start: usize,
    anchor: usize,
    content: Content,
    /// The keys so far, to detect duplicates.
    keys: HashSet<String>,
    /// A key without its value yet.
    key: Option<(String, Span)>,
    size: usize,
    height: usize,
}

/// A node with the cost of copying it.
#[derive(Clone)]
struct Measured {
    node: Node,
    size: usize,
    height: usize,
}

impl Builder<'_> {
    /// Reads all events of a text, up to the first error of the parser.
    fn all(&mut self, body: &str, faults: &mut Vec<Fault>) -> Result<Option<ScanError>, Fault> {
        for event in Parser::new_from_str(body) {
            match event {
                Ok((event, marks)) => {
                    self.end = self.offsets.span(marks).end;
                    self.take(event, marks, faults)?;
                }
                Err(error) => return Ok(Some(error)),
            }
        }
        Ok(None)
    }

    fn take(&mut self, event: Event<'_>, marks: Marks, faults: &mut Vec<Fault>) -> Result<(), Fault> {
        let mut span = self.offsets.span(marks);
        // A tag belongs to the range that the parser reports for a node.
        let properties = span;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if anchor > 0 || tag.is_some() {
                    span.start = after_properties(self.text, span);
                }
                let style = self.style(style, tag, properties)?;
                span.end = scalar_end(self.text, span, style);
                let content = Content::Scalar(Scalar { text: text.into_owned(), style });
                self.keep(anchor, Measured { node: Node { content, span }, size: 1, height: 0 }, faults)
            }
            Event::SequenceStart(anchor, tag) => {
                self.style(ScalarStyle::Plain, tag, span)?;
                self.open(anchor, Content::List(Vec::new()), span)
            }
            Event::MappingStart(anchor, tag) => {
                self.style(ScalarStyle::Plain, tag, span)?;
                self.open(anchor, Content::Map(Vec::new()), span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.open.pop() else { return Ok(()) };
                let node = Node { content: frame.content, span: Span { start: frame.start, end: span.end } };
                self.keep(frame.anchor, Measured { node, size: frame.size, height: frame.height }, faults)
            }
            Event::Alias(anchor) => {
                let Some(original) = self.anchors.get(&anchor) else {
                    return Err(Fault::new(
                        Code::Unreadable,
                        span,
                        "this alias stands inside what it refers to",
                    ));
                };
                self.nodes += original.size;
                if self.nodes > NODES_MAX {
                    return Err(Fault::too_many(span));
                }
                let copy = original.clone();
                self.keep(0, copy, faults)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, content: Content, span: Span) -> Result<(), Fault> {
        if self.open.len() >= DOCUMENT_DEPTH_MAX {
            return Err(Fault::too_deep(span));
        }
        let keys = HashSet::new();
        self.open.push(Frame { start: span.start, anchor, content, keys, key: None, size: 1, height: 1 });
        Ok(())
    }

    /// Adds a finished node to its parent.
    fn keep(&mut self, anchor: usize, measured: Measured, faults: &mut Vec<Fault>) -> Result<(), Fault> {
        // The items of a list were counted already, when they were kept.
        self.nodes += 1;
        if anchor > 0 {
            self.nodes += measured.size;
            self.anchors.insert(anchor, measured.clone());
        }
        let Measured { node, size, height } = measured;
        let (span, depth) = (node.span, self.open.len());
        if self.nodes > NODES_MAX {
            return Err(Fault::too_many(span));
        }
        if depth + height > DOCUMENT_DEPTH_MAX {
            return Err(Fault::too_deep(span));
        }
        let Some(frame) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        frame.size += size;
        frame.height = frame.height.max(height + 1);
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map(entries) => match (frame.key.take(), node.content) {
                (None, Content::Scalar(scalar)) => frame.key = Some((scalar.text, span)),
                (None, _) => {
                    return Err(Fault::new(
                        Code::WrongType,
                        span,
                        "a key must be a text, found a list or a mapping",
                    ));
                }
                (Some((key, key_span)), content) => {
                    if frame.keys.insert(key.clone()) {
                        entries.push(Entry { key, key_span, value: Node { content, span } });
                    } else {
                        faults.push(Fault::duplicate(&key, key_span));
                    }
                }
            },
            Content::Scalar(_) => {}
        }
        Ok(())
    }

    /// The style of a scalar: `!!str` makes a plain one a text, other tags are unknown.
    fn style(&self, style: ScalarStyle, tag: Option<Cow<'_, Tag>>, span: Span) -> Result<Style, Fault> {
        if let Some(tag) = tag {
            let known = tag.is_yaml_core_schema() && tag.suffix == "str";
            if !known {
                let written =
                    if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
                let message = format!("the tag `{written}` is not supported");
                let mut fault = Fault::new(Code::Unreadable, span, message);
                fault.help = Some("leave it out; the only tag that is known is `!!str`".to_owned());
                return Err(fault);
            }
            if style == ScalarStyle::Plain {
                // Literal is the style of a text without a quote at its start.
                return Ok(Style::Literal);
            }
        }
        Ok(match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        })
    }

    fn unreadable(&self, error: &ScanError) -> Fault {
        let start = self.offsets.byte(error.marker().index());
        let info = error.info();
        if info.contains("recursion limit") {
            return Fault::too_deep(Span { start, end: start + 1 });
        }
        if let Some((at, escape)) =
            Some(start).filter(|_| info.contains("escape")).and_then(|at| self.escape(at))
        {
            let span = Span { start: at, end: at + escape.len() };
            let message = format!("`{escape}` means nothing in double quotes");
            let mut fault = Fault::new(Code::Unreadable, span, message);
            fault.help = Some("write the backslash twice, or use single quotes".to_owned());
            return fault;
        }
        let behind = || {
            info.contains("tab").then(|| self.text.get(start..)?.find('\t').map(|at| start + at)).flatten()
        };
        if let Some(at) = self.tab_in_indentation(start).or_else(behind) {
            let mut fault =
                Fault::new(Code::Unreadable, Span { start: at, end: at + 1 }, "a tab indents this line");
            fault.help = Some("YAML indents by blanks: replace each tab by some".to_owned());
            return fault;
        }
        let (message, help) = words(info);
        let mut fault = Fault::new(Code::Unreadable, Span { start, end: start + 1 }, message);
        fault.help = help;
        fault
    }
}

impl<'a> Builder<'a> {
    /// The first tab that indents a line, from the end of the last event to the line of the error.
    fn tab_in_indentation(&self, until: usize) -> Option<usize> {
        let from = self.text.get(..self.end.min(until))?.rfind('\n').map_or(0, |at| at + 1);
        let until = until + self.text.get(until..)?.find('\n').unwrap_or(self.text.len() - until);
        let mut start = from;
        for line in self.text.get(from..until)?.split_inclusive('\n') {
            let content = line.trim_start_matches([' ', '\t']);
            let indentation = line.get(..line.len() - content.len())?;
            if let Some(at) = indentation.find('\t').filter(|_| !content.trim().is_empty()) {
                return Some(start + at);
            }
            start += line.len();
        }
        None
    }

    /// The first backslash in double quotes that does not begin an escape, and the text after it.
    fn escape(&self, start: usize) -> Option<(usize, &'a str)> {
        let mut at = start;
        loop {
            at += self.text.get(at..)?.find('\\')?;
            let rest = self.text.get(at..)?;
            let length = if rest.get(1..)?.starts_with(['\n', '\r']) { Some(1) } else { escape(rest) };
            match length {
                Some(length) => at += length,
                None => return Some((at, rest.get(..1 + rest.chars().nth(1)?.len_utf8())?)),
            }
        }
    }
}

/// Maps the parser's character positions to bytes.
#[derive(Default)]
struct Offsets {
    /// Bytes before the first character (a byte order mark).
    base: usize,
    length: usize,
    /// The byte offset of each character; empty when all are ASCII.
    starts: Vec<usize>,
}

impl Offsets {
    fn of(text: &str, body: &str) -> Offsets {
        let base = text.len() - body.len();
        let starts =
            if body.is_ascii() { Vec::new() } else { body.char_indices().map(|(at, _)| at).collect() };
        Offsets { base, length: body.len(), starts }
    }

    fn byte(&self, character: usize) -> usize {
        let byte = if self.starts.is_empty() {
            character.min(self.length)
        } else {
            self.starts.get(character).copied().unwrap_or(self.length)
        };
        self.base + byte
    }

    fn span(&self, marks: Marks) -> Span {
        let start = self.byte(marks.start.index());
        Span { start, end: self.byte(marks.end.index()).max(start) }
    }
}

/// The position after the anchor and tag, which the parser includes in the range of a node.
fn after_properties(text: &str, span: Span) -> usize {
    let mut rest = text.get(span.start..).unwrap_or_default();
    while rest.starts_with(['&', '!']) {
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    text.len() - rest.len()
}

/// The position after the closing quote: the parser includes a comment after a quoted scalar in its range.
fn scalar_end(text: &str, span: Span, style: Style) -> usize {
    let quote = match style {
        Style::Single => b'\'',
        Style::Double => b'"',
        _ => return span.end.max(span.start),
    };
    let bytes = text.as_bytes();
    let mut at = span.start + 1;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && style == Style::Double {
            at += 1;
        } else if byte == quote {
            if style == Style::Single && bytes.get(at + 1) == Some(&quote) {
                at += 1;
            } else {
                return at + 1;
            }
        }
        at += 1;
    }
    span.end.max(span.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// True if a text is refused for its size, and the number of values made or copied until then.
    fn work(text: &str) -> (bool, usize) {
        let mut builder = Builder { text, offsets: Offsets::of(text, text), ..Builder::default() };
        for event in Parser::new_from_str(text) {
            let fault = match event {
                Ok((event, marks)) => builder.take(event, marks, &mut Vec::new()).err(),
                Err(error) => Some(builder.unreadable(&error)),
            };
            if let Some(fault) = fault {
                return (fault.code == Code::OverBound, builder.nodes);
            }
        }
        (false, builder.nodes)
    }

    #[test]
    fn no_text_makes_more_work_than_the_bound() {
        // Each line has ten times as many values as the one before.
        let tens = |name: &str| [name; 10].join(", ");
        let lines = (1..40).map(|at| format!("a{at}: &a{at} [{}]\n", tens(&format!("*a{}", at - 1))));
        let laughs = format!("a0: &a0 [{}]\n{}", tens("lol"), lines.collect::<String>());
        // A long list, repeated; lists kept by anchors at every depth; keys that are aliases.
        let long =
            format!("a: &a [{}]\nb: [{}]\n", vec!["x"; 30_000].join(", "), vec!["*a"; 30_000].join(", "));
        let kept: String = (0..60).map(|at| format!("{}&k{at} \n", "- ") + &"  ".repeat(at + 1)).collect();
        let kept = format!("{kept}[{}]\n", vec!["x"; 20_000].join(", "));
        for (name, text) in [
            ("laughs", laughs),
            ("long", long),
            ("kept", kept),
            ("flow", "[".repeat(100_000)),
            ("flow mappings", "{a: ".repeat(100_000)),
            ("block", "- ".repeat(100_000)),
            ("questions", "? ".repeat(100_000)),
            ("many", format!("[{}]", "x, ".repeat(200_000))),
        ] {
            let (over, work) = work(&text);
            assert!(over, "{name} is not refused");
            assert!(work <= 2 * NODES_MAX, "{name} made {work} values");
        }
    }

    #[test]
    fn tabs_stand_where_yaml_allows_them() {
        for text in [
            "a:\tb\nc:\t\td\n",
            "a:\t b\nc: {k:\tv,\tl: [1,\t2]}\t# c\n",
            "a: 1\n-\tb",
            "l:\n-\tx\n-\t{a:\t1}\n",
            "a: \"x:\ty\"\nb: |\n  x:\ty\nc:\td\n",
            "a: 1\n\t\nb:\t2\t\n",
        ] {
            let mut faults = Vec::new();
            let nodes = read(text, &mut faults);
            if text.contains("\n-\tb") {
                assert!(nodes.is_err(), "{text}");
                continue;
            }
            assert!(faults.is_empty());
            nodes.unwrap();
        }
        // Tabs in quotes or in a block are kept.
        let nodes = read("a: \"x:\ty\"\nb: |\n  x:\ty\nc:\td\n", &mut Vec::new()).unwrap();
        assert_eq!(nodes[0].get("a").unwrap().as_text(), Some("x:\ty"));
        assert_eq!(nodes[0].get("b").unwrap().as_text(), Some("x:\ty\n"));
        assert_eq!(nodes[0].get("c").unwrap().as_text(), Some("d"));
    }

    #[test]
    fn a_tab_that_indents_is_found_in_its_line() {
        for (text, at) in [
            ("a:\n\t- b\n\t  c: d\n", 3),
            ("a:\n  - b: 1\n\t  c: d\n", 12),
            ("a:\n  - b: 1\n  \tc: d\n    e: f\n", 14),
            ("a:\n\tb: 1\n", 3),
        ] {
            let fault = read(text, &mut Vec::new()).unwrap_err();
            assert_eq!((fault.code, fault.span.start), (Code::Unreadable, at), "{text:?} {fault:?}");
        }
    }

    #[test]
    fn many_tabs_end_soon() {
        let text = "k:\tv\n".repeat(100_000);
        assert!(read(&text, &mut Vec::new()).is_err());
        let text: String = (0..500).map(|at| format!("k{at}:\tv\n")).collect();
        assert_eq!(
            read(&text, &mut Vec::new()).unwrap()[0].entry("k499").unwrap().value.as_text(),
            Some("v")
        );
    }

    #[test]
    fn aliases_below_the_bound_are_what_they_repeat() {
        let text = "a: &a {x: [1, 2]}\nb: [*a, *a]\n";
        let nodes = read(text, &mut Vec::new()).unwrap();
        let b = nodes[0].get("b").unwrap().value().unwrap();
        assert_eq!(b.as_list().unwrap().len(), 2);
        assert!(!work(text).0);
    }
}
