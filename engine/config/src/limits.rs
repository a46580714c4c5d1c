//! Every bound of reading, in one place. Bounds of what is read stand in [`usher_engine::limits`].

/// How large one file is, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// How deep lists and mappings nest.
pub(crate) const DOCUMENT_DEPTH_MAX: usize = 64;
/// How many bytes are read once more because of tabs behind colons, all together.
pub(crate) const TAB_WORK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How many lists, mappings and scalars a file has, each counted as often as aliases repeat it.
pub(crate) const NODES_MAX: usize = 100_000;
/// How many findings are kept; a file with more needs another look anyway.
pub(crate) const FINDINGS_MAX: usize = 200;
/// How long a name is in characters for a similar one to be looked for.
pub(crate) const SUGGESTION_CHARS_MAX: usize = 64;
/// How many names are compared with one that is unknown.
pub(crate) const SUGGESTION_NAMES_MAX: usize = 1_000;
/// How long an output's name is, in characters.
pub(crate) const OUTPUT_NAME_CHARS_MAX: usize = 256;
/// How much of a line an excerpt shows, in characters.
pub(crate) const EXCERPT_CHARS_MAX: usize = 120;
/// How deep a sample's columns are looked into for their paths.
pub(crate) const COLUMN_DEPTH_MAX: usize = 16;
/// What RT 2.0 sends as one answer, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 10 * 1024;
/// How much of a service's name its file's name takes, in characters.
pub(crate) const FILE_STEM_CHARS_MAX: usize = 60;
/// How long a key of a constant is to stand before its value by itself; YAML wants keys marked from 1,024 characters.
pub(crate) const SIMPLE_KEY_BYTES_MAX: usize = 200;
