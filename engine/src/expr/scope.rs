//! Names in criteria: what a name means where a criterion stands, and where a condition stands within it.

use alloc::string::String;

use super::Slot;
use super::types::TypeSet;
use crate::definition::Input;
use crate::diagnostic::{Code, words};
use crate::syntax::{Expr, Name, Test};
use crate::value::DataType;

/// Where a criterion stands: which names it can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The event table whose columns `event.` names mean; columns of one name in two tables are two columns.
    pub(crate) table: Option<usize>,
    /// Whether only columns of the event may be named (filters).
    pub(crate) columns_only: bool,
    /// What the caller hands in.
    pub(crate) inputs: &'a [Input],
}

/// What a name can mean outside one criterion.
pub(crate) trait Names {
    /// The attribute of this name (and part), with its declared types; `Err` says what is wrong with the part.
    fn attribute(&self, name: &str) -> Option<Result<(u16, TypeSet), String>>;
    /// A name that is close to this one.
    fn suggest(&self, name: &str) -> Option<String>;
}

/// Where one condition of a criterion stands: its tests and segments, numbered as they are written,
pub(super) const CONDITIONS: &str = "conditions";
/// the name that it asks about,
pub(super) const NAME: &str = "name";
/// and what it compares with.
pub(super) const VALUE: &str = "value";

/// What the edge knows of a request.
const EDGE_NAMES: [&str; 3] = ["country", "city", "device"];

pub(super) fn resolve(
    name: &Name,
    scope: Scope<'_>,
    names: &impl Names,
) -> Result<(Slot, TypeSet), (Code, String)> {
    if let Some(column) = name.0.strip_prefix(Name::EVENT) {
        // The column `time` is the event's resolved time.
        let declared = if column == "time" { TypeSet::one(DataType::Timestamp) } else { TypeSet::ANY };
        return Ok((Slot::Column(column.into()), declared));
    }
    if scope.columns_only {
        let message = words!("`{name}` is no column; a filter names columns, as `event.{}`", name.0);
        return Err((Code::UnknownName, message));
    }
    if let Some(edge) = name.0.strip_prefix(Name::EDGE) {
        return if EDGE_NAMES.contains(&edge) {
            Ok((Slot::Edge(edge.into()), TypeSet::one(DataType::String)))
        } else {
            let known = "edge.country, edge.city and edge.device";
            Err((Code::UnknownName, words!("unknown edge value `{name}`: there are {known}")))
        };
    }
    if let Some(input) = scope.inputs.iter().find(|input| input.name == name.0) {
        return if names.attribute(&name.0).is_some() {
            let message = words!("`{name}` is both an attribute and an input");
            Err((Code::DuplicateName, message))
        } else {
            Ok((Slot::Input(input.name.clone()), TypeSet::one(input.data_type)))
        };
    }
    match names.attribute(&name.0) {
        Some(Ok((index, types))) => Ok((Slot::Attribute(index), types)),
        Some(Err(message)) => Err((Code::UnknownName, message)),
        None => Err((Code::UnknownName, words!("unknown attribute `{}`", name.0))),
    }
}

/// Every test with its number among the conditions of the criterion.
pub(super) fn for_each_test(expr: &Expr, next: &mut usize, visit: &mut impl FnMut(usize, &Name, &Test)) {
    match expr {
        Expr::Constant(_) => {}
        Expr::Segment(_) => *next = next.saturating_add(1),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| for_each_test(part, next, visit)),
        Expr::Not(inner) => for_each_test(inner, next, visit),
        Expr::Test { name, test, .. } => {
            visit(*next, name, test);
            *next = next.saturating_add(1);
        }
    }
}

pub(super) fn depth(expr: &Expr) -> usize {
    // Trees come from bounded readers; what is read as data nests at most as deep as its reader allows.
    match expr {
        Expr::Constant(_) | Expr::Segment(_) | Expr::Test { .. } => 1,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().map(depth).max().unwrap_or(0).saturating_add(1),
        Expr::Not(inner) => depth(inner).saturating_add(1),
    }
}
