//! Visitors in journeys who wait no longer.

use usher_engine::limits::PROFILE_BYTES_MAX;
use usher_engine::profile::{Profile, codec};

use super::journeys::{note_wait, send_row};
use crate::edge::{Edge, Running};
use crate::limits::{PARKED_MS, UPKEEP_MORE_MS};
use crate::log::Line;
use crate::store::journeys::WaitRow;
use crate::store::{FoundProfile, ProfileRow, Write};

/// Leads on everybody who waits no longer.
pub(super) fn lead_on(
    edge: &Edge,
    waiting: &[FoundProfile],
    now_ms: i64,
    write: &mut Write,
    log: &mut Vec<Line>,
) {
    for found in waiting {
        let again = |after_ms: Option<i64>| WaitRow {
            audience: found.audience.clone(),
            profile: found.id,
            due_ms: after_ms.map(|after_ms| now_ms.saturating_add(after_ms)),
        };
        if found.state.is_empty() {
            // It was merged or erased.
            write.waits.push(again(None));
            continue;
        }
        let Some(running) = edge.running(&found.audience) else {
            write.waits.push(again(Some(PARKED_MS)));
            continue;
        };
        match codec::decode(&found.state) {
            // A newer bundle wrote it: this writer catches up first.
            Ok(profile) if profile.bundle > running.number => {
                write.waits.push(again(Some(UPKEEP_MORE_MS)));
            }
            Ok(profile) => lead_on_one(edge, running, found, profile, now_ms, write),
            Err(why) => {
                log.push(super::set::unreadable(why));
                write.waits.push(again(Some(PARKED_MS)));
            }
        }
    }
}

fn lead_on_one(
    edge: &Edge,
    running: &Running,
    found: &FoundProfile,
    mut profile: Profile,
    now_ms: i64,
    write: &mut Write,
) {
    let plan = &running.plan;
    let advanced = plan.advance(&mut profile, None, &[], now_ms);
    note_wait(plan, &profile, &found.audience, now_ms, write);
    if !profile.is_changed() {
        return;
    }
    profile.version = found.version.saturating_add(1);
    plan.adopt(&mut profile, running.number, now_ms);
    let mut state = codec::encode(&profile, edge.form().of_profiles());
    let over = state.len().saturating_sub(PROFILE_BYTES_MAX);
    if over > 0 && (profile.make_room(over) || profile.trim(over)) {
        state = codec::encode(&profile, edge.form().of_profiles());
    }
    let (audience, id) = (found.audience.clone(), found.id);
    let sends = advanced.fired.iter().map(|fired| send_row(&audience, id, fired, now_ms));
    write.sends.extend(sends);
    write.profiles.push(ProfileRow {
        audience,
        id,
        version: profile.version,
        touched_ms: now_ms,
        state,
        keys: None,
    });
}
