//! The part of the compiler that compiles attributes: windows, bases, domains, and their errors.

use alloc::string::String;
use alloc::vec::Vec;

use super::KeyEventPlan;
use super::compile::Compiler;
use super::directory::Directory;
use crate::attribute::plan::{
    ActionPlan, Amount, AttributePlan, Base, FactPlan, Kind, ListPlan, Part, amount, order_of,
};
use crate::attribute::{Bounds, Pick, Window, bytes_max};
use crate::definition::{
    Aggregation, AttributeKind, Backfill, CounterPart, ListAction, ListAggregation, ListPart, Removal,
};
use crate::diagnostic::{At, Code, Diagnostic, NameKind, words};
use crate::expr::Node;
use crate::expr::types::TypeSet;
use crate::expr::uses::Uses;
use crate::limits;
use crate::order;
use crate::syntax::Name;

impl Compiler<'_> {
    /// The facts of all attributes, with the types that declarations and uses leave.
    pub(super) fn facts(&mut self, directory: &Directory, uses: &Uses) -> Vec<FactPlan> {
        let mut facts = Vec::with_capacity(directory.facts.len());
        for (index, declared) in directory.facts.iter().enumerate() {
            let mut types =
                u16::try_from(index).map_or(declared.types, |index| uses.of_attribute(index, declared.types));
            let asked = types;
            let mut part = declared.part.clone();
            if let Part::Items { aggregation: ListAggregation::Min | ListAggregation::Max, order, .. } =
                &mut part
            {
                (*order, types) = order_of(types);
            }
            if let Some(AttributeKind::Single { aggregation: Aggregation::Min | Aggregation::Max, .. }) =
                self.definition.attributes.get(declared.attribute).map(|attribute| &attribute.kind)
            {
                (_, types) = order_of(types);
            }
            if types.is_empty() {
                let at = At::item("attributes", declared.attribute);
                let message =
                    words!("`min` and `max` need values that have an order: numbers, texts or times");
                self.report(Code::TypeMismatch, at, message, None);
            }
            let (name, alias) = (declared.name.clone(), declared.alias);
            facts.push(FactPlan { name, alias, attribute: declared.attribute, part, types, asked });
        }
        facts
    }

    /// Compiles the attributes. `filters` are those of attributes and of lists' actions, in the order of the
    /// definition.
    pub(super) fn attributes(
        &mut self,
        facts: &mut [FactPlan],
        key_events: &mut [KeyEventPlan],
        filters: Vec<Node>,
    ) -> Vec<AttributePlan> {
        let definition = self.definition;
        let mut filters = filters.into_iter();
        let mut plans = Vec::new();
        for (index, attribute) in definition.attributes.iter().enumerate() {
            let at = At::item("attributes", index);
            let own = facts.iter().filter(|fact| fact.attribute == index);
            let types = own.clone().next().map_or(TypeSet::ANY, |fact| fact.types);
            let (key_event, mut filter) = (key_event_of(&attribute.kind), Node::Constant(true));
            if let Some((name, own)) = key_event {
                if let Some(fed) = self.key_event(name, at.field("key_event"))
                    && let Some(key_event) = key_events.get_mut(fed)
                {
                    key_event.feeds.push(index);
                }
                if own {
                    filter = filters.next().unwrap_or(Node::Constant(false));
                }
            }
            let kind = match &attribute.kind {
                AttributeKind::Single { column, aggregation, duration_ms, backfill, .. } => {
                    self.duration(*duration_ms, at.field("duration_ms"));
                    if backfill.is_some() && *aggregation != Aggregation::Last {
                        let message = words!("only `last` can begin with what a batch knows");
                        let help = words!("remove `backfill`, or use a total counter");
                        self.report(Code::NotSupported, at.field("backfill"), message, Some(help));
                    }
                    let window = duration_ms.map(Window::new);
                    let (order, _) = order_of(types);
                    let pick = match aggregation {
                        Aggregation::Last => Some(Pick::Last),
                        Aggregation::First => Some(Pick::First),
                        Aggregation::Min => Some(Pick::Min(order)),
                        Aggregation::Max => Some(Pick::Max(order)),
                        Aggregation::Sum => None,
                    };
                    match pick {
                        None => Kind::Sum { column: column.clone(), window },
                        Some(pick) => Kind::Pick {
                            pick,
                            column: column.clone(),
                            duration_ms: *duration_ms,
                            window: window.filter(|_| pick.needs_window()),
                            base: self.base(backfill.as_ref(), at),
                        },
                    }
                }
                AttributeKind::List { column, keep, items_max, duration_ms, parts, actions, .. } => {
                    self.duration(Some(*duration_ms), at.field("duration_ms"));
                    let bounds = Bounds { keep: *keep, items_max: *items_max, duration_ms: *duration_ms };
                    self.list(column.as_deref(), *items_max, parts, at);
                    if actions.len() > limits::ACTIONS_MAX {
                        let message = words!("more than {} actions", limits::ACTIONS_MAX);
                        self.report(Code::OverBound, at, message, None);
                    }
                    let id_types = self.id_types(own.clone(), column.as_deref(), at);
                    let summed = own.clone().filter_map(|fact| fact.part.summed()).collect();
                    let (columns, types) = self.list_columns(own, at);
                    let actions = actions.iter().enumerate().map(|(number, action)| {
                        let at = at.inner("actions", number);
                        let filter = match &action.filter {
                            Some(_) => filters.next().unwrap_or(Node::Constant(false)),
                            None => Node::Constant(true),
                        };
                        let fed = self.action(action, column.is_some(), at);
                        if let Some(key_event) = fed.and_then(|fed| key_events.get_mut(fed)) {
                            key_event.takes.push((index, number));
                        }
                        ActionPlan { removal: action.action, filter }
                    });
                    let actions = actions.collect();
                    let column = column.clone();
                    Kind::List(ListPlan { column, id_types, columns, types, summed, bounds, actions })
                }
                AttributeKind::Counter { increment, window_ms, parts, backfill, .. } => {
                    let amount = amount(increment);
                    self.counter(is_nothing(&amount), *window_ms, parts, at);
                    let base = self.base(backfill.as_ref(), at);
                    match window_ms {
                        None => Kind::Total { amount, base },
                        Some(window_ms) => {
                            if backfill.is_some() {
                                let message =
                                    words!("a counter with a window forgets what a batch counted before");
                                let help = words!("remove `backfill`, or make it a total counter");
                                self.report(Code::NotSupported, at.field("backfill"), message, Some(help));
                            }
                            let lengths = parts.iter().map(|part| part.window_ms).chain([*window_ms]);
                            let mut widths_ms: Vec<i64> =
                                lengths.map(|length_ms| Window::new(length_ms).width_ms).collect();
                            order::sort(&mut widths_ms, Ord::cmp);
                            widths_ms.dedup();
                            Kind::Counter { amount, window: Window::new(*window_ms), widths_ms }
                        }
                    }
                }
                AttributeKind::Batch { column, .. } => Kind::Batch { column: column.clone() },
            };
            let (name, sensitive) = (attribute.name.clone(), attribute.sensitive);
            let array = self.array(&kind, at);
            plans.push(AttributePlan { name, kind, types, sensitive, filter, array });
        }
        for fact in facts {
            if let (Some(Kind::List(list)), Part::Items { column, aggregation, .. }) =
                (plans.get(fact.attribute).map(|plan| &plan.kind), &fact.part)
                && matches!(aggregation, ListAggregation::First | ListAggregation::Last)
            {
                // Items of a list also fit the types of its single-valued parts.
                let types = list.types_of(column.as_deref());
                (fact.types, fact.asked) = (fact.types.and(types), fact.asked.and(types));
            }
        }
        self.state_bytes(&plans);
        // In the order in which profiles store them, so that each is found after the one before.
        let name = |index: &usize| plans.get(*index).map(|plan| plan.name.as_str());
        for key_event in key_events.iter_mut() {
            order::sort(&mut key_event.feeds, |a, b| name(a).cmp(&name(b)));
        }
        plans
    }

    /// Bounds the state of all attributes but lists: a full profile cannot drop it, and would refuse further events.
    fn state_bytes(&mut self, plans: &[AttributePlan]) {
        let bytes = plans.iter().map(bytes_max).fold(0_usize, usize::saturating_add);
        if bytes <= limits::STATE_BYTES_MAX {
            return;
        }
        let mut largest: Vec<(usize, usize)> = plans.iter().map(bytes_max).enumerate().collect();
        order::sort(&mut largest, |(_, a), (_, b)| b.cmp(a));
        let most = largest
            .iter()
            .take(3)
            .filter_map(|(index, bytes)| plans.get(*index).map(|plan| words!("`{}` ({bytes})", plan.name)));
        let most: Vec<String> = most.collect();
        let message = words!(
            "a profile may have to keep {bytes} bytes of these attributes, lists aside; at most {} are allowed",
            limits::STATE_BYTES_MAX
        );
        let help = words!(
            "most is kept of {}; declare numbers and booleans as such, take `last` instead of another value within a duration, count events instead of adding up a column, leave out windows, or leave out attributes",
            most.join(", ")
        );
        let at = At::item("attributes", largest.first().map_or(0, |(index, _)| *index));
        self.report(Code::LargeState, at, message, Some(help));
    }

    /// The array whose objects an attribute takes one by one.
    fn array(&mut self, kind: &Kind, at: At<'_>) -> Option<String> {
        if matches!(kind, Kind::Batch { .. }) {
            return None;
        }
        let mut arrays = kind.columns().filter_map(|column| Some(Name::array_and_column(column)?.0));
        let array = arrays.next()?;
        let (message, help) = if let Kind::Pick { pick: Pick::Last | Pick::First, .. } = kind {
            let help = words!("take its `min`, `max` or `sum`, or make it a list, which takes each of them");
            (words!("`last` and `first` are one value, and `{array}[]` are several objects"), help)
        } else if arrays.any(|other| other != array) {
            let help = words!("make an attribute of each");
            (words!("one attribute reads the objects of two arrays"), help)
        } else if let Kind::List(ListPlan { column: Some(column), .. }) = kind
            && Name::array_and_column(column).is_none()
        {
            let help = words!("tell the items apart by a column of the objects, such as `{array}[].id`");
            (words!("an item of `{column}` is one, and `{array}[]` are several objects"), help)
        } else if kind.columns().any(|column| column.matches("[]").count() > 1) {
            (words!("objects within objects of an array are out of reach"), words!("name one array"))
        } else {
            return Some(array.into());
        };
        self.report(Code::NotSupported, at.field("column"), message, Some(help));
        None
    }

    fn duration(&mut self, duration_ms: Option<i64>, at: At<'_>) {
        if let Some(duration_ms) = duration_ms
            && !(1..=limits::WINDOW_MS_MAX).contains(&duration_ms)
        {
            let message = words!(
                "Invalid window_duration: a window or duration is more than nothing and at most 640 days"
            );
            self.report(Code::BadDuration, at, message, None);
        }
    }

    fn list(&mut self, column: Option<&str>, items_max: u32, parts: &[ListPart], at: At<'_>) {
        if !(1..=limits::LIST_ITEMS_MAX).contains(&items_max) {
            let message = words!("`{items_max}` items; a list keeps 1 to {}", limits::LIST_ITEMS_MAX);
            self.report(Code::OverBound, at, message, None);
        }
        if column.is_none() && parts.is_empty() {
            let message =
                words!("a list needs a column that tells its items apart, or parts to tell of them");
            self.report(Code::MissingKey, at, message, None);
        }
        self.parts(parts.iter().map(|part| part.name.as_str()), at);
    }

    /// The columns that a list stores for each item, ascending, with their types. A column that several parts read must
    /// suit all of them.
    fn list_columns<'f>(
        &mut self,
        facts: impl Iterator<Item = &'f FactPlan>,
        at: At<'_>,
    ) -> (Vec<String>, Vec<TypeSet>) {
        let mut columns: Vec<(String, TypeSet)> = Vec::new();
        for fact in facts {
            let Part::Items { column: Some(column), aggregation, .. } = &fact.part else { continue };
            let types = if aggregation.is_list() { fact.types.items() } else { fact.types };
            match columns.iter_mut().find(|(known, _)| known == column) {
                Some((_, known)) => *known = known.and(types),
                None => columns.push((column.clone(), types)),
            }
        }
        order::sort(&mut columns, |(a, _), (b, _)| a.cmp(b));
        for (column, types) in &columns {
            if types.is_empty() {
                let message = words!("the parts of this list ask different types of `{column}`");
                self.report(Code::TypeMismatch, at, message, None);
            }
        }
        columns.into_iter().unzip()
    }

    /// The types of a list's ids. Parts that pick one of them read the ids that fit.
    fn id_types<'f>(
        &mut self,
        facts: impl Iterator<Item = &'f FactPlan>,
        column: Option<&str>,
        at: At<'_>,
    ) -> TypeSet {
        let types = facts.fold(TypeSet::ANY, |types, fact| match &fact.part {
            Part::Items { column: None, aggregation, .. } if aggregation.is_list() => {
                types.and(fact.types.items())
            }
            _ => types,
        });
        if types.is_empty() {
            let message =
                words!("the uses of this list ask different types of `{}`", column.unwrap_or_default());
            self.report(Code::TypeMismatch, at, message, None);
        }
        types
    }

    fn action(&mut self, action: &ListAction, has_ids: bool, at: At<'_>) -> Option<usize> {
        if action.action == Removal::DeleteItem && !has_ids {
            let message = words!("`delete_item` needs a list whose items a column tells apart");
            self.report(
                Code::MissingKey,
                at,
                message,
                Some(words!("use `clear`, or give the list an id column")),
            );
        }
        self.key_event(&action.key_event, at.field("key_event"))
    }

    fn counter(&mut self, nothing: bool, window_ms: Option<i64>, parts: &[CounterPart], at: At<'_>) {
        self.duration(window_ms, at.field("window_ms"));
        if nothing {
            let message = words!("a counter that adds nothing");
            self.report(Code::OverBound, at, message, Some(words!("add at least 1")));
        }
        for (number, part) in parts.iter().enumerate() {
            let at = at.inner("parts", number);
            self.duration(Some(part.window_ms), at);
            if window_ms.is_some_and(|window_ms| part.window_ms > window_ms) {
                let message = words!("the window of `{}` is longer than its counter's", part.name);
                let help = words!("windows of parts lie inside the counter's own");
                self.report(Code::BadDuration, at, message, Some(help));
            }
        }
        if window_ms.is_none() && !parts.is_empty() {
            let message = words!("a total counter counts since ever, so it has no further windows");
            let help = words!("give the counter a window of its own, or remove these");
            self.report(Code::BadDuration, at.field("parts").nth(0), message, Some(help));
        }
        self.parts(parts.iter().map(|part| part.name.as_str()), at);
    }

    fn parts<'n>(&mut self, names: impl Iterator<Item = &'n str> + Clone, at: At<'_>) {
        if names.clone().count() > limits::PARTS_MAX {
            let message = words!("more than {} parts", limits::PARTS_MAX);
            self.report(Code::OverBound, at, message, None);
        }
        self.unique(at.field("parts"), names, "part");
    }

    /// The record columns of the batch attributes that a backfill names.
    fn base(&mut self, backfill: Option<&Backfill>, at: At<'_>) -> Option<Base> {
        let backfill = backfill?;
        let definition = self.definition;
        let mut column = |name: &String| {
            let known = definition.attributes.iter().find(|attribute| attribute.name == *name);
            if let Some(AttributeKind::Batch { column, .. }) = known.map(|attribute| &attribute.kind) {
                return Some(column.clone());
            }
            let message = words!("Batch attribute not found: `{name}`");
            let unknown = Diagnostic::new(Code::UnknownName, message).at(at.field("backfill"));
            let unknown = unknown.help(words!("a backfill names batch attributes"));
            self.out.push(unknown.unknown(NameKind::BatchAttribute, name));
            None
        };
        let time_column = backfill.time_attribute.as_ref().and_then(&mut column);
        Some(Base { column: column(&backfill.attribute)?, time_column })
    }
}

/// The key event that feeds an attribute, and whether the attribute has a filter of its own.
fn key_event_of(kind: &AttributeKind) -> Option<(&str, bool)> {
    match kind {
        AttributeKind::Single { key_event, filter, .. }
        | AttributeKind::List { key_event, filter, .. }
        | AttributeKind::Counter { key_event, filter, .. } => Some((key_event, filter.is_some())),
        AttributeKind::Batch { .. } => None,
    }
}

fn is_nothing(amount: &Amount) -> bool {
    matches!(amount, Amount::Constant(constant) if *constant < 1)
}
