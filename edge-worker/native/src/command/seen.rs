//! Event tables and their columns: of an edge, or of a file with events.

use std::path::Path;

use serde_json::Value;
use usher_edge::discovery::Discovery;
use usher_engine::definition::EventTable;

use crate::client::Client;
use crate::exit::Failure;
use crate::lines::{self, Lines};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::clean;

/// The table of events that name none.
const NAMELESS: (&str, &str) = ("web", "events");

/// Event tables, by name.
pub(super) struct Seen {
    pub(super) tables: Vec<Table>,
}

/// An event table.
pub(super) struct Table {
    pub(super) database: String,
    pub(super) table: String,
    /// The events that were read; None: they were not counted.
    pub(super) events: Option<u64>,
    /// True if a definition declares it.
    pub(super) declared: bool,
    pub(super) columns: Vec<Column>,
}

/// A column.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) types: Vec<String>,
    /// The share of events that have it, from 0 to 1.
    pub(super) share: Option<f64>,
    /// The share of its values that differ.
    pub(super) distinct: Option<f64>,
}

impl Seen {
    /// The tables of the file or the edge that the options name; with their columns, if one is asked for.
    pub(super) fn of(edge: &EdgeOptions, columns_of: Option<(&str, &str)>) -> Result<Seen, Failure> {
        match edge.file() {
            Some(path) => Ok(Seen::of_discovery(&read(path, |_, _, _| ())?)),
            None => Seen::at(&edge.find(Role::Admin)?.client()?, columns_of),
        }
    }

    pub(super) fn of_discovery(discovery: &Discovery) -> Seen {
        let tables = discovery.tables().map(|seen| Table {
            database: seen.database.clone(),
            table: seen.table.clone(),
            events: Some(seen.events),
            declared: false,
            columns: seen
                .columns
                .iter()
                .map(|column| Column {
                    name: column.name.clone(),
                    data_type: column.data_type().to_owned(),
                    types: column.types().map(str::to_owned).collect(),
                    share: Some(rounded(column.share(seen))),
                    distinct: Some(rounded(column.distinct())),
                })
                .collect(),
        });
        Seen { tables: tables.collect() }
    }

    /// The tables of an edge; the columns of one of them, or of all where it is None.
    pub(super) fn at(client: &Client, columns_of: Option<(&str, &str)>) -> Result<Seen, Failure> {
        let mut tables = Vec::new();
        for database in list(client, &client.get("/v3/database/list")?, "databases")? {
            let database = text(client, &database, "name")?;
            if columns_of.is_some_and(|(wanted, _)| wanted != database) {
                continue;
            }
            for table in list(client, &client.get(&format!("/v3/table/list/{database}"))?, "tables")? {
                let name = text(client, &table, "name")?;
                let columns = match columns_of {
                    Some((_, wanted)) if wanted == name => columns_at(client, &database, &name)?,
                    _ => Vec::new(),
                };
                tables.push(Table {
                    database: database.clone(),
                    events: table["count"].as_u64(),
                    declared: table["declared"] == true,
                    table: name,
                    columns,
                });
            }
        }
        Ok(Seen { tables })
    }
}

/// The columns of a table of an edge.
pub(super) fn columns_at(client: &Client, database: &str, table: &str) -> Result<Vec<Column>, Failure> {
    let shown = client.get(&format!("/v3/table/show/{database}/{table}"))?;
    let column = |column: Value| {
        Ok(Column {
            name: text(client, &column, "name")?,
            data_type: text(client, &column, "type")?,
            types: column["types"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            share: column["share"].as_f64(),
            distinct: column["distinct"].as_f64(),
        })
    };
    list(client, &shown, "columns")?.into_iter().map(column).collect()
}

/// Reads a file of events: NDJSON, each line an event, or `{"database", "table", "event"}` around one. An event may name its table
/// in a column `table`; others are of `web.events`. `each` gets every event with its table.
pub(super) fn read(path: &Path, mut each: impl FnMut(&str, &str, &Value)) -> Result<Discovery, Failure> {
    let unreadable = |number: u64, reason: &str| {
        Failure::new(reason.to_owned()).at(&format!("{}:{number}", path.display()))
    };
    let mut lines = Lines::new(lines::open(path)?);
    let mut discovery = Discovery::default();
    while let Some(line) = lines.next().map_err(|error| Failure::of_file("read", path.display(), error))? {
        let Some(text) = line.text else { return Err(unreadable(line.number, "the line is too long")) };
        let mut value: Value = serde_json::from_slice(&text)
            .map_err(|_| unreadable(line.number, "the line is no JSON object"))?;
        let is_wrapped =
            value["event"].is_object() && ["database", "table"].iter().all(|it| value[it].is_string());
        let (table, event) = if is_wrapped {
            let of = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            (Some((of("database"), of("table"))), value["event"].take())
        } else {
            let named = value["table"].as_str().and_then(|it| it.split_once('.'));
            let named = named.map(|(database, table)| (database.to_owned(), table.to_owned()));
            if let (Some(_), Some(columns)) = (&named, value.as_object_mut()) {
                columns.remove("table");
            }
            (named, value)
        };
        let (database, table) = table.unwrap_or_else(|| (NAMELESS.0.to_owned(), NAMELESS.1.to_owned()));
        if let Some(name) = [&database, &table].into_iter().find(|it| !EventTable::is_name(it)) {
            return Err(unreadable(line.number, &format!("`{}` names no database or table", clean(name)))
                .help("a name is 3 to 255 of a to z, digits and _"));
        }
        if !discovery.event(&database, &table, event.to_string().as_bytes()) {
            return Err(unreadable(line.number, "the line is no event, or there are too many tables"));
        }
        each(&database, &table, &event);
    }
    Ok(discovery)
}

fn list(client: &Client, answer: &Value, name: &str) -> Result<Vec<Value>, Failure> {
    answer[name].as_array().cloned().ok_or_else(|| client.not_an_edge())
}

fn text(client: &Client, value: &Value, name: &str) -> Result<String, Failure> {
    value[name].as_str().map(str::to_owned).ok_or_else(|| client.not_an_edge())
}

/// Estimates are not better.
fn rounded(share: f64) -> f64 {
    (share * 1_000.0).round() / 1_000.0
}
