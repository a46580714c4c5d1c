//! Checks of a pipeline beyond its texts: names of columns, types, and pipelines beside each other.

use usher_engine::RowProgram;
use usher_engine::definition::pipeline::{Column, Pipeline};
use usher_engine::diagnostic::{Code, Diagnostic};
use usher_engine::syntax::{Function, ValueExpr};
use usher_engine::value::DataType;

use super::query::Query;
use super::sql::Use;
use crate::lower::{At, Lower};
use crate::suggest::one_of_these;

/// The name in the output of a column that is passed under another name.
pub(super) fn renamed<'q>(query: &'q Query, column: &str) -> Option<&'q str> {
    query.columns.iter().find_map(|known| match known {
        Column::Value { name, value: ValueExpr::Name(path) } => {
            path.0.split_once('.').filter(|(_, own)| *own == column).map(|_| name.as_str())
        }
        _ => None,
    })
}

/// True if a column has a value whatever comes.
pub(super) fn is_always_there(query: &Query, name: &str) -> bool {
    query.columns.iter().any(
        |column| matches!(column, Column::Value { name: known, value } if known == name && is_never_missing(value)),
    )
}

fn is_never_missing(value: &ValueExpr) -> bool {
    match value {
        ValueExpr::Constant(_)
        | ValueExpr::Now
        | ValueExpr::Interval(..)
        | ValueExpr::Call(Function::Size, _) => true,
        ValueExpr::Call(
            Function::Coalesce | Function::Concat | Function::Greatest | Function::Least,
            values,
        ) => values.iter().any(is_never_missing),
        ValueExpr::Case(branches, Some(otherwise)) => {
            branches.iter().all(|(_, value)| is_never_missing(value)) && is_never_missing(otherwise)
        }
        ValueExpr::Switch(_, branches, Some(otherwise)) => {
            branches.iter().all(|(_, value)| is_never_missing(value)) && is_never_missing(otherwise)
        }
        _ => false,
    }
}

/// Checks of several pipelines: names and topics of their own, and no circle.
pub(super) fn together(lower: &mut Lower, pipelines: &[Pipeline]) {
    let place = |lower: &Lower, index: usize, part: &str| -> Option<At> {
        lower.places.get(&format!("pipelines[{index}]{part}")).copied()
    };
    for (index, pipeline) in pipelines.iter().enumerate() {
        let earlier = pipelines.iter().take(index);
        if earlier.clone().any(|other| other.name == pipeline.name) {
            let message = format!("two pipelines are called `{}`", pipeline.name);
            let finding =
                Diagnostic::new(Code::DuplicateName, message).at(format!("pipelines[{index}].name"));
            let at = place(lower, index, ".name");
            lower.push(finding.help("rename one of them"), at);
        }
        if let Some(other) = earlier.clone().find(|other| other.output.topic == pipeline.output.topic) {
            let message =
                format!("`{}` and `{}` both write to `{}`", other.name, pipeline.name, pipeline.output.topic);
            let finding =
                Diagnostic::new(Code::DuplicateName, message).at(format!("pipelines[{index}].output"));
            let at = place(lower, index, ".output.topic");
            lower.push(finding.help("give each pipeline a topic of its own"), at);
        }
        if reads(pipelines, index, &pipeline.output.topic) {
            let message = format!(
                "`{}` reads, directly or by others, what it writes to `{}`",
                pipeline.name, pipeline.output.topic
            );
            let finding = Diagnostic::new(Code::BadQuery, message).at(format!("pipelines[{index}].output"));
            let at = place(lower, index, ".output.topic");
            lower.push(finding.help("write to another topic"), at);
        }
    }
}

/// True if a pipeline reads a topic, itself or by the pipelines whose output it reads.
fn reads(pipelines: &[Pipeline], index: usize, topic: &str) -> bool {
    let (mut open, mut seen) = (vec![index], vec![false; pipelines.len()]);
    while let Some(pipeline) = open.pop() {
        let Some(known) = pipelines.get(pipeline) else { continue };
        match seen.get_mut(pipeline) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let sources = std::iter::once(&known.from).chain(known.joins.iter().map(|join| &join.source));
        for source in sources {
            if source.topic == topic {
                return true;
            }
            open.extend(pipelines.iter().position(|other| other.output.topic == source.topic));
        }
    }
    false
}

/// Columns that a pipeline reads of another one's output, and that are not there.
pub(super) fn chained_columns(lower: &mut Lower, pipelines: &[Pipeline], uses: &[Vec<Use>]) {
    for (index, (pipeline, uses)) in pipelines.iter().zip(uses).enumerate() {
        // The columns of a pipeline in a circle are unknown until the circle is cut.
        if reads(pipelines, index, &pipeline.output.topic) {
            continue;
        }
        for Use { source, column, at } in uses {
            let Some(topic) = pipeline.source(*source).map(|source| source.topic.as_str()) else { continue };
            let Some(writer) = writer(pipelines, topic) else { continue };
            let Some(columns) = columns_of(pipelines, writer, pipelines.len()) else { continue };
            let first = column.split('.').next().unwrap_or_default();
            if columns.iter().any(|known| known == column || known == first) {
                continue;
            }
            let message = format!("`{}` writes no column `{first}` to `{topic}`", writer.name);
            let help = one_of_these(first, columns.iter().map(String::as_str));
            lower.push(Diagnostic::new(Code::BadQuery, message).help(help), Some(*at));
        }
    }
}

fn writer<'p>(pipelines: &'p [Pipeline], topic: &str) -> Option<&'p Pipeline> {
    pipelines.iter().find(|pipeline| pipeline.output.topic == topic)
}

/// The columns that a pipeline writes; None: `*` brings some that are not known. `depth` ends circles.
fn columns_of(pipelines: &[Pipeline], pipeline: &Pipeline, depth: usize) -> Option<Vec<String>> {
    let of_source = |place: usize| {
        let writer = writer(pipelines, &pipeline.source(place)?.topic)?;
        columns_of(pipelines, writer, depth.checked_sub(1)?)
    };
    let mut columns: Vec<String> = Vec::new();
    for column in &pipeline.columns {
        let more = match column {
            Column::Value { name, .. } => vec![name.clone()],
            Column::All => {
                let sources = (0..=pipeline.joins.len()).map(of_source).collect::<Option<Vec<_>>>()?;
                sources.into_iter().flatten().collect()
            }
            Column::AllOf(place) => of_source(*place)?,
        };
        for name in more {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
    }
    Some(columns)
}

/// Types that do not agree, in all expressions of a pipeline, and between those and the schema of its output.
pub(super) fn types(pipeline: &Pipeline) -> Vec<Diagnostic> {
    match RowProgram::compile(pipeline) {
        Ok(program) => unlike_schema(pipeline, &program),
        Err(found) => found,
    }
}

/// The same for the schema alone, where the expressions agree among themselves.
pub(super) fn schema(pipeline: &Pipeline) -> Vec<Diagnostic> {
    RowProgram::compile(pipeline).map_or_else(|_| Vec::new(), |program| unlike_schema(pipeline, &program))
}

/// Columns that are computed, and that the schema says are of a type which they never have. What is only passed may be anything.
fn unlike_schema(pipeline: &Pipeline, program: &RowProgram) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (number, place) in program.computed().iter().enumerate() {
        let Some(Column::Value { name, .. }) = pipeline.columns.get(*place) else { continue };
        let mut schema = pipeline.output.schema.iter().enumerate();
        let Some((index, (_, said))) = schema.find(|(_, (known, _))| known == name) else { continue };
        let types = program.types(number);
        let Some(first) = types.first().filter(|_| !types.iter().any(|own| is_written_as(*own, said))) else {
            continue;
        };
        let own = types.iter().map(|own| own.as_str()).collect::<Vec<_>>().join(" or ");
        let message = format!("`{name}` is {own}, and `schema` says {said}");
        let help = format!("write `{name}: {}`, or let the query give the other type", first.as_str());
        let at = format!("output.schema[{index}]");
        found.push(Diagnostic::new(Code::TypeMismatch, message).at(at).help(help));
    }
    found
}

/// True if values of a type can be written as the type of a schema. Times are written as texts.
fn is_written_as(own: DataType, said: &str) -> bool {
    match said {
        "string" => matches!(own, DataType::String | DataType::Timestamp | DataType::Date),
        "timestamp" | "date" => matches!(own, DataType::Timestamp | DataType::Date | DataType::String),
        "boolean" => own == DataType::Boolean,
        "string_array" => own == DataType::StringArray,
        "number_array" => own == DataType::NumberArray,
        _ => own == DataType::Number,
    }
}
