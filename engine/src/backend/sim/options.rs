//! What a simulated disk is asked to be. Plain values; read by `model`.

use super::faults::Faults;
use super::latency::{Latency, Stalls};
use super::random::Random;
use crate::metadata::AtomicLimits;
use std::time::Duration;

/// Settings of a simulated disk. The fields may be set one by one:
///
/// ```
/// use iomill_engine::backend::sim::{Faults, SimDisk, SimOptions};
///
/// let faults = Faults { short_transfer: 0.5, ..Faults::default() };
/// let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(7) });
/// assert_eq!(disk.now_ns(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// From which all chance follows.
    pub seed: u64,
    /// How long reads take.
    pub read: Latency,
    /// How long writes take.
    pub write: Latency,
    /// How long syncs take.
    pub sync: Latency,
    /// How long everything else takes.
    pub other: Latency,
    /// When the whole device stands still, if it does.
    pub stalls: Option<Stalls>,
    /// How long one turn of the engine takes beside its waiting, so that time goes on for one that
    /// polls.
    pub turn: Duration,
    /// What goes wrong.
    pub faults: Faults,
    /// Lengths of atomic writes, which need direct files; none where they are refused.
    pub atomic: Option<AtomicLimits>,
    /// Room for this many bytes, in sectors of 512; beyond it writes fail with ENOSPC.
    pub capacity_bytes: u64,
}

impl SimOptions {
    /// A quick flash device without faults and without end.
    pub fn new(seed: u64) -> Self {
        let after = |min, mean| Latency::Exponential {
            min: Duration::from_micros(min),
            mean: Duration::from_micros(mean),
        };
        Self {
            seed,
            read: after(60, 30),
            write: after(10, 10),
            sync: after(200, 300),
            other: after(5, 5),
            stalls: None,
            turn: Duration::from_micros(1),
            faults: Faults::default(),
            atomic: Some(AtomicLimits { min: 4096, max: 65_536, segments_max: 1 }),
            capacity_bytes: u64::MAX,
        }
    }

    /// Draws everything from the seed: latencies from a microsecond to a second by different
    /// models, and each fault that an engine survives at a rate of its own, or not at all. Many
    /// seeds cover far more situations than one set of rates does.
    pub fn swarm(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let (read, write) = (latency(random), latency(random));
        let (sync, other) = (latency(random), latency(random));
        let every = Duration::from_nanos(random.magnitude(1_000_000, 10_000_000_000));
        let stalls = random.chance(0.5).then(|| Stalls { every, length: every / 10 });
        let mut rate = |highest_percent: u64| {
            let percent = random.below(highest_percent + 1) as f64;
            if random.chance(0.5) { percent / 100.0 } else { 0.0 }
        };
        let faults = Faults {
            short_transfer: rate(50),
            io_error: rate(10),
            bad_range: rate(5),
            no_space: rate(10),
            try_again: rate(30),
            interrupted: rate(30),
            spike: rate(5),
            spike_length: Duration::from_millis(200),
            never: 0.0,
            never_max: 0,
            partial_stage: rate(50),
            reorder: rate(100),
            cut_run: rate(50),
        };
        Self { read, write, sync, other, stalls, faults, ..Self::new(seed) }
    }
}

fn latency(random: &mut Random) -> Latency {
    let mean = Duration::from_nanos(random.magnitude(1000, 1_000_000_000));
    let min = mean / 4;
    match random.below(3) {
        0 => Latency::Fixed(mean),
        1 => Latency::Exponential { min, mean },
        _ => Latency::Servers { count: 1 << random.below(5), min, mean },
    }
}
