//! A batch in parts for several shards, and their answers.

use crate::error::Refusal;
use crate::order;
use crate::outcome::{FORGET, Question, joined};
use crate::wire::Response;
use crate::wire::frame::{FrameReader, FrameWriter};
use usher_engine::gather::Gather;

/// The receipt of one event, for the shard or front that asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    /// The event's place in the whole batch.
    pub(crate) place: u32,
    /// False if storage failed, so that nothing of it is stored.
    pub(crate) stored: bool,
    /// As JSON.
    pub(crate) receipt: String,
}

impl Piece {
    fn write(w: &mut FrameWriter, list: &[Piece]) {
        w.list(list, |w, piece| {
            w.number(piece.place).byte(u8::from(piece.stored)).text(&piece.receipt);
        });
    }

    fn read(r: &mut FrameReader<'_>) -> Option<Vec<Piece>> {
        r.list(|r| Some(Piece { place: r.number()?, stored: r.byte()? != 0, receipt: r.text()?.to_owned() }))
    }
}

/// The receipts of a part, and the offers that its events led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pieces {
    pub(crate) list: Vec<Piece>,
    /// Fields of JSON; empty: none were asked for here.
    pub(crate) offers: String,
}

impl Pieces {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = FrameWriter::default();
        Piece::write(&mut w, &self.list);
        w.text(&self.offers);
        w.0
    }

    /// None: it is no list of pieces.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Pieces> {
        let mut r = FrameReader(bytes);
        let list = Piece::read(&mut r)?;
        let offers = r.text()?.to_owned();
        r.0.is_empty().then_some(Pieces { list, offers })
    }

    /// `{"receipts":[…]}` in the order of the places, and the offers; None: nothing is stored.
    pub(crate) fn join(self) -> Option<Response> {
        if !self.list.is_empty() && self.list.iter().all(|piece| !piece.stored) {
            return None;
        }
        let list = &self.list;
        let order = order::ascending(list.len(), &|a, b| list[a].place < list[b].place);
        let receipts: Vec<&str> = order.into_iter().map(|index| list[index].receipt.as_str()).gather();
        let comma = if self.offers.is_empty() { "" } else { "," };
        let body = format!("{{\"receipts\":[{}]{comma}{}}}", receipts.join(","), self.offers);
        Some(Response::typed(200, "application/json", body.into_bytes()))
    }
}

/// A batch whose events go to several shards.
#[derive(Debug)]
pub struct Split {
    /// The parts, each for a shard; they are sent at the same time.
    pub parts: Vec<Question>,
    /// The receipts of each part if its shard does not answer.
    pub(crate) unavailable: Vec<Vec<Piece>>,
    /// Receipts of elements that are no events.
    pub(crate) refused: Vec<Piece>,
    /// The part that offers are asked of, by its index.
    pub(crate) asks: Option<usize>,
    /// True if the answer is for the native route.
    pub(crate) is_native: bool,
    /// The page that may read the answer.
    pub(crate) origin: String,
}

impl Split {
    /// What [`Split::join`] needs, as bytes, for a host that joins somewhere else than it split.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = FrameWriter::default();
        w.list(&self.unavailable, |w, pieces| Piece::write(w, pieces));
        Piece::write(&mut w, &self.refused);
        w.number(self.asks.map_or(u32::MAX, |asked| u32::try_from(asked).unwrap_or(u32::MAX)));
        w.byte(u8::from(self.is_native)).text(&self.origin);
        w.0
    }

    /// Reads [`Split::encode`], without the parts; None: it is no such thing.
    pub fn decode(bytes: &[u8]) -> Option<Split> {
        let mut r = FrameReader(bytes);
        Some(Split {
            parts: Vec::new(),
            unavailable: r.list(Piece::read)?,
            refused: Piece::read(&mut r)?,
            asks: Some(r.number()?)
                .filter(|asked| *asked != u32::MAX)
                .and_then(|asked| usize::try_from(asked).ok()),
            is_native: r.byte()? != 0,
            origin: r.text()?.to_owned(),
        })
    }

    /// Joins the answers to the parts, in their order. None: the shard did not answer in time.
    pub fn join(self, answers: &[Option<Response>]) -> Response {
        let mut pieces = Pieces { list: self.refused, offers: String::new() };
        let mut forgotten = Vec::new();
        let mut seen: Vec<Option<&String>> = Vec::new();
        let answers = answers.iter().map(Option::as_ref).chain(core::iter::repeat(None));
        for (index, (mut unavailable, answer)) in self.unavailable.into_iter().zip(answers).enumerate() {
            let answered = answer.filter(|answer| answer.status == 200);
            match answered.and_then(|answer| Pieces::decode(&answer.body)) {
                Some(mut answered) => {
                    pieces.list.append(&mut answered.list);
                    pieces.offers.push_str(&answered.offers);
                }
                None => pieces.list.append(&mut unavailable),
            }
            let header = |wanted: &str| {
                answer.and_then(|answer| {
                    answer.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
                })
            };
            forgotten.extend(header(FORGET).cloned());
            if self.asks.is_none_or(|asked| asked == index) {
                seen.push(header("usher-seen"));
            }
        }
        let mut response = match pieces.join() {
            Some(response) if self.is_native => response.of_wire(),
            Some(response) => response,
            None if self.is_native => Response::problem(Refusal::STORAGE, None).of_wire(),
            None => Response::refused(Refusal::STORAGE),
        };
        response = response.with_cors(Some(&self.origin));
        if let Some((name, value)) = joined(&forgotten) {
            response = response.header(name, value);
        }
        // Events of several visitors have no single profile to look up, unless one of them asks for offers.
        if let [Some(token)] = seen.as_slice() {
            response = response.header("usher-seen", (*token).clone());
        }
        response
    }
}
