//! Tasks that wait for room in the queue, first come first served. Used by `queue` on both sides;
//! entered only when the queue is full.
//!
//! # Why no task waits for ever
//!
//! A task first puts its waker down and counts itself, fences, and tries once more to push before
//! it gives up its turn. The engine first takes requests out, fences, and then looks at the count.
//! With both fences SeqCst the task finds the room, or the engine finds the task. A task that was
//! woken and does not come (its future was forgotten) has wasted its turn; when the queue is empty
//! all that wait are woken, so that none depends on it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The tasks that wait.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// How many there are: read without the lock.
    count: AtomicUsize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    next_ticket: u64,
    /// By ticket, so that the first one has waited longest.
    wakers: BTreeMap<u64, Waker>,
}

impl Room {
    /// Puts a task into the line, or brings its waker up to date. It has to try once more after
    /// this.
    pub(crate) fn wait(&self, ticket: &mut Option<u64>, waker: &Waker) {
        let mut line = self.line();
        let ticket = *ticket.get_or_insert_with(|| {
            line.next_ticket += 1;
            line.next_ticket
        });
        // A task that was woken in vain gets its old place back.
        line.wakers.insert(ticket, waker.clone());
        self.count.store(line.wakers.len(), Ordering::Relaxed);
        drop(line);
        // Pairs with the fence in `offer`.
        fence(Ordering::SeqCst);
    }

    /// Takes a task out of the line, if it still stands there.
    pub(crate) fn leave(&self, ticket: u64) {
        let mut line = self.line();
        line.wakers.remove(&ticket);
        self.count.store(line.wakers.len(), Ordering::Relaxed);
    }

    /// The engine's side, after it has made room for `count` requests.
    #[inline]
    pub(crate) fn offer(&self, count: usize) {
        // Pairs with the fence in `wait`.
        fence(Ordering::SeqCst);
        let waiting = self.count.load(Ordering::Relaxed);
        if waiting > 0 {
            self.wake(count.min(waiting));
        }
    }

    #[cold]
    fn wake(&self, count: usize) {
        for _ in 0..count {
            let mut line = self.line();
            let first = line.wakers.pop_first();
            self.count.store(line.wakers.len(), Ordering::Relaxed);
            drop(line);
            let Some((_, waker)) = first else { return };
            // Executors are not ours: one that panics must not end the engine's thread.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing panics between two steps of a change.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    #[derive(Default)]
    struct Counter(AtomicU32);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn those_who_came_first_are_woken_first_and_those_who_left_are_not() {
        let room = Room::default();
        let counters: Vec<_> = (0..4).map(|_| Arc::new(Counter::default())).collect();
        let mut tickets = [None; 4];
        for (counter, ticket) in counters.iter().zip(&mut tickets) {
            room.wait(ticket, &Waker::from(Arc::clone(counter)));
        }
        let woken = || counters.iter().map(|counter| counter.0.load(Ordering::Relaxed));
        room.leave(tickets[1].unwrap());
        room.offer(2);
        assert!(woken().eq([1, 0, 1, 0]));
        // The first one comes back in vain, and keeps its place before the last one.
        room.wait(&mut tickets[0], &Waker::from(Arc::clone(&counters[0])));
        room.offer(1);
        assert!(woken().eq([2, 0, 1, 0]));
        room.offer(usize::MAX);
        room.offer(usize::MAX);
        assert!(woken().eq([2, 0, 1, 1]));
    }
}
