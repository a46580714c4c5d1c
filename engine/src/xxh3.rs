//! `HASH`: xxh3-64 with seed 0 for texts of 17 to 128 bytes, which is all that journeys hash; and a hash that names parts of
//! journeys within a profile.

/// The lengths that [`hash`] takes, in bytes.
#[cfg(test)]
pub(crate) const BYTES: core::ops::RangeInclusive<usize> = 17..=128;

/// The beginning of the algorithm's secret, as far as inputs of these lengths reach, in little-endian words.
const SECRET: [u64; 16] = [
    0xbe4b_a423_396c_feb8,
    0x1cad_21f7_2c81_017c,
    0xdb97_9083_e96d_d4de,
    0x1f67_b3b7_a4a4_4072,
    0x78e5_c0cc_4ee6_79cb,
    0x2172_ffcc_7dd0_5a82,
    0x8e24_43f7_7446_08b8,
    0x4c26_3a81_e690_35e0,
    0xcb00_c391_bb52_283c,
    0xa32e_531b_8b65_d088,
    0x4ef9_0da2_9748_6471,
    0xd8ac_dea9_46ef_1938,
    0x3f34_9ce3_3f76_faa8,
    0x1d4f_0bc7_c7bb_dcf9,
    0x3159_b4cd_4be0_518a,
    0x6473_78d9_c97e_9fc8,
];

const PRIME: u64 = 0x9e37_79b1_85eb_ca87;

/// xxh3-64 of 17 to 128 bytes.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let mut sum = (length as u64).wrapping_mul(PRIME);
    // From the outside to the middle, 16 bytes from each end.
    let rounds = length.saturating_sub(1) / 32;
    for round in (0..=rounds).rev() {
        let near = round.saturating_mul(16);
        let far = length.saturating_sub(near.saturating_add(16));
        let secret = round.saturating_mul(4);
        sum = sum.wrapping_add(mix(bytes, near, secret));
        sum = sum.wrapping_add(mix(bytes, far, secret.saturating_add(2)));
    }
    sum ^= sum >> 37;
    sum = sum.wrapping_mul(0x1656_6791_9e37_79f9);
    sum ^ (sum >> 32)
}

fn mix(bytes: &[u8], at: usize, secret: usize) -> u64 {
    let word = |offset: usize| {
        let start = at.saturating_add(offset.saturating_mul(8));
        let input = bytes.get(start..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        u64::from_le_bytes(input) ^ SECRET.get(secret.saturating_add(offset)).copied().unwrap_or_default()
    };
    let product = u128::from(word(0)).wrapping_mul(u128::from(word(1)));
    (product as u64) ^ ((product >> 64) as u64)
}

/// FNV-1a of a text: profiles name parts of journeys by it, so it never changes.
pub(crate) fn name(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The hash of a part whose name is unique within another part only.
pub(crate) fn within(outer: u64, inner: u64) -> u64 {
    (outer.rotate_left(17) ^ inner).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_hash() {
        let text: std::vec::Vec<u8> = (0..=255).collect();
        for length in BYTES {
            assert_eq!(hash(&text[..length]), xxhash_rust::xxh3::xxh3_64(&text[..length]), "{length}");
        }
    }

    #[test]
    fn names_keep_their_hash() {
        assert_eq!(name(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(name("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
