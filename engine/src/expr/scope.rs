//! Names in criteria: their meaning where a criterion stands, and the path of a condition within it.

use alloc::string::String;

use super::Slot;
use super::types::TypeSet;
use crate::definition::Input;
use crate::diagnostic::{Code, Diagnostic, NameKind, words};
use crate::limits::{CRITERIA_DEPTH_MAX, EXPRESSION_DEPTH_MAX};
use crate::syntax::{Computed, Expr, Name, Test};
use crate::value::DataType;

/// The place of a criterion, which decides the names it can use.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The event table that `event.` names refer to; columns of one name in two tables are two columns.
    pub(crate) table: Option<usize>,
    /// True if only columns of the event may be named (filters).
    pub(crate) columns_only: bool,
    /// The caller's inputs.
    pub(crate) inputs: &'a [Input],
}

/// The names that criteria share outside of one criterion.
pub(crate) trait Names {
    /// The attribute of this name (and part), with its declared types; `Err` is a problem with the part.
    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), String>>;
    /// True if there are no others: the names are those of a row's columns.
    const ARE_ALL: bool = false;
}

/// Path of one condition in a criterion: its tests and segments, numbered in the order of the text.
pub(super) const CONDITIONS: &str = "conditions";
/// Path of the name that the condition is about.
pub(super) const NAME: &str = "name";
/// Path of the value that it compares with.
pub(super) const VALUE: &str = "value";

/// The edge's context of a request.
const EDGE_NAMES: [&str; 3] = ["country", "city", "device"];

/// The slot of a name and its declared types; the finding has no path.
pub(super) fn resolve<N: Names>(
    name: &Name,
    scope: Scope<'_>,
    names: &N,
) -> Result<(Slot, TypeSet), Diagnostic> {
    if N::ARE_ALL {
        return match names.attribute(&name.0) {
            Some(Ok((index, types))) => Ok((Slot::Attribute(index), types)),
            _ => {
                let finding = Diagnostic::new(Code::UnknownName, words!("unknown column `{}`", name.0));
                Err(finding.unknown(NameKind::Attribute, &name.0))
            }
        };
    }
    if let Some(column) = name.0.strip_prefix(Name::EVENT) {
        // The column `time` is the event's resolved time.
        let declared = if column == "time" { TypeSet::one(DataType::Timestamp) } else { TypeSet::ANY };
        return Ok((Slot::Column(column.into()), declared));
    }
    if scope.columns_only {
        let message = words!("`{name}` is no column; a filter names columns, as `event.{}`", name.0);
        return Err(Diagnostic::new(Code::UnknownName, message));
    }
    if let Some(edge) = name.0.strip_prefix(Name::EDGE) {
        return if EDGE_NAMES.contains(&edge) {
            Ok((Slot::Edge(edge.into()), TypeSet::one(DataType::String)))
        } else {
            let known = "edge.country, edge.city and edge.device";
            let message = words!("unknown edge value `{name}`: there are {known}");
            Err(Diagnostic::new(Code::UnknownName, message))
        };
    }
    if let Some(input) = scope.inputs.iter().find(|input| input.name == name.0) {
        return if names.attribute(&name.0).is_some() {
            let message = words!("`{name}` is both an attribute and an input");
            Err(Diagnostic::new(Code::DuplicateName, message))
        } else {
            Ok((Slot::Input(input.name.clone()), TypeSet::one(input.data_type)))
        };
    }
    let message = match names.attribute(&name.0) {
        Some(Ok((index, types))) => return Ok((Slot::Attribute(index), types)),
        Some(Err(message)) => message,
        None => words!("unknown attribute `{}`", name.0),
    };
    Err(Diagnostic::new(Code::UnknownName, message).unknown(NameKind::Attribute, &name.0))
}

/// Visits every test with its number among the conditions of the criterion.
pub(super) fn for_each_test(expr: &Expr, next: &mut usize, visit: &mut impl FnMut(usize, &Name, &Test)) {
    match expr {
        Expr::Constant(_) => {}
        Expr::Segment(_) | Expr::Computed(_) => *next = next.saturating_add(1),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| for_each_test(part, next, visit)),
        Expr::Not(inner) => for_each_test(inner, next, visit),
        Expr::Test { name, test, .. } => {
            visit(*next, name, test);
            *next = next.saturating_add(1);
        }
    }
}

/// Visits every test of an expression, in the same way.
pub(super) fn for_each_computed<'e>(
    expr: &'e Expr,
    next: &mut usize,
    visit: &mut impl FnMut(usize, &'e Computed),
) {
    match expr {
        Expr::Constant(_) => {}
        Expr::Segment(_) | Expr::Test { .. } => *next = next.saturating_add(1),
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().for_each(|part| for_each_computed(part, next, visit));
        }
        Expr::Not(inner) => for_each_computed(inner, next, visit),
        Expr::Computed(computed) => {
            visit(*next, computed);
            *next = next.saturating_add(1);
        }
    }
}

/// True if a criterion nests deeper than it may, itself or in its expressions.
pub(super) fn is_too_deep(expr: &Expr) -> bool {
    depth(expr) > CRITERIA_DEPTH_MAX || expr.depth() > EXPRESSION_DEPTH_MAX
}

fn depth(expr: &Expr) -> usize {
    // Trees come from readers that bound the depth.
    match expr {
        Expr::Constant(_) | Expr::Segment(_) | Expr::Test { .. } | Expr::Computed(_) => 1,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().map(depth).max().unwrap_or(0).saturating_add(1),
        Expr::Not(inner) => depth(inner).saturating_add(1),
    }
}
