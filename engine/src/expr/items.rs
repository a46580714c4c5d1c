//! Counts the items of a list that answer yes, when some answers are unknown.

use super::operand::Operand;
use crate::limits::ARRAY_ITEMS_MAX;
use crate::syntax::Quantity;

/// The answer for a quantity of items; a value that is not a list counts as a list of one. None: the value is missing,
/// the list is too long, or the unknown items could change the answer.
pub(super) fn decide(
    quantity: Quantity,
    operand: Operand<'_>,
    ask: &mut dyn FnMut(Operand<'_>) -> Option<bool>,
) -> Option<bool> {
    let mut count = Count::default();
    match operand {
        Operand::Missing => return None,
        Operand::List(items, _) if items.len() > ARRAY_ITEMS_MAX => return None,
        Operand::List(items, types) => {
            items.iter().for_each(|item| count.add(ask(Operand::of(item, types))));
        }
        Operand::Items(items, types) => {
            items.any(&mut |item| {
                count.add(ask(Operand::of(item, types)));
                false
            });
        }
        operand => count.add(ask(operand)),
    }
    count.decide(quantity)
}

/// The number of items for each answer.
#[derive(Default)]
struct Count {
    yes: u64,
    unknown: u64,
    all: u64,
}

impl Count {
    fn add(&mut self, answer: Option<bool>) {
        self.all = self.all.saturating_add(1);
        self.yes = self.yes.saturating_add(u64::from(answer == Some(true)));
        self.unknown = self.unknown.saturating_add(u64::from(answer.is_none()));
    }

    /// The answer, if the unknown items cannot change it.
    fn decide(&self, quantity: Quantity) -> Option<bool> {
        let most = self.yes.saturating_add(self.unknown);
        let within = |low: u64, high: u64| {
            if most < low || self.yes > high {
                Some(false)
            } else if self.yes >= low && most <= high {
                Some(true)
            } else {
                None
            }
        };
        match quantity {
            Quantity::Any => within(1, u64::MAX),
            Quantity::All => within(self.all, u64::MAX),
            Quantity::AtLeast(count) => within(count.into(), u64::MAX),
            Quantity::AtMost(count) => within(0, count.into()),
            Quantity::Exactly(count) => within(count.into(), count.into()),
        }
    }
}
