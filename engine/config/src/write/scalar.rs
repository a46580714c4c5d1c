//! Writes a text as a scalar of YAML: without quotes if every reader of YAML 1.1 and 1.2 reads the same text, else in quotes
//! or as a block of lines.

use std::fmt::Write;

/// Words in lower case that a version of YAML reads as a boolean, a number or null.
const WORDS: [&str; 10] = ["false", "n", "nan", "no", "null", "off", "on", "true", "y", "yes"];

/// Writes a text in block style. `indent` is the indentation of its lines, in blanks.
pub(super) fn scalar(out: &mut String, text: &str, indent: usize) {
    if is_bare(text) {
        out.push_str(text);
    } else if is_lines(text) {
        lines(out, text, indent);
    } else {
        quoted(out, text);
    }
}

/// Writes a text in quotes on one line, which is valid in block and flow style.
pub(super) fn quoted(out: &mut String, text: &str) {
    let escapes = text.chars().any(is_escaped);
    // Single quotes need no escapes for backslashes and double quotes, but cannot escape other characters.
    if text.is_empty() || (!escapes && text.contains(['\\', '"'])) {
        let _ = write!(out, "'{}'", text.replace('\'', "''"));
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if !is_escaped(c) => out.push(c),
            c => {
                let _ = match u32::from(c) {
                    code @ ..=0xff => write!(out, "\\x{code:02x}"),
                    code @ ..=0xffff => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
}

/// True if a text needs no quotes anywhere, including flow mappings.
pub(super) fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && is_bare(text)
}

/// True if a text needs no quotes in block style: it begins like a word, and no part of it can be read as an indicator, a
/// comment, a key or another type.
fn is_bare(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let inside = |c: char| c.is_alphanumeric() || " _-./()=<>!+*%^$'|?~,;@&".contains(c);
    first
        && text.chars().all(inside)
        && !text.ends_with(' ')
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// True if a text has several lines and needs no escapes.
fn is_lines(text: &str) -> bool {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let is_plain = |line: &str| !line.ends_with(' ') && !line.chars().any(is_escaped);
    text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with('\n')
        && text.split('\n').all(is_plain)
}

fn lines(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        let indent = if line.is_empty() { 0 } else { indent };
        let _ = write!(out, "\n{:indent$}{line}", "");
    }
}

/// True for characters that are invisible, change the reading direction, are for private use, or are no characters.
fn is_escaped(c: char) -> bool {
    let code = u32::from(c);
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
        || (0xfdd0..=0xfdef).contains(&code)
        || code & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_a_reader_of_yaml_would_differ() {
        for (text, expected) in [
            ("page_view", "page_view"),
            ("views >= 3 AND tier = 'gold'", "views >= 3 AND tier = 'gold'"),
            ("Grüße 日本", "Grüße 日本"),
            ("", "''"),
            ("yes", "\"yes\""),
            ("Off", "\"Off\""),
            ("N", "\"N\""),
            ("~", "\"~\""),
            ("null", "\"null\""),
            ("0123", "\"0123\""),
            ("1e3", "\"1e3\""),
            ("12:30:45", "\"12:30:45\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("- a", "\"- a\""),
            (" a", "\" a\""),
            ("a ", "\"a \""),
            ("[a]", "\"[a]\""),
            ("{{tier}}", "\"{{tier}}\""),
            ("*", "\"*\""),
            ("it's", "it's"),
            ("'quoted'", "\"'quoted'\""),
            ("^/a\\d+", "'^/a\\d+'"),
            ("say \"it's\"", "'say \"it''s\"'"),
            ("👋 hi", "\"👋 hi\""),
            ("a\u{0}\u{7f}\u{85}\u{2028}\u{1f}b", "\"a\\x00\\x7f\\x85\\u2028\\x1fb\""),
            ("tab\there", "\"tab\\there\""),
            ("\u{202e}\u{10ffff}\\", "\"\\u202e\\U0010ffff\\\\\""),
            ("a\nb", "|-\n  a\n  b"),
            ("a\n\n  b: #c\n", "|\n  a\n\n    b: #c"),
            ("a\n\n", "\"a\\n\\n\""),
            ("\na", "\"\\na\""),
            (" a\nb", "\" a\\nb\""),
            ("a \nb", "\"a \\nb\""),
            ("a\r\nb", "\"a\\r\\nb\""),
        ] {
            let mut out = String::new();
            scalar(&mut out, text, 2);
            assert_eq!(out, expected, "{text:?}");
        }
    }
}
