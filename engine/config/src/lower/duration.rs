//! Durations and windows, in both spellings.

use usher_engine::diagnostic::Code;
use usher_engine::limits::{DAY_MS, WINDOW_MS_MAX};

use super::{Fields, Lower};
use crate::document::{Content, Span};

/// The kind of duration under a key, in words.
fn of_key(key: &str) -> &'static str {
    if key == "expiry_days" { "30" } else { "24h" }
}

impl Lower {
    /// `24h`, `7d`, `90m`, `1500ms`, or RT 2.0's `{value, unit}`: in milliseconds.
    pub(crate) fn duration_ms(&mut self, fields: Fields<'_>, key: &str) -> Option<i64> {
        if self.forgotten(fields, key) {
            return None;
        }
        let node = fields.get(key)?;
        if let Content::Map(_) = node.content {
            let parts = self.fields(node, "a duration", &["value", "unit"])?;
            return self.parts_ms(parts, key);
        }
        let Content::Scalar(scalar) = &node.content else {
            self.wrong(node, &format!("`{key}`"), "a text such as `24h`");
            return None;
        };
        let text = &scalar.text;
        // Bundles may have any number of milliseconds, although people do not write them.
        let units = [("ms", 1), ("m", DAY_MS / 1_440), ("h", DAY_MS / 24), ("d", DAY_MS)];
        let known = |(unit, unit_ms)| Some((text.strip_suffix(unit)?, unit_ms));
        let (digits, unit_ms) = units.into_iter().find_map(known).unwrap_or_default();
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if unit_ms == 0 || !plain || digits.bytes().all(|byte| byte == b'0') {
            let help = "write a whole number and m, h or d, such as 24h, 7d or 30d".to_owned();
            self.note_with(Code::BadDuration, node.span, format!("Invalid {key} `{text}`"), Some(help));
            return None;
        }
        self.bounded_ms(
            digits.parse::<i64>().ok().and_then(|value| value.checked_mul(unit_ms)),
            node.span,
            key,
        )
    }

    /// True if a duration's key is empty, which is reported: only without the key the default applies. An explicit null
    /// is accepted.
    pub(crate) fn forgotten(&mut self, fields: Fields<'_>, key: &str) -> bool {
        let empty = |content: &Content| matches!(content, Content::Scalar(scalar) if scalar.text.is_empty());
        let entry = fields.entry(key).filter(|entry| entry.value.is_null() && empty(&entry.value.content));
        if let Some(entry) = entry {
            let help = format!("write how long, such as `{key}: {}`, or remove the key", of_key(key));
            let message = format!("nothing stands behind `{key}`");
            self.note_with(Code::BadDuration, entry.key_span, message, Some(help));
        }
        entry.is_some()
    }

    /// `value` and `unit` of the duration under `key`.
    pub(crate) fn parts_ms(&mut self, parts: Fields<'_>, key: &str) -> Option<i64> {
        let value = self.need(parts, "value").and_then(|_| self.count(parts, "value", i64::MAX));
        let unit = self.need_text(parts, "unit")?;
        let unit_ms = match unit.as_str() {
            "minute" => DAY_MS / 1_440,
            "hour" => DAY_MS / 24,
            "day" => DAY_MS,
            _ => {
                let help = Some("units are minute, hour and day".to_owned());
                let message = format!("unknown unit `{unit}`");
                self.note_with(Code::BadDuration, parts.span("unit"), message, help);
                return None;
            }
        };
        self.bounded_ms(value?.checked_mul(unit_ms), parts.node.span, key)
    }

    fn bounded_ms(&mut self, duration_ms: Option<i64>, span: Span, key: &str) -> Option<i64> {
        let fits = duration_ms.filter(|&duration_ms| duration_ms <= WINDOW_MS_MAX);
        if fits.is_none() {
            let days = WINDOW_MS_MAX / DAY_MS;
            self.note(Code::BadDuration, span, format!("Invalid {key}: the longest is {days} days"));
        }
        fits
    }
}
