//! Pipelines: events of one source, joined with the newest rows of others, one row out for each.

use alloc::{string::String, vec::Vec};

use crate::syntax::{Expr, ValueExpr};
use crate::value::data::{names, pair, read_fields, records, tagged, write_fields};
use crate::value::{FromValue, Reading, ToValue, Value, variant};

/// A pipeline. Names in its expressions are `alias.column`, whatever the query wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Unique among the pipelines of a process, or of an audience.
    pub name: String,
    /// The query as its author wrote it, for people; nothing evaluates it.
    pub query: String,
    /// The source of events.
    pub from: Source,
    /// The time for which an event may wait, and its id is remembered, in milliseconds of its partition's clock.
    pub ttl_ms: i64,
    /// In the order of the query; a join may use columns of those before it.
    pub joins: Vec<Join>,
    /// WHERE.
    pub condition: Option<Expr>,
    /// SELECT.
    pub columns: Vec<Column>,
    /// Columns without which no row is emitted: an event waits for them. Empty: nothing waits.
    pub require: Vec<String>,
    /// The output.
    pub output: Output,
}

/// A topic, and its name in expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// Unique in the query.
    pub alias: String,
}

/// A source of which the newest row for each value of a column is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The joined source.
    pub source: Source,
    /// Its column in `ON`.
    pub column: String,
    /// The column that it equals: the place of its source (0 is `FROM`, 1 the first join), and its name.
    pub equals: (usize, String),
    /// True for `JOIN`, without whose row nothing is emitted; false for `LEFT JOIN`.
    pub is_inner: bool,
    /// The age that a row may have for an event, in milliseconds; None for dimensions.
    pub ttl_ms: Option<i64>,
}

/// One item of SELECT.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// An expression under its name.
    Value {
        /// The column's name.
        name: String,
        /// Its value.
        value: ValueExpr,
    },
    /// `*`: all columns of all sources.
    All,
    /// `t.*`: all columns of the source at this place.
    AllOf(usize),
}

/// The output of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The topic.
    pub topic: String,
    /// The form of its records.
    pub format: Format,
    /// The column whose text is the key of its records.
    pub key: Option<String>,
    /// Declared types of columns, as they are written.
    pub schema: Vec<(String, String)>,
}

/// The form of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON objects.
    Json,
    /// Avro in the framing of schema registries.
    Avro,
}

/// A query that aggregates the rows of one source, once.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// The rows. Its columns are the values by which they are grouped, then those that are aggregated.
    pub rows: Pipeline,
    /// The number of values by which rows are grouped.
    pub groups: usize,
    /// SELECT.
    pub columns: Vec<AggregateColumn>,
}

/// One column of the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateColumn {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Aggregated,
}

/// The value of a column of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregated {
    /// The value of the group at this place.
    Group(usize),
    /// The number of rows.
    Rows,
    /// An aggregate of values that are not missing.
    Of {
        /// How they become one.
        function: AggregateFunction,
        /// True if equal values count once.
        is_distinct: bool,
        /// The place of the values among the columns of rows.
        column: usize,
    },
}

/// How values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateFunction {
    /// Their number.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The least of them.
    Least,
    /// The greatest of them.
    Greatest,
}

impl Pipeline {
    /// True if events wait for rows.
    pub fn is_smart(&self) -> bool {
        !self.require.is_empty()
    }

    /// The source at a place: 0 is `FROM`, 1 the first join.
    pub fn source(&self, place: usize) -> Option<&Source> {
        match place.checked_sub(1) {
            None => Some(&self.from),
            Some(join) => self.joins.get(join).map(|join| &join.source),
        }
    }

    /// The place of the source with this alias.
    pub fn place(&self, alias: &str) -> Option<usize> {
        let mut all = core::iter::once(&self.from).chain(self.joins.iter().map(|join| &join.source));
        all.position(|source| source.alias == alias)
    }
}

records! {
    Pipeline {
        name,
        query,
        from,
        ttl_ms,
        joins = Vec::new(),
        condition = None,
        columns,
        require = Vec::new(),
        output,
    }
    Source { topic, alias }
    Join { source, column, equals, is_inner = false, ttl_ms = None }
    Output { topic, format, key = None, schema = Vec::new() }
}

names! {
    Format { Json = "json", Avro = "avro" }
}

impl FromValue for Column {
    fn read(value: &Value, reading: &mut Reading) -> Column {
        let (kind, content) = variant(value, &["value", "all", "all_of"], reading);
        reading.inside(kind, |reading| match kind {
            "value" => read_fields!(content, reading => Column::Value { name, value }),
            "all_of" => Column::AllOf(place(content, reading)),
            _ => Column::All,
        })
    }
}

impl ToValue for Column {
    fn to_value(&self) -> Value {
        match self {
            Column::Value { name, value } => tagged("value", write_fields!(name, value)),
            Column::All => "all".into(),
            Column::AllOf(source) => tagged("all_of", of_place(*source)),
        }
    }
}

/// The place of a source, and a column of it.
impl FromValue for (usize, String) {
    fn read(value: &Value, reading: &mut Reading) -> (usize, String) {
        let [source, column] = pair(value, reading);
        (place(source, reading), FromValue::read(column, reading))
    }
}

impl ToValue for (usize, String) {
    fn to_value(&self) -> Value {
        Value::List(Vec::from([of_place(self.0), self.1.to_value()]))
    }
}

/// A column, and its type.
impl FromValue for (String, String) {
    fn read(value: &Value, reading: &mut Reading) -> (String, String) {
        let [name, data_type] = pair(value, reading);
        (FromValue::read(name, reading), FromValue::read(data_type, reading))
    }
}

impl ToValue for (String, String) {
    fn to_value(&self) -> Value {
        Value::List(Vec::from([self.0.to_value(), self.1.to_value()]))
    }
}

fn place(value: &Value, reading: &mut Reading) -> usize {
    usize::try_from(u32::read(value, reading)).unwrap_or_default()
}

fn of_place(source: usize) -> Value {
    u32::try_from(source).unwrap_or(u32::MAX).to_value()
}
