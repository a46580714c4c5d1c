//! What was written: one audience's events, attributes, identity and personalizations, as every dialect lowers to it.
//!
//! A `Definition` is plain data. It is what a bundle carries and what `pull` writes back; nothing compiled is in it.
//! Names refer to each other by text here; [`Plan::compile`](crate::Plan::compile) resolves them.

mod data;
mod event_table;
mod example;

use alloc::{string::String, vec::Vec};

pub use event_table::EventTable;
pub use example::{Example, ExampleCall, ExampleEvent, ExampleKey, Expected, Sender};

use crate::syntax::Expr;
use crate::value::{DataType, Value};

/// Everything that is written about one audience.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// Whose profiles these are.
    pub audience: Audience,
    /// Event tables that are declared without any key event on them.
    pub tables: Vec<EventTable>,
    /// Named, filtered event tables.
    pub key_events: Vec<KeyEvent>,
    /// Facts that are kept per visitor.
    pub attributes: Vec<Attribute>,
    /// How identifiers belong together.
    pub identity: Identity,
    /// The column in which an event's id is looked for first, before `uuid`, `event_id` and `messageId`.
    pub event_id_column: Option<String>,
    /// Ordered lists of sections.
    pub personalizations: Vec<Personalization>,
}

/// The set of visitors that a definition is about (RT 2.0: parent segment).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audience {
    /// As RT 2.0 numbers it; digits in practice, any text here.
    pub id: String,
    /// For people.
    pub name: Option<String>,
}

impl Audience {
    /// Whether a text can be an audience's id, which stands in addresses: letters, digits, `-`, `_`, `.` and `~`, not
    /// beginning with a dot.
    pub fn is_id(text: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        !text.is_empty() && text.bytes().all(plain) && !text.starts_with('.')
    }
}

/// A named, filtered event table.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyEvent {
    /// Unique in the audience.
    pub name: String,
    /// Where its rows arrive.
    pub table: EventTable,
    /// Which rows count; names in it are columns, written `event.column`. None: every row.
    pub filter: Option<Expr>,
    /// Columns that rows of the table have, if its author says so. Nothing runs by them: they are for checks.
    pub columns: Vec<String>,
    /// For people.
    pub description: Option<String>,
}

/// A fact that is kept per visitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Unique in the audience; the stable identifier under which its state is stored.
    pub name: String,
    /// What is kept and how.
    pub kind: AttributeKind,
    /// Whether its value may leave only through a server route, section and key that all say so.
    pub sensitive: bool,
    /// For people.
    pub description: Option<String>,
}

/// The kinds of attribute, each with its own semantics in `attribute/`.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeKind {
    /// One value.
    Single {
        /// Name of the key event that feeds it.
        key_event: String,
        /// Which of its events count; names in it are columns, written `event.column`. None: all.
        filter: Option<Expr>,
        /// The event's column that is read.
        column: String,
        /// How several events make one value.
        aggregation: Aggregation,
        /// `last`: how long after its event the value is missing again. All others: how far back they look, a sliding
        /// window. In milliseconds; None: for ever.
        duration_ms: Option<i64>,
        /// The declared type, if one was written.
        data_type: Option<DataType>,
        /// `last` only: a batch attribute that knows an earlier value.
        backfill: Option<Backfill>,
    },
    /// Items, newest first.
    List {
        /// Name of the key event that feeds it.
        key_event: String,
        /// Which of its events count; names in it are columns, written `event.column`. None: all.
        filter: Option<Expr>,
        /// The event's column that tells items apart: of two events with one value the newer is the item. None: every
        /// event is an item of its own.
        column: Option<String>,
        /// Which items stay when there are too many.
        keep: Keep,
        /// How many items are kept.
        items_max: u32,
        /// How long after its newest event an item lives, in milliseconds.
        duration_ms: i64,
        /// What is told of the items, each by its own name. None: what `column` says of each.
        parts: Vec<ListPart>,
        /// Events that take items out again.
        actions: Vec<ListAction>,
    },
    /// How often, or how much.
    Counter {
        /// Name of the key event that feeds it.
        key_event: String,
        /// Which of its events count; names in it are columns, written `event.column`. None: all.
        filter: Option<Expr>,
        /// What one event adds.
        increment: Increment,
        /// Length of the sliding window in milliseconds. None: a total, which only grows.
        window_ms: Option<i64>,
        /// Further windows of the same events, each by its own name.
        parts: Vec<CounterPart>,
        /// Totals only: a batch attribute that counted what came before.
        backfill: Option<Backfill>,
    },
    /// Comes with a profile import, never from an event.
    Batch {
        /// The record's column.
        column: String,
        /// The declared type, if one was written.
        data_type: Option<DataType>,
    },
}

/// How several events make the one value of a `Single`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// The value of the newest event, by (time, id).
    Last,
    /// The value of the oldest event, by (time, id).
    First,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The exact sum of all values; missing until the first.
    Sum,
}

/// Which items of a list stay when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Those seen last.
    Newest,
    /// Those seen first.
    Oldest,
}

/// One thing that is told of a list's items (RT 2.0: an aggregation with its sub-identifier).
#[derive(Clone, Debug, PartialEq)]
pub struct ListPart {
    /// Unique in the list; addressed as `list.name`.
    pub name: String,
    /// The column of the items' events; items without it are passed over.
    pub column: String,
    /// How the items make one value.
    pub aggregation: ListAggregation,
}

/// How the living items of a list make one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAggregation {
    /// Every item's value, newest first.
    Values,
    /// The same, each value once.
    DistinctList,
    /// The value of the item that was seen longest ago.
    First,
    /// The value of the item that was seen last.
    Last,
    /// The exact sum.
    Sum,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
}

/// An event that takes items out of a list. What was added later stays, or comes back.
#[derive(Clone, Debug, PartialEq)]
pub struct ListAction {
    /// What is taken out.
    pub action: Removal,
    /// Name of the key event that does it.
    pub key_event: String,
    /// Which of its events do; names in it are columns, written `event.column`. None: all.
    pub filter: Option<Expr>,
}

/// What an event takes out of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The item that the event names in the list's own `column`.
    DeleteItem,
    /// All of them.
    Clear,
}

/// A further window of a counter (RT 2.0: a sub-duration with its sub-identifier).
#[derive(Clone, Debug, PartialEq)]
pub struct CounterPart {
    /// Unique in the counter; addressed as `counter.name`.
    pub name: String,
    /// Length of the window in milliseconds.
    pub window_ms: i64,
}

/// What a batch knows of the time before events arrived: names of batch attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// The value, or the total.
    pub attribute: String,
    /// Its time. None: when the batch was computed.
    pub time_attribute: Option<String>,
}

/// What one event adds to a counter.
#[derive(Clone, Debug, PartialEq)]
pub enum Increment {
    /// The same each time.
    Constant(i64),
    /// The number in a column; nothing when it is missing or no number.
    Column(String),
}

/// How identifiers belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// The key whose values tell people apart: profiles with different ones never merge.
    pub primary_key: Option<String>,
    /// In the order in which they are tried.
    pub keys: Vec<StitchKey>,
    /// The key column of imported records; also tried first. None: the primary key.
    pub lookup_key: Option<String>,
    /// Version of the list of texts that mean nobody, such as `undefined`, at most [`Identity::PLACEHOLDER_LIST`]; 0: no
    /// list, as before there was one. A definition names it, so that the list never grows under one that runs.
    pub placeholder_list: u32,
}

impl Identity {
    /// The newest list of texts that mean nobody. What is read from texts that name none has list 1.
    pub const PLACEHOLDER_LIST: u32 = 1;
}

/// The rule for one identifier column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StitchKey {
    /// The column, which is also the key's name.
    pub name: String,
    /// What is done to a value before any other rule looks at it, wherever it comes from.
    pub normalize: Vec<Normalize>,
    /// A value must match this regular expression, if there is one.
    pub valid_regexp: Option<String>,
    /// A value must not match this one, if there is one.
    pub exclude_regex: Option<String>,
    /// Values that identify nobody, matched exactly.
    pub invalid_texts: Vec<String>,
    /// Whether texts of the list of placeholders identify all the same.
    pub placeholders: bool,
    /// Never stitches by events (`workflow_only`, `internal`).
    pub workflow_only: bool,
    /// Whose word is enough.
    pub trust: Trust,
}

/// How the value of a key is made one of many spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalize {
    /// Without Unicode white space before and behind it.
    Trim,
    /// In Unicode's simple lower case, one code point for one.
    Lowercase,
}

/// Whose word for a key's value is enough to stitch by it, and to read through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's, as in RT 2.0.
    #[default]
    Open,
    /// A server's, or that of a signed identity token.
    Verified,
}

/// An ordered list of sections (the seeds also say service and entity).
#[derive(Clone, Debug, PartialEq)]
pub struct Personalization {
    /// Unique in the audience.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// How many sections may answer.
    pub choice: Choice,
    /// The key event that triggers all of its sections, if one is named for all.
    pub trigger: Option<String>,
    /// What a caller hands in.
    pub inputs: Vec<Input>,
    /// In the order in which they are tried.
    pub sections: Vec<Section>,
}

/// How many sections of a personalization may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Every section that matches.
    All,
    /// The first one that matches.
    First,
}

/// A value that a caller hands in with the call (`input_params`).
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Unique in the personalization; one that is named like a key looks the profile up.
    pub name: String,
    /// What it must be.
    pub data_type: DataType,
    /// Whether a call without it is refused.
    pub required: bool,
}

/// One entry of a personalization: when it applies and what it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The offer's name; unique among personalizations that one table triggers.
    pub name: String,
    /// The key event that this section alone waits for.
    pub key_event: Option<String>,
    /// A further filter on that key event; names in it are columns, written `event.column`.
    pub event_filter: Option<Expr>,
    /// What must be true of the visitor.
    pub criteria: Expr,
    /// Whether a profile without a batch record may enter.
    pub accept_unknown_profiles: bool,
    /// What it answers, in order.
    pub outputs: Vec<Output>,
    /// Segments that are named in the answer when the profile is in them.
    pub segments: Vec<String>,
    /// Whether it may carry sensitive values to a caller that may have them.
    pub include_sensitive: bool,
}

/// One named value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Unique in its section.
    pub name: String,
    /// Where the value comes from.
    pub source: OutputSource,
}

/// Where an output's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputSource {
    /// An attribute by name, with the sub-identifier if one was written.
    Attribute {
        /// The attribute's name.
        name: String,
        /// A part of it, such as `items` of a list.
        part: Option<String>,
    },
    /// The same for everybody.
    Constant(Value),
    /// Texts, concatenated (`stringBuilder`).
    Text(Vec<String>),
    /// A text with `{{name}}` in it, where values of attributes go: texts bare, all else as JSON. Missing and withheld
    /// values leave the output out.
    Template(String),
}
