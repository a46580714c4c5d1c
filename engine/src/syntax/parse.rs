//! Tokens to tree: precedence of comparisons > NOT > AND > OR.

mod items;
mod value;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::ast::{Comparison, Expr, Name, Question, Test, ValueExpr};
use super::error::{ParseError, Parsed};
use super::token::{Kind, Lexer, Token, is_keyword};
use crate::diagnostic::words;
use crate::limits::{CRITERIA_BYTES_MAX, CRITERIA_DEPTH_MAX, CRITERIA_PRINTED_BYTES_MAX, IN_VALUES_MAX};
use crate::value::{Number, Value};

/// The words that begin a test, after a value.
const QUESTIONS: [&str; 11] =
    ["IS", "NOT", "IN", "BETWEEN", "LIKE", "CONTAINS", "MATCHES", "STARTS", "ENDS", "WITHIN", "MORE"];

/// Reads one criterion. The empty text is always true.
///
/// # Errors
///
/// The problem, its place, and how to fix it.
///
/// # Examples
///
/// ```
/// use usher_engine::syntax::parse;
///
/// let expr = parse("tier = 'VIP' and not views < 3").unwrap();
/// assert_eq!(parse(&expr.to_string()).unwrap(), expr);
/// assert_eq!(parse("tier =").unwrap_err().start, 6);
/// ```
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    read(text, CRITERIA_BYTES_MAX, None)
}

/// The same, with the range of each condition (tests and segments) in the order of the text, in bytes.
///
/// # Errors
///
/// As [`parse`].
///
/// # Examples
///
/// ```
/// let text = "tier = 'VIP' AND views > 3";
/// let (_, conditions) = usher_engine::syntax::parse_located(text).unwrap();
/// assert_eq!(conditions.iter().map(|range| &text[range.clone()]).collect::<Vec<_>>(), ["tier = 'VIP'", "views > 3"]);
/// ```
#[cfg(feature = "words")]
pub fn parse_located(text: &str) -> Result<(Expr, Vec<Range<usize>>), ParseError> {
    let mut conditions = Vec::new();
    let expr = read(text, CRITERIA_BYTES_MAX, Some(&mut conditions))?;
    Ok((expr, conditions))
}

/// Reads an expression with a value.
///
/// # Errors
///
/// As [`parse`].
///
/// # Examples
///
/// ```
/// use usher_engine::syntax::parse_value;
///
/// let expr = parse_value("case when price > 100 then 'high' else lower(band) end").unwrap();
/// assert_eq!(expr.to_string(), "CASE WHEN price > 100 THEN 'high' ELSE LOWER(band) END");
/// assert_eq!(parse_value("price *").unwrap_err().start, 7);
/// ```
pub fn parse_value(text: &str) -> Result<ValueExpr, ParseError> {
    whole(text, CRITERIA_BYTES_MAX, None, Parser::any_value).map_err(|error| *error)
}

fn read<'a>(
    text: &'a str,
    bytes_max: usize,
    conditions: Option<&'a mut Vec<Range<usize>>>,
) -> Result<Expr, ParseError> {
    let expr = whole(text, bytes_max, conditions, |parser| match parser.token.kind {
        Kind::End => Ok(Expr::Constant(true)),
        _ => parser.any_condition(),
    });
    expr.map_err(|error| *error)
}

fn whole<'a, T>(
    text: &'a str,
    bytes_max: usize,
    conditions: Option<&'a mut Vec<Range<usize>>>,
    read: impl FnOnce(&mut Parser<'a>) -> Parsed<T>,
) -> Parsed<T> {
    if text.len() > bytes_max {
        let message = words!("longer than {bytes_max} bytes");
        return Err(ParseError::new(0, text.len(), message));
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    let mut parser = Parser { lexer, token, end: 0, depth: 0, conditions };
    let expr = read(&mut parser)?;
    match parser.token.kind {
        Kind::End => Ok(expr),
        Kind::Close => Err(parser.unexpected("this `)` closes nothing")),
        _ => {
            let help = if parser.compares() {
                words!(
                    "`||` joins texts: join conditions by `OR`; between two values write `BETWEEN 1 AND 5`"
                )
            } else {
                words!("join conditions by `AND` or `OR`; several values stand in `IN ('a', 'b')`")
            };
            Err(parser.unexpected("expected `AND`, `OR` or the end").help(help))
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The current token.
    token: Token<'a>,
    /// The end of the token before it.
    end: usize,
    depth: usize,
    /// The range of each condition, if requested.
    conditions: Option<&'a mut Vec<Range<usize>>>,
}

/// A part of a text: only the sign after a bracket tells which one it is.
enum Part {
    Condition(Expr),
    Value(ValueExpr),
}

impl Part {
    fn value(self) -> ValueExpr {
        match self {
            Part::Condition(condition) => ValueExpr::of_condition(condition),
            Part::Value(value) => value,
        }
    }
}

impl<'a> Parser<'a> {
    fn any_condition(&mut self) -> Parsed<Expr> {
        let part = self.any()?;
        self.condition_of(part)
    }

    /// a OR b OR c
    fn any(&mut self) -> Parsed<Part> {
        let first = self.all()?;
        if !self.is("OR") {
            return Ok(first);
        }
        let mut parts = several(self.condition_of(first)?);
        while self.eat("OR")? {
            let part = self.all()?;
            parts.push(self.condition_of(part)?);
        }
        Ok(Part::Condition(Expr::Or(parts)))
    }

    /// a AND b AND c
    fn all(&mut self) -> Parsed<Part> {
        let first = self.not()?;
        if !self.is("AND") {
            return Ok(first);
        }
        let mut parts = several(self.condition_of(first)?);
        while self.eat("AND")? {
            let part = self.not()?;
            parts.push(self.condition_of(part)?);
        }
        Ok(Part::Condition(Expr::And(parts)))
    }

    /// NOT a
    fn not(&mut self) -> Parsed<Part> {
        if !self.is("NOT") {
            let (start, known) = (self.token.start, self.conditions.as_ref().map_or(0, |all| all.len()));
            let (part, group) = self.condition()?;
            if cfg!(feature = "words")
                && let Some(conditions) = &mut self.conditions
                && !group
            {
                // Conditions within an expression are parts of the one that tests it.
                conditions.truncate(known);
                if !matches!(part, Part::Value(_) | Part::Condition(Expr::Constant(_))) {
                    conditions.push(start..self.end);
                }
            }
            return Ok(part);
        }
        self.descend()?;
        self.advance()?;
        let inner = self.not()?;
        self.depth = self.depth.saturating_sub(1);
        Ok(Part::Condition(Expr::Not(Box::new(self.condition_of(inner)?))))
    }

    /// A condition, where a value is not enough.
    fn condition_of(&self, part: Part) -> Parsed<Expr> {
        match part {
            Part::Condition(condition) => Ok(condition),
            Part::Value(_) => Err(self.no_comparison()),
        }
    }

    #[cold]
    fn no_comparison(&self) -> Box<ParseError> {
        self.unexpected(words!("expected a comparison")).help(words!(
            "after a value stands one of = != < <= > >= IN BETWEEN LIKE CONTAINS MATCHES STARTS WITH, ENDS WITH, \
             WITHIN n DAYS, MORE THAN n DAYS AGO, IS NULL"
        ))
    }

    fn descend(&mut self) -> Parsed<()> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > CRITERIA_DEPTH_MAX {
            return Err(self.unexpected(words!("nested deeper than {CRITERIA_DEPTH_MAX}")));
        }
        Ok(())
    }

    /// A condition without `AND`, `OR` and `NOT`, or a value; and whether it is one condition in brackets.
    fn condition(&mut self) -> Parsed<(Part, bool)> {
        let (start, group) = (self.token.start, self.token.kind == Kind::Open);
        let part = self.joined(true)?;
        let is_tested = self.compares() || QUESTIONS.iter().any(|question| self.is(question));
        match part {
            Part::Condition(condition) if !is_tested => Ok((Part::Condition(condition), group)),
            part => {
                let left = part.value();
                self.check_depth(&left, start)?;
                if !is_tested {
                    return Ok((Part::Value(left), false));
                }
                if left == ValueExpr::Null {
                    let message = words!("`NULL` is compared with nothing");
                    return Err(ParseError::new(start, self.end, message)
                        .help(words!("write `name IS NULL` or `name IS NOT NULL`")));
                }
                let (question, negated) = self.question()?;
                Ok((Part::Condition(Expr::asked(left, question, negated)), false))
            }
        }
    }

    /// True at a sign of comparison.
    fn compares(&self) -> bool {
        matches!(
            self.token.kind,
            Kind::Equal | Kind::NotEqual | Kind::Less | Kind::LessEqual | Kind::Greater | Kind::GreaterEqual
        )
    }

    /// The name of a list, and the closing bracket.
    fn list_name(&mut self) -> Parsed<Name> {
        let name = match &self.token.kind {
            Kind::Word(word) if !is_keyword(word) => Name((*word).into()),
            Kind::Quoted(name) => Name(name.clone().into_owned()),
            _ => return Err(self.unexpected(words!("expected the name of a list"))),
        };
        self.advance()?;
        self.expect(Kind::Close, "`)`")?;
        Ok(name)
    }

    /// A test, and whether it is negated.
    fn question(&mut self) -> Parsed<(Question, bool)> {
        let comparison = match self.token.kind {
            Kind::Equal => Some(Comparison::Equal),
            Kind::NotEqual => Some(Comparison::NotEqual),
            Kind::Less => Some(Comparison::Less),
            Kind::LessEqual => Some(Comparison::LessEqual),
            Kind::Greater => Some(Comparison::Greater),
            Kind::GreaterEqual => Some(Comparison::GreaterEqual),
            _ => None,
        };
        if let Some(comparison) = comparison {
            self.advance()?;
            return Ok((self.compared(comparison)?, false));
        }
        if self.eat("IS")? {
            let negated = self.eat("NOT")?;
            if !self.eat("NULL")? {
                return Err(self
                    .unexpected(words!("expected `NULL`"))
                    .help(words!("write `IS NULL` or `IS NOT NULL`")));
            }
            return Ok((Question::Test(Test::Null), negated));
        }
        let negated = self.eat("NOT")?;
        let test = if self.eat("IN")? {
            return Ok((Question::In(self.list()?), negated));
        } else if self.eat("BETWEEN")? {
            let low = self.right()?;
            if !self.eat("AND")? {
                return Err(self
                    .unexpected(words!("expected `AND`"))
                    .help(words!("write `BETWEEN 1 AND 5`")));
            }
            return Ok((Question::Between(low, self.right()?), negated));
        } else if self.eat("LIKE")? {
            Test::Like(self.text("a pattern in single quotes")?)
        } else if self.eat("CONTAINS")? {
            Test::Contains(self.literal()?)
        } else if self.eat("MATCHES")? {
            Test::Matches(self.text("a regular expression in single quotes")?)
        } else if self.eat("STARTS")? {
            self.must("WITH")?;
            Test::StartsWith(self.text("a text in single quotes")?)
        } else if self.eat("ENDS")? {
            self.must("WITH")?;
            Test::EndsWith(self.text("a text in single quotes")?)
        } else if self.eat("WITHIN")? {
            Test::WithinDays(self.days("WITHIN 30 DAYS")?)
        } else if self.eat("MORE")? {
            self.must("THAN")?;
            let days = self.days("MORE THAN 30 DAYS AGO")?;
            self.must("AGO")?;
            Test::MoreThanDaysAgo(days)
        } else {
            return Err(self.no_comparison());
        };
        Ok((Question::Test(test), negated))
    }

    fn days(&mut self, example: &str) -> Parsed<Number> {
        let Kind::Number(days) = self.token.kind else {
            let error = self.unexpected(words!("expected a number of days"));
            return Err(error.help(words!("write `{example}`")));
        };
        self.advance()?;
        self.must("DAYS")?;
        Ok(days)
    }

    fn list(&mut self) -> Parsed<Vec<ValueExpr>> {
        if self.token.kind != Kind::Open {
            let help = words!("values stand in round brackets: `IN ('a', 'b')`");
            return Err(self.unexpected(words!("expected `(`")).help(help));
        }
        self.advance()?;
        if self.token.kind == Kind::Close {
            let help = words!("give it values, such as `IN (1, 2)`, or remove the condition");
            return Err(self.unexpected(words!("an empty list of values matches nobody")).help(help));
        }
        let mut values = several(self.right()?);
        while self.token.kind == Kind::Comma {
            self.advance()?;
            values.push(self.right()?);
            if values.len() > IN_VALUES_MAX {
                return Err(self.unexpected(words!("more than {IN_VALUES_MAX} values")));
            }
        }
        self.expect(Kind::Close, "`,` or `)`")?;
        Ok(values)
    }

    /// A text, number or boolean.
    fn literal(&mut self) -> Parsed<Value> {
        let value = match &self.token.kind {
            Kind::Text(text) => Value::string(&**text),
            Kind::Number(number) => Value::Number(*number),
            Kind::Word(word) if word.eq_ignore_ascii_case("TRUE") => Value::Boolean(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("FALSE") => Value::Boolean(false),
            Kind::Word(word) if !is_keyword(word) => {
                let message = words!("expected a value, found `{word}`");
                return Err(self
                    .unexpected(message)
                    .help(words!("text stands in single quotes: `'{word}'`")));
            }
            Kind::Quoted(name) => {
                let message = words!("expected a value, found the name `{name}`");
                return Err(self
                    .unexpected(message)
                    .help(words!("text stands in single quotes: `'{name}'`")));
            }
            _ => return Err(self.no_value()),
        };
        self.advance()?;
        Ok(value)
    }

    /// No value begins here, on the right of a sign.
    #[cold]
    fn no_value(&self) -> Box<ParseError> {
        match &self.token.kind {
            Kind::Word(word) if is_keyword(word) => {
                self.unexpected(words!("expected a value, found the keyword `{word}`"))
            }
            Kind::Equal => self.unexpected(words!("expected a value")).help(words!("equality is one `=`")),
            // With the sides swapped, the sign is swapped as well.
            Kind::Greater => {
                let help = words!("at least is `>=`, at most is `<=`, not equal is `!=`");
                self.unexpected(words!("expected a value")).help(help)
            }
            Kind::Less => {
                let help = words!("at most is `<=`, at least is `>=`, not equal is `!=`");
                self.unexpected(words!("expected a value")).help(help)
            }
            _ => self.unexpected(words!("expected a value")),
        }
    }

    fn text(&mut self, what: &str) -> Parsed<String> {
        let Kind::Text(text) = &self.token.kind else {
            return Err(self.unexpected(words!("expected {what}")));
        };
        let text = text.clone().into_owned();
        self.advance()?;
        Ok(text)
    }

    fn advance(&mut self) -> Parsed<()> {
        self.end = self.token.end;
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn is(&self, keyword: &str) -> bool {
        matches!(&self.token.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn eat(&mut self, keyword: &str) -> Parsed<bool> {
        let found = self.is(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn must(&mut self, keyword: &str) -> Parsed<()> {
        if self.eat(keyword)? { Ok(()) } else { Err(self.unexpected(words!("expected `{keyword}`"))) }
    }

    fn expect(&mut self, kind: Kind<'a>, what: &str) -> Parsed<()> {
        if self.token.kind != kind {
            return Err(self.unexpected(words!("expected {what}")));
        }
        self.advance()
    }

    #[cold]
    fn unexpected(&self, message: impl Into<String>) -> Box<ParseError> {
        ParseError::new(self.token.start, self.token.end, message)
    }
}

/// A list with its first item, and room for as many as are common.
fn several<T>(first: T) -> Vec<T> {
    let mut all = Vec::with_capacity(6);
    all.push(first);
    all
}

/// Reads text that a build printed: blanks and brackets make it longer than what was written.
pub(super) fn parse_printed(text: &str) -> Result<Expr, ParseError> {
    read(text, CRITERIA_PRINTED_BYTES_MAX, None)
}

/// The same for an expression with a value.
pub(super) fn parse_printed_value(text: &str) -> Result<ValueExpr, ParseError> {
    whole(text, CRITERIA_PRINTED_BYTES_MAX, None, Parser::any_value).map_err(|error| *error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Quantity;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn the_grammar_in_examples() {
        for (text, canonical) in [
            ("", "TRUE"),
            ("tier='VIP'", "tier = 'VIP'"),
            ("a <> 1 and not b is null", "a != 1 AND NOT b IS NULL"),
            ("a = 1 or b = 2 and c = 3", "a = 1 OR b = 2 AND c = 3"),
            ("(a = 1 or b = 2) and c = 3", "(a = 1 OR b = 2) AND c = 3"),
            ("name = 'O''Neil'", "name = 'O''Neil'"),
            ("\"order\" in ('a', 'b')", "order IN ('a', 'b')"),
            ("\"order\".x = 1", ""),
            ("\"and\" = 1", "\"and\" = 1"),
            ("x not between -1 and 2.5e3", "x NOT BETWEEN -1 AND 2500.0"),
            ("size(cart.items) >= 2", "SIZE(cart.items) >= 2"),
            ("size = 2", "size = 2"),
            ("segment('high value')", "segment('high value')"),
            ("t within 30 days", "t WITHIN 30 DAYS"),
            ("t not within 30 days", "NOT t WITHIN 30 DAYS"),
            ("t more than 30.5 days ago", "t MORE THAN 30.5 DAYS AGO"),
            ("t not more than 30 days ago", "NOT t MORE THAN 30 DAYS AGO"),
            ("more = 1 and version = 'x'", "more = 1 AND version = 'x'"),
            ("v>=version'1.2' and v <> VERSION '2'", "v >= VERSION '1.2' AND v != VERSION '2'"),
            ("not v = version '1'", "NOT v = VERSION '1'"),
            ("all(tags) = 'a'", "ALL(tags) = 'a'"),
            ("not any(\"or\") in (1, 2)", "NOT ANY(\"or\") IN (1, 2)"),
            (
                "at_least(2, tags)(like 'a%' or like 'b%') and x = 1",
                "AT_LEAST(2, tags) (LIKE 'a%' OR LIKE 'b%') AND x = 1",
            ),
            ("AT_MOST(0, n) > 5 OR EXACTLY(1, n) (= 5)", "AT_MOST(0, n) > 5 OR EXACTLY(1, n) = 5"),
            ("all = 1", "all = 1"),
            ("all(tags) != 'a'", ""),
            ("all(tags) is null", ""),
            ("all(tags) contains 'a'", ""),
            ("at_least(-1, tags) = 'a'", ""),
            ("at_least(tags) = 'a'", ""),
            ("u starts with 'a' and u not ends with 'b'", "u STARTS WITH 'a' AND u NOT ENDS WITH 'b'"),
            ("TRUE OR false", "TRUE OR FALSE"),
            ("\ta\n=\r\n1\u{a0}AND\u{2003} b = 2 \t", "a = 1 AND b = 2"),
            ("event.price > 20", "event.price > 20"),
            ("event.products[].sku = 'a'", "event.products[].sku = 'a'"),
            ("\"event.a b[].sku\" = 'a'", "\"event.a b[].sku\" = 'a'"),
            ("5 < a and 'x' = b", "a > 5 AND b = 'x'"),
            ("a < b", "a < b"),
            ("a+b*-c - (d - e) > f%2", "a + b * -c - (d - e) > f % 2"),
            ("(a + b) * c <> 1", "(a + b) * c != 1"),
            ("not a || 'x' like 'b%'", "NOT a || 'x' LIKE 'b%'"),
            ("size(a) > size(b)", "SIZE(a) > SIZE(b)"),
            ("3 < size(a)", "SIZE(a) > 3"),
            ("x = any(list)", "x = ANY(list)"),
            ("mod(abs(hash(u)), 100) < 50", "ABS(HASH(u)) % 100 < 50"),
            ("now() - t > interval '30 days'", "NOW() - t > INTERVAL 30 DAY"),
            ("t + interval '1' hour < now()", "t + INTERVAL 1 HOUR < NOW()"),
            ("case when a = 1 then 'x' end = 'x'", "CASE WHEN a = 1 THEN 'x' END = 'x'"),
            (
                "case a when 1 then 'x' else b end is not null",
                "CASE a WHEN 1 THEN 'x' ELSE b END IS NOT NULL",
            ),
            ("coalesce(a, null, 3) between b and 9", "COALESCE(a, NULL, 3) BETWEEN b AND 9"),
            ("case = 1 and case in (1, 2)", "\"case\" = 1 AND \"case\" IN (1, 2)"),
            ("interval > 5 and then = end", "interval > 5 AND then = end"),
            ("(a > b or c = 1) = d", "(a > b OR c = 1) = d"),
            ("datediff(day, a, b) >= 7", "DATE_DIFF('day', a, b) >= 7"),
            ("a + 1 not in (b, 2)", "a + 1 NOT IN (b, 2)"),
            ("lower(a) not in ('b', 'c')", "LOWER(a) NOT IN ('b', 'c')"),
            ("a + b", ""),
            ("a = null", ""),
            ("a > b > c", ""),
            ("products[] = 'a'", ""),
            ("products[0].sku = 'a'", ""),
        ] {
            match parse(text) {
                Ok(expr) => assert_eq!(expr.to_string(), canonical, "{text}"),
                Err(error) => assert_eq!(canonical, "", "{text}: {error}"),
            }
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, start, message) in [
            ("tier CONTAINS VIP", 14, "expected a value, found `VIP`"),
            ("tier + 1", 8, "expected a comparison"),
            ("a = 1 +", 7, "expected a value"),
            ("CASE WHEN a = 1 THEN 2 END = CASE b = 1", 36, "expected `WHEN`"),
            ("ROUND(a, 1, 2) = 1", 5, "`ROUND` takes 1 to 2 arguments, not 3"),
            ("NOW(a) = b", 3, "`NOW` takes no arguments, not 1"),
            ("MOD(a) = 1", 3, "`MOD` takes 2 arguments, not 1"),
            ("a = INTERVAL 1 FORTNIGHT", 13, "no interval"),
            ("tier = 'VIP", 7, "this text is never closed"),
            ("= 1", 0, "expected a condition"),
            ("a = 1 b = 2", 6, "expected `AND`, `OR` or the end"),
            ("(a = 1", 6, "expected `)`"),
            ("a = 1)", 5, "this `)` closes nothing"),
            ("uper(a) = 1", 0, "`uper` is not a function"),
            ("a ~ 1", 2, "unexpected `~`"),
            ("a = 01", 4, "`01` is not a number"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.start, error.message.as_str()), (start, message), "{text}");
        }
        for (open, close) in [("(", ")"), ("NOT ", "")] {
            let nested = |depth| format!("{}a = 1{}", open.repeat(depth), close.repeat(depth));
            assert!(parse(&nested(CRITERIA_DEPTH_MAX)).is_ok());
            let deeper = parse(&nested(CRITERIA_DEPTH_MAX + 1)).unwrap_err();
            assert!(deeper.message.contains("nested deeper"));
        }
    }

    #[test]
    #[cfg(feature = "words")]
    fn conditions_are_found_where_they_stand() {
        let text = " a = 1 AND ( NOT segment( 'x' )  or TRUE) AND size(c) >\n2 AND d NOT WITHIN 3 DAYS ";
        let (expr, conditions) = parse_located(text).unwrap();
        assert_eq!(Ok(expr), parse(text));
        let conditions: Vec<&str> = conditions.into_iter().filter_map(|range| text.get(range)).collect();
        assert_eq!(conditions, ["a = 1", "segment( 'x' )", "size(c) >\n2", "d NOT WITHIN 3 DAYS"]);
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            ".{0,8}".prop_map(Value::String),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("finite", |f| Number::float(f).map(Value::Number)),
            any::<bool>().prop_map(Value::Boolean),
        ]
    }

    fn comparison() -> impl Strategy<Value = Comparison> {
        use Comparison::*;
        prop::sample::select(alloc::vec![Less, LessEqual, Greater, GreaterEqual])
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => "[a-z_][a-z0-9_]{0,6}(\\.[a-z]{1,4})?",
            6 => "[ -~é\"]{1,8}",
            4 => prop::sample::select(alloc::vec![
                "Order", "in", "case", "WHEN", "then", "end", "more", "version", "any", "now", "interval", "null", "mod"
            ])
            .prop_map(Into::into),
        ]
    }

    fn computed(condition: BoxedStrategy<Expr>) -> impl Strategy<Value = ValueExpr> {
        use crate::syntax::{Arithmetic, Function, Unit};
        let signs = alloc::vec![
            Arithmetic::Join,
            Arithmetic::Add,
            Arithmetic::Subtract,
            Arithmetic::Multiply,
            Arithmetic::Divide,
            Arithmetic::Remainder,
        ];
        let leaf = prop_oneof![
            name().prop_map(|name| ValueExpr::Name(Name(name))),
            value().prop_map(ValueExpr::Constant),
            Just(ValueExpr::Null),
            Just(ValueExpr::Now),
            (-9_999_i64..9_999, prop::sample::select(Unit::ALL.to_vec()))
                .prop_map(|(count, unit)| ValueExpr::Interval(count, unit)),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let sides = [inner.clone(), inner.clone()];
            let otherwise = prop::option::of(inner.clone().prop_map(Box::new));
            let branch = (condition.clone(), inner.clone());
            prop_oneof![
                4 => (prop::sample::select(signs.clone()), sides)
                    .prop_map(|(sign, [left, right])| ValueExpr::arithmetic(sign, left, right)),
                1 => inner.clone().prop_map(|part| ValueExpr::Negative(Box::new(part))),
                2 => (prop::sample::select(Function::ALL.to_vec()), prop::collection::vec(inner.clone(), 3..5))
                    .prop_map(|(function, mut arguments)| {
                        arguments.truncate(function.arguments().1);
                        ValueExpr::Call(function, arguments)
                    }),
                2 => (prop::collection::vec(branch, 1..3), otherwise.clone())
                    .prop_map(|(branches, otherwise)| ValueExpr::Case(branches, otherwise)),
                1 => (inner.clone(), prop::collection::vec((inner.clone(), inner.clone()), 1..3), otherwise)
                    .prop_filter_map("NULL is no constant", |(of, branches, otherwise)| {
                        let is_null = |value: &ValueExpr| *value == ValueExpr::Null;
                        let has_null = is_null(&of) || branches.iter().any(|(when, _)| is_null(when));
                        (!has_null).then(|| ValueExpr::Switch(Box::new(of), branches, otherwise))
                    }),
                1 => condition.clone().prop_map(ValueExpr::of_condition),
            ]
        })
    }

    /// A test of an expression that has a text.
    fn asked(left: ValueExpr, question: Question, negated: bool) -> Option<Expr> {
        let mut has_null = left == ValueExpr::Null;
        if !matches!(question, Question::AnyOf(_)) {
            question.values(&mut |value| has_null |= *value == ValueExpr::Null);
        }
        (!has_null).then(|| Expr::asked(left, question, negated))
    }

    fn expr() -> impl Strategy<Value = Expr> {
        let one = prop_oneof![
            value().prop_map(Test::Equal),
            (comparison(), value()).prop_map(|(c, v)| Test::Order(c, v)),
            prop::collection::vec(value(), 1..4).prop_map(Test::In),
            (value(), value()).prop_map(|(a, b)| Test::Between(a, b)),
            ".{0,6}".prop_map(Test::Like),
            ".{0,6}".prop_map(Test::StartsWith),
            ".{0,6}".prop_map(Test::EndsWith),
            ".{0,6}".prop_map(Test::Matches),
            (0_i64..1000).prop_map(|n| Test::WithinDays(Number::Integer(n))),
            (0_i64..1000).prop_map(|n| Test::MoreThanDaysAgo(Number::Integer(n))),
            (comparison(), ".{0,6}").prop_map(|(c, v)| Test::Version(c, v)),
            ".{0,6}".prop_map(|v| Test::Version(Comparison::Equal, v)),
        ];
        let quantity = prop_oneof![
            Just(Quantity::Any),
            Just(Quantity::All),
            any::<u32>().prop_map(Quantity::AtLeast),
            any::<u32>().prop_map(Quantity::AtMost),
            any::<u32>().prop_map(Quantity::Exactly),
        ];
        let test = prop_oneof![
            6 => one.clone(),
            1 => value().prop_map(Test::Contains),
            1 => Just(Test::Null),
            1 => (quantity, prop::collection::vec(one, 1..3)).prop_map(|(q, tests)| Test::Items(q, tests)),
            1 => (comparison(), any::<i64>()).prop_map(|(c, n)| Test::Size(c, n)),
        ];
        let leaf = prop_oneof![
            any::<bool>().prop_map(Expr::Constant),
            ".{1,8}".prop_map(Expr::Segment),
            (name(), test, any::<bool>()).prop_map(|(name, test, negated)| Expr::new_test(
                Name(name),
                test,
                negated
            )),
        ]
        .boxed();
        let value = || computed(leaf.clone());
        let all = alloc::vec![
            Comparison::Less,
            Comparison::LessEqual,
            Comparison::Greater,
            Comparison::GreaterEqual,
            Comparison::Equal,
            Comparison::NotEqual,
        ];
        let question = prop_oneof![
            4 => (prop::sample::select(all), value()).prop_map(|(c, v)| Question::Compare(c, v)),
            1 => (value(), value()).prop_map(|(a, b)| Question::Between(a, b)),
            1 => prop::collection::vec(value(), 1..4).prop_map(Question::In),
            1 => value().prop_map(Question::AnyOf),
            1 => Just(Question::Test(Test::Null)),
            1 => ".{0,6}".prop_map(|text| Question::Test(Test::Like(text))),
            1 => ".{0,6}".prop_map(|text| Question::Test(Test::Version(Comparison::Less, text))),
        ];
        let tested = (value(), question, any::<bool>())
            .prop_filter_map("it has a text", |(left, question, negated)| asked(left, question, negated));
        let leaf = prop_oneof![2 => leaf.clone(), 1 => tested];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
                inner.prop_map(|e| Expr::Not(Box::new(e))),
            ]
        })
    }

    proptest! {
        #[test]
        fn printed_trees_parse_back(expr in expr()) {
            let text = expr.to_string();
            prop_assume!(text.len() <= CRITERIA_BYTES_MAX);
            prop_assert_eq!(parse(&text), Ok(expr), "{}", text);
        }

        #[test]
        fn printed_expressions_parse_back(expr in computed(expr().boxed())) {
            let text = expr.to_string();
            prop_assume!(text.len() <= CRITERIA_BYTES_MAX);
            prop_assert_eq!(parse_value(&text), Ok(expr), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            for error in [parse(&text).err(), parse_value(&text).err()].into_iter().flatten() {
                prop_assert!(error.start <= error.end && error.end <= text.len());
            }
        }
    }
}
