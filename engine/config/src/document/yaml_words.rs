//! Rewrites the YAML parser's messages for people who do not know its terms.

/// Parts of the parser's messages, their replacements, and help.
const WORDS: [(&str, &str, &str); 18] = [
    (
        "mapping values are not allowed",
        "this colon has no place here",
        "a text that holds `: ` must stand in quotes; if it is a key, indent it like those above it",
    ),
    ("unexpected character", "a text cannot begin like this", "put it in quotes"),
    ("anchor or alias", "`*` and `&` begin an alias and an anchor, not a text", "put the text in quotes"),
    (
        "unknown anchor",
        "this alias names nothing",
        "an alias `*name` repeats what was marked `&name`; put a text that begins with `*` in quotes",
    ),
    (
        "'-' indicator",
        "this line is not indented as deep as what it belongs to",
        "indent it like the lines above it",
    ),
    (
        "block sequence entries",
        "a list has no place here",
        "indent `-` below the key of the list, on a line of its own",
    ),
    (
        "did not find expected key",
        "this is not indented like the keys above it",
        "give keys of one mapping the same indentation, and each its colon",
    ),
    ("quoted scalar, found unexpected", "this text in quotes has no end", "close its quote"),
    (
        "indentation in quoted scalar",
        "this text in quotes has no end, or goes on in a line that is indented too little",
        "close its quote",
    ),
    (
        "trailing content after double-quoted",
        "something follows the closing quote",
        "a quote within double quotes is written `\\\"`",
    ),
    ("flow construct", "a list in brackets or a mapping in braces is not closed", "close it with `]` or `}`"),
    ("flow mapping", "a mapping in braces is not closed, or lacks a comma", "write `{a: 1, b: 2}`"),
    ("flow sequence", "a list in brackets is not closed, or lacks a comma", "write `[a, b]`"),
    (
        "simple key",
        "this line has a text where a key with a colon was expected",
        "write `key: value`; long texts stand in quotes",
    ),
    ("expected node content", "a value was expected here", "remove the comma or bracket too many"),
    ("duplicated anchor", "this anchor has another before it", "a value has one anchor"),
    (
        "block scalar",
        "this block of text does not begin as one",
        "after `|` or `>` the text begins on the next line, indented by blanks",
    ),
    ("<document", "something follows the end of the document", "separate documents by a line `---`"),
];

/// The replacement of a message, with help; the message itself if there is none.
pub(super) fn words(info: &str) -> (String, Option<String>) {
    match WORDS.iter().find(|(part, ..)| info.contains(part)) {
        Some((_, message, help)) => ((*message).to_owned(), Some((*help).to_owned())),
        None => (format!("this is no YAML: {info}"), None),
    }
}
