//! Tokens end where they end, and what cannot be one is refused where it stands.

use alloc::{format, string::ToString};

use crate::limits::{CRITERIA_BYTES_MAX, IN_VALUES_MAX};
use crate::syntax::parse;

#[test]
fn who_writes_another_language_is_told_the_words_of_this_one() {
    for (text, help) in [
        ("a = 1 & b = 2", "write `AND`"),
        ("a = 1 | b = 2", "write `OR`"),
        ("!a = 1", "write `NOT`"),
        ("a IN [1]", "round brackets"),
        ("a IN ]", "round brackets"),
        ("a IN {1}", "round brackets"),
        ("a IN }", "round brackets"),
        ("a MATCHES ^a", "stands in quotes"),
        ("a MATCHES $", "stands in quotes"),
        ("a MATCHES \\d", "stands in quotes"),
        ("a = \u{2018}x\u{2019}", "straight single quotes"),
        ("a = \u{2019}x", "straight single quotes"),
        ("a = \u{201c}x\u{201d}", "straight single quotes"),
        ("a = \u{201d}x", "straight single quotes"),
        ("a CONTAINS x", "`'x'`"),
        ("a CONTAINS \"x\"", "`'x'`"),
        ("a = ALL(x)", "ALL(list) < 5"),
        ("a < ANY(x)", "ALL(list) < 5"),
        ("a = INTERVAL 1 MONTH", "differ in length"),
        ("a = CASE WHEN b > 1 THEN 2", "CASE WHEN"),
        ("a = DATE_DIFF('hour', b, c)", "DATE_DIFF('day'"),
        ("ALL(a) = b", "value = ANY(list)"),
        ("a == 1", "equality is one `=`"),
        ("a => 1", "at least is `>=`"),
        ("a =< 1", "at most is `<=`"),
        ("a = NULL", "write `IS NULL`"),
        ("NULL = a", "IS NULL"),
        ("a + 1", "after a value"),
        ("a IN ()", "give it values"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.help.as_ref().is_some_and(|said| said.contains(help)), "{text}: {error:?}");
    }
    assert_eq!(parse("a ~ 1").unwrap_err().to_string(), "unexpected `~`");
    // There is nothing to say of these.
    for text in ["a = AND", "a ~ 1", "ALL(AND) > 1"] {
        assert_eq!(parse(text).unwrap_err().help, None, "{text}");
    }
}

#[test]
fn bounds_are_where_they_are_said_to_be() {
    let text = |length: usize| format!("a = '{}'", "x".repeat(length - 6));
    assert!(parse(&text(CRITERIA_BYTES_MAX)).is_ok());
    assert!(parse(&text(CRITERIA_BYTES_MAX + 1)).unwrap_err().message.contains("longer than"));
    let list = |count: usize| format!("a IN (1{})", ",1".repeat(count - 1));
    assert!(parse(&list(IN_VALUES_MAX)).is_ok());
    assert!(parse(&list(IN_VALUES_MAX + 1)).unwrap_err().message.contains("more than"));
}

#[test]
fn a_sign_behind_a_number_is_no_part_of_it() {
    assert!(parse("a = 1e+5").is_ok());
    assert!(parse("a = -1").is_ok());
    for text in ["a = 1-5", "a = 1 -5", "a = 1 - 5", "a = 1 --5"] {
        let expr = parse(text).unwrap().to_string();
        assert_eq!(expr, if text.contains("--") { "a = 1 - -5" } else { "a = 1 - 5" });
    }
    assert_eq!(parse("a = -b * 2").unwrap().to_string(), "a = -b * 2");
}
