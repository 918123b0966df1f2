//! A random order of `0..n` without memory: fio's random map, at no cost per block.
//!
//! Owns a keyed bijection. It never allocates and never repeats or leaves out a block within a
//! pass. Called by `workload` alone.
//!
//! How it works:
//!
//! 1. Round `n` up to a power of two, `2^k`. On `k` bits, adding a key, multiplying by an odd
//!    number and folding the high half onto the low half can each be undone, so any chain of
//!    them is a bijection of `0..2^k`.
//! 2. A result of `n` or more is put through the chain again (cycle walking) until it is below
//!    `n`. That stays a bijection of `0..n`: walking along a cycle of the larger permutation and
//!    skipping the strangers in it. As `2^k < 2n`, fewer than two rounds are needed on average.

use super::random::mix;

/// The number of times that the three steps are applied.
const ROUND_COUNT: usize = 3;

/// A keyed bijection of `0..n`.
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    len: u64,
    mask: u64,
    fold_bits: u32,
    keys: [u64; ROUND_COUNT],
    factors: [u64; ROUND_COUNT],
}

impl Permutation {
    /// The bijection of `0..len` that belongs to `key`.
    pub(crate) fn new(len: u64, key: u64) -> Permutation {
        debug_assert!(len > 0);
        // Worked example: len 10 needs 4 bits, as 9 = 0b1001; the mask is 15 and the fold 2 bits.
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        let mut state = key;
        let mut draw = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            mix(state)
        };
        let keys = std::array::from_fn(|_| draw());
        // Odd numbers are the ones that can be undone modulo a power of two.
        let factors = std::array::from_fn(|_| draw() | 1);
        Permutation { len, mask, fold_bits: bits.div_ceil(2).max(1), keys, factors }
    }

    /// The block at `position`, which must be below `len`.
    #[inline]
    pub(crate) fn at(&self, position: u64) -> u64 {
        debug_assert!(position < self.len);
        let mut value = position;
        // Bounded by the length of the cycle, which closes at `position < len` at the latest.
        loop {
            value = self.scramble(value);
            if value < self.len {
                return value;
            }
        }
    }

    #[inline]
    fn scramble(&self, mut value: u64) -> u64 {
        for (key, factor) in self.keys.iter().zip(&self.factors) {
            value = value.wrapping_add(*key).wrapping_mul(*factor) & self.mask;
            value ^= value >> self.fold_bits;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_is_permutation(len: u64, key: u64) {
        let permutation = Permutation::new(len, key);
        let mut seen = vec![false; usize::try_from(len).expect("small")];
        for position in 0..len {
            let block = usize::try_from(permutation.at(position)).expect("small");
            assert!(!seen[block], "block {block} twice for len {len}, key {key}");
            seen[block] = true;
        }
    }

    #[test]
    fn every_small_length_is_a_permutation() {
        for len in 1..5000 {
            assert_is_permutation(len, len.wrapping_mul(0x1234_5678_9ABC_DEF1));
        }
    }

    #[test]
    fn seeds_give_different_orders() {
        for len in [16, 100, 4096, 100_000] {
            let order = |key| {
                let permutation = Permutation::new(len, key);
                (0..16).map(|position| permutation.at(position)).collect::<Vec<_>>()
            };
            for key in 0..50 {
                assert_ne!(order(key), order(key + 1), "len {len}, keys {key} and the next");
            }
        }
    }

    #[test]
    fn the_order_looks_random() {
        // In a random order of n blocks the mean distance of neighbours is n / 3.
        let len = 100_003;
        for key in 0..20 {
            let permutation = Permutation::new(len, key);
            let distance: u64 = (1..len)
                .map(|position| permutation.at(position).abs_diff(permutation.at(position - 1)))
                .sum();
            let ratio = distance as f64 / (len * len) as f64;
            assert!((0.25..0.42).contains(&ratio), "key {key}: mean distance {ratio:.3} of n");
        }
    }

    #[test]
    fn the_largest_lengths_stay_in_range() {
        for len in [1_u64 << 40, (1 << 52) + 1, (1 << 63) + 1, u64::MAX] {
            let permutation = Permutation::new(len, 9);
            assert!((0..1000).all(|position| permutation.at(position) < len), "len {len}");
        }
    }

    proptest! {
        #[test]
        fn random_lengths_and_keys_are_permutations(len in 5000_u64..200_000, key: u64) {
            assert_is_permutation(len, key);
        }
    }
}
