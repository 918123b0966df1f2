//! An operation and its callback, stored without a heap allocation: both are moved into a fixed
//! piece of memory inside the request's slot, beside a table of functions that know their types.
//! Filled by `intake`, kept by `slot`, and by the queue of `handle`; runs callbacks when `dispatch`
//! and `intake` say so, and decides nothing.

use crate::answers::Answers;
use crate::error::Error;
use crate::inflight::OpId;
use crate::intake::{Context, Intake};
use crate::op::{After, Described, Operation, Surroundings};
use crossbeam_queue::ArrayQueue;
use std::marker::PhantomData;
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

/// The room for an operation and its callback.
type Storage = [u64; STORAGE_WORDS];

/// An operation, its callback, and the functions that know their types; or nothing.
#[repr(C)]
pub(crate) struct Parcel {
    /// `None` means that the storage is empty. First, so that it shares a cache line with what is
    /// before it in a slot.
    types: Option<&'static Types>,
    storage: MaybeUninit<Storage>,
    /// What is inside need not be `Send`, and the storage does not tell: so neither a parcel nor
    /// what holds one (a `Context` above all) may change threads.
    _stays: PhantomData<*mut ()>,
}

/// What can be done with a pair of an operation and a callback by code that does not know their
/// types.
struct Types {
    /// How many steps the operation has: one, unless it is a chain.
    steps: u32,
    /// Asks the operation in the storage to describe one of its steps.
    ///
    /// # Safety
    /// The storage must hold a pair of these types.
    describe: Describe,
    /// The way of nearly every request: frees its slot, and calls back with a success. It is the
    /// same as to take the parcel out of the slot and to deliver it, without moving it twice.
    ///
    /// # Safety
    /// The slot must hold a pair of these types.
    succeed: unsafe fn(&mut Intake, OpId, u32),
    /// Moves the pair out of the storage to its end.
    ///
    /// # Safety
    /// The storage must hold a pair of these types; it holds none after.
    unpack: unsafe fn(*mut Storage, End<'_, '_>),
}

/// See [`Types`].
type Describe =
    unsafe fn(*mut Storage, u32, Surroundings<'_>, &mut Described) -> Result<After, Error>;

/// Carries the types to their [`Types`].
struct Pair<O, F>(PhantomData<(O, F)>);

impl<O, F> Pair<O, F>
where
    O: Operation,
    F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
{
    const TYPES: &'static Types = &Types {
        steps: O::STEPS,
        describe: describe::<O, F>,
        succeed: succeed::<O, F>,
        unpack: unpack::<O, F>,
    };
}

/// What becomes of a pair.
enum End<'a, 'b> {
    /// The callback is called.
    Deliver(Delivery<'a, 'b>),
    /// Both are dropped.
    Drop,
    /// The callback is dropped, and the operation leaked.
    Abandon,
}

/// What is delivered with a parcel.
pub(crate) struct Delivery<'a, 'b> {
    pub(crate) id: OpId,
    pub(crate) outcome: Outcome<'a>,
    pub(crate) context: &'a mut Context<'b>,
}

/// How an operation went, in the engine's terms.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// Of one request, or of what was refused as a whole: the way of successes is a shorter one.
    Failed(Error),
    /// Of a chain.
    Steps(&'a mut Answers),
}

impl Parcel {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self { storage: MaybeUninit::uninit(), types: None, _stays: PhantomData }
    }

    /// Whether nothing is inside.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.types.is_none()
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
            assert!(size_of::<(O, F)>() <= size_of::<Storage>());
            assert!(
                align_of::<(O, F)>() <= align_of::<u64>(),
                "the callback is over-aligned: box it"
            );
        }
        debug_assert!(self.is_empty(), "a slot is free before it is filled");
        let place = self.storage.as_mut_ptr().cast::<(O, F)>();
        // SAFETY: the storage is large and aligned enough for the pair, as just asserted, and
        // empty.
        unsafe { place.write((op, on_complete)) };
        self.types = Some(Pair::<O, F>::TYPES);
    }

    /// Moves the contents to another parcel.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self { storage: self.storage, types: self.types.take(), _stays: PhantomData }
    }

    /// What is inside; only a parcel in a slot in flight, or in an order, is asked.
    #[inline]
    fn types(&self) -> &'static Types {
        let Some(types) = self.types else { unreachable!("what is in flight is filled") };
        types
    }

    /// Calls the callback.
    pub(crate) fn deliver(mut self, delivery: Delivery<'_, '_>) {
        let types = self.types();
        self.types = None;
        // SAFETY: `pack` set the functions together with the pair, and they are now gone, so that
        // the pair is moved out only once.
        unsafe { (types.unpack)(self.storage.as_mut_ptr(), End::Deliver(delivery)) };
    }

    /// Drops the callback, so that whoever waits for it learns that it will not come, and leaks the
    /// operation, whose memory the kernel may still use.
    #[cold]
    pub(crate) fn abandon(mut self) {
        if let Some(types) = self.types.take() {
            // SAFETY: as in `deliver`.
            unsafe { (types.unpack)(self.storage.as_mut_ptr(), End::Abandon) };
        }
    }
}

impl Drop for Parcel {
    #[inline]
    fn drop(&mut self) {
        if let Some(types) = self.types.take() {
            // SAFETY: as in `deliver`.
            unsafe { (types.unpack)(self.storage.as_mut_ptr(), End::Drop) };
        }
    }
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parcel").field("filled", &self.types.is_some()).finish_non_exhaustive()
    }
}

/// The request in this slot has succeeded: frees the slot and calls back. The slot is free before
/// the callback runs, so that the callback can submit into it.
#[inline]
pub(crate) fn call_back_with_success(intake: &mut Intake, id: OpId, answer: u32) {
    let types = intake.inflight.known(id).parcel.types();
    // SAFETY: `pack` set the functions together with the pair, and both are in the slot.
    unsafe { (types.succeed)(intake, id, answer) };
}

/// [`Types::succeed`] of one pair.
///
/// # Safety
/// As `Types` says.
unsafe fn succeed<O, F>(intake: &mut Intake, id: OpId, answer: u32)
where
    O: Operation,
    F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
{
    let parcel = intake.inflight.free_slot(id);
    // So that the pair is moved out only once.
    parcel.types = None;
    // SAFETY: the caller vouches that the storage holds this pair, which is not read again; the
    // slot is free, but nobody has taken it yet.
    let (mut op, on_complete) = unsafe { parcel.storage.as_ptr().cast::<(O, F)>().read() };
    let result = op.outcome(Ok(answer));
    on_complete(Completion { id, op, result }, &mut Context::new(intake));
}

/// [`Types::unpack`] of one pair.
///
/// # Safety
/// As `Types` says.
unsafe fn unpack<O, F>(storage: *mut Storage, end: End<'_, '_>)
where
    O: Operation,
    F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
{
    // SAFETY: the caller vouches that the storage holds this pair and is not read again.
    let (mut op, on_complete) = unsafe { storage.cast::<(O, F)>().read() };
    let Delivery { id, outcome, context } = match end {
        End::Deliver(delivery) => delivery,
        End::Drop => return,
        End::Abandon => return std::mem::forget(op),
    };
    let result = match outcome {
        Outcome::Failed(error) => {
            let error = match op.path() {
                Some(path) => error.with_path(path),
                None => error,
            };
            op.outcome(Err(error))
        }
        Outcome::Steps(answers) => op.outcome_of_steps(answers),
    };
    on_complete(Completion { id, op, result }, context);
}

/// A request on its way from another thread to its engine.
///
/// A parcel alone says nothing about threads; an order is made only of what may be sent to another.
pub(crate) struct Order {
    parcel: Parcel,
    pub(crate) tag: Tag,
}

/// What the queue knows of an order. Times are the engine's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    /// Its number in the queue, by which it can be cancelled.
    pub(crate) ticket: u64,
    /// When it is given up; `u64::MAX` for never.
    pub(crate) deadline_ns: u64,
    /// When it was accepted; 0 if the engine was idle then.
    pub(crate) accepted_ns: u64,
}

// SAFETY: `push` alone makes an order, of an operation and a callback that are both `Send`.
unsafe impl Send for Order {}

/// Orders on their way, and the plugs (`None`) that fill the queue when its engine is gone.
pub(crate) type Orders = ArrayQueue<Option<Order>>;

impl Tag {
    /// Whether it has a deadline.
    #[inline]
    pub(crate) fn is_timed(self) -> bool {
        self.deadline_ns < u64::MAX
    }
}

impl Order {
    /// Packs a request and pushes it; a full queue gives both parts back.
    #[inline]
    pub(crate) fn push<O, F>(orders: &Orders, tag: Tag, op: O, on_complete: F) -> Result<(), (O, F)>
    where
        O: Operation + Send,
        F: FnOnce(Completion<O>, &mut Context<'_>) + Send + 'static,
    {
        let mut parcel = Parcel::empty();
        parcel.pack(op, on_complete);
        let Err(order) = orders.push(Some(Self { parcel, tag })) else { return Ok(()) };
        let Some(Self { mut parcel, .. }) = order else {
            unreachable!("a full queue gives back what it was given");
        };
        parcel.types = None;
        let pair = parcel.storage.as_ptr().cast::<(O, F)>();
        // SAFETY: a full queue gives back the very order that was packed above, with this pair in
        // it; its functions are gone, so that the pair is moved out only once.
        Err(unsafe { pair.read() })
    }

    /// How many steps the operation has: one, unless it is a chain.
    #[inline]
    pub(crate) fn steps(&self) -> u32 {
        self.parcel.types().steps
    }

    /// A step of the operation in the backend's terms. What it names stays where it is when the
    /// order moves.
    #[inline]
    pub(crate) fn describe(
        &mut self,
        step: u32,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<After, Error> {
        let storage = self.parcel.storage.as_mut_ptr();
        // SAFETY: `pack` set the functions together with the pair, and an order is always full.
        unsafe { (self.parcel.types().describe)(storage, step, surroundings, into) }
    }

    /// The operation and its callback.
    #[inline]
    pub(crate) fn into_parcel(self) -> Parcel {
        self.parcel
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parcel.fmt(f)
    }
}

/// [`Types::describe`] of one pair.
///
/// # Safety
/// As `Types` says.
unsafe fn describe<O, F>(
    storage: *mut Storage,
    step: u32,
    surroundings: Surroundings<'_>,
    into: &mut Described,
) -> Result<After, Error>
where
    O: Operation,
{
    // SAFETY: the caller vouches that the storage holds this pair, which is reached through the
    // order alone.
    let (op, _) = unsafe { &mut *storage.cast::<(O, F)>() };
    op.describe_step(step, surroundings, into)
}
