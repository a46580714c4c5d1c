//! Every seed keeps every law: 10,000 in a build with the profile `sim`, 100 in one for debugging, times `USHER_CASES`.

use usher_sim::many;

#[test]
fn every_seed_keeps_every_law() {
    let factor: f64 = std::env::var("USHER_CASES").map_or(1.0, |text| text.parse().expect("a factor"));
    let most = if cfg!(debug_assertions) { 100.0 } else { 10_000.0 };
    let seeds = ((most * factor) as u64).max(1);
    let mut said = Vec::new();
    let failed = many::found(0..seeds, &mut |words| said.push(words.to_owned()));
    println!("{}", said.join("\n"));
    assert_eq!(failed, 0, "{}", said.join("\n"));
}
