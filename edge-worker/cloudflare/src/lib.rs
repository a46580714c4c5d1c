//! The service as one wasm module: bytes in, bytes out, nothing imported.
//!
//! JavaScript reserves room ([`input`]), fills it, calls one operation ([`call`]) and copies the answer from
//! [`output`], all without waiting in between. Operations are numbers here and in `entry/engine.js`; both list them in
//! the same order. A trap leaves the instance unusable: the entry throws it away and starts another.

#![cfg_attr(
    target_arch = "wasm32",
    expect(unsafe_code, reason = "an exported name is unsafe to declare; nothing else here is")
)]

mod operation;

use std::cell::RefCell;

use operation::Instance;

thread_local! {
    static INSTANCE: RefCell<Instance> = RefCell::new(Instance::default());
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for this many bytes of input; where it begins. Views of memory taken before are stale after it.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn input(length: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|input| {
        input.clear();
        input.resize(length, 0);
        input.as_mut_ptr()
    })
}

/// Runs one operation on the input; how long its output is.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn call(operation: u32) -> usize {
    let answer =
        INPUT.with_borrow(|input| INSTANCE.with_borrow_mut(|instance| instance.run(operation, input)));
    OUTPUT.with_borrow_mut(|output| {
        *output = answer;
        output.len()
    })
}

/// Where the last output begins; it stays until the next call.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}
