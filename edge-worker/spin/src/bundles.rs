//! Installs the bundles that other instances publish, as `usher_edge::refresh` does for hosts with synchronous storage.

use usher_edge::Edge;
use usher_edge::message::WhichRelease;
use usher_edge::store::{Found, Pointer, Read, StoreFailure};

use crate::attempt::raise;
use crate::database::Session;
use crate::edge::edge;
use crate::{copies, log};

/// Installs the bundles that the database points to. If one does not compile, the last good one keeps running.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn refresh() -> Result<(), StoreFailure> {
    let session = Session::open().await?;
    // Another build may have switched the form since.
    if !session.meet_form().await? {
        return Ok(());
    }
    let mut pointers = pointers(&session, &Read::Pointers).await?;
    let mut written = Vec::new();
    if edge(|edge| edge.doubts(&pointers)) {
        written = self::pointers(&session, &Read::Written).await?;
        let overtaken = Edge::overtaken(&pointers, &written);
        for (audience, above) in &overtaken {
            raise(audience, *above).await;
        }
        if !overtaken.is_empty() {
            pointers = self::pointers(&session, &Read::Pointers).await?;
        }
    }
    for pointer in edge(|edge| edge.update_pointers(pointers, written)) {
        if let Err(reason) = install(&session, &pointer).await? {
            log::event("degraded", &reason);
            stand_in(&session, &pointer).await?;
        }
    }
    Ok(())
}

async fn pointers(session: &Session, read: &Read) -> Result<Vec<Pointer>, StoreFailure> {
    match session.read(read).await? {
        Found::Pointers(pointers) => Ok(pointers),
        _ => Ok(Vec::new()),
    }
}

/// Installs a bundle from its copy, or from the database; the inner error is the reason why it does not run.
async fn install(session: &Session, pointer: &Pointer) -> Result<Result<(), String>, StoreFailure> {
    let run = |body| edge(|edge| edge.install(pointer, body).map(drop));
    if let Some(copy) = copies::get(&pointer.hash).await
        && run(copy).is_ok()
    {
        return Ok(Ok(()));
    }
    let Found::Bundle(Some(body)) = session.read(&Read::Bundle { hash: pointer.hash.clone() }).await? else {
        return Ok(run(Vec::new()));
    };
    let installed = run(body.clone());
    if installed.is_ok() {
        copies::put(&pointer.hash, &body).await;
    }
    Ok(installed)
}

/// Runs the newest bundle of the history that compiles, if the audience runs none.
async fn stand_in(session: &Session, pointer: &Pointer) -> Result<(), StoreFailure> {
    let mut before = pointer.number;
    loop {
        let read = Read::Release { audience: pointer.audience.clone(), which: WhichRelease::Before(before) };
        let Found::Release { wanted: Some((release, body)), .. } = session.read(&read).await? else {
            return Ok(());
        };
        before = release.number;
        match edge(|edge| edge.stand_in(pointer, &release.hash, body)) {
            Ok(()) => return Ok(()),
            Err(reason) => log::event("degraded", &format!("bundle {before} of the history: {reason}")),
        }
    }
}
