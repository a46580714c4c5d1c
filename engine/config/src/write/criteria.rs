//! Writes criteria as text, or as a tree of texts when one text would be too long. Writes filters and durations, too.

use usher_engine::limits::DAY_MS;
use usher_engine::syntax::{Comparison, Expr, Name, Quantity, Test, parse};
use usher_engine::value::Value;

use super::yaml::{Map, Yaml};

/// A criterion. The empty text is one that is always true.
pub(super) fn criteria(expr: &Expr) -> Yaml {
    if *expr == Expr::Constant(true) {
        return Yaml::Text(String::new());
    }
    let text = expr.to_string();
    // Criteria that only programs write have no text: those that are too long, and groups of one part or none.
    if parse(&text).is_ok() && !has_odd_group(expr) { Yaml::Text(text) } else { Yaml::Map(tree(expr)) }
}

/// A filter of events. A pattern on one column is written as `field` and `pattern`.
pub(super) fn filter(expr: &Expr) -> Yaml {
    if let Expr::Test { name: Name(name), test: Test::Matches(pattern), negated: false } = expr
        && let Some(column) = name.strip_prefix(Name::EVENT).filter(|column| !column.is_empty())
        && !pattern.is_empty()
    {
        return Yaml::Map(Map::default().text("field", column).text("pattern", pattern));
    }
    criteria(expr)
}

/// True if a group has fewer than two parts: its text would read back as something else.
fn has_odd_group(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.len() < 2 || parts.iter().any(has_odd_group),
        Expr::Not(inner) => has_odd_group(inner),
        Expr::Constant(_) | Expr::Segment(_) | Expr::Test { .. } | Expr::Computed(_) => false,
    }
}

fn tree(expr: &Expr) -> Map {
    let group = |operator: &'static str, parts: &[Expr]| {
        Map::default()
            .word("operator", operator)
            .with("conditions", Yaml::List(parts.iter().map(criteria).collect()))
    };
    match expr {
        Expr::Constant(true) => Map::default().word("operator", "ALWAYS"),
        Expr::Constant(false) => group("NOT", &[Expr::Constant(true)]),
        Expr::And(parts) => group("AND", parts),
        Expr::Or(parts) => group("OR", parts),
        Expr::Not(inner) => group("NOT", std::slice::from_ref(&**inner)),
        Expr::Segment(name) => Map::default().word("operator", "segment").text("value", name),
        Expr::Test { name: Name(name), test, negated } => question(name, test, *negated),
        // A tree has no form for expressions, so they are written as text.
        Expr::Computed(_) => {
            let text = Yaml::Text(expr.to_string());
            Map::default().word("operator", "AND").with("conditions", Yaml::List(vec![text]))
        }
    }
}

fn question(name: &str, test: &Test, negated: bool) -> Map {
    let either = |plain: &'static str, opposite: &'static str| if negated { opposite } else { plain };
    let text = |text: &String| Some(Value::string(text));
    let (operator, value) = match test {
        Test::Equal(value) => (either("equals", "not_equals"), Some(value.clone())),
        Test::Order(comparison, value) => (order(*comparison), Some(value.clone())),
        Test::In(values) => (either("in", "not_in"), Some(Value::List(values.clone()))),
        Test::Between(low, high) => {
            (either("between", "not_between"), Some(Value::List(vec![low.clone(), high.clone()])))
        }
        Test::Like(pattern) => (either("like", "not_like"), text(pattern)),
        Test::StartsWith(start) => (either("starts_with", "not_starts_with"), text(start)),
        Test::EndsWith(end) => (either("ends_with", "not_ends_with"), text(end)),
        Test::Contains(value) => (either("contains", "not_contains"), Some(value.clone())),
        Test::Matches(pattern) => (either("matches", "not_matches"), text(pattern)),
        Test::Null => (either("not_exists", "exists"), None),
        Test::WithinDays(days) => ("within_days", Some(Value::Number(*days))),
        Test::MoreThanDaysAgo(days) => ("more_than_days_ago", Some(Value::Number(*days))),
        Test::Version(comparison, version) => {
            (either(version_of(*comparison), "version_not_equals"), Some(Value::string(version)))
        }
        Test::Size(comparison, size) => (size_of(*comparison), Some(Value::from(*size))),
        Test::Items(quantity, tests) => return of_items(name, *quantity, tests, negated),
    };
    let map = Map::default().text("attribute", name).word("operator", operator);
    let map = map.maybe("value", value.map(Yaml::Value));
    // Operators without an opposite stand in a `NOT`.
    if negated && !test.has_opposite() { opposite(map) } else { map }
}

fn opposite(map: Map) -> Map {
    Map::default().word("operator", "NOT").with("conditions", Yaml::List(vec![Yaml::Map(map)]))
}

/// A test of each item of a list.
fn of_items(name: &str, quantity: Quantity, tests: &[Test], negated: bool) -> Map {
    let count = |key, count: u32| Yaml::Map(Map::default().with(key, Yaml::Value(i64::from(count).into())));
    let matching = match quantity {
        Quantity::Any => Yaml::Word("any".to_owned()),
        Quantity::All => Yaml::Word("all".to_owned()),
        Quantity::AtLeast(items) => count("at_least", items),
        Quantity::AtMost(items) => count("at_most", items),
        Quantity::Exactly(items) => count("exactly", items),
    };
    let map = if let [only] = tests {
        question(name, only, false).with("array_matching", matching)
    } else {
        // A tree has no form for several tests of one item, so they are written as text.
        let test = Test::Items(quantity, tests.to_vec());
        let text = Expr::Test { name: Name(name.to_owned()), test, negated: false }.to_string();
        Map::default().word("operator", "AND").with("conditions", Yaml::List(vec![Yaml::Text(text)]))
    };
    if negated { opposite(map) } else { map }
}

fn version_of(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "version_less_than",
        Comparison::LessEqual => "version_less_equal",
        Comparison::Greater => "version_greater_than",
        Comparison::GreaterEqual => "version_greater_equal",
        Comparison::Equal => "version_equals",
        Comparison::NotEqual => "version_not_equals",
    }
}

fn order(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "less_than",
        Comparison::LessEqual => "less_equal",
        Comparison::Greater => "greater_than",
        Comparison::GreaterEqual => "greater_equal",
        Comparison::Equal => "equals",
        Comparison::NotEqual => "not_equals",
    }
}

fn size_of(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "list_size_less_than",
        Comparison::LessEqual => "list_size_less_equal",
        Comparison::Greater => "list_size_greater_than",
        Comparison::GreaterEqual => "list_size_greater_equal",
        Comparison::Equal => "list_size_equals",
        Comparison::NotEqual => "list_size_not_equals",
    }
}

/// A duration in the largest unit that divides it: `7d`, `36h`, `90m`. One day is `24h`.
pub(super) fn duration(duration_ms: i64) -> Yaml {
    let units = [(DAY_MS, "d"), (DAY_MS / 24, "h"), (DAY_MS / 1_440, "m")];
    let fits = |(unit_ms, _): &(i64, &str)| duration_ms % unit_ms == 0 && duration_ms != DAY_MS;
    let day = (DAY_MS / 24, "h");
    let (unit_ms, unit) = match units.into_iter().find(fits) {
        Some(unit) => unit,
        None if duration_ms == DAY_MS => day,
        None => (1, "ms"),
    };
    Yaml::Word(format!("{}{unit}", duration_ms / unit_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_do() {
        for (duration_ms, text) in [
            (DAY_MS, "24h"),
            (30 * DAY_MS, "30d"),
            (DAY_MS * 3 / 2, "36h"),
            (90 * 60_000, "90m"),
            (60_000, "1m"),
            (1_500, "1500ms"),
        ] {
            assert_eq!(duration(duration_ms), Yaml::Word(text.to_owned()));
        }
    }
}
