//! A pipeline at the edge: the row that a request brings, joined with rows of tables.

use alloc::string::String;
use alloc::vec::Vec;

use super::row::{Place, RowPlan, Sources, source_of};
use crate::definition::pipeline::{Column, Join, Pipeline};
use crate::definition::{Definition, Table};
use crate::diagnostic::{Code, Diagnostic, NameKind, words};
use crate::event::Event;
use crate::expr::eval::Truth;
use crate::expr::types::TypeSet;
use crate::limits::{ROWS_MAX, TTL_GRACE_MS};
use crate::rows::{FoundRow, Missed, RowKey};
use crate::syntax::ValueExpr;
use crate::value::Value;

/// A compiled pipeline whose joined sources are tables.
#[derive(Debug)]
pub struct TableRows {
    plan: RowPlan<String>,
    joins: Vec<Joined>,
    require: Vec<String>,
    /// Names of columns whose value may be that of a sensitive column of a table.
    sensitive: Vec<String>,
}

/// A joined table.
#[derive(Debug)]
struct Joined {
    /// Its name in the query.
    alias: String,
    table: Table,
    is_inner: bool,
    /// The age that a row may have, in milliseconds; None: any.
    ttl_ms: Option<i64>,
    /// The column whose value is the row's key.
    other: Place,
}

/// The answer of a pipeline to one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableRow {
    /// The columns in the order of the query, missing ones as null. None: WHERE is not true, or a `JOIN` has no row.
    pub columns: Option<Vec<(String, Value)>>,
    /// True if every row that was looked for is there, and every required column has a value.
    pub complete: bool,
    /// The joins without their row, by alias.
    pub missed: Vec<(String, Missed)>,
    /// Names of columns that the caller may not see.
    pub withheld: Vec<String>,
}

/// The rows of a call, by join: the one that was wanted, and what was found. None: there is no key to look for.
type FoundRows = [Option<(RowKey, Result<FoundRow, Missed>)>];

impl TableRows {
    /// Compiles a pipeline of a definition.
    ///
    /// # Errors
    ///
    /// Everything that keeps it from running at the edge, at its part of the pipeline.
    pub fn compile(definition: &Definition, pipeline: &Pipeline) -> Result<TableRows, Vec<Diagnostic>> {
        let mut found = Vec::new();
        let plan = match RowPlan::<String>::compile(pipeline) {
            Ok(plan) => Some(plan),
            Err(of_types) => {
                found.extend(of_types);
                None
            }
        };
        let mut joins = Vec::new();
        for (index, join) in pipeline.joins.iter().enumerate() {
            let table = joined_table(definition, pipeline, (index, join), &mut found);
            let other = plan.as_ref().and_then(|plan| plan.other(index)).cloned();
            if let (Some(table), Some(other)) = (table, other) {
                let named = plan.as_ref().map_or(&[][..], |plan| plan.named(index.saturating_add(1)));
                unknown_columns((index, join), table, named, &mut found);
                let (alias, table) = (join.source.alias.clone(), table.clone());
                joins.push(Joined { alias, table, is_inner: join.is_inner, ttl_ms: join.ttl_ms, other });
            }
        }
        if joins.len() > ROWS_MAX {
            let message = words!("a call reads at most {ROWS_MAX} rows, and the query joins {}", joins.len());
            found.push(Diagnostic::new(Code::OverBound, message).at("joins"));
        }
        match plan {
            Some(plan) if found.is_empty() => {
                let sensitive = sensitive_columns(definition, pipeline);
                Ok(TableRows { plan, joins, require: pipeline.require.clone(), sensitive })
            }
            _ => Err(found),
        }
    }

    /// The rows that an event reads, by join; `key` gives the key of a table's row that a value means. None: the event has no
    /// value that could be one.
    pub fn wanted(
        &self,
        event: &Event,
        key: impl Fn(&Table, Option<&Value>) -> Option<String>,
    ) -> Vec<Option<RowKey>> {
        let wanted = self.joins.iter().map(|join| {
            let key = key(&join.table, event.column(&join.other.column))?;
            Some(RowKey { table: join.table.name.clone(), key })
        });
        wanted.collect()
    }

    /// The row for an event. `found` has the row of each join, or why it is missing; None where none was wanted. `sensitive`:
    /// the caller may see sensitive values.
    pub fn row(&self, event: &Event, found: &FoundRows, sensitive: bool) -> TableRow {
        let rows: Vec<Option<Vec<(String, Value)>>> = self
            .joins
            .iter()
            .zip(found)
            .map(|(join, found)| {
                let (wanted, row) = found.as_ref()?;
                let row = row.as_ref().ok()?;
                join.may_use(row, event).then(|| columns_of(&join.table, wanted, row))
            })
            .collect();
        let mut missed = Vec::new();
        for (join, (found, row)) in self.joins.iter().zip(found.iter().zip(&rows)) {
            match found {
                Some((_, Err(why))) => missed.push((join.alias.clone(), *why)),
                // It is too old.
                Some((_, Ok(_))) if row.is_none() => missed.push((join.alias.clone(), Missed::Absent)),
                _ => {}
            }
        }
        let sources = OfEvent { event, rows: &rows };
        let lacks = self.joins.iter().zip(&rows).any(|(join, row)| join.is_inner && row.is_none());
        let is_true = self.plan.condition(&sources, event.time_ms) == Truth::True;
        if lacks || !is_true {
            return TableRow { columns: None, complete: missed.is_empty(), missed, withheld: Vec::new() };
        }
        let columns = self.plan.row(&sources, event.time_ms);
        let has = |name: &String| columns.iter().any(|(known, value)| known == name && *value != Value::Null);
        let complete = missed.is_empty() && self.require.iter().all(has);
        let (columns, withheld): (Vec<_>, Vec<_>) =
            columns.into_iter().partition(|(name, _)| sensitive || !self.sensitive.contains(name));
        let withheld = withheld.into_iter().map(|(name, _)| name).collect();
        TableRow { columns: Some(columns), complete, missed, withheld }
    }
}

impl Joined {
    /// True if a row is young enough for an event.
    fn may_use(&self, row: &FoundRow, event: &Event) -> bool {
        let age_ms = event.time_ms.saturating_sub(row.at_ms);
        self.ttl_ms.is_none_or(|ttl_ms| age_ms <= ttl_ms.saturating_add(TTL_GRACE_MS))
    }
}

/// The columns of a joined row: its key, and what the table declares now. Rows stay as they were stored, so one may have columns that
/// were declared then, sensitive ones among them, and values of another type.
fn columns_of(table: &Table, wanted: &RowKey, row: &FoundRow) -> Vec<(String, Value)> {
    let declared = row.columns.iter().filter_map(|(name, value)| {
        let column = table.column(name)?;
        let types = column.data_type.map_or(TypeSet::ANY, TypeSet::one);
        let admitted = types.admit(value).ok()?;
        Some((name.clone(), admitted.unwrap_or_else(|| value.clone())))
    });
    let mut columns: Vec<(String, Value)> = declared.collect();
    if !columns.iter().any(|(name, _)| *name == table.key) {
        columns.insert(0, (table.key.clone(), Value::String(wanted.key.clone())));
    }
    columns
}

/// An event and the rows that it joins.
struct OfEvent<'r> {
    event: &'r Event,
    rows: &'r [Option<Vec<(String, Value)>>],
}

impl Sources for OfEvent<'_> {
    fn value(&self, place: &Place) -> Option<&Value> {
        let Some(join) = place.source.checked_sub(1) else { return self.event.column(&place.column) };
        crate::event::column_of(self.rows.get(join)?.as_ref()?, &place.column)
    }

    fn columns(&self, source: usize) -> Option<&[(String, Value)]> {
        match source.checked_sub(1) {
            None => Some(&self.event.columns),
            Some(join) => self.rows.get(join)?.as_deref(),
        }
    }
}

/// The table of a join; reports what the edge cannot join.
fn joined_table<'d>(
    definition: &'d Definition,
    pipeline: &Pipeline,
    (index, join): (usize, &Join),
    found: &mut Vec<Diagnostic>,
) -> Option<&'d Table> {
    let name = join.source.topic.as_str();
    let at = alloc::format!("joins[{index}]");
    let Some(table) = definition.lookup_table(name) else {
        let message = words!("`{name}` is no table of this definition, and the edge joins tables alone");
        found.push(Diagnostic::new(Code::UnknownName, message).at(at).unknown(NameKind::Table, name));
        return None;
    };
    if join.column != table.key {
        let message =
            words!("rows of the table `{name}` are found by `{}`, not by `{}`", table.key, join.column);
        let help = words!("write `ON … = {}.{}`", join.source.alias, table.key);
        found.push(Diagnostic::new(Code::NotSupported, message).at(at.as_str()).help(help));
    }
    if let (source @ 1.., column) = (join.equals.0, join.equals.1.as_str()) {
        let alias = pipeline.source(source).map_or("", |source| source.alias.as_str());
        let message = words!(
            "the edge reads all rows at once, so `{name}` cannot be joined by `{alias}.{column}`, which another row has"
        );
        let help = words!("join it by a column of `{}`", pipeline.from.alias);
        found.push(Diagnostic::new(Code::NotSupported, message).at(at).help(help));
    }
    Some(table)
}

/// Reports columns that the query reads of a table which does not declare them.
fn unknown_columns(
    (index, join): (usize, &Join),
    table: &Table,
    read: &[String],
    found: &mut Vec<Diagnostic>,
) {
    for column in read {
        let first = column.split('.').next().unwrap_or_default();
        let is_known = |name: &str| name == table.key || table.column(name).is_some();
        if is_known(column) || is_known(first) {
            continue;
        }
        let message = words!(
            "the table `{}` has no column `{first}`, which the query reads of `{}`",
            table.name,
            join.source.alias
        );
        let known: Vec<&str> = table.columns.iter().map(|known| known.name.as_str()).collect();
        let help = words!("its columns are {}", known.join(", "));
        let at = alloc::format!("joins[{index}]");
        found.push(Diagnostic::new(Code::UnknownColumn, message).at(at).help(help));
    }
}

/// The names of the columns whose value may be that of a sensitive column.
fn sensitive_columns(definition: &Definition, pipeline: &Pipeline) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let tables = || pipeline.joins.iter().map(|join| definition.lookup_table(&join.source.topic));
    let of_table = |table: &Table, names: &mut Vec<String>| {
        let sensitive = table.columns.iter().filter(|column| table.is_sensitive(column));
        names.extend(sensitive.map(|column| column.name.clone()));
    };
    for column in &pipeline.columns {
        match column {
            Column::Value { name, value } if is_sensitive(definition, pipeline, value) => {
                names.push(name.clone());
            }
            Column::Value { .. } | Column::AllOf(0) => {}
            Column::All => tables().flatten().for_each(|table| of_table(table, &mut names)),
            Column::AllOf(source) => {
                let table = tables().nth(source.saturating_sub(1)).flatten();
                table.into_iter().for_each(|table| of_table(table, &mut names));
            }
        }
    }
    names
}

/// True if the value of a sensitive column can become that of an expression. Conditions and comparisons tell less than it.
fn is_sensitive(definition: &Definition, pipeline: &Pipeline, value: &ValueExpr) -> bool {
    let of = |value: &ValueExpr| is_sensitive(definition, pipeline, value);
    match value {
        ValueExpr::Null
        | ValueExpr::Constant(_)
        | ValueExpr::Now
        | ValueExpr::Interval(..)
        | ValueExpr::Condition(_) => false,
        ValueExpr::Name(name) => {
            let Some((source, column)) = source_of(pipeline, &name.0) else { return false };
            let join = source.checked_sub(1).and_then(|join| pipeline.joins.get(join));
            let table = join.and_then(|join| definition.lookup_table(&join.source.topic));
            let first = column.split('.').next().unwrap_or_default();
            table.is_some_and(|table| {
                let declared = table.column(column).or_else(|| table.column(first));
                declared.is_some_and(|column| table.is_sensitive(column))
            })
        }
        ValueExpr::Negative(value) => of(value),
        ValueExpr::Arithmetic(first, rest) => of(first) || rest.iter().any(|(_, value)| of(value)),
        ValueExpr::Call(_, values) => values.iter().any(of),
        ValueExpr::Case(branches, otherwise) => {
            branches.iter().any(|(_, value)| of(value)) || otherwise.as_deref().is_some_and(of)
        }
        ValueExpr::Switch(_, branches, otherwise) => {
            branches.iter().any(|(_, value)| of(value)) || otherwise.as_deref().is_some_and(of)
        }
    }
}
