//! A key event: `name`, `databaseName`, `tableName`, `filterRule`.

use usher_engine::definition::{EventTable, KeyEvent};
use usher_engine::diagnostic::Code;
use usher_engine::syntax::Expr;

use super::super::common::{columns, event_table, spelling};
use super::super::condition::{Subject, condition};
use super::body::READ_BACK;
use crate::document::Node;
use crate::lower::{Fields, Lower};

pub(super) fn lower(lower: &mut Lower, node: &Node, id: Option<String>) {
    lower.enter(format!("key_events[{}]", lower.definition.key_events.len()), node.span);
    let known = [
        "id",
        "audienceId",
        "name",
        "eventName",
        "databaseName",
        "database",
        "tableName",
        "table",
        "filterRule",
        "filters",
        "columns",
        "description",
    ];
    let Some(fields) = lower.fields_and(node, "a key event", &known, &READ_BACK) else { return };
    lower.body_audience(fields);
    let key = spelling(lower, fields, ["name", "eventName"]);
    let name = lower.need_text(fields, key);
    lower.incomplete |= name.is_none();
    lower.mark_key(".name", fields, key);
    let keys = [["databaseName", "database"], ["tableName", "table"]];
    let keys = keys.map(|either| spelling(lower, fields, either));
    let [_, key] = keys;
    lower.mark_key(".table", fields, key);
    let [database, table] = event_table(lower, fields, keys);
    let (database, table) = (database.unwrap_or_default(), table.unwrap_or_default());
    if let Some(entry) = fields.entry("filters").filter(|entry| !entry.value.is_null()) {
        let help = "write a `filterRule` with conditions of the type `Column`".to_owned();
        lower.note_with(Code::NotSupported, entry.key_span, "`filters` are not supported", Some(help));
    }
    let filter = filter_rule(lower, fields, ".filter");
    let columns = columns(lower, fields);
    let description = lower.text(fields, "description");
    // Kept even when a part is wrong, so that references to it are not errors, too.
    if let Some(name) = name {
        super::body::unique(lower, fields, &name, [id.as_deref(), None], "key event");
        let table = EventTable { database, table };
        lower.definition.key_events.push(KeyEvent { name, table, filter, columns, description });
    }
}

/// The filter of events; an empty `And` counts as none.
pub(super) fn filter_rule(lower: &mut Lower, fields: Fields<'_>, part: &str) -> Option<Expr> {
    let node = fields.get("filterRule")?;
    lower.mark_criterion(part, node.span);
    condition(lower, node, Subject::Event).filter(|filter| *filter != Expr::Constant(true))
}
