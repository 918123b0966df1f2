//! The place that a future and the engine's thread share: the answer, or the waker of whoever waits
//! for it. Made by `future` and `answer`; its other end travels inside the request's callback, or
//! inside a call.
//!
//! One allocation per future. A slab in the engine would save it, but each forgotten future would
//! take one of its places for ever, and its size would bound how many futures can be in flight.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The future's end.
pub(super) struct Expected<T> {
    shared: Arc<Mutex<Stage<T>>>,
}

/// The engine's end. Dropped without being kept, it says that no answer will come.
pub(super) struct Promise<T> {
    shared: Arc<Mutex<Stage<T>>>,
}

enum Stage<T> {
    /// Nothing has come yet; who waits for it.
    Open(Option<Waker>),
    Done(T),
    Broken,
    /// The future has answered.
    Over,
}

impl<T> Expected<T> {
    pub(super) fn new() -> Self {
        Self { shared: Arc::new(Mutex::new(Stage::Open(None))) }
    }

    /// The other end, for the next try to hand the request over. There is at most one at a time.
    pub(super) fn promise(&mut self) -> Promise<T> {
        // A try that was refused has dropped its promise.
        *lock(&self.shared) = Stage::Open(None);
        Promise { shared: Arc::clone(&self.shared) }
    }

    /// The answer, or `None` when none will come.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        let mut stage = lock(&self.shared);
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Open(waker) => {
                let same = waker.filter(|waker| waker.will_wake(cx.waker()));
                *stage = Stage::Open(Some(same.unwrap_or_else(|| cx.waker().clone())));
                Poll::Pending
            }
            Stage::Done(answer) => Poll::Ready(Some(answer)),
            Stage::Broken => Poll::Ready(None),
            Stage::Over => panic!("a future was polled after it had answered"),
        }
    }
}

impl<T> Promise<T> {
    /// Keeps the promise.
    pub(super) fn keep(self, answer: T) {
        self.settle(Stage::Done(answer));
    }

    fn settle(&self, outcome: Stage<T>) {
        let mut stage = lock(&self.shared);
        if !matches!(*stage, Stage::Open(_)) {
            return;
        }
        let before = std::mem::replace(&mut *stage, outcome);
        drop(stage);
        // Outside of the lock: executors are not ours.
        if let Stage::Open(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.settle(Stage::Broken);
    }
}

fn lock<T>(shared: &Mutex<Stage<T>>) -> MutexGuard<'_, Stage<T>> {
    // Nothing panics between two steps of a change.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
