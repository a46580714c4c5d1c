//! From what a store hands out to what answers: a bundle here, filters in their language there.

use sha2::{Digest, Sha256};
use usher_bench_work::cycle::turns;
use usher_bench_work::usher;
use usher_edge::store::Pointer;
use usher_edge::{Edge, Installed, bundle_of};

use crate::measure::Run;
use crate::rows::sections;
use crate::subject::{Subject, wirefilter::Wirefilter};

const SECTIONS: usize = 1_000;

fn body() -> Vec<u8> {
    bundle_of(&usher::sections(&sections(SECTIONS))).expect("a bundle")
}

/// The work of an edge on a bundle: hash and compare it, read its JSON, compile its plan.
pub fn usher() -> Run {
    let body = body();
    let hash: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let pointer = Pointer { audience: "7".to_owned(), number: 1, hash };
    Box::new(move |n| {
        turns(n, 1, |_| {
            let mut edge = Edge::new(None, false);
            assert_eq!(edge.install(&pointer, body.clone()), Ok(Installed::New));
            SECTIONS as u64
        })
    })
}

/// Every section's text parsed and compiled.
pub fn wirefilter() -> Run {
    let subject = Wirefilter::new();
    let texts: Vec<String> = sections(SECTIONS).iter().filter_map(Wirefilter::spell).collect();
    Box::new(move |n| {
        turns(n, 1, |_| {
            let filters: Vec<_> = texts.iter().map(|text| subject.compile(text)).collect();
            std::hint::black_box(filters).len() as u64
        })
    })
}

/// The number of bytes that each subject reads.
pub fn bytes() -> [usize; 2] {
    let texts = sections(SECTIONS);
    [body().len(), texts.iter().filter_map(Wirefilter::spell).map(|text| text.len()).sum()]
}
