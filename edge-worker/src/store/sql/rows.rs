//! Rows as statements find them.

use super::cell::{Cell, Rows};
use super::part::cut;
use crate::message::KeyOf;
use crate::store::index::HashIndex;
use crate::store::{
    Due, DueProfile, ErasedKey, Found, FoundProfile, FoundRenewal, FoundSize, IdleSince, JournalRow, Release,
    Renewal, StoreFailure,
};
use usher_engine::gather::Gather;

/// The cells of a row, read one after the other. It notes a cell of another type than is asked for, and reads on: code
/// that returns from every column takes more than all the rest.
pub(super) struct Row {
    cells: std::vec::IntoIter<Cell>,
    is_odd: bool,
}

impl Row {
    pub(super) fn new(cells: Vec<Cell>) -> Row {
        Row { cells: cells.into_iter(), is_odd: false }
    }

    pub(super) fn text(&mut self) -> String {
        if let Some(Cell::Text(text)) = self.cells.next() {
            return text;
        }
        self.is_odd = true;
        String::new()
    }

    pub(super) fn bytes(&mut self) -> Vec<u8> {
        if let Some(Cell::Bytes(bytes)) = self.cells.next() {
            return bytes;
        }
        self.is_odd = true;
        Vec::new()
    }

    pub(super) fn number(&mut self) -> i64 {
        if let Some(Cell::Number(number)) = self.cells.next() {
            return number;
        }
        self.is_odd = true;
        0
    }

    pub(super) fn counted(&mut self) -> u64 {
        u64::try_from(self.number()).unwrap_or_else(|_| {
            self.is_odd = true;
            0
        })
    }

    pub(super) fn id(&mut self) -> [u8; 16] {
        self.bytes().try_into().unwrap_or_else(|_| {
            self.is_odd = true;
            [0; 16]
        })
    }

    /// `Err` if a cell was of another type, or is left.
    pub(super) fn end(self) -> Result<(), StoreFailure> {
        if self.is_odd || self.cells.len() > 0 { Err(odd()) } else { Ok(()) }
    }
}

pub(super) fn found_one_release(row: &mut Row) -> Release {
    Release { number: row.counted(), hash: row.text(), origin: row.counted(), at_ms: row.number() }
}

/// One item from each row.
pub(super) fn each<T>(rows: Vec<Rows>, mut read: impl FnMut(&mut Row) -> T) -> Result<Vec<T>, StoreFailure> {
    let mut items = Vec::new();
    for rows in rows {
        for cells in rows {
            let mut row = Row::new(cells);
            items.push(read(&mut row));
            row.end()?;
        }
    }
    Ok(items)
}

/// Each once, in the order of the first key that names it. The rows are those of parts of the keys, each with the index of
/// its first key.
pub(super) fn found_profiles(
    asked: &[KeyOf],
    parts: Vec<(usize, Rows)>,
) -> Result<Vec<FoundProfile>, StoreFailure> {
    // A key names one profile at most, so each has a place of its own and nothing is sorted.
    let mut by_first_key: Vec<Option<FoundProfile>> = asked.iter().map(|_| None).gather();
    let mut index = HashIndex::default();
    for (first_key, rows) in parts {
        for row in rows {
            let mut found = found_profile(row)?;
            found.keys.iter_mut().for_each(|key| *key += first_key);
            let place = *found.keys.first().ok_or_else(odd)?;
            let is = |at: usize| {
                let known = by_first_key.get(at).and_then(Option::as_ref);
                known.is_some_and(|known| (&known.audience, known.id) == (&found.audience, found.id))
            };
            let at = index.find_or_put(&[found.audience.as_bytes(), &found.id], place, is);
            match by_first_key.get_mut(at).ok_or_else(odd)? {
                // By keys of an earlier part, too.
                Some(known) => known.keys.append(&mut found.keys),
                empty => *empty = Some(found),
            }
        }
    }
    Ok(by_first_key.into_iter().flatten().gather())
}

/// True for a row without a profile's id: that of an erased key, or of what is elsewhere.
pub(super) fn is_without_id(row: &[Cell]) -> bool {
    matches!(row.get(2), Some(Cell::Bytes(id)) if id.is_empty())
}

/// The erased key of a row, whose index is one among those from `first_key` on.
pub(super) fn found_erased(cells: Vec<Cell>, first_key: usize) -> Result<ErasedKey, StoreFailure> {
    let mut row = Row::new(cells);
    let key: usize = row.text().parse().map_err(|_| odd())?;
    let (_, _) = (row.text(), row.bytes());
    let erased = ErasedKey { key: key + first_key, at_ms: row.number(), imports: !row.bytes().is_empty() };
    row.end()?;
    Ok(erased)
}

pub(super) fn found_due(rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    let [idle, unlisted, entombed, counts, size, renewal, waiting, next] =
        <[Rows; 8]>::try_from(rows).map_err(|_| odd())?;
    let (waiting, next_due_ms) = found_waiting(waiting, next)?;
    let since = |row: &mut Row| IdleSince { day: row.number(), audience: row.text(), id: row.id() };
    let due = |row: &mut Row| {
        let since = since(row);
        let touched_ms = Some(row.number()).filter(|at_ms| *at_ms >= 0);
        DueProfile { since, touched_ms, state: row.bytes() }
    };
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let counts = each(vec![counts], |row| {
        let counts = [row.counted(), row.counted(), row.counted(), row.counted()];
        (counts.map(count), (row.number(), row.number()), [row.counted(), row.counted()].map(count))
    })?;
    let Some(([journal, suppressed, retired, listed], lease, [aged, replaced])) = counts.into_iter().next()
    else {
        return Err(odd());
    };
    Ok(Found::Due(Box::new(Due {
        idle: each(vec![idle], due)?,
        unlisted: each(vec![unlisted], since)?,
        is_listing: listed == 0,
        entombed: each(vec![entombed], Row::text)?,
        waiting,
        next_due_ms,
        journal,
        suppressed,
        retired,
        aged,
        replaced,
        lease,
        renewal: found_renewal(size, renewal)?,
    })))
}

/// Profiles whose wait in a journey is over, and the time at which the next wait ends.
fn found_waiting(waiting: Rows, next: Rows) -> Result<(Vec<FoundProfile>, Option<i64>), StoreFailure> {
    let profile = |row: &mut Row| FoundProfile {
        audience: row.text(),
        keys: Vec::new(),
        id: row.id(),
        version: row.counted(),
        state: row.bytes(),
    };
    let next = each(vec![next], Row::number)?;
    if next.len() > 1 {
        return Err(odd());
    }
    Ok((each(vec![waiting], profile)?, next.first().copied()))
}

fn found_renewal(size: Rows, renewal: Rows) -> Result<Option<FoundRenewal>, StoreFailure> {
    let bytes = each(vec![size], Row::number)?.first().copied().unwrap_or(0);
    let found = each(vec![renewal], |row| FoundRenewal {
        renewal: Renewal {
            step: row.number(),
            began_ms: row.number(),
            is_due: row.number() != 0,
            filled_from: row.number(),
        },
        is_copied: row.number() != 0,
        has_zeros: row.number() != 0,
        bytes,
    })?;
    // No row: nothing was ever removed.
    Ok(found.first().copied().filter(|_| bytes > 0))
}

pub(super) fn found_journal(row: &mut Row) -> JournalRow {
    JournalRow { audience: row.text(), profile: row.id(), at_ms: row.number(), entry: row.text() }
}

pub(super) fn found_profile(cells: Vec<Cell>) -> Result<FoundProfile, StoreFailure> {
    let mut row = Row::new(cells);
    let named = row.text();
    let mut found = FoundProfile {
        audience: row.text(),
        keys: Vec::new(),
        id: row.id(),
        version: row.counted(),
        state: row.bytes(),
    };
    row.end()?;
    for index in named.split(',') {
        let index = index.parse().map_err(|_| odd())?;
        // Few, and nearly always in order.
        let before = found.keys.iter().rposition(|known| *known < index);
        found.keys.insert(before.map_or(0, |before| before + 1), index);
    }
    Ok(found)
}

/// The rows of sizes have these in the place of versions.
pub(super) fn found_size(row: FoundProfile) -> FoundSize {
    FoundSize { keys: row.keys, bytes: usize::try_from(row.version).unwrap_or(usize::MAX) }
}

#[cold]
pub(super) fn odd() -> StoreFailure {
    StoreFailure("a row is not what its statement selects".to_owned())
}

/// The rows of each part of the keys, with the index of its first key.
pub(super) fn parts_of(asked: &[KeyOf], rows: Vec<Rows>) -> Result<Vec<(usize, Rows)>, StoreFailure> {
    let parts = cut(asked, |key| key);
    if parts.len() != rows.len() {
        return Err(odd());
    }
    let mut next = 0;
    let with_first_key = |(part, rows): (&[KeyOf], Rows)| {
        let first_key = next;
        next += part.len();
        (first_key, rows)
    };
    Ok(parts.into_iter().zip(rows).map(with_first_key).gather())
}
