//! Writes docs/openapi.json, and the tables of docs/http.md, from the table of routes and what is said of each route.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::described::DESCRIBED;
use super::described_api::DESCRIBED_API;
use super::described_operators::DESCRIBED_OPERATORS;
use super::described_rest::DESCRIBED_REST;
use super::described_rows::DESCRIBED_ROWS;
use super::parts::{Answer, Described, Parameter};
use crate::error::Refusal;
use crate::front::auth::Callers;
use crate::front::route::{self, Family, Route};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Compares a file with its text, or writes it with `BLESS=1`.
fn is_in(name: &str, expected: &str) {
    let path = docs(name);
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    } else {
        assert!(known == expected, "docs/{name} is not what the routes say: BLESS=1 writes it");
    }
}

#[test]
fn every_route_is_described() {
    let routes = route::all().map(|route| (route.method, route.path));
    let described = all().map(|described| (described.method, described.path));
    assert!(routes.eq(described), "front/openapi/described.rs has the routes of the table, in its order");
}

/// Those of docs/http.md.
fn of_pages() -> impl Iterator<Item = &'static Described> {
    DESCRIBED.iter().chain(DESCRIBED_OPERATORS).chain(DESCRIBED_ROWS)
}

fn all() -> impl Iterator<Item = &'static Described> {
    of_pages().chain(of_api())
}

fn of_api() -> impl Iterator<Item = &'static Described> {
    DESCRIBED_API.iter().chain(DESCRIBED_REST)
}

#[test]
fn the_pages_have_every_route() {
    page_has("http.md", of_pages());
    page_has("control-api.md", of_api());
}

fn page_has(name: &str, described: impl Iterator<Item = &'static Described>) {
    let page = std::fs::read_to_string(docs(name)).unwrap();
    let head = "| route | key | body → answer |\n|---|---|---|\n";
    let (before, after) = page.split_once(head).expect("a table of routes");
    let (_, after) = after.split_once("\n\n").expect("a line behind it");
    let row = |known: &Described| {
        let path = known.path.replace("{audience}", "{a}");
        let route = format!("`{} {path}` {}", known.method, known.with);
        format!("| {} | {} | {} |", route.trim_end(), known.key, known.text)
    };
    let rows: Vec<String> = described.map(row).collect();
    is_in(name, &format!("{before}{head}{}\n\n{after}", rows.join("\n")));
}

#[test]
fn the_document_is_what_the_routes_say() {
    let schemas: Value = serde_json::from_str(include_str!("schemas.json")).unwrap();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (route, described) in route::all().zip(all()) {
        let methods = paths.entry(route.path.to_owned()).or_default();
        let method = route.method.to_lowercase();
        let operation = operation(route, described);
        match methods.get_mut(&method) {
            Some(other) => *other = joined(other, &operation),
            None => drop(methods.insert(method, operation)),
        }
    }
    let head = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Usher",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Who is this visitor, and what should they see?",
            "description": "The HTTP service of an edge. Every answer has `Cache-Control: private, no-store`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
    });
    let security = security_schemes();
    // One line for each path and schema, so that changes can be read.
    let mut text = head.to_string();
    text.pop();
    let lines = |text: &mut String, items: &mut dyn Iterator<Item = (String, String)>| {
        let items: Vec<String> = items.map(|(name, item)| format!("{}:{item}", json!(name))).collect();
        text.push_str(&items.join(",\n"));
    };
    text.push_str(",\"paths\":{\n");
    lines(&mut text, &mut paths.iter().map(|(path, methods)| (path.clone(), json!(methods).to_string())));
    text.push_str("\n},\"components\":{\"securitySchemes\":");
    text.push_str(&security.to_string());
    text.push_str(",\"schemas\":{\n");
    let schemas = schemas.as_object().unwrap();
    lines(&mut text, &mut schemas.iter().map(|(name, schema)| (name.clone(), schema.to_string())));
    text.push_str("\n}}}\n");
    serde_json::from_str::<Value>(&text).unwrap();
    is_in("openapi.json", &text);
}

fn security_schemes() -> Value {
    let key = |place: &str, name: &str, about: &str| json!({"type": "apiKey", "in": place, "name": name, "description": about});
    let header =
        |about: &str| key("header", "Authorization", &format!("`TD1 <key>` or `Bearer <key>`: {about}"));
    json!({
        "writeKey": header("a write key, which is public and appends only."),
        "serverKey": header("a server key; roles are its scopes."),
        "adminKey": header("an admin key."),
        "previewToken": header("a preview token."),
        "token": key("header", "WP13n-Token", "A public token for pages, a private one for servers."),
        "writeKeyInQuery": key("query", "key", "A write key."),
        "tokenInQuery": key("query", "token", "A public token."),
    })
}

/// The alternatives of keys and tokens.
fn security(callers: Callers) -> Value {
    let scope = |scope: &str| json!({"serverKey": [scope]});
    match callers {
        Callers::Anyone => json!([]),
        Callers::PublicToken => json!([{"writeKey": [], "token": []}]),
        Callers::PrivateToken => json!([{"writeKey": [], "token": []}, {"serverKey": [], "token": []}]),
        Callers::Ingest => json!([{"writeKey": []}, {"serverKey": []}]),
        Callers::Mixed => json!([{"writeKeyInQuery": []}, {"writeKey": []}]),
        Callers::Lookup => json!([scope("personalize"), {"writeKey": [], "token": []}]),
        Callers::Segments => json!([{"tokenInQuery": []}]),
        Callers::Explain => json!([scope("explain"), {"previewToken": []}]),
        Callers::Admin => json!([{"adminKey": []}]),
        Callers::Operator => json!([{"adminKey": []}, scope("metrics")]),
        Callers::Server(kind) => json!([scope(&format!("{kind:?}").to_lowercase())]),
    }
}

/// The refusals of a route: those of its callers and its body, and its own.
fn refusals(route: &Route, described: &Described) -> Vec<Refusal> {
    let mut all = vec![Refusal::HOST_INVALID, Refusal::INTERNAL];
    if route.callers != Callers::Anyone {
        all.extend([Refusal::UNCONFIGURED, Refusal::TOO_NEW, Refusal::STORAGE, Refusal::ENCODING]);
        all.push(Refusal::ORIGIN_INVALID);
    }
    let of_tokens = [Refusal::TOKEN_MISSING, Refusal::TOKEN_UNKNOWN, Refusal::TOKEN_FORMAT];
    let of_keys = [Refusal::KEY_INVALID, Refusal::SCOPE];
    let beside_keys = [Refusal::TOKEN_ACCOUNT];
    match route.callers {
        Callers::Anyone => {}
        Callers::PublicToken | Callers::Mixed => {
            all.extend(
                of_keys.into_iter().chain(of_tokens).chain(beside_keys).chain([Refusal::TOKEN_PRIVATE]),
            );
        }
        Callers::PrivateToken => {
            all.extend(
                of_keys.into_iter().chain(of_tokens).chain(beside_keys).chain([Refusal::TOKEN_PUBLIC]),
            );
        }
        Callers::Lookup => {
            all.extend(of_keys.into_iter().chain(of_tokens).chain(beside_keys));
            all.extend([Refusal::TOKEN_PRIVATE, Refusal::TOKEN_PUBLIC]);
        }
        Callers::Segments => all.extend(of_tokens.into_iter().chain([Refusal::TOKEN_PRIVATE])),
        Callers::Ingest | Callers::Explain | Callers::Admin | Callers::Operator | Callers::Server(_) => {
            all.extend(of_keys);
        }
    }
    if route.body_bytes_max.is_some() {
        all.extend([Refusal::TOO_LARGE, Refusal::TIMEOUT, Refusal::EVENT_INVALID]);
    }
    if !matches!(route.callers, Callers::Anyone | Callers::Admin | Callers::Operator) {
        all.push(Refusal::RATE);
    }
    all.extend_from_slice(described.refusals);
    all
}

fn operation(route: &Route, described: &Described) -> Value {
    let mut operation = json!({
        "operationId": described.id,
        "summary": described.summary,
        "security": security(route.callers),
        "responses": responses(route, described),
    });
    let of_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> =
        of_path.map(of_path_parameter).chain(described.parameters.iter().map(parameter)).collect();
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some((media, schema)) = described.body {
        let content: Map<String, Value> = media
            .iter()
            .map(|media| {
                ((*media).to_owned(), json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}}))
            })
            .collect();
        let most = route.body_bytes_max.unwrap_or(0);
        let about = format!("At most {most} bytes, after inflation.");
        // A rollback without one means the previous bundle, an import without one brings nothing.
        let is_optional = ["Rollback", "Empty", "Records", "Rows"].contains(&schema);
        operation["requestBody"] =
            json!({"required": !is_optional, "description": about, "content": content});
    }
    operation
}

fn of_path_parameter(name: &str) -> Value {
    let about = match name {
        "program" => "The SHA-256 of its bytes, as `/v1/device` names it.",
        "audience" => "The audience's id.",
        "database" | "table" => "3 to 255 of `a` to `z`, digits and `_`; together they name an event table.",
        "personalization" => "A name or an id.",
        "which" => "`previous`, a number or a hash.",
        "name" => "The name of a table of rows.",
        "row" => "The row's key.",
        "key" => "The name of a key.",
        "value" => "The key's value.",
        "tag" => "The first 12 digits of a key's hash.",
        "attribute" | "key_event" | "service" | "token" | "entity" | "journey" | "activation" => "Its id.",
        other => panic!("`{other}` is not described"),
    };
    let schema = match name {
        "database" | "table" => json!({"type": "string", "pattern": "^[a-z0-9_]{3,255}$"}),
        _ => json!({"type": "string"}),
    };
    json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema})
}

fn parameter(parameter: &Parameter) -> Value {
    let Parameter { place, name, required, about, schema } = parameter;
    let schema: Value = serde_json::from_str(schema).unwrap();
    // A name that the caller chooses is one of a free-form object.
    match name.split_once('<') {
        Some((prefix, _)) => json!({
            "name": if prefix.is_empty() { "inputs" } else { "keys" }, "in": place, "required": required,
            "description": format!("`{name}=<value>`: {about}"), "style": "form", "explode": true,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        }),
        None => json!({
            "name": name, "in": place, "required": required, "description": about, "schema": schema,
        }),
    }
}

/// True for the answers of the control API that are resources.
fn is_resource(route: &Route, described: &Described) -> bool {
    let path = described.path;
    route.family == Family::Control && (path.starts_with("/entities/") || path.starts_with("/tree/"))
}

/// Answers and refusals by status.
fn responses(route: &Route, described: &Described) -> Value {
    let mut by_status: BTreeMap<u16, Value> = BTreeMap::new();
    for Answer { status, about, schema, headers } in described.answers {
        let media = match *schema {
            "Metrics" => "text/plain",
            "Program" => "application/octet-stream",
            _ if is_resource(route, described) => "application/vnd.treasuredata.v1+json",
            _ => "application/json",
        };
        let mut response = json!({
            "description": about,
            "content": {media: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}},
        });
        if !headers.is_empty() {
            let headers =
                headers.iter().map(|name| ((*name).to_owned(), json!({"schema": {"type": "string"}})));
            response["headers"] = Value::Object(headers.collect());
        }
        by_status.insert(*status, response);
    }
    let mut refused: BTreeMap<u16, Vec<Refusal>> = BTreeMap::new();
    for refusal in refusals(route, described) {
        let of_status = refused.entry(refusal.status).or_default();
        if !of_status.contains(&refusal) {
            of_status.push(refusal);
        }
    }
    let (media, schema) = match route.family {
        Family::Rt => ("application/json", "RtRefusal"),
        Family::Native | Family::Mixed => ("application/problem+json", "Problem"),
        Family::Segments => ("application/json", "LookupRefusal"),
        Family::Control => ("application/json", "Faults"),
    };
    for (status, refusals) in refused {
        let texts: Vec<String> =
            refusals.iter().map(|it| format!("{} `{}`: {}", it.code, it.name, it.message)).collect();
        let codes: Vec<Value> = refusals.iter().map(|it| json!({"code": it.code, "name": it.name})).collect();
        let schema = json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}});
        match by_status.get_mut(&status) {
            // An answer of the same status.
            Some(answer) => {
                let about = format!("{} Or {}.", answer["description"].as_str().unwrap(), texts.join("; "));
                answer["description"] = json!(about);
                let known = &mut answer["content"][media];
                *known = if known.is_null() { schema } else { json!({"schema": any_of(known, &schema)}) };
                answer["x-refusals"] = json!(codes);
            }
            None => {
                let mut response =
                    json!({"description": texts.join("; "), "content": {media: schema}, "x-refusals": codes});
                if status == 429 {
                    response["headers"] = json!({"retry-after": {"schema": {"type": "integer"}}});
                }
                by_status.insert(status, response);
            }
        }
    }
    by_status
        .into_iter()
        .map(|(status, response)| (status.to_string(), response))
        .collect::<Map<_, _>>()
        .into()
}

fn any_of(one: &Value, other: &Value) -> Value {
    if one == other { one["schema"].clone() } else { json!({"anyOf": [one["schema"], other["schema"]]}) }
}

/// Two routes of one path and method, of which a header tells which one is meant, as one operation.
fn joined(one: &Value, other: &Value) -> Value {
    let mut joined = one.clone();
    let text = |of: &Value, name: &str| of[name].as_str().unwrap().to_owned();
    joined["operationId"] =
        json!(format!("{}Or{}", text(one, "operationId"), capital(&text(other, "operationId"))));
    joined["summary"] = json!(format!("{} {}", text(one, "summary"), text(other, "summary")));
    let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    for (name, only_optional) in [("parameters", true), ("security", false)] {
        let mut all = list(one, name);
        for item in list(other, name) {
            if !all.contains(&item) {
                all.push(item);
            }
        }
        for item in &mut all {
            if only_optional && item["in"] != "path" {
                item["required"] = json!(false);
            }
        }
        joined[name] = json!(all);
    }
    let body = |of: &Value| of["requestBody"]["content"]["application/json"].clone();
    joined["requestBody"]["content"]["application/json"]["schema"] = any_of(&body(one), &body(other));
    for (status, response) in other["responses"].as_object().unwrap() {
        let known = &mut joined["responses"][status];
        if known.is_null() {
            *known = response.clone();
            continue;
        }
        let schema = |of: &Value| of["content"]["application/json"].clone();
        let both = any_of(&schema(known), &schema(response));
        known["content"]["application/json"]["schema"] = both;
        if known["description"] != response["description"] {
            known["description"] =
                json!(format!("{} {}", text(known, "description"), text(response, "description")));
        }
        if let Some(codes) = response["x-refusals"].as_array() {
            let mut all = list(known, "x-refusals");
            all.extend(codes.iter().filter(|code| !list(known, "x-refusals").contains(code)).cloned());
            known["x-refusals"] = json!(all);
        }
    }
    joined
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
