//! Columns that name objects inside an array of an event: `products[].sku`.
//!
//! For an attribute, each object is an event of its own: the columns of the array are the object's, all others the
//! event's. Objects later in the array count as newer: the position is appended to the event's id.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::{Event, column_of};
use crate::expr::types::TypeSet;
use crate::gather::Gather;
use crate::limits::ARRAY_ITEMS_MAX;
use crate::syntax::Name;
use crate::value::Value;

/// Separates an event's id and the position of one of its objects.
const POSITION: char = '\0';

/// Number of digits of a position.
const POSITION_DIGITS: usize = 3;

/// The values of such a column in the objects of an event, as these types store them. An object that lacks it, or whose
/// value does not fit, has null in its place. Empty when there are too many objects.
pub(crate) fn values_of(columns: &[(String, Value)], name: &str, types: TypeSet) -> Vec<Value> {
    let Some((array, column)) = Name::array_and_column(name) else { return Vec::new() };
    let objects = column_of(columns, array).and_then(Value::as_list).unwrap_or_default();
    if objects.len() > ARRAY_ITEMS_MAX {
        return Vec::new();
    }
    let types = types.items();
    let one = |object| match column_of(object, column) {
        None | Some(Value::List(_)) => Value::Null,
        Some(value) => types.admit(value).ok().flatten().unwrap_or(Value::Null),
    };
    objects.iter().filter_map(Value::as_object).map(one).gather()
}

/// The objects of an event's array, each as an event with these columns, oldest first. `Err` is a stable name of the
/// reason for refusing all of them.
pub(crate) fn events_of<'n>(
    event: &Event,
    array: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Result<Vec<Event>, &'static str> {
    let Some(value) = event.column(array) else { return Ok(Vec::new()) };
    let objects = value.as_list().ok_or("wrong_type")?;
    if objects.len() > ARRAY_ITEMS_MAX {
        return Err("too_large");
    }
    let one = |(position, object): (usize, &Value)| {
        let object = object.as_object()?;
        let columns = names.clone().filter_map(|name| {
            let value = match Name::array_and_column(name) {
                Some((_, column)) => column_of(object, column),
                None => event.column(name),
            };
            Some((name.to_owned(), value?.clone()))
        });
        Some(Event {
            table: event.table,
            id: alloc::format!("{}{POSITION}{position:0POSITION_DIGITS$}", event.id),
            minted: event.minted,
            time_ms: event.time_ms,
            columns: columns.gather(),
            notes: Vec::new(),
        })
    };
    Ok(objects.iter().enumerate().filter_map(one).gather())
}

/// The id of the event that contained an object; any other event's own id.
pub(crate) fn event_id(id: &str) -> &str {
    match id.rsplit_once(POSITION) {
        Some((event, position))
            if position.len() == POSITION_DIGITS && position.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            event
        }
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stand_behind_ids_and_keep_their_order() {
        assert_eq!(event_id("e\x00007"), "e");
        for id in ["", "e", "e\x00", "e\x007", "e\x000007", "e\x0000x", "\x00"] {
            assert_eq!(event_id(id), id, "{id:?}");
        }
        assert!("e\x00002" < "e\x00010" && "e" < "e\x00000" && "e\x00255" < "e-1");
        assert!(ARRAY_ITEMS_MAX <= 10_usize.pow(POSITION_DIGITS as u32));
    }
}
