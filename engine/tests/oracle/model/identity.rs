//! The visitor of an event: identity (§5) on a plain list of visitors.

use std::rc::Rc;

use usher_engine::definition::{AttributeKind, Definition, Normalize, StitchKey, Trust};
use usher_engine::value::Value;

use super::value::{admit, instant_ms};
use super::{BatchRecord, Happening, Resolved, Visitor};
use crate::generate::Proof;

/// All visitors of an audience.
#[derive(Clone, Default)]
pub struct World {
    pub visitors: Vec<Visitor>,
}

/// The outcome of an event or a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// The visitor; None: nobody, and nothing is stored.
    pub visitor: Option<u64>,
    pub duplicate: bool,
    pub created: bool,
    /// Visitors who turned out to be this one.
    pub merged: Vec<u64>,
    /// Keys that left other people: name, and whom it belonged to.
    pub moved: Vec<(String, u64)>,
    /// Visitors who were left alone, because the event does not say whose it is.
    pub left: Vec<u64>,
    /// Names of keys that went over the bound of 200.
    pub evicted: Vec<String>,
    /// Names of keys that identify nobody, and why.
    pub refused: Vec<(String, String)>,
}

impl Receipt {
    /// The order of entries with the same time is not defined.
    pub fn sorted(mut self) -> Receipt {
        self.merged.sort_unstable();
        self.moved.sort_unstable();
        self.left.sort_unstable();
        self.evicted.sort_unstable();
        self
    }
}

type Key = (String, String);

impl World {
    /// One event: whose it is, and what that changes.
    pub fn event(
        &mut self,
        (definition, number): (&Rc<Definition>, u64),
        event: &Rc<Resolved>,
        proof: &Proof,
        (fresh, now_ms): (u64, i64),
    ) -> Receipt {
        let (usable, refused) = keys(definition, event, proof);
        let refused = Receipt { refused, ..Receipt::default() };
        if usable.is_empty() {
            return refused;
        }
        let (index, mut receipt) = self.stitch(definition, &usable, event.time_ms, fresh, now_ms);
        receipt.refused = refused.refused;
        let visitor = &mut self.visitors[index];
        receipt.duplicate = visitor.ingest(definition, event, now_ms);
        visitor.history.push(Happening::Written { definition: definition.clone(), number, now_ms });
        receipt
    }

    /// One imported row, for the visitor who carries its key.
    pub fn import(
        &mut self,
        (definition, number): (&Rc<Definition>, u64),
        row: &[(String, Value)],
        (fresh, now_ms): (u64, i64),
    ) -> Receipt {
        let field = |name: &str| row.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let rule = lookup_rule(definition).expect("cases have a lookup key");
        let computed_ms = match field("computed_at") {
            Some(Value::Null) | None => now_ms,
            Some(value) => match instant_ms(value) {
                // Reading: like an event's time it is never after the arrival.
                Some(computed_ms) => computed_ms.min(now_ms),
                None => return Receipt::default(),
            },
        };
        let Some(key) = field(&rule.name) else { return Receipt::default() };
        let Ok(key) = &admitted(&rule, key) else { return Receipt::default() };
        let values = definition.attributes.iter().filter_map(|attribute| match &attribute.kind {
            AttributeKind::Batch { column, data_type } => {
                Some((column.clone(), admit(*data_type, field(column)?)?))
            }
            _ => None,
        });
        let record =
            BatchRecord { key: key.clone(), computed_ms, arrival_ms: now_ms, values: values.collect() };
        let found = self.visitors.iter().position(|visitor| visitor.has_key(&rule.name, key));
        let index = found.unwrap_or_else(|| {
            self.visitors.push(Visitor::new(fresh, now_ms));
            self.visitors.len() - 1
        });
        let visitor = &mut self.visitors[index];
        visitor.learn(&rule.name, key, computed_ms);
        visitor.import(record);
        visitor.history.push(Happening::Written { definition: definition.clone(), number, now_ms });
        Receipt { visitor: Some(visitor.id), created: found.is_none(), ..Receipt::default() }
    }

    /// The visitor with these keys, by index.
    pub fn stitch(
        &mut self,
        definition: &Definition,
        keys: &[Key],
        time_ms: i64,
        fresh: u64,
        now_ms: i64,
    ) -> (usize, Receipt) {
        let mut receipt = Receipt::default();
        let primary = definition.identity.primary_key.as_deref();
        let whose = |visitor: &Visitor| {
            visitor.keys.iter().find(|key| Some(key.0.as_str()) == primary).map(|key| key.1.clone())
        };
        let own = keys.iter().find(|key| Some(key.0.as_str()) == primary).map(|key| key.1.clone());
        let named: Vec<u64> = keys
            .iter()
            .flat_map(|(name, value)| self.visitors.iter().filter(move |v| v.has_key(name, value)))
            .map(|visitor| visitor.id)
            .collect();
        // Those that somebody had before this event.
        let known: Vec<Key> = keys
            .iter()
            .filter(|(name, value)| self.visitors.iter().any(|visitor| visitor.has_key(name, value)))
            .cloned()
            .collect();
        let is_named = |visitor: &&Visitor| named.contains(&visitor.id);
        // Whose event it is: its own word, or (Reading) the first person in routing order.
        let of = |id: &u64| self.visitors.iter().find(|visitor| visitor.id == *id).and_then(whose);
        let person = own.clone().or_else(|| named.iter().find_map(of));
        let lookup = lookup_rule(definition).map(|rule| rule.name);
        let is_mine = |visitor: &Visitor| whose(visitor).is_none_or(|other| Some(other) == person);
        let mut mine: Vec<(i64, u64)> = self
            .visitors
            .iter()
            .filter(is_named)
            .filter(|visitor| is_mine(visitor))
            .map(|visitor| (visitor.created_ms, visitor.id))
            .collect();
        let others: Vec<u64> = self
            .visitors
            .iter()
            .filter(is_named)
            .filter(|visitor| !is_mine(visitor))
            .map(|visitor| visitor.id)
            .collect();
        // The earliest-created survives, tie: smaller id.
        mine.sort_unstable();
        let survivor = mine.first().map_or(fresh, |(_, id)| *id);
        if mine.is_empty() {
            self.visitors.push(Visitor::new(fresh, now_ms));
            receipt.created = true;
        }
        for (_, source) in mine.iter().skip(1) {
            let source =
                self.visitors.remove(self.visitors.iter().position(|v| v.id == *source).expect("it"));
            self.visitors.iter_mut().find(|v| v.id == survivor).expect("it").absorb(&source);
            receipt.merged.push(source.id);
        }
        for (name, value) in keys {
            let holder = self.visitors.iter_mut().find(|v| others.contains(&v.id) && v.has_key(name, value));
            if let Some(holder) = holder {
                if own.is_none() {
                    // Reading: an event without a word of its own leaves the keys of other people where they are.
                    continue;
                }
                holder.keys.retain(|key| (&key.0, &key.1) != (name, value));
                receipt.moved.push((name.clone(), holder.id));
                // A record is for the visitor who carries its key.
                let (moved, stay) = std::mem::take(&mut holder.records)
                    .into_iter()
                    .partition(|record| lookup.as_ref() == Some(name) && record.key == *value);
                holder.records = stay;
                let mine = self.visitors.iter_mut().find(|v| v.id == survivor).expect("it");
                Vec::into_iter(moved).for_each(|record| mine.import(record));
            }
            self.visitors.iter_mut().find(|v| v.id == survivor).expect("it").learn(name, value, time_ms);
        }
        if own.is_none() {
            receipt.left = others;
        }
        let index = self.visitors.iter().position(|v| v.id == survivor).expect("it");
        let visitor = &mut self.visitors[index];
        while visitor.keys.len() > 200 {
            // The one seen longest ago goes: unverified keys before verified ones, lookup keys last, the primary key never,
            // and never one that the event names and that was known before. Reading: of two that were seen at one time the
            // smaller goes.
            let is_lookup = |key: &(String, String, i64)| lookup.as_ref() == Some(&key.0);
            let is_verified = |key: &(String, String, i64)| {
                rules(definition).iter().any(|rule| rule.name == key.0 && rule.trust == Trust::Verified)
            };
            let evictable = visitor.keys.iter().filter(|key| {
                let is_own = known.iter().any(|(name, value)| (name, value) == (&key.0, &key.1));
                Some(key.0.as_str()) != primary && !is_own
            });
            let oldest = evictable
                .min_by_key(|key| (is_lookup(key), is_verified(key), key.2, &key.0, &key.1))
                .expect("one")
                .clone();
            if is_lookup(&oldest) {
                visitor.records.retain(|record| record.key != oldest.1);
            }
            visitor.keys.retain(|key| *key != oldest);
            receipt.evicted.push(oldest.0);
        }
        receipt.visitor = Some(survivor);
        (index, receipt)
    }
}

/// Usable keys in routing order, and refused ones with their reasons.
fn keys(definition: &Definition, event: &Resolved, proof: &Proof) -> (Vec<Key>, Vec<Key>) {
    let (mut usable, mut refused) = (Vec::new(), Vec::new());
    let rules = rules(definition);
    for rule in rules.iter().filter(|rule| !rule.workflow_only) {
        let name = rule.name.clone();
        let asserted = event.column(&name);
        let vouched = match proof {
            Proof::Token(keys) => keys.iter().find(|(known, _)| *known == name).map(|(_, value)| value),
            _ => None,
        };
        if let Some(vouched) = vouched {
            match admitted(rule, &Value::string(vouched.clone())) {
                Ok(text) => usable.push((name.clone(), text)),
                Err(reason) => refused.push((name.clone(), reason.into())),
            }
            // Reading: of two values the vouched one counts; two spellings are one value.
            let agrees = |text: &str| spelled(rule, text) == spelled(rule, vouched);
            if asserted.is_some_and(|asserted| !asserted.as_str().is_some_and(agrees)) {
                refused.push((name, "Value is not verified.".into()));
            }
            continue;
        }
        match &asserted {
            None => {
                // A column that is a key but for its case.
                let misspelt = event.columns.iter().find(|(column, _)| {
                    column.eq_ignore_ascii_case(&name) && rules.iter().all(|rule| rule.name != *column)
                });
                refused.extend(misspelt.map(|(column, _)| {
                    (column.clone(), "Key name case does not match a configured key.".into())
                }));
            }
            Some(value) => match admitted(rule, value) {
                Err(reason) => refused.push((name, reason.into())),
                Ok(_) if rule.trust == Trust::Verified && *proof != Proof::Server => {
                    refused.push((name, "Value is not verified.".into()));
                }
                Ok(text) => usable.push((name, text)),
            },
        }
    }
    (usable, refused)
}

/// The lookup key first, then the others as written; the lookup key is one without being listed.
fn rules(definition: &Definition) -> Vec<StitchKey> {
    let lookup = lookup_rule(definition);
    let name = lookup.as_ref().map(|rule| rule.name.clone());
    let others = definition.identity.keys.iter().filter(|rule| Some(&rule.name) != name.as_ref());
    lookup.into_iter().chain(others.map(|rule| with_list(definition, rule.clone()))).collect()
}

fn lookup_rule(definition: &Definition) -> Option<StitchKey> {
    let identity = &definition.identity;
    let name = identity.lookup_key.as_ref().or(identity.primary_key.as_ref())?;
    let listed = identity.keys.iter().find(|rule| rule.name == *name).cloned();
    let rule = listed.unwrap_or_else(|| StitchKey { name: name.clone(), ..StitchKey::default() });
    Some(with_list(definition, rule))
}

/// A key of a definition without a list of placeholders takes them all.
fn with_list(definition: &Definition, mut rule: StitchKey) -> StitchKey {
    rule.placeholders |= definition.identity.placeholder_list == 0;
    rule
}

/// A value after its key's `normalize`: white space and lower case as Unicode has them, one code point to one.
fn spelled(rule: &StitchKey, text: &str) -> String {
    let mut text = text.to_owned();
    for step in &rule.normalize {
        text = match step {
            Normalize::Trim => {
                text.trim_start_matches(char::is_whitespace).trim_end_matches(char::is_whitespace).to_owned()
            }
            Normalize::Lowercase => text
                .chars()
                .map(|c| if c == '\u{130}' { 'i' } else { c.to_lowercase().next().expect("one") })
                .collect(),
        };
    }
    text
}

/// The value as a key, or why it is none. Cases use two patterns, which are easily read by hand.
fn admitted(rule: &StitchKey, value: &Value) -> Result<String, &'static str> {
    let Value::String(text) = value else { return Err("Value is not a string.") };
    let text = spelled(rule, text);
    refusal(rule, &text).map_or(Ok(text), Err)
}

fn refusal(rule: &StitchKey, text: &String) -> Option<&'static str> {
    let matches = |pattern: &Option<String>| {
        pattern.as_deref().map(|pattern| match pattern {
            "^[a-z]-[0-9]+$" => text.split_once('-').is_some_and(|(letter, digits)| {
                letter.len() == 1
                    && letter.bytes().all(|b| b.is_ascii_lowercase())
                    && !digits.is_empty()
                    && digits.bytes().all(|b| b.is_ascii_digit())
            }),
            "9$" => text.ends_with('9'),
            other => panic!("no case has the pattern {other}"),
        })
    };
    if text.is_empty() {
        Some("Value is empty.")
    } else if text.len() > 256 {
        Some("Value is too long.")
    } else if text.chars().any(|c| matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}')) {
        Some("Value has a control character.")
    } else if matches(&rule.valid_regexp) == Some(false) {
        Some("Value does not meet the valid_regexp for this key.")
    } else if matches(&rule.exclude_regex) == Some(true) {
        Some("Value matches exclude_regex for this key.")
    } else if rule.invalid_texts.contains(text) {
        Some("Value is included in invalid_texts for this key.")
    } else if !rule.placeholders && is_placeholder(text) {
        Some("Value is a placeholder.")
    } else {
        None
    }
}

/// List 1: texts in any case, and ids of nothing but zeros.
fn is_placeholder(text: &str) -> bool {
    let list = ["undefined", "null", "none", "nan", "true", "false", "0", "[object object]", "(not set)"];
    let zeros = "0".repeat(32);
    let with_hyphens = "00000000-0000-0000-0000-000000000000";
    list.contains(&text.to_ascii_lowercase().as_str()) || text == zeros || text == with_hyphens
}
