//! The one place that reads the time. Called by `engine` twice per tick (batch submitted, batch
//! reaped), and once for the requests that come between two ticks; never per request. The backend
//! chooses the clock: a simulated one brings its own.

use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// When the process first asked for the time: where the real clocks of all its engines start, so
/// that engines that share a device can compare their times.
static START_NS: OnceLock<u64> = OnceLock::new();

/// What an engine reads the time from: latencies, deadlines and shutdowns all follow it.
#[derive(Clone, Debug)]
pub struct Clock(Source);

/// Not a trait object: reading the real clock costs one comparison more than without a choice.
#[derive(Clone, Debug)]
enum Source {
    Real { start_ns: u64 },
    Virtual { now_ns: Arc<AtomicU64>, start_ns: u64 },
}

impl Clock {
    /// The system's monotonic clock.
    pub fn real() -> Self {
        Self(Source::Real { start_ns: *START_NS.get_or_init(monotonic_ns) })
    }

    /// A clock that shows what stands in the cell, in nanoseconds, which must never become less.
    /// Its owner moves it: a backend, when it is asked to wait.
    pub fn following(now_ns: Arc<AtomicU64>) -> Self {
        let start_ns = now_ns.load(Ordering::Relaxed);
        Self(Source::Virtual { now_ns, start_ns })
    }

    /// Nanoseconds since the clock was made, or the first real one of the process, and never 0,
    /// which stands for "not yet". 64 bits last 584 years.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        match &self.0 {
            Source::Real { start_ns } => monotonic_ns().saturating_sub(*start_ns).max(1),
            // Relaxed: nothing else is read on the strength of it.
            Source::Virtual { now_ns, start_ns } => {
                now_ns.load(Ordering::Relaxed).saturating_sub(*start_ns).saturating_add(1)
            }
        }
    }

    /// The moment at which `time` will have passed.
    pub(crate) fn end_ns(&self, time: Duration) -> u64 {
        self.now_ns().saturating_add(nanoseconds(time))
    }

    /// How long it is until a moment; zero if it has passed.
    pub(crate) fn until(&self, end_ns: u64) -> Duration {
        Duration::from_nanos(end_ns.saturating_sub(self.now_ns()))
    }
}

/// The system's monotonic clock. Not through `Instant`, which checks and converts on every look for
/// longer than the look itself takes.
#[inline]
fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// 64 bits last 584 years; what is longer is as good as for ever.
#[inline]
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    let whole = time.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(u64::from(time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_shows_its_cell_from_its_start_on_and_moves_with_it_only() {
        let cell = Arc::new(AtomicU64::new(700));
        let clock = Clock::following(Arc::clone(&cell));
        let end_ns = clock.end_ns(Duration::from_nanos(50));
        assert_eq!((clock.now_ns(), end_ns), (1, 51), "0 stands for not yet");
        cell.store(740, Ordering::Relaxed);
        assert_eq!((clock.now_ns(), clock.until(end_ns)), (41, Duration::from_nanos(10)));
        cell.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(clock.until(end_ns), Duration::ZERO);
        assert_eq!(clock.end_ns(Duration::MAX), u64::MAX);
    }
}
