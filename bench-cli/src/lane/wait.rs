//! Lanes that wait: for their time, for another request, for other jobs, or for the next loop.
//!
//! Owns what is parked and when it can go on; the schedule itself is `pace`'s. Called by `lane`,
//! `state` and `job_thread`.

use super::Lane;
use super::extras::Extras;
use super::state::LaneState;
use crate::workload::Block;

impl LaneState {
    /// Begins the schedule, if there is one: nothing was due before now.
    pub(crate) fn begin_schedule(&self) {
        let Some(extras) = &self.extras else { return };
        if let Some(pacer) = &extras.pacer {
            extras.now_ns.set(None);
            pacer.borrow_mut().begin(extras.now_ns());
        }
        extras.flow.iter().for_each(|flow| flow.borrow_mut().begin());
    }

    /// A lane that has nothing to do any more.
    pub(super) fn retire(&self, lane: Lane) {
        self.retired.borrow_mut().push(lane);
    }

    /// Lanes that can be started again.
    pub(crate) fn take_retired(&self) -> Vec<Lane> {
        let mut lanes = self.retired.take();
        lanes.append(&mut self.parked.borrow_mut());
        lanes
    }

    pub(super) fn park(&self, lane: Lane) {
        self.parked.borrow_mut().push(lane);
    }

    pub(super) fn unpark(&self) -> Option<Lane> {
        self.parked.borrow_mut().pop()
    }

    /// How many lanes wait for their next request to be due.
    #[inline]
    pub(crate) fn parked_count(&self) -> usize {
        self.parked.borrow().len()
    }

    /// When parked lanes can go on, in nanoseconds from now: 0 at once, `None` after another
    /// request has completed.
    pub(crate) fn due_in_ns(&self) -> Option<u64> {
        let extras = self.extras.as_ref()?;
        if extras.waits_for_other.get() {
            return None;
        }
        if extras.waits_for_flow.replace(false) {
            let pause_ns = self.spec.pace.flow_sleep.as_nanos().max(1);
            return Some(u64::try_from(pause_ns).unwrap_or(u64::MAX));
        }
        extras.now_ns.set(None);
        let block = extras.pending.get();
        let due_ns = match (block, &extras.pacer) {
            (Some(block), Some(pacer)) => pacer.borrow().due_ns(block.direction),
            _ => 0,
        };
        Some(due_ns.saturating_sub(extras.now_ns()))
    }

    /// What waited for another request is tried again after the next tick.
    pub(crate) fn retry_at_next_tick(&self) {
        self.extras.iter().for_each(|extras| extras.waits_for_other.set(false));
    }

    /// The time has to be read anew.
    #[inline]
    pub(crate) fn forget_time(&self) {
        if let Some(extras) = &self.extras {
            extras.now_ns.set(None);
        }
    }

    /// Whether the block has to wait: for its time, for another request, or for other jobs.
    pub(super) fn has_to_wait(&self, extras: &Extras, block: &Block) -> bool {
        let due_ns = extras.pacer.as_ref().map(|pacer| pacer.borrow().due_ns(block.direction));
        if due_ns.is_some_and(|due_ns| due_ns > extras.now_ns()) {
            return true;
        }
        if extras.verifier.is_some() && extras.overlaps(block) {
            extras.waits_for_other.set(true);
            return true;
        }
        // Last, because it counts the request.
        let admitted = extras.flow.as_ref().is_none_or(|flow| flow.borrow_mut().admit());
        extras.waits_for_flow.set(!admitted);
        !admitted
    }
}
