//! The compiled form of a pipeline: the query, and how each source is kept.

use std::rc::Rc;

use usher_engine::definition::pipeline::Pipeline;
use usher_engine::diagnostic::Diagnostic;
use usher_engine::value::Value;
use usher_engine::{Place, RowPlan, Truth};

use crate::scope::Scope;

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
    rows: RowPlan<Rc<str>>,
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

impl Plan {
    /// Compiles a pipeline.
    ///
    /// # Errors
    ///
    /// Every finding, at its part of the definition: expressions of types that do not agree.
    pub fn compile(pipeline: &Pipeline) -> Result<Plan, Vec<Diagnostic>> {
        let rows = RowPlan::compile(pipeline)?;
        let joins = pipeline.joins.iter().enumerate().filter_map(|(index, join)| {
            Some(JoinPlan {
                topic: join.source.topic.clone(),
                alias: join.source.alias.clone(),
                column: join.column.clone(),
                other: rows.other(index)?.clone(),
                is_inner: join.is_inner,
                ttl_ms: join.ttl_ms,
                kept: rows.kept(index + 1).map(<[String]>::to_vec),
            })
        });
        let joins = joins.collect();
        let (required, key) = (pipeline.require.clone(), pipeline.output.key.clone());
        let (from, ttl_ms) = (pipeline.from.topic.clone(), pipeline.ttl_ms);
        let (name, output) = (pipeline.name.clone(), pipeline.output.topic.clone());
        Ok(Plan { name, output, from, ttl_ms, joins, rows, required, key })
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
        self.rows.condition(scope, event_ms)
    }

    /// The columns of the row; what is missing is null.
    pub(crate) fn row(&self, scope: &Scope<'_>, event_ms: i64) -> Vec<(Rc<str>, Value)> {
        self.rows.row(scope, event_ms)
    }
}
