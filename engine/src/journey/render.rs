//! The texts of a message, with placeholders replaced.
//!
//! Sensitive values follow the rule of a server route and are withheld: a deployment's destinations have no scope for them. In
//! JSON a value within quotes is escaped, and one outside of them is JSON, `null` where it is missing; in addresses it is
//! percent-encoded; elsewhere it is inserted bare.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::here::{Here, StepAt};
use crate::payload::may_leave;
use crate::plan::{ActivationPlan, Insert};
use crate::progress::Current;
use crate::query::Access;
use crate::time::rfc3339;
use crate::value::Value;

/// The texts of a message.
pub(super) struct Texts {
    pub(super) url: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

pub(super) fn render(here: Here<'_>, plan: &ActivationPlan, at: StepAt, current: &Current) -> Texts {
    let stepped_ms = current.stepped_ms;
    let url = plan.url.as_ref().map(|pieces| text(here, stepped_ms, pieces, Form::Address));
    let headers =
        plan.headers.iter().map(|(name, pieces)| (name.clone(), text(here, stepped_ms, pieces, Form::Bare)));
    let headers = headers.collect();
    let body = match &plan.body {
        Some(pieces) => {
            let is_json = pieces.first().is_some_and(|first| match first {
                Insert::Text(text) => text.trim_start().starts_with(['{', '[', '"']),
                _ => false,
            });
            text(here, stepped_ms, pieces, if is_json { Form::Json } else { Form::Bare })
        }
        None => own_body(here, at, current),
    };
    Texts { url, headers, body }
}

/// The form of a text, which decides how values are inserted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Address,
    Bare,
}

fn text(here: Here<'_>, stepped_ms: i64, pieces: &[Insert], form: Form) -> String {
    let mut out = String::new();
    let mut quotes = Quotes::default();
    for piece in pieces {
        let value = match piece {
            Insert::Text(text) => {
                quotes.read(text);
                out.push_str(text);
                continue;
            }
            piece => value(here, stepped_ms, piece),
        };
        insert(&mut out, value, form, quotes.is_open);
    }
    out
}

fn insert(out: &mut String, value: Option<Value>, form: Form, is_quoted: bool) {
    let bare = |value: &Value| match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    match (form, value) {
        (Form::Json, value) if !is_quoted => out.push_str(&value.unwrap_or(Value::Null).to_string()),
        (Form::Json, Some(value)) => {
            let quoted = Value::String(bare(&value)).to_string();
            let inside = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            out.push_str(inside.unwrap_or_default());
        }
        (Form::Address, Some(value)) => {
            for byte in bare(&value).bytes() {
                if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
                    out.push(char::from(byte));
                } else {
                    out.push('%');
                    for nibble in [byte >> 4, byte & 0xf] {
                        let digit = char::from_digit(nibble.into(), 16).unwrap_or('0');
                        out.push(digit.to_ascii_uppercase());
                    }
                }
            }
        }
        // A header is one line.
        (Form::Bare, Some(value)) => out.extend(bare(&value).chars().filter(|c| !c.is_control())),
        (_, None) => {}
    }
}

fn value(here: Here<'_>, stepped_ms: i64, piece: &Insert) -> Option<Value> {
    match piece {
        Insert::Text(_) => None,
        Insert::Fact(index) => {
            let fact = here.plan.facts.get(usize::from(*index))?;
            let attribute = here.plan.attributes.get(fact.attribute)?;
            let access = Access { server_route: true, sensitive_scope: false };
            may_leave(attribute.sensitive, true, access)
                .then(|| here.call.fact(*index).output(fact.types))
                .flatten()
        }
        Insert::Key(name) => here.profile.key(name).map(Value::string),
        Insert::EventName => {
            let table = here.plan.tables.get(here.call.event?.table)?;
            Some(Value::string(table.table.as_str()))
        }
        Insert::StepTime => Some(Value::String(rfc3339(stepped_ms))),
        Insert::EventTime => here.call.event.map(|event| Value::from(event.time_seconds())),
    }
}

/// True inside of a text in JSON.
#[derive(Default)]
struct Quotes {
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_open => self.is_escaped = true,
                b'"' => self.is_open = !self.is_open,
                _ => {}
            }
        }
    }
}

/// Journey, stage and step, and the time of the step.
fn own_body(here: Here<'_>, at: StepAt, current: &Current) -> String {
    let journey = here.plan.journeys.get(at.journey);
    let stage = journey.and_then(|journey| journey.stages.get(at.stage));
    let step = stage.and_then(|stage| stage.steps.get(at.step));
    let field = |name: &str, text: Option<&str>| (name.into(), Value::string(text.unwrap_or_default()));
    Value::Object(alloc::vec![
        field("journey", journey.map(|journey| journey.name.as_str())),
        field("stage", stage.map(|stage| stage.key.as_str())),
        field("step", step.map(|step| step.id.as_str())),
        ("time".into(), Value::from(current.stepped_ms.div_euclid(1_000))),
    ])
    .to_string()
}
