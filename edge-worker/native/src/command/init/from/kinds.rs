//! The kinds of events that there are: by their names where a column has some, else by their tables.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use usher_edge::discovery::Discovery;

use super::super::super::seen::{self, Column, Seen};
use super::words::{PAGE, bare, slug};
use crate::exit::Failure;
use crate::limits::{KINDS_MAX, PLAYED_MAX};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::clean;

/// The ends of the names of columns that name an event, without marks, the first first: `click_event_type` is one, too. The last ones
/// are whole names, because many columns end so.
const NAMES: [(&str, bool); 6] = [
    ("eventname", false),
    ("event", true),
    ("eventtype", false),
    ("eventaction", false),
    ("action", true),
    ("type", true),
];

/// An event with its database and table, as it is.
type Sampled = (String, String, Value);

/// The events that there are.
pub(super) struct Events {
    /// The most frequent first.
    pub(super) kinds: Vec<Kind>,
    /// Some of them, as they are.
    pub(super) sample: Vec<Sampled>,
}

/// The column with the name of an event, and the name; None where none has one.
type Named = Option<(String, String)>;

/// A kind of events.
pub(super) struct Kind {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) by: Named,
    /// Its name in the definition.
    pub(super) name: String,
    pub(super) about: About,
    pub(super) events: Option<u64>,
    pub(super) columns: Vec<Column>,
}

/// The subject of an event, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    ProductView,
    Cart,
    Purchase,
    Content,
    Page,
    Other,
}

/// The parts of names that tell it, the first first.
const SUBJECTS: [(About, &[&str]); 5] = [
    (About::Cart, &["add_to_cart", "cart_add", "product_added", "added_to_cart", "cart"]),
    (About::Purchase, &["purchase", "order", "transaction", "checkout_completed"]),
    (About::ProductView, &["product", "view_item", "item_view"]),
    (About::Content, &["article", "content", "video", "story", "watch", "read"]),
    (About::Page, &["page", "screen", "pv", "view"]),
];

/// Parts of names of the opposite.
const UNDONE: [&str; 5] = ["remove", "refund", "cancel", "delete", "fail"];

fn subject(name: &str) -> About {
    if UNDONE.iter().any(|part| name.contains(part)) {
        return About::Other;
    }
    let found = SUBJECTS.iter().find(|(_, parts)| parts.iter().any(|part| name.contains(part)));
    found.map_or(About::Other, |(about, _)| *about)
}

/// The column with the name of an event, and the name.
fn name_of(event: &Value) -> Named {
    let columns = || event.as_object().into_iter().flatten();
    let named = |(end, whole): &(&str, bool)| {
        let mut fitting = columns().filter(|(column, name)| {
            let bare = bare(column);
            let is_named = if *whole { bare == *end } else { bare.ends_with(end) };
            is_named && name.as_str().is_some_and(|name| name.len() <= 64 && !slug(name).is_empty())
        });
        let (column, name) = fitting.next()?;
        Some((column.clone(), name.as_str()?.to_owned()))
    };
    NAMES.iter().find_map(named)
}

impl Events {
    /// Those of a file.
    pub(super) fn of(path: &Path) -> Result<Events, Failure> {
        let mut by_kind = Discovery::default();
        let mut known: Vec<(String, String, Named)> = Vec::new();
        let mut sample: Vec<Sampled> = Vec::new();
        seen::read(path, |database, table, event| {
            let by = name_of(event);
            let mut kind = (database.to_owned(), table.to_owned(), by);
            if !known.contains(&kind) {
                if known.len() >= KINDS_MAX {
                    kind.2 = None;
                }
                if !known.contains(&kind) {
                    known.push(kind.clone());
                }
            }
            let place = known.iter().position(|it| *it == kind).unwrap_or(0);
            by_kind.event("kind", &format!("{place:05}"), event.to_string().as_bytes());
            if sample.len() < PLAYED_MAX {
                sample.push((database.to_owned(), table.to_owned(), event.clone()));
            }
        })?;
        let kinds = Seen::of_discovery(&by_kind).tables.into_iter().filter_map(|seen| {
            let (database, table, by) = known.get(seen.table.parse::<usize>().ok()?)?.clone();
            let (name, about) = (String::new(), About::Other);
            Some(Kind { database, table, by, name, about, events: seen.events, columns: seen.columns })
        });
        Ok(Events::named(kinds.collect(), sample))
    }

    /// Those of an edge: each table is a kind.
    pub(super) fn at(url: &str) -> Result<Events, Failure> {
        let client = EdgeOptions::at(url).find(Role::Admin)?.client()?;
        let mut kinds = Vec::new();
        for table in Seen::at(&client, None)?.tables {
            let columns = seen::columns_at(&client, &table.database, &table.table)?;
            let (name, about) = (String::new(), About::Other);
            let (database, table, events) = (table.database, table.table, table.events);
            kinds.push(Kind { database, table, by: None, name, about, events, columns });
        }
        Ok(Events::named(kinds, Vec::new()))
    }

    /// Gives each kind a name of its own, and its subject.
    fn named(mut kinds: Vec<Kind>, sample: Vec<Sampled>) -> Events {
        kinds.sort_by_key(|kind| core::cmp::Reverse(kind.events));
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        for kind in &mut kinds {
            let name = slug(kind.by.as_ref().map_or(&kind.table, |(_, name)| name));
            let begins_with_digit = name.starts_with(|first: char| first.is_ascii_digit());
            let name = if begins_with_digit { format!("event_{name}") } else { name };
            let number = taken.entry(name.clone()).and_modify(|number| *number += 1).or_insert(1);
            kind.name = if *number == 1 { name } else { format!("{name}_{number}") };
            kind.about = subject(&kind.name);
            // Where no column names the event, a page's address tells that it is about a page.
            let has_page = || kind.columns.iter().any(|column| PAGE.contains(&bare(&column.name).as_str()));
            if kind.about == About::Other && kind.by.is_none() && has_page() {
                kind.about = About::Page;
            }
        }
        Events { kinds, sample }
    }

    /// The most frequent kind with this subject.
    pub(super) fn first(&self, about: About) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.about == about)
    }

    /// The share of all events that have a column, from 0 to 1; None: nobody counted.
    pub(super) fn share(&self, column: &str) -> Option<f64> {
        let (mut having, mut all) = (0.0, 0.0);
        for kind in &self.kinds {
            let events = f64::from(u32::try_from(kind.events?).unwrap_or(u32::MAX));
            let share = kind.columns.iter().find(|it| it.name == column).and_then(|it| it.share);
            having += share.unwrap_or(0.0) * events;
            all += events;
        }
        (all > 0.0).then(|| having / all)
    }
}

impl Kind {
    /// Its name in sentences.
    pub(super) fn shown(&self) -> String {
        match &self.by {
            Some((column, value)) => format!("{column} `{}`", clean(value)),
            None => format!("{}.{}", self.database, self.table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_subject_of_events() {
        for (name, about) in [
            ("product_viewed", About::ProductView),
            ("view_item", About::ProductView),
            ("product_added", About::Cart),
            ("product_removed", About::Other),
            ("remove_from_cart", About::Other),
            ("order_completed", About::Purchase),
            ("order_refunded", About::Other),
            ("article_read", About::Content),
            ("page_view", About::Page),
            ("identify", About::Other),
        ] {
            assert_eq!(subject(name), about, "{name}");
        }
    }
}
