//! One io_uring: its queues, its names in the kernel, and what it has done so far. Made by `setup`;
//! driven by one thread. Entering the kernel is `enter`'s part, registering is `register`'s.

use crate::abi::{Features, RegisterOp, SetupFlags, Sqe};
use crate::cqueue::{CompletionQueue, Completions};
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::register::WaitRegion;
use crate::setup::{GivenUp, QueueMemory};
use crate::squeue::{QueueFull, SqeTail, SubmissionQueue};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;

/// What the ring has done so far. Units: counts since set-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Calls of `io_uring_enter(2)`.
    pub enters: u64,
    /// Times that completions had overflowed into the kernel's memory and were fetched from there.
    pub overflow_flushes: u64,
    /// Times that the SQPOLL thread slept and was woken.
    pub wakeups: u64,
}

/// What `setup` found: everything that a ring is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) sq: SubmissionQueue,
    pub(crate) cq: CompletionQueue,
    pub(crate) descriptor: Descriptor,
    pub(crate) memory: QueueMemory,
    pub(crate) flags: SetupFlags,
    pub(crate) features: Features,
    pub(crate) given_up: Vec<GivenUp>,
}

impl Parts {
    /// Registers the ring's own descriptor, where wished. The index holds for the thread that
    /// registered it, so only a ring that is bound to one thread gets it.
    pub(crate) fn register_index(&mut self, wished: bool) {
        if !(wished && self.flags.contains(SetupFlags::SINGLE_ISSUER)) {
            return;
        }
        if let Err(errno) = self.descriptor.register_index() {
            let what = "registered ring descriptor (Linux 5.18)";
            let why = "the kernel refused to register it";
            self.given_up.push(GivenUp { what, errno: Some(errno), why });
        }
    }
}

/// An io_uring instance.
///
/// It stays on the thread that built or enabled it: with `SINGLE_ISSUER` the kernel refuses others,
/// and the registered descriptor means something else there. Dropping it closes the ring at once;
/// requests in flight go on in the kernel, so whoever pushed them must keep their memory or wait
/// first.
#[derive(Debug)]
pub struct Ring {
    pub(crate) parts: Parts,
    pub(crate) counters: RingCounters,
    pub(crate) waits: Option<WaitRegion>,
    _bound_to_thread: PhantomData<*mut ()>,
}

impl Ring {
    pub(crate) fn assemble(parts: Parts) -> Self {
        let counters = RingCounters::default();
        Self { parts, counters, waits: None, _bound_to_thread: PhantomData }
    }

    /// Stages one entry. The kernel sees it at the next submission.
    ///
    /// # Errors
    /// [`QueueFull`] when the queue has no room; the entry is not taken.
    ///
    /// # Safety
    /// Until the entry's final completion was read, also if the ring is dropped before:
    /// - every address in it is valid for what the operation does there, and nothing else reads
    ///   memory that the operation writes or writes memory that it reads;
    /// - its file descriptor stays open and means the same file, and a registered slot or buffer
    ///   that it names stays registered;
    /// - paths and time values that it points to stay alive until it has been submitted, on kernels
    ///   without [`Features::SUBMIT_STABLE`] until the completion;
    /// - a buffer group that it selects from stays registered.
    #[inline]
    pub unsafe fn push(&mut self, sqe: &Sqe) -> Result<(), QueueFull> {
        self.parts.sq.push(sqe)
    }

    /// Stages one entry of 128 bytes, of which `tail` is the second half. On a ring with `SQE128`
    /// [`push`](Self::push) works too, with a second half of zeroes. On one with `SQE_MIXED` the
    /// opcode must be one of 128 bytes ([`Opcode::URING_CMD128`](crate::Opcode::URING_CMD128)), and
    /// the entry takes two slots: it is refused when fewer than three are free.
    ///
    /// Kernel: Linux 5.19 with `SQE128`, 6.19 with `SQE_MIXED`.
    ///
    /// # Errors
    /// As `push`.
    ///
    /// # Panics
    /// On a ring that was set up with neither.
    ///
    /// # Safety
    /// As `push`, also for every address that `tail` holds.
    #[inline]
    pub unsafe fn push128(&mut self, sqe: &Sqe, tail: &SqeTail) -> Result<(), QueueFull> {
        if self.parts.flags.contains(SetupFlags::SQE_MIXED) {
            return self.parts.sq.push_pair(sqe, tail);
        }
        self.parts.sq.push128(sqe, tail)
    }

    /// The completions that can be read now, in the order in which they were posted. Makes no
    /// system call: with `DEFER_TASKRUN` completions appear only after a call that waits.
    #[inline]
    pub fn completions(&mut self) -> Completions<'_> {
        self.parts.cq.completions()
    }

    /// How many slots of the completion queue can be read now. Makes no system call.
    #[inline]
    pub fn ready(&self) -> u32 {
        self.parts.cq.ready()
    }

    /// Entries staged or offered that the kernel has not taken yet.
    #[inline]
    pub fn pending(&self) -> u32 {
        self.parts.sq.pending()
    }

    /// Entries of the submission queue.
    pub fn sq_entries(&self) -> u32 {
        self.parts.sq.capacity()
    }

    /// Slots of the completion queue. Keep no more requests in flight than this; a completion of 32
    /// bytes on a ring with `CQE_MIXED` takes two.
    pub fn cq_entries(&self) -> u32 {
        self.parts.cq.capacity()
    }

    /// The set-up that the kernel granted.
    pub fn setup_flags(&self) -> SetupFlags {
        self.parts.flags
    }

    /// What the kernel says that it can do.
    pub fn features(&self) -> Features {
        self.parts.features
    }

    /// What was asked for and is not there, with the reason.
    pub fn given_up(&self) -> &[GivenUp] {
        &self.parts.given_up
    }

    /// What the ring has done so far.
    pub fn counters(&self) -> RingCounters {
        self.counters
    }

    /// Completions that the kernel lost for want of memory. Always 0 since Linux 5.5.
    pub fn lost(&self) -> u32 {
        self.parts.cq.lost()
    }

    /// The ring's file descriptor, which polls readable when completions are there; `None` with
    /// `REGISTERED_FD_ONLY`.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.parts.descriptor.fd()
    }

    /// Registers the ring's own descriptor for this thread, where wished and possible.
    pub(crate) fn register_index(&mut self, wished: bool) {
        self.parts.register_index(wished);
    }

    /// `io_uring_register(2)` on this ring; `what` names the thing for the message, with numbers.
    ///
    /// # Safety
    /// As `syscall::register`.
    pub(crate) unsafe fn register(
        &self,
        op: RegisterOp,
        argument: *const c_void,
        count: u32,
        what: impl FnOnce() -> String,
    ) -> Result<u32, Error> {
        // SAFETY: the caller vouches for the argument.
        let answer = unsafe { self.parts.descriptor.register(op, argument, count) };
        answer.map_err(|errno| Error::register(errno, op, &what()))
    }
}
