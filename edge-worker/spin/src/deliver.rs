//! Delivers a message: tries until it is decided, and catches up with newer bundles in between.

use usher_edge::limits::COMMITS_MAX;
use usher_edge::{Response, drive};

use crate::attempt::{Lock, Tried, attempt, raise};
use crate::edge::edge;
use crate::instance::refresh;

/// The answer to a message of the request with this id.
pub(crate) async fn deliver(request_id: &str, message: &[u8], lock: Lock) -> Response {
    let mut attempts_to_catch_up = 0;
    for tries in 0..COMMITS_MAX {
        match attempt(request_id, message, lock, tries > 0).await {
            Tried::Answered(response) => return response,
            Tried::Conflict => {}
            Tried::Behind { audience, number } => {
                match attempts_to_catch_up {
                    0 => {}
                    // The database has no newer bundle either.
                    1 => raise(&audience, number).await,
                    _ => break,
                }
                attempts_to_catch_up += 1;
                refresh().await;
            }
        }
    }
    edge(|edge| drive::unavailable(edge, message))
}
