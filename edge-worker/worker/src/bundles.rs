//! Installs the bundles that the control object points to, as `usher_edge::refresh` does for hosts with synchronous storage.

use std::cell::Cell;

use js_sys::Date;
use usher_edge::message::Route;
use usher_edge::store::Pointer;
use usher_edge::wire::frame::FrameReader;
use usher_edge::{Edge, message};
use worker::{Context, Env, Error, Result};

use crate::edge::{configure, edge};
use crate::installing::{guarded, trapped};
use crate::limits::{KEYS_MS, POINTERS_MS};
use crate::log;
use crate::objects::{control, copy, quiet, send, writer};
use crate::patience::patiently;

thread_local! {
    /// The last time that the pointers were read, in Unix milliseconds; None: never.
    static CHECKED: Cell<Option<f64>> = const { Cell::new(None) };
}

/// Catches up when it is due; waits only when nothing is known yet, or nothing was read for long.
pub(crate) async fn catch_up(env: &Env, context: &Context) {
    configure(env);
    match CHECKED.get() {
        // Every request asks by itself: one that waited for another's would wait forever if that other was canceled.
        None => refresh(env).await,
        Some(checked) if Date::now() - checked < POINTERS_MS => {}
        Some(checked) => {
            let is_old = Date::now() - checked >= KEYS_MS;
            CHECKED.set(Some(Date::now()));
            // Where the control object does not answer, the last keys hold.
            if !is_old || patiently(refresh(env)).await.is_none() {
                let env = env.clone();
                context.wait_until(async move { refresh(&env).await });
            }
        }
    }
}

/// Installs the bundles that the control object points to. On any failure the last good bundle keeps running.
pub(crate) async fn refresh(env: &Env) {
    match install_all(env).await {
        Ok(()) => {
            CHECKED.set(Some(Date::now()));
            edge(|edge| edge.set_fault("", None, false));
        }
        Err(error) => {
            log::fault("", "refresh_failed", &error.to_string());
            edge(|edge| edge.set_fault("", Some("the control object does not answer"), false));
        }
    }
}

async fn install_all(env: &Env) -> Result<()> {
    let asked = edge(|edge| message::pointers(edge.form()));
    let mut pointers = read_pointers(env, &asked).await?;
    let mut written = Vec::new();
    if edge(|edge| edge.doubts(&pointers)) {
        let question = edge(|edge| message::written(Route::ONLY, edge.form()));
        // There is one shard.
        let mut answer = succeeded(send(writer(env, 0), &question, "").await?)?;
        written = decoded(&answer.bytes().await?)?;
        let overtaken = Edge::overtaken(&pointers, &written);
        for (audience, above) in &overtaken {
            raise(env, audience, *above).await;
        }
        if !overtaken.is_empty() {
            pointers = read_pointers(env, &asked).await?;
        }
    }
    for pointer in edge(|edge| edge.update_pointers(pointers, written)) {
        if let Err(reason) = caught_up(env, &pointer).await {
            log::fault("", "degraded", &reason);
            // The others catch up without it.
            quiet("", "degraded", stand_in(env, &pointer).await);
            edge(|edge| {
                let is_too_new = edge.is_too_new(&pointer.audience);
                edge.set_fault(&pointer.audience, Some(&reason), is_too_new);
            });
        }
    }
    Ok(())
}

/// Makes the numbers of an audience's bundles continue above one that wrote profiles.
pub(crate) async fn raise(env: &Env, audience: &str, above: u64) {
    let message = edge(|edge| message::raise(audience, above, edge.form()));
    quiet("", "storage_unavailable", send(control(env), &message, "").await);
}

async fn read_pointers(env: &Env, message: &[u8]) -> Result<Vec<Pointer>> {
    let mut answer = succeeded(send(control(env), message, "").await?)?;
    if let Some(form) = answer.headers().get("usher-form")?.and_then(|form| form.parse().ok()) {
        edge(|edge| edge.meet_form(form));
    }
    decoded(&answer.bytes().await?)
}

fn succeeded(answer: worker::Response) -> Result<worker::Response> {
    match answer.status_code() {
        200 => Ok(answer),
        status => Err(Error::RustError(format!("an object answered {status}"))),
    }
}

fn decoded(frame: &[u8]) -> Result<Vec<Pointer>> {
    FrameReader(frame)
        .list(Pointer::read)
        .ok_or_else(|| Error::RustError("the pointers are unreadable".to_owned()))
}

/// Installs a bundle from its copy, or from the control object; the error is the reason why it does not run.
async fn caught_up(env: &Env, pointer: &Pointer) -> std::result::Result<(), String> {
    if trapped(&pointer.hash) {
        return Err(stopped(pointer));
    }
    if let Some(copy) = copy(env, &format!("bundle/{}", pointer.hash), "").await
        && install(pointer, copy).is_ok()
    {
        return Ok(());
    }
    let question = edge(|edge| message::bundle(&pointer.hash, edge.form()));
    let body = async { succeeded(send(control(env), &question, "").await?)?.bytes().await };
    // An empty body is refused by its hash.
    install(pointer, quiet("", "storage_unavailable", body.await).unwrap_or_default())
}

fn install(pointer: &Pointer, body: Vec<u8>) -> std::result::Result<(), String> {
    guarded(&pointer.hash, || {
        fault(&body);
        edge(|edge| edge.install(pointer, body).map(drop))
    })
}

/// Runs the newest bundle of the history that compiles, if the audience runs none.
async fn stand_in(env: &Env, pointer: &Pointer) -> Result<()> {
    let mut before = pointer.number;
    loop {
        let question = edge(|edge| message::earlier_bundle(&pointer.audience, before, edge.form()));
        let mut answer = send(control(env), &question, "").await?;
        if answer.status_code() != 200 {
            return Ok(());
        }
        let header = |name| answer.headers().get(name).map(Option::unwrap_or_default);
        let hash = header("etag")?.trim_matches('"').to_owned();
        let Ok(number) = header("usher-bundle")?.parse() else { return Ok(()) };
        before = number;
        let body = answer.bytes().await?;
        if trapped(&hash) {
            continue;
        }
        match guarded(&hash, || edge(|edge| edge.stand_in(pointer, &hash, body))) {
            Ok(()) => return Ok(()),
            Err(reason) => log::fault("", "degraded", &format!("bundle {before} of the history: {reason}")),
        }
    }
}

fn stopped(Pointer { audience, number, .. }: &Pointer) -> String {
    format!("bundle {number} of audience {audience} stopped the engine")
}

/// In a fault build a bundle with `x-usher-fault: install` traps on installation, although it was published.
#[cfg(feature = "fault")]
#[expect(clippy::panic, reason = "it is what a fault build is for")]
fn fault(body: &[u8]) {
    if String::from_utf8_lossy(body).contains("x-usher-fault: install") {
        panic!("asked for by what was sent");
    }
}

#[cfg(not(feature = "fault"))]
fn fault(_: &[u8]) {}
