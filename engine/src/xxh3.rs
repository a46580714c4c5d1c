//! `HASH`: xxh3-64 with seed 0; and a hash that names parts of journeys within a profile.

/// The algorithm's secret.
#[rustfmt::skip]
static SECRET: [u8; 192] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

const PRIME32: [u32; 3] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d];
const PRIME: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

const STRIPE: usize = 64;
/// The bytes between two steps that mix the sums of a long text.
const BLOCK: usize = 1_024;

/// xxh3-64 with seed 0.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    match length {
        0..=16 => short(bytes),
        17..=128 => {
            let mut sum = (length as u64).wrapping_mul(PRIME);
            // From the outside to the middle, 16 bytes from each end.
            let rounds = length.saturating_sub(1) / 32;
            for round in (0..=rounds).rev() {
                let near = round.saturating_mul(16);
                let far = length.saturating_sub(near.saturating_add(16));
                let secret = round.saturating_mul(32);
                sum = sum.wrapping_add(mix(bytes, near, secret));
                sum = sum.wrapping_add(mix(bytes, far, secret.saturating_add(16)));
            }
            avalanche(sum)
        }
        129..=240 => {
            let mut sum = (length as u64).wrapping_mul(PRIME);
            for round in 0..length / 16 {
                let at = round.saturating_mul(16);
                // From the ninth on the secret is read from its fourth byte on again.
                let secret = if round < 8 { at } else { at.saturating_sub(125) };
                sum = sum.wrapping_add(mix(bytes, at, secret));
                if round == 7 {
                    sum = avalanche(sum);
                }
            }
            avalanche(sum.wrapping_add(mix(bytes, length.saturating_sub(16), 119)))
        }
        _ => long(bytes),
    }
}

fn short(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let both = |at: usize| word(&SECRET, at) ^ word(&SECRET, at.saturating_add(8));
    match length {
        0 => last(both(56)),
        1..=3 => {
            let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or_default());
            let text = byte(0) << 16
                | byte(length / 2) << 24
                | byte(length.saturating_sub(1))
                | (length as u32) << 8;
            last(u64::from(text ^ half(&SECRET, 0) ^ half(&SECRET, 4)))
        }
        4..=8 => {
            let (first, second) = (half(bytes, 0), half(bytes, length.saturating_sub(4)));
            let mut sum = (u64::from(first) << 32).wrapping_add(u64::from(second)) ^ both(8);
            sum ^= sum.rotate_left(49) ^ sum.rotate_left(24);
            sum = sum.wrapping_mul(0x9fb2_1c65_1e98_df25);
            sum ^= (sum >> 35).wrapping_add(length as u64);
            sum = sum.wrapping_mul(0x9fb2_1c65_1e98_df25);
            sum ^ (sum >> 28)
        }
        _ => {
            let low = word(bytes, 0) ^ both(24);
            let high = word(bytes, length.saturating_sub(8)) ^ both(40);
            let sum = (length as u64).wrapping_add(low.swap_bytes()).wrapping_add(high);
            avalanche(sum.wrapping_add(fold(low, high)))
        }
    }
}

/// Eight sums, to which stripes of the text are added.
struct Sums([u64; 8]);

impl Sums {
    fn add(&mut self, bytes: &[u8], at: usize, secret: usize) {
        for lane in 0..8_usize {
            let offset = lane.saturating_mul(8);
            let value = word(bytes, at.saturating_add(offset));
            let key = value ^ word(&SECRET, secret.saturating_add(offset));
            if let Some(sum) = self.0.get_mut(lane ^ 1) {
                *sum = sum.wrapping_add(value);
            }
            if let Some(sum) = self.0.get_mut(lane) {
                *sum = sum.wrapping_add((key & 0xffff_ffff).wrapping_mul(key >> 32));
            }
        }
    }

    fn mix(&mut self) {
        for (lane, sum) in self.0.iter_mut().enumerate() {
            let key = word(&SECRET, lane.saturating_mul(8).saturating_add(128));
            *sum = (*sum ^ (*sum >> 47) ^ key).wrapping_mul(u64::from(PRIME32[0]));
        }
    }
}

fn long(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let mut sums = Sums([
        u64::from(PRIME32[2]),
        PRIME,
        PRIME_2,
        PRIME_3,
        PRIME_4,
        u64::from(PRIME32[1]),
        PRIME_5,
        u64::from(PRIME32[0]),
    ]);
    // The last stripe, which may overlap the one before it, is not among these.
    for stripe in 0..length.saturating_sub(1) / STRIPE {
        let at = stripe.saturating_mul(STRIPE);
        if stripe > 0 && at % BLOCK == 0 {
            sums.mix();
        }
        sums.add(bytes, at, at % BLOCK / 8);
    }
    if length.saturating_sub(1) % BLOCK < STRIPE {
        // A block ended with the last stripe that was added.
        sums.mix();
    }
    sums.add(bytes, length.saturating_sub(STRIPE), 121);
    let mut sum = (length as u64).wrapping_mul(PRIME);
    for (pair, secret) in sums.0.as_chunks::<2>().0.iter().zip((11..).step_by(16)) {
        let [low, high] = *pair;
        let (low, high) = (low ^ word(&SECRET, secret), high ^ word(&SECRET, secret.saturating_add(8)));
        sum = sum.wrapping_add(fold(low, high));
    }
    avalanche(sum)
}

fn mix(bytes: &[u8], at: usize, secret: usize) -> u64 {
    let word =
        |offset: usize| word(bytes, at.saturating_add(offset)) ^ word(&SECRET, secret.saturating_add(offset));
    fold(word(0), word(8))
}

/// The halves of a product, together.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    (product as u64) ^ ((product >> 64) as u64)
}

fn avalanche(mut sum: u64) -> u64 {
    sum ^= sum >> 37;
    sum = sum.wrapping_mul(0x1656_6791_9e37_79f9);
    sum ^ (sum >> 32)
}

/// The same for the shortest texts.
fn last(mut sum: u64) -> u64 {
    sum ^= sum >> 33;
    sum = sum.wrapping_mul(PRIME_2);
    sum ^= sum >> 29;
    sum = sum.wrapping_mul(PRIME_3);
    sum ^ (sum >> 32)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default())
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default())
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
        let text: std::vec::Vec<u8> =
            (0..5_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let around = |edge: usize| edge - 2..edge + 3;
        let lengths =
            (0..=1_300).chain(around(2_048)).chain(around(2_112)).chain(around(4_096)).chain([5_000]);
        for length in lengths {
            assert_eq!(hash(&text[..length]), xxhash_rust::xxh3::xxh3_64(&text[..length]), "{length}");
        }
    }

    #[test]
    fn names_keep_their_hash() {
        assert_eq!(name(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(name("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
