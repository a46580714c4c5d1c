//! A file of events: one a line, with the table that it arrives at.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::exit::Failure;
use crate::lines::{self, Lines};
use crate::simulation::Sender;

/// A line of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) event: Value,
    #[serde(default)]
    pub(super) sender: Option<Sender>,
}

impl Sent {
    pub(super) fn read(file: &Path) -> Result<Vec<(u64, Sent)>, Failure> {
        let shown = file.display();
        let mut lines = Lines::new(lines::open(file)?);
        let mut events = Vec::new();
        while let Some(line) = lines.next().map_err(|error| Failure::of_file("read", &shown, error))? {
            let place = format!("{shown}:{}", line.number);
            let text = line.text.ok_or_else(|| Failure::new(format!("{place}: the line is over 1 MiB")))?;
            let sent: Sent = serde_json::from_slice(&text).map_err(|error| {
                Failure::new(format!("{place}: no event: {error}"))
                    .help(r#"a line is {"database": "web", "table": "pageviews", "event": {…}}"#)
            })?;
            events.push((line.number, sent));
        }
        Ok(events)
    }
}
