//! The place that rows are imported into: the profiles of an audience, or a table.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use serde_json::Value;

use super::columns::Columns;
use crate::client::Client;
use crate::exit::Failure;

/// The effect of rows on what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// A record replaces the older one whole, or the file the table
    Replace,
    /// Columns that a record lacks keep what an earlier one said
    Patch,
    /// A row replaces the one with its key
    Upsert,
}

/// The route of an import, and its effect.
pub(super) struct Destination {
    /// Without a query.
    pub(super) path: String,
    query: String,
    mode: Mode,
    is_table: bool,
}

impl Destination {
    /// `goes_on`: the import begins within the file.
    ///
    /// # Errors
    /// When the options do not go together.
    pub(super) fn of(
        table: Option<&str>,
        mode: Option<Mode>,
        goes_on: bool,
        audience: &str,
    ) -> Result<Destination, Failure> {
        let (path, mode, is_table) = match (table, mode) {
            (None, Some(Mode::Upsert)) => {
                return Err(Failure::usage("--mode upsert is for rows of a table")
                    .help("records of visitors take --mode replace or patch; --table names a table"));
            }
            (Some(_), Some(Mode::Patch)) => {
                return Err(Failure::usage("--mode patch is for records of visitors")
                    .help("a row of a table is replaced whole: --mode upsert, or --mode replace for the whole table"));
            }
            (Some(_), Some(Mode::Replace)) if goes_on => {
                return Err(Failure::usage("a table is replaced by a whole file")
                    .help("leave --from-line and --state out: nothing of the file is read before all of it is there"));
            }
            (None, mode) => {
                (format!("/v1/audiences/{audience}/profiles/import"), mode.unwrap_or(Mode::Replace), false)
            }
            (Some(table), mode) => {
                let path = format!("/v1/audiences/{audience}/tables/{}/import", encoded(table));
                (path, mode.unwrap_or(Mode::Upsert), true)
            }
        };
        let query = match mode {
            Mode::Patch => "?mode=patch".to_owned(),
            Mode::Replace if is_table => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                format!("?mode=replace&load={:x}-{:x}", now.as_nanos(), std::process::id())
            }
            Mode::Replace | Mode::Upsert => String::new(),
        };
        Ok(Destination { path, query, mode, is_table })
    }

    /// # Errors
    /// When the edge does not know the effect.
    pub(super) fn is_known_by(&self, columns: &Columns) -> Result<(), Failure> {
        if self.mode == Mode::Patch && !columns.knows_mode("patch") {
            let message = "this edge replaces records whole, it cannot add to them; nothing was sent";
            return Err(
                Failure::new(message).help("import records with all of their columns, or run a newer edge")
            );
        }
        Ok(())
    }

    pub(super) fn is_table(&self) -> bool {
        self.is_table
    }

    pub(super) fn replaces_table(&self) -> bool {
        self.is_table && self.mode == Mode::Replace
    }

    /// # Errors
    /// When the edge does not take the rows.
    pub(super) fn send(&self, client: &Client, body: &[u8]) -> Result<Value, Failure> {
        let method = if self.is_table { "PUT" } else { "POST" };
        client.send_again(method, &format!("{}{}", self.path, self.query), "application/x-ndjson", body)
    }

    /// Switches to the rows that were sent, where they replace a table.
    ///
    /// # Errors
    /// When the edge does not.
    pub(super) fn finish(&self, client: &Client) -> Result<(), Failure> {
        if self.replaces_table() {
            let path = format!("{}{}&last=true", self.path, self.query);
            client.send_again("PUT", &path, "application/x-ndjson", b"")?;
        }
        Ok(())
    }

    /// The effect of columns that rows lack, which are read there.
    pub(super) fn lacking(&self, place: &str, names: &str) -> String {
        let what = "which the running definition reads";
        match self.mode {
            _ if self.is_table => {
                format!("{place}: lacks {names}, which the table declares: missing in these rows")
            }
            Mode::Patch => format!("{place}: lacks {names}, {what}: kept as it is"),
            Mode::Replace | Mode::Upsert => format!(
                "{place}: lacks {names}, {what}: empty in these visitors afterwards (--mode patch keeps what is there)"
            ),
        }
    }
}

/// A name as a part of a path.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let mut text = String::new();
    for byte in name.bytes() {
        match plain(byte) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
