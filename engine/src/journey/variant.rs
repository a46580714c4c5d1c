//! The step Variant: visitors are split by chance, each once.
//!
//! The chance is `HASH` of journey and profile, drawn when the visitor enters. The first step of a journey that splits reads
//! its last four decimal digits as hundredths of a percent, the next one the four before, and so on: so several splits do not
//! depend on each other.

use super::here::Flow;
use crate::plan::ArmPlan;
use crate::profile::ProfileId;
use crate::progress::Current;
use crate::xxh3;

/// The number of parts that shares are counted in.
const PARTS: u64 = 10_000;

/// `HASH` of `<journey>/<profile>`, which is not negative.
pub(super) fn draw(journey: &str, profile: ProfileId) -> u64 {
    let text = alloc::format!("{journey}/{profile}");
    xxh3::hash(text.as_bytes()) & (u64::MAX >> 1)
}

/// The arm that an entry takes, which it remembers.
pub(super) fn take(current: &mut Current, step: u64, digits: u32, arms: &[ArmPlan]) -> Flow {
    let known = current.arms.iter().find(|(known, _)| *known == step);
    let known = known.and_then(|(_, arm)| arms.iter().find(|one| one.name == *arm));
    let arm = known.or_else(|| {
        let shifted = current.draw.checked_div(PARTS.saturating_pow(digits)).unwrap_or(0);
        let mut left = shifted.checked_rem(PARTS).unwrap_or(0);
        arms.iter().find(|arm| match left.checked_sub(arm.share.into()) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    });
    if known.is_none()
        && let Some(arm) = arm
    {
        current.arms.retain(|(known, _)| *known != step);
        current.arms.push((step, arm.name));
        current.arms.truncate(crate::limits::SPLITS_MAX);
    }
    Flow::Next(arm.and_then(|arm| arm.next))
}
