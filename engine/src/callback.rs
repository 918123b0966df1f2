//! An operation and its callback, stored without a heap allocation: both are moved into a fixed
//! piece of memory inside the request's slot, beside one function that knows their types. Used by
//! `inflight`; never runs anything by itself.

use crate::error::Error;
use crate::inflight::OpId;
use crate::intake::Context;
use crate::op::Operation;
use std::mem::{MaybeUninit, align_of, size_of};

/// The most bytes that a callback may capture.
pub const CALLBACK_LEN_MAX_BYTES: usize = 64;
/// Room for the largest operation (64 bytes) and a callback.
const STORAGE_WORDS: usize = (64 + CALLBACK_LEN_MAX_BYTES) / size_of::<u64>();

/// What a callback gets: the operation with everything that was handed in, and how it went.
#[derive(Debug)]
pub struct Completion<O: Operation> {
    /// What `submit` answered.
    pub id: OpId,
    /// The operation, with its file and buffer. Change its offset and submit it again: that costs
    /// neither an allocation nor a reference count.
    pub op: O,
    /// How it went.
    pub result: Result<O::Output, Error>,
}

/// An operation, its callback, and the function that knows their types; or nothing.
pub(crate) struct Parcel {
    storage: MaybeUninit<[u64; STORAGE_WORDS]>,
    /// `None` means that the storage is empty.
    unpack: Option<Unpack>,
}

/// Moves the pair out of the storage, and calls it with the outcome or drops it.
///
/// # Safety
/// The storage must hold a pair of the types that the function was made for; it holds none after.
type Unpack = unsafe fn(*mut [u64; STORAGE_WORDS], Option<Delivery<'_, '_>>);

/// What is delivered with a parcel.
pub(crate) struct Delivery<'a, 'b> {
    pub(crate) id: OpId,
    pub(crate) outcome: Result<u32, Error>,
    pub(crate) context: &'a mut Context<'b>,
}

impl Parcel {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self { storage: MaybeUninit::uninit(), unpack: None }
    }

    /// Puts an operation and its callback in.
    #[inline]
    pub(crate) fn pack<O, F>(&mut self, op: O, on_complete: F)
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        const {
            assert!(
                size_of::<F>() <= CALLBACK_LEN_MAX_BYTES,
                "the callback captures too much: box it"
            );
            assert!(size_of::<(O, F)>() <= STORAGE_WORDS * size_of::<u64>());
            assert!(
                align_of::<(O, F)>() <= align_of::<u64>(),
                "the callback is over-aligned: box it"
            );
        }
        debug_assert!(self.unpack.is_none(), "a slot is free before it is filled");
        let place = self.storage.as_mut_ptr().cast::<(O, F)>();
        // SAFETY: the storage is large and aligned enough for the pair, as just asserted, and
        // empty.
        unsafe { place.write((op, on_complete)) };
        self.unpack = Some(unpack::<O, F>);
    }

    /// Moves the contents to another parcel, which is quicker than to move the whole slot.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self { storage: self.storage, unpack: self.unpack.take() }
    }

    /// Calls the callback.
    #[inline]
    pub(crate) fn deliver(mut self, delivery: Delivery<'_, '_>) {
        let Some(unpack) = self.unpack.take() else {
            unreachable!("only a slot in flight is delivered, and that is filled");
        };
        // SAFETY: `pack` set the function together with the pair, and it is now taken, so that the
        // pair is moved out only once.
        unsafe { unpack(self.storage.as_mut_ptr(), Some(delivery)) };
    }
}

impl Drop for Parcel {
    #[inline]
    fn drop(&mut self) {
        if let Some(unpack) = self.unpack.take() {
            // SAFETY: as in `deliver`.
            unsafe { unpack(self.storage.as_mut_ptr(), None) };
        }
    }
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parcel").field("filled", &self.unpack.is_some()).finish_non_exhaustive()
    }
}

/// The [`Unpack`] of one pair of types.
///
/// # Safety
/// As `Unpack` says.
unsafe fn unpack<O, F>(storage: *mut [u64; STORAGE_WORDS], delivery: Option<Delivery<'_, '_>>)
where
    O: Operation,
    F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
{
    // SAFETY: the caller vouches that the storage holds this pair and is not read again.
    let (mut op, on_complete) = unsafe { storage.cast::<(O, F)>().read() };
    if let Some(Delivery { id, outcome, context }) = delivery {
        let outcome = match outcome {
            Ok(answer) => Ok(answer),
            Err(error) => Err(match op.path() {
                Some(path) => error.with_path(path),
                None => error,
            }),
        };
        let result = op.outcome(outcome);
        on_complete(Completion { id, op, result }, context);
    }
}
