//! One visitor, read from a file and folded into a profile.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use usher_engine::profile::Profile;
use usher_engine::value::Value;
use usher_engine::{Evidence, Plan, ProfileId, SentAt};

use crate::exit::Failure;
use crate::terminal::{clean, note};

/// The writer of the file vouches for its content.
const BY_WORD: Evidence<'static> = Evidence { server: true, keys: &[] };

/// The profile of the visitor in a file, as of `now_ms`; None when the file says nothing of them.
///
/// Standard error names what an edge would refuse or correct.
pub(super) fn fold(plan: &Plan, file: &Path, now_ms: i64) -> Result<Option<Profile>, Failure> {
    let shown = file.display().to_string();
    let visitor = Visitor::read(file, &shown)?;
    if visitor.batch.is_none() && visitor.events.is_empty() {
        return Ok(None);
    }
    let mut profile = Profile::new(ProfileId([1; 16]), now_ms);
    if let Some(row) = visitor.batch {
        let at = format!("`batch` in `{shown}`");
        let row = columns(row, &at)?;
        let record = plan.record(&row, now_ms).map_err(|reason| {
            let failure = Failure::new(format!("{at}: {reason}"));
            match plan.lookup_key() {
                Some(key) => failure.help(format!("the column `{key}` identifies a record")),
                None => failure.help("the definition has no `ext_lookup_key` and no `primary_key`"),
            }
        })?;
        for refused in &record.refused {
            warn(&format!("batch: `{}` is missing: {}", refused.column, in_words(refused.reason)));
        }
        for column in &record.ignored {
            warn(&format!("batch: no attribute reads `{column}`"));
        }
        profile.import(record, now_ms);
    }
    for (index, sent) in visitor.events.into_iter().enumerate() {
        let name = format!("events[{index}]");
        let at = format!("`{name}` in `{shown}`");
        let table = table(plan, &sent.database, &sent.table).map_err(|failure| failure.at(&at))?;
        let event = plan.event(table, columns(sent.event, &at)?, now_ms, name.clone(), SentAt::Absent);
        for problem in &event.notes {
            warn(&format!("{name}: {}", in_words(problem.as_str())));
        }
        let keys = plan.keys(&event, &BY_WORD);
        for refused in &keys.refused {
            warn(&format!("{name}: key `{}`: {}", refused.name, refused.reason));
        }
        let stitched = plan.stitch(&keys, vec![profile.clone()], ProfileId([2; 16]), now_ms);
        if stitched.profile.id != profile.id {
            warn(&format!("{name}: left out, its primary key is another person's"));
            continue;
        }
        profile = stitched.profile;
        let ingested = plan.ingest(&mut profile, &event, now_ms);
        if ingested.duplicate {
            warn(&format!("{name}: an event of this id was counted before"));
        } else {
            plan.advance(&mut profile, Some(&event), &[], now_ms);
        }
        for refused in &ingested.refused {
            warn(&format!("{name}: not taken for `{}`: {}", refused.attribute, in_words(refused.reason)));
        }
        for column in &ingested.too_long {
            warn(&format!("{name}: `{column}` is longer than what a pattern looks at, so it is unknown"));
        }
    }
    Ok(Some(profile))
}

/// The index of an event table, or which ones there are.
pub(crate) fn table(plan: &Plan, database: &str, table: &str) -> Result<usize, Failure> {
    plan.table(database, table).ok_or_else(|| {
        let known: Vec<String> =
            plan.tables().iter().map(|known| format!("{}.{}", known.database, known.table)).collect();
        Failure::new(format!("no event table `{database}.{table}` is declared"))
            .help(format!("there are: {}", known.join(", ")))
    })
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Visitor {
    #[serde(default)]
    batch: Option<Value>,
    #[serde(default)]
    events: Vec<Sent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    database: String,
    table: String,
    event: Value,
}

impl Visitor {
    fn read(file: &Path, shown: &str) -> Result<Visitor, Failure> {
        let read = if shown == "-" {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text).map(|_| text)
        } else {
            fs::read_to_string(file)
        };
        let text = read.map_err(|error| Failure::of_file("read", shown, error))?;
        serde_json::from_str(&text).map_err(|error| {
            Failure::new(format!("`{shown}` does not hold a visitor: {error}")).help(
                r#"it is {"batch": {…}, "events": [{"database": "web", "table": "pageviews", "event": {…}}]}"#,
            )
        })
    }
}

fn columns(value: Value, at: &str) -> Result<Vec<(String, Value)>, Failure> {
    match value {
        Value::Object(columns) => Ok(columns),
        _ => Err(Failure::new(format!("{at} is not an object"))),
    }
}

fn warn(what: &str) {
    note(&format!("note: {}", clean(what)));
}

/// A stable name as words.
fn in_words(name: &str) -> String {
    name.replace('_', " ")
}
