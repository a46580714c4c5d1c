//! Receipts and refusals of a batch, and what it draws on rates.

use super::batch::{Batch, TABLE_UNKNOWN};
use crate::answer;
use crate::edge::Edge;
use crate::error::Refusal;
use crate::log::{Line, SHARD_RESTORED};
use crate::message::{Asking, Events, Mode, Receipt};
use crate::plane::DECIDES;
use crate::rates::Meter;
use crate::store::Write;
use crate::wire::Response;
use usher_engine::gather::Gather;

impl Batch {
    /// Takes its events from its caller's rate.
    pub(in crate::writer) fn meter(&mut self, meter: &mut Meter, again: bool) -> Result<(), Response> {
        let Some(payer) = &self.payer else { return Ok(()) };
        let ambient = &self.message.ambient;
        // A body without any event costs as much as one.
        let events = if again { 0 } else { self.valid.len().max(1) };
        meter.take_events(payer, events, ambient).map_err(|seconds| {
            let response = refuse(&self.message, Refusal::RATE);
            response.header("retry-after", seconds.to_string())
        })?;
        self.new_profiles_max = meter.new_profiles_left(payer, ambient);
        Ok(())
    }

    /// Counts the profiles that it creates.
    pub(in crate::writer) fn charge(&self, meter: &mut Meter, write: &Write) {
        if let Some(payer) = &self.payer {
            let made = self.result.new_profiles + write.new_profiles();
            meter.made_profiles(payer, made, &self.message.ambient);
        }
    }

    /// One receipt per element of the body, in order.
    pub(super) fn receipts<'r>(&self, valid: &'r [Receipt]) -> Vec<&'r Receipt> {
        static REFUSED: Receipt = Receipt { failure: Some("InvalidPropertyValueError"), notes: Vec::new() };
        let mut receipts = valid.iter();
        let of_element = |valid: &bool| if *valid { receipts.next() } else { None };
        self.valid.iter().map(of_element).map(|receipt| receipt.unwrap_or(&REFUSED)).gather()
    }

    /// The id of each element of the body that some audience has a table for, in order.
    pub(super) fn ids(&self) -> Vec<Option<&str>> {
        let mut of_place = vec![None; self.valid.len()];
        for one in self.audiences.iter().flat_map(|audience| &audience.events) {
            if let Some(id) = of_place.get_mut(one.place) {
                id.get_or_insert(one.event.id.as_str());
            }
        }
        let mut ids = of_place.into_iter();
        self.valid.iter().map(|valid| if *valid { ids.next().flatten() } else { None }).gather()
    }

    /// The names of personalizations that are asked for and not answered.
    pub(super) fn unknown_names<'n>(&self, edge: &Edge, asking: &'n Asking) -> Vec<&'n str> {
        let running = self.message.audiences.first().and_then(|(id, _)| edge.running(id));
        let is_unknown =
            |name: &&String| running.is_none_or(|running| running.plan.personalization(name).is_none());
        asking.named.iter().filter(is_unknown).chain(&asking.unknown).map(String::as_str).gather()
    }

    /// The answer when every audience was taken out, which is that of a front that has heard of it.
    pub(super) fn unknown(&self) -> Response {
        match self.message.mode {
            Mode::Ingest => refuse(&self.message, Refusal::TABLE_UNKNOWN),
            Mode::Mixed(None) => self.of_unknown_tables(),
            Mode::Personalize { .. } | Mode::Mixed(Some(_)) => {
                refuse(&self.message, Refusal::AUDIENCE_UNKNOWN)
            }
        }
    }

    /// The answer when storage fails: nothing was stored.
    pub(in crate::writer) fn unavailable(&self) -> Response {
        self.unavailable_as(&[])
    }

    /// The same, where the lines that were logged may say why.
    pub(super) fn unavailable_as(&self, log: &[Line]) -> Response {
        let is_restored = DECIDES && log.iter().any(|line| line.is(SHARD_RESTORED));
        refuse(&self.message, if is_restored { Refusal::SHARD_RESTORED } else { Refusal::STORAGE })
    }

    /// The answer when no audience has a table of its events.
    fn of_unknown_tables(&self) -> Response {
        let receipts = vec![Receipt { failure: Some(TABLE_UNKNOWN), notes: Vec::new() }; self.valid.len()];
        let body = answer::mixed(&self.receipts(&receipts), &self.ids(), None);
        Response::json(200, body).of_wire().with_cors(Some(&self.message.origin))
    }
}

/// A refusal in the format of the message's route.
pub(super) fn refuse(message: &Events, refusal: Refusal) -> Response {
    let response = match message.mode {
        Mode::Mixed(_) => Response::problem(refusal, None).of_wire(),
        Mode::Ingest | Mode::Personalize { .. } => Response::refused(refusal),
    };
    response.with_cors(Some(&message.origin))
}
