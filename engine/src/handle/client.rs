//! What other threads hold of an engine. Pushes to `queue` and never waits; never runs a callback.

use super::answer::Answer;
use super::future::OpFuture;
use super::queue::Queue;
use crate::buffer::{Arena, Buffer, too_long};
use crate::callback::Completion;
use crate::engine::Engine;
use crate::error::Error;
use crate::file::File;
use crate::intake::{Context, Refused};
use crate::metrics::Metrics;
use crate::op::Operation;
use crate::report::Report;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

/// The name of a request that was handed over, for [`Handle::cancel`]. Unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Whose.
    engine: u32,
    number: u64,
}

/// Feeds an engine from any thread. Clones feed the same engine.
///
/// The engine lives as long as its [`Owner`](crate::Owner), not as its handles: after that every
/// request is handed back with `Closing`.
#[derive(Clone, Debug)]
pub struct Handle {
    inner: Arc<Inner>,
}

/// What the handles and the engine's thread share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) queue: Queue,
    pub(super) callback_panics: AtomicU64,
    /// The engine's number.
    engine: u32,
    /// The engine's thread, on which nobody may wait for it.
    thread: ThreadId,
    arena: Option<Arc<Arena>>,
    report: Report,
}

impl Inner {
    /// On the engine's thread.
    pub(super) fn new(queue: Queue, engine: &Engine) -> Self {
        Self {
            queue,
            callback_panics: AtomicU64::new(0),
            engine: engine.intake.number,
            // It is made there.
            thread: std::thread::current().id(),
            arena: engine.intake.arena.clone(),
            report: engine.report().clone(),
        }
    }
}

/// What an engine on its own thread has done. Units: counts since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandleCounters {
    /// How often a submitting thread had to wake the engine's.
    pub wake_ups: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
}

impl Handle {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Hands a request over. Its callback runs exactly once, on the engine's thread, and should be
    /// short: nothing else completes meanwhile. Does not block; makes a system call only when the
    /// engine sleeps, to wake it.
    ///
    /// What cannot be done at all (a misaligned direct transfer) is told to the callback, not here.
    ///
    /// # Errors
    /// Everything that was handed in comes back: with `Full` when the queue is, with `Closing` when
    /// the engine ends or has ended.
    #[inline]
    pub fn try_submit<O, F>(&self, op: O, on_complete: F) -> Result<Ticket, Refused<O, F>>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        self.inner.queue.push(u64::MAX, op, on_complete).map(|number| self.ticket(number))
    }

    /// As [`try_submit`](Self::try_submit), and gives the request up when `limit` has passed since
    /// now, wherever it is by then: its error is `DeadlineExceeded`, and says whether it
    /// [had run](crate::Error::ran). A transfer that the device has begun cannot be stopped: the
    /// callback comes, with its success or its error, when the kernel has let go of the buffer.
    ///
    /// # Errors
    /// As `try_submit`.
    pub fn try_submit_within<O, F>(
        &self,
        op: O,
        limit: Duration,
        on_complete: F,
    ) -> Result<Ticket, Refused<O, F>>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        self.submit_until(self.inner.queue.clock().end_ns(limit), op, on_complete)
    }

    /// As `try_submit_within`, by the engine's clock.
    pub(super) fn submit_until<O, F>(
        &self,
        deadline_ns: u64,
        op: O,
        on_complete: F,
    ) -> Result<Ticket, Refused<O, F>>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        self.inner.queue.push(deadline_ns, op, on_complete).map(|number| self.ticket(number))
    }

    fn ticket(&self, number: u64) -> Ticket {
        Ticket { engine: self.inner.engine, number }
    }

    /// Asks for a request to be given up, wherever it is: in the queue, in the engine or with the
    /// kernel. Does not block. Its callback comes exactly once all the same: with its success if
    /// the cancel came too late, with an error of kind `Cancelled` otherwise, and always when the
    /// kernel has let go of the buffer. That error says whether it [had run](crate::Error::ran).
    ///
    /// Answers whether the engine will look for it. `false`: the ticket is another engine's, the
    /// engine has ended, or more cancels wait than there can be requests (ask again later).
    /// Whether the request is over already is not known here.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        ticket.engine == self.inner.engine && self.inner.queue.cancel(ticket.number)
    }

    /// As [`Engine::register_file`], on the engine's thread: await the answer or
    /// [`wait`](Answer::wait) for it, and use the file that it gives.
    pub fn register_file(&self, file: &File) -> Answer<File> {
        let file = file.clone();
        self.ask(move |engine| engine.register_file(&file))
    }

    /// A copy of the engine's metrics, made on its thread between two turns: nothing is counted
    /// twice for it, and it costs the engine nothing while nobody asks.
    pub fn metrics(&self) -> Answer<Metrics> {
        let inner = Arc::clone(&self.inner);
        self.ask(move |engine| {
            let mut metrics = engine.metrics().clone();
            metrics.wake_ups = inner.queue.wake_ups();
            Ok(metrics)
        })
    }

    fn ask<T, F>(&self, question: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Engine) -> Result<T, Error> + Send + 'static,
    {
        Answer::ask(&self.inner.queue, self.inner.thread, question)
    }

    /// Hands a request over when the future is first polled, and waits for its completion. Where
    /// the queue is full it waits for room, first come first served.
    ///
    /// The future needs no runtime. It may be dropped or forgotten at any time: a request that was
    /// handed over goes on, and its buffer returns to the pool when the kernel has let go of it;
    /// [`OpFuture::cancel_on_drop`] changes that. A future that is forgotten keeps its buffer for
    /// ever, as a forgotten buffer does.
    pub fn run<O>(&self, op: O) -> OpFuture<O>
    where
        O: Operation + Send,
        O::Output: Send,
    {
        OpFuture::new(self.clone(), op)
    }

    /// A buffer of the engine's pool, or `None` when all are in use.
    pub fn buffer(&self) -> Option<Buffer> {
        self.inner.arena.as_ref()?.take()
    }

    /// As [`Engine::buffer_of`](crate::Engine::buffer_of).
    ///
    /// # Errors
    /// As `Engine::buffer_of`.
    pub fn buffer_of(&self, len_bytes: usize) -> Result<Option<Buffer>, Error> {
        match &self.inner.arena {
            Some(arena) => arena.take_len(len_bytes),
            None => Err(too_long(len_bytes, 0)),
        }
    }

    /// What the engine runs on and why.
    pub fn report(&self) -> &Report {
        &self.inner.report
    }

    /// What it has done so far.
    pub fn counters(&self) -> HandleCounters {
        HandleCounters {
            wake_ups: self.inner.queue.wake_ups(),
            callback_panics: self.inner.callback_panics.load(Ordering::Relaxed),
        }
    }

    /// Whether this is the engine's own thread: a callback runs.
    pub(super) fn is_on_its_thread(&self) -> bool {
        std::thread::current().id() == self.inner.thread
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.inner.queue
    }
}
