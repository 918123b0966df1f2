//! The one plain system call that a request stands for. Made on a helper of `threads`, by `routed`
//! on the engine's own thread, and by `uring` for what the running kernel cannot do through the
//! ring. Never retries: the answer is passed on raw.

use super::{Request, RequestFile, RequestKind};
use crate::platform;
use libc::{c_char, c_int, iovec, off_t};

/// Makes the call; answers as a completion does.
///
/// # Safety
/// The contract of `Backend::stage`: until this returns, the file is open and the memory that the
/// request names is valid, and nobody else touches it.
pub(crate) unsafe fn perform(request: &Request) -> i32 {
    let fd = match request.file {
        RequestFile::Fd(fd) => fd,
        // Only the ring has slots, and it takes no request with a slot off its ring.
        RequestFile::None | RequestFile::Slot(_) => libc::AT_FDCWD,
    };
    let answer = match request.kind {
        RequestKind::Nop => 0,
        // The usual case, by the call with the least to look at.
        // SAFETY: the caller's promise is passed on.
        RequestKind::Read if request.flags == 0 => unsafe { plain_read(fd, request) },
        // SAFETY: the caller's promise is passed on.
        RequestKind::Write if request.flags == 0 => unsafe { plain_write(fd, request) },
        RequestKind::Read
        | RequestKind::Write
        | RequestKind::ReadVectored
        | RequestKind::WriteVectored => {
            // SAFETY: the caller's promise is passed on.
            return unsafe { transfer(fd, request) };
        }
        // SAFETY: no memory is named.
        RequestKind::Sync => i64::from(unsafe { libc::fsync(fd) }),
        RequestKind::SyncData => return platform::sync_data(fd),
        RequestKind::SyncRange => {
            let (offset, len) = (signed(request.offset), off_t::from(request.len));
            return platform::sync_range(fd, offset, len, request.flags);
        }
        RequestKind::Allocate => {
            let (offset, len) = (signed(request.offset), signed(request.second));
            return platform::allocate(fd, request.flags, offset, len);
        }
        // SAFETY: no memory is named.
        RequestKind::Truncate => i64::from(unsafe { libc::ftruncate(fd, signed(request.offset)) }),
        RequestKind::Advise => {
            let (offset, len) = (signed(request.offset), off_t::from(request.len));
            return platform::advise(fd, offset, len, request.flags);
        }
        // SAFETY: the request owns this descriptor, and gives it up now.
        RequestKind::Close => i64::from(unsafe { libc::close(request.len.cast_signed()) }),
        // Only the ring has slots.
        RequestKind::OpenSlot | RequestKind::ReadSlot | RequestKind::CloseSlot => {
            return -libc::EOPNOTSUPP;
        }
        RequestKind::Open
        | RequestKind::Stat
        | RequestKind::Rename
        | RequestKind::Unlink
        | RequestKind::MakeDirectory
        | RequestKind::Link => {
            // SAFETY: the caller's promise is passed on.
            return unsafe { on_path(fd, request) };
        }
    };
    platform::answer(answer)
}

/// Whether a request has succeeded in full, so that what is linked behind it may begin.
///
/// # Safety
/// As `perform`, also after the call.
pub(super) unsafe fn is_full_success(request: &Request, result: i32) -> bool {
    let Ok(answer) = usize::try_from(result) else { return false };
    match request.kind {
        RequestKind::Read | RequestKind::Write => answer == request.len as usize,
        RequestKind::ReadVectored | RequestKind::WriteVectored => {
            let vector = request.address.cast_const().cast::<iovec>();
            // SAFETY: the caller vouches for the vector of `len` pieces.
            let lens = (0..request.len as usize).map(|index| unsafe { piece_len(vector, index) });
            answer == lens.sum::<usize>()
        }
        _ => true,
    }
}

/// # Safety
/// There is a piece of this index.
unsafe fn piece_len(vector: *const iovec, index: usize) -> usize {
    // SAFETY: the caller vouches for it.
    let piece = unsafe { vector.add(index) };
    // SAFETY: as above.
    unsafe { (*piece).iov_len }
}

/// As `perform`, on the engine's own thread; `None` where the call would wait for another process.
///
/// Opening a FIFO waits for its other end, and opening a leased file for its holder; an engine that
/// waits there may be the one that is waited for. So an open that may meet either does not wait.
///
/// # Safety
/// As `perform`.
pub(super) unsafe fn perform_here(request: &Request) -> Option<i32> {
    let is_new = request.flags & libc::O_EXCL.cast_unsigned() != 0;
    if request.kind != RequestKind::Open || is_new {
        // SAFETY: the caller's promise is passed on.
        return Some(unsafe { perform(request) });
    }
    let nonblocking = request.flags | libc::O_NONBLOCK.cast_unsigned();
    // SAFETY: the caller's promise is passed on.
    let answer = unsafe { perform(&Request { flags: nonblocking, ..*request }) };
    if answer < 0 {
        let waits = matches!(-answer, libc::ENXIO | libc::EWOULDBLOCK);
        return (!waits).then_some(answer);
    }
    // What the kernel can set of these flags is what was asked for: only the one goes.
    // SAFETY: the descriptor was just made for this request, and no memory is named.
    if unsafe { libc::fcntl(answer, libc::F_SETFL, request.flags.cast_signed()) } == 0 {
        return Some(answer);
    }
    // SAFETY: nobody else has seen the descriptor.
    unsafe { libc::close(answer) };
    None
}

/// Reads into one buffer, without flags.
///
/// # Safety
/// As `perform`.
unsafe fn plain_read(fd: c_int, request: &Request) -> i64 {
    let (memory, len) = (request.address.cast(), request.len as usize);
    // SAFETY: the caller vouches for the memory.
    match unsafe { libc::pread(fd, memory, len, signed(request.offset)) } {
        // A pipe has no offsets. The ring passes the offset over there, and so do we.
        // SAFETY: the caller vouches for the memory.
        -1 if has_no_offsets() => unsafe { libc::read(fd, memory, len) as i64 },
        answer => answer as i64,
    }
}

/// Writes one buffer, without flags.
///
/// # Safety
/// As `perform`.
unsafe fn plain_write(fd: c_int, request: &Request) -> i64 {
    let (memory, len) = (request.address.cast_const().cast(), request.len as usize);
    // SAFETY: the caller vouches for the memory.
    match unsafe { libc::pwrite(fd, memory, len, signed(request.offset)) } {
        // SAFETY: the caller vouches for the memory.
        -1 if has_no_offsets() => unsafe { libc::write(fd, memory, len) as i64 },
        answer => answer as i64,
    }
}

/// Whether the last call failed because its file has no offsets.
fn has_no_offsets() -> bool {
    std::io::Error::last_os_error().raw_os_error() == Some(libc::ESPIPE)
}

/// Makes a read without waiting for a device; answers -EAGAIN, or another errno that only means
/// "not in this way", where that is not possible.
///
/// # Safety
/// As `perform`.
#[inline]
pub(super) unsafe fn read_from_cache(fd: c_int, request: &Request) -> i32 {
    let vector = iovec { iov_base: request.address.cast(), iov_len: request.len as usize };
    let offset = signed(request.offset);
    // SAFETY: the caller vouches for the memory, and the vector lives until the call returns.
    match unsafe { platform::read_without_waiting(fd, &vector, offset) } {
        // Linux 5.9 and 5.10 answer this also before the end of a file, where the page is not in
        // the cache (preadv2(2), "BUGS"): who reads without the flag knows better.
        0 => -libc::EAGAIN,
        answer => answer,
    }
}

/// Reads and writes.
///
/// # Safety
/// As `perform`.
unsafe fn transfer(fd: c_int, request: &Request) -> i32 {
    let (offset, flags) = (signed(request.offset), request.flags);
    let single = iovec { iov_base: request.address.cast(), iov_len: request.len as usize };
    let (vector, count) = match request.kind {
        RequestKind::Read | RequestKind::Write => (&raw const single, 1),
        _ => (request.address.cast_const().cast(), request.len.cast_signed()),
    };
    let is_read = request.kind.is_read();
    if flags != 0 {
        // SAFETY: the caller vouches for the vector and for the memory that it names.
        return unsafe {
            platform::transfer_with_flags(fd, is_read, (vector, count), offset, flags)
        };
    }
    platform::answer(if is_read {
        // SAFETY: as above.
        unsafe { libc::preadv(fd, vector, count, offset) as i64 }
    } else {
        // SAFETY: as above.
        unsafe { libc::pwritev(fd, vector, count, offset) as i64 }
    })
}

/// What is done to names.
///
/// # Safety
/// As `perform`.
unsafe fn on_path(fd: c_int, request: &Request) -> i32 {
    let path: *const c_char = request.address.cast_const().cast();
    let second = std::ptr::with_exposed_provenance_mut::<c_char>(address(request.second));
    let (flags, number) = (request.flags, request.len);
    // Not every system's mode is as wide as Linux'; none has more bits than these.
    let mode = libc::mode_t::try_from(number & 0o7777).unwrap_or_default();
    let answer = match request.kind {
        // SAFETY: the caller vouches for the path.
        RequestKind::Open => unsafe {
            libc::openat(fd, path, flags.cast_signed(), libc::c_uint::from(mode))
        },
        RequestKind::Stat => {
            // SAFETY: the caller vouches for the path and for the answer's place.
            return unsafe { platform::stat(fd, path, flags, number, second.cast()) };
        }
        RequestKind::Rename => {
            // SAFETY: the caller vouches for both paths.
            return unsafe { platform::rename(fd, path, second, flags) };
        }
        // SAFETY: the caller vouches for the path.
        RequestKind::Unlink => unsafe { libc::unlinkat(fd, path, flags.cast_signed()) },
        // SAFETY: the caller vouches for the path.
        RequestKind::MakeDirectory => unsafe { libc::mkdirat(fd, path, mode) },
        // SAFETY: the caller vouches for both paths.
        _ => unsafe { libc::linkat(fd, path, fd, second, 0) },
    };
    platform::answer(i64::from(answer))
}

/// Offsets are signed in the kernel's interface; those beyond are refused at submission.
fn signed(offset: u64) -> off_t {
    off_t::try_from(offset).unwrap_or(off_t::MAX)
}

/// An address as it was exposed.
fn address(exposed: u64) -> usize {
    usize::try_from(exposed).unwrap_or(0)
}
