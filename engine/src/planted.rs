//! Bugs for the simulation to find (`tests/sim`). They exist only with the feature `planted`, and one at a time is switched
//! on. Without the feature every question is a constant, and nothing that ships enables it.

/// A bug that somebody could write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A commit does not check what it builds on.
    CommitsWithoutCondition = 1,
    /// The answer is sent before the commit, whatever becomes of that.
    AcknowledgesFirst,
    /// A message whose commit failed is folded again, although it may have been made.
    RepeatsInDoubt,
    /// Some ids of events are not remembered.
    ForgetsIds,
    /// A merge leaves the other profile's ids of events behind.
    MergesWithoutIds,
    /// A profile does not get the keys of those that it absorbs.
    LosesMovedKeys,
    /// State of another shape is dropped and not parked.
    DropsParkedState,
    /// The previous form of profiles is read without the ids of events.
    MisreadsPreviousForm,
    /// A copy answers although its caller has seen a newer version.
    IgnoresTokens,
    /// Copies of a key that moved stay.
    KeepsCopies,
    /// A writer goes on with an older bundle than the one that wrote a profile.
    WritesWithOlderBundle,
    /// A page may read through keys that only servers may name.
    TrustsPages,
    /// Events are folded into a profile that has handed its state over.
    FoldsIntoSealed,
    /// The keys of a profile that was absorbed in another shard lead nowhere.
    PointsNowhere,
    /// An erased profile's keys are taken from events of before.
    ForgetsErasures,
    /// The homes of an erased profile's other keys do not hear of it.
    ErasesAlone,
}

impl Bug {
    /// Each of them.
    pub const ALL: [Bug; 16] = [
        Bug::CommitsWithoutCondition,
        Bug::AcknowledgesFirst,
        Bug::RepeatsInDoubt,
        Bug::ForgetsIds,
        Bug::MergesWithoutIds,
        Bug::LosesMovedKeys,
        Bug::DropsParkedState,
        Bug::MisreadsPreviousForm,
        Bug::IgnoresTokens,
        Bug::KeepsCopies,
        Bug::WritesWithOlderBundle,
        Bug::TrustsPages,
        Bug::FoldsIntoSealed,
        Bug::PointsNowhere,
        Bug::ForgetsErasures,
        Bug::ErasesAlone,
    ];
}

#[cfg(feature = "planted")]
static PLANTED: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);

/// Switches a bug on in this process, and any other off.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), core::sync::atomic::Ordering::Relaxed);
}

/// True while this bug is switched on.
#[cfg(feature = "planted")]
pub fn is(bug: Bug) -> bool {
    PLANTED.load(core::sync::atomic::Ordering::Relaxed) == bug as u8
}

/// False: this build has no bugs of this kind.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}
