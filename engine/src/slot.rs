//! One accepted request: what the engine knows of it from its acceptance to its callback. Kept by
//! `inflight`; decides nothing.

use crate::buffer::{Seal, advance};
use crate::callback::Parcel;
use crate::chain::Place;
use crate::inflight::OpId;
use crate::op::Described;

/// Why a request is given up before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The caller asked for it.
    Cancelled,
    /// Its deadline has passed.
    DeadlineExceeded,
}

/// One accepted request.
///
/// Between its acceptance and its completion the kernel copies whole buffers, so that each cache
/// line of a slot has to be fetched anew, twice per request. What every request needs is in two
/// lines and the beginning of a third, in this order.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// What is left to do. After a short transfer its address, offset and length have moved on, but
    /// not the bytes that it counts for in the table's capacity.
    pub(crate) described: Described,
    /// When it was accepted.
    pub(crate) accepted_ns: u64,
    /// When it was first handed to the backend.
    pub(crate) staged_ns: u64,
    pub(crate) generation: u32,
    /// The next free slot while this one is free.
    pub(crate) next_free: u32,
    /// Bytes that a transfer still has to move.
    pub(crate) left_bytes: u32,
    /// Bytes that earlier, short transfers of this request moved.
    pub(crate) done_bytes: u32,
    /// Its place in a chain, if it is a step of one.
    pub(crate) place: Option<Place>,
    /// How often in a row the kernel said EINTR or EAGAIN.
    pub(crate) retries: u32,
    pub(crate) occupied: bool,
    /// Whether the backend has it, rather than the queue.
    pub(crate) with_backend: bool,
    /// Whether it has come back from the backend before, to be continued.
    pub(crate) came_back: bool,
    /// Why it is to be given up, if it is.
    pub(crate) given_up: Option<GivenUp>,
    pub(crate) parcel: Parcel,
    /// Of the memory that it must not change, taken when the backend got it.
    pub(crate) seal: Seal,
}

impl Slot {
    /// One without a request, before the free slot `next_free`.
    pub(crate) fn free(next_free: u32) -> Self {
        Self {
            described: Described::empty(),
            accepted_ns: 0,
            staged_ns: 0,
            generation: 0,
            next_free,
            left_bytes: 0,
            done_bytes: 0,
            place: None,
            retries: 0,
            occupied: false,
            with_backend: false,
            came_back: false,
            given_up: None,
            parcel: Parcel::empty(),
            seal: Seal::default(),
        }
    }

    /// Whether this request is in it.
    #[inline]
    pub(crate) fn is(&self, id: OpId) -> bool {
        self.occupied && self.described.request.id == id.to_bits()
    }

    /// After a short vectored transfer: makes the vector begin where the transfer ended.
    pub(crate) fn advance_vector(&mut self, bytes: u32) {
        let (vector, count) = (self.described.request.address.cast(), self.described.request.len);
        // SAFETY: the vector belongs to the `BufferList` of the operation in this slot's parcel;
        // the backend has completed the request and does not look at it, and `settle` has seen that
        // fewer bytes moved than were left.
        let (vector, count) = unsafe { advance(vector, count, bytes) };
        self.described.request.address = vector.cast();
        self.described.request.len = count;
    }
}

// What the comment on the slot promises, where memory is not watched.
const _: () =
    assert!(Seal::IS_ON || std::mem::offset_of!(Slot, parcel) + size_of::<usize>() == 128);
const _: () = assert!(Seal::IS_ON || size_of::<Slot>() == 256);
