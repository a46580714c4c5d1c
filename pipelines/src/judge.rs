//! An event and the rows that it meets: emitted, dropped, or left waiting.

use std::rc::Rc;

use usher_engine::Truth;
use usher_engine::value::Value;

use crate::held::{Event, Lookups};
use crate::limits::GRACE_MS;
use crate::output::{Origin, OutputRow};
use crate::plan::Plan;
use crate::record::key_text;
use crate::rows::{Row, Rows};
use crate::scope::Scope;

/// The result of evaluating an event.
pub(crate) enum Verdict {
    Emit(OutputRow),
    Filtered,
    Unjoined,
    /// It lacks these.
    Wait(Vec<String>),
}

/// The joined rows of an event.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Option<Rc<Row>>>,
    pub(crate) lookups: Lookups,
}

/// The rows that an event meets now.
pub(crate) fn find(plan: &Plan, rows: &[Rows], event: &Event) -> Found {
    let mut found = Found::default();
    for (index, (join, rows)) in plan.joins.iter().zip(rows).enumerate() {
        let scope = Scope::new(&event.columns, &found.rows);
        let key = scope.value(&join.other).and_then(key_text);
        let row = key.and_then(|key| {
            let row = rows.get(&key).filter(|row| {
                let age_ms = event.time_ms.saturating_sub(row.time_ms);
                join.ttl_ms.is_none_or(|ttl_ms| age_ms <= ttl_ms.saturating_add(GRACE_MS))
            });
            if plan.is_smart() {
                found.lookups.push((index, Rc::from(&*key)));
            }
            row.cloned()
        });
        found.rows.push(row);
    }
    found
}

/// The verdict over an event with these rows.
pub(crate) fn judge(plan: &Plan, event: &Event, found: &Found) -> Verdict {
    let scope = Scope::new(&event.columns, &found.rows);
    let condition = plan.condition(&scope, event.time_ms);
    let lacking: Vec<usize> = plan
        .joins
        .iter()
        .zip(&found.rows)
        .enumerate()
        .filter(|(_, (join, row))| join.is_inner && row.is_none())
        .map(|(index, _)| index)
        .collect();
    if !plan.is_smart() && !lacking.is_empty() {
        return Verdict::Unjoined;
    }
    let waits = plan.is_smart() && found.rows.iter().any(Option::is_none);
    match condition {
        Truth::True => {}
        Truth::Unknown if waits => {}
        _ => return Verdict::Filtered,
    }
    let aliases = lacking.into_iter().filter_map(|index| plan.joins.get(index));
    let mut missing: Vec<String> = aliases.map(|join| join.alias.clone()).collect();
    let columns = plan.row(&scope, event.time_ms);
    let has = |name: &str| columns.iter().any(|(key, value)| &**key == name && *value != Value::Null);
    missing.extend(plan.required.iter().filter(|name| !has(name)).cloned());
    if condition != Truth::True || !missing.is_empty() {
        return Verdict::Wait(missing);
    }
    let key = plan.key.as_ref().and_then(|name| {
        let value = columns.iter().find(|(key, _)| **key == **name).map(|(_, value)| value)?;
        key_text(value).map(|text| text.into_owned())
    });
    let origin = Origin { partition: event.partition, offset: event.offset };
    let (id, time_ms, is_written) = (event.id.clone(), event.time_ms, event.is_written);
    Verdict::Emit(OutputRow { origin, id, time_ms, key, columns, is_written })
}
