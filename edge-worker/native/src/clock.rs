//! The time: the machine's, or one that the command line names.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time as it is printed.
pub(crate) use usher_config::rfc3339;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_790_000_000_000, "2026-09-21T14:13:20Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
        for day in 0..50_000 {
            let ms = day * 86_400_000 + 3_723_004;
            assert_eq!(instant(&rfc3339(ms)), Ok(ms), "{day}");
        }
    }
}
