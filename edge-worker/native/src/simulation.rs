//! An edge in this process, with its storage in memory: what it is asked, it is asked as every edge is, over its routes.
//!
//! So whatever is simulated is decided by the code that decides it at a running edge, the bounds of requests included.

use serde_json::{Value, json};
use usher_edge::store::memory::MemoryStore;
use usher_edge::store::{Basis, CommitError, Found, Pointer, Read, Store, StoreFailure, Write};
use usher_edge::{Ambient, Edge, Request, Response, bundle_of};
use usher_engine::ProfileId;
use usher_engine::definition::Definition;

use crate::exit::Failure;
use crate::secrets::{self, Credentials};

/// The page that browsers are taken to show.
const ORIGIN: &str = "https://simulated.invalid";

/// The sender of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sender {
    /// A page, with the write key: keys of `trust: verified` do not stitch
    Browser,
    /// A server, with its key: all keys stitch
    Server,
}

/// The edge and what it stores.
pub(crate) struct Simulation {
    edge: Edge,
    store: MemoryStore,
    credentials: Credentials,
    audience: String,
    requests: u64,
}

/// The outcome of one event.
pub(crate) struct Outcome {
    /// As ingestion answers it.
    pub(crate) receipt: Value,
    /// The answer to a personalization call: its status and body.
    pub(crate) status: u16,
    pub(crate) answer: Value,
    /// The journal entries that stitching wrote.
    pub(crate) journal: Vec<Value>,
    /// The lines that the edge logs about it.
    pub(crate) log: Vec<Value>,
}

impl Simulation {
    pub(crate) fn new(definition: &Definition) -> Result<Simulation, Failure> {
        // Nobody else is there, so these need not be secret.
        let credentials = Credentials {
            write_key: format!("1/{}", "1".repeat(40)),
            server_key: format!("1/{}", "2".repeat(40)),
            admin_key: format!("1/{}", "3".repeat(64)),
            public_token: format!("1/simulated/{}", "4".repeat(32)),
            private_token: format!("1/simulated/{}", "5".repeat(32)),
            allowed_origins: vec![ORIGIN.to_owned()],
        };
        let audience = definition.audience.id.clone();
        let mut edge = Edge::new(Some(&credentials.secret(&audience, &[], None)?), false);
        let bundle = bundle_of(definition).map_err(Failure::new)?;
        let pointer = Pointer { audience: audience.clone(), number: 1, hash: secrets::hash(&bundle) };
        edge.install(&pointer, bundle).map_err(Failure::new)?;
        Ok(Simulation { edge, store: MemoryStore::default(), credentials, audience, requests: 0 })
    }

    /// A batch record, imported.
    pub(crate) fn import(&mut self, record: &[u8], now_ms: i64) -> Result<Value, Failure> {
        let key = format!("TD1 {}", self.credentials.server_key);
        let target = format!("/v1/audiences/{}/profiles/import", self.audience);
        let (response, _) = self.ask(&target, &[("authorization", &key)], record, now_ms);
        let answer = body(&response);
        if response.status == 200 { Ok(answer) } else { Err(refused(&answer)) }
    }

    /// An event that arrives, as a personalization call.
    pub(crate) fn event(
        &mut self,
        sender: Sender,
        database: &str,
        table: &str,
        columns: &Value,
        now_ms: i64,
    ) -> Outcome {
        let Credentials { write_key, server_key, public_token, private_token, .. } = &self.credentials;
        let (key, token, prefix) = match sender {
            Sender::Browser => (format!("TD1 {write_key}"), public_token.clone(), "/public"),
            Sender::Server => (format!("TD1 {server_key}"), private_token.clone(), ""),
        };
        let target = format!("/{database}/{table}");
        // What its receipt would be: asked first, and not stored.
        let batch = json!({"events": [columns]}).to_string();
        let request = self.request("POST", now_ms);
        let (response, _) = serve(
            &mut self.edge,
            &mut Glance(&mut self.store),
            &Request {
                target: &target,
                headers: &owned(&[("authorization", &key)]),
                body: batch.as_bytes(),
                ..request
            },
        );
        let answer = body(&response);
        let receipt = answer["receipts"][0].clone();
        let receipt = if receipt.is_null() { json!({"success": false, "error": answer}) } else { receipt };
        let known = self.store.journal.len();
        let mut headers = vec![("authorization", key.as_str()), ("wp13n-token", token.as_str())];
        if sender == Sender::Browser {
            headers.push(("origin", ORIGIN));
        }
        // The same moment: the same ids are minted.
        self.requests -= 1;
        let (response, log) =
            self.ask(&format!("{prefix}{target}"), &headers, columns.to_string().as_bytes(), now_ms);
        let entries = self.store.journal.iter().skip(known);
        let journal = entries.filter_map(|row| serde_json::from_str(&row.entry).ok()).collect();
        Outcome { receipt, status: response.status, answer: body(&response), journal, log }
    }

    /// The time at which somebody's wait in a journey ends, Unix milliseconds; None: nobody waits.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        self.store.journeys.waits.values().copied().min()
    }

    /// Lets waits end that are over by now.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        let key = format!("TD1 {}", self.credentials.admin_key);
        self.ask("/v1/tick", &[("authorization", &key)], &[], now_ms);
    }

    /// The messages that steps of journeys have sent since the last call, each with its profile's id.
    pub(crate) fn sent(&mut self) -> Vec<(String, Value)> {
        let sent = std::mem::take(&mut self.store.journeys.sends).into_iter();
        let shown = sent.map(|row| {
            (ProfileId(row.profile).to_string(), serde_json::from_str(&row.message).unwrap_or(Value::Null))
        });
        shown.collect()
    }

    /// The profile of the visitor with this key, as an explanation shows it, with its id.
    pub(crate) fn profile(&mut self, name: &str, value: &str, now_ms: i64) -> Option<Value> {
        let key = format!("TD1 {}", self.credentials.server_key);
        let asked = json!({"key": {"name": name, "value": value}}).to_string();
        let (response, _) = self.ask("/v1/explain", &[("authorization", &key)], asked.as_bytes(), now_ms);
        let mut answer = body(&response);
        let mut profile = answer["profile"].take();
        profile["id"] = answer["meta"]["profile"]["id"].take();
        (profile["known"] == true).then_some(profile)
    }

    fn ask(
        &mut self,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        now_ms: i64,
    ) -> (Response, Vec<Value>) {
        let request = self.request("POST", now_ms);
        serve(&mut self.edge, &mut self.store, &Request { target, headers: &owned(headers), body, ..request })
    }

    fn request(&mut self, method: &'static str, now_ms: i64) -> Request<'static> {
        self.requests += 1;
        let mut entropy = [0; 32];
        // Every simulation of the same events mints the same ids.
        for (byte, of_count) in entropy.iter_mut().zip(self.requests.to_le_bytes()) {
            *byte = of_count;
        }
        Request { method, target: "", headers: &[], body: &[], ambient: Ambient { now_ms, entropy } }
    }
}

fn serve(edge: &mut Edge, store: &mut impl Store, request: &Request<'_>) -> (Response, Vec<Value>) {
    let mut log = Vec::new();
    let response = usher_edge::serve(edge, store, request, &mut |line| {
        let mut said = json!({"event": line.event()});
        if !line.detail().is_empty() {
            said["detail"] = line.detail().into();
        }
        log.push(said);
    });
    (response, log)
}

/// Storage that is looked at and never written.
struct Glance<'a>(&'a mut MemoryStore);

impl Store for Glance<'_> {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        self.0.read(read)
    }

    fn stage(&mut self, _: &Basis, _: &Write) -> Result<(), CommitError> {
        Ok(())
    }

    fn undo(&mut self) {}

    fn commit(&mut self, _: &Basis, _: &Write) -> Result<(), CommitError> {
        Ok(())
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or(Value::Null)
}

/// The message of a refusal.
pub(crate) fn refused(answer: &Value) -> Failure {
    let said = |name: &str| answer[name].as_str().map(str::to_owned);
    let title = said("title").or_else(|| said("message")).unwrap_or_else(|| "it was refused".to_owned());
    match said("detail") {
        Some(detail) => Failure::new(title).help(detail),
        None => Failure::new(title),
    }
}
