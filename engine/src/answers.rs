//! How the steps of a chain went, for the operation that it is. Filled by `chain` when a chain has
//! ended; asked by the operations of several steps, each for its own outcome.

use crate::chain::CHAIN_LEN_MAX;
use crate::error::Error;
use std::cmp::Ordering;

/// How the steps of a chain went.
#[derive(Debug)]
pub struct Answers {
    pub(crate) answers: [u32; CHAIN_LEN_MAX],
    /// Steps that have succeeded.
    pub(crate) done: usize,
    pub(crate) len: usize,
    /// What became of the step `done`, if that ended the chain.
    pub(crate) failure: Option<Error>,
    /// The flags with which the first step was made at last.
    pub(crate) first_flags: u32,
    /// Whether the kernel refused `RWF_DSYNC`.
    pub(crate) dsync_refused: bool,
    /// Whether the first step has opened a slot, which is the engine's to close, and answered no
    /// descriptor.
    pub(crate) in_slot: bool,
}

impl Answers {
    /// What the step answered: `None` if it was not begun, or its error was taken before.
    pub(crate) fn take(&mut self, step: usize) -> Option<Result<u32, Error>> {
        match step.cmp(&self.done) {
            Ordering::Less => Some(Ok(self.answers[step])),
            Ordering::Equal => {
                let len = self.len;
                self.failure.take().map(|error| Err(error.with_step(step, len)))
            }
            Ordering::Greater => None,
        }
    }
}
