//! Times a request now and then, and tells the table of lanes what was seen. Owned by `routed`,
//! which asks for each batch; reads the clock for what it times only, and decides nothing.

use super::{Completion, Request, RequestKind};
use crate::clock::Clock;
use crate::lanes::{
    CellIndex, Correction, Lane, LaneOp, LaneTable, Observation, Plan, QueueLength, Route,
};

/// One request at a time is watched.
#[derive(Debug)]
pub(super) struct Watch {
    /// `None` where the caller has fixed the table.
    correction: Option<Correction>,
    clock: Clock,
    watched: Option<Watched>,
}

/// The request that is being timed.
#[derive(Clone, Copy, Debug)]
struct Watched {
    id: u64,
    plan: Plan,
    start_ns: u64,
}

impl Watch {
    /// Watches for a table that is to be corrected, or does nothing.
    pub(super) fn new(table: &LaneTable, corrected: bool) -> Self {
        let correction = corrected.then(|| Correction::new(table));
        Self { correction, clock: Clock::real(), watched: None }
    }

    /// Whether the first request of this batch is to be timed, and how it is to go then.
    #[inline]
    pub(super) fn plan(
        &mut self,
        table: &LaneTable,
        batch: &[Request],
        queue: QueueLength,
    ) -> Option<Route> {
        let correction = self.correction.as_mut()?;
        let first = batch.first()?;
        if !correction.is_due()
            || self.watched.is_some()
            || first.linked
            || first.kind == RequestKind::Nop
        {
            return None;
        }
        let op = LaneOp::of(first);
        let cell = CellIndex::new(op, first.file_system, first.direct, queue);
        let plan = correction.plan(table, cell, op, first.len)?;
        self.watched = Some(Watched { id: first.id, plan, start_ns: self.clock.now_ns() });
        Some(plan.route)
    }

    /// None of a batch was taken: the request to be timed comes again, or never.
    pub(super) fn forget(&mut self) {
        self.watched = None;
    }

    /// Makes an inline call, and times it if it is the one. `None` from the call says that it was
    /// not made after all.
    #[inline]
    pub(super) fn around(
        &mut self,
        table: &mut LaneTable,
        id: u64,
        call: impl FnOnce() -> Option<i32>,
    ) -> Option<i32> {
        let Some(watched) = self.watched.take_if(|watched| watched.id == id) else { return call() };
        let start_ns = self.clock.now_ns();
        let answer = call();
        if answer.is_some() {
            self.record(table, watched.plan, Lane::Inline, start_ns);
        }
        answer
    }

    /// Ends the timing of a request that went through the other backend, if it has arrived.
    #[inline]
    pub(super) fn arrived(&mut self, table: &mut LaneTable, completions: &[Completion]) {
        let Some(watched) = self.watched else { return };
        let Some(found) = completions.iter().find(|done| done.id == watched.id) else { return };
        self.watched = None;
        // What was given up says nothing, nor does what went another way than was planned.
        let given_up = matches!(-found.result, libc::ECANCELED | libc::EINTR);
        if !given_up && watched.plan.route == Route::Backend {
            self.record(table, watched.plan, found.lane, watched.start_ns);
        }
    }

    #[cold]
    fn record(&mut self, table: &mut LaneTable, plan: Plan, lane: Lane, start_ns: u64) {
        let took_ns = self.clock.now_ns().saturating_sub(start_ns);
        let took_ns = u32::try_from(took_ns).unwrap_or(u32::MAX);
        if let Some(correction) = &mut self.correction {
            correction.record(table, Observation { plan, lane, took_ns });
        }
    }
}
