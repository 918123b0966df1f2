//! The three system calls, raw. Called by `setup`, `enter` and `descriptor`; nothing else in the
//! workspace issues them. Never interprets an errno: that is `error`'s part.

use crate::abi::{EnterFlags, Params, RegisterOp, SetupFlags};
use crate::descriptor::Descriptor;
use std::ffi::c_void;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The errno that the last failed system call of this thread left.
fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// `io_uring_setup(2)`, system call 425, Linux 5.1.
///
/// # Safety
/// With `NO_MMAP` the two `user_addr` of `params` must name memory that is large enough for the
/// queues that `entries` and `params` ask for, and that nothing but the ring uses as long as it
/// lives.
pub(crate) unsafe fn setup(entries: u32, params: &mut Params) -> Result<Descriptor, i32> {
    // SAFETY: `params` is a live, exclusively borrowed `io_uring_params`; the kernel writes its
    // answers into it and keeps no pointer to it. The caller vouches for the memory that it names.
    let result =
        unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, std::ptr::from_mut(params)) };
    let Ok(number) = u32::try_from(result) else { return Err(last_errno()) };
    if params.flags.contains(SetupFlags::REGISTERED_FD_ONLY) {
        return Ok(Descriptor::registered_only(number));
    }
    // SAFETY: the kernel just gave us this descriptor and nobody else has seen it.
    Ok(Descriptor::new(unsafe { OwnedFd::from_raw_fd(number.cast_signed()) }))
}

/// `io_uring_enter(2)`, system call 426, Linux 5.1; answers the number of entries consumed.
///
/// # Safety
/// - Each published entry of the ring must satisfy the conditions of `Ring::push`.
/// - `argument` must be null, or point to `argument_len_bytes` bytes of the structure that `flags`
///   announces, alive until the call returns.
#[inline]
pub(crate) unsafe fn enter(
    fd: RawFd,
    to_submit: u32,
    min_complete: u32,
    flags: EnterFlags,
    argument: *const c_void,
    argument_len_bytes: usize,
) -> Result<u32, i32> {
    // SAFETY: the caller vouches for the published entries and for the argument.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            fd,
            to_submit,
            min_complete,
            flags.bits(),
            argument,
            argument_len_bytes,
        )
    };
    u32::try_from(result).map_err(|_| last_errno())
}

/// `io_uring_register(2)`, system call 427, Linux 5.1; answers a value that depends on `op`.
///
/// # Safety
/// - `argument` must point to what `op` expects, `count` elements of it, alive until the call
///   returns and, where the kernel keeps what it points to (buffers), until that is unregistered.
pub(crate) unsafe fn register(
    fd: RawFd,
    op: RegisterOp,
    argument: *const c_void,
    count: u32,
) -> Result<u32, i32> {
    // SAFETY: the caller vouches for the argument.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_register, fd, op.0, argument, count) };
    u32::try_from(result).map_err(|_| last_errno())
}
