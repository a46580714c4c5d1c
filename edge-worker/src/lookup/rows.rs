//! Rows of tables of a lookup, from the snapshot that carries them.

use usher_engine::limits::ROWS_MAX;
use usher_engine::value::Value;
use usher_engine::{Evidence, FoundRow, Missed, Plan, Profile, Query, RowKey, Rows, version_number};

use super::PendingLookup;
use super::tier::Tier;
use crate::answer::RowLine;
use crate::limits::ROW_MISS_MS;
use crate::message::{Snapshot, SnapshotRow};
use crate::wire::read;

/// The rows that a snapshot carries; None if they are damaged.
pub(super) fn carried(snapshot: Option<&Snapshot>) -> Option<Vec<SnapshotRow>> {
    SnapshotRow::decode(snapshot.map_or(&[][..], |snapshot| &snapshot.rows))
}

fn of<'c>(carried: &'c [SnapshotRow], row: &RowKey) -> Option<&'c SnapshotRow> {
    carried.iter().find(|known| known.table == row.table && known.key == row.key)
}

/// The rows of an answer for its explanation: those that were looked for, then attributes whose row nobody may look for.
pub(super) fn lines<'a>(
    plan: &'a Plan,
    rows: &'a Rows,
    carried: &[SnapshotRow],
    now_ms: i64,
) -> Vec<RowLine<'a>> {
    let looked_for = plan.row_traces(rows).map(|trace| {
        let found = match of(carried, trace.row) {
            Some(row) if row.columns.is_empty() => Err(Missed::Absent),
            Some(row) => Ok((version_number(&row.version), now_ms.saturating_sub(row.at_ms).max(0))),
            None => Err(Missed::Late),
        };
        let key = trace.shows_key.then_some(trace.row.key.as_str());
        RowLine { attribute: trace.attribute, row: Some((&trace.row.table, key)), found }
    });
    let is_of_attribute = |why: &Missed| matches!(why, Missed::NotYours | Missed::Unavailable);
    let others = plan.missed(rows).filter(|(_, why)| is_of_attribute(why));
    let others = others.map(|(attribute, why)| RowLine { attribute, row: None, found: Err(why) });
    looked_for.chain(others).collect()
}

impl PendingLookup {
    /// The rows of tables that the answer reads, from the snapshot that carries them. None: it does not say of all of them
    /// whether they are there, and another one may.
    pub(super) fn rows(
        &self,
        plan: &Plan,
        profile: &Profile,
        query: &Query<'_>,
        (tier, snapshot, age_ms): (Tier, Option<&Snapshot>, i64),
    ) -> Option<Rows> {
        if !plan.reads_tables() {
            return Some(Rows::default());
        }
        let carried = carried(snapshot)?;
        let evidence = Evidence {
            server: self.access.server_route,
            keys: self.vouched.get().map_or(&[], Vec::as_slice),
        };
        let mut rows = plan.rows(profile, query, &evidence, self.request.ambient.now_ms, ROWS_MAX);
        let is_copy = matches!(tier, Tier::Memory | Tier::Kv);
        let mut is_known = true;
        plan.hand_in(&mut rows, |wanted| {
            match of(&carried, wanted) {
                // A row that was not there may have come since, sooner than copies go.
                Some(row) if row.columns.is_empty() => {
                    is_known &= !is_copy || age_ms <= ROW_MISS_MS;
                    Err(Missed::Absent)
                }
                Some(row) => match read::document(&row.columns) {
                    Ok(Value::Object(columns)) => Ok(FoundRow { at_ms: row.at_ms, columns }),
                    _ => Err(Missed::Unavailable),
                },
                None => {
                    is_known &= !is_copy;
                    Err(if tier == Tier::Writer { Missed::Late } else { Missed::Unavailable })
                }
            }
        });
        is_known.then_some(rows)
    }
}
