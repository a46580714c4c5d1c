//! The HTTP service of the edge, without a host: requests in, responses and storage work out.
//!
//! One [`Edge`] holds what a process or isolate knows: keys and running bundles. A request passes the front
//! ([`Edge::front`]: route, bound, authenticate), which answers or says what is needed next ([`Step`]). What touches
//! profiles happens in the writer, beside the data: [`Edge::open`] says what to read, [`Edge::fold`] makes of it what to
//! write and to answer. [`serve`] is the loop that a host with synchronous storage runs; hosts with other manners run
//! the same steps.
//!
//! # What this crate does not do
//!
//! No sockets, no async, no clock, no randomness, no storage: all of it is handed in or out as data. It knows no host.

// In the order in which a newcomer should read them.
pub mod front;
pub mod host;
mod writer;

mod buckets;
mod bundle;
mod by_name;
mod error;
mod keys;
pub mod limits;
mod rehearsal;
mod token;
pub mod wire;

mod log;
pub mod message;
pub mod store;

pub use bundle::{Bundle, Edge, Installed, bundle_of, definition_of};
pub use error::Refusal;
pub use front::{Candidate, Look};
pub use host::{Request, Step};
pub use log::Line;
pub use message::Ambient;
pub use rehearsal::{Excess, Failed, Rehearsal};
pub use store::Store;
pub use wire::Response;
pub use writer::{Folded, Opened, Outcome};

use store::{Found, Read};
use writer::DROPPED;

/// Runs one request to its end on storage that answers at once. One store holds everything: profiles, pointers, bundles.
pub fn serve(
    edge: &mut Edge,
    store: &mut impl Store,
    request: &Request<'_>,
    log: &mut impl FnMut(&str),
) -> Response {
    match edge.front(request) {
        Step::Respond(response) => response,
        Step::Write { message, .. } => deliver(edge, store, &message, log),
        Step::Publish { message, .. } | Step::Control { message } => {
            let mut response = deliver(edge, store, &message, log);
            // There are no copies to be dropped.
            response.headers.retain(|(name, _)| *name != DROPPED);
            // This process runs the new bundle at once; others find it by its pointer.
            refresh(edge, store, log);
            response
        }
        Step::Look(look) => {
            let snapshot = deliver(edge, store, &look.message, log);
            let candidate =
                if snapshot.status == 200 { Candidate::Writer(&snapshot.body) } else { Candidate::Nothing };
            edge.answer(&look, candidate).unwrap_or_else(|| edge.failed(request, Refusal::STORAGE))
        }
    }
}

/// Messages that a host sends to the control object on its own account, to find out what should run.
pub mod control {
    use crate::message::{Message, ToControl};

    /// Asks for the pointers: a list of `audience · number · hash`.
    pub fn pointers() -> Vec<u8> {
        Message::Control(ToControl::Pointers).encode()
    }

    /// Asks for the body of a bundle.
    pub fn bundle(hash: &str) -> Vec<u8> {
        Message::Control(ToControl::Bundle { hash: hash.to_owned() }).encode()
    }
}

/// A token that lets a page explain the answers of one audience until `expires` (Unix seconds, at most 24 h ahead of
/// `now`). `secret` is `USHER_KEYS`.
pub fn preview_token(secret: &str, audience: &str, expires: i64, now: i64) -> Result<String, String> {
    if expires <= now || expires - now > limits::PREVIEW_SECONDS_MAX {
        return Err("a preview token lives for at most 24 hours".to_owned());
    }
    let keyring = keys::Keyring::read(Some(secret), true)?;
    Ok(token::Preview { audience: audience.to_owned(), expires }.sign(&keyring.signer))
}

/// One message through the writer.
fn deliver(edge: &mut Edge, store: &mut impl Store, message: &[u8], log: &mut impl FnMut(&str)) -> Response {
    // A second try, because a writer that finds itself behind catches up first.
    for _ in 0..2 {
        let opened = match edge.open(message) {
            Ok(opened) => opened,
            Err(response) => return response,
        };
        let read = match &opened.read {
            Some(read) => store.read(read),
            None => Ok(Found::Profiles(Vec::new())),
        };
        let found = match read {
            Ok(found) => found,
            Err(failure) => {
                log(&failure.to_string());
                return opened.unavailable();
            }
        };
        match edge.fold(&opened, found) {
            Folded::Behind => refresh(edge, store, log),
            Folded::Done(outcome) => {
                outcome.log.iter().for_each(|line| log(&line.to_json()));
                if !outcome.write.is_empty()
                    && let Err(failure) = store.write(&outcome.write)
                {
                    log(&failure.to_string());
                    return opened.unavailable();
                }
                return outcome.response;
            }
        }
    }
    edge.unavailable(message)
}

/// Catches up with the control object: what it points to runs here, or the last good one still does.
pub fn refresh(edge: &mut Edge, store: &mut impl Store, log: &mut impl FnMut(&str)) {
    let pointers = match store.read(&Read::Pointers) {
        Ok(Found::Pointers(pointers)) => pointers,
        Ok(_) => return,
        Err(failure) => return log(&failure.to_string()),
    };
    for pointer in edge.behind(pointers) {
        let body = match store.read(&Read::Bundle { hash: pointer.hash.clone() }) {
            Ok(Found::Bundle(Some(body))) => body,
            Ok(_) => Vec::new(),
            Err(failure) => {
                log(&failure.to_string());
                continue;
            }
        };
        if let Err(reason) = edge.install(&pointer, body) {
            log(&reason);
        }
    }
}
