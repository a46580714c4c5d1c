//! An estimate of how many different values there were, which holds none of them.
//!
//! HyperLogLog (Flajolet and others, 2007) with 128 registers: a standard error of 9 %, in 128 bytes. Each register has the longest
//! run of zeros of the hashes that fell to it, from which no value can be told.

/// The bits of a hash that choose a register.
const REGISTER_BITS: u32 = 7;

const REGISTERS: usize = 1 << REGISTER_BITS;

/// Different values, counted by estimation.
#[derive(Clone, Debug)]
pub(super) struct Distinct(Box<[u8; REGISTERS]>);

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct(Box::new([0; REGISTERS]))
    }
}

impl Distinct {
    pub(super) fn add(&mut self, value: &[u8]) {
        let hash = hash(value);
        let register = usize::try_from(hash >> (u64::BITS - REGISTER_BITS)).unwrap_or(0);
        let run = (hash << REGISTER_BITS).leading_zeros().min(u64::BITS - REGISTER_BITS).saturating_add(1);
        if let Some(longest) = self.0.get_mut(register) {
            *longest = (*longest).max(u8::try_from(run).unwrap_or(u8::MAX));
        }
    }

    /// An estimate of their number.
    pub(super) fn count(&self) -> f64 {
        let registers = f64::from(1_u32 << REGISTER_BITS);
        let sum: f64 = self.0.iter().map(|run| (-f64::from(*run)).exp2()).sum();
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let empty = self.0.iter().filter(|run| **run == 0).count();
        match u32::try_from(empty) {
            // Few values: by the registers that none fell to.
            Ok(empty) if empty > 0 && raw <= 2.5 * registers => {
                registers * (registers / f64::from(empty)).ln()
            }
            _ => raw,
        }
    }
}

/// FNV-1a, with the last step of SplitMix64 so that short values spread over all bits.
fn hash(value: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let mut hash =
        value.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_values_are_counted_within_the_error() {
        for count in [1_u32, 10, 100, 1_000, 100_000] {
            let mut distinct = Distinct::default();
            for value in (0..count).chain(0..count) {
                distinct.add(value.to_string().as_bytes());
            }
            let share = distinct.count() / f64::from(count);
            assert!((0.7..1.3).contains(&share), "{count}: {share}");
        }
        assert!(Distinct::default().count() < 0.001);
    }
}
