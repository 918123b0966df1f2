//! How an engine ends: it finishes what was accepted, and what it cannot finish it leaks rather than
//! free memory that the kernel may still write. Extends `engine::Engine`.

use crate::backend::Wait;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::inflight::InFlight;
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

/// How long a dropped engine waits for its requests before it leaks them.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// How an engine ended. Units: requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Called back during the shutdown, cancelled ones included.
    pub drained: u32,
    /// Of these, called back with `Cancelled`, because the deadline came before they had started.
    pub cancelled: u32,
    /// Still with the kernel at the deadline: their memory and callbacks are leaked, because the
    /// kernel may still write.
    pub leaked: u32,
}

impl Engine {
    /// Takes no more requests, finishes those that were accepted until `deadline` has passed, and then
    /// gives up: requests that had not started are called back with `Cancelled`, and what the kernel
    /// still holds is leaked.
    pub fn shutdown(mut self, deadline: Duration) -> ShutdownReport {
        self.close(deadline)
    }

    /// Ends the engine's work; what cannot be ended is leaked.
    fn close(&mut self, deadline: Duration) -> ShutdownReport {
        self.intake.closing = true;
        let mut report = ShutdownReport::default();
        let end = Instant::now().checked_add(deadline);
        while self.in_flight() > 0 {
            let left =
                end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            match self.turn(Wait::For { at_least: 1, timeout: left }) {
                Ok((tick, _)) => report.drained += tick.completed,
                Err(_) => break,
            }
        }
        while let Some(id) = self.intake.queue.pop_front() {
            let why = "the engine shut down before it was started";
            let error = Error::refused(ErrorKind::Cancelled, "shutdown", why);
            report.drained += 1;
            report.cancelled += 1;
            if self.intake.call_back(id, Err(error)).is_err() {
                self.intake.metrics.callback_panics += 1;
            }
        }
        report.leaked = self.in_flight();
        report
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let report = self.close(DROP_DEADLINE);
        if report.leaked == 0 {
            // SAFETY: the backend is dropped here only, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.backend) };
            return;
        }
        // The kernel may still write to the buffers and use the files of what is in flight: the table
        // that owns them, the pool, the registered files and the backend itself live on for ever.
        std::mem::forget(std::mem::replace(&mut self.intake.inflight, InFlight::new(0)));
        std::mem::forget(self.intake.arena.take());
        std::mem::forget(std::mem::take(&mut self.files));
    }
}
