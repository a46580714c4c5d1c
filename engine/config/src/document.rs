//! A text as a tree whose every node knows where it stands: the one thing all dialects read.
//!
//! YAML comes from the events of `saphyr-parser`, JSON from a reader of our own (a YAML parser refuses surrogate pairs
//! and accepts what is no JSON). Both end in the same [`Node`]s, with byte offsets into the text.

mod json;
mod origin;
mod yaml;
mod yaml_words;

use usher_engine::diagnostic::Code;
use usher_engine::value::{Number, Value};

pub(crate) use origin::origin;

/// Reads the documents of a text; JSON if the file's name says so.
pub(crate) fn read(name: &str, text: &str) -> (Vec<Node>, Vec<Fault>) {
    let mut faults = Vec::new();
    if text.len() > crate::limits::FILE_BYTES_MAX {
        let message = format!("the file is larger than {} bytes", crate::limits::FILE_BYTES_MAX);
        faults.push(Fault { code: Code::OverBound, message, help: None, span: Span::default() });
        return (Vec::new(), faults);
    }
    let json = name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("json"));
    let read = if json {
        json::read(text, &mut faults).map(|node| vec![node])
    } else {
        yaml::read(text, &mut faults)
    };
    let nodes = read.unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    (nodes, faults)
}

/// What is wrong with a text before anybody asks what it means.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) span: Span,
}

impl Fault {
    fn new(code: Code, span: Span, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into(), help: None, span }
    }

    fn duplicate(key: &str, span: Span) -> Fault {
        Fault::new(Code::DuplicateName, span, format!("the key `{key}` is written twice"))
    }

    fn too_deep(span: Span) -> Fault {
        let max = crate::limits::DOCUMENT_DEPTH_MAX;
        Fault::new(Code::OverBound, span, format!("lists and mappings nest deeper than {max}"))
    }

    fn too_many(span: Span) -> Fault {
        let max = crate::limits::NODES_MAX;
        Fault::new(Code::OverBound, span, format!("the file has more than {max} values, aliases included"))
    }
}

/// A range of bytes of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) span: Span,
}

/// The three shapes of a document.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping and its value. Keys are unique; the first one written stays.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// A text, decoded, and how it was quoted.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: the only one that may be a number, a boolean or null.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`, in JSON too.
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

impl Node {
    /// The value of a key, unless it is missing or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value).filter(|value| !value.is_null())
    }

    /// A key that is written, be its value null.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.value() == Some(Value::Null))
    }

    /// The text of a scalar that is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) if matches!(scalar.value(), Some(Value::String(_))) => Some(&scalar.text),
            _ => None,
        }
    }

    /// In words, for "must be a text, found …".
    pub(crate) fn kind(&self) -> String {
        match &self.content {
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a mapping".to_owned(),
            Content::Scalar(scalar) => match scalar.value() {
                Some(Value::Null) => "null".to_owned(),
                Some(Value::String(_)) => "a text".to_owned(),
                // The quotes are missing more often than the value is wrong, so it is shown.
                _ => format!("`{}`", scalar.text),
            },
        }
    }

    /// The whole of it as a value; None when a number in it is not finite.
    pub(crate) fn value(&self) -> Option<Value> {
        Some(match &self.content {
            Content::Scalar(scalar) => scalar.value()?,
            Content::List(items) => Value::List(items.iter().map(Node::value).collect::<Option<_>>()?),
            Content::Map(entries) => {
                let named = entries.iter().map(|entry| Some((entry.key.clone(), entry.value.value()?)));
                Value::Object(named.collect::<Option<_>>()?)
            }
        })
    }
}

impl Scalar {
    /// What it means by the core schema of YAML 1.2, which JSON shares: `yes` and `no` are texts. None: a number that is
    /// not finite.
    pub(crate) fn value(&self) -> Option<Value> {
        if self.style != Style::Plain {
            return Some(Value::string(&self.text));
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
            "true" | "True" | "TRUE" => Some(Value::Boolean(true)),
            "false" | "False" | "FALSE" => Some(Value::Boolean(false)),
            text => match number(text) {
                Some(number) => number.map(Value::Number),
                None => Some(Value::string(text)),
            },
        }
    }
}

/// Outer None: not a number. Inner None: a number that is not finite.
fn number(text: &str) -> Option<Option<Number>> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(None);
    }
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    if let Some(exponent) = unsigned.get(mantissa.len() + 1..) {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if exponent.is_empty() || !digits(exponent) {
            return None;
        }
    }
    if unsigned.len() == whole.len()
        && let Ok(integer) = text.parse()
    {
        return Some(Some(Number::Integer(integer)));
    }
    Some(text.parse().ok().and_then(Number::float))
}

fn radix(digits: &str, radix: u32) -> Option<Option<Number>> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some(i64::from_str_radix(digits, radix).ok().map(Number::Integer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let plain = |text: &str| Scalar { text: text.to_owned(), style: Style::Plain }.value();
        for text in ["yes", "no", "on", "1_000", "0b1", "1e", "-", ".", "e5", "1.2.3", "2026-01-01", "0xZ"] {
            assert_eq!(plain(text), Some(Value::string(text)), "{text}");
        }
        assert_eq!(plain("+012"), Some(Value::from(12)));
        assert_eq!(plain("0x1F"), Some(Value::from(31)));
        assert_eq!(plain("0o17"), Some(Value::from(15)));
        assert_eq!(plain("1."), Some(Value::Number(Number::Float(1.0))));
        assert_eq!(plain(".5e1"), Some(Value::Number(Number::Float(5.0))));
        assert_eq!(plain("99999999999999999999"), Some(Value::Number(Number::Float(1e20))));
        assert_eq!(plain("1e999"), None);
        assert_eq!(plain("-.inf"), None);
        assert_eq!(plain("~"), Some(Value::Null));
        assert_eq!(Scalar { text: "5".to_owned(), style: Style::Single }.value(), Some(Value::string("5")));
    }

    #[test]
    fn json_reads_tabs_and_escapes() {
        let (nodes, faults) =
            read("a.json", "{\t\"k\\u00e9y\": [\"\\ud83d\\ude00\", 1.5, true, null, {}]\r\n}\n");
        assert!(faults.is_empty(), "{faults:?}");
        let value = nodes[0].get("kéy").unwrap().value().unwrap();
        assert_eq!(value.as_list().unwrap()[0], Value::string("😀"));
        assert_eq!(value.as_list().unwrap()[4], Value::Object(Vec::new()));
    }

    #[test]
    fn json_that_is_none_is_refused_where_it_breaks() {
        let cases = [
            ("{\"a\": 1,}", 7),
            ("{\"a\": 1 // b\n}", 8),
            ("[1, 'a']", 4),
            ("[1 2]", 3),
            ("{\"a\" 1}", 5),
            ("\"\\ud83d\"", 1),
            ("\"\\q\"", 1),
            ("\"a", 0),
            ("[01]", 1),
            ("tru", 0),
            ("", 0),
            ("{} {}", 3),
            ("\"a\nb\"", 0),
            ("\"a\tb\"", 2),
            ("[-]", 1),
        ];
        for (text, at) in cases {
            let (nodes, faults) = read("a.json", text);
            assert!(nodes.is_empty(), "{text}");
            assert_eq!((faults[0].code, faults[0].span.start), (Code::Unreadable, at), "{text}");
        }
    }

    #[test]
    fn yaml_knows_where_things_stand() {
        let text = "\u{feff}é: &a 'x é' # c\nb: *a\nc: {k: \"d\\n\"}\nd: |\n  lit\n";
        let (nodes, faults) = read("a.yaml", text);
        assert!(faults.is_empty(), "{faults:?}");
        let at = |node: &Node| &text[node.span.start..node.span.end];
        assert_eq!(at(nodes[0].get("é").unwrap()), "'x é'");
        assert_eq!(at(nodes[0].get("b").unwrap()), "'x é'");
        assert_eq!(at(nodes[0].get("c").unwrap()), "{k: \"d\\n\"}");
        assert_eq!(at(nodes[0].get("c").unwrap().get("k").unwrap()), "\"d\\n\"");
        assert!(at(nodes[0].get("d").unwrap()).starts_with("lit"));
    }

    #[test]
    fn duplicate_keys_are_found_in_both() {
        for (name, text) in [("a.yaml", "a: 1\nb: 2\na: 3\n"), ("a.json", "{\"a\": 1,\"b\": 2,\"a\": 3}")] {
            let (nodes, faults) = read(name, text);
            assert_eq!(faults[0].code, Code::DuplicateName);
            assert_eq!(nodes[0].get("a").unwrap().value(), Some(Value::from(1)));
        }
    }

    #[test]
    fn bombs_end_at_once() {
        let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..30 {
            let below = format!("*a{},", level - 1).repeat(10);
            laughs.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        for text in [laughs.as_str(), &"[".repeat(100_000), &"- ".repeat(100_000), &"a: [b]\n".repeat(60_000)]
        {
            let (nodes, faults) = read("a.yaml", text);
            assert!(nodes.is_empty());
            assert_eq!(faults.last().unwrap().code, Code::OverBound);
        }
        assert_eq!(read("a.json", &"[".repeat(100_000)).1[0].code, Code::OverBound);
        assert_eq!(read("a.yaml", &" ".repeat(2_000_000)).1[0].code, Code::OverBound);
        assert_eq!(read("a.yaml", "a: &a [*a]\n").1[0].code, Code::Unreadable);
    }
}
