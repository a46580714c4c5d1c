//! Topics as files: a line is a record, a file a partition.

use std::fs;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;
use std::{mem, thread, vec};

use usher_pipelines::limits::AHEAD_RECORDS_MAX;
use usher_pipelines::{Arrival, Payload, Polled, Source};

use super::state::Place;
use crate::clock::now_ms;
use crate::exit::Failure;
use crate::files;
use crate::lines::{self, Line, Lines};
use crate::terminal::{clean, note};

/// A file of a topic.
pub(super) struct File {
    pub(super) topic: Arc<str>,
    pub(super) path: PathBuf,
    pub(super) place: Place,
    /// True if reading goes on there in another run, so that a line without an end is left to it.
    pub(super) is_resumed: bool,
}

/// The records of files, read ahead by a thread.
pub(super) struct Files {
    batches: Receiver<Batch>,
    /// The rest of the batch that was received last.
    records: vec::IntoIter<Arrival>,
}

/// Records that were there at once: one at a time, most of the time would go to waking threads.
type Batch = Result<Vec<Arrival>, String>;

/// The most records of a batch.
const BATCH_RECORDS: usize = 256;

impl Files {
    /// Reads the files one after the other. Those that cannot be opened are found before the first record.
    pub(super) fn open(files: Vec<File>, start_ms: i64) -> Result<Files, Failure> {
        for file in files.iter().filter(|file| file.path.as_os_str() != "-") {
            let metadata = fs::metadata(&file.path).map_err(|error| files::unread(&file.path, &error))?;
            // A pipe is opened once, by the thread that reads it: its writer would end with the first reader.
            if metadata.is_file() {
                lines::open(&file.path)?;
            }
        }
        let (sender, batches) = mpsc::sync_channel(AHEAD_RECORDS_MAX / BATCH_RECORDS);
        thread::spawn(move || {
            for file in files {
                if read(&file, start_ms, &sender).is_none() {
                    break;
                }
            }
        });
        Ok(Files { batches, records: Vec::new().into_iter() })
    }
}

impl Source for Files {
    fn poll(&mut self, wait: Duration) -> Result<Polled, String> {
        loop {
            if let Some(arrival) = self.records.next() {
                return Ok(Polled::Arrival(arrival));
            }
            match self.batches.recv_timeout(wait) {
                Ok(batch) => self.records = batch?.into_iter(),
                Err(RecvTimeoutError::Timeout) => return Ok(Polled::Nothing),
                Err(RecvTimeoutError::Disconnected) => return Ok(Polled::End),
            }
        }
    }
}

/// The lines of a file after its place.
fn open(file: &File) -> Result<Lines<lines::Input>, Failure> {
    let Place { line, bytes, .. } = file.place;
    if bytes == 0 {
        return Ok(Lines::after(lines::open(&file.path)?, line, 0));
    }
    let unread = |error| files::unread(&file.path, &error);
    let mut input = fs::File::open(&file.path).map_err(unread)?;
    input.seek(SeekFrom::Start(bytes)).map_err(unread)?;
    Ok(Lines::after(lines::buffered(input), line, bytes))
}

/// True for a pipe or a terminal, whose lines come while they are read: an event of now would lie in the future of the run's start.
fn is_live(path: &Path) -> bool {
    let metadata = if path.as_os_str() == "-" {
        io::stdin().as_fd().try_clone_to_owned().and_then(|input| fs::File::from(input).metadata())
    } else {
        fs::metadata(path)
    };
    metadata.is_ok_and(|metadata| !metadata.is_file())
}

/// Sends the lines of a file; None: nobody takes them any more, or the file cannot be read on.
fn read(file: &File, start_ms: i64, sender: &SyncSender<Batch>) -> Option<()> {
    let failed = |failure: String| sender.send(Err(failure)).ok();
    let mut batch = Vec::new();
    let mut lines = match open(file) {
        Ok(lines) => lines,
        Err(failure) => {
            failed(failure.message);
            return None;
        }
    };
    let is_live = is_live(&file.path);
    loop {
        let Line { number, text } = match lines.next() {
            Ok(Some(_)) if file.is_resumed && !lines.is_whole() => {
                note(&clean(&format!(
                    "the last line of `{}` has no end yet, and is left",
                    file.path.display()
                )));
                return Some(());
            }
            Ok(Some(line)) => line,
            Ok(None) => return Some(()),
            Err(error) => {
                failed(format!("cannot read `{}`: {error}", file.path.display()));
                return None;
            }
        };
        let too_long = || Payload::Unreadable(format!("the line is over {} bytes", lines::LINE_BYTES_MAX));
        let arrival = Arrival {
            topic: Arc::clone(&file.topic),
            partition: file.place.partition,
            offset: number,
            arrival_ms: if is_live { now_ms() } else { start_ms },
            end: lines.bytes(),
            key: None,
            payload: text.map_or_else(too_long, Payload::Json),
        };
        batch.push(arrival);
        // A record is never kept back while its source is waited for, or has ended.
        if batch.len() == BATCH_RECORDS || !lines.is_ready() {
            sender.send(Ok(mem::take(&mut batch))).ok()?;
        }
    }
}
