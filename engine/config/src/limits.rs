//! Every bound of reading, in one place. Bounds of the definition itself are in [`usher_engine::limits`].

/// Maximum size of one file, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Maximum depth of lists and mappings.
pub(crate) const DOCUMENT_DEPTH_MAX: usize = 64;
/// Maximum number of bytes parsed again because of tabs after colons, in total.
pub(crate) const TAB_WORK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Maximum number of lists, mappings and scalars in a file; aliased ones count each time.
pub(crate) const NODES_MAX: usize = 100_000;
/// Maximum number of findings that are kept.
pub(crate) const FINDINGS_MAX: usize = 200;
/// Maximum length in characters of a name for which a similar one is searched.
pub(crate) const SUGGESTION_CHARS_MAX: usize = 64;
/// Maximum number of declared names that a finding lists.
pub(crate) const NAMES_SHOWN_MAX: usize = 8;
/// Maximum number of names that are compared with an unknown one.
pub(crate) const SUGGESTION_NAMES_MAX: usize = 1_000;
/// Maximum length of an output's name, in characters.
pub(crate) const OUTPUT_NAME_CHARS_MAX: usize = 256;
/// Maximum length of an excerpt, in characters.
pub(crate) const EXCERPT_CHARS_MAX: usize = 120;
/// Maximum depth at which a sample's columns are collected.
pub(crate) const COLUMN_DEPTH_MAX: usize = 16;
/// Size of the largest answer of RT 2.0, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 10 * 1024;
/// Maximum length of a service's name within its file's name, in characters.
pub(crate) const FILE_STEM_CHARS_MAX: usize = 60;
/// Maximum length of a simple key in a constant; YAML requires an explicit mark from 1,024 characters on.
pub(crate) const SIMPLE_KEY_BYTES_MAX: usize = 200;
/// Maximum length of a pipeline's query, in bytes.
#[cfg(not(target_family = "wasm"))]
pub(crate) const QUERY_BYTES_MAX: usize = 64 * 1024;
/// Maximum number of columns of a query.
#[cfg(not(target_family = "wasm"))]
pub(crate) const QUERY_COLUMNS_MAX: usize = 500;
/// Maximum number of joins of a query.
#[cfg(not(target_family = "wasm"))]
pub(crate) const QUERY_JOINS_MAX: usize = 16;
/// Maximum number of operators of a query: each may nest what the parser made of the others.
#[cfg(not(target_family = "wasm"))]
pub(crate) const QUERY_OPERATORS_MAX: usize = 500;
/// Maximum depth of an expression of a query.
#[cfg(not(target_family = "wasm"))]
pub(crate) const QUERY_DEPTH_MAX: usize = 64;
