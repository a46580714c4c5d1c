//! One try to take a message through reads, folds and commit, on its own connection.
//!
//! A message that may write holds the database's lock from its read to its commit, so the second of two requests for one visitor
//! reads what the first stored. Every commit also checks its basis, as the service defines it: a database server may end a
//! transaction early.

use usher_edge::drive::{self, Opened};
use usher_edge::limits::COMMITS_MAX;
use usher_edge::log::STORAGE_FAILED;
use usher_edge::store::{Basis, CommitError, Found, Read, StoreFailure};
use usher_edge::{Folded, Line, Response, message};

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

impl Session {
    /// Begins the transaction of a message before its first read, if it takes one.
    async fn begin_read(&mut self, lock: Lock, read: &Read) -> Result<(), StoreFailure> {
        if self.has_begun() {
            return Ok(());
        }
        match (lock, read) {
            // What a probe writes does not depend on what it reads, and mostly it writes nothing.
            (_, Read::Written | Read::Probe) => Ok(()),
            (Lock::FromRead, _) => self.lock().await,
            // One statement reads one state by itself.
            (Lock::ForWrite, Read::Profiles(_)) => Ok(()),
            (Lock::ForWrite, _) => self.hold_state().await,
        }
    }
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

/// Tries once, for the request with this id. `again`: the message was tried before.
pub(crate) async fn attempt(request_id: &str, message: &[u8], lock: Lock, again: bool) -> Tried {
    let opened =
        edge(|edge| if again { drive::open_again(edge, message) } else { drive::open(edge, message) });
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(response) => return Tried::Answered(response),
    };
    match fold(request_id, &mut opened, lock).await {
        Ok(tried) => tried,
        Err(failure) => {
            log::line(request_id, &Line::with_detail(STORAGE_FAILED, failure.0));
            Tried::Answered(edge(|edge| drive::unavailable(edge, message)))
        }
    }
}

/// Reads what an open message needs, folds it, and stores the result.
async fn fold(request_id: &str, opened: &mut Opened, lock: Lock) -> Result<Tried, StoreFailure> {
    let mut session = Session::open().await?;
    let mut is_staged = false;
    loop {
        let (basis, found) = match &opened.read {
            Some(read) => {
                session.begin_read(lock, read).await?;
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
            // There is one shard, so that nobody else is asked.
            Folded::OpenAgain | Folded::Ask(_) | Folded::ControlPlane => {
                session.roll_back().await;
                return Ok(Tried::Conflict);
            }
            Folded::Part(write) if write.is_empty() => continue,
            Folded::Part(write) => match session.stage(&basis, &write).await {
                Ok(()) => {
                    is_staged = true;
                    continue;
                }
                Err(CommitError::Conflict) => {
                    session.roll_back().await;
                    return Ok(Tried::Conflict);
                }
                Err(CommitError::Failed(failure)) => return Err(failure),
            },
            Folded::Done(outcome) => outcome,
        };
        let stored = if outcome.is_refused() || (outcome.write.is_empty() && !is_staged) {
            session.roll_back().await;
            Ok(())
        } else {
            session.commit(&basis, &outcome.write).await
        };
        return match stored {
            Ok(()) => {
                outcome.log.iter().for_each(|line| log::line(request_id, line));
                Ok(Tried::Answered(outcome.response))
            }
            Err(CommitError::Conflict) => Ok(Tried::Conflict),
            Err(CommitError::Failed(failure)) => Err(failure),
        };
    }
}

/// Makes the numbers of an audience's bundles continue above one that wrote profiles.
pub(crate) async fn raise(audience: &str, above: u64) {
    let message = edge(|edge| message::raise(audience, above, edge.form()));
    for _ in 0..COMMITS_MAX {
        // This message needs no bundle.
        if let Tried::Answered(_) | Tried::Behind { .. } = attempt("", &message, Lock::FromRead, false).await
        {
            return;
        }
    }
}
