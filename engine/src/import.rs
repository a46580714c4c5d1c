//! Import: adds one batch record to the profile that has its key.
//!
//! Only the lookup key's column identifies; every other column is a value. Reserved: `batch_segments`, `computed_at`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::plan::Kind;
use crate::attribute::{BatchRecord, put_record};
use crate::ingest::update::bytes;
use crate::limits::{RECORD_BYTES_MAX, VALUE_BYTES_MAX};
use crate::plan::Plan;
use crate::profile::{Key, Profile};
use crate::time;
use crate::value::{DataType, Value};

/// A record with its columns admitted by the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The key of the profile that it is for.
    pub key: Key,
    /// Its values.
    pub content: BatchRecord,
    /// Columns whose value was refused, once each.
    pub refused: Vec<RefusedColumn>,
    /// Columns that no batch attribute reads.
    pub ignored: Vec<String>,
}

/// A column whose value was refused; the attribute is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedColumn {
    /// The column's name.
    pub column: String,
    /// A stable name: `wrong_type` or `too_large`.
    pub reason: &'static str,
}

impl Plan {
    /// The columns that batch attributes read, in the order of the attributes, each with the types that its value may
    /// have: all types without a declaration or use. A column that several attributes read appears once for each.
    pub fn record_columns(&self) -> impl Iterator<Item = (&str, Vec<DataType>)> {
        self.attributes.iter().filter_map(|attribute| match &attribute.kind {
            Kind::Batch { column } => Some((
                column.as_str(),
                DataType::ALL.into_iter().filter(|known| attribute.types.has(*known)).collect(),
            )),
            _ => None,
        })
    }

    /// Reads one imported row that arrived at `now_ms`.
    ///
    /// # Errors
    ///
    /// Why the whole row is refused: no usable key, or a reserved column that is not what it must be.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Access, Asked, Event, Evidence, Plan, Profile, ProfileId, Query, syntax};
    /// # let table = EventTable { database: "web".into(), table: "pages".into() };
    /// # let view = KeyEvent { name: "view".into(), table, filter: None, columns: vec![], description: None };
    /// # let kind = AttributeKind::Counter { key_event: "view".into(), filter: None, increment: Increment::Constant(1), window_ms: Some(86_400_000), parts: vec![], backfill: None };
    /// # let views = Attribute { name: "views".into(), kind, sensitive: false, description: None };
    /// # let criteria = syntax::parse("views >= 1").unwrap();
    /// # let section = Section { name: "Welcome".into(), key_event: None, event_filter: None, criteria, accept_unknown_profiles: true, outputs: vec![], segments: vec![], include_sensitive: false };
    /// # let home = Personalization { name: "home".into(), id: None, description: None, choice: Choice::First, segments_as: Default::default(), device: false, trigger: Some("view".into()), inputs: vec![], sections: vec![section] };
    /// # let keys = vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }];
    /// # let identity = Identity { keys, primary_key: Some("visitor".into()), ..Identity::default() };
    /// # let definition = Definition { audience: Audience { id: "7".into(), name: None }, key_events: vec![view], attributes: vec![views], identity, personalizations: vec![home], ..Definition::default() };
    /// # let plan = Plan::compile(&definition).unwrap();
    /// # let now_ms = 1_790_000_000_000;
    /// # let table = plan.table("web", "pages").unwrap();
    /// # let event = Event::resolve(table, vec![("visitor".into(), "anna".into())], now_ms, "id-1".into());
    /// let row = [("visitor".into(), "anna".into()), ("tier".into(), "VIP".into())];
    /// let record = plan.record(&row, now_ms).unwrap();
    /// // No batch attribute reads `tier`.
    /// assert_eq!(record.ignored, ["tier"]);
    /// let mut profile = Profile::new(ProfileId([1; 16]), now_ms);
    /// assert!(profile.import(record, now_ms));
    /// assert!(plan.record(&[("visitor".into(), "".into())], now_ms).is_err());
    /// ```
    pub fn record(&self, row: &[(String, Value)], now_ms: i64) -> Result<Record, &'static str> {
        let field =
            |name: &str| row.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.present());
        let lookup_key = self.lookup_key().ok_or("Key is not present in the config file.")?;
        let computed_ms = match field("computed_at") {
            // Not after its arrival, as for events: a record of the future would win over all later ones.
            Some(value) => time::instant_ms(value).ok_or("computed_at is not a time.")?.min(now_ms),
            None => now_ms,
        };
        let key = self.record_key(field(lookup_key), computed_ms)?;
        let segments = match field("batch_segments") {
            None => None,
            Some(Value::List(items)) => {
                let names: Option<Vec<String>> =
                    items.iter().map(|item| item.as_str().map(String::from)).collect();
                Some(names.ok_or("batch_segments is not a list of names.")?)
            }
            Some(_) => return Err("batch_segments is not a list of names."),
        };
        let mut values: Vec<(String, Value)> = Vec::new();
        let mut refused = Vec::new();
        let mut used: Vec<&str> = Vec::new();
        for attribute in &self.attributes {
            let Kind::Batch { column } = &attribute.kind else { continue };
            let Some(value) = field(column) else { continue };
            used.push(column);
            let admitted = match attribute.types.admit(value) {
                Ok(Some(value)) if bytes(&value) > VALUE_BYTES_MAX => Err("too_large"),
                Ok(value) => Ok(value),
                Err(_) => Err("wrong_type"),
            };
            match admitted {
                Ok(Some(value)) if !values.iter().any(|(known, _)| known == column) => {
                    values.push((column.clone(), value));
                }
                Ok(_) => {}
                Err(reason) if !refused.iter().any(|known: &RefusedColumn| known.column == *column) => {
                    refused.push(RefusedColumn { column: column.clone(), reason });
                }
                Err(_) => {}
            }
        }
        let known = |name: &str| name == lookup_key || matches!(name, "batch_segments" | "computed_at");
        let is_ignored = |(name, value): &&(String, Value)| {
            value.present().is_some() && !known(name) && !used.contains(&name.as_str())
        };
        let ignored = row.iter().filter(is_ignored).map(|(name, _)| name.clone()).collect();
        let content = BatchRecord {
            key: key.value.clone(),
            computed_ms,
            arrival_ms: now_ms,
            segments,
            values,
            patch: false,
        };
        if record_bytes(&content) > RECORD_BYTES_MAX {
            return Err("The record is too large.");
        }
        Ok(Record { key, content, refused, ignored })
    }
}

/// The size of a record in bytes: its key, names of segments, and values with their columns.
fn record_bytes(record: &BatchRecord) -> usize {
    let segments = record.segments.iter().flatten().map(|segment| segment.len().saturating_add(2));
    let values = record
        .values
        .iter()
        .map(|(column, value)| column.len().saturating_add(bytes(value)).saturating_add(4));
    segments.chain(values).fold(record.key.len(), usize::saturating_add)
}

impl Record {
    /// The same record as a patch: it adds its values to older records of its key, instead of replacing them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_engine::definition::*;
    /// # use usher_engine::{Plan, Profile, ProfileId};
    /// # let batch = |name: &str| Attribute { name: name.into(), kind: AttributeKind::Batch { column: name.into(), data_type: None }, sensitive: false, description: None };
    /// # let keys = vec![StitchKey { name: "visitor".into(), ..StitchKey::default() }];
    /// # let identity = Identity { keys, primary_key: Some("visitor".into()), ..Identity::default() };
    /// # let definition = Definition { attributes: vec![batch("tier"), batch("city")], identity, ..Definition::default() };
    /// # let plan = Plan::compile(&definition).unwrap();
    /// let now_ms = 1_790_000_000_000;
    /// let mut profile = Profile::new(ProfileId([1; 16]), now_ms);
    /// let row = |column: &str, value: &str| [("visitor".into(), "anna".into()), (column.to_owned(), value.into())];
    /// profile.import(plan.record(&row("tier", "VIP"), now_ms).unwrap(), now_ms);
    /// // A record without `tier` would take it away; as a patch it only adds `city`.
    /// profile.import(plan.record(&row("city", "Oslo"), now_ms).unwrap().patching(), now_ms + 1);
    /// let mut columns: Vec<&str> = profile.batch().iter().flat_map(|record| &record.values).map(|(column, _)| column.as_str()).collect();
    /// columns.sort();
    /// assert_eq!(columns, ["city", "tier"]);
    /// ```
    #[must_use]
    pub fn patching(mut self) -> Record {
        self.content.patch = true;
        self
    }
}

impl Profile {
    /// Adds a record at this Unix time in milliseconds; one that is older than the stored records of its key changes nothing.
    /// Returns whether it was added.
    pub fn import(&mut self, record: Record, now_ms: i64) -> bool {
        self.learn(record.key);
        self.edit_batch(|records| {
            for known in records.iter_mut() {
                known.computed_ms = time::settled(known.computed_ms, now_ms);
                known.arrival_ms = time::settled(known.arrival_ms, now_ms);
            }
            put_record(records, record.content, true)
        })
    }
}
