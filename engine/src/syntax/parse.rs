//! Tokens to tree: precedence NOT > AND > OR, the right side of a comparison is a literal.

mod items;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::ast::{Comparison, Expr, Name, Test};
use super::error::{ParseError, Parsed};
use super::token::{Kind, Lexer, Token, counts_items, is_keyword};
use crate::diagnostic::words;
use crate::limits::{CRITERIA_BYTES_MAX, CRITERIA_DEPTH_MAX, IN_VALUES_MAX};
use crate::value::{Number, Value};

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
    read(text, None)
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
    let expr = read(text, Some(&mut conditions))?;
    Ok((expr, conditions))
}

fn read<'a>(text: &'a str, conditions: Option<&'a mut Vec<Range<usize>>>) -> Result<Expr, ParseError> {
    whole(text, conditions).map_err(|error| *error)
}

fn whole<'a>(text: &'a str, conditions: Option<&'a mut Vec<Range<usize>>>) -> Parsed<Expr> {
    if text.len() > CRITERIA_BYTES_MAX {
        let message = words!("longer than {CRITERIA_BYTES_MAX} bytes");
        return Err(ParseError::new(0, text.len(), message));
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    if token.kind == Kind::End {
        return Ok(Expr::Constant(true));
    }
    let mut parser = Parser { lexer, token, end: 0, depth: 0, conditions };
    let expr = parser.any()?;
    match parser.token.kind {
        Kind::End => Ok(expr),
        Kind::Close => Err(parser.unexpected("this `)` closes nothing")),
        _ => {
            let help = words!("join conditions by `AND` or `OR`; several values stand in `IN ('a', 'b')`");
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

impl<'a> Parser<'a> {
    /// a OR b OR c
    fn any(&mut self) -> Parsed<Expr> {
        let first = self.all()?;
        if !self.is("OR") {
            return Ok(first);
        }
        let mut parts = several(first);
        while self.eat("OR")? {
            parts.push(self.all()?);
        }
        Ok(Expr::Or(parts))
    }

    /// a AND b AND c
    fn all(&mut self) -> Parsed<Expr> {
        let first = self.not()?;
        if !self.is("AND") {
            return Ok(first);
        }
        let mut parts = several(first);
        while self.eat("AND")? {
            parts.push(self.not()?);
        }
        Ok(Expr::And(parts))
    }

    /// NOT a
    fn not(&mut self) -> Parsed<Expr> {
        if !self.is("NOT") {
            let (start, group) = (self.token.start, self.token.kind == Kind::Open);
            let expr = self.condition()?;
            if cfg!(feature = "words")
                && let Some(conditions) = &mut self.conditions
                && !group
                && !matches!(expr, Expr::Constant(_))
            {
                conditions.push(start..self.end);
            }
            return Ok(expr);
        }
        self.descend()?;
        self.advance()?;
        let inner = self.not()?;
        self.depth = self.depth.saturating_sub(1);
        Ok(Expr::Not(Box::new(inner)))
    }

    fn descend(&mut self) -> Parsed<()> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > CRITERIA_DEPTH_MAX {
            return Err(self.unexpected(words!("nested deeper than {CRITERIA_DEPTH_MAX}")));
        }
        Ok(())
    }

    fn condition(&mut self) -> Parsed<Expr> {
        match &self.token.kind {
            Kind::Open => {
                self.descend()?;
                self.advance()?;
                let inner = self.any()?;
                self.expect(Kind::Close, "`)`")?;
                self.depth = self.depth.saturating_sub(1);
                Ok(inner)
            }
            Kind::Word(word) => {
                let word = *word;
                if word.eq_ignore_ascii_case("TRUE") || word.eq_ignore_ascii_case("FALSE") {
                    self.advance()?;
                    return Ok(Expr::Constant(word.eq_ignore_ascii_case("TRUE")));
                }
                if is_keyword(word) {
                    let found = words!("expected a name, found the keyword `{word}`");
                    return Err(self
                        .unexpected(found)
                        .help(words!("write `\"{word}\"` if it is the name of an attribute")));
                }
                self.advance()?;
                if self.token.kind != Kind::Open {
                    return self.test(Name(word.into()));
                }
                if word.eq_ignore_ascii_case("SEGMENT") {
                    self.advance()?;
                    let name = self.text("a segment's name in single quotes")?;
                    self.expect(Kind::Close, "`)`")?;
                    return Ok(Expr::Segment(name));
                }
                if word.eq_ignore_ascii_case("SIZE") {
                    return self.size();
                }
                if counts_items(word) {
                    return self.items(word);
                }
                let known =
                    words!("the functions are `SIZE(list)`, `segment('name')`, `ALL(list)` and `ANY(list)`");
                Err(self.unexpected(words!("`{word}` is not a function")).help(known))
            }
            Kind::Quoted(name) => {
                let name = Name(name.clone().into_owned());
                self.advance()?;
                self.test(name)
            }
            Kind::Text(_) | Kind::Number(_) => Err(self
                .unexpected(words!("expected a name on the left"))
                .help(words!("write the name first: `tier = 'VIP'`"))),
            _ => Err(self.unexpected(words!("expected a condition"))),
        }
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

    /// SIZE(list) > n
    fn size(&mut self) -> Parsed<Expr> {
        self.advance()?;
        let name = self.list_name()?;
        let comparison = match self.token.kind {
            Kind::Equal => Comparison::Equal,
            Kind::NotEqual => Comparison::NotEqual,
            Kind::Less => Comparison::Less,
            Kind::LessEqual => Comparison::LessEqual,
            Kind::Greater => Comparison::Greater,
            Kind::GreaterEqual => Comparison::GreaterEqual,
            _ => return Err(self.unexpected(words!("expected a comparison with a number"))),
        };
        self.advance()?;
        let Kind::Number(Number::Integer(count)) = self.token.kind else {
            return Err(self.unexpected(words!("expected a whole number")));
        };
        self.advance()?;
        Ok(Expr::Test { name, test: Test::Size(comparison, count), negated: false })
    }

    /// Test of a named value.
    fn test(&mut self, name: Name) -> Parsed<Expr> {
        let (test, negated) = self.question()?;
        Ok(Expr::new_test(name, test, negated))
    }

    /// A test, and whether it is negated.
    fn question(&mut self) -> Parsed<(Test, bool)> {
        let comparison = match self.token.kind {
            Kind::Equal | Kind::NotEqual => {
                let negated = self.token.kind == Kind::NotEqual;
                self.advance()?;
                let test = match self.version()? {
                    Some(version) => Test::Version(Comparison::Equal, version),
                    None => Test::Equal(self.literal()?),
                };
                return Ok((test, negated));
            }
            Kind::Less => Some(Comparison::Less),
            Kind::LessEqual => Some(Comparison::LessEqual),
            Kind::Greater => Some(Comparison::Greater),
            Kind::GreaterEqual => Some(Comparison::GreaterEqual),
            _ => None,
        };
        if let Some(comparison) = comparison {
            self.advance()?;
            let test = match self.version()? {
                Some(version) => Test::Version(comparison, version),
                None => Test::Order(comparison, self.literal()?),
            };
            return Ok((test, false));
        }
        if self.eat("IS")? {
            let negated = self.eat("NOT")?;
            if !self.eat("NULL")? {
                return Err(self
                    .unexpected(words!("expected `NULL`"))
                    .help(words!("write `IS NULL` or `IS NOT NULL`")));
            }
            return Ok((Test::Null, negated));
        }
        let negated = self.eat("NOT")?;
        let test = if self.eat("IN")? {
            Test::In(self.list()?)
        } else if self.eat("BETWEEN")? {
            let low = self.literal()?;
            if !self.eat("AND")? {
                return Err(self
                    .unexpected(words!("expected `AND`"))
                    .help(words!("write `BETWEEN 1 AND 5`")));
            }
            Test::Between(low, self.literal()?)
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
            return Err(self.unexpected(words!("expected a comparison")).help(words!("after a name stands one of = != < <= > >= IN BETWEEN LIKE CONTAINS MATCHES STARTS WITH, ENDS WITH, \
                 WITHIN n DAYS, MORE THAN n DAYS AGO, IS NULL")));
        };
        Ok((test, negated))
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

    /// VERSION '1.2', if it is next.
    fn version(&mut self) -> Parsed<Option<String>> {
        if self.eat("VERSION")? { self.text("a version in single quotes").map(Some) } else { Ok(None) }
    }

    fn list(&mut self) -> Parsed<Vec<Value>> {
        if self.token.kind != Kind::Open {
            let help = words!("values stand in round brackets: `IN ('a', 'b')`");
            return Err(self.unexpected(words!("expected `(`")).help(help));
        }
        self.advance()?;
        if self.token.kind == Kind::Close {
            let help = words!("give it values, such as `IN (1, 2)`, or remove the condition");
            return Err(self.unexpected(words!("an empty list of values matches nobody")).help(help));
        }
        let mut values = several(self.literal()?);
        while self.token.kind == Kind::Comma {
            self.advance()?;
            values.push(self.literal()?);
            if values.len() > IN_VALUES_MAX {
                return Err(self.unexpected(words!("more than {IN_VALUES_MAX} values")));
            }
        }
        self.expect(Kind::Close, "`,` or `)`")?;
        Ok(values)
    }

    fn literal(&mut self) -> Parsed<Value> {
        let value = match &self.token.kind {
            Kind::Text(text) => Value::string(&**text),
            Kind::Number(number) => Value::Number(*number),
            Kind::Word(word) if word.eq_ignore_ascii_case("TRUE") => Value::Boolean(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("FALSE") => Value::Boolean(false),
            Kind::Word(word) if is_keyword(word) => {
                let message = words!("expected a value, found the keyword `{word}`");
                let error = self.unexpected(message);
                let null = word.eq_ignore_ascii_case("NULL");
                return Err(if null {
                    error.help(words!("write `IS NULL` or `IS NOT NULL`"))
                } else {
                    error
                });
            }
            Kind::Word(word) => {
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
            Kind::Equal => {
                return Err(self.unexpected(words!("expected a value")).help(words!("equality is one `=`")));
            }
            // With the sides swapped, the sign is swapped as well.
            Kind::Greater => {
                let help = words!("at least is `>=`, at most is `<=`, not equal is `!=`");
                return Err(self.unexpected(words!("expected a value")).help(help));
            }
            Kind::Less => {
                let help = words!("at most is `<=`, at least is `>=`, not equal is `!=`");
                return Err(self.unexpected(words!("expected a value")).help(help));
            }
            _ => return Err(self.unexpected(words!("expected a value"))),
        };
        self.advance()?;
        Ok(value)
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
            ("tier = VIP", 7, "expected a value, found `VIP`"),
            ("tier = 'VIP", 7, "this text is never closed"),
            ("= 1", 0, "expected a condition"),
            ("a = 1 b = 2", 6, "expected `AND`, `OR` or the end"),
            ("(a = 1", 6, "expected `)`"),
            ("a = 1)", 5, "this `)` closes nothing"),
            ("upper(a) = 1", 5, "`upper` is not a function"),
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

    fn expr() -> impl Strategy<Value = Expr> {
        let name = prop_oneof![
            "[a-z_][a-z0-9_]{0,6}(\\.[a-z]{1,4})?",
            "[ -~é\"]{1,8}",
            Just("Order".into()),
            Just("in".into())
        ];
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
            (name, test, any::<bool>()).prop_map(|(name, test, negated)| Expr::new_test(
                Name(name),
                test,
                negated
            )),
        ];
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
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Err(error) = parse(&text) {
                prop_assert!(error.start <= error.end && error.end <= text.len());
            }
        }
    }
}
