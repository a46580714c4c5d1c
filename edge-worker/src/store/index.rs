//! A hash index over a list that its owner stores. The standard library's maps cost 6 to 10 KB of wasm each.

/// Positions in a list, by the names of its items. A name consists of several parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct HashIndex {
    /// Hash and position of each name, by bucket. The number of buckets is 0 or a power of two.
    buckets: Vec<Vec<(u64, usize)>>,
    count: usize,
    seed: u64,
}

impl HashIndex {
    /// An empty index. Where callers choose the names, an unpredictable seed keeps them from filling one bucket.
    pub(crate) fn with_seed(seed: u64) -> HashIndex {
        HashIndex { seed, ..HashIndex::default() }
    }

    /// The position under this name for which `is` holds.
    pub(crate) fn find(&self, name: &[&[u8]], is: impl Fn(usize) -> bool) -> Option<usize> {
        let hash = hash(self.seed, name);
        let bucket = self.buckets.get(self.bucket(hash))?;
        bucket.iter().find(|(known, position)| *known == hash && is(*position)).map(|(_, position)| *position)
    }

    /// The same; if there is none, files `next` under the name and returns it.
    pub(crate) fn find_or_put(&mut self, name: &[&[u8]], next: usize, is: impl Fn(usize) -> bool) -> usize {
        if let Some(position) = self.find(name, is) {
            return position;
        }
        if self.count >= self.buckets.len() {
            self.grow();
        }
        let hash = hash(self.seed, name);
        let bucket = self.bucket(hash);
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.push((hash, next));
            self.count += 1;
        }
        next
    }

    fn bucket(&self, hash: u64) -> usize {
        // The number of buckets is a power of two.
        hash as usize & self.buckets.len().saturating_sub(1)
    }

    fn grow(&mut self) {
        let size = (self.buckets.len() * 2).max(8);
        for (hash, position) in core::mem::replace(&mut self.buckets, vec![Vec::new(); size]).concat() {
            let bucket = self.bucket(hash);
            if let Some(bucket) = self.buckets.get_mut(bucket) {
                bucket.push((hash, position));
            }
        }
    }
}

/// FNV-1a, 64 bits, not collision-resistant. The high bits are folded in, because the low bits select the bucket.
fn hash(seed: u64, name: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
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
        for seed in [0, 1, u64::MAX] {
            let mut index_of = HashIndex::with_seed(seed);
            let mut names: Vec<String> = Vec::new();
            assert_eq!(index_of.find(&[b"name 0"], |_| true), None);
            for number in (0..500).chain(0..500) {
                let name = format!("name {number}");
                let index =
                    index_of.find_or_put(&[name.as_bytes()], names.len(), |index| names[index] == name);
                assert_eq!(index, number, "seed {seed}");
                if index == names.len() {
                    names.push(name.clone());
                }
                assert_eq!(index_of.find(&[name.as_bytes()], |index| names[index] == name), Some(number));
            }
        }
    }

    #[test]
    fn names_that_differ_in_a_digit_do_not_share_a_bucket() {
        let mut buckets: Vec<u64> =
            (0..1_000).map(|row| hash(0, &[format!("row-{row}").as_bytes()]) % 1_024).collect();
        buckets.sort_unstable();
        buckets.dedup();
        assert!(buckets.len() > 500, "{}", buckets.len());
    }
}
