//! Lists. They forget what is over their cap, so they are played through in the order of arrival.

use std::collections::BTreeSet;

use usher_engine::definition::{
    Attribute, AttributeKind, Definition, Keep, ListAggregation, ListPart, Removal,
};
use usher_engine::syntax::{Expr, Test};
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
    /// True if any event changed it.
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
    definition: &Definition,
    attribute: &Attribute,
    now_ms: i64,
    mut tell: impl FnMut(Option<&str>, Option<Value>),
) {
    let AttributeKind::List { column, parts, .. } = &attribute.kind else { panic!("a list") };
    let mut played = play(history, attribute);
    played.settle(attribute, now_ms);
    played.cap(attribute);
    played.bury(attribute, now_ms);
    // Newest first, ties by id.
    played.items.sort_by(|a, b| b.stamp.cmp(&a.stamp));
    if column.is_some() {
        let kept_as = id_type(definition, attribute);
        let ids = played.items.iter().filter_map(|item| admit(kept_as, item.id.as_ref()?));
        // Reading: ids that met when their type changed are one.
        let ids = once(ids.collect());
        tell(None, (!ids.is_empty()).then_some(Value::List(ids)));
    }
    for (index, part) in parts.iter().enumerate() {
        // Without ids the list is addressed by its first part.
        let name = (column.is_some() || index > 0).then_some(part.name.as_str());
        let is_id = column.as_ref() == Some(&part.column);
        let kept_as = if is_id {
            id_type(definition, attribute)
        } else {
            column_type(definition, attribute, &part.column)
        };
        tell(name, of_part(&played.items, column.as_ref(), part, kept_as));
    }
}

fn of_part(items: &[Item], id: Option<&String>, part: &ListPart, kept_as: Option<DataType>) -> Option<Value> {
    // Items without the column are passed over.
    let mut values: Vec<Value> = items
        .iter()
        .filter_map(|item| {
            if id == Some(&part.column) {
                return admit(kept_as, item.id.as_ref()?);
            }
            let (_, value) = item.columns.iter().find(|(name, _)| *name == part.column)?;
            admit(kept_as, value)
        })
        .collect();
    let as_list = |values: Vec<Value>| (!values.is_empty()).then_some(Value::List(values));
    match part.aggregation {
        ListAggregation::Values => as_list(values),
        ListAggregation::DistinctList => as_list(once(values)),
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

/// Each value where it stands first.
fn once(values: Vec<Value>) -> Vec<Value> {
    let mut once: Vec<Value> = Vec::new();
    for value in values {
        if !once.iter().any(|known| same(known, &value)) {
            once.push(value);
        }
    }
    once
}

/// Reading: a column that several parts read has to suit all of them.
fn column_type(definition: &Definition, attribute: &Attribute, column: &str) -> Option<DataType> {
    use ListAggregation::{Max, Min, Sum};
    let AttributeKind::List { column: id, parts, .. } = &attribute.kind else { return None };
    let numeric = |part: &&ListPart| part.column == column && matches!(part.aggregation, Sum | Min | Max);
    if parts.iter().any(|part| numeric(&part)) {
        return Some(DataType::Number);
    }
    let names = parts.iter().enumerate().filter(|(_, part)| part.column == column && tells_list(part));
    names.into_iter().find_map(|(index, part)| {
        let whole = if id.is_none() && index == 0 { use_of(definition, &attribute.name) } else { None };
        whole.or_else(|| use_of(definition, &format!("{}.{}", attribute.name, part.name)))
    })
}

/// The types that uses of a list's ids allow, by themselves or through a part that shows them.
fn id_type(definition: &Definition, attribute: &Attribute) -> Option<DataType> {
    let AttributeKind::List { column: Some(column), parts, .. } = &attribute.kind else { return None };
    let through = parts.iter().filter(|part| part.column == *column && tells_list(part));
    use_of(definition, &attribute.name).or_else(|| {
        through.into_iter().find_map(|part| use_of(definition, &format!("{}.{}", attribute.name, part.name)))
    })
}

fn tells_list(part: &ListPart) -> bool {
    matches!(part.aggregation, ListAggregation::Values | ListAggregation::DistinctList)
}

/// The type that criteria ask of each item of a list; they ask by `CONTAINS` alone.
fn use_of(definition: &Definition, wanted: &str) -> Option<DataType> {
    let sections = definition.personalizations.iter().flat_map(|all| &all.sections);
    sections.into_iter().find_map(|section| match &section.criteria {
        Expr::Test { name, test: Test::Contains(Value::Number(_)), .. } if name.0 == wanted => {
            Some(DataType::Number)
        }
        Expr::Test { name, test: Test::Contains(_), .. } if name.0 == wanted => Some(DataType::String),
        _ => None,
    })
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
                // Whoever writes a profile drops what has expired as its definition sees it.
                if let Some(attribute) = definition.attributes.iter().find(|a| is_kept(a)) {
                    played.settle(attribute, *now_ms);
                }
            }
        }
    }
    played
}

/// True if an event adds an item to a list or removes one.
pub fn touches_list(definition: &Definition, attribute: &Attribute, event: &Resolved) -> bool {
    let AttributeKind::List { column, actions, .. } = &attribute.kind else { return false };
    let id = || column.as_ref().and_then(|column| item_id(definition, attribute, event, column));
    added(definition, attribute, event).is_some()
        || actions.iter().any(|action| {
            let does = action.action == Removal::Clear || id().is_some();
            does && event.feeds(definition, &action.key_event, action.filter.as_ref())
        })
}

/// An item's id is a scalar, of the type that the list is used as.
fn item_id(definition: &Definition, attribute: &Attribute, event: &Resolved, column: &str) -> Option<Value> {
    let value = admit(id_type(definition, attribute), &event.column(column)?)?;
    (!matches!(value, Value::List(_))).then_some(value)
}

/// The item that an event adds.
fn added(definition: &Definition, attribute: &Attribute, event: &Resolved) -> Option<Item> {
    let AttributeKind::List { key_event, filter, column, parts, .. } = &attribute.kind else { return None };
    if !event.feeds(definition, key_event, filter.as_ref()) {
        return None;
    }
    let id = match column {
        Some(column) => Some(item_id(definition, attribute, event, column)?),
        None => None,
    };
    let columns = parts.iter().filter_map(|part| {
        let kept_as = column_type(definition, attribute, &part.column);
        let value = admit(kept_as, &event.column(&part.column)?)?;
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
            match (
                action.action,
                column.as_ref().and_then(|column| item_id(definition, attribute, event, column)),
            ) {
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
        let AttributeKind::List { keep, items_max, duration_ms, .. } = &attribute.kind else { return };
        let alive = |stamp: &Stamp| now_ms - stamp.0 < *duration_ms;
        // The first ones hold their places, also when they have expired: so what a clear took out stays out for ever.
        if *keep == Keep::Newest {
            self.items.retain(|item| alive(&item.stamp));
            self.deleted.retain(|(_, stamp)| alive(stamp));
            self.cleared = self.cleared.take().filter(alive);
        }
        self.take_out();
        self.deleted.sort_by(|a, b| b.1.cmp(&a.1));
        self.deleted.truncate(*items_max as usize);
    }

    /// Drops what is dead.
    fn bury(&mut self, attribute: &Attribute, now_ms: i64) {
        let AttributeKind::List { duration_ms, .. } = &attribute.kind else { return };
        self.items.retain(|item| now_ms - item.stamp.0 < *duration_ms);
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

/// True if a list's order independence is promised for these events: not when it is beyond its cap and something takes
/// items out.
pub fn is_promised(visitor: &Visitor, attribute: &Attribute) -> bool {
    let AttributeKind::List { column, items_max, actions, .. } = &attribute.kind else {
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
    ids.len() <= *items_max as usize || actions.is_empty()
}
