//! Readers that several dialects share: the audience, and the parts of a personalization.

use std::ops::Range;

use usher_engine::definition::{Audience, Choice, EventTable, Output, Section, Segment, SegmentsAs};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{COLUMNS_MAX, OUTPUTS_MAX, SEGMENTS_MAX};
use usher_engine::syntax::{Expr, ParseError, ValueExpr};

use super::filter::filter;
use crate::document::{Content, Node, Span, origin};
use crate::limits::OUTPUT_NAME_CHARS_MAX;
use crate::lower::{Fields, Lower};
use crate::suggest::help_of;
use crate::text::Text;

/// The keys of a section in both service dialects, without the key of its outputs.
pub(super) const SERVICE_SECTION: [&str; 8] = [
    "name",
    "description",
    "criteria",
    "batch_segments",
    "include_sensitive",
    "key_event",
    "key_event_filters",
    "accept_unknown_profiles",
];

impl Lower {
    /// The audience that a file names; all files must name the same one.
    pub(super) fn audience(&mut self, fields: Fields<'_>, id_key: &str, name_key: &str) {
        let name = self.text(fields, name_key);
        let Some(id) = self.need_id(fields, id_key) else { return };
        let at = (self.text, fields.span(id_key));
        if !Audience::is_id(&id) {
            let message = format!("`{id_key}` cannot be an audience's id: {id}");
            let help = "it stands in addresses: letters, digits, `-`, `_`, `.` and `~`".to_owned();
            return self.note_with(Code::BadId, at.1, message, Some(help));
        }
        match self.audience {
            None => {
                self.audience = Some(at);
                self.places.insert("audience".to_owned(), at);
                self.definition.audience.id = id;
            }
            Some((text, span)) if self.definition.audience.id != id => {
                let first = self.texts.get(text).map(|text| text.place(span));
                let known = &self.definition.audience.id;
                let help =
                    first.map(|place| format!("`{}` says `{known}` on line {}", place.file, place.line));
                let message = format!("`{id_key}` is `{id}`, elsewhere it is `{known}`");
                self.note_with(Code::AudienceMismatch, at.1, message, help);
            }
            Some(_) => {}
        }
        if self.definition.audience.name.is_none() {
            self.definition.audience.name = name;
        }
    }

    pub(super) fn choice(&mut self, fields: Fields<'_>, default: Choice) -> Choice {
        match self.text(fields, "choice").as_deref() {
            None => default,
            Some("all") => Choice::All,
            Some("first") => Choice::First,
            Some(other) => {
                let help = Some("write `all` (every section that matches) or `first`".to_owned());
                self.note_with(
                    Code::UnknownName,
                    fields.span("choice"),
                    format!("unknown choice `{other}`"),
                    help,
                );
                default
            }
        }
    }

    /// The id of a personalization or segment, if one is written.
    pub(super) fn id(&mut self, fields: Fields<'_>) -> Option<String> {
        fields.get("id").and_then(|_| self.need_id(fields, "id"))
    }

    pub(super) fn segments_as(&mut self, fields: Fields<'_>, key: &str) -> SegmentsAs {
        match self.text(fields, key).as_deref() {
            None | Some("names") => SegmentsAs::Names,
            Some("ids") => SegmentsAs::Ids,
            Some("booleans") => SegmentsAs::Booleans,
            Some(other) => {
                let help = "write `names`, `ids` or `booleans`".to_owned();
                let message = format!("unknown form of batch segments `{other}`");
                self.note_with(Code::UnknownName, fields.span(key), message, Some(help));
                SegmentsAs::Names
            }
        }
    }

    /// The sections of a personalization; `read` reads one in its dialect.
    pub(super) fn sections(
        &mut self,
        fields: Fields<'_>,
        path: &str,
        section: fn(&mut Lower, &Node) -> Option<Section>,
    ) -> Vec<Section> {
        let items = self.need(fields, "sections").and_then(|node| self.items_of(node, "sections"));
        if items.is_some_and(<[Node]>::is_empty) {
            let message = "a personalization needs at least one section";
            self.note(Code::EmptyList, fields.span("sections"), message);
        }
        let mut sections = Vec::new();
        for item in items.unwrap_or_default() {
            self.enter(format!("{path}.sections[{}]", sections.len()), item.span);
            sections.extend(section(self, item));
        }
        sections
    }

    /// The parts of a section that both service dialects share.
    pub(super) fn service_section(
        &mut self,
        fields: Fields<'_>,
        name: Option<String>,
        criteria: Option<Expr>,
        outputs: Vec<Output>,
    ) -> Option<Section> {
        let segments = self.segments(fields);
        let include_sensitive = self.boolean(fields, "include_sensitive").unwrap_or(false);
        self.mark_key(".key_event", fields, "key_event");
        let key_event = self.text(fields, "key_event");
        let event_filter = filter(self, fields, "key_event_filters", ".event_filter");
        let accept_unknown_profiles = self.boolean(fields, "accept_unknown_profiles").unwrap_or(true);
        Some(Section {
            name: name?,
            key_event,
            event_filter,
            criteria: criteria.unwrap_or(UNREAD),
            accept_unknown_profiles,
            outputs,
            segments,
            include_sensitive,
        })
    }

    /// Adds an output; its name must be unique in the section.
    pub(super) fn output(&mut self, outputs: &mut Vec<Output>, output: Output, span: Span) {
        // Keeps one more than the bound, for the engine to report.
        if outputs.len() > OUTPUTS_MAX {
            return;
        }
        let name = &output.name;
        if name.chars().count() > OUTPUT_NAME_CHARS_MAX {
            let message = format!("an output's name has at most {OUTPUT_NAME_CHARS_MAX} characters");
            self.note(Code::OverBound, span, message);
        }
        if outputs.iter().any(|other| other.name == *name) {
            let message = format!("the output `{name}` is written twice in this section");
            self.note(Code::DuplicateName, span, message);
        }
        self.mark(&format!(".outputs[{}]", outputs.len()), span);
        outputs.push(output);
    }

    /// Segments that a section's answer lists: names, or `{name, id}`.
    pub(super) fn segments(&mut self, fields: Fields<'_>) -> Vec<Segment> {
        let mut segments = Vec::new();
        for (index, item) in self.items(fields, "batch_segments").unwrap_or_default().iter().enumerate() {
            if let Content::Map(_) = item.content {
                let Some(fields) = self.fields(item, "a batch segment", &["name", "id"]) else { continue };
                if let Some(name) = self.need_text(fields, "name") {
                    let id = self.id(fields);
                    self.segment(&mut segments, Segment { name, id }, fields.span("name"));
                }
            } else if let Some(name) = self.name_of(item, &format!("batch_segments[{index}]")) {
                self.segment(&mut segments, Segment { name, id: None }, item.span);
            }
        }
        segments
    }

    pub(super) fn segment(&mut self, segments: &mut Vec<Segment>, segment: Segment, span: Span) {
        if segments.iter().any(|known| known.name == segment.name) {
            let message = format!("the segment `{}` is written twice in this section", segment.name);
            self.note(Code::DuplicateName, span, message);
            return;
        }
        if segments.len() == SEGMENTS_MAX {
            self.note(Code::OverBound, span, format!("a section lists at most {SEGMENTS_MAX} segments"));
        }
        if segments.len() >= SEGMENTS_MAX {
            return;
        }
        self.mark(&format!(".segments[{}]", segments.len()), span);
        segments.push(segment);
    }

    /// Criteria as text; errors point into the text, through its quotes.
    pub(super) fn criteria_text(&mut self, node: &Node, what: &str) -> Option<Expr> {
        let (criterion, first) = self.next_condition();
        let mut parts = Vec::new();
        let parse = |text: &str| -> Result<(Expr, Vec<Range<usize>>), ParseError> {
            let (expr, conditions) = usher_engine::syntax::parse_located(text)?;
            let mut ranges = conditions.clone();
            for Located { number, part, place } in parts_of_conditions(text, &expr, &conditions) {
                parts.push(format!("{criterion}.conditions[{}].part({part})", first + number));
                ranges.push(place);
            }
            Ok((expr, ranges))
        };
        let (expr, mut spans) = self.parsed(node, what, parse)?;
        let of_parts = spans.split_off(spans.len() - parts.len());
        for span in spans {
            self.mark_condition(span, span, span);
        }
        for (part, span) in parts.iter().zip(of_parts) {
            self.mark(part, span);
        }
        Some(expr)
    }

    /// The expression of the output with this number, in the same way.
    pub(super) fn expression_text(&mut self, node: &Node, output: usize) -> Option<ValueExpr> {
        let mut parts = Vec::new();
        let parse = |text: &str| -> Result<(ValueExpr, Vec<Range<usize>>), ParseError> {
            let expr = usher_engine::syntax::parse_value(text)?;
            let ranges;
            (parts, ranges) = usher_engine::syntax::parts_of_value(text, &expr).into_iter().unzip();
            Ok((expr, ranges))
        };
        let (expr, spans) = self.parsed(node, "an expression", parse)?;
        for (part, span) in parts.iter().zip(spans) {
            self.mark(&format!(".outputs[{output}].part({part})"), span);
        }
        Some(expr)
    }

    /// A tree and the places of its conditions.
    fn parsed<T>(
        &mut self,
        node: &Node,
        what: &str,
        parse: impl FnOnce(&str) -> Result<(T, Vec<Range<usize>>), ParseError>,
    ) -> Option<(T, Vec<Span>)> {
        let Content::Scalar(scalar) = &node.content else {
            let message = format!("{what} must be a text, found {}", node.kind());
            let list = matches!(node.content, Content::List(_));
            let help = list.then(|| "join conditions by `AND` in one text".to_owned());
            self.note_with(Code::WrongType, node.span, message, help);
            return None;
        };
        let text = self.text_of(node, what)?;
        let source = self.texts.get(self.text).map(Text::as_str).unwrap_or_default();
        let span = |start: usize, end: usize| {
            let origin = |at: usize| origin(source, scalar, node.span, at);
            match (origin(start), origin(end)) {
                (Some(start), Some(end)) => Span { start, end: end.max(start) },
                (Some(start), None) => Span { start, end: start },
                _ => node.span,
            }
        };
        match parse(&text) {
            Ok((tree, conditions)) => {
                Some((tree, conditions.into_iter().map(|at| span(at.start, at.end)).collect()))
            }
            Err(error) => {
                let span = span(error.start, error.end);
                let help = help_of(&error);
                self.note_with(Code::BadCriteria, span, error.message, help);
                None
            }
        }
    }
}

/// The two names of an event's table, each a path element of its address.
pub(super) fn event_table(lower: &mut Lower, fields: Fields<'_>, keys: [&str; 2]) -> [Option<String>; 2] {
    let [database, _] = keys;
    keys.map(|key| {
        let name = lower.need_text(fields, key)?;
        let reserved = key == database && EventTable::RESERVED.contains(&name.as_str());
        if reserved || !EventTable::is_name(&name) {
            let (message, help) = if reserved {
                let known = EventTable::RESERVED.join("`, `");
                (
                    format!("no event can be sent to the database `{name}`"),
                    format!("choose another name: `{known}` begin other addresses"),
                )
            } else if let Some((before, table)) = name.split_once('.').filter(|_| key != database) {
                let help = format!("write `{before}` as the database and `{table}` as the table");
                (format!("no event can be sent to the table `{name}`"), help)
            } else {
                let what = if key == database { "database" } else { "table" };
                let (min, max) = (EventTable::NAME_BYTES.start(), EventTable::NAME_BYTES.end());
                let help = format!("a name has {min} to {max} small letters a to z, digits and `_`");
                (format!("no event can be sent to the {what} `{name}`"), help)
            };
            lower.note_with(Code::BadTableName, fields.span(key), message, Some(help));
        }
        Some(name)
    })
}

/// The columns of an event's table, for checks.
pub(super) fn columns(lower: &mut Lower, fields: Fields<'_>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (name, span) in lower.names(fields, "columns") {
        if columns.contains(&name) {
            lower.note(Code::DuplicateName, span, format!("the column `{name}` is written twice"));
        } else if columns.len() == COLUMNS_MAX {
            let message = format!("an event lists at most {COLUMNS_MAX} columns");
            lower.note(Code::OverBound, span, message);
            break;
        } else {
            columns.push(name);
        }
    }
    columns
}

/// The one of two spellings that is used; using both is an error.
pub(super) fn spelling(lower: &mut Lower, fields: Fields<'_>, keys: [&'static str; 2]) -> &'static str {
    let [first, second] = keys;
    match (fields.get(first), fields.entry(second).filter(|entry| !entry.value.is_null())) {
        (Some(_), Some(entry)) => {
            lower.note(
                Code::DuplicateName,
                entry.key_span,
                format!("`{first}` and `{second}` say the same; write one"),
            );
            first
        }
        (None, Some(_)) => second,
        _ => first,
    }
}

/// True if a key is explicitly null. A key with nothing after the colon was forgotten.
pub(super) fn says_none(fields: Fields<'_>, key: &str) -> bool {
    let value = fields.entry(key).map(|entry| &entry.value).filter(|node| node.is_null());
    value.is_some_and(|node| matches!(&node.content, Content::Scalar(scalar) if !scalar.text.is_empty()))
}

/// The substitute for unreadable criteria: no visitor enters, and later sections do not seem unreachable.
pub(super) const UNREAD: Expr = Expr::Constant(false);

/// A part of an expression in the condition of this number: its text, and its bytes in the criterion.
struct Located {
    number: usize,
    part: String,
    place: Range<usize>,
}

/// The parts of the expressions in each condition.
fn parts_of_conditions(text: &str, expr: &Expr, conditions: &[Range<usize>]) -> Vec<Located> {
    let mut leaves = Vec::new();
    leaves_of(expr, &mut leaves);
    let mut all = Vec::new();
    for (number, (leaf, range)) in leaves.into_iter().zip(conditions).enumerate() {
        let written = text.get(range.clone()).unwrap_or_default();
        let parts = usher_engine::syntax::parts_within(written, leaf);
        let located = |(part, place): (String, Range<usize>)| {
            let place = range.start + place.start..range.start + place.end;
            Located { number, part, place }
        };
        all.extend(parts.into_iter().map(located));
    }
    all
}

/// The conditions of a criterion, in the order of the text.
fn leaves_of<'e>(expr: &'e Expr, leaves: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Constant(_) => {}
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| leaves_of(part, leaves)),
        Expr::Not(inner) => leaves_of(inner, leaves),
        leaf => leaves.push(leaf),
    }
}
