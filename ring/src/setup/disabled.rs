//! A ring that does not run yet: restrictions and registrations come first, then it is sent to its
//! thread and enabled. Made by `builder`; never submits.

use super::restriction::Restrictions;
use crate::abi::RegisterOp;
use crate::error::Error;
use crate::ring::Ring;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// A ring that was set up disabled. It belongs to no thread until [`enable`](Self::enable).
///
/// Kernel: Linux 5.10, `IORING_SETUP_R_DISABLED`.
///
/// ```
/// use iomill_ring::{Builder, Opcode, Restrictions, op};
///
/// let Ok(mut ring) = Builder::new(8).build_disabled() else { return };
/// ring.restrict(&Restrictions::new().allow(Opcode::NOP)).expect("a new ring has no list yet");
/// let worker = std::thread::spawn(move || {
///     let mut ring = ring.enable().expect("it was disabled");
///     // SAFETY: a NOP names no memory and no file.
///     unsafe { ring.push(&op::nop()) }.expect("a new queue has room");
///     ring.submit_and_wait(1).expect("this thread has enabled it");
///     ring.completions().next().expect("one was waited for").result()
/// });
/// assert_eq!(worker.join().expect("the thread does not panic"), Ok(0));
/// ```
#[derive(Debug)]
pub struct DisabledRing {
    ring: Ring,
    register_ring_fd: bool,
}

// SAFETY: a `Ring` is bound to its thread for two reasons. With SINGLE_ISSUER the kernel refuses
// other threads, but it takes the thread's name only when the ring is enabled. And a registered
// descriptor means this ring on one thread only, but `build_disabled` registers none, and nothing
// here gives the inner ring out. Its pointers lead into mappings that it owns and that are the same
// on every thread.
unsafe impl Send for DisabledRing {}

impl DisabledRing {
    pub(super) fn new(ring: Ring, register_ring_fd: bool) -> Self {
        Self { ring, register_ring_fd }
    }

    /// Allows nothing but what the list says, from [`enable`](Self::enable) on. Works once.
    ///
    /// # Errors
    /// `Busy` for a second list; `Unsupported` for one that is empty, too long or names codes that
    /// the kernel does not know.
    pub fn restrict(&mut self, restrictions: &Restrictions) -> Result<(), Error> {
        let lines = restrictions.lines();
        let what = || format!("{} restrictions", lines.len());
        let count =
            u32::try_from(lines.len()).map_err(|_| Error::invalid("io_uring_register", what()))?;
        let argument = lines.as_ptr().cast();
        // SAFETY: RESTRICTIONS takes `count` lines of `io_uring_restriction`; the kernel copies
        // them.
        unsafe { self.ring.register(RegisterOp::RESTRICTIONS, argument, count, what) }?;
        // A registered descriptor that may not be given back would keep the ring open until its
        // thread ends.
        self.register_ring_fd &= restrictions.allows_register(RegisterOp::UNREGISTER_RING_FDS);
        Ok(())
    }

    /// Starts the ring, on the thread that calls: with `SINGLE_ISSUER` it is the ring's own from
    /// here on.
    ///
    /// # Errors
    /// What the kernel says; the ring is gone then.
    pub fn enable(mut self) -> Result<Ring, Error> {
        // Before enabling, because restrictions may forbid it afterwards.
        self.ring.register_index(self.register_ring_fd);
        let what = || String::from("enabling the ring");
        // SAFETY: ENABLE_RINGS takes no argument.
        unsafe { self.ring.register(RegisterOp::ENABLE_RINGS, std::ptr::null(), 0, what) }?;
        Ok(self.ring)
    }

    /// As [`Ring::register_buffers`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn register_buffers(&mut self, buffers: &[IoSlice<'_>]) -> Result<(), Error> {
        // SAFETY: the caller vouches for the memory.
        unsafe { self.ring.register_buffers(buffers) }
    }

    /// As [`Ring::register_files_sparse`].
    ///
    /// # Errors
    /// As there.
    pub fn register_files_sparse(&mut self, slots: u32) -> Result<(), Error> {
        self.ring.register_files_sparse(slots)
    }

    /// As [`Ring::update_file`].
    ///
    /// # Errors
    /// As there.
    pub fn update_file(&mut self, slot: u32, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        self.ring.update_file(slot, file)
    }

    /// Registers `count` waits, for [`Ring::set_wait`] and
    /// [`Wait::registered`](crate::Wait::registered): an `enter` that names one copies no argument.
    ///
    /// Kernel: Linux 6.13, `io_uring_register_region(3)`; only while the ring is disabled.
    ///
    /// # Errors
    /// `Unsupported` before Linux 6.13; `InvalidArgument` for a count of 0 or above 4,096.
    pub fn register_waits(&mut self, count: u32) -> Result<(), Error> {
        self.ring.register_waits(count)
    }
}
