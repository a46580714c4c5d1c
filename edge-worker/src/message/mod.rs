//! Messages from the front to a writer or to the control object, and the nouns that both use.

mod codec;
mod snapshot;

pub(crate) use codec::{Received, Unreadable};
pub(crate) use snapshot::Snapshot;

use crate::form::Form;

/// A request of a front.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Writer(ToWriter),
    Control(ToControl),
}

/// For the writer of a shard: profiles are read or changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ToWriter {
    Events(Events),
    Import(Import),
    Snapshot(SnapshotRequest),
    /// The newest bundle of each audience with which profiles were written in this shard.
    Written,
}

/// For the control object: bundles are read or changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ToControl {
    /// The bundle that each audience runs, without bodies.
    Pointers,
    /// A bundle's body.
    Bundle {
        hash: String,
    },
    Publish(Publish),
    Rollback(Rollback),
    /// The last bundles of an audience. `here` is the number of the one that the front runs; 0: none that is as it
    /// should be.
    Releases {
        audience: String,
        here: u64,
    },
    /// One of them, with its body.
    Release {
        audience: String,
        which: WhichRelease,
    },
    /// The number of what an audience runs becomes higher than this one, which a shard has seen.
    ///
    /// `lost` is the hash of what ran under that number, where the control object knows nothing of the audience.
    Raise {
        audience: String,
        above: u64,
        lost: Option<String>,
    },
}

/// The message by which a host asks the control object on its own account which bundles should run. The answer is a list
/// of `audience · number · hash`.
pub fn pointers(form: Form) -> Vec<u8> {
    Message::Control(ToControl::Pointers).encode(form)
}

/// The message by which a host asks the control object for the body of a bundle.
pub fn bundle(hash: &str, form: Form) -> Vec<u8> {
    Message::Control(ToControl::Bundle { hash: hash.to_owned() }).encode(form)
}

/// The message by which a host asks the control object for the newest bundle of an audience before this number, to run it
/// while a later one is damaged.
pub fn earlier_bundle(audience: &str, number: u64, form: Form) -> Vec<u8> {
    let which = WhichRelease::Before(number);
    Message::Control(ToControl::Release { audience: audience.to_owned(), which }).encode(form)
}

/// The message by which a host asks a shard which bundles wrote to it. The answer is a list as for [`pointers`].
pub fn written(form: Form) -> Vec<u8> {
    Message::Writer(ToWriter::Written).encode(form)
}

/// The message by which a host tells the control object that a shard has seen a higher number than it knows.
pub fn raise(audience: &str, above: u64, form: Form) -> Vec<u8> {
    Message::Control(ToControl::Raise { audience: audience.to_owned(), above, lost: None }).encode(form)
}

/// The message that tells a control object that lost an audience what ran, so that its numbers go on.
pub(crate) fn restore(audience: &str, number: u64, hash: &str, form: Form) -> Vec<u8> {
    let (audience, lost) = (audience.to_owned(), Some(hash.to_owned()));
    Message::Control(ToControl::Raise { audience, above: number, lost }).encode(form)
}

/// The fact under which a source travels.
pub(crate) const SOURCE_FACT: &str = ".source";

/// Events to ingest, of one table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Events {
    pub(crate) ambient: Ambient,
    /// Audiences that declare the table, each with the number of the bundle that the front runs.
    pub(crate) audiences: Vec<(String, u64)>,
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) mode: Mode,
    /// True when a server key sent them: the server vouches for the keys.
    pub(crate) server: bool,
    /// The page that may read the answer; empty: none.
    pub(crate) origin: String,
    /// Facts of the request that criteria see as `edge.<name>`.
    pub(crate) edge: Vec<(String, String)>,
    /// As it was sent.
    pub(crate) body: Vec<u8>,
}

impl Events {
    /// Takes out the source of a caller by a public key. It travels among the facts of the request, under a name that no
    /// criterion has, so that a writer of the previous build reads the message as well.
    pub(crate) fn take_source(&mut self) -> Option<String> {
        let at = self.edge.iter().position(|(name, _)| name == SOURCE_FACT)?;
        Some(self.edge.remove(at).1).filter(|_| !self.server)
    }
}

/// The answer that the caller wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mode {
    /// Receipts.
    Ingest,
    /// Offers, for one event.
    Personalize {
        /// The personalizations that may answer; None: all that are triggered.
        named: Option<Vec<String>>,
        server_route: bool,
        sensitive_scope: bool,
    },
}

/// Batch records to import.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Import {
    pub(crate) ambient: Ambient,
    pub(crate) audience: String,
    /// The number of the bundle that the front runs.
    pub(crate) number: u64,
    /// NDJSON, as it was sent.
    pub(crate) body: Vec<u8>,
    /// Whether the records add to older ones.
    pub(crate) patch: bool,
}

/// Asks for a [`Snapshot`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SnapshotRequest {
    pub(crate) ambient: Ambient,
    /// In the order in which they are tried.
    pub(crate) keys: Vec<KeyOf>,
}

/// A bundle to run from now on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Publish {
    pub(crate) audience: String,
    pub(crate) hash: String,
    /// What may run now, as `wire::entity_tag` writes it: hashes, or `*`; None: anything.
    pub(crate) if_match: Option<String>,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    pub(crate) body: Vec<u8>,
}

/// A bundle that ran before, to run again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rollback {
    pub(crate) audience: String,
    pub(crate) which: WhichRelease,
    /// What may run now, as `wire::entity_tag` writes it: hashes, or `*`; None: anything.
    pub(crate) if_match: Option<String>,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
}

/// The outcome of one event, over all audiences.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receipt {
    /// Why it was not ingested, in the SDKs' words where they have one; None: it was.
    pub(crate) failure: Option<&'static str>,
    /// Stable names of remarks about an event that was ingested, each once.
    pub(crate) notes: Vec<&'static str>,
}

impl Receipt {
    pub(crate) fn note(&mut self, note: &'static str) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// A stitching key of one audience.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyOf {
    /// The audience's id.
    pub audience: String,
    /// The stitching key's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Selects one of an audience's bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichRelease {
    /// The last one with other content that was published before the content that runs. So a second rollback goes further
    /// back, and none goes forward again.
    Previous,
    /// The one with this number.
    Number(u64),
    /// The newest one with this hash.
    Hash(String),
    /// The newest one with a lower number than this.
    Before(u64),
}

/// Time and randomness: they enter once per request, as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambient {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Unpredictable; ids are made of it.
    pub entropy: [u8; 32],
}
