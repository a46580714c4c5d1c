//! What all dialects need to lower a document: a place for every part of the definition, findings, and typed reads.

mod at;
mod bodies;
mod duration;
mod unquoted;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use usher_engine::definition::{Definition, Example};
use usher_engine::diagnostic::{Code, Diagnostic, Severity};
use usher_engine::value::{DataType, Number, Value};

use crate::document::{Content, Entry, Fault, Node, Span};
use crate::limits::FINDINGS_MAX;
use crate::source::Source;
use crate::spelling::in_snake_case;
use crate::suggest::{did_you_mean, meant};
use crate::text::Text;
pub(crate) use at::At;
pub(crate) use bodies::Bodies;
pub(crate) use unquoted::Unquoted;
use unquoted::unquoted;
use wanted::wanted;

/// A range of a text that is a body of the API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body(usize, Span);

impl Body {
    pub(crate) fn holds(self, (text, span): At) -> bool {
        self.0 == text && self.1.start <= span.start && span.start < self.1.end
    }
}

/// The definition as far as it is read, and what was found on the way.
#[derive(Default)]
pub(crate) struct Lower {
    pub(crate) texts: Vec<Text>,
    /// The text that is being read.
    pub(crate) text: usize,
    pub(crate) definition: Definition,
    pub(crate) examples: Vec<Example>,
    pub(crate) findings: Vec<(Diagnostic, Option<At>)>,
    /// Where each part of the definition stands, by its path.
    pub(crate) places: BTreeMap<String, At>,
    /// Parts that were read with errors: what the engine or a lint says of them is only a consequence.
    pub(crate) broken: BTreeSet<String>,
    /// Whether something may be missing that others refer to: a text that is no YAML, an event without a name.
    pub(crate) incomplete: bool,
    /// Keys that are there under a wrong name, by text and mapping: they are not missing as well.
    misspelled: BTreeSet<(usize, usize, &'static str)>,
    /// The part that is being read.
    path: String,
    /// The criterion within it that is being read, and how many of its conditions are.
    criterion: (String, usize),
    /// Bodies of the API that write their keys in snake case.
    pub(crate) snake_case: Vec<Body>,
    /// Scalars without quotes that are read as something that looks otherwise, by the path of what they are.
    pub(crate) unquoted: Vec<(String, Unquoted, At)>,
    /// Where the audience was named first.
    pub(crate) audience: Option<At>,
    /// What bodies of the control API say of each other.
    pub(crate) bodies: Bodies,
}

/// A mapping whose keys are known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    pub(crate) node: &'n Node,
    /// In words, such as "an event".
    pub(crate) what: &'static str,
}

impl<'n> Fields<'n> {
    /// The value of a key, unless it is missing or null.
    pub(crate) fn get(self, key: &str) -> Option<&'n Node> {
        self.node.get(key)
    }

    /// A key that is written, be its value null.
    pub(crate) fn entry(self, key: &str) -> Option<&'n Entry> {
        self.node.entry(key)
    }

    /// Where something about a key is to be shown: its value, or else the whole mapping.
    pub(crate) fn span(self, key: &str) -> Span {
        self.get(key).map_or(self.node.span, |node| node.span)
    }
}

/// Findings.
impl Lower {
    pub(crate) fn new(sources: &[Source]) -> Lower {
        Lower { texts: sources.iter().map(Text::new).collect(), ..Lower::default() }
    }

    /// Notes something that is wrong, or worth knowing, with the part that is being read.
    pub(crate) fn note(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.note_with(code, span, message, None);
    }

    /// The same, saying how to mend it.
    pub(crate) fn note_with(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        if code.severity() == Severity::Error {
            if self.path.is_empty() {
                self.incomplete |=
                    !matches!(code, Code::MissingKey | Code::AudienceMismatch | Code::UnknownKey);
            } else {
                self.broken.insert(self.path.clone());
            }
        }
        let mut diagnostic = Diagnostic::new(code, message).at(&self.path);
        diagnostic.help = help;
        if self.snake_case.iter().any(|body| body.holds((self.text, span))) {
            diagnostic.message = in_snake_case(&diagnostic.message);
            diagnostic.help = diagnostic.help.as_deref().map(in_snake_case);
        }
        self.push(diagnostic, Some((self.text, span)));
    }

    /// What is said of this body spells the API's keys in snake case, as it does.
    pub(crate) fn write_snake_case(&mut self, span: Span) {
        self.snake_case.push(Body(self.text, span));
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic, at: Option<At>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push((diagnostic, at));
            return;
        }
        // Only errors that are dropped are an error.
        let code = if diagnostic.severity() == Severity::Error { Code::OverBound } else { Code::Ignored };
        if !self.findings.iter().skip(FINDINGS_MAX).any(|(known, _)| known.code == code) {
            let message = format!("there are more than {FINDINGS_MAX} findings; the rest is not shown");
            self.findings.push((Diagnostic::new(code, message), None));
        }
    }

    /// Whether further findings are dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.findings.len() > FINDINGS_MAX
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.note_with(fault.code, fault.span, fault.message, fault.help);
    }

    /// From here on, what is read is this part of the definition.
    pub(crate) fn enter(&mut self, path: impl Into<String>, span: Span) {
        self.path = path.into();
        self.places.insert(self.path.clone(), (self.text, span));
    }

    /// Back outside of all parts.
    pub(crate) fn leave(&mut self) {
        self.path.clear();
    }

    /// The path of a smaller part of the part that is being read.
    pub(crate) fn path_of(&self, part: &str) -> String {
        format!("{}{part}", self.path)
    }

    /// Remembers where a smaller part of the part that is being read stands.
    pub(crate) fn mark(&mut self, part: &str, span: Span) {
        self.places.insert(self.path_of(part), (self.text, span));
    }

    /// Remembers where a criterion stands; its conditions follow, in the order in which they are written.
    pub(crate) fn mark_criterion(&mut self, part: &str, span: Span) {
        self.mark(part, span);
        self.criterion = (part.to_owned(), 0);
    }

    /// Remembers where the next condition stands, the name in it, and what that is compared with.
    pub(crate) fn mark_condition(&mut self, whole: Span, name: Span, value: Span) {
        let (criterion, number) = &mut self.criterion;
        let part = format!("{criterion}.conditions[{number}]");
        *number += 1;
        for (field, span) in [("", whole), (".name", name), (".value", value)] {
            self.mark(&format!("{part}{field}"), span);
        }
    }

    /// The same for a part of an attribute, its name and its column.
    pub(crate) fn mark_part(&mut self, part: &str, node: &Node) {
        self.mark(part, node.span);
        let name = node.get("identifier").or_else(|| node.get("name"));
        for (field, value) in [("name", name), ("column", node.get("column"))] {
            if let Some(value) = value {
                self.mark(&format!("{part}.{field}"), value.span);
            }
        }
    }

    /// The same for the value of a key, if it is there.
    pub(crate) fn mark_key(&mut self, part: &str, fields: Fields<'_>, key: &str) {
        if let Some(node) = fields.get(key) {
            self.mark(part, node.span);
        }
    }
}

/// Whether a key that an event or an attribute does not know is one of the whole file, and indented too far.
fn is_of_the_top(key: &str, what: &str) -> bool {
    let top = [
        "parent_segment_id",
        "parent_segment_name",
        "events",
        "event_tables",
        "attributes",
        "id_stitching",
        "examples",
    ];
    let within = ["an event", "an attribute", "an event table", "id_stitching", "a stitching key"];
    top.contains(&key) && within.contains(&what)
}

/// Whether a text stands for what somebody has still to fill in: `<id>`, `${ID}`, `{{id}}`.
fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    [("<", ">"), ("${", "}"), ("{{", "}}")].iter().any(|(open, close)| {
        text.len() > open.len() + close.len() && text.starts_with(open) && text.ends_with(close)
    })
}

/// Typed reads. Each reports what does not fit and answers None; a missing or null value is None without a word.
impl Lower {
    /// A mapping that may have these keys.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&'static str],
    ) -> Option<Fields<'n>> {
        self.fields_and(node, what, known, &[])
    }

    /// The same, with keys that RT 2.0 has here and Usher does not use.
    pub(crate) fn fields_and<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&'static str],
        unused: &[&str],
    ) -> Option<Fields<'n>> {
        let Content::Map(entries) = &node.content else {
            let keys: Vec<String> = known.iter().take(3).map(|key| format!("`{key}`")).collect();
            let more = if known.len() > 3 { " and more" } else { "" };
            let message = format!("{what} must be a mapping, found {}", node.kind());
            let help = format!("write its keys, such as {}{more}", keys.join(", "));
            self.note_with(Code::WrongType, node.span, message, Some(help));
            return None;
        };
        for Entry { key, key_span, value } in entries {
            if unused.contains(&key.as_str()) {
                self.note(Code::Ignored, *key_span, format!("`{key}` in {what} is not used"));
            } else if !known.contains(&key.as_str()) {
                // At the top of a file an unknown list may be a misspelled one.
                self.incomplete |= self.path.is_empty() && !matches!(value.content, Content::Scalar(_));
                // Suggestions cost more than anything else here, so nobody pays for those that nobody will see.
                let near = if self.is_full() { None } else { meant(key, known) };
                let list = || format!("known here: {}", known.join(", "));
                let help = match near {
                    Some(near) => {
                        self.misspelled.insert((self.text, node.span.start, near));
                        let list = if self.path.is_empty() { format!(" {}", list()) } else { String::new() };
                        format!("did you mean `{near}`?{list}")
                    }
                    None if is_of_the_top(key, what) => {
                        format!("`{key}` stands at the top of the file: do not indent it")
                    }
                    None => list(),
                };
                self.note_with(
                    Code::UnknownKey,
                    *key_span,
                    format!("unknown key `{key}` in {what}"),
                    Some(help),
                );
            }
        }
        Some(Fields { node, what })
    }

    pub(crate) fn text(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        fields.get(key).and_then(|node| self.text_of(node, key))
    }

    /// A text that must be there and not be empty.
    pub(crate) fn need_text(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        let node = self.need(fields, key)?;
        let text = self.text_of(node, key)?;
        self.not_empty(text, node.span, key)
    }

    /// A text that must not be empty.
    pub(crate) fn name_of(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text_of(node, what)?;
        self.not_empty(text, node.span, what)
    }

    fn not_empty(&mut self, text: String, span: Span, key: &str) -> Option<String> {
        if text.is_empty() {
            self.note(Code::MissingKey, span, format!("`{key}` must not be empty"));
        }
        (!text.is_empty()).then_some(text)
    }

    /// A key that must be there.
    pub(crate) fn need<'n>(&mut self, fields: Fields<'n>, key: &str) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() {
            self.missing(fields, key, None);
        }
        found
    }

    /// Whether a key is there under a wrong name.
    pub(crate) fn is_misspelled(&self, fields: Fields<'_>, key: &'static str) -> bool {
        self.misspelled.contains(&(self.text, fields.node.span.start, key))
    }

    /// Notes that a key is not there, unless it was only misspelled.
    pub(crate) fn missing(&mut self, fields: Fields<'_>, key: &str, help: Option<String>) {
        let start = fields.node.span.start;
        if !self.misspelled.contains(&(self.text, start, key)) {
            let span = fields.entry(key).map_or(fields.node.span, |entry| entry.key_span);
            let help = help.or_else(|| wanted(key).map(str::to_owned));
            self.note_with(Code::MissingKey, span, format!("missing `{key}` in {}", fields.what), help);
        }
    }

    pub(crate) fn text_of(&mut self, node: &Node, what: &str) -> Option<String> {
        if let Content::Scalar(scalar) = &node.content {
            match scalar.value() {
                Some(Value::String(text)) => return Some(text),
                Some(Value::Null) => {}
                _ => {
                    let message = format!("`{what}` must be a text, found {}", node.kind());
                    let help = format!("put it in quotes: \"{}\"", scalar.text);
                    self.note_with(Code::WrongType, node.span, message, Some(help));
                    return None;
                }
            }
        }
        self.wrong(node, &format!("`{what}`"), "a text");
        None
    }

    /// An id: a text, or the digits of an integer as they are written.
    pub(crate) fn need_id(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        let node = self.need(fields, key)?;
        if let Content::Scalar(scalar) = &node.content
            && matches!(scalar.value(), Some(Value::Number(Number::Integer(_))))
        {
            return Some(scalar.text.clone());
        }
        let text = self.name_of(node, key)?;
        if !is_placeholder(&text) {
            return Some(text);
        }
        let message = format!("`{key}` is a placeholder, not an id: {text}");
        let help = "write the id itself in its place, without the signs around it".to_owned();
        self.note_with(Code::BadId, node.span, message, Some(help));
        None
    }

    pub(crate) fn boolean(&mut self, fields: Fields<'_>, key: &str) -> Option<bool> {
        let node = fields.get(key)?;
        match node.value() {
            Some(Value::Boolean(value)) => Some(value),
            _ => {
                let is_word =
                    |text: &&str| ["yes", "no", "on", "off"].iter().any(|w| w.eq_ignore_ascii_case(text));
                let help = match node.as_text() {
                    Some("true" | "false") => Some("remove the quotes".to_owned()),
                    text => text
                        .filter(is_word)
                        .map(|text| format!("`{text}` is a text, write `true` or `false`")),
                };
                let message = format!("`{key}` must be `true` or `false`, found {}", node.kind());
                self.note_with(Code::WrongType, node.span, message, help);
                None
            }
        }
    }

    /// An integer from 1 up to a bound.
    pub(crate) fn count(&mut self, fields: Fields<'_>, key: &str, max: i64) -> Option<i64> {
        let node = fields.get(key)?;
        match node.value() {
            Some(Value::Number(Number::Integer(value))) if value > max => {
                self.note(Code::OverBound, node.span, format!("`{key}` is {value}, the most is {max}"));
                None
            }
            Some(Value::Number(Number::Integer(value))) if value > 0 => Some(value),
            value => {
                let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let quoted = value.as_ref().and_then(Value::as_str).is_some_and(digits);
                let message = format!("`{key}` must be a whole number above 0, found {}", node.kind());
                let help = quoted.then(|| "remove the quotes".to_owned());
                self.note_with(Code::WrongType, node.span, message, help);
                None
            }
        }
    }

    pub(crate) fn items<'n>(&mut self, fields: Fields<'n>, key: &str) -> Option<&'n [Node]> {
        fields.get(key).and_then(|node| self.items_of(node, key))
    }

    pub(crate) fn items_of<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.content {
            Content::List(items) => Some(items),
            Content::Scalar(scalar) => {
                let message = format!("`{what}` must be a list, found {}", node.kind());
                let names: Vec<&str> = scalar.text.split(',').map(str::trim).collect();
                let help = format!("put it in brackets: [{}]", names.join(", "));
                self.note_with(Code::WrongType, node.span, message, Some(help));
                None
            }
            Content::Map(_) => {
                let message = format!("`{what}` must be a list, found a mapping");
                let help = "write a list of mappings: each begins with `- `, or stands in [ ]".to_owned();
                self.note_with(Code::WrongType, node.span, message, Some(help));
                None
            }
        }
    }

    /// A list of names.
    pub(crate) fn names(&mut self, fields: Fields<'_>, key: &str) -> Vec<(String, Span)> {
        let items = self.items(fields, key).unwrap_or_default();
        let mut names = Vec::new();
        for (index, item) in items.iter().enumerate() {
            names.extend(self.name_of(item, &format!("{key}[{index}]")).map(|name| (name, item.span)));
        }
        names
    }

    pub(crate) fn data_type(&mut self, fields: Fields<'_>, key: &str) -> Option<DataType> {
        let text = self.text(fields, key)?;
        let found = DataType::ALL.into_iter().find(|known| known.as_str() == text);
        if found.is_none() {
            let help = did_you_mean(&text, DataType::ALL.map(DataType::as_str));
            let help = help
                .unwrap_or_else(|| format!("types are {}", DataType::ALL.map(DataType::as_str).join(", ")));
            self.note_with(Code::UnknownName, fields.span(key), format!("unknown type `{text}`"), Some(help));
        }
        found
    }

    /// A value; `part` is what of the part that is being read it is.
    pub(crate) fn value_at(&mut self, node: &Node, part: &str) -> Option<Value> {
        let mut found = Vec::new();
        unquoted(node, &mut found);
        let path = self.path_of(part);
        self.unquoted.extend(found.into_iter().map(|(it, span)| (path.clone(), it, (self.text, span))));
        self.value_of(node)
    }

    /// What the next condition is compared with.
    pub(crate) fn compared(&mut self, node: &Node) -> Option<Value> {
        let (criterion, number) = &self.criterion;
        let part = format!("{criterion}.conditions[{number}].value");
        self.value_at(node, &part)
    }

    pub(crate) fn value_of(&mut self, node: &Node) -> Option<Value> {
        let value = node.value();
        if value.is_none() {
            self.note(Code::WrongType, node.span, "a number must be finite");
        }
        value
    }

    /// `what` and `wanted` in words, quotes included.
    pub(crate) fn wrong(&mut self, node: &Node, what: &str, wanted: &str) {
        self.note(Code::WrongType, node.span, format!("{what} must be {wanted}, found {}", node.kind()));
    }
}
