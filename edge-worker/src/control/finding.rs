//! Findings about a draft as a whole.

use usher_engine::Plan;
use usher_engine::definition::Definition;
use usher_engine::diagnostic::{Diagnostic, Severity};
use usher_engine::value::Value;

use super::answer::{object, optional};

/// A finding about a draft.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    code: &'static str,
    path: String,
    pub(super) message: String,
    help: Option<String>,
}

impl Finding {
    /// A reason that is about the whole.
    pub(super) fn alone(message: String) -> Finding {
        Finding { code: "", path: String::new(), message, help: None }
    }

    /// In one sentence, with its code and place.
    pub(super) fn text(&self) -> String {
        let Finding { code, path, message, .. } = self;
        match (code.is_empty(), path.is_empty()) {
            (true, _) => message.clone(),
            (false, true) => format!("{code}: {message}"),
            (false, false) => format!("{code} at {path}: {message}"),
        }
    }

    pub(super) fn value(&self) -> Value {
        object([
            ("code", optional(Some(self.code).filter(|code| !code.is_empty()))),
            ("path", optional(Some(self.path.as_str()).filter(|path| !path.is_empty()))),
            ("message", Value::from(self.message.as_str())),
            ("help", optional(self.help.as_deref())),
        ])
    }
}

/// The errors of a definition.
pub(super) fn check(definition: &Definition) -> Vec<Finding> {
    let found = Plan::compile(definition).err().unwrap_or_default();
    let errors = found.into_iter().filter(|finding| finding.severity() == Severity::Error);
    let errors = errors.map(|Diagnostic { code, path, message, help, .. }| Finding {
        code: code.as_str(),
        path,
        message,
        help,
    });
    errors.collect()
}
