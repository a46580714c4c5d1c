//! Rows of the control object beside bundles: the state of the control API for each audience, and the ids of its objects.

/// A time that never comes, Unix milliseconds: the greatest integer that JavaScript holds exactly. A greater one would be stored by
/// a Durable Object as a float, and not be read back as a time.
pub const NEVER_MS: i64 = (1 << 53) - 1;

/// Selects the audience whose state is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlRead {
    /// Its id; empty: that of the object, or else of a draft that is due.
    pub audience: String,
    /// The id of an object; 0: none.
    pub object: u64,
    /// Unix milliseconds: without an audience and an object, the draft that was due first until then.
    pub due_ms: i64,
}

/// The stored state of the control API for an audience.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlRow {
    /// Counts its commits, from 1.
    pub version: u64,
    /// The time at which its draft is due, Unix milliseconds; [`NEVER_MS`]: there is none, or it waits for a call.
    pub due_ms: i64,
    /// The number of the bundle from which its draft began; None: there is no draft.
    pub base: Option<u64>,
    /// All of it, as the control API writes it.
    pub state: Vec<u8>,
}

/// A change of the state of the control API for an audience.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlWrite {
    /// The audience's id.
    pub audience: String,
    /// The state.
    pub row: ControlRow,
    /// The ids of its new objects.
    pub ids: Vec<u64>,
}

/// The facts about the control API that a write depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlBasis {
    /// The audience's id.
    pub audience: String,
    /// The version of its state; 0: there was none.
    pub version: u64,
    /// The greatest id of any object.
    pub last_id: u64,
}
