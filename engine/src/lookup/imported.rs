//! Reads one row of a table as it arrives: its key, its version and the columns that are kept.

use alloc::string::String;
use alloc::vec::Vec;

use super::key_text;
use crate::attribute::plan::{CatalogPlan, Kind, RowKeys};
use crate::definition::Table;
use crate::expr::types::TypeSet;
use crate::ingest::update::bytes;
use crate::limits::ROW_BYTES_MAX;
use crate::plan::Plan;
use crate::time;
use crate::value::{Number, Value};

/// The column that deletes a row: `true` in it makes the row a tombstone.
pub const DELETED_COLUMN: &str = "__deleted";

/// A row of a table, as it is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedRow {
    /// The text of its key.
    pub key: String,
    /// Bytes that sort as the values of the version column do; empty where the table has none.
    pub version: Vec<u8>,
    /// The columns that the table declares, in its order; None: the row is deleted.
    pub columns: Option<Vec<(String, Value)>>,
}

/// The reason why a row is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// The column that is at fault; empty: the whole row.
    pub column: String,
    /// For people.
    pub reason: &'static str,
}

impl Plan {
    /// The stitching key by which a table's rows are a visitor's own: that of an attribute which reads the table by a key, or
    /// the one that is named like its key column.
    pub fn key_of_table<'p>(&'p self, table: &'p Table) -> Option<&'p str> {
        let read_by = self.attributes.iter().find_map(|attribute| match &attribute.kind {
            Kind::Catalog(CatalogPlan { table: of, key: RowKeys::Key(name), .. }) if *of == table.name => {
                Some(name.as_str())
            }
            _ => None,
        });
        read_by.or_else(|| self.is_key(&table.key).then_some(table.key.as_str()))
    }

    /// The key of a row in the spelling in which it is stored and looked up.
    ///
    /// # Errors
    ///
    /// Why the value is no key.
    pub fn row_key(&self, table: &Table, value: Option<&Value>) -> Result<String, &'static str> {
        let value = value.ok_or("The key column is missing.")?;
        let text = key_text(value).ok_or("The key is no text or number, is empty, or is too long.")?;
        let name = self.key_of_table(table);
        match self.key_rules.iter().find(|rule| Some(rule.name.as_str()) == name) {
            Some(rule) => Ok(rule.admit_text(&text)?.into()),
            None => Ok(text),
        }
    }

    /// Reads one imported row of a table.
    ///
    /// # Errors
    ///
    /// Why it is refused: no usable key or version, a value that is not of its column's type, or too many bytes.
    pub fn imported_row(&self, table: &Table, row: &[(String, Value)]) -> Result<ImportedRow, RefusedRow> {
        let field =
            |name: &str| row.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.present());
        let refused = |column: &str, reason| RefusedRow { column: column.into(), reason };
        let key = self.row_key(table, field(&table.key)).map_err(|reason| refused(&table.key, reason))?;
        let version = match &table.version {
            None => Vec::new(),
            Some(column) => field(column)
                .and_then(version_of)
                .ok_or_else(|| refused(column, "The version is no number or time."))?,
        };
        match field(DELETED_COLUMN) {
            None | Some(Value::Boolean(false)) => {}
            Some(Value::Boolean(true)) => return Ok(ImportedRow { key, version, columns: None }),
            Some(Value::String(text)) if text == "false" || text.is_empty() => {}
            Some(Value::String(text)) if text == "true" => {
                return Ok(ImportedRow { key, version, columns: None });
            }
            Some(_) => return Err(refused(DELETED_COLUMN, "It is neither true nor false.")),
        }
        let mut columns = Vec::new();
        let mut size = key.len();
        for column in &table.columns {
            let Some(value) = field(&column.name) else { continue };
            let types = column.data_type.map_or(TypeSet::ANY, TypeSet::one);
            let admitted = types.admit(value).map_err(|_| refused(&column.name, "wrong_type"))?;
            let Some(value) = admitted else { continue };
            size = size.saturating_add(column.name.len()).saturating_add(bytes(&value));
            columns.push((column.name.clone(), value));
        }
        if size > ROW_BYTES_MAX {
            return Err(refused("", "The row is too large."));
        }
        Ok(ImportedRow { key, version, columns: Some(columns) })
    }
}

/// A number or a time as bytes that sort by its value.
fn version_of(value: &Value) -> Option<Vec<u8>> {
    let number = match value {
        Value::Number(number) => *number,
        Value::String(text) => match Number::parse(text) {
            Some(number) => number,
            None => Number::Integer(time::words_ms(text)?),
        },
        _ => return None,
    };
    // Of the two zeros there is one.
    let float = number.to_f64() + 0.0;
    let bits = float.to_bits();
    // Negative floats sort backwards.
    let sorted = if float.is_sign_negative() { !bits } else { bits ^ (1 << 63) };
    // Whole numbers that one float stands for differ in the second half.
    let whole = match number {
        Number::Integer(whole) => whole,
        Number::Float(float) => float as i64,
    };
    let mut bytes = sorted.to_be_bytes().to_vec();
    bytes.extend_from_slice(&(whole ^ i64::MIN).to_be_bytes());
    Some(bytes)
}

/// The value of a version; a time is its Unix milliseconds. None: the row has none.
pub fn version_number(version: &[u8]) -> Option<Number> {
    let (float, whole) = version.split_at_checked(8)?;
    let sorted = u64::from_be_bytes(float.try_into().ok()?);
    let bits = if sorted >> 63 == 1 { sorted ^ (1 << 63) } else { !sorted };
    let whole = i64::from_be_bytes(whole.try_into().ok()?) ^ i64::MIN;
    let float = f64::from_bits(bits);
    // A number with a fraction is not the whole one beside it.
    if whole as f64 == float { Some(Number::Integer(whole)) } else { Number::float(float) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_their_values() {
        let of = |text: &str| match Number::parse(text) {
            Some(number) => version_of(&Value::Number(number)).unwrap(),
            None => version_of(&text.into()).unwrap(),
        };
        let sorted = [
            "-9007199254740993",
            "-9007199254740992",
            "-2.5",
            "-1",
            "0",
            "0.25",
            "1",
            "9007199254740992",
            "9007199254740993",
            "1e300",
        ];
        assert!(sorted.is_sorted_by(|a, b| of(a) < of(b)));
        assert_eq!(of("0"), of("-0"));
        for text in sorted {
            assert_eq!(version_number(&of(text)), Number::parse(text), "{text}");
        }
        assert_eq!(version_number(&[]), None);
        assert_eq!(of("2026-09-21T14:13:20Z"), of("1790000000000"));
        assert!(of("2026-09-21") < of("2026-09-22"));
        assert!(["soon", ""].into_iter().all(|text| version_of(&text.into()).is_none()));
    }
}
