//! Maps keys to shards, cuts a message into parts for several, and joins their answers.

mod pieces;

pub use pieces::Split;
pub(crate) use pieces::{Piece, Pieces};
use sha2::{Digest, Sha256};

/// The shard of `shards` that decides whose a key (name, value) is: its home. Without a key, the first.
pub(crate) fn of_key(audience: &str, key: Option<(&str, &str)>, shards: u32) -> u32 {
    let Some((name, value)) = key.filter(|_| shards > 1) else { return 0 };
    let mut hasher = Sha256::new();
    for part in [audience, name, value] {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
    u32::from_le_bytes([a, b, c, d]) % shards
}

/// The shard that has a row of a table. It does not follow from the table's definition, which may change.
pub(crate) fn of_row(audience: &str, table: &str, key: &str, shards: u32) -> u32 {
    // No stitching key has a name with a slash before it, so that rows spread apart from keys.
    of_key(audience, Some((&["/", table].concat(), key)), shards)
}

/// Items by their shards, both in the order of their first appearance.
pub(crate) fn grouped<T>(items: impl IntoIterator<Item = (u32, T)>) -> Vec<(u32, Vec<T>)> {
    let mut groups: Vec<(u32, Vec<T>)> = Vec::new();
    for (shard, item) in items {
        match groups.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, group)) => group.push(item),
            None => groups.push((shard, vec![item])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_has_one_shard_within_the_bound() {
        let shard = |value: &str| of_key("7", Some(("email", value)), 4);
        let found: Vec<u32> = (0..100).map(|number| shard(&number.to_string())).collect();
        assert!((0..4).all(|shard| found.contains(&shard)) && found.iter().all(|shard| *shard < 4));
        assert_eq!(shard("a"), shard("a"));
        // Name and value are hashed with their lengths, and with the audience.
        assert_ne!(of_key("7", Some(("ab", "c")), u32::MAX), of_key("7", Some(("a", "bc")), u32::MAX));
        assert_ne!(of_key("7", Some(("a", "b")), u32::MAX), of_key("8", Some(("a", "b")), u32::MAX));
        assert_eq!((of_key("7", None, 4), of_key("7", Some(("email", "a")), 1)), (0, 0));
    }
}
