//! The step Wait: time passes.

use super::here::Flow;

/// The visitor waits from now on.
pub(super) fn take(wait_ms: i64, now_ms: i64) -> Flow {
    Flow::Wait(now_ms.saturating_add(wait_ms))
}
