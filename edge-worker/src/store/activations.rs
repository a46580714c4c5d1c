//! Rows of delivery: stored messages on their way to destinations, and attempts.

use super::journeys::SendRow;
use crate::message::Listed;
pub use crate::message::{DeliveryRow, Stage};

/// What a message about activations needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivationsRead {
    /// A turn of delivery.
    Turn {
        /// Unix milliseconds.
        now_ms: i64,
        /// The numbers of the messages whose attempts ended.
        ended: Vec<i64>,
    },
    /// A page of a list.
    List {
        /// The audience's id.
        audience: String,
        /// The kind of rows.
        listed: Which,
        /// The number of the last row before the page; 0: it is the first page.
        after: i64,
        /// Most rows.
        most: u32,
    },
}

/// The rows of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Messages that are not delivered yet, and not parked.
    Waiting,
    /// Messages that nobody tries to deliver any more.
    Parked,
    /// Attempts, the latest first.
    Attempts,
}

impl From<Listed> for Which {
    fn from(listed: Listed) -> Which {
        match listed {
            Listed::Waiting => Which::Waiting,
            Listed::Parked => Which::Parked,
            Listed::Attempts => Which::Attempts,
        }
    }
}

/// The result of an [`ActivationsRead`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundActivations {
    /// The messages whose attempts ended, or those of a list.
    pub messages: Vec<FoundMessage>,
    /// Messages that no turn of this shard has seen, oldest first.
    pub fresh: Vec<FoundMessage>,
    /// Messages whose time has come, for each destination at most
    /// [`SENDING_ROWS_MAX`](crate::limits::SENDING_ROWS_MAX), earliest first.
    pub due: Vec<FoundMessage>,
    /// The attempts that are under way, by destination.
    pub under_way: Vec<(String, u32)>,
    /// The rates of destinations: when the next attempt may begin at the latest, Unix microseconds.
    pub free: Vec<(String, i64)>,
    /// The sequence number of the last message that a turn has taken; 0: none.
    pub sequence: i64,
    /// The earliest later time at which a message is due, Unix milliseconds.
    pub next_due_ms: Option<i64>,
    /// The attempts of a list, each with its number.
    pub attempts: Vec<(i64, AttemptRow)>,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMessage {
    /// The number of its row.
    pub number: i64,
    /// The message.
    pub row: SendRow,
    /// How its delivery stands; None: no turn of any shard has seen it.
    pub delivery: Option<DeliveryRow>,
    /// The destinations of earlier messages of its profile that are not delivered, parked or erased, separated by commas. A list
    /// does not say.
    pub before: String,
}

/// An attempt, or a message that was saved without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// The audience's id.
    pub audience: String,
    /// The profile's id at that time.
    pub profile: [u8; 16],
    /// Unix milliseconds.
    pub at_ms: i64,
    /// As JSON, with the fields of RT 2.0's table `activations`.
    pub entry: String,
}

/// Wakes the first message to a destination behind one that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// The audience's id.
    pub audience: String,
    /// The profile's id.
    pub profile: [u8; 16],
    /// The destination's id.
    pub destination: String,
    /// The number of the message that ended.
    pub after: i64,
}

/// The changes of a turn of delivery, or of operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivationsWrite {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// True if no attempt is under way any more.
    pub resumes: bool,
    /// Messages that were delivered.
    pub delivered: Vec<i64>,
    /// How the delivery of others stands now.
    pub rows: Vec<DeliveryRow>,
    /// Messages behind those that ended; they are looked at when all others are written.
    pub wakes: Vec<Wake>,
    /// Attempts.
    pub attempts: Vec<AttemptRow>,
    /// Rates of destinations.
    pub free: Vec<(String, i64)>,
    /// The sequence number of the last message, if there are new ones.
    pub sequence: Option<i64>,
}
