//! The reference pages of the diagnostic codes: one page of Markdown per code, in `codes/`.
//!
//! A page explains the rule, shows a definition that breaks it and a similar one that does not, and how to fix the
//! first. Tests check both against [`check`](crate::check). The engine knows only codes and severities.

use usher_engine::diagnostic::{Code, Severity};

/// The page of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// Its meaning in one line.
    pub title: &'static str,
    /// The body, as Markdown.
    pub text: &'static str,
}

macro_rules! pages {
    ($($code:literal)+) => { &[$(($code, include_str!(concat!("codes/", $code, ".md"))),)+] };
}

const PAGES: &[(&str, &str)] = pages! {
    "E001" "E002" "E003" "E004" "E005" "E006" "E007" "E008" "E009" "E010" "E011" "E012" "E013" "E014" "E015" "E016"
    "E017" "E018" "E019" "E020" "E021" "E022" "E023" "E024" "E025" "E026" "E027" "E028" "W001" "W002" "W003" "W004" "W005" "W006" "W007" "W008" "W009" "W010" "W011" "W012"
    "W013" "W014" "W015" "W016" "W017" "W018" "W019" "W020" "W021" "W022" "W023" "I001" "I002" "I003" "I004" "I005"
};

/// Every page, in the order of [`Code::ALL`].
///
/// # Examples
///
/// ```
/// assert!(usher_config::codes::pages().all(|page| page.text.ends_with('\n')));
/// ```
pub fn pages() -> impl Iterator<Item = Page> {
    Code::ALL.iter().filter_map(|code| page(*code))
}

/// The page of a code; every code has one.
///
/// # Examples
///
/// ```
/// let page = usher_config::codes::find("e012").and_then(usher_config::codes::page);
/// assert_eq!(page.map(|page| page.title), Some("The primary key is not among the stitching keys"));
/// ```
pub fn page(code: Code) -> Option<Page> {
    let (_, page) = PAGES.iter().find(|(name, _)| *name == code.as_str())?;
    let (title, text) = page.strip_prefix("# ")?.split_once('\n')?;
    Some(Page { code, title, text: text.trim_start() })
}

/// The code with this printed form, in any case.
///
/// # Examples
///
/// ```
/// use usher_config::codes;
/// use usher_engine::diagnostic::Code;
///
/// assert_eq!(codes::find("w007"), Some(Code::Contradiction));
/// assert_eq!(codes::find("W999"), None);
/// ```
pub fn find(name: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(name))
}

/// All pages as one document: `docs/diagnostics.md`.
///
/// # Examples
///
/// ```
/// assert!(usher_config::codes::reference().contains("E012"));
/// ```
pub fn reference() -> String {
    let mut out = String::from(
        "# What `usher validate` finds\n\n\
         Written from `engine/config/src/codes/` by `BLESS=1 cargo test -p usher-config --test codes`; do not edit it here.\n\
         `usher codes E012` prints one of these on the terminal.\n\n\
         An *error* refuses the definition (exit status 2). A *warning* is about something that works and is probably not intended. An\n\
         *info* is worth knowing. Codes are stable and never reused.\n\n\
         | code | severity | meaning |\n|---|---|---|\n",
    );
    for Page { code, title, .. } in pages() {
        let anchor = code.as_str().to_lowercase();
        out.push_str(&format!("| [{code}](#{anchor}) | {} | {title} |\n", code.severity()));
    }
    for Page { code, title, text } in pages() {
        let severity = match code.severity() {
            Severity::Error => "Error",
            Severity::Warning => "Warning",
            Severity::Info => "Info",
        };
        out.push_str(&format!("\n## {code}\n\n{severity}: {}.\n\n{text}", lower(title)));
    }
    out
}

/// Lowers the first letter of a title, for use within a sentence; names in capitals stay.
fn lower(title: &str) -> String {
    let mut chars = title.chars();
    match chars.next() {
        Some(first) if chars.clone().next().is_some_and(|second| !second.is_uppercase()) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => title.to_owned(),
    }
}
