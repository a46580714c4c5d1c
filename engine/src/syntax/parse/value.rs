//! Expressions with a value: precedence of brackets, functions and `CASE` > `-` > `* / %` > `+ -` > `||`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Parser, Part, QUESTIONS};
use crate::diagnostic::words;
use crate::limits::EXPRESSION_DEPTH_MAX;
use crate::syntax::ast::{Comparison, Expr, Name, Question, Test, ValueExpr};
use crate::syntax::error::{ParseError, Parsed};
use crate::syntax::function::{Arithmetic, Function, Unit};
use crate::syntax::token::{Kind, counts_items, is_keyword};
use crate::value::{Number, Value};

impl Parser<'_> {
    /// A value, or the truth of a condition.
    pub(super) fn any_value(&mut self) -> Parsed<ValueExpr> {
        if self.token.kind == Kind::End {
            return Err(self.no_value());
        }
        Ok(self.any()?.value())
    }

    /// The right side of a sign.
    pub(super) fn right(&mut self) -> Parsed<ValueExpr> {
        let start = self.token.start;
        let value = self.joined(false)?.value();
        if value == ValueExpr::Null {
            let message = words!("expected a value, found the keyword `NULL`");
            return Err(
                ParseError::new(start, self.end, message).help(words!("write `IS NULL` or `IS NOT NULL`"))
            );
        }
        self.check_depth(&value, start)?;
        Ok(value)
    }

    /// Refuses what is nested too deeply; signs of one rank stand in a row, and do not nest.
    pub(super) fn check_depth(&self, value: &ValueExpr, start: usize) -> Parsed<()> {
        if value.depth() > EXPRESSION_DEPTH_MAX {
            let message =
                words!("more than {EXPRESSION_DEPTH_MAX} signs, functions and brackets within each other");
            return Err(ParseError::new(start, self.end, message));
        }
        Ok(())
    }

    /// What follows a sign of comparison.
    pub(super) fn compared(&mut self, comparison: Comparison) -> Parsed<Question> {
        if self.is("VERSION") && matches!(self.lexer.ahead(), Some(Kind::Text(_))) {
            self.advance()?;
            let version = self.text("a version in single quotes")?;
            return Ok(Question::Test(Test::Version(comparison, version)));
        }
        if (self.is("ANY") || self.is("ALL")) && self.lexer.ahead() == Some(Kind::Open) {
            if comparison != Comparison::Equal || self.is("ALL") {
                let help = words!("the items of a list are tested from the left: `ALL(list) < 5`");
                return Err(self.unexpected(words!("only `= ANY(list)` compares with items")).help(help));
            }
            self.advance()?;
            self.advance()?;
            let list = self.any_value()?;
            self.expect(Kind::Close, "`)`")?;
            return Ok(Question::AnyOf(list));
        }
        Ok(Question::Compare(comparison, self.right()?))
    }

    /// a || b
    pub(super) fn joined(&mut self, left: bool) -> Parsed<Part> {
        let mut part = self.sum(left)?;
        while self.token.kind == Kind::Join {
            self.advance()?;
            let right = self.sum(false)?;
            part = both(Arithmetic::Join, part, right);
        }
        Ok(part)
    }

    /// a + b - c
    fn sum(&mut self, left: bool) -> Parsed<Part> {
        let mut part = self.product(left)?;
        loop {
            self.lexer.split_minus(&mut self.token);
            let sign = match self.token.kind {
                Kind::Plus => Arithmetic::Add,
                Kind::Minus => Arithmetic::Subtract,
                _ => return Ok(part),
            };
            self.advance()?;
            let right = self.product(false)?;
            part = both(sign, part, right);
        }
    }

    /// a * b / c % d
    fn product(&mut self, left: bool) -> Parsed<Part> {
        let mut part = self.negative(left)?;
        loop {
            let sign = match self.token.kind {
                Kind::Times => Arithmetic::Multiply,
                Kind::Slash => Arithmetic::Divide,
                Kind::Percent => Arithmetic::Remainder,
                _ => return Ok(part),
            };
            self.advance()?;
            let right = self.negative(false)?;
            part = both(sign, part, right);
        }
    }

    /// -a
    fn negative(&mut self, left: bool) -> Parsed<Part> {
        if self.token.kind != Kind::Minus {
            return self.operand(left);
        }
        self.descend()?;
        self.advance()?;
        let inner = self.negative(false)?.value();
        self.depth = self.depth.saturating_sub(1);
        Ok(Part::Value(ValueExpr::Negative(Box::new(inner))))
    }

    fn operand(&mut self, left: bool) -> Parsed<Part> {
        let value = match &self.token.kind {
            Kind::Open => {
                self.descend()?;
                self.advance()?;
                let inner = self.any()?;
                self.expect(Kind::Close, "`)`")?;
                self.depth = self.depth.saturating_sub(1);
                return Ok(inner);
            }
            Kind::Word(word) => {
                let word = *word;
                return self.word(word, left);
            }
            Kind::Quoted(name) => ValueExpr::Name(Name(name.clone().into_owned())),
            Kind::Text(text) => ValueExpr::Constant(Value::string(&**text)),
            Kind::Number(number) => ValueExpr::Constant(Value::Number(*number)),
            _ if left => return Err(self.unexpected(words!("expected a condition"))),
            _ => return Err(self.no_value()),
        };
        self.advance()?;
        Ok(Part::Value(value))
    }

    /// A name, or what begins with a word of the language.
    fn word(&mut self, word: &str, left: bool) -> Parsed<Part> {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        if is("TRUE") || is("FALSE") {
            self.advance()?;
            return Ok(Part::Condition(Expr::Constant(is("TRUE"))));
        }
        if is("NULL") {
            self.advance()?;
            return Ok(Part::Value(ValueExpr::Null));
        }
        if is_keyword(word) {
            if !left {
                return Err(self.no_value());
            }
            let found = words!("expected a name, found the keyword `{word}`");
            let help = words!("write `\"{word}\"` if it is the name of an attribute");
            return Err(self.unexpected(found).help(help));
        }
        self.advance()?;
        if is("CASE") && self.begins_case() {
            return self.case().map(Part::Value);
        }
        if is("INTERVAL") && matches!(self.token.kind, Kind::Number(_) | Kind::Text(_)) {
            return self.interval().map(Part::Value);
        }
        if self.token.kind != Kind::Open {
            return Ok(Part::Value(ValueExpr::Name(Name(word.into()))));
        }
        if is("SEGMENT") {
            self.advance()?;
            let name = self.text("a segment's name in single quotes")?;
            self.expect(Kind::Close, "`)`")?;
            return Ok(Part::Condition(Expr::Segment(name)));
        }
        if counts_items(word) {
            return self.items(word).map(Part::Condition);
        }
        self.call(word).map(Part::Value)
    }

    /// True unless `CASE` was a name here: no test and no sign follows.
    fn begins_case(&self) -> bool {
        let others = ["AND", "OR", "THEN", "ELSE", "END"];
        match self.token.kind {
            Kind::Word(word) => {
                !QUESTIONS.iter().chain(&others).any(|other| word.eq_ignore_ascii_case(other))
            }
            Kind::Quoted(_) | Kind::Text(_) | Kind::Number(_) | Kind::Open | Kind::Minus => true,
            _ => false,
        }
    }

    /// CASE WHEN a = 1 THEN b ELSE c END, CASE a WHEN 1 THEN b END
    fn case(&mut self) -> Parsed<ValueExpr> {
        self.descend()?;
        let of = if self.is("WHEN") { None } else { Some(Box::new(self.right()?)) };
        let (mut searched, mut switched) = (Vec::new(), Vec::new());
        self.must("WHEN")?;
        loop {
            if of.is_some() {
                let when = self.right()?;
                self.must("THEN")?;
                switched.push((when, self.any_value()?));
            } else {
                let when = self.any_condition()?;
                self.must("THEN")?;
                searched.push((when, self.any_value()?));
            }
            if !self.eat("WHEN")? {
                break;
            }
        }
        let otherwise = if self.eat("ELSE")? { Some(Box::new(self.any_value()?)) } else { None };
        if !self.eat("END")? {
            let help = words!("write `CASE WHEN a > 1 THEN 'x' ELSE 'y' END`");
            return Err(self.unexpected(words!("expected `WHEN`, `ELSE` or `END`")).help(help));
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(match of {
            Some(of) => ValueExpr::Switch(of, switched, otherwise),
            None => ValueExpr::Case(searched, otherwise),
        })
    }

    /// INTERVAL 1 HOUR, INTERVAL '1 hour', INTERVAL '1' HOUR
    fn interval(&mut self) -> Parsed<ValueExpr> {
        let start = self.token.start;
        let (mut count, mut unit) = (None, None);
        if let Kind::Text(text) = &self.token.kind {
            let mut words = text.split_whitespace();
            count = words.next().and_then(|count| count.parse().ok());
            unit = words.next().map(Unit::parse);
            if words.next().is_some() {
                unit = Some(None);
            }
        } else if let Kind::Number(Number::Integer(number)) = self.token.kind {
            count = Some(number);
        }
        self.advance()?;
        if unit.is_none() {
            let Kind::Word(word) = self.token.kind else {
                return Err(self
                    .unexpected(words!("expected a unit"))
                    .help(words!("write `INTERVAL 1 HOUR`")));
            };
            unit = Some(Unit::parse(word));
            self.advance()?;
        }
        if let (Some(count), Some(Some(unit))) = (count, unit)
            && unit.ms(count).is_some()
        {
            return Ok(ValueExpr::Interval(count, unit));
        }
        let help = words!(
            "write a whole number and SECOND, MINUTE, HOUR, DAY or WEEK: `INTERVAL 1 HOUR`; months and years differ in length"
        );
        Err(ParseError::new(start, self.end, words!("no interval")).help(help))
    }

    /// A function; the current token is its opening bracket.
    fn call(&mut self, word: &str) -> Parsed<ValueExpr> {
        let function = Function::parse(word);
        let known = function.is_some() || ["NOW", "MOD"].iter().any(|known| word.eq_ignore_ascii_case(known));
        if !known {
            let known = words!(
                "the functions are ABS COALESCE CONCAT DATE_DIFF GREATEST HASH LEAST LENGTH LOWER MOD NOW ROUND SIZE SUBSTR \
                 UPPER, and of conditions `segment('name')`, `ALL(list)` and `ANY(list)`"
            );
            let start = self.end.saturating_sub(word.len());
            let message = words!("`{word}` is not a function");
            let mut error = ParseError::new(start, self.end, message).help(known);
            error.unknown = Some(word.into());
            return Err(error);
        }
        let start = self.token.start;
        self.descend()?;
        self.advance()?;
        if function == Some(Function::DateDiff) {
            let days = match &self.token.kind {
                Kind::Text(unit) => Unit::parse(unit),
                Kind::Word(unit) => Unit::parse(unit),
                _ => None,
            };
            if days != Some(Unit::Day) {
                let help = words!("write `DATE_DIFF('day', from, to)`");
                return Err(self.unexpected(words!("differences of dates are in days")).help(help));
            }
            self.advance()?;
            self.expect(Kind::Comma, "`,`")?;
        }
        let mut arguments = Vec::new();
        if self.token.kind != Kind::Close {
            arguments.push(self.any_value()?);
            while self.token.kind == Kind::Comma {
                self.advance()?;
                arguments.push(self.any_value()?);
            }
        }
        self.expect(Kind::Close, "`,` or `)`")?;
        self.depth = self.depth.saturating_sub(1);
        let count = arguments.len();
        let wrong = |wanted: alloc::string::String| {
            let error = ParseError::new(start, self.end, words!("`{word}` takes {wanted}, not {count}"));
            Err(match function {
                Some(function) => error.help(words!("write `{}`", function.usage())),
                None => error,
            })
        };
        let Some(function) = function else {
            if word.eq_ignore_ascii_case("NOW") {
                return if count == 0 { Ok(ValueExpr::Now) } else { wrong(words!("no arguments")) };
            }
            return match <[ValueExpr; 2]>::try_from(arguments) {
                Ok([left, right]) => Ok(ValueExpr::arithmetic(Arithmetic::Remainder, left, right)),
                Err(_) => wrong(words!("2 arguments")),
            };
        };
        let (fewest, most) = function.arguments();
        if count < fewest || count > most {
            return wrong(match most {
                usize::MAX => words!("at least {fewest} argument"),
                1 => words!("1 argument"),
                most if most == fewest => words!("{fewest} arguments"),
                most => words!("{fewest} to {most} arguments"),
            });
        }
        Ok(ValueExpr::Call(function, arguments))
    }
}

fn both(sign: Arithmetic, left: Part, right: Part) -> Part {
    Part::Value(ValueExpr::arithmetic(sign, left.value(), right.value()))
}
