//! Reading back what was written, and looking at it.
//!
//! Owns what happens to a block that is checked; what is right and wrong is `verify`'s. Called by
//! `lane`.

use std::rc::Rc;

use iomill_engine::{Completion, Read};

use super::state::LaneState;
use super::{Lane, Submit, aim, issue, submit};
use crate::workload::Block;

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
