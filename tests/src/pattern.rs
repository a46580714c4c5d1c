//! The expected shape of an answer: JSON, in which some texts stand for values that are not known before.

use serde_json::Value;

/// Why an answer does not fit; None when it does.
///
/// Objects must have exactly the pattern's keys, unless the pattern has the key `...`, which allows more. The texts
/// `<any>`, `<number>`, `<text>` and `<missing>` stand for what they say.
pub fn mismatch(pattern: &Value, actual: Option<&Value>, at: &str) -> Option<String> {
    let shown = || actual.map_or("missing".to_owned(), Value::to_string);
    if let Value::String(word) = pattern {
        let fits = match word.as_str() {
            "<any>" => actual.is_some(),
            "<number>" => actual.is_some_and(Value::is_number),
            "<text>" => actual.is_some_and(Value::is_string),
            "<missing>" => actual.is_none(),
            _ => actual == Some(pattern),
        };
        return (!fits).then(|| format!("{at}: expected {pattern}, found {}", shown()));
    }
    match (pattern, actual) {
        (Value::Object(pattern), Some(Value::Object(actual))) => {
            for (name, pattern) in pattern.iter().filter(|(name, _)| *name != "...") {
                let found = mismatch(pattern, actual.get(name), &format!("{at}.{name}"));
                if found.is_some() {
                    return found;
                }
            }
            let extra = actual.keys().find(|name| !pattern.contains_key(*name));
            extra.filter(|_| !pattern.contains_key("...")).map(|name| format!("{at}.{name}: not expected"))
        }
        (Value::Array(pattern), Some(Value::Array(actual))) => {
            if pattern.len() != actual.len() {
                return Some(format!("{at}: expected {} items, found {}", pattern.len(), shown()));
            }
            let mut pairs = pattern.iter().zip(actual).enumerate();
            pairs.find_map(|(index, (pattern, actual))| {
                mismatch(pattern, Some(actual), &format!("{at}[{index}]"))
            })
        }
        (Value::Number(a), Some(Value::Number(b))) if same_number(a, b) => None,
        (pattern, actual) => {
            (actual != Some(pattern)).then(|| format!("{at}: expected {pattern}, found {}", shown()))
        }
    }
}

/// Integers are equal as they are: as floats, neighbors above 2^53 would be the same.
fn same_number(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns() {
        let actual = json!({"a": 1, "b": ["x", 2.0], "c": null});
        for (pattern, fits) in [
            (json!({"a": 1, "b": ["x", 2], "c": null}), true),
            (json!({"a": "<number>", "...": 0}), true),
            (json!({"a": 1, "d": "<missing>", "...": 0}), true),
            (json!({"a": 1}), false),
            (json!({"a": 1.0, "...": 0}), true),
            (json!({"a": 2, "...": 0}), false),
            (json!({"b": ["x"], "...": 0}), false),
            (json!({"c": "<missing>", "...": 0}), false),
            (json!([]), false),
        ] {
            assert_eq!(mismatch(&pattern, Some(&actual), "").is_none(), fits, "{pattern}");
        }
    }
}
