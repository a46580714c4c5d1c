//! The writer: reads and changes profiles, next to their storage.
//!
//! A message is opened, which determines the profiles to read, and folded, which determines the write and the answer.
//! Between the two the writer waits only for that one read. All changes of a message are one write: all or nothing. A
//! message of many profiles is read and folded in parts ([`parts`]), which are stored together.

mod across;
mod decide;
mod delivery;
mod events;
mod import;
mod journeys;
mod mint;
mod parts;
mod peers;
mod profile;
mod questions;
mod relate;
mod renewal;
mod rows;
mod set;
mod snapshot;
mod tables;
mod upkeep;
mod waits;

use across::Across;
pub(crate) use events::committed;

use crate::edge::Edge;
use crate::error::Refusal;
use crate::form::Form;
use crate::limits::SHARD_BYTES_WARNED;
use crate::message::{
    Act, Activations, KeyOf, OfProfile, Part, Probe, Route, SnapshotRequest, ToWriter, Upkeep,
};
use crate::outcome::{Answered, Folded, Outcome};
use crate::plane::{DECIDES, FOLDS_ALL, HAS_CONTROL_PLANE, HAS_SHARDS, InControlPlane};
use crate::rates::Meter;
use crate::store::shards::ShardRead;
use crate::store::{DueBefore, Found, FoundSize, Read, Write};
use crate::wire::Response;
use parts::Parts;
use rows::KnownRows;

/// A message whose read is pending.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The read that it needs, or its next part; None: nothing is needed.
    pub(crate) read: Option<Read>,
    pub(crate) work: Work,
}

/// The work that remains after the profiles were read.
#[derive(Debug)]
pub(crate) enum Work {
    Events(Box<events::Batch>),
    Import(Box<import::Rows>),
    Profile(OfProfile, Option<Box<Across>>, InControlPlane<Box<profile::KnownOwn>>),
    Upkeep(Upkeep, DueBefore, Option<Box<Across>>),
    /// With the newest form that its sender reads.
    Snapshot(SnapshotRequest, Form, Option<Box<Across>>, InControlPlane<KnownRows>),
    Table(InControlPlane<Box<tables::Work>>),
    /// From another shard.
    Peer(Box<peers::Peer>),
    Written,
    Probe(Probe),
    Activations(Box<Activations>, Route),
}

impl Work {
    /// The parts of a message that changes profiles.
    fn parts(&mut self) -> Option<&mut Parts> {
        match self {
            Work::Events(batch) => Some(&mut batch.parts),
            Work::Import(rows) if HAS_CONTROL_PLANE && !rows.is_across() => Some(&mut rows.parts),
            _ => None,
        }
    }

    /// The rows of tables that its answer reads.
    fn rows(&mut self) -> Option<&mut KnownRows> {
        match self {
            Work::Events(batch) => batch.rows.get_mut(),
            Work::Snapshot(.., rows) => rows.get_mut(),
            Work::Table(work) => work.get_mut().map(|work| work.rows()),
            _ => None,
        }
    }

    /// Cuts it by the sizes of its profiles.
    fn cut(&mut self, keys: Vec<KeyOf>, sizes: &[FoundSize]) {
        match self {
            Work::Events(batch) => batch.parts = Parts::cut(keys, batch.items(), sizes, batch.asks()),
            Work::Import(rows) if HAS_CONTROL_PLANE => {
                rows.parts = Parts::cut(keys, rows.items(), sizes, false);
            }
            _ => {}
        }
    }
}

/// Where a message is opened, and what is known of it.
pub(crate) struct Context<'a> {
    /// The newest form in which its sender reads an answer.
    pub(crate) reads: Form,
    pub(crate) route: Route,
    pub(crate) part: Option<Part>,
    /// Answers of other shards to its questions.
    pub(crate) answers: &'a [Answered],
    /// True if no questions may follow.
    pub(crate) is_last: bool,
}

impl Context<'_> {
    /// In the only shard.
    pub(crate) fn alone(reads: Form) -> Context<'static> {
        Context { reads, route: Route::ONLY, part: None, answers: &[], is_last: false }
    }
}

/// Determines the read that a message needs; `Err` is the answer to a message that is refused at once.
pub(crate) fn open(edge: &Edge, message: ToWriter, context: Context<'_>) -> Result<Opened, Response> {
    let Context { reads, route, part, answers, is_last } = context;
    let across = Across::new(edge, route, part, answers, is_last);
    match message {
        ToWriter::Events(events) => {
            let (read, batch) = events::open(edge, events, across)?;
            Ok(Opened { read, work: Work::Events(Box::new(batch)) })
        }
        ToWriter::Import(_)
        | ToWriter::Profile(_)
        | ToWriter::Upkeep(_)
        | ToWriter::Table(_)
        | ToWriter::Activations(_)
            if !HAS_CONTROL_PLANE =>
        {
            Err(Response::refused(Refusal::INTERNAL))
        }
        ToWriter::Activations(message) => {
            let read = Some(delivery::read(&message));
            Ok(Opened { read, work: Work::Activations(message, route) })
        }
        ToWriter::Upkeep(message) => {
            let due = upkeep::due(edge, &message);
            Ok(Opened { read: Some(Read::Due(due)), work: Work::Upkeep(message, due, across.map(Box::new)) })
        }
        ToWriter::Import(import) => {
            let (read, rows) = import::open(edge, import, across)?;
            Ok(Opened { read, work: Work::Import(Box::new(rows)) })
        }
        ToWriter::Profile(message) => {
            let read = profile::read(edge, &message, across.as_ref());
            // With the setting there would be nobody to erase, and a complete restoration would bring the profile back.
            let across = if message.act == Act::Erase { across.map(Across::refusing_lost) } else { across };
            Ok(Opened {
                read: Some(read),
                work: Work::Profile(message, across.map(Box::new), InControlPlane::new(Box::default())),
            })
        }
        ToWriter::Snapshot(request) => {
            let keys = request.keys.clone();
            let read = match &across {
                Some(across) => {
                    Read::Shard(Box::new(ShardRead { journal: request.journal, ..across.read(keys) }))
                }
                None if request.journal => Read::Journals(keys),
                None => Read::Profiles(keys),
            };
            let work = Work::Snapshot(request, reads, across.map(Box::new), KnownRows::none());
            Ok(Opened { read: Some(read), work })
        }
        ToWriter::Table(message) => {
            let Some(message) = message.into_inner() else {
                return Err(Response::refused(Refusal::INTERNAL));
            };
            let (read, work) = tables::open(*message, across);
            Ok(Opened { read, work: Work::Table(InControlPlane::new(Box::new(work))) })
        }
        ToWriter::Written => Ok(Opened { read: Some(Read::Written), work: Work::Written }),
        ToWriter::Probe(probe) => Ok(Opened { read: Some(Read::Probe), work: Work::Probe(probe) }),
        ToWriter::Shard(_) if !HAS_SHARDS => Err(Response::refused(Refusal::INTERNAL)),
        ToWriter::Shard(message) => {
            let across = across.ok_or_else(|| Response::refused(Refusal::INTERNAL))?;
            let (read, peer) = peers::Peer::open(across, message);
            Ok(Opened { read: Some(read), work: Work::Peer(Box::new(peer)) })
        }
    }
}

/// Takes a message's use from its source's rates; `Err` is the answer when too little is left. `again`: its events were
/// metered before.
pub(crate) fn meter(meter: &mut Meter, work: &mut Work, again: bool) -> Result<(), Response> {
    match work {
        Work::Events(batch) => batch.meter(meter, again),
        Work::Import(_)
        | Work::Profile(..)
        | Work::Upkeep(..)
        | Work::Snapshot(..)
        | Work::Table(_)
        | Work::Written
        | Work::Probe(_)
        | Work::Activations(..)
        | Work::Peer(_) => Ok(()),
    }
}

/// Counts the profiles that a message creates.
pub(crate) fn charge(meter: &mut Meter, work: &Work, folded: &Folded) {
    if let (Work::Events(batch), Folded::Done(outcome)) = (work, folded) {
        batch.charge(meter, &outcome.write);
    }
}

/// Decides a message, or a part of it, given the result of its read; `read` becomes that of the next part.
pub(crate) fn fold(edge: &Edge, read: &mut Option<Read>, work: &mut Work, mut found: Found) -> Folded {
    if let Found::WithRows(both) = &mut found
        && let Some(both) = both.take()
    {
        let (profiles, rows) = *both;
        found = profiles;
        if let Some(Read::WithRows(asked)) = read.take()
            && let Some(asked) = asked.into_inner()
        {
            let (before, names) = *asked;
            *read = Some(before);
            if let Some(known) = work.rows() {
                known.learn(names, rows);
            }
        }
    }
    if FOLDS_ALL && let Some(parts) = work.parts() {
        match &mut found {
            Found::Profiles(profiles) => parts.renumber(profiles, &mut []),
            Found::Unerased(profiles, erased) => parts.renumber(profiles, erased),
            _ => {}
        }
    }
    if HAS_CONTROL_PLANE && let Some(before) = learned(edge, work, &mut found) {
        *read = Some(before);
        return Folded::Part(Box::default());
    }
    let folded = match (&mut *work, &found) {
        (Work::Events(_), Found::Sizes(_)) if !FOLDS_ALL => Folded::ControlPlane,
        (Work::Import(rows), Found::Sizes(sizes)) if DECIDES && rows.is_across() => {
            let keys = match read.take() {
                Some(Read::Sizes(keys)) => keys,
                _ => Vec::new(),
            };
            let folded;
            (*read, folded) = rows.sized(keys, sizes);
            folded
        }
        (Work::Events(_) | Work::Import(_), Found::Sizes(sizes)) if FOLDS_ALL => {
            let keys = match read.take() {
                Some(Read::Sizes(keys)) => keys,
                _ => Vec::new(),
            };
            work.cut(keys, sizes);
            Folded::Part(Box::default())
        }
        (Work::Events(batch), found) => fold_events(edge, read.as_ref(), batch, found),
        (Work::Import(rows), found) if HAS_CONTROL_PLANE => fold_import(edge, read.as_ref(), rows, found),
        (Work::Upkeep(message, before, across), Found::Due(due)) if HAS_CONTROL_PLANE => {
            let across = across.as_deref().filter(|_| DECIDES);
            upkeep::fold(edge, message, *before, due, across)
        }
        (Work::Activations(message, route), Found::Activations(found)) if HAS_CONTROL_PLANE => {
            match &**message {
                Activations::Turn(turn) => delivery::turn(edge, turn, found),
                Activations::List(list) => delivery::list(list, *route, found),
                Activations::Retry(retry) => delivery::retry(retry, *route, found),
            }
        }
        (Work::Profile(message, across, own), found) if HAS_CONTROL_PLANE => {
            match (across, own.get_mut(), found) {
                (Some(across), Some(own), Found::Shard(found)) if DECIDES => {
                    profile::fold_across(edge, message, across, own, found)
                }
                (None, Some(own), found) => profile::fold(edge, message, own, found),
                _ => Outcome::of(Response::refused(Refusal::INTERNAL)),
            }
        }
        (Work::Snapshot(request, reads, _, rows), Found::Profiles(profiles)) => {
            snapshot::fold(edge, request, *reads, profiles, &[], (rows, None))
        }
        (Work::Snapshot(request, reads, _, rows), Found::Journals(profiles, journal)) => {
            snapshot::fold(edge, request, *reads, profiles, journal, (rows, None))
        }
        (Work::Table(work), found) if HAS_CONTROL_PLANE => match work.get_mut() {
            Some(work) => tables::fold(edge, work, found),
            None => Outcome::of(Response::refused(Refusal::INTERNAL)),
        },
        (Work::Snapshot(request, reads, Some(across), rows), Found::Shard(found)) if HAS_SHARDS => {
            if DECIDES {
                snapshot::fold_across(edge, request, *reads, across, found, rows)
            } else {
                snapshot::fold_known(edge, request, *reads, found)
            }
        }
        (Work::Peer(peer), Found::Shard(found)) if DECIDES => peer.fold(edge, found),
        (Work::Peer(_), Found::Unanswered(rows)) if HAS_SHARDS => peers::due(rows),
        (Work::Written, Found::Pointers(pointers)) => Outcome::of_pointers(pointers),
        (Work::Probe(probe), Found::Probe(bytes)) => fold_probe(edge, probe, *bytes),
        _ => Outcome::of(Response::refused(Refusal::INTERNAL)),
    };
    if let (Folded::Part(_), Some(rows)) = (&folded, work.rows())
        && let Some(wanted) = rows.take_wanted()
    {
        // The same once more, so that profiles and rows are of one moment.
        let before = read.take().unwrap_or(Read::Profiles(Vec::new()));
        *read = Some(Read::WithRows(InControlPlane::new(Box::new((before, wanted)))));
        return folded;
    }
    if HAS_CONTROL_PLANE
        && let Folded::Part(_) = folded
        && let Some(wanted) = wanted(work)
    {
        *read = Some(wanted);
        return folded;
    }
    if FOLDS_ALL && let (Folded::Part(_), Some(parts)) = (&folded, work.parts()) {
        *read = Some(set::read_of(edge, parts.keys()));
    }
    if DECIDES && let (Folded::Part(_), Work::Peer(peer)) = (&folded, work) {
        *read = peer.next_read();
    }
    folded
}

/// Takes what a message about rows of tables read beside its first read, and returns that: it is run once more, so that all is of
/// one moment. None: it was another read.
fn learned(edge: &Edge, work: &mut Work, found: &mut Found) -> Option<Read> {
    match (work, found) {
        (Work::Profile(message, across, own), Found::Own(rows)) => {
            own.get_mut()?.learn(rows.take()?);
            Some(profile::read(edge, message, across.as_deref()))
        }
        (Work::Table(work), Found::Versions(versions)) => Some(work.get_mut()?.learn(versions.take()?)),
        _ => None,
    }
}

/// The read that a message about rows of tables has next.
fn wanted(work: &mut Work) -> Option<Read> {
    match work {
        Work::Profile(.., own) => Some(Read::Own(InControlPlane::new(own.get_mut()?.take_wanted()?))),
        Work::Table(work) => Some(Read::Versions(InControlPlane::new(work.get_mut()?.take_wanted()?))),
        _ => None,
    }
}

fn fold_events(edge: &Edge, read: Option<&Read>, batch: &mut events::Batch, found: &Found) -> Folded {
    match found {
        Found::Profiles(profiles) => events::fold(edge, batch, profiles, &[], None),
        Found::Unerased(profiles, erased) => events::fold(edge, batch, profiles, erased, None),
        Found::Shard(_) if HAS_SHARDS && !DECIDES && !batch.is_for_one_shard() => Folded::ControlPlane,
        Found::Shard(found) if HAS_SHARDS => {
            let erased = batch.erased(read, found);
            events::fold(edge, batch, &found.profiles, &erased, Some(found))
        }
        _ => Outcome::of(Response::refused(Refusal::INTERNAL)),
    }
}

fn fold_import(edge: &Edge, read: Option<&Read>, rows: &mut import::Rows, found: &Found) -> Folded {
    match found {
        Found::Profiles(profiles) => import::fold(edge, rows, profiles, &[], None),
        Found::Unerased(profiles, erased) => import::fold(edge, rows, profiles, erased, None),
        Found::Shard(found) if DECIDES => {
            let erased = rows.erased(read, found);
            import::fold(edge, rows, &found.profiles, &erased, Some(found))
        }
        _ => Outcome::of(Response::refused(Refusal::INTERNAL)),
    }
}

/// The health of this shard, whose storage takes `bytes`.
fn fold_probe(edge: &Edge, probe: &Probe, bytes: i64) -> Folded {
    let is_restored = edge.met_restored();
    let well = !edge.storage_failed_lately(probe.now_ms) && !is_restored;
    let mut body = if well { &probe.well } else { &probe.degraded }.clone();
    let warning: Option<&[u8]> = if is_restored {
        Some(br#","warning":"a shard was restored to an earlier time than the others"}"#)
    } else {
        // All shards have about as much.
        (bytes >= SHARD_BYTES_WARNED).then_some(br#","warning":"a shard has over 80 % of its 8 GB"}"#)
    };
    if let Some(warning) = warning {
        body.pop();
        body.extend_from_slice(warning);
    }
    let response = Response::typed(200, "application/json", body);
    let probed_ms = edge.probe_is_due(probe.now_ms).then_some(probe.now_ms);
    let write = Write { probed_ms, ..Write::default() };
    Outcome { write, response, log: Vec::new() }.done()
}

/// The answer when storage fails, before or after the fold.
pub(crate) fn unavailable(work: &Work) -> Response {
    match work {
        Work::Events(batch) => batch.unavailable(),
        Work::Import(_) | Work::Profile(..) | Work::Upkeep(..) | Work::Table(_) | Work::Activations(..) => {
            Response::problem(Refusal::STORAGE, None)
        }
        Work::Snapshot(..) | Work::Written | Work::Peer(_) => Response::refused(Refusal::STORAGE),
        Work::Probe(probe) => Response::typed(200, "application/json", probe.degraded.clone()),
    }
}

#[cfg(test)]
mod tests;
