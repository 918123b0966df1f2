//! The bounded way from any thread to the engine's: requests, their wake-up, the room for more, and
//! the end. Shared by `client` and `owner`; knows no engine.
//!
//! # Why no request is lost at the end
//!
//! An engine that goes away must call back what it finds in the queue, and nothing may come after.
//! A closing mark alone would not do: a submitter may have read it before and push after the
//! engine's last look. So the engine at last fills the queue with plugs until it holds nothing
//! else, and takes out every request that comes up meanwhile. Pushing to a full queue fails, and
//! the submitter gets everything back. Submitting pays nothing for this. `plug` does it, and the
//! test `loom_plug` explores it.
//!
//! # What wakes a full engine
//!
//! An engine that can take no request sleeps on, whatever comes into the queue: only a completion
//! helps. What is urgent wakes it all the same: a cancel, a call, and a request or a future with a
//! deadline that it may have to end before its turn. So there are two announcements of sleep, by
//! the same rules: a full engine makes the urgent one alone.

use super::errands::{Call, Errands};
use super::plug::plug;
use super::room::Room;
use super::wake::Sleep;
use crate::callback::{Completion, Order, Orders, Tag};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::intake::{Context, Refused};
use crate::op::Operation;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

/// Why the engine takes no more requests.
#[derive(Debug)]
enum End {
    /// It was asked to end, with this much time for what it had accepted.
    Asked(Duration),
    /// Its backend failed, for this reason.
    Failed(String),
}

/// The way to one engine.
#[derive(Debug)]
pub(crate) struct Queue {
    orders: Orders,
    /// Whom any request wakes.
    sleep: Sleep,
    /// Whom only what is urgent wakes.
    urgent: Sleep,
    waker: Waker,
    room: Room,
    errands: Errands,
    /// The number of the next request.
    next_ticket: AtomicU64,
    /// Requests with a deadline in the queue; below zero while one that was taken out is not
    /// counted yet.
    timed: AtomicI64,
    /// Requests that the engine has taken out without having room for them: they count.
    held: AtomicUsize,
    /// The engine's time at its last turn; 0 while it is idle.
    engine_ns: AtomicU64,
    clock: Clock,
    end: OnceLock<End>,
    /// How often a submitter woke the engine.
    wake_ups: AtomicU64,
}

impl Queue {
    /// A way for `entries` requests to an engine that holds `capacity` more, and that `waker`
    /// wakes; both go by one clock.
    pub(crate) fn new(entries: u32, capacity: u32, waker: Waker, clock: Clock) -> Self {
        Self {
            orders: Orders::new(entries as usize),
            sleep: Sleep::new(),
            urgent: Sleep::new(),
            waker,
            room: Room::default(),
            // What a full engine takes out of the queue makes no room, but for a race.
            errands: Errands::new(2 * entries as usize + capacity as usize),
            next_ticket: AtomicU64::new(0),
            timed: AtomicI64::new(0),
            held: AtomicUsize::new(0),
            engine_ns: AtomicU64::new(0),
            clock,
            end: OnceLock::new(),
            wake_ups: AtomicU64::new(0),
        }
    }

    /// The engine's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Any thread's side: hands a request over that is given up at `deadline_ns` (`u64::MAX`:
    /// never), and wakes the engine if that is needed. Answers its ticket.
    #[inline]
    pub(crate) fn push<O, F>(
        &self,
        deadline_ns: u64,
        op: O,
        on_complete: F,
    ) -> Result<u64, Refused<O, F>>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        if let Some(end) = self.end.get() {
            return Err(Refused { op, on_complete, error: end.refusal() });
        }
        // Nearly always 0. A race with other submitters exceeds the bound by one for each.
        let held = self.held.load(Ordering::Relaxed);
        if held > 0 && held + self.orders.len() >= self.orders.capacity() {
            return Err(Refused { op, on_complete, error: Error::answer(ErrorKind::Full) });
        }
        // Relaxed: it only has to be unique.
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        let accepted_ns = self.engine_ns.load(Ordering::Relaxed);
        let tag = Tag { ticket, deadline_ns, accepted_ns };
        match Order::push(&self.orders, tag, op, on_complete) {
            Ok(()) => {
                let urgent = tag.is_timed() && self.count_timed();
                if self.sleep.owes_wake_up() || urgent {
                    self.wake();
                }
                Ok(ticket)
            }
            Err((op, on_complete)) => {
                let full = || Error::answer(ErrorKind::Full);
                let error = self.end.get().map_or_else(full, End::refusal);
                Err(Refused { op, on_complete, error })
            }
        }
    }

    /// Counts a request with a deadline that is in the queue; answers whether to wake the engine.
    #[cold]
    fn count_timed(&self) -> bool {
        // Relaxed: the fence of the look for the announcement follows.
        self.timed.fetch_add(1, Ordering::Relaxed);
        self.urgent.owes_wake_up()
    }

    /// Any thread's side: asks for a request to be given up; answers whether the engine will.
    pub(crate) fn cancel(&self, ticket: u64) -> bool {
        let taken = self.errands.cancel(ticket);
        self.alert();
        taken
    }

    /// Any thread's side: asks for a call on the engine's thread.
    pub(crate) fn call(&self, call: Call) -> Result<(), Error> {
        if let Some(end) = self.end.get() {
            return Err(end.refusal());
        }
        self.errands.call(call)?;
        self.alert();
        Ok(())
    }

    /// Any thread's side: stands in the line for room. Try to push once more after this.
    pub(crate) fn wait_for_room(&self, place: &mut Option<u64>, waker: &Waker, deadline_ns: u64) {
        self.room.wait(place, waker, deadline_ns);
        if deadline_ns < u64::MAX {
            self.alert();
        }
    }

    /// Wakes the engine, full or not, if it sleeps.
    fn alert(&self) {
        if self.urgent.owes_wake_up() {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        self.wake_ups.fetch_add(1, Ordering::Relaxed);
        self.waker.wake_by_ref();
    }

    /// How often a submitter woke the engine.
    pub(crate) fn wake_ups(&self) -> u64 {
        self.wake_ups.load(Ordering::Relaxed)
    }

    /// How many requests it can hold.
    pub(crate) fn entries(&self) -> usize {
        self.orders.capacity()
    }

    /// How many requests it holds.
    pub(crate) fn len(&self) -> usize {
        self.orders.len()
    }

    /// The engine's side: how many requests it has taken out without having room for them.
    pub(crate) fn set_held(&self, held: usize) {
        // Relaxed: a submitter that sees it late is one more or one fewer in the queue.
        self.held.store(held, Ordering::Relaxed);
    }

    /// The engine's side: its time, for the requests that come until it says another one.
    #[inline]
    pub(crate) fn set_engine_ns(&self, now_ns: u64) {
        self.engine_ns.store(now_ns, Ordering::Relaxed);
    }

    /// The engine's side: whether a request in the queue has a deadline.
    #[inline]
    pub(crate) fn has_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed) > 0
    }

    /// What is asked for beside requests.
    pub(crate) fn errands(&self) -> &Errands {
        &self.errands
    }

    /// Whether it holds none.
    pub(crate) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// The line of those who wait for room.
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// Any thread's side: asks the engine to end. Only the first call counts.
    pub(crate) fn ask_to_end(&self, deadline: Duration) {
        let _ = self.end.set(End::Asked(deadline));
        // It may sleep without an announcement, and the waker needs none.
        self.waker.wake_by_ref();
    }

    /// The engine's side: nothing will complete any more.
    pub(crate) fn fail(&self, error: &Error) {
        let _ = self.end.set(End::Failed(error.to_string()));
    }

    /// The engine's side: whether it is to end, and how much time it has for what it had accepted.
    #[inline]
    pub(crate) fn end(&self) -> Option<Duration> {
        match self.end.get()? {
            End::Asked(deadline) => Some(*deadline),
            End::Failed(_) => Some(Duration::ZERO),
        }
    }

    /// The engine's side: the next request.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Order> {
        let order = self.orders.pop().flatten()?;
        if order.tag.is_timed() {
            self.timed.fetch_sub(1, Ordering::Relaxed);
        }
        Some(order)
    }

    /// The engine's side, after it took requests: wakes who waits for the room that this made.
    #[inline]
    pub(crate) fn offer_room(&self) {
        let used = self.orders.len() + self.held.load(Ordering::Relaxed);
        // In an empty queue nobody depends on anybody else's turn.
        let free = self.orders.capacity().saturating_sub(used);
        self.room.offer(if used == 0 { usize::MAX } else { free });
    }

    /// The engine's side: announces that it is going to sleep; answers whether it may. One that is
    /// full is not to be woken by requests. Who asks it to end wakes it in any case.
    pub(crate) fn may_sleep(&self, is_full: bool) -> bool {
        self.urgent.announce();
        let calm = if is_full {
            !self.has_timed()
        } else {
            self.sleep.announce();
            self.is_empty()
        };
        let may = calm && !self.errands.are_waiting();
        if !may {
            self.awake();
        }
        may
    }

    /// The engine's side: it is awake.
    #[inline]
    pub(crate) fn awake(&self) {
        self.sleep.withdraw();
        self.urgent.withdraw();
    }

    /// The engine's side, at the very end and once: from now on every push fails. What was pushed
    /// before is handed to `each`.
    pub(crate) fn plug(&self, each: impl FnMut(Order)) {
        let _ = self.end.set(End::Failed(String::from("the engine's thread has panicked")));
        plug(&self.orders, each);
        self.errands.close();
        self.room.offer(usize::MAX);
    }
}

impl End {
    #[cold]
    fn refusal(&self) -> Error {
        match self {
            Self::Asked(_) => Error::answer(ErrorKind::Closing),
            Self::Failed(why) => {
                let why = format!("the engine has ended: {why}");
                Error::refused(ErrorKind::Closing, "submit", why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Nop;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_plugged_queue_has_given_out_every_request_and_takes_no_more() {
        let queue = Queue::new(4, 4, Waker::noop().clone(), Clock::real());
        let (pushed, found) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        match queue.push(u64::MAX, Nop, |_, _| ()) {
                            Ok(_) => pushed.fetch_add(1, Ordering::Relaxed),
                            Err(refused) if refused.error.kind() == ErrorKind::Full => continue,
                            Err(refused) => {
                                assert_eq!(refused.error.kind(), ErrorKind::Closing);
                                return;
                            }
                        };
                    }
                });
            }
            let count = |_| _ = found.fetch_add(1, Ordering::Relaxed);
            while found.load(Ordering::Relaxed) < 10_000 {
                queue.pop().into_iter().for_each(count);
            }
            queue.plug(count);
        });
        assert_eq!(pushed.into_inner(), found.into_inner());
        assert_eq!(
            queue.push(u64::MAX, Nop, |_, _| ()).unwrap_err().error.kind(),
            ErrorKind::Closing
        );
    }
}
