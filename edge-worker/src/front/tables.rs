//! Routes of rows of tables.

use std::borrow::Cow;

use usher_engine::definition::{Table, TableColumn};
use usher_engine::value::{DataType, Value};

use super::checked_head::CheckedHead;
use crate::edge::{Edge, Running};
use crate::error::{Refusal, Refused, Result};
use crate::form::Form;
use crate::host::Step;
use crate::limits::{IMPORT_ROWS_MAX, LOAD_BYTES_MAX};
use crate::message::{Load, Message, OfTable, Route, TableAct, ToWriter};
use crate::plane::InControlPlane;
use crate::shard;
use crate::wire::hex::hex;
use crate::wire::json::Json;
use crate::wire::{Response, query};

/// `PUT /v1/audiences/{audience}/tables/{name}/import`: rows, NDJSON. They replace rows with the same key; with
/// `?mode=replace` they replace the table.
pub(super) fn import(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let load = load(checked)?;
    let act = TableAct::Import { body: body.to_vec(), load };
    // The shard that gets it hands each row to its own.
    step(edge, checked, |_, _| Ok((act, 0)))
}

/// `GET /v1/audiences/{audience}/tables/{name}/import`: the columns that an import keeps, with their types.
pub(super) fn columns(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let (_, table) = table_of(edge, checked)?;
    let types = |column: &TableColumn| match column.data_type {
        Some(declared) => vec![declared],
        None => DataType::ALL.to_vec(),
    };
    let mut body = Json::new();
    body.object(|o| {
        o.field("key").text(&table.key);
        if let Some(version) = &table.version {
            o.field("version").text(version);
        }
        o.field("modes").list(MODES, |json, mode| json.text(mode));
        o.field("rows_max").number(i64::try_from(IMPORT_ROWS_MAX).unwrap_or(i64::MAX));
        o.field("columns").list(&table.columns, |json, column| {
            json.object(|o| {
                o.field("name").text(&column.name);
                o.field("types").list(types(column), |json, known| json.text(known.as_str()));
            });
        });
    });
    Ok(Step::Respond(Response::json(200, body)))
}

/// `GET /v1/audiences/{audience}/tables/{name}/rows/{row}`: the row of this key.
pub(super) fn read(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let sensitive = checked.caller.access.sensitive_scope;
    row(edge, checked, |key| TableAct::Read { key, sensitive })
}

/// `DELETE /v1/audiences/{audience}/tables/{name}/rows/{row}`: the row is there no more, if it was.
pub(super) fn delete(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    row(edge, checked, TableAct::Delete)
}

const MODES: [&str; 2] = ["upsert", "replace"];

/// The replacement that an import is a part of. None: it replaces rows alone.
fn load(checked: &CheckedHead<'_>) -> Result<Option<Load>> {
    let named = |name: &str| {
        let value = query::pairs(checked.head.target).find(|(known, _)| *known == name);
        value.map(|(_, value)| query::decoded_form(value).ok_or(Refusal::QUERY_INVALID)).transpose()
    };
    let refused = |detail: &str| Err(Refused::with_detail(Refusal::BODY_INVALID, detail));
    checked.takes_only(&["mode", "load", "last"])?;
    let (mode, name, last) = (named("mode")?, named("load")?, named("last")?);
    match mode.as_deref().unwrap_or("upsert") {
        "upsert" if name.is_none() && last.is_none() => Ok(None),
        "upsert" => refused("`load` and `last` are for `mode=replace`"),
        "replace" => match (name, last.as_deref()) {
            // One request is all of it.
            (None, None) => {
                let name = hex(&checked.head.ambient.entropy[..16]);
                Ok(Some(Load { name, is_last: true, is_whole: true }))
            }
            (None, Some(_)) => refused("`last` needs the `load` that it is the last request of"),
            (Some(name), _)
                if name.is_empty() || name.len() > LOAD_BYTES_MAX || name.contains(char::is_control) =>
            {
                refused("`load` is a name of at most 64 bytes, without control characters")
            }
            (Some(name), None | Some("false")) => Ok(Some(Load { name, is_last: false, is_whole: false })),
            (Some(name), Some("true")) => Ok(Some(Load { name, is_last: true, is_whole: false })),
            (Some(_), Some(_)) => refused("`last` is `true` or `false`"),
        },
        _ => refused("`mode` is `upsert` or `replace`"),
    }
}

/// The message about one row.
fn row(edge: &Edge, checked: &CheckedHead<'_>, act: impl FnOnce(String) -> TableAct) -> Result<Step> {
    let [audience, name, key] = checked.parameters;
    let (name, key) = (decoded(name)?, decoded(key)?);
    step(edge, checked, |running, table| {
        // A key that no row can have.
        let value = Value::String(key.into_owned());
        let key = running.plan.row_key(table, Some(&value)).map_err(|_| Refusal::ROW_UNKNOWN)?;
        let shard = shard::of_row(audience, &name, &key, edge.shards());
        Ok((act(key), shard))
    })
}

fn step(
    edge: &Edge,
    checked: &CheckedHead<'_>,
    act: impl FnOnce(&Running, &Table) -> Result<(TableAct, u32)>,
) -> Result<Step> {
    if edge.form() < Form::Two {
        let detail = "this route needs form 2, and this edge writes form 1: see docs/operate.md";
        return Err(Refused::with_detail(Refusal::NEEDS_FORM, detail));
    }
    let [audience, ..] = checked.parameters;
    let (running, table) = table_of(edge, checked)?;
    let (act, shard) = act(running, table)?;
    let of_table = OfTable {
        now_ms: checked.head.ambient.now_ms,
        audience: audience.to_owned(),
        number: running.number,
        table: table.name.clone(),
        act,
    };
    let message = Message::Writer(ToWriter::Table(InControlPlane::new(Box::new(of_table))));
    let to = Route { shard, shards: edge.shards() };
    Ok(Step::Write { shard, message: to.address(message.encode(edge.form()), None) })
}

fn table_of<'e>(edge: &'e Edge, checked: &CheckedHead<'_>) -> Result<(&'e Running, &'e Table)> {
    let [audience, name, _] = checked.parameters;
    let running = edge.running_or_refuse(audience)?;
    let table = running.plan.definition().lookup_table(&decoded(name)?);
    Ok((running, table.ok_or(Refusal::ROWS_UNKNOWN)?))
}

/// A part of a path without its percent-encoding.
pub(super) fn decoded(part: &str) -> Result<Cow<'_, str>> {
    query::decoded(part).ok_or_else(|| Refusal::QUERY_INVALID.into())
}
