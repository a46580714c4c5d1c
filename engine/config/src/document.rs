//! Parses a text to a tree with the place of every node; all dialects read this tree.
//!
//! YAML comes from the events of `saphyr-parser`, JSON from a reader of our own (a YAML parser refuses surrogate pairs
//! and accepts invalid JSON). Both produce the same [`Node`]s, with byte offsets into the text.

mod json;
mod node;
mod origin;
mod yaml;
mod yaml_words;

use usher_engine::diagnostic::Code;

pub(crate) use node::{Content, Entry, Fault, Node, Scalar, Span, Style};
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

/// Reads a text as JSON.
pub(crate) fn read_json(text: &str) -> Result<(Node, Vec<Fault>), Fault> {
    let mut faults = Vec::new();
    json::read(text, &mut faults).map(|node| (node, faults))
}

#[cfg(test)]
mod tests {
    use usher_engine::value::{Number, Value};

    use super::node::{Scalar, Style};
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
