//! `realtime_setting` and what else tells of an audience as a whole: its folders, its state, itself.

use usher_engine::definition::{Attribute, AttributeKind, Definition, EventTable, StitchKey};
use usher_engine::value::Value;

use super::answer::{Answer, Answered, object, optional};
use super::bodies;
use super::call::Call;
use super::fault::Fault;
use super::finding::Finding;
use super::lowering::Shape;
use super::state::{Kind, number};
use crate::message::Op;

/// `GET /audiences/{audience}/realtime_setting`
pub(super) fn read(call: &mut Call<'_>) -> Answered {
    Ok(Answer::plain(200, setting(call)))
}

/// `PATCH …/realtime_setting`: each field that the body has, whole.
pub(super) fn patch(call: &mut Call<'_>) -> Answered {
    let mut fields = call.body()?;
    if let Some(place) = fields.iter().position(|(name, _)| name == "publish") {
        let (_, wanted) = fields.remove(place);
        call.state.manual = match wanted.as_str() {
            Some("manual") => true,
            Some("auto") => false,
            _ => {
                let detail = "publish is `auto` or `manual`";
                return Err(vec![Fault::invalid("/publish", "INVALID_FORMAT_OR_ASSOCIATION", detail)]);
            }
        };
        call.change();
    }
    if fields.is_empty() {
        return Ok(Answer::plain(200, setting(call)));
    }
    let has = |name: &str| fields.iter().any(|(known, value)| known == name && *value != Value::Null);
    let is_null = |name: &str| fields.iter().any(|(known, value)| known == name && *value == Value::Null);
    if is_null("extLookupKey") && call.definition.identity.lookup_key.is_some() {
        let detail = "extLookupKey can't be blank once it is set";
        return Err(vec![Fault::invalid("/extLookupKey", "CANNOT_BE_BLANK", detail)]);
    }
    let (tables, keys, lookup) = (has("eventTables"), has("keyColumns"), has("extLookupKey"));
    let (primary, batch) = (has("primaryKey"), has("batchAttributes"));
    let (list, id_column, discover) = (has("placeholderList"), has("eventIdColumn"), has("discover"));
    let lowered = call.lower(Shape::Setting, &Value::Object(fields), Definition::default())?;
    let definition = &mut call.definition;
    if tables {
        definition.tables = lowered.tables;
    }
    if keys {
        let before = core::mem::take(&mut definition.identity.keys);
        definition.identity.keys =
            lowered.identity.keys.into_iter().map(|key| with_rules_of_files(key, &before)).collect();
    }
    if lookup {
        definition.identity.lookup_key.clone_from(&lowered.identity.lookup_key);
    }
    if primary || (lookup && definition.identity.primary_key.is_none()) {
        definition.identity.primary_key = lowered.identity.primary_key;
    }
    if list || (keys && definition.identity.placeholder_list == 0) {
        definition.identity.placeholder_list = lowered.identity.placeholder_list;
    }
    if id_column {
        definition.event_id_column = lowered.event_id_column;
    }
    if discover {
        definition.discover = lowered.discover;
    }
    if batch {
        import(call, lowered.attributes);
    }
    call.name_objects();
    call.edit();
    Ok(Answer::plain(200, setting(call)))
}

/// `POST /audiences/{audience}/realtime_imported_attributes/bulk_update`: the batch columns that are imported from now on.
pub(super) fn update_imported(call: &mut Call<'_>) -> Answered {
    let fields = call.body()?;
    let columns = fields.iter().find(|(name, _)| name == "columns").map(|(_, columns)| columns);
    let Some(columns) = columns.and_then(Value::as_list) else {
        let detail = "columns is a list of the names of batch columns";
        return Err(vec![Fault::invalid("/columns", "CANNOT_BE_BLANK", detail)]);
    };
    let mut wanted = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        let Some(column) = column.as_str().filter(|column| !column.is_empty()) else {
            let pointer = format!("/columns/{place}");
            let detail = "a column is a text that is not empty";
            return Err(vec![Fault::invalid(&pointer, "INVALID_FORMAT_OR_ASSOCIATION", detail)]);
        };
        let kind = AttributeKind::Batch { column: column.to_owned(), data_type: None };
        wanted.push(Attribute { name: column.to_owned(), kind, sensitive: true, description: None });
    }
    import(call, wanted);
    call.name_objects();
    call.edit();
    let is_batch = |attribute: &&Attribute| matches!(attribute.kind, AttributeKind::Batch { .. });
    let imported = call.definition.attributes.iter().filter(is_batch);
    let imported = imported.map(|attribute| bodies::attribute(call, attribute)).collect();
    Ok(Answer::plain(200, object([("data", Value::List(imported))])))
}

/// Makes these the batch attributes; those that are there already stay as they are.
fn import(call: &mut Call<'_>, wanted: Vec<Attribute>) {
    let column_of = |attribute: &Attribute| match &attribute.kind {
        AttributeKind::Batch { column, .. } => Some(column.clone()),
        _ => None,
    };
    let attributes = &mut call.definition.attributes;
    attributes.retain(|known| {
        column_of(known).is_none_or(|column| wanted.iter().any(|it| column_of(it).as_ref() == Some(&column)))
    });
    for attribute in wanted {
        let column = column_of(&attribute);
        if !attributes.iter().any(|known| column_of(known) == column) {
            attributes.push(attribute);
        }
    }
}

/// A key of the API, with the rules that only files can say.
fn with_rules_of_files(key: StitchKey, before: &[StitchKey]) -> StitchKey {
    let Some(known) = before.iter().find(|known| known.name == key.name) else { return key };
    let StitchKey { normalize, exclude_regex, placeholders, trust, .. } = known.clone();
    StitchKey {
        normalize: if key.normalize.is_empty() { normalize } else { key.normalize },
        exclude_regex: key.exclude_regex.or(exclude_regex),
        placeholders: key.placeholders || placeholders,
        trust,
        ..key
    }
}

/// `GET /audiences/{audience}/realtime_configuration_versions/current`: null where there is none.
pub(super) fn version(call: &mut Call<'_>) -> Answered {
    let status = if call.state.draft.is_some() { "queueing" } else { "finished" };
    let body = match call.running() {
        None if call.state.draft.is_none() => Value::Null,
        running => {
            let id = running.map_or(0, |running| running.number).to_string();
            object([
                ("id", Value::String(id)),
                ("audienceId", Value::from(call.audience.as_str())),
                ("status", Value::from(status)),
                ("eventKind", Value::from("update")),
                ("identifier", optional(running.map(|running| running.hash.as_str()))),
            ])
        }
    };
    Ok(Answer::plain(200, body))
}

/// `GET /audiences/{audience}`: the attributes and behaviors that a parent segment has.
pub(super) fn audience(call: &mut Call<'_>) -> Answered {
    let attributes = call.definition.attributes.iter().map(|attribute| {
        object([
            ("name", Value::from(attribute.name.as_str())),
            ("type", Value::from(bodies::data_type(attribute).unwrap_or("string"))),
            ("description", optional(attribute.description.as_deref())),
        ])
    });
    let attributes = Value::List(attributes.collect());
    let body = object([
        ("id", Value::from(call.audience.as_str())),
        ("name", optional(call.definition.audience.name.as_deref())),
        ("attributes", attributes),
    ]);
    Ok(Answer::plain(200, body))
}

/// `GET /audiences/{audience}/folders`, `GET /tree/audiences/{audience}/segment_folders`: the one root.
pub(super) fn folders(call: &mut Call<'_>) -> Answered {
    let (id, name) = (call.id(Kind::Folder, ""), Value::from("Root"));
    if call.api.op == Op::FolderTree {
        let attributes = object([("audienceId", Value::from(call.audience.as_str())), ("name", name)]);
        let folder = object([
            ("id", Value::from(id)),
            ("type", Value::from("folder-segment")),
            ("attributes", attributes),
        ]);
        return Ok(Answer::resource(200, object([("data", Value::List(vec![folder]))])));
    }
    let folder = object([
        ("id", Value::from(id)),
        ("audienceId", Value::from(call.audience.as_str())),
        ("name", name),
        ("parentFolderId", Value::Null),
    ]);
    Ok(Answer::plain(200, Value::List(vec![folder])))
}

fn setting(call: &Call<'_>) -> Value {
    let Definition { tables, key_events, attributes, identity, event_id_column, discover, .. } =
        &call.definition;
    let mut all: Vec<&EventTable> = Vec::new();
    for table in tables.iter().chain(key_events.iter().map(|event| &event.table)) {
        if !all.contains(&table) {
            all.push(table);
        }
    }
    let table = |table: &&EventTable| {
        object([
            ("database", Value::from(table.database.as_str())),
            ("table", Value::from(table.table.as_str())),
        ])
    };
    let key = |key: &StitchKey| {
        let texts = key.invalid_texts.iter().map(|text| Value::from(text.as_str()));
        object([
            ("name", Value::from(key.name.as_str())),
            ("validRegexp", optional(key.valid_regexp.as_deref())),
            ("invalidTexts", Value::List(texts.collect())),
            ("internal", Value::from(key.workflow_only)),
        ])
    };
    let column = |attribute: &Attribute| match &attribute.kind {
        AttributeKind::Batch { column, .. } => Some(object([
            ("column", Value::from(column.as_str())),
            ("name", optional(Some(attribute.name.as_str()).filter(|name| name != column))),
        ])),
        _ => None,
    };
    let (status, findings) = status(call);
    let detailed = if findings.is_empty() {
        Value::Null
    } else {
        object([("findings", Value::List(findings.iter().map(Finding::value).collect()))])
    };
    let running = call.running().map_or(Value::Null, |running| number(running.number));
    object([
        ("id", Value::from(call.id(Kind::Setting, ""))),
        ("audienceId", Value::from(call.audience.as_str())),
        ("keyColumns", Value::List(identity.keys.iter().map(key).collect())),
        ("eventTables", Value::List(all.iter().map(table).collect())),
        ("batchAttributes", Value::List(attributes.iter().filter_map(column).collect())),
        ("extLookupKey", optional(identity.lookup_key.as_deref().or(identity.primary_key.as_deref()))),
        ("eventIdColumn", optional(event_id_column.as_deref())),
        ("discover", Value::from(if *discover { "on" } else { "off" })),
        ("publish", Value::from(if call.state.manual { "manual" } else { "auto" })),
        ("bundle", running),
        ("status", Value::from(status)),
        ("statusDetailed", detailed),
    ])
}

/// The status in RT 2.0's words, and the findings for which a rested draft cannot run.
pub(super) fn status(call: &Call<'_>) -> (&'static str, Vec<Finding>) {
    match (&call.state.draft, call.running()) {
        (None, None) => ("not_initialized", Vec::new()),
        (None, Some(_)) => ("ok", Vec::new()),
        (Some(_), _) if !call.has_rested() => ("updating", Vec::new()),
        (Some(_), _) => match call.checked() {
            Ok(_) => ("updating", Vec::new()),
            Err(findings) => ("inconsistent", findings),
        },
    }
}
