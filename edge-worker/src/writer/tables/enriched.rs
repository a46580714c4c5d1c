//! The row of a pipeline: the row that came, joined with rows of tables.

use usher_engine::value::Value;
use usher_engine::{Event, TableRow};

use super::super::across::Across;
use super::super::rows::{KnownRows, name_of};
use crate::edge::Running;
use crate::error::Refusal;
use crate::message::OfTable;
use crate::outcome::{Folded, Outcome};
use crate::store::tables::RowName;
use crate::wire::json::Json;
use crate::wire::{Response, read};

/// Answers with the row, or asks for the rows that it joins: all at once.
pub(super) fn fold(
    running: &Running,
    message: &OfTable,
    (row, sensitive): (&[u8], bool),
    (rows, across): (&mut KnownRows, Option<&Across>),
) -> Folded {
    let OfTable { now_ms, audience, number, table: name, .. } = message;
    let Some(pipeline) = running.pipeline(name) else {
        return Outcome::of(Response::problem(Refusal::PIPELINE_UNKNOWN, None));
    };
    let Ok(Value::Object(columns)) = read::document(row) else {
        return Outcome::of(Response::problem(Refusal::BODY_INVALID, None));
    };
    let event = Event::resolve(0, columns, *now_ms, String::new());
    let wanted = pipeline.wanted(&event, |table, value| running.plan.row_key(table, value).ok());
    let mut names: Vec<RowName> = Vec::new();
    for wanted in wanted.iter().flatten() {
        let name = name_of(audience, wanted);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let unread = rows.unread(across, &names);
    if rows.may_read(across, &unread) {
        return rows.read(across, (*now_ms, *number), unread);
    }
    let found: Vec<_> = wanted
        .into_iter()
        .map(|wanted| {
            let wanted = wanted?;
            let row = rows.row(across, &name_of(audience, &wanted));
            Some((wanted, row))
        })
        .collect();
    Outcome::of(Response::json(200, body(&pipeline.row(&event, &found, sensitive))))
}

/// `{"row", "complete", "missed", "withheld"}`; the last two only where there are some.
fn body(row: &TableRow) -> Json {
    let mut body = Json::new();
    body.object(|o| {
        match &row.columns {
            Some(columns) => o.field("row").object(|o| {
                for (name, value) in columns {
                    o.field(name).value(value);
                }
            }),
            None => o.field("row").value(&Value::Null),
        }
        o.field("complete").boolean(row.complete);
        if !row.missed.is_empty() {
            o.field("missed").object(|o| {
                for (alias, why) in &row.missed {
                    o.field(alias).text(why.as_str());
                }
            });
        }
        if !row.withheld.is_empty() {
            o.field("withheld").list(&row.withheld, |json, name| json.text(name));
        }
    });
    body
}
