//! Messages about rows of tables.

use crate::wire::frame::{FrameReader, FrameWriter};

/// For rows of one table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OfTable {
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    pub(crate) audience: String,
    /// The number of the bundle that the front runs.
    pub(crate) number: u64,
    /// The table's name.
    pub(crate) table: String,
    pub(crate) act: TableAct,
}

/// The work on a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TableAct {
    /// Stores rows.
    Import {
        /// The body as sent: NDJSON.
        body: Vec<u8>,
        /// Set where the rows replace the whole table.
        load: Option<Load>,
    },
    /// Switches to the generation that a replacement of this name has filled. From another shard.
    Switch(String),
    /// Answers with a row.
    Read {
        /// As it is spelled in the path.
        key: String,
        /// True if the caller may see sensitive values.
        sensitive: bool,
    },
    /// Deletes the row of this key.
    Delete(String),
    /// Answers another shard with rows of its tables, each by table and key.
    Find(Vec<(String, String)>),
    /// Answers with the row of the pipeline that is named in place of a table.
    Enrich {
        /// The columns of the row that came, as JSON.
        row: Vec<u8>,
        /// True if the caller may see sensitive values.
        sensitive: bool,
    },
    /// Erases the rows that are a visitor's own by these keys, names and values. From another shard.
    Erase(Vec<(String, String)>),
}

/// A replacement of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Its name, which all of its requests have.
    pub(crate) name: String,
    /// True in the last request, after which reads see the new rows alone.
    pub(crate) is_last: bool,
    /// True if there are no other requests, so that the caller has not named it.
    pub(crate) is_whole: bool,
}

/// The rows that a snapshot is to carry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SnapshotRows {
    /// The audience; no key names it where nobody is asked about.
    pub(crate) audience: String,
    /// The number of the bundle that the front runs.
    pub(crate) number: u64,
    /// The personalizations that are asked, by name; their rows come first.
    pub(crate) named: Vec<String>,
    /// The event that is asked about: database, table, and its columns as JSON.
    pub(crate) event: Option<(String, String, Vec<u8>)>,
}

impl OfTable {
    pub(super) fn write(&self, w: &mut FrameWriter) {
        w.long(self.now_ms).text(&self.audience).long(self.number.cast_signed()).text(&self.table);
        match &self.act {
            TableAct::Import { body, load: None } => {
                w.byte(0).bytes(body);
            }
            TableAct::Import { body, load: Some(Load { name, is_whole: true, .. }) } => {
                w.byte(7).bytes(body).text(name);
            }
            TableAct::Import { body, load: Some(load) } => {
                w.byte(1).bytes(body).text(&load.name).byte(u8::from(load.is_last));
            }
            TableAct::Switch(load) => {
                w.byte(2).text(load);
            }
            TableAct::Read { key, sensitive } => {
                w.byte(3).text(key).byte(u8::from(*sensitive));
            }
            TableAct::Delete(key) => {
                w.byte(4).text(key);
            }
            TableAct::Find(rows) => {
                w.byte(5).list(rows, |w, (table, key)| {
                    w.text(table).text(key);
                });
            }
            TableAct::Enrich { row, sensitive } => {
                w.byte(8).bytes(row).byte(u8::from(*sensitive));
            }
            TableAct::Erase(keys) => {
                w.byte(6).list(keys, |w, (name, value)| {
                    w.text(name).text(value);
                });
            }
        }
    }

    pub(super) fn read(r: &mut FrameReader<'_>) -> Option<OfTable> {
        let now_ms = r.long()?;
        let (audience, number) = (r.text()?.to_owned(), r.long()?.cast_unsigned());
        let table = r.text()?.to_owned();
        let pair = |r: &mut FrameReader<'_>| Some((r.text()?.to_owned(), r.text()?.to_owned()));
        let act = match r.byte()? {
            0 => TableAct::Import { body: r.bytes()?.to_vec(), load: None },
            1 => {
                let body = r.bytes()?.to_vec();
                let load = Load { name: r.text()?.to_owned(), is_last: r.byte()? != 0, is_whole: false };
                TableAct::Import { body, load: Some(load) }
            }
            2 => TableAct::Switch(r.text()?.to_owned()),
            3 => TableAct::Read { key: r.text()?.to_owned(), sensitive: r.byte()? != 0 },
            4 => TableAct::Delete(r.text()?.to_owned()),
            5 => TableAct::Find(r.list(pair)?),
            6 => TableAct::Erase(r.list(pair)?),
            8 => TableAct::Enrich { row: r.bytes()?.to_vec(), sensitive: r.byte()? != 0 },
            7 => {
                let body = r.bytes()?.to_vec();
                let load = Load { name: r.text()?.to_owned(), is_last: true, is_whole: true };
                TableAct::Import { body, load: Some(load) }
            }
            _ => return None,
        };
        Some(OfTable { now_ms, audience, number, table, act })
    }
}

impl SnapshotRows {
    pub(super) fn write(&self, w: &mut FrameWriter) {
        w.text(&self.audience).long(self.number.cast_signed()).list(&self.named, |w, name| {
            w.text(name);
        });
        match &self.event {
            None => {
                w.byte(0);
            }
            Some((database, table, columns)) => {
                w.byte(1).text(database).text(table).bytes(columns);
            }
        }
    }

    pub(super) fn read(r: &mut FrameReader<'_>) -> Option<SnapshotRows> {
        let audience = r.text()?.to_owned();
        let number = r.long()?.cast_unsigned();
        let named = r.list(|r| r.text().map(str::to_owned))?;
        let event = match r.byte()? {
            0 => None,
            _ => Some((r.text()?.to_owned(), r.text()?.to_owned(), r.bytes()?.to_vec())),
        };
        Some(SnapshotRows { audience, number, named, event })
    }
}
