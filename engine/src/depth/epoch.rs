//! One measurement of throughput: batches of completions, of which the fastest and the slowest are
//! left out, so that one stall spoils nothing. Filled by `knee`.

/// Batches of a whole measurement.
pub(super) const BATCHES: usize = 16;
/// Batches of a glance.
pub(super) const GLANCE_BATCHES: usize = 6;

/// A batch that takes so many times as long as the middle one would, and this much more, has met a
/// stall, if this part of what it took longer went by without a completion: where others use the
/// device as well, a batch can be as slow, but something comes all the time.
const STALL_TIMES: f64 = 2.0;
const STALL_NS: f64 = 5e6;
const STALL_LULL: f64 = 0.5;

/// The rates of the batches of one measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    /// Slots and nanoseconds of each batch, and how many of these the longest lull in it took.
    batches: [(f64, f64, f64); BATCHES],
    len: usize,
    requests: u64,
    writes: u64,
    latency_sum_ns: u64,
    /// Slots, and the sum over them of the depth that was in force.
    slots: u64,
    depth_sum: u64,
}

/// What one measurement came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// The natural logarithm of slots per nanosecond, without the outliers.
    pub(super) rate_ln: f64,
    /// The share of writes among the requests.
    pub(super) writes_share: f64,
    /// The mean latency. Units: nanoseconds.
    pub(super) latency_ns: u64,
    /// The mean depth in force.
    pub(super) depth_mean: f64,
    /// The mean size of a request in slots.
    pub(super) slots_mean: f64,
    /// How long all batches took. Units: nanoseconds.
    pub(super) elapsed_ns: f64,
    /// How many of them met a stall, and how much longer these took than the middle one would have.
    pub(super) stalls: u32,
    pub(super) lost_ns: f64,
}

impl Epoch {
    pub(super) fn new() -> Self {
        let batches = [(0.0, 0.0, 0.0); BATCHES];
        Self { batches, len: 0, requests: 0, writes: 0, latency_sum_ns: 0, slots: 0, depth_sum: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Counts requests, whatever becomes of their batch.
    #[inline]
    pub(super) fn count(&mut self, requests: u32, writes: u32, latency_sum_ns: u64) {
        self.requests += u64::from(requests);
        self.writes += u64::from(writes);
        self.latency_sum_ns = self.latency_sum_ns.saturating_add(latency_sum_ns);
    }

    /// Counts slots by the depth that was in force.
    #[inline]
    pub(super) fn count_depth(&mut self, in_force: u32, slots: u32) {
        self.slots += u64::from(slots);
        self.depth_sum += u64::from(in_force) * u64::from(slots);
    }

    /// Adds a batch; `elapsed_ns` is not 0, and holds a lull of up to `lull_ns`.
    pub(super) fn push(&mut self, slots: u64, elapsed_ns: u64, lull_ns: u64) {
        if self.len < BATCHES {
            self.batches[self.len] = (slots as f64, elapsed_ns as f64, lull_ns as f64);
            self.len += 1;
        }
    }

    /// The throughput of the batches but for an eighth at either end.
    pub(super) fn measured(&self) -> Measured {
        let mut batches = self.batches;
        let batches = &mut batches[..self.len];
        batches.sort_unstable_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let outliers = batches.len().div_ceil(8);
        let usual = batches[batches.len() / 2];
        let lost = |batch: &(f64, f64, f64)| {
            let usual_ns = batch.0 * usual.1 / usual.0;
            let longer_ns = batch.1 - usual_ns;
            let is_long = batch.1 > STALL_TIMES * usual_ns + STALL_NS;
            (is_long && batch.2 >= STALL_LULL * longer_ns).then_some(longer_ns)
        };
        let (stalls, lost_ns) =
            batches.iter().filter_map(lost).fold((0, 0.0), |sum, ns| (sum.0 + 1, sum.1 + ns));
        let middle = &batches[outliers..batches.len() - outliers];
        let (slots, ns) = middle.iter().fold((0.0, 0.0), |sum, b| (sum.0 + b.0, sum.1 + b.1));
        let requests = self.requests.max(1);
        Measured {
            rate_ln: (slots / ns).ln(),
            writes_share: self.writes as f64 / requests as f64,
            latency_ns: self.latency_sum_ns / requests,
            slots_mean: self.slots as f64 / requests as f64,
            depth_mean: self.depth_sum as f64 / self.slots.max(1) as f64,
            elapsed_ns: batches.iter().map(|batch| batch.1).sum(),
            stalls,
            lost_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stall_and_one_burst_do_not_change_what_was_measured() {
        let mut epoch = Epoch::new();
        for batch in 0..BATCHES as u64 {
            let elapsed_ns = match batch {
                3 => 60_000_000,
                9 => 10,
                _ => 1_000_000,
            };
            epoch.push(100, elapsed_ns, elapsed_ns);
        }
        let measured = epoch.measured();
        assert!((measured.rate_ln - (1e-4_f64).ln()).abs() < 1e-12);
        assert_eq!((measured.stalls, measured.lost_ns), (1, 59e6), "but it is told");
        assert_eq!(measured.elapsed_ns, 74_000_010.0);
    }

    #[test]
    fn a_batch_that_is_slow_without_a_lull_has_met_no_stall() {
        let mut epoch = Epoch::new();
        for batch in 0..BATCHES as u64 {
            let elapsed_ns = if batch % 4 == 0 { 60_000_000 } else { 1_000_000 };
            epoch.push(100, elapsed_ns, 1_000_000);
        }
        let measured = epoch.measured();
        assert_eq!((measured.stalls, measured.lost_ns), (0, 0.0));
    }
}
