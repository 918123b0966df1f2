//! Helper threads beside a ring: a pool of `threads` whose completions wake the engine out of its
//! wait for the ring. Owned by `routed`, which starts them when a request first needs them.

use super::crew::Crew;
use super::{Backend, Completion, Request, Threads, Wait};
use crate::error::Error;
use std::collections::HashSet;
use std::task::Waker;

/// A pool, and what it has in flight.
#[derive(Debug)]
pub(super) struct Helpers {
    pool: Threads,
    ids: HashSet<u64>,
}

impl Helpers {
    /// Starts a pool for at most `depth` requests; `alarm` ends the wait for the ring.
    pub(super) fn start(crew: Crew, depth: u32, alarm: Waker) -> Result<Self, Error> {
        let pool = Threads::beside(crew, depth, alarm)?;
        // Twice the room that is needed, so that it is never made larger in flight.
        Ok(Self { pool, ids: HashSet::with_capacity(2 * depth as usize) })
    }

    /// Takes one request, which names its file by descriptor.
    ///
    /// # Safety
    /// As `Backend::stage`.
    pub(super) unsafe fn stage(&mut self, request: &Request) {
        // SAFETY: the caller's promise is passed on.
        let taken = unsafe { self.pool.stage(std::slice::from_ref(request)) };
        assert_eq!(taken, 1, "the engine keeps no more in flight than the pool can hold");
        self.ids.insert(request.id);
    }

    /// Whether they have a request.
    pub(super) fn have(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// Whether they have none.
    pub(super) fn are_idle(&self) -> bool {
        self.ids.is_empty()
    }

    /// As `Backend::cancel`.
    pub(super) fn cancel(&mut self, id: u64) -> bool {
        self.pool.cancel(id)
    }

    /// Wakes them for what is staged, and takes what they have completed.
    pub(super) fn reap(&mut self, completions: &mut Vec<Completion>) -> Result<(), Error> {
        let before = completions.len();
        self.pool.enter(Wait::None, completions)?;
        for completion in &completions[before..] {
            self.ids.remove(&completion.id);
        }
        Ok(())
    }

    /// Waits in the ring, as `enter` does it, and reaps.
    pub(super) fn wait_in(
        &mut self,
        wait: Wait,
        completions: &mut Vec<Completion>,
        enter: impl FnOnce(Wait, &mut Vec<Completion>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // The alarm is one completion to the ring, however many of ours it stands for.
        let wait = if self.pool.announce_sleep() { wait.capped(1) } else { Wait::None };
        let entered = enter(wait, completions);
        self.pool.awake();
        self.reap(completions)?;
        entered
    }

    /// Wake-ups so far.
    pub(super) fn enters(&self) -> u64 {
        self.pool.enters()
    }
}
