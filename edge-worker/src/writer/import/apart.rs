//! An import in a shard of several: rows for other shards, and the answers that are joined.

use usher_engine::{Keys, ProfileId};

use super::super::across::Across;
use super::super::decide::{Deciding, Decision};
use super::super::set::ProfileSet;
use super::{Ignored, Imported, Row, Rows, Whose};
use crate::limits::{HOPS_MAX, IMPORT_REFUSALS_MAX};
use crate::message::{Import, KeyOf, Part, ToWriter};
use crate::shard;
use crate::store::shards::ShardFound;
use crate::store::{ErasedKey, Read};
use crate::wire::Response;
use crate::wire::frame::{FrameReader, FrameWriter};
use usher_engine::RefusedColumn;

/// The answer to a part, for the shard that sent it.
struct Counts {
    imported: i64,
    unchanged: i64,
    values_refused: i64,
    refused: Vec<(usize, String, String)>,
    rejected: Vec<(usize, String)>,
    ignored: Vec<String>,
    more_ignored: bool,
}

impl Rows {
    /// The keys of its read that were erased, as this shard and others know.
    pub(in crate::writer) fn erased(&self, read: Option<&Read>, found: &ShardFound) -> Vec<ErasedKey> {
        match (&self.across, read) {
            (Some(across), Some(Read::Shard(read))) => across.unite_erased(&read.keys, found),
            _ => Vec::new(),
        }
    }

    /// The holder of the row with this index, and that of its key.
    pub(super) fn decide(
        &self,
        deciding: &mut Deciding<'_>,
        set: &mut ProfileSet,
        keys: &Keys,
        (index, read_as): (usize, usize),
        fresh: ProfileId,
    ) -> Whose {
        let line = self.records.get(index).map_or(0, |row| row.line);
        let mut handed = deciding.across.handed();
        if handed.any(|(sent, _)| sent.part.as_ref().is_some_and(|part| has(part, line))) {
            return Whose::There(None);
        }
        let Some(first) = keys.usable.first() else { return Whose::Unknown };
        let (name, value) = (first.name.clone(), first.value.clone());
        let key = KeyOf { audience: self.message.audience.clone(), name, value };
        // The shard that has the whole hands each row to the home of its key.
        if deciding.across.part.is_none() && !deciding.across.is_home(&key) {
            return Whose::There(Some(deciding.across.home(&key)));
        }
        match deciding.decide(set, keys, &[read_as], fresh) {
            Decision::Here(stitching) => {
                for (owner, key, read_as) in stitching.adopted {
                    set.adopt(owner, key, read_as);
                }
                Whose::Here(stitching.keys)
            }
            Decision::There(shard) => Whose::There(Some(shard)),
            Decision::Later => Whose::There(None),
            Decision::Unavailable | Decision::Unreadable => Whose::Unknown,
        }
    }

    /// Hands rows on. False: they were handed on too often.
    pub(super) fn hand_on(&self, there: &[(u32, usize)], deciding: &mut Deciding<'_>) -> bool {
        let across = deciding.across;
        let hops = across.part.as_ref().map_or(0, |part| part.hops);
        if hops >= HOPS_MAX {
            return there.is_empty();
        }
        for (to, indexes) in shard::grouped(there.iter().copied()) {
            let rows: Vec<&Row> = indexes.iter().filter_map(|index| self.records.get(*index)).collect();
            let lines = rows.iter().map(|row| self.message.body.get(row.place.clone()).unwrap_or_default());
            let body = lines.collect::<Vec<_>>().join(&b'\n');
            let places = rows.iter().map(|row| (u32::try_from(row.line).unwrap_or(u32::MAX), 0)).collect();
            let part = Part { hops: hops + 1, committed: false, places };
            let message = Import { body, ..self.message.clone() };
            deciding.open.hand_on(across.hand_on(to, ToWriter::Import(message), part));
        }
        true
    }

    /// The answer, with those of other shards. None: one of them did not answer.
    pub(super) fn joined(
        &self,
        across: &Across,
        own: Imported,
        rejected: Vec<(usize, &'static str)>,
    ) -> Option<Response> {
        let mut all = Counts {
            imported: own.imported,
            unchanged: own.unchanged,
            values_refused: own.values_refused,
            refused: own
                .refused
                .into_iter()
                .map(|(line, refused)| (line, refused.column, refused.reason.to_owned()))
                .collect(),
            rejected: rejected.into_iter().map(|(line, reason)| (line, reason.to_owned())).collect(),
            ignored: self.ignored.columns.clone(),
            more_ignored: self.ignored.more,
        };
        for (sent, response) in across.handed() {
            if sent.part.is_some() {
                let response = response.as_ref().filter(|response| response.status == 200)?;
                all.add(Counts::decode(&response.body)?);
            }
        }
        if across.part.is_some() {
            return Some(Response::typed(200, "application/octet-stream", all.encode()));
        }
        all.refused.sort();
        all.refused.truncate(IMPORT_REFUSALS_MAX);
        all.rejected.sort();
        let refused: Vec<(usize, RefusedColumn)> = all
            .refused
            .iter()
            .filter_map(|(line, column, reason)| {
                let reason = REASONS.into_iter().find(|known| known == reason)?;
                Some((*line, RefusedColumn { column: column.clone(), reason }))
            })
            .collect();
        let rejected: Vec<(usize, &str)> =
            all.rejected.iter().map(|(line, reason)| (*line, reason.as_str())).collect();
        let imported = Imported {
            imported: all.imported,
            unchanged: all.unchanged,
            values_refused: all.values_refused,
            refused,
        };
        let mut ignored = Ignored::default();
        ignored.add(all.ignored.clone());
        ignored.more |= all.more_ignored;
        Some(Response::json(200, imported.body(&rejected, &ignored)))
    }
}

/// The reasons of refused values.
const REASONS: [&str; 2] = ["wrong_type", "too_large"];

fn has(part: &Part, line: usize) -> bool {
    part.places.iter().any(|(known, _)| usize::try_from(*known) == Ok(line))
}

impl Counts {
    fn add(&mut self, mut other: Counts) {
        self.imported += other.imported;
        self.unchanged += other.unchanged;
        self.values_refused += other.values_refused;
        self.refused.append(&mut other.refused);
        self.rejected.append(&mut other.rejected);
        // The shard with the whole has read all rows, and so every column.
        self.more_ignored |= other.more_ignored;
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = FrameWriter::default();
        let line = |w: &mut FrameWriter, line: usize| {
            w.number(u32::try_from(line).unwrap_or(u32::MAX));
        };
        w.long(self.imported).long(self.unchanged).long(self.values_refused);
        w.list(&self.refused, |w, (number, column, reason)| {
            line(w, *number);
            w.text(column).text(reason);
        });
        w.list(&self.rejected, |w, (number, reason)| {
            line(w, *number);
            w.text(reason);
        });
        w.list(&self.ignored, |w, column| {
            w.text(column);
        });
        w.byte(u8::from(self.more_ignored));
        w.0
    }

    fn decode(bytes: &[u8]) -> Option<Counts> {
        let mut r = FrameReader(bytes);
        let line = |r: &mut FrameReader<'_>| usize::try_from(r.number()?).ok();
        Some(Counts {
            imported: r.long()?,
            unchanged: r.long()?,
            values_refused: r.long()?,
            refused: r.list(|r| Some((line(r)?, r.text()?.to_owned(), r.text()?.to_owned())))?,
            rejected: r.list(|r| Some((line(r)?, r.text()?.to_owned())))?,
            ignored: r.list(|r| r.text().map(str::to_owned))?,
            more_ignored: r.byte()? != 0,
        })
    }
}
