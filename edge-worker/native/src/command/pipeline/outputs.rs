//! Outputs as files: a line is a row, an event that ended, or a record that was refused.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::json;
use usher_engine::value::Value;
use usher_pipelines::{
    Chain, Change, Ended, OutputRow, Payload, Plan, Read, Refused, RefusedReason, Sink, Step,
};

use super::state::{self, State};
use crate::exit::Failure;
use crate::terminal::{clean, note};

/// A file, or standard output, and what failed there.
struct Out {
    shown: String,
    writer: BufWriter<Box<dyn Write>>,
    /// Of a file whose length is committed.
    file: Option<Kept>,
    /// Set when the reader of standard output is gone: nobody wants more.
    stop: Arc<AtomicBool>,
}

/// A file that grows over several runs.
struct Kept {
    /// The path by which the state knows it.
    path: String,
    file: File,
}

impl Out {
    /// Replaces what is there; with a state goes on after what was committed.
    fn create(path: &Path, stop: &Arc<AtomicBool>, state: Option<&State>) -> Result<Out, Failure> {
        let shown = path.display().to_string();
        let failed = |error: io::Error| Failure::of_file("write", &shown, error);
        let mut kept = None;
        let writer: Box<dyn Write> = if path.as_os_str() == "-" {
            Box::new(io::stdout())
        } else if let Some(state) = state {
            let name = state::full(path)?;
            let length = state.output(&name)?.unwrap_or(0);
            let missing = |is: &str| {
                Failure::new(format!("`{shown}` is {is} the {length} bytes that were committed"))
                    .help("put the file back, or name another one for the rows to come")
            };
            // Before it is made anew, so that no empty file stands in its place.
            if length > 0 && !path.exists() {
                return Err(missing("gone with"));
            }
            let mut file =
                OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
            if file.metadata().map_err(failed)?.is_file() {
                if file.metadata().map_err(failed)?.len() < length {
                    return Err(missing("shorter than"));
                }
                // Bytes behind it were written after the last commit, and come again.
                file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
                kept = Some(Kept { path: name, file: file.try_clone().map_err(failed)? });
            }
            Box::new(file)
        } else {
            Box::new(File::create(path).map_err(failed)?)
        };
        Ok(Out { shown, writer: BufWriter::new(writer), file: kept, stop: Arc::clone(stop) })
    }

    /// Everything is on the disk: the path and the length of a file whose length is committed.
    fn sync(&mut self) -> Result<Option<(String, u64)>, String> {
        self.flush()?;
        let Some(Kept { path, file }) = &self.file else { return Ok(None) };
        let length = file.sync_data().and_then(|()| file.metadata()).map(|metadata| metadata.len());
        let length = length.map_err(|error| format!("cannot write `{}`: {error}", self.shown))?;
        Ok(Some((path.clone(), length)))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), String> {
        let written = serde_json::to_writer(&mut self.writer, line)
            .map_err(io::Error::from)
            .and_then(|()| self.writer.write_all(b"\n"));
        self.done(written)
    }

    fn flush(&mut self) -> Result<(), String> {
        let flushed = self.writer.flush();
        self.done(flushed)
    }

    fn done(&self, result: io::Result<()>) -> Result<(), String> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.stop.store(true, Ordering::Relaxed);
                Ok(())
            }
            result => result.map_err(|error| format!("cannot write `{}`: {error}", self.shown)),
        }
    }
}

/// The outputs of a run.
pub(super) struct Outputs {
    /// By the topics that are written; rows of others are for pipelines alone.
    rows: Vec<(String, Out)>,
    expired: Option<Out>,
    dead: Option<Out>,
    trace: Option<Out>,
    state: Option<State>,
    /// True once the first refused line was told; others are counted.
    has_told: bool,
}

impl Outputs {
    /// The files of rows by their topics, and those of events that ended, of refused lines and of the trace.
    pub(super) fn create(
        rows: Vec<(String, PathBuf)>,
        [expired, dead, trace]: [Option<&Path>; 3],
        stop: &Arc<AtomicBool>,
        state: Option<State>,
    ) -> Result<Outputs, Failure> {
        let create = |path: &Path| Out::create(path, stop, state.as_ref());
        let rows =
            rows.into_iter().map(|(topic, path)| Ok((topic, create(&path)?))).collect::<Result<_, _>>()?;
        let [expired, dead, trace] = [expired, dead, trace].map(|path| path.map(create).transpose());
        let (expired, dead, trace) = (expired?, dead?, trace?);
        Ok(Outputs { rows, expired, dead, trace, state, has_told: false })
    }

    fn store(&mut self, changes: Vec<(usize, Change)>, read: Vec<Read>) -> Result<(), String> {
        let outs = [&mut self.expired, &mut self.dead, &mut self.trace].into_iter().flatten();
        let mut lengths = Vec::new();
        for out in outs.chain(self.rows.iter_mut().map(|(_, out)| out)) {
            lengths.extend(out.sync()?);
        }
        match &mut self.state {
            Some(state) => state.commit(changes, read, &lengths),
            None => Ok(()),
        }
    }

    /// Stores that the outputs are as they are, before anything is written to them.
    pub(super) fn begin(&mut self) -> Result<(), String> {
        self.store(Vec::new(), Vec::new())
    }
}

/// The record of an event that ended, as it came.
#[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "a broker has a topic of such records"))]
pub(super) fn record_line(ended: &Ended) -> impl Serialize {
    Columns(&ended.columns)
}

/// Columns as an object.
struct Columns<'a>(&'a [(String, Value)]);

impl Serialize for Columns<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The first line that was refused, for people; files of other formats are recognized.
fn first_refused(refused: &Refused) -> String {
    let Refused { reason, detail, topic, partition, offset, record, .. } = refused;
    let kind = if *reason == RefusedReason::NotJson { "not JSON: " } else { "" };
    let looks_like = match record.trim_ascii_start() {
        // Its first bytes; the second one is no text.
        [0x1f, ..] => Some("gzip: unpack it first (`gunzip -c FILE`)"),
        [b'[', ..] => Some("one JSON array: write a record a line (`jq -c '.[]' FILE`)"),
        [b'{' | b'"', ..] | [] => None,
        rest if rest.iter().any(|byte| matches!(byte, b',' | b';' | b'\t')) => {
            Some("CSV: write a JSON object a line")
        }
        _ => None,
    };
    let hint = looks_like.map_or_else(String::new, |format| format!("\n  help: it looks like {format}"));
    format!(
        "refused: line {offset} of `{topic}`, file {}: {kind}{detail}{hint}\n  help: `--dead FILE` keeps such lines with their reasons",
        partition + 1
    )
}

/// An event that ended, as a line.
#[derive(Serialize)]
struct EndedLine<'a> {
    reason: &'static str,
    pipeline: &'a str,
    topic: &'a str,
    partition: u32,
    offset: u64,
    missing: &'a [String],
    record: Columns<'a>,
}

impl Sink for Outputs {
    fn row(&mut self, topic: &str, row: &OutputRow) -> Result<(), String> {
        match self.rows.iter_mut().find(|(of, _)| of == topic) {
            Some((_, out)) => out.line(row),
            None => Ok(()),
        }
    }

    fn ended(&mut self, plan: &Plan, ended: &Ended) -> Result<(), String> {
        let Some(out) = &mut self.expired else { return Ok(()) };
        out.line(&EndedLine {
            reason: ended.reason.as_str(),
            pipeline: plan.name(),
            topic: plan.topics().next().unwrap_or_default(),
            partition: ended.origin.partition,
            offset: ended.origin.offset,
            missing: &ended.missing,
            record: Columns(&ended.columns),
        })
    }

    fn refused(&mut self, refused: &Refused) -> Result<(), String> {
        let Some(out) = &mut self.dead else {
            if !std::mem::replace(&mut self.has_told, true) {
                note(&clean(&first_refused(refused)));
            }
            return Ok(());
        };
        let Refused { reason, detail, topic, partition, offset, .. } = refused;
        out.line(&json!({
            "reason": reason.as_str(),
            "detail": detail,
            "topic": **topic,
            "partition": partition,
            "offset": offset,
            "record": refused.text(),
        }))
    }

    fn trace(&mut self, step: &Step<'_>) -> Result<(), String> {
        let Some(out) = &mut self.trace else { return Ok(()) };
        out.line(&match step {
            Step::Record(arrival, at) => json!({
                "at": at,
                "topic": *arrival.topic,
                "partition": arrival.partition,
                "offset": arrival.offset,
                "arrival": arrival.arrival_ms,
                "record": match &arrival.payload {
                    Payload::Json(text) => Some(String::from_utf8_lossy(text)),
                    Payload::Null | Payload::Unreadable(_) => None,
                },
            }),
            Step::Tick(at) => json!({"at": at, "tick": true}),
            Step::End => json!({"end": true}),
        })
    }

    fn flush(&mut self) -> Result<(), String> {
        let others = [&mut self.expired, &mut self.dead, &mut self.trace];
        let rows = self.rows.iter_mut().map(|(_, out)| out);
        others.into_iter().flatten().chain(rows).try_for_each(Out::flush)
    }

    fn commit(&mut self, changes: Vec<(usize, Change)>, read: Vec<Read>, _: &Chain) -> Result<(), String> {
        self.store(changes, read)
    }
}
