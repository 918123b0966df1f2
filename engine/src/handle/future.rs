//! A request as a future that needs no runtime. Made by `Handle::run`; hands the request over in
//! its first poll, and keeps nothing of it after that but the place where the answer will be.

use super::client::{Handle, Ticket};
use super::promise::{Expected, Promise};
use crate::callback::Completion;
use crate::error::{Error, ErrorKind, Ran};
use crate::op::Operation;
use crate::settle::given_up;
use crate::slot::GivenUp;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

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

/// The future of one request: its [`Completion`], whatever became of it, or [`Unfinished`] when it
/// was never handed over or the engine ended. [`Handle::run`] makes it.
#[must_use = "a future does nothing until it is polled"]
pub struct OpFuture<O: Operation> {
    handle: Handle,
    /// The operation until it was handed over.
    op: Option<O>,
    /// The place in the line for room.
    place: Option<u64>,
    /// The request after it was handed over.
    ticket: Option<Ticket>,
    limit: Option<Duration>,
    /// By the engine's clock, from the first poll on.
    deadline_ns: u64,
    cancelled: bool,
    cancel_on_drop: bool,
    expected: Expected<Completion<O>>,
}

impl<O: Operation> OpFuture<O> {
    pub(super) fn new(handle: Handle, op: O) -> Self {
        Self {
            handle,
            op: Some(op),
            place: None,
            ticket: None,
            limit: None,
            deadline_ns: u64::MAX,
            cancelled: false,
            cancel_on_drop: false,
            expected: Expected::new(),
        }
    }

    /// Gives the request up when `limit` has passed since the first poll, also while the future
    /// waits for room. One that was handed over then ends with an error of kind `DeadlineExceeded`
    /// in its completion, and one that was not as [`Unfinished`], with the operation.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Cancels the request when the future is dropped before it has answered. Its buffer returns to
    /// the pool when the kernel has let go of it.
    pub fn cancel_on_drop(mut self) -> Self {
        self.cancel_on_drop = true;
        self
    }

    /// Asks for the request to be given up; await the future all the same. It ends as
    /// [`Handle::cancel`] says, and as [`Unfinished`], with the operation, if it was not handed
    /// over yet.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        if let Some(ticket) = self.ticket {
            self.handle.cancel(ticket);
        }
    }

    fn leave_line(&mut self) {
        if let Some(place) = self.place.take() {
            self.handle.queue().room().leave(place);
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
        let promise: Promise<_> = self.expected.promise();
        let submitted = self
            .handle
            .submit_until(self.deadline_ns, op, move |completion, _| promise.keep(completion));
        match submitted {
            Ok(ticket) => self.ticket = Some(ticket),
            Err(refused) => {
                return Err(Unfinished { op: Some(refused.op), error: refused.error });
            }
        }
        Ok(())
    }

    /// Why it is not to be handed over any more.
    fn given_up(&self) -> Option<GivenUp> {
        if self.cancelled {
            return Some(GivenUp::Cancelled);
        }
        let timed = self.deadline_ns < u64::MAX;
        let overdue = timed && self.handle.queue().clock().now_ns() >= self.deadline_ns;
        overdue.then_some(GivenUp::DeadlineExceeded)
    }

    /// Hands the operation over, or gets into the line for room.
    fn poll_hand_over(&mut self, op: O, cx: &Context<'_>) -> Poll<Result<(), Unfinished<O>>> {
        if let Some(limit) = self.limit.take() {
            self.deadline_ns = self.handle.queue().clock().end_ns(limit);
        }
        if let Some(why) = self.given_up() {
            let error = given_up(why, "run", Ran::No);
            return Poll::Ready(Err(Unfinished { op: Some(op), error }));
        }
        let mut unfinished = match self.hand_over(op) {
            Ok(()) => return Poll::Ready(Ok(())),
            Err(unfinished) => unfinished,
        };
        if unfinished.error.kind() == ErrorKind::Full {
            let queue = self.handle.queue();
            queue.wait_for_room(&mut self.place, cx.waker(), self.deadline_ns);
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
            this.ticket = None;
            completion.ok_or_else(|| {
                let why = "the engine ended before the kernel was done with it: its memory is \
                           leaked, and whether it ran is not known";
                let error = Error::refused(ErrorKind::Closing, "run", why);
                Unfinished { op: None, error: error.with_ran(Ran::Unknown) }
            })
        })
    }
}

// Nothing in it points to itself.
impl<O: Operation> Unpin for OpFuture<O> {}

impl<O: Operation> Drop for OpFuture<O> {
    fn drop(&mut self) {
        self.leave_line();
        if let Some(ticket) = self.ticket.filter(|_| self.cancel_on_drop) {
            self.handle.cancel(ticket);
        }
    }
}

impl<O: Operation> std::fmt::Debug for OpFuture<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpFuture").field("handed_over", &self.op.is_none()).finish_non_exhaustive()
    }
}
