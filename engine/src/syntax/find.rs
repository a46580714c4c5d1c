//! Where a part of a criterion stands in the text that it was read from.

use core::ops::Range;

use super::ast::{Expr, ValueExpr};
use super::token::{Kind, Lexer, Token};
use crate::limits::LOCATED_PARTS_MAX;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Every part of the expressions in a condition, as canonical text, with the bytes of `text` in which it stands: the first that have
/// the same tokens, whatever their blanks and the case of their words. Parts that are written in another way are left out.
///
/// # Examples
///
/// ```
/// use usher_engine::syntax::{parse, parts_within};
///
/// let text = "views  + lower(tier) > 3";
/// let parts = parts_within(text, &parse(text).unwrap());
/// let place = |part: &str| parts.iter().find(|(known, _)| known == part).map(|(_, range)| &text[range.clone()]);
/// assert_eq!(place("LOWER(tier)"), Some("lower(tier)"));
/// assert_eq!(place("views + LOWER(tier)"), Some("views  + lower(tier)"));
/// ```
pub fn parts_within(text: &str, condition: &Expr) -> Vec<(String, Range<usize>)> {
    let mut search = Search { tokens: tokens(text), found: Vec::new() };
    search.condition(condition);
    search.found
}

/// The same for the parts of an expression with a value.
pub fn parts_of_value(text: &str, value: &ValueExpr) -> Vec<(String, Range<usize>)> {
    let mut search = Search { tokens: tokens(text), found: Vec::new() };
    search.value(value);
    search.found
}

struct Search<'t> {
    tokens: Vec<Token<'t>>,
    found: Vec<(String, Range<usize>)>,
}

impl Search<'_> {
    fn condition(&mut self, condition: &Expr) {
        match condition {
            Expr::Constant(_) | Expr::Segment(_) | Expr::Test { .. } => {}
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| self.condition(part)),
            Expr::Not(inner) => self.condition(inner),
            Expr::Computed(computed) => {
                self.value(&computed.left);
                computed.question.values(&mut |value| self.value(value));
            }
        }
    }

    fn value(&mut self, value: &ValueExpr) {
        if self.is_full() {
            return;
        }
        self.part(value);
        value.parts(&mut |part| self.value(part));
        value.conditions(&mut |condition| self.condition(condition));
        // A finding may be about the start of a row.
        let signs = if let ValueExpr::Arithmetic(_, rest) = value { rest.len() } else { 0 };
        for start in 1..signs {
            if !self.is_full() {
                self.part(&value.start(start));
            }
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= LOCATED_PARTS_MAX
    }

    fn part(&mut self, value: &ValueExpr) {
        let part = value.to_string();
        if let Some(range) = self.place(&part) {
            self.found.push((part, range));
        }
    }

    fn place(&self, part: &str) -> Option<Range<usize>> {
        let wanted = tokens(part);
        let mut windows = self.tokens.windows(wanted.len().max(1));
        let place =
            windows.find(|window| window.iter().zip(&wanted).all(|(own, other)| is_same(own, other)))?;
        Some(place.first()?.start..place.last()?.end)
    }
}

/// The tokens of a text, up to the first that is none.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    while let Ok(token) = lexer.next()
        && token.kind != Kind::End
    {
        tokens.push(token);
    }
    tokens
}

fn is_same(own: &Token<'_>, other: &Token<'_>) -> bool {
    match (&own.kind, &other.kind) {
        (Kind::Word(own), Kind::Word(other)) => own.eq_ignore_ascii_case(other),
        (Kind::Word(word), Kind::Quoted(name)) | (Kind::Quoted(name), Kind::Word(word)) => *word == &**name,
        (own, other) => own == other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_value};
    use super::*;

    #[test]
    fn parts_stand_where_they_were_written() {
        let text =
            "a > 1 AND \"tier\" || 'x' != concat(b , 'y') OR (case when c > 2 then d * 2 else e end) = 5";
        let parts = parts_within(text, &parse(text).unwrap());
        let place = |part: &str| {
            let found = parts.iter().find(|(known, _)| known == part);
            found.and_then(|(_, range)| text.get(range.clone()))
        };
        for (part, written) in [
            ("tier || 'x'", "\"tier\" || 'x'"),
            ("CONCAT(b, 'y')", "concat(b , 'y')"),
            ("d * 2", "d * 2"),
            ("e", "e"),
        ] {
            assert_eq!(place(part), Some(written));
        }
        let text = "a - b + c < 0";
        let parts = parts_within(text, &parse(text).unwrap());
        assert_eq!(
            parts.iter().find(|(part, _)| part == "a - b").map(|(_, range)| range.clone()),
            Some(0..5)
        );
        // Not a part of an expression.
        assert_eq!(place("a"), None);
    }

    #[test]
    fn long_expressions_end_the_search() {
        let text = "1 + ".repeat(400) + "1";
        assert_eq!(parts_of_value(&text, &parse_value(&text).unwrap()).len(), LOCATED_PARTS_MAX);
    }
}
