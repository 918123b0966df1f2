//! What a controller learns from: one sample per reap, a handful of sums. Filled by the engine or
//! by a simulation; plain data.

/// A request takes one slot of the window per so many bytes, begun ones included: a device works
/// on a large request as long as on several small ones.
pub const SLOT_LEN_BYTES: u32 = 128 * 1024;

/// How many slots of the window a request takes: 4 KiB one, 128 KiB one, 1 MiB eight.
#[inline]
pub fn slots_of(len_bytes: u32) -> u32 {
    len_bytes.div_ceil(SLOT_LEN_BYTES).max(1)
}

/// What came back of one class of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests.
    pub requests: u32,
    /// Slots that they took.
    pub slots: u32,
    /// Requests that took longer than the target's limit.
    pub late: u32,
    /// Their latencies together. Units: nanoseconds.
    pub latency_sum_ns: u64,
}

impl Counts {
    /// Counts one more request.
    #[inline]
    pub fn add(&mut self, slots: u32, latency_ns: u64, limit_ns: u64) {
        self.requests += 1;
        self.slots += slots;
        self.late += u32::from(latency_ns > limit_ns);
        self.latency_sum_ns = self.latency_sum_ns.saturating_add(latency_ns);
    }

    /// Counts other requests as well.
    #[inline]
    pub fn absorb(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.slots = self.slots.saturating_add(other.slots);
        self.late = self.late.saturating_add(other.late);
        self.latency_sum_ns = self.latency_sum_ns.saturating_add(other.latency_sum_ns);
    }
}

/// One reap.
///
/// Requests that needed no device are left out: reads that the page cache served inside the call
/// that submitted them. So are syncs: they take as long as the writes before them ask for, whatever
/// the depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When. Units: nanoseconds of any clock that does not go backwards.
    pub now_ns: u64,
    /// Reads that came back.
    pub reads: Counts,
    /// Writes that came back.
    pub writes: Counts,
    /// Whether requests were left waiting when the device last got some: without that the caller
    /// is the limit, not the depth.
    pub backlog: bool,
    /// Slots of the window that were left free then, since all that waited were writes that give
    /// way to reads. Units: slots.
    pub unused: u32,
}

impl Sample {
    /// Nothing yet.
    pub const EMPTY: Self = Self {
        now_ns: 0,
        reads: Counts { requests: 0, slots: 0, late: 0, latency_sum_ns: 0 },
        writes: Counts { requests: 0, slots: 0, late: 0, latency_sum_ns: 0 },
        backlog: false,
        unused: 0,
    };

    /// Slots that came back.
    #[inline]
    pub fn slots(&self) -> u32 {
        self.reads.slots.saturating_add(self.writes.slots)
    }
}
