//! What accepts requests: all of the engine but its loop, so that callbacks can submit too without
//! being able to tick. Owned by `engine`; never touches the backend.

use crate::buffer::{Arena, Buffer};
use crate::callback::{Completion, Delivery};
use crate::error::{Error, ErrorKind};
use crate::file::File;
use crate::inflight::{InFlight, OpId};
use crate::metrics::Metrics;
use crate::op::Operation;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a callback panicked with.
pub(crate) type Panic = Box<dyn Any + Send>;

/// A request that was not accepted, with everything that was handed in.
pub struct Refused<O, F> {
    /// The operation.
    pub op: O,
    /// Its callback, not called.
    pub on_complete: F,
    /// Why.
    pub error: Error,
}

impl<O, F> std::fmt::Debug for Refused<O, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<O, F> From<Refused<O, F>> for Error {
    fn from(refused: Refused<O, F>) -> Self {
        refused.error
    }
}

/// What accepts requests: all of the engine but its backend, so that callbacks can use it too.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Which engine, for registered files.
    pub(crate) number: u32,
    pub(crate) inflight: InFlight,
    /// Accepted requests that wait for the window, first come first served.
    pub(crate) queue: VecDeque<OpId>,
    pub(crate) arena: Option<Arc<Arena>>,
    /// The arena again if it is registered.
    pub(crate) fixed_arena: Option<Arc<Arena>>,
    pub(crate) metrics: Metrics,
    pub(crate) closing: bool,
}

impl Intake {
    #[inline]
    pub(crate) fn submit<O, F>(&mut self, op: O, on_complete: F) -> Result<OpId, Refused<O, F>>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        if self.closing {
            return Err(refuse(op, on_complete, Error::answer(ErrorKind::Closing)));
        }
        let request = match op.describe(self.number, self.fixed_arena.as_deref()) {
            Ok(request) => request,
            Err(error) => return Err(refuse(op, on_complete, error)),
        };
        let alignment = op.file().and_then(File::alignment);
        let block_len_bytes = alignment.map_or(1, |alignment| alignment.offset);
        let Some((id, slot)) = self.inflight.insert(request, block_len_bytes) else {
            return Err(refuse(op, on_complete, Error::answer(ErrorKind::Full)));
        };
        slot.parcel.pack(op, on_complete);
        self.queue.push_back(id);
        Ok(id)
    }

    pub(crate) fn buffer(&self) -> Option<Buffer> {
        self.arena.as_ref()?.take()
    }

    /// Frees the request's slot and runs its callback; a panic comes back as its payload.
    #[inline]
    pub(crate) fn call_back(&mut self, id: OpId, outcome: Result<u32, Error>) -> Result<(), Panic> {
        // The slot is free before the callback runs, so that the callback can submit into it.
        let parcel = self.inflight.remove(id);
        catch_unwind(AssertUnwindSafe(|| {
            parcel.deliver(Delivery { id, outcome, context: &mut Context { intake: self } });
        }))
    }
}

#[cold]
fn refuse<O, F>(op: O, on_complete: F, error: Error) -> Refused<O, F> {
    Refused { op, on_complete, error }
}

/// What a callback can do with its engine.
#[derive(Debug)]
pub struct Context<'engine> {
    intake: &'engine mut Intake,
}

impl Context<'_> {
    /// As [`Engine::submit`].
    ///
    /// # Errors
    /// As `Engine::submit`.
    #[inline]
    pub fn submit<O, F>(&mut self, op: O, on_complete: F) -> Result<OpId, Refused<O, F>>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        self.intake.submit(op, on_complete)
    }

    /// As [`Engine::buffer`].
    pub fn buffer(&self) -> Option<Buffer> {
        self.intake.buffer()
    }

    /// As [`Engine::in_flight`]; the request that is being called back does not count any more.
    pub fn in_flight(&self) -> u32 {
        self.intake.inflight.len()
    }
}
