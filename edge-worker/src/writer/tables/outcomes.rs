//! The outcomes that messages about tables share: a write with its answer, a refusal, questions for other shards.

use crate::error::Refusal;
use crate::message::{OfTable, Part, TableAct, ToWriter};
use crate::outcome::{Folded, Outcome, Questions};
use crate::plane::InControlPlane;
use crate::store::Write;
use crate::store::tables::{TableState, TableWrite};
use crate::wire::Response;
use crate::writer::across::Across;

pub(super) fn write_to(message: &OfTable, into: u64) -> TableWrite {
    let (audience, table) = (message.audience.clone(), message.table.clone());
    TableWrite { audience, table, into, at_ms: message.now_ms, ..TableWrite::default() }
}

pub(super) fn stored(write: TableWrite, response: Response) -> Folded {
    let is_empty = write.rows.is_empty() && write.state.is_none();
    let table = if is_empty { InControlPlane::default() } else { InControlPlane::new(Box::new(write)) };
    Outcome { write: Write { table, ..Write::default() }, response, log: Vec::new() }.done()
}

/// The generations after the replacement of this name has taken the place of what was there. None: it did before.
pub(super) fn switched(state: &TableState, load: &str) -> Option<TableState> {
    if state.filling == 0 && state.is_of(load) {
        return None;
    }
    let mut after = state.clone();
    // It may be that nothing of it is in this shard.
    after.begin(load);
    after.switch();
    Some(after)
}

pub(super) const PAST: &str = "another replacement took the place of this one; begin one with another name";

pub(super) fn refused(detail: &str) -> Folded {
    Outcome::of(Response::problem(Refusal::CONFLICT, Some(detail)))
}

/// Sends these acts to their shards, once. None: all of them are done.
pub(super) fn ask(message: &OfTable, across: &Across, acts: Vec<(u32, TableAct)>) -> Option<Folded> {
    let mut questions = Vec::new();
    for (shard, act) in acts {
        let is = |sent: &OfTable| sent.table == message.table && sent.act == act;
        match across.asked_of_table(shard, is) {
            Some(Some(response)) if response.status == 200 => {}
            Some(Some(response)) if response.status == Refusal::CONFLICT.status => {
                return Some(refused(PAST));
            }
            // The caller sends it again, and rows that are stored already change nothing.
            Some(_) => return Some(Outcome::of(Response::problem(Refusal::STORAGE, None))),
            None => {
                let part = Part { hops: 1, ..Part::default() };
                questions.push(across.hand_on(
                    shard,
                    ToWriter::Table(InControlPlane::new(Box::new(OfTable { act, ..message.clone() }))),
                    part,
                ));
            }
        }
    }
    if questions.is_empty() {
        return None;
    }
    if across.is_last() {
        return Some(Outcome::of(Response::problem(Refusal::STORAGE, None)));
    }
    Some(Folded::Ask(Questions { questions, wait: false }))
}
