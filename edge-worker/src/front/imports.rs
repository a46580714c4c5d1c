//! Import routes: batch records, one per line, and the columns that they may have.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::form::Form;
use crate::host::Step;
use crate::limits::{IMPORT_ROWS_MAX, IMPORT_ROWS_OF_FORM_1};
use crate::message::{Import, Message, Route, ToWriter};
use crate::shard;
use crate::wire::Response;
use crate::wire::json::Json;

/// `POST /v1/audiences/{audience}/profiles/import`: NDJSON.
pub(super) fn import(edge: &Edge, admitted: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let [audience, ..] = admitted.parameters;
    let mode = mode(admitted)?;
    if !modes(edge.form()).contains(&mode) {
        let detail = "`mode=patch` needs form 2, and this edge writes form 1: see docs/operate.md";
        return Err(Refused::with_detail(Refusal::NEEDS_FORM, detail));
    }
    let message = Message::Writer(ToWriter::Import(Import {
        ambient: admitted.head.ambient,
        audience: audience.to_owned(),
        number: edge.running_or_refuse(audience)?.number,
        body: body.to_vec(),
        patch: mode == "patch",
    }));
    // The shard that gets it hands each row to the home of its key.
    let to = Route { shard: shard::of_key(audience, None, edge.shards()), shards: edge.shards() };
    Ok(Step::Write { shard: to.shard, message: to.address(message.encode(edge.form()), None) })
}

/// The effect of new records on older ones of a key: they replace them whole, or add to them.
const MODES: [&str; 2] = ["replace", "patch"];

/// The modes that every build reads which may share the data.
fn modes(form: Form) -> &'static [&'static str] {
    match form {
        Form::One => &MODES[..1],
        Form::Two => &MODES,
    }
}

fn mode(admitted: &CheckedHead<'_>) -> Result<&'static str> {
    admitted.takes_only(&["mode"])?;
    let Some((_, query)) = admitted.head.target.split_once('?') else { return Ok("replace") };
    let written = query.split('&').find_map(|pair| pair.strip_prefix("mode="));
    let Some(written) = written else { return Ok("replace") };
    let known = MODES.into_iter().find(|mode| *mode == written);
    known.ok_or_else(|| Refused::with_detail(Refusal::BODY_INVALID, "`mode` is `replace` or `patch`"))
}

/// `GET /v1/audiences/{audience}/profiles/import`: the record columns that the running definition reads, with their
/// types.
pub(super) fn columns(edge: &Edge, admitted: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [audience, ..] = admitted.parameters;
    let plan = &edge.running_or_refuse(audience)?.plan;
    let columns: Vec<_> = plan.record_columns().collect();
    let mut body = Json::new();
    body.object(|o| {
        if let Some(key) = plan.lookup_key() {
            o.field("key").text(key);
        }
        // A client learns before it sends anything whether its mode is known and how much one request may have.
        o.field("modes").list(modes(edge.form()), |json, mode| json.text(mode));
        let rows_max = if edge.form() == Form::One { IMPORT_ROWS_OF_FORM_1 } else { IMPORT_ROWS_MAX };
        o.field("rows_max").number(i64::try_from(rows_max).unwrap_or(i64::MAX));
        o.field("columns").list(&columns, |json, (name, types)| {
            json.object(|o| {
                o.field("name").text(name);
                o.field("types").list(types, |json, known| json.text(known.as_str()));
            });
        });
    });
    Ok(Step::Respond(Response::json(200, body)))
}
