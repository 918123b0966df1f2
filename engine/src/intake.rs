//! What accepts requests: all of the engine but its loop, so that callbacks can submit too without
//! being able to tick. Owned by `engine`; never touches the backend.

use crate::buffer::{Arena, Buffer, too_long};
use crate::callback::{Completion, Delivery, Outcome, Parcel, call_back_with_success};
use crate::chain::Chains;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::inflight::{InFlight, OpId, Vacancy};
use crate::metrics::Metrics;
use crate::op::{Described, Operation, Surroundings};
use crate::schedule::Deadlines;
use crate::slot::GivenUp;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

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
    pub(crate) chains: Chains,
    /// Accepted requests that wait for the window, first come first served; a chain with its id as
    /// long as it has something to hand over.
    pub(crate) queue: VecDeque<OpId>,
    pub(crate) arena: Option<Arc<Arena>>,
    /// The arena again if it is registered.
    pub(crate) fixed_arena: Option<Arc<Arena>>,
    /// Requests to be given up at the next tick.
    pub(crate) cancels: VecDeque<OpId>,
    pub(crate) deadlines: Deadlines,
    pub(crate) clock: Clock,
    /// The last look at the clock in this turn or, outside of one, since the last turn; 0 for none.
    pub(crate) looked_ns: u64,
    /// Whether files are the kernel's, so that what statx(2) says of them is true.
    pub(crate) has_real_files: bool,
    pub(crate) metrics: Metrics,
    pub(crate) closing: bool,
}

impl Intake {
    /// What operations have to know of this engine.
    #[inline]
    pub(crate) fn surroundings(&self) -> Surroundings<'_> {
        let arena = self.fixed_arena.as_deref();
        Surroundings { engine: self.number, arena, has_real_files: self.has_real_files }
    }

    #[inline]
    pub(crate) fn submit<O, F>(&mut self, mut op: O, on_complete: F) -> Result<OpId, Refused<O, F>>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        if self.closing {
            return Err(refuse(op, on_complete, Error::answer(ErrorKind::Closing)));
        }
        if O::STEPS > 1 {
            return self.submit_steps(op, on_complete);
        }
        let now_ns = self.recent_ns();
        let vacancy = match self.describe(|surroundings, into| op.describe(surroundings, into)) {
            Ok(vacancy) => vacancy,
            Err(error) => return Err(refuse(op, on_complete, error)),
        };
        let (id, slot) = vacancy.occupy();
        slot.accepted_ns = now_ns;
        slot.parcel.pack(op, on_complete);
        self.queue.push_back(id);
        Ok(id)
    }

    /// Describes a request in the slot that it will have, if there is room for it.
    #[inline]
    pub(crate) fn describe(
        &mut self,
        describe: impl FnOnce(Surroundings<'_>, &mut Described) -> Result<(), Error>,
    ) -> Result<Vacancy<'_>, Error> {
        let arena = self.fixed_arena.as_deref();
        let Self { number: engine, has_real_files, .. } = *self;
        // Before the operation describes itself: some give something up to do so.
        let Some(mut vacancy) = self.inflight.vacancy() else {
            return Err(Error::answer(ErrorKind::Full));
        };
        describe(Surroundings { engine, arena, has_real_files }, vacancy.described())?;
        // Only transfers count here, and those give nothing up to describe themselves.
        vacancy.check_bytes()?;
        Ok(vacancy)
    }

    /// The time, as it was at the last look in this turn, or when the first request came since the
    /// last one: many requests share one look.
    #[inline]
    pub(crate) fn recent_ns(&mut self) -> u64 {
        if self.looked_ns == 0 {
            self.look_at_clock();
        }
        self.looked_ns
    }

    /// The time now.
    #[inline]
    pub(crate) fn look_at_clock(&mut self) -> u64 {
        // Never 0, which says that nobody has looked.
        self.looked_ns = self.clock.now_ns();
        self.looked_ns
    }

    /// As `submit`, with a deadline.
    pub(crate) fn submit_within<O, F>(
        &mut self,
        op: O,
        limit: Duration,
        on_complete: F,
    ) -> Result<OpId, Refused<O, F>>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        let id = self.submit(op, on_complete)?;
        self.deadlines.set(id.index(), self.clock.end_ns(limit));
        Ok(id)
    }

    /// Asks for a request to be given up; answers whether it was still in flight.
    pub(crate) fn cancel(&mut self, id: OpId, why: GivenUp) -> bool {
        if id.engine() != self.number {
            return false;
        }
        let Some(slot) = self.inflight.find(id) else { return false };
        if slot.given_up.is_some() {
            return true;
        }
        slot.given_up = Some(why);
        let (mut id, place) = (id, slot.place);
        if let Some(place) = place {
            id = self.chains.leader(place.chain);
            self.mark_given_up(place, why);
        }
        self.cancels.push_back(id);
        true
    }

    /// Asks for everything to be given up.
    pub(crate) fn cancel_all(&mut self) {
        let ids: Vec<OpId> = self.inflight.ids().collect();
        for id in ids {
            self.cancel(id, GivenUp::Cancelled);
        }
    }

    pub(crate) fn buffer(&self) -> Option<Buffer> {
        self.arena.as_ref()?.take()
    }

    pub(crate) fn buffer_of(&self, len_bytes: usize) -> Result<Option<Buffer>, Error> {
        match &self.arena {
            Some(arena) => arena.take_len(len_bytes),
            None => Err(too_long(len_bytes, 0)),
        }
    }

    /// Frees the request's slot and runs its callback; a panic comes back as its payload. Nearly
    /// all requests end without coming here: see [`call_back_with_success`].
    #[cold]
    pub(crate) fn call_back(&mut self, id: OpId, outcome: Result<u32, Error>) -> Result<(), Panic> {
        self.deadlines.clear(id.index());
        match outcome {
            Ok(answer) => {
                catch_unwind(AssertUnwindSafe(|| call_back_with_success(self, id, answer)))
            }
            Err(error) => {
                let parcel = self.inflight.remove(id);
                self.deliver(parcel, id, Outcome::Failed(error))
            }
        }
    }

    /// Runs a callback; a panic comes back as its payload.
    pub(crate) fn deliver(
        &mut self,
        parcel: Parcel,
        id: OpId,
        outcome: Outcome<'_>,
    ) -> Result<(), Panic> {
        catch_unwind(AssertUnwindSafe(|| {
            parcel.deliver(Delivery { id, outcome, context: &mut Context::new(self) });
        }))
    }
}

#[cold]
pub(crate) fn refuse<O, F>(op: O, on_complete: F, error: Error) -> Refused<O, F> {
    Refused { op, on_complete, error }
}

/// What a callback can do with its engine. It stays on the engine's thread, as callbacks do:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<iomill_engine::Context<'static>>();
/// ```
#[derive(Debug)]
pub struct Context<'engine> {
    intake: &'engine mut Intake,
}

impl<'engine> Context<'engine> {
    /// For one callback.
    #[inline]
    pub(crate) fn new(intake: &'engine mut Intake) -> Self {
        Self { intake }
    }
}

impl Context<'_> {
    /// As [`Engine::submit`](crate::Engine::submit).
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

    /// As [`Engine::submit_within`](crate::Engine::submit_within).
    ///
    /// # Errors
    /// As `Engine::submit`.
    pub fn submit_within<O, F>(
        &mut self,
        op: O,
        limit: Duration,
        on_complete: F,
    ) -> Result<OpId, Refused<O, F>>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        self.intake.submit_within(op, limit, on_complete)
    }

    /// As [`Engine::cancel`](crate::Engine::cancel).
    pub fn cancel(&mut self, id: OpId) -> bool {
        self.intake.cancel(id, GivenUp::Cancelled)
    }

    /// As [`Engine::buffer`](crate::Engine::buffer).
    pub fn buffer(&self) -> Option<Buffer> {
        self.intake.buffer()
    }

    /// As [`Engine::metrics`](crate::Engine::metrics); histograms and lanes may lack requests of
    /// the present turn.
    pub fn metrics(&self) -> &Metrics {
        &self.intake.metrics
    }

    /// As [`Engine::buffer_of`](crate::Engine::buffer_of).
    ///
    /// # Errors
    /// As `Engine::buffer_of`.
    pub fn buffer_of(&self, len_bytes: usize) -> Result<Option<Buffer>, Error> {
        self.intake.buffer_of(len_bytes)
    }

    /// As [`Engine::in_flight`](crate::Engine::in_flight); the request that is being called back
    /// does not count any more.
    pub fn in_flight(&self) -> u32 {
        self.intake.inflight.len()
    }
}
