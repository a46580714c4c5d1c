//! `usher eval`: one criterion, or one expression, over rows of values.

mod refused;
mod value;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use usher_engine::definition::{Aggregation, AttributeKind, Definition};
use usher_engine::diagnostic::Diagnostic;
use usher_engine::value::{DataType, Value};
use usher_engine::{Criterion, Truth, syntax};

use crate::clock::{instant, now_ms};
use crate::definitions::{Definitions, many};
use crate::exit::{Exit, Failure};
use crate::lines::{self, Line, Lines};
use crate::terminal::{clean, note, print};
use refused::{borrowed, part_of, refused, unreadable};

/// Decide a criterion, or calculate an expression, for rows of values
///
/// Reads NDJSON, an object a line, and prints `true`, `false` or `unknown` for each; with --value the value of an expression
/// as JSON, `null` where it is missing. What the criterion names is looked up in the object: `cart.total` is the column of
/// that name, or else `total` within `cart`. A value that does not fit its type is missing, and a comparison with a missing
/// value is unknown. A counter of a definition that a row does not name is 0, as on an edge.
///
/// Names must be declared: one by one with --type, or by the attributes of a definition. Columns (`event.price`), the
/// edge's context (`edge.country`) and segments (`segment('vip')`, from the list `batch_segments`) need no declaration.
///
/// Examples:
///   usher eval "age >= 18 AND tier = 'gold'" --type age=number --type tier=string rows.ndjson
///   usher eval "cart_value > 20" --definition definitions/ < rows.ndjson | sort | uniq -c
///   usher eval --value "ROUND(price * count, 2)" --type price=number --type count=number rows.ndjson
///   usher eval --value "-price" --type price=number rows.ndjson
///   usher eval "last_purchase WITHIN 30 DAYS" --type last_purchase=timestamp --at 2026-05-04T10:15:00Z rows.ndjson
///
/// Exit status: 0 when every row was decided, 1 when one could not be read (its line and the reason are on standard
/// error, the others are decided), 2 when the criterion is not valid, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The criterion, as in `criteria:` of a personalization service; with --value the expression
    #[arg(value_name = "CRITERIA", allow_hyphen_values = true)]
    criteria: String,
    /// Print the value of an expression, as in `expression:` of an output
    #[arg(long)]
    value: bool,
    /// A file with rows, or - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// A name and its type, or a name alone to let its uses decide; may be repeated
    #[arg(long = "type", value_name = "NAME=TYPE", value_parser = declared)]
    types: Vec<(String, Option<DataType>)>,
    /// Files and directories whose attributes are declared with their types; may be repeated
    #[arg(long, value_name = "PATH")]
    definition: Vec<PathBuf>,
    /// The time to decide for, such as 2026-05-04T10:15:00Z; now without it
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<i64>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    // What is said on the command line wins over the definition.
    let mut fields = args.types.clone();
    let mut counters = BTreeSet::new();
    if !args.definition.is_empty() {
        let definitions = Definitions::valid(&args.definition)?;
        fields.extend(attributes(definitions.definition()));
        counters = self::counters(definitions.definition());
        counters.retain(|name| args.types.iter().all(|(given, _)| given != name));
    }
    // A counter is never missing.
    let zero = Value::from(0);
    let asked = match args.value {
        true => Asked::Value(value::compile(&args.criteria, &fields)?),
        false => Asked::Truth(compile(&args.criteria, &fields)?),
    };
    let now_ms = args.at.unwrap_or_else(now_ms);
    let mut lines = Lines::new(lines::open(&args.file)?);
    let mut unread = 0;
    while let Some(line) = next(&mut lines, &args.file)? {
        match row(&line) {
            Ok(row) => {
                let known = |name: &str| lookup(&row, name).and_then(Value::present);
                let known = |name: &str| known(name).or_else(|| counters.contains(name).then_some(&zero));
                print(&match &asked {
                    Asked::Truth(criterion) => decided(criterion, &row, known, now_ms).to_owned(),
                    Asked::Value(expression) => format!("{}\n", expression.value(known, now_ms)),
                })?;
            }
            Err(reason) => {
                unread += 1;
                note(&format!("{}:{}: {}", args.file.display(), line.number, clean(&reason)));
            }
        }
    }
    if unread > 0 {
        return Err(Failure::new(format!("{} could not be read and were left out", many(unread, "row"))));
    }
    Ok(Exit::Fine)
}

/// The question about each row.
enum Asked {
    Truth(Criterion),
    Value(value::Expression),
}

fn decided<'r>(
    criterion: &Criterion,
    row: &'r Value,
    known: impl Fn(&str) -> Option<&'r Value>,
    now_ms: i64,
) -> &'static str {
    let of_objects = criterion.of_objects(|name| lookup(row, name));
    let row = criterion.row(|name| {
        let of_objects = of_objects.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        of_objects.or_else(|| known(name))
    });
    match criterion.evaluate(&row, now_ms) {
        Truth::True => "true\n",
        Truth::False => "false\n",
        Truth::Unknown => "unknown\n",
    }
}

fn next<R: std::io::BufRead>(lines: &mut Lines<R>, file: &Path) -> Result<Option<Line>, Failure> {
    lines.next().map_err(|error| Failure::of_file("read", file.display(), error))
}

fn row(line: &Line) -> Result<Value, String> {
    let text = line.text.as_deref().ok_or("the row is over 1 MiB")?;
    let row: Value = serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))?;
    if matches!(row, Value::Object(_)) { Ok(row) } else { Err("not an object".to_owned()) }
}

/// The column of this name, or else what the parts of the name lead to.
fn lookup<'a>(row: &'a Value, name: &str) -> Option<&'a Value> {
    row.get(name).or_else(|| {
        let dots = name.match_indices('.').map(|(at, _)| at);
        dots.filter_map(|at| lookup(row.get(name.get(..at)?)?, name.get(at + 1..)?)).next()
    })
}

/// Compiles the criterion, or draws what is wrong with it.
fn compile(text: &str, fields: &[(String, Option<DataType>)]) -> Result<Criterion, Failure> {
    let fields = &borrowed(fields);
    let findings: Vec<(Diagnostic, (usize, usize))> = match syntax::parse_located(text) {
        Ok((expr, conditions)) => match Criterion::compile(&expr, fields) {
            Ok(criterion) => return Ok(criterion),
            Err(found) => {
                let span = |diagnostic: &Diagnostic| {
                    let number = diagnostic.path.split(['[', ']']).nth(1)?.parse::<usize>().ok()?;
                    conditions.get(number).map(|range| (range.start, range.end))
                };
                let placed = found.into_iter().map(|diagnostic| {
                    let (start, end) = span(&diagnostic).unwrap_or((0, text.len()));
                    let parts = syntax::parts_within(text.get(start..end).unwrap_or_default(), &expr);
                    let part = part_of(&diagnostic, &parts);
                    let span = part.map_or((start, end), |part| (start + part.start, start + part.end));
                    (diagnostic, span)
                });
                let mut placed: Vec<_> = placed.collect();
                placed.sort_by_key(|(_, span)| *span);
                placed
            }
        },
        Err(error) => vec![unreadable(error)],
    };
    Err(refused("criteria", text, fields, findings))
}

/// The attributes of a definition, as criteria name them, with the type that their kind gives them.
fn attributes(definition: &Definition) -> Vec<(String, Option<DataType>)> {
    let mut fields = Vec::new();
    for attribute in &definition.attributes {
        let name = &attribute.name;
        let number = Some(DataType::Number);
        let mut part = |part: &str, data_type| fields.push((format!("{name}.{part}"), data_type));
        let own = match &attribute.kind {
            AttributeKind::Single { data_type, aggregation, .. } => match aggregation {
                Aggregation::Sum => number,
                // Without a declaration these are about numbers.
                Aggregation::Min | Aggregation::Max => data_type.or(number),
                Aggregation::Last | Aggregation::First => *data_type,
            },
            AttributeKind::List { parts, .. } => {
                parts.iter().for_each(|known| part(&known.name, None));
                None
            }
            AttributeKind::Counter { parts, .. } => {
                parts.iter().for_each(|known| part(&known.name, number));
                number
            }
            AttributeKind::Batch { data_type, .. } => *data_type,
            AttributeKind::Catalog { table, columns, .. } => {
                let table = definition.lookup_table(table);
                for column in columns {
                    let known = table.and_then(|table| table.column(&column.name));
                    part(&column.name, known.and_then(|known| known.data_type).or(column.data_type));
                }
                None
            }
        };
        fields.push((name.clone(), own));
    }
    fields
}

/// The names of a definition's counters and of their further windows.
fn counters(definition: &Definition) -> BTreeSet<String> {
    let of = |name: &str, kind: &AttributeKind| {
        let AttributeKind::Counter { parts, .. } = kind else { return Vec::new() };
        let mut names: Vec<String> = parts.iter().map(|part| format!("{name}.{}", part.name)).collect();
        names.push(name.to_owned());
        names
    };
    definition.attributes.iter().flat_map(|attribute| of(&attribute.name, &attribute.kind)).collect()
}

fn declared(text: &str) -> Result<(String, Option<DataType>), String> {
    let Some((name, data_type)) = text.split_once('=') else { return Ok((text.to_owned(), None)) };
    let data_type = match data_type {
        "string" => DataType::String,
        "number" => DataType::Number,
        "boolean" => DataType::Boolean,
        "timestamp" => DataType::Timestamp,
        "date" => DataType::Date,
        "string_array" => DataType::StringArray,
        "number_array" => DataType::NumberArray,
        _ => {
            let types = "string, number, boolean, timestamp, date, string_array, number_array";
            return Err(format!("the types are {types}"));
        }
    };
    Ok((name.to_owned(), Some(data_type)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_name_wins_over_a_path() {
        let row: Value =
            serde_json::from_str(r#"{"a": {"b": {"c": 1}, "b.c": 2}, "x.y": {"z": 3}}"#).unwrap();
        let found =
            |name| lookup(&row, name).and_then(|value| value.as_number()).map(|n| n.to_f64().to_string());
        assert_eq!(found("a.b.c").as_deref(), Some("2"));
        assert_eq!(found("x.y.z").as_deref(), Some("3"));
        assert_eq!(found("a.c"), None);
    }
}
