//! Explain: the decisions of an answer, with the observed values and their age.
//!
//! Sensitive values are never shown to any caller. This code runs only when an explanation is requested.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::attribute;
use crate::attribute::plan::{AttributePlan, Kind, Part};
use crate::call::Call;
use crate::call::fact::{Fact, batch_ms};
use crate::definition::{Choice, Personalization, Section};
use crate::expr::eval::{Memo, Truth, evaluate};
use crate::expr::types::TypeSet;
use crate::expr::{Node, Slot};
use crate::objects::values_of;
use crate::plan::{PersonalizationPlan, Plan};
use crate::profile::Profile;
use crate::query::Query;
use crate::section::{Answer, Fate, Prepared, Why};
use crate::syntax::{Expr, Name};
use crate::value::Value;

/// An answer and the reasons for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation<'p> {
    /// The answer.
    pub answer: Answer<'p>,
    /// The profile's attributes, in the order of the definition; missing ones are left out.
    pub attributes: Vec<KnownAttribute>,
    /// The batch segments that the profile is in.
    pub segments: Vec<String>,
    /// The decisions, in the order of the definition.
    pub personalizations: Vec<PersonalizationTrace>,
}

/// One attribute of a profile, as an explanation shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownAttribute {
    /// Its name.
    pub name: String,
    /// None when it is sensitive.
    pub value: Option<Value>,
    /// The source of the value.
    pub source: Source,
    /// The age of the value in milliseconds, where it has a single time.
    pub age_ms: Option<i64>,
    /// The width of a counter's bucket, in milliseconds: how much longer than its window an event may count.
    pub width_ms: Option<i64>,
}

/// The source of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An import. A backfilled attribute has this source as long as no event contributes to it.
    Batch,
    /// The edge's context of the request.
    Edge,
    /// Events, this one or earlier ones.
    Event,
    /// The caller.
    Input,
    /// A row of a table.
    Table,
}

impl Source {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Batch => "batch",
            Source::Edge => "edge",
            Source::Event => "event",
            Source::Input => "input",
            Source::Table => "table",
        }
    }
}

/// The outcome of a part of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// True.
    Matched,
    /// False.
    NotMatched,
    /// A value was missing, or a text was too long for a pattern.
    Unknown,
    /// Decided before this part was evaluated.
    NotReached,
}

impl Outcome {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Matched => "matched",
            Outcome::NotMatched => "not_matched",
            Outcome::Unknown => "unknown",
            Outcome::NotReached => "not_reached",
        }
    }
}

impl From<Truth> for Outcome {
    fn from(truth: Truth) -> Outcome {
        match truth {
            Truth::True => Outcome::Matched,
            Truth::False => Outcome::NotMatched,
            Truth::Unknown => Outcome::Unknown,
        }
    }
}

/// The decision about one personalization.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonalizationTrace {
    /// Its name.
    pub name: String,
    /// The number of its sections that may answer.
    pub choice: Choice,
    /// True if any section entered.
    pub result: Outcome,
    /// Why no section was evaluated, if so.
    pub note: Option<String>,
    /// Its sections, in order.
    pub sections: Vec<SectionTrace>,
}

/// The decision about one section.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionTrace {
    /// Its name.
    pub name: String,
    /// True if it entered.
    pub result: Outcome,
    /// Why its criteria were not evaluated, if so.
    pub note: Option<String>,
    /// Its criteria.
    pub criteria: ConditionTrace,
}

/// The outcome of one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionTrace {
    /// The condition in canonical text.
    pub text: String,
    /// Its outcome.
    pub result: Outcome,
    /// The values that the condition names, each once; empty if it was not reached, or consists of other conditions.
    pub observed: Vec<ObservedValue>,
    /// The conditions that it consists of.
    pub parts: Vec<ConditionTrace>,
}

/// A value that a condition observed.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedValue {
    /// The name in the condition.
    pub name: String,
    /// None: missing, or withheld.
    pub value: Option<Value>,
    /// True if the value is withheld as sensitive.
    pub redacted: bool,
    /// The source of the value.
    pub source: Source,
    /// The age of the value in milliseconds, where it has a single time.
    pub age_ms: Option<i64>,
}

impl Plan {
    /// [`Prepared::explain`] of one call.
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
    /// # let mut profile = Profile::new(ProfileId([1; 16]), now_ms);
    /// # plan.ingest(&mut profile, &event, now_ms);
    /// # let query = Query { event: Some(&event), asked: Asked::Triggered, inputs: &[], edge: &[], access: Access::default(), blind: false };
    /// let explanation = plan.explain(&profile, &query, now_ms);
    /// let criteria = &explanation.personalizations[0].sections[0].criteria;
    /// assert_eq!(criteria.text, "views >= 1");
    /// ```
    pub fn explain(&self, profile: &Profile, query: &Query<'_>, now_ms: i64) -> Explanation<'_> {
        self.call(profile, query, now_ms).explain()
    }
}

impl<'p> Prepared<'p, '_> {
    /// The answer, as [`Prepared::personalize`] gives it, and the reasons for it.
    pub fn explain(&self) -> Explanation<'p> {
        let Prepared { plan, profile, call, .. } = self;
        let mut memo = Memo::new(&plan.program);
        let answer = self.answer(&mut memo);
        let fates = self.fates(&mut memo);
        let mut tracer = Tracer { plan, profile, call, memo };
        let definitions = plan.definition().personalizations.iter().enumerate();
        let personalizations = definitions.zip(&plan.personalizations).map(|((index, definition), plan)| {
            let skipped = answer.skipped.iter().find(|skipped| skipped.personalization == definition.name);
            tracer.personalization(definition, plan, fates.of(index), skipped.map(|skipped| &skipped.why))
        });
        let personalizations = personalizations.collect();
        let attributes = tracer.attributes();
        let segments = attribute::batch_segments(profile.batch()).map(|(_, segments)| segments.to_vec());
        Explanation { answer, attributes, segments: segments.unwrap_or_default(), personalizations }
    }

    /// The fates of the sections that an answer evaluates, without the index of candidates.
    fn fates<'c>(&'c self, memo: &mut Memo<'c>) -> Fates {
        let Prepared { plan: all, profile, query, call } = self;
        let mut fates = Fates(Vec::new());
        for (index, definition, plan, _) in all.asked(call, query).filter(|(.., missing)| missing.is_none()) {
            let triggered = all.triggers(plan, query.asked, call, memo);
            for (number, (section, section_plan)) in
                definition.sections.iter().zip(&plan.sections).enumerate()
            {
                let fate = if triggered {
                    all.fate(profile, call, section, section_plan, memo)
                } else {
                    Fate::OtherEvent
                };
                fates.0.push((index, number, fate));
                if fate == Fate::Entered && definition.choice == Choice::First {
                    break;
                }
            }
        }
        fates
    }
}

/// The fates of the sections by the numbers of personalization and section, ascending.
struct Fates(Vec<(usize, usize, Fate)>);

impl Fates {
    /// The fates of one personalization's first sections; later ones were not reached.
    fn of(&self, personalization: usize) -> &[(usize, usize, Fate)] {
        let start = self.0.partition_point(|(index, ..)| *index < personalization);
        let end = self.0.partition_point(|(index, ..)| *index <= personalization);
        self.0.get(start..end).unwrap_or_default()
    }
}

/// The outcome of a criterion that is no section's.
pub(crate) fn conditions(call: &Prepared<'_, '_>, expr: &Expr, node: &Node) -> ConditionTrace {
    let Prepared { plan, profile, call, .. } = call;
    let memo = Memo::new(&plan.program);
    Tracer { plan, profile, call, memo }.condition(expr, node, true)
}

/// A call and its memo, for the traces of its parts.
struct Tracer<'c, 'a> {
    plan: &'c Plan,
    profile: &'c Profile,
    call: &'c Call<'a>,
    memo: Memo<'c>,
}

impl Tracer<'_, '_> {
    fn personalization(
        &mut self,
        definition: &Personalization,
        plan: &PersonalizationPlan,
        fates: &[(usize, usize, Fate)],
        skipped: Option<&Why>,
    ) -> PersonalizationTrace {
        let sections = definition.sections.iter().zip(&plan.sections).enumerate();
        let sections = sections.map(|(number, (section, plan))| {
            let fate = fates.get(number).map(|(.., fate)| *fate);
            self.section(section, &plan.criteria, fate)
        });
        let sections: Vec<SectionTrace> = sections.collect();
        let asked = !fates.is_empty();
        let result = if !asked {
            Outcome::NotReached
        } else if sections.iter().any(|section| section.result == Outcome::Matched) {
            Outcome::Matched
        } else {
            Outcome::NotMatched
        };
        let note = match skipped {
            Some(Why::MissingInput(input)) => Some(alloc::format!("the required input `{input}` is missing")),
            Some(Why::SectionTaken(section)) => {
                Some(alloc::format!("another personalization answers as `{section}` already"))
            }
            None if !asked => Some("this call does not ask for it".to_string()),
            None => None,
        };
        PersonalizationTrace {
            name: definition.name.clone(),
            choice: definition.choice,
            result,
            note,
            sections,
        }
    }

    /// The attributes that have a value.
    fn attributes(&self) -> Vec<KnownAttribute> {
        let shown = (0_u16..).zip(&self.plan.facts).filter(|(_, asked)| !asked.alias);
        let known = shown.filter_map(|(index, asked)| {
            let attribute = self.plan.attributes.get(asked.attribute)?;
            let fact = self.call.fact(index);
            let value = fact.output(asked.types)?;
            let (source, age_ms) = self.origin(fact, attribute);
            let width_ms = match (&attribute.kind, &asked.part) {
                (_, Part::Window(window))
                | (
                    Kind::Counter { window, .. }
                    | Kind::Sum { window: Some(window), .. }
                    | Kind::Pick { window: Some(window), .. },
                    _,
                ) => Some(window.width_ms),
                _ => None,
            };
            let value = (!attribute.sensitive && !asked.part.is_sensitive()).then_some(value);
            Some(KnownAttribute { name: asked.name.clone(), value, source, age_ms, width_ms })
        });
        known.collect()
    }

    fn section(&mut self, section: &Section, criteria: &Node, fate: Option<Fate>) -> SectionTrace {
        let (result, note) = match fate {
            None => (Outcome::NotReached, None),
            Some(Fate::OtherEvent) => (Outcome::NotMatched, Some("this event does not trigger it")),
            Some(Fate::UnknownProfile) => {
                (Outcome::NotMatched, Some("it wants a profile with a batch record"))
            }
            Some(Fate::Refused(truth)) => (truth.into(), None),
            Some(Fate::Entered) => (Outcome::Matched, None),
        };
        let reached = matches!(fate, Some(Fate::Refused(_) | Fate::Entered));
        SectionTrace {
            name: section.name.clone(),
            result,
            note: note.map(ToString::to_string),
            criteria: self.condition(&section.criteria, criteria, reached),
        }
    }

    fn condition(&mut self, expr: &Expr, node: &Node, reached: bool) -> ConditionTrace {
        let mut parts = Vec::new();
        let result = match (expr, node) {
            (Expr::And(exprs), Node::And(nodes)) => {
                self.group(exprs, nodes, reached, Truth::False, &mut parts)
            }
            (Expr::Or(exprs), Node::Or(nodes)) => self.group(exprs, nodes, reached, Truth::True, &mut parts),
            (Expr::Not(expr), Node::Not(node)) => {
                let inner = self.condition(expr, node, reached);
                let result = match inner.result {
                    Outcome::Matched => Outcome::NotMatched,
                    Outcome::NotMatched => Outcome::Matched,
                    other => other,
                };
                parts.push(inner);
                result
            }
            // Evaluated once more if no memo holds it: the result does not change within a call.
            // The ends of a `BETWEEN` with expressions are two tests of one condition.
            (Expr::Computed(_), _) | (_, Node::Predicate(_)) if reached => {
                evaluate(&self.plan.program, node, self.call, &mut self.memo).into()
            }
            (_, Node::Constant(value)) if reached => Truth::from(*value).into(),
            _ => Outcome::NotReached,
        };
        let observed = match (expr, node) {
            _ if result == Outcome::NotReached => Vec::new(),
            (Expr::Computed(_), _) => self.named(node),
            (_, Node::Predicate(index)) => self.observed(expr, *index).into_iter().collect(),
            _ => Vec::new(),
        };
        ConditionTrace { text: expr.to_string(), result, observed, parts }
    }

    /// A group stops at the first part that decides it; later parts are not reached.
    fn group(
        &mut self,
        exprs: &[Expr],
        nodes: &[Node],
        reached: bool,
        decisive: Truth,
        parts: &mut Vec<ConditionTrace>,
    ) -> Outcome {
        if !reached {
            parts.extend(exprs.iter().zip(nodes).map(|(expr, node)| self.condition(expr, node, false)));
            return Outcome::NotReached;
        }
        let decisive = Outcome::from(decisive);
        let neutral = if decisive == Outcome::Matched { Outcome::NotMatched } else { Outcome::Matched };
        let mut result = neutral;
        for (expr, node) in exprs.iter().zip(nodes) {
            let part = self.condition(expr, node, result != decisive);
            if part.result == decisive {
                result = decisive;
            } else if part.result == Outcome::Unknown && result == neutral {
                result = Outcome::Unknown;
            }
            parts.push(part);
        }
        result
    }

    /// The values of all names within a test of an expression, also of those in the conditions and branches of its `CASE`s, and
    /// of arguments that did not decide.
    fn named(&self, node: &Node) -> Vec<ObservedValue> {
        let (program, mut slots) = (&self.plan.program, Vec::new());
        program.for_each_slot(node, &mut |slot| slots.extend((!slots.contains(&slot)).then_some(slot)));
        let typed = slots.iter().filter_map(|slot| program.slots.get(*slot as usize));
        typed.filter_map(|typed| self.seen(self.name_of(&typed.slot)?, &typed.slot)).collect()
    }

    /// The name of a value as criteria write it.
    fn name_of(&self, slot: &Slot) -> Option<String> {
        Some(match slot {
            Slot::Attribute(index) => self.plan.facts.get(usize::from(*index))?.name.clone(),
            Slot::Column(column) => Name::column(column).0,
            Slot::Edge(edge) => alloc::format!("{}{edge}", Name::EDGE),
            Slot::Input(input) => input.clone(),
            Slot::Segment(segment) => Expr::Segment(segment.clone()).to_string(),
        })
    }

    fn observed(&self, expr: &Expr, predicate: u32) -> Option<ObservedValue> {
        let predicate = self.plan.program.predicates.get(predicate as usize)?;
        let name = match expr {
            Expr::Test { name, .. } => name.0.clone(),
            // The condition names only the segment.
            _ => expr.to_string(),
        };
        self.seen(name, &self.plan.program.typed_slot(predicate)?.slot)
    }

    fn seen(&self, name: String, slot: &Slot) -> Option<ObservedValue> {
        match slot {
            Slot::Attribute(index) => {
                let asked = self.plan.facts.get(usize::from(*index))?;
                let attribute = self.plan.attributes.get(asked.attribute)?;
                let fact = self.call.fact(*index);
                let value = fact.output(asked.types);
                let redacted = (attribute.sensitive || asked.part.is_sensitive()) && value.is_some();
                let (source, age_ms) = self.origin(fact, attribute);
                Some(ObservedValue { name, value: value.filter(|_| !redacted), redacted, source, age_ms })
            }
            Slot::Column(column) => {
                // Only the event's columns: a caller's input is not a column.
                let value = self.call.event.and_then(|event| {
                    Call::of_event(event, self.call.now_ms).input(column).cloned().or_else(|| {
                        let said = values_of(&event.columns, column, TypeSet::ANY);
                        (!said.is_empty()).then_some(Value::List(said))
                    })
                });
                self.guarded(name, column, value, Source::Event)
            }
            Slot::Input(input) => self.guarded(name, input, self.call.input(input).cloned(), Source::Input),
            Slot::Edge(edge) => {
                let value = self.call.edge.iter().find(|(known, _)| known == edge);
                let value = value.map(|(_, value)| Value::string(value.as_str()));
                Some(ObservedValue { name, value, redacted: false, source: Source::Edge, age_ms: None })
            }
            Slot::Segment(segment) => {
                let record = attribute::batch_segments(self.profile.batch());
                let age_ms = record.map(|(record, _)| self.since(record.computed_ms));
                let value = Some(Value::Boolean(self.call.in_segment(segment)));
                Some(ObservedValue { name, value, redacted: false, source: Source::Batch, age_ms })
            }
        }
    }

    /// True if a column or input is sensitive: it has the name of a sensitive attribute or of a column that such an
    /// attribute reads, or it contains or is contained in one.
    fn guarded(
        &self,
        name: String,
        column: &str,
        value: Option<Value>,
        source: Source,
    ) -> Option<ObservedValue> {
        let sensitive = self.plan.attributes.iter().any(|attribute| {
            let reads = || attribute.kind.columns().any(|read| overlap(read, column));
            attribute.sensitive && (overlap(&attribute.name, column) || reads())
        });
        let redacted = sensitive && value.is_some();
        Some(ObservedValue { name, value: value.filter(|_| !redacted), redacted, source, age_ms: None })
    }

    /// The source of an attribute's value, and its age in milliseconds, where it has a single time. A backfilled value
    /// comes from the batch as long as no event contributes to it.
    fn origin(&self, fact: &Fact<'_>, attribute: &AttributePlan) -> (Source, Option<i64>) {
        if let (Kind::Catalog(_), Fact::Value(_, at_ms)) = (&attribute.kind, fact) {
            return (Source::Table, Some(self.since(*at_ms)));
        }
        let imported = matches!(attribute.kind, Kind::Batch { .. });
        let (said_ms, batch_ms) = match fact {
            Fact::Missing => (None, None),
            Fact::Value(_, said_ms) => (Some(*said_ms), batch_ms(attribute, self.profile)),
            Fact::Items(items) => (items.items.first().map(|item| item.time_ms), None),
            Fact::Number(_) => (None, batch_ms(attribute, self.profile)),
        };
        let source = if imported || batch_ms.is_some() { Source::Batch } else { Source::Event };
        (source, batch_ms.or(said_ms).map(|said_ms| self.since(said_ms)))
    }

    fn since(&self, said_ms: i64) -> i64 {
        self.call.now_ms.saturating_sub(said_ms)
    }
}

/// True if two columns are the same, or one contains the other: `user` and `user.email`.
fn overlap(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
