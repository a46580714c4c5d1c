//! The types that expressions demand of the names in them.

use super::types::{Types, demands, sides};
use crate::diagnostic::{At, Diagnostic};
use crate::expr::check::over_bound;
use crate::expr::scope::{Names, Scope, resolve};
use crate::expr::types::TypeSet;
use crate::expr::uses::Uses;
use crate::syntax::{Computed, Name, ValueExpr};

impl Uses {
    /// Adds the uses in a test of an expression. Those that do not agree with others are reported when it is lowered.
    pub(in crate::expr) fn add_computed(
        &mut self,
        computed: &Computed,
        scope: Scope<'_>,
        names: &impl Names,
        at: At<'_>,
        out: &mut alloc::vec::Vec<Diagnostic>,
    ) {
        let of_name = |name: &Name| declared(name, scope, names);
        let [left, right] = sides(&computed.left, &computed.question, &of_name);
        self.add_value(&computed.left, left, scope, names, at, out);
        computed.question.values(&mut |value| self.add_value(value, right, scope, names, at, out));
    }

    /// Adds the uses in an expression with a value that leaves.
    pub(crate) fn add_shown(
        &mut self,
        expr: &ValueExpr,
        scope: Scope<'_>,
        names: &impl Names,
        at: At<'_>,
        out: &mut alloc::vec::Vec<Diagnostic>,
    ) {
        if over_bound(expr).is_none() {
            self.add_value(expr, Types::of(TypeSet::ANY), scope, names, at, out);
        }
    }

    /// Adds the uses in an expression that is to have these types.
    fn add_value(
        &mut self,
        expr: &ValueExpr,
        wanted: Types,
        scope: Scope<'_>,
        names: &impl Names,
        at: At<'_>,
        out: &mut alloc::vec::Vec<Diagnostic>,
    ) {
        if let ValueExpr::Name(name) = expr {
            // Unresolved names are reported when the expression is lowered.
            let Ok((slot, declared)) = resolve(name, scope, names) else { return };
            return self.narrow(slot, declared, scope, wanted.values);
        }
        let of_name = |name: &Name| declared(name, scope, names);
        demands(expr, wanted, &of_name, &mut |part, wanted| {
            self.add_value(part, wanted, scope, names, at, out);
        });
        expr.conditions(&mut |condition| self.add_within(condition, scope, names, at, out));
    }
}

/// The declared types of a name.
fn declared(name: &Name, scope: Scope<'_>, names: &impl Names) -> TypeSet {
    resolve(name, scope, names).map_or(TypeSet::ANY, |(_, declared)| declared)
}
