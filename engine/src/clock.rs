//! The one place that reads the time. Called by `engine` twice per tick (batch submitted, batch
//! reaped), and once for the requests that come between two ticks; never per request.

use std::time::Instant;

/// A monotonic clock that counts nanoseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts at 0.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Nanoseconds since the start. 64 bits last 584 years.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        let elapsed = self.start.elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
    }
}
