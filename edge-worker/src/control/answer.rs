//! Answers of calls: plain JSON, resources, and error objects.

use usher_engine::value::Value;

use super::fault::Fault;
use crate::limits::FAULTS_MAX;
use crate::wire::Response;
use crate::wire::json::Json;

/// The result of a call, or its faults.
pub(super) type Result<T> = core::result::Result<T, Vec<Fault>>;

/// An answer, or the faults of a call: at least one.
pub(super) type Answered = Result<Answer>;

/// The answer of a call.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    /// True for the resources of JSON:API, which have the vendor's content type.
    is_resource: bool,
}

impl Answer {
    pub(super) fn plain(status: u16, body: Value) -> Answer {
        Answer { status, body, is_resource: false }
    }

    pub(super) fn resource(status: u16, body: Value) -> Answer {
        Answer { status, body, is_resource: true }
    }
}

/// An answer as a response.
pub(super) fn response(answer: Answered) -> Response {
    let mut json = Json::new();
    match answer {
        Ok(Answer { status, body, is_resource }) => {
            json.value(&body);
            let content = if is_resource { RESOURCE } else { "application/json" };
            Response::typed(status, content, json.into_bytes())
        }
        Err(faults) => {
            let status = faults.first().map_or(500, |fault| fault.status);
            json.object(|o| {
                o.field("errors").list(faults.iter().take(FAULTS_MAX), |json, fault| fault.write(json));
            });
            Response::json(status, json)
        }
    }
}

/// The content type of resources.
const RESOURCE: &str = "application/vnd.treasuredata.v1+json";

/// An object of these fields.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

/// A text, or null.
pub(super) fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}
