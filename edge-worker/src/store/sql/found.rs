//! The result of a read, from the rows that its statements found.

use super::cell::{Cell, Rows};
use super::part::cut;
use crate::message::KeyOf;
use crate::plane::HAS_CONTROL_PLANE;
use crate::store::index::HashIndex;
use crate::store::{Found, FoundProfile, JournalRow, Pointer, Read, Release, StoreFailure};

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
        let journal = journal.into_iter().map(found_journal).collect::<Result<_, _>>()?;
        return Ok(Found::Journals(found_profiles(asked, vec![(0, profiles)])?, journal));
    }
    match read {
        Read::Profiles(asked) => {
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
            let parts = parts.into_iter().zip(rows).map(with_first_key).collect();
            Ok(Found::Profiles(found_profiles(asked, parts)?))
        }
        Read::Releases { .. } if HAS_CONTROL_PLANE => {
            let releases = rows.into_iter().flatten().map(read_release);
            Ok(Found::Releases(releases.collect::<Result<_, _>>()?))
        }
        // Two of their statements return two kinds of rows.
        Read::Releases { .. } | Read::Release { .. } | Read::Journals(_) => Err(odd()),
        Read::Pointers | Read::Written => {
            let pointer = |row: Vec<Cell>| match <[Cell; 3]>::try_from(row) {
                Ok([Cell::Text(audience), Cell::Number(number), Cell::Text(hash)]) => {
                    Ok(Pointer { audience, number: u64::try_from(number).map_err(|_| odd())?, hash })
                }
                _ => Err(odd()),
            };
            Ok(Found::Pointers(rows.into_iter().flatten().map(pointer).collect::<Result<_, _>>()?))
        }
        Read::Bundle { .. } => match rows.into_iter().flatten().next() {
            None => Ok(Found::Bundle(None)),
            Some(row) => match <[Cell; 1]>::try_from(row) {
                Ok([Cell::Bytes(body)]) => Ok(Found::Bundle(Some(body))),
                _ => Err(odd()),
            },
        },
    }
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

fn found_journal(row: Vec<Cell>) -> Result<JournalRow, StoreFailure> {
    match <[Cell; 4]>::try_from(row) {
        Ok([Cell::Text(audience), Cell::Bytes(profile), Cell::Number(at_ms), Cell::Text(entry)]) => {
            Ok(JournalRow { audience, profile: profile.try_into().map_err(|_| odd())?, at_ms, entry })
        }
        _ => Err(odd()),
    }
}

fn found_profile(row: Vec<Cell>) -> Result<FoundProfile, StoreFailure> {
    let [Cell::Text(named), Cell::Text(audience), Cell::Bytes(id), Cell::Number(version), Cell::Bytes(state)] =
        <[Cell; 5]>::try_from(row).map_err(|_| odd())?
    else {
        return Err(odd());
    };
    let mut keys: Vec<usize> = Vec::new();
    for index in named.split(',') {
        let index = index.parse().map_err(|_| odd())?;
        // Few, and nearly always in order.
        let before = keys.iter().rposition(|known| *known < index);
        keys.insert(before.map_or(0, |before| before + 1), index);
    }
    let id = id.try_into().map_err(|_| odd())?;
    let version = u64::try_from(version).map_err(|_| odd())?;
    Ok(FoundProfile { audience, keys, id, version, state })
}

/// The result of `Read::Release`: all bundles, then the requested one with its body.
fn found_release(rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    let [releases, mut wanted] = <[Rows; 2]>::try_from(rows).map_err(|_| odd())?;
    let releases = releases.into_iter().map(read_release).collect::<Result<_, _>>()?;
    let wanted = match wanted.pop() {
        None => None,
        Some(mut row) => match row.pop() {
            Some(Cell::Bytes(body)) => Some((read_release(row)?, body)),
            _ => return Err(odd()),
        },
    };
    Ok(Found::Release { releases, wanted })
}

fn read_release(row: Vec<Cell>) -> Result<Release, StoreFailure> {
    match <[Cell; 4]>::try_from(row) {
        Ok([Cell::Number(number), Cell::Text(hash), Cell::Number(origin), Cell::Number(at_ms)]) => {
            let counted = |number| u64::try_from(number).map_err(|_| odd());
            Ok(Release { number: counted(number)?, hash, origin: counted(origin)?, at_ms })
        }
        _ => Err(odd()),
    }
}

fn odd() -> StoreFailure {
    StoreFailure("a row is not what its statement selects".to_owned())
}
