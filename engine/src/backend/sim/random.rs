//! The simulated disk's only source of chance: numbers that follow from a seed, the same on every
//! machine. Never asks the system, and uses no function of its mathematics library, whose last
//! digits differ between machines. Asked by every other file of this folder that decides something.

/// xoshiro256++, seeded by splitmix64: the two generators as their authors published them.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The numbers of this seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut counter = seed;
        let state = std::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            scramble(counter)
        });
        Self { state }
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, which is not 0. The upper half of a product of 128 bits: its bias is
    /// below one in 2^32 for every bound in use here.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0, "there is no number below 0");
        let product = u128::from(self.bits()) * u128::from(bound);
        // The upper half of 128 bits.
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// An index into `len` things, of which there is at least one.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Whether something of this probability happens. Draws a number in any case, so that switching
    /// one fault off leaves the others where they were.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Exponentially distributed with this mean.
    pub(super) fn exponential_ns(&mut self, mean_ns: u64) -> u64 {
        // In (0, 1], of which the logarithm exists.
        let factor = -logarithm(1.0 - self.unit());
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and is never negative")]
        let time_ns = (mean_ns as f64 * factor) as u64;
        time_ns
    }

    /// Between `low` and `high`, each order of magnitude as likely as another.
    pub(super) fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let doublings = (high / low.max(1)).max(1).ilog2();
        let base = low << self.below(u64::from(doublings) + 1);
        (base + self.below(base.max(1))).min(high)
    }

    /// In [0, 1), in steps of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }
}

/// A number that follows from two others and looks like chance.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    scramble(scramble(a.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ b)
}

/// The finish of splitmix64.
fn scramble(bits: u64) -> u64 {
    let z = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The natural logarithm by sums and products alone, which every machine rounds alike.
///
/// For example 0.375 = 1.5 * 2^-2: ln 1.5 - 2 ln 2 = 0.405 - 1.386 = -0.981.
fn logarithm(number: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = number.to_bits();
    let doublings = (bits >> 52) as f64 - 1023.0;
    let mantissa = f64::from_bits((bits & MANTISSA) | (1023 << 52));
    // ln m = 2 atanh t with t = (m - 1) / (m + 1), and t is at most a third.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut power, mut sum) = (t, 0.0);
    for odd in (1..24).step_by(2) {
        sum += power / f64::from(odd);
        power *= t * t;
    }
    2.0 * sum + doublings * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_that_of_the_mathematics_library() {
        for number in [1.0, 0.999_999, 0.75, 0.5, 0.1, 1e-3, 1e-16] {
            let wrong = logarithm(number) - f64::ln(number);
            assert!(wrong.abs() < 1e-11, "ln {number} is off by {wrong}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_gives_others() {
        let draw = |seed| -> Vec<u64> {
            let mut random = Random::new(seed);
            (0..10).map(|_| random.bits()).collect()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn means_and_shares_are_as_asked() {
        let mut random = Random::new(1);
        let sum: u64 = (0..20_000).map(|_| random.exponential_ns(1000)).sum();
        assert!((970..1030).contains(&(sum / 20_000)), "mean {}", sum / 20_000);
        let hits = (0..20_000).filter(|_| random.chance(0.25)).count();
        assert!((4800..5200).contains(&hits), "{hits} hits");
        assert!((0..1000).all(|_| !random.chance(0.0) && random.chance(1.0)));
        assert!((0..1000).all(|_| (3..=4000).contains(&random.magnitude(3, 4000))));
    }
}
