//! Runs the engine's side of the rows as wasm in wasmtime: `work count` comes in by lines, CPU nanoseconds and the
//! result go out.

use std::error::Error;
use std::io::BufRead;

use cpu_time::ThreadTime;
use wasmtime::{Engine, Instance, Module, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: usher-bench-host <file.wasm>")?;
    let engine = Engine::default();
    let module = Module::new(&engine, std::fs::read(path)?)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let run = instance.get_typed_func::<(u32, u32), u32>(&mut store, "run")?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (work, count) = line.split_once(' ').ok_or("a work and a count")?;
        let (work, count) = (work.parse()?, count.parse()?);
        let start = ThreadTime::now();
        let result = run.call(&mut store, (work, count))?;
        println!("{} {result}", start.elapsed().as_nanos());
    }
    Ok(())
}
