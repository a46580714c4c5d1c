//! The time: the machine's, or one that the command line names.

use std::time::{SystemTime, UNIX_EPOCH};

use usher_engine::time::{self, rfc3339_ms};
use usher_engine::value::Value;

/// Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time as it is written on the command line, in Unix milliseconds.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    let read = rfc3339_ms(text).or_else(|| time::instant_ms(&Value::string(text)));
    read.ok_or_else(|| "a time is written as RFC 3339, such as 2026-05-04T10:15:00Z".to_owned())
}
