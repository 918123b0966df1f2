//! Handing a request over with some patience: a thread waits in the same line for room as futures
//! do. Extends `client::Handle`; not for callbacks, which must not wait for their own engine.

use super::client::{Handle, Ticket};
use crate::callback::Completion;
use crate::error::ErrorKind;
use crate::intake::{Context, Refused};
use crate::op::Operation;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Wakes a thread that is parked.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A place in the line, which is given up when this is dropped.
struct Place<'a> {
    handle: &'a Handle,
    ticket: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.handle.queue().room().leave(ticket);
        }
    }
}

impl Handle {
    /// As [`try_submit`](Self::try_submit), and waits for room while the queue is full, for up to
    /// `limit` (`Duration::MAX`: for as long as it takes). Those who wait come first come first
    /// served, futures among them; one that submits just when there is room may slip in before
    /// them.
    ///
    /// Called from a callback of this engine it does not wait: nobody else would make the room.
    ///
    /// # Errors
    /// Everything that was handed in comes back: with `Full` when the time has passed, with
    /// `Closing` when the engine ends or has ended.
    pub fn submit<O, F>(
        &self,
        op: O,
        limit: Duration,
        on_complete: F,
    ) -> Result<Ticket, Refused<O, F>>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        match self.try_submit(op, on_complete) {
            Err(refused) if refused.error.kind() == ErrorKind::Full => {
                self.submit_patiently(refused, limit)
            }
            answer => answer,
        }
    }

    /// Waits for room. Clock and line are touched here only, when the queue is full.
    #[cold]
    fn submit_patiently<O, F>(
        &self,
        mut refused: Refused<O, F>,
        limit: Duration,
    ) -> Result<Ticket, Refused<O, F>>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        if self.is_on_its_thread() {
            return Err(refused);
        }
        let end = Instant::now().checked_add(limit);
        let waker = Waker::from(Arc::new(Parked(std::thread::current())));
        let mut place = Place { handle: self, ticket: None };
        loop {
            self.queue().wait_for_room(&mut place.ticket, &waker, u64::MAX);
            // The room may have come before we stood in the line.
            match self.try_submit(refused.op, refused.on_complete) {
                Err(again) if again.error.kind() == ErrorKind::Full => refused = again,
                answer => return answer,
            }
            match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => std::thread::park(),
                Some(Duration::ZERO) => return Err(refused),
                // Early and stray wake-ups do no harm: the loop tries again and comes back here.
                Some(left) => std::thread::park_timeout(left),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::Wait;
    use crate::config::{BackendChoice, Config};
    use crate::error::ErrorKind;
    use crate::op::Nop;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    fn config() -> Config {
        Config::new().backend(BackendChoice::Threads).depth(1).capacity(1).queue(1).buffers(0, 1)
    }

    #[test]
    fn many_threads_wait_for_one_place_and_all_get_it() {
        let (handle, owner) = config().spawn().unwrap();
        let called = Arc::new(AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let called = Arc::clone(&called);
                        let count = move |_, _: &mut crate::Context<'_>| {
                            called.fetch_add(1, Ordering::Relaxed);
                        };
                        handle.submit(Nop, Duration::MAX, count).unwrap();
                    }
                });
            }
        });
        owner.shutdown(Duration::MAX);
        assert_eq!(called.load(Ordering::Relaxed), 2000);
    }

    #[test]
    fn a_full_queue_answers_when_the_time_has_passed_or_the_engine_ends() {
        let (handle, owner) = config().spawn().unwrap();
        let (entered, inside) = mpsc::channel();
        let (go_on, until) = mpsc::channel::<()>();
        let own = handle.clone();
        let blocking = move |_, _: &mut crate::Context<'_>| {
            entered.send(()).unwrap();
            until.recv().unwrap();
            // In a callback it answers at once, or it would wait for itself.
            let refused = own.submit(Nop, Duration::MAX, |_, _| ()).unwrap_err();
            assert_eq!(refused.error.kind(), ErrorKind::Full);
        };
        handle.try_submit(Nop, blocking).unwrap();
        inside.recv().unwrap();
        while handle.try_submit(Nop, |_, _| ()).is_ok() {}
        let refused = handle.submit(Nop, Duration::from_millis(1), |_, _| ()).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Full);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| handle.submit(Nop, Duration::MAX, |_, _| ()));
            go_on.send(()).unwrap();
            waiting.join().unwrap().unwrap();
        });
        owner.shutdown(Duration::MAX);
        assert_eq!(handle.counters().callback_panics, 0);
        let refused = handle.submit(Nop, Duration::MAX, |_, _| ()).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Closing);
    }

    #[test]
    fn an_engine_is_ticked_until_there_is_room_and_no_longer() {
        let mut engine = config().capacity(4).start().unwrap();
        for _ in 0..4 {
            engine.submit(Nop, |_, _| ()).unwrap();
        }
        engine.wait_for_room(1, 0).unwrap();
        assert!((1..4).contains(&engine.in_flight()), "{} are left", engine.in_flight());
        engine.wait_for_room(4, 0).unwrap();
        assert_eq!(engine.in_flight(), 0);
        let error = engine.wait_for_room(5, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("4 requests"), "{error}");
        assert_eq!(engine.tick(Wait::None).unwrap().completed, 0);
    }
}
