//! The route of pipelines: one row in, the row that the query makes of it out.

use usher_engine::Event;
use usher_engine::value::Value;

use super::checked_head::CheckedHead;
use super::lookups::object;
use super::tables::decoded;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::form::Form;
use crate::host::Step;
use crate::message::{Message, OfTable, Route, TableAct, ToWriter};
use crate::plane::InControlPlane;
use crate::shard;
use crate::wire::json::Json;

/// The beginning of a pipeline's name among the personalizations that a key names.
const PREFIX: &str = "pipeline.";

/// `POST /v1/audiences/{audience}/pipelines/{name}`
pub(super) fn enrich(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    if edge.form() < Form::Two {
        let detail = "this route needs form 2, and this edge writes form 1: see docs/operate.md";
        return Err(Refused::with_detail(Refusal::NEEDS_FORM, detail));
    }
    let [audience, name, _] = checked.parameters;
    let running = edge.running_or_refuse(audience)?;
    let name = decoded(name)?;
    let may_ask = checked.caller.may_ask(&running.plan, &[PREFIX, &name].concat());
    let pipeline = running.pipeline(&name).filter(|_| may_ask).ok_or(Refusal::PIPELINE_UNKNOWN)?;
    let (body, _) = object(body)?;
    let columns = match &body {
        Value::Object(entries) => match entries.as_slice() {
            [(key, Value::Object(columns))] if key == "row" => columns,
            _ => return Err(Refused::with_detail(Refusal::BODY_INVALID, "the body is {\"row\": {…}} alone")),
        },
        _ => return Err(Refusal::BODY_INVALID.into()),
    };
    let now_ms = checked.head.ambient.now_ms;
    let event = Event::resolve(0, columns.clone(), now_ms, String::new());
    let wanted = pipeline.wanted(&event, |table, value| running.plan.row_key(table, value).ok());
    // The shard of the first row asks those of the others.
    let shard = match wanted.iter().flatten().next() {
        Some(row) => shard::of_row(audience, &row.table, &row.key, edge.shards()),
        None => shard::of_key(audience, None, edge.shards()),
    };
    let mut row = Json::new();
    row.value(&Value::Object(columns.clone()));
    let act = TableAct::Enrich { row: row.into_bytes(), sensitive: checked.caller.access.sensitive_scope };
    let of_table = OfTable {
        now_ms,
        audience: audience.to_owned(),
        number: running.number,
        table: name.into_owned(),
        act,
    };
    let message = Message::Writer(ToWriter::Table(InControlPlane::new(Box::new(of_table))));
    let to = Route { shard, shards: edge.shards() };
    Ok(Step::Write { shard, message: to.address(message.encode(edge.form()), None) })
}
