//! The module in wasmtime: one input at a time, with fuel.

use usher_fuzz_inputs::{STORED, Target, corpus, mended};
use wasmtime::{Config, Engine, Instance, Memory, Module, Store, Trap, TypedFunc};

use crate::budget;

/// After so many inputs an instance is replaced, so that what it keeps cannot pile up.
const INPUTS_PER_INSTANCE: u32 = 256;
/// The growth at which an instance is replaced, and the input that caused it is measured alone.
const GROWTH_BYTES: usize = 4 << 20;

/// The result of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub ending: Ending,
    pub fuel: u64,
    /// By how much the instance grew, where that was looked at.
    pub grown_bytes: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The line that names the outcome, and the rest.
    Answered(String, Vec<u8>),
    /// It took more than its budget.
    OutOfFuel,
    /// It took more memory than its budget.
    OutOfMemory,
    Trapped(String),
}

impl Ending {
    /// The kind of failure, in a word that can be a file's name.
    pub fn failure(&self) -> Option<&'static str> {
        match self {
            Ending::Answered(..) => None,
            Ending::OutOfFuel => Some("fuel"),
            Ending::OutOfMemory => Some("memory"),
            Ending::Trapped(_) => Some("trap"),
        }
    }
}

/// A compiled module. Cheap to share.
#[derive(Clone)]
pub struct Machine {
    engine: Engine,
    module: Module,
}

impl Machine {
    pub fn load(wasm: &[u8]) -> Result<Machine, wasmtime::Error> {
        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, wasm)?;
        Ok(Machine { engine, module })
    }

    /// One input on an instance that has seen no other, with fuel as told.
    pub fn alone(&self, target: Target, input: &[u8], fuel: u64) -> Run {
        let mut fresh = self.instance();
        let before = fresh.size();
        let mut run = fresh.run(target, input, fuel);
        run.grown_bytes = fresh.size() - before;
        if run.ending.failure().is_none() && run.grown_bytes > budget::of(target).memory_bytes {
            run.ending = Ending::OutOfMemory;
        }
        run
    }

    /// The inputs that others of a target are made of.
    pub fn seeds(&self, target: Target) -> Vec<Vec<u8>> {
        if target != Target::Profile {
            return corpus(target);
        }
        let profiles: Vec<Vec<u8>> = (0..STORED).map(|number| self.instance().stored(number)).collect();
        for profile in &profiles {
            assert!(mended(profile.clone()) == *profile, "the checksum here is the codec's");
        }
        profiles
    }

    fn instance(&self) -> Prepared {
        let mut store = Store::new(&self.engine, ());
        store.set_fuel(u64::MAX).expect("fuel is counted");
        let instance = Instance::new(&mut store, &self.module, &[]).expect("nothing is imported");
        let memory = instance.get_memory(&mut store, "memory").expect("a memory");
        let prepare: TypedFunc<(), ()> = instance.get_typed_func(&mut store, "prepare").expect("an export");
        prepare.call(&mut store, ()).expect("the example runs");
        Prepared { store, instance, memory }
    }
}

struct Prepared {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Prepared {
    fn size(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    fn stored(&mut self, number: u32) -> Vec<u8> {
        let store = &mut self.store;
        let stored = self.instance.get_typed_func::<u32, u32>(&mut *store, "stored").expect("an export");
        let output = self.instance.get_typed_func::<(), u32>(&mut *store, "output").expect("an export");
        let length = stored.call(&mut *store, number).expect("a profile");
        let at = output.call(&mut *store, ()).expect("where it is");
        let mut profile = vec![0; length as usize];
        self.memory.read(&*store, at as usize, &mut profile).expect("within memory");
        profile
    }

    fn run(&mut self, target: Target, input: &[u8], fuel: u64) -> Run {
        let ending = match self.call(target, input, fuel) {
            Ok((label, rest)) => Ending::Answered(label, rest),
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::OutOfFuel) => Ending::OutOfFuel,
                Some(trap) => Ending::Trapped(format!("{trap}\n{error:?}")),
                None => Ending::Trapped(format!("{error:?}")),
            },
        };
        let left = self.store.get_fuel().expect("fuel is counted");
        Run { ending, fuel: fuel.saturating_sub(left), grown_bytes: 0 }
    }

    fn call(
        &mut self,
        target: Target,
        input: &[u8],
        fuel: u64,
    ) -> Result<(String, Vec<u8>), wasmtime::Error> {
        let store = &mut self.store;
        store.set_fuel(u64::MAX)?;
        let length = u32::try_from(input.len())?;
        let at = self.instance.get_typed_func::<u32, u32>(&mut *store, "input")?.call(&mut *store, length)?;
        self.memory.write(&mut *store, at as usize, input)?;
        let read = self.instance.get_typed_func::<(), u32>(&mut *store, target.name())?;
        let output = self.instance.get_typed_func::<(), u32>(&mut *store, "output")?;
        store.set_fuel(fuel)?;
        let length = read.call(&mut *store, ())?;
        let left = store.get_fuel()?;
        store.set_fuel(u64::MAX)?;
        let at = output.call(&mut *store, ())?;
        let mut answer = vec![0; length as usize];
        self.memory.read(&*store, at as usize, &mut answer)?;
        store.set_fuel(left)?;
        let end = answer.iter().position(|byte| *byte == b'\n').unwrap_or(answer.len());
        let label = String::from_utf8_lossy(&answer[..end]).into_owned();
        Ok((label, answer.split_off((end + 1).min(answer.len()))))
    }
}

/// An instance that is used again and again, as in a worker.
pub struct Worker {
    machine: Machine,
    prepared: Option<Prepared>,
    size_before: usize,
    left: u32,
}

impl Worker {
    pub fn new(machine: &Machine) -> Worker {
        Worker { machine: machine.clone(), prepared: None, size_before: 0, left: 0 }
    }

    /// Runs an input within its budget.
    pub fn run(&mut self, target: Target, input: &[u8]) -> Run {
        if self.left == 0 {
            self.prepared = None;
        }
        let prepared = match &mut self.prepared {
            Some(prepared) => prepared,
            none => {
                self.left = INPUTS_PER_INSTANCE;
                let prepared = none.insert(self.machine.instance());
                self.size_before = prepared.size();
                prepared
            }
        };
        self.left -= 1;
        let fuel = budget::of(target).fuel(input.len());
        let run = prepared.run(target, input, fuel);
        if prepared.size() - self.size_before > GROWTH_BYTES && run.ending.failure().is_none() {
            self.left = 0;
            return self.machine.alone(target, input, fuel);
        }
        if run.ending.failure().is_some() {
            // An instance that trapped is of no further use.
            self.left = 0;
        }
        run
    }
}
