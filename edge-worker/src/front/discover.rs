//! Requests with events, looked at for the columns that they bring once they are answered.

use usher_engine::definition::EventTable;

use crate::edge::{Edge, Running};
use crate::host::Head;
use crate::wire::Response;
use crate::wire::read;

/// Notes the columns of a request's events, now and then: of tables that are declared, and of others while an audience has
/// `discover: on`. For hosts whose process keeps them ([`Edge::keep_discovery`]).
pub fn discover(edge: &mut Edge, head: &Head<'_>, body: &[u8], answer: &Response) {
    if head.method != "POST" || !matches!(answer.status, 200 | 404) || edge.discovery().is_none() {
        return;
    }
    let path = head.target.split_once('?').map_or(head.target, |(path, _)| path);
    if path == "/v1/e" {
        if edge.discovery_mut().is_some_and(|it| it.wants_batch()) {
            of_batch(edge, None, body);
        }
        return;
    }
    let path = path.strip_prefix("/public").unwrap_or(path);
    let Some((database, table)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
        return;
    };
    let is_event = EventTable::is_name(database) && EventTable::is_name(table);
    if is_event && !EventTable::ROUTED.contains(&database) && is_noted(edge, database, table) {
        of_batch(edge, Some((database, table)), body);
    }
}

/// A batch, or one event.
fn of_batch(edge: &mut Edge, table: Option<(&str, &str)>, body: &[u8]) {
    let rows = match read::batch(body) {
        Ok(batch) if !batch.events.is_empty() => batch.events.into_iter().flatten().collect(),
        _ => read::event(body).into_iter().collect::<Vec<_>>(),
    };
    for row in rows {
        let named = row.table().map(|(database, table)| (database.to_owned(), table.to_owned()));
        let (database, name) = match (table, named) {
            (Some((database, table)), _) => (database.to_owned(), table.to_owned()),
            (None, Some((database, table))) if is_noted(edge, &database, &table) => (database, table),
            (None, _) => continue,
        };
        let mut columns = row.columns;
        if table.is_none() {
            columns.retain(|(column, _)| column != "table");
        }
        if let Some(discovery) = edge.discovery_mut() {
            discovery.row(&database, &name, &columns);
        }
    }
}

fn is_noted(edge: &mut Edge, database: &str, table: &str) -> bool {
    let is_declared = |(_, running): (&str, &Running)| {
        running.plan.table(database, table).is_some() || running.plan.definition().discover
    };
    let is_known = edge.all_running().any(is_declared);
    is_known && edge.discovery_mut().is_some_and(|discovery| discovery.wants(database, table))
}
