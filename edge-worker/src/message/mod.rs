//! Messages from the front to a writer or to the control object, and the types that both use.

mod activations;
mod api;
mod codec;
mod identity;
mod payer;
mod place;
pub(crate) mod shards;
mod snapshot;
mod tables;
mod which;

pub(crate) use activations::{Activations, List, Listed, Retry, SendTurn};
pub use activations::{Attempt, AttemptOutcome, AttemptResult, DeliveryRow, SignedRequest, Stage};
pub(crate) use api::{Api, Op};
pub(crate) use codec::{Received, Unreadable, is_of_control_plane};
pub(crate) use identity::{AUDIENCE, CLAIMS, EXPIRED, Identity, LIFETIME, MALFORMED, NOT_YET, SIGNATURE};
pub(crate) use payer::Payer;
pub use place::{KeyOf, Place, Route};
pub use shards::Delivery;
pub(crate) use snapshot::{Snapshot, SnapshotRow};
pub(crate) use tables::{Load, OfTable, SnapshotRows, TableAct};

use crate::form::Form;
use crate::plane::InControlPlane;

/// A request of a front.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Writer(ToWriter),
    Control(ToControl),
}

/// For the writer of a shard: reads or changes profiles.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ToWriter {
    Events(Events),
    Import(Import),
    Profile(OfProfile),
    Upkeep(Upkeep),
    Snapshot(SnapshotRequest),
    /// Reads or changes rows of a table.
    Table(InControlPlane<Box<OfTable>>),
    /// Asks for the newest bundle of each audience that wrote profiles in this shard.
    Written,
    /// Asks whether the shard reads and writes.
    Probe(Probe),
    /// From another shard.
    Shard(shards::ToShard),
    /// About stored activations.
    Activations(Box<Activations>),
}

/// Says that a message is a part of a larger one, so that its answer is for the sender alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Part {
    /// The number of shards that handed it on.
    pub(crate) hops: u8,
    /// True if its events are committed, and only the answer is still wanted.
    pub(crate) committed: bool,
    /// Of each event its place in the whole, and its time in Unix milliseconds; of each row of an import its line.
    pub(crate) places: Vec<(u32, i64)>,
}

/// For the control object: reads or changes bundles.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ToControl {
    /// Asks for the bundle that each audience runs, without bodies.
    Pointers,
    /// Asks for a bundle's body.
    Bundle {
        hash: String,
    },
    Publish(Publish),
    Rollback(Rollback),
    /// Asks for the stored bundles of an audience. `here` is the number of the one that the front runs; 0: none, or a
    /// stand-in.
    Releases {
        audience: String,
        here: u64,
    },
    /// Asks for one of them, with its body.
    Release {
        audience: String,
        which: WhichRelease,
    },
    Revoke(Revoke),
    /// The number of what an audience runs becomes higher than this one, which a shard has seen.
    ///
    /// `lost` is the hash of what ran under that number, where the control object knows nothing of the audience.
    Raise {
        audience: String,
        above: u64,
        lost: Option<String>,
    },
    /// A call of the control API.
    Api(Box<Api>),
}

/// The message by which a host asks the control object for the bundles that should run. The answer is a list of
/// `audience · number · hash`.
pub fn pointers(form: Form) -> Vec<u8> {
    Message::Control(ToControl::Pointers).encode(form)
}

/// The message by which a host asks the control object for the body of a bundle.
pub fn bundle(hash: &str, form: Form) -> Vec<u8> {
    Message::Control(ToControl::Bundle { hash: hash.to_owned() }).encode(form)
}

/// The message by which a host asks the control object for the newest bundle of an audience before this number, to run
/// it while a later one is damaged.
pub fn earlier_bundle(audience: &str, number: u64, form: Form) -> Vec<u8> {
    let which = WhichRelease::Before(number);
    Message::Control(ToControl::Release { audience: audience.to_owned(), which }).encode(form)
}

/// The message by which a host asks a shard for the bundles that wrote to it. The answer is a list as for [`pointers`].
pub fn written(to: Route, form: Form) -> Vec<u8> {
    to.address(Message::Writer(ToWriter::Written).encode(form), None)
}

/// The message by which a host asks a shard for the stored messages that are due; the answer is a
/// [list](Delivery::list).
pub fn due(now_ms: i64, to: Route, form: Form) -> Vec<u8> {
    let message = Message::Writer(ToWriter::Shard(shards::ToShard::Due(now_ms)));
    to.address(message.encode(form), None)
}

/// The message by which a host hands the answer to a stored message back to the shard that stored it. None: nobody
/// answered, or it was not 200.
pub fn settle(delivery: &Delivery, answer: Option<&[u8]>, at_ms: i64, to: Route, form: Form) -> Vec<u8> {
    let Delivery { number, message, .. } = delivery.clone();
    let settle = shards::Settle { number, message, answer: answer.map(<[u8]>::to_vec), at_ms };
    to.address(Message::Writer(ToWriter::Shard(shards::ToShard::Settle(settle))).encode(form), None)
}

/// The message by which a host informs the control object that a shard has seen a higher number.
pub fn raise(audience: &str, above: u64, form: Form) -> Vec<u8> {
    Message::Control(ToControl::Raise { audience: audience.to_owned(), above, lost: None }).encode(form)
}

/// The message by which a host with a timer asks the control object to publish a draft that is due. Its answer says when the
/// next one is ([`NEXT`](crate::NEXT)), if there is one.
pub fn due_draft(ambient: Ambient, form: Form) -> Vec<u8> {
    let api = Api {
        now_ms: ambient.now_ms,
        entropy: ambient.entropy,
        op: Op::DraftDue,
        audience: String::new(),
        covers: None,
        account: String::new(),
        parameters: [String::new(), String::new()],
        target: String::new(),
        body: Vec::new(),
    };
    Message::Control(ToControl::Api(Box::new(api))).encode(form)
}

/// The message for a turn of upkeep in a shard. `entombs`: its answer names the copies of erased profiles that have to be
/// replaced once more ([`FORGET`](crate::FORGET)); the next one with false notes that they were.
pub fn upkeep(ambient: Ambient, entombs: bool, to: Route, form: Form) -> Vec<u8> {
    to.address(Message::Writer(ToWriter::Upkeep(Upkeep { ambient, entombs })).encode(form), None)
}

/// The message for a turn of delivery in a shard, with the results of attempts. Its answer has the next [attempts](Attempt::list), at
/// most so many, and says when the next turn is due ([`NEXT`](crate::NEXT)), if one is. `resumes`: no attempt is under way in this
/// process.
pub fn send_turn(
    ambient: Ambient,
    resumes: bool,
    most: u32,
    results: Vec<AttemptResult>,
    to: Route,
    form: Form,
) -> Vec<u8> {
    let turn = Activations::Turn(SendTurn {
        now_ms: ambient.now_ms,
        entropy: ambient.entropy,
        resumes,
        most,
        results,
    });
    to.address(Message::Writer(ToWriter::Activations(Box::new(turn))).encode(form), None)
}

/// The same for a shard that hands it to all others.
pub(crate) fn upkeep_of_all(ambient: Ambient, to: Route, form: Form) -> Vec<u8> {
    let message = Message::Writer(ToWriter::Upkeep(Upkeep { ambient, entombs: false }));
    to.address(message.encode(form), Some(&Part::default()))
}

/// The message that tells a control object that lost an audience what ran, so that its numbers go on.
pub(crate) fn restore(audience: &str, number: u64, hash: &str, form: Form) -> Vec<u8> {
    let (audience, lost) = (audience.to_owned(), Some(hash.to_owned()));
    Message::Control(ToControl::Raise { audience, above: number, lost }).encode(form)
}

/// The name of the fact that carries whose rate is drawn on.
pub(crate) const SOURCE_FACT: &str = ".source";

/// Events of one table to ingest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Events {
    pub(crate) ambient: Ambient,
    /// The audiences that declare the table, or one of the tables, each with the number of the bundle that the front runs.
    pub(crate) audiences: Vec<(String, u64)>,
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) mode: Mode,
    /// True for a server key, which is evidence for the keys.
    pub(crate) server: bool,
    /// The keys that an identity token vouches for; no message of form 1 has them.
    pub(crate) identity: Identity,
    /// The page that may read the answer; empty: none.
    pub(crate) origin: String,
    /// Facts of the request that criteria read as `edge.<name>`.
    pub(crate) edge: Vec<(String, String)>,
    /// The body as sent.
    pub(crate) body: Vec<u8>,
}

impl Events {
    /// Takes out whose rate the events draw on. It is among the facts of the request, under a name that no criterion can
    /// have, so that a writer of the previous build also reads the message.
    pub(crate) fn take_payer(&mut self) -> Option<Payer<'static>> {
        let at = self.edge.iter().position(|(name, _)| name == SOURCE_FACT)?;
        Payer::of_text(self.edge.remove(at).1, self.server)
    }
}

/// The kind of body and answer.
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
    /// Receipts with ids, of events that each name their table; the message names none. Offers, too, if they are asked for:
    /// then there is one audience. No message of form 1 has it.
    Mixed(Option<Asking>),
}

/// The personalizations that a page asks for with its events, by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asking {
    pub(crate) named: Vec<String>,
    /// Names that it may not ask for.
    pub(crate) unknown: Vec<String>,
}

/// Batch records to import.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Import {
    pub(crate) ambient: Ambient,
    pub(crate) audience: String,
    /// The number of the bundle that the front runs.
    pub(crate) number: u64,
    /// The body as sent: NDJSON.
    pub(crate) body: Vec<u8>,
    /// True if the records add to older ones.
    pub(crate) patch: bool,
}

/// For the profile of a key, as an operator or a visitor's request wants it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OfProfile {
    pub(crate) ambient: Ambient,
    pub(crate) audience: String,
    /// The number of the bundle that the front runs; 0: none.
    pub(crate) number: u64,
    /// The spellings of the key, in the order to try them.
    pub(crate) keys: Vec<KeyOf>,
    pub(crate) act: Act,
}

/// The work on a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Answers with all of it.
    Read {
        /// True if the caller may see sensitive values.
        sensitive: bool,
    },
    /// Removes it, and refuses older events and imports of its keys from now on.
    Erase,
    /// Takes imports of the key again after its profile was erased.
    Admit,
}

/// One turn of deleting data that has expired.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Upkeep {
    pub(crate) ambient: Ambient,
    /// True if the host that gets the answer has to replace the copies of erased profiles once more; false if it has done so,
    /// or there are none.
    pub(crate) entombs: bool,
}

/// Asks for a [`Snapshot`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SnapshotRequest {
    pub(crate) ambient: Ambient,
    /// In the order to try them.
    pub(crate) keys: Vec<KeyOf>,
    /// True to have the journal of the profile, too; no message of form 1 says it.
    pub(crate) journal: bool,
    /// The profile that the caller has seen, as its token names it. Only sent where there are several shards.
    pub(crate) seen: Option<[u8; 16]>,
    /// The rows of tables that it is to carry; empty: none. Only the control plane asks for them, and answers.
    pub(crate) rows: InControlPlane<Box<SnapshotRows>>,
}

/// The hash in a pointer or release of an audience that was taken out: it runs nothing.
pub(crate) const NO_BUNDLE: &str = "";

/// Asks whether a shard reads and writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probe {
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// The answer if it does, and if it does not.
    pub(crate) well: Vec<u8>,
    pub(crate) degraded: Vec<u8>,
}

/// A bundle to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Publish {
    pub(crate) audience: String,
    pub(crate) hash: String,
    /// Hashes that may run now, as `wire::entity_tag` writes them, or `*`; None: any.
    pub(crate) if_match: Option<String>,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// True to publish although a draft of the control API is open, which is then set aside.
    pub(crate) over_draft: bool,
    pub(crate) body: Vec<u8>,
}

/// A key that nobody may use any more, or a program for devices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Revoke {
    /// Its hash, as hexadecimal digits; of a program with [`OF_AUDIENCE`] and its audience behind.
    pub(crate) sha256: String,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
}

/// The pointers to bundles carry revoked keys, too, so that they reach every place with these and need no storage, message or
/// read of their own. The name of the audience is this, which is no id, and the hash of the key; it runs [`NO_BUNDLE`], which
/// an earlier build takes for an audience that was taken out.
pub(crate) const REVOKED: &str = "/";

/// Stands between the hash of a revoked program and its audience: two audiences may have one program. It is no digit, so an
/// earlier build finds no key with this hash.
pub(crate) const OF_AUDIENCE: char = '@';

/// The name under which a program of an audience is revoked.
pub(crate) fn revocable(program: &str, audience: &str) -> String {
    format!("{program}{OF_AUDIENCE}{audience}")
}

/// A token that the control API made travels in the same way: behind this follows its record in hexadecimal digits. An
/// earlier build takes it for a revoked key that it does not know. It sorts before every hash, so that a token is known before it
/// is revoked.
pub(crate) const GRANTED: &str = "/+";

/// An earlier bundle to run again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rollback {
    pub(crate) audience: String,
    pub(crate) which: WhichRelease,
    /// Hashes that may run now, as `wire::entity_tag` writes them, or `*`; None: any.
    pub(crate) if_match: Option<String>,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
}

/// The outcome of one event, over all audiences.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receipt {
    /// The reason why it was not ingested, in the SDKs' words where they have one; None: it was.
    pub(crate) failure: Option<&'static str>,
    /// Stable names of remarks about an ingested event, each once.
    pub(crate) notes: Vec<&'static str>,
}

impl Receipt {
    pub(crate) fn note(&mut self, note: &'static str) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Selects one of an audience's bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichRelease {
    /// The last bundle with other content that was published before the running content. So a second rollback goes
    /// further back, and none goes forward.
    Previous,
    /// The bundle with this number.
    Number(u64),
    /// The newest bundle with this hash.
    Hash(String),
    /// The newest bundle with a lower number.
    Before(u64),
}

/// Time and randomness, passed in once per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambient {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Unpredictable bytes, from which ids are made.
    pub entropy: [u8; 32],
}
