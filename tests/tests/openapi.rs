//! Holds every answer of the scenarios to docs/openapi.json: its operation, its status, its code, and the schema of its body.

use std::collections::BTreeSet;

use serde_json::Value;
use usher_tests::deployment::root;
use usher_tests::run::run;
use usher_tests::target::{Answer, Call, InProcess, Target};
use usher_tests::vector;

#[test]
fn every_answer_is_in_the_document() {
    let text = std::fs::read_to_string(root().join("docs/openapi.json")).expect("the document");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut checked = Checked { document: &document, answered: BTreeSet::new(), wrong: Vec::new() };
    for (path, vector) in vector::all() {
        let mut target = Watched { inner: InProcess::start(), checked: &mut checked, vector: &path };
        run(&vector, "in-process", &mut target);
    }
    assert!(checked.wrong.is_empty(), "{}", checked.wrong.join("\n"));
    let operations = document["paths"].as_object().expect("paths").values();
    let every = operations.flat_map(|methods| methods.as_object().expect("methods").values());
    let every: BTreeSet<String> = every.map(|operation| text_of(&operation["operationId"])).collect();
    let silent: Vec<&String> = every.difference(&checked.answered).collect();
    assert!(silent.is_empty(), "no vector has an answer of {silent:?} that is no refusal");
}

struct Checked<'d> {
    document: &'d Value,
    /// The operations that answered with more than refusals.
    answered: BTreeSet<String>,
    wrong: Vec<String>,
}

struct Watched<'c, 'd> {
    inner: InProcess,
    checked: &'c mut Checked<'d>,
    vector: &'c str,
}

impl Target for Watched<'_, '_> {
    fn call(&mut self, call: &Call<'_>) -> Answer {
        let answer = self.inner.call(call);
        if let Err(wrong) = self.checked.answer(call, &answer) {
            let Call { method, path, .. } = call;
            self.checked.wrong.push(format!(
                "{}: {method} {path} {} {}: {wrong}",
                self.vector,
                answer.status,
                answer.text()
            ));
        }
        answer
    }

    fn log(&self) -> String {
        self.inner.log()
    }
}

impl Checked<'_> {
    fn answer(&mut self, call: &Call<'_>, answer: &Answer) -> Result<(), String> {
        let path = call.path.split('?').next().unwrap_or("");
        // Preflights, other methods and unknown paths belong to no operation.
        let no_route = answer.status == 404 && answer.text().contains("no such route");
        // On the paths of the control API nobody but admins learns which routes there are.
        let of_api = ["/audiences/", "/entities/", "/tree/", "/v3/", "/v4/"]
            .iter()
            .any(|start| path.starts_with(start));
        let is_stranger = of_api && [401, 403].contains(&answer.status);
        // A database cannot be called so.
        let of_events = |operation: &Value| operation["operationId"] == "personalizeOrIngest";
        let is_none = self.operation(call.method, path).is_none_or(of_events);
        let is_unknown = no_route || (is_stranger && is_none);
        if call.method == "OPTIONS" || answer.status == 405 || is_unknown || path.len() > 1_000 {
            return Ok(());
        }
        // A token makes the private route, which takes what a batch is not; no batch has this answer.
        let operation = self.operation(call.method, path).ok_or("no operation")?;
        let response = &operation["responses"][answer.status.to_string()];
        if response.is_null() {
            return Err("no answer of this status".to_owned());
        }
        let media = answer.header("content-type").and_then(|media| media.split(';').next()).unwrap_or("");
        let content = &response["content"][media];
        if content.is_null() {
            return Err(format!("no answer of this status is {media}"));
        }
        let body = match media {
            "text/plain" | "application/octet-stream" => Value::String(answer.text()),
            _ => serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?,
        };
        fits(self.document, &content["schema"], &body, "body")?;
        if answer.status < 400 {
            self.answered.insert(text_of(&operation["operationId"]));
            return Ok(());
        }
        let codes = response["x-refusals"].as_array().map_or(&[][..], Vec::as_slice);
        let is_known = codes.iter().any(|known| {
            let name = &known["name"];
            *name == body["code"] || *name == body["error"] || known["code"] == body["code"]
        });
        // The control API has the vendor's codes.
        let of_fault = body["errors"][0]["status"].as_str().and_then(|status| status.parse().ok());
        let is_fault = of_fault == Some(answer.status);
        if is_known || is_fault || body.get("version").is_some() {
            Ok(())
        } else {
            Err("no refusal with this code".to_owned())
        }
    }

    /// The operation whose path has the fewest parameters among those that match.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let matches = |template: &str| {
            let (mut parts, mut wanted) = (path.split('/'), template.split('/'));
            loop {
                match (parts.next(), wanted.next()) {
                    (None, None) => return true,
                    (Some(_), Some(wanted)) if wanted.starts_with('{') => {}
                    (Some(part), Some(wanted)) if part == wanted => {}
                    _ => return false,
                }
            }
        };
        let paths = self.document["paths"].as_object()?.iter().filter(|(template, _)| matches(template));
        let (_, methods) = paths.min_by_key(|(template, _)| template.matches('{').count())?;
        methods.get(method.to_lowercase())
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Checks a value against the parts of JSON Schema that the document uses.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let found = document.pointer(name.trim_start_matches('#')).ok_or_else(|| format!("no {name}"))?;
        return fits(document, found, value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let tried: Vec<_> = any.iter().map(|one| fits(document, one, value, at)).collect();
        let all = || tried.iter().filter_map(|tried| tried.clone().err()).collect::<Vec<_>>().join(", or ");
        return if tried.iter().any(Result::is_ok) { Ok(()) } else { Err(all()) };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    if !types.is_empty() && !types.iter().any(is) {
        return Err(format!("{at} is no {}", types.join(" or ")));
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        return Err(format!("{at} is none of {known:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(name).is_none() {
            return Err(format!("{at} has no {name}"));
        }
    }
    for (name, item) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => return Err(format!("{at} is not in the schema")),
            (Value::Null, Value::Null | Value::Bool(true)) => {}
            (Value::Null, others) => fits(document, others, item, &at)?,
            (known, _) => fits(document, known, item, &at)?,
        }
    }
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    if schema["maxItems"].as_u64().is_some_and(|most| items.len() as u64 > most) {
        return Err(format!("{at} has too many items"));
    }
    if !schema["items"].is_null() {
        for (index, item) in items.iter().enumerate() {
            fits(document, &schema["items"], item, &format!("{at}[{index}]"))?;
        }
    }
    Ok(())
}

#[test]
fn a_value_that_does_not_fit_is_found() {
    let schema: Value = serde_json::from_str(
        r#"{"type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {"a": {"type": "array", "items": {"type": ["integer", "null"]}}, "b": {"enum": ["x"]}}}"#,
    )
    .unwrap();
    for (value, fitting) in [
        (r#"{"a": [1, null], "b": "x"}"#, true),
        (r#"{"a": ["1"]}"#, false),
        (r#"{"b": "x"}"#, false),
        (r#"{"a": [], "b": "y"}"#, false),
        (r#"{"a": [], "c": 1}"#, false),
        ("[]", false),
    ] {
        let value = serde_json::from_str(value).unwrap();
        assert_eq!(fits(&Value::Null, &schema, &value, "it").is_ok(), fitting, "{value}");
    }
}
