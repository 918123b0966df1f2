//! The thread that an engine has to itself, on which `keeper` runs. Started by `Config::spawn`,
//! ended by [`Owner`].

use super::client::{Handle, Inner};
use super::keeper::Keeper;
use crate::backend::Backend;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::shutdown::ShutdownReport;
use std::panic::resume_unwind;
use std::sync::Arc;
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
                let _ = tell.send(Ok(Arc::clone(keeper.inner())));
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
