//! Renders findings for people and for machines.
//!
//! Text of a definition is never printed raw: characters that move the cursor or change the reading direction are
//! removed from messages, names and excerpts.

use usher_engine::diagnostic::Severity;

use crate::limits::EXCERPT_CHARS_MAX;
use crate::source::{Finding, Source};
use crate::text;

/// Several lines: the message, the source line with a caret, and help. Ends with a line break. `color` adds the codes of a
/// terminal.
///
/// # Examples
///
/// ```
/// # let text = "parent_segment_id: '1'\nevents:\n  - {name: view, database: web, tabel: pages}\n";
/// # let sources = [usher_config::Source { name: "rt.yaml".to_owned(), text: text.to_owned() }];
/// let reading = usher_config::read(&sources);
/// let shown = usher_config::render::human(&reading.findings[0], &sources, false);
/// assert_eq!(shown, "\
/// error[E003]: unknown key `tabel` in an event
///  --> rt.yaml:3:33
///   |
/// 3 |   - {name: view, database: web, tabel: pages}
///   |                                 ^^^^^
///   = help: did you mean `table`?
/// ");
/// ```
pub fn human(finding: &Finding, sources: &[Source], color: bool) -> String {
    let diagnostic = &finding.diagnostic;
    let (paint, blue, bold, plain) = match (color, diagnostic.severity()) {
        (false, _) => ("", "", "", ""),
        (true, Severity::Error) => ("\u{1b}[1;31m", "\u{1b}[1;34m", "\u{1b}[1m", "\u{1b}[0m"),
        (true, Severity::Warning) => ("\u{1b}[1;33m", "\u{1b}[1;34m", "\u{1b}[1m", "\u{1b}[0m"),
        (true, Severity::Info) => ("\u{1b}[1;36m", "\u{1b}[1;34m", "\u{1b}[1m", "\u{1b}[0m"),
    };
    let (severity, code, message) = (diagnostic.severity(), diagnostic.code, clean(&diagnostic.message));
    let mut out = format!("{paint}{severity}[{code}]{plain}{bold}: {message}{plain}\n");
    let mut gutter = String::new();
    if let Some(place) = &finding.place {
        let number = place.line.to_string();
        gutter = " ".repeat(number.len());
        let (file, line, column) = (clean(&place.file), place.line, place.column);
        out.push_str(&format!("{gutter}{blue}-->{plain} {file}:{line}:{column}\n"));
        let source = sources.iter().find(|source| source.name == place.file);
        if let Some(written) = source.and_then(|source| text::line(&source.text, place.line)) {
            let (excerpt, before, length) = excerpt(written, place.column, place.length);
            let (blanks, carets) = (" ".repeat(before), "^".repeat(length));
            out.push_str(&format!("{gutter} {blue}|{plain}\n"));
            out.push_str(&format!("{blue}{number} |{plain} {excerpt}\n"));
            out.push_str(&format!("{gutter} {blue}|{plain} {blanks}{paint}{carets}{plain}\n"));
        }
    }
    if let Some(help) = &diagnostic.help {
        out.push_str(&format!("{gutter} {blue}={plain} {bold}help{plain}: {}\n", clean(help)));
    }
    out
}

/// One line: `file:line:column: error[E007]: message`.
///
/// # Examples
///
/// ```
/// # use usher_config::{Finding, render};
/// # use usher_engine::diagnostic::{Code, Diagnostic};
/// let finding = Finding { diagnostic: Diagnostic::new(Code::NoFallback, "no fallback"), place: None };
/// assert_eq!(render::plain(&finding), "warning[W003]: no fallback");
/// ```
pub fn plain(finding: &Finding) -> String {
    let diagnostic = &finding.diagnostic;
    let (severity, code, message) = (diagnostic.severity(), diagnostic.code, clean(&diagnostic.message));
    match &finding.place {
        Some(place) => {
            let (file, line, column) = (clean(&place.file), place.line, place.column);
            format!("{file}:{line}:{column}: {severity}[{code}]: {message}")
        }
        None => format!("{severity}[{code}]: {message}"),
    }
}

/// An object for machines; unknown fields are null.
///
/// # Examples
///
/// ```
/// # use usher_config::{Finding, render};
/// # use usher_engine::diagnostic::{Code, Diagnostic};
/// let finding = Finding { diagnostic: Diagnostic::new(Code::NoFallback, "no fallback"), place: None };
/// let json = render::json(&finding);
/// assert_eq!((json["code"].as_str(), json["severity"].as_str()), (Some("W003"), Some("warning")));
/// assert!(json["file"].is_null());
/// ```
pub fn json(finding: &Finding) -> serde_json::Value {
    let diagnostic = &finding.diagnostic;
    let place = finding.place.as_ref();
    serde_json::json!({
        "code": diagnostic.code.as_str(),
        "severity": diagnostic.severity().to_string(),
        "message": diagnostic.message,
        "help": diagnostic.help,
        "path": diagnostic.path,
        "file": place.map(|place| place.file.as_str()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "length": place.map(|place| place.length),
    })
}

/// The part of a line around a column, the number of characters before the caret, and the number of carets.
fn excerpt(line: &str, column: usize, length: usize) -> (String, usize, usize) {
    let column = column.saturating_sub(1);
    let skipped = if column < EXCERPT_CHARS_MAX * 2 / 3 { 0 } else { column - EXCERPT_CHARS_MAX / 3 };
    let (mut shown, mut before, mut carets) = (String::new(), 0, 0);
    if skipped > 0 {
        shown.push('…');
        before += 1;
    }
    let mut rest = line.chars().enumerate().skip(skipped);
    for (at, c) in rest.by_ref().take(EXCERPT_CHARS_MAX) {
        let Some(c) = printable(c) else { continue };
        shown.push(c);
        before += usize::from(at < column);
        carets += usize::from(at >= column && at - column < length);
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    (shown.trim_end().to_owned(), before, carets.max(1))
}

/// The text without characters that a terminal would interpret.
fn clean(text: &str) -> String {
    text.chars().filter_map(printable).collect()
}

/// The printable form of a character from untrusted text; None for one that a terminal would interpret, or show as
/// nothing.
pub fn printable(c: char) -> Option<char> {
    match c {
        '\t' => Some(' '),
        // Direction marks, embeddings, overrides and isolates; line and paragraph separators; invisible characters.
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => None,
        c if c.is_control() => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use usher_engine::diagnostic::{Code, Diagnostic};

    use super::*;
    use crate::source::Location;

    fn finding(line: usize, column: usize, length: usize) -> Finding {
        let diagnostic =
            Diagnostic::new(Code::UnknownKey, "unknown key `a\u{1b}[2J\u{202e}`").help("did you mean `b`?");
        Finding { diagnostic, place: Some(Location { file: "x.yaml".to_owned(), line, column, length }) }
    }

    fn sources(text: &str) -> [Source; 1] {
        [Source { name: "x.yaml".to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn a_person_sees_the_line_and_a_caret() {
        let shown = human(&finding(2, 4, 3), &sources("one\n\té\u{7}a\u{202e}bc d\n"), false);
        let expected = "error[E003]: unknown key `a[2J`\n --> x.yaml:2:4\n  |\n2 |  éabc d\n  |   ^^\n  = help: did you mean `b`?\n";
        assert_eq!(shown, expected);
        assert!(
            human(&finding(2, 4, 3), &sources("a\nb\n"), true)
                .starts_with("\u{1b}[1;31merror[E003]\u{1b}[0m")
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}HERE{}", "a".repeat(5_000), "b".repeat(5_000));
        let shown = human(&finding(1, 5_001, 4), &sources(&text), false);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[3].chars().count() < 140);
        let caret = lines[4].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[3].chars().skip(caret).take(4).collect::<String>(), "HERE");
    }

    #[test]
    fn places_beyond_the_text_do_no_harm() {
        human(&finding(0, 0, 0), &sources(""), false);
        human(&finding(9, 9, 9), &sources("a"), false);
        human(&finding(1, 900, 9), &sources("a"), false);
    }

    #[test]
    fn machines_get_every_part() {
        assert_eq!(plain(&finding(2, 4, 3)), "x.yaml:2:4: error[E003]: unknown key `a[2J`");
        let json = json(&finding(2, 4, 3));
        assert_eq!(json["code"], "E003");
        assert_eq!(json["severity"], "error");
        assert_eq!((json["line"].as_u64(), json["length"].as_u64()), (Some(2), Some(3)));
    }
}
