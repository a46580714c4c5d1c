//! The part of the compiler for tables of rows: what an attribute reads of one, and by which key.

use alloc::string::String;
use alloc::vec::Vec;

use super::compile::Compiler;
use super::directory::Directory;
use super::row_keys::Source;
use super::{OutputPlan, PersonalizationPlan, Piece, Plan};
use crate::attribute::plan::{CatalogPlan, Kind, RowKeys};
use crate::definition::{AttributeKind, Table};
use crate::diagnostic::{At, Code, Diagnostic, NameKind, words};
use crate::limits::{LOOKUP_TABLES_MAX, PARTS_MAX, ROWS_MAX, TABLE_COLUMNS_MAX};
use crate::value::DataType;

/// The finding about rows where none can be read.
#[cold]
pub(super) fn not_in_journeys() -> Diagnostic {
    let message = words!("journeys and activations read no rows of tables");
    let help = words!("keep the value in an attribute, by an event or an import");
    Diagnostic { help: Some(help), ..Diagnostic::new(Code::NotSupported, message) }
}

impl Compiler<'_> {
    /// Compiles the rows that an attribute reads.
    pub(super) fn catalog(&mut self, kind: &AttributeKind, directory: &Directory, at: At<'_>) -> CatalogPlan {
        let definition = self.definition;
        let (name, key, limit) = match kind {
            AttributeKind::Catalog { table, key, limit, .. } => (table.as_str(), key.as_str(), *limit),
            _ => ("", "", 0),
        };
        let source = Source::of(definition, key);
        let table = definition.lookup_table(name);
        if table.is_none() {
            self.unknown(NameKind::Table, name, at.field("table"), words!("unknown table `{name}`"));
        }
        let many = source.is_many();
        let keys = match source {
            Source::Key => RowKeys::Key(key.into()),
            Source::Column(column) => RowKeys::Column(column.into()),
            Source::Attribute(_) => RowKeys::Fact(directory.fact(key).unwrap_or_default()),
            Source::OtherKind => {
                let message =
                    words!("the key of a row is the value of a single or list attribute, or a stitching key");
                let help =
                    words!("`{key}` is a counter, an imported attribute or a row itself: name another");
                self.report(Code::NotSupported, at.field("key"), message, Some(help));
                RowKeys::Column(String::new())
            }
            Source::Unknown => {
                let message = words!("unknown attribute or stitching key `{key}`");
                self.unknown(NameKind::Attribute, key, at.field("key"), message);
                RowKeys::Column(String::new())
            }
        };
        let rows_max = if many { usize::try_from(limit).unwrap_or(ROWS_MAX) } else { 1 };
        CatalogPlan {
            table: name.into(),
            key: keys,
            many,
            rows_max,
            public: table.is_some_and(|it| it.public),
        }
    }

    /// Checks the tables by themselves.
    pub(super) fn lookup_tables(&mut self) {
        let tables = &self.definition.lookup_tables;
        self.unique(At::list("lookup_tables"), tables.iter().map(|table| table.name.as_str()), "table");
        self.at_most(At::list("lookup_tables"), tables.len(), LOOKUP_TABLES_MAX);
        for (index, table) in tables.iter().enumerate() {
            let at = At::item("lookup_tables", index);
            self.at_most(at.field("columns"), table.columns.len(), TABLE_COLUMNS_MAX);
            self.unique(
                at.field("columns"),
                table.columns.iter().map(|column| column.name.as_str()),
                "column",
            );
            if table.key.is_empty() {
                self.report(Code::MissingKey, at.field("key"), words!("this table has no key"), None);
            }
        }
    }

    /// Checks what an attribute reads of a table.
    pub(super) fn check_catalog(&mut self, kind: &AttributeKind, at: At<'_>) {
        let AttributeKind::Catalog { table, key, columns, limit } = kind else { return };
        let definition = self.definition;
        let table = definition.lookup_table(table);
        let many = Source::of(definition, key).is_many();
        self.at_most(at.field("columns"), columns.len(), PARTS_MAX);
        self.unique(at.field("columns"), columns.iter().map(|column| column.name.as_str()), "column");
        if columns.is_empty() {
            let help = words!("name the columns to read: `columns: [name, price]`");
            self.report(Code::EmptyList, at.field("columns"), words!("it reads no column"), Some(help));
        }
        if usize::try_from(*limit).is_ok_and(|limit| limit == 0 || limit > ROWS_MAX) {
            let message = words!("a call reads 1 to {ROWS_MAX} rows, not {limit}");
            self.report(Code::OverBound, at.field("limit"), message, None);
        }
        for (number, column) in columns.iter().enumerate() {
            let at = at.inner("columns", number);
            let Some(table) = table else { continue };
            let Some(known) = table.column(&column.name) else {
                self.unknown_column(table, &column.name, at);
                continue;
            };
            let declared = known.data_type;
            if let (Some(declared), Some(expected)) = (declared, column.data_type)
                && declared != expected
            {
                let message = words!("`{}` is a {declared} in the table, not a {expected}", column.name);
                let help = words!("write the same type in both, or leave it out here");
                self.report(Code::TypeMismatch, at.field("data_type"), message, Some(help));
            }
            let is_list = matches!(declared, Some(DataType::StringArray | DataType::NumberArray));
            if many && (is_list || declared == Some(DataType::Boolean)) {
                let message =
                    words!("`{}` of several rows would be a list of what no list holds", column.name);
                let help = words!("look up one row, by the `last` value of the list");
                self.report(Code::TypeMismatch, at, message, Some(help));
            }
        }
    }

    #[cold]
    fn unknown_column(&mut self, table: &Table, column: &str, at: At<'_>) {
        let message = words!("the table `{}` has no column `{column}`", table.name);
        let known: Vec<&str> = table.columns.iter().map(|known| known.name.as_str()).collect();
        let help = words!("its columns are {}", known.join(", "));
        self.report(Code::UnknownColumn, at, message, Some(help));
    }

    #[cold]
    fn at_most(&mut self, at: At<'_>, count: usize, max: usize) {
        if count > max {
            let message = words!("{count} {}, at most {max} are allowed", at.name());
            self.report(Code::OverBound, at, message, None);
        }
    }
}

impl Plan {
    /// Notes which catalog attributes each personalization reads.
    pub(super) fn note_catalogs(&mut self) {
        let is_catalog = |fact: u16| {
            let attribute = self.facts.get(usize::from(fact))?.attribute;
            let plan = self.attributes.get(attribute)?;
            matches!(plan.kind, Kind::Catalog(_)).then_some(attribute)
        };
        let of_plan = |plan: &PersonalizationPlan| {
            let mut read = Vec::new();
            let mut add = |fact: u16| {
                if let Some(attribute) = is_catalog(fact)
                    && let Err(at) = read.binary_search(&attribute)
                {
                    read.insert(at, attribute);
                }
            };
            for section in &plan.sections {
                self.program.facts_of(&section.criteria, &mut add);
                for output in &section.outputs {
                    match output {
                        OutputPlan::Same => {}
                        OutputPlan::Fact(fact) => add(*fact),
                        OutputPlan::Template(pieces) => pieces.iter().for_each(|piece| {
                            if let Piece::Fact(fact) = piece {
                                add(*fact);
                            }
                        }),
                        OutputPlan::Calculated(calc, _) => self.program.facts_of_value(calc, &mut add),
                    }
                }
            }
            read
        };
        self.catalogs = self.personalizations.iter().map(of_plan).collect();
    }
}
