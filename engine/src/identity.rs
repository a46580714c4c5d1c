//! Identity: the identifiers of an event, and the profile it belongs to.
//!
//! If no key is known, a new profile is made; if one profile is found, it gets the new keys; if several are found, they
//! merge and the earliest-created survives (tie: smaller id). Profiles with different values of the primary key never
//! merge: two people on one browser stay two people. Sources: RT 2.0's identity rules and reason texts; the primary-key
//! rule is Usher's own.

mod apart;

pub use apart::United;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::{BatchRecord, put_record};
use crate::definition::Trust;
use crate::event::Event;
use crate::gather::Gather;
use crate::limits::KEYS_MAX;
use crate::merge::absorb;
use crate::order;
use crate::plan::Plan;
use crate::planted::{self, Bug};
use crate::profile::{Key, Profile, ProfileId};
use crate::value::Value;

/// The identifiers of one event, sorted by whether they may be used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keys {
    /// The identifiers to stitch by, in routing order.
    pub usable: Vec<Key>,
    /// The refused ones; they never block the event.
    pub refused: Vec<RefusedKey>,
}

/// Evidence for the identifiers of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// A server key, which covers every identifier of the call.
    pub server: bool,
    /// A signed identity token, which covers these names and values of keys. They count whether or not the event
    /// repeats them.
    pub keys: &'a [(String, String)],
}

impl Evidence<'_> {
    /// No evidence, as for any public call.
    pub const NONE: Evidence<'static> = Evidence { server: false, keys: &[] };

    fn of(&self, key: &str) -> Option<&str> {
        self.keys.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// A refused identifier. Its value is not kept, because it may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedKey {
    /// The column that held it.
    pub name: String,
    /// The reason, in RT 2.0's words where it has some.
    pub reason: &'static str,
}

/// A reason of Usher's own, beside RT 2.0's six.
const NOT_VERIFIED: &str = "Value is not verified.";

/// The result of stitching one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Stitched {
    /// The event's profile.
    pub profile: Profile,
    /// Profiles that lost a key to it; they must be written as well.
    pub others: Vec<Profile>,
    /// The other profiles that were found, unchanged: see [`Entry::Ambiguous`].
    pub left: Vec<Profile>,
    /// Profiles that were merged into it and no longer exist.
    pub absorbed: Vec<ProfileId>,
    /// True if the bound on remembered event ids dropped some in a merge.
    pub forgot: bool,
    /// The journal entries, in order.
    pub journal: Vec<Entry>,
}

/// One line of the merge journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// No key was known.
    Created,
    /// The keys were those of these profiles, which have become one.
    Merged {
        /// The survivor.
        into: ProfileId,
        /// The merged profiles, which no longer exist.
        sources: Vec<ProfileId>,
    },
    /// A key moved from another person's profile to the event's own.
    KeyMoved {
        /// The key's name; its value is in the profile.
        name: String,
        /// The profile that had it before.
        from: ProfileId,
    },
    /// The keys are those of different people, and the event has no primary key: it goes to the first of their
    /// profiles.
    Ambiguous {
        /// The profiles that did not change.
        left: Vec<ProfileId>,
    },
    /// A key was dropped over the bound on keys of a profile; the one seen longest ago goes first.
    KeyEvicted {
        /// The key's name.
        name: String,
    },
}

impl Plan {
    /// The identifiers of an event, in routing order. Keys with `trust: verified` count only with evidence.
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
    /// let keys = plan.keys(&event, &Evidence::NONE);
    /// assert_eq!((keys.usable[0].name.as_str(), keys.usable[0].value.as_str()), ("visitor", "anna"));
    /// assert!(keys.refused.is_empty());
    /// ```
    pub fn keys(&self, event: &Event, evidence: &Evidence<'_>) -> Keys {
        let mut keys = Keys::default();
        for rule in self.key_rules.iter().filter(|rule| !rule.workflow_only) {
            let refused = |name: &str, reason| RefusedKey { name: name.into(), reason };
            let key = |text: Cow<'_, str>| Key {
                name: rule.name.clone(),
                value: text.into(),
                seen_ms: event.time_ms,
            };
            let asserted = event.column(&rule.name);
            if let Some(vouched) = evidence.of(&rule.name) {
                match rule.admit_text(vouched) {
                    Ok(text) => keys.usable.push(key(text)),
                    Err(reason) => keys.refused.push(refused(&rule.name, reason)),
                }
                // If two values differ, the one with evidence counts.
                let agrees = |text: &str| rule.normalized(text) == rule.normalized(vouched);
                if asserted.is_some_and(|value| !value.as_str().is_some_and(agrees)) {
                    keys.refused.push(refused(&rule.name, NOT_VERIFIED));
                }
                continue;
            }
            let Some(value) = asserted else {
                let misspelt = |(column, _): &&(String, Value)| {
                    column.eq_ignore_ascii_case(&rule.name)
                        && !self.key_rules.iter().any(|other| other.name == *column)
                };
                if let Some((column, _)) = event.columns.iter().find(misspelt) {
                    keys.refused.push(refused(column, "Key name case does not match a configured key."));
                }
                continue;
            };
            match rule.admit(value) {
                Ok(text) if rule.trust == Trust::Open || evidence.server => keys.usable.push(key(text)),
                Ok(_) => keys.refused.push(refused(&rule.name, NOT_VERIFIED)),
                Err(reason) => keys.refused.push(refused(&rule.name, reason)),
            }
        }
        keys
    }

    /// True if a profile may be looked up by this key and value.
    pub fn may_look_up(&self, name: &str, value: &str, evidence: &Evidence<'_>) -> bool {
        let Some(rule) = self.key_rules.iter().find(|rule| rule.name == name) else { return false };
        // A page may not look up by a key that its events may not stitch by.
        let open = (rule.trust == Trust::Open && !rule.workflow_only) || planted::is(Bug::TrustsPages);
        let vouched =
            || evidence.of(name).is_some_and(|known| rule.normalized(known) == rule.normalized(value));
        open || evidence.server || vouched()
    }

    /// The spellings under which a profile with this value may be stored, in the order to try them: normalized, then as
    /// written. Rules may have changed since it was stored, so no rule refuses a value here.
    pub fn stored_values<'a>(&self, name: &str, value: &'a str) -> Vec<Cow<'a, str>> {
        let rule = self.key_rules.iter().find(|rule| rule.name == name);
        let mut values: Vec<Cow<'a, str>> = rule.map(|rule| rule.normalized(value)).into_iter().gather();
        if !values.iter().any(|known| known == value) {
            values.push(Cow::Borrowed(value));
        }
        values
    }

    /// The key of an imported record: only the lookup key's column identifies.
    ///
    /// # Errors
    ///
    /// Why the value is no key, in RT 2.0's words where it has some.
    pub fn record_key(&self, value: Option<&Value>, computed_ms: i64) -> Result<Key, &'static str> {
        let rule = self.lookup_rule().ok_or("Key is not present in the config file.")?;
        let text = rule.admit(value.ok_or("The key column is missing.")?)?;
        Ok(Key { name: rule.name.clone(), value: text.into(), seen_ms: computed_ms })
    }

    /// Finds or makes the profile of an event with these keys, given the profiles stored under any of them.
    ///
    /// `fresh` is the id of a new profile, made at `now_ms` if none is found. Without any usable key there is no
    /// profile to stitch to: callers evaluate on [`Profile::unknown`] and store nothing.
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
    /// let keys = plan.keys(&event, &Evidence::NONE);
    /// let stitched = plan.stitch(&keys, vec![], ProfileId([1; 16]), now_ms);
    /// assert_eq!(stitched.profile.id, ProfileId([1; 16]));
    /// assert!(stitched.profile.has_key("visitor", "anna"));
    /// // The next event of this visitor finds that profile by its key.
    /// let again = plan.stitch(&keys, vec![stitched.profile], ProfileId([2; 16]), now_ms);
    /// assert_eq!(again.profile.id, ProfileId([1; 16]));
    /// ```
    pub fn stitch(&self, keys: &Keys, found: Vec<Profile>, fresh: ProfileId, now_ms: i64) -> Stitched {
        let keys = keys.usable.as_slice();
        let primary = self.primary_key.as_deref();
        let own = self.person_of(keys);
        let whose = |profile: &Profile| primary.and_then(|name| profile.key(name)).map(String::from);
        let mut journal = Vec::new();

        // In routing order: the profile of an earlier key comes first.
        let mut found = found;
        let rank = |profile: &Profile| {
            let first = keys.iter().position(|key| profile.has_key(&key.name, &key.value));
            (first.unwrap_or(usize::MAX), profile.created_ms, profile.id)
        };
        order::sort(&mut found, |a, b| rank(a).cmp(&rank(b)));

        // Keys that may have found a profile for this event stay over the bound.
        let is_known = |key: &&Key| found.iter().any(|profile| profile.has_key(&key.name, &key.value));
        let known: Vec<&Key> = keys.iter().filter(is_known).gather();

        // The person of the event: its own primary key's value, else that of the first profile that has one.
        let person = own.map(String::from).or_else(|| found.iter().find_map(whose));
        let (mut mine, mut others): (Vec<Profile>, Vec<Profile>) =
            found.into_iter().partition(|profile| whose(profile).is_none_or(|other| Some(other) == person));

        // Records imported under a lookup key move with that key.
        let mut records = Vec::new();
        if own.is_some() {
            records = self.take_keys(keys, &mut others, &mut journal);
        } else if !others.is_empty() {
            journal.push(Entry::Ambiguous { left: others.iter().map(|profile| profile.id).gather() });
        }

        order::sort(&mut mine, |a, b| (a.created_ms, a.id).cmp(&(b.created_ms, b.id)));
        let mut mine = mine.into_iter();
        let mut profile = mine.next().unwrap_or_else(|| {
            journal.push(Entry::Created);
            Profile::new(fresh, now_ms)
        });
        let mut absorbed = Vec::new();
        let mut forgot = false;
        for source in mine {
            absorbed.push(source.id);
            forgot |= absorb(&mut profile, source, &self.attributes, now_ms);
        }
        if !absorbed.is_empty() {
            journal.push(Entry::Merged { into: profile.id, sources: absorbed.clone() });
        }

        if !records.is_empty() {
            profile.edit_batch(|mine| {
                for record in records {
                    put_record(mine, record, false);
                }
            });
        }

        // An event without a primary key does not move keys of other people.
        for key in keys {
            let elsewhere = own.is_none() && others.iter().any(|other| other.has_key(&key.name, &key.value));
            if !elsewhere {
                profile.learn(key.clone());
            }
        }
        self.bound_keys(&mut profile, &known, &mut journal);
        // An event without a primary key changes none of them.
        let (others, left) = if own.is_some() { (others, Vec::new()) } else { (Vec::new(), others) };
        Stitched { profile, others, left, absorbed, forgot, journal }
    }

    /// True if [`Plan::stitch`] would make a profile for these keys, given the profiles stored under any of them: there
    /// are none, or all of them are of other people than the one whom the event names.
    pub fn makes_profile<'a>(&self, keys: &Keys, found: impl IntoIterator<Item = &'a Profile>) -> bool {
        let own = self.person_of(&keys.usable);
        let whose = |profile: &'a Profile| self.primary_key.as_deref().and_then(|name| profile.key(name));
        let is_own = |profile| own.is_none() || whose(profile).is_none_or(|other| Some(other) == own);
        !found.into_iter().any(is_own)
    }

    /// The value of the primary key among these.
    fn person_of<'a>(&self, keys: &'a [Key]) -> Option<&'a str> {
        let primary = self.primary_key.as_deref();
        keys.iter().find(|key| Some(key.name.as_str()) == primary).map(|key| key.value.as_str())
    }

    /// Takes these keys from profiles of other people. Returns the records filed under them.
    fn take_keys(&self, keys: &[Key], others: &mut [Profile], journal: &mut Vec<Entry>) -> Vec<BatchRecord> {
        let mut records = Vec::new();
        for other in others {
            let from = other.id;
            let mut moved = Vec::new();
            other.edit_keys(|held| {
                held.retain(|held| {
                    let moves = keys.iter().any(|key| key.name == held.name && key.value == held.value);
                    if moves {
                        journal.push(Entry::KeyMoved { name: held.name.clone(), from });
                        moved.push(held.clone());
                    }
                    !moves
                });
            });
            records.extend(moved.iter().flat_map(|key| self.records_of(other, key)));
        }
        records
    }

    /// Evicts the keys over the bound, those seen longest ago first: open keys before verified ones, and lookup keys,
    /// each with its records, last. So nobody can evict a verified key by naming open ones. The primary key stays,
    /// because it says whose profile it is; so does each key in `known`, by which this event found the profile. A new
    /// key may be evicted at once.
    fn bound_keys(&self, profile: &mut Profile, known: &[&Key], journal: &mut Vec<Entry>) {
        let is = |key: &Key, other: &Key| key.name == other.name && key.value == other.value;
        let stays = |key: &Key| {
            Some(key.name.as_str()) == self.primary_key.as_deref() || known.iter().any(|own| is(own, key))
        };
        let rank = |key: &Key| {
            let is_lookup = Some(key.name.as_str()) == self.lookup_key();
            let rule = self.key_rules.iter().find(|rule| rule.name == key.name);
            (is_lookup, rule.is_some_and(|rule| rule.trust == Trust::Verified), key.seen_ms)
        };
        while profile.keys().len() > KEYS_MAX {
            let evictable = profile.keys().iter().filter(|key| !stays(key));
            let first = evictable.min_by_key(|key| (rank(key), key.name.as_str(), key.value.as_str()));
            let Some(first) = first.cloned() else { break };
            profile.edit_keys(|keys| keys.retain(|key| !is(key, &first)));
            self.records_of(profile, &first);
            journal.push(Entry::KeyEvicted { name: first.name });
        }
    }

    /// Takes from a profile the records filed under this key, if it is a lookup key.
    fn records_of(&self, profile: &mut Profile, key: &Key) -> Vec<BatchRecord> {
        let is_of = |record: &BatchRecord| record.key == key.value;
        if self.lookup_key() != Some(key.name.as_str()) || !profile.batch().iter().any(is_of) {
            return Vec::new();
        }
        profile.edit_batch(|records| {
            let (gone, kept) = core::mem::take(records).into_iter().partition(is_of);
            *records = kept;
            gone
        })
    }
}
