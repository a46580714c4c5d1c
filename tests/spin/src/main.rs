//! Runs the Spin component as Spin does, for tests.
//!
//! ```text
//! usher-spin-host compile <component.wasm> <compiled>
//! usher-spin-host serve <compiled> <spin.toml> --data <folder> [--reuse <requests>]
//! usher-spin-host lock <folder>           holds the database's lock until its input ends
//! usher-spin-host sql <file> <statement>  prints the numbers and texts that it finds, a row a line
//! ```
//!
//! It has the parts of Spin that a component sees: wasmtime's handler for `wasi:http`, 128 requests an instance and 16 at
//! once, requests to the hosts that the manifest allows, and the interfaces of the SDK on SQLite files, of which it allows some.

mod app;
mod guest;
mod instances;
mod key_value;
mod outbound;
mod server;
mod sqlite;
mod variables;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::ValueRef;
use wasmtime::{Config, Engine, error::Context};

use app::App;
use instances::Instances;

type Result<T, E = wasmtime::Error> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["compile", component, compiled] => compile(component, compiled),
        ["serve", compiled, manifest, "--data", data] => serve(compiled, manifest, data, 128),
        ["serve", compiled, manifest, "--data", data, "--reuse", reuse] => {
            serve(compiled, manifest, data, reuse.parse::<usize>().context("a number of requests")?)
        }
        ["lock", data] => lock(data),
        ["sql", file, statement] => sql(file, statement),
        _ => wasmtime::bail!("compile, serve, lock or sql; see the head of tests/spin/src/main.rs"),
    }
}

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    Engine::new(&config)
}

fn compile(component: &str, compiled: &str) -> Result<()> {
    let bytes = std::fs::read(component).with_context(|| component.to_owned())?;
    std::fs::write(compiled, engine()?.precompile_component(&bytes)?)?;
    Ok(())
}

fn serve(compiled: &str, manifest: &str, data: &str, reuse: usize) -> Result<()> {
    let app = App::read(Path::new(manifest), PathBuf::from(data))?;
    let instances = Instances::new(&engine()?, compiled, Arc::new(app), reuse)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(server::run(instances))
}

fn lock(data: &str) -> Result<()> {
    let database = rusqlite::Connection::open(Path::new(data).join(sqlite::FILE))?;
    database.execute_batch("BEGIN IMMEDIATE")?;
    println!("locked");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn sql(file: &str, statement: &str) -> Result<()> {
    let database = rusqlite::Connection::open(file)?;
    let mut prepared = database.prepare(statement)?;
    let columns = prepared.column_count();
    let mut rows = prepared.query([])?;
    while let Some(row) = rows.next()? {
        let cell = |column| match row.get_ref(column)? {
            ValueRef::Integer(number) => Ok(number.to_string()),
            other => Ok(other.as_str()?.to_owned()),
        };
        let cells: Vec<String> = (0..columns).map(cell).collect::<rusqlite::Result<_>>()?;
        println!("{}", cells.join(" "));
    }
    Ok(())
}
