//! Settles what the backend has brought, and calls back. Extends `engine::Engine`; called by `turn`
//! and `steps`, hands nothing over.

use crate::backend::Completion;
use crate::callback::call_back_with_success;
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::inflight::OpId;
use crate::intake::Panic;
use crate::metrics::Success;
use crate::settle::{Settled, settle};
use crate::slot::Slot;
use crate::turn::Turn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// How far the settling of a turn's completions has come. After a panic it tells whose it was.
#[derive(Debug, Default)]
struct Progress {
    /// Completions that were begun.
    begun: usize,
    /// Of these, successes whose callback was begun.
    called: u32,
    /// Of these, the others.
    unusual: u32,
    /// Whether one of the others is being settled: its callback has a net of its own.
    is_settling: bool,
}

impl Progress {
    /// Whether what has panicked is a callback.
    fn is_calling(&self) -> bool {
        !self.is_settling && self.begun == self.called as usize + self.unusual as usize
    }
}

impl Engine {
    /// Settles what has come, and calls back.
    pub(crate) fn dispatch(&mut self, turn: &mut Turn) {
        if self.completions.is_empty() {
            return;
        }
        let now_ns = self.intake.look_at_clock();
        let mut progress = Progress::default();
        // One net under all callbacks: one under each would cost every request.
        while let Err(payload) =
            catch_unwind(AssertUnwindSafe(|| self.dispatch_from(&mut progress, now_ns, turn)))
        {
            if !progress.is_calling() {
                // The backend broke the contract: nothing is counted after this.
                self.intake.metrics.settle();
                resume_unwind(payload);
            }
            self.panicked(payload, turn);
        }
        turn.tick.completed += progress.called;
        self.completions.clear();
        self.window.learn(now_ns);
        self.intake.metrics.settle();
    }

    /// Settles the completions that were not begun. When a callback panics, it goes on behind that.
    fn dispatch_from(&mut self, progress: &mut Progress, now_ns: u64, turn: &mut Turn) {
        while let Some(&raw) = self.completions.get(progress.begun) {
            progress.begun += 1;
            let id = self.intake.inflight.id_from_bits(raw.id);
            let slot = self.intake.inflight.slot(id);
            // Its rest may be in the queue: a second completion of the same request.
            assert!(slot.with_backend, "a backend completed a request that is not with it");
            self.window.leave(slot, raw, now_ns);
            slot.with_backend = false;
            slot.seal.check(self.intake.arena.as_deref(), &slot.described.request);
            let Some(answer) = whole_success(slot, raw.result) else {
                (progress.unusual, progress.is_settling) = (progress.unusual + 1, true);
                self.unusual(id, raw, now_ns, turn);
                progress.is_settling = false;
                continue;
            };
            self.intake.metrics.succeeded(Success::of(slot, Some(raw.lane), now_ns), answer);
            self.intake.deadlines.clear(id.index());
            progress.called += 1;
            call_back_with_success(&mut self.intake, id, answer);
        }
    }

    /// Settles a completion that is not simply the success of the whole request.
    #[cold]
    fn unusual(&mut self, id: OpId, raw: Completion, now_ns: u64, turn: &mut Turn) {
        let slot = self.intake.inflight.slot(id);
        slot.came_back = true;
        if let Some(counted) = self.intake.metrics.of(slot.described.request.kind) {
            counted.lanes.count(raw.lane, 1);
        }
        if let Some(place) = slot.place {
            return self.step_completed(place, raw.result, now_ns, turn);
        }
        let settled = settle(slot, raw.result, now_ns, &mut self.intake.metrics);
        self.finish(id, settled, turn);
    }

    /// Calls back, or queues what is to be continued.
    #[cold]
    pub(crate) fn finish(&mut self, id: OpId, settled: Settled, turn: &mut Turn) {
        let outcome = match settled {
            Settled::Finished(Err(error)) if self.report.iopoll => Err(error.about_polling()),
            Settled::Finished(outcome) => outcome,
            Settled::Again => {
                // Before the others: it has waited longest.
                self.intake.queue.push_front(id);
                return;
            }
        };
        if let Err(error) = &outcome {
            turn.cancelled += u32::from(error.kind() == ErrorKind::Cancelled);
        }
        let called = self.intake.call_back(id, outcome);
        self.called_back(called, turn);
    }

    /// Counts a callback, and keeps the first panic.
    pub(crate) fn called_back(&mut self, called: Result<(), Panic>, turn: &mut Turn) {
        turn.tick.completed += 1;
        if let Err(payload) = called {
            self.panicked(payload, turn);
        }
    }

    /// A callback has panicked.
    #[cold]
    fn panicked(&mut self, payload: Panic, turn: &mut Turn) {
        self.intake.metrics.callback_panics += 1;
        turn.panicked += 1;
        match turn.panic {
            None => turn.panic = Some(payload),
            // Not dropped: a payload may panic again when it is, in the middle of the loop.
            Some(_) => std::mem::forget(payload),
        }
    }
}

/// The request's outcome, if it has succeeded at one go and is no step of a chain: what `settle`
/// would say, for nearly all requests.
#[inline]
fn whole_success(slot: &Slot, result: i32) -> Option<u32> {
    let answer = u32::try_from(result).ok()?;
    let is_whole = !slot.described.request.kind.is_transfer() || answer == slot.left_bytes;
    (is_whole && slot.place.is_none() && slot.done_bytes == 0).then_some(answer)
}
