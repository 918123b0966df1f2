//! The system calls as they are, for what the crate refuses to ask (flags that exclude each other,
//! a foreign thread's call) and for forked children. Never keeps a ring.

use super::rule::Stop;
use iomill_ring::abi::{EnterFlags, Params, RegisterOp, SetupFlags};
use std::ffi::c_void;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

fn answer(result: libc::c_long) -> Result<u32, i32> {
    let errno = || std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    u32::try_from(result).map_err(|_| errno())
}

/// Sets a ring up, and closes it at once. Allocates nothing.
pub(crate) fn set_up(flags: SetupFlags, sq: u32, cq: u32) -> Result<Params, i32> {
    let mut params = Params { flags, cq_entries: cq, ..Params::default() };
    assert!(!flags.contains(SetupFlags::NO_MMAP), "the caller's memory is not for this");
    let pointer = &raw mut params;
    // SAFETY: the kernel writes its answer into one `io_uring_params` of our own, which names no
    // memory.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, sq, pointer) };
    let number = answer(result)?;
    if !flags.contains(SetupFlags::REGISTERED_FD_ONLY) {
        // SAFETY: the kernel just gave us this descriptor and nobody else has seen it.
        drop(unsafe { OwnedFd::from_raw_fd(number.cast_signed()) });
    }
    Ok(params)
}

/// Whether two sets of flags are told apart: asks for `known` first, so that a kernel too old for
/// it is a skip, and then for `asked`.
pub(crate) fn set_up_beside(known: SetupFlags, asked: SetupFlags) -> Result<String, Stop> {
    set_up(known, 4, 0).map_err(|errno| {
        let name = super::ask::named(Err(errno));
        Stop::skipped(format!("this kernel answers {name} to {known:?} already"))
    })?;
    Ok(super::ask::accepted(set_up(asked, 4, 0)))
}

/// `io_uring_enter(2)` without an argument. Allocates nothing.
pub(crate) fn enter(ring: RawFd, submit: u32, wait: u32, flags: EnterFlags) -> Result<u32, i32> {
    let null = std::ptr::null::<c_void>();
    // SAFETY: it takes published entries only, for each of which the caller of `push` vouched, and
    // it is handed no argument.
    let result = unsafe {
        libc::syscall(libc::SYS_io_uring_enter, ring, submit, wait, flags.bits(), null, 0_usize)
    };
    answer(result)
}

/// `io_uring_register(2)`. Allocates nothing.
///
/// # Safety
/// `argument` points to what `op` expects, `count` elements of it, and what the kernel keeps of it
/// stays alive as long as the ring.
pub(crate) unsafe fn register(
    ring: RawFd,
    op: RegisterOp,
    argument: *const c_void,
    count: u32,
) -> Result<u32, i32> {
    // SAFETY: the caller vouches for the argument.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_register, ring, op.0, argument, count) };
    answer(result)
}

/// As [`set_up`], and keeps the ring. Allocates nothing.
pub(crate) fn open(flags: SetupFlags, sq: u32) -> Result<OwnedFd, i32> {
    assert!(!flags.intersects(SetupFlags::NO_MMAP | SetupFlags::REGISTERED_FD_ONLY));
    let mut params = Params { flags, ..Params::default() };
    // SAFETY: as in `set_up`.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, sq, &raw mut params) };
    let number = answer(result)?;
    // SAFETY: the kernel just gave us this descriptor and nobody else has seen it.
    Ok(unsafe { OwnedFd::from_raw_fd(number.cast_signed()) })
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// Forks, lets the child do one thing and end with the code that it answers, and waits for it.
///
/// # Safety
/// The thing only makes system calls and touches memory: no allocation, no lock, no printing, no
/// panic, because other threads may have held any lock when the process was forked.
pub(crate) unsafe fn in_child(thing: impl FnOnce() -> i32) -> Result<Ended, Stop> {
    // SAFETY: the child makes only calls that are safe after a fork, as the caller vouches.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    if child == 0 {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // A child that dies by a signal is not worth a core file.
        // SAFETY: the call reads one structure, alive on this stack.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
        let code = thing();
        // SAFETY: it ends the child without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the child is ours and nobody else waits for it; the status goes to this stack.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    if waited != child {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(if libc::WIFSIGNALED(status) {
        Ended::Killed(libc::WTERMSIG(status))
    } else {
        Ended::Exited(libc::WEXITSTATUS(status))
    })
}

/// The number of a descriptor that a ring may lack.
pub(crate) fn number_of(fd: Option<BorrowedFd<'_>>) -> Result<RawFd, Stop> {
    use std::os::fd::AsRawFd;
    fd.map(|fd| fd.as_raw_fd()).ok_or_else(|| Stop::broke("the ring has no descriptor"))
}
