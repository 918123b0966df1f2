//! The place that a future and its request share: the completion, or the waker of whoever waits for
//! it. Made by `future`; its other end travels inside the request's callback.
//!
//! One allocation per future. A slab in the engine would save it, but each forgotten future would
//! take one of its places for ever, and its size would bound how many futures can be in flight.

use crate::callback::Completion;
use crate::op::Operation;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The future's end.
pub(super) struct Expected<O: Operation> {
    shared: Arc<Mutex<Stage<O>>>,
}

/// The request's end. Dropped without being kept, it says that no completion will come.
pub(super) struct Promise<O: Operation> {
    shared: Arc<Mutex<Stage<O>>>,
}

enum Stage<O: Operation> {
    /// Nothing has come yet; who waits for it.
    Open(Option<Waker>),
    Done(Completion<O>),
    Broken,
    /// The future has answered.
    Over,
}

impl<O: Operation> Expected<O> {
    pub(super) fn new() -> Self {
        Self { shared: Arc::new(Mutex::new(Stage::Open(None))) }
    }

    /// The other end, for the next try to hand the request over. There is at most one at a time.
    pub(super) fn promise(&mut self) -> Promise<O> {
        // A try that was refused has dropped its promise.
        *lock(&self.shared) = Stage::Open(None);
        Promise { shared: Arc::clone(&self.shared) }
    }

    /// The completion, or `None` when none will come.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<Completion<O>>> {
        let mut stage = lock(&self.shared);
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Open(waker) => {
                let same = waker.filter(|waker| waker.will_wake(cx.waker()));
                *stage = Stage::Open(Some(same.unwrap_or_else(|| cx.waker().clone())));
                Poll::Pending
            }
            Stage::Done(completion) => Poll::Ready(Some(completion)),
            Stage::Broken => Poll::Ready(None),
            Stage::Over => panic!("a future was polled after it had answered"),
        }
    }
}

impl<O: Operation> Promise<O> {
    /// Keeps the promise.
    pub(super) fn keep(self, completion: Completion<O>) {
        self.settle(Stage::Done(completion));
    }

    fn settle(&self, outcome: Stage<O>) {
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

impl<O: Operation> Drop for Promise<O> {
    fn drop(&mut self) {
        self.settle(Stage::Broken);
    }
}

fn lock<O: Operation>(shared: &Mutex<Stage<O>>) -> MutexGuard<'_, Stage<O>> {
    // Nothing panics between two steps of a change.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
