//! The part of the compiler that compiles attributes: windows, bases, and the types of what lists keep.

use alloc::string::String;
use alloc::vec::Vec;

use super::KeyEventPlan;
use super::compile::Compiler;
use super::directory::Directory;
use crate::attribute::plan::{
    ActionPlan, AttributePlan, Base, FactPlan, Kind, ListPlan, Part, amount, order_of,
};
use crate::attribute::{Bounds, Pick, Window};
use crate::definition::{Aggregation, AttributeKind, Backfill, ListAggregation};
use crate::diagnostic::{At, Code, Diagnostic, NameKind, words};
use crate::expr::Node;
use crate::expr::types::TypeSet;
use crate::expr::uses::Uses;
use crate::order;
use crate::syntax::{Expr, Name};

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
        directory: &Directory,
        facts: &mut [FactPlan],
        key_events: &mut [KeyEventPlan],
        filters: Vec<Node>,
    ) -> Vec<AttributePlan> {
        let definition = self.definition;
        let mut filters = filters.into_iter();
        let mut own_filter = |filter: &Option<Expr>| match filter {
            Some(_) => filters.next().unwrap_or(Node::Constant(false)),
            None => Node::Constant(true),
        };
        let mut plans = Vec::new();
        for (index, attribute) in definition.attributes.iter().enumerate() {
            let at = At::item("attributes", index);
            let own: Vec<&FactPlan> = facts.iter().filter(|fact| fact.attribute == index).collect();
            let types = own.first().map_or(TypeSet::ANY, |fact| fact.types);
            let mut filter = Node::Constant(true);
            if let Some((key_event, own)) = fed_by(&attribute.kind) {
                filter = own_filter(own);
                if let Some(key_event) = self.key_event_in(key_events, key_event, at) {
                    key_event.feeds.push(index);
                }
            }
            let mut kind = match &attribute.kind {
                AttributeKind::Catalog { .. } => Kind::Catalog(self.catalog(&attribute.kind, directory, at)),
                kind => self.kind(kind, types, &own, at),
            };
            if let (AttributeKind::List { actions, .. }, Kind::List(list)) = (&attribute.kind, &mut kind) {
                for (number, action) in actions.iter().enumerate() {
                    let at = at.inner("actions", number);
                    if let Some(key_event) = self.key_event_in(key_events, &action.key_event, at) {
                        key_event.takes.push((index, number));
                    }
                    let filter = own_filter(&action.filter);
                    list.actions.push(ActionPlan { removal: action.action, filter });
                }
            }
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
        // In the order in which profiles store them, so that each is found after the one before.
        let name = |index: &usize| plans.get(*index).map(|plan| plan.name.as_str());
        for key_event in key_events.iter_mut() {
            order::sort(&mut key_event.feeds, |a, b| name(a).cmp(&name(b)));
        }
        plans
    }

    fn key_event_in<'k>(
        &mut self,
        key_events: &'k mut [KeyEventPlan],
        name: &str,
        at: At<'_>,
    ) -> Option<&'k mut KeyEventPlan> {
        self.key_event(name, at.field("key_event")).and_then(|index| key_events.get_mut(index))
    }

    /// `facts` are those of the attribute, and `types` those of its own value. A list's actions come later.
    fn kind(&mut self, kind: &AttributeKind, types: TypeSet, facts: &[&FactPlan], at: At<'_>) -> Kind {
        match kind {
            AttributeKind::Single { column, aggregation, duration_ms, backfill, .. } => {
                let window = duration_ms.map(Window::new);
                let (order, _) = order_of(types);
                let pick = match aggregation {
                    Aggregation::Last => Pick::Last,
                    Aggregation::First => Pick::First,
                    Aggregation::Min => Pick::Min(order),
                    Aggregation::Max => Pick::Max(order),
                    Aggregation::Sum => return Kind::Sum { column: column.clone(), window },
                };
                Kind::Pick {
                    pick,
                    column: column.clone(),
                    duration_ms: *duration_ms,
                    window: window.filter(|_| pick.needs_window()),
                    base: self.base(backfill.as_ref(), at),
                }
            }
            AttributeKind::List { column, keep, items_max, duration_ms, .. } => {
                let bounds = Bounds { keep: *keep, items_max: *items_max, duration_ms: *duration_ms };
                let id_types = self.id_types(facts, column.as_deref(), at);
                let summed = facts.iter().filter_map(|fact| fact.part.summed()).collect();
                let (columns, types) = self.list_columns(facts, at);
                let (column, actions) = (column.clone(), Vec::new());
                Kind::List(ListPlan { column, id_types, columns, types, summed, bounds, actions })
            }
            AttributeKind::Counter { increment, window_ms, parts, backfill, .. } => {
                let amount = amount(increment);
                let base = self.base(backfill.as_ref(), at);
                let Some(window_ms) = window_ms else { return Kind::Total { amount, base } };
                let lengths = parts.iter().map(|part| part.window_ms).chain([*window_ms]);
                let mut widths_ms: Vec<i64> =
                    lengths.map(|length_ms| Window::new(length_ms).width_ms).collect();
                order::sort(&mut widths_ms, Ord::cmp);
                widths_ms.dedup();
                Kind::Counter { amount, window: Window::new(*window_ms), widths_ms }
            }
            AttributeKind::Batch { column, .. } => Kind::Batch { column: column.clone() },
            // Compiled by the caller.
            AttributeKind::Catalog { .. } => Kind::Batch { column: String::new() },
        }
    }

    /// The array whose objects an attribute takes one by one.
    fn array(&mut self, kind: &Kind, at: At<'_>) -> Option<String> {
        if matches!(kind, Kind::Batch { .. } | Kind::Catalog(_)) {
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

    /// The columns that a list stores for each item, ascending, with their types. A column that several parts read must
    /// suit all of them.
    fn list_columns(&mut self, facts: &[&FactPlan], at: At<'_>) -> (Vec<String>, Vec<TypeSet>) {
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
    fn id_types(&mut self, facts: &[&FactPlan], column: Option<&str>, at: At<'_>) -> TypeSet {
        let types = facts.iter().fold(TypeSet::ANY, |types, fact| match &fact.part {
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

/// The key event that feeds an attribute, and the attribute's own filter.
fn fed_by(kind: &AttributeKind) -> Option<(&str, &Option<Expr>)> {
    match kind {
        AttributeKind::Single { key_event, filter, .. }
        | AttributeKind::List { key_event, filter, .. }
        | AttributeKind::Counter { key_event, filter, .. } => Some((key_event, filter)),
        AttributeKind::Batch { .. } | AttributeKind::Catalog { .. } => None,
    }
}
