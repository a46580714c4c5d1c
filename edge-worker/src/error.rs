//! Refusals: every reason for which a request is refused, with its status and its stable code.
//!
//! RT routes answer `{"code":int,"message":string}` with RT 2.0's codes where it has one; native routes answer
//! problem+json. Neither ever echoes what was sent.

use std::borrow::Cow;

/// The reason for which a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// RT 2.0's code, or Usher's beyond its range.
    pub code: u16,
    /// The stable name on native routes.
    pub name: &'static str,
    /// The message for people.
    pub message: &'static str,
}

/// A value, or the refusal of the request.
pub(crate) type Result<T> = std::result::Result<T, Refused>;

/// A refusal with its details.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// A way to fix the request, for native routes; never an echo.
    pub(crate) detail: Option<String>,
    /// The page that may read it.
    pub(crate) origin: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { refusal, detail: None, origin: None }
    }
}

impl Refused {
    pub(crate) fn with_detail(refusal: Refusal, detail: impl Into<String>) -> Refused {
        Refused { refusal, detail: Some(detail.into()), origin: None }
    }

    pub(crate) fn with_cors(mut self, origin: Option<&str>) -> Refused {
        self.origin = origin.map(str::to_owned);
        self
    }
}

impl Refusal {
    /// Its message, followed by a hint where there is one.
    pub(crate) fn message_with(self, detail: Option<&str>) -> Cow<'static, str> {
        match detail {
            None => self.message.into(),
            Some(detail) => [self.message, ": ", detail].concat().into(),
        }
    }

    /// The vendor's code for it in the control API, or our own name.
    pub(crate) fn api_code(self) -> &'static str {
        match self.status {
            401 | 403 => "permission-error",
            404 => "record-not-found-error",
            409 => "conflict-error",
            _ => self.name,
        }
    }
}

macro_rules! refusals {
    ($($name:ident = $status:literal, $code:literal, $text:literal, $message:literal;)+) => {
        impl Refusal {
            $(#[doc = $message] pub const $name: Refusal =
                Refusal { status: $status, code: $code, name: $text, message: $message };)+

            #[cfg(test)]
            const ALL: &[Refusal] = &[$(Refusal::$name),+];
        }
    };
}

refusals! {
    TOKEN_MISSING = 400, 3000, "token_missing", "token is not provided";
    TOKEN_UNKNOWN = 400, 3001, "token_unknown", "token is not in the configuration";
    TOKEN_ACCOUNT = 400, 3002, "token_account", "token belongs to another account than the key";
    TOKEN_FORMAT = 400, 3003, "token_format", "token format is invalid";
    EVENT_INVALID = 400, 3004, "event_invalid", "event is not a valid JSON object";
    EVENTS_MISSING = 400, 3004, "events_missing", "body is an object without a list `events`, which holds the events";
    TOKEN_PRIVATE = 400, 3006, "token_type", "token is private, and calls from a page take a public one";
    TOKEN_PUBLIC = 400, 3006, "token_type", "token is public, and calls from a server take a private one";
    ORIGIN_INVALID = 400, 3007, "origin_invalid", "origin is missing or not allowed";
    METHOD = 405, 3009, "method_not_allowed", "method is not supported on this route";
    KEY_INVALID = 401, 4010, "key_invalid", "key is missing or not valid";
    SCOPE = 403, 4030, "scope", "key does not allow this";
    NOT_FOUND = 404, 4040, "not_found", "no such route";
    TABLE_UNKNOWN = 404, 4040, "not_found", "no event table of this database and name in what runs";
    AUDIENCE_UNKNOWN = 404, 4040, "not_found", "nothing runs for this audience: publish a bundle first";
    PERSONALIZATION_UNKNOWN = 404, 4040, "not_found", "no personalization of this name that may be asked";
    NO_SECTION = 404, 4042, "no_section", "no section matched";
    TOO_LARGE = 413, 4130, "too_large", "request is over its bounds";
    HOST_INVALID = 400, 3004, "host_invalid", "host is missing, given twice, or no host";
    ENCODING = 415, 4150, "content_encoding", "content encoding is not supported";
    TIMEOUT = 408, 4080, "timeout", "body did not arrive in time";
    BODY_INVALID = 400, 3004, "body_invalid", "body is not what this route reads";
    QUERY_INVALID = 400, 3004, "query_invalid", "path or query is not percent-encoded UTF-8";
    INPUT_MISSING = 400, 3004, "input_missing", "a required input is missing";
    CONFLICT = 409, 4092, "conflict", "what is there does not allow this";
    UNPROCESSABLE = 422, 4221, "unprocessable", "it would not run";
    ROWS_REJECTED = 422, 4222, "rows_rejected", "rows are rejected, so the table is not replaced";
    BUNDLE_INVALID = 422, 4220, "bundle_invalid", "bundle does not compile";
    BUNDLE_UNKNOWN = 404, 4041, "bundle_unknown", "no such bundle is kept";
    PROGRAM_UNKNOWN = 404, 4045, "program_unknown", "the running bundle has another program for devices, or none";
    ROWS_UNKNOWN = 404, 4046, "rows_unknown", "no table of rows of this name in what runs";
    ROW_UNKNOWN = 404, 4047, "row_unknown", "the table has no row of this key";
    PIPELINE_UNKNOWN = 404, 4048, "pipeline_unknown", "no pipeline of this name in what runs that may be asked";
    PROFILE_UNKNOWN = 404, 4043, "profile_unknown", "no profile has this key";
    KEY_UNKNOWN = 404, 4044, "key_unknown", "no key of this audience has this tag";
    NEEDS_FORM = 409, 4090, "needs_form", "it needs a newer form than the one that is written here";
    DRAFT_OPEN = 409, 4091, "draft_open", "a draft of the control API is open: publish it, or discard it with ?draft=discard";
    BUNDLE_CHANGED = 412, 4120, "bundle_changed", "another bundle runs than the one in If-Match";
    STORAGE = 503, 2021, "storage_unavailable", "storage is unavailable";
    SHARD_RESTORED = 503, 2021, "storage_unavailable", "storage is unavailable: a shard was restored to an earlier time than the others";
    TOO_NEW = 503, 2021, "written_by_newer_build", "what is stored or sent was written by a newer build than this";
    UNCONFIGURED = 503, 2015, "unconfigured", "the deployment has no usable keys";
    RATE = 429, 2003, "rate", "too many events from there: try again later";
    INTERNAL = 500, 9999, "internal", "unknown error";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_all_of_them() {
        let page = include_str!("../../docs/http.md");
        let (_, table) = page.split_once("|---|---|---|---|\n").expect("one table of four columns");
        let table = table.split("\n\n").next().unwrap_or("").trim_end();
        let row = |r: &Refusal| format!("| {} | {} | `{}` | {} |", r.status, r.code, r.name, r.message);
        let rows: Vec<String> = Refusal::ALL.iter().map(row).collect();
        let expected = rows.join("\n");
        assert!(table == expected, "the last table of docs/http.md has to be:\n{expected}");
    }
}
