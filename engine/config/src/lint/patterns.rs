//! Lints of texts in criteria: a pattern in the delimiters of another language, `/…/i`, whose slashes are part of it here;
//! a version that is compared as a text, where `1.9` comes after `1.10`.

use usher_engine::definition::{AttributeKind, Definition};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::syntax::{Expr, Test};
use usher_engine::value::Value;

use super::journeys::conditions;

pub(super) fn lint(definition: &Definition, found: &mut Vec<Diagnostic>) {
    for (index, event) in definition.key_events.iter().enumerate() {
        of_expr(event.filter.as_ref(), &format!("key_events[{index}].filter"), found);
    }
    for (index, attribute) in definition.attributes.iter().enumerate() {
        let at = format!("attributes[{index}]");
        if let AttributeKind::Single { filter, .. }
        | AttributeKind::List { filter, .. }
        | AttributeKind::Counter { filter, .. } = &attribute.kind
        {
            of_expr(filter.as_ref(), &format!("{at}.filter"), found);
        }
        if let AttributeKind::List { actions, .. } = &attribute.kind {
            for (number, action) in actions.iter().enumerate() {
                of_expr(action.filter.as_ref(), &format!("{at}.actions[{number}].filter"), found);
            }
        }
    }
    for (index, key) in definition.identity.keys.iter().enumerate() {
        for (field, pattern) in [("valid_regexp", &key.valid_regexp), ("exclude_regex", &key.exclude_regex)] {
            let pattern = pattern.as_deref().unwrap_or_default();
            found.extend(delimited(pattern).map(|it| it.at(format_args!("identity.keys[{index}].{field}"))));
        }
    }
    for (index, personalization) in definition.personalizations.iter().enumerate() {
        for (number, section) in personalization.sections.iter().enumerate() {
            let at = format!("personalizations[{index}].sections[{number}]");
            of_expr(Some(&section.criteria), &format!("{at}.criteria"), found);
            of_expr(section.event_filter.as_ref(), &format!("{at}.event_filter"), found);
        }
    }
    for condition in conditions(definition) {
        of_expr(Some(condition.expr), &condition.at, found);
    }
}

fn of_expr(expr: Option<&Expr>, at: &str, found: &mut Vec<Diagnostic>) {
    let mut next = 0;
    let mut visit = |number: usize, test: &Test| {
        let tests = if let Test::Items(_, tests) = test { tests } else { std::slice::from_ref(test) };
        let of_test = tests.iter().find_map(|test| match test {
            Test::Matches(pattern) => delimited(pattern),
            Test::Order(comparison, Value::String(text)) => version(comparison.as_str(), text),
            Test::Between(Value::String(low), Value::String(_)) => version(">=", low),
            _ => None,
        });
        found.extend(of_test.map(|it| it.at(format_args!("{at}.conditions[{number}].value"))));
    };
    expr.into_iter().for_each(|expr| tests(expr, &mut next, &mut visit));
}

/// Visits every test with its number among the conditions, in the order of the text.
fn tests(expr: &Expr, next: &mut usize, visit: &mut impl FnMut(usize, &Test)) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| tests(part, next, visit)),
        Expr::Not(inner) => tests(inner, next, visit),
        Expr::Test { test, .. } => {
            visit(*next, test);
            *next += 1;
        }
        Expr::Segment(_) | Expr::Computed(_) => *next += 1,
        _ => {}
    }
}

/// A finding about a text that is ordered, and looks like a version: numbers with points between them.
fn version(sign: &str, text: &str) -> Option<Diagnostic> {
    let core = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(2..=3).contains(&core.split('.').count()) || !core.split('.').all(is_number) {
        return None;
    }
    let message = format!("the version `{text}` is compared as a text, in which `1.9` is more than `1.10`");
    let help =
        format!("write `{sign} VERSION '{text}'` (in operator trees `version_greater_equal` and so on)");
    Some(Diagnostic::new(Code::TextVersion, message).help(help))
}

/// A finding about a pattern between slashes: with flags after the last, or with syntax that only makes sense between
/// them. A path such as `/cart/` is fine.
fn delimited(pattern: &str) -> Option<Diagnostic> {
    let (inner, flags) = pattern.strip_prefix('/')?.rsplit_once('/')?;
    let has_flags =
        matches!(flags, "i" | "g" | "m" | "gi" | "ig" | "im" | "mi" | "gm" | "mg" | "gim" | "gmi");
    let is_anchored = inner.starts_with('^') || (inner.ends_with('$') && !inner.ends_with("\\$"));
    let is_escaped = inner.contains("\\/");
    if inner.is_empty() || !(has_flags || flags.is_empty() && (is_anchored || is_escaped)) {
        return None;
    }
    let mended = inner.replace("\\/", "/");
    let mended = if flags.contains('i') { format!("(?i){mended}") } else { mended };
    let message = format!("the slashes around the pattern `{pattern}` are part of what is searched for");
    let help = format!("a pattern stands without delimiters and flags: write `{mended}`");
    Some(Diagnostic::new(Code::DelimitedPattern, message).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_other_texts() {
        for (text, found) in [
            ("1.10", true),
            ("v2.0.1", true),
            ("1.2.3-beta.1", true),
            ("1", false),
            ("2026-01-01", false),
            ("1.2.3.4", false),
            ("a.b", false),
            ("1.", false),
            ("", false),
        ] {
            assert_eq!(version("<", text).is_some(), found, "{text}");
        }
    }

    #[test]
    fn delimiters_are_told_from_paths() {
        let mended = |pattern: &str| {
            let help = delimited(pattern)?.help?;
            Some(help.split('`').nth(1)?.to_owned())
        };
        for (pattern, expected) in [
            ("/cart/i", "(?i)cart"),
            ("/^cart$/", "^cart$"),
            (r"/\/product\/\d+/gi", r"(?i)/product/\d+"),
            (r"/\/product\//", "/product/"),
            ("/^a/m", "^a"),
        ] {
            assert_eq!(mended(pattern).as_deref(), Some(expected), "{pattern}");
        }
        for pattern in
            ["/cart/", "/product/items", "^/cart/", "/", "//", "/men/s", "/shop/us", "/i", "a/b/i", "/a$|b/"]
        {
            assert_eq!(mended(pattern), None, "{pattern}");
        }
    }
}
