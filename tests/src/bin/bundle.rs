//! Prints the bundle of a folder of definitions: `bundle examples/shop`. The tests in Node publish it.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use usher_tests::deployment;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: bundle <folder of definitions>");
        return ExitCode::from(64);
    };
    let bundle = deployment::bundle(Path::new(&folder));
    match std::io::stdout().lock().write_all(&bundle) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
