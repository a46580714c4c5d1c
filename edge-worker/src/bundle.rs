//! Bundles: what an edge runs, and the last good one that it keeps running when the next does not compile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use usher_engine::Plan;
use usher_engine::definition::Definition;

use crate::error::Refusal;
use crate::host::Pointer;
use crate::keys::Keyring;
use crate::limits::BUNDLE_BYTES_MAX;
use crate::token::hex;
use crate::wire::json::Json;
use crate::wire::{Response, read};

/// The version of the bundle's own shape.
const FORMAT: u32 = 1;

/// What a process or isolate knows: its keys, and the bundle that each audience runs.
pub struct Edge {
    pub(crate) keyring: Result<Keyring, String>,
    pub(crate) audiences: BTreeMap<String, Running>,
    /// Why some audience does not run what it should.
    degraded: BTreeMap<String, String>,
    pub(crate) shards: u32,
}

/// A bundle that runs.
pub(crate) struct Running {
    pub(crate) number: u64,
    pub(crate) hash: String,
    pub(crate) plan: Plan,
    pub(crate) body: Vec<u8>,
}

/// What installing a bundle did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// It runs now.
    New,
    /// It ran already.
    Same,
}

/// A bundle as it is sent and stored: one audience's definition.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bundle {
    format: u32,
    pub(crate) definition: Definition,
}

impl Bundle {
    /// Reads a bundle and compiles it; `Err` says in one sentence why it does not run.
    pub(crate) fn compile(body: &[u8]) -> Result<Plan, String> {
        if body.len() > BUNDLE_BYTES_MAX {
            return Err(format!("the bundle is over {BUNDLE_BYTES_MAX} bytes"));
        }
        let value = read::document(body).map_err(|_| "not a bundle: it is no JSON".to_owned())?;
        let bundle: Bundle = value.into_data().map_err(|unfit| format!("not a bundle: {unfit}"))?;
        if bundle.format != FORMAT {
            return Err(format!("the bundle's format is {}, this build reads {FORMAT}", bundle.format));
        }
        Plan::compile(&bundle.definition).map_err(|findings| {
            let errors: Vec<String> = findings
                .iter()
                .map(|finding| format!("{} at {}: {}", finding.code, finding.path, finding.message))
                .collect();
            errors.join("; ")
        })
    }
}

/// The bundle of a definition, as `push` sends it.
pub fn bundle_of(definition: &Definition) -> Result<Vec<u8>, String> {
    let bundle = Bundle { format: FORMAT, definition: definition.clone() };
    serde_json::to_vec(&bundle).map_err(|error| error.to_string())
}

/// A body's name: SHA-256 in hexadecimal digits.
pub(crate) fn hash_of(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

impl Edge {
    /// An edge that runs nothing yet. `secret` is `USHER_KEYS`; an unusable one lets every route but `/healthz` answer
    /// 503, and [`Edge::complaint`] says why.
    pub fn new(secret: Option<&str>, demo: bool) -> Edge {
        Edge {
            keyring: Keyring::read(secret, demo),
            audiences: BTreeMap::new(),
            degraded: BTreeMap::new(),
            shards: 1,
        }
    }

    /// What is wrong with the keys, for the operator's log.
    pub fn complaint(&self) -> Option<&str> {
        self.keyring.as_ref().err().map(String::as_str)
    }

    /// Those of the control object's pointers whose bundles do not run here.
    pub fn behind(&self, pointers: Vec<Pointer>) -> Vec<Pointer> {
        let runs = |pointer: &Pointer| {
            self.audiences
                .get(&pointer.audience)
                // A pointer that was read before a later one took effect is old news.
                .is_some_and(|running| running.hash == pointer.hash || running.number >= pointer.number)
        };
        pointers.into_iter().filter(|pointer| !runs(pointer)).collect()
    }

    /// Runs a bundle, if its bytes are what the pointer names and compile; otherwise the last good one keeps running,
    /// `/healthz` says `degraded`, and the error is for the log.
    pub fn install(&mut self, pointer: &Pointer, body: Vec<u8>) -> Result<Installed, String> {
        if let Some(running) = self.audiences.get_mut(&pointer.audience)
            && running.hash == pointer.hash
        {
            running.number = running.number.max(pointer.number);
            self.degraded.remove(&pointer.audience);
            return Ok(Installed::Same);
        }
        let plan = if hash_of(&body) == pointer.hash {
            Bundle::compile(&body).and_then(|plan| {
                let own = &plan.definition().audience.id;
                if *own == pointer.audience {
                    Ok(plan)
                } else {
                    Err("the bundle is of another audience".to_owned())
                }
            })
        } else {
            Err("the stored bundle is missing or damaged".to_owned())
        };
        match plan {
            Ok(plan) => {
                let running = Running { number: pointer.number, hash: pointer.hash.clone(), plan, body };
                self.audiences.insert(pointer.audience.clone(), running);
                self.degraded.remove(&pointer.audience);
                Ok(Installed::New)
            }
            Err(reason) => {
                let reason = format!("bundle {} of audience {}: {reason}", pointer.number, pointer.audience);
                self.degraded.insert(pointer.audience.clone(), reason.clone());
                Err(reason)
            }
        }
    }

    /// Names a fault of the host's that keeps the edge from catching up; none clears it.
    pub fn trouble(&mut self, reason: Option<&str>) {
        match reason {
            Some(reason) => self.degraded.insert(String::new(), reason.to_owned()),
            None => self.degraded.remove(""),
        };
    }

    /// `GET /healthz`: how it is, without any name that a stranger should not know.
    pub(crate) fn health(&self) -> Response {
        let status = if self.keyring.is_err() {
            "unconfigured"
        } else if self.degraded.is_empty() {
            "ok"
        } else {
            "degraded"
        };
        let mut body = Json::new();
        body.object(|o| {
            o.field("status").text(status);
            o.field("version").text(env!("CARGO_PKG_VERSION"));
            o.field("bundles").list(self.audiences.values(), |json, running| {
                json.object(|o| {
                    o.field("number").number(i64::try_from(running.number).unwrap_or(i64::MAX));
                    o.field("hash").text(running.hash.get(..12).unwrap_or(""));
                });
            });
        });
        Response::json(if self.keyring.is_err() { 503 } else { 200 }, body)
    }

    pub(crate) fn running(&self, audience: &str) -> Result<&Running, Refusal> {
        self.audiences.get(audience).ok_or(Refusal::NOT_FOUND)
    }
}
