//! The service as one wasm module: bytes in, bytes out, nothing imported.
//!
//! JavaScript reserves input ([`input`]), fills it, calls one operation ([`call`]) and copies the answer from
//! [`output`], all synchronously. Operations are numbers here and in `entry/engine.js`; both list them in the same
//! order. A trap leaves the instance unusable: the entry discards it and starts another.

#![cfg_attr(
    target_arch = "wasm32",
    expect(unsafe_code, reason = "an exported name is unsafe to declare; nothing else here is")
)]

mod fault;
mod operation;
mod parts;
mod plane;

use std::cell::RefCell;

use operation::Instance;

/// Half the size of the standard one, and faster.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

thread_local! {
    static INSTANCE: RefCell<Instance> = RefCell::new(Instance::default());
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reserves this many bytes of input and returns their address. Earlier views of memory are then stale.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn input(length: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|input| {
        input.clear();
        input.resize(length, 0);
        input.as_mut_ptr()
    })
}

/// Runs one operation on the input and returns the length of its output.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn call(operation: u32) -> usize {
    let answer =
        INPUT.with_borrow(|input| INSTANCE.with_borrow_mut(|instance| instance.run(operation, input)));
    OUTPUT.with_borrow_mut(|output| {
        *output = answer;
        output.len()
    })
}

/// The address of the last output, valid until the next call.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}
