//! Texts of templates that stand where somebody has still to write an id.

/// True if a text is a placeholder to fill in: `<id>`, `${ID}`, `{{id}}`.
pub(super) fn is_placeholder(text: &str) -> bool {
    is_enclosed(text) || is_instruction(text)
}

/// True for `<id>`, `${ID}` and `{{id}}`.
pub(super) fn is_enclosed(text: &str) -> bool {
    let text = text.trim();
    [("<", ">"), ("${", "}"), ("{{", "}}")].iter().any(|(open, close)| {
        text.len() > open.len() + close.len() && text.starts_with(open) && text.ends_with(close)
    })
}

/// True for words that ask for an id: `YOUR_PARENT_SEGMENT_ID`, `audience-id-here`, `CHANGE_ME`.
fn is_instruction(text: &str) -> bool {
    const ASKED: [&str; 6] = ["id", "segmentid", "parentsegmentid", "audienceid", "parentsegment", "segment"];
    const WHOLE: [&str; 9] =
        ["todo", "tbd", "fixme", "xxx", "xxxx", "changeme", "replaceme", "replacethis", "placeholder"];
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let words = match words.as_slice() {
        ["your" | "my" | "the" | "some" | "insert" | "enter", rest @ ..] => rest,
        words => words,
    };
    let joined = match words {
        [rest @ .., "here"] => rest.concat(),
        words => words.concat(),
    };
    ASKED.contains(&joined.as_str()) || WHOLE.contains(&joined.as_str())
}
