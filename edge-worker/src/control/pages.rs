//! Lists: pages, order and filters, as the query says.

use std::borrow::Cow;

use usher_engine::value::Value;

use super::answer::{Result, object};
use super::fault::Fault;
use crate::limits::{PAGE_ITEMS, PAGE_ITEMS_MAX};
use crate::wire::query;

/// The parameters of a query.
pub(super) struct Query<'a>(Vec<Parameter<'a>>);

struct Parameter<'a> {
    name: Cow<'a, str>,
    value: String,
    /// Both as sent.
    sent: (&'a str, &'a str),
}

impl<'a> Query<'a> {
    pub(super) fn of(target: &'a str) -> Result<Query<'a>> {
        let read = |sent: (&'a str, &'a str)| {
            Some(Parameter { name: query::decoded(sent.0)?, value: query::decoded_form(sent.1)?, sent })
        };
        let pairs: Option<Vec<_>> = query::pairs(target).map(read).collect();
        pairs.map(Query).ok_or_else(|| vec![Fault::parameter("", "the query is not percent-encoded UTF-8")])
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|known| known.name == name).map(|known| known.value.as_str())
    }

    /// The names that a comma separates.
    pub(super) fn names(&self, name: &str) -> Option<Vec<&str>> {
        self.get(name).map(|names| names.split(',').map(str::trim).collect())
    }

    /// The page of these objects that the query asks for.
    pub(super) fn page(&self, mut items: Vec<Value>, path: &str) -> Result<Value> {
        let size = match self.get("page[size]").map(str::parse) {
            None => PAGE_ITEMS,
            Some(Ok(size)) if (1..=PAGE_ITEMS_MAX).contains(&size) => size,
            Some(_) => {
                let detail = format!("page[size] is a number from 1 to {PAGE_ITEMS_MAX}");
                return Err(vec![Fault::parameter("page[size]", detail)]);
            }
        };
        if let Some(part) = self.get("name_include") {
            items.retain(|item| name_of(item).contains(part));
        }
        if let Some(order) = self.get("sorted_by") {
            sort(&mut items, order)?;
        }
        if let Some(after) = self.get("page[after]") {
            let is_it = |item: &Value| item.get("id").and_then(Value::as_str) == Some(after);
            let Some(place) = items.iter().position(is_it) else {
                return Err(vec![Fault::parameter("page[after]", "page[after] is no id of this list")]);
            };
            items.drain(..=place);
        }
        let more = items.len() > size;
        items.truncate(size);
        let last = items.last().and_then(|item| item.get("id")?.as_str());
        let next = last.filter(|_| more).map(|last| {
            let kept = self.0.iter().filter(|known| !known.name.starts_with("page["));
            let kept: String = kept.map(|known| format!("&{}={}", known.sent.0, known.sent.1)).collect();
            format!("{path}?page[size]={size}&page[after]={last}{kept}")
        });
        let next = next.map_or(Value::Null, Value::String);
        Ok(object([("data", Value::List(items)), ("pagination", object([("nextPage", next)]))]))
    }
}

fn name_of(item: &Value) -> &str {
    item.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// `name:asc`, `id:desc`; ascending without a word.
fn sort(items: &mut [Value], order: &str) -> Result<()> {
    let (field, direction) = order.split_once(':').unwrap_or((order, "asc"));
    let id = |item: &Value| item.get("id").and_then(Value::as_str).and_then(|id| id.parse::<u64>().ok());
    match field {
        "name" => items.sort_by(|a, b| name_of(a).cmp(name_of(b))),
        "id" => items.sort_by_key(id),
        _ => return Err(vec![Fault::parameter("sorted_by", "lists are sorted by name or id")]),
    }
    match direction {
        "asc" => {}
        "desc" => items.reverse(),
        _ => return Err(vec![Fault::parameter("sorted_by", "the direction is asc or desc")]),
    }
    Ok(())
}
