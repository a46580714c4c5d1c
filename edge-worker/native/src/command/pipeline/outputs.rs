//! Outputs as files: a line is a row, an event that ended, or a record that was refused.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::json;
use usher_engine::value::Value;
use usher_pipelines::{Ended, OutputRow, Refused, Sink, Step};

use crate::exit::Failure;

/// A file, or standard output, and what failed there.
struct Out {
    shown: String,
    writer: BufWriter<Box<dyn Write>>,
    /// Set when the reader of standard output is gone: nobody wants more.
    stop: Arc<AtomicBool>,
}

impl Out {
    /// Replaces what is there.
    fn create(path: &Path, stop: &Arc<AtomicBool>) -> Result<Out, Failure> {
        let shown = path.display().to_string();
        let writer: Box<dyn Write> = if path.as_os_str() == "-" {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(path).map_err(|error| Failure::of_file("write", &shown, error))?)
        };
        Ok(Out { shown, writer: BufWriter::new(writer), stop: Arc::clone(stop) })
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
    rows: Out,
    expired: Option<Out>,
    dead: Option<Out>,
    trace: Option<Out>,
}

impl Outputs {
    pub(super) fn create(
        [rows, expired, dead, trace]: [Option<&Path>; 4],
        stop: &Arc<AtomicBool>,
    ) -> Result<Outputs, Failure> {
        let create = |path: Option<&Path>| path.map(|path| Out::create(path, stop)).transpose();
        let rows = Out::create(rows.unwrap_or(Path::new("-")), stop)?;
        Ok(Outputs { rows, expired: create(expired)?, dead: create(dead)?, trace: create(trace)? })
    }
}

/// Columns as an object.
struct Columns<'a>(&'a [(String, Value)]);

impl Serialize for Columns<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// An event that ended, as a line.
#[derive(Serialize)]
struct EndedLine<'a> {
    reason: &'static str,
    topic: &'a str,
    partition: u32,
    offset: u64,
    missing: &'a [String],
    record: Columns<'a>,
}

impl Sink for Outputs {
    fn row(&mut self, row: &OutputRow) -> Result<(), String> {
        self.rows.line(row)
    }

    fn ended(&mut self, topic: &str, ended: &Ended) -> Result<(), String> {
        let Some(out) = &mut self.expired else { return Ok(()) };
        out.line(&EndedLine {
            reason: ended.reason.as_str(),
            topic,
            partition: ended.origin.partition,
            offset: ended.origin.offset,
            missing: &ended.missing,
            record: Columns(&ended.columns),
        })
    }

    fn refused(&mut self, refused: &Refused) -> Result<(), String> {
        let Some(out) = &mut self.dead else { return Ok(()) };
        let Refused { reason, detail, topic, partition, offset, record } = refused;
        out.line(&json!({
            "reason": reason.as_str(),
            "detail": detail,
            "topic": **topic,
            "partition": partition,
            "offset": offset,
            "record": record,
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
                "record": arrival.text.as_ref().ok().map(|text| String::from_utf8_lossy(text).into_owned()),
            }),
            Step::Tick(at) => json!({"at": at, "tick": true}),
            Step::End => json!({"end": true}),
        })
    }

    fn flush(&mut self) -> Result<(), String> {
        let others = [&mut self.expired, &mut self.dead, &mut self.trace];
        others.into_iter().flatten().try_for_each(Out::flush)?;
        self.rows.flush()
    }
}
