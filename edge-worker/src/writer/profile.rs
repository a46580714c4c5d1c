//! Reads a whole profile, erases it, and takes imports of an erased key again.

mod apart;
mod own;

pub(super) use apart::fold_across;
pub(crate) use own::KnownOwn;

use usher_engine::planted::{self, Bug};
use usher_engine::profile::codec::{self, Unreadable};
use usher_engine::{Access, export};

use super::across::Across;
use crate::answer;
use crate::edge::Edge;
use crate::error::Refusal;
use crate::keys::Signer;
use crate::limits::{ENTOMB_AGAIN_MS, UPKEEP_MORE_MS};
use crate::log::Line;
use crate::message::{Act, KeyOf, OfProfile, Snapshot};
use crate::outcome::{Folded, NEXT, Outcome, entomb};
use crate::plane::{DECIDES, InControlPlane};
use crate::store::shards::ShardRead;
use crate::store::tables::RowName;
use crate::store::{
    Erased, ErasedKey, Found, FoundProfile, HeldKey, JournalRow, Read, Suppression, Upkeep, Write,
};
use crate::wire::Response;
use crate::wire::json::Json;
use own::keys_with;

/// The read of a message for a profile.
pub(super) fn read(edge: &Edge, message: &OfProfile, across: Option<&Across>) -> Read {
    let keys = message.keys.clone();
    if let Some(across) = across.filter(|_| DECIDES) {
        let (journal, held) = (message.act != Act::Erase, message.act == Act::Erase);
        return Read::Shard(Box::new(ShardRead { journal, held, ..across.read_unerased(keys) }));
    }
    match message.act {
        Act::Read { .. } => Read::Journals(keys),
        Act::Erase => Read::Whole { names: names(edge, &keys), keys },
        Act::Admit => Read::Unerased { names: names(edge, &keys), keys },
    }
}

/// The names of keys in caches, and of their suppressions.
fn names(edge: &Edge, keys: &[KeyOf]) -> Vec<String> {
    let name = |signer: &Signer, key: &KeyOf| signer.snapshot_name(&key.audience, &key.name, &key.value);
    let names = edge.keyring().map(|keyring| keys.iter().map(|key| name(&keyring.signer, key)).collect());
    names.unwrap_or_default()
}

pub(super) fn fold(edge: &Edge, message: &OfProfile, own: &mut KnownOwn, found: &Found) -> Folded {
    let unknown = || Outcome::of(Response::problem(Refusal::PROFILE_UNKNOWN, None));
    match (message.act, found) {
        (Act::Read { sensitive }, Found::Journals(profiles, journal)) => match first(message, profiles) {
            Some(found) => show(edge, message, found, journal, sensitive),
            None => unknown(),
        },
        (Act::Erase, Found::Whole(profiles, held, erased)) => match first(message, profiles) {
            Some(found) => erase(edge, message, own, found, held),
            None => match own.of(edge, message, &message.keys) {
                Err(folded) => folded,
                Ok(owned) if !owned.rows.is_empty() => {
                    let names: Vec<String> = names(edge, &owned.keys_of(&message.keys));
                    erased_rows(message.ambient.now_ms, &names, &names, owned.rows, Write::default())
                }
                Ok(_) if erased.is_empty() => unknown(),
                Ok(_) => erased_before(edge, message, erased),
            },
        },
        (Act::Admit, Found::Unerased(_, erased)) => admit(edge, message, erased, false),
        _ => Outcome::of(Response::problem(Refusal::INTERNAL, None)),
    }
}

/// The profile of the first spelling that one has.
fn first<'p>(message: &OfProfile, profiles: &'p [FoundProfile]) -> Option<&'p FoundProfile> {
    let of_key = |index| profiles.iter().find(|found| found.keys.contains(&index));
    (0..message.keys.len()).find_map(of_key)
}

/// The answer with everything of a profile.
fn show(
    edge: &Edge,
    message: &OfProfile,
    found: &FoundProfile,
    journal: &[JournalRow],
    sensitive: bool,
) -> Folded {
    let running = edge.running(&message.audience);
    // What an attribute may show, the front's bundle decides, or a later one.
    if message.number > running.map_or(0, |running| running.number)
        && !edge.was_taken_out_after(&message.audience, message.number)
    {
        let (audience, number) = (message.audience.clone(), message.number);
        return Folded::NeedsNewerBundle { audience, number };
    }
    let profile = match codec::decode(&found.state) {
        Ok(profile) => profile,
        Err(unreadable) => {
            let (response, log) =
                (Response::problem(Refusal::STORAGE, None), vec![super::set::unreadable(unreadable)]);
            return Outcome { write: Write::default(), response, log }.done();
        }
    };
    let access = Access { server_route: true, sensitive_scope: sensitive };
    let plan = running.map(|running| &running.plan);
    let export = export(&profile, plan, access, message.ambient.now_ms);
    let of_it = journal.iter().filter(|row| row.profile == found.id);
    let journal: Vec<(i64, &str)> = of_it.map(|row| (row.at_ms, row.entry.as_str())).collect();
    Outcome::of(Response::json(200, answer::profile(&profile, &export, &journal)))
}

/// Removes a profile, and suppresses its keys. One that is damaged goes, too; what it absorbed is then unknown.
fn erase(
    edge: &Edge,
    message: &OfProfile,
    own: &mut KnownOwn,
    found: &FoundProfile,
    held: &[HeldKey],
) -> Folded {
    let (erased, keys) = match to_erase(message, found, held) {
        Ok(to_erase) => to_erase,
        Err(refused) => return refused,
    };
    let owned = match own.of(edge, message, &keys_with(message, &keys)) {
        Ok(owned) => owned,
        Err(folded) => return folded,
    };
    let (names, at_ms) = (names(edge, &keys), message.ambient.now_ms);
    let upkeep = Upkeep {
        erased: vec![erased],
        suppressed: suppressions(names.iter().cloned(), at_ms),
        rows: InControlPlane::new(owned.rows),
        ..Upkeep::default()
    };
    let write = Write { upkeep: Some(Box::new(upkeep)), ..Write::default() };
    erased_with(at_ms, &names, write)
}

/// The refusals of keys with these names.
fn suppressions(names: impl Iterator<Item = String>, at_ms: i64) -> Vec<Suppression> {
    let all = names.map(|name| Suppression { name, at_ms });
    if planted::is(Bug::ForgetsErasures) { Vec::new() } else { all.collect() }
}

/// A profile to erase, and its keys. `Err` is the answer where it cannot be.
fn to_erase(
    message: &OfProfile,
    found: &FoundProfile,
    held: &[HeldKey],
) -> Result<(Erased, Vec<KeyOf>), Folded> {
    let profile = match codec::decode(&found.state) {
        Ok(profile) => Some(profile),
        Err(Unreadable::Damaged(_)) => None,
        // A newer build may keep more of it than this one knows.
        Err(Unreadable::TooNew) => {
            let log = vec![super::set::unreadable(Unreadable::TooNew)];
            let response = Response::problem(Refusal::TOO_NEW, None);
            return Err(Outcome { write: Write::default(), response, log }.done());
        }
    };
    let key = |name: &str, value: &str| KeyOf {
        audience: found.audience.clone(),
        name: name.to_owned(),
        value: value.to_owned(),
    };
    // Those that storage finds it by are those of the profile, unless that is damaged.
    let mut keys: Vec<KeyOf> = held
        .iter()
        .filter(|held| held.profile == found.id)
        .map(|held| key(&held.name, &held.value))
        .collect();
    keys.extend(profile.iter().flat_map(|profile| profile.keys()).map(|own| key(&own.name, &own.value)));
    keys.extend(found.keys.iter().filter_map(|index| message.keys.get(*index)).cloned());
    keys.sort();
    keys.dedup();
    let absorbed = profile.iter().flat_map(|profile| profile.absorbed()).map(|id| id.0).collect();
    Ok((Erased { audience: found.audience.clone(), id: found.id, absorbed }, keys))
}

/// The answer to an erasure of a key whose profile was erased before, and that nobody has had since: as the first one was answered,
/// whose answer may have been lost, with no keys. Copies in caches are replaced once more.
fn erased_before(edge: &Edge, message: &OfProfile, erased: &[ErasedKey]) -> Folded {
    let all = names(edge, &message.keys);
    let names: Vec<String> = erased.iter().filter_map(|erased| all.get(erased.key)).cloned().collect();
    Outcome { write: Write::default(), response: erasure(message.ambient.now_ms, &names, 0), log: Vec::new() }
        .done()
}

/// The outcome where rows of tables are all that there was of the keys with these names; `here`: those of this shard.
fn erased_rows(at_ms: i64, names: &[String], here: &[String], rows: Vec<RowName>, write: Write) -> Folded {
    let upkeep = Upkeep {
        suppressed: suppressions(here.iter().cloned(), at_ms),
        rows: InControlPlane::new(rows),
        ..Upkeep::default()
    };
    erased_with(at_ms, names, Write { upkeep: Some(Box::new(upkeep)), ..write })
}

/// The outcome of an erasure whose keys have these names.
fn erased_with(at_ms: i64, names: &[String], write: Write) -> Folded {
    let response = erasure(at_ms, names, names.len());
    Outcome { write, response, log: vec![Line::of("profile_erased")] }.done()
}

/// The answer to an erasure of this many keys. Copies of these names are replaced.
fn erasure(at_ms: i64, names: &[String], keys: usize) -> Response {
    let mut body = Json::new();
    body.object(|o| {
        o.field("erased").boolean(true);
        o.field("keys").number(i64::try_from(keys).unwrap_or(i64::MAX));
    });
    let (header, value) = entomb(at_ms, names, &Snapshot::encode(at_ms, &[], &[], &[]));
    // A lookup that is under way may write a copy once more.
    let next_ms = ENTOMB_AGAIN_MS.saturating_add(UPKEEP_MORE_MS).to_string();
    Response::json(200, body).header(header, value).header(NEXT, next_ms)
}

/// Takes imports of these spellings of a key again; events that happened before its erasure stay refused. `is_lifted`: those of
/// another spelling are taken again already.
fn admit(edge: &Edge, message: &OfProfile, erased: &[ErasedKey], is_lifted: bool) -> Folded {
    let names = names(edge, &message.keys);
    let refused = erased.iter().filter(|erased| erased.imports);
    let admitted: Vec<String> = refused.filter_map(|erased| names.get(erased.key)).cloned().collect();
    let mut body = Json::new();
    body.object(|o| o.field("lifted").boolean(is_lifted || !admitted.is_empty()));
    let response = Response::json(200, body);
    let upkeep = Upkeep { admitted, ..Upkeep::default() };
    let upkeep = (!upkeep.admitted.is_empty()).then(|| Box::new(upkeep));
    Outcome { write: Write { upkeep, ..Write::default() }, response, log: Vec::new() }.done()
}
