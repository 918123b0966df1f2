//! How long it takes from the start of the program to its first request.
//!
//! Owns the moment at which `main` began; what the kernel and the loader take before that is not in
//! it (docs/bench-cli.md says how that was measured). Set by `main`, asked by `job_thread`.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// The program begins now; later calls change nothing.
pub(crate) fn begin() {
    BEGAN.get_or_init(Instant::now);
}

/// The time since then; nothing if it never began, as in tests of single parts.
pub(crate) fn elapsed() -> Duration {
    BEGAN.get().map_or(Duration::ZERO, Instant::elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_from_the_first_beginning() {
        begin();
        let first = BEGAN.get().copied();
        begin();
        assert_eq!(BEGAN.get().copied(), first);
        let once = elapsed();
        assert!(elapsed() >= once);
    }
}
