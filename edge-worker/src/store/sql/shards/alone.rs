//! Reads of a shard of several in a build that asks no other shard: as few statements as in the only shard.

use super::super::asked::{journals, known, named};
use super::super::cell::Rows;
use super::super::part::cut;
use super::super::rows::{each, found_journal, found_profiles, is_without_id, parts_of};
use super::super::statement::Statement;
use crate::store::StoreFailure;
use crate::store::shards::{ShardFound, ShardRead};
use usher_engine::gather::Gather;

/// The statements of a read.
pub(super) fn known_reads(read: &ShardRead) -> Vec<Statement> {
    let (mut pointers, mut names) = (read.pointers.as_slice(), read.names.as_slice());
    let part = |keys| {
        let (pointers, names) = (core::mem::take(&mut pointers), core::mem::take(&mut names));
        known(keys, named(pointers.iter().map(|(audience, hash)| (audience, hash))), names)
    };
    let mut statements: Vec<Statement> = cut(&read.keys, |key| key).into_iter().map(part).gather();
    statements.extend(read.journal.then(|| journals(&read.keys)));
    statements
}

/// The result of [`known_reads`].
pub(super) fn found_known(read: &ShardRead, mut rows: Vec<Rows>) -> Result<ShardFound, StoreFailure> {
    let mut found = ShardFound::default();
    if read.journal {
        found.journal = each(rows.pop().into_iter().gather(), found_journal)?;
    }
    for rows in &mut rows {
        let before = rows.len();
        rows.retain(|row| !is_without_id(row));
        found.elsewhere |= rows.len() < before;
    }
    found.profiles = found_profiles(&read.keys, parts_of(&read.keys, rows)?)?;
    Ok(found)
}
