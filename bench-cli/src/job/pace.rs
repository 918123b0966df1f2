//! How fast a job goes when it should not go as fast as it can.
//!
//! Owns the settings of rates, think time and start delay; no clock. Filled in by `options`, obeyed
//! by `pace` and `job_thread`.

use std::time::Duration;

/// When the requests of a rated job are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RateProcess {
    /// At equal distances.
    #[default]
    Linear,
    /// As independent arrivals come: a Poisson process.
    Poisson,
}

impl RateProcess {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] = &["linear", "poisson"];

    /// The process called `name`.
    pub(crate) fn from_name(name: &str) -> Option<RateProcess> {
        match name {
            "linear" => Some(RateProcess::Linear),
            "poisson" => Some(RateProcess::Poisson),
            _ => None,
        }
    }
}

/// The pace of a job. Zero is no limit.
#[derive(Clone, Debug)]
pub(crate) struct PaceSpec {
    /// Bytes per second: reads, writes, trims.
    pub(crate) rate_bytes: [u64; 3],
    /// Requests per second: reads, writes, trims.
    pub(crate) rate_iops: [u64; 3],
    /// Bytes per second below which the job fails.
    pub(crate) rate_min_bytes: [u64; 3],
    /// Requests per second below which the job fails.
    pub(crate) rate_iops_min: [u64; 3],
    /// The time over which the lower limits are looked at.
    pub(crate) rate_cycle: Duration,
    pub(crate) process: RateProcess,
    /// The pause after each `think_blocks` requests.
    pub(crate) think_time: Duration,
    pub(crate) think_blocks: u64,
    /// The weight of the job among those of its flow; 0 is no flow.
    pub(crate) flow: u64,
    pub(crate) flow_id: u64,
    /// How long a job that is ahead of the others waits before it looks again.
    pub(crate) flow_sleep: Duration,
    /// The pause before the job begins, from one end of the range to the other.
    pub(crate) start_delay: (Duration, Duration),
}

impl Default for PaceSpec {
    fn default() -> PaceSpec {
        PaceSpec {
            rate_bytes: [0; 3],
            rate_iops: [0; 3],
            rate_min_bytes: [0; 3],
            rate_iops_min: [0; 3],
            rate_cycle: Duration::from_secs(1),
            process: RateProcess::Linear,
            think_time: Duration::ZERO,
            think_blocks: 1,
            flow: 0,
            flow_id: 0,
            flow_sleep: Duration::from_micros(100),
            start_delay: (Duration::ZERO, Duration::ZERO),
        }
    }
}

impl PaceSpec {
    /// Whether requests are due at certain times.
    pub(crate) fn is_rated(&self) -> bool {
        self.rate_bytes.iter().chain(&self.rate_iops).any(|rate| *rate > 0)
    }

    /// Whether the job ever waits before a request.
    pub(crate) fn is_paced(&self) -> bool {
        self.is_rated() || !self.think_time.is_zero()
    }
}
