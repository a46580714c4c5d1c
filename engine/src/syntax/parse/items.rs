//! Tests of each item of a list: `ALL(tags) = 'a'`.

use alloc::vec::Vec;

use super::Parser;
use crate::diagnostic::words;
use crate::syntax::ast::{Comparison, Expr, Quantity, Question, Test};
use crate::syntax::error::{ParseError, Parsed};
use crate::syntax::token::Kind;
use crate::value::Number;

impl Parser<'_> {
    /// ALL(list) = 'a', AT_LEAST(2, list) (LIKE 'a%' OR LIKE 'b%')
    pub(super) fn items(&mut self, word: &str) -> Parsed<Expr> {
        self.advance()?;
        let quantity = if word.eq_ignore_ascii_case("ANY") {
            Quantity::Any
        } else if word.eq_ignore_ascii_case("ALL") {
            Quantity::All
        } else {
            let count = match self.token.kind {
                Kind::Number(Number::Integer(count)) => u32::try_from(count).ok(),
                _ => None,
            };
            let Some(count) = count else {
                let help = words!("write how many before the list: `{word}(2, list)`");
                return Err(self.unexpected(words!("expected a whole number of items")).help(help));
            };
            self.advance()?;
            self.expect(Kind::Comma, "`,`")?;
            if word.eq_ignore_ascii_case("AT_LEAST") {
                Quantity::AtLeast(count)
            } else if word.eq_ignore_ascii_case("AT_MOST") {
                Quantity::AtMost(count)
            } else {
                Quantity::Exactly(count)
            }
        };
        let name = self.list_name()?;
        let mut tests = Vec::new();
        if self.token.kind == Kind::Open {
            self.advance()?;
            loop {
                tests.push(self.question_of_item(word)?);
                if !self.eat("OR")? {
                    break;
                }
            }
            self.expect(Kind::Close, "`OR` or `)`")?;
        } else {
            tests.push(self.question_of_item(word)?);
        }
        Ok(Expr::Test { name, test: Test::Items(quantity, tests), negated: false })
    }

    fn question_of_item(&mut self, word: &str) -> Parsed<Test> {
        let token = (self.token.start, self.token.end);
        let (question, negated) = self.question()?;
        let negated = negated || matches!(question, Question::Compare(Comparison::NotEqual, _));
        let question = question.constant();
        let (message, help) = if negated {
            let help = words!("negate the whole: `NOT {word}(list) = 'a'`");
            (words!("an item is asked what it is, not what it is not"), help)
        } else if let Question::Test(test) = question {
            if test.is_of_item() {
                return Ok(test);
            }
            (
                words!("this is no question about one item"),
                words!("an item is compared: `{word}(list) = 'a'`"),
            )
        } else {
            let help =
                words!("write a text, number or boolean; an item equal to a value is `value = ANY(list)`");
            (words!("items are compared with constants"), help)
        };
        Err(ParseError::new(token.0, token.1, message).help(help))
    }
}
