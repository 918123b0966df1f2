//! A lock-free stack of free buffer numbers: last in, first out, so that the next taker gets the
//! memory that is warm in the cache. Used by `arena`; knows nothing of memory. Any thread may give
//! back what another one took.

use super::atomic::{AtomicU32, AtomicU64, Ordering};

/// Marks the end of the stack: numbers are stored plus one, so that 0 is free for this.
const END: u32 = 0;

/// Free numbers below a fixed count.
#[derive(Debug)]
pub(crate) struct FreeList {
    /// Upper half: how often the top changed; lower half: the top number plus one, or `END`.
    ///
    /// The count makes a stale compare-and-swap fail. Without it, thread A could read top = 1 and
    /// next = 2, lose the processor while B takes 1 and 2 and gives 1 back, and then install 2,
    /// which B still owns. With it, A would have to sleep for exactly 2^32 changes.
    top: AtomicU64,
    /// For each free number the one below it plus one, or `END`.
    below: Box<[AtomicU32]>,
}

impl FreeList {
    /// All numbers below `count`, 0 on top.
    pub(crate) fn full(count: u32) -> Self {
        let below = (0..count).map(|n| AtomicU32::new(if n + 1 < count { n + 2 } else { END }));
        let top = if count > 0 { 1 } else { u64::from(END) };
        Self { top: AtomicU64::new(top), below: below.collect() }
    }

    /// Takes the number that was given back last.
    #[inline]
    pub(crate) fn take(&self) -> Option<u32> {
        // Acquire: pairs with the Release of `give`, so that the taker sees what the giver wrote to
        // the buffer before it gave it back, and the right `below`.
        let mut top = self.top.load(Ordering::Acquire);
        loop {
            let (changes, stored) = split(top);
            let number = stored.checked_sub(1)?;
            // Relaxed: if another thread changes it now, it changes `top` too and the swap fails.
            let below = self.below[number as usize].load(Ordering::Relaxed);
            let next = join(changes.wrapping_add(1), below);
            match self.top.compare_exchange_weak(top, next, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(number),
                Err(seen) => top = seen,
            }
        }
    }

    /// Gives back a number that was taken.
    #[inline]
    pub(crate) fn give(&self, number: u32) {
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            let (changes, stored) = split(top);
            self.below[number as usize].store(stored, Ordering::Relaxed);
            let next = join(changes.wrapping_add(1), number + 1);
            // Release: pairs with the Acquire of `take`.
            match self.top.compare_exchange_weak(top, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => top = seen,
            }
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the word are meant")]
fn split(top: u64) -> (u32, u32) {
    ((top >> 32) as u32, top as u32)
}

#[inline]
fn join(changes: u32, stored: u32) -> u64 {
    (u64::from(changes) << 32) | u64::from(stored)
}
