//! One io_uring: stage entries, hand them to the kernel, read completions. Made by `builder`; driven
//! by one thread. Never blocks unless asked to wait, and never touches a request's memory.

use crate::abi::{
    EnterFlags, Features, GetEventsArg, KernelTimespec, RegisterOp, RsrcUpdate2, SetupFlags,
    SqFlags, Sqe,
};
use crate::builder::GivenUp;
use crate::cqueue::{CompletionQueue, Completions};
use crate::error::Error;
use crate::mapping::Mapping;
use crate::squeue::{QueueFull, SubmissionQueue};
use crate::syscall;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

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

/// What `builder` hands over.
pub(crate) struct Parts {
    pub(crate) sq: SubmissionQueue,
    pub(crate) cq: CompletionQueue,
    pub(crate) mappings: [Mapping; 2],
    pub(crate) fd: OwnedFd,
    pub(crate) registered_fd: Option<u32>,
    pub(crate) flags: SetupFlags,
    pub(crate) features: Features,
    pub(crate) given_up: Vec<GivenUp>,
}

/// An io_uring instance.
///
/// It stays on the thread that built it: with `SINGLE_ISSUER` the kernel refuses others, and the
/// registered descriptor means something else there. Dropping it closes the ring at once; requests
/// in flight go on in the kernel, so whoever pushed them must keep their memory or wait first.
#[derive(Debug)]
pub struct Ring {
    sq: SubmissionQueue,
    cq: CompletionQueue,
    /// What `enter` is called with: the registered index or the descriptor.
    enter_fd: RawFd,
    enter_flags: EnterFlags,
    flags: SetupFlags,
    features: Features,
    counters: RingCounters,
    given_up: Vec<GivenUp>,
    registered_fd: Option<u32>,
    fd: OwnedFd,
    /// Declared after the queues that point into them.
    _mappings: [Mapping; 2],
    _bound_to_thread: PhantomData<*mut ()>,
}

impl Ring {
    pub(crate) fn assemble(parts: Parts) -> Self {
        let (enter_fd, enter_flags) = match parts.registered_fd {
            Some(index) => (index.cast_signed(), EnterFlags::REGISTERED_RING),
            None => (parts.fd.as_raw_fd(), EnterFlags::empty()),
        };
        Self {
            sq: parts.sq,
            cq: parts.cq,
            enter_fd,
            enter_flags,
            flags: parts.flags,
            features: parts.features,
            counters: RingCounters::default(),
            given_up: parts.given_up,
            registered_fd: parts.registered_fd,
            fd: parts.fd,
            _mappings: parts.mappings,
            _bound_to_thread: PhantomData,
        }
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
    /// - paths and time values that it points to stay alive until it has been submitted.
    #[inline]
    pub unsafe fn push(&mut self, sqe: &Sqe) -> Result<(), QueueFull> {
        self.sq.push(sqe)
    }

    /// Hands every staged entry to the kernel without waiting, in one system call or, with SQPOLL
    /// and its thread awake, in none. Answers how many the kernel took (with SQPOLL: were offered).
    ///
    /// The rest stays staged, and the next submission offers it again.
    ///
    /// # Errors
    /// `Interrupted`, `Again` and `Busy` say that nothing was taken and the call may be repeated.
    #[inline]
    pub fn submit(&mut self) -> Result<u32, Error> {
        self.enter(0, None)
    }

    /// As [`submit`](Self::submit), and waits until `at_least` completions can be read.
    ///
    /// Fewer may be there when it returns: a signal ends the wait when entries were taken, and a full
    /// completion queue ends it at once. Look at what [`completions`](Self::completions) yields.
    ///
    /// # Errors
    /// As `submit`.
    #[inline]
    pub fn submit_and_wait(&mut self, at_least: u32) -> Result<u32, Error> {
        self.enter(at_least, None)
    }

    /// As [`submit_and_wait`](Self::submit_and_wait), for no longer than `timeout`.
    ///
    /// Kernel: the timeout is part of the call since Linux 5.11; before, the wait is a poll(2) of
    /// the ring's descriptor, which ends at the first completion.
    ///
    /// # Errors
    /// As `submit`, and `TimedOut` when nothing was submitted and the time passed first.
    pub fn submit_and_wait_for(&mut self, at_least: u32, timeout: Duration) -> Result<u32, Error> {
        if self.features.contains(Features::EXT_ARG) {
            return self.enter(at_least, Some(timeout));
        }
        let taken = self.enter(0, None)?;
        if self.cq.ready() < at_least {
            self.poll_descriptor(timeout)?;
        }
        Ok(taken)
    }

    /// The completions that can be read now, in the order in which they were posted. Makes no system
    /// call: with `DEFER_TASKRUN` completions appear only after a call that waits.
    #[inline]
    pub fn completions(&mut self) -> Completions<'_> {
        self.cq.completions()
    }

    /// Whether the kernel holds completions that a call with a wait (also for 0) would bring.
    #[inline]
    pub fn completions_wait_in_kernel(&self) -> bool {
        self.sq.flags().intersects(SqFlags::TASKRUN | SqFlags::CQ_OVERFLOW)
    }

    /// Entries staged or offered that the kernel has not taken yet.
    #[inline]
    pub fn pending(&self) -> u32 {
        self.sq.pending()
    }

    /// Entries of the submission queue.
    pub fn sq_entries(&self) -> u32 {
        self.sq.capacity()
    }

    /// Entries of the completion queue. Keep no more requests in flight than this.
    pub fn cq_entries(&self) -> u32 {
        self.cq.capacity()
    }

    /// The set-up that the kernel granted.
    pub fn setup_flags(&self) -> SetupFlags {
        self.flags
    }

    /// What the kernel says that it can do.
    pub fn features(&self) -> Features {
        self.features
    }

    /// What was asked for and is not there, with the reason.
    pub fn given_up(&self) -> &[GivenUp] {
        &self.given_up
    }

    /// What the ring has done so far.
    pub fn counters(&self) -> RingCounters {
        self.counters
    }

    /// Completions that the kernel lost for want of memory. Always 0 since Linux 5.5.
    pub fn lost(&self) -> u32 {
        self.cq.lost()
    }

    /// One `io_uring_enter(2)`, or none when there is nothing to do for it.
    #[inline]
    fn enter(&mut self, at_least: u32, timeout: Option<Duration>) -> Result<u32, Error> {
        self.sq.publish();
        let mut flags = self.enter_flags;
        let to_submit = self.sq.pending();
        let sqpoll = self.flags.contains(SetupFlags::SQPOLL);
        if sqpoll {
            // The tail store above and the flag load below must not change places: the SQPOLL
            // thread stores NEED_WAKEUP, fences, and then looks at the tail once more before it
            // sleeps. If our load were to pass our store, it could miss the tail while we miss the
            // flag, and both sides would sleep. Release and Acquire do not forbid this, not even
            // on x86: only a full fence on both sides does.
            fence(Ordering::SeqCst);
        }
        let seen = self.sq.flags();
        if sqpoll && seen.contains(SqFlags::NEED_WAKEUP) {
            flags |= EnterFlags::SQ_WAKEUP;
            self.counters.wakeups += 1;
        }
        if at_least > 0 || seen.intersects(SqFlags::TASKRUN | SqFlags::CQ_OVERFLOW) {
            flags |= EnterFlags::GETEVENTS;
            self.counters.overflow_flushes += u64::from(seen.contains(SqFlags::CQ_OVERFLOW));
        }
        if flags == self.enter_flags && (sqpoll || to_submit == 0) {
            return Ok(to_submit);
        }
        self.counters.enters += 1;
        let taken = match timeout {
            None => self.enter_plain(to_submit, at_least, flags),
            Some(timeout) => self.enter_timed(to_submit, at_least, flags, timeout),
        };
        taken.map_err(Error::enter)
    }

    #[inline]
    fn enter_plain(&self, to_submit: u32, at_least: u32, flags: EnterFlags) -> Result<u32, i32> {
        let none = std::ptr::null();
        // SAFETY: each published entry came through `push`, whose caller vouched for it; there is no
        // argument.
        unsafe { syscall::enter(self.enter_fd, to_submit, at_least, flags, none, 0) }
    }

    fn enter_timed(
        &self,
        to_submit: u32,
        at_least: u32,
        flags: EnterFlags,
        timeout: Duration,
    ) -> Result<u32, i32> {
        let time = KernelTimespec::from(timeout);
        let argument = GetEventsArg { ts: (&raw const time) as u64, ..GetEventsArg::default() };
        let flags = flags | EnterFlags::EXT_ARG;
        let (pointer, len_bytes) = ((&raw const argument).cast(), size_of::<GetEventsArg>());
        // SAFETY: each published entry came through `push`, whose caller vouched for it; the argument
        // is what EXT_ARG announces, and it and its time live on this stack until the call returns.
        unsafe { syscall::enter(self.enter_fd, to_submit, at_least, flags, pointer, len_bytes) }
    }

    /// Waits for the first completion without `EXT_ARG`.
    fn poll_descriptor(&self, timeout: Duration) -> Result<(), Error> {
        let time = KernelTimespec::from(timeout);
        let time = Timespec { tv_sec: time.tv_sec, tv_nsec: time.tv_nsec };
        let mut descriptors = [PollFd::new(&self.fd, PollFlags::IN)];
        match poll(&mut descriptors, Some(&time)) {
            Ok(0) => Err(Error::enter(libc::ETIME)),
            Ok(_) => Ok(()),
            Err(errno) => Err(Error::enter(errno.raw_os_error())),
        }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let Some(index) = self.registered_fd else { return };
        let mut update = RsrcUpdate2 { offset: index, ..RsrcUpdate2::default() };
        let argument = std::ptr::from_mut(&mut update).cast();
        let op = RegisterOp::UNREGISTER_RING_FDS;
        // SAFETY: the operation takes an array of one `io_uring_rsrc_update`, which `RsrcUpdate2`
        // begins with; it lives on this stack until the call returns.
        //
        // A forked child may fail here: then it has no registered descriptor to give back.
        let _ = unsafe { syscall::register(self.fd.as_raw_fd(), op, argument, 1) };
    }
}
