//! Syntax errors: what is wrong with a criterion's text, and where.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// Why a text is no criterion, and where: byte offsets into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Lower case, no period.
    pub message: String,
    /// How to mend it, if that can be said.
    pub help: Option<String>,
    /// First byte of what is wrong.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
}

impl ParseError {
    #[cold]
    pub(super) fn new(start: usize, end: usize, message: impl Into<String>) -> Box<ParseError> {
        Box::new(ParseError { message: message.into(), help: None, start, end })
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

/// What a part of the grammar gives. Boxed, because each hands it to the next, and errors are large and rare.
pub(super) type Parsed<T> = Result<T, Box<ParseError>>;
