//! The compiled form of a query: names resolved to the columns of its sources, and the row that comes out. Streams and the
//! edge share it; they differ in where rows come from.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::RowProgram;
use crate::definition::pipeline::{Column, Pipeline};
use crate::diagnostic::Diagnostic;
use crate::expr::eval::Truth;
use crate::expressions::Columns;
use crate::syntax::ValueExpr;
use crate::value::Value;

/// A column of a source, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// 0 is `FROM`, 1 the first join.
    pub source: usize,
    /// Its place among the columns that the query reads of this source.
    pub slot: usize,
    /// Its name, with the path into it.
    pub column: String,
}

/// The values of an event and its joined rows.
pub trait Sources {
    /// The value of a column; None: it is missing, or its row is.
    fn value(&self, place: &Place) -> Option<&Value>;

    /// All columns of a source, for `*`. None: it has no row.
    fn columns(&self, source: usize) -> Option<&[(String, Value)]>;
}

/// A compiled query. `N` is the form in which its rows name their columns.
#[derive(Debug)]
pub struct RowPlan<N> {
    program: RowProgram,
    /// The columns that the program reads.
    reads: Vec<Place>,
    columns: Vec<ColumnPlan<N>>,
    /// True if `*` passes columns on.
    passes: bool,
    /// Of each join the column that its own equals.
    others: Vec<Place>,
    /// Of each source the columns that are read by name, and whether `*` passes all on.
    kept: Vec<(Vec<String>, bool)>,
}

#[derive(Debug)]
enum ColumnPlan<N> {
    /// A column as it came.
    Passed(N, Place),
    /// By its number in the program.
    Computed(N, usize),
    /// All columns of these sources.
    All(Vec<usize>),
}

/// The columns that are read, by source: they become the slots of rows.
struct Places<'p> {
    pipeline: &'p Pipeline,
    kept: Vec<Vec<String>>,
}

impl Places<'_> {
    /// The place of `alias.column`. An alias may have dots, too.
    fn named(&mut self, name: &str) -> Option<Place> {
        let (source, column) = source_of(self.pipeline, name)?;
        self.column(source, column)
    }

    fn column(&mut self, source: usize, column: &str) -> Option<Place> {
        let kept = self.kept.get_mut(source)?;
        let slot = kept.iter().position(|known| known == column).unwrap_or_else(|| {
            kept.push(column.to_owned());
            kept.len().saturating_sub(1)
        });
        Some(Place { source, slot, column: column.to_owned() })
    }
}

/// The source of `alias.column`, by its place, and the column.
pub(super) fn source_of<'n>(pipeline: &Pipeline, name: &'n str) -> Option<(usize, &'n str)> {
    name.match_indices('.').find_map(|(at, _)| {
        let (alias, column) = (name.get(..at)?, name.get(at.checked_add(1)?..)?);
        Some((pipeline.place(alias)?, column))
    })
}

impl<N: Clone + AsRef<str> + for<'n> From<&'n str>> RowPlan<N> {
    /// Compiles a query.
    ///
    /// # Errors
    ///
    /// Every finding, at its part of the pipeline: expressions of types that do not agree.
    pub fn compile(pipeline: &Pipeline) -> Result<RowPlan<N>, Vec<Diagnostic>> {
        let program = RowProgram::compile(pipeline)?;
        let sources = pipeline.joins.len().saturating_add(1);
        let mut places = Places { pipeline, kept: alloc::vec![Vec::new(); sources] };
        let joins = pipeline.joins.iter();
        let others = joins.filter_map(|join| places.column(join.equals.0, &join.equals.1)).collect();
        let reads = program.names().iter().filter_map(|name| places.named(name)).collect();
        let mut whole = alloc::vec![false; sources];
        let mut columns = Vec::new();
        for (index, column) in pipeline.columns.iter().enumerate() {
            match column {
                Column::Value { name, value } => {
                    let passed = match value {
                        ValueExpr::Name(path) => places.named(&path.0),
                        _ => None,
                    };
                    let computed = program.computed().iter().position(|computed| *computed == index);
                    let name = N::from(name.as_str());
                    columns.extend(match (passed, computed) {
                        (Some(place), _) => Some(ColumnPlan::Passed(name, place)),
                        (None, Some(number)) => Some(ColumnPlan::Computed(name, number)),
                        (None, None) => None,
                    });
                }
                Column::All => {
                    whole.fill(true);
                    columns.push(ColumnPlan::All((0..sources).collect()));
                }
                Column::AllOf(source) => {
                    whole.iter_mut().skip(*source).take(1).for_each(|it| *it = true);
                    columns.push(ColumnPlan::All(alloc::vec![*source]));
                }
            }
        }
        let kept = places.kept.into_iter().zip(whole).collect();
        let passes = columns.iter().any(|column| matches!(column, ColumnPlan::All(_)));
        Ok(RowPlan { program, reads, columns, passes, others, kept })
    }

    /// The column whose value a join's own column equals, by the number of the join.
    pub fn other(&self, join: usize) -> Option<&Place> {
        self.others.get(join)
    }

    /// The columns that the query reads of a source, in the order of their slots; None: all.
    pub fn kept(&self, source: usize) -> Option<&[String]> {
        self.kept.get(source).filter(|(_, whole)| !whole).map(|(named, _)| named.as_slice())
    }

    /// The columns that the query names of a source, also where `*` passes all on.
    pub fn named(&self, source: usize) -> &[String] {
        self.kept.get(source).map_or(&[], |(named, _)| named)
    }

    /// The truth of WHERE for an event at this time, Unix milliseconds.
    pub fn condition<S: Sources>(&self, sources: &S, event_ms: i64) -> Truth {
        self.program.condition(&Numbered { places: &self.reads, sources }, event_ms)
    }

    /// The columns of the row; what is missing is null. A column that has a name in the query stands in for one of this
    /// name that `*` brings, and of those that `*` brings the first source's.
    pub fn row<S: Sources>(&self, sources: &S, event_ms: i64) -> Vec<(N, Value)> {
        let mut row: Vec<(N, Value)> = Vec::with_capacity(self.columns.len());
        let numbered = Numbered { places: &self.reads, sources };
        for column in &self.columns {
            match column {
                ColumnPlan::Passed(name, place) => self.put(&mut row, name, sources.value(place).cloned()),
                ColumnPlan::Computed(name, number) => {
                    self.put(&mut row, name, self.program.value(*number, &numbered, event_ms));
                }
                ColumnPlan::All(all) => all.iter().for_each(|source| pass(&mut row, *source, sources)),
            }
        }
        row
    }

    fn put(&self, row: &mut Vec<(N, Value)>, name: &N, value: Option<Value>) {
        let value = value.unwrap_or(Value::Null);
        match row.iter_mut().find(|(known, _)| self.passes && known.as_ref() == name.as_ref()) {
            Some((_, known)) => *known = value,
            None => row.push((name.clone(), value)),
        }
    }
}

/// Adds the columns of a source that the row does not have yet.
fn pass<N: AsRef<str> + for<'n> From<&'n str>, S: Sources>(
    row: &mut Vec<(N, Value)>,
    source: usize,
    sources: &S,
) {
    for (name, value) in sources.columns(source).unwrap_or_default() {
        if !row.iter().any(|(known, _)| known.as_ref() == name) {
            row.push((N::from(name.as_str()), value.clone()));
        }
    }
}

/// The columns that a program reads, by its numbers.
struct Numbered<'p, S> {
    places: &'p [Place],
    sources: &'p S,
}

impl<S: Sources> Columns for Numbered<'_, S> {
    fn column(&self, number: usize) -> Option<&Value> {
        self.sources.value(self.places.get(number)?)
    }
}
