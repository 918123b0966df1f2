//! An engine that others feed, on a thread of the caller's: one that is pinned, scheduled or named
//! in the caller's own way. Extends `config::Config`; `owner` is the same on a thread of its own.

use super::client::{Handle, Inner};
use super::keeper::Keeper;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::Error;
use crate::shutdown::ShutdownReport;
use std::sync::Arc;
use std::time::Duration;

/// The engine's side, for the thread that made it. It stays there:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<iomill_engine::Runner>();
/// ```
///
/// Dropped without being run it calls back what was handed over, with `Cancelled`.
#[derive(Debug)]
pub struct Runner {
    /// Until it runs.
    keeper: Option<Keeper>,
}

/// Ends a [`Runner`], from any thread or from a callback.
#[derive(Clone, Debug)]
pub struct Stopper {
    inner: Arc<Inner>,
}

impl Config {
    /// Checks the settings and starts an engine for this thread, which is to give itself to
    /// [`Runner::run`]. Other threads feed it through clones of the [`Handle`], as with
    /// [`spawn`](Self::spawn); they may begin before it runs. [`pin`](Self::pin) binds this thread.
    ///
    /// # Errors
    /// As [`start`](Self::start), and when this thread cannot be pinned.
    pub fn on_this_thread(self) -> Result<(Handle, Runner), Error> {
        let keeper = Keeper::new(&self, Engine::start(&self)?)?;
        let handle = Handle::new(Arc::clone(keeper.inner()));
        Ok((handle, Runner { keeper: Some(keeper) }))
    }
}

impl Runner {
    /// What ends it.
    ///
    /// # Panics
    /// Never: only `run`, which consumes it, leaves it without an engine.
    pub fn stopper(&self) -> Stopper {
        let keeper = self.keeper.as_ref().expect("it has its engine until it runs");
        Stopper { inner: Arc::clone(keeper.inner()) }
    }

    /// Serves the handles until it is stopped, and sleeps while there is nothing to do. Callbacks
    /// run here; one that panics is counted, and the engine goes on.
    pub fn run(mut self) -> ShutdownReport {
        self.keeper.take().map(Keeper::run).unwrap_or_default()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.finish(Duration::ZERO);
        }
    }
}

impl Stopper {
    /// Makes the engine take no more requests; [`Runner::run`] finishes those that were accepted
    /// and returns. What is not done at the deadline is cancelled, and what cannot be cancelled is
    /// leaked. Only the first call counts.
    pub fn stop(&self, deadline: Duration) {
        self.inner.queue.ask_to_end(deadline);
    }
}
