//! Who wakes the engine's thread, and when: a submitter does only if the engine sleeps and nobody
//! else has woken it already. Used by `queue`; wakes nobody itself.
//!
//! # Why no wake-up is lost
//!
//! The engine first announces that it is going to sleep, fences, and looks at the queue once more
//! before it sleeps. A submitter first pushes to the queue, fences, and then looks for the
//! announcement. With both fences SeqCst at least one side sees the other: the engine finds the
//! request, or the submitter finds the announcement.
//!
//! Of all submitters that find the announcement, the one whose swap takes it away owes the wake-up.
//! The others can rely on that one: their requests were pushed before they looked, and the engine
//! looks at the queue after every sleep. A debt that is paid late, when the engine has woken for
//! another reason, costs a sleep that ends at once; it is not lost, because the backend keeps it.
//!
//! `tests/loom_wake.rs` tries every order of these atomics, also with each one weakened.

use super::atomic::{AtomicBool, Ordering, fence};

/// Whether the engine sleeps, or is about to.
#[derive(Debug)]
pub(crate) struct Sleep {
    announced: AtomicBool,
}

impl Sleep {
    /// The engine is awake.
    pub(crate) fn new() -> Self {
        Self { announced: AtomicBool::new(false) }
    }

    /// The engine's side: it is going to sleep, unless it now finds something in the queue.
    pub(crate) fn announce(&self) {
        // Release: pairs with the Acquire of the swap. Whoever takes this announcement wakes after
        // everything that the engine did before it, so that the end of an earlier sleep does not
        // forget the wake-up.
        self.announced.store(true, Ordering::Release);
        // Pairs with the fence in `owes_wake_up`.
        fence(Ordering::SeqCst);
    }

    /// The engine's side: it is awake.
    pub(crate) fn withdraw(&self) {
        // Relaxed: a submitter that sees it late wakes an engine that is awake.
        self.announced.store(false, Ordering::Relaxed);
    }

    /// A submitter's side, after its push: whether it has to wake the engine.
    #[inline]
    pub(crate) fn owes_wake_up(&self) -> bool {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        self.announced.load(Ordering::Relaxed) && self.announced.swap(false, Ordering::AcqRel)
    }
}
