//! Event filters in YAML: a column and a pattern, criteria as text, or criteria as an operator tree.

use usher_engine::syntax::{Expr, Name, Test};

use super::operator_tree::condition;
use crate::document::Content;
use crate::lower::{Fields, Lower};

/// The filter under a key, if there is one. Names in its criteria are columns, written `event.column`.
pub(super) fn filter(lower: &mut Lower, fields: Fields<'_>, key: &str, part: &str) -> Option<Expr> {
    let node = fields.get(key)?;
    lower.mark_criterion(part, node.span);
    if matches!(node.content, Content::Scalar(_)) {
        return lower.criteria_text(node, key);
    }
    if node.entry("operator").is_some() {
        return condition(lower, node);
    }
    let fields = lower.fields(node, "a filter", &["field", "pattern"])?;
    let field = lower.need_text(fields, "field");
    let pattern = lower.need_text(fields, "pattern")?;
    let at = fields.span("pattern");
    lower.mark_criterion(part, at);
    lower.mark_condition(at, fields.span("field"), at);
    Some(Expr::new_test(Name::column(&field?), Test::Matches(pattern), false))
}
