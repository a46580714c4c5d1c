//! Gates: conditions on an event and on the visitor.

use super::here::Here;
use crate::expr::eval::{Memo, holds};
use crate::plan::GatePlan;

impl<'c> Here<'c> {
    /// True if a gate lets the visitor pass.
    pub(super) fn passes(self, gate: &GatePlan, memo: &mut Memo<'c>) -> bool {
        let program = &self.plan.program;
        let happens = match gate.key_event {
            None => true,
            Some(key_event) => self.call.event.is_some_and(|event| {
                self.plan.key_events.get(key_event).is_some_and(|key_event| {
                    key_event.table == event.table && holds(program, &key_event.filter, self.call, memo)
                }) && holds(program, &gate.event_filter, self.call, memo)
            }),
        };
        happens
            && (gate.accept_unknown_profiles || self.profile.is_known())
            && holds(program, &gate.criteria, self.call, memo)
    }
}
