//! Enters the kernel: submits, waits, wakes. Extends `ring::Ring`. Never blocks unless asked to
//! wait, never repeats a call by itself, and never touches a request's memory.
//!
//! # What the answers mean
//!
//! - *Fewer taken than staged*: the kernel stopped at an entry that it refused (only without
//!   `SUBMIT_ALL`) or ran out of memory. The rest stays staged; the next submission offers it
//!   again.
//! - *`Interrupted`* (EINTR): a signal came and nothing was submitted or waited for. Call again.
//! - *`Again`* (EAGAIN): no memory for requests. Read completions, then call again.
//! - *`Busy`* (EBUSY): too many completions have overflowed. Read them all, then call again. Linux
//!   6.18 was not seen to answer this: it keeps taking entries and sets `CQ_OVERFLOW`.
//! - *`CompletionLost`* (EBADR): a completion could not even be kept in the kernel's memory. Which
//!   one cannot be told, so no request of the ring can be trusted any more.
//! - *`TimedOut`* (ETIME): the time was over; nothing was submitted in this call. When something
//!   was, the call answers its number instead, however the wait ended.

use crate::abi::{
    EnterFlags, Features, GetEventsArg, KernelTimespec, RegWait, SetupFlags, SqFlags,
};
use crate::error::Error;
use crate::ring::Ring;
use crate::syscall;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::c_void;
use std::time::Duration;

/// When a wait ends though its completions have not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Never,
    After(Duration),
    At(KernelTimespec),
    Registered(u32),
}

/// How long to wait for completions, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    at_least: u32,
    limit: Limit,
    min_wait: Duration,
    no_iowait: bool,
}

impl Wait {
    /// Until `at_least` completions can be read. With 0 the call does not wait, but runs pending
    /// completion work.
    pub const fn until(at_least: u32) -> Self {
        Self { at_least, limit: Limit::Never, min_wait: Duration::ZERO, no_iowait: false }
    }

    /// For no longer than this.
    ///
    /// Kernel: Linux 5.11.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.limit = Limit::After(timeout);
        self
    }

    /// Not beyond this point of the ring's clock: `CLOCK_MONOTONIC`, or what
    /// [`Ring::register_clock`] has chosen.
    ///
    /// Kernel: Linux 6.12; an older one answers `Unsupported`.
    #[must_use]
    pub const fn deadline(mut self, deadline: KernelTimespec) -> Self {
        self.limit = Limit::At(deadline);
        self
    }

    /// As the registered wait of this index says; see [`Ring::set_wait`]. A minimum given here too
    /// does not count.
    ///
    /// Kernel: Linux 6.13.
    #[must_use]
    pub const fn registered(mut self, index: u32) -> Self {
        self.limit = Limit::Registered(index);
        self
    }

    /// After this time one completion is enough. Units: microseconds are what the kernel keeps, at
    /// most 2^32 - 1 of them.
    ///
    /// Kernel: Linux 6.12; an older one answers `Unsupported`.
    #[must_use]
    pub const fn min_wait(mut self, min_wait: Duration) -> Self {
        self.min_wait = min_wait;
        self
    }

    /// Does not count this wait as the CPU's I/O wait, which some frequency governors act on.
    ///
    /// Kernel: Linux 6.15; an older one answers `Unsupported`.
    #[must_use]
    pub const fn no_iowait(mut self) -> Self {
        self.no_iowait = true;
        self
    }
}

/// What `io_uring_enter` is handed beside its numbers.
struct Argument {
    flags: EnterFlags,
    pointer: *const c_void,
    len_bytes: usize,
}

impl Ring {
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
    /// Fewer may be there when it returns: a signal ends the wait when entries were taken, and a
    /// full completion queue ends it at once. Look at what [`completions`](Self::completions)
    /// yields.
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
        if self.features().contains(Features::EXT_ARG) {
            return self.submit_with(&Wait::until(at_least).timeout(timeout));
        }
        let taken = self.enter(0, None)?;
        if self.ready() < at_least {
            self.poll_descriptor(timeout)?;
        }
        Ok(taken)
    }

    /// As [`submit_and_wait`](Self::submit_and_wait), with everything that can be said about a
    /// wait.
    ///
    /// # Errors
    /// As `submit_and_wait_for`; `Unsupported` for a wait that the kernel does not have; and
    /// `InvalidArgument` for a registered wait that was not registered.
    pub fn submit_with(&mut self, wait: &Wait) -> Result<u32, Error> {
        self.check_wait(wait)?;
        let at = |time: &KernelTimespec| (&raw const *time).expose_provenance() as u64;
        let mut time = KernelTimespec::default();
        let mut flags = EnterFlags::GETEVENTS;
        flags.set(EnterFlags::NO_IOWAIT, wait.no_iowait);
        let mut events = GetEventsArg {
            min_wait_usec: u32::try_from(wait.min_wait.as_micros()).unwrap_or(u32::MAX),
            ..GetEventsArg::default()
        };
        match wait.limit {
            Limit::Never => {}
            Limit::After(timeout) => time = KernelTimespec::from(timeout),
            Limit::At(deadline) => {
                time = deadline;
                flags |= EnterFlags::ABS_TIMER;
            }
            Limit::Registered(index) => {
                // The kernel takes the offset into the region in the pointer's place.
                let offset_bytes = index as usize * size_of::<RegWait>();
                let pointer = std::ptr::without_provenance(offset_bytes);
                flags |= EnterFlags::EXT_ARG | EnterFlags::EXT_ARG_REG;
                let argument = Argument { flags, pointer, len_bytes: size_of::<RegWait>() };
                return self.enter(wait.at_least, Some(argument));
            }
        }
        if wait.limit != Limit::Never {
            events.ts = at(&time);
        }
        let (pointer, len_bytes) = ((&raw const events).cast(), size_of::<GetEventsArg>());
        flags |= EnterFlags::EXT_ARG;
        // The argument and the time that it names live on this stack until the call returns.
        self.enter(wait.at_least, Some(Argument { flags, pointer, len_bytes }))
    }

    /// With SQPOLL, waits until the submission queue has room.
    ///
    /// Kernel: Linux 5.10, `IORING_ENTER_SQ_WAIT`. On a ring without SQPOLL it does nothing,
    /// because a submission itself makes room.
    ///
    /// # Errors
    /// `Interrupted` when a signal came first.
    pub fn wait_for_room(&mut self) -> Result<(), Error> {
        if !self.setup_flags().contains(SetupFlags::SQPOLL) {
            return Ok(());
        }
        let flags = EnterFlags::SQ_WAIT;
        let argument = Argument { flags, pointer: std::ptr::null(), len_bytes: 0 };
        self.enter(0, Some(argument)).map(drop)
    }

    /// Whether the kernel holds completions that a call with a wait (also for 0) would bring.
    #[inline]
    pub fn completions_wait_in_kernel(&self) -> bool {
        self.parts.sq.flags().intersects(SqFlags::TASKRUN | SqFlags::CQ_OVERFLOW)
    }

    /// One `io_uring_enter(2)`, or none when there is nothing to do for it.
    #[inline]
    fn enter(&mut self, at_least: u32, argument: Option<Argument>) -> Result<u32, Error> {
        let sqpoll = self.parts.flags.contains(SetupFlags::SQPOLL);
        let sq = &mut self.parts.sq;
        let seen = if sqpoll { sq.publish_to_thread() } else { sq.publish() };
        let to_submit = sq.pending();
        let mut flags = EnterFlags::empty();
        if sqpoll && seen.contains(SqFlags::NEED_WAKEUP) {
            flags |= EnterFlags::SQ_WAKEUP;
            self.counters.wakeups += 1;
        }
        if at_least > 0 || seen.intersects(SqFlags::TASKRUN | SqFlags::CQ_OVERFLOW) {
            flags |= EnterFlags::GETEVENTS;
            self.counters.overflow_flushes += u64::from(seen.contains(SqFlags::CQ_OVERFLOW));
        }
        let none = Argument { flags, pointer: std::ptr::null(), len_bytes: 0 };
        let argument = argument.map_or(none, |mut argument| {
            argument.flags |= flags;
            argument
        });
        if argument.flags.is_empty() && (sqpoll || to_submit == 0) {
            return Ok(to_submit);
        }
        self.counters.enters += 1;
        let (fd, registered) = self.parts.descriptor.for_enter();
        let Argument { flags, pointer, len_bytes } = argument;
        let flags = flags | registered;
        // SAFETY: each published entry came through `push`, whose caller vouched for it. The
        // argument is null, or an offset into a region that the kernel checks, or lives in the
        // frame of `submit_with` with all that it points to.
        unsafe { syscall::enter(fd, to_submit, at_least, flags, pointer, len_bytes) }
            .map_err(Error::enter)
    }

    /// Refuses what the kernel would answer with a bare EINVAL.
    fn check_wait(&self, wait: &Wait) -> Result<(), Error> {
        let lacks = |feature, detail| {
            if self.features().contains(feature) {
                return Ok(());
            }
            Err(Error::unsupported("io_uring_enter", detail))
        };
        lacks(Features::EXT_ARG, "a wait with a limit needs Linux 5.11")?;
        if wait.no_iowait {
            lacks(Features::NO_IOWAIT, "a wait that is no I/O wait needs Linux 6.15")?;
        }
        if !wait.min_wait.is_zero() {
            lacks(Features::MIN_TIMEOUT, "a minimum wait needs Linux 6.12")?;
        }
        match wait.limit {
            // Points in time came together with the minimum wait, and have no feature of their own.
            Limit::At(_) => {
                lacks(Features::MIN_TIMEOUT, "a wait until a point in time needs Linux 6.12")
            }
            Limit::Registered(index) => self.check_registered_wait(index),
            Limit::Never | Limit::After(_) => Ok(()),
        }
    }

    /// Waits for the first completion without `EXT_ARG`.
    fn poll_descriptor(&self, timeout: Duration) -> Result<(), Error> {
        let time = KernelTimespec::from(timeout);
        let time = Timespec { tv_sec: time.tv_sec, tv_nsec: time.tv_nsec };
        // A ring without a descriptor has EXT_ARG: both kernels that lack one lack the other.
        let Some(fd) = self.fd() else { return Ok(()) };
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&time)) {
            Ok(0) => Err(Error::enter(libc::ETIME)),
            Ok(_) => Ok(()),
            Err(errno) => Err(Error::enter(errno.raw_os_error())),
        }
    }
}
