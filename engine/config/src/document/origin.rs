//! Maps a position in a decoded scalar back to the source text.
//!
//! A criterion in single quotes doubles its quotes, one in double quotes has escapes, folded ones lose line breaks.
//! Source and decoded text are walked in parallel; where they differ, the result is None and the caller points at the
//! scalar's start.

use super::json;
use super::node::{Scalar, Span, Style};

/// The byte of `text` that produced the byte `target` of the decoded scalar.
pub(crate) fn origin(text: &str, scalar: &Scalar, span: Span, target: usize) -> Option<usize> {
    let quoted = matches!(scalar.style, Style::Single | Style::Double);
    let start = span.start + usize::from(quoted);
    let mut walk = Walk { source: text.get(start..)?, decoded: &scalar.text, target, at: 0, to: 0 };
    if matches!(scalar.style, Style::Literal | Style::Folded) {
        walk.block(text.get(..start)?, scalar.style)?;
    } else {
        walk.flow(scalar.style)?;
    }
    (walk.to <= target && target <= scalar.text.len()).then_some(start + walk.at)
}

/// Two cursors: `at` in the source, `to` in the decoded text.
struct Walk<'a> {
    source: &'a str,
    decoded: &'a str,
    target: usize,
    at: usize,
    to: usize,
}

impl Walk<'_> {
    fn flow(&mut self, style: Style) -> Option<()> {
        while self.to < self.target {
            let rest = self.source.get(self.at..)?;
            let next = rest.chars().next()?;
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            let after = rest.get(blanks..)?;
            if after.starts_with(['\n', '\r']) {
                let (breaks, length) = fold(after);
                self.expect_fold(breaks)?;
                self.at += blanks + length;
            } else if next == '\\' && style == Style::Double {
                if rest.get(1..)?.starts_with(['\n', '\r']) {
                    let (breaks, length) = fold(rest.get(1..)?);
                    for _ in 1..breaks {
                        self.expect('\n')?;
                    }
                    self.at += 1 + length;
                } else {
                    let (decoded, length) = json::escape(rest).or_else(|| yaml_escape(rest))?;
                    self.expect(decoded)?;
                    self.at += length;
                }
            } else {
                self.expect(next)?;
                self.at += next.len_utf8() + usize::from(next == '\'' && style == Style::Single);
            }
        }
        Some(())
    }

    /// Lines of a block scalar; `before` is all text up to its first character, from which the indentation is derived.
    fn block(&mut self, before: &str, style: Style) -> Option<()> {
        let line = before.rsplit(['\n', '\r']).next()?;
        if !line.bytes().all(|byte| byte == b' ') {
            // A plain scalar that a tag made a text.
            return self.flow(Style::Plain);
        }
        let kept = self.decoded.trim_start_matches('\n');
        self.to = self.decoded.len() - kept.len();
        let indent = line.len();
        self.at = 0;
        while self.to < self.target {
            let rest = self.source.get(self.at..)?;
            let next = rest.chars().next()?;
            if !matches!(next, '\n' | '\r') {
                self.expect(next)?;
                self.at += next.len_utf8();
                continue;
            }
            let line_starts = self.decoded.get(..self.to)?.rsplit('\n').next()?;
            let mut breaks = 0;
            let mut more_indented = line_starts.starts_with([' ', '\t']);
            loop {
                let rest = self.source.get(self.at..)?;
                let Some(length) = line_break(rest) else { break };
                breaks += 1;
                self.at += length;
                let rest = self.source.get(self.at..)?;
                let blanks = rest.len() - rest.trim_start_matches(' ').len();
                let blank_line = line_break(rest.get(blanks..)?).is_some() && blanks <= indent;
                self.at += if blank_line { blanks } else { blanks.min(indent) };
                more_indented |= !blank_line && self.source.get(self.at..)?.starts_with([' ', '\t']);
            }
            if style == Style::Literal || more_indented {
                for _ in 0..breaks {
                    self.expect('\n')?;
                }
            } else {
                self.expect_fold(breaks)?;
            }
        }
        Some(())
    }

    fn expect_fold(&mut self, breaks: usize) -> Option<()> {
        if breaks == 1 {
            return self.expect(' ').or_else(|| self.expect('\n'));
        }
        for _ in 1..breaks {
            self.expect('\n')?;
        }
        Some(())
    }

    fn expect(&mut self, c: char) -> Option<()> {
        let found = self.decoded.get(self.to..)?.chars().next()?;
        self.to += found.len_utf8();
        (found == c).then_some(())
    }
}

fn line_break(text: &str) -> Option<usize> {
    if text.starts_with("\r\n") { Some(2) } else { text.starts_with(['\n', '\r']).then_some(1) }
}

/// The number of line breaks at the start of the text, and the bytes that they and the surrounding blanks take.
fn fold(text: &str) -> (usize, usize) {
    let (mut breaks, mut rest) = (0, text);
    while let Some(length) = line_break(rest) {
        breaks += 1;
        rest = rest.get(length..).unwrap_or_default().trim_start_matches([' ', '\t']);
    }
    (breaks, text.len() - rest.len())
}

/// The length in bytes of the escape at the start of a text in double quotes; None if it is not one.
pub(super) fn escape(text: &str) -> Option<usize> {
    json::escape(text).or_else(|| yaml_escape(text)).map(|(_, length)| length)
}

/// The escapes that YAML has in addition to JSON.
fn yaml_escape(text: &str) -> Option<(char, usize)> {
    let code = |digits: usize| {
        let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
        Some((char::from_u32(code)?, 2 + digits))
    };
    Some(match text.chars().nth(1)? {
        '0' => ('\0', 2),
        'a' => ('\u{7}', 2),
        'v' => ('\u{b}', 2),
        'e' => ('\u{1b}', 2),
        ' ' => (' ', 2),
        '\t' => ('\t', 2),
        'N' => ('\u{85}', 2),
        '_' => ('\u{a0}', 2),
        'L' => ('\u{2028}', 2),
        'P' => ('\u{2029}', 2),
        'x' => code(2)?,
        'U' => code(8)?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Content, read};
    use super::*;

    /// Every character of the decoded text that is written as itself must map to its own position.
    fn check(yaml: &str, decoded: &str, needle: &str, at: usize) {
        let (nodes, faults) = read("a.yaml", yaml);
        assert!(faults.is_empty(), "{yaml:?} {faults:?}");
        let node = nodes[0].get("c").unwrap();
        let Content::Scalar(scalar) = &node.content else { panic!("a scalar") };
        assert_eq!(scalar.text, decoded, "{yaml:?}");
        let target = decoded.find(needle).unwrap();
        assert_eq!(origin(yaml, scalar, node.span, target), Some(at), "{yaml:?}");
        assert_eq!(yaml.get(at..at + needle.len()), Some(needle), "{yaml:?}");
    }

    #[test]
    fn every_quoting_style_is_walked() {
        check("c: a = 1 AND x\n", "a = 1 AND x", "x", 13);
        check("c: 'a = ''é'' AND x'\n", "a = 'é' AND x", "x", 19);
        check("c: \"a = \\\"q\\\" \\u00e9 \\x41 AND x\"\n", "a = \"q\" é A AND x", "x", 30);
        check("c: a = 1\n   AND x\n", "a = 1 AND x", "x", 16);
        check("c: 'a = 1\n\n   AND x'\n", "a = 1\nAND x", "x", 18);
        check("c: \"a = 1 \\\n   AND x\"\n", "a = 1 AND x", "x", 19);
        check("c: |\n  a = 1\n  AND x\n", "a = 1\nAND x\n", "x", 19);
        check("c: |\r\n  a = 1\r\n  AND x\r\n", "a = 1\nAND x\n", "x", 21);
        check("c: >-\n  a = 1\n  AND x\n", "a = 1 AND x", "x", 20);
        check("c: >\n  a = 1\n\n  AND x\n", "a = 1\nAND x\n", "x", 20);
        check("c: >\n  a = 1\n    AND x\n  y\n", "a = 1\n  AND x\ny\n", "y", 25);
        check("c: |2\n    a = 1\n  AND x\n", "  a = 1\nAND x\n", "x", 22);
        check("c: !!str a AND x\n", "a AND x", "x", 15);
        check("c: &k 'a AND x'\n", "a AND x", "x", 13);
    }

    #[test]
    fn the_end_is_the_closing_quote() {
        let scalar = Scalar { text: "a'".to_owned(), style: Style::Single };
        assert_eq!(origin("'a'''", &scalar, Span { start: 0, end: 5 }, 2), Some(4));
        assert_eq!(origin("'b'''", &scalar, Span { start: 0, end: 5 }, 2), None);
    }
}
