//! Messages about activations: turns of delivery, lists for operators, and what these want tried again.

use crate::wire::frame::{FrameReader, FrameWriter};

/// For the writer of a shard, about the activations that are stored there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Activations {
    Turn(SendTurn),
    List(List),
    Retry(Retry),
}

/// A turn of delivery: notes the results of attempts, and answers with the next ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SendTurn {
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// Unpredictable bytes.
    pub(crate) entropy: [u8; 32],
    /// True if the host has no attempt under way: those that were begun were lost with the process.
    pub(crate) resumes: bool,
    /// Most attempts that the host begins now.
    pub(crate) most: u32,
    pub(crate) results: Vec<AttemptResult>,
}

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptResult {
    /// As [`Attempt::number`].
    pub number: i64,
    /// As [`Attempt::id`].
    pub id: [u8; 16],
    /// When it began, Unix milliseconds.
    pub at_ms: i64,
    /// Its outcome.
    pub outcome: AttemptOutcome,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It was not begun, and does not count.
    NotBegun,
    /// The destination answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
        /// The time after which the destination wants the next attempt, in seconds; 0: it did not say.
        retry_after_s: u32,
    },
    /// There was no answer, for this reason.
    Failed(String),
}

/// An attempt that a host is to begin now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The number of the stored message in its shard.
    pub number: i64,
    /// The message's id; another message may get the number later.
    pub id: [u8; 16],
    /// The request.
    pub request: SignedRequest,
}

/// A request, signed for one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// The destination's id.
    pub destination: String,
    /// True if the host may have an address of this machine or of a private network.
    pub private: bool,
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Absolute; no reader of addresses takes it for another one.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl AttemptOutcome {
    /// An answer, with the beginning of its body and its header `retry-after`; a date there, or anything but whole seconds, is no
    /// wish.
    pub fn answered(status: u16, beginning: &[u8], retry_after: Option<&str>) -> AttemptOutcome {
        let retry_after_s = retry_after.and_then(|value| value.trim().parse().ok()).unwrap_or(0);
        AttemptOutcome::Answered {
            status,
            body: String::from_utf8_lossy(beginning).into_owned(),
            retry_after_s,
        }
    }

    /// No answer within [`ATTEMPT_MS`](crate::limits::ATTEMPT_MS).
    pub fn late() -> AttemptOutcome {
        AttemptOutcome::Failed("timeout: there was no answer in time".to_owned())
    }
}

impl SignedRequest {
    /// The address in parts: true for `https`, the host with its port if it is said, and path and query.
    pub fn address(&self) -> (bool, &str, &str) {
        let is_secure = self.url.starts_with("https:");
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        (is_secure, authority, target)
    }
}

impl Attempt {
    pub(crate) fn write(w: &mut FrameWriter, attempt: &Attempt) {
        let SignedRequest { destination, private, method, url, headers, body } = &attempt.request;
        w.long(attempt.number).bytes(&attempt.id).text(destination).byte(u8::from(*private));
        w.text(method).text(url).list(headers, |w, (name, value)| {
            w.text(name).text(value);
        });
        w.bytes(body);
    }

    /// The attempts of the answer to a turn; None: it is no such answer.
    pub fn list(answer: &[u8]) -> Option<Vec<Attempt>> {
        FrameReader(answer).list(|r| {
            Some(Attempt {
                number: r.long()?,
                id: r.bytes()?.try_into().ok()?,
                request: SignedRequest {
                    destination: r.text()?.to_owned(),
                    private: r.byte()? != 0,
                    method: r.text()?.to_owned(),
                    url: r.text()?.to_owned(),
                    headers: r.list(|r| Some((r.text()?.to_owned(), r.text()?.to_owned())))?,
                    body: r.bytes()?.to_vec(),
                },
            })
        })
    }
}

impl AttemptResult {
    /// Writes it as hosts hand it over: number, id, time, status (0: no answer; 1: not begun), text, seconds.
    pub fn write(&self, w: &mut FrameWriter) {
        let (status, text, seconds) = match &self.outcome {
            AttemptOutcome::NotBegun => (1, "", 0),
            AttemptOutcome::Failed(reason) => (0, reason.as_str(), 0),
            AttemptOutcome::Answered { status, body, retry_after_s } => {
                (u32::from(*status), body.as_str(), *retry_after_s)
            }
        };
        w.long(self.number).bytes(&self.id).long(self.at_ms).number(status).text(text).number(seconds);
    }

    /// Reads what [`write`](AttemptResult::write) wrote.
    pub fn read(r: &mut FrameReader<'_>) -> Option<AttemptResult> {
        let (number, id, at_ms) = (r.long()?, r.bytes()?.try_into().ok()?, r.long()?);
        let (status, text, retry_after_s) = (r.number()?, r.text()?.to_owned(), r.number()?);
        let outcome = match status {
            0 => AttemptOutcome::Failed(text),
            1 => AttemptOutcome::NotBegun,
            status => {
                let status = u16::try_from(status).ok()?;
                AttemptOutcome::Answered { status, body: text, retry_after_s }
            }
        };
        Some(AttemptResult { number, id, at_ms, outcome })
    }
}

/// Where the delivery of a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It waits for its time.
    Waiting,
    /// Nobody tries any more, unless an operator wants it.
    Parked,
    /// An attempt is under way until its time.
    UnderWay,
}

/// How the delivery of a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The number of the message's row; 0: it is on its way to another shard.
    pub number: i64,
    /// True if another shard handed the message over, and no turn of this one has seen it.
    pub carried: bool,
    /// The destination's id; empty: none.
    pub destination: String,
    /// Where it stands.
    pub stage: Stage,
    /// The number of attempts of which an end was told, and the one that is under way.
    pub attempts: u32,
    /// When it is looked at next, Unix milliseconds.
    pub due_ms: i64,
    /// When the last attempt is, Unix milliseconds.
    pub until_ms: i64,
    /// Ascends in the order of the messages.
    pub sequence: i64,
    /// True if an operator retried it, so that it is out of order.
    pub by_hand: bool,
    /// The result of the last attempt, or why there is none; empty: there was none.
    pub last: String,
}

impl DeliveryRow {
    /// That of a message that no turn has seen.
    pub(crate) fn unseen(number: i64, at_ms: i64) -> DeliveryRow {
        DeliveryRow {
            number,
            carried: false,
            destination: String::new(),
            stage: Stage::Waiting,
            attempts: 0,
            due_ms: at_ms,
            until_ms: 0,
            sequence: 0,
            by_hand: false,
            last: String::new(),
        }
    }

    pub(super) fn write(&self, w: &mut FrameWriter) {
        w.text(&self.destination).byte(self.stage as u8).number(self.attempts).long(self.due_ms);
        w.long(self.until_ms).long(self.sequence).byte(u8::from(self.by_hand)).text(&self.last);
    }

    pub(super) fn read(r: &mut FrameReader<'_>) -> Option<DeliveryRow> {
        Some(DeliveryRow {
            number: 0,
            carried: false,
            destination: r.text()?.to_owned(),
            stage: match r.byte()? {
                0 => Stage::Waiting,
                1 => Stage::Parked,
                2 => Stage::UnderWay,
                _ => return None,
            },
            attempts: r.number()?,
            due_ms: r.long()?,
            until_ms: r.long()?,
            sequence: r.long()?,
            by_hand: r.byte()? != 0,
            last: r.text()?.to_owned(),
        })
    }
}

/// The rows of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Messages that are not delivered yet, and not parked.
    Waiting,
    /// Messages that nobody tries to deliver any more.
    Parked,
    /// Attempts.
    Attempts,
}

/// Asks for a page of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List {
    pub(crate) audience: String,
    pub(crate) listed: Listed,
    /// The number of the last row that the caller has; 0: none.
    pub(crate) after: i64,
    pub(crate) most: u32,
}

/// Tries messages again now, out of order where they were parked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(crate) now_ms: i64,
    pub(crate) audience: String,
    /// True for parked messages, false for those that wait for their next attempt.
    pub(crate) parked: bool,
    /// The number of the last message that was looked at; 0: none.
    pub(crate) after: i64,
    /// Their destination; empty: any.
    pub(crate) destination: String,
    /// The id of the only one; None: all.
    pub(crate) id: Option<[u8; 16]>,
}

impl Activations {
    pub(super) fn write(&self, w: &mut FrameWriter) {
        match self {
            Activations::Turn(turn) => {
                w.byte(0).long(turn.now_ms);
                w.0.extend_from_slice(&turn.entropy);
                w.byte(u8::from(turn.resumes)).number(turn.most);
                w.list(&turn.results, |w, result| result.write(w));
            }
            Activations::List(list) => {
                w.byte(1).text(&list.audience).byte(list.listed as u8).long(list.after).number(list.most);
            }
            Activations::Retry(retry) => {
                w.byte(2).long(retry.now_ms).text(&retry.audience).byte(u8::from(retry.parked));
                w.long(retry.after)
                    .text(&retry.destination)
                    .bytes(retry.id.as_ref().map_or(&[], |id| &id[..]));
            }
        }
    }

    pub(super) fn read(r: &mut FrameReader<'_>) -> Option<Activations> {
        Some(match r.byte()? {
            0 => Activations::Turn(SendTurn {
                now_ms: r.long()?,
                entropy: r.array()?,
                resumes: r.byte()? != 0,
                most: r.number()?,
                results: r.list(AttemptResult::read)?,
            }),
            1 => Activations::List(List {
                audience: r.text()?.to_owned(),
                listed: match r.byte()? {
                    0 => Listed::Waiting,
                    1 => Listed::Parked,
                    2 => Listed::Attempts,
                    _ => return None,
                },
                after: r.long()?,
                most: r.number()?,
            }),
            2 => Activations::Retry(Retry {
                now_ms: r.long()?,
                audience: r.text()?.to_owned(),
                parked: r.byte()? != 0,
                after: r.long()?,
                destination: r.text()?.to_owned(),
                id: match r.bytes()? {
                    [] => None,
                    id => Some(id.try_into().ok()?),
                },
            }),
            _ => return None,
        })
    }
}
