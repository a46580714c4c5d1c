//! The source texts, with the lines and columns of byte offsets.

use crate::document::Span;
use crate::source::{Location, Source};

/// One text with its line starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    name: String,
    text: String,
    lines: Vec<usize>,
}

impl Text {
    pub(crate) fn new(source: &Source) -> Text {
        // A text over the bound is never read, so it is not kept.
        let text = if source.text.len() > crate::limits::FILE_BYTES_MAX { "" } else { source.text.as_str() };
        Text { name: source.name.clone(), text: text.to_owned(), lines: line_starts(text) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Line and column of a range, and its length on its first line.
    pub(crate) fn place(&self, span: Span) -> Location {
        let line = self.lines.partition_point(|&start| start <= span.start).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let mut column = self.text.get(start..span.start).unwrap_or_default().chars().count() + 1;
        if start == 0 && self.text.starts_with('\u{feff}') && column > 1 {
            // The byte order mark is not a visible character.
            column -= 1;
        }
        let within = self.text.get(span.start..span.end).unwrap_or_default();
        let length = within.chars().take_while(|c| !matches!(c, '\n' | '\r')).count().max(1);
        Location { file: self.name.clone(), line, column, length }
    }
}

/// The text of a line, counted from 1, without its end.
pub(crate) fn line(text: &str, number: usize) -> Option<&str> {
    let starts = line_starts(text);
    let start = *starts.get(number.checked_sub(1)?)?;
    let end = starts.get(number).copied().unwrap_or(text.len());
    let line = text.get(start..end)?.trim_end_matches(['\n', '\r']);
    Some(if number == 1 { line.trim_start_matches('\u{feff}') } else { line })
}

fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends = bytes
        .iter()
        .enumerate()
        .filter(|&(at, &byte)| byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')));
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let text = Text::new(&Source { name: "a".to_owned(), text: "é: b\r\nc\rd: é\n".to_owned() });
        let place = |start, end| {
            let place = text.place(Span { start, end });
            (place.line, place.column, place.length)
        };
        assert_eq!(place(0, 2), (1, 1, 1));
        assert_eq!(place(4, 5), (1, 4, 1));
        assert_eq!(place(7, 10), (2, 1, 1));
        assert_eq!(place(9, 10), (3, 1, 1));
        assert_eq!(place(4, 99), (1, 4, 1));
        assert_eq!(place(99, 99).0, 4);
        assert_eq!(line(text.as_str(), 3), Some("d: é"));
        assert_eq!(line(text.as_str(), 9), None);
    }
}
