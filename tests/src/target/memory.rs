//! The service in this process, on the reference store: no sockets, no clock.

use usher_edge::memory::MemoryStore;
use usher_edge::{Edge, Moment, Request, serve};

use super::{Answer, Call, Target};
use crate::deployment::Keys;

/// The engine and the service, without a host.
pub struct InProcess {
    edge: Edge,
    pub store: MemoryStore,
    calls: u64,
}

impl InProcess {
    pub fn start() -> InProcess {
        InProcess { edge: Edge::new(Some(&Keys::demo().secret()), true), store: MemoryStore::default(), calls: 0 }
    }
}

impl Target for InProcess {
    fn call(&mut self, call: &Call<'_>) -> Answer {
        self.calls += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.calls.to_le_bytes());
        let request = Request {
            method: call.method,
            target: call.path,
            headers: &call.headers,
            body: &call.body,
            moment: Moment { now_ms: call.now * 1_000, entropy },
        };
        let response = serve(&mut self.edge, &mut self.store, &request, &mut |_| {});
        let headers = response.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Answer { status: response.status, headers, body: response.body }
    }
}
