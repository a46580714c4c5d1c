//! Finding one of many by what it is called, without comparing it with all of them.
//!
//! The standard library's maps cost 6 to 10 KB of wasm; this is all that a message needs.

/// Indexes of a list that somebody else keeps, by hash.
#[derive(Debug)]
pub(crate) struct Buckets(Vec<Vec<usize>>);

impl Buckets {
    /// For about so many.
    pub(crate) fn for_about(count: usize) -> Buckets {
        Buckets(vec![Vec::new(); count.max(1).next_power_of_two()])
    }

    /// The first index under this name that `is` it, or `next`, which stands under it from now on.
    pub(crate) fn find_or_put(&mut self, name: &[&[u8]], next: usize, is: impl Fn(usize) -> bool) -> usize {
        let place = hash(name) as usize % self.0.len();
        let Some(bucket) = self.0.get_mut(place) else { return next };
        bucket.iter().copied().find(|index| is(*index)).unwrap_or_else(|| {
            bucket.push(next);
            next
        })
    }
}

/// FNV-1a with a last stir, because places are its low bits.
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
            let mut buckets = Buckets::for_about(about);
            let mut names: Vec<String> = Vec::new();
            for number in (0..500).chain(0..500) {
                let name = format!("name {number}");
                let index =
                    buckets.find_or_put(&[name.as_bytes()], names.len(), |index| names[index] == name);
                assert_eq!(index, number, "of about {about}");
                if index == names.len() {
                    names.push(name);
                }
            }
        }
    }

    #[test]
    fn names_that_differ_in_a_digit_do_not_share_a_place() {
        let mut places: Vec<u64> =
            (0..1_000).map(|row| hash(&[format!("row-{row}").as_bytes()]) % 1_024).collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 500, "{}", places.len());
    }
}
