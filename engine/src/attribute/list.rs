//! Lists: items, newest first, bounded in number and in age, that other events can remove.
//!
//! Merge law: an item is identified by its id (5 = 5.0, 5 ≠ "5"; without an id column every event is an item of its
//! own). The newest (time, event id) of an id wins whole; a removal removes items that are not newer than itself, and
//! the newest removal of an id wins. The newest (or oldest) `max` items stay. Commutative, associative and idempotent
//! up to that cap, and beyond it for lists without removals: an evicted item had `max` newer ones, and those only get
//! newer. In a list of the oldest, the first `max` keep their places even when expired: a later item was never in the
//! list, whenever it arrives.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::definition::{Keep, ListAggregation};
use crate::expr::types::TypeSet;
use crate::flat::flat;
use crate::gather::Gather;
use crate::limits::LIST_ITEMS_MAX;
use crate::objects::event_id;
use crate::order;
use crate::time::{is_future, settled};
use crate::value::{DataType, Value};

/// The items of a list, and the removals it remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemList {
    /// True if items are identified by an id column; if not, each event is an item. The two kinds of lists do not
    /// merge.
    pub has_ids: bool,
    /// Which items stay over the cap.
    pub keep: Keep,
    /// The columns stored for each item, ascending.
    pub columns: Vec<String>,
    /// Newest first, expired ones included.
    pub items: Vec<Item>,
    /// Removed ids, newest removal first.
    pub removed: Vec<Removed>,
    /// The newest event that cleared the list: its time and id.
    pub cleared: Option<(i64, String)>,
}

/// One item and when it was last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The item's id: a string, number or boolean. Null: the event is the item.
    pub id: Value,
    /// When it was last seen, Unix milliseconds.
    pub time_ms: i64,
    /// The id of the event that added it last.
    pub event_id: String,
    /// The event's value in each of the list's columns.
    pub fields: Vec<Option<Value>>,
}

/// A removed id, and the event that removed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Removed {
    /// The item's id.
    pub id: Value,
    /// When it was removed, Unix milliseconds.
    pub time_ms: i64,
    /// The id of the removing event.
    pub event_id: String,
}

/// A definition's bounds on a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) keep: Keep,
    pub(crate) items_max: u32,
    pub(crate) duration_ms: i64,
}

impl Bounds {
    fn alive(&self, time_ms: i64, now_ms: i64) -> bool {
        now_ms.saturating_sub(time_ms) < self.duration_ms
    }
}

impl Default for ItemList {
    fn default() -> ItemList {
        ItemList {
            has_ids: true,
            keep: Keep::Newest,
            columns: Vec::new(),
            items: Vec::new(),
            removed: Vec::new(),
            cleared: None,
        }
    }
}

impl ItemList {
    /// Adds the item of one event; `columns`, ascending, name its fields.
    pub(crate) fn add(&mut self, item: Item, columns: &[String], bounds: Bounds, now_ms: i64) {
        self.keep = bounds.keep;
        self.settle(now_ms);
        self.forget(bounds, now_ms);
        if bounds.keep == Keep::Oldest || bounds.alive(item.time_ms, now_ms) {
            let item = self.fitted(item, columns);
            self.insert(item);
        }
        // A merge may leave more items than the cap; the next event that adds an item trims them, even when it is
        // refused.
        self.cap(bounds.items_max);
    }

    /// Removes one item, or all, unless they are newer than this event.
    pub(crate) fn remove(
        &mut self,
        id: Option<Value>,
        time_ms: i64,
        event_id: &str,
        bounds: Bounds,
        now_ms: i64,
    ) {
        self.keep = bounds.keep;
        self.settle(now_ms);
        match id {
            Some(id) => self.note(Removed { id, time_ms, event_id: event_id.into() }),
            None => self.clear((time_ms, event_id.into())),
        }
        self.drop_removed();
        self.trim(bounds, now_ms);
    }

    /// Gives items and removals far in the future, which a clock that jumped ahead and back has left, times before now, in
    /// their order. Items that a removal left were newer than it.
    pub(crate) fn settle(&mut self, now_ms: i64) {
        let before = |time_ms: &mut i64, steps: &mut i64| {
            if is_future(*time_ms, now_ms) {
                *time_ms = settled(*time_ms, now_ms).saturating_sub(*steps);
                *steps = steps.saturating_add(1);
            }
        };
        if self.items.first().is_some_and(|newest| is_future(newest.time_ms, now_ms)) {
            let mut steps = 0;
            self.items.iter_mut().for_each(|item| before(&mut item.time_ms, &mut steps));
            order::sort(&mut self.items, newest_first);
        }
        // Older than every item.
        let mut steps = i64::from(LIST_ITEMS_MAX);
        if self.removed.first().is_some_and(|newest| is_future(newest.time_ms, now_ms)) {
            self.removed.iter_mut().for_each(|removed| before(&mut removed.time_ms, &mut steps));
            order::sort(&mut self.removed, |a, b| b.time_ms.cmp(&a.time_ms));
        }
        if let Some((time_ms, _)) = &mut self.cleared {
            before(time_ms, &mut steps);
        }
    }

    /// Merges another list into this one.
    pub(crate) fn merge(&mut self, other: ItemList) {
        // Two definitions may keep differently: the later variant wins on both sides, so order does not matter.
        if other.keep == Keep::Oldest {
            self.keep = Keep::Oldest;
        }
        for removed in other.removed {
            self.note(removed);
        }
        if let Some(cleared) = other.cleared {
            self.clear(cleared);
        }
        self.drop_removed();
        for item in other.items {
            let item = self.fitted(item, &other.columns);
            self.insert(item);
        }
        self.cap(LIST_ITEMS_MAX);
        self.removed.truncate(LIST_ITEMS_MAX as usize);
    }

    /// The unexpired items within the definition's cap, newest first.
    pub(crate) fn alive(&self, bounds: Bounds, now_ms: i64) -> &[Item] {
        // Newest first, so unexpired items come first.
        let alive = self.items.partition_point(|item| bounds.alive(item.time_ms, now_ms));
        let max = bounds.items_max as usize;
        let range = match bounds.keep {
            Keep::Newest => 0..alive.min(max),
            Keep::Oldest => self.items.len().saturating_sub(max).min(alive)..alive,
        };
        self.items.get(range).unwrap_or(&[])
    }

    /// The index of a column among an item's fields.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.binary_search_by(|known| known.as_str().cmp(name)).ok()
    }

    /// The item with its fields in the order of this list's columns. Columns that only the item has are added to the
    /// list.
    fn fitted(&mut self, mut item: Item, columns: &[String]) -> Item {
        if self.columns == columns {
            return item;
        }
        for (index, name) in columns.iter().enumerate() {
            let said = item.fields.get(index).is_some_and(Option::is_some);
            if said && let Err(at) = self.columns.binary_search(name) {
                self.columns.insert(at, name.clone());
                for known in &mut self.items {
                    known.fields.insert(at.min(known.fields.len()), None);
                }
            }
        }
        let place = |name: &String| columns.binary_search(name).ok();
        let fields = self.columns.iter().map(|name| item.fields.get_mut(place(name)?)?.take());
        let fields = fields.gather();
        Item { fields, ..item }
    }

    fn insert(&mut self, item: Item) {
        if self.takes_out(&item) {
            return;
        }
        let same = |known: &Item| {
            if item.id == Value::Null {
                known.id == Value::Null && known.event_id == item.event_id
            } else {
                known.id == item.id
            }
        };
        if let Some(index) = self.items.iter().position(same) {
            if self.items.get(index).is_some_and(|known| newest_first(known, &item).is_le()) {
                return;
            }
            self.items.remove(index);
        }
        let index = self.items.partition_point(|known| newest_first(known, &item).is_lt());
        self.items.insert(index, item);
    }

    /// True if a remembered removal is not older than the item.
    fn takes_out(&self, item: &Item) -> bool {
        // An object of an event is as old as that.
        let when = (item.time_ms, event_id(&item.event_id));
        let cleared = self.cleared.as_ref().is_some_and(|(time_ms, id)| when <= (*time_ms, id.as_str()));
        cleared
            || self
                .removed
                .iter()
                .any(|removed| removed.id == item.id && when <= (removed.time_ms, removed.event_id.as_str()))
    }

    fn drop_removed(&mut self) {
        let mut items = core::mem::take(&mut self.items);
        items.retain(|item| !self.takes_out(item));
        self.items = items;
    }

    fn note(&mut self, removed: Removed) {
        let when = |removed: &Removed| (removed.time_ms, removed.event_id.clone());
        if let Some(index) = self.removed.iter().position(|known| known.id == removed.id) {
            if self.removed.get(index).is_some_and(|known| when(known) >= when(&removed)) {
                return;
            }
            self.removed.remove(index);
        }
        let order = |known: &Removed| {
            (removed.time_ms, &removed.event_id)
                .cmp(&(known.time_ms, &known.event_id))
                .then_with(|| compare(&known.id, &removed.id))
        };
        let index = self.removed.partition_point(|known| order(known).is_lt());
        self.removed.insert(index, removed);
    }

    fn clear(&mut self, by: (i64, String)) {
        if self.cleared.as_ref().is_none_or(|known| *known < by) {
            self.cleared = Some(by);
        }
    }

    /// Drops expired items and removals. Expired items do not count toward the cap, and no removal older than the
    /// list's duration is needed. In a list of the oldest, expired items keep their places, and cleared items may come
    /// again at any age.
    pub(crate) fn forget(&mut self, bounds: Bounds, now_ms: i64) {
        if bounds.keep == Keep::Oldest {
            return;
        }
        let alive = self.items.partition_point(|item| bounds.alive(item.time_ms, now_ms));
        self.items.truncate(alive);
        let alive = self.removed.partition_point(|removed| bounds.alive(removed.time_ms, now_ms));
        self.removed.truncate(alive);
        if self.cleared.as_ref().is_some_and(|(time_ms, _)| !bounds.alive(*time_ms, now_ms)) {
            self.cleared = None;
        }
    }

    /// Drops what [`ItemList::forget`] does, and removals over the cap, which a merge or a smaller cap leaves.
    pub(crate) fn trim(&mut self, bounds: Bounds, now_ms: i64) {
        self.forget(bounds, now_ms);
        self.removed.truncate(bounds.items_max as usize);
    }

    /// True if [`ItemList::trim`] would drop anything.
    pub(crate) fn is_untrimmed(&self, bounds: Bounds, now_ms: i64) -> bool {
        let is_over = |time_ms: i64| !bounds.alive(time_ms, now_ms);
        let has_expired = bounds.keep != Keep::Oldest
            && (self.items.last().is_some_and(|item| is_over(item.time_ms))
                || self.removed.last().is_some_and(|removed| is_over(removed.time_ms))
                || self.cleared.as_ref().is_some_and(|(time_ms, _)| is_over(*time_ms)));
        has_expired || self.removed.len() > bounds.items_max as usize
    }

    fn cap(&mut self, max: u32) {
        let over = self.items.len().saturating_sub(max as usize);
        match self.keep {
            Keep::Newest => self.items.truncate(max as usize),
            Keep::Oldest => drop(self.items.drain(..over)),
        }
    }
}

/// Unexpired items of a list, read through one of its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveItems<'a> {
    pub(crate) items: &'a [Item],
    /// The field to read; None: the id.
    pub(crate) field: Option<usize>,
    /// The types that its values may have; values of other types are missing.
    pub(crate) types: TypeSet,
    /// True if equal values count once.
    pub(crate) distinct: bool,
}

impl<'a> LiveItems<'a> {
    /// Every item that has a value, with its value, newest first.
    pub(crate) fn all(self) -> impl DoubleEndedIterator<Item = (&'a Item, &'a Value)> + Clone {
        self.items.iter().filter_map(move |item| {
            let value = match self.field {
                Some(field) => item.fields.get(field)?.as_ref()?,
                None => &item.id,
            };
            (self.types == TypeSet::ANY || self.types.fits(value)).then_some((item, value))
        })
    }

    /// The values of the part, newest first.
    pub(crate) fn values(self) -> impl Iterator<Item = Cow<'a, Value>> {
        // Ids are distinct, but two of them may become the same number.
        let distinct = self.distinct && (self.field.is_some() || self.types != TypeSet::ANY);
        self.all().enumerate().filter_map(move |(index, (_, value))| {
            let value = self.kept(value);
            let earlier = distinct && self.all().take(index).any(|(_, other)| *self.kept(other) == *value);
            (!earlier).then_some(value)
        })
    }

    /// The value as these types keep it: a numeric text that was stored before the types were known becomes a number.
    pub(crate) fn kept(self, value: &'a Value) -> Cow<'a, Value> {
        match value {
            Value::String(text) if !self.types.has(DataType::String) => self
                .types
                .number_in(text)
                .map_or(Cow::Borrowed(value), |number| Cow::Owned(Value::Number(number))),
            value => Cow::Borrowed(value),
        }
    }
}

impl ListAggregation {
    /// True if the part gives several values.
    pub fn is_list(self) -> bool {
        matches!(self, ListAggregation::Values | ListAggregation::DistinctList)
    }
}

/// By time, newest first; items of one event by their id and fields.
pub(crate) fn newest_first(a: &Item, b: &Item) -> Ordering {
    (b.time_ms, &b.event_id).cmp(&(a.time_ms, &a.event_id)).then_with(|| compare(&a.id, &b.id))
}

/// An order of scalars: booleans, numbers, texts.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Boolean(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::List(_) => 4,
        Value::Object(_) => 5,
    }
}

flat!(struct Bounds { keep, items_max, duration_ms });

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn an_item_that_is_dead_on_arrival_makes_the_list_forget_all_the_same() {
        let item = |time_ms, id: i64| Item { id: id.into(), time_ms, event_id: "e".into(), fields: vec![] };
        let bounds = Bounds { keep: Keep::Newest, items_max: 2, duration_ms: 100 };
        let [mut list, mut other] = [ItemList::default(), ItemList::default()];
        list.add(item(1, 1), &[], bounds, 50);
        list.add(item(2, 2), &[], bounds, 50);
        other.add(item(3, 3), &[], bounds, 50);
        list.merge(other);
        assert_eq!(list.items.len(), 3);
        list.add(item(-50, 4), &[], bounds, 50);
        assert_eq!(list.items, [item(3, 3), item(2, 2)]);
    }

    #[test]
    fn removals_over_a_smaller_cap_go_at_any_write() {
        let bounds = |items_max| Bounds { keep: Keep::Oldest, items_max, duration_ms: 100 };
        let mut list = ItemList::default();
        for time_ms in 1..4 {
            list.remove(Some(time_ms.into()), time_ms, "e", bounds(3), 50);
        }
        assert!(!list.is_untrimmed(bounds(3), 50) && list.is_untrimmed(bounds(2), 50));
        list.trim(bounds(2), 50);
        assert!(list.removed.iter().map(|removed| removed.time_ms).eq([3, 2]));
    }

    #[test]
    fn items_are_in_order_of_time_and_of_one_event_by_what_they_are() {
        let item = |time_ms, event_id: &str, id: Value| Item {
            id,
            time_ms,
            event_id: event_id.into(),
            fields: vec![],
        };
        let ordered = [
            item(6, "a", 5.into()),
            item(5, "b", 5.into()),
            item(5, "a", false.into()),
            item(5, "a", true.into()),
            item(5, "a", 4.into()),
            item(5, "a", 5.into()),
            item(5, "a", "4".into()),
            item(5, "a", "5".into()),
        ];
        for (index, newer) in ordered.iter().enumerate() {
            assert_eq!(newest_first(newer, newer), Ordering::Equal);
            for older in &ordered[index + 1..] {
                assert_eq!(newest_first(newer, older), Ordering::Less, "{newer:?} {older:?}");
                assert_eq!(newest_first(older, newer), Ordering::Greater, "{newer:?} {older:?}");
            }
        }
    }
}
