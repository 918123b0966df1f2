//! What other threads hold of an engine. Pushes to `queue` and never waits; never runs a callback.

use super::future::OpFuture;
use super::queue::Queue;
use crate::buffer::{Arena, Buffer, too_long};
use crate::callback::Completion;
use crate::engine::Engine;
use crate::error::Error;
use crate::intake::{Context, Refused};
use crate::op::Operation;
use crate::report::Report;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;

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
    /// The engine's thread, on which nobody may wait for it.
    thread: ThreadId,
    arena: Option<Arc<Arena>>,
    report: Report,
}

impl Inner {
    pub(super) fn new(queue: Queue, engine: &Engine) -> Self {
        Self {
            queue,
            callback_panics: AtomicU64::new(0),
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
    pub fn try_submit<O, F>(&self, op: O, on_complete: F) -> Result<(), Refused<O, F>>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        self.inner.queue.push(op, on_complete)
    }

    /// Hands a request over when the future is first polled, and waits for its completion. Where
    /// the queue is full it waits for room, first come first served.
    ///
    /// The future needs no runtime. It may be dropped or forgotten at any time: a request that was
    /// handed over goes on, and its buffer returns to the pool when the kernel has let go of it. A
    /// future that is forgotten keeps its buffer for ever, as a forgotten buffer does.
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
