//! Faults of a call, as the vendor's error objects, with the finding of ours beside them.

use usher_engine::diagnostic::{Code, Diagnostic};

use crate::wire::json::Json;

/// One error object.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: u16,
    code: &'static str,
    pub(super) detail: String,
    /// A JSON pointer into the body.
    pointer: Option<String>,
    /// The vendor's code of what is wrong with a value.
    validation: Option<&'static str>,
    finding: Option<Diagnostic>,
}

impl Fault {
    fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Fault {
        Fault { status, code, detail: detail.into(), pointer: None, validation: None, finding: None }
    }

    pub(super) fn not_found() -> Fault {
        Fault::new(404, "record-not-found-error", "Record not found")
    }

    pub(super) fn conflict(detail: &str) -> Fault {
        Fault::new(409, "conflict-error", detail)
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Fault {
        Fault::new(422, "unprocessable-entity-error", detail)
    }

    /// A body or query that cannot be read.
    pub(super) fn parameter(pointer: &str, detail: impl Into<String>) -> Fault {
        let fault = Fault::new(400, "bad-parameter-error", detail);
        Fault { pointer: Some(pointer.to_owned()), validation: Some("INVALID_FORMAT"), ..fault }
    }

    /// A value that the vendor's rules refuse.
    pub(super) fn invalid(pointer: &str, validation: &'static str, detail: impl Into<String>) -> Fault {
        let fault = Fault::new(400, "validation-error", detail);
        Fault { pointer: Some(pointer.to_owned()), validation: Some(validation), ..fault }
    }

    /// A finding about a body.
    pub(super) fn of_finding(finding: Diagnostic, pointer: String) -> Fault {
        let detail = match finding.code {
            Code::DuplicateName if finding.path.ends_with(".name") || finding.path.ends_with(']') => {
                "Name has already been taken".to_owned()
            }
            _ => finding.message.clone(),
        };
        let fault = Fault::new(400, "validation-error", detail);
        let validation = Some(validation_code(finding.code, &finding.path));
        Fault { pointer: Some(pointer), validation, finding: Some(finding), ..fault }
    }

    pub(super) fn write(&self, json: &mut Json) {
        json.object(|o| {
            o.field("code").text(self.code);
            o.field("status").text(&self.status.to_string());
            o.field("detail").text(&self.detail);
            if let Some(pointer) = &self.pointer {
                o.field("source").object(|o| o.field("pointer").text(pointer));
            }
            if self.validation.is_none() && self.finding.is_none() {
                return;
            }
            o.field("meta").object(|o| {
                if let Some(validation) = self.validation {
                    o.field("validationCode").text(validation);
                }
                if let Some(finding) = &self.finding {
                    o.field("finding").object(|o| {
                        o.field("code").text(finding.code.as_str());
                        o.field("message").text(&finding.message);
                        if let Some(help) = &finding.help {
                            o.field("help").text(help);
                        }
                    });
                }
            });
        });
    }
}

/// The vendor's code for a rule of ours.
fn validation_code(code: Code, path: &str) -> &'static str {
    let is = |part: &str| path.starts_with("journeys[") && path.ends_with(part);
    match code {
        Code::MissingKey if is(".entry") => "UNDEFINED_ENTRY_CRITERIA",
        Code::MissingKey if is(".branches") => "UNDEFINED_DECISION_CONDITION",
        Code::UnknownName if is(".activation") => "UNDEFINED_ACTIVATION_STEP",
        Code::BadDuration if is(".wait") => "UNDEFINED_WAIT_STEP",
        Code::MissingKey | Code::EmptyList | Code::NoPayload => "CANNOT_BE_BLANK",
        Code::DuplicateName => "VIOLATES_UNIQUENESS_CONSTRAINT",
        Code::BadDuration => "INVALID_WINDOW_DURATION",
        Code::OverBound | Code::LargeState => "IS_TOO_LONG",
        Code::NotSupported => "UNKNOWN",
        _ => "INVALID_FORMAT_OR_ASSOCIATION",
    }
}
