//! Uses: the types that all criteria together allow for each value.

use alloc::string::String;
use alloc::vec::Vec;

use super::allowed::allowed;
use super::scope::{CONDITIONS, Names, Scope, VALUE, for_each_computed, for_each_test, is_too_deep, resolve};
use super::types::TypeSet;
use super::{Slot, TypedSlot};
use crate::diagnostic::{At, Code, Diagnostic, words};
use crate::index::Index;
use crate::syntax::{Expr, Name, Test};

/// Every value that criteria test, with the types that its uses allow.
#[derive(Default)]
pub(crate) struct Uses {
    /// Slots of attributes, by attribute index, each plus one (0: none).
    known_attributes: Vec<u32>,
    /// Slots of all other values, by a key text.
    known: Index,
    /// The slots of the program, without segments.
    pub(super) slots: Vec<TypedSlot>,
    /// Slots of values whose age is tested.
    aged: Vec<u32>,
    /// Slots of lists whose items are tested one by one.
    many: Vec<u32>,
}

impl Uses {
    /// Adds the uses in one criterion.
    pub(crate) fn add(
        &mut self,
        expr: &Expr,
        scope: Scope<'_>,
        names: &impl Names,
        at: At<'_>,
        out: &mut Vec<Diagnostic>,
    ) {
        if is_too_deep(expr) {
            return;
        }
        for_each_computed(expr, &mut 0, &mut |number, computed| {
            self.add_computed(computed, scope, names, at.inner(CONDITIONS, number), out);
        });
        for_each_test(expr, &mut 0, &mut |number, name, test| {
            self.add_test(name, test, scope, names, at.inner(CONDITIONS, number), out);
        });
    }

    /// Adds the uses in a condition within an expression, whose findings have the place of the expression.
    pub(super) fn add_within(
        &mut self,
        expr: &Expr,
        scope: Scope<'_>,
        names: &impl Names,
        at: At<'_>,
        out: &mut Vec<Diagnostic>,
    ) {
        for_each_computed(expr, &mut 0, &mut |_, computed| {
            self.add_computed(computed, scope, names, at, out);
        });
        for_each_test(expr, &mut 0, &mut |_, name, test| self.add_test(name, test, scope, names, at, out));
    }

    /// Restricts a value to these types, unless its other uses leave none of them.
    pub(super) fn narrow(&mut self, slot: Slot, declared: TypeSet, scope: Scope<'_>, wanted: TypeSet) {
        let index = self.number(slot, declared, scope);
        let Some(typed) = self.slots.get_mut(index as usize) else { return };
        let both = typed.types.and(wanted);
        if !both.is_empty() {
            typed.types = both;
            if wanted == TypeSet::TIMES {
                self.aged.push(index);
            }
        }
    }

    fn add_test(
        &mut self,
        name: &Name,
        test: &Test,
        scope: Scope<'_>,
        names: &impl Names,
        at: At<'_>,
        out: &mut Vec<Diagnostic>,
    ) {
        {
            // Unresolved names are reported when the criterion is lowered.
            let Some((slot, declared)) = resolve(name, scope, names).ok() else { return };
            let index = self.number(slot, declared, scope);
            let Some(typed) = self.slots.get_mut(index as usize) else { return };
            let wanted = allowed(test);
            let both = typed.types.and(wanted);
            if both.is_empty() {
                // Earlier uses hold, so that only the wrong one is reported.
                out.push(disagreement(name, test, declared, typed.types).at(at.field(VALUE)));
            } else {
                typed.types = both;
                let is_aged = |test: &Test| matches!(test, Test::WithinDays(_) | Test::MoreThanDaysAgo(_));
                if let Test::Items(_, tests) = test {
                    self.many.push(index);
                    if tests.iter().any(is_aged) {
                        self.aged.push(index);
                    }
                } else if is_aged(test) {
                    self.aged.push(index);
                }
            }
        }
    }

    /// Decides the types that uses leave open, after every criterion was added: a value whose age is tested is a time,
    /// unless it is declared or used as something else.
    pub(crate) fn settle(&mut self) {
        for index in self.aged.drain(..) {
            if let Some(typed) = self.slots.get_mut(index as usize) {
                typed.types = typed.types.preferring_times();
            }
        }
        for index in self.many.drain(..) {
            if let Some(typed) = self.slots.get_mut(index as usize) {
                typed.many = typed.types.has_lists();
            }
        }
        for typed in &mut self.slots {
            // A test of a column is true when it is true of any item of an array in that column.
            if let Slot::Column(column) = &typed.slot
                && column != "time"
            {
                typed.many |= Name::array_and_column(column).is_some();
                typed.types = typed.types.and_lists();
            }
        }
    }

    /// The types that an attribute may have: its declaration and all its uses.
    pub(crate) fn of_attribute(&self, index: u16, declared: TypeSet) -> TypeSet {
        let typed = self.attribute(index).and_then(|typed| self.slots.get(typed as usize));
        typed.map_or(declared, |typed| typed.types)
    }

    fn attribute(&self, index: u16) -> Option<u32> {
        self.known_attributes.get(usize::from(index))?.checked_sub(1)
    }

    /// The slot of an added value.
    pub(super) fn find(&self, slot: &Slot, scope: Scope<'_>) -> Option<u32> {
        match slot {
            Slot::Attribute(index) => self.attribute(*index),
            slot => u32::try_from(self.known.get(&identity(slot, scope))?).ok(),
        }
    }

    fn number(&mut self, slot: Slot, declared: TypeSet, scope: Scope<'_>) -> u32 {
        if let Some(known) = self.find(&slot, scope) {
            return known;
        }
        let next = self.slots.len();
        let number = u32::try_from(next).unwrap_or(u32::MAX);
        if let Slot::Attribute(index) = slot {
            let index = usize::from(index);
            if self.known_attributes.len() <= index {
                self.known_attributes.resize(index.saturating_add(1), 0);
            }
            if let Some(known) = self.known_attributes.get_mut(index) {
                *known = number.saturating_add(1);
            }
        } else {
            self.known.number(&identity(&slot, scope), next);
        }
        self.slots.push(TypedSlot { slot, types: declared, many: false });
        number
    }
}

/// The reason why a value cannot be tested so: no type allows it, its declared type does not, or no type that other
/// uses leave.
#[cold]
fn disagreement(name: &Name, test: &Test, declared: TypeSet, so_far: TypeSet) -> Diagnostic {
    let wanted = allowed(test);
    let (message, help) = if wanted.is_empty() {
        match test {
            Test::In(_) | Test::Between(..) => (
                words!("`{name}` is compared with values of different types"),
                words!("text stands in quotes, numbers do not"),
            ),
            Test::Contains(_) => (
                words!("no text or list contains a boolean"),
                words!("compare a boolean with `=` (`equals`)"),
            ),
            _ => (
                words!("booleans have no order, so `{name}` cannot be compared this way"),
                words!("compare a boolean with `=` (`equals`)"),
            ),
        }
    } else if declared.and(wanted).is_empty() {
        let help = if declared.and(TypeSet::LISTS) == declared {
            words!(
                "ask a list what it contains (`CONTAINS`, `contains`), or for its size (`SIZE`, `list_size_…`)"
            )
        } else {
            words!("compare it with what it is; text stands in quotes, numbers do not")
        };
        (words!("`{name}` is {declared}, and this asks for {wanted}"), help)
    } else {
        let help = words!(
            "make the uses agree, or declare its type (`data_type`); text stands in quotes, numbers do not"
        );
        (words!("`{name}` is {so_far} by its other uses, and this asks for {wanted}"), help)
    };
    Diagnostic::new(Code::TypeMismatch, message).help(help)
}

/// A key that identifies a value across criteria, for all but attributes.
fn identity(slot: &Slot, scope: Scope<'_>) -> String {
    match slot {
        Slot::Column(column) => match scope.table {
            Some(table) => alloc::format!("event.{table}.{column}"),
            None => alloc::format!("event..{column}"),
        },
        Slot::Edge(name) => ["edge.", name].concat(),
        // Personalizations declare inputs separately: an input of another type is another value.
        Slot::Input(name) => {
            let declared = scope.inputs.iter().find(|input| input.name == *name);
            ["input.", declared.map_or("", |input| input.data_type.as_str()), ".", name].concat()
        }
        Slot::Attribute(_) | Slot::Segment(_) => String::new(),
    }
}
