//! Counters and latency histograms of one engine. Filled by `engine` once per completion with a few
//! adds; reads no clock.

use crate::backend::RequestKind;
use crate::lanes::LaneCounts;
use hdrhistogram::Histogram;

/// The longest latency that is told apart from longer ones. Units: nanoseconds; one hour.
const LATENCY_MAX_NS: u64 = 3_600_000_000_000;
/// Values are kept to this many decimal digits: 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// What one engine has done since it started or since the last reset.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Reads.
    pub read: OpMetrics,
    /// Writes.
    pub write: OpMetrics,
    /// Syncs of both kinds.
    pub sync: OpMetrics,
    /// Operations on space, names and handles.
    pub other: OpMetrics,
    /// System calls that moved batches: `io_uring_enter`, or wake-ups and waits of the thread pool.
    pub enters: u64,
    /// Batches handed to the backend.
    pub batches: u64,
    /// Requests in them.
    pub staged: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            read: OpMetrics::new(),
            write: OpMetrics::new(),
            sync: OpMetrics::new(),
            other: OpMetrics::new(),
            enters: 0,
            batches: 0,
            staged: 0,
            callback_panics: 0,
        }
    }

    /// Where requests of this kind are counted; no-ops are not.
    #[inline]
    pub(crate) fn of(&mut self, kind: RequestKind) -> Option<&mut OpMetrics> {
        match kind {
            RequestKind::Read | RequestKind::ReadVectored => Some(&mut self.read),
            RequestKind::Write | RequestKind::WriteVectored => Some(&mut self.write),
            RequestKind::Sync | RequestKind::SyncData | RequestKind::SyncRange => {
                Some(&mut self.sync)
            }
            RequestKind::Nop => None,
            _ => Some(&mut self.other),
        }
    }

    /// Brings the histograms up to date. Called once per tick.
    #[inline]
    pub(crate) fn settle(&mut self) {
        self.read.settle();
        self.write.settle();
        self.sync.settle();
        self.other.settle();
    }
}

/// What one kind of operation has done.
#[derive(Clone, Debug)]
pub struct OpMetrics {
    /// Requests that succeeded.
    pub completed: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Bytes that succeeded requests transferred.
    pub bytes: u64,
    /// Transfers that moved fewer bytes than asked and were continued.
    pub short_transfers: u64,
    /// Repetitions after EINTR and EAGAIN.
    pub retries: u64,
    /// Completions by what carried them.
    pub lanes: LaneCounts,
    /// Latency of succeeded requests, from the batch's hand-over to the kernel to the reap of their
    /// last completion. Units: nanoseconds; the clock is read once per batch, not per request.
    pub latency_ns: Histogram<u64>,
    run: Run,
}

/// Requests of one batch that completed together have the same latency: they are counted here, and
/// reach the histogram in one step.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    latency_ns: u64,
    count: u64,
}

impl OpMetrics {
    fn new() -> Self {
        let latency_ns = Histogram::new_with_bounds(1, LATENCY_MAX_NS, SIGNIFICANT_DIGITS)
            .expect("the bounds are constants that the histogram accepts");
        Self {
            completed: 0,
            failed: 0,
            bytes: 0,
            short_transfers: 0,
            retries: 0,
            lanes: LaneCounts::default(),
            latency_ns,
            run: Run::default(),
        }
    }

    /// Counts a request that succeeded.
    #[inline]
    pub(crate) fn succeeded(&mut self, bytes: u32, latency_ns: u64) {
        self.completed += 1;
        self.bytes += u64::from(bytes);
        if latency_ns != self.run.latency_ns {
            self.settle();
            self.run.latency_ns = latency_ns;
        }
        self.run.count += 1;
    }

    #[inline]
    fn settle(&mut self) {
        let Run { latency_ns, count } = self.run;
        if count > 0 {
            self.latency_ns.saturating_record_n(latency_ns, count);
            self.run.count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_reach_the_histogram_as_single_records_would(
            latencies in prop::collection::vec(prop_oneof![1_u64..4, 1_u64..u64::MAX], 0..200),
            settle_every in 1_usize..20,
        ) {
            let mut metrics = OpMetrics::new();
            let mut naive = OpMetrics::new().latency_ns;
            for (index, latency_ns) in latencies.iter().enumerate() {
                metrics.succeeded(7, *latency_ns);
                naive.saturating_record(*latency_ns);
                if index % settle_every == 0 {
                    metrics.settle();
                }
            }
            metrics.settle();
            prop_assert!(metrics.latency_ns == naive);
            prop_assert_eq!(metrics.completed, latencies.len() as u64);
            prop_assert_eq!(metrics.bytes, 7 * latencies.len() as u64);
        }
    }
}
