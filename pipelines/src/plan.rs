//! The compiled form of a pipeline: names resolved to the places of columns, expressions to programs.

use std::rc::Rc;

use usher_engine::definition::pipeline::{Column, Pipeline};
use usher_engine::diagnostic::Diagnostic;
use usher_engine::syntax::ValueExpr;
use usher_engine::value::Value;
use usher_engine::{RowProgram, Truth};

use crate::rows::Columns;
use crate::scope::{Numbered, Place, Scope};

/// A pipeline that can run.
#[derive(Debug)]
pub struct Plan {
    pub(crate) name: String,
    /// The topic that it writes to.
    pub(crate) output: String,
    /// The topic of `FROM`.
    pub(crate) from: String,
    pub(crate) ttl_ms: i64,
    pub(crate) joins: Vec<JoinPlan>,
    program: RowProgram,
    /// The columns that the program reads.
    reads: Vec<Place>,
    columns: Vec<ColumnPlan>,
    /// True if `*` passes columns on.
    passes: bool,
    pub(crate) required: Vec<String>,
    pub(crate) key: Option<String>,
}

/// One join.
#[derive(Debug)]
pub(crate) struct JoinPlan {
    pub(crate) topic: String,
    pub(crate) alias: String,
    pub(crate) column: String,
    /// The column that its own equals.
    pub(crate) other: Place,
    pub(crate) is_inner: bool,
    pub(crate) ttl_ms: Option<i64>,
    /// The columns that are kept; None: all.
    pub(crate) kept: Option<Vec<String>>,
}

#[derive(Debug)]
enum ColumnPlan {
    /// A column as it came.
    Passed(Rc<str>, Place),
    /// By its number in the program.
    Computed(Rc<str>, usize),
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
        let (source, column) = name.match_indices('.').find_map(|(at, _)| {
            let (alias, column) = (name.get(..at)?, name.get(at + 1..)?);
            Some((self.pipeline.place(alias)?, column))
        })?;
        self.column(source, column)
    }

    fn column(&mut self, source: usize, column: &str) -> Option<Place> {
        let kept = self.kept.get_mut(source)?;
        let slot = kept.iter().position(|known| known == column).unwrap_or_else(|| {
            kept.push(column.to_owned());
            kept.len() - 1
        });
        Some(Place { source, slot, column: column.to_owned() })
    }
}

impl Plan {
    /// Compiles a pipeline.
    ///
    /// # Errors
    ///
    /// Every finding, at its part of the definition: expressions of types that do not agree.
    pub fn compile(pipeline: &Pipeline) -> Result<Plan, Vec<Diagnostic>> {
        let program = RowProgram::compile(pipeline)?;
        let sources = pipeline.joins.len() + 1;
        let mut places = Places { pipeline, kept: vec![Vec::new(); sources] };
        let mut joins = Vec::new();
        for join in &pipeline.joins {
            let (source, column) = &join.equals;
            joins.extend(places.column(*source, column).map(|other| JoinPlan {
                topic: join.source.topic.clone(),
                alias: join.source.alias.clone(),
                column: join.column.clone(),
                other,
                is_inner: join.is_inner,
                ttl_ms: join.ttl_ms,
                kept: None,
            }));
        }
        let reads = program.names().iter().filter_map(|name| places.named(name)).collect();
        let mut whole = vec![false; sources];
        let mut columns = Vec::new();
        for (index, column) in pipeline.columns.iter().enumerate() {
            match column {
                Column::Value { name, value } => {
                    let passed = match value {
                        ValueExpr::Name(path) => places.named(&path.0),
                        _ => None,
                    };
                    let computed = program.computed().iter().position(|computed| *computed == index);
                    let name = Rc::from(name.as_str());
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
                    columns.push(ColumnPlan::All(vec![*source]));
                }
            }
        }
        let kept = places.kept.into_iter().zip(whole).skip(1);
        for (join, (kept, whole)) in joins.iter_mut().zip(kept) {
            join.kept = (!whole).then_some(kept);
        }
        let passes = columns.iter().any(|column| matches!(column, ColumnPlan::All(_)));
        let (required, key) = (pipeline.require.clone(), pipeline.output.key.clone());
        let (from, ttl_ms) = (pipeline.from.topic.clone(), pipeline.ttl_ms);
        let (name, output) = (pipeline.name.clone(), pipeline.output.topic.clone());
        Ok(Plan { name, output, from, ttl_ms, joins, program, reads, columns, passes, required, key })
    }

    /// The name of the pipeline.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topic that it writes to.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// The topics that it reads: that of `FROM`, then those of joins.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.from.as_str()).chain(self.joins.iter().map(|join| join.topic.as_str()))
    }

    /// The column by which a join finds its rows.
    pub fn join_column(&self, join: usize) -> Option<&str> {
        self.joins.get(join).map(|join| join.column.as_str())
    }

    /// The columns of a join that are kept of each row, in the order in which the query reads them; None: all.
    pub fn kept(&self, join: usize) -> Option<&[String]> {
        self.joins.get(join)?.kept.as_deref()
    }

    /// True if events wait for rows.
    pub(crate) fn is_smart(&self) -> bool {
        !self.required.is_empty()
    }

    /// WHERE.
    pub(crate) fn condition(&self, scope: &Scope<'_>, event_ms: i64) -> Truth {
        self.program.condition(&Numbered { places: &self.reads, scope }, event_ms)
    }

    /// The columns of the row; what is missing is null. A column that has a name in the query stands in for one of this
    /// name that `*` brings, and of those that `*` brings the first source's.
    pub(crate) fn row(&self, scope: &Scope<'_>, event_ms: i64) -> Vec<(Rc<str>, Value)> {
        let mut row: Vec<(Rc<str>, Value)> = Vec::with_capacity(self.columns.len());
        let numbered = Numbered { places: &self.reads, scope };
        for column in &self.columns {
            match column {
                ColumnPlan::Passed(name, place) => self.put(&mut row, name, scope.value(place).cloned()),
                ColumnPlan::Computed(name, number) => {
                    self.put(&mut row, name, self.program.value(*number, &numbered, event_ms));
                }
                ColumnPlan::All(sources) => sources.iter().for_each(|source| pass(&mut row, *source, scope)),
            }
        }
        row
    }

    fn put(&self, row: &mut Vec<(Rc<str>, Value)>, name: &Rc<str>, value: Option<Value>) {
        let value = value.unwrap_or(Value::Null);
        match row.iter_mut().find(|(known, _)| self.passes && known == name) {
            Some((_, known)) => *known = value,
            None => row.push((Rc::clone(name), value)),
        }
    }
}

/// Adds the columns of a source that the row does not have yet.
fn pass(row: &mut Vec<(Rc<str>, Value)>, source: usize, scope: &Scope<'_>) {
    let columns = match source.checked_sub(1) {
        None => scope.event(),
        Some(join) => match scope.row(join).map(|row| &row.columns) {
            Some(Columns::Whole(columns)) => columns,
            _ => return,
        },
    };
    for (name, value) in columns {
        if !row.iter().any(|(known, _)| **known == **name) {
            row.push((Rc::from(name.as_str()), value.clone()));
        }
    }
}
