//! Where a profile is found.

use super::super::set::ProfileIndex;
use crate::message::Place;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum At {
    Here(ProfileIndex),
    There(Place),
}

/// The end of a search for a profile.
pub(super) enum Search {
    Found(At),
    Nobody,
    Later,
    Unavailable,
    /// Its bytes there are damaged.
    Unreadable(Place),
}

/// Where the profile of a key is.
pub(in crate::writer) enum Whereabouts {
    /// Here, with this id.
    Here([u8; 16]),
    There(Place),
    Nobody,
    /// Answers to questions will say it.
    Later,
    Unavailable,
    /// There, and its bytes are damaged.
    Damaged(Place),
}
