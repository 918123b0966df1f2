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
//!
//! A task may wait with a deadline. Nobody has a timer for it but the engine, which wakes it when
//! its time is over; the task then finds out by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The tasks that wait.
#[derive(Debug)]
pub(crate) struct Room {
    /// How many there are: read without the lock.
    count: AtomicUsize,
    /// The first deadline, or `u64::MAX`: read without the lock.
    deadline_ns: AtomicU64,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    next_ticket: u64,
    /// By ticket, so that the first one has waited longest; each with its deadline.
    wakers: BTreeMap<u64, (Waker, u64)>,
    /// Deadlines and whose they are.
    timed: BTreeSet<(u64, u64)>,
}

impl Line {
    fn insert(&mut self, ticket: u64, waker: Waker, deadline_ns: u64) {
        self.wakers.insert(ticket, (waker, deadline_ns));
        if deadline_ns < u64::MAX {
            self.timed.insert((deadline_ns, ticket));
        }
    }

    fn remove(&mut self, ticket: u64) -> Option<Waker> {
        let (waker, deadline_ns) = self.wakers.remove(&ticket)?;
        self.timed.remove(&(deadline_ns, ticket));
        Some(waker)
    }

    fn first_deadline_ns(&self) -> u64 {
        self.timed.first().map_or(u64::MAX, |(deadline_ns, _)| *deadline_ns)
    }
}

impl Default for Room {
    fn default() -> Self {
        let (count, deadline_ns) = (AtomicUsize::new(0), AtomicU64::new(u64::MAX));
        Self { count, deadline_ns, line: Mutex::default() }
    }
}

impl Room {
    /// Puts a task into the line, or brings its waker up to date. It has to try once more after
    /// this.
    pub(crate) fn wait(&self, ticket: &mut Option<u64>, waker: &Waker, deadline_ns: u64) {
        let mut line = self.line();
        let ticket = *ticket.get_or_insert_with(|| {
            line.next_ticket += 1;
            line.next_ticket
        });
        // A task that was woken in vain gets its old place back.
        line.insert(ticket, waker.clone(), deadline_ns);
        self.publish(&line);
        drop(line);
        // Pairs with the fence in `offer`.
        fence(Ordering::SeqCst);
    }

    /// Takes a task out of the line, if it still stands there.
    pub(crate) fn leave(&self, ticket: u64) {
        let mut line = self.line();
        line.remove(ticket);
        self.publish(&line);
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
            let first = line.wakers.first_key_value().map(|(ticket, _)| *ticket);
            let Some(waker) = first.and_then(|ticket| line.remove(ticket)) else { return };
            self.publish(&line);
            drop(line);
            wake_safely(waker);
        }
    }

    /// The engine's side: a moment before which nobody's deadline passes.
    #[inline]
    pub(crate) fn deadline_ns(&self) -> u64 {
        self.deadline_ns.load(Ordering::Relaxed)
    }

    /// The engine's side: wakes those whose deadline has passed; they leave the line.
    pub(crate) fn wake_overdue(&self, now_ns: u64) {
        while self.deadline_ns() <= now_ns {
            let mut line = self.line();
            let Some((_, ticket)) = line.timed.first().copied() else { return };
            let waker = line.remove(ticket);
            self.publish(&line);
            drop(line);
            if let Some(waker) = waker {
                wake_safely(waker);
            }
        }
    }

    /// Brings up to date what is read without the lock.
    fn publish(&self, line: &Line) {
        self.count.store(line.wakers.len(), Ordering::Relaxed);
        self.deadline_ns.store(line.first_deadline_ns(), Ordering::Relaxed);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing panics between two steps of a change.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Executors are not ours: one that panics must not end the engine's thread.
fn wake_safely(waker: Waker) {
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
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
            room.wait(ticket, &Waker::from(Arc::clone(counter)), u64::MAX);
        }
        let woken = || counters.iter().map(|counter| counter.0.load(Ordering::Relaxed));
        room.leave(tickets[1].unwrap());
        room.offer(2);
        assert!(woken().eq([1, 0, 1, 0]));
        // The first one comes back in vain, and keeps its place before the last one.
        room.wait(&mut tickets[0], &Waker::from(Arc::clone(&counters[0])), u64::MAX);
        room.offer(1);
        assert!(woken().eq([2, 0, 1, 0]));
        room.offer(usize::MAX);
        room.offer(usize::MAX);
        assert!(woken().eq([2, 0, 1, 1]));
    }

    #[test]
    fn those_who_are_overdue_are_woken_and_no_others() {
        let room = Room::default();
        let counters: Vec<_> = (0..4).map(|_| Arc::new(Counter::default())).collect();
        let mut tickets = [None; 4];
        let deadlines_ns = [50, u64::MAX, 20, 20];
        for ((counter, ticket), deadline_ns) in counters.iter().zip(&mut tickets).zip(deadlines_ns)
        {
            room.wait(ticket, &Waker::from(Arc::clone(counter)), deadline_ns);
        }
        let woken = || counters.iter().map(|counter| counter.0.load(Ordering::Relaxed));
        room.leave(tickets[3].unwrap());
        assert_eq!(room.deadline_ns(), 20);
        room.wake_overdue(19);
        assert!(woken().eq([0, 0, 0, 0]));
        room.wake_overdue(20);
        assert!(woken().eq([0, 0, 1, 0]));
        assert_eq!(room.deadline_ns(), 50);
        room.offer(1);
        assert!(woken().eq([1, 0, 1, 0]));
        assert_eq!(room.deadline_ns(), u64::MAX);
        room.wake_overdue(1000);
        room.offer(usize::MAX);
        assert!(woken().eq([1, 1, 1, 0]));
    }
}
