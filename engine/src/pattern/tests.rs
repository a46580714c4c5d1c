//! Tests of patterns: the texts they match, the comparisons they lower to, and their cost.

use alloc::string::String;

use super::Pattern;
use crate::limits::{PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_SIZE_MAX, PATTERN_TEXT_BYTES_MAX};

mod oracle;

/// The comparisons that a pattern is; nothing if it is a program.
fn texts(pattern: &str) -> String {
    let Ok(Pattern::Texts(texts)) = Pattern::compile(pattern) else { return String::new() };
    format!("{texts:?}").replace("Text { anchor: ", "").replace(", text: ", " ").replace(" }", "")
}

#[test]
fn what_is_a_comparison_needs_no_program() {
    for (pattern, lowered) in [
        ("^/product/.*", "[Start \"/product/\"]"),
        ("^test_.*", "[Start \"test_\"]"),
        ("^abc$", "[Whole \"abc\"]"),
        (r"\.html$", "[End \".html\"]"),
        (".*cart.*", "[Anywhere \"cart\"]"),
        ("", "[Anywhere \"\"]"),
        ("^(red|blue)$", "[Whole \"red\", Whole \"blue\"]"),
        ("^/a|^/b|/c$", "[Start \"/a\", Start \"/b\", End \"/c\"]"),
        (r".*@(test|example)\.com$", "[End \"@test.com\", End \"@example.com\"]"),
        ("^https?://", "[Start \"http://\", Start \"https://\"]"),
        ("(a|b)(c|d)", "[Anywhere \"ac\", Anywhere \"bc\", Anywhere \"ad\", Anywhere \"bd\"]"),
    ] {
        assert_eq!(texts(pattern), lowered, "{pattern}");
    }
    // A dot stops at a line end, case is more than one text, and 32 texts are no few.
    for pattern in ["^/p/.*$", "^.*a", "(?i)vip", "(?m)^a", "^a|b+", "(a|b)(a|b)(a|b)(a|b)(a|b)", "^a$b"] {
        assert_eq!(texts(pattern), "", "{pattern}");
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
        ("(?s)^a.*$", "a\nb", true),
        ("x*$", "abc", true),
        // Case is a matter of ASCII letters, and everything stays about characters.
        ("(?i)^.$", "é", true),
        ("(?i)^[^x]$", "é", true),
        ("(?i)^É$", "é", false),
        ("(?i)^[k-s]$", "\u{212A}", false),
        ("(?i)^[k-s]$", "K", true),
        ("(?i)s", "\u{17F}", false),
        ("a(?i)b|c", "C", true),
        ("(a(?i)b)c", "aBC", false),
        ("(?i:a)b", "Ab", true),
        ("(?i)a(?-i:b)", "AB", false),
        (r"(?i)^\x61[^[:upper:]]$", "A1", true),
        (r"(?i)^\x61[^[:upper:]]$", "Ab", false),
        // A boundary is between characters, never inside of one.
        (r"\B", "aéa", false),
        (r"\B", "éa", true),
        (r"\B", "", true),
        (r"\b", "é", false),
        (r"^[\w.+-]+@[\w-]+\.[\w.]+$", "a.b+c@shop-1.co.uk", true),
        ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "0195f3a2-7c1d-7e4b-9a10-0123456789ab", true),
        ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "0195f3a2-7c1d-7e4b-9a10-0123456789a", false),
        (r"^(?P<year>\d{4})-(?<month>0[1-9]|1[0-2])$", "2026-11", true),
        ("(?m)^b$", "a\nb\nc", true),
        ("^b$", "a\nb\nc", false),
        (r"\Ab\z", "b\n", false),
        ("(?x) ^ a \\  b # an end: \n $", "a b", true),
        ("(?x)^( ?: a | b ) { 1 , # to\n } \\x { 4 1 } $", "abA", true),
        (r"^\u00e9\x{1F600}\U0001F600\n$", "é😀😀\n", true),
        (r"^\a\f\n\r\t\v$", "\x07\x0C\n\r\t\x0B", true),
        (r"\b{1}a", "a", true),
        // Where the words of a class meet.
        ("^[?@A]+$", "@", true),
        ("^[!-#]$", "\"", true),
        ("(^a)*[bc]", "xb", true),
        ("(^a)+b", "xab", false),
        (r"^[]a-]+$", "]-a", true),
        (r"^[^]a]$", "]", false),
        (r"^[-+.\]\\]+$", r"]\-+.", true),
        (r"^[[:alpha:][:^ascii:]]+$", "aé", true),
        (r"^}]$", "}]", true),
        ("^.{2,3}$", "aaaa", false),
        ("^((){1000}(a{0}){1000}b*){9}$", "bbb", true),
        ("a**", "", true),
        ("(|a)+b", "aab", true),
        (r"[^\s\S]", "a", false),
        ("$^", "", true),
        ("(?U)^a+?$", "aa", true),
    ] {
        assert_eq!(Pattern::compile(pattern).unwrap().is_match(text), expected, "{pattern} on {text}");
    }
}

#[test]
fn what_is_refused_says_why() {
    for (pattern, message) in [
        ("(", "unclosed group"),
        ("a)", "unopened group"),
        ("[", "unclosed character class"),
        ("[]", "unclosed character class"),
        ("[a-", "unclosed character class"),
        ("(?=a)", "look-around"),
        ("(?<!a)", "look-around"),
        (r"(a)\1", "backreferences"),
        ("(?P=a)", "backreferences"),
        ("a{1000}{1000}", "too large"),
        ("(((((a{9}){9}){9}){9}){9}){9}", "too large"),
        ("[éüñ]{400}", "too large"),
        ("*", "nothing before it"),
        ("a|+", "nothing before it"),
        ("(?i)*", "nothing before it"),
        ("a{", "begins no repetition"),
        ("{foo}", "nothing before it"),
        ("a{,3}", "begins no repetition"),
        ("a{2,b}", "upper bound"),
        ("a{2", "unclosed counted repetition"),
        ("a{3,2}", "lower bound above"),
        ("[b-a]", "before its start"),
        (r"[a-\d]", "from one character to another"),
        (r"[\b]", "not places"),
        ("[a[bc]]", "class within a class"),
        ("[[:letter:]]", "class within a class"),
        ("[a&&b]", "operations on classes"),
        (r"\p{L}", "Unicode classes"),
        (r"\xZZ", "hexadecimal"),
        (r"\x{D800}", "hexadecimal"),
        (r"\x{+41}", "hexadecimal"),
        (r"\x{}", "hexadecimal"),
        (r"\Z", "means nothing"),
        (r"\é", "means nothing"),
        (r"\", "nothing after it"),
        (r"\b{start}", "word boundaries"),
        (r"\<a", "word boundaries"),
        (r"a\>", "word boundaries"),
        ("(?x)[a-#\nz]", "within a range"),
        ("(?q)", "stand flags"),
        ("(?>a)", "stand flags"),
        ("(?)", "names none"),
        ("(?i-)", "no flag after it"),
        ("(?ii)", "twice"),
        ("(?-u:a)", "not supported"),
        ("(?<a b>c)", "made of letters"),
        ("(?<1>c)", "made of letters"),
        ("(?<a", "unclosed name"),
        (&"a".repeat(257), "longer than"),
        (&format!("{}{}", "(".repeat(40), ")".repeat(40)), "nest"),
        (&format!("a{}", "*".repeat(40)), "nest"),
    ] {
        let error = Pattern::compile(pattern).unwrap_err();
        assert!(error.contains(message), "{pattern}: {error}");
    }
}

#[test]
fn bounds_are_where_they_are_said_to_be() {
    let groups = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    let classes = |count: usize| format!("[ab]{{{count}}}");
    let length = |length: usize| "a".repeat(length);
    let depth_max = PATTERN_DEPTH_MAX as usize;
    for (at, past, message) in [
        (length(PATTERN_BYTES_MAX), length(PATTERN_BYTES_MAX + 1), "longer than"),
        (groups(depth_max), groups(depth_max + 1), "nest"),
        // The last step is that it was found.
        (classes(PATTERN_SIZE_MAX - 1), classes(PATTERN_SIZE_MAX), "too large"),
    ] {
        assert!(Pattern::compile(&at).is_ok(), "{at}");
        let error = Pattern::compile(&past).unwrap_err();
        assert!(error.contains(message), "{past}: {error}");
    }
}

#[test]
fn work_is_bounded_by_text_and_program() {
    let text = "a".repeat(PATTERN_TEXT_BYTES_MAX - 1) + "!";
    let other = "x".repeat(PATTERN_TEXT_BYTES_MAX);
    let nested = format!("^{}a{}$", "(".repeat(15), ")*".repeat(15));
    for (pattern, text, per_character) in [
        ("(a*)*[bc]", &text, 5),
        ("(a|aa)+$", &text, 6),
        ("^(a+)+$", &text, 5),
        ("(x+x+)+y", &other, 7),
        ("(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)b", &text, 22),
        (&nested, &text, 17),
        ("(?i)[^b]{500}b", &text, 502),
        ("(a?){300}a{300}b", &text, 902),
    ] {
        let pattern_read = Pattern::compile(pattern).unwrap();
        assert!(!pattern_read.is_match(text), "{pattern}");
        let steps = pattern_read.steps(text);
        assert!(steps <= per_character * (text.len() + 1), "{pattern}: {steps} steps");
        assert!(steps <= PATTERN_SIZE_MAX * (text.len() + 1));
        // It cannot be found without looking at the text, so the count is one.
        assert!(steps >= text.len(), "{pattern}: {steps} steps");
    }
    // What can only begin at the start gives up there.
    let anchored = Pattern::compile("^/shop/.*$").unwrap();
    assert!(anchored.steps(&text) <= 3);
}
