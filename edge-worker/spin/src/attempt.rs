//! One try to take a message through read, fold and commit, on its own connection.
//!
//! A message that may write holds the database's lock from its read to its commit, so the second of two requests for one visitor
//! reads what the first stored. Every commit also checks its basis, as the service defines it: a database server may end a
//! transaction early.

use usher_edge::drive::{self, Opened};
use usher_edge::limits::COMMITS_MAX;
use usher_edge::store::{Basis, CommitError, Found, Read, StoreFailure};
use usher_edge::{Folded, Response, message};

use crate::database::Session;
use crate::edge::edge;
use crate::log;

/// The time at which a message takes the database's lock.
#[derive(Clone, Copy)]
pub(crate) enum Lock {
    /// Before it reads.
    FromRead,
    /// Before it writes; for lookups, which do not write.
    ForWrite,
}

/// The end of a try.
pub(crate) enum Tried {
    /// The message is decided, or storage failed.
    Answered(Response),
    /// Another writer was faster, or another request installed a bundle.
    Conflict,
    /// A newer bundle is needed.
    Behind { audience: String, number: u64 },
}

/// Tries once. `again`: the message was tried before.
pub(crate) async fn attempt(message: &[u8], lock: Lock, again: bool) -> Tried {
    let opened =
        edge(|edge| if again { drive::open_again(edge, message) } else { drive::open(edge, message) });
    let opened = match opened {
        Ok(opened) => opened,
        Err(response) => return Tried::Answered(response),
    };
    match fold(&opened, lock).await {
        Ok(tried) => tried,
        Err(failure) => {
            log::event("storage_failed", &failure.0);
            Tried::Answered(edge(|edge| drive::unavailable(edge, message)))
        }
    }
}

/// Reads what an open message needs, folds it, and stores the result.
async fn fold(opened: &Opened, lock: Lock) -> Result<Tried, StoreFailure> {
    let mut session = Session::open().await?;
    let (basis, found) = match &opened.read {
        Some(read) => {
            match (lock, read) {
                (Lock::FromRead, _) => session.lock().await?,
                // One statement reads one state by itself.
                (Lock::ForWrite, Read::Profiles(_)) => {}
                (Lock::ForWrite, _) => session.hold_state().await?,
            }
            let found = session.read(read).await?;
            (Basis::of(read, &found), found)
        }
        None => (Basis::default(), Found::Profiles(Vec::new())),
    };
    let outcome = match edge(|edge| drive::fold(edge, opened, found)) {
        Folded::NeedsNewerBundle { audience, number } => {
            session.roll_back().await;
            return Ok(Tried::Behind { audience, number });
        }
        Folded::OpenAgain => {
            session.roll_back().await;
            return Ok(Tried::Conflict);
        }
        Folded::Done(outcome) => outcome,
    };
    let stored = if outcome.write.is_empty() {
        session.roll_back().await;
        Ok(())
    } else {
        session.commit(&basis, &outcome.write).await
    };
    match stored {
        Ok(()) => {
            outcome.log.iter().for_each(|line| log::line(&line.to_json()));
            Ok(Tried::Answered(outcome.response))
        }
        Err(CommitError::Conflict) => Ok(Tried::Conflict),
        Err(CommitError::Failed(failure)) => Err(failure),
    }
}

/// Makes the numbers of an audience's bundles continue above one that wrote profiles.
pub(crate) async fn raise(audience: &str, above: u64) {
    let message = edge(|edge| message::raise(audience, above, edge.form()));
    for _ in 0..COMMITS_MAX {
        // This message needs no bundle.
        if let Tried::Answered(_) | Tried::Behind { .. } = attempt(&message, Lock::FromRead, false).await {
            return;
        }
    }
}
