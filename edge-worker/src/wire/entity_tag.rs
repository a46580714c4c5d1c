//! Entity tags of RFC 9110 in `If-Match`, and `If-None-Match: *`.

/// The condition that no bundle runs; not a possible hash.
const NOTHING: &str = "!";

/// The hashes that a condition allows, separated by commas; `*` for any running bundle. A weak tag matches nothing (RFC
/// 9110, 13.1.1: the comparison is strong), and neither does text that is not a tag; but a single hash may be without
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
        // Other text up to the next comma is not a tag.
        rest = rest.split_once(',').map_or("", |(_, after)| after.trim_start());
    }
    tags.join(",")
}

/// The condition of an `If-None-Match` header: `*` requires that no bundle runs. Other lists set no condition, because
/// a publisher names the bundle that it replaces in `If-Match`.
pub(crate) fn if_none_match(header: &str) -> Option<String> {
    (header.trim() == "*").then(|| NOTHING.to_owned())
}

/// True if the condition allows the running hash, or none.
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
            // One tag whose text contains a comma.
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
        // The other header cannot express it.
        assert!(!allows(&if_match("!"), None) && !allows(&if_match("\"!\""), None));
    }
}
