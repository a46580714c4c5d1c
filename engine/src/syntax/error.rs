//! Syntax errors: the problem in a criterion's text, and its place.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// The reason why a text is not a criterion, and its place in byte offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Lower case, no period.
    pub message: String,
    /// A way to fix it, if known.
    pub help: Option<String>,
    /// The name of a function that there is not, for a suggestion of one that there is.
    pub unknown: Option<String>,
    /// First byte of the wrong part.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
}

impl ParseError {
    #[cold]
    pub(super) fn new(start: usize, end: usize, message: impl Into<String>) -> Box<ParseError> {
        Box::new(ParseError { message: message.into(), help: None, unknown: None, start, end })
    }

    #[cold]
    pub(super) fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<ParseError> {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for ParseError {}

/// The result of parsing one rule of the grammar. Boxed, because each rule passes it on, and errors are large and rare.
pub(super) type Parsed<T> = Result<T, Box<ParseError>>;
