//! The state of lowering that all dialects share: the place of every part of the definition, findings, and typed reads.

mod at;
mod bodies;
mod duration;
mod placeholder;
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
use placeholder::{is_enclosed, is_placeholder};
pub(crate) use unquoted::Unquoted;
use unquoted::unquoted;
use wanted::wanted;

/// The range of a body of the API in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range(usize, Span);

impl Range {
    pub(crate) fn holds(self, (text, span): At) -> bool {
        self.0 == text && self.1.start <= span.start && span.start < self.1.end
    }
}

/// The definition as far as it is read, with its findings.
#[derive(Default)]
pub(crate) struct Lower {
    pub(crate) texts: Vec<Text>,
    /// The current text.
    pub(crate) text: usize,
    pub(crate) definition: Definition,
    pub(crate) examples: Vec<Example>,
    pub(crate) findings: Vec<(Diagnostic, Option<At>)>,
    /// The place of each part of the definition, by its path.
    pub(crate) places: BTreeMap<String, At>,
    /// Parts that were read with errors: further findings about them are consequences.
    pub(crate) broken: BTreeSet<String>,
    /// True if a declaration may be missing because it was unreadable: a text that is not YAML, an event without a
    /// name.
    pub(crate) incomplete: bool,
    /// Keys that are misspelled, by text and mapping: they are not reported as missing.
    misspelled: BTreeSet<(usize, usize, &'static str)>,
    /// The current part.
    path: String,
    /// The current criterion, and the number of its conditions so far.
    criterion: (String, usize),
    /// Bodies of the API that have their keys in snake case.
    pub(crate) snake_case: Vec<Range>,
    /// Scalars without quotes that are read as something other than they look, by the path of their part.
    pub(crate) unquoted: Vec<(String, Unquoted, At)>,
    /// The place of the first audience.
    pub(crate) audience: Option<At>,
    /// References between bodies of the control API.
    pub(crate) bodies: Bodies,
    /// Documents of pipelines, each with its text: what they join is known when all others are read.
    pub(crate) pipelines: Vec<(usize, Node)>,
}

/// A mapping whose keys were checked.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    pub(crate) node: &'n Node,
    /// The kind of mapping in words, such as "an event".
    pub(crate) what: &'static str,
}

impl<'n> Fields<'n> {
    /// The value of a key, unless it is missing or null.
    pub(crate) fn get(self, key: &str) -> Option<&'n Node> {
        self.node.get(key)
    }

    /// An entry, even if its value is null.
    pub(crate) fn entry(self, key: &str) -> Option<&'n Entry> {
        self.node.entry(key)
    }

    /// The range for a finding about a key: its value, or else the whole mapping.
    pub(crate) fn span(self, key: &str) -> Span {
        self.get(key).map_or(self.node.span, |node| node.span)
    }
}

/// Findings.
impl Lower {
    pub(crate) fn new(sources: &[Source]) -> Lower {
        Lower { texts: sources.iter().map(Text::new).collect(), ..Lower::default() }
    }

    /// Reports a finding about the current part.
    pub(crate) fn note(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.note_with(code, span, message, None);
    }

    /// The same, with help.
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

    /// Findings about this body name the API's keys in snake case, as it does.
    pub(crate) fn write_snake_case(&mut self, span: Span) {
        self.snake_case.push(Range(self.text, span));
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic, at: Option<At>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push((diagnostic, at));
            return;
        }
        // Dropped findings are an error only if one of them is.
        let code = if diagnostic.severity() == Severity::Error { Code::OverBound } else { Code::Ignored };
        if !self.findings.iter().skip(FINDINGS_MAX).any(|(known, _)| known.code == code) {
            let message = format!("there are more than {FINDINGS_MAX} findings; the rest is not shown");
            self.findings.push((Diagnostic::new(code, message), None));
        }
    }

    /// True if further findings are dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.findings.len() > FINDINGS_MAX
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.note_with(fault.code, fault.span, fault.message, fault.help);
    }

    /// Makes this part the current one.
    pub(crate) fn enter(&mut self, path: impl Into<String>, span: Span) {
        self.path = path.into();
        self.places.insert(self.path.clone(), (self.text, span));
    }

    /// Leaves the current part.
    pub(crate) fn leave(&mut self) {
        self.path.clear();
    }

    /// The path of a subpart of the current part.
    pub(crate) fn path_of(&self, part: &str) -> String {
        format!("{}{part}", self.path)
    }

    /// Stores the place of a subpart.
    pub(crate) fn mark(&mut self, part: &str, span: Span) {
        self.places.insert(self.path_of(part), (self.text, span));
    }

    /// Stores the place of a criterion; those of its conditions follow, in the order of the text.
    pub(crate) fn mark_criterion(&mut self, part: &str, span: Span) {
        self.mark(part, span);
        self.criterion = (part.to_owned(), 0);
    }

    /// The current criterion, and the number that its next condition has.
    pub(crate) fn next_condition(&self) -> (String, usize) {
        self.criterion.clone()
    }

    /// Stores the place of the next condition, of the name in it, and of the value that it compares with.
    pub(crate) fn mark_condition(&mut self, whole: Span, name: Span, value: Span) {
        let (criterion, number) = &mut self.criterion;
        let part = format!("{criterion}.conditions[{number}]");
        *number += 1;
        for (field, span) in [("", whole), (".name", name), (".value", value)] {
            self.mark(&format!("{part}{field}"), span);
        }
    }

    /// Stores the places of an attribute's part, its name and its column.
    pub(crate) fn mark_part(&mut self, part: &str, node: &Node) {
        self.mark(part, node.span);
        let name = node.get("identifier").or_else(|| node.get("name"));
        for (field, value) in [("name", name), ("column", node.get("column"))] {
            if let Some(value) = value {
                self.mark(&format!("{part}.{field}"), value.span);
            }
        }
    }

    /// Stores the place of a key's value, if it is present.
    pub(crate) fn mark_key(&mut self, part: &str, fields: Fields<'_>, key: &str) {
        if let Some(node) = fields.get(key) {
            self.mark(part, node.span);
        }
    }
}

/// True if an unknown key of an event or attribute belongs to the top of the file, and is indented too far.
fn is_of_the_top(key: &str, what: &str) -> bool {
    let top = [
        "parent_segment_id",
        "parent_segment_name",
        "events",
        "event_tables",
        "attributes",
        "id_stitching",
        "tables",
        "examples",
    ];
    let within = ["an event", "an attribute", "an event table", "a table", "id_stitching", "a stitching key"];
    top.contains(&key) && within.contains(&what)
}

/// Typed reads. Each reports a value that does not fit and returns None; a missing or null value is None without a
/// finding.
impl Lower {
    /// A mapping with these keys only.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&'static str],
    ) -> Option<Fields<'n>> {
        self.fields_and(node, what, known, &[])
    }

    /// The same, with keys of RT 2.0 that Usher ignores.
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
                // At the top of a file, an unknown list may be a misspelled one.
                self.incomplete |= self.path.is_empty() && !matches!(value.content, Content::Scalar(_));
                // Suggestions are the most expensive step, so they are skipped when the finding would be dropped.
                let near = if self.is_full() { None } else { meant(key, known) };
                let help = match near {
                    Some(near) => {
                        self.misspelled.insert((self.text, node.span.start, near));
                        let others: Vec<&str> = known
                            .iter()
                            .filter(|key| self.path.is_empty() && **key != near)
                            .copied()
                            .collect();
                        let also = if others.is_empty() { "" } else { " also known here: " };
                        format!("did you mean `{near}`?{also}{}", others.join(", "))
                    }
                    None if is_of_the_top(key, what) => {
                        format!("`{key}` stands at the top of the file: do not indent it")
                    }
                    None => format!("known here: {}", known.join(", ")),
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

    /// A required text that is not empty.
    pub(crate) fn need_text(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        let node = self.need(fields, key)?;
        let text = self.text_of(node, key)?;
        self.not_empty(text, node.span, key)
    }

    /// A text that is not empty.
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

    /// A required key.
    pub(crate) fn need<'n>(&mut self, fields: Fields<'n>, key: &str) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() {
            self.missing(fields, key, None);
        }
        found
    }

    /// True if a key is present under a wrong name.
    pub(crate) fn is_misspelled(&self, fields: Fields<'_>, key: &'static str) -> bool {
        self.misspelled.contains(&(self.text, fields.node.span.start, key))
    }

    /// Reports a missing key, unless it was misspelled.
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

    /// An id: a text, or the digits of an integer as written.
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
        let help = match is_enclosed(&text) {
            true => "write the id itself in its place, without the signs around it",
            false => "write the id itself in its place, such as `1069944`",
        };
        self.note_with(Code::BadId, node.span, message, Some(help.to_owned()));
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

    /// A value; `part` is the subpart that it belongs to.
    pub(crate) fn value_at(&mut self, node: &Node, part: &str) -> Option<Value> {
        let mut found = Vec::new();
        unquoted(node, &mut found);
        let path = self.path_of(part);
        self.unquoted.extend(found.into_iter().map(|(it, span)| (path.clone(), it, (self.text, span))));
        self.value_of(node)
    }

    /// The value that the next condition compares with.
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

    /// `what` and `wanted` are in words, quotes included.
    pub(crate) fn wrong(&mut self, node: &Node, what: &str, wanted: &str) {
        self.note(Code::WrongType, node.span, format!("{what} must be {wanted}, found {}", node.kind()));
    }
}
