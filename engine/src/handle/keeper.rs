//! What runs on the thread of an engine that others feed: takes requests from the queue, does
//! errands, ticks, and sleeps when there is nothing to do. Made by `owner` and `runner`.

use super::admission::Admitted;
use super::client::Inner;
use super::errands::List;
use super::held::Held;
use super::queue::Queue;
use crate::backend::Wait;
use crate::callback::Order;
use crate::config::Config;
use crate::engine::{Engine, Tick};
use crate::error::Error;
use crate::inflight::OpId;
use crate::platform;
use crate::shutdown::ShutdownReport;
use crate::slot::GivenUp;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// An engine and the way to it.
#[derive(Debug)]
pub(super) struct Keeper {
    engine: Engine,
    inner: Arc<Inner>,
    /// Whether the last round did something: then the next one does not wait.
    busy: bool,
    /// What was taken out of the queue and has no room yet.
    held: Held,
    /// By slot, the ticket of the last request from the queue that took it, and its name.
    tickets: Box<[(u64, OpId)]>,
    /// Requests that were called back without ever having had a slot.
    turned_away: u32,
    /// The time that handles were last told.
    published_ns: u64,
    /// How long to look for work before a sleep.
    busy_poll: Duration,
    /// Since when there is nothing to do.
    idle_since: Option<Instant>,
}

impl Keeper {
    /// Makes the way to an engine, on the thread that it is to run on.
    pub(super) fn new(config: &Config, mut engine: Engine) -> Result<Self, Error> {
        // After the engine, so that its helper threads are not bound.
        if let Some(cpu) = config.pin {
            platform::pin(cpu)?;
        }
        let capacity = config.capacity_or_default();
        let clock = engine.intake.clock.clone();
        let queue = Queue::new(config.queue, capacity, engine.backend.waker()?, clock);
        let inner = Arc::new(Inner::new(queue, &engine));
        Ok(Self {
            engine,
            inner,
            busy: false,
            held: Held::new(),
            tickets: vec![(u64::MAX, OpId::NONE); capacity as usize].into_boxed_slice(),
            turned_away: 0,
            published_ns: 0,
            busy_poll: config.busy_poll,
            idle_since: None,
        })
    }

    /// What the handles share with this.
    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Serves the queue until the engine is asked to end.
    pub(super) fn run(mut self) -> ShutdownReport {
        let inner = Arc::clone(&self.inner);
        // If anything here panics, nobody must go on waiting for an answer.
        let unplugged = PlugOnPanic(&inner.queue);
        let deadline = loop {
            if let Some(deadline) = inner.queue.end() {
                break deadline;
            }
            if let Err(error) = self.round() {
                inner.queue.fail(&error);
            }
        };
        let report = self.finish(deadline);
        std::mem::forget(unplugged);
        report
    }

    /// Takes requests in, and turns once, after some sleep if there is nothing to do.
    ///
    /// A sleep costs an announcement, and others a system call to answer it: so it comes only after
    /// a round that found nothing to do, and has ended before callbacks run.
    fn round(&mut self) -> Result<(), Error> {
        let served = self.serve();
        if !self.busy && !served && !self.polls_on() && self.may_sleep() {
            let slept = self.sleep();
            self.inner.queue.awake();
            self.idle_since = None;
            slept?;
            if !self.engine.completions.is_empty() {
                self.engine.intake.look_at_clock();
            }
        }
        // Before callbacks run, which may take their time.
        self.publish_time(self.engine.intake.looked_ns);
        let turn = self.engine.turn(Wait::None)?;
        self.busy = served || turn.tick != Tick::default();
        if self.busy {
            self.idle_since = None;
        }
        // What comes to an idle engine is taken in at once: the look at the clock then dates it.
        self.publish_time(if self.busy { turn.looked_ns } else { 0 });
        let inner = &self.inner;
        inner.callback_panics.store(self.engine.metrics().callback_panics, Ordering::Relaxed);
        Ok(())
    }

    /// Dates the requests that come from now on.
    #[inline]
    fn publish_time(&mut self, now_ns: u64) {
        if self.published_ns != now_ns {
            self.published_ns = now_ns;
            self.inner.queue.set_engine_ns(now_ns);
        }
    }

    /// Whether to look for work once more instead of sleeping.
    #[inline]
    fn polls_on(&mut self) -> bool {
        if self.busy_poll.is_zero() {
            return false;
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        let on = since.elapsed() < self.busy_poll;
        if on {
            std::hint::spin_loop();
        }
        on
    }

    /// With a full table, or a request that waits for room, only a completion can help: more
    /// requests are no reason to wake. Nobody would wake it for the rest of a short transfer, or
    /// for a cancel that is to be asked again.
    fn may_sleep(&self) -> bool {
        if self.engine.has_more() || !self.engine.intake.cancels.is_empty() {
            return false;
        }
        self.inner.queue.may_sleep(self.is_full())
    }

    /// Whether requests have to wait for a completion.
    fn is_full(&self) -> bool {
        self.held.is_blocked() || self.engine.intake.inflight.is_full()
    }

    /// Waits for a completion, the waker or the next deadline, whichever comes first. What came is
    /// left to the next turn.
    fn sleep(&mut self) -> Result<(), Error> {
        let wait = self.engine.patient_wait().capped(self.engine.window.occupied().max(1));
        let wait = self.until_deadline(self.engine.until_deadline(wait));
        let engine = &mut self.engine;
        engine.backend.enter(wait, &mut engine.completions)?;
        let came = u32::try_from(engine.completions.len()).unwrap_or(u32::MAX);
        // That nothing came may be the waker's doing, and says nothing of the device.
        if came > 0 || wait.at_least() > 1 {
            engine.patience.observe(wait, came);
        }
        Ok(())
    }

    /// When the first deadline of those who are not in the table passes.
    fn deadline_ns(&self) -> u64 {
        self.held.deadline_ns().min(self.inner.queue.room().deadline_ns())
    }

    /// The wait, no longer than until that deadline.
    fn until_deadline(&self, wait: Wait) -> Wait {
        match self.deadline_ns() {
            u64::MAX => wait,
            deadline_ns => wait.no_longer_than(self.engine.intake.clock.until(deadline_ns)),
        }
    }

    /// Does what others ask for; answers whether there was anything.
    fn serve(&mut self) -> bool {
        let errands = self.inner.queue.errands().are_waiting();
        if errands {
            self.do_errands();
        }
        // After the errands: who is cancelled needs no room.
        let admitted = self.admit();
        if self.is_full() && self.inner.queue.has_timed() {
            self.held.fill(&self.inner.queue);
        }
        errands || self.give_up_overdue() || admitted > 0
    }

    /// Moves requests from the queue into the engine; answers how many.
    fn admit(&mut self) -> usize {
        let inner = Arc::clone(&self.inner);
        let (mut admitted, mut taken) = (0, 0);
        // Bounded also when every request is turned away at once.
        while admitted < inner.queue.entries() && !self.engine.intake.inflight.is_full() {
            let held = self.held.pop(&inner.queue);
            let Some(order) = held.or_else(|| inner.queue.pop()) else { break };
            // Also what is then put back has left its place in the queue.
            taken += 1;
            if !self.admit_one(order) {
                break;
            }
            admitted += 1;
        }
        if taken > 0 {
            inner.queue.offer_room();
        }
        admitted
    }

    /// Takes one request in; answers whether there was room for it.
    #[inline]
    fn admit_one(&mut self, order: Order) -> bool {
        let ticket = order.tag.ticket;
        match self.engine.intake.admit(order) {
            Ok(Admitted::In(id)) => self.tickets[id.index() as usize] = (ticket, id),
            Ok(Admitted::Over) => self.turned_away += 1,
            Ok(Admitted::Back(order)) => {
                self.held.put_back(order, &self.inner.queue);
                return false;
            }
            Err(_) => self.count_panic(),
        }
        true
    }

    #[cold]
    fn do_errands(&mut self) {
        let List { cancels, calls, .. } = self.inner.queue.errands().take();
        for call in calls {
            // It wakes an executor, and executors are not ours.
            let _ = catch_unwind(AssertUnwindSafe(|| call(&mut self.engine)));
        }
        if !cancels.is_empty() {
            self.cancel(cancels);
        }
    }

    /// Gives up the requests with these tickets, wherever they are. What is not found is over.
    fn cancel(&mut self, mut tickets: Vec<u64>) {
        tickets.sort_unstable();
        for (ticket, id) in &self.tickets {
            // A slot that is in use again has another name by now, which a cancel notices.
            if tickets.binary_search(ticket).is_ok() {
                self.engine.intake.cancel(*id, GivenUp::Cancelled);
            }
        }
        let inner = Arc::clone(&self.inner);
        // Who has a ticket has pushed: each is in the table or in the queue, unless it is over.
        self.held.fill(&inner.queue);
        let orders = self.held.take_cancelled(&tickets, &inner.queue);
        self.turn_away(orders, GivenUp::Cancelled);
    }

    /// Gives up those that wait for room for too long; answers whether there were any.
    fn give_up_overdue(&mut self) -> bool {
        let deadline_ns = self.deadline_ns();
        if deadline_ns == u64::MAX {
            return false;
        }
        let now_ns = self.engine.intake.clock.now_ns();
        if now_ns < deadline_ns {
            return false;
        }
        self.inner.queue.room().wake_overdue(now_ns);
        let inner = Arc::clone(&self.inner);
        let orders = self.held.take_overdue(now_ns, &inner.queue);
        self.turn_away(orders, GivenUp::DeadlineExceeded);
        true
    }

    /// Calls back requests that never had a slot.
    fn turn_away(&mut self, orders: Vec<Order>, why: GivenUp) {
        if orders.is_empty() {
            return;
        }
        for order in orders {
            self.turned_away += 1;
            if self.engine.intake.give_up_order(order, why).is_err() {
                self.count_panic();
            }
        }
        self.inner.queue.offer_room();
    }

    #[cold]
    fn count_panic(&mut self) {
        self.engine.intake.metrics.callback_panics += 1;
    }

    /// Finishes what was accepted, and cancels what the deadline does not allow.
    pub(super) fn finish(mut self, deadline: Duration) -> ShutdownReport {
        let inner = Arc::clone(&self.inner);
        let clock = self.engine.intake.clock.clone();
        let end_ns = clock.end_ns(deadline);
        let left = || clock.until(end_ns);
        // Callbacks submit no more. What is in the queue was accepted, and goes in.
        self.engine.intake.closing = true;
        inner.queue.ask_to_end(deadline);
        let (mut drained, mut cancelled, mut panicked) = (0, 0, 0);
        let turned_away_before = self.turned_away;
        while !left().is_zero() && (self.serve() || self.engine.in_flight() > 0) {
            // Cancels and deadlines go on; more requests do not come.
            let wait = match inner.queue.may_sleep(true) {
                true => self.until_deadline(Wait::For { at_least: 1, timeout: left() }),
                false => Wait::None,
            };
            let turn = self.engine.turn(wait);
            inner.queue.awake();
            let Ok(turn) = turn else { break };
            drained += turn.tick.completed;
            cancelled += turn.cancelled;
            panicked += turn.panicked;
        }
        drained += self.turned_away - turned_away_before;
        let intake = &mut self.engine.intake;
        let mut cancel = |order| {
            drained += 1;
            cancelled += 1;
            if intake.cancel_order(order).is_err() {
                intake.metrics.callback_panics += 1;
                panicked += 1;
            }
        };
        self.held.take_all(&inner.queue).into_iter().for_each(&mut cancel);
        inner.queue.plug(cancel);
        let report = self.engine.shutdown(left());
        ShutdownReport {
            drained: report.drained + drained,
            cancelled: report.cancelled + cancelled,
            panicked: report.panicked + panicked,
            leaked: report.leaked,
        }
    }
}

/// Plugs the queue, and drops what is in it, when it is dropped.
struct PlugOnPanic<'a>(&'a Queue);

impl Drop for PlugOnPanic<'_> {
    fn drop(&mut self) {
        // In the middle of one panic another one would end the process.
        self.0.plug(|order| _ = catch_unwind(AssertUnwindSafe(|| drop(order))));
    }
}
