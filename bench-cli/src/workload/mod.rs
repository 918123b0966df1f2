//! Which block comes next, and whether it is read or written.
//!
//! Owns the order of offsets and the mix of directions of one job. It does no I/O, reads no
//! clock and never allocates after it was built. Called by `job_thread` once per I/O.

mod permutation;
mod random;

pub(crate) use random::Random;

use permutation::Permutation;

/// The way in which offsets follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Ascending, from the beginning again after the last block.
    Sequential,
    /// Each block exactly once per pass, in an order that looks random.
    RandomOnce,
    /// Any block at any time (fio's `norandommap`).
    RandomUniform,
}

/// The share of reads, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadPercent(pub(crate) u8);

/// The source of one job's offsets and directions.
#[derive(Debug)]
pub(crate) struct Workload {
    order: Order,
    random: Random,
    permutation: Permutation,
    first_byte: u64,
    block_len_bytes: u64,
    block_count: u64,
    /// Blocks handed out in this pass, always below `block_count`.
    position: u64,
    read_percent: u64,
}

impl Workload {
    /// A workload over `block_count` blocks from `first_byte` on.
    ///
    /// # Panics
    ///
    /// Panics if `block_count` is zero: `Job` validation refuses a region without blocks.
    pub(crate) fn new(
        order: Order,
        read_percent: ReadPercent,
        region: Region,
        seed: u64,
    ) -> Workload {
        assert!(region.block_count > 0, "a region has at least one block");
        let mut random = Random::new(seed);
        let permutation = Permutation::new(region.block_count, random.next());
        Workload {
            order,
            random,
            permutation,
            first_byte: region.first_byte,
            block_len_bytes: region.block_len_bytes,
            block_count: region.block_count,
            position: 0,
            read_percent: u64::from(read_percent.0),
        }
    }

    /// The byte offset of the next block.
    #[inline]
    pub(crate) fn next_offset(&mut self) -> u64 {
        let block = match self.order {
            Order::Sequential => self.position,
            Order::RandomOnce => self.permutation.at(self.position),
            Order::RandomUniform => self.random.below(self.block_count),
        };
        self.position += 1;
        if self.position == self.block_count {
            self.position = 0;
            if self.order == Order::RandomOnce {
                // A new pass visits the blocks in another order, as fio's does.
                self.permutation = Permutation::new(self.block_count, self.random.next());
            }
        }
        self.first_byte + block * self.block_len_bytes
    }

    /// Whether the next block is read; otherwise it is written.
    #[inline]
    pub(crate) fn next_is_read(&mut self) -> bool {
        match self.read_percent {
            0 => false,
            100 => true,
            percent => self.random.below(100) < percent,
        }
    }

    /// The generator, for the contents of buffers.
    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }
}

/// The blocks of a file that a job touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// Offset of the first block.
    pub(crate) first_byte: u64,
    /// Length of each block.
    pub(crate) block_len_bytes: u64,
    /// How many whole blocks there are.
    pub(crate) block_count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: Region = Region { first_byte: 8192, block_len_bytes: 4096, block_count: 10 };

    fn offsets(workload: &mut Workload, count: usize) -> Vec<u64> {
        (0..count).map(|_| workload.next_offset()).collect()
    }

    #[test]
    fn sequential_wraps_to_the_first_block() {
        let mut workload = Workload::new(Order::Sequential, ReadPercent(100), REGION, 1);
        let seen = offsets(&mut workload, 11);
        assert_eq!(seen[0], 8192);
        assert_eq!(seen[9], 8192 + 9 * 4096);
        assert_eq!(seen[10], 8192);
    }

    #[test]
    fn random_once_covers_each_pass_in_a_new_order() {
        let mut workload = Workload::new(Order::RandomOnce, ReadPercent(100), REGION, 1);
        let first = offsets(&mut workload, 10);
        let second = offsets(&mut workload, 10);
        assert_ne!(first, second);
        let expected: Vec<u64> = (0..10).map(|block| 8192 + block * 4096).collect();
        for mut pass in [first, second] {
            pass.sort_unstable();
            assert_eq!(pass, expected);
        }
    }

    #[test]
    fn random_uniform_stays_inside_and_repeats_blocks() {
        let mut workload = Workload::new(Order::RandomUniform, ReadPercent(100), REGION, 1);
        let mut seen = offsets(&mut workload, 1000);
        assert!(seen.iter().all(|o| (8192..8192 + 10 * 4096).contains(o) && o % 4096 == 0));
        seen.truncate(10);
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() < 10, "ten uniform draws of ten blocks hardly ever hit each once");
    }

    #[test]
    fn direction_mix_follows_the_percentage() {
        for percent in [0_u8, 30, 70, 100] {
            let mut workload = Workload::new(Order::Sequential, ReadPercent(percent), REGION, 7);
            let reads = (0..100_000).filter(|_| workload.next_is_read()).count();
            let expected = usize::from(percent) * 1000;
            assert!(reads.abs_diff(expected) <= 600, "{percent}%: {reads} of 100000");
        }
    }
}
