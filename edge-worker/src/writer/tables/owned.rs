//! The rows of tables that an erasure takes along: those that are a visitor's own, in every shard.

use super::outcomes::ask;
use crate::edge::Edge;
use crate::message::{KeyOf, OfProfile, OfTable, TableAct};
use crate::outcome::{Folded, Outcome};
use crate::plane::InControlPlane;
use crate::store::tables::{FoundOwn, RowName};
use crate::store::{Upkeep, Write};
use crate::wire::Response;
use crate::wire::frame::{FrameReader, FrameWriter};
use crate::writer::across::Across;

/// Rows that are a visitor's own, and the keys by which they are.
#[derive(Debug, Default)]
pub(in crate::writer) struct Owned {
    pub(in crate::writer) rows: Vec<RowName>,
    /// Indexes of keys.
    pub(in crate::writer) keys: Vec<usize>,
}

impl Owned {
    /// Those of these keys that rows are of, each once.
    pub(in crate::writer) fn keys_of(&self, keys: &[KeyOf]) -> Vec<KeyOf> {
        let is_of = |(index, key): (usize, &KeyOf)| self.keys.contains(&index).then(|| key.clone());
        keys.iter().enumerate().filter_map(is_of).collect()
    }
}

/// The rows of this shard that are a visitor's own by these keys: of tables whose rows were imported by such a key, or that are
/// read by it now. Rows of tables that nothing declares any more, and of which nobody has noted whose they are, are of whoever has
/// such a value. `Err`: a newer bundle decides.
pub(in crate::writer) fn owned(
    edge: &Edge,
    (audience, number): (&str, u64),
    keys: &[KeyOf],
    found: &FoundOwn,
) -> Result<Owned, Folded> {
    let running = edge.running(audience);
    if number > running.map_or(0, |running| running.number) && !edge.was_taken_out_after(audience, number) {
        return Err(Folded::NeedsNewerBundle { audience: audience.to_owned(), number });
    }
    let plan = running.map(|running| &running.plan);
    let declared = |name: &str| plan.and_then(|plan| Some((plan, plan.definition().lookup_table(name)?)));
    let mut owned = Owned::default();
    for (table, index) in &found.rows {
        let Some(key) = keys.get(*index) else { continue };
        let mut owners = found.owners.iter().filter(|(of, _)| of == table).map(|(_, owner)| owner).peekable();
        let is_own = match declared(table) {
            Some((plan, table)) if plan.key_of_table(table) == Some(key.name.as_str()) => true,
            None if owners.peek().is_none() => true,
            _ => owners.any(|owner| *owner == key.name),
        };
        if is_own {
            let (audience, table, key) = (audience.to_owned(), table.clone(), key.value.clone());
            owned.rows.push(RowName { audience, table, key });
            owned.keys.push(*index);
        }
    }
    Ok(owned)
}

/// Erases the rows of these keys in all other shards, and returns the indexes of keys that had some: a row is where its table and
/// key say, and a table that is declared no more is known only where its rows are. `Err`: they are to be asked first.
pub(in crate::writer) fn erase_elsewhere(
    message: &OfProfile,
    across: &Across,
    keys: &[KeyOf],
) -> Result<Vec<usize>, Folded> {
    let act = TableAct::Erase(keys.iter().map(|key| (key.name.clone(), key.value.clone())).collect());
    let others = (0..across.route.shards).filter(|shard| *shard != across.route.shard);
    let acts: Vec<_> = others.map(|shard| (shard, act.clone())).collect();
    let (now_ms, audience, number) = (message.ambient.now_ms, message.audience.clone(), message.number);
    let asked = OfTable { now_ms, audience, number, table: String::new(), act };
    if let Some(undone) = ask(&asked, across, acts.clone()) {
        return Err(undone);
    }
    let indexes = acts.iter().filter_map(|(shard, act)| {
        let response = across.asked_of_table(*shard, |sent| sent.act == *act)??;
        FrameReader(&response.body).list(FrameReader::number)
    });
    Ok(indexes.flatten().filter_map(|index| usize::try_from(index).ok()).collect())
}

/// Erases rows of this shard for another one. The answer is a list of the indexes of keys that had some.
pub(super) fn erase(edge: &Edge, message: &OfTable, keys: &[(String, String)], found: &FoundOwn) -> Folded {
    let OfTable { audience, number, .. } = message;
    let key = |(name, value): &(String, String)| KeyOf {
        audience: audience.clone(),
        name: name.clone(),
        value: value.clone(),
    };
    let keys: Vec<KeyOf> = keys.iter().map(key).collect();
    let Owned { rows, keys } = match owned(edge, (audience, *number), &keys, found) {
        Ok(owned) => owned,
        Err(folded) => return folded,
    };
    let mut frame = FrameWriter::default();
    frame.list(&keys, |w, index| {
        w.number(u32::try_from(*index).unwrap_or(u32::MAX));
    });
    let response = Response::typed(200, "application/octet-stream", frame.0);
    if rows.is_empty() {
        return Outcome::of(response);
    }
    let upkeep = Some(Box::new(Upkeep { rows: InControlPlane::new(rows), ..Upkeep::default() }));
    Outcome { write: Write { upkeep, ..Write::default() }, response, log: Vec::new() }.done()
}
