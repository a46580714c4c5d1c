//! The result of a read, from the rows that its statements found.

use super::cell::{Cell, Rows};
use super::part::cut;
use crate::message::KeyOf;
use crate::plane::HAS_CONTROL_PLANE;
use crate::store::index::HashIndex;
use crate::store::{
    Due, DueProfile, ErasedKey, Found, FoundProfile, FoundRenewal, FoundSize, HeldKey, IdleSince, JournalRow,
    Pointer, Read, Release, Renewal, StoreFailure,
};

/// The result of a read, from the rows of its statements in the order of [`reads`](super::reads).
///
/// # Errors
///
/// If a row does not have the columns of its statement.
pub fn found(read: &Read, rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    if HAS_CONTROL_PLANE && let Read::Release { .. } = read {
        return found_release(rows);
    }
    if let Read::Journals(asked) = read {
        let [profiles, journal] = <[Rows; 2]>::try_from(rows).map_err(|_| odd())?;
        let journal = each(vec![journal], found_journal)?;
        return Ok(Found::Journals(found_profiles(asked, vec![(0, profiles)])?, journal));
    }
    if HAS_CONTROL_PLANE && let Read::Whole(asked) = read {
        let [profiles, keys] = <[Rows; 2]>::try_from(rows).map_err(|_| odd())?;
        let key = |row: &mut Row| HeldKey { profile: row.id(), name: row.text(), value: row.text() };
        return Ok(Found::Whole(found_profiles(asked, vec![(0, profiles)])?, each(vec![keys], key)?));
    }
    if HAS_CONTROL_PLANE && let Read::Due(_) = read {
        return found_due(rows);
    }
    match read {
        Read::Profiles(asked) | Read::Unerased { keys: asked, .. } => {
            let mut with_rows = with_first_keys(asked, rows)?;
            let mut erased = Vec::new();
            for (first_key, rows) in &mut with_rows {
                // Nearly always none.
                for row in rows.extract_if(.., |row| is_of_erased(row)) {
                    erased.push(found_erased(row, *first_key)?);
                }
            }
            let profiles = found_profiles(asked, with_rows)?;
            Ok(match read {
                Read::Unerased { .. } => Found::Unerased(profiles, erased),
                _ => Found::Profiles(profiles),
            })
        }
        Read::Sizes(asked) => {
            let mut sizes = Vec::new();
            for (first_key, rows) in with_first_keys(asked, rows)? {
                for row in rows {
                    sizes.push(found_size(row, first_key)?);
                }
            }
            Ok(Found::Sizes(sizes))
        }
        Read::Releases { .. } if HAS_CONTROL_PLANE => Ok(Found::Releases(each(rows, found_one_release)?)),
        // Two of their statements return two kinds of rows.
        Read::Releases { .. } | Read::Release { .. } | Read::Journals(_) | Read::Whole(_) | Read::Due(_) => {
            Err(odd())
        }
        Read::Pointers | Read::Written => {
            let pointer =
                |row: &mut Row| Pointer { audience: row.text(), number: row.counted(), hash: row.text() };
            Ok(Found::Pointers(each(rows, pointer)?))
        }
        Read::Bundle { .. } => Ok(Found::Bundle(each(rows, Row::bytes)?.into_iter().next())),
    }
}

/// The cells of a row, read one after the other. It notes a cell of another type than is asked for, and reads on: code
/// that returns from every column takes more than all the rest.
struct Row {
    cells: std::vec::IntoIter<Cell>,
    is_odd: bool,
}

impl Row {
    fn new(cells: Vec<Cell>) -> Row {
        Row { cells: cells.into_iter(), is_odd: false }
    }

    fn text(&mut self) -> String {
        if let Some(Cell::Text(text)) = self.cells.next() {
            return text;
        }
        self.is_odd = true;
        String::new()
    }

    fn bytes(&mut self) -> Vec<u8> {
        if let Some(Cell::Bytes(bytes)) = self.cells.next() {
            return bytes;
        }
        self.is_odd = true;
        Vec::new()
    }

    fn number(&mut self) -> i64 {
        if let Some(Cell::Number(number)) = self.cells.next() {
            return number;
        }
        self.is_odd = true;
        0
    }

    fn counted(&mut self) -> u64 {
        u64::try_from(self.number()).unwrap_or_else(|_| {
            self.is_odd = true;
            0
        })
    }

    fn id(&mut self) -> [u8; 16] {
        self.bytes().try_into().unwrap_or_else(|_| {
            self.is_odd = true;
            [0; 16]
        })
    }

    /// `Err` if a cell was of another type, or is left.
    fn end(self) -> Result<(), StoreFailure> {
        if self.is_odd || self.cells.len() > 0 { Err(odd()) } else { Ok(()) }
    }
}

/// One item from each row.
fn each<T>(rows: Vec<Rows>, mut read: impl FnMut(&mut Row) -> T) -> Result<Vec<T>, StoreFailure> {
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

/// The rows of each statement, with the index of the first of its keys.
fn with_first_keys(asked: &[KeyOf], rows: Vec<Rows>) -> Result<Vec<(usize, Rows)>, StoreFailure> {
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
    Ok(parts.into_iter().zip(rows).map(with_first_key).collect())
}

/// Each once, in the order of the first key that names it. The rows are those of parts of the keys, each with the index of
/// its first key.
fn found_profiles(asked: &[KeyOf], parts: Vec<(usize, Rows)>) -> Result<Vec<FoundProfile>, StoreFailure> {
    // A key names one profile at most, so each has a place of its own and nothing is sorted.
    let mut by_first_key: Vec<Option<FoundProfile>> = asked.iter().map(|_| None).collect();
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
    Ok(by_first_key.into_iter().flatten().collect())
}

/// True for the row of an erased key, which has no id.
fn is_of_erased(row: &[Cell]) -> bool {
    matches!(row.get(2), Some(Cell::Bytes(id)) if id.is_empty())
}

/// The erased key of a row, whose index is one among those from `first_key` on.
fn found_erased(cells: Vec<Cell>, first_key: usize) -> Result<ErasedKey, StoreFailure> {
    let mut row = Row::new(cells);
    let key: usize = row.text().parse().map_err(|_| odd())?;
    let (_, _) = (row.text(), row.bytes());
    let erased = ErasedKey { key: key + first_key, at_ms: row.number(), imports: !row.bytes().is_empty() };
    row.end()?;
    Ok(erased)
}

fn found_due(rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    let [idle, unlisted, entombed, counts, size, renewal] = <[Rows; 6]>::try_from(rows).map_err(|_| odd())?;
    let since = |row: &mut Row| IdleSince { day: row.number(), audience: row.text(), id: row.id() };
    let due = |row: &mut Row| {
        let since = since(row);
        let touched_ms = Some(row.number()).filter(|at_ms| *at_ms >= 0);
        DueProfile { since, touched_ms, state: row.bytes() }
    };
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let counts = each(vec![counts], |row| {
        let counts = [row.counted(), row.counted(), row.counted(), row.counted()];
        (counts.map(count), (row.number(), row.number()))
    })?;
    let Some(([journal, suppressed, retired, listed], lease)) = counts.into_iter().next() else {
        return Err(odd());
    };
    Ok(Found::Due(Box::new(Due {
        idle: each(vec![idle], due)?,
        unlisted: each(vec![unlisted], since)?,
        is_listing: listed == 0,
        entombed: each(vec![entombed], Row::text)?,
        journal,
        suppressed,
        retired,
        lease,
        renewal: found_renewal(size, renewal)?,
    })))
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

fn found_journal(row: &mut Row) -> JournalRow {
    JournalRow { audience: row.text(), profile: row.id(), at_ms: row.number(), entry: row.text() }
}

fn found_profile(cells: Vec<Cell>) -> Result<FoundProfile, StoreFailure> {
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
    found.keys = found_keys(&named)?;
    Ok(found)
}

fn found_size(cells: Vec<Cell>, first_key: usize) -> Result<FoundSize, StoreFailure> {
    let mut row = Row::new(cells);
    let (named, bytes) = (row.text(), row.counted());
    row.end()?;
    let mut keys = found_keys(&named)?;
    keys.iter_mut().for_each(|key| *key += first_key);
    Ok(FoundSize { keys, bytes: usize::try_from(bytes).unwrap_or(usize::MAX) })
}

/// Indexes of keys, ascending.
fn found_keys(named: &str) -> Result<Vec<usize>, StoreFailure> {
    let mut keys: Vec<usize> = Vec::new();
    for index in named.split(',') {
        let index = index.parse().map_err(|_| odd())?;
        // Few, and nearly always in order.
        let before = keys.iter().rposition(|known| *known < index);
        keys.insert(before.map_or(0, |before| before + 1), index);
    }
    Ok(keys)
}

/// The result of `Read::Release`: all bundles, then the requested one with its body.
fn found_release(rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    let [releases, wanted] = <[Rows; 2]>::try_from(rows).map_err(|_| odd())?;
    let wanted = each(vec![wanted], |row| (found_one_release(row), row.bytes()))?.pop();
    Ok(Found::Release { releases: each(vec![releases], found_one_release)?, wanted })
}

fn found_one_release(row: &mut Row) -> Release {
    Release { number: row.counted(), hash: row.text(), origin: row.counted(), at_ms: row.number() }
}

#[cold]
fn odd() -> StoreFailure {
    StoreFailure("a row is not what its statement selects".to_owned())
}
