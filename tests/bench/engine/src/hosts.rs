//! Hosts of wasm: programs of their own that run a work when they are told to, and say how long it took.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::measure::Clocked;

/// A host that runs; it ends with what holds it.
pub struct Host {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Host {
    /// wasmtime, in the program that is built beside this one.
    pub fn wasmtime() -> Result<Host, String> {
        Host::start(Command::new(beside("usher-bench-host")?).arg(wasm()?))
    }

    /// V8, as Node brings it.
    pub fn node() -> Result<Host, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("host.mjs");
        Host::start(Command::new("node").arg(script).arg(wasm()?))
    }

    fn start(command: &mut Command) -> Result<Host, String> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("{command:?}: {error}"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".to_owned());
        };
        Ok(Host { child, to, from: BufReader::new(from) })
    }

    /// Nanoseconds of CPU, and what came of it.
    pub fn run(&mut self, work: usize, count: u64) -> Result<(f64, u64), String> {
        writeln!(self.to, "{work} {count}").map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(|error| error.to_string())?;
        let mut numbers = line.split_whitespace().map(str::parse::<f64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(nanos)), Some(Ok(result))) => Ok((nanos, result as u64)),
            _ => Err(format!("the host said {line:?}")),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One work in a host.
pub struct Hosted<'h> {
    pub host: &'h mut Host,
    pub work: usize,
}

impl Clocked for Hosted<'_> {
    fn clock(&mut self, count: u64) -> f64 {
        self.host.run(self.work, count).expect("a host that answers").0
    }
}

fn beside(name: &str) -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(program.with_file_name(name))
}

fn wasm() -> Result<PathBuf, String> {
    Ok(beside("../wasm32-unknown-unknown/release/usher_bench_work.wasm")?)
}
