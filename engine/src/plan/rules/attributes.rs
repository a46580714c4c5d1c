//! The rules for attributes: durations, backfills, and the parts and actions of lists and counters.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::JourneyPlan;
use super::super::compile::Compiler;
use crate::attribute::bytes_max;
use crate::attribute::plan::AttributePlan;
use crate::definition::{
    Aggregation, AttributeKind, Backfill, CounterPart, Increment, ListAction, ListPart, Removal,
};
use crate::diagnostic::{At, Code, words};
use crate::limits;
use crate::order;

impl Compiler<'_> {
    pub(super) fn check_attributes(&mut self) {
        for (index, attribute) in self.definition.attributes.iter().enumerate() {
            let at = At::item("attributes", index);
            match &attribute.kind {
                AttributeKind::Single { aggregation, duration_ms, backfill, .. } => {
                    self.duration(*duration_ms, at.field("duration_ms"));
                    if *aggregation != Aggregation::Last {
                        let message = words!("only `last` can begin with what a batch knows");
                        let help = words!("remove `backfill`, or use a total counter");
                        self.no_backfill(backfill.as_ref(), at, message, help);
                    }
                }
                AttributeKind::List { column, items_max, duration_ms, parts, actions, .. } => {
                    self.duration(Some(*duration_ms), at.field("duration_ms"));
                    self.list(column.as_deref(), *items_max, parts, at);
                    self.actions(actions, column.is_some(), at);
                }
                AttributeKind::Counter { increment, window_ms, parts, backfill, .. } => {
                    self.counter(increment, *window_ms, parts, at);
                    if window_ms.is_some() {
                        let message = words!("a counter with a window forgets what a batch counted before");
                        let help = words!("remove `backfill`, or make it a total counter");
                        self.no_backfill(backfill.as_ref(), at, message, help);
                    }
                }
                AttributeKind::Batch { .. } => {}
                kind @ AttributeKind::Catalog { .. } => self.check_catalog(kind, at),
            }
        }
    }

    fn no_backfill(&mut self, backfill: Option<&Backfill>, at: At<'_>, message: String, help: String) {
        if backfill.is_some() {
            self.report(Code::NotSupported, at.field("backfill"), message, Some(help));
        }
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

    fn actions(&mut self, actions: &[ListAction], has_ids: bool, at: At<'_>) {
        if actions.len() > limits::ACTIONS_MAX {
            let message = words!("more than {} actions", limits::ACTIONS_MAX);
            self.report(Code::OverBound, at, message, None);
        }
        for (number, action) in actions.iter().enumerate() {
            if action.action == Removal::DeleteItem && !has_ids {
                let message = words!("`delete_item` needs a list whose items a column tells apart");
                let help = words!("use `clear`, or give the list an id column");
                self.report(Code::MissingKey, at.inner("actions", number), message, Some(help));
            }
        }
    }

    fn counter(&mut self, increment: &Increment, window_ms: Option<i64>, parts: &[CounterPart], at: At<'_>) {
        self.duration(window_ms, at.field("window_ms"));
        if matches!(increment, Increment::Constant(constant) if *constant < 1) {
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

    /// Bounds the state of all attributes but lists: a full profile cannot drop it, and would refuse further events.
    pub(super) fn state_bytes(&mut self, plans: &[AttributePlan], journeys: &[JourneyPlan]) {
        let of_journeys = journeys.iter().map(JourneyPlan::bytes_max).fold(0_usize, usize::saturating_add);
        let bytes = plans.iter().map(bytes_max).fold(of_journeys, usize::saturating_add);
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
        let and = if of_journeys > 0 { words!(" and {of_journeys} of journeys") } else { String::new() };
        let message = words!(
            "a profile may have to keep {} bytes of these attributes{and}, lists aside; at most {} are allowed",
            bytes.saturating_sub(of_journeys),
            limits::STATE_BYTES_MAX
        );
        let help = words!(
            "most is kept of {}; declare numbers and booleans as such, take `last` instead of another value within a duration, count events instead of adding up a column, leave out windows, or leave out attributes",
            most.join(", ")
        );
        let at = At::item("attributes", largest.first().map_or(0, |(index, _)| *index));
        self.report(Code::LargeState, at, message, Some(help));
    }
}
