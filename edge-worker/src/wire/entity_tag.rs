//! Entity tags as RFC 9110 writes them in `If-Match`, and `If-None-Match: *`.

/// The condition that nothing is there; no hash is written so.
const NOTHING: &str = "!";

/// The hashes that a condition allows, with commas between; `*` for anything that is there. A weak tag names nothing
/// (RFC 9110, 13.1.1: the comparison is strong), and neither does what is no tag; but one hash alone may go without its
/// quotes.
pub(crate) fn if_match(header: &str) -> String {
    let header = header.trim();
    let is_hash = |tag: &str| !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if header == "*" || is_hash(header) {
        return header.to_owned();
    }
    let mut tags = Vec::new();
    let mut rest = header;
    while !rest.is_empty() {
        let weak = rest.starts_with("W/");
        let quoted =
            rest.trim_start_matches("W/").strip_prefix('"').and_then(|quoted| quoted.split_once('"'));
        if let Some((tag, after)) = quoted {
            if !weak && is_hash(tag) {
                tags.push(tag);
            }
            rest = after;
        }
        // Whatever else stands before the next comma is no tag.
        rest = rest.split_once(',').map_or("", |(_, after)| after.trim_start());
    }
    tags.join(",")
}

/// The condition of an `If-None-Match` header: `*` asks that nothing is there. Any other list asks nothing of a writer here,
/// which names what it replaces.
pub(crate) fn if_none_match(header: &str) -> Option<String> {
    (header.trim() == "*").then(|| NOTHING.to_owned())
}

/// True when the condition allows what runs: its hash, or nothing.
pub(crate) fn allows(condition: &str, running: Option<&str>) -> bool {
    if condition == NOTHING {
        return running.is_none();
    }
    running.is_some_and(|hash| condition == "*" || condition.split(',').any(|tag| tag == hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_the_standard_says() {
        for (header, runs_ab, runs_nothing) in [
            ("*", true, false),
            (" * ", true, false),
            ("\"ab\"", true, false),
            ("\"x\", \"ab\"", true, false),
            ("\"x\",\"ab\" , \"y\"", true, false),
            (",, \"ab\",", true, false),
            ("W/\"ab\"", false, false),
            ("W/\"ab\", \"x\"", false, false),
            ("W/\"x\", \"ab\"", true, false),
            // One tag whose text has a comma.
            ("\"x,ab\"", false, false),
            ("\"x, \"ab", false, false),
            ("\"\"", false, false),
            ("\"*\"", false, false),
            ("ab", true, false),
            ("x, ab", false, false),
            ("\"x\" ab, \"ab\"", true, false),
            ("\"AB\"", false, false),
            ("", false, false),
        ] {
            let condition = if_match(header);
            assert_eq!(allows(&condition, Some("ab")), runs_ab, "{header}");
            assert_eq!(allows(&condition, None), runs_nothing, "{header}");
        }
    }

    #[test]
    fn a_first_bundle_may_ask_that_it_is_one() {
        let condition = if_none_match(" * ").unwrap();
        assert!(allows(&condition, None) && !allows(&condition, Some("ab")));
        assert_eq!(if_none_match("\"ab\""), None);
        // Nobody writes it in the other header.
        assert!(!allows(&if_match("!"), None) && !allows(&if_match("\"!\""), None));
    }
}
