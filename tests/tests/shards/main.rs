//! Merges across shards under every order of messages that a random driver finds, with copies, losses and crashes; and the
//! cases that must hold, each by its name.
//!
//! `cargo test -p usher-tests --test shards`. A failing seed is printed; `USHER_SEED` runs it alone.

mod claims;
mod lookups;
mod merges;
mod restored;

use usher_tests::bed::Bed;
use usher_tests::shards::Reply;

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % most.max(1)
    }
}

/// Visitors whose keys meet in any order, under a driver that reorders, copies and loses messages and ends shards.
fn history(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bed = Bed::new(1 + u32::try_from(random.below(5)).expect("few"));
    let shards = bed.shards.stores.len();
    // Values of three keys; every value of one number belongs to one visitor.
    let visitors = 1 + random.below(3);
    let mut sent: Vec<(usize, usize, i64)> = Vec::new();
    for number in 0..(2 + random.below(10)) {
        let visitor = random.below(visitors);
        let one =
            |name: &str, random: &mut Random| format!("\"{name}\": \"{name}{visitor}{}\"", random.below(2));
        let mut names = vec!["a", "b", "c"];
        names.retain(|_| random.below(2) == 0);
        if names.is_empty() {
            names.push("a");
        }
        let keys: Vec<String> = names.iter().map(|name| one(name, &mut random)).collect();
        let weight = 1_i64 << number;
        let event = format!("{{{}, \"uuid\": \"{number}\", \"n\": {weight}}}", keys.join(", "));
        sent.push((bed.send(&event), visitor, weight));
        for _ in 0..random.below(12) {
            if bed.shards.queue.is_empty() {
                bed.shards.tick();
            }
            if bed.shards.queue.is_empty() {
                break;
            }
            let at = random.below(bed.shards.queue.len());
            match random.below(20) {
                0 => bed.shards.lose(at),
                // Only what is stored is sent twice: questions are answered to whoever waits.
                1 if matches!(bed.shards.queue[at].reply, Reply::Outbox(..)) => {
                    let copy = bed.shards.queue[at].clone();
                    bed.shards.queue.push(copy);
                }
                2 => bed.shards.crash(u32::try_from(random.below(shards)).expect("few")),
                _ => drop(bed.shards.step(at)),
            }
            if random.below(10) == 0 {
                bed.shards.now_ms += 300;
            }
        }
    }
    bed.shards.settle();
    // Each visitor shows all keys at once, so that all of theirs become one.
    for visitor in 0..visitors {
        for (left, right) in [("0", "0"), ("1", "0"), ("1", "1"), ("0", "1")] {
            bed.tell(&format!(
                r#"{{"a": "a{visitor}{left}", "b": "b{visitor}{right}", "c": "c{visitor}{left}", "n": 0}}"#
            ));
        }
    }
    for visitor in 0..visitors {
        let acknowledged: i64 = sent
            .iter()
            .filter(|(at, of, _)| *of == visitor && bed.is_stored(*at))
            .map(|(_, _, weight)| weight)
            .sum();
        let possible: i64 =
            sent.iter().filter(|(_, of, _)| *of == visitor).map(|(_, _, weight)| weight).sum();
        let mut all = Vec::new();
        for name in ["a", "b", "c"] {
            for value in ["0", "1"] {
                all.push(bed.views(name, &format!("{name}{visitor}{value}")));
            }
        }
        let views = all[0].expect("known");
        assert!(all.iter().all(|known| *known == Some(views)), "seed {seed}, visitor {visitor}: {all:?}");
        assert_eq!(views & acknowledged, acknowledged, "seed {seed}: an acknowledged event is not counted");
        assert_eq!(views & !possible, 0, "seed {seed}: {views} of {possible} is invented or counted twice");
    }
    let keys: Vec<(String, String)> = (0..visitors)
        .flat_map(|visitor| {
            ["a", "b", "c"].into_iter().flat_map(move |name| {
                ["0", "1"].map(|value| (name.to_owned(), format!("{name}{visitor}{value}")))
            })
        })
        .collect();
    let asked: Vec<(&str, &str)> = keys.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(bed.profiles(&asked).len(), visitors, "seed {seed}: each visitor has one profile");
    let open = bed.shards.stores.iter().map(|store| store.shard.intents.len() + store.shard.sealed.len());
    assert_eq!(open.sum::<usize>(), 0, "seed {seed}: nothing is left open");
}

#[test]
fn merges_converge_whatever_the_order() {
    if let Some(seed) = std::env::var("USHER_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return history(seed);
    }
    for seed in 0..400 {
        history(seed);
    }
}
