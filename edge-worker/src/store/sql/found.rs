//! The result of a read, from the rows that its statements found.

use super::cell::Rows;
use super::rows::{
    Row, each, found_due, found_erased, found_journal, found_one_release, found_profiles, found_size,
    is_without_id, odd, parts_of,
};
use super::{activations, control, shards, tables};
use crate::plane::{HAS_CONTROL_PLANE, HAS_SHARDS, InControlPlane};
use crate::store::{Found, HeldKey, Pointer, Read, StoreFailure};
use usher_engine::gather::Gather;

/// The result of a read, from the rows of its statements in the order of [`reads`](super::reads).
///
/// # Errors
///
/// If a row does not have the columns of its statement.
pub fn found(read: &Read, mut rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    if let Read::WithRows(both) = read
        && let Some(both) = both.get()
    {
        let of_tables = tables::found(rows.pop().ok_or_else(odd)?)?;
        let both = Box::new((found(&both.0, rows)?, of_tables));
        return Ok(Found::WithRows(InControlPlane::new(both)));
    }
    if HAS_CONTROL_PLANE && let Read::Rows(_) = read {
        let of_tables = tables::found(rows.pop().ok_or_else(odd)?)?;
        return Ok(Found::Rows(InControlPlane::new(of_tables)));
    }
    if HAS_CONTROL_PLANE && let Read::Table(_) = read {
        return Ok(Found::Table(InControlPlane::new(tables::found_state(rows)?)));
    }
    if let Read::Versions(of) = read
        && let Some(of) = of.get()
    {
        return Ok(Found::Versions(InControlPlane::new(tables::found_versions(of, rows)?)));
    }
    if HAS_CONTROL_PLANE && let Read::Own(_) = read {
        return Ok(Found::Own(InControlPlane::new(tables::found_own(rows)?)));
    }
    if HAS_CONTROL_PLANE && let Read::Release { .. } = read {
        return found_release(rows);
    }
    if let Read::Journals(asked) = read {
        let [profiles, journal] = <[Rows; 2]>::try_from(rows).map_err(|_| odd())?;
        let journal = each(vec![journal], found_journal)?;
        return Ok(Found::Journals(found_profiles(asked, vec![(0, profiles)])?, journal));
    }
    if HAS_CONTROL_PLANE && let Read::Whole { keys: asked, .. } = read {
        let [profiles, keys, erased] = <[Rows; 3]>::try_from(rows).map_err(|_| odd())?;
        let key = |row: &mut Row| HeldKey { profile: row.id(), name: row.text(), value: row.text() };
        let erased = erased.into_iter().map(|row| found_erased(row, 0)).collect::<Result<_, _>>()?;
        let profiles = found_profiles(asked, vec![(0, profiles)])?;
        return Ok(Found::Whole(profiles, each(vec![keys], key)?, erased));
    }
    if HAS_CONTROL_PLANE && let Read::Due(_) = read {
        return found_due(rows);
    }
    match read {
        Read::Profiles(asked) | Read::Sizes(asked) | Read::Unerased { keys: asked, .. } => {
            let mut with_rows = parts_of(asked, rows)?;
            let mut erased = Vec::new();
            for (first_key, rows) in &mut with_rows {
                // Nearly always none.
                for row in rows.extract_if(.., |row| is_without_id(row)) {
                    erased.push(found_erased(row, *first_key)?);
                }
            }
            let profiles = found_profiles(asked, with_rows)?;
            Ok(match read {
                Read::Unerased { .. } => Found::Unerased(profiles, erased),
                Read::Sizes(_) => Found::Sizes(profiles.into_iter().map(found_size).gather()),
                _ => Found::Profiles(profiles),
            })
        }
        Read::Control(_) if HAS_CONTROL_PLANE => Ok(Found::Control(Box::new(control::found(rows)?))),
        Read::Activations(read) if HAS_CONTROL_PLANE => {
            Ok(Found::Activations(Box::new(activations::found(read, rows)?)))
        }
        Read::Shard(_) | Read::Unanswered(_) if !HAS_SHARDS => Err(odd()),
        Read::Shard(read) => Ok(Found::Shard(Box::new(shards::found(read, rows)?))),
        Read::Unanswered(_) => Ok(Found::Unanswered(each(rows, shards::delivery)?)),
        Read::Releases { .. } if HAS_CONTROL_PLANE => Ok(Found::Releases(each(rows, found_one_release)?)),
        // Two of their statements return two kinds of rows.
        Read::Releases { .. }
        | Read::Release { .. }
        | Read::Journals(_)
        | Read::Whole { .. }
        | Read::Due(_)
        | Read::Control(_)
        | Read::Rows(_)
        | Read::WithRows(_)
        | Read::Table(_)
        | Read::Own(_)
        | Read::Versions(_)
        | Read::Activations(_) => Err(odd()),
        Read::Pointers | Read::Written => {
            let pointer =
                |row: &mut Row| Pointer { audience: row.text(), number: row.counted(), hash: row.text() };
            Ok(Found::Pointers(each(rows, pointer)?))
        }
        Read::Probe => {
            Ok(Found::Probe(each(rows.into_iter().skip(1).gather(), Row::number)?.pop().unwrap_or_default()))
        }
        Read::Bundle { .. } => Ok(Found::Bundle(each(rows, Row::bytes)?.into_iter().next())),
    }
}

/// The result of `Read::Release`: all bundles, then the requested one with its body.
fn found_release(rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    let [releases, wanted] = <[Rows; 2]>::try_from(rows).map_err(|_| odd())?;
    let wanted = each(vec![wanted], |row| (found_one_release(row), row.bytes()))?.pop();
    Ok(Found::Release { releases: each(vec![releases], found_one_release)?, wanted })
}
