//! A file that is read whole in one run: its open, read and close as the backend gets them
//! together, and what their answers mean for the chain. Extends `chain`; called by `chain` and
//! `steps`.
//!
//! # Why it means the same as three steps one by one
//!
//! The close begins whatever the read has come to, because a read that ends with its file is short
//! and would cut it off. So a read that has to be gone on with finds its slot empty: a part of the
//! bytes with no errno and not at the end, EINTR, EAGAIN. Its rest cannot be read through the path,
//! which may lead to another file by now: all of the chain is made anew, one by one, on one
//! descriptor. That costs nothing that was there before, because the backend reads no file so whose
//! bytes are gone when they are read; it cuts the run behind the open of such a file, and the chain
//! goes on one by one with what is open.
//!
//! Which of the two it is tells the close: it alone empties the slot. One that was not made leaves
//! a file in it, which `steps` takes out when the chain is over, if no step has done so.

use crate::backend::{Request, RequestFile, RequestKind};
use crate::chain::{Chain, Chains};
use crate::inflight::InFlight;
use crate::metrics::Metrics;
use crate::op::After;

/// Open, read, close.
pub(crate) const RUN_LEN: usize = 3;

/// A slot of the registered files that is kept for a chain's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSlot {
    /// Nothing is open in it.
    Empty(u32),
    /// The file is open in it, or may be.
    Open(u32),
}

impl Chains {
    /// Whether a chain can be handed over as such a run, and there is a slot for it.
    pub(crate) fn has_whole_run(&self, chain: u32) -> bool {
        let chain = &self.table[chain as usize];
        let is_whole = !chain.alone
            && chain.done == 0
            && chain.len == RUN_LEN
            && chain.after[1..RUN_LEN] == [After::Descriptor; RUN_LEN - 1];
        is_whole && (chain.file_slot.is_some() || !self.file_slots.is_empty())
    }

    /// Puts all of such a chain into the batch.
    pub(crate) fn stage_whole(
        &mut self,
        chain: u32,
        now_ns: u64,
        inflight: &mut InFlight,
        batch: &mut Vec<Request>,
    ) {
        let chain = &mut self.table[chain as usize];
        let slot = match chain.file_slot {
            Some(FileSlot::Empty(slot) | FileSlot::Open(slot)) => Some(slot),
            None => self.file_slots.pop(),
        };
        let Some(slot) = slot else { unreachable!("`has_whole_run` has seen one") };
        chain.file_slot = Some(FileSlot::Empty(slot));
        for id in &chain.ids[..RUN_LEN] {
            let step = inflight.slot(*id);
            if step.staged_ns == 0 {
                step.staged_ns = now_ns;
            }
            batch.push(in_slot(&step.described.request, slot));
        }
        chain.run = RUN_LEN;
        chain.whole = Some([0; RUN_LEN]);
    }

    /// Steps that are with the backend in such runs.
    #[inline]
    pub(crate) fn whole_out(&self) -> usize {
        self.whole_out
    }

    /// The steps that the backend is asked to stop: not the close of such a run, which ends by
    /// itself when the read has.
    pub(crate) fn stoppable(&self, chain: u32) -> usize {
        let chain = &self.table[chain as usize];
        if chain.whole.is_some() { RUN_LEN - 1 } else { chain.len }
    }

    /// The slot in which a chain that is over has left its file.
    pub(crate) fn left_open(&self, chain: u32) -> Option<u32> {
        match self.table[chain as usize].file_slot {
            Some(FileSlot::Open(slot)) => Some(slot),
            _ => None,
        }
    }

    /// That slot is empty again.
    pub(crate) fn emptied(&mut self, chain: u32) {
        let chain = &mut self.table[chain as usize];
        if let Some(FileSlot::Open(slot)) = chain.file_slot {
            chain.file_slot = Some(FileSlot::Empty(slot));
        }
    }
}

impl Chain {
    /// Takes the answers to all three steps, of which none is with the backend any more.
    pub(crate) fn settle_whole(
        &mut self,
        now_ns: u64,
        inflight: &mut InFlight,
        metrics: &mut Metrics,
    ) {
        let Some([opened, read, closed]) = self.whole.take() else { return };
        if opened < 0 {
            // Nothing is open. What may be the slot's fault is not the file's.
            self.alone |= matches!(-opened, libc::EBADF | libc::EINVAL | libc::ENXIO);
            if !self.alone {
                self.settle_next(opened, now_ns, inflight, metrics);
            }
            return;
        }
        let is_given_up = inflight.slot(self.ids[0]).given_up.is_some();
        let is_passing = matches!(-read, libc::EAGAIN | libc::EINTR | libc::ECANCELED);
        // One by one, whichever way it goes on.
        self.alone |= is_passing && !is_given_up;
        if closed >= 0 && self.alone {
            if let Some(counted) = metrics.of(RequestKind::Read) {
                counted.retries += 1;
            }
            return;
        }
        if let (Some(FileSlot::Empty(slot)), true) = (self.file_slot, closed < 0) {
            self.file_slot = Some(FileSlot::Open(slot));
        }
        self.in_slot = true;
        self.settle_next(opened, now_ns, inflight, metrics);
        if self.alone {
            return;
        }
        if let Ok(bytes) = u32::try_from(read) {
            // The backend has seen that the file ends there.
            inflight.slot(self.ids[1]).left_bytes = bytes;
        }
        self.settle_next(read, now_ns, inflight, metrics);
        if self.failure.is_none() {
            self.settle_next(closed, now_ns, inflight, metrics);
        }
    }
}

/// A step as the run has it.
fn in_slot(request: &Request, slot: u32) -> Request {
    let (kind, flags) = match request.kind {
        RequestKind::Open => {
            (RequestKind::OpenSlot, request.flags & !libc::O_CLOEXEC.cast_unsigned())
        }
        RequestKind::Read => (RequestKind::ReadSlot, request.flags),
        _ => (RequestKind::CloseSlot, request.flags),
    };
    let linked = kind != RequestKind::CloseSlot;
    Request { kind, flags, linked, file: RequestFile::Slot(slot), ..*request }
}
