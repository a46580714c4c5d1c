//! The keys of a pipeline's document.

use usher_engine::definition::pipeline::{Column, Format, Output, Pipeline};
use usher_engine::diagnostic::Code;
use usher_engine::limits::{DAY_MS, WINDOW_MS_MAX};

use super::checks;
use super::query::{self, Query};
use super::sql::Use;
use crate::document::{Content, Node, Span};
use crate::lower::{Fields, Lower};
use crate::suggest::{did_you_mean, one_of_these};

/// The TTL of events and rows when nothing says so.
const TTL_MS_DEFAULT: i64 = DAY_MS;

const KEYS: [&str; 6] = ["name", "window", "query", "output", "emission", "state"];

pub(super) fn empty(lower: &mut Lower) {
    let message = "the file is empty: a pipeline has `name`, `query` and `output`";
    lower.note(Code::UnknownDialect, Span::default(), message);
}

/// The parts of `state`.
#[derive(Default)]
struct State {
    default_ms: Option<i64>,
    overrides: Vec<(String, i64)>,
    dimensions: Vec<String>,
}

/// `path` is the pipeline's.
pub(super) fn lower(lower: &mut Lower, node: &Node, path: &str) -> Option<(Pipeline, Vec<Use>)> {
    lower.leave();
    lower.enter(path, node.first_key());
    let fields = lower.fields(node, "a pipeline", &KEYS)?;
    let name = lower.need_text(fields, "name");
    if let Some(node) = fields.get("name") {
        lower.mark(".name", node.span);
    }
    let window_ms = duration_ms(lower, fields, "window");
    let text = fields.get("query").and_then(Node::as_text).unwrap_or_default().to_owned();
    let query = lower.need(fields, "query").and_then(|node| query::lower(lower, node));
    let output = lower.need(fields, "output").and_then(|node| output(lower, node, query.as_ref()));
    let require = emission(lower, fields, query.as_ref());
    let state = fields.get("state").map(|node| state(lower, node, query.as_ref())).unwrap_or_default();
    let Query { from, mut joins, condition, columns, uses, .. } = query?;
    let default_ms = state.default_ms.or(window_ms).unwrap_or(TTL_MS_DEFAULT);
    let ttl_ms = |topic: &str| {
        let of_topic = state.overrides.iter().find(|(known, _)| known == topic);
        of_topic.map_or(default_ms, |(_, ttl_ms)| *ttl_ms)
    };
    for join in &mut joins {
        let topic = &join.source.topic;
        join.ttl_ms = (!state.dimensions.contains(topic)).then(|| ttl_ms(topic));
    }
    let ttl_ms = ttl_ms(&from.topic);
    let (name, require, output) = (name?, require?, output?);
    let query = text;
    Some((Pipeline { name, query, from, ttl_ms, joins, condition, columns, require, output }, uses))
}

/// The columns of the output, and the names among which one is found.
struct Named<'q> {
    query: Option<&'q Query>,
}

impl Named<'_> {
    /// Reports a name that is no column of the output.
    fn check(&self, lower: &mut Lower, name: &str, span: Span, what: &str) {
        let Some(query) = self.query else { return };
        // `*` brings columns that are not known before they come.
        if query.passes() || query.names().any(|known| known == name) {
            return;
        }
        let help = match checks::renamed(query, name) {
            Some(output) => format!("the query calls this column `{output}`"),
            None => one_of_these(name, query.names()),
        };
        let message = format!("`{name}` in {what} is no column of the query");
        lower.note_with(Code::UnknownName, span, message, Some(help));
    }
}

fn output(lower: &mut Lower, node: &Node, query: Option<&Query>) -> Option<Output> {
    let fields = lower.fields(node, "`output`", &["topic", "format", "key", "schema"])?;
    let topic = lower.need_text(fields, "topic");
    if let Some(node) = fields.get("topic") {
        lower.mark(".output.topic", node.span);
    }
    let format = lower.need_text(fields, "format").and_then(|text| {
        let format = match text.as_str() {
            "json" => Some(Format::Json),
            "avro" => Some(Format::Avro),
            _ => None,
        };
        if format.is_none() {
            let help = one_of_these(&text, ["json", "avro"]);
            lower.note_with(
                Code::UnknownName,
                fields.span("format"),
                format!("unknown format `{text}`"),
                Some(help),
            );
        }
        format
    });
    let named = Named { query };
    let key = lower.text(fields, "key");
    if let Some(key) = &key {
        named.check(lower, key, fields.span("key"), "`key`");
    }
    let schema = fields.get("schema").map(|node| schema(lower, node, &named)).unwrap_or_default();
    if let (Some(Format::Avro), Some(query)) = (format, query)
        && let Some(star) = query.columns.iter().position(|column| !matches!(column, Column::Value { .. }))
    {
        let message = "`*` passes columns that are not known before they come, and Avro needs their types";
        let help = "list the columns, or write `format: json`".to_owned();
        let span = query.spans.get(star).copied().unwrap_or(node.span);
        lower.note_with(Code::UnsupportedSql, span, message, Some(help));
    }
    Some(Output { topic: topic?, format: format?, key, schema })
}

/// The types that a schema may name: KaflowSQL's, Avro's and this project's.
const TYPES: [&str; 13] = [
    "string",
    "int",
    "integer",
    "long",
    "float",
    "double",
    "number",
    "boolean",
    "timestamp",
    "date",
    "string_array",
    "number_array",
    "decimal",
];

/// `{column: type}`, or `{name, fields: [{name, type}]}`.
fn schema(lower: &mut Lower, node: &Node, named: &Named<'_>) -> Vec<(String, String)> {
    let Content::Map(entries) = &node.content else {
        lower.wrong(node, "`schema`", "a mapping of columns to types");
        return Vec::new();
    };
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |lower: &mut Lower, name: &str, name_span: Span, value: &Node| {
        named.check(lower, name, name_span, "`schema`");
        let Some(text) = lower.text_of(value, name) else { return };
        if !TYPES.contains(&text.to_lowercase().as_str()) {
            let help = one_of_these(&text, TYPES);
            lower.note_with(Code::UnknownName, value.span, format!("unknown type `{text}`"), Some(help));
        } else if found.iter().any(|(known, _)| known == name) {
            lower.note(Code::DuplicateName, name_span, format!("the column `{name}` is written twice"));
        } else {
            lower.mark(&format!(".output.schema[{}]", found.len()), value.span);
            found.push((name.to_owned(), text.to_lowercase()));
        }
    };
    let Some(fields) = node.get("fields").filter(|fields| matches!(fields.content, Content::List(_))) else {
        for entry in entries {
            add(lower, &entry.key, entry.key_span, &entry.value);
        }
        return found;
    };
    lower.fields(node, "`schema`", &["name", "fields"]);
    for field in lower.items_of(fields, "fields").unwrap_or_default() {
        let Some(field) = lower.fields(field, "a field of `schema`", &["name", "type"]) else { continue };
        let (Some(name), Some(value)) = (lower.need_text(field, "name"), lower.need(field, "type")) else {
            continue;
        };
        add(lower, &name, field.span("name"), value);
    }
    found
}

/// The required columns.
fn emission(lower: &mut Lower, fields: Fields<'_>, query: Option<&Query>) -> Option<Vec<String>> {
    let Some(node) = fields.get("emission") else { return Some(Vec::new()) };
    let fields = lower.fields(node, "`emission`", &["type", "require"])?;
    let require = lower.names(fields, "require");
    let named = Named { query };
    let mut names: Vec<String> = Vec::new();
    for (name, span) in require {
        named.check(lower, &name, span, "`require`");
        if names.contains(&name) {
            lower.note(Code::DuplicateName, span, format!("`{name}` is required twice"));
            continue;
        }
        if let Some(query) = query
            && checks::is_always_there(query, &name)
        {
            let message = format!("the required column `{name}` is never missing");
            let help =
                "it has a value even when no row is joined: require a column of a joined source".to_owned();
            lower.note_with(Code::AlwaysThere, span, message, Some(help));
        }
        names.push(name);
    }
    let kind = lower.text(fields, "type");
    match kind.as_deref() {
        None => {}
        Some("smart") if names.is_empty() => {
            let message = "`smart` waits for columns, and `require` names none";
            let help = "name the columns that a row must have, or write `type: immediate`".to_owned();
            lower.note_with(Code::BadEmission, fields.span("type"), message, Some(help));
        }
        Some("immediate") if !names.is_empty() => {
            let message = "`immediate` does not wait, so `require` has no effect";
            let help = "write `type: smart`, or remove `require`".to_owned();
            lower.note_with(Code::BadEmission, fields.span("type"), message, Some(help));
        }
        Some("smart" | "immediate") => {}
        Some(other) => {
            let help = one_of_these(other, ["smart", "immediate"]);
            let message = format!("unknown emission `{other}`");
            lower.note_with(Code::UnknownName, fields.span("type"), message, Some(help));
        }
    }
    Some(names)
}

fn state(lower: &mut Lower, node: &Node, query: Option<&Query>) -> State {
    let mut state = State::default();
    let Some(fields) = lower.fields(node, "`state`", &["events", "dimensions"]) else { return state };
    for (topic, span) in lower.names(fields, "dimensions") {
        topic_known(lower, query, &topic, span, "`dimensions`");
        if query.is_some_and(|query| query.from.topic == topic) {
            let message = format!("`{topic}` is the source of events, so it is no dimension");
            let help = "dimensions are joined sources whose rows do not expire: remove it here".to_owned();
            lower.note_with(Code::BadQuery, span, message, Some(help));
        }
        state.dimensions.push(topic);
    }
    let events =
        fields.get("events").and_then(|node| lower.fields(node, "`events`", &["default_ttl", "overrides"]));
    let Some(events) = events else { return state };
    state.default_ms = duration_ms(lower, events, "default_ttl");
    let Some(overrides) = events.get("overrides") else { return state };
    let Content::Map(entries) = &overrides.content else {
        lower.wrong(overrides, "`overrides`", "a mapping of topics to durations");
        return state;
    };
    for entry in entries {
        topic_known(lower, query, &entry.key, entry.key_span, "`overrides`");
        if state.dimensions.contains(&entry.key) {
            let message = format!("`{}` is a dimension, whose rows do not expire", entry.key);
            let help = "remove it from `overrides`, or from `dimensions`".to_owned();
            lower.note_with(Code::BadDuration, entry.key_span, message, Some(help));
        }
        let ttl_ms = duration_of(lower, &entry.value, &entry.key);
        state.overrides.extend(ttl_ms.map(|ttl_ms| (entry.key.clone(), ttl_ms)));
    }
    state
}

/// Reports a topic that the query does not read.
fn topic_known(lower: &mut Lower, query: Option<&Query>, topic: &str, span: Span, what: &str) {
    let Some(query) = query else { return };
    let topics = || query.sources().map(|source| source.topic.as_str());
    if topics().any(|known| known == topic) {
        return;
    }
    let of_alias = query.sources().find(|source| source.alias == topic);
    let help = match of_alias {
        Some(source) => format!("name the topic: `{}`", source.topic),
        None => did_you_mean(topic, topics())
            .unwrap_or_else(|| format!("the query reads {}", topics().collect::<Vec<_>>().join(", "))),
    };
    let message = format!("`{topic}` in {what} is no topic of the query");
    lower.note_with(Code::UnknownName, span, message, Some(help));
}

fn duration_ms(lower: &mut Lower, fields: Fields<'_>, key: &str) -> Option<i64> {
    if lower.forgotten(fields, key) {
        return None;
    }
    duration_of(lower, fields.get(key)?, key)
}

fn duration_of(lower: &mut Lower, node: &Node, key: &str) -> Option<i64> {
    let Content::Scalar(scalar) = &node.content else {
        lower.wrong(node, &format!("`{key}`"), "a text such as `24h`");
        return None;
    };
    let found = milliseconds(&scalar.text);
    if found.is_none() {
        let message = format!("invalid duration `{}` of `{key}`", scalar.text);
        let help = "write numbers with ms, s, m, h or d, such as 90s, 1h30m or 7d".to_owned();
        lower.note_with(Code::BadDuration, node.span, message, Some(help));
    } else if found.is_some_and(|ms| ms > WINDOW_MS_MAX) {
        let message =
            format!("the duration of `{key}` is too long: the longest is {} days", WINDOW_MS_MAX / DAY_MS);
        lower.note(Code::BadDuration, node.span, message);
        return None;
    }
    found
}

/// The durations of KaflowSQL's language, and days: `90s`, `1h30m`, `1.5h`, `7d`. At least a millisecond.
fn milliseconds(text: &str) -> Option<i64> {
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let unit_ms = match unit {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => DAY_MS as f64,
            _ => return None,
        };
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        sum += number.parse::<f64>().ok()? * unit_ms;
        rest = after;
    }
    (1.0..1e18).contains(&sum).then_some(sum as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go_and_days() {
        for (text, ms) in [("2h", 7_200_000), ("1h30m", 5_400_000), ("1.5h", 5_400_000), ("90s", 90_000)] {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
        }
        assert_eq!((milliseconds("7d"), milliseconds("250ms")), (Some(7 * DAY_MS), Some(250)));
        for text in
            ["", "5", "h", "1w", "-1h", "0s", "1h 30m", ".5h", "1..5h", "1e3s", "99999999999999999999d"]
        {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
