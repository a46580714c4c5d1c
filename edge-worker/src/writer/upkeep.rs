//! A turn of upkeep: deletes profiles that have been idle for too long, and what else is over its time.
//!
//! Every profile is listed on a day on which it was seen (`idle`). A turn takes those of the oldest days that are too long
//! ago, a bounded number. A profile that was seen since is listed on its last day, and one with a batch record on the
//! present day, so that no turn looks at it again for as long. So an event of a known visitor writes no row for this.

mod apart;

use usher_engine::gather::Gather;
use usher_engine::profile::Key;
use usher_engine::profile::codec;

use apart::Counts;

use super::across::Across;
use super::{renewal, waits};
use crate::edge::Edge;
use crate::form::Form;
use crate::limits::{
    DAY_MS, ENTOMB_AGAIN_MS, JOURNAL_MS, SUPPRESSION_MS, UPKEEP_LEASE_MS, UPKEEP_MORE_MS, UPKEEP_MS,
    UPKEEP_ROWS_MAX, WAITS_MORE_MS,
};
use crate::log::Line;
use crate::message::{self, KeyOf, Snapshot};
use crate::outcome::{Folded, NEXT, Outcome, entomb};
use crate::store::{Due, DueBefore, Erased, IdleSince, Turn, Upkeep, Write};
use crate::wire::Response;
use crate::wire::json::Json;

/// The times of a turn.
pub(super) fn due(edge: &Edge, message: &message::Upkeep) -> DueBefore {
    let now_ms = message.ambient.now_ms;
    let keep_ms = i64::from(edge.profile_days()).saturating_mul(DAY_MS);
    DueBefore {
        day: now_ms.saturating_sub(keep_ms).div_euclid(DAY_MS),
        journal_ms: now_ms.saturating_sub(JOURNAL_MS),
        suppressed_ms: now_ms.saturating_sub(SUPPRESSION_MS),
        entomb_ms: now_ms.saturating_sub(ENTOMB_AGAIN_MS),
        now_ms,
    }
}

/// One turn. `across`: None in the only shard.
pub(super) fn fold(
    edge: &Edge,
    message: &message::Upkeep,
    before: DueBefore,
    due: &Due,
    across: Option<&Across>,
) -> Folded {
    let mut others = Counts::default();
    if let Some(across) = across.filter(|across| apart::is_of_all(across)) {
        match apart::of_others(across, message) {
            Ok(counts) => others = counts,
            Err(folded) => return folded,
        }
    }
    let answer = |counts: Counts, busy, next_ms| answer(across, others.and(counts), busy, next_ms);
    let now_ms = message.ambient.now_ms;
    let [a, b, c, d, e, f, ..] = message.ambient.entropy;
    // JavaScript, which runs the statements of a Durable Object, holds 53 bits exactly.
    let holder = i64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    // Release 0.1.0 may write beside this build while form 1 is written, and lists no profile.
    if edge.form() < Form::Two {
        return Outcome::of(answer(Counts::default(), false, UPKEEP_MS));
    }
    if due.lease.1 > now_ms && due.lease.1 <= now_ms.saturating_add(UPKEEP_LEASE_MS) {
        return Outcome::of(answer(Counts { purged: 0, more: true }, true, UPKEEP_LEASE_MS));
    }
    let Idle { erased, keys, listed, mut log } = idle(due, before, now_ms);
    let purged = erased.len();
    let mut write = Write::default();
    waits::lead_on(edge, &due.waiting, now_ms, &mut write, &mut log);
    let renews = due.renewal.as_ref().and_then(|found| renewal::next(found, now_ms));
    // Hosts with a renewal have alarms, so nobody has to call again for it.
    let is_renewing = renews.is_some_and(|renews| renews.renewal.step > 0);
    let more = has_more(message, due);
    let last = due.unlisted.last().filter(|_| lists_more(due));
    let turn = Turn {
        due: before,
        unlisted: due.idle.iter().map(|profile| profile.since.clone()).gather(),
        listed,
        listing: last.map(|last| (last.audience.clone(), last.id)),
        entombed: if message.entombs { Vec::new() } else { due.entombed.clone() },
        // A turn is one transaction: with its end the lease is given back.
        lease: (holder, 0),
        renews,
    };
    if due.renewal.as_ref().is_some_and(renewal::is_too_large) {
        log.push(Line::of("renewal_too_large"));
    }
    if purged > 0 {
        log.push(Line::with_detail("profiles_purged", purged.to_string()));
    }
    let due_ms = write.waits.iter().filter_map(|row| row.due_ms).chain(due.next_due_ms).min();
    let wait_ms = due_ms.map_or(UPKEEP_MS, |due_ms| due_ms.saturating_sub(now_ms).clamp(1, UPKEEP_MS));
    let next_ms = if due.waiting.len() >= UPKEEP_ROWS_MAX {
        WAITS_MORE_MS
    } else if more || is_renewing {
        UPKEEP_MORE_MS.min(wait_ms)
    } else {
        wait_ms
    };
    let response = answer(Counts { purged, more }, false, next_ms);
    let response = if message.entombs && !due.entombed.is_empty() {
        let (header, value) = entomb(now_ms, &due.entombed, &Snapshot::encode(now_ms, &[], &[], &[]));
        response.header(header, value)
    } else {
        response
    };
    if let Some(across) = across {
        apart::forgets(across, &erased, &keys, now_ms, &mut write);
    }
    write.upkeep = Some(Box::new(Upkeep { erased, turn: Some(turn), ..Upkeep::default() }));
    Outcome { write, response, log }.done()
}

/// The listed profiles whose days are over.
#[derive(Default)]
struct Idle {
    erased: Vec<Erased>,
    /// The keys of the erased ones.
    keys: Vec<KeyOf>,
    /// The others, each on its new day, with those that were not listed yet.
    listed: Vec<IdleSince>,
    log: Vec<Line>,
}

fn idle(due: &Due, before: DueBefore, now_ms: i64) -> Idle {
    let mut idle = Idle { listed: due.unlisted.clone(), ..Idle::default() };
    for profile in &due.idle {
        let on = |day: i64| IdleSince { day, ..profile.since.clone() };
        // One that was erased or merged is listed nowhere.
        let Some(touched_ms) = profile.touched_ms else { continue };
        let touched_day = touched_ms.div_euclid(DAY_MS);
        if touched_day >= before.day {
            idle.listed.push(on(touched_day));
            continue;
        }
        match codec::decode(&profile.state) {
            Ok(known) if known.is_known() => idle.listed.push(on(now_ms.div_euclid(DAY_MS))),
            Ok(known) => {
                let absorbed = known.absorbed().iter().map(|id| id.0).gather();
                let IdleSince { audience, id, .. } = profile.since.clone();
                let key = |key: &Key| KeyOf {
                    audience: audience.clone(),
                    name: key.name.clone(),
                    value: key.value.clone(),
                };
                idle.keys.extend(known.keys().iter().map(key));
                idle.erased.push(Erased { audience, id, absorbed });
            }
            // It may or may not have a batch record.
            Err(unreadable) => {
                idle.log.push(super::set::unreadable(unreadable));
                idle.listed.push(on(now_ms.div_euclid(DAY_MS)));
            }
        }
    }
    idle
}

/// True if there may be profiles that are listed on no day yet.
fn lists_more(due: &Due) -> bool {
    due.is_listing && due.unlisted.len() >= UPKEEP_ROWS_MAX
}

/// True if another turn has something to do at once.
fn has_more(message: &message::Upkeep, due: &Due) -> bool {
    let entombed = if message.entombs { 0 } else { due.entombed.len() };
    let counts = [
        due.idle.len(),
        due.journal,
        due.suppressed,
        due.retired,
        due.aged,
        due.waiting.len(),
        entombed,
        due.replaced,
    ];
    lists_more(due) || counts.into_iter().any(|count| count >= UPKEEP_ROWS_MAX)
}

/// `busy`: another turn is under way. The answer to a shard that hands on a turn is bytes.
fn answer(across: Option<&Across>, counts: Counts, busy: bool, next_ms: i64) -> Response {
    let purged = i64::try_from(counts.purged).unwrap_or(i64::MAX);
    let response = if across.is_some_and(|across| across.part.as_ref().is_some_and(|part| part.hops > 0)) {
        apart::encoded(purged, counts.more)
    } else {
        let mut body = Json::new();
        body.object(|o| {
            o.field("purged").number(purged);
            o.field("more").boolean(counts.more);
            if busy {
                o.field("busy").boolean(true);
            }
        });
        Response::json(200, body)
    };
    response.header(NEXT, next_ms.to_string())
}
