//! Looks rows of tables up: which rows a call needs, and the values of the attributes that read them.
//!
//! The engine fetches nothing. A host asks which rows are wanted ([`Plan::rows`]), reads them from wherever they are, hands
//! them in ([`Plan::hand_in`]) and evaluates with them ([`Prepared::with`]). A row that is not there is missing, like any
//! value, and says why.

mod imported;

pub use imported::{DELETED_COLUMN, ImportedRow, RefusedRow, version_number};

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::attribute::plan::{AttributePlan, CatalogPlan, Kind, Part, RowKeys};
use crate::call::Call;
use crate::call::fact::Fact;
use crate::identity::Evidence;
use crate::limits::{KEY_BYTES_MAX, ROWS_MAX};
use crate::plan::Plan;
use crate::profile::Profile;
use crate::query::{Asked, Query};
use crate::rows::{FoundRow, Missed, RowKey, Rows};
use crate::section::Prepared;
use crate::value::{Number, Value};

impl Plan {
    /// True if an attribute reads rows of a table.
    pub fn reads_tables(&self) -> bool {
        self.catalogs.iter().any(|read| !read.is_empty())
    }

    /// True if a personalization reads rows of a table.
    pub fn reads_rows(&self, personalization: usize) -> bool {
        self.catalogs.get(personalization).is_some_and(|read| !read.is_empty())
    }

    /// The rows that an answer to this query reads: at most [`ROWS_MAX`], or `rows_max`. `evidence` is that of the call: on a
    /// public route a row of a verified key needs it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Access, Asked, Evidence, FoundRow, Plan, Profile, ProfileId, Query, syntax};
    /// # use usher_engine::profile::Key;
    /// # let column = |name: &str| TableColumn { name: name.into(), ..TableColumn::default() };
    /// # let table = Table { name: "plans".into(), key: "user".into(), columns: vec![column("tier")], ..Table::default() };
    /// # let kind = AttributeKind::Catalog { table: "plans".into(), key: "user".into(), columns: vec![CatalogColumn { name: "tier".into(), data_type: None }], limit: 1 };
    /// # let plan = Attribute { name: "plan".into(), kind, sensitive: false, description: None };
    /// # let section = Section { name: "Gold".into(), key_event: None, event_filter: None, criteria: syntax::parse("plan.tier = 'gold'").unwrap(), accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false };
    /// # let home = Personalization { name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(), device: false, trigger: None, inputs: vec![], sections: vec![section] };
    /// # let identity = Identity { keys: vec![StitchKey { name: "user".into(), ..StitchKey::default() }], ..Identity::default() };
    /// # let definition = Definition { attributes: vec![plan], identity, personalizations: vec![home], lookup_tables: vec![table], ..Definition::default() };
    /// # let plan = Plan::compile(&definition).unwrap();
    /// # let now_ms = 1_790_000_000_000;
    /// # let mut profile = Profile::new(ProfileId([1; 16]), now_ms);
    /// # profile.edit_keys(|keys| keys.push(Key { name: "user".into(), value: "anna".into(), seen_ms: now_ms }));
    /// # let query = Query { event: None, asked: Asked::Named(&[0]), inputs: &[], edge: &[], access: Access::default(), blind: false };
    /// let mut rows = plan.rows(&profile, &query, &Evidence::NONE, now_ms, 16);
    /// assert_eq!((rows.wanted()[0].table.as_str(), rows.wanted()[0].key.as_str()), ("plans", "anna"));
    ///
    /// let gold = FoundRow { at_ms: now_ms, columns: vec![("tier".into(), "gold".into())] };
    /// plan.hand_in(&mut rows, |_wanted| Ok(gold.clone()));
    /// let answer = plan.call(&profile, &query, now_ms).with(&rows).personalize();
    /// assert_eq!(answer.offers[0].section, "Gold");
    /// ```
    pub fn rows(
        &self,
        profile: &Profile,
        query: &Query<'_>,
        evidence: &Evidence<'_>,
        now_ms: i64,
        rows_max: usize,
    ) -> Rows {
        let mut rows = Rows::default();
        let call = Call::new(self, profile, query, now_ms);
        let mut read: Vec<usize> = Vec::new();
        for (index, (plan, catalogs)) in self.personalizations.iter().zip(&self.catalogs).enumerate() {
            let is_asked = match query.asked {
                Asked::Triggered => query.event.is_some_and(|event| plan.tables.contains(&event.table)),
                Asked::Named(named) => named.contains(&index),
            };
            let new = catalogs.iter().filter(|_| is_asked);
            for attribute in new {
                if let Err(at) = read.binary_search(attribute) {
                    read.insert(at, *attribute);
                }
            }
        }
        for attribute in read {
            let Some(Kind::Catalog(catalog)) = self.attributes.get(attribute).map(|plan| &plan.kind) else {
                continue;
            };
            let keys = keys_of(catalog, profile, &call);
            let may_read = |key: &String| {
                query.access.server_route
                    || catalog.public
                    || match &catalog.key {
                        RowKeys::Key(name) => self.may_look_up(name, key, evidence),
                        RowKeys::Fact(_) | RowKeys::Column(_) => false,
                    }
            };
            let mut own = Vec::new();
            for key in keys {
                let known = rows.wanted.iter().position(|row| row.table == catalog.table && row.key == key);
                match known {
                    _ if !may_read(&key) => rows.miss(attribute, Missed::NotYours),
                    Some(known) => own.push(known),
                    None if rows.wanted.len() >= rows_max => rows.miss(attribute, Missed::Unavailable),
                    None => {
                        own.push(rows.wanted.len());
                        rows.wanted.push(RowKey { table: catalog.table.clone(), key });
                    }
                }
            }
            rows.of_attributes.push((attribute, own));
        }
        rows
    }

    /// Completes the rows of a call with what `find` knows of each wanted one.
    pub fn hand_in(&self, rows: &mut Rows, mut find: impl FnMut(&RowKey) -> Result<FoundRow, Missed>) {
        let found: Vec<_> = rows.wanted.iter().map(&mut find).collect();
        let of_attributes = core::mem::take(&mut rows.of_attributes);
        for (attribute, own) in &of_attributes {
            for index in own {
                if let Some(Err(missed)) = found.get(*index) {
                    rows.miss(*attribute, *missed);
                }
            }
        }
        for (index, fact) in (0_u16..).zip(&self.facts) {
            let Part::Column(column, _) = &fact.part else { continue };
            let own = of_attributes.iter().find(|(attribute, _)| *attribute == fact.attribute);
            let Some((_, own)) = own else { continue };
            let many = matches!(
                self.attributes.get(fact.attribute).map(|plan| &plan.kind),
                Some(Kind::Catalog(CatalogPlan { many: true, .. }))
            );
            let of_rows = own.iter().filter_map(|index| found.get(*index)?.as_ref().ok());
            let mut values = of_rows.filter_map(|row| {
                let (_, value) = row.columns.iter().find(|(known, _)| known == column)?;
                // A list is of one type; a value of another is left out of it.
                let value = if many { fact.types.items().admit(value).ok()?? } else { value.clone() };
                Some((value, row.at_ms))
            });
            let Some((first, mut at_ms)) = values.next() else { continue };
            let mut value = first;
            if many {
                let mut list = alloc::vec![value];
                for (value, other_ms) in values {
                    list.push(value);
                    // The age of several is that of the oldest.
                    at_ms = at_ms.min(other_ms);
                }
                value = Value::List(list);
            }
            rows.values.push((index, value, at_ms));
        }
        rows.of_attributes = of_attributes;
    }

    /// The attributes of a call with a row that is not there, by name, and why; each once for each reason.
    pub fn missed<'p>(&'p self, rows: &'p Rows) -> impl Iterator<Item = (&'p str, Missed)> {
        let name = |(index, why): &(usize, Missed)| {
            self.attributes.get(*index).map(|plan: &AttributePlan| (plan.name.as_str(), *why))
        };
        rows.missed.iter().filter_map(name)
    }
}

/// A row that an attribute reads, for explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowTrace<'p> {
    /// The attribute's name.
    pub attribute: &'p str,
    /// The row.
    pub row: &'p RowKey,
    /// False if the key must not be shown: it is a visitor's, or a sensitive value.
    pub shows_key: bool,
}

impl Plan {
    /// The rows of a call, by attribute.
    pub fn row_traces<'p>(&'p self, rows: &'p Rows) -> impl Iterator<Item = RowTrace<'p>> {
        rows.of_attributes.iter().flat_map(move |(index, own)| {
            let attribute = self.attributes.get(*index);
            own.iter().filter_map(move |row| {
                let (attribute, row) = (attribute?, rows.wanted.get(*row)?);
                Some(RowTrace { attribute: &attribute.name, row, shows_key: self.shows_key(attribute) })
            })
        })
    }

    fn shows_key(&self, attribute: &AttributePlan) -> bool {
        let Kind::Catalog(catalog) = &attribute.kind else { return false };
        let is_sensitive = match &catalog.key {
            RowKeys::Key(_) => true,
            RowKeys::Fact(fact) => {
                let source =
                    self.facts.get(usize::from(*fact)).and_then(|fact| self.attributes.get(fact.attribute));
                source.is_none_or(|source| source.sensitive)
            }
            RowKeys::Column(column) => {
                self.attributes.iter().any(|known| known.sensitive && known.name == *column)
            }
        };
        catalog.public && !attribute.sensitive && !is_sensitive
    }
}

impl<'a> Prepared<'_, 'a> {
    /// The same call with the rows that it needs.
    #[must_use]
    pub fn with(mut self, rows: &'a Rows) -> Self {
        self.call.rows = Some(rows);
        self
    }
}

impl Rows {
    fn miss(&mut self, attribute: usize, why: Missed) {
        if !self.missed.contains(&(attribute, why)) {
            self.missed.push((attribute, why));
        }
    }
}

/// The texts of the rows' keys, at most as many as the attribute reads.
fn keys_of(catalog: &CatalogPlan, profile: &Profile, call: &Call<'_>) -> Vec<String> {
    let mut keys = Vec::new();
    let mut add = |value: &Value| {
        if let Some(key) = key_text(value)
            && keys.len() < catalog.rows_max
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    };
    match &catalog.key {
        RowKeys::Key(name) => {
            let own = profile.keys().iter().filter(|key| key.name == *name);
            let newest = own.max_by(|a, b| (a.seen_ms, &a.value).cmp(&(b.seen_ms, &b.value)));
            keys.extend(newest.map(|key| key.value.clone()));
        }
        RowKeys::Column(column) => {
            if let Some(value) = call.event.and_then(|event| event.column(column)) {
                add(value);
            }
        }
        RowKeys::Fact(fact) => match call.fact(*fact) {
            Fact::Missing => {}
            Fact::Value(value, _) => add(value),
            Fact::Number(number) => add(&Value::Number(*number)),
            Fact::Items(items) => items.values().take(ROWS_MAX).for_each(|value| add(&value)),
        },
    }
    keys
}

/// The text of a value that is a row's key: a number's is that of its value, so that 5 and 5.0 are one key. None: it
/// can be no key.
///
/// # Examples
///
/// ```
/// use usher_engine::{key_text, value::Value};
///
/// assert_eq!(key_text(&Value::from("sku-1")).as_deref(), Some("sku-1"));
/// assert_eq!(key_text(&Value::from(5)).as_deref(), Some("5"));
/// assert_eq!(key_text(&Value::from("")), None);
/// ```
pub fn key_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.to_owned(),
        Value::Number(number) => {
            let whole = Number::Integer(number.to_f64() as i64);
            if whole == *number { whole } else { *number }.to_string()
        }
        _ => return None,
    };
    let is_key = !text.is_empty() && text.len() <= KEY_BYTES_MAX && !text.chars().any(char::is_control);
    is_key.then_some(text)
}
