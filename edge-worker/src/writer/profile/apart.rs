//! The same for a profile whose keys have their homes in several shards (docs/shards.md, "Erasure").

use usher_engine::planted::{self, Bug};

use super::super::across::{Across, restored};
use super::super::decide::{Deciding, Whereabouts};
use super::super::questions::Open;
use super::super::set::ProfileSet;
use super::super::tables;
use super::own::{KnownOwn, keys_with};
use super::{admit, erased_before, erased_rows, erased_with, show, suppressions, to_erase};
use crate::edge::Edge;
use crate::error::Refusal;
use crate::limits::HOPS_MAX;
use crate::message::shards::{Card, Forget, Refusing, Suppress, ToShard};
use crate::message::{Act, KeyOf, Message, OfProfile, Part, Place, ToWriter};
use crate::outcome::{Folded, Outcome};
use crate::plane::InControlPlane;
use crate::shard;
use crate::store::shards::{GoneRow, ShardFound};
use crate::store::{FoundProfile, Upkeep, Write};
use crate::wire::Response;

/// Finds the profile of the first spelling that one has, and acts where it is.
pub(in crate::writer) fn fold_across(
    edge: &Edge,
    message: &OfProfile,
    across: &Across,
    own: &mut KnownOwn,
    found: &ShardFound,
) -> Folded {
    if message.act == Act::Admit {
        return admit_across(edge, message, across, found);
    }
    let audience = message.audience.as_str();
    let running = edge.running(audience);
    let mut set = match ProfileSet::load(audience, u64::MAX, message.keys.len(), &found.profiles) {
        Ok(set) => set,
        Err(_) => return unavailable(),
    };
    set.seal(&found.sealed);
    let now_ms = message.ambient.now_ms;
    let mut deciding = Deciding { across, running, audience, found, now_ms, open: Default::default() };
    for (index, key) in message.keys.iter().enumerate() {
        // Where another shard has done it, this one may have heard so, and knows of no profile any more.
        if let Some(answer) = handed(across, None, key)
            && answer.is_none_or(|answer| answer.status != 404)
        {
            return answer.map_or_else(unavailable, |answer| Outcome::of(answer.clone()));
        }
        let is_unreadable = set.unreadable(&[index]).is_some();
        let whose = if is_unreadable {
            // Storage knows its profile.
            let own = found.profiles.iter().find(|profile| profile.keys.contains(&index));
            own.map_or(Whereabouts::Nobody, |own| Whereabouts::Here(own.id))
        } else {
            // An event from before that waits for its claim must hear of the erasure.
            deciding.whose(&set, key, index, None, message.act == Act::Erase)
        };
        match whose {
            Whereabouts::Nobody => {}
            Whereabouts::Here(id) => {
                let is_open = set.of_id(id).is_some_and(|index| deciding.is_to_absorb(&set, index, |_| true));
                if is_open {
                    // Profiles that it is about to absorb are shown and erased with it.
                    deciding.open.wait();
                    break;
                }
                let is = |profile: &&FoundProfile| profile.audience == audience && profile.id == id;
                let Some(profile) = found.profiles.iter().find(is) else { return unavailable() };
                return match message.act {
                    Act::Read { sensitive } => show(edge, message, profile, &found.journal, sensitive),
                    _ => erase(edge, message, &mut deciding, own, profile).unwrap_or_else(|folded| folded),
                };
            }
            Whereabouts::There(place) | Whereabouts::Damaged(place) => {
                if handed(across, Some(place.shard), key).is_none() {
                    let one = OfProfile { keys: vec![key.clone()], ..message.clone() };
                    if !hand_on(&mut deciding, place.shard, one) {
                        return unavailable();
                    }
                    break;
                }
            }
            Whereabouts::Later => break,
            Whereabouts::Lost => return restored(),
            Whereabouts::Unavailable => return unavailable(),
        }
    }
    if !deciding.open.is_empty() {
        return ask(deciding);
    }
    // The home of the first key has heard from those of all others; a shard that this was handed to may have an old copy.
    let is_whole = across.part.as_ref().is_none_or(|part| part.hops == 0);
    if message.act == Act::Erase && is_whole {
        return erase_rows(edge, message, &mut deciding, own).unwrap_or_else(|folded| folded);
    }
    Outcome::of(Response::problem(Refusal::PROFILE_UNKNOWN, None))
}

/// Removes the rows of keys that no profile has. `Err`: other shards are to be asked first, or this one to be read.
fn erase_rows(
    edge: &Edge,
    message: &OfProfile,
    deciding: &mut Deciding<'_>,
    own: &mut KnownOwn,
) -> Result<Folded, Folded> {
    let across = deciding.across;
    let elsewhere = tables::erase_elsewhere(message, across, &message.keys)?;
    let mut owned = own.of(edge, message, &message.keys)?;
    owned.keys.extend(elsewhere);
    let keys = owned.keys_of(&message.keys);
    if keys.is_empty() {
        let erased = across.unite_erased(&message.keys, deciding.found);
        return Ok(match erased.is_empty() {
            true => Outcome::of(Response::problem(Refusal::PROFILE_UNKNOWN, None)),
            false => erased_before(edge, message, &erased),
        });
    }
    let at_ms = message.ambient.now_ms;
    let others = keys.iter().filter(|key| !across.is_home(key));
    for (home, keys) in shard::grouped(others.map(|key| (across.home(key), key))) {
        let words: Vec<_> = keys.iter().map(|key| across.refusing(key)).collect();
        if words.contains(&Some(None)) {
            return Err(unavailable());
        }
        if words.contains(&None) {
            deciding.open.hand_on(across.question(home, suppressing(message, deciding.number(), &keys)));
        }
    }
    if !deciding.open.is_empty() {
        let open = core::mem::take(&mut deciding.open);
        return Err(ask_with(deciding, open));
    }
    let here: Vec<String> =
        keys.iter().filter(|key| across.is_home(key)).map(|key| across.name(key)).collect();
    Ok(erased_rows(at_ms, &across.names(&keys), &here, owned.rows, Write::default()))
}

/// Asks the home of these keys to refuse what is older than their erasure.
fn suppressing(message: &OfProfile, number: u64, keys: &[&KeyOf]) -> ToShard {
    let texts = keys.iter().map(|key| (key.name.clone(), key.value.clone())).collect();
    let audience = message.audience.clone();
    ToShard::Suppress(Suppress { audience, number, keys: texts, at_ms: message.ambient.now_ms })
}

/// Removes a profile of this shard, once the homes of all its keys refuse what is older. So whatever fails, an event from before
/// begins nothing anew: the erasure is either as if it had not been, and is asked again, or done but for what [`Forget`] tidies.
/// `Err`: other shards are to be asked first, or this one to be read.
fn erase(
    edge: &Edge,
    message: &OfProfile,
    deciding: &mut Deciding<'_>,
    own: &mut KnownOwn,
    found: &FoundProfile,
) -> Result<Folded, Folded> {
    let across = deciding.across;
    let (erased, keys) = to_erase(message, found, &deciding.found.held)?;
    let at_ms = message.ambient.now_ms;
    let homes = shard::grouped(keys.iter().map(|key| (across.home(key), key)));
    for (home, keys) in &homes {
        let words: Vec<_> = keys.iter().map(|key| across.refusing(key)).collect();
        if words.contains(&Some(None)) {
            return Err(unavailable());
        }
        let words = keys.iter().zip(words).filter_map(|(key, word)| Some((*key, word??)));
        let mut is_asked = words.clone().count() == keys.len();
        for (key, Refusing { holder, generation, is_sealed }) in words {
            if is_sealed {
                // It was absorbed, and its shard has not heard of that: it has its state still.
                deciding.open.wait();
                is_asked = false;
            } else if let Some(place) = holder.filter(|holder| holder.id != found.id && holder.shard != *home)
            {
                is_asked &= deciding.has_no_sealed(place) && deciding.is_told(key, place, generation);
            }
        }
        if !is_asked && !planted::is(Bug::ErasesAlone) {
            deciding.open.hand_on(across.question(*home, suppressing(message, deciding.number(), keys)));
        }
    }
    if !deciding.open.is_empty() {
        let open = core::mem::take(&mut deciding.open);
        return Err(ask_with(deciding, open));
    }
    // The profile is found again, and this asked again, if not all of them go.
    let of_rows = keys_with(message, &keys);
    tables::erase_elsewhere(message, across, &of_rows)?;
    let rows = own.of(edge, message, &of_rows)?.rows;
    let mut write = Write::default();
    let of = |id: [u8; 16]| (message.audience.clone(), id);
    let audience = message.audience.clone();
    write.shard.gone.push(GoneRow { audience, id: found.id, into: None, erased: true });
    write.shard.forgotten.extend(erased.absorbed.iter().map(|id| of(*id)));
    for (home, keys) in homes.iter().filter(|(home, _)| *home != across.route.shard) {
        let forget = Forget {
            audience: message.audience.clone(),
            hashes: keys.iter().map(|key| across.hash(key)).collect(),
            profiles: erased.absorbed.iter().chain([&found.id]).copied().collect(),
        };
        write.shard.outbox.push(across.stored(*home, ToShard::Forget(forget), at_ms));
    }
    let own = keys.iter().filter(|key| across.is_home(key));
    let suppressed = suppressions(own.map(|key| across.name(key)), at_ms);
    write.upkeep = Some(Box::new(Upkeep {
        erased: vec![erased],
        suppressed,
        rows: InControlPlane::new(rows),
        ..Upkeep::default()
    }));
    Ok(erased_with(at_ms, &across.names(&keys), write))
}

impl Deciding<'_> {
    /// False as long as it is not known that this profile elsewhere does not wait for its survivor.
    fn has_no_sealed(&mut self, place: Place) -> bool {
        match self.across.card(self.audience, place) {
            None => {
                self.open.card(place);
                false
            }
            Some(Some(Card::Sealed)) => {
                self.open.wait();
                self.open.card(place);
                false
            }
            Some(_) => true,
        }
    }

    /// False as long as this profile elsewhere, which has claimed a key, may list it without hearing of its erasure.
    fn is_told(&mut self, key: &KeyOf, place: Place, generation: u64) -> bool {
        let is_told = matches!(self.across.listed(key, place.id, generation), Some(Some(_)));
        if !is_told {
            self.open.listed(key.clone(), place, place.id, generation);
        }
        is_told
    }
}

/// Takes imports of these spellings again, each in its home.
fn admit_across(edge: &Edge, message: &OfProfile, across: &Across, found: &ShardFound) -> Folded {
    let audience = message.audience.as_str();
    let (now_ms, running) = (message.ambient.now_ms, edge.running(audience));
    let mut deciding = Deciding { across, running, audience, found, now_ms, open: Default::default() };
    let mut is_lifted = false;
    for key in message.keys.iter().filter(|key| !across.is_home(key)) {
        let home = across.home(key);
        match handed(across, Some(home), key) {
            Some(Some(answer)) if answer.status == 200 => is_lifted |= answer.body == LIFTED,
            Some(_) => return unavailable(),
            None => {
                let one = OfProfile { keys: vec![key.clone()], ..message.clone() };
                if !hand_on(&mut deciding, home, one) {
                    return unavailable();
                }
            }
        }
    }
    if !deciding.open.is_empty() {
        return ask(deciding);
    }
    // The others are what a home refuses by itself.
    let is_home = |key: usize| message.keys.get(key).is_some_and(|key| across.is_home(key));
    let erased: Vec<_> = found.erased.iter().filter(|erased| is_home(erased.key)).copied().collect();
    admit(edge, message, &erased, is_lifted)
}

/// The answer where imports are taken again.
const LIFTED: &[u8] = br#"{"lifted":true}"#;

/// The last answer of another shard, or of this one, to this message about one key. The inner None: there was none.
fn handed<'a>(across: &'a Across, to: Option<u32>, key: &KeyOf) -> Option<Option<&'a Response>> {
    let is = |message: &Message| matches!(message, Message::Writer(ToWriter::Profile(sent)) if sent.keys.first() == Some(key));
    let mut sent = across.handed().rev();
    let (_, answer) =
        sent.find(|(sent, _)| to.is_none_or(|to| sent.route.shard == to) && is(&sent.message))?;
    Some(answer.as_ref())
}

/// False: it was handed on too often.
fn hand_on(deciding: &mut Deciding<'_>, to: u32, message: OfProfile) -> bool {
    let hops = deciding.across.part.as_ref().map_or(0, |part| part.hops);
    if hops >= HOPS_MAX {
        return false;
    }
    let part = Part { hops: hops + 1, ..Part::default() };
    deciding.open.hand_on(deciding.across.hand_on(to, ToWriter::Profile(message), part));
    true
}

fn ask(mut deciding: Deciding<'_>) -> Folded {
    let open = core::mem::take(&mut deciding.open);
    ask_with(&deciding, open)
}

fn ask_with(deciding: &Deciding<'_>, open: Open) -> Folded {
    if deciding.across.is_last() {
        return unavailable();
    }
    Folded::Ask(open.questions(deciding.across, deciding.audience, deciding.number()))
}

/// Nothing is done: it may be asked again.
fn unavailable() -> Folded {
    Outcome::of(Response::problem(Refusal::STORAGE, None))
}
