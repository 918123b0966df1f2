//! The table of accepted requests: fixed slots, found by an id that carries the slot's generation,
//! so that a stale id is noticed instead of hitting a newer request. Owned by `engine`; makes no
//! decisions.

use crate::callback::Parcel;
use crate::error::{Error, ErrorKind};
use crate::op::Described;
use crate::slot::Slot;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The name of an accepted request: unique in the process, as long as fewer than 2^32 requests used
/// the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpId {
    bits: u64,
    /// Whose.
    engine: u32,
}

impl OpId {
    /// Names no request: for what was refused after its caller had handed it over.
    pub(crate) const NONE: Self = Self { bits: u64::MAX, engine: u32::MAX };

    #[inline]
    fn new(engine: u32, generation: u32, index: u32) -> Self {
        Self { bits: (u64::from(generation) << 32) | u64::from(index), engine }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub(crate) fn index(self) -> u32 {
        self.bits as u32
    }

    /// As the backend carries it.
    #[inline]
    pub(crate) fn to_bits(self) -> u64 {
        self.bits
    }

    /// The number of its engine.
    #[inline]
    pub(crate) fn engine(self) -> u32 {
        self.engine
    }
}

/// Marks the end of the free slots.
const NONE: u32 = u32::MAX;

#[cold]
fn not_in_flight() -> ! {
    panic!("a backend completed a request that is not in flight")
}

/// All slots.
#[derive(Debug)]
pub(crate) struct InFlight {
    slots: Box<[Slot]>,
    room: Room,
}

/// What the table knows beside its slots.
#[derive(Debug)]
struct Room {
    first_free: u32,
    occupied: u32,
    /// Bytes that further transfers may move together.
    bytes_left: u64,
    bytes_max: u64,
    /// The number of the engine, to which the ids belong.
    engine: u32,
}

/// A free slot, in which a request is described, and accepted or not after that.
#[derive(Debug)]
pub(crate) struct Vacancy<'a> {
    index: u32,
    slot: &'a mut Slot,
    room: &'a mut Room,
}

impl InFlight {
    /// A table for `capacity` requests.
    pub(crate) fn new(capacity: u32, engine: u32) -> Self {
        let slot = |index: u32| Slot::free(if index + 1 < capacity { index + 1 } else { NONE });
        let first_free = if capacity > 0 { 0 } else { NONE };
        let slots = (0..capacity).map(slot).collect();
        let (bytes_left, bytes_max) = (u64::MAX, u64::MAX);
        Self { slots, room: Room { first_free, occupied: 0, bytes_left, bytes_max, engine } }
    }

    /// The same table, for transfers of no more bytes together.
    pub(crate) fn with_bytes_max(mut self, bytes_max: u64) -> Self {
        (self.room.bytes_left, self.room.bytes_max) = (bytes_max, bytes_max);
        self
    }

    /// Whether no slot is free.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.room.first_free == NONE
    }

    /// Refuses transfers of so many bytes together that do not fit beside those that were accepted.
    #[inline]
    pub(crate) fn check_bytes(&self, total_bytes: u64) -> Result<(), Error> {
        self.room.check_bytes(total_bytes)
    }

    /// Whether there is room for so many requests of so many bytes together; an error if there
    /// never will be.
    pub(crate) fn has_room(&self, requests: u32, bytes: u64) -> Result<bool, Error> {
        let capacity = self.slots.len();
        if requests as usize > capacity || bytes > self.room.bytes_max {
            let bytes_max = self.room.bytes_max;
            let why = format!(
                "{requests} requests of {bytes} bytes together exceed the engine's capacity of \
                 {capacity} requests and {bytes_max} bytes"
            );
            return Err(Error::refused(ErrorKind::TooLarge, "wait for room", why));
        }
        let free = capacity - self.room.occupied as usize;
        Ok(requests as usize <= free && bytes <= self.room.bytes_left)
    }

    /// Accepted requests.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.room.occupied
    }

    /// How many more requests there is room for.
    #[inline]
    pub(crate) fn free(&self) -> u32 {
        self.capacity() - self.room.occupied
    }

    /// How many requests there is room for in all.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        // Made for a number of this type.
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// The slot of the next request; `None` when none is free.
    #[inline]
    pub(crate) fn vacancy(&mut self) -> Option<Vacancy<'_>> {
        let index = self.room.first_free;
        let slot = self.slots.get_mut(index as usize)?;
        debug_assert!(!slot.occupied, "a free slot is not occupied");
        Some(Vacancy { index, slot, room: &mut self.room })
    }

    /// Accepts a request that was described elsewhere; `None` when there is no free slot.
    pub(crate) fn insert(&mut self, described: Described) -> Option<(OpId, &mut Slot)> {
        let mut vacancy = self.vacancy()?;
        *vacancy.described() = described;
        Some(vacancy.occupy())
    }

    /// The slot of a request in flight.
    ///
    /// # Panics
    /// If there is none: a backend completed a request twice, or one that it never got.
    #[inline]
    pub(crate) fn slot(&mut self, id: OpId) -> &mut Slot {
        match self.slots.get_mut(id.index() as usize) {
            Some(slot) if slot.is(id) => slot,
            _ => not_in_flight(),
        }
    }

    /// The slot of a request that the engine itself has kept the name of, and so knows to be in
    /// flight.
    #[inline]
    pub(crate) fn known(&mut self, id: OpId) -> &mut Slot {
        let slot = &mut self.slots[id.index() as usize];
        debug_assert!(slot.is(id), "what the engine keeps the name of is in flight");
        slot
    }

    /// The slot of a request, or `None` if it has completed.
    pub(crate) fn find(&mut self, id: OpId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index() as usize)?;
        slot.is(id).then_some(slot)
    }

    /// The name of a request, from what its backend carried.
    #[inline]
    pub(crate) fn id_from_bits(&self, bits: u64) -> OpId {
        OpId { bits, engine: self.room.engine }
    }

    /// The names of all requests.
    pub(crate) fn ids(&self) -> impl Iterator<Item = OpId> + '_ {
        let occupied = self.slots.iter().filter(|slot| slot.occupied);
        occupied.map(|slot| self.id_from_bits(slot.described.request.id))
    }

    /// The name of the request that occupies a slot.
    pub(crate) fn id_of(&self, index: u32) -> OpId {
        self.id_from_bits(self.slots[index as usize].described.request.id)
    }

    /// Leaks the operations in flight, whose memory the kernel may still use, and drops their
    /// callbacks, so that whoever waits for one learns that it will not come.
    pub(crate) fn abandon(mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.occupied) {
            let parcel = slot.parcel.take();
            // A value that panics when it is dropped must not save the others from being leaked.
            let _ = catch_unwind(AssertUnwindSafe(|| parcel.abandon()));
        }
        std::mem::forget(self);
    }

    /// Frees the slot and moves its parcel out.
    pub(crate) fn remove(&mut self, id: OpId) -> Parcel {
        self.slot(id);
        self.free_slot(id).take()
    }

    /// Frees the slot of a request that the caller knows to be in flight, and moves out what is in
    /// its parcel before anything else.
    #[inline]
    pub(crate) fn free_slot(&mut self, id: OpId) -> &mut Parcel {
        let slot = &mut self.slots[id.index() as usize];
        debug_assert!(slot.is(id), "a request is freed once");
        self.room.occupied -= 1;
        self.room.bytes_left += u64::from(slot.described.total_bytes);
        slot.occupied = false;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = std::mem::replace(&mut self.room.first_free, id.index());
        &mut slot.parcel
    }
}

impl<'a> Vacancy<'a> {
    /// Where the request is to be described.
    #[inline]
    pub(crate) fn described(&mut self) -> &mut Described {
        &mut self.slot.described
    }

    /// Refuses what was described if its bytes do not fit beside those that were accepted.
    #[inline]
    pub(crate) fn check_bytes(&self) -> Result<(), Error> {
        self.room.check_bytes(u64::from(self.slot.described.total_bytes))
    }

    /// Accepts the request that was described. The caller fills the parcel.
    #[inline]
    pub(crate) fn occupy(self) -> (OpId, &'a mut Slot) {
        let Self { index, slot, room } = self;
        room.first_free = slot.next_free;
        room.occupied += 1;
        let total_bytes = slot.described.total_bytes;
        room.bytes_left -= u64::from(total_bytes);
        let id = OpId::new(room.engine, slot.generation, index);
        slot.described.request.id = id.to_bits();
        slot.occupied = true;
        slot.left_bytes = total_bytes;
        slot.done_bytes = 0;
        slot.with_backend = false;
        slot.came_back = false;
        slot.place = None;
        slot.given_up = None;
        slot.retries = 0;
        slot.staged_ns = 0;
        (id, slot)
    }
}

impl Room {
    #[inline]
    fn check_bytes(&self, total_bytes: u64) -> Result<(), Error> {
        if total_bytes <= self.bytes_left { Ok(()) } else { Err(self.refusal(total_bytes)) }
    }

    #[cold]
    fn refusal(&self, total_bytes: u64) -> Error {
        let bytes_max = self.bytes_max;
        if total_bytes <= bytes_max {
            return Error::answer(ErrorKind::Full);
        }
        let why = format!(
            "a transfer of {total_bytes} bytes exceeds the engine's capacity of {bytes_max} by \
             itself: split it, or configure a larger capacity in bytes"
        );
        Error::refused(ErrorKind::TooLarge, "submit", why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn nop() -> Described {
        Described::empty()
    }

    proptest! {
        #[test]
        fn ids_are_unique_and_the_table_never_holds_more_than_its_capacity(
            capacity in 1_u32..9, steps in prop::collection::vec(any::<(bool, u8)>(), 0..300)
        ) {
            let mut table = InFlight::new(capacity, 0);
            let (mut live, mut seen) = (Vec::new(), HashSet::new());
            for (insert, which) in steps {
                if insert {
                    let id = table.insert(nop()).map(|(id, _)| id);
                    prop_assert_eq!(id.is_some(), live.len() < capacity as usize);
                    if let Some(id) = id {
                        prop_assert!(seen.insert(id), "an id came twice");
                        live.push(id);
                    }
                } else if !live.is_empty() {
                    let id = live.swap_remove(usize::from(which) % live.len());
                    prop_assert_eq!(table.slot(id).described.request.id, id.to_bits());
                    drop(table.remove(id));
                }
                prop_assert_eq!(table.len() as usize, live.len());
            }
        }
    }

    proptest! {
        #[test]
        fn bytes_are_bounded_and_counted_until_their_request_is_gone(
            bytes_max in 1_u64..100, steps in prop::collection::vec(any::<(bool, u8)>(), 0..200)
        ) {
            let mut table = InFlight::new(4, 0).with_bytes_max(bytes_max);
            let mut live: Vec<(OpId, u32)> = Vec::new();
            for (insert, number) in steps {
                let sum: u64 = live.iter().map(|(_, len)| u64::from(*len)).sum();
                if insert {
                    let total_bytes = u32::from(number);
                    let fits = total_bytes == 0 || sum + u64::from(total_bytes) <= bytes_max;
                    let checked = table.check_bytes(u64::from(total_bytes));
                    prop_assert_eq!(checked.is_ok(), fits);
                    let never = u64::from(total_bytes) > bytes_max;
                    prop_assert_eq!(table.has_room(1, u64::from(total_bytes)).is_err(), never);
                    if let Err(error) = checked {
                        let kind = if never { ErrorKind::TooLarge } else { ErrorKind::Full };
                        prop_assert_eq!(error.kind(), kind);
                    } else if let Some((id, slot)) =
                        table.insert(Described { total_bytes, ..nop() })
                    {
                        // As a short transfer leaves it.
                        slot.left_bytes = 0;
                        live.push((id, total_bytes));
                    }
                } else if !live.is_empty() {
                    let (id, _) = live.swap_remove(usize::from(number) % live.len());
                    drop(table.remove(id));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "not in flight")]
    fn a_stale_id_is_noticed_although_its_slot_is_in_use_again() {
        let mut table = InFlight::new(1, 0);
        let (stale, _) = table.insert(nop()).unwrap();
        drop(table.remove(stale));
        table.insert(nop()).unwrap();
        table.slot(stale);
    }
}
