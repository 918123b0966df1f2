//! The bounded way from any thread to the engine's: requests, their wake-up, the room for more, and
//! the end. Shared by `client` and `owner`; knows no engine.
//!
//! # Why no request is lost at the end
//!
//! An engine that goes away must call back what it finds in the queue, and nothing may come after.
//! A closing mark alone would not do: a submitter may have read it before and push after the
//! engine's last look. So the engine at last fills the queue with plugs until it holds nothing
//! else, and takes out every request that comes up meanwhile. Pushing to a full queue fails, and
//! the submitter gets everything back. Submitting pays nothing for this.

use super::room::Room;
use super::wake::Sleep;
use crate::callback::{Completion, Order, Orders};
use crate::error::{Error, ErrorKind};
use crate::intake::{Context, Refused};
use crate::op::Operation;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
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
    sleep: Sleep,
    waker: Waker,
    room: Room,
    end: OnceLock<End>,
    /// How often a submitter woke the engine.
    wake_ups: AtomicU64,
}

impl Queue {
    /// A way for `entries` requests to an engine that `waker` wakes.
    pub(crate) fn new(entries: u32, waker: Waker) -> Self {
        Self {
            orders: Orders::new(entries as usize),
            sleep: Sleep::new(),
            waker,
            room: Room::default(),
            end: OnceLock::new(),
            wake_ups: AtomicU64::new(0),
        }
    }

    /// Any thread's side: hands a request over, and wakes the engine if that is needed.
    #[inline]
    pub(crate) fn push<O, F>(&self, op: O, on_complete: F) -> Result<(), Refused<O, F>>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        if let Some(end) = self.end.get() {
            return Err(Refused { op, on_complete, error: end.refusal() });
        }
        match Order::push(&self.orders, op, on_complete) {
            Ok(()) => {
                if self.sleep.owes_wake_up() {
                    self.wake();
                }
                Ok(())
            }
            Err((op, on_complete)) => {
                let full = || Error::answer(ErrorKind::Full);
                let error = self.end.get().map_or_else(full, End::refusal);
                Err(Refused { op, on_complete, error })
            }
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
        self.orders.pop().flatten()
    }

    /// The engine's side, after it took requests: wakes who waits for the room that this made.
    #[inline]
    pub(crate) fn offer_room(&self) {
        let free = self.orders.capacity() - self.orders.len();
        // In an empty queue nobody depends on anybody else's turn.
        let empty = free == self.orders.capacity();
        self.room.offer(if empty { usize::MAX } else { free });
    }

    /// The engine's side: announces that it is going to sleep; answers whether it may.
    pub(crate) fn may_sleep(&self) -> bool {
        self.sleep.announce();
        let may = self.is_empty() && self.end.get().is_none();
        if !may {
            self.sleep.withdraw();
        }
        may
    }

    /// The engine's side: it is awake.
    #[inline]
    pub(crate) fn awake(&self) {
        self.sleep.withdraw();
    }

    /// The engine's side, at the very end and once: from now on every push fails. What was pushed
    /// before is handed to `each`.
    pub(crate) fn plug(&self, mut each: impl FnMut(Order)) {
        let _ = self.end.set(End::Failed(String::from("the engine's thread has panicked")));
        let mut plugs = 0;
        while plugs < self.orders.capacity() {
            match self.orders.push(None) {
                Ok(()) => plugs += 1,
                Err(_) => match self.orders.pop() {
                    Some(Some(order)) => each(order),
                    Some(None) => plugs -= 1,
                    None => {}
                },
            }
        }
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
        let queue = Queue::new(4, Waker::noop().clone());
        let (pushed, found) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        match queue.push(Nop, |_, _| ()) {
                            Ok(()) => pushed.fetch_add(1, Ordering::Relaxed),
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
        assert_eq!(queue.push(Nop, |_, _| ()).unwrap_err().error.kind(), ErrorKind::Closing);
    }
}
