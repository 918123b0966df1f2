//! The admission window: how many requests may be with the backend at once. A fixed number of
//! requests, or slots whose number follows the device. Asked by `engine` before each batch, told of
//! each completion.

use super::registry::Seat;
use crate::backend::{Completion, RequestKind};
use crate::depth::{Decision, Depth, Limits, Member, Sample, slots_of};
use crate::inflight::OpId;
use crate::lanes::Lane;
use crate::slot::Slot;
use std::collections::VecDeque;

/// A completion of a buffered file that came out of the call which submitted it, this fast, needed
/// no device. Units: nanoseconds.
const CACHED_MAX_NS: u64 = 20_000;

/// Counts what is with the backend against a limit.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u32,
    occupied: u32,
    adaptive: Option<Box<Adaptive>>,
}

/// What a window has that follows the device.
#[derive(Debug)]
struct Adaptive {
    seat: Seat,
    /// Whether the seat is at the device's own controller.
    is_attached: bool,
    /// The engine's own largest depth: as many requests the backend can hold.
    max: u32,
    limit_ns: u64,
    /// What came back and was not handed over yet.
    sample: Sample,
    /// Slots that writes may have, and have.
    writes_limit: u32,
    writes_occupied: u32,
    /// Writes that wait for that, before all that waits in the queue.
    held: VecDeque<OpId>,
    /// When this turn's batch was handed over; the largest number if there was none.
    staged_ns: u64,
    /// Whether requests were left waiting then, and how many slots were left free because all of
    /// them were writes that give way.
    is_hungry: bool,
    unused: u32,
}

/// What an adaptive depth has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthStatus {
    /// The depth in force, of all engines that share the device. Units: slots.
    pub in_force: u32,
    /// This engine's part of it.
    pub own: u32,
    /// The chosen depth, whether or not another one is being measured at this moment; `None` until
    /// the first sweep is over.
    pub chosen: Option<u32>,
    /// Whether the latency target is missed even at the least depth.
    pub is_out_of_reach: bool,
}

impl Window {
    /// An empty window; `capacity` is the most requests that can ever wait.
    pub(crate) fn new(depth: Depth, capacity: u32) -> Self {
        let Depth::Adaptive { min, max, target } = depth else {
            return Self { limit: depth.max(), occupied: 0, adaptive: None };
        };
        let adaptive = Adaptive {
            seat: Seat::alone(depth),
            is_attached: false,
            max,
            limit_ns: target.limit_ns().unwrap_or(u64::MAX),
            sample: Sample::EMPTY,
            writes_limit: min,
            writes_occupied: 0,
            held: VecDeque::with_capacity(capacity as usize),
            staged_ns: u64::MAX,
            is_hungry: false,
            unused: 0,
        };
        Self { limit: min, occupied: 0, adaptive: Some(Box::new(adaptive)) }
    }

    /// The most slots that may be taken.
    #[inline]
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Slots that are taken.
    #[inline]
    pub(crate) fn occupied(&self) -> u32 {
        self.occupied
    }

    /// How many more may go. A window that has become smaller has none until it is empty enough.
    #[inline]
    pub(crate) fn room(&self) -> u32 {
        self.limit.saturating_sub(self.occupied)
    }

    /// How many slots a request takes. With a fixed depth each request is one, and so is a step of
    /// a chain: chains are cut by the number of their steps.
    #[inline]
    pub(crate) fn slots(&self, slot: &Slot) -> u32 {
        match &self.adaptive {
            Some(_) if slot.described.request.kind.is_transfer() && slot.place.is_none() => {
                slots_of(slot.left_bytes)
            }
            _ => 1,
        }
    }

    /// A request went to the backend; the last one may take more slots than were left.
    ///
    /// # Panics
    /// If there was no room at all.
    #[inline]
    pub(crate) fn enter(&mut self, slot: &Slot) {
        assert!(self.room() > 0, "more requests went to the backend than the window allows");
        let slots = self.slots(slot);
        self.occupied += slots;
        if let Some(adaptive) = &mut self.adaptive
            && is_write(slot.described.request.kind)
        {
            adaptive.writes_occupied += slots;
        }
    }

    /// Whether each request takes one slot of a number that never changes.
    #[inline]
    pub(crate) fn is_fixed(&self) -> bool {
        self.adaptive.is_none()
    }

    /// So many requests went to the backend that take one slot each: the steps of a chain, or any
    /// if the depth is fixed.
    ///
    /// # Panics
    /// If there was no room for them.
    #[inline]
    pub(crate) fn enter_plain(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        assert!(count <= self.room(), "more requests went to the backend than the window allows");
        self.occupied += count;
    }

    /// A request came back from the backend.
    ///
    /// # Panics
    /// If it had not gone.
    #[inline]
    pub(crate) fn leave(&mut self, slot: &Slot, raw: Completion, now_ns: u64) {
        let slots = self.slots(slot);
        assert!(slots <= self.occupied, "more requests came back than had gone to the backend");
        self.occupied -= slots;
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.leave(slot, slots, raw, now_ns);
        }
    }

    /// A batch is about to be handed over.
    #[inline]
    pub(crate) fn begin(&mut self, now_ns: u64) {
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.staged_ns = now_ns;
        }
    }

    /// What could be handed over was; `is_hungry`: more waits in the queue.
    #[inline]
    pub(crate) fn staged(&mut self, is_hungry: bool) {
        if let Some(adaptive) = &mut self.adaptive {
            let is_held = !is_hungry && !adaptive.held.is_empty();
            adaptive.is_hungry = is_hungry || is_held;
            adaptive.unused = if is_held { self.limit.saturating_sub(self.occupied) } else { 0 };
        }
    }

    /// All that came was counted: hands it to the controller when it is worth it, and takes the new
    /// limits.
    #[inline]
    pub(crate) fn learn(&mut self, now_ns: u64) {
        let Some(adaptive) = &mut self.adaptive else { return };
        adaptive.staged_ns = u64::MAX;
        let slots = adaptive.sample.slots();
        // The last one of all is told at once, or others would leave room for what is not there.
        if slots == 0 || slots < self.limit / 8 && self.occupied > 0 {
            return;
        }
        adaptive.sample.now_ns = now_ns;
        adaptive.sample.backlog = adaptive.is_hungry;
        adaptive.sample.unused = adaptive.unused;
        let member = Member { in_flight: self.occupied, is_hungry: adaptive.is_hungry };
        if let Some(limits) = adaptive.seat.deliver(&adaptive.sample, member) {
            self.limit = limits.total.min(adaptive.max);
            adaptive.writes_limit = limits.writes;
            adaptive.sample = Sample::EMPTY;
        }
    }

    /// Puts writes aside that would take more than their part while reads wait, and brings them
    /// back when there is room: to the front, since they have waited longest, or behind the last
    /// read if no more reads wait, but no further than `batch_len`. `size` answers for a request of
    /// the queue how many slots it takes, and whether it is a write.
    #[inline]
    pub(crate) fn part_writes(
        &mut self,
        queue: &mut VecDeque<OpId>,
        batch_len: u32,
        size: impl FnMut(OpId) -> (u32, bool),
    ) {
        if let Some(adaptive) = &mut self.adaptive
            && (adaptive.writes_limit < self.limit || !adaptive.held.is_empty())
        {
            let limits = Limits { total: self.limit, writes: adaptive.writes_limit };
            adaptive.part_writes(queue, limits, self.occupied, batch_len, size);
        }
    }

    /// Brings back everything that was put aside.
    pub(crate) fn release(&mut self, queue: &mut VecDeque<OpId>) {
        if let Some(adaptive) = &mut self.adaptive {
            while let Some(id) = adaptive.held.pop_back() {
                queue.push_front(id);
            }
        }
    }

    /// Whether the device is still to be named.
    #[inline]
    pub(crate) fn wants_device(&self) -> bool {
        self.adaptive.as_ref().is_some_and(|adaptive| !adaptive.is_attached)
    }

    /// From now on this is the controller's device; `None` if it is nobody else's business. Answers
    /// the range of a controller that others began with another one.
    pub(crate) fn attach(&mut self, device: Option<u64>) -> Option<std::ops::RangeInclusive<u32>> {
        let adaptive = self.adaptive.as_mut()?;
        adaptive.is_attached = true;
        adaptive.seat.move_to(device?)
    }

    /// What the depth has come to; `None` if it is fixed.
    pub(crate) fn status(&self) -> Option<DepthStatus> {
        let adaptive = self.adaptive.as_ref()?;
        let (in_force, chosen, is_out_of_reach) = adaptive.seat.status();
        Some(DepthStatus { in_force, own: self.limit, chosen, is_out_of_reach })
    }

    /// What was decided; nothing if the depth is fixed.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        self.adaptive.as_ref().map_or_else(Vec::new, |adaptive| adaptive.seat.decisions())
    }
}

impl Adaptive {
    #[inline]
    fn leave(&mut self, slot: &Slot, slots: u32, raw: Completion, now_ns: u64) {
        if slot.place.is_some() {
            // Linked steps wait for each other: their latency is not the device's.
            return;
        }
        let kind = slot.described.request.kind;
        let latency_ns = now_ns.saturating_sub(slot.staged_ns);
        let is_cached = !slot.described.request.direct
            && slot.staged_ns == self.staged_ns
            && latency_ns < CACHED_MAX_NS;
        let counts = if is_write(kind) {
            self.writes_occupied = self.writes_occupied.saturating_sub(slots);
            &mut self.sample.writes
        } else {
            &mut self.sample.reads
        };
        if kind.is_transfer() && raw.result >= 0 && raw.lane != Lane::Inline && !is_cached {
            counts.add(slots, latency_ns, self.limit_ns);
        }
    }

    fn part_writes(
        &mut self,
        queue: &mut VecDeque<OpId>,
        limits: Limits,
        occupied: u32,
        batch_len: u32,
        mut size: impl FnMut(OpId) -> (u32, bool),
    ) {
        let room = limits.total.saturating_sub(occupied) as usize;
        let mut allowed = limits.left_to_writes(occupied, self.writes_occupied, true);
        // Those put aside first: they go back to the front in their order.
        let mut back = 0;
        for id in &self.held {
            if allowed == 0 {
                break;
            }
            allowed = allowed.saturating_sub(size(*id).0);
            back += 1;
        }
        for index in (0..back).rev() {
            queue.push_front(self.held[index]);
        }
        self.held.drain(..back);
        // Then as many of the queue as could go now.
        let mut index = back;
        while index < queue.len() && index < room {
            let (slots, is_write) = size(queue[index]);
            if is_write && allowed == 0 {
                let id = queue.remove(index);
                self.held.extend(id);
                continue;
            }
            if is_write {
                allowed = allowed.saturating_sub(slots);
            }
            index += 1;
        }
        if index == queue.len() && index < room && !self.held.is_empty() {
            self.fill(queue, limits, occupied, batch_len, size);
        }
    }

    /// All of the queue can go, and no more reads wait: some of the writes put aside go with it.
    fn fill(
        &mut self,
        queue: &mut VecDeque<OpId>,
        limits: Limits,
        occupied: u32,
        batch_len: u32,
        mut size: impl FnMut(OpId) -> (u32, bool),
    ) {
        let (mut taken, mut by_writes) = (occupied, self.writes_occupied);
        for id in queue.iter() {
            let (slots, is_write) = size(*id);
            taken += slots;
            by_writes += if is_write { slots } else { 0 };
        }
        while queue.len() < batch_len as usize
            && limits.left_to_writes(taken, by_writes, false) > 0
            && let Some(id) = self.held.pop_front()
        {
            let (slots, _) = size(id);
            (taken, by_writes) = (taken + slots, by_writes + slots);
            queue.push_back(id);
        }
    }
}

#[inline]
fn is_write(kind: RequestKind) -> bool {
    kind.is_transfer() && !kind.is_read()
}
