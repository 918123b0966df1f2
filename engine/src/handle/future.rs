//! A request as a future that needs no runtime. Made by `Handle::run`; hands the request over in
//! its first poll, and keeps nothing of it after that but the place where the answer will be.

use super::client::Handle;
use super::promise::Expected;
use crate::callback::Completion;
use crate::error::{Error, ErrorKind};
use crate::op::Operation;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A request that will not complete.
pub struct Unfinished<O> {
    /// The operation, if it was never handed over. `None`: the engine ended while the kernel still
    /// held it, so that its memory had to be leaked; whether it ran is not known.
    pub op: Option<O>,
    /// Why.
    pub error: Error,
}

impl<O> std::fmt::Debug for Unfinished<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unfinished").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<O> From<Unfinished<O>> for Error {
    fn from(unfinished: Unfinished<O>) -> Self {
        unfinished.error
    }
}

/// The future of one request: its [`Completion`], whatever became of it, or [`Unfinished`] when the
/// engine ended. [`Handle::run`] makes it.
#[must_use = "a future does nothing until it is polled"]
pub struct OpFuture<O: Operation> {
    handle: Handle,
    /// The operation until it was handed over.
    op: Option<O>,
    /// The place in the line for room.
    ticket: Option<u64>,
    expected: Expected<O>,
}

impl<O: Operation> OpFuture<O> {
    pub(super) fn new(handle: Handle, op: O) -> Self {
        Self { handle, op: Some(op), ticket: None, expected: Expected::new() }
    }

    fn leave_line(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.handle.queue().room().leave(ticket);
        }
    }
}

impl<O> OpFuture<O>
where
    O: Operation + Send,
    O::Output: Send,
{
    /// Tries to hand the operation over.
    fn hand_over(&mut self, op: O) -> Result<(), Unfinished<O>> {
        let promise = self.expected.promise();
        let submitted = self.handle.try_submit(op, move |completion, _| promise.keep(completion));
        submitted.map_err(|refused| Unfinished { op: Some(refused.op), error: refused.error })
    }

    /// Hands the operation over, or gets into the line for room.
    fn poll_hand_over(&mut self, op: O, cx: &Context<'_>) -> Poll<Result<(), Unfinished<O>>> {
        let mut unfinished = match self.hand_over(op) {
            Ok(()) => return Poll::Ready(Ok(())),
            Err(unfinished) => unfinished,
        };
        if unfinished.error.kind() == ErrorKind::Full {
            self.handle.queue().room().wait(&mut self.ticket, cx.waker());
            // The room may have come before we stood in the line.
            match unfinished.op.take().map(|op| self.hand_over(op)) {
                Some(Err(again)) => unfinished = again,
                _ => return Poll::Ready(Ok(())),
            }
        }
        if unfinished.error.kind() == ErrorKind::Full {
            self.op = unfinished.op;
            return Poll::Pending;
        }
        Poll::Ready(Err(unfinished))
    }
}

impl<O> Future for OpFuture<O>
where
    O: Operation + Send,
    O::Output: Send,
{
    type Output = Result<Completion<O>, Unfinished<O>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(op) = this.op.take() {
            let Poll::Ready(outcome) = this.poll_hand_over(op, cx) else { return Poll::Pending };
            this.leave_line();
            outcome?;
        }
        this.expected.poll(cx).map(|completion| {
            completion.ok_or_else(|| {
                let why = "the engine ended before the kernel was done with it: its memory is \
                           leaked, and whether it ran is not known";
                Unfinished { op: None, error: Error::refused(ErrorKind::Closing, "run", why) }
            })
        })
    }
}

// Nothing in it points to itself.
impl<O: Operation> Unpin for OpFuture<O> {}

impl<O: Operation> Drop for OpFuture<O> {
    fn drop(&mut self) {
        self.leave_line();
    }
}

impl<O: Operation> std::fmt::Debug for OpFuture<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpFuture").field("handed_over", &self.op.is_none()).finish_non_exhaustive()
    }
}
