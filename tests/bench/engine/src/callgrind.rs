//! Instructions instead of time: this program again under valgrind, counting only what is measured.

use std::process::Command;

/// The instructions of one run: of a side of a row, which ran so many times.
pub fn instructions(row: &str, side: &str, count: u64) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=usher_bench_measured"])
        .arg(program)
        .args(["--probe", row, side, &count.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    match collected.and_then(|(_, number)| number.trim().parse::<f64>().ok()) {
        Some(number) if output.status.success() => Ok(number / count as f64),
        _ => Err(format!("valgrind: {}", said.lines().last().unwrap_or("said nothing"))),
    }
}

/// True if it is installed.
pub fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}
