//! How an engine ends: it finishes what was accepted, and what it cannot finish it leaks rather
//! than free memory that the kernel may still write. Extends `engine::Engine`.

use crate::backend::Wait;
use crate::engine::Engine;
use crate::inflight::InFlight;
use std::mem::ManuallyDrop;
use std::time::Duration;

/// How long a dropped engine waits for its requests before it gives them up.
const DROP_DEADLINE: Duration = Duration::from_secs(5);
/// How long requests that were given up may take to come back.
const CANCEL_GRACE: Duration = Duration::from_millis(250);

/// How an engine ended. Units: requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Called back during the shutdown, cancelled ones included.
    pub drained: u32,
    /// Of these, called back with `Cancelled`, because the deadline came first.
    pub cancelled: u32,
    /// Callbacks that panicked during the shutdown; each counts as called back.
    pub panicked: u32,
    /// Could not be cancelled either: their memory is leaked, because the kernel may still write,
    /// and their callbacks are dropped without being called.
    pub leaked: u32,
}

impl Engine {
    /// Takes no more requests and finishes those that were accepted. What is not done at the
    /// deadline is cancelled, and what does not come back within a quarter of a second after that
    /// is leaked.
    pub fn shutdown(mut self, deadline: Duration) -> ShutdownReport {
        self.close(deadline)
    }

    /// Ends the engine's work; what cannot be ended is leaked.
    fn close(&mut self, deadline: Duration) -> ShutdownReport {
        self.intake.closing = true;
        let mut report = ShutdownReport::default();
        self.turn_until_empty(deadline, &mut report);
        if self.in_flight() > 0 {
            self.intake.cancel_all();
            self.turn_until_empty(CANCEL_GRACE, &mut report);
        }
        report.leaked = self.in_flight();
        report
    }

    /// Turns until nothing is in flight, the time is over or the backend has failed.
    fn turn_until_empty(&mut self, limit: Duration, report: &mut ShutdownReport) {
        let end_ns = self.intake.clock.end_ns(limit);
        while self.in_flight() > 0 {
            let left = self.intake.clock.until(end_ns);
            // At least one turn, also with no time: it gives up what waits in the queue.
            let turn = self.turn(Wait::For { at_least: 1, timeout: left });
            let Ok(turn) = turn else { break };
            report.drained += turn.tick.completed;
            report.cancelled += turn.cancelled;
            report.panicked += turn.panicked;
            if left.is_zero() {
                break;
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // After `shutdown` there is nothing more to wait for.
        let ended = self.intake.closing;
        let leaked = if ended { self.in_flight() } else { self.close(DROP_DEADLINE).leaked };
        if leaked == 0 {
            // SAFETY: the backend is dropped here only, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.backend) };
            return;
        }
        // The kernel may still write to the buffers and use the files of what is in flight: the
        // table that owns them, the pool, the registered files and the backend itself live on for
        // ever.
        std::mem::replace(&mut self.intake.inflight, InFlight::new(0, 0)).abandon();
        std::mem::forget(self.intake.arena.take());
        std::mem::forget(std::mem::take(&mut self.files));
    }
}
