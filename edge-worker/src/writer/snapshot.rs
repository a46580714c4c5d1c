//! Snapshots: the profile from which a lookup is answered.

use std::borrow::Cow;

use usher_engine::gather::Gather;
use usher_engine::limits::SNAPSHOT_ROWS_MAX;
use usher_engine::profile::codec;
use usher_engine::value::Value;
use usher_engine::{Access, Asked, Evidence, Plan, Profile, Query, SentAt};

use super::across::{Across, restored};
use super::decide::{Deciding, Whereabouts};
use super::rows::{KnownRows, name_of};
use super::set::ProfileSet;
use crate::edge::Edge;
use crate::error::Refusal;
use crate::form::Form;
use crate::limits::HOPS_MAX;
use crate::message::{Message, Part, Snapshot, SnapshotRequest, SnapshotRow, SnapshotRows, ToWriter};
use crate::outcome::{Folded, Outcome, SNAPSHOT_NAME};
use crate::plane::InControlPlane;
use crate::store::shards::ShardFound;
use crate::store::tables::RowName;
use crate::store::{FoundProfile, JournalRow, Write};
use crate::wire::{Response, read};

/// Answers with a [`Snapshot`] of the profile of the first key that has one, in a form that the sender reads.
///
/// A profile that cannot be read refuses the lookups that would be answered from it, and no others.
pub(super) fn fold(
    edge: &Edge,
    request: &SnapshotRequest,
    reads: Form,
    found: &[FoundProfile],
    journal: &[JournalRow],
    (rows, across): (&mut InControlPlane<KnownRows>, Option<&Across>),
) -> Folded {
    let mut profile = None;
    let mut own: Vec<(i64, &str)> = Vec::new();
    let mut first = Cow::Borrowed(&[][..]);
    let mut name = None;
    for (index, key) in request.keys.iter().enumerate() {
        let Some(found) = found.iter().find(|found| found.keys.contains(&index)) else { continue };
        match codec::decode(&found.state) {
            Ok(found_profile) if found_profile.has_key(&key.name, &key.value) => {
                let stored_newer = codec::form_of(&found.state) > Some(reads.of_profiles());
                first = if stored_newer {
                    Cow::Owned(codec::encode(&found_profile, reads.of_profiles()))
                } else {
                    Cow::Borrowed(&*found.state)
                };
                let of_it = journal.iter().filter(|row| row.profile == found_profile.id.0);
                own = of_it.map(|row| (row.at_ms, row.entry.as_str())).gather();
                name = edge
                    .keyring()
                    .map(|keyring| keyring.signer.snapshot_name(&key.audience, &key.name, &key.value));
                profile = Some(found_profile);
                break;
            }
            Ok(_) => {}
            Err(unreadable) => {
                let log = vec![super::set::unreadable(unreadable)];
                let response = Response::refused(Refusal::STORAGE);
                return Outcome { write: Write::default(), response, log }.done();
            }
        }
    }
    let carried = match carried(edge, request, profile, rows, across) {
        Ok(carried) => carried,
        Err(undone) => return undone,
    };
    let bytes = Snapshot::encode(request.ambient.now_ms, &first, &own, &carried);
    let response = Response::typed(200, "application/octet-stream", bytes);
    Outcome::of(match name {
        Some(name) => response.header(SNAPSHOT_NAME, name),
        None => response,
    })
}

/// The rows that a snapshot is to carry, as bytes; `Err` where they have to be read first.
fn carried(
    edge: &Edge,
    request: &SnapshotRequest,
    profile: Option<Profile>,
    rows: &mut InControlPlane<KnownRows>,
    across: Option<&Across>,
) -> Result<Vec<u8>, Folded> {
    let (Some(asked), Some(rows)) = (request.rows.get(), rows.get_mut()) else { return Ok(Vec::new()) };
    let audience = asked.audience.as_str();
    let Some(running) = edge.running(audience) else { return Ok(Vec::new()) };
    let names = wanted(&running.plan, asked, (audience, profile), request.ambient.now_ms);
    let unread = rows.unread(across, &names);
    if rows.may_read(across, &unread) {
        return Err(rows.read(across, (request.ambient.now_ms, asked.number), unread));
    }
    Ok(SnapshotRow::encode(&rows.carried(across, &names)))
}

/// The rows that answers to this visitor read, first those of the personalizations that are asked.
fn wanted(
    plan: &Plan,
    asked: &SnapshotRows,
    (audience, profile): (&str, Option<Profile>),
    now_ms: i64,
) -> Vec<RowName> {
    let mut profile = profile.unwrap_or_else(Profile::unknown);
    let event = asked.event.as_ref().and_then(|(database, table, columns)| {
        let Ok(Value::Object(columns)) = read::document(columns) else { return None };
        Some(plan.event(plan.table(database, table)?, columns, now_ms, "asked".to_owned(), SentAt::Absent))
    });
    if let Some(event) = &event {
        // The lookup does the same.
        plan.ingest(&mut profile, event, now_ms);
    }
    let named: Vec<usize> = asked.named.iter().filter_map(|name| plan.personalization(name)).collect();
    let all: Vec<usize> = (0..plan.definition().personalizations.len()).collect();
    let access = Access { server_route: true, sensitive_scope: true };
    let mut names: Vec<RowName> = Vec::new();
    for asked in [&named, &all] {
        let asked = Asked::Named(asked);
        let query = Query { event: event.as_ref(), asked, inputs: &[], edge: &[], access, blind: false };
        let rows = plan.rows(&profile, &query, &Evidence::NONE, now_ms, SNAPSHOT_ROWS_MAX);
        for row in rows.wanted() {
            let name = name_of(audience, row);
            if names.len() < SNAPSHOT_ROWS_MAX && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The same in a shard of several, if a profile here has the first key, and is not being merged.
pub(super) fn fold_known(edge: &Edge, request: &SnapshotRequest, reads: Form, found: &ShardFound) -> Folded {
    let mut own = found.profiles.iter().filter(|profile| profile.keys.first() == Some(&0));
    match own.next() {
        Some(own) if !found.elsewhere => fold(
            edge,
            request,
            reads,
            core::slice::from_ref(own),
            &found.journal,
            (&mut KnownRows::none(), None),
        ),
        _ => Folded::ControlPlane,
    }
}

/// The same in a shard of several: keys without a profile here may have one elsewhere.
pub(super) fn fold_across(
    edge: &Edge,
    request: &SnapshotRequest,
    reads: Form,
    across: &Across,
    found: &ShardFound,
    rows: &mut InControlPlane<KnownRows>,
) -> Folded {
    let Some(audience) = request.keys.first().map(|key| key.audience.as_str()) else {
        return fold(edge, request, reads, &[], &[], (rows, Some(across)));
    };
    // This writer may not have heard of the audience yet; its profiles answer none the less.
    let running = edge.running(audience);
    let unavailable = || Outcome::of(Response::refused(Refusal::STORAGE));
    let mut set = match ProfileSet::load(audience, u64::MAX, request.keys.len(), &found.profiles) {
        Ok(set) => set,
        Err(_) => return unavailable(),
    };
    set.seal(&found.sealed);
    let now_ms = request.ambient.now_ms;
    let mut deciding = Deciding { across, running, audience, found, now_ms, open: Default::default() };
    for (index, key) in request.keys.iter().enumerate() {
        let whose = deciding.whose(&set, key, index, request.seen, false);
        let answer = match whose {
            Whereabouts::Nobody => continue,
            Whereabouts::Here(id) => {
                let is = |profile: &&FoundProfile| profile.audience == audience && profile.id == id;
                let own = found.profiles.iter().find(is).cloned();
                let own = own.map(|profile| FoundProfile { keys: vec![index], ..profile });
                return fold(edge, request, reads, own.as_slice(), &found.journal, (rows, Some(across)));
            }
            Whereabouts::There(place) => {
                let asked = |part: &Part| part.places.is_empty();
                let of_key = across.handed().rev().find(|(sent, _)| {
                    sent.route.shard == place.shard
                        && sent.part.as_ref().is_some_and(asked)
                        && matches!(&sent.message, Message::Writer(ToWriter::Snapshot(sent)) if sent.keys.first() == Some(key))
                });
                match of_key {
                    Some((_, Some(response))) => response.clone(),
                    Some((_, None)) => return unavailable(),
                    None => {
                        let hops = across.part.as_ref().map_or(0, |part| part.hops);
                        if across.is_last() || hops >= HOPS_MAX {
                            return unavailable();
                        }
                        let part = Part { hops: hops + 1, ..Part::default() };
                        let one = SnapshotRequest { keys: vec![key.clone()], ..request.clone() };
                        deciding.open.hand_on(across.hand_on(place.shard, ToWriter::Snapshot(one), part));
                        break;
                    }
                }
            }
            Whereabouts::Later if across.is_last() => return unavailable(),
            Whereabouts::Later => break,
            Whereabouts::Lost => return restored(),
            Whereabouts::Unavailable | Whereabouts::Damaged(_) => return unavailable(),
        };
        let is_somebody = Snapshot::decode(&answer.body).is_none_or(|snapshot| snapshot.profile.is_some());
        if answer.status != 200 || is_somebody {
            return Outcome::of(answer);
        }
    }
    if deciding.open.is_empty() {
        return fold(edge, request, reads, &[], &[], (rows, Some(across)));
    }
    let open = core::mem::take(&mut deciding.open);
    Folded::Ask(open.questions(across, audience, running.map_or(0, |running| running.number)))
}

#[cfg(test)]
mod tests {
    use usher_engine::profile::{Key, Profile, ProfileId};

    use super::*;
    use crate::message::{Ambient, KeyOf};

    fn key(name: &str) -> KeyOf {
        KeyOf { audience: "7".to_owned(), name: name.to_owned(), value: "v".to_owned() }
    }

    fn known_by(name: &str, index: usize) -> FoundProfile {
        let mut profile = Profile::new(ProfileId([1; 16]), 0);
        profile.edit_keys(|keys| keys.push(Key { name: name.to_owned(), value: "v".to_owned(), seen_ms: 0 }));
        FoundProfile {
            audience: "7".to_owned(),
            keys: vec![index],
            id: [0; 16],
            version: 1,
            state: codec::encode(&profile, codec::Form::Three),
        }
    }

    fn asked(found: &[FoundProfile]) -> (u16, Vec<u8>, usize) {
        asked_by(Form::Two, found)
    }

    fn asked_by(reads: Form, found: &[FoundProfile]) -> (u16, Vec<u8>, usize) {
        let message = SnapshotRequest {
            ambient: Ambient { now_ms: 5, entropy: [0; 32] },
            keys: vec![key("nobody"), key("first"), key("second")],
            journal: false,
            seen: None,
            rows: InControlPlane::default(),
        };
        let rows = &mut KnownRows::none();
        let Folded::Done(outcome) = fold(&Edge::new(None, false), &message, reads, found, &[], (rows, None))
        else {
            panic!("it needs no other bundle")
        };
        (outcome.response.status, outcome.response.body, outcome.log.len())
    }

    #[test]
    fn a_damaged_profile_refuses_only_who_would_be_answered_from_it() {
        let damaged = |index| FoundProfile {
            audience: "7".to_owned(),
            keys: vec![index],
            id: [0; 16],
            version: 1,
            state: b"echo_me_not".to_vec(),
        };
        let (first, second) = (known_by("first", 1), known_by("second", 2));
        let alone = asked(core::slice::from_ref(&first));
        assert!(alone.0 == 200 && alone.1.ends_with(&first.state));
        // A sender that does not read that form gets one that it reads.
        let before = asked_by(Form::One, core::slice::from_ref(&first));
        let read = |bytes: &[u8]| Snapshot::decode(bytes).unwrap().profile.unwrap();
        assert!(before.1.ends_with(&codec::encode(&read(&alone.1), codec::Form::Two)));
        assert_eq!(read(&before.1), read(&alone.1));
        // A profile after the answering one does not matter, even if it is damaged.
        assert_eq!(asked(&[first.clone(), damaged(2)]), alone);
        assert_eq!(asked(&[damaged(2), first]), alone);
        // The next profile does not answer in place of a damaged one.
        let refused = asked(&[damaged(1), second.clone()]);
        assert_eq!((refused.0, refused.2), (503, 1));
        // Nor in place of one that a newer build wrote.
        let newer = FoundProfile { state: b"USHP\x09and more".to_vec(), ..damaged(1) };
        let refused = asked(&[newer, second]);
        assert_eq!((refused.0, refused.2), (503, 1));
    }
}
