//! Releases: which bundle an audience runs; publishing, rolling back, listing.
//!
//! Numbers only rise. A rollback publishes an earlier bundle again under the next number: a writer refuses to write
//! with a bundle older than the one that last wrote a profile, and that order must hold.

mod list;

use list::{signed, unknown};

use crate::bundle::{Bundle, hash_of, is_too_new};
use crate::error::Refusal;
use crate::form::Form;
use crate::limits::{BUNDLES_KEPT, KEY_TAG_DIGITS};
use crate::log::Line;
use crate::message::{NO_BUNDLE, OF_AUDIENCE, Publish, REVOKED, Revoke, Rollback, ToControl};
use crate::outcome::{Folded, Outcome};
use crate::plane::HAS_CONTROL_PLANE;
use crate::store::{ControlRead, Found, Published, Read, Release, Write};
use crate::wire::json::Json;
use crate::wire::{Response, entity_tag};

/// A header of the control object's answer that only the host reads: the hashes of bodies that are no longer needed,
/// separated by commas.
pub const DROPPED: &str = "usher-dropped";

/// A header of the control object's answer with the form that is written there.
const FORM: &str = "usher-form";

/// The work that remains after the history was read.
#[derive(Debug)]
pub(crate) enum Work {
    Pointers,
    Bundle,
    Publish(Publish),
    Rollback(Rollback),
    Releases { here: u64 },
    Revoke(Revoke),
    Release,
    Raise { audience: String, above: u64, lost: Option<String> },
}

/// Determines the read that a message needs.
pub(crate) fn open(message: ToControl) -> (Read, Work) {
    match message {
        ToControl::Pointers => (Read::Pointers, Work::Pointers),
        ToControl::Bundle { hash } => (Read::Bundle { hash }, Work::Bundle),
        // The control API's own room opens them.
        ToControl::Api(_) => (Read::Pointers, Work::Pointers),
        ToControl::Publish(publish) => {
            let audience = publish.audience.clone();
            (Read::Control(ControlRead { audience, ..ControlRead::default() }), Work::Publish(publish))
        }
        ToControl::Rollback(rollback) => {
            let (audience, which) = (rollback.audience.clone(), rollback.which.clone());
            (Read::Release { audience, which }, Work::Rollback(rollback))
        }
        ToControl::Releases { audience, here } => (Read::Releases { audience }, Work::Releases { here }),
        ToControl::Revoke(revoke) => {
            (Read::Releases { audience: [REVOKED, &revoke.sha256].concat() }, Work::Revoke(revoke))
        }
        ToControl::Release { audience, which } => (Read::Release { audience, which }, Work::Release),
        ToControl::Raise { audience, above, lost } => {
            (Read::Releases { audience: audience.clone() }, Work::Raise { audience, above, lost })
        }
    }
}

/// Decides a message, given the result of its read. `form` is the one to write.
pub(crate) fn fold(work: &Work, found: Found, form: Form) -> Folded {
    match (work, found) {
        (Work::Pointers, Found::Pointers(pointers)) => with_form(Outcome::of_pointers(&pointers), form),
        (Work::Bundle, Found::Bundle(body)) => list::bundle(body),
        _ if !HAS_CONTROL_PLANE => Outcome::of(Response::refused(Refusal::INTERNAL)),
        (Work::Publish(message), Found::Control(found)) => {
            let base = found.state.as_ref().and_then(|row| row.base);
            publish(message, &found.releases, base)
        }
        (Work::Rollback(message), Found::Release { releases, wanted }) => {
            roll_back(message, &releases, wanted)
        }
        (Work::Releases { here }, Found::Releases(releases)) => list::releases(&releases, *here),
        (Work::Revoke(message), Found::Releases(releases)) => revoke(message, &releases),
        (Work::Release, Found::Release { wanted, .. }) => list::release(wanted),
        (Work::Raise { audience, above, lost }, Found::Releases(releases)) => {
            raise(audience, *above, lost.as_deref(), &releases)
        }
        _ => Outcome::of(Response::refused(Refusal::INTERNAL)),
    }
}

/// Adds the form that is written here, for a front that asks for the pointers.
fn with_form(mut folded: Folded, form: Form) -> Folded {
    if let Folded::Done(outcome) = &mut folded {
        outcome.response.headers.push((FORM, form.number().to_string()));
    }
    folded
}

/// The answer when storage fails, before or after the fold.
pub(crate) fn unavailable(work: &Work) -> Response {
    match work {
        Work::Pointers | Work::Bundle => Response::refused(Refusal::STORAGE),
        Work::Publish(_)
        | Work::Revoke(_)
        | Work::Rollback(_)
        | Work::Releases { .. }
        | Work::Release
        | Work::Raise { .. } => Response::problem(Refusal::STORAGE, None),
    }
}

/// Makes a bundle the audience's next one, unless the running one differs from the one that the publisher expects.
///
/// `draft` is the number of the bundle from which a draft of the control API began, if there is one: while that bundle
/// runs, the draft is open, and would be set aside.
fn publish(publish: &Publish, releases: &[Release], draft: Option<u64>) -> Folded {
    let running = releases.first();
    let detail = "pull what runs, look at the difference, and push again";
    let open = draft.is_some_and(|base| base == running.map_or(0, |running| running.number));
    let refused = changed(publish.if_match.as_deref(), running, detail)
        .or_else(|| (open && !publish.over_draft).then(|| Response::problem(Refusal::DRAFT_OPEN, None)));
    if let Some(refused) = refused {
        // Its host has already stored a copy where isolates read it.
        let is_kept = releases.iter().any(|known| known.hash == publish.hash);
        return Outcome::of(if is_kept { refused } else { refused.header(DROPPED, publish.hash.clone()) });
    }
    if publish.hash == NO_BUNDLE {
        return take_out(publish, releases);
    }
    if let Some(running) = running.filter(|running| running.hash == publish.hash) {
        // The stored body may be damaged: it is written again, and runs where it did not.
        let (audience, release) = (publish.audience.clone(), running.clone());
        let response = runs(running, false);
        let body = Some(publish.body.clone());
        let published = Published { audience, release, body, forgotten: 0, dropped: Vec::new() };
        let write = Write { bundle: Some(published), ..Write::default() };
        return Outcome { write, response, log: Vec::new() }.done();
    }
    let number = running.map_or(0, |running| running.number) + 1;
    let release = Release { number, hash: publish.hash.clone(), origin: number, at_ms: publish.now_ms };
    run(&publish.audience, release, Some(publish.body.clone()), releases)
}

/// Makes nothing the audience's next bundle: under a number of its own, because numbers only rise.
fn take_out(publish: &Publish, releases: &[Release]) -> Folded {
    let Some(running) = releases.first() else {
        return Outcome::of(Response::problem(Refusal::AUDIENCE_UNKNOWN, None));
    };
    if running.hash == NO_BUNDLE {
        return Outcome::of(runs(running, false));
    }
    let number = running.number + 1;
    let release = Release { number, hash: NO_BUNDLE.to_owned(), origin: number, at_ms: publish.now_ms };
    run(&publish.audience, release, None, releases)
}

/// Makes an earlier bundle the audience's next one.
fn roll_back(rollback: &Rollback, releases: &[Release], wanted: Option<(Release, Vec<u8>)>) -> Folded {
    let Some(running) = releases.first() else {
        return Outcome::of(Response::problem(Refusal::AUDIENCE_UNKNOWN, None));
    };
    let detail = "look at what runs now, and roll back again";
    if let Some(refused) = changed(rollback.if_match.as_deref(), Some(running), detail) {
        return Outcome::of(refused);
    }
    let Some((wanted, body)) = wanted else { return Outcome::of(unknown()) };
    if wanted.hash == running.hash {
        return Outcome::of(runs(running, false));
    }
    // It was checked on publication, but maybe by another build, so it may not run here.
    let fit = if hash_of(&body) == wanted.hash {
        Bundle::plan(&body, &rollback.audience).map(drop)
    } else {
        Err("the stored bundle is damaged".to_owned())
    };
    if is_too_new(&body) {
        return Outcome::of(Response::problem(Refusal::TOO_NEW, None));
    }
    if let Err(reason) = fit {
        return Outcome::of(Response::problem(Refusal::BUNDLE_INVALID, Some(&reason)));
    }
    let release = Release { number: running.number + 1, at_ms: rollback.now_ms, ..wanted };
    run(&rollback.audience, release, Some(body), releases)
}

/// Revokes a key or a program for ever.
fn revoke(message: &Revoke, releases: &[Release]) -> Folded {
    let tag = message.sha256.get(..KEY_TAG_DIGITS).unwrap_or_default();
    let at_ms = releases.first().map_or(message.now_ms, |before| before.at_ms);
    let mut body = Json::new();
    body.object(|o| {
        o.field("tag").text(tag);
        o.field("revoked_ms").number(at_ms);
        o.field("changed").boolean(releases.is_empty());
    });
    let response = Response::json(200, body);
    if !releases.is_empty() {
        return Outcome::of(response);
    }
    let release = Release { number: 1, hash: NO_BUNDLE.to_owned(), origin: 1, at_ms };
    let audience = [REVOKED, &message.sha256].concat();
    let published = Published { audience, release, body: None, forgotten: 0, dropped: Vec::new() };
    let is_program = message.sha256.contains(OF_AUDIENCE);
    let log = vec![Line::with_detail(if is_program { "program_revoked" } else { "key_revoked" }, tag)];
    Outcome { write: Write { bundle: Some(published), ..Write::default() }, response, log }.done()
}

/// Gives what an audience runs a number above one that a shard has seen: the control object was lost, or restored to an
/// earlier time, and numbers only rise.
fn raise(audience: &str, above: u64, lost: Option<&str>, releases: &[Release]) -> Folded {
    let running = match (releases.first(), lost) {
        // It knows again, or always did.
        (Some(running), Some(_)) => return Outcome::of(runs(running, false)),
        (Some(running), None) => running,
        (None, Some(hash)) => {
            let release = Release { number: above, hash: hash.to_owned(), origin: above, at_ms: 0 };
            return run(audience, release, None, releases);
        }
        (None, None) => return Outcome::of(Response::problem(Refusal::AUDIENCE_UNKNOWN, None)),
    };
    if running.number > above {
        return Outcome::of(runs(running, false));
    }
    let number = above.saturating_add(1);
    run(audience, Release { number, ..running.clone() }, None, releases)
}

/// Runs a release under the next number.
fn run(audience: &str, release: Release, body: Option<Vec<u8>>, releases: &[Release]) -> Folded {
    let mut response = runs(&release, true);
    let (published, line) = published(audience, release, body, releases);
    if !published.dropped.is_empty() {
        response = response.header(DROPPED, published.dropped.join(","));
    }
    Outcome { write: Write { bundle: Some(published), ..Write::default() }, response, log: vec![line] }.done()
}

/// A release as it is stored, with a line for the log; the oldest ones over the bound are dropped.
pub(crate) fn published(
    audience: &str,
    release: Release,
    body: Option<Vec<u8>>,
    releases: &[Release],
) -> (Published, Line) {
    // One place is for the new one. Numbers may have gaps.
    let kept = usize::try_from(BUNDLES_KEPT).unwrap_or(usize::MAX);
    let forgotten = releases.get(kept.saturating_sub(1)).map_or(0, |first_forgotten| first_forgotten.number);
    let is_kept = |hash: &str| {
        hash == release.hash || releases.iter().any(|known| known.number > forgotten && known.hash == hash)
    };
    let mut dropped: Vec<String> = Vec::new();
    for old in releases.iter().filter(|old| !is_kept(&old.hash)) {
        if !dropped.contains(&old.hash) {
            dropped.push(old.hash.clone());
        }
    }
    let said = format!("audience {audience} number {}", release.number);
    let line = if release.hash == NO_BUNDLE {
        Line::with_detail("audience_taken_out", &said)
    } else if body.is_none() {
        Line::with_detail("bundle_renumbered", &said)
    } else if release.origin == release.number {
        Line::with_detail("bundle_published", &said)
    } else {
        Line::with_detail("bundle_rolled_back", format!("{said} restores {}", release.origin))
    };
    (Published { audience: audience.to_owned(), release, body, forgotten, dropped }, line)
}

/// The answer with the running release, and whether it changed.
fn runs(release: &Release, changed: bool) -> Response {
    let mut body = Json::new();
    body.object(|o| {
        o.field("status").text("ok");
        o.field("number").number(signed(release.number));
        o.field("hash").text(&release.hash);
        o.field("changed").boolean(changed);
        if release.origin != release.number {
            o.field("restores").number(signed(release.origin));
        }
    });
    Response::json(200, body).header("etag", format!("\"{}\"", release.hash))
}

/// The refusal, if the running release is not one that the caller expects.
fn changed(if_match: Option<&str>, running: Option<&Release>, detail: &str) -> Option<Response> {
    let hash = running.map(|running| running.hash.as_str()).filter(|hash| *hash != NO_BUNDLE);
    let differs = if_match.is_some_and(|condition| !entity_tag::allows(condition, hash));
    differs.then(|| Response::problem(Refusal::BUNDLE_CHANGED, Some(detail)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Ambient;
    use crate::store::memory::MemoryStore;
    use crate::store::{Basis, Store};
    use crate::{Edge, Request, serve};

    fn admin() -> Edge {
        // The key is `key`.
        let key = crate::wire::hex::hex(&<sha2::Sha256 as sha2::Digest>::digest(b"key"));
        let secret = format!(
            "{{\"signing_key\":\"{}\",\"keys\":[{{\"kind\":\"admin\",\"audience\":\"*\",\"sha256\":\"{key}\"}}]}}",
            "07".repeat(32)
        );
        Edge::new(Some(&secret), false)
    }

    fn ask(
        edge: &mut Edge,
        store: &mut MemoryStore,
        method: &str,
        target: &str,
        body: &str,
    ) -> (u16, String) {
        let headers = [("authorization".to_owned(), "TD1 key".to_owned())];
        let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
        let request = Request { method, target, headers: &headers, body: body.as_bytes(), ambient };
        let response = serve(edge, store, &request, &mut |_| {});
        assert!(response.headers.iter().all(|(name, _)| *name != DROPPED));
        (response.status, String::from_utf8(response.body).unwrap())
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        let (mut edge, mut store) = (admin(), MemoryStore::default());
        let bundle = |name: u64| {
            format!("{{\"format\":2,\"definition\":{{\"audience\":{{\"id\":\"7\",\"name\":\"{name}\"}}}}}}")
        };
        for number in 1..=BUNDLES_KEPT + 5 {
            let put = ask(&mut edge, &mut store, "PUT", "/v1/audiences/7/bundle", &bundle(number));
            assert_eq!(put.0, 200, "{}", put.1);
        }
        let body_of = |store: &mut MemoryStore, number: u64| {
            let hash = hash_of(bundle(number).as_bytes());
            matches!(store.read(&Read::Bundle { hash }), Ok(Found::Bundle(Some(_))))
        };
        for number in 1..=BUNDLES_KEPT + 5 {
            assert_eq!(body_of(&mut store, number), number > 5, "{number}");
            let kept = ask(&mut edge, &mut store, "GET", &format!("/v1/audiences/7/bundles/{number}"), "");
            assert_eq!(kept.0, if number > 5 { 200 } else { 404 }, "{}", kept.1);
        }
        // A restored bundle stays, whatever happens to its earlier number.
        let (status, answer) =
            ask(&mut edge, &mut store, "POST", "/v1/audiences/7/rollback", "{\"number\": 6}");
        assert!(
            status == 200 && answer.contains("\"number\":26") && answer.contains("\"restores\":6"),
            "{answer}"
        );
        assert!(body_of(&mut store, 6));
        let (_, listed) = ask(&mut edge, &mut store, "GET", "/v1/audiences/7/bundles", "");
        assert_eq!(listed.matches("\"hash\"").count(), usize::try_from(BUNDLES_KEPT).unwrap());
        let (_, running) = ask(&mut edge, &mut store, "GET", "/v1/audiences/7/bundle", "");
        assert_eq!(running, bundle(6));
        // No earlier bundle is stored.
        assert_eq!(ask(&mut edge, &mut store, "POST", "/v1/audiences/7/rollback", "").0, 404);
    }

    #[test]
    fn what_needs_a_newer_form_is_refused_until_that_is_written() {
        let (mut edge, mut store) = (admin(), MemoryStore::default());
        let bundle =
            |more: &str| format!("{{\"format\":3,\"definition\":{{\"audience\":{{\"id\":\"7\"}}{more}}}}}");
        let put = |edge: &mut Edge, store: &mut MemoryStore, body: &str| {
            ask(edge, store, "PUT", "/v1/audiences/7/bundle", body)
        };
        let newer = bundle(",\"event_id_column\":\"order\"");
        edge.set_form("1");
        let (status, answer) = put(&mut edge, &mut store, &newer);
        assert!(status == 409 && answer.contains("event_id_column needs form 2"), "{answer}");
        assert!(answer.contains("usher serve --form 2"), "{answer}");
        assert_eq!(put(&mut edge, &mut store, &bundle("")).0, 200);
        edge.set_form("2");
        assert_eq!(put(&mut edge, &mut store, &newer).0, 200);
        // A setting that this build does not know leaves the edge unconfigured.
        edge.set_form("3");
        assert_eq!(put(&mut edge, &mut store, &newer).0, 503);
        assert_eq!(edge.complaint(), Some("USHER_FORM: this build writes forms 1 and 2"));
    }

    #[test]
    fn a_bundle_of_a_newer_build_is_too_new_and_not_damaged() {
        let mut edge = admin();
        let body = b"{\"format\":4,\"new\":{}}".to_vec();
        let pointer = crate::store::Pointer { audience: "7".to_owned(), number: 1, hash: hash_of(&body) };
        assert!(edge.install(&pointer, body.clone()).is_err());
        assert_eq!(edge.running_or_refuse("7").map(drop), Err(Refusal::TOO_NEW));
        let release = |number, hash: String| Release { number, hash, origin: number, at_ms: 5 };
        let (audience, which) = ("7".to_owned(), crate::message::WhichRelease::Previous);
        let message = Rollback { audience, which, if_match: None, now_ms: 5 };
        let wanted = Some((release(1, pointer.hash), body));
        let Folded::Done(outcome) = roll_back(&message, &[release(2, "runs".to_owned())], wanted) else {
            panic!("it is decided")
        };
        let answer = String::from_utf8(outcome.response.body).unwrap();
        assert!(outcome.response.status == 503 && answer.contains("newer build"), "{answer}");
    }

    #[test]
    fn only_a_rollback_is_logged_as_one() {
        let release = |number, origin| Release { number, hash: "h".to_owned(), origin, at_ms: 5 };
        let logged = |release| match run("7", release, Some(Vec::new()), &[]) {
            Folded::Done(outcome) => outcome.log.iter().map(|line| line.record().to_json()).collect(),
            Folded::NeedsNewerBundle { .. }
            | Folded::OpenAgain
            | Folded::Part(_)
            | Folded::Ask(_)
            | Folded::ControlPlane => String::new(),
        };
        let (put, back) = (logged(release(2, 2)), logged(release(3, 1)));
        assert!(put.contains("bundle_published") && !put.contains("restores"), "{put}");
        assert!(back.contains("bundle_rolled_back") && back.contains("number 3 restores 1"), "{back}");
    }

    #[test]
    fn the_copy_of_what_was_refused_goes() {
        let release = |hash: &str| Release { number: 1, hash: hash.to_owned(), origin: 1, at_ms: 5 };
        let kept = [release("runs"), release("before")];
        let dropped = |hash: &str, if_match: &str| {
            let (audience, if_match) = ("7".to_owned(), Some(if_match.to_owned()));
            let (hash, body) = (hash.to_owned(), Vec::new());
            let message = Publish { audience, hash, if_match, now_ms: 5, over_draft: false, body };
            let Folded::Done(outcome) = publish(&message, &kept, None) else { panic!("it is decided") };
            let headers = outcome.response.headers;
            (
                outcome.response.status,
                headers.into_iter().find(|(name, _)| *name == DROPPED).map(|(_, answer)| answer),
            )
        };
        assert_eq!(dropped("new", "another"), (412, Some("new".to_owned())));
        assert_eq!(dropped("before", "another"), (412, None));
        assert_eq!(dropped("runs", "another"), (412, None));
        assert_eq!(dropped("new", "runs"), (200, None));
    }

    #[test]
    fn a_body_that_is_damaged_does_not_run_again() {
        let (mut edge, mut store) = (admin(), MemoryStore::default());
        let bundle = |name: &str| {
            format!("{{\"format\":2,\"definition\":{{\"audience\":{{\"id\":\"7\",\"name\":\"{name}\"}}}}}}")
        };
        for name in ["a", "b"] {
            ask(&mut edge, &mut store, "PUT", "/v1/audiences/7/bundle", &bundle(name));
        }
        let release = Release { number: 1, hash: hash_of(bundle("a").as_bytes()), origin: 1, at_ms: 5 };
        let damaged = Published {
            audience: "elsewhere".to_owned(),
            release,
            body: Some(b"{}".to_vec()),
            forgotten: 0,
            dropped: Vec::new(),
        };
        store.commit(&Basis::default(), &Write { bundle: Some(damaged), ..Write::default() }).unwrap();
        let (status, answer) = ask(&mut edge, &mut store, "POST", "/v1/audiences/7/rollback", "");
        assert!(status == 422 && answer.contains("damaged"), "{answer}");
        assert_eq!(ask(&mut edge, &mut store, "GET", "/v1/audiences/7/bundle", "").1, bundle("b"));
    }
}
