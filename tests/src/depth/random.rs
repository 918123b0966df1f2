//! A seeded stream of numbers for the simulated devices. The same seed gives the same run on every
//! machine.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `count` − 1.
    pub fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.number() % count as u64).expect("it is below a usize")
    }

    /// Even between 0 and 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// The sum of `stages` exponential parts: the more, the less it scatters.
    pub fn erlang(&mut self, mean: f64, stages: u32) -> f64 {
        let product: f64 = (0..stages).map(|_| 1.0 - self.unit()).product();
        -mean / f64::from(stages) * product.ln()
    }
}
