//! What other threads ask of an engine beside requests: cancels, and calls such as registering a
//! file. Filled by `client` and `future`, emptied by `keeper` between two turns; rare, so a lock
//! guards it, and a flag keeps the engine from taking the lock in vain.

use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something to be done on the engine's thread. Dropped undone when the engine ends first.
pub(crate) type Call = Box<dyn FnOnce(&mut Engine) + Send>;

/// Most calls that may wait. Each is somebody who waits for an answer.
const CALLS_MAX: usize = 1024;

/// What waits to be done.
#[derive(Debug)]
pub(crate) struct Errands {
    /// Whether there is anything: read without the lock.
    waiting: AtomicBool,
    list: Mutex<List>,
    cancels_max: usize,
}

/// What waits, by kind.
#[derive(Default)]
pub(crate) struct List {
    /// The tickets of requests to be cancelled.
    pub(crate) cancels: Vec<u64>,
    pub(crate) calls: Vec<Call>,
    /// The engine has ended.
    closed: bool,
}

impl Errands {
    /// None, with room for as many cancels as there can be requests.
    pub(crate) fn new(requests_max: usize) -> Self {
        let (waiting, list) = (AtomicBool::new(false), Mutex::default());
        Self { waiting, list, cancels_max: requests_max }
    }

    /// Any thread's side: asks for a cancel. Answers whether it was taken.
    pub(crate) fn cancel(&self, ticket: u64) -> bool {
        let mut list = self.list();
        if list.cancels.len() >= self.cancels_max {
            // There are no more requests than that: some are asked for twice, or are over.
            list.cancels.sort_unstable();
            list.cancels.dedup();
        }
        if list.closed || list.cancels.len() >= self.cancels_max {
            return false;
        }
        list.cancels.push(ticket);
        self.waiting.store(true, Ordering::Relaxed);
        true
    }

    /// Any thread's side: asks for a call.
    pub(crate) fn call(&self, call: Call) -> Result<(), Error> {
        let mut list = self.list();
        if list.closed {
            return Err(Error::answer(ErrorKind::Closing));
        }
        if list.calls.len() >= CALLS_MAX {
            let why = format!("{CALLS_MAX} calls wait for the engine's thread: ask again later");
            return Err(Error::refused(ErrorKind::Full, "ask the engine", why));
        }
        list.calls.push(call);
        self.waiting.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The engine's side: whether there is anything. A fence stands between this and an
    /// announcement of sleep, and between an errand and the look for that announcement.
    #[inline]
    pub(crate) fn are_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The engine's side: everything that waits.
    pub(crate) fn take(&self) -> List {
        let mut list = self.list();
        self.waiting.store(false, Ordering::Relaxed);
        let closed = list.closed;
        std::mem::replace(&mut *list, List { closed, ..List::default() })
    }

    /// The engine's side, at the end: takes no more, and drops what waits.
    pub(crate) fn close(&self) {
        self.list().closed = true;
        // Outside of the lock: dropping a call wakes who waits for it, and executors are not ours.
        for call in self.take().calls {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(call)));
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Nothing panics between two steps of a change.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut list = f.debug_struct("List");
        list.field("cancels", &self.cancels).field("calls", &self.calls.len());
        list.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancels_are_bounded_and_those_asked_for_twice_make_room() {
        let errands = Errands::new(3);
        assert!(!errands.are_waiting());
        for ticket in [5, 4, 5, 5, 6] {
            assert!(errands.cancel(ticket));
        }
        assert!(errands.are_waiting());
        assert!(!errands.cancel(7), "three live requests can have no fourth cancel");
        let mut cancels = errands.take().cancels;
        cancels.sort_unstable();
        assert_eq!(cancels, [4, 5, 6]);
        assert!(!errands.are_waiting());
        assert!(errands.cancel(7));
    }

    #[test]
    fn calls_are_bounded_and_dropped_at_the_end() {
        let errands = Errands::new(1);
        let token = std::sync::Arc::new(());
        for _ in 0..CALLS_MAX {
            let token = std::sync::Arc::clone(&token);
            errands.call(Box::new(move |_| drop(token))).unwrap();
        }
        let full = errands.call(Box::new(|_| ())).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::Full);
        errands.close();
        assert_eq!(std::sync::Arc::strong_count(&token), 1);
        assert_eq!(errands.call(Box::new(|_| ())).unwrap_err().kind(), ErrorKind::Closing);
        assert!(!errands.cancel(1));
    }
}
