//! A turn of delivery: the results of attempts are noted, and the next ones begin.
//!
//! A stored message (`sending`) is taken by a turn, which finds its destination. From then on a second row has how its delivery
//! stands (`delivery`). An attempt is a lease: it is written before it begins, and ends with its result, or by its time, so a
//! process that dies loses nothing and sends at most the same message again. Messages of one profile to one destination follow
//! each other: one is behind another until that is delivered, parked or erased. Numbers of messages ascend, so new ones are
//! those above all that were taken. A merge of two shards hands messages over as they stand; there they are new ones again.

mod entry;
mod lists;
mod pace;

use entry::{attempt_row, kept, saved_row};
pub(super) use lists::{list, retry};
use pace::Pace;

use crate::destinations::Destinations;
use crate::edge::Edge;
use crate::limits::{
    ATTEMPT_LEASE_MS, ATTEMPT_PAUSE_MAX_MS, ATTEMPT_PAUSE_MS, ATTEMPTS_MS, BEHIND_MS, SENDING_ROWS_MAX,
};
use crate::message::{Activations, Attempt, AttemptOutcome, AttemptResult, SendTurn};
use crate::metrics::Count;
use crate::outcome::{Folded, NEXT, Outcome};
use crate::store::activations::{
    ActivationsRead, ActivationsWrite, DeliveryRow, FoundActivations, FoundMessage, Stage, Wake,
};
use crate::store::{Read, Write};
use crate::wire::Response;
use crate::wire::frame::FrameWriter;
use crate::wire::hex::hex;

/// The read of a message about activations.
pub(super) fn read(message: &Activations) -> Read {
    Read::Activations(match message {
        Activations::Turn(turn) => ActivationsRead::Turn {
            now_ms: turn.now_ms,
            ended: turn.results.iter().map(|result| result.number).collect(),
        },
        Activations::List(asked) => lists::read(asked),
        Activations::Retry(retry) => lists::read_for(retry),
    })
}

/// One turn.
pub(super) fn turn(edge: &Edge, turn: &SendTurn, found: &FoundActivations) -> Folded {
    let now_ms = turn.now_ms;
    // With settings that cannot be read nothing is saved as not allowed.
    let Ok(destinations) = edge.destinations() else {
        return done(ActivationsWrite::default(), &[], None, Response::empty(200));
    };
    let mut write = ActivationsWrite { now_ms, resumes: turn.resumes, ..ActivationsWrite::default() };
    if turn.resumes {
        return done(write, &[], Some(1), Response::empty(200));
    }
    let mut response = Response::empty(200);
    for result in &turn.results {
        let ended = found
            .messages
            .iter()
            .find(|message| (message.number, message.row.id) == (result.number, result.id));
        // It was erased meanwhile, or another process has noted its end.
        let Some(message) = ended else { continue };
        let Some(row) = message.delivery.clone().filter(|row| row.stage == Stage::UnderWay) else { continue };
        // A failure that is told late is not that of the attempt that runs now.
        let began_ms = row.due_ms.saturating_sub(ATTEMPT_LEASE_MS);
        if result.at_ms < began_ms && !is_delivered(&result.outcome) {
            continue;
        }
        if let Some(count) = note(turn, result, message, row, &mut write) {
            response.counts.add(count);
        }
    }
    let is_released = write.rows.iter().any(|row| row.due_ms <= now_ms);
    let mut begins = Begins {
        destinations,
        now_ms,
        pace: Pace::new(found, now_ms, edge.shards()),
        left: turn.most,
        behind: Vec::new(),
        next_ms: found.next_due_ms,
        attempts: Vec::new(),
        refused: 0,
    };
    let mut sequence = found.sequence;
    for message in &found.due {
        // Its result is in this turn.
        if !write.rows.iter().any(|row| row.number == message.number)
            && !write.delivered.contains(&message.number)
        {
            let row = message.delivery.clone();
            row.into_iter().for_each(|row| begins.take(message, row, false, &mut write));
        }
    }
    for message in &found.fresh {
        match &message.delivery {
            Some(carried) => {
                sequence = sequence.max(carried.sequence);
                begins.go_on(message, DeliveryRow { carried: false, ..carried.clone() }, &mut write);
            }
            None => {
                sequence = sequence.saturating_add(1).max(now_ms.saturating_mul(1_000));
                let row = DeliveryRow {
                    sequence,
                    until_ms: message.row.at_ms.saturating_add(ATTEMPTS_MS),
                    ..DeliveryRow::unseen(message.number, now_ms)
                };
                begins.take(message, row, true, &mut write);
            }
        }
    }
    write.sequence = (!found.fresh.is_empty()).then_some(sequence);
    write.free = begins.pace.changed();
    (0..begins.refused).for_each(|_| response.counts.add(Count::ActivationRefused));
    let is_full = found.fresh.len() >= SENDING_ROWS_MAX || found.due.len() >= SENDING_ROWS_MAX;
    let is_now = (is_full && begins.left > 0) || !write.wakes.is_empty() || is_released;
    let later = write.rows.iter().filter(|row| row.stage != Stage::Parked && row.due_ms > now_ms);
    let later = later.map(|row| row.due_ms).chain(begins.next_ms).min();
    let earliest = if is_now { Some(now_ms) } else { later };
    let next_ms = earliest.map(|at_ms| at_ms.saturating_sub(now_ms).max(1));
    done(write, &begins.attempts, next_ms, response)
}

fn is_delivered(outcome: &AttemptOutcome) -> bool {
    matches!(outcome, AttemptOutcome::Answered { status: 200..=299, .. })
}

/// Notes the result of an attempt.
fn note(
    turn: &SendTurn,
    result: &AttemptResult,
    message: &FoundMessage,
    mut row: DeliveryRow,
    write: &mut ActivationsWrite,
) -> Option<Count> {
    let now_ms = turn.now_ms;
    let wake = Wake {
        audience: message.row.audience.clone(),
        profile: message.row.profile,
        destination: row.destination.clone(),
        after: message.number,
    };
    row.stage = Stage::Waiting;
    let retry_after_ms = match &result.outcome {
        AttemptOutcome::NotBegun => {
            (row.attempts, row.due_ms) = (row.attempts.saturating_sub(1), now_ms);
            write.rows.push(row);
            return None;
        }
        AttemptOutcome::Answered { status: 200..=299, .. } => {
            write.attempts.push(attempt_row(message, &row, result));
            write.delivered.push(message.number);
            write.wakes.push(wake);
            return Some(Count::ActivationDelivered);
        }
        AttemptOutcome::Answered { status, retry_after_s, .. } => {
            row.last = status.to_string();
            i64::from(*retry_after_s).saturating_mul(1_000)
        }
        AttemptOutcome::Failed(reason) => {
            kept(reason).clone_into(&mut row.last);
            0
        }
    };
    write.attempts.push(attempt_row(message, &row, result));
    if now_ms >= row.until_ms {
        row.stage = Stage::Parked;
        write.rows.push(row);
        write.wakes.push(wake);
        return Some(Count::ActivationParked);
    }
    let pause_ms = pause_ms(row.attempts, &turn.entropy, message.number);
    let pause_ms = pause_ms.max(retry_after_ms.min(ATTEMPT_PAUSE_MAX_MS));
    row.due_ms = now_ms.saturating_add(pause_ms).min(row.until_ms);
    write.rows.push(row);
    Some(Count::ActivationFailed)
}

/// The pause after so many attempts: doubled each time, and between half and all of it by chance.
fn pause_ms(attempts: u32, entropy: &[u8; 32], number: i64) -> i64 {
    let longest =
        ATTEMPT_PAUSE_MS.checked_shl(attempts.saturating_sub(1).min(20)).unwrap_or(ATTEMPT_PAUSE_MAX_MS);
    let longest = longest.min(ATTEMPT_PAUSE_MAX_MS);
    let place = usize::try_from(number.rem_euclid(31)).unwrap_or(0);
    let chance = entropy.get(place).copied().unwrap_or(0);
    longest / 2 + longest / 2 * i64::from(chance) / 255
}

/// The attempts that begin with a turn.
struct Begins<'d> {
    destinations: &'d Destinations,
    now_ms: i64,
    pace: Pace,
    /// Attempts that the host still begins.
    left: u32,
    /// The profiles and destinations of messages that this turn has taken: those behind them have not read of them.
    behind: Vec<(String, [u8; 16], String)>,
    /// When the next turn is due, Unix milliseconds.
    next_ms: Option<i64>,
    attempts: Vec<Attempt>,
    refused: u32,
}

impl Begins<'_> {
    /// Takes a message that another shard handed over as it stood there. The result of an attempt that was under way is not known
    /// here, so it is attempted again when that has ended.
    fn go_on(&mut self, message: &FoundMessage, row: DeliveryRow, write: &mut ActivationsWrite) {
        if row.stage != Stage::Parked && row.due_ms <= self.now_ms {
            return self.take(message, row, true, write);
        }
        if row.stage != Stage::Parked && !row.by_hand {
            self.behind.push((message.row.audience.clone(), message.row.profile, row.destination.clone()));
        }
        write.rows.push(row);
    }

    /// Begins an attempt, or notes why not.
    fn take(
        &mut self,
        message: &FoundMessage,
        mut row: DeliveryRow,
        is_fresh: bool,
        write: &mut ActivationsWrite,
    ) {
        if row.stage == Stage::UnderWay {
            // The attempt was lost. It is not counted: pauses grow with failures of the destination, not with starts of a host.
            row.attempts = row.attempts.saturating_sub(1);
        }
        let sendable = match self.destinations.sendable(&message.row.message) {
            Ok(sendable) => sendable,
            Err(refused) => {
                row.stage = Stage::Parked;
                row.last = refused.0.to_owned();
                write.attempts.push(saved_row(message, &row, self.now_ms, refused));
                self.refused += 1;
                write.rows.push(row);
                return;
            }
        };
        row.destination.clone_from(&sendable.destination.id);
        let of = (message.row.audience.clone(), message.row.profile, row.destination.clone());
        let is_behind = !row.by_hand
            && (message.before.split(',').any(|before| before == row.destination)
                || (is_fresh && self.behind.contains(&of)));
        let begins_ms = if is_behind {
            Some(self.now_ms.saturating_add(BEHIND_MS))
        } else if self.left == 0 {
            // The next result makes room, and a turn.
            Some(self.now_ms)
        } else {
            self.pace.take(sendable.destination, self.now_ms)
        };
        if is_fresh {
            self.behind.push(of);
        }
        match begins_ms {
            Some(at_ms) => {
                if at_ms > self.now_ms {
                    self.next_ms = Some(self.next_ms.map_or(at_ms, |next_ms| next_ms.min(at_ms)));
                }
                if is_fresh || is_behind || row.stage == Stage::UnderWay {
                    row.due_ms = if is_behind { at_ms } else { self.now_ms };
                    row.stage = Stage::Waiting;
                    write.rows.push(row);
                }
            }
            None => {
                self.left -= 1;
                row.stage = Stage::UnderWay;
                row.attempts = row.attempts.saturating_add(1);
                row.due_ms = self.now_ms.saturating_add(ATTEMPT_LEASE_MS);
                let id = message.row.id;
                let request = sendable.sign(&hex(&id), row.sequence, self.now_ms);
                self.attempts.push(Attempt { number: message.number, id, request });
                write.rows.push(row);
            }
        }
    }
}

fn done(write: ActivationsWrite, attempts: &[Attempt], next_ms: Option<i64>, response: Response) -> Folded {
    let mut frame = FrameWriter::default();
    frame.list(attempts, Attempt::write);
    let answer = Response::typed(200, "application/octet-stream", frame.0);
    let answer = Response { counts: response.counts, ..answer };
    let answer = match next_ms {
        Some(next_ms) => answer.header(NEXT, next_ms.to_string()),
        None => answer,
    };
    let is_empty = write == ActivationsWrite { now_ms: write.now_ms, ..ActivationsWrite::default() };
    let activations = (!is_empty).then(|| Box::new(write));
    Outcome { write: Write { activations, ..Write::default() }, response: answer, log: Vec::new() }.done()
}

#[cfg(test)]
mod tests;
