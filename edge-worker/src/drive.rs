//! The steps of a message, and the loop that hosts with synchronous storage run.
//!
//! Each message has one recipient: the writer for profiles, releases for bundles. Hosts with asynchronous storage call
//! [`open`] and [`fold`] themselves.

use usher_engine::planted::{self, Bug};

use crate::control;
use crate::edge::Edge;
use crate::error::Refusal;
use crate::front;
use crate::host::{Request, Step};
use crate::limits::{COMMITS_MAX, UPKEEP_MS};
use crate::log::{DAMAGED_PROFILE, DEGRADED, Line, SHARD_RESTORED, STORAGE_FAILED};
use crate::lookup::{self, Candidate};
use crate::message::{self, Ambient, Message, Received, Route, ToControl, Unreadable, WhichRelease};
use crate::outcome::{Answered, FORGET, Folded, NEXT, Outcome, PLACEMENT_FAULT};
use crate::plane::{DECIDES, HAS_CONTROL_PLANE};
use crate::releases::{self, DROPPED};
use crate::store::{Basis, CommitError, Found, Pointer, Read, Store, StoreFailure, Write};
use crate::wire::Response;
use crate::writer;

/// Runs one request to its end on synchronous storage. One store holds profiles, pointers and bundles.
///
/// # Examples
///
/// In the example of the [crate](crate#examples).
pub fn serve(
    edge: &mut Edge,
    store: &mut impl Store,
    request: &Request<'_>,
    log: &mut impl FnMut(&Line),
) -> Response {
    if edge.is_cut_off() {
        refresh(edge, store, log);
    }
    let step = front::handle(edge, request);
    finish(edge, store, request, step, log)
}

/// Runs a request from its next step to its end on synchronous storage, for hosts that look at the step before.
pub fn finish(
    edge: &mut Edge,
    store: &mut impl Store,
    request: &Request<'_>,
    step: Step,
    log: &mut impl FnMut(&Line),
) -> Response {
    match step {
        Step::Respond(response) => front::charge(edge, &request.head(), response),
        Step::Write { message, .. } => write(edge, store, &message, log),
        // One store is one shard.
        Step::Split(_) => front::failed(edge, &request.head(), Refusal::INTERNAL),
        Step::Publish { message, restore, .. } => {
            if let Some(restore) = restore {
                deliver(edge, store, &restore, log);
            }
            instruct(edge, store, &message, log)
        }
        Step::Control { message } => instruct(edge, store, &message, log),
        Step::LookUp(pending) => {
            if let Err(refused) = lookup::meter(edge, &pending) {
                return refused;
            }
            let snapshot = deliver(edge, store, &pending.message(edge), log);
            let candidate =
                if snapshot.status == 200 { Candidate::Writer(&snapshot.body) } else { Candidate::Nothing };
            let answer = lookup::answer(edge, &pending, candidate, i64::MIN)
                .unwrap_or_else(|| front::failed(edge, &request.head(), Refusal::STORAGE));
            if let Some((_, message)) = &pending.later {
                deliver(edge, store, message, log);
            }
            answer
        }
        // Builds without the control plane are for hosts that run the steps themselves.
        Step::ControlPlane => front::failed(edge, &request.head(), Refusal::INTERNAL),
    }
}

/// Takes the message of a [`Step::Write`] through read, fold and write. Where its write turns out later not to be durable,
/// because the store commits several together, [`unavailable`] is the answer instead.
pub fn write(
    edge: &mut Edge,
    store: &mut impl Store,
    message: &[u8],
    log: &mut impl FnMut(&Line),
) -> Response {
    let mut response = deliver(edge, store, message, log);
    // There are no copies to be forgotten.
    response.headers.retain(|(name, _)| *name != FORGET && *name != NEXT);
    response
}

/// Runs a turn of upkeep, for hosts that keep no copies of snapshots and have a clock of their own. Returns the time after
/// which the next one is due, in milliseconds.
pub fn upkeep(edge: &mut Edge, store: &mut impl Store, ambient: Ambient, log: &mut impl FnMut(&Line)) -> i64 {
    let message = message::upkeep(ambient, false, Route::ONLY, edge.form());
    let response = deliver(edge, store, &message, log);
    let next = response.headers.iter().find(|(name, _)| *name == NEXT);
    next.and_then(|(_, next_ms)| next_ms.parse().ok()).unwrap_or(UPKEEP_MS)
}

/// Publishes the draft of the control API that was due first, for hosts with a timer. True: there was one, and maybe there is
/// another.
pub fn publish_due(
    edge: &mut Edge,
    store: &mut impl Store,
    ambient: Ambient,
    log: &mut impl FnMut(&Line),
) -> bool {
    let response = deliver(edge, store, &message::due_draft(ambient, edge.form()), log);
    let had_one = response.headers.iter().any(|(name, _)| *name == NEXT);
    if had_one {
        refresh(edge, store, log);
    }
    had_one
}

/// Takes a message to the control object, and catches up with it.
fn instruct(
    edge: &mut Edge,
    store: &mut impl Store,
    message: &[u8],
    log: &mut impl FnMut(&Line),
) -> Response {
    let mut response = deliver(edge, store, message, log);
    // There are no copies to be dropped.
    response.headers.retain(|(name, _)| *name != DROPPED && *name != NEXT);
    // This process runs the new bundle at once; others find it by its pointer.
    refresh(edge, store, log);
    response
}

/// Catches up with the control object: what it points to runs here, or the last good one still does. Where storage fails, the
/// edge notes that it may be behind, and [`serve`] tries again with the next request.
///
/// # Examples
///
/// A process that starts beside storage that has bundles:
///
/// ```
/// use usher_edge::store::memory::MemoryStore;
/// use usher_edge::{Edge, refresh};
///
/// let (mut edge, mut store) = (Edge::new(None, false), MemoryStore::default());
/// let mut lines = Vec::new();
/// refresh(&mut edge, &mut store, &mut |line| lines.push(line.clone()));
/// // Nothing runs there yet, which is no failure.
/// assert_eq!(lines, []);
/// ```
pub fn refresh(edge: &mut Edge, store: &mut impl Store, log: &mut impl FnMut(&Line)) {
    // This build cannot read pointers that a newer one wrote.
    if edge.storage_is_too_new() {
        return;
    }
    let caught_up = catch_up(edge, store, log);
    if let Err(failure) = &caught_up {
        log(&failed(failure));
    }
    edge.set_fault("", caught_up.err().map(|_| "storage does not answer"), false);
}

fn catch_up(
    edge: &mut Edge,
    store: &mut impl Store,
    log: &mut impl FnMut(&Line),
) -> Result<(), StoreFailure> {
    let mut pointers = read_pointers(store, &Read::Pointers)?;
    let mut written = Vec::new();
    if edge.doubts(&pointers) {
        written = read_pointers(store, &Read::Written)?;
        let overtaken = Edge::overtaken(&pointers, &written);
        for (audience, above) in &overtaken {
            deliver(edge, store, &message::raise(audience, *above, edge.form()), log);
        }
        if !overtaken.is_empty() {
            pointers = read_pointers(store, &Read::Pointers)?;
        }
    }
    let mut caught_up = Ok(());
    for pointer in edge.update_pointers(pointers, written) {
        let body = match store.read(&Read::Bundle { hash: pointer.hash.clone() }) {
            Ok(Found::Bundle(Some(body))) => body,
            Ok(_) => Vec::new(),
            // Other audiences may still catch up.
            Err(failure) => {
                caught_up = Err(failure);
                continue;
            }
        };
        if let Err(reason) = edge.install(&pointer, body) {
            log(&Line::with_detail(DEGRADED, reason));
            stand_in(edge, store, &pointer, log);
        }
    }
    caught_up
}

fn read_pointers(store: &mut impl Store, read: &Read) -> Result<Vec<Pointer>, StoreFailure> {
    match store.read(read)? {
        Found::Pointers(pointers) => Ok(pointers),
        // As if nothing ran would take every audience out.
        _ => Err(StoreFailure("storage answered another question".to_owned())),
    }
}

/// Runs the newest bundle of the history that compiles, where an audience runs none.
fn stand_in(edge: &mut Edge, store: &mut impl Store, pointer: &Pointer, log: &mut impl FnMut(&Line)) {
    let mut before = pointer.number;
    loop {
        let read = Read::Release { audience: pointer.audience.clone(), which: WhichRelease::Before(before) };
        match store.read(&read) {
            Ok(Found::Release { wanted: Some((release, body)), .. }) => {
                before = release.number;
                match edge.stand_in(pointer, &release.hash, body) {
                    Ok(()) => return,
                    Err(reason) => {
                        log(&Line::with_detail(DEGRADED, format!("bundle {before} of the history: {reason}")))
                    }
                }
            }
            Ok(_) => return,
            Err(failure) => return log(&failed(&failure)),
        }
    }
}

fn failed(failure: &StoreFailure) -> Line {
    Line::with_detail(STORAGE_FAILED, failure.to_string())
}

/// A message whose read is pending.
#[derive(Debug)]
pub struct Opened {
    /// The read that it needs, or that its next part needs; None: nothing is needed.
    pub read: Option<Read>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Writer(writer::Work),
    Control(releases::Work),
    Api(Box<control::Work>),
    /// A newer build sent it, or wrote the stored data; or it was routed by another number of shards. Holds the line for
    /// the log.
    Refused(&'static str, Refusal),
}

impl Opened {
    /// The answer when storage fails, before or after the fold.
    pub fn unavailable(&self) -> Response {
        match &self.work {
            Work::Writer(work) => writer::unavailable(work),
            Work::Control(work) => releases::unavailable(work),
            Work::Api(_) if HAS_CONTROL_PLANE => control::unavailable(),
            Work::Api(_) => Response::refused(Refusal::STORAGE),
            Work::Refused(_, refusal) => Response::refused(*refusal),
        }
    }
}

/// True if this build has no control plane and the message is for it: a build with one opens it.
pub fn needs_control_plane(edge: &Edge, message: &[u8]) -> bool {
    // Data of a newer build are refused here, for whichever message.
    !HAS_CONTROL_PLANE && !edge.storage_is_too_new() && message::is_of_control_plane(message)
}

/// Determines the read that a message needs. A message of many profiles has several, one after the other.
///
/// # Errors
///
/// The answer to a message that is refused at once.
///
/// # Examples
///
/// One message through read, fold and write, on any storage:
///
/// ```
/// # use usher_edge::store::memory::MemoryStore;
/// # use usher_edge::{Ambient, Edge, Request, Step, serve};
/// # // The SHA-256 of the keys `admin`, `write` and `server`.
/// # let admin = "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918";
/// # let write = "10fd874b68dad080ed706762c8e163dabb20514bddae38fb159c56f714a3b143";
/// # let server = "b3eacd33433b31b5252351032c9b3e7a2e7aa7738d5decdf0dd6c62680853c06";
/// # let secret = format!(
/// #     r#"{{"signing_key": "{}", "keys": [{{"kind": "admin", "audience": "7", "sha256": "{admin}"}},
/// #         {{"kind": "write", "audience": "7", "account": "1", "sha256": "{write}"}},
/// #         {{"kind": "server", "audience": "7", "account": "1", "sha256": "{server}", "scopes": ["personalize"]}}]}}"#,
/// #     "07".repeat(32),
/// # );
/// # let (mut edge, mut store) = (Edge::new(Some(&secret), false), MemoryStore::default());
/// # let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
/// # let with_key = |key: &str| [("authorization".to_owned(), format!("TD1 {key}"))];
/// # let bundle = r#"{"format": 2, "definition": {"audience": {"id": "7"},
/// #     "key_events": [{"name": "view", "table": {"database": "web", "table": "pages"}}],
/// #     "identity": {"keys": [{"name": "visitor"}]},
/// #     "personalizations": [{"name": "home", "choice": "first", "sections": [
/// #         {"name": "Welcome", "criteria": "", "outputs": [{"name": "text", "source": {"constant": "Hello"}}]}]}]}}"#;
/// # let publish = Request { method: "PUT", target: "/v1/audiences/7/bundle", headers: &with_key("admin"), body: bundle.as_bytes(), ambient };
/// # assert_eq!(serve(&mut edge, &mut store, &publish, &mut |_line| ()).status, 200);
/// use usher_edge::store::{Basis, Store};
/// use usher_edge::{Folded, drive, front};
///
/// let body = br#"{"events": [{"visitor": "anna"}]}"#;
/// let request = Request { method: "POST", target: "/web/pages", headers: &with_key("write"), body, ambient };
/// let Step::Write { message, .. } = front::handle(&edge, &request) else { panic!("events are for a writer") };
///
/// let mut opened = drive::open(&mut edge, &message).expect("nothing is wrong with it");
/// let read = opened.read.as_ref().expect("the profile of the key");
/// let found = store.read(read)?;
/// let basis = Basis::of(read, &found);
/// let Folded::Done(outcome) = drive::fold(&mut edge, &mut opened, found) else { panic!("the bundle is the newest") };
/// store.commit(&basis, &outcome.write).expect("there is no other writer");
/// assert_eq!(outcome.response.body, br#"{"receipts":[{"success":true}]}"#);
/// # Ok::<(), usher_edge::store::StoreFailure>(())
/// ```
pub fn open(edge: &mut Edge, message: &[u8]) -> Result<Opened, Response> {
    open_metered(edge, message, false, &[], false)
}

/// The same for a message that was opened before, and is opened again because its commit failed, this writer had to
/// catch up, or another bundle was installed meanwhile: its events are not counted twice.
///
/// # Errors
///
/// The answer to a message that is refused at once.
pub fn open_again(edge: &mut Edge, message: &[u8]) -> Result<Opened, Response> {
    open_metered(edge, message, true, &[], false)
}

/// The same for a message whose fold asked other shards ([`Folded::Ask`]): with all answers so far, of all its folds.
/// `is_last`: the time or the rounds ([`ROUNDS_MAX`](crate::limits::ROUNDS_MAX)) are used up, so that it must be decided.
///
/// # Errors
///
/// The answer to a message that is refused at once.
pub fn open_with(
    edge: &mut Edge,
    message: &[u8],
    answers: &[Answered],
    is_last: bool,
) -> Result<Opened, Response> {
    open_metered(edge, message, true, answers, is_last)
}

/// The message to deliver once more to the same shard when the merges that its commit began are done: its answer takes the
/// place of the first one, if it is 200. None: the first one is the answer.
pub fn committed(message: &[u8]) -> Option<Vec<u8>> {
    if DECIDES { writer::committed(message) } else { None }
}

/// `again`: the message was metered before.
fn open_metered(
    edge: &mut Edge,
    message: &[u8],
    again: bool,
    answers: &[Answered],
    is_last: bool,
) -> Result<Opened, Response> {
    let mut opened = open_unmetered(edge, message, answers, is_last)?;
    if let Work::Writer(work) = &mut opened.work {
        writer::meter(&mut edge.meter, work, again)?;
    }
    Ok(opened)
}

fn open_unmetered(
    edge: &Edge,
    message: &[u8],
    answers: &[Answered],
    is_last: bool,
) -> Result<Opened, Response> {
    let refused = |line, refusal| Ok(Opened { read: None, work: Work::Refused(line, refusal) });
    if edge.storage_is_too_new() {
        return refused("storage_too_new", Refusal::TOO_NEW);
    }
    let Received { message, reads, route, part } = match Message::decode(message) {
        Ok(received) => received,
        Err(Unreadable::TooNew) => return refused("message_too_new", Refusal::TOO_NEW),
        // No build sends it.
        Err(Unreadable::Broken) => return Err(Response::refused(Refusal::INTERNAL)),
    };
    if let Some(reason) = edge.placement_fault() {
        let refused = Response::refused(Refusal::UNCONFIGURED);
        let is_of_front = matches!(message, Message::Control(ToControl::Pointers));
        return Err(if is_of_front { refused.header(PLACEMENT_FAULT, reason.to_owned()) } else { refused });
    }
    match message {
        Message::Writer(_) if route.shards != edge.shards() => refused("routed_by_others", Refusal::STORAGE),
        Message::Writer(message) => {
            let context = writer::Context { reads, route, part, answers, is_last };
            let writer::Opened { read, work } = writer::open(edge, message, context)?;
            Ok(Opened { read, work: Work::Writer(work) })
        }
        Message::Control(ToControl::Api(api)) if HAS_CONTROL_PLANE => {
            let (read, work) = control::open(*api);
            Ok(Opened { read: Some(read), work: Work::Api(Box::new(work)) })
        }
        Message::Control(message) => {
            let (read, work) = releases::open(message);
            Ok(Opened { read: Some(read), work: Work::Control(work) })
        }
    }
}

/// Decides a message, or a part of it, given the result of its read.
///
/// # Examples
///
/// In the example of [`open`].
pub fn fold(edge: &mut Edge, opened: &mut Opened, found: Found) -> Folded {
    match (&mut opened.work, found) {
        (Work::Writer(work), found) => {
            let folded = writer::fold(edge, &mut opened.read, work, found);
            writer::charge(&mut edge.meter, work, &folded);
            if let Folded::Done(outcome) = &folded {
                if outcome.log.iter().any(|line| line.is(DAMAGED_PROFILE)) {
                    edge.note_damage();
                }
                if DECIDES && outcome.log.iter().any(|line| line.is(SHARD_RESTORED)) {
                    edge.note_restored();
                }
                if let Some(now_ms) = outcome.write.probed_ms {
                    edge.note_probe(now_ms);
                }
            }
            folded
        }
        (Work::Control(work), found) => releases::fold(work, found, edge.form()),
        (Work::Api(work), found) if HAS_CONTROL_PLANE => control::fold(work, found, edge.form()),
        (Work::Api(_), _) => Outcome::of(Response::refused(Refusal::INTERNAL)),
        (Work::Refused(event, _), _) => {
            let log = vec![Line::of(event)];
            Outcome { write: Write::default(), response: opened.unavailable(), log }.done()
        }
    }
}

/// The answer to a message when the writer fails, or cannot catch up.
pub fn unavailable(edge: &mut Edge, message: &[u8]) -> Response {
    edge.note_storage_fault();
    open_unmetered(edge, message, &[], true).map_or_else(|refused| refused, |opened| opened.unavailable())
}

/// Takes one message through read, fold and write.
fn deliver(edge: &mut Edge, store: &mut impl Store, message: &[u8], log: &mut impl FnMut(&Line)) -> Response {
    let mut attempts_to_catch_up = 0;
    // Repeats when another writer was faster, and once more when this writer must first catch up with a newer bundle.
    for attempt in 0..COMMITS_MAX {
        let mut opened = match open_metered(edge, message, attempt > 0, &[], false) {
            Ok(opened) => opened,
            Err(response) => return response,
        };
        match fold_and_store(edge, store, &mut opened) {
            Ok(Folded::NeedsNewerBundle { audience, number }) => {
                match attempts_to_catch_up {
                    0 => {}
                    1 => drop(deliver(edge, store, &message::raise(&audience, number, edge.form()), log)),
                    _ => break,
                }
                attempts_to_catch_up += 1;
                refresh(edge, store, log);
            }
            // Nothing comes between here; the next attempt opens it again.
            Ok(Folded::OpenAgain | Folded::Part(_)) | Err(CommitError::Conflict) => {}
            // One store is one shard, which asks nobody.
            Ok(Folded::Ask(_) | Folded::ControlPlane) => break,
            Err(_) if planted::is(Bug::RepeatsInDoubt) => {}
            Ok(Folded::Done(outcome)) => {
                outcome.log.iter().for_each(&mut *log);
                return outcome.response;
            }
            Err(CommitError::Failed(failure)) => {
                log(&failed(&failure));
                edge.note_storage_fault();
                return opened.unavailable();
            }
        }
    }
    unavailable(edge, message)
}

/// Reads and folds an open message, part by part, and stores all of it or nothing: for hosts that carry the questions of shards.
///
/// # Errors
///
/// Nothing of it is stored.
pub fn fold_and_store(
    edge: &mut Edge,
    store: &mut impl Store,
    opened: &mut Opened,
) -> Result<Folded, CommitError> {
    let mut is_staged = false;
    let result = loop {
        let read = match &opened.read {
            Some(read) => store.read(read).map(|found| (Basis::of(read, &found), found)),
            None => Ok((Basis::default(), Found::Profiles(Vec::new()))),
        };
        let (basis, found) = match read {
            Ok(read) => read,
            Err(failure) => break Err(failure.into()),
        };
        let stored = match fold(edge, opened, found) {
            Folded::Part(write) if write.is_empty() => continue,
            Folded::Part(write) => {
                is_staged = true;
                store.stage(&basis, &write)
            }
            Folded::Done(outcome) if !outcome.is_refused() && (is_staged || !outcome.write.is_empty()) => {
                match store.commit(&basis, &outcome.write) {
                    Ok(()) => return Ok(Folded::Done(outcome)),
                    Err(CommitError::Failed(_)) if planted::is(Bug::AcknowledgesFirst) => {
                        return Ok(Folded::Done(outcome));
                    }
                    refused => refused,
                }
            }
            undecided_or_unchanged => break Ok(undecided_or_unchanged),
        };
        if let Err(refused) = stored {
            break Err(refused);
        }
    };
    if is_staged {
        store.undo();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Ambient;
    use crate::store::memory::MemoryStore;

    /// Storage that fails to read this much.
    struct Failing<'s>(&'s mut MemoryStore, fn(&Read) -> bool);

    impl Store for Failing<'_> {
        fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
            if (self.1)(read) {
                Err(StoreFailure("a test wants it to fail".to_owned()))
            } else {
                self.0.read(read)
            }
        }

        fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
            self.0.stage(basis, write)
        }

        fn undo(&mut self) {
            self.0.undo();
        }

        fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
            self.0.commit(basis, write)
        }
    }

    fn ask(edge: &mut Edge, store: &mut impl Store, method: &str, body: &str) -> u16 {
        let headers = [("authorization".to_owned(), "TD1 key".to_owned())];
        let ambient = Ambient { now_ms: 5, entropy: [0; 32] };
        let target = "/v1/audiences/7/bundle";
        let request = Request { method, target, headers: &headers, body: body.as_bytes(), ambient };
        serve(edge, store, &request, &mut |_| {}).status
    }

    #[test]
    fn an_edge_that_could_not_read_what_runs_says_so_and_reads_it_with_the_next_request() {
        let hash = crate::wire::hex::hex(&<sha2::Sha256 as sha2::Digest>::digest(b"key"));
        let secret = format!(
            "{{\"signing_key\":\"{}\",\"keys\":[{{\"kind\":\"admin\",\"audience\":\"*\",\"sha256\":\"{hash}\"}}]}}",
            "07".repeat(32)
        );
        let start = || Edge::new(Some(&secret), false);
        let mut store = MemoryStore::default();
        let bundle = "{\"format\":2,\"definition\":{\"audience\":{\"id\":\"7\"}}}";
        assert_eq!(ask(&mut start(), &mut store, "PUT", bundle), 200);
        let fails: [fn(&Read) -> bool; 2] = [|_| true, |read| matches!(read, Read::Bundle { .. })];
        for fails in fails {
            let mut edge = start();
            refresh(&mut edge, &mut Failing(&mut store, fails), &mut |_| {});
            assert!(edge.is_cut_off());
            // It is not as if nothing were published.
            assert_eq!(ask(&mut edge, &mut Failing(&mut store, fails), "GET", ""), 503);
            assert_eq!(ask(&mut edge, &mut store, "GET", ""), 200);
            assert!(!edge.is_cut_off());
        }
    }
}
