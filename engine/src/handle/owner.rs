//! The thread that an engine has to itself: it takes requests from the queue, ticks, and sleeps
//! when there is nothing to do. Started by `Config::spawn`, ended by [`Owner`].

use super::client::{Handle, Inner};
use super::queue::Queue;
use crate::backend::{Backend, Wait};
use crate::callback::Order;
use crate::config::Config;
use crate::engine::{Engine, Tick};
use crate::error::{Error, ErrorKind};
use crate::shutdown::ShutdownReport;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the engine of a dropped owner may take for what it had accepted.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// Ends the thread of an engine.
///
/// Dropping it ends the thread too, with five seconds for what the engine had accepted. Forgotten,
/// it leaves the engine running for ever.
#[derive(Debug)]
pub struct Owner {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<ShutdownReport>>,
}

impl Config {
    /// Checks the settings and starts an engine on a thread of its own, which sleeps when it has
    /// nothing to do. Other threads feed it through clones of the [`Handle`].
    ///
    /// A callback that panics is [counted](Handle::counters), and the engine goes on.
    ///
    /// # Errors
    /// As [`start`](Config::start), and when there is no thread to be had or it cannot be pinned.
    pub fn spawn(self) -> Result<(Handle, Owner), Error> {
        self.spawn_engine(Engine::start)
    }

    /// As [`spawn`](Self::spawn), on a backend of the caller's, which `make` makes on the engine's
    /// thread. It has to implement [`Backend::waker`].
    ///
    /// # Errors
    /// As `spawn`.
    pub fn spawn_with_backend<M>(self, make: M) -> Result<(Handle, Owner), Error>
    where
        M: FnOnce() -> Box<dyn Backend> + Send + 'static,
    {
        self.spawn_engine(|config| Engine::with_backend(config, make()))
    }

    fn spawn_engine<S>(self, start: S) -> Result<(Handle, Owner), Error>
    where
        S: FnOnce(&Self) -> Result<Engine, Error> + Send + 'static,
    {
        let (tell, told) = sync_channel(1);
        let run = move || match start(&self).and_then(|engine| Keeper::new(&self, engine)) {
            Ok(keeper) => {
                let _ = tell.send(Ok(Arc::clone(&keeper.inner)));
                drop(tell);
                keeper.run()
            }
            Err(error) => {
                let _ = tell.send(Err(error));
                ShutdownReport::default()
            }
        };
        let builder = std::thread::Builder::new().name(String::from("iomill-engine"));
        let thread = builder.spawn(run).map_err(|error| {
            let why = format!("no thread is to be had: {error}: raise the limit (ulimit -u)");
            Error::refused(ErrorKind::Backend, "start the engine's thread", why)
        })?;
        match told.recv() {
            Ok(Ok(inner)) => {
                let owner = Owner { inner: Arc::clone(&inner), thread: Some(thread) };
                Ok((Handle::new(inner), owner))
            }
            Ok(Err(error)) => Err(error),
            // It told nothing, so it panicked.
            Err(_) => match thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(_) => unreachable!("a thread that ends in order has told something"),
            },
        }
    }
}

impl Owner {
    /// Takes no more requests, finishes those that were accepted, and joins the thread. What is not
    /// done at the deadline is cancelled, and what cannot be cancelled is leaked; requests that
    /// come later are handed back with `Closing`.
    ///
    /// # Panics
    /// When the engine's thread has panicked, which callbacks cannot make it do.
    pub fn shutdown(mut self, deadline: Duration) -> ShutdownReport {
        match self.end(deadline) {
            Ok(report) => report,
            Err(panic) => resume_unwind(panic),
        }
    }

    fn end(&mut self, deadline: Duration) -> std::thread::Result<ShutdownReport> {
        self.inner.queue.ask_to_end(deadline);
        match self.thread.take() {
            Some(thread) => thread.join(),
            None => Ok(ShutdownReport::default()),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A drop cannot report anything, and must not panic.
        let _ = self.end(DROP_DEADLINE);
    }
}

/// What runs on the engine's thread.
struct Keeper {
    engine: Engine,
    inner: Arc<Inner>,
    /// The next request, while there is no room for its steps and their bytes.
    next: Option<Order>,
    /// Whether the last round did something: then the next one does not wait.
    busy: bool,
}

impl Keeper {
    fn new(config: &Config, mut engine: Engine) -> Result<Self, Error> {
        // After the engine, so that its helper threads are not bound.
        if let Some(cpu) = config.pin {
            pin(cpu)?;
        }
        let queue = Queue::new(config.queue, engine.backend.waker()?);
        let inner = Arc::new(Inner::new(queue, &engine));
        Ok(Self { engine, inner, next: None, busy: false })
    }

    /// The thread's life.
    fn run(mut self) -> ShutdownReport {
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
        let admitted = self.admit();
        if !self.busy && admitted == 0 && self.may_sleep() {
            let slept = self.sleep();
            self.inner.queue.awake();
            slept?;
        }
        let turn = self.engine.turn(Wait::None)?;
        self.busy = admitted > 0 || turn.tick != Tick::default();
        self.inner.callback_panics.store(self.callback_panics(), Ordering::Relaxed);
        Ok(())
    }

    /// Waits for a completion, the waker or the next deadline, whichever comes first. What came is
    /// left to the next turn.
    fn sleep(&mut self) -> Result<(), Error> {
        let engine = &mut self.engine;
        let wait = engine.until_deadline(Wait::AtLeast(1));
        engine.backend.enter(wait, &mut engine.completions)
    }

    /// With a full table, or a request that waits for room, only a completion can help: more
    /// requests are no reason to wake. Nobody would wake it for the rest of a short transfer, or
    /// for a cancel that is to be asked again.
    fn may_sleep(&self) -> bool {
        if self.engine.has_more() || !self.engine.intake.cancels.is_empty() {
            return false;
        }
        self.is_full() || self.inner.queue.may_sleep()
    }

    fn is_full(&self) -> bool {
        self.next.is_some() || self.engine.intake.inflight.is_full()
    }

    /// Moves requests from the queue into the engine; answers how many.
    fn admit(&mut self) -> usize {
        let (mut admitted, mut taken) = (0, 0);
        // Bounded also when every request is turned away at once.
        while admitted < self.inner.queue.entries() && !self.engine.intake.inflight.is_full() {
            let popped = || self.inner.queue.pop().inspect(|_| taken += 1);
            let Some(order) = self.next.take().or_else(popped) else { break };
            match self.engine.intake.admit(order) {
                Ok(None) => {}
                Ok(waiting) => {
                    self.next = waiting;
                    break;
                }
                Err(_) => self.engine.intake.metrics.callback_panics += 1,
            }
            admitted += 1;
        }
        if taken > 0 {
            self.inner.queue.offer_room();
        }
        admitted
    }

    fn callback_panics(&self) -> u64 {
        self.engine.metrics().callback_panics
    }

    /// Finishes what was accepted, and cancels what the deadline does not allow.
    fn finish(mut self, deadline: Duration) -> ShutdownReport {
        let clock = self.engine.intake.clock.clone();
        let end_ns = clock.end_ns(deadline);
        let left = || clock.until(end_ns);
        // Callbacks submit no more. What is in the queue was accepted, and goes in.
        self.engine.intake.closing = true;
        let (mut drained, mut cancelled, mut panicked) = (0, 0, 0);
        while !left().is_zero()
            && (self.admit() > 0 || self.next.is_some() || !self.inner.queue.is_empty())
        {
            let wait = Wait::For { at_least: 1, timeout: left() };
            let Ok(turn) = self.engine.turn(wait) else { break };
            drained += turn.tick.completed;
            cancelled += turn.cancelled;
        }
        let intake = &mut self.engine.intake;
        let mut cancel = |order| {
            drained += 1;
            cancelled += 1;
            if intake.cancel_order(order).is_err() {
                intake.metrics.callback_panics += 1;
                panicked += 1;
            }
        };
        self.next.take().into_iter().for_each(&mut cancel);
        self.inner.queue.plug(cancel);
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
        self.0.plug(drop);
    }
}

/// Binds this thread to one CPU.
fn pin(cpu: u32) -> Result<(), Error> {
    let mut set = CpuSet::new();
    set.set(cpu as usize);
    sched_setaffinity(None, &set).map_err(|errno| {
        let advice = format!("CPU {cpu} is not there or not allowed: choose one of taskset -p $$");
        Error::from_errno("pin the engine's thread", errno.raw_os_error())
            .with_advice(ErrorKind::InvalidConfig, advice)
    })
}
