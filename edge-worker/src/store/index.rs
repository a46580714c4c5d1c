//! A hash index over a list that its owner keeps. The standard library's maps cost 6 to 10 KB of wasm each.

/// Positions in a list, by the hash of a name.
#[derive(Debug)]
pub(crate) struct HashIndex(Vec<Vec<usize>>);

impl HashIndex {
    /// An index with room for about `count` names; more make it slower.
    pub(crate) fn for_about(count: usize) -> HashIndex {
        HashIndex(vec![Vec::new(); count.max(1).next_power_of_two()])
    }

    /// The first position under this name for which `is` holds; `next`, which is filed under the name, if there is none.
    pub(crate) fn find_or_put(&mut self, name: &[&[u8]], next: usize, is: impl Fn(usize) -> bool) -> usize {
        let bucket = hash(name) as usize % self.0.len();
        let Some(bucket) = self.0.get_mut(bucket) else { return next };
        bucket.iter().copied().find(|index| is(*index)).unwrap_or_else(|| {
            bucket.push(next);
            next
        })
    }
}

/// FNV-1a, 64 bits, not collision-resistant. The high bits are folded in, because a bucket is its low bits.
fn hash(name: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in name {
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash ^ hash >> 29
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_again_and_none_is_another() {
        for about in [0, 1, 1_000] {
            let mut index_of = HashIndex::for_about(about);
            let mut names: Vec<String> = Vec::new();
            for number in (0..500).chain(0..500) {
                let name = format!("name {number}");
                let index =
                    index_of.find_or_put(&[name.as_bytes()], names.len(), |index| names[index] == name);
                assert_eq!(index, number, "of about {about}");
                if index == names.len() {
                    names.push(name);
                }
            }
        }
    }

    #[test]
    fn names_that_differ_in_a_digit_do_not_share_a_bucket() {
        let mut buckets: Vec<u64> =
            (0..1_000).map(|row| hash(&[format!("row-{row}").as_bytes()]) % 1_024).collect();
        buckets.sort_unstable();
        buckets.dedup();
        assert!(buckets.len() > 500, "{}", buckets.len());
    }
}
