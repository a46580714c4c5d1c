//! Two profiles of one visitor in different writers: one was led on alone between the event that joined them and their merge.

use crate::attribute::State;
use crate::plan::HAS_JOURNEYS;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::progress::Progress;

impl Plan {
    /// Ends entries that would not be there if the two had been one when they were joined, at `joined_ms` (Unix milliseconds): the
    /// source's in a journey whose goal the profile has reached since, and one that the profile began although the source was in
    /// the journey.
    pub fn join_journeys(&self, profile: &mut Profile, source: &mut Profile, joined_ms: i64) {
        if !HAS_JOURNEYS || self.journeys.is_empty() {
            return;
        }
        let own = self.progresses(profile);
        for (index, brought) in self.progresses(source) {
            let kept = own.iter().find(|(known, _)| *known == index).map(|(_, progress)| progress);
            let (Some(kept), Some(entry)) = (kept, &brought.current) else { continue };
            let is_since = |at_ms: i64| at_ms >= joined_ms;
            let has_ended = kept.finished.iter().any(|ended| is_since(ended.ended_ms));
            let began = kept.current.as_ref().is_some_and(|current| is_since(current.entered_ms));
            if kept.finished.iter().any(|ended| ended.goal && is_since(ended.ended_ms)) {
                self.put(source, index, Progress { current: None, ..brought });
            } else if began && !has_ended && !is_since(entry.entered_ms) {
                self.put(profile, index, Progress { current: None, ..kept.clone() });
            }
        }
    }

    /// Gives a profile its progress in a journey.
    pub(super) fn put(&self, profile: &mut Profile, journey: usize, progress: Progress) {
        if let Some(plan) = self.journeys.get(journey) {
            let state = (!progress.is_empty()).then(|| State::Journey(alloc::boxed::Box::new(progress)));
            *profile.state_mut(&plan.state_name) = state;
        }
    }
}
