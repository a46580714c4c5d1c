//! Source texts, and findings about them.

use usher_engine::diagnostic::Diagnostic;

/// One text with its name. A name that ends in `.json` is read as JSON, any other as YAML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Usually a path.
    pub name: String,
    /// The whole content.
    pub text: String,
}

/// A diagnostic and its place in the texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The diagnostic.
    pub diagnostic: Diagnostic,
    /// The place; None: the definition as a whole.
    pub place: Option<Location>,
}

/// A range of one line of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The source's name.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// In characters, at least 1.
    pub length: usize,
}
