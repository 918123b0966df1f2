//! The answer to something that was asked of the engine's thread: a future that needs no runtime,
//! and for threads without one a wait. Made by `client`; never touches the engine.

use super::promise::{Expected, Promise};
use super::queue::Queue;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, ThreadId};

/// The answer to a question that the engine's thread answers between two turns: await it, or
/// [`wait`](Self::wait) for it.
///
/// What was asked for is done whether the answer is awaited or dropped.
#[must_use = "the answer says whether it was done"]
pub struct Answer<T> {
    expected: Result<Expected<Result<T, Error>>, Option<Error>>,
    /// The engine's.
    thread: ThreadId,
}

impl<T: Send + 'static> Answer<T> {
    /// Asks the engine behind `queue`, which runs on `thread`.
    pub(super) fn ask<F>(queue: &Queue, thread: ThreadId, question: F) -> Self
    where
        F: FnOnce(&mut Engine) -> Result<T, Error> + Send + 'static,
    {
        let mut expected = Expected::new();
        let promise: Promise<Result<T, Error>> = expected.promise();
        let asked = queue.call(Box::new(move |engine| promise.keep(question(engine))));
        Self { expected: asked.map(|()| expected).map_err(Some), thread }
    }

    /// Blocks this thread until the answer is there.
    ///
    /// # Errors
    /// The answer's own; `Closing` when the engine ended before it came to it, and `Full` when too
    /// many wait for answers. `Unsupported` on the engine's own thread, that is, in a callback:
    /// there the wait would never end.
    pub fn wait(mut self) -> Result<T, Error> {
        if self.thread == std::thread::current().id() {
            let why = "a callback cannot wait for its own engine: await the answer elsewhere";
            return Err(Error::refused(ErrorKind::Unsupported, "wait for an answer", why));
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut cx) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.get_mut().expected {
            Ok(expected) => std::task::ready!(expected.poll(cx)),
            Err(refused) => refused.take().map(Err),
        };
        Poll::Ready(answer.unwrap_or_else(|| {
            let why = "the engine ended before it came to it";
            Err(Error::refused(ErrorKind::Closing, "ask the engine", why))
        }))
    }
}

// Nothing in it points to itself.
impl<T> Unpin for Answer<T> {}

impl<T> std::fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("asked", &self.expected.is_ok()).finish_non_exhaustive()
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
