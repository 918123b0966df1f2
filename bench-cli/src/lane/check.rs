//! Reading back what was written, and looking at it.
//!
//! Owns what happens to a block that is checked, and the order in which everything is; what is
//! right and wrong is `verify`'s. Called by `lane`, `state` and `job_thread`.

use std::rc::Rc;

use iomill_engine::{Completion, File, Read};

use super::errors::LaneFailure;
use super::extras::Extras;
use super::state::{LaneState, Next};
use super::{Lane, Submit, aim, issue, submit};
use crate::verify::Damage;
use crate::workload::{Block, Direction};

/// Reads a block that was written earlier, checks it, and goes on.
pub(super) fn read(state: Rc<LaneState>, mut lane: Lane, block: Block, to: &mut impl Submit) {
    aim(&state, &mut lane, &block);
    let Lane { file, index, buffer } = lane;
    let shared = Rc::clone(&state);
    let op = Read { file, offset: block.offset, buffer };
    submit(&shared, to, op, move |done: Completion<Read>, context| {
        let Read { file, buffer, .. } = done.op;
        let mut lane = Lane { file, index, buffer };
        match done.result {
            Ok(len_bytes) => {
                let len = lane.buffer.len();
                // What is not there any more reads as zeros and is found to be damaged.
                lane.buffer[(len_bytes as usize).min(len)..].fill(0);
                state.checked(&block);
                contents(&state, &lane, &block);
            }
            Err(error) => state.request_failed(&block, error),
        }
        issue(state, lane, context);
    });
}

/// Looks at what a read has brought.
pub(super) fn contents(state: &LaneState, lane: &Lane, block: &Block) {
    let damages = state.damages(block, &lane.buffer);
    for damage in damages {
        let from = usize::try_from(damage.offset - block.offset).unwrap_or(usize::MAX);
        let len = usize::try_from(damage.len_bytes).unwrap_or(usize::MAX);
        let received = lane.buffer.get(from..from.saturating_add(len)).unwrap_or_default();
        state.damaged(&lane.file, block.file, damage, received);
    }
}

impl LaneState {
    /// From now on everything that was written is read back and checked.
    pub(crate) fn begin_check(&self) {
        if let Some(extras) = &self.extras {
            let first = self.regions.first().map_or(0, |region| region.first_byte);
            extras.pending.set(None);
            extras.backlog.borrow_mut().clear();
            extras.backlog_due.set(0);
            extras.trims.borrow_mut().clear();
            extras.trims_due.set(0);
            extras.cursor.set(Some((0, first)));
        }
    }

    /// Ends the check of everything.
    pub(crate) fn end_check(&self) {
        self.extras.iter().for_each(|extras| extras.cursor.set(None));
    }

    /// Units that were checked.
    pub(crate) fn checked_count(&self) -> u64 {
        self.extras.as_ref().map_or(0, |extras| extras.checked_count.get())
    }

    /// The next stretch of what was written, when everything is checked.
    pub(super) fn next_check(&self, extras: &Extras, (mut file, mut offset): (u32, u64)) -> Next {
        let Some(verifier) = &extras.verifier else { return Next::Stop };
        let most = self.spec.block_bounds().1;
        while let Some(region) = self.regions.get(file as usize) {
            let end = region.first_byte + region.len_bytes;
            let found = if self.spec.verify.only {
                (offset < end).then(|| (offset, most.min(end - offset)))
            } else {
                verifier.borrow().written_from(file, offset, most)
            };
            if let Some((start, len)) = found {
                extras.cursor.set(Some((file, start + len)));
                let len_bytes = u32::try_from(len).unwrap_or(u32::MAX);
                return Next::Check(Block {
                    direction: Direction::Read,
                    file,
                    offset: start,
                    len_bytes,
                });
            }
            file += 1;
            offset = self.regions.get(file as usize).map_or(0, |region| region.first_byte);
        }
        extras.cursor.set(Some((file, offset)));
        Next::Stop
    }

    /// A block was read back.
    pub(super) fn checked(&self, block: &Block) {
        self.count(Direction::Read, block.len_bytes);
        self.extras.iter().for_each(|extras| extras.landed(block));
    }

    /// Whether what is read is checked at once.
    #[inline]
    pub(super) fn checks_reads(&self) -> bool {
        self.extras.is_some() && self.spec.verifies_reads()
    }

    /// What is wrong with a block that was read.
    pub(super) fn damages(&self, block: &Block, bytes: &[u8]) -> Vec<Damage> {
        let Some(extras) = &self.extras else { return Vec::new() };
        let Some(verifier) = &extras.verifier else { return Vec::new() };
        let verifier = verifier.borrow();
        let units = u64::from(block.len_bytes).div_ceil(verifier.unit_bytes());
        extras.checked_count.set(extras.checked_count.get() + units);
        verifier.check(block.file, block.offset, bytes)
    }

    /// Takes note of a damaged unit.
    pub(super) fn damaged(&self, file: &File, index: u32, damage: Damage, received: &[u8]) {
        let Some(extras) = &self.extras else { return };
        let Some(verifier) = &extras.verifier else { return };
        let received = self.spec.verify.dump.then_some(received);
        let verifier = verifier.borrow();
        self.problems.borrow_mut().damage(&verifier, file, index, &damage, received);
        if self.spec.verify.fatal {
            self.fail(LaneFailure::Damaged);
        }
    }
}
