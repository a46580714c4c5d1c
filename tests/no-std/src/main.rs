//! Links the engine where there is nothing: no operating system, no std, no allocator but the one below.
//!
//! It is built and never run; that it links is what it shows. A use of std anywhere below the engine fails to compile,
//! a symbol that only an operating system has fails to link:
//!
//! ```text
//! cargo build --manifest-path tests/no-std/Cargo.toml --target x86_64-unknown-none
//! ```

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::hint::black_box;
use core::panic::PanicInfo;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use usher_engine::definition::Definition;
use usher_engine::profile::codec;
use usher_engine::{Access, Asked, Event, Evidence, Plan, Profile, ProfileId, Query};

/// The linker starts here. Everything passes a black box, so that nothing is known before it runs and left out.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    let definition: Definition = black_box(Definition::default());
    let now_ms = black_box(1_790_000_000_000);
    if let Ok(plan) = Plan::compile(&definition) {
        let event = Event::resolve(black_box(0), Vec::new(), now_ms, "minted".into());
        let keys = plan.keys(&event, &Evidence::NONE);
        let found: Vec<Profile> = black_box(Vec::new());
        let mut stitched = plan.stitch(&keys, found, ProfileId([1; 16]), now_ms);
        plan.ingest(&mut stitched.profile, &event, now_ms);
        let query = Query {
            event: Some(&event),
            asked: Asked::Triggered,
            inputs: &[],
            edge: &[],
            access: Access::default(),
            blind: false,
        };
        black_box(plan.personalize(&stitched.profile, &query, now_ms));
        black_box(plan.explain(&stitched.profile, &query, now_ms));
        black_box(codec::encode(&stitched.profile, codec::Form::Three));
    }
    loop {
        core::hint::spin_loop();
    }
}

/// Hands out memory once and takes none back.
struct Bump {
    room: UnsafeCell<[u8; ROOM]>,
    used: AtomicUsize,
}

const ROOM: usize = 64 * 1024;

// SAFETY: pieces of the room are handed out once each, by an atomic counter.
unsafe impl Sync for Bump {}

// SAFETY: every piece lies within the room, is aligned as asked, and overlaps no other.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let wanted = layout.size() + layout.align();
        let at = self.used.fetch_add(wanted, Ordering::Relaxed);
        if at + wanted > ROOM {
            return null_mut();
        }
        let start = self.room.get().cast::<u8>().wrapping_add(at);
        start.wrapping_add(start.align_offset(layout.align()))
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static BUMP: Bump = Bump { room: UnsafeCell::new([0; ROOM]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
