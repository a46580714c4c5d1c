//! Reads a whole profile.

use usher_engine::profile::codec;
use usher_engine::{Access, export};

use crate::answer;
use crate::edge::Edge;
use crate::error::Refusal;
use crate::message::{Act, OfProfile};
use crate::outcome::{Folded, Outcome};
use crate::store::{Found, FoundProfile, JournalRow, Read, Write};
use crate::wire::Response;

/// The read of a message for a profile.
pub(super) fn read(message: &OfProfile) -> Read {
    Read::Journals(message.keys.clone())
}

pub(super) fn fold(edge: &Edge, message: &OfProfile, found: &Found) -> Folded {
    let Found::Journals(profiles, journal) = found else {
        return Outcome::of(Response::problem(Refusal::INTERNAL, None));
    };
    // The first spelling that a profile has.
    let of_key = |index| profiles.iter().find(|found| found.keys.contains(&index));
    let Some(found) = (0..message.keys.len()).find_map(of_key) else {
        return Outcome::of(Response::problem(Refusal::PROFILE_UNKNOWN, None));
    };
    match message.act {
        Act::Read { sensitive } => show(edge, message, found, journal, sensitive),
    }
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
