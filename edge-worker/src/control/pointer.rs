//! The JSON pointer of a place in a text that was written from a value.

use usher_engine::value::Value;

use crate::wire::json::Json;

/// The pointer to what stands at this character, from 0, of the value's text.
pub(super) fn at(value: &Value, place: usize) -> String {
    let mut pointer = String::new();
    descend(value, place, &mut pointer);
    pointer
}

fn descend(value: &Value, place: usize, pointer: &mut String) {
    // Behind the bracket.
    let mut start: usize = 1;
    match value {
        Value::Object(entries) => {
            for (name, inner) in entries {
                let name_end = start.saturating_add(length(&Value::from(name.as_str())));
                let inner_start = name_end.saturating_add(1);
                let end = inner_start.saturating_add(length(inner));
                if place < end {
                    if place >= start {
                        step(pointer, name);
                        if place >= inner_start {
                            descend(inner, place.saturating_sub(inner_start), pointer);
                        }
                    }
                    return;
                }
                start = end.saturating_add(1);
            }
        }
        Value::List(items) => {
            for (index, inner) in items.iter().enumerate() {
                let end = start.saturating_add(length(inner));
                if place < end {
                    if place >= start {
                        step(pointer, &index.to_string());
                        descend(inner, place.saturating_sub(start), pointer);
                    }
                    return;
                }
                start = end.saturating_add(1);
            }
        }
        _ => {}
    }
}

fn step(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

/// The number of characters of a value's text.
fn length(value: &Value) -> usize {
    let mut json = Json::new();
    json.value(value);
    json.into_text().chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::read;

    #[test]
    fn every_place_has_a_pointer() {
        let text = r#"{"a/b":[1,{"é":"x"}],"c":null}"#;
        let value = read::document(text.as_bytes()).unwrap();
        let at = |part: &str| {
            at(
                &value,
                text.chars().count()
                    - text.split_once(part).unwrap().1.chars().count()
                    - part.chars().count(),
            )
        };
        assert_eq!(at("\"a/b\""), "/a~1b");
        assert_eq!(at("1,"), "/a~1b/0");
        assert_eq!(at("\"x\""), "/a~1b/1/é");
        assert_eq!(at("null"), "/c");
        assert_eq!(at("{\"a/b"), "");
    }
}
