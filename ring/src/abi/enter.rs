//! The arguments of `io_uring_enter(2)`. Used by `ring` through `syscall`.

use bitflags::bitflags;

bitflags! {
    /// What one `io_uring_enter(2)` is asked to do: `IORING_ENTER_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct EnterFlags: u32 {
        /// Wait for completions and run pending completion work, Linux 5.1.
        const GETEVENTS = 1 << 0;
        /// Wake the SQPOLL thread, Linux 5.1.
        const SQ_WAKEUP = 1 << 1;
        /// Wait until the SQPOLL thread has made room, Linux 5.10.
        const SQ_WAIT = 1 << 2;
        /// The argument is a [`GetEventsArg`], Linux 5.11.
        const EXT_ARG = 1 << 3;
        /// The descriptor is a registered index, Linux 5.18.
        const REGISTERED_RING = 1 << 4;
        /// The timeout is a point in time, Linux 6.12.
        const ABS_TIMER = 1 << 5;
        /// The argument is an index into a registered wait region, Linux 6.13.
        const EXT_ARG_REG = 1 << 6;
        /// Do not count this wait as I/O wait, Linux 6.15.
        const NO_IOWAIT = 1 << 7;
        const _ = !0;
    }
}

/// Seconds and nanoseconds as the kernel reads them: `struct __kernel_timespec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct KernelTimespec {
    /// Whole seconds.
    pub tv_sec: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub tv_nsec: i64,
}

impl From<std::time::Duration> for KernelTimespec {
    fn from(duration: std::time::Duration) -> Self {
        Self {
            tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(duration.subsec_nanos()),
        }
    }
}

/// The extended argument of a wait: `struct io_uring_getevents_arg`, Linux 5.11.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct GetEventsArg {
    /// Address of a signal mask, or 0.
    pub sigmask: u64,
    /// Its size in bytes.
    pub sigmask_sz: u32,
    /// Microseconds to wait for more than one completion, Linux 6.12; 0 for none.
    pub min_wait_usec: u32,
    /// Address of a [`KernelTimespec`], or 0.
    pub ts: u64,
}

bitflags! {
    /// What a registered wait carries: `IORING_REG_WAIT_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct RegWaitFlags: u32 {
        /// The time counts.
        const TS = 1 << 0;
        const _ = !0;
    }
}

/// A registered wait: `struct io_uring_reg_wait`, Linux 6.13.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RegWait {
    /// How long, or until when with [`EnterFlags::ABS_TIMER`].
    pub ts: KernelTimespec,
    /// Microseconds to wait for more than one completion; 0 for none.
    pub min_wait_usec: u32,
    /// What counts.
    pub flags: RegWaitFlags,
    /// Address of a signal mask, or 0.
    pub sigmask: u64,
    /// Its size in bytes.
    pub sigmask_sz: u32,
    /// Zero.
    pub pad: [u32; 3],
    /// Zero.
    pub pad2: [u64; 2],
}

const _: () = assert!(size_of::<RegWait>() == 64);
const _: () = assert!(std::mem::offset_of!(RegWait, sigmask) == 24);
const _: () = assert!(size_of::<GetEventsArg>() == 24);
const _: () = assert!(size_of::<KernelTimespec>() == 16);
