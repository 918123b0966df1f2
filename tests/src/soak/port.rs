//! An engine on this thread and one on a thread of its own, fed alike. Knows nothing of what is
//! submitted.

use super::tally::Tally;
use crate::random::Random;
use iomill_engine::{
    Buffer, Completion, Context, Engine, ErrorKind, Handle, OpId, Operation, Ticket, Wait,
};
use std::sync::Arc;
use std::time::Duration;

/// How many ids are kept for cancels.
const RECENT_MAX: usize = 64;

/// An engine of either sort.
#[derive(Debug)]
pub(super) enum Port {
    /// On this thread.
    Here {
        /// It.
        engine: Box<Engine>,
        /// What may be cancelled.
        recent: Vec<OpId>,
    },
    /// On a thread of its own.
    Elsewhere {
        /// Its handle.
        handle: Handle,
        /// What may be cancelled.
        recent: Vec<Ticket>,
    },
}

impl Port {
    pub(super) fn here(engine: Engine) -> Self {
        Self::Here { engine: Box::new(engine), recent: Vec::with_capacity(RECENT_MAX) }
    }

    pub(super) fn elsewhere(handle: Handle) -> Self {
        Self::Elsewhere { handle, recent: Vec::with_capacity(RECENT_MAX) }
    }

    /// A buffer that stands for this length, if there is one.
    pub(super) fn buffer(&self, len_bytes: usize) -> Option<Buffer> {
        let taken = match self {
            Self::Here { engine, .. } => engine.buffer_of(len_bytes),
            Self::Elsewhere { handle, .. } => handle.buffer_of(len_bytes),
        };
        taken.ok().flatten()
    }

    /// Hands a request over, with a deadline if `limit` says so; answers whether it was accepted.
    pub(super) fn submit<O, F>(
        &mut self,
        tally: &Arc<Tally>,
        op: O,
        limit: Option<Duration>,
        on_complete: F,
    ) -> bool
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        // Before, because the callback can come before the submission returns.
        tally.accepted();
        let refused = match (self, limit) {
            (Self::Here { engine, .. }, None) => engine.submit(op, on_complete).map(drop),
            (Self::Here { engine, recent }, Some(limit)) => {
                engine.submit_within(op, limit, on_complete).map(|id| {
                    if recent.len() < RECENT_MAX {
                        recent.push(id);
                    }
                })
            }
            (Self::Elsewhere { handle, .. }, None) => handle.try_submit(op, on_complete).map(drop),
            (Self::Elsewhere { handle, recent }, Some(limit)) => {
                handle.try_submit_within(op, limit, on_complete).map(|ticket| {
                    if recent.len() < RECENT_MAX {
                        recent.push(ticket);
                    }
                })
            }
        };
        let Err(refused) = refused else { return true };
        tally.not_accepted();
        if refused.error.kind() != ErrorKind::Full {
            tally.violation(format!("a submission was refused: {}", refused.error));
        }
        false
    }

    /// Cancels one of those that may be cancelled.
    pub(super) fn cancel_one(&mut self, random: &mut Random) {
        match self {
            Self::Here { engine, recent } if !recent.is_empty() => {
                engine.cancel(recent.swap_remove(random.index(recent.len())));
            }
            Self::Elsewhere { handle, recent } if !recent.is_empty() => {
                handle.cancel(recent.swap_remove(random.index(recent.len())));
            }
            _ => {}
        }
    }

    /// Lets requests complete.
    pub(super) fn turn(&mut self, tally: &Tally) {
        match self {
            Self::Here { engine, .. } => {
                if let Err(error) = engine.tick(Wait::AtLeast(1)) {
                    tally.violation(format!("a tick failed: {error}"));
                }
            }
            // The other threads need the processor more.
            Self::Elsewhere { .. } => std::thread::sleep(Duration::from_micros(100)),
        }
    }
}
