//! Definitions: one audience's events, attributes, identity and personalizations, as every dialect lowers to them.
//!
//! A `Definition` is plain data. A bundle carries it, and `pull` writes it back; it holds nothing compiled. Names refer
//! to each other by text; [`Plan::compile`](crate::Plan::compile) resolves them.

mod data;
mod event_table;
mod example;
mod journey;
pub mod pipeline;
mod table;

use alloc::{string::String, vec::Vec};

pub use event_table::EventTable;
pub use example::{Example, ExampleCall, ExampleEvent, ExampleKey, ExampleRows, Expected, Sender};
pub use journey::{
    Activation, Arm, Branch, Exit, ExitWhen, Gate, Goal, Header, Journey, JourneyState, Reentry, Stage, Step,
    StepKind, Target, key_of,
};
pub use table::{CatalogColumn, Table, TableColumn};

use crate::flat::flat;
use crate::syntax::{Expr, ValueExpr};
use crate::value::{DataType, Value};

/// The whole definition of one audience.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// The audience whose profiles it describes.
    pub audience: Audience,
    /// Event tables that are declared without any key event on them.
    pub tables: Vec<EventTable>,
    /// Named, filtered event tables.
    pub key_events: Vec<KeyEvent>,
    /// Facts that are kept per visitor.
    pub attributes: Vec<Attribute>,
    /// The rules of identity.
    pub identity: Identity,
    /// The column in which an event's id is looked for first, before `uuid`, `event_id` and `messageId`.
    pub event_id_column: Option<String>,
    /// True if events of undeclared tables are read for the names of their columns. They are refused all the same.
    pub discover: bool,
    /// Ordered lists of sections.
    pub personalizations: Vec<Personalization>,
    /// Paths that visitors take.
    pub journeys: Vec<Journey>,
    /// Messages to servers of others, which steps of journeys send.
    pub activations: Vec<Activation>,
    /// Keyed rows from outside that attributes look up.
    pub lookup_tables: Vec<Table>,
    /// Queries over one row that a request brings, joined with rows of tables.
    pub pipelines: Vec<pipeline::Pipeline>,
}

impl Definition {
    /// The index of the pipeline of this name.
    pub fn pipeline(&self, name: &str) -> Option<usize> {
        self.pipelines.iter().position(|pipeline| pipeline.name == name)
    }

    /// The table of rows of this name.
    pub fn lookup_table(&self, name: &str) -> Option<&Table> {
        self.lookup_tables.iter().find(|table| table.name == name)
    }

    /// The index of the personalization of this name, or else of this id.
    pub fn personalization(&self, name_or_id: &str) -> Option<usize> {
        let all = &self.personalizations;
        let of_name = all.iter().position(|known| known.name == name_or_id);
        of_name.or_else(|| all.iter().position(|known| known.id.as_deref() == Some(name_or_id)))
    }

    /// The index of the journey of this id, or else of this name.
    pub fn journey(&self, called: &str) -> Option<usize> {
        journey::of_id_or_name(&self.journeys, called, |journey| (&journey.id, &journey.name))
    }

    /// The index of the activation of this id, or else of this name.
    pub fn activation(&self, called: &str) -> Option<usize> {
        journey::of_id_or_name(&self.activations, called, |activation| (&activation.id, &activation.name))
    }
}

/// The set of visitors that a definition is about (RT 2.0: parent segment).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audience {
    /// The id; a number in RT 2.0, any text here.
    pub id: String,
    /// A display name.
    pub name: Option<String>,
}

impl Audience {
    /// True if a text can be an audience's id, which stands in addresses: letters, digits, `-`, `_`, `.` and `~`, not
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
    /// The table that its rows arrive in.
    pub table: EventTable,
    /// The filter on rows; names in it are columns, written `event.column`. None: every row counts.
    pub filter: Option<Expr>,
    /// The table's columns, if its author lists them. Only checks use them.
    pub columns: Vec<String>,
    /// For people.
    pub description: Option<String>,
}

/// A fact kept per visitor.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Unique in the audience; the stable identifier under which its state is stored.
    pub name: String,
    /// The kind, with its rule of computation.
    pub kind: AttributeKind,
    /// True if its value is sensitive: it may leave only through a server route, with a section and a key that both
    /// allow it.
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
        /// The filter on its events; names in it are columns, written `event.column`. None: all count.
        filter: Option<Expr>,
        /// The event's column that is read.
        column: String,
        /// The aggregation of several events to one value.
        aggregation: Aggregation,
        /// `last`: how long after its event the value expires. All others: the length of their sliding window. In
        /// milliseconds; None: no limit.
        duration_ms: Option<i64>,
        /// The declared type, if one was written.
        data_type: Option<DataType>,
        /// `last` only: a batch attribute that holds an earlier value.
        backfill: Option<Backfill>,
    },
    /// Items, newest first.
    List {
        /// Name of the key event that feeds it.
        key_event: String,
        /// The filter on its events; names in it are columns, written `event.column`. None: all count.
        filter: Option<Expr>,
        /// The event's column that identifies items: of two events with one value the newer is the item. None: every
        /// event is an item of its own.
        column: Option<String>,
        /// Which items stay over the cap.
        keep: Keep,
        /// The number of items that are kept.
        items_max: u32,
        /// The time from an item's newest event to its expiry, in milliseconds.
        duration_ms: i64,
        /// The parts, each with its own name. None: the value of `column` for each item.
        parts: Vec<ListPart>,
        /// Events that remove items.
        actions: Vec<ListAction>,
    },
    /// A number of events, or a sum of amounts.
    Counter {
        /// Name of the key event that feeds it.
        key_event: String,
        /// The filter on its events; names in it are columns, written `event.column`. None: all count.
        filter: Option<Expr>,
        /// The amount that one event adds.
        increment: Increment,
        /// Length of the sliding window in milliseconds. None: a total, which only grows.
        window_ms: Option<i64>,
        /// Further windows of the same events, each by its own name.
        parts: Vec<CounterPart>,
        /// Totals only: a batch attribute that counted earlier events.
        backfill: Option<Backfill>,
    },
    /// Comes with a profile import, never from an event.
    Batch {
        /// The record's column.
        column: String,
        /// The declared type, if one was written.
        data_type: Option<DataType>,
    },
    /// Columns of rows of a table, read when asked and never stored in a profile.
    Catalog {
        /// Name of the table.
        table: String,
        /// The source of the text that identifies a row: a stitching key, a single or list attribute (or a part of a
        /// list), or, written `event.column`, a column of the event.
        key: String,
        /// The columns that it reads, each addressed by its own name.
        columns: Vec<CatalogColumn>,
        /// The number of rows that are read at most, where the key is a list.
        limit: u32,
    },
}

/// The aggregation of several events to the value of a `Single`.
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

/// Which items of a list stay over the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The items seen last.
    Newest,
    /// The items seen first.
    Oldest,
}

/// A value computed from a list's items (RT 2.0: an aggregation with its sub-identifier).
#[derive(Clone, Debug, PartialEq)]
pub struct ListPart {
    /// Unique in the list; addressed as `list.name`.
    pub name: String,
    /// The column of the items' events; items without it are skipped.
    pub column: String,
    /// The aggregation of the items to one value.
    pub aggregation: ListAggregation,
}

/// The aggregation of a list's unexpired items to one value.
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

/// An event that removes items of a list. Items added later stay, or come back.
#[derive(Clone, Debug, PartialEq)]
pub struct ListAction {
    /// Which items it removes.
    pub action: Removal,
    /// Name of the key event that removes them.
    pub key_event: String,
    /// The filter on its events; names in it are columns, written `event.column`. None: all count.
    pub filter: Option<Expr>,
}

/// Which items an event removes from a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The item that the event names in the list's own `column`.
    DeleteItem,
    /// All items.
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

/// A batch base from before events arrived: names of batch attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// The batch attribute that holds the value, or the total.
    pub attribute: String,
    /// The batch attribute that holds its time. None: the time at which the batch was computed.
    pub time_attribute: Option<String>,
}

/// The amount that one event adds to a counter.
#[derive(Clone, Debug, PartialEq)]
pub enum Increment {
    /// The same for every event.
    Constant(i64),
    /// The number in a column; 0 when it is missing or not a number.
    Column(String),
}

/// The rules of identity: keys, and which of them identify people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// The key that identifies a person: profiles with different values of it never merge.
    pub primary_key: Option<String>,
    /// In the order in which they are tried.
    pub keys: Vec<StitchKey>,
    /// The key column of imported records; also tried first. None: the primary key.
    pub lookup_key: Option<String>,
    /// Version of the list of placeholder texts such as `undefined`, at most [`Identity::PLACEHOLDER_LIST`]; 0: no
    /// list, as in definitions from before the list existed. The version is part of the definition, so that a running
    /// definition keeps its list.
    pub placeholder_list: u32,
}

impl Identity {
    /// The newest list of placeholder texts. A definition read from text that names no version has list 1.
    pub const PLACEHOLDER_LIST: u32 = 1;
}

/// The rule for one identifier column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StitchKey {
    /// The column, which is also the key's name.
    pub name: String,
    /// Steps that normalize a value before any other rule applies, wherever the value comes from.
    pub normalize: Vec<Normalize>,
    /// A value must match this regular expression, if there is one.
    pub valid_regexp: Option<String>,
    /// A value must not match this one, if there is one.
    pub exclude_regex: Option<String>,
    /// Values that identify nobody, matched exactly.
    pub invalid_texts: Vec<String>,
    /// True if the texts of the placeholder list identify a visitor all the same.
    pub placeholders: bool,
    /// True if events never stitch by this key (`workflow_only`, `internal`).
    pub workflow_only: bool,
    /// The evidence that it needs.
    pub trust: Trust,
}

/// A step that normalizes a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalize {
    /// Removes leading and trailing Unicode white space.
    Trim,
    /// Maps to Unicode's simple lower case, one code point to one.
    Lowercase,
}

/// The evidence that a key's value needs to stitch by it, and to read through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// None: any caller may name it, as in RT 2.0.
    #[default]
    Open,
    /// A server key, or a signed identity token.
    Verified,
}

/// An ordered list of sections (the dialects also say service and entity).
#[derive(Clone, Debug, PartialEq)]
pub struct Personalization {
    /// Unique in the audience.
    pub name: String,
    /// The id under which the API knows it, if it has one: callers may name it by that, too.
    pub id: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The number of sections that may answer.
    pub choice: Choice,
    /// The form in which its offers list batch segments.
    pub segments_as: SegmentsAs,
    /// True if visitors' devices may decide it: its sections and what they read become public.
    pub device: bool,
    /// The key event that triggers all of its sections, if one is named for all.
    pub trigger: Option<String>,
    /// The inputs that a caller hands in.
    pub inputs: Vec<Input>,
    /// In the order in which they are tried.
    pub sections: Vec<Section>,
}

/// The number of a personalization's sections that may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Every section that matches.
    All,
    /// The first one that matches.
    First,
}

/// The form in which an offer lists the batch segments that the profile is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentsAs {
    /// `["loyal"]`
    #[default]
    Names,
    /// `[{"id": "55352"}]`; the name where no id is written.
    Ids,
    /// `{"loyal": true}`
    Booleans,
}

/// A value that a caller passes with the call (`input_params`).
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Unique in the personalization; an input with the name of a key looks the profile up.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// True if a call without it is refused.
    pub required: bool,
}

/// One entry of a personalization: the conditions to enter it, and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The section's name, which is the offer's; unique among personalizations that one table triggers.
    pub name: String,
    /// The key event that triggers this section alone.
    pub key_event: Option<String>,
    /// A further filter on that key event; names in it are columns, written `event.column`.
    pub event_filter: Option<Expr>,
    /// The criteria that the visitor must fulfil.
    pub criteria: Expr,
    /// True if a profile without a batch record may enter.
    pub accept_unknown_profiles: bool,
    /// Its answer, in order.
    pub outputs: Vec<Output>,
    /// Segments that the answer lists when the profile is in them.
    pub segments: Vec<Segment>,
    /// True if it may carry sensitive values to a caller with access to them.
    pub include_sensitive: bool,
}

/// A batch segment that a section lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// As batch records name it; unique in the section.
    pub name: String,
    /// The id under which the API knows it, if it was written beside the name.
    pub id: Option<String>,
}

/// One named value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Unique in its section.
    pub name: String,
    /// The source of its value.
    pub source: OutputSource,
}

/// The source of an output's value.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputSource {
    /// An attribute by name, with the sub-identifier if one was written.
    Attribute {
        /// The attribute's name.
        name: String,
        /// A part of it, such as `items` of a list.
        part: Option<String>,
    },
    /// The same value for every visitor.
    Constant(Value),
    /// Texts to concatenate (`stringBuilder`).
    Text(Vec<String>),
    /// A text with `{{name}}` placeholders for attributes: texts are inserted bare, other values as JSON. A missing or
    /// withheld value leaves the output out.
    Template(String),
    /// The value of an expression over what criteria may name. It is withheld when a value that can become its result
    /// is; a missing one leaves the output out.
    Expression(ValueExpr),
}

flat!(enum Keep { 0 = Newest, 1 = Oldest });
flat!(enum ListAggregation {
    0 = Values,
    1 = DistinctList,
    2 = First,
    3 = Last,
    4 = Sum,
    5 = Min,
    6 = Max,
});
flat!(enum Removal { 0 = DeleteItem, 1 = Clear });
flat!(enum Choice { 0 = All, 1 = First });
flat!(enum SegmentsAs { 0 = Names, 1 = Ids, 2 = Booleans });
