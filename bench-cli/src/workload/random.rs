//! A small, fast and seedable generator (splitmix64).
//!
//! Owns 64 bits of state. It is not for secrets. Called by `workload` for offsets and
//! directions, and by `layout` and `job_thread` for the contents of blocks.

/// The generator.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// A generator whose sequence depends on nothing but `seed`.
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The next 64 bits.
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// A number in `0..bound`; the bias is below `bound / 2^64`.
    #[inline]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The high word of a 64x64-bit product: a multiplication instead of a division.
        let product = u128::from(self.next()) * u128::from(bound);
        (product >> 64) as u64
    }

    /// A number between 0 and 1, neither of them.
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds; the half keeps it off zero.
        ((self.next() >> 11) as f64 + 0.5) * (1.0 / (1_u64 << 53) as f64)
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        let mut chunks = bytes.chunks_exact_mut(8);
        for chunk in &mut chunks {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        let rest = chunks.into_remainder();
        let last = self.next().to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// The finalizer of splitmix64: a bijection on 64 bits that avalanches.
#[inline]
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_sequence_of_splitmix64() {
        // Reference output of Vigna's splitmix64.c for seed 1234567.
        let mut random = Random::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(expected.map(|_| random.next()), expected);
    }

    #[test]
    fn below_reaches_both_ends_and_not_the_bound() {
        let mut random = Random::new(3);
        let mut seen = [0_u32; 3];
        for _ in 0..3000 {
            seen[usize::try_from(random.below(3)).expect("small")] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }

    #[test]
    fn fill_covers_lengths_that_are_no_multiple_of_eight() {
        let mut random = Random::new(3);
        for len in [0, 1, 7, 8, 9, 4095] {
            let mut bytes = vec![0; len];
            random.fill(&mut bytes);
            let zeros = bytes.iter().filter(|&&b| b == 0).count();
            assert!(zeros <= len / 64 + 1, "{zeros} zeros in {len} random bytes");
        }
    }
}
