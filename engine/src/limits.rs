//! Every bound of the engine, in one place. Bounds of the HTTP service stand in `usher-edge`'s `limits`.

/// Largest magnitude that a sum or counter takes from one event.
pub const SUMMAND_MAX: i64 = 1_000_000_000_000_000;
/// How deep criteria nest.
pub const CRITERIA_DEPTH_MAX: usize = 32;
/// How long the text of one criterion is, in bytes.
pub const CRITERIA_BYTES_MAX: usize = 4_096;
/// How many tests one criterion has.
pub const CRITERIA_TESTS_MAX: usize = 256;
/// An `OR` with more parts is not looked into for what follows from each of them.
pub const ENTAILED_PARTS_MAX: usize = 16;
/// How many pairs of sections are asked whether one follows from the other; of all others only equal conditions count.
pub const ENTAILED_PAIRS_MAX: usize = 200_000;
/// How many items of an array in an event's column are asked one by one, and how many objects of one are taken; of a
/// longer one it is unknown, and its objects are refused.
pub const ARRAY_ITEMS_MAX: usize = 256;
/// How many values an `IN` lists.
pub const IN_VALUES_MAX: usize = 256;
/// How long a regular expression is, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;
/// How large a compiled regular expression is, in steps: what one character of a text costs at most.
pub const PATTERN_SIZE_MAX: usize = 1_024;
/// How many comparisons of texts a regular expression is instead, at most.
pub const PATTERN_TEXTS_MAX: usize = 16;
/// How many digits of a number count one by one: of further ones only whether any is not zero can change a float.
pub const DIGITS_MAX: usize = 800;
/// How long a text is that a regular expression looks at, in bytes. Of a longer one it is unknown, which the receipt of
/// the event notes; what is a few comparisons of texts instead has no bound.
pub const PATTERN_TEXT_BYTES_MAX: usize = 2_048;
/// How deep groups and repetitions of repetitions nest in a regular expression.
pub const PATTERN_DEPTH_MAX: u32 = 16;
/// How long a key's value is, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// How many keys a profile is known by.
pub const KEYS_MAX: usize = 200;
/// How many ids of absorbed profiles a profile remembers, those made last: a sixty-fourth of what it may hold. Absorbing
/// one of them again changes nothing; of the others storage holds that, which seals a source before it is absorbed and
/// never hands it out again.
pub const ABSORBED_MAX: usize = 256;
/// How long state that no definition knows any more is carried along, in milliseconds.
pub const ORPHAN_MS: i64 = 30 * DAY_MS;
/// How long an event's id is, in bytes; a longer one is refused.
pub const EVENT_ID_BYTES_MAX: usize = 256;
/// How many event ids a profile remembers.
pub const SEEN_MAX: usize = 1_000;
/// How long an event id is remembered, in milliseconds.
pub const SEEN_MS: i64 = 7 * DAY_MS;
/// How large one stored value is, in bytes.
pub const VALUE_BYTES_MAX: usize = 500;
/// How deep a stored value nests that is read: four times what the service takes in, so that only the stack bounds it.
pub const STORED_DEPTH_MAX: u8 = 64;
/// How large a batch record is, in bytes of its key, segments and values: half a profile, so that one record never fills it.
pub const RECORD_BYTES_MAX: usize = 128 * 1024;
/// How large an encoded profile is, in bytes.
pub const PROFILE_BYTES_MAX: usize = 256 * 1024;
/// How many items a list keeps at most.
pub const LIST_ITEMS_MAX: u32 = 100;
/// How many items a list keeps unless it says otherwise.
pub const LIST_ITEMS_DEFAULT: u32 = 100;
/// How many parts a list or counter has.
pub const PARTS_MAX: usize = 32;
/// How many events a list waits for to take items out.
pub const ACTIONS_MAX: usize = 16;
/// How many hours with events a total tells apart from what a batch counted before.
pub const TOTAL_HOURS_MAX: usize = 500;
/// How long a list item lives unless it says otherwise, in milliseconds.
pub const LIST_DURATION_MS_DEFAULT: i64 = 60 * DAY_MS;
/// How long a window or duration is, in milliseconds.
pub const WINDOW_MS_MAX: i64 = 640 * DAY_MS;
/// How many examples a definition has.
pub const EXAMPLES_MAX: usize = 100;
/// How many events and records one example has before its call.
pub const EXAMPLE_STEPS_MAX: usize = 50;
/// How many all examples of a definition have together.
pub const EXAMPLES_STEPS_MAX: usize = 500;
/// How large an event or record of an example is, in bytes of compact JSON.
pub const EXAMPLE_EVENT_BYTES_MAX: usize = 16 * 1024;
/// How much work all examples of a definition are together, in steps of a pattern on a character: half a second or so. An
/// attribute that an event feeds counts for 2,000 of them, a byte of an event or record for 10.
pub const EXAMPLES_WORK_MAX: u64 = 400_000_000;
/// How long an example's name is, in bytes.
pub const EXAMPLE_NAME_MAX: usize = 200;
/// When an example takes place that does not say it, Unix milliseconds: 2026-01-01T12:00:00Z.
pub const EXAMPLE_NOW_MS: i64 = 1_767_268_800_000;
/// How many buckets a window is cut into; its ring has one more.
pub const BUCKETS_MAX: i64 = 64;
/// How many attributes an audience has.
pub const ATTRIBUTES_MAX: usize = 600;
/// How many key events an audience has.
pub const KEY_EVENTS_MAX: usize = 1_000;
/// How many event tables an audience declares without a key event on them.
pub const TABLES_MAX: usize = 1_000;
/// How many columns an event lists.
pub const COLUMNS_MAX: usize = 1_000;
/// How many stitching keys an audience has.
pub const STITCH_KEYS_MAX: usize = 100;
/// How many texts a key takes for nobody's.
pub const INVALID_TEXTS_MAX: usize = 1_000;
/// How many inputs a personalization has.
pub const INPUTS_MAX: usize = 100;
/// How many segments a section lists.
pub const SEGMENTS_MAX: usize = 100;
/// How many personalizations an audience has.
pub const PERSONALIZATIONS_MAX: usize = 200;
/// How many sections a personalization has. A call asks only those whose demanded values it has, so more of them cost
/// next to nothing then; compiling costs microseconds each.
pub const SECTIONS_MAX: usize = 10_000;
/// By how many values the sections of one key event are looked up.
pub const DEMANDED_SLOTS_MAX: usize = 32;
/// How many outputs a section has.
pub const OUTPUTS_MAX: usize = 100;
/// How far in the future `WITHIN n DAYS` still accepts a time, in milliseconds.
pub const FUTURE_SKEW_MS: i64 = 5 * 60 * 1_000;

/// A day in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
