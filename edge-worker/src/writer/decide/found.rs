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
    /// Its shard, which was restored to an earlier time than others, has never heard of it.
    Lost,
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
    /// In a shard that was restored to a time before it was made.
    Lost,
    Unavailable,
    /// There, and its bytes are damaged.
    Damaged(Place),
}
