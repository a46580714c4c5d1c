//! Patterns by `regex-automata`'s Pike VM, and the four shapes that need no automaton.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::syntax;
use regex_syntax::hir::{Hir, HirKind, Look};

use crate::limits::{PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_SIZE_MAX};

/// A compiled pattern.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// `^literal$`
    Equals(String),
    /// `^literal`
    Prefix(String),
    /// `literal$`
    Suffix(String),
    /// `literal`
    Substring(String),
    /// Everything else.
    Automaton(PikeVM),
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it, in words for its author.
    pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(alloc::format!("longer than {PATTERN_BYTES_MAX} bytes"));
        }
        let hir = parse(pattern)?;
        if let Some(lowered) = lower(&hir) {
            return Ok(lowered);
        }
        let config = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(PATTERN_SIZE_MAX))
            .which_captures(WhichCaptures::None);
        let nfa: NFA = thompson::Compiler::new()
            .configure(config)
            .build_from_hir(&hir)
            .map_err(|_| alloc::format!("too large: more than {PATTERN_SIZE_MAX} bytes when compiled"))?;
        pikevm::Builder::new().build_from_nfa(nfa).map(Pattern::Automaton).map_err(|error| error.to_string())
    }

    /// Whether it is found anywhere in the text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Pattern::Equals(literal) => text == literal,
            Pattern::Prefix(literal) => text.starts_with(literal.as_str()),
            Pattern::Suffix(literal) => text.ends_with(literal.as_str()),
            Pattern::Substring(literal) => text.contains(literal.as_str()),
            Pattern::Automaton(vm) => vm.is_match(&mut vm.create_cache(), text.as_bytes()),
        }
    }
}

fn parse(pattern: &str) -> Result<Hir, String> {
    // Bytes, not characters: no Unicode tables, which would be most of the wasm.
    let config = syntax::Config::new().unicode(false).utf8(false).nest_limit(PATTERN_DEPTH_MAX);
    syntax::parse_with(pattern, &config).map_err(|error| reason(&error))
}

/// The parser's reason without its drawing of the pattern, which the diagnostic draws itself.
fn reason(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "it cannot be read".to_owned(),
    }
}

/// The pattern as a comparison with one literal, if it is one. Searches are unanchored, so a repetition of anything at
/// an open end says nothing.
fn lower(hir: &Hir) -> Option<Pattern> {
    let single = core::slice::from_ref(hir);
    let mut parts: &[Hir] = match hir.kind() {
        HirKind::Concat(parts) => parts,
        _ => single,
    };
    let mut at_start = false;
    let mut at_end = false;
    if let [first, rest @ ..] = parts {
        match first.kind() {
            HirKind::Look(Look::Start) => (at_start, parts) = (true, rest),
            _ if is_anything(first) => parts = rest,
            _ => {}
        }
    }
    if let [rest @ .., last] = parts {
        match last.kind() {
            HirKind::Look(Look::End) => (at_end, parts) = (true, rest),
            _ if is_anything(last) => parts = rest,
            _ => {}
        }
    }
    let mut bytes = Vec::new();
    for part in parts {
        match part.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => bytes.extend_from_slice(&literal.0),
            _ => return None,
        }
    }
    let literal = String::from_utf8(bytes).ok()?;
    Some(match (at_start, at_end) {
        (true, true) => Pattern::Equals(literal),
        (true, false) => Pattern::Prefix(literal),
        (false, true) => Pattern::Suffix(literal),
        (false, false) => Pattern::Substring(literal),
    })
}

/// Whether it is a repetition of no or more of something: at an open end of an unanchored search it may take none.
fn is_anything(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Repetition(repetition) if repetition.min == 0)
}
