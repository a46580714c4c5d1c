//! An import in a shard of several: rows for other shards, and the answers that are joined.

use usher_engine::{Keys, ProfileId};

use super::super::across::Across;
use super::super::decide::{Deciding, Decision};
use super::super::parts::Parts;
use super::super::questions::Open;
use super::super::set::ProfileSet;
use super::{Ignored, Imported, Row, Rows, Whose};
use crate::limits::{HOPS_MAX, IMPORT_PIECE_ROWS, IMPORT_REFUSALS_MAX};
use crate::message::{Import, KeyOf, Part, ToWriter};
use crate::outcome::{Folded, Question};
use crate::plane::DECIDES;
use crate::shard;
use crate::store::shards::ShardFound;
use crate::store::{ErasedKey, FoundSize, Read};
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

    /// True where several shards have the profiles of its rows.
    pub(in crate::writer) fn is_across(&self) -> bool {
        DECIDES && self.across.is_some()
    }

    /// Looks at the sizes of the profiles with these keys: they are read next, or are too many, and this shard gets their rows
    /// in pieces.
    pub(in crate::writer) fn sized(&self, keys: Vec<KeyOf>, sizes: &[FoundSize]) -> (Option<Read>, Folded) {
        let Some(across) = &self.across else { return (None, Folded::Part(Box::default())) };
        let pieces = Parts::cut(keys.clone(), self.items(), sizes, false).items_of_each();
        if pieces.len() < 2 || across.is_last() {
            return (Some(Read::Shard(Box::new(across.read_unerased(keys)))), Folded::Part(Box::default()));
        }
        let hops = across.part.as_ref().map_or(0, |part| part.hops);
        let mut open = Open::default();
        for piece in pieces {
            open.hand_on(self.piece(across, across.route.shard, &piece, hops));
        }
        let Import { audience, number, .. } = &self.message;
        (None, Folded::Ask(open.questions(across, audience, *number)))
    }

    /// The holder of the row with this index, and that of its key; None: it was handed on.
    pub(super) fn decide(
        &self,
        deciding: &mut Deciding<'_>,
        set: &mut ProfileSet,
        keys: &Keys,
        read_as: Option<usize>,
        fresh: ProfileId,
    ) -> Whose {
        let Some(read_as) = read_as else { return Whose::There(None) };
        let Some(first) = keys.usable.first() else { return Whose::Unknown };
        // The shard that has the whole hands each row to the home of its key.
        if deciding.across.part.is_none() {
            let (name, value) = (first.name.clone(), first.value.clone());
            let key = KeyOf { audience: self.message.audience.clone(), name, value };
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
            Decision::Lost => {
                deciding.open.is_lost = true;
                Whose::Unknown
            }
            Decision::Unavailable | Decision::Unreadable => Whose::Unknown,
        }
    }

    /// Hands rows on, in pieces that are stored each by itself. False: they were handed on too often.
    pub(super) fn hand_on(&self, there: &[(u32, usize)], deciding: &mut Deciding<'_>) -> bool {
        let across = deciding.across;
        let hops = across.part.as_ref().map_or(0, |part| part.hops);
        if hops >= HOPS_MAX {
            return there.is_empty();
        }
        for (to, indexes) in shard::grouped(there.iter().copied()) {
            for piece in self.pieces(indexes) {
                deciding.open.hand_on(self.piece(across, to, &piece, hops + 1));
            }
        }
        true
    }

    /// Cuts rows; those of one key stay together, in their order.
    fn pieces(&self, indexes: Vec<usize>) -> Vec<Vec<usize>> {
        let mut pieces: Vec<Vec<usize>> = Vec::new();
        let mut piece_of_key = vec![None; self.keys];
        for index in indexes {
            let key = self.records.get(index).and_then(|row| row.key);
            let Some(known) = key.and_then(|key| piece_of_key.get_mut(key)) else { continue };
            if known.is_none() && pieces.last().is_none_or(|piece| piece.len() >= IMPORT_PIECE_ROWS) {
                pieces.push(Vec::new());
            }
            let at = *known.get_or_insert(pieces.len().saturating_sub(1));
            if let Some(piece) = pieces.get_mut(at) {
                piece.push(index);
            }
        }
        pieces
    }

    fn piece(&self, across: &Across, to: u32, indexes: &[usize], hops: u8) -> Question {
        let rows: Vec<&Row> = indexes.iter().filter_map(|index| self.records.get(*index)).collect();
        let lines = rows.iter().map(|row| self.message.body.get(row.place.clone()).unwrap_or_default());
        let body = lines.collect::<Vec<_>>().join(&b'\n');
        let places = rows.iter().map(|row| (u32::try_from(row.line).unwrap_or(u32::MAX), 0)).collect();
        let Import { ambient, audience, number, patch, .. } = &self.message;
        let (ambient, audience) = (*ambient, audience.clone());
        let message = Import { ambient, audience, number: *number, body, patch: *patch };
        across.hand_on(to, ToWriter::Import(message), Part { hops, committed: false, places })
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
