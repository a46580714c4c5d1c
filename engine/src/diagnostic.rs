//! Diagnostics: findings about a definition, each with its place and a way to fix it.
//!
//! The engine reports where in the *definition* a finding is ([`Diagnostic::path`]); `usher-config` maps that to the
//! *text*. Codes are stable and never reused; each is described once, in [`Code`].

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The rule that it breaks.
    pub code: Code,
    /// Lower case, no period, user text in backticks.
    pub message: String,
    /// The place in the definition, such as `personalizations[0].sections[2].criteria`. Empty: the whole definition.
    pub path: String,
    /// A way to fix it, if known.
    pub help: Option<String>,
    /// The name that nothing declares, from which `usher-config` finds the one that was meant. None for other findings,
    /// and without the feature `words`.
    pub unknown: Option<Unknown>,
}

/// A name that nothing declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The kind of the names among which it should be.
    pub kind: NameKind,
    /// As written, with its part: `cart.total`.
    pub name: String,
}

/// A kind of names that a definition declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// Attributes and their parts; for a [`Criterion`](crate::Criterion) its fields.
    Attribute,
    /// Batch attributes alone.
    BatchAttribute,
    /// Key events.
    KeyEvent,
    /// Tables of rows that are looked up.
    Table,
}

impl Diagnostic {
    /// A finding about the whole definition, without help.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::diagnostic::{Code, Diagnostic, Severity};
    ///
    /// let finding = Diagnostic::new(Code::NoFilter, "no filter").at("key_events[0]").help("add a filter");
    /// assert_eq!((finding.code.as_str(), finding.severity()), ("W001", Severity::Warning));
    /// ```
    #[cold]
    pub fn new(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, message: message.into(), path: String::new(), help: None, unknown: None }
    }

    /// The same finding at this part of the definition.
    #[cold]
    pub fn at(mut self, path: impl fmt::Display) -> Diagnostic {
        if CHECKS {
            self.path = path.to_string();
        }
        self
    }

    /// The same finding with this help.
    #[cold]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The same finding, about this undeclared name.
    #[cold]
    pub(crate) fn unknown(mut self, kind: NameKind, name: &str) -> Diagnostic {
        if cfg!(feature = "words") {
            self.unknown = Some(Unknown { kind, name: name.to_owned() });
        }
        self
    }

    /// Its severity, which its code determines.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// A place in a definition. Formatted only when there is something to report.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    above: Option<&'a At<'a>>,
    name: &'a str,
    index: Option<usize>,
}

impl<'a> At<'a> {
    /// A field of the definition itself.
    pub(crate) fn list(name: &'a str) -> At<'a> {
        At { above: None, name, index: None }
    }

    /// An item of one of the definition's lists.
    pub(crate) fn item(name: &'a str, index: usize) -> At<'a> {
        At { above: None, name, index: Some(index) }
    }

    /// A field of this item.
    pub(crate) fn field(&'a self, name: &'a str) -> At<'a> {
        At { above: Some(self), name, index: None }
    }

    /// An item of a list in this item.
    pub(crate) fn inner(&'a self, name: &'a str, index: usize) -> At<'a> {
        At { above: Some(self), name, index: Some(index) }
    }

    /// An item of this list.
    pub(crate) fn nth(self, index: usize) -> At<'a> {
        At { index: Some(index), ..self }
    }

    pub(crate) fn name(&self) -> &'a str {
        self.name
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
            f.write_str(".")?;
        }
        f.write_str(self.name)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

/// True if a definition is checked before it is compiled, and findings say where they are. See the feature.
pub(crate) const CHECKS: bool = cfg!(feature = "checks");

/// The text of a finding. Empty without the feature `words`, so that the wasm does not carry it.
macro_rules! words {
    ($($words:tt)*) => {
        if cfg!(feature = "words") { alloc::format!($($words)*) } else { alloc::string::String::new() }
    };
}
pub(crate) use words;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Known to RT 2.0 and not used by Usher, or worth knowing.
    Info,
    /// Works, but is probably not intended.
    Warning,
    /// The definition is refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $severity:ident;)+) => {
        /// The rules that a definition can break, with their stable codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// As it is printed, such as `E012`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }

            /// The severity of breaking this rule.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)+ }
            }
        }
    };
}

codes! {
    /// The text is not YAML or JSON.
    Unreadable = "E001", Error;
    /// The document is none of the known dialects.
    UnknownDialect = "E002", Error;
    /// A key that no dialect knows here.
    UnknownKey = "E003", Error;
    /// A required key is missing.
    MissingKey = "E004", Error;
    /// A value of the wrong kind.
    WrongType = "E005", Error;
    /// The same name twice where it must be unique.
    DuplicateName = "E006", Error;
    /// A name that nothing declares.
    UnknownName = "E007", Error;
    /// A regular expression that cannot be used.
    BadPattern = "E008", Error;
    /// A duration or window that cannot be used.
    BadDuration = "E009", Error;
    /// A text criterion that cannot be read.
    BadCriteria = "E010", Error;
    /// A comparison of values that do not compare.
    TypeMismatch = "E011", Error;
    /// The primary key is not among the stitching keys.
    PrimaryKeyNotStitched = "E012", Error;
    /// A size, count or length over its bound.
    OverBound = "E013", Error;
    /// A feature of RT 2.0 that this version of Usher does not have.
    NotSupported = "E014", Error;
    /// An empty list where one is not allowed, such as `stringBuilder: []`.
    EmptyList = "E015", Error;
    /// Files that disagree about the audience.
    AudienceMismatch = "E016", Error;
    /// A template that cannot be read.
    BadTemplate = "E017", Error;
    /// A column that its event table does not have.
    UnknownColumn = "E018", Error;
    /// An example whose result differs from its expectation.
    FailedExample = "E019", Error;
    /// A database or table name that no event can be sent to.
    BadTableName = "E020", Error;
    /// A section that answers nothing.
    NoPayload = "E021", Error;
    /// A text that cannot be an id.
    BadId = "E022", Error;
    /// Attributes of which a profile may have to keep more than it can.
    LargeState = "E023", Error;
    /// Steps of a journey that lead back to themselves without a wait.
    LoopWithoutWait = "E024", Error;
    /// A split of visitors whose percentages do not add up to 100.
    BadSplit = "E025", Error;
    /// A query that cannot be read.
    BadQuery = "E026", Error;
    /// SQL that pipelines do not have.
    UnsupportedSql = "E027", Error;
    /// An emission that does not fit its required columns.
    BadEmission = "E028", Error;
    /// A key event without a filter.
    NoFilter = "W001", Warning;
    /// An attribute that looks personal and is marked non-sensitive.
    LooksSensitive = "W002", Warning;
    /// A personalization that may answer nothing.
    NoFallback = "W003", Warning;
    /// A section that no visitor can reach.
    Unreachable = "W004", Warning;
    /// An attribute whose sensitivity is not written.
    NoSensitivity = "W005", Warning;
    /// A key that looks like a login and stitches without evidence.
    OpenIdentity = "W006", Warning;
    /// Criteria that no visitor can fulfil.
    Contradiction = "W007", Warning;
    /// A total counter with a window, which it ignores.
    TotalWindow = "W008", Warning;
    /// A column that no event of the sample has.
    UnseenColumn = "W009", Warning;
    /// A stitching key that no event table has, or a table without any.
    NoKeyColumn = "W010", Warning;
    /// An answer that can become larger than RT 2.0 sends.
    LargeAnswer = "W011", Warning;
    /// An output that is always withheld, because its value is sensitive.
    Withheld = "W012", Warning;
    /// A condition with the same result for every visitor, because of the values its attribute can have.
    FixedCondition = "W013", Warning;
    /// A text without quotes that reads as a number, or a number that is read as a text.
    Unquoted = "W014", Warning;
    /// A pattern between slashes, which would be part of it.
    DelimitedPattern = "W015", Warning;
    /// An attribute that would not continue from its stored state.
    StartsOver = "W016", Warning;
    /// A key whose rule changes for values that stored profiles may have.
    ChangedKeyRule = "W017", Warning;
    /// A version that is compared as a text.
    TextVersion = "W018", Warning;
    /// A step or stage of a journey that no visitor reaches.
    UnreachableStep = "W019", Warning;
    /// A journey that asks whether a goal was reached and has none.
    NoGoal = "W020", Warning;
    /// A required column that is never missing.
    AlwaysThere = "W021", Warning;
    /// A query that passes every column.
    PassesAll = "W022", Warning;
    /// A table whose stored rows do not fit its new declaration.
    UnfitRows = "W023", Warning;
    /// A key that RT 2.0 knows and Usher does not use.
    Ignored = "I001", Info;
    /// A section that a sensitive value can open to a visitor.
    SensitiveCriteria = "I002", Info;
    /// A personalization that devices decide, and what becomes public by it.
    Public = "I003", Info;
    /// A journey that does not run.
    NotRunning = "I004", Info;
    /// Rows that no public route finds.
    PrivateRows = "I005", Info;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
