//! Output: answers on standard output, everything else on standard error.
//!
//! A closed pipe (`usher … | head -1`) is not an error: what follows is dropped and the verb keeps its exit status.

use std::env;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};

use usher_config::render::printable;

use crate::exit::{Exit, Failure};

/// Writes to standard output, as it is.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line for the person at the terminal, or for the log.
pub(crate) fn note(line: &str) {
    // When not even this can be written, nobody is there.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints why a verb cannot go on, and returns the status to end with.
pub(crate) fn show(failure: &Failure) -> Exit {
    note(&format!("error: {}", clean(&failure.message)));
    if let Some(help) = &failure.help {
        note(&format!("  help: {}", clean(help)));
    }
    failure.exit
}

/// Overwrites the line that the person at the terminal sees; nothing when there is none.
pub(crate) fn progress(line: &str) {
    let mut out = io::stderr().lock();
    if out.is_terminal() {
        let _ = write!(out, "\r\u{1b}[K{line}").and_then(|()| out.flush());
    }
}

/// True if this stream shows color and `NO_COLOR` is not set (<https://no-color.org>).
pub(crate) fn colored(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Asks the person at the terminal; None when there is nobody to ask.
pub(crate) fn confirm(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The text without what a terminal would obey instead of show; lines stay lines.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter_map(|c| if c == '\n' { Some(c) } else { printable(c) }).collect()
}
