//! Rows of tables that the answer to a message reads.
//!
//! Which rows those are is known once the message is folded: it is read and folded again then, with the rows beside the
//! profiles. Rows of other shards are asked for like everything that they have.

use usher_engine::gather::Gather;
use usher_engine::value::Value;
use usher_engine::{Evidence, FoundRow, Missed, Plan, Profile, Query, RowKey, Rows};

use super::across::Across;
use crate::limits::ROW_READS_MAX;
use crate::message::{OfTable, Part, SnapshotRow, TableAct, ToWriter};
use crate::outcome::{Folded, Questions};
use crate::plane::InControlPlane;
use crate::shard;
use crate::store::tables::{self, RowName};
use crate::wire::read;

/// The rows that were read for a message, and those that it still needs.
#[derive(Debug, Default)]
pub(crate) struct KnownRows {
    /// None: there is no such row.
    known: Vec<(RowName, Option<tables::FoundRow>)>,
    wanted: Vec<RowName>,
    reads: usize,
}

impl KnownRows {
    /// None yet.
    pub(super) fn none() -> InControlPlane<KnownRows> {
        InControlPlane::new(KnownRows::default())
    }

    /// The rows of this shard to read next, once.
    pub(super) fn take_wanted(&mut self) -> Option<Vec<RowName>> {
        Some(core::mem::take(&mut self.wanted)).filter(|wanted| !wanted.is_empty())
    }

    /// Takes the rows that a read found.
    pub(super) fn learn(&mut self, names: Vec<RowName>, found: Vec<tables::FoundRow>) {
        let from = self.known.len();
        self.known.extend(names.into_iter().map(|name| (name, None)));
        for row in found {
            if let Some((_, known)) = self.known.get_mut(from + row.index) {
                *known = Some(row);
            }
        }
    }

    /// None: it was not read yet.
    fn find<'r>(&'r self, across: Option<&'r Across>, name: &RowName) -> Option<Result<Found<'r>, Missed>> {
        let own = self.known.iter().find(|(known, _)| known == name).map(|(_, row)| match row {
            Some(row) => Ok((row.at_ms, row.version.as_slice(), row.columns.as_slice())),
            None => Err(Missed::Absent),
        });
        own.or_else(|| {
            let row = across?.row(name)?.ok_or(Missed::Late);
            Some(row.and_then(|row| match row.columns.as_slice() {
                [] => Err(Missed::Absent),
                columns => Ok((row.at_ms, row.version.as_slice(), columns)),
            }))
        })
    }

    /// The rows of a call, and the names of those that were not read yet; without those the others are missing.
    pub(super) fn of_call(
        &self,
        across: Option<&Across>,
        (plan, audience): (&Plan, &str),
        (profile, query, now_ms): (&Profile, &Query<'_>, i64),
        evidence: &Evidence<'_>,
    ) -> (Rows, Vec<RowName>) {
        let rows_max = usher_engine::limits::ROWS_MAX;
        let mut rows = plan.rows(profile, query, evidence, now_ms, rows_max);
        let mut unread = Vec::new();
        plan.hand_in(&mut rows, |row| {
            let name = name_of(audience, row);
            match self.find(across, &name) {
                Some(Ok((at_ms, _, columns))) => found(at_ms, columns),
                Some(Err(why)) => Err(why),
                None => {
                    unread.push(name);
                    Err(Missed::Late)
                }
            }
        });
        (rows, unread)
    }

    /// A row that was read, or why it is missing.
    pub(super) fn row(&self, across: Option<&Across>, name: &RowName) -> Result<FoundRow, Missed> {
        let (at_ms, _, columns) = self.find(across, name).unwrap_or(Err(Missed::Late))?;
        found(at_ms, columns)
    }

    /// The rows of these names for a snapshot; those that were not read are left out.
    pub(super) fn carried(&self, across: Option<&Across>, names: &[RowName]) -> Vec<SnapshotRow> {
        let row = |name: &RowName| {
            let (at_ms, version, columns) = match self.find(across, name)? {
                Ok((at_ms, version, columns)) => (at_ms, version.to_vec(), columns.to_vec()),
                Err(Missed::Absent) => (0, Vec::new(), Vec::new()),
                // The lookup says that it is late.
                Err(_) => return None,
            };
            let (table, key) = (name.table.clone(), name.key.clone());
            Some(SnapshotRow { table, key, at_ms, version, columns })
        };
        names.iter().filter_map(row).gather()
    }

    /// Those of these names that were not read yet.
    pub(super) fn unread(&self, across: Option<&Across>, names: &[RowName]) -> Vec<RowName> {
        names.iter().filter(|name| self.find(across, name).is_none()).cloned().gather()
    }

    /// True if rows of these names may still be read.
    pub(super) fn may_read(&self, across: Option<&Across>, unread: &[RowName]) -> bool {
        let is_here = |name: &RowName| across.is_none_or(|across| across.has_row(name));
        !unread.is_empty()
            && (across.is_some_and(|across| !across.is_last() && !unread.iter().all(is_here))
                || (self.reads < ROW_READS_MAX && unread.iter().any(is_here)))
    }

    /// Reads them: those of other shards first, which are asked at once.
    pub(super) fn read(
        &mut self,
        across: Option<&Across>,
        (now_ms, number): (i64, u64),
        unread: Vec<RowName>,
    ) -> Folded {
        let is_here = |name: &RowName| across.is_none_or(|across| across.has_row(name));
        let (here, elsewhere): (Vec<RowName>, Vec<RowName>) = unread.into_iter().partition(is_here);
        if let Some(across) = across.filter(|across| !across.is_last() && !elsewhere.is_empty()) {
            let by_shard = elsewhere.into_iter().map(|name| (across.shard_of_row(&name), name));
            let questions = shard::grouped(by_shard).into_iter().filter_map(|(shard, names)| {
                let audience = names.first()?.audience.clone();
                let find = names.into_iter().map(|name| (name.table, name.key)).gather();
                let (table, act) = (String::new(), TableAct::Find(find));
                let message = OfTable { now_ms, audience, number, table, act };
                let message = ToWriter::Table(InControlPlane::new(Box::new(message)));
                Some(across.hand_on(shard, message, Part::default()))
            });
            return Folded::Ask(Questions { questions: questions.gather(), wait: false });
        }
        self.reads += 1;
        self.wanted = here;
        Folded::Part(Box::default())
    }
}

/// Arrival, version and columns.
type Found<'r> = (i64, &'r [u8], &'r [u8]);

pub(super) fn name_of(audience: &str, row: &RowKey) -> RowName {
    RowName { audience: audience.to_owned(), table: row.table.clone(), key: row.key.clone() }
}

/// A stored row as the engine reads it.
fn found(at_ms: i64, columns: &[u8]) -> Result<FoundRow, Missed> {
    match read::document(columns) {
        Ok(Value::Object(columns)) => Ok(FoundRow { at_ms, columns }),
        _ => Err(Missed::Unavailable),
    }
}
