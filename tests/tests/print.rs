//! Whatever tree there is, its text reads back as the same tree: 100,000 of them, each with every kind of test, name and
//! literal that text can say. `USHER_CASES=10` tries ten times as many.

use usher_engine::limits::CRITERIA_BYTES_MAX;
use usher_engine::syntax::parse;
use usher_tests::expressions::expr;
use usher_tests::random::{Random, cases};

const TREES: usize = 100_000;

#[test]
fn printed_trees_read_back() {
    let (mut read, mut too_long) = (0, 0);
    for seed in 0..cases(TREES) as u64 {
        let tree = expr(&mut Random::new(seed), 4);
        let text = tree.to_string();
        if text.len() > CRITERIA_BYTES_MAX {
            too_long += 1;
            continue;
        }
        let found = parse(&text).unwrap_or_else(|error| panic!("tree {seed}: {error}\n  {text}\n  {tree:?}"));
        assert_eq!(found, tree, "tree {seed}: {text}");
        // Canonical: printing what was read says the same once more.
        assert_eq!(found.to_string(), text, "tree {seed}");
        read += 1;
    }
    println!("{read} trees read back, {too_long} were longer than criteria may be");
    assert!(too_long * 100 < read, "too many are left out");
}
