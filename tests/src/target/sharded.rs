//! The service over several shards in this process.

use usher_edge::lookup::{self, Candidate};
use usher_edge::store::Store;
use usher_edge::wire::Response;
use usher_edge::{
    CALLERS_REQUEST_ID, DROPPED, Edge, FORGET, NEXT, Refusal, Request, Step, Took, front, request_id,
};

use super::memory::{ambient, inflated_body};
use super::{Answer, Call, Target};
use crate::deployment::{DESTINATIONS, Keys};
use crate::shards::Shards;

/// So many shards, each with a store of its own.
pub struct Sharded {
    pub shards: Shards,
    calls: u64,
}

impl Sharded {
    pub fn start(shards: u32) -> Sharded {
        let mut edge = Edge::new(Some(&Keys::demo().secret()), true);
        edge.keep_metrics();
        edge.set_destinations(DESTINATIONS);
        Sharded { shards: Shards::new(edge, shards), calls: 0 }
    }

    fn serve(&mut self, request: &Request<'_>) -> Response {
        let shards = &mut self.shards;
        shards.now_ms = request.ambient.now_ms;
        let step = front::handle(&shards.edge, request);
        match step {
            Step::Respond(response) => front::charge(&mut shards.edge, &request.head(), response),
            Step::Write { shard, message } => without_copies(self.deliver(shard, message)),
            Step::Split(split) => {
                let parts = split.parts.iter().map(|part| shards.send(part.shard, part.message.clone()));
                let sent: Vec<usize> = parts.collect();
                shards.settle();
                let answers: Vec<_> = sent.iter().map(|number| shards.answer(*number).cloned()).collect();
                without_copies(split.join(&answers))
            }
            Step::LookUp(pending) => {
                if let Err(refused) = lookup::meter(&mut shards.edge, &pending) {
                    return refused;
                }
                let message = pending.message(&shards.edge);
                let snapshot = self.deliver(pending.shard, message);
                let candidate = match snapshot.status {
                    200 => Candidate::Writer(&snapshot.body),
                    _ => Candidate::Nothing,
                };
                let edge = &self.shards.edge;
                let answer = lookup::answer(edge, &pending, candidate, i64::MIN)
                    .unwrap_or_else(|| front::failed(edge, &request.head(), Refusal::STORAGE));
                if let Some((shard, message)) = pending.later {
                    self.deliver(shard, message);
                }
                answer
            }
            Step::Publish { message, restore, .. } => {
                if let Some(restore) = restore {
                    self.instruct(&restore);
                }
                self.instruct(&message)
            }
            Step::Control { message } => self.instruct(&message),
            Step::ControlPlane => front::failed(&shards.edge, &request.head(), Refusal::INTERNAL),
        }
    }

    fn deliver(&mut self, shard: u32, message: Vec<u8>) -> Response {
        let number = self.shards.send(shard, message);
        self.shards.settle();
        self.shards.answer(number).cloned().unwrap_or_else(|| Response::refused(Refusal::STORAGE))
    }

    fn instruct(&mut self, message: &[u8]) -> Response {
        let shards = &mut self.shards;
        let answer = control(&mut shards.edge, &mut shards.control, message);
        shards.refresh();
        let mut response = answer.unwrap_or_else(|| Response::refused(Refusal::STORAGE));
        response.headers.retain(|(name, _)| *name != DROPPED);
        response
    }
}

/// One message to the control object.
fn control(edge: &mut Edge, store: &mut impl Store, message: &[u8]) -> Option<Response> {
    use usher_edge::store::Basis;
    use usher_edge::{Folded, drive};
    let mut opened = match drive::open(edge, message) {
        Ok(opened) => opened,
        Err(refused) => return Some(refused),
    };
    let read = opened.read.as_ref()?;
    let found = store.read(read).ok()?;
    let basis = Basis::of(read, &found);
    let Folded::Done(outcome) = drive::fold(edge, &mut opened, found) else { return None };
    store.commit(&basis, &outcome.write).ok()?;
    Some(outcome.response)
}

fn without_copies(mut response: Response) -> Response {
    response.headers.retain(|(name, _)| ![FORGET, NEXT].contains(name));
    response
}

impl Target for Sharded {
    fn call(&mut self, call: &Call<'_>) -> Answer {
        self.calls += 1;
        let body = inflated_body(call);
        let request = Request {
            method: call.method,
            target: call.path,
            headers: &call.headers,
            body: body.as_deref().unwrap_or_default(),
            ambient: ambient(call, self.calls),
        };
        let sent = call.headers.iter().find(|(name, _)| name == CALLERS_REQUEST_ID);
        let id = request_id(sent.map(|(_, id)| id.as_str()), &request.ambient);
        let response = match body {
            Some(_) => self.serve(&request),
            None => front::failed(&self.shards.edge, &request.head(), Refusal::EVENT_INVALID),
        };
        front::count(&mut self.shards.edge, &request.head(), &response, Took::default());
        let response = response.with_request_id(&id);
        let headers = response.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Answer { status: response.status, headers, body: response.body }
    }
    fn log(&self) -> String {
        self.shards.log().iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}
