//! The end of a verb: its exit status, and the message of a failure.

use std::fmt::Display;
use std::process::ExitCode;

/// The exit status; scripts rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Fine = 0,
    /// Something did not work: a file, the network, an edge that refused, a row that was rejected.
    Failure = 1,
    /// The definition has errors.
    InvalidDefinition = 2,
    /// `explain`: the visitor would get nothing.
    NoSectionMatched = 3,
    /// The command line, or a setting in the environment, is not what the verb takes.
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a verb cannot go on: what, where, and how to mend it. Never holds a secret.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// True if an edge said that the key may not do this.
    forbidden: bool,
}

impl Failure {
    /// Something did not work.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Failure, message: message.into(), help: None, forbidden: false }
    }

    /// The verb was called in a way that it does not take.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, ..Failure::new(message) }
    }

    /// A file or directory did not let itself be read or written.
    pub(crate) fn of_file(what: &str, path: impl Display, error: impl Display) -> Failure {
        Failure::new(format!("cannot {what} `{path}`: {error}"))
    }

    /// The same, saying how to mend it.
    pub(crate) fn help(self, help: impl Into<String>) -> Failure {
        Failure { help: Some(help.into()), ..self }
    }

    /// The same, saying where.
    pub(crate) fn at(self, place: &str) -> Failure {
        Failure { message: format!("{place}: {}", self.message), ..self }
    }

    /// The same, ending the verb with another status.
    pub(crate) fn exit(self, exit: Exit) -> Failure {
        Failure { exit, ..self }
    }

    /// The same, because an edge said that the key may not do this.
    pub(crate) fn forbidden(self) -> Failure {
        Failure { forbidden: true, ..self }
    }

    /// True if an edge said that the key may not do this, which it also says of names that are not the key's.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.forbidden
    }
}
