//! Lists. They forget what is over their cap, so they are played through in the order of arrival.

use std::collections::BTreeSet;

use usher_engine::definition::{
    Attribute, AttributeKind, Definition, Keep, ListAggregation, ListPart, Removal,
};
use usher_engine::value::{DataType, Value};

use super::attribute::{Forgotten, Stamp, extreme, is_other_kind};
use super::value::{admit, nanos, number, of_nanos, same};
use super::{Happening, Resolved, Visitor};

#[derive(Clone, Default)]
struct Played {
    items: Vec<Item>,
    /// Items that were taken out, and when.
    deleted: Vec<(Value, Stamp)>,
    cleared: Option<Stamp>,
    /// Whether anything happened to it.
    any: bool,
}

#[derive(Clone)]
struct Item {
    /// None: it is its event.
    id: Option<Value>,
    stamp: Stamp,
    columns: Vec<(String, Value)>,
}

/// Tells what the list and its parts say.
pub fn tell(
    history: &[Happening],
    attribute: &Attribute,
    now_ms: i64,
    mut tell: impl FnMut(Option<&str>, Option<Value>),
) {
    let AttributeKind::List { column, parts, .. } = &attribute.kind else { panic!("a list") };
    let mut played = play(history, attribute);
    played.settle(attribute, now_ms);
    played.cap(attribute);
    // Newest first, ties by id.
    played.items.sort_by(|a, b| b.stamp.cmp(&a.stamp));
    if column.is_some() {
        let ids: Vec<Value> = played.items.iter().filter_map(|item| item.id.clone()).collect();
        tell(None, (!ids.is_empty()).then_some(Value::List(ids)));
    }
    for (index, part) in parts.iter().enumerate() {
        // Without ids the list is addressed by its first part.
        let name = (column.is_some() || index > 0).then_some(part.name.as_str());
        tell(name, of_part(&played.items, column.as_ref(), part, kept_as(parts, &part.column)));
    }
}

fn of_part(items: &[Item], id: Option<&String>, part: &ListPart, kept_as: Option<DataType>) -> Option<Value> {
    // Items without the column are passed over.
    let mut values: Vec<Value> = items
        .iter()
        .filter_map(|item| {
            if id == Some(&part.column) {
                return item.id.clone();
            }
            let (_, value) = item.columns.iter().find(|(name, _)| *name == part.column)?;
            admit(kept_as, value)
        })
        .collect();
    let as_list = |values: Vec<Value>| (!values.is_empty()).then_some(Value::List(values));
    match part.aggregation {
        ListAggregation::Values => as_list(values),
        ListAggregation::DistinctList => {
            let mut once: Vec<Value> = Vec::new();
            for value in values {
                if !once.iter().any(|known| same(known, &value)) {
                    once.push(value);
                }
            }
            as_list(once)
        }
        ListAggregation::First => values.pop(),
        ListAggregation::Last => values.into_iter().next(),
        ListAggregation::Sum => {
            let amounts: Vec<i128> =
                values.iter().filter_map(|value| number(value).and_then(nanos)).collect();
            (!amounts.is_empty()).then(|| of_nanos(amounts.iter().sum()))
        }
        // Without a declaration they are of numbers, and text that is a number is the number.
        ListAggregation::Min | ListAggregation::Max => {
            let numbers: Vec<Value> =
                values.iter().filter_map(|value| Some(Value::Number(number(value)?))).collect();
            extreme(numbers.iter(), part.aggregation == ListAggregation::Max, Some(DataType::Number))
        }
    }
}

/// Reading: a column that several parts read has to suit all of them.
fn kept_as(parts: &[ListPart], column: &str) -> Option<DataType> {
    use ListAggregation::{Max, Min, Sum};
    let numeric = |part: &&ListPart| part.column == column && matches!(part.aggregation, Sum | Min | Max);
    parts.iter().find(numeric).map(|_| DataType::Number)
}

fn play(history: &[Happening], wanted: &Attribute) -> Played {
    let mut played = Played::default();
    let mut forgotten = Forgotten::default();
    // What the list was of another kind in between waits elsewhere.
    let is_kept = |a: &Attribute| a.name == wanted.name && !is_other_kind(a, wanted);
    for happening in history {
        match happening {
            Happening::Event { event, definition, now_ms } => {
                let Some(attribute) = definition.attributes.iter().find(|a| is_kept(a)) else { continue };
                if !touches_list(definition, attribute, event) {
                    continue;
                }
                played.any = true;
                played.event(definition, attribute, event, *now_ms);
            }
            Happening::Absorbed(history) => played.merge(play(history, wanted)),
            Happening::Written { definition, number, now_ms } => {
                let knows = definition.attributes.iter().any(is_kept);
                if forgotten.by(knows, *number, played.any, *now_ms) {
                    played = Played::default();
                }
            }
        }
    }
    played
}

/// Whether an event adds to a list, or takes out of it.
pub fn touches_list(definition: &Definition, attribute: &Attribute, event: &Resolved) -> bool {
    let AttributeKind::List { column, actions, .. } = &attribute.kind else { return false };
    let id = || column.as_ref().and_then(|column| item_id(event, column));
    added(definition, attribute, event).is_some()
        || actions.iter().any(|action| {
            let does = action.action == Removal::Clear || id().is_some();
            does && event.feeds(definition, &action.key_event, action.filter.as_ref())
        })
}

/// An item's id is a scalar.
fn item_id(event: &Resolved, column: &str) -> Option<Value> {
    admit(None, &event.column(column)?).filter(|value| !matches!(value, Value::List(_)))
}

/// The item that an event adds.
fn added(definition: &Definition, attribute: &Attribute, event: &Resolved) -> Option<Item> {
    let AttributeKind::List { key_event, filter, column, parts, .. } = &attribute.kind else { return None };
    if !event.feeds(definition, key_event, filter.as_ref()) {
        return None;
    }
    let id = match column {
        Some(column) => Some(item_id(event, column)?),
        None => None,
    };
    let columns = parts.iter().filter_map(|part| {
        let value = admit(kept_as(parts, &part.column), &event.column(&part.column)?)?;
        // Reading: items say scalars, as no type is a list of lists.
        (!matches!(value, Value::List(_))).then(|| (part.column.clone(), value))
    });
    let columns: Vec<_> = columns.collect();
    // Reading: in a list without ids, an event that has none of the columns contributes nothing.
    let contributes = id.is_some() || !columns.is_empty();
    contributes.then(|| Item { id, stamp: (event.time_ms, event.id.clone()), columns })
}

impl Played {
    fn event(&mut self, definition: &Definition, attribute: &Attribute, event: &Resolved, now_ms: i64) {
        let stamp = (event.time_ms, event.id.clone());
        if let Some(item) = added(definition, attribute, event) {
            self.put(item);
            self.settle(attribute, now_ms);
            self.cap(attribute);
        }
        let AttributeKind::List { column, actions, .. } = &attribute.kind else { return };
        for action in actions {
            if !event.feeds(definition, &action.key_event, action.filter.as_ref()) {
                continue;
            }
            match (action.action, column.as_ref().and_then(|column| item_id(event, column))) {
                (Removal::Clear, _) => self.cleared = self.cleared.take().max(Some(stamp.clone())),
                (Removal::DeleteItem, Some(id)) => self.delete(id, stamp.clone()),
                (Removal::DeleteItem, None) => {}
            }
            self.settle(attribute, now_ms);
        }
    }

    /// One item per id, the newest; one event is one item.
    fn put(&mut self, item: Item) {
        let is_it = |known: &&mut Item| match (&known.id, &item.id) {
            (Some(known), Some(id)) => same(known, id),
            // Reading: an id names one event, also when it comes again after 7 days.
            (None, None) => known.stamp.1 == item.stamp.1,
            _ => false,
        };
        match self.items.iter_mut().find(is_it) {
            Some(known) if item.stamp > known.stamp => *known = item,
            Some(_) => {}
            None => self.items.push(item),
        }
    }

    fn delete(&mut self, id: Value, stamp: Stamp) {
        match self.deleted.iter_mut().find(|(known, _)| same(known, &id)) {
            Some(known) => known.1 = known.1.clone().max(stamp),
            None => self.deleted.push((id, stamp)),
        }
    }

    fn merge(&mut self, other: Played) {
        other.items.into_iter().for_each(|item| self.put(item));
        other.deleted.into_iter().for_each(|(id, stamp)| self.delete(id, stamp));
        self.cleared = self.cleared.take().max(other.cleared);
        self.any |= other.any;
        self.take_out();
    }

    /// Drops what is dead and what was taken out, and forgets deletes over the cap.
    fn settle(&mut self, attribute: &Attribute, now_ms: i64) {
        let AttributeKind::List { items_max, duration_ms, .. } = &attribute.kind else { return };
        let alive = |stamp: &Stamp| now_ms - stamp.0 < *duration_ms;
        self.items.retain(|item| alive(&item.stamp));
        self.deleted.retain(|(_, stamp)| alive(stamp));
        self.cleared = self.cleared.take().filter(alive);
        self.take_out();
        self.deleted.sort_by(|a, b| b.1.cmp(&a.1));
        self.deleted.truncate(*items_max as usize);
    }

    fn take_out(&mut self) {
        let (deleted, cleared) = (&self.deleted, &self.cleared);
        self.items.retain(|item| {
            let taken_out = deleted.iter().any(|(id, stamp)| {
                item.id.as_ref().is_some_and(|known| same(known, id)) && item.stamp <= *stamp
            });
            !taken_out && cleared.as_ref().is_none_or(|cleared| item.stamp > *cleared)
        });
    }

    /// Forgets what is over the cap. Reading: an event that adds makes the list forget; one that takes out does not, nor
    /// does a merge. (It shows no more than its cap all the same.)
    fn cap(&mut self, attribute: &Attribute) {
        let AttributeKind::List { keep, items_max, .. } = &attribute.kind else { return };
        match keep {
            Keep::Newest => self.items.sort_by(|a, b| b.stamp.cmp(&a.stamp)),
            Keep::Oldest => self.items.sort_by(|a, b| a.stamp.cmp(&b.stamp)),
        }
        self.items.truncate(*items_max as usize);
    }
}

/// Whether a list's order independence is promised for these events: not when it is beyond its cap and something takes
/// items out, and (Reading) not when it keeps the oldest beyond its cap and they die.
pub fn is_promised(visitor: &Visitor, attribute: &Attribute, now_ms: i64) -> bool {
    let AttributeKind::List { column, keep, items_max, duration_ms, actions, .. } = &attribute.kind else {
        return true;
    };
    let events = visitor.events();
    let ids: BTreeSet<String> = match column {
        None => events.iter().map(|(event, ..)| event.id.clone()).collect(),
        Some(column) => {
            let ids = events.iter().filter_map(|(event, ..)| event.column(column));
            // By value: 5 and 5.0 are one.
            ids.map(|id| {
                number(&id)
                    .filter(|_| id.as_str().is_none())
                    .map_or(id.to_string(), |n| n.to_f64().to_string())
            })
            .collect()
        }
    };
    let died = events.iter().any(|(event, ..)| now_ms - event.time_ms >= *duration_ms);
    ids.len() <= *items_max as usize || (actions.is_empty() && (*keep == Keep::Newest || !died))
}
