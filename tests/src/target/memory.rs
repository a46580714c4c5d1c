//! The service in this process, on the reference store: no sockets, no clock.

use std::io::Read;

use usher_edge::limits::BATCH_BYTES_MAX;
use usher_edge::log::Record;
use usher_edge::store::memory::MemoryStore;
use usher_edge::{
    Ambient, CALLERS_REQUEST_ID, Edge, Rates, Refusal, Request, Took, front, request_id, serve,
};

use super::{Answer, Call, Target};
use crate::deployment::{DESTINATIONS, Keys};

/// The engine and the service, without a host.
pub struct InProcess {
    pub edge: Edge,
    pub store: MemoryStore,
    calls: u64,
    log: String,
}

impl InProcess {
    pub fn start() -> InProcess {
        let mut edge = Edge::new(Some(&Keys::demo().secret()), true);
        edge.keep_metrics();
        edge.set_destinations(DESTINATIONS);
        InProcess { edge, store: MemoryStore::default(), calls: 0, log: String::new() }
    }
}

impl InProcess {
    /// The same in a deployment without keys.
    pub fn without_keys() -> InProcess {
        InProcess { edge: Edge::new(None, false), ..InProcess::start() }
    }

    /// Sets the rates for callers by public keys.
    pub fn set_rates(&mut self, rates: Rates) {
        self.edge.set_rates(rates);
    }
}

impl Target for InProcess {
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
            Some(_) => serve(&mut self.edge, &mut self.store, &request, &mut |line| {
                self.log += &Record { request_id: &id, ..line.record() }.to_json();
                self.log.push('\n');
            }),
            None => front::failed(&self.edge, &request.head(), Refusal::EVENT_INVALID),
        };
        front::count(&mut self.edge, &request.head(), &response, Took::default());
        let response = response.with_request_id(&id);
        let headers = response.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Answer { status: response.status, headers, body: response.body }
    }

    fn log(&self) -> String {
        self.log.clone()
    }
}

/// The time and randomness of a call, which is the one of this number.
pub(super) fn ambient(call: &Call<'_>, number: u64) -> Ambient {
    let mut entropy = [0; 32];
    entropy[..8].copy_from_slice(&number.to_le_bytes());
    entropy[24..].copy_from_slice(&number.to_le_bytes());
    Ambient { now_ms: call.now * 1_000, entropy }
}

/// The body as a host passes it to the service; None: it is not what its encoding says.
pub(super) fn inflated_body(call: &Call<'_>) -> Option<Vec<u8>> {
    let coding = call.headers.iter().find(|(name, _)| name == "content-encoding");
    let is_packed = coding
        .is_some_and(|(_, coding)| ["gzip", "x-gzip"].iter().any(|known| coding.eq_ignore_ascii_case(known)));
    if is_packed { inflated(&call.body) } else { Some(call.body.clone()) }
}

/// One member and nothing after it; reading stops one byte past the largest body that any route takes.
fn inflated(mut packed: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let unpacker = flate2::bufread::GzDecoder::new(&mut packed);
    unpacker.take(BATCH_BYTES_MAX as u64 + 1).read_to_end(&mut body).ok()?;
    (packed.is_empty() || body.len() > BATCH_BYTES_MAX).then_some(body)
}
