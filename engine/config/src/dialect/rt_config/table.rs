//! Tables of rows, and attributes that read them: `tables` and `type: catalog`.

use usher_engine::definition::{AttributeKind, CatalogColumn, Table, TableColumn};
use usher_engine::limits::ROWS_MAX;

use crate::document::{Content, Node};
use crate::lower::{Fields, Lower};

/// The largest `limit`, which is the default, too.
const LIMIT: u32 = ROWS_MAX as u32;

pub(super) fn table(lower: &mut Lower, node: &Node) {
    lower.enter(format!("lookup_tables[{}]", lower.definition.lookup_tables.len()), node.span);
    let known = ["name", "key", "version", "public", "columns", "description"];
    let Some(fields) = lower.fields(node, "a table", &known) else { return lower.incomplete = true };
    let name = lower.need_text(fields, "name");
    lower.incomplete |= name.is_none();
    for (part, key) in [(".name", "name"), (".key", "key"), (".version", "version"), (".columns", "columns")]
    {
        lower.mark_key(part, fields, key);
    }
    if fields.get("key").is_none() {
        lower.missing(fields, "key", Some("name the column that tells rows apart".to_owned()));
    }
    let key = fields.get("key").and_then(|node| lower.name_of(node, "key")).unwrap_or_default();
    let version = lower.text(fields, "version");
    let public = lower.boolean(fields, "public").unwrap_or(false);
    let mut columns: Vec<TableColumn> = Vec::new();
    for item in lower.items(fields, "columns").unwrap_or_default() {
        let at = format!(".columns[{}]", columns.len());
        lower.mark(&at, item.span);
        columns.extend(column(lower, item, &at));
    }
    let description = lower.text(fields, "description");
    // Kept even when a part is wrong, so that references to it are not errors, too.
    if let Some(name) = name {
        lower.definition.lookup_tables.push(Table { name, key, version, public, columns, description });
    }
}

/// A column by its name, or with its type and sensitivity.
fn column(lower: &mut Lower, node: &Node, at: &str) -> Option<TableColumn> {
    if !matches!(node.content, Content::Map(_)) {
        let name = lower.name_of(node, "a column")?;
        return Some(TableColumn { name, ..TableColumn::default() });
    }
    let fields = lower.fields(node, "a column of a table", &["name", "type", "sensitive"])?;
    let name = lower.need_text(fields, "name");
    lower.mark_key(&format!("{at}.name"), fields, "name");
    let data_type = lower.data_type(fields, "type");
    let sensitive = lower.boolean(fields, "sensitive");
    Some(TableColumn { name: name?, data_type, sensitive })
}

/// The table, key and columns that an attribute of the type `catalog` reads.
pub(super) fn catalog(lower: &mut Lower, fields: Fields<'_>) -> Option<AttributeKind> {
    for (part, key) in [(".table", "table"), (".key", "key"), (".limit", "limit"), (".columns", "columns")] {
        lower.mark_key(part, fields, key);
    }
    if fields.get("table").is_none() {
        lower.missing(fields, "table", Some("name the table whose rows it reads".to_owned()));
    }
    if fields.get("key").is_none() {
        let help = "name the stitching key or the attribute whose value is the row's key".to_owned();
        lower.missing(fields, "key", Some(help));
    }
    let table = fields.get("table").and_then(|node| lower.name_of(node, "table"));
    let key = fields.get("key").and_then(|node| lower.name_of(node, "key"));
    let limit = lower.count(fields, "limit", i64::from(LIMIT));
    let limit = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(LIMIT);
    let columns = catalog_columns(lower, fields, "columns", "type");
    Some(AttributeKind::Catalog { table: table?, key: key?, columns, limit })
}

/// The columns that an attribute reads, each by its name or with the type that its author expects.
pub(in crate::dialect) fn catalog_columns(
    lower: &mut Lower,
    fields: Fields<'_>,
    key: &str,
    type_key: &'static str,
) -> Vec<CatalogColumn> {
    let mut columns = Vec::new();
    lower.need(fields, key);
    for item in lower.items(fields, key).unwrap_or_default() {
        let at = format!(".columns[{}]", columns.len());
        lower.mark(&at, item.span);
        if !matches!(item.content, Content::Map(_)) {
            let name = lower.name_of(item, "a column");
            columns.extend(name.map(|name| CatalogColumn { name, data_type: None }));
            continue;
        }
        let Some(fields) = lower.fields(item, "a column of a row", &["name", type_key]) else { continue };
        let name = lower.need_text(fields, "name");
        lower.mark_key(&format!("{at}.data_type"), fields, type_key);
        let data_type = lower.data_type(fields, type_key);
        columns.extend(name.map(|name| CatalogColumn { name, data_type }));
    }
    columns
}

/// The largest number of rows, for bodies that name none.
pub(in crate::dialect) fn rows_max() -> u32 {
    LIMIT
}
