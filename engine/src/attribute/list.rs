//! Lists of distinct items, newest first, bounded in number and in age.
//!
//! Merge law: an item is known by its value (5 = 5.0, 5 ≠ "5") and its newest (time, event id) wins; of all items the
//! newest `max` stay. Commutative, associative, idempotent. An item that was evicted had `max` newer ones, and those
//! only get newer, so the order of arrival does not matter.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::limits::LIST_ITEMS_MAX;
use crate::order;
use crate::value::Value;

/// The items of a list, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemList(Vec<Item>);

/// One item and when it was last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is: a string, number or boolean.
    pub value: Value,
    /// When it was last seen, Unix milliseconds.
    pub time_ms: i64,
    /// The event that said so.
    pub event_id: String,
}

impl ItemList {
    /// Of any items: distinct ones, newest first, at most as many as any list keeps.
    pub fn new(items: Vec<Item>) -> ItemList {
        let mut list = ItemList(items);
        list.settle(LIST_ITEMS_MAX);
        list
    }

    /// The items, newest first, dead ones included.
    pub fn items(&self) -> &[Item] {
        &self.0
    }

    /// Adds what one event saw, and keeps the newest `max` of those that live at `now_ms`.
    pub(crate) fn add(&mut self, item: Item, max: u32, duration_ms: i64, now_ms: i64) {
        self.0.push(item);
        // Dead items do not count toward the cap.
        self.0.retain(|item| now_ms.saturating_sub(item.time_ms) < duration_ms);
        self.settle(max);
    }

    /// Both together.
    #[must_use]
    pub(crate) fn merge(mut self, other: ItemList) -> ItemList {
        self.0.extend(other.0);
        self.settle(LIST_ITEMS_MAX);
        self
    }

    /// The living items that the definition has room for, newest first.
    pub(crate) fn alive(&self, max: u32, duration_ms: i64, now_ms: i64) -> &[Item] {
        // Newest first, so the living stand in front.
        let alive =
            self.0.iter().take_while(|item| now_ms.saturating_sub(item.time_ms) < duration_ms).count();
        self.0.get(..alive.min(max as usize)).unwrap_or(&[])
    }

    fn settle(&mut self, max: u32) {
        order::sort(&mut self.0, |a, b| newest_first(a, b).then_with(|| compare(&a.value, &b.value)));
        let mut kept: Vec<Item> = Vec::with_capacity(self.0.len().min(max as usize));
        for item in self.0.drain(..) {
            if kept.len() < max as usize && !kept.iter().any(|other| other.value == item.value) {
                kept.push(item);
            }
        }
        self.0 = kept;
    }
}

/// By time, newest first; one event's items by what they are.
fn newest_first(a: &Item, b: &Item) -> Ordering {
    (b.time_ms, &b.event_id).cmp(&(a.time_ms, &a.event_id))
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
