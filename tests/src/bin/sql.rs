//! Runs one statement on an SQLite file and prints what it finds, a row a line: `sql <file> <statement>`. The attack tests
//! lose and damage with it what an edge has stored.

use std::process::ExitCode;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, statement] = arguments.as_slice() else {
        eprintln!("usage: sql <SQLite file> <statement>");
        return ExitCode::from(64);
    };
    match run(file, statement) {
        Ok(rows) => {
            rows.iter().for_each(|row| println!("{row}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: &str, statement: &str) -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open(file)?;
    let mut prepared = connection.prepare(statement)?;
    let columns = prepared.column_count();
    let mut rows = prepared.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cells: Vec<String> =
            (0..columns).map(|index| row.get_ref(index).map(shown)).collect::<Result<_, _>>()?;
        found.push(cells.join("\t"));
    }
    Ok(found)
}

fn shown(cell: ValueRef<'_>) -> String {
    match cell {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    }
}
