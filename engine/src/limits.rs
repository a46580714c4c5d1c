//! Every bound of the engine, in one place. Bounds of the HTTP service stand in `usher-edge`'s `limits`.

/// Largest magnitude that a sum or counter takes from one event.
pub const SUMMAND_MAX: i64 = 1_000_000_000_000_000;
/// Maximum depth of nested criteria.
pub const CRITERIA_DEPTH_MAX: usize = 32;
/// Maximum length of a criterion's text, in bytes.
pub const CRITERIA_BYTES_MAX: usize = 4_096;
/// Bytes of one as a build prints it, with blanks and brackets that nobody wrote.
pub const CRITERIA_PRINTED_BYTES_MAX: usize = 4 * CRITERIA_BYTES_MAX;
/// Maximum number of tests in one criterion.
pub const CRITERIA_TESTS_MAX: usize = 256;
/// Most parts of one condition or expression whose places in its text are looked for.
pub const LOCATED_PARTS_MAX: usize = 128;
/// Maximum depth of an expression, with the conditions in it.
pub const EXPRESSION_DEPTH_MAX: usize = 48;
/// Maximum number of values, signs and functions in one expression.
pub const EXPRESSION_PARTS_MAX: usize = 1_024;
/// Maximum length of a text that an expression makes, in bytes; a longer one is missing.
pub const EXPRESSION_TEXT_BYTES_MAX: usize = 4_096;
/// Maximum number of parts of an `OR` that entailment examines one by one.
pub const ENTAILED_PARTS_MAX: usize = 16;
/// Maximum number of pairs of sections that are checked for entailment; further pairs are only checked for equal
/// conditions.
pub const ENTAILED_PAIRS_MAX: usize = 200_000;
/// Maximum number of array items in an event's column that are tested one by one, and of objects that an event may
/// count. A longer array is unknown to criteria, and its objects are refused.
pub const ARRAY_ITEMS_MAX: usize = 256;
/// Maximum number of values in an `IN`.
pub const IN_VALUES_MAX: usize = 256;
/// Maximum length of a regular expression, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;
/// Maximum size of a compiled regular expression, in steps: the most that one character of a text costs.
pub const PATTERN_SIZE_MAX: usize = 1_024;
/// Maximum number of text comparisons that replace a regular expression.
pub const PATTERN_TEXTS_MAX: usize = 16;
/// Number of a number's digits that are read exactly: of further ones only whether any is not zero can change a float.
pub const DIGITS_MAX: usize = 800;
/// Maximum length of a text that a regular expression searches, in bytes. A longer one is unknown, and the event's
/// receipt notes it. Patterns that a few text comparisons replace have no bound.
pub const PATTERN_TEXT_BYTES_MAX: usize = 2_048;
/// Maximum depth of groups and repetitions in a regular expression.
pub const PATTERN_DEPTH_MAX: u32 = 16;
/// Maximum length of a key's value, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// Maximum number of keys of a profile.
pub const KEYS_MAX: usize = 200;
/// Maximum number of absorbed profile ids that a profile remembers; the latest stay. They take a sixty-fourth of a
/// profile's bytes. Absorbing a remembered profile again changes nothing; storage guards the others: it seals a source
/// before it is absorbed, and never returns it again.
pub const ABSORBED_MAX: usize = 256;
/// Time for which state is kept that no definition reads, in milliseconds.
pub const ORPHAN_MS: i64 = 30 * DAY_MS;
/// Maximum length of an event's id, in bytes; a longer one is refused.
pub const EVENT_ID_BYTES_MAX: usize = 256;
/// Maximum number of event ids that a profile remembers.
pub const SEEN_MAX: usize = 1_000;
/// Time for which an event id is remembered, in milliseconds.
pub const SEEN_MS: i64 = 7 * DAY_MS;
/// Maximum size of one stored value, in bytes.
pub const VALUE_BYTES_MAX: usize = 500;
/// Maximum depth of a stored value on reading: four times the depth that the service accepts; it bounds the stack.
pub const STORED_DEPTH_MAX: u8 = 64;

/// Maximum depth of a constant of a definition where a plan is read from bytes: no document that is accepted has so many levels.
pub const CONSTANT_DEPTH_MAX: u8 = 128;
/// Maximum size of a batch record, in bytes of its key, segments and values: half a profile, so that one record never
/// fills it.
pub const RECORD_BYTES_MAX: usize = 128 * 1024;
/// Maximum number of bytes that events may make a profile keep, lists aside: half a profile, so that they never fill one.
pub const STATE_BYTES_MAX: usize = 128 * 1024;
/// Number of events of one visitor that one bucket of a window, or one hour of a total, is assumed to count at most: 100 a
/// second for 11 days.
pub const BUCKET_EVENTS_MAX: i128 = 100_000_000;
/// Maximum size of an encoded profile, in bytes.
pub const PROFILE_BYTES_MAX: usize = 256 * 1024;
/// Maximum number of items that a list may keep.
pub const LIST_ITEMS_MAX: u32 = 100;
/// Number of items that a list keeps by default.
pub const LIST_ITEMS_DEFAULT: u32 = 100;
/// Maximum number of parts of a list or counter.
pub const PARTS_MAX: usize = 32;
/// Maximum number of actions of a list.
pub const ACTIONS_MAX: usize = 16;
/// Maximum number of hours with events that a total keeps apart from a batch base.
pub const TOTAL_HOURS_MAX: usize = 500;
/// Maximum number of stretches, of [`TOTAL_HOURS_MAX`] hours each, in which a total archives older hours for a batch base.
pub const ARCHIVE_STRETCHES_MAX: usize = 8;
/// Default time until a list item expires, in milliseconds.
pub const LIST_DURATION_MS_DEFAULT: i64 = 60 * DAY_MS;
/// Maximum length of a window or duration, in milliseconds.
pub const WINDOW_MS_MAX: i64 = 640 * DAY_MS;
/// Maximum number of examples in a definition.
pub const EXAMPLES_MAX: usize = 100;
/// Maximum number of events and records in one example, before its call.
pub const EXAMPLE_STEPS_MAX: usize = 50;
/// Maximum number of events and records in all examples of a definition together.
pub const EXAMPLES_STEPS_MAX: usize = 500;
/// Maximum size of an event or record of an example, in bytes of compact JSON.
pub const EXAMPLE_EVENT_BYTES_MAX: usize = 16 * 1024;
/// Maximum work of all examples of a definition together, in steps of a pattern on a character: about half a second. An
/// attribute that an event feeds counts as 2,000 steps, a byte of an event or record as 10.
pub const EXAMPLES_WORK_MAX: u64 = 400_000_000;
/// Maximum length of an example's name, in bytes.
pub const EXAMPLE_NAME_MAX: usize = 200;
/// The default time of an example, Unix milliseconds: 2026-01-01T12:00:00Z.
pub const EXAMPLE_NOW_MS: i64 = 1_767_268_800_000;
/// Number of buckets in a window; its ring has one more.
pub const BUCKETS_MAX: i64 = 64;
/// Maximum number of attributes of an audience.
pub const ATTRIBUTES_MAX: usize = 600;
/// Maximum number of key events of an audience.
pub const KEY_EVENTS_MAX: usize = 1_000;
/// Maximum number of event tables that an audience declares without a key event.
pub const TABLES_MAX: usize = 1_000;
/// Maximum number of columns that a key event lists.
pub const COLUMNS_MAX: usize = 1_000;
/// Maximum number of stitching keys of an audience.
pub const STITCH_KEYS_MAX: usize = 100;
/// Maximum number of invalid texts of a key.
pub const INVALID_TEXTS_MAX: usize = 1_000;
/// Maximum number of inputs of a personalization.
pub const INPUTS_MAX: usize = 100;
/// Maximum number of segments that a section lists.
pub const SEGMENTS_MAX: usize = 100;
/// Maximum number of personalizations of an audience.
pub const PERSONALIZATIONS_MAX: usize = 200;
/// Maximum number of sections of a personalization. A call evaluates only candidates, so further sections cost next to
/// nothing then; compiling each costs microseconds.
pub const SECTIONS_MAX: usize = 10_000;
/// Maximum number of slots by which the sections of one key event are indexed.
pub const DEMANDED_SLOTS_MAX: usize = 32;
/// Maximum number of journeys of an audience.
pub const JOURNEYS_MAX: usize = 64;
/// Maximum number of activations of an audience.
pub const ACTIVATIONS_MAX: usize = 200;
/// Maximum length of a journey's id, or of its name where it has none, in bytes: with a profile's id it is hashed.
pub const JOURNEY_KEY_BYTES_MAX: usize = 80;
/// Maximum number of stages of a journey.
pub const STAGES_MAX: usize = 8;
/// Maximum number of exits of a stage.
pub const EXITS_MAX: usize = 20;
/// Maximum number of steps of a stage.
pub const STEPS_MAX: usize = 100;
/// Maximum number of branches of a step.
pub const BRANCHES_MAX: usize = 20;
/// Maximum number of steps of a journey that split visitors: an entry remembers the arm of each.
pub const SPLITS_MAX: usize = 8;
/// Maximum number of ended entries that a profile keeps for a journey.
pub const FINISHED_MAX: usize = 8;
/// Maximum number of steps that a visitor takes at once; further ones follow a minute later.
pub const STEPS_AT_ONCE_MAX: u32 = 200;
/// Time after which a visitor goes on who took too many steps at once, in milliseconds.
pub const STEPS_PAUSE_MS: i64 = 60_000;
/// Maximum number of headers of an activation.
pub const HEADERS_MAX: usize = 20;
/// Maximum length of an activation's address, body or header, in bytes.
pub const ACTIVATION_BYTES_MAX: usize = 16 * 1024;
/// Maximum number of tables of rows that an audience declares.
pub const LOOKUP_TABLES_MAX: usize = 100;
/// The time by which a TTL of pipelines lasts longer than it says: records of one moment do not come in one moment.
pub const TTL_GRACE_MS: i64 = 5 * 60 * 1_000;
/// Maximum number of pipelines of an audience.
pub const PIPELINES_MAX: usize = 100;
/// Maximum number of columns that a table of rows declares.
pub const TABLE_COLUMNS_MAX: usize = 200;
/// Maximum size of a row, its key and column names included, in bytes.
pub const ROW_BYTES_MAX: usize = 16 * 1024;
/// Maximum number of rows that a call reads, and that one attribute reads.
pub const ROWS_MAX: usize = 16;
/// Maximum number of rows of a visitor that a snapshot carries, whichever personalization reads them.
pub const SNAPSHOT_ROWS_MAX: usize = 64;
/// Maximum number of outputs of a section.
pub const OUTPUTS_MAX: usize = 100;
/// Largest distance into the future at which `WITHIN n DAYS` accepts a time, in milliseconds.
pub const FUTURE_SKEW_MS: i64 = 5 * 60 * 1_000;
/// A stored time further ahead was stored while a server's clock was wrong. Within it the stored one may be right, and what
/// is newer by it stays newer.
pub const CLOCK_AHEAD_MS: i64 = DAY_MS;

/// A day in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
