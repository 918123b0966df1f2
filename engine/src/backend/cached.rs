//! Whether a read is worth trying on the engine's own thread first. Asked by `routed`; makes no
//! system call.
//!
//! A read that the page cache can serve is done by `preadv2(2)` with `RWF_NOWAIT` in well under the
//! price of a hand-over to a helper and back, and a little under that of a call of the ring. One
//! that it cannot serve costs a few microseconds in vain. So reads of a file are tried while tries
//! pay, and now and then when they do not, to notice a change.

use std::os::fd::RawFd;

/// Files share this many memories of how tries went, by their descriptors.
const MEMORIES: usize = 64;
/// The score starts and stays at most here: so many misses in a row end the trying.
const SCORE_MAX: u32 = 64;
/// A miss costs as much as this many hits gain.
const MISS_PRICE: u32 = 4;
/// While tries do not pay, one read in so many is tried.
const PROBE_EVERY: u32 = 64;

/// Remembers how tries went.
#[derive(Clone, Copy, Debug)]
pub(super) struct CachedReads {
    score: u32,
    since_probe: u32,
}

/// Remembers how tries went with each file, or with a few together.
#[derive(Debug)]
pub(super) struct CachedFiles {
    memories: Box<[CachedReads]>,
}

impl CachedFiles {
    pub(super) fn new() -> Self {
        Self { memories: vec![CachedReads::new(); MEMORIES].into_boxed_slice() }
    }

    /// The memory of the file behind a descriptor.
    #[inline]
    pub(super) fn of(&mut self, fd: RawFd) -> &mut CachedReads {
        // A descriptor is never negative.
        &mut self.memories[usize::try_from(fd).unwrap_or(0) % MEMORIES]
    }
}

impl CachedReads {
    fn new() -> Self {
        Self { score: SCORE_MAX, since_probe: 0 }
    }

    /// Whether the next read is to be tried.
    #[inline]
    pub(super) fn is_worth_trying(&mut self) -> bool {
        if self.score > 0 {
            return true;
        }
        self.since_probe += 1;
        if self.since_probe < PROBE_EVERY {
            return false;
        }
        self.since_probe = 0;
        true
    }

    /// How a try went.
    #[inline]
    pub(super) fn tried(&mut self, hit: bool) {
        self.score = if hit {
            (self.score + 1).min(SCORE_MAX)
        } else {
            self.score.saturating_sub(MISS_PRICE)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `reads`, how many are tried when every `hit_every`-th would hit (0: none).
    fn tries(reads: u32, hit_every: u32) -> u32 {
        let mut cached = CachedReads::new();
        let mut count = 0;
        for read in 1..=reads {
            if cached.is_worth_trying() {
                count += 1;
                cached.tried(hit_every > 0 && read % hit_every == 0);
            }
        }
        count
    }

    #[test]
    fn reads_are_tried_while_they_hit_and_rarely_when_they_miss() {
        assert_eq!(tries(10_000, 1), 10_000);
        let missing = tries(10_000, 0);
        assert!((100..200).contains(&missing), "{missing} tries of 10,000 misses");
        assert!(tries(10_000, 2) < 1_000, "half of the tries in vain do not pay");
    }

    #[test]
    fn a_change_is_noticed_within_a_few_probes() {
        let mut cached = CachedReads::new();
        for _ in 0..1_000 {
            if cached.is_worth_trying() {
                cached.tried(false);
            }
        }
        let reads_until_hit = (0..).find(|_| cached.is_worth_trying()).unwrap();
        assert!(reads_until_hit < PROBE_EVERY);
        cached.tried(true);
        assert!(cached.is_worth_trying(), "one hit brings the trying back");
    }
}
