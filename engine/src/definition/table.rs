//! Tables: keyed rows from outside that are looked up, and never stored in a profile.

use alloc::string::String;
use alloc::vec::Vec;

use crate::value::DataType;

/// A keyed set of rows from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Unique in the audience.
    pub name: String,
    /// The column whose text identifies a row.
    pub key: String,
    /// The column by which the newer of two rows with one key is found: a number, or a time. None: the row that arrived last.
    pub version: Option<String>,
    /// True for a catalog: anybody may read its rows, so that its columns are not sensitive unless they say so.
    pub public: bool,
    /// The columns that attributes may read, beside the key.
    pub columns: Vec<TableColumn>,
    /// For people.
    pub description: Option<String>,
}

/// A column of a [`Table`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableColumn {
    /// Unique in the table.
    pub name: String,
    /// The declared type; None: any scalar or list.
    pub data_type: Option<DataType>,
    /// True if its values are sensitive. None: unless the table is public.
    pub sensitive: Option<bool>,
}

impl Table {
    /// The column of this name. The key is a column that is a text.
    pub fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// True if the values of a column are sensitive.
    pub fn is_sensitive(&self, column: &TableColumn) -> bool {
        column.sensitive.unwrap_or(!self.public)
    }
}

/// A column that a catalog attribute reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CatalogColumn {
    /// A column of the table; addressed as `attribute.name`.
    pub name: String,
    /// The type that its author expects, which the table's must agree with.
    pub data_type: Option<DataType>,
}
