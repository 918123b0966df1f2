//! Counters and histograms of one engine. Filled by `dispatch` once per completion with a few adds;
//! reads no clock.
//!
//! Their size is fixed at the start: about 1.4 MiB of address space per engine, of which the kernel
//! provides only the pages that are written to, a few for each histogram.

use crate::backend::RequestKind;
use crate::lanes::{Lane, LaneCounts};
use crate::slot::Slot;
use hdrhistogram::Histogram;

/// The longest time that is told apart from longer ones. Units: nanoseconds; one hour.
const TIME_MAX_NS: u64 = 3_600_000_000_000;
/// The latencies of what moves or frees data are kept to this many decimal digits: 0.1 %.
const FINE_DIGITS: u8 = 3;
/// All other times: 1 %, in an eighth of the memory.
const COARSE_DIGITS: u8 = 2;

/// What one engine has done since it started or since the last reset. A clone is a snapshot.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Reads.
    pub read: OpMetrics,
    /// Writes.
    pub write: OpMetrics,
    /// Syncs of all kinds.
    pub sync: OpMetrics,
    /// Allocating, truncating and advice.
    pub space: OpMetrics,
    /// What is done to names: renaming, removing, directories, links, and looking at files.
    pub names: OpMetrics,
    /// Opening and closing.
    pub handles: OpMetrics,
    /// System calls that moved batches: `io_uring_enter`, or wake-ups and waits of the thread pool.
    pub enters: u64,
    /// How often completions had overflowed the ring's queue and were fetched from the kernel's
    /// memory. The queue is large enough for all that the engine has in flight.
    pub overflows: u64,
    /// Batches handed to the backend.
    pub batches: u64,
    /// Requests in them.
    pub staged: u64,
    /// Requests that were with the backend, added up over all of `depth_samples`.
    pub depth_sum: u64,
    /// How often they were counted: at each turn that had any, after its batch was handed over.
    pub depth_samples: u64,
    /// The most of them at once.
    pub depth_max: u32,
    /// How often other threads woke the engine: see [`Handle`](crate::Handle).
    pub wake_ups: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            read: OpMetrics::new(FINE_DIGITS),
            write: OpMetrics::new(FINE_DIGITS),
            sync: OpMetrics::new(FINE_DIGITS),
            space: OpMetrics::new(FINE_DIGITS),
            names: OpMetrics::new(COARSE_DIGITS),
            handles: OpMetrics::new(COARSE_DIGITS),
            enters: 0,
            overflows: 0,
            batches: 0,
            staged: 0,
            depth_sum: 0,
            depth_samples: 0,
            depth_max: 0,
            wake_ups: 0,
            callback_panics: 0,
        }
    }

    /// How many requests were with the backend on average; 0 when there were none.
    pub fn depth_average(&self) -> f64 {
        self.depth_sum as f64 / self.depth_samples.max(1) as f64
    }

    /// Each kind of operation with the name that the text gives it.
    pub fn kinds(&self) -> [(&'static str, &OpMetrics); 6] {
        [
            ("read", &self.read),
            ("write", &self.write),
            ("sync", &self.sync),
            ("space", &self.space),
            ("names", &self.names),
            ("handles", &self.handles),
        ]
    }

    /// Where requests of this kind are counted; no-ops are not.
    #[inline]
    pub(crate) fn of(&mut self, kind: RequestKind) -> Option<&mut OpMetrics> {
        use RequestKind as Kind;
        match kind {
            Kind::Read | Kind::ReadVectored | Kind::ReadSlot => Some(&mut self.read),
            Kind::Write | Kind::WriteVectored => Some(&mut self.write),
            Kind::Sync | Kind::SyncData | Kind::SyncRange => Some(&mut self.sync),
            Kind::Allocate | Kind::Truncate | Kind::Advise => Some(&mut self.space),
            Kind::Open | Kind::Close | Kind::OpenSlot | Kind::CloseSlot => Some(&mut self.handles),
            Kind::Nop => None,
            _ => Some(&mut self.names),
        }
    }

    /// Counts the requests that are with the backend now. Called once per turn.
    #[inline]
    pub(crate) fn sample_depth(&mut self, depth: u32) {
        self.depth_sum += u64::from(depth);
        self.depth_samples += 1;
        self.depth_max = self.depth_max.max(depth);
    }

    /// Counts a request that succeeded with this answer.
    #[inline]
    pub(crate) fn succeeded(&mut self, success: Success, answer: u32) {
        let bytes = if success.kind.is_transfer() { answer } else { 0 };
        if let Some(counted) = self.of(success.kind) {
            counted.succeeded(success, bytes);
        }
    }

    /// Brings lanes and histograms up to date. Called when a turn's completions have been counted.
    #[inline]
    pub(crate) fn settle(&mut self) {
        self.read.settle();
        self.write.settle();
        self.sync.settle();
        self.space.settle();
        self.names.settle();
        self.handles.settle();
    }
}

/// What is to be known of a request that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Success {
    kind: RequestKind,
    /// `None` if it has been counted there.
    lane: Option<Lane>,
    accepted_ns: u64,
    staged_ns: u64,
    completed_ns: u64,
}

impl Success {
    /// None yet.
    const NONE: Self =
        Self { kind: RequestKind::Nop, lane: None, accepted_ns: 0, staged_ns: 0, completed_ns: 0 };

    /// Of the request in a slot.
    #[inline]
    pub(crate) fn of(slot: &Slot, lane: Option<Lane>, completed_ns: u64) -> Self {
        let Slot { accepted_ns, staged_ns, .. } = *slot;
        Self { kind: slot.described.request.kind, lane, accepted_ns, staged_ns, completed_ns }
    }
}

/// Requests of one kind that were handed over and completed together share their times and mostly
/// their lane: they are counted here, and reach the lanes and histograms in one step.
#[derive(Clone, Copy, Debug)]
struct Run {
    of: Success,
    count: u64,
}

/// What one kind of operation has done.
#[derive(Clone, Debug)]
pub struct OpMetrics {
    /// Requests that succeeded.
    pub completed: u64,
    /// Requests that failed, those that were given up included.
    pub failed: u64,
    /// Requests that were cancelled or had met their deadline.
    pub given_up: u64,
    /// Bytes that succeeded requests transferred.
    pub bytes: u64,
    /// Transfers that moved fewer bytes than asked and were continued.
    pub short_transfers: u64,
    /// Repetitions after EINTR and EAGAIN.
    pub retries: u64,
    /// Completions by what carried them.
    pub lanes: LaneCounts,
    /// How long succeeded requests waited in the engine, from their acceptance to their first
    /// hand-over to the kernel. Units: nanoseconds; requests that are submitted between two ticks
    /// share one look at the clock, the first one's. From a [`Handle`](crate::Handle) the time in
    /// its queue counts, to the length of one turn of the engine.
    pub queue_ns: Histogram<u64>,
    /// Latency of succeeded requests, from the batch's hand-over to the kernel to the reap of their
    /// last completion. Units: nanoseconds; the clock is read once per batch, not per request.
    pub latency_ns: Histogram<u64>,
    run: Run,
}

impl OpMetrics {
    fn new(latency_digits: u8) -> Self {
        let histogram = |digits| {
            Histogram::new_with_bounds(1, TIME_MAX_NS, digits)
                .expect("the bounds are constants that the histogram accepts")
        };
        Self {
            completed: 0,
            failed: 0,
            given_up: 0,
            bytes: 0,
            short_transfers: 0,
            retries: 0,
            lanes: LaneCounts::default(),
            queue_ns: histogram(COARSE_DIGITS),
            latency_ns: histogram(latency_digits),
            run: Run { of: Success::NONE, count: 0 },
        }
    }

    /// Counts a request that succeeded.
    #[inline]
    fn succeeded(&mut self, success: Success, bytes: u32) {
        self.completed += 1;
        self.bytes += u64::from(bytes);
        if self.run.of != success {
            self.settle();
            self.run.of = success;
        }
        self.run.count += 1;
    }

    #[inline]
    fn settle(&mut self) {
        if self.run.count > 0 {
            self.settle_run();
        }
    }

    #[inline(never)]
    fn settle_run(&mut self) {
        let Run { of: success, count } = self.run;
        self.run.count = 0;
        if let Some(lane) = success.lane {
            self.lanes.count(lane, count);
        }
        let Success { accepted_ns, staged_ns, completed_ns, .. } = success;
        let queue_ns = staged_ns.saturating_sub(accepted_ns);
        self.queue_ns.saturating_record_n(queue_ns, count);
        let latency_ns = completed_ns.saturating_sub(staged_ns);
        self.latency_ns.saturating_record_n(latency_ns, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A request with few different properties, so that runs occur, and its answer.
    fn success() -> impl Strategy<Value = (Success, u32)> {
        let kinds = vec![RequestKind::Read, RequestKind::Write, RequestKind::SyncData];
        let lanes = vec![None, Some(Lane::Ring), Some(Lane::Inline), Some(Lane::Helper)];
        let properties = (prop::sample::select(kinds), prop::sample::select(lanes));
        let time = || prop_oneof![1_u64..4, 1_u64..u64::MAX];
        (properties, time(), time(), time(), 0_u32..3).prop_map(
            |((kind, lane), accepted_ns, staged_ns, completed_ns, answer)| {
                (Success { kind, lane, accepted_ns, staged_ns, completed_ns }, answer)
            },
        )
    }

    proptest! {
        #[test]
        fn runs_come_to_what_single_records_would(
            requests in prop::collection::vec((success(), 1_usize..5), 0..100),
            settle_every in 1_usize..20,
        ) {
            let (mut metrics, mut naive) = (Metrics::new(), Metrics::new());
            let all = requests.iter().flat_map(|(one, times)| std::iter::repeat_n(*one, *times));
            for (index, (success, answer)) in all.enumerate() {
                metrics.succeeded(success, answer);
                if index % settle_every == 0 {
                    metrics.settle();
                }
                let counted = naive.of(success.kind).unwrap();
                counted.completed += 1;
                counted.bytes += if success.kind.is_transfer() { u64::from(answer) } else { 0 };
                if let Some(lane) = success.lane {
                    counted.lanes.count(lane, 1);
                }
                let queue_ns = success.staged_ns.saturating_sub(success.accepted_ns);
                counted.queue_ns.saturating_record(queue_ns);
                let latency_ns = success.completed_ns.saturating_sub(success.staged_ns);
                counted.latency_ns.saturating_record(latency_ns);
            }
            metrics.settle();
            for ((name, ours), (_, naive)) in metrics.kinds().iter().zip(naive.kinds()) {
                prop_assert!(ours.latency_ns == naive.latency_ns, "{name}");
                prop_assert!(ours.queue_ns == naive.queue_ns, "{name}");
                let ours = (ours.completed, ours.bytes, ours.lanes);
                prop_assert_eq!(ours, (naive.completed, naive.bytes, naive.lanes));
            }
        }
    }

    #[test]
    fn a_thousand_engines_have_room_for_their_histograms() {
        let metrics = Metrics::new();
        let counters: usize = metrics
            .kinds()
            .iter()
            .map(|(_, kind)| kind.queue_ns.distinct_values() + kind.latency_ns.distinct_values())
            .sum();
        let len_bytes = counters * size_of::<u64>();
        assert!(len_bytes < 1_500_000, "{len_bytes} bytes of address space");
    }

    #[test]
    fn the_depth_is_sampled_with_its_average_and_its_maximum() {
        let mut metrics = Metrics::new();
        assert_eq!(metrics.depth_average(), 0.0);
        for depth in [4, 8, 0] {
            metrics.sample_depth(depth);
        }
        assert_eq!((metrics.depth_average(), metrics.depth_max), (4.0, 8));
    }
}
