//! Patterns by `regex-automata`'s Pike VM, and the four shapes that need no automaton.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;

use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::syntax;
use regex_syntax::ast::{self, AssertionKind, Ast, ClassPerl, ClassPerlKind, ClassSetItem, Span, Visitor};
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
            // Matches are asked for, not their places: empty ones may stand inside a character.
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

/// A dot or a class takes a character, whatever its bytes; `\d \w \s \b` and `(?i)` are about ASCII.
///
/// That is neither of the parser's two modes: without Unicode a dot takes a byte, and with it the shorthands need
/// tables that would be most of the wasm. So the shorthands are spelled out first. Where case is ignored, all of the
/// pattern is about bytes.
fn parse(pattern: &str) -> Result<Hir, String> {
    let tree = ast::parse::ParserBuilder::new()
        .nest_limit(PATTERN_DEPTH_MAX)
        .build()
        .parse(pattern)
        .map_err(|error| error.kind().to_string())?;
    let Ok(shorthands) = ast::visit(&tree, Shorthands::default());
    let mut spelled = String::with_capacity(pattern.len());
    let mut from = 0;
    for (span, text) in &shorthands.found {
        spelled.push_str(pattern.get(from..span.start.offset).unwrap_or(""));
        spelled.push_str(text);
        from = span.end.offset;
    }
    spelled.push_str(pattern.get(from..).unwrap_or(""));
    let characters = !shorthands.ignores_case;
    // One level more for the classes that stand for shorthands inside of classes.
    let nest_limit = PATTERN_DEPTH_MAX.saturating_add(1);
    let config = syntax::Config::new().unicode(characters).utf8(characters).nest_limit(nest_limit);
    let text = if characters { spelled.as_str() } else { pattern };
    syntax::parse_with(text, &config).map_err(|error| reason(&error))
}

/// Where a pattern says `\d` and the like, in the order in which they stand, and what that means in ASCII.
#[derive(Default)]
struct Shorthands {
    found: Vec<(Span, &'static str)>,
    ignores_case: bool,
}

impl Shorthands {
    fn class(&mut self, class: &ClassPerl) {
        let text = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\x0B\f\r\x20]",
            (ClassPerlKind::Space, true) => r"[^\t\n\x0B\f\r\x20]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.found.push((class.span, text));
    }
}

impl Visitor for Shorthands {
    type Output = Shorthands;
    type Err = Infallible;

    fn finish(self) -> Result<Shorthands, Infallible> {
        Ok(self)
    }

    fn visit_pre(&mut self, node: &Ast) -> Result<(), Infallible> {
        let ignores_case = |flags: &ast::Flags| flags.flag_state(ast::Flag::CaseInsensitive) == Some(true);
        match node {
            Ast::ClassPerl(class) => self.class(class),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundary => self.found.push((assertion.span, r"(?-u:\b)")),
                AssertionKind::NotWordBoundary => self.found.push((assertion.span, r"(?-u:\B)")),
                _ => {}
            },
            Ast::Flags(set) => self.ignores_case |= ignores_case(&set.flags),
            Ast::Group(group) => self.ignores_case |= group.flags().is_some_and(ignores_case),
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Infallible> {
        if let ClassSetItem::Perl(class) = item {
            self.class(class);
        }
        Ok(())
    }
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
