//! Which columns of a record the running definition reads, and what a cell or a value of each must be.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Number, Value};
use usher_engine::value::{self, DataType};

use crate::client::Client;
use crate::exit::Failure;

/// The columns that an edge reads of the records of an audience.
pub(super) struct Columns {
    /// The column that identifies a record.
    pub(super) key: String,
    /// The types of every attribute that reads the column, by its name.
    read: BTreeMap<String, Vec<Vec<DataType>>>,
    /// The column with a row's version.
    version: Option<String>,
    /// Ways to import that the edge knows.
    modes: Vec<String>,
    /// The most rows of one request there.
    pub(super) rows_max: usize,
}

/// The most rows of one request to an edge that does not say how many it takes: 2,000 in release 0.1.0.
const ROWS_UNSAID: usize = 1_000;

/// The conversion of a cell to JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    /// It is sent as it stands, and the edge says whether it fits.
    Text,
    /// An attribute is a boolean or a list, or both: what reads as one is one, and any other cell is sent as it stands.
    Attribute { boolean: bool, list: bool },
    /// The first line says the type, and what is of another is refused here.
    Typed(DataType),
    /// The first line says JSON.
    Json,
}

#[derive(Deserialize)]
struct Answer {
    key: Option<String>,
    /// Of a table.
    version: Option<String>,
    columns: Vec<Read>,
    #[serde(default)]
    modes: Vec<String>,
    rows_max: Option<usize>,
}

#[derive(Deserialize)]
struct Read {
    name: String,
    types: Vec<String>,
}

impl Columns {
    /// Asks the edge.
    ///
    /// # Errors
    /// When it does not answer, or when no column identifies records there.
    pub(super) fn ask(client: &Client, path: &str) -> Result<Columns, Failure> {
        let answer: Answer = serde_json::from_value(client.get(path)?).map_err(|_| client.not_an_edge())?;
        let key = answer.key.ok_or_else(|| {
            Failure::new("the definition that runs there has no `ext_lookup_key` and no `primary_key`")
                .help("one of them says which column identifies a record")
        })?;
        let rows_max = answer.rows_max.unwrap_or(ROWS_UNSAID).max(1);
        let (version, read) = (answer.version, BTreeMap::new());
        let mut columns = Columns { key, read, version, modes: answer.modes, rows_max };
        for Read { name, types } in answer.columns {
            // A type of a newer edge is none that a cell could be converted to.
            let known = |data_type: &DataType| types.iter().any(|name| name == data_type.as_str());
            columns.read.entry(name).or_default().push(DataType::ALL.into_iter().filter(known).collect());
        }
        Ok(columns)
    }

    pub(super) fn knows_mode(&self, mode: &str) -> bool {
        self.modes.iter().any(|known| known == mode)
    }

    /// True if the definition reads the column.
    pub(super) fn reads(&self, name: &str) -> bool {
        name == self.key || self.version.as_deref() == Some(name) || self.read.contains_key(name)
    }

    /// The number of columns that attributes read.
    pub(super) fn len(&self) -> usize {
        self.read.len()
    }

    /// The columns that attributes read and that are none of these.
    pub(super) fn lacking(&self, given: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        self.read.keys().map(String::as_str).filter(move |name| !given(name))
    }

    /// The conversion of a column whose header has no type.
    pub(super) fn conversion(&self, name: &str) -> Conversion {
        if name == "batch_segments" {
            return Conversion::Json;
        }
        let Some(attributes) = self.read.get(name) else { return Conversion::Text };
        let takes =
            |wanted: &[DataType]| attributes.iter().any(|types| types.iter().any(|it| wanted.contains(it)));
        // Ids keep their zeros wherever a text may stand.
        if takes(&[DataType::String]) {
            return Conversion::Text;
        }
        Conversion::Attribute {
            boolean: takes(&[DataType::Boolean]),
            list: takes(&[DataType::StringArray, DataType::NumberArray]),
        }
    }

    /// Why an edge refused the value of a column, in words.
    pub(super) fn in_words(&self, column: &str, reason: &str) -> String {
        match reason {
            "wrong_type" => {
                let mut types: Vec<DataType> =
                    self.read.get(column).into_iter().flatten().flatten().copied().collect();
                types.sort_by_key(|known| known.as_str());
                types.dedup();
                not_of(&types)
            }
            "too_large" => "over 500 bytes".to_owned(),
            reason => reason.replace('_', " "),
        }
    }

    #[cfg(test)]
    pub(super) fn of(key: &str, read: &[(&str, &[&str])]) -> Columns {
        let types = |names: &[&str]| {
            DataType::ALL.into_iter().filter(|known| names.contains(&known.as_str())).collect()
        };
        let read = read.iter().map(|(name, names)| ((*name).to_owned(), vec![types(names)])).collect();
        Columns { key: key.to_owned(), read, version: None, modes: Vec::new(), rows_max: ROWS_UNSAID }
    }
}

impl Conversion {
    /// The value of a cell that is not empty; what it should have been where it is refused, None for JSON.
    pub(super) fn value(self, cell: &str) -> Result<Value, Option<DataType>> {
        let text = || Value::String(cell.to_owned());
        match self {
            Conversion::Text => Ok(text()),
            Conversion::Json => serde_json::from_str(cell).map_err(|_| None),
            Conversion::Attribute { boolean: true, .. } if let Some(value) = boolean(cell) => Ok(value),
            Conversion::Attribute { list: true, .. } if let Some(value) = list(cell) => Ok(value),
            Conversion::Attribute { .. } => Ok(text()),
            Conversion::Typed(data_type) => {
                let value = match data_type {
                    DataType::String => Some(text()),
                    DataType::Boolean => boolean(cell),
                    // Numbers keep their grammar: `007` and `1,299.00` are none.
                    DataType::Number => value::Number::parse(cell)
                        .and_then(|_| cell.parse::<Number>().ok())
                        .map(Value::Number),
                    DataType::Timestamp | DataType::Date => {
                        let read = usher_engine::time::instant_ms(&value::Value::string(cell));
                        read.map(|_| text())
                    }
                    DataType::StringArray => list(cell).filter(|items| all(items, Value::is_string)),
                    DataType::NumberArray => list(cell).filter(|items| all(items, Value::is_number)),
                };
                value.ok_or(Some(data_type))
            }
        }
    }
}

/// As JSON or a spreadsheet spells it.
fn boolean(cell: &str) -> Option<Value> {
    let is = |text: &str| cell.eq_ignore_ascii_case(text);
    if is("true") || is("false") { Some(Value::Bool(is("true"))) } else { None }
}

fn list(cell: &str) -> Option<Value> {
    serde_json::from_str(cell).ok().filter(Value::is_array)
}

fn all(list: &Value, fits: fn(&Value) -> bool) -> bool {
    list.as_array().is_some_and(|items| items.iter().all(fits))
}

/// `not a number such as 1299.5`, `not a text or a number such as …`
pub(super) fn not_of(types: &[DataType]) -> String {
    let written: Vec<&str> = types
        .iter()
        .map(|data_type| match data_type {
            DataType::String => "a text",
            DataType::Number => "a number such as 1299.5",
            DataType::Boolean => "true or false",
            DataType::Timestamp => "a time such as 2026-03-08T02:30:00Z",
            DataType::Date => "a date such as 2026-03-08",
            DataType::StringArray => "a list such as [\"a\",\"b\"]",
            DataType::NumberArray => "a list such as [1,2]",
        })
        .collect();
    if written.is_empty() {
        "not of a type that is read".to_owned()
    } else {
        format!("not {}", written.join(" or "))
    }
}
