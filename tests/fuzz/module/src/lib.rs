//! One export for each target: the input is what [`input`] made room for, the answer is a line that names the outcome,
//! and what came of it. Beside them, what makes inputs by their numbers, for hosts that have no Rust.
//!
//! Nothing is imported, as in the worker: bytes in, bytes out. What must hold of every input and does not is a panic, and
//! so a trap.

mod edge;
mod texts;
mod visitor;

use std::cell::RefCell;

use usher_fuzz_inputs::{STORED, Target, corpus};

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The name of an outcome, and the result of the input.
struct Answer {
    label: String,
    content: String,
}

impl Answer {
    fn new(label: impl Into<String>, content: impl Into<String>) -> Answer {
        Answer { label: label.into(), content: content.into() }
    }
}

/// The state before every input: a service that runs the example, and its plan.
struct Ready {
    service: edge::Service,
    visitor: visitor::Visitor,
}

thread_local! {
    static READY: RefCell<Option<Ready>> = const { RefCell::new(None) };
}

fn with_ready<T>(run: impl FnOnce(&mut Ready) -> T) -> T {
    READY.with_borrow_mut(|ready| {
        run(ready.get_or_insert_with(|| Ready {
            service: edge::Service::start(),
            visitor: visitor::Visitor::start(),
        }))
    })
}

/// Makes what inputs meet, so that the first one does not pay for it.
#[unsafe(no_mangle)]
pub extern "C" fn prepare() {
    with_ready(|_| ());
}

/// Room for this many bytes of input; where it begins.
#[unsafe(no_mangle)]
pub extern "C" fn input(length: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|input| {
        input.clear();
        input.resize(length, 0);
        input.as_mut_ptr()
    })
}

/// Where the last answer begins.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}

fn answer(read: impl FnOnce(&[u8]) -> Answer) -> usize {
    let Answer { label, content } = INPUT.with_borrow(|input| read(input));
    // Names and numbers that the input chose would make every outcome a new one.
    let mut quoted = false;
    let label: String = label
        .chars()
        .filter(|c| {
            quoted ^= *c == '`';
            !quoted && (c.is_ascii_alphabetic() || matches!(c, ' ' | '_' | ':'))
        })
        .collect();
    put(format!("{label}\n{content}").into_bytes())
}

fn put(bytes: Vec<u8>) -> usize {
    OUTPUT.with_borrow_mut(|output| {
        *output = bytes;
        output.len()
    })
}

/// A stored profile with a number, which no file of the repository has; how long it is.
#[unsafe(no_mangle)]
pub extern "C" fn stored(number: u32) -> usize {
    put(with_ready(|ready| ready.visitor.stored(u64::from(number))))
}

/// The input of a target with a number; how long it is.
#[unsafe(no_mangle)]
pub extern "C" fn make(target: usize, number: u32) -> usize {
    let Some(target) = Target::ALL.get(target) else { return 0 };
    let mut seeds = corpus(*target);
    if *target == Target::Profile {
        seeds =
            with_ready(|ready| (0..u64::from(STORED)).map(|number| ready.visitor.stored(number)).collect());
    }
    put(usher_fuzz_inputs::input(*target, u64::from(number), &seeds))
}

/// Criteria as text.
#[unsafe(no_mangle)]
pub extern "C" fn criteria() -> usize {
    answer(texts::criteria)
}

/// Conditions of an API body.
#[unsafe(no_mangle)]
pub extern "C" fn condition() -> usize {
    answer(texts::condition)
}

/// Definitions as YAML or JSON.
#[unsafe(no_mangle)]
pub extern "C" fn definition() -> usize {
    answer(texts::definition)
}

/// A bundle that is published, and then run.
#[unsafe(no_mangle)]
pub extern "C" fn bundle() -> usize {
    answer(edge::bundle)
}

/// A body that is sent to every route that takes one.
#[unsafe(no_mangle)]
pub extern "C" fn event() -> usize {
    answer(|body| with_ready(|ready| ready.service.event(body)))
}

/// A batch of events.
#[unsafe(no_mangle)]
pub extern "C" fn batch() -> usize {
    answer(|body| with_ready(|ready| ready.service.batch(body)))
}

/// The rows of an import.
#[unsafe(no_mangle)]
pub extern "C" fn import() -> usize {
    answer(|body| with_ready(|ready| ready.service.import(body)))
}

/// A stored profile.
#[unsafe(no_mangle)]
pub extern "C" fn profile() -> usize {
    answer(|bytes| with_ready(|ready| ready.visitor.profile(bytes)))
}
