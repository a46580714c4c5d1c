//! Key events: named, filtered event tables.

use usher_engine::definition::{EventTable, KeyEvent};
use usher_engine::value::Value;

use super::answer::{Answer, Answered, Result, object};
use super::call::Call;
use super::fault::Fault;
use super::lowering::Shape;
use super::pages::Query;
use super::state::Kind;
use super::{bodies, rename};
use crate::discovery::known_columns;
use crate::message::Op;

/// `GET /audiences/{audience}/realtime_key_events`
pub(super) fn list(call: &mut Call<'_>) -> Answered {
    let query = Query::of(&call.api.target)?;
    let items = call.definition.key_events.iter().map(|event| bodies::key_event(call, event)).collect();
    let path = format!("/audiences/{}/realtime_key_events", call.audience);
    Ok(Answer::plain(200, query.page(items, &path)?))
}

/// `POST …/realtime_key_events`
pub(super) fn create(call: &mut Call<'_>) -> Answered {
    let body = Value::Object(call.body()?);
    let mut lowered = call.lower(Shape::KeyEvent, &body, call.definition.clone())?;
    let Some(event) = lowered.key_events.pop() else { return Err(vec![Fault::not_found()]) };
    let id = call.add(Kind::KeyEvent, &event.name, Value::Null);
    call.remember(Kind::KeyEvent, &id, &event.name, body, &event);
    let answer = bodies::key_event(call, &event);
    call.definition.key_events.push(event);
    call.edit();
    Ok(Answer::plain(201, answer))
}

/// `GET …/realtime_key_events/{key_event}`
pub(super) fn read(call: &mut Call<'_>) -> Answered {
    let (_, event) = find(call)?;
    Ok(Answer::plain(200, bodies::key_event(call, event)))
}

/// `PATCH …/realtime_key_events/{key_event}`: each field that the body has. A rename keeps the id.
pub(super) fn patch(call: &mut Call<'_>) -> Answered {
    let fields = call.body()?;
    let (index, before) = find(call)?;
    let before = before.clone();
    let id = call.id(Kind::KeyEvent, &before.name).to_owned();
    let body = bodies::patched(bodies::key_event(call, &before), &fields);
    let mut rest = call.definition.clone();
    rest.key_events.remove(index);
    let mut lowered = call.lower(Shape::KeyEvent, &body, rest)?;
    let Some(mut event) = lowered.key_events.pop() else { return Err(vec![Fault::not_found()]) };
    // Fields that a body has no words for stay.
    if !fields.iter().any(|(name, _)| name == "filterRule") {
        event.filter.clone_from(&before.filter);
    }
    if !fields.iter().any(|(name, _)| name == "columns") {
        event.columns.clone_from(&before.columns);
    }
    call.remember(Kind::KeyEvent, &id, &event.name, body, &event);
    if event.name != before.name {
        rename::key_event(&mut call.definition, &before.name, &event.name);
    }
    let answer = bodies::key_event(call, &event);
    if let Some(place) = call.definition.key_events.get_mut(index) {
        *place = event;
    }
    call.edit();
    Ok(Answer::plain(200, answer))
}

/// `DELETE …/realtime_key_events/{key_event}`
pub(super) fn delete(call: &mut Call<'_>) -> Answered {
    let (index, _) = find(call)?;
    call.definition.key_events.remove(index);
    call.edit();
    Ok(Answer::plain(200, object([])))
}

/// `GET …/realtime_key_events/{key_event}/columns`, `GET …/realtime_event_tables/{database}/{table}/columns`: the
/// columns that the draft knows.
pub(super) fn columns(call: &mut Call<'_>) -> Answered {
    let table = if call.api.op == Op::KeyEventColumns {
        find(call)?.1.table.clone()
    } else {
        let (database, table) = (call.parameter(0).to_owned(), call.parameter(1).to_owned());
        let table = EventTable { database, table };
        let definition = &call.definition;
        let mut known =
            definition.tables.iter().chain(definition.key_events.iter().map(|event| &event.table));
        if !known.any(|known| *known == table) {
            return Err(vec![Fault::not_found()]);
        }
        table
    };
    let columns = known_columns(&call.definition, &table).into_iter().map(|(name, data_type)| {
        object([
            ("queryAs", Value::from(name.as_str())),
            ("dataColumn", Value::from(name.as_str())),
            ("dataType", Value::from(data_type)),
        ])
    });
    Ok(Answer::plain(200, Value::List(columns.collect())))
}

/// The key event that the path names.
fn find<'c>(call: &'c Call<'_>) -> Result<(usize, &'c KeyEvent)> {
    let id = call.parameter(0);
    let events = call.definition.key_events.iter().enumerate();
    let mut found = events.filter(|(_, event)| call.id(Kind::KeyEvent, &event.name) == id);
    found.next().ok_or_else(|| vec![Fault::not_found()])
}
