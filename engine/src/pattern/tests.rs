//! What patterns match, and what they lower to.

use super::Pattern;

#[test]
fn simple_patterns_need_no_automaton() {
    for (pattern, lowered) in [
        ("^/product/.*", "Prefix(\"/product/\")"),
        ("^test_.*", "Prefix(\"test_\")"),
        ("^abc$", "Equals(\"abc\")"),
        (r"\.html$", "Suffix(\".html\")"),
        (".*cart.*", "Substring(\"cart\")"),
        ("", "Substring(\"\")"),
    ] {
        assert_eq!(format!("{:?}", Pattern::compile(pattern).unwrap()), lowered, "{pattern}");
    }
}

#[test]
fn matches() {
    for (pattern, text, expected) in [
        (r".*@(test|example)\.com$", "a@test.com", true),
        (r".*@(test|example)\.com$", "a@test.com.au", false),
        (r"^/p/\d+$", "/p/207", true),
        (r"^/p/\d+$", "/p/207x", false),
        // Digits are ASCII digits.
        (r"^\d$", "٣", false),
        ("(?i)vip", "a ViP b", true),
        // A dot and a class take a character, not a byte.
        ("^.$", "é", true),
        ("^[^x]$", "é", true),
        ("^[éü]+$", "éü", true),
        (r"^\D\S\W$", "éüñ", true),
        (r"^[\d_]+$", "20_7", true),
        (r"^[^\d]$", "é", true),
        (r"\bcart\b", "my cart!", true),
        (r"^\s$", "\u{a0}", false),
        ("^/product/.*", "/product/", true),
        ("a{3}", "xaaax", true),
        // The last `.*` of a lowered pattern stops at a line end, and may.
        ("^a.*", "a\nb", true),
        // Not lowered: the end is anchored, so the dot's line end counts.
        ("^a.*$", "a\nb", false),
        ("x*$", "abc", true),
    ] {
        assert_eq!(Pattern::compile(pattern).unwrap().is_match(text), expected, "{pattern} on {text}");
    }
}

#[test]
fn what_is_refused_says_why() {
    for (pattern, message) in [
        ("(", "unclosed group"),
        ("(?=a)", "look-around"),
        (r"(a)\1", "backreferences"),
        ("a{1000}{1000}", "too large"),
        (&"a".repeat(257), "longer than"),
        (&format!("{}{}", "(".repeat(40), ")".repeat(40)), "nest"),
    ] {
        let error = Pattern::compile(pattern).unwrap_err();
        assert!(error.contains(message), "{pattern}: {error}");
    }
}
