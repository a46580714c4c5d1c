//! Prints the programs and extracts of all vectors, with what the service in this process answers: `on_device`. The test in
//! `tests/device` gives them to the engine that browsers load.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use usher_tests::on_device;

fn main() -> ExitCode {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = serde_json::to_writer(&mut out, &on_device::records()).map_err(std::io::Error::from);
    match written.and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
