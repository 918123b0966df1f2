//! How many requests one system call hands over. Asked by `engine` in each tick.

/// Never fewer than this, so that a call's price is shared. Units: requests.
const BATCH_MIN: u32 = 4;
/// The gain of a larger batch is gone here.
const BATCH_MAX: u32 = 32;

/// The size of the next batch, from what became of the last one.
///
/// A device finishes many requests at once, one interrupt for all. If all their successors went
/// down in one call, the kernel would hold them back until the last one is prepared, about a
/// microsecond each, while the device runs dry: at depth 64, 4 KiB direct reads lose a tenth of
/// their rate to that, and some hundredths still in quarters of the window. In eighths the device
/// has work soon; sixteenths brought no more, and cost more calls.
///
/// Requests that complete inside the call (reads of cached pages) leave no device waiting: then
/// only the price of the call counts, and batches are as large as is useful.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    eighth: u32,
    /// Whether the last batch completed inside the call.
    is_inline: bool,
}

impl Batch {
    /// For a window of `depth`.
    pub(crate) fn new(depth: u32) -> Self {
        Self { eighth: (depth / 8).clamp(BATCH_MIN, BATCH_MAX), is_inline: false }
    }

    /// The window has another size now.
    #[inline]
    pub(crate) fn follow(&mut self, depth: u32) {
        self.eighth = (depth / 8).clamp(BATCH_MIN, BATCH_MAX);
    }

    /// The most requests that the next call may hand over.
    #[inline]
    pub(crate) fn limit(self) -> u32 {
        if self.is_inline { BATCH_MAX } else { self.eighth }
    }

    /// After a call: how many requests it handed over, and how many are with the backend now that
    /// its completions were reaped.
    #[inline]
    pub(crate) fn observe(&mut self, handed_over: u32, in_flight: u32) {
        if handed_over > 0 {
            self.is_inline = in_flight == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_an_eighth_of_the_window_within_its_bounds() {
        let limits = [1, 4, 16, 32, 64, 128, 4096].map(|depth| Batch::new(depth).limit());
        assert_eq!(limits, [4, 4, 4, 4, 8, 16, 32]);
    }

    #[test]
    fn a_batch_follows_the_window() {
        let mut batch = Batch::new(64);
        batch.follow(128);
        assert_eq!(batch.limit(), 16);
        batch.observe(8, 0);
        batch.follow(64);
        assert_eq!(batch.limit(), 32, "the cache serves: as large as is useful");
        batch.observe(8, 1);
        assert_eq!(batch.limit(), 8);
    }

    #[test]
    fn batches_grow_while_requests_complete_inside_the_call_and_shrink_when_a_device_works() {
        let mut batch = Batch::new(64);
        batch.observe(8, 0);
        assert_eq!(batch.limit(), 32);
        batch.observe(0, 5);
        assert_eq!(batch.limit(), 32, "a call that handed nothing over says nothing");
        batch.observe(32, 1);
        assert_eq!(batch.limit(), 8);
    }
}
