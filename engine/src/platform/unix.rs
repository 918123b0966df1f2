//! The seam on any Unix: calls that POSIX or Rust's own library has, and EOPNOTSUPP where there is
//! none that does the same. Called as `linux` is. It asks for nothing that one Unix has and
//! another has not, so that one file serves all.

use super::{answer, flags};
use crate::error::{Error, ErrorKind};
use crate::file::DirectAlignment;
use crate::metadata::{AtomicLimits, FileKind, Metadata};
use libc::{c_char, c_int, iovec, off_t};
use std::ffi::{CStr, OsStr};
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

// A simulated disk answers as statx(2) does, and its files are memfd_create(2)'s.
#[cfg(all(feature = "sim", not(target_os = "linux")))]
compile_error!("the feature `sim` needs Linux");

/// What opens a file for direct I/O: not every system has a flag for it.
pub(crate) const O_DIRECT: Option<c_int> = None;

/// A transfer that differs from a plain one: of all the ways only a durable write can be had.
///
/// # Safety
/// The vector is valid, and so is the memory that it names, for reading or writing.
pub(crate) unsafe fn transfer_with_flags(
    fd: c_int,
    is_read: bool,
    (vector, count): (*const iovec, c_int),
    offset: off_t,
    flags: u32,
) -> i32 {
    if is_read || flags != flags::RWF_DSYNC {
        return -libc::EOPNOTSUPP;
    }
    // SAFETY: the caller's promise is passed on.
    let written = answer(unsafe { libc::pwritev(fd, vector, count, offset) as i64 });
    if written < 0 {
        return written;
    }
    // Not durable is not written: the error counts.
    match sync_data(fd) {
        0 => written,
        errno => errno,
    }
}

/// There is no read that does not wait: -EAGAIN.
///
/// # Safety
/// The vector is valid, and so is the memory that it names, for writing.
pub(crate) unsafe fn read_without_waiting(_fd: c_int, _vector: &iovec, _offset: off_t) -> i32 {
    -libc::EAGAIN
}

/// fsync(2): it is at least as much, and every system has it.
pub(crate) fn sync_data(fd: c_int) -> i32 {
    // SAFETY: no memory is named.
    answer(i64::from(unsafe { libc::fsync(fd) }))
}

/// The whole file instead of a range of it.
pub(crate) fn sync_range(fd: c_int, _offset: off_t, _len: off_t, _flags: u32) -> i32 {
    sync_data(fd)
}

/// Making a file longer by setting its length reserves nothing, and other modes have no call.
pub(crate) fn allocate(_fd: c_int, _mode: u32, _offset: off_t, _len: off_t) -> i32 {
    -libc::EOPNOTSUPP
}

/// Advice need not be taken, and is not.
pub(crate) fn advise(_fd: c_int, _offset: off_t, _len: off_t, _advice: u32) -> i32 {
    0
}

/// renameat(2), which always replaces.
///
/// # Safety
/// Both paths are valid strings.
pub(crate) unsafe fn rename(fd: c_int, from: *const c_char, to: *const c_char, flags: u32) -> i32 {
    if flags != 0 {
        return -libc::EOPNOTSUPP;
    }
    // SAFETY: the caller's promise is passed on.
    answer(i64::from(unsafe { libc::renameat(fd, from, fd, to) }))
}

/// Where [`stat`] writes its answer.
pub(crate) type Stat = Option<Metadata>;

/// Before it has.
pub(crate) fn empty_stat() -> Stat {
    None
}

/// What [`stat`] asks for: there is nothing to choose.
pub(crate) const STAT_MASK: u32 = 0;

/// Looks at a file, by its descriptor or by a path that is relative to the process's own folder.
///
/// # Safety
/// The path is a valid string, the answer's place may be written, and the descriptor, if it is
/// meant, is open.
pub(crate) unsafe fn stat(
    fd: c_int,
    path: *const c_char,
    flags: u32,
    _mask: u32,
    place: *mut Stat,
) -> i32 {
    let found = if flags & flags::AT_EMPTY_PATH != 0 {
        // SAFETY: the caller vouches that it is open; it is not closed here.
        ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(fd) }).metadata()
    } else {
        // SAFETY: the caller vouches for the path.
        let path = unsafe { CStr::from_ptr(path) };
        std::fs::metadata(OsStr::from_bytes(path.to_bytes()))
    };
    match found {
        Ok(metadata) => {
            // SAFETY: the caller vouches for the place, which `empty_stat` has filled.
            unsafe { place.write(Some(described(&metadata))) };
            0
        }
        Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
    }
}

/// What the answer says; `None` before there is one.
pub(crate) fn metadata(stat: &Stat) -> Option<Metadata> {
    *stat
}

/// Puts an answer of statx(2) where [`stat`] would.
///
/// # Safety
/// The place may be written.
#[cfg(feature = "sim")]
pub(crate) unsafe fn put_stat(place: *mut Stat, answer: &libc::statx) {
    // SAFETY: the caller vouches for the place.
    unsafe { place.write(Some(super::statx::metadata(answer))) };
}

/// What the standard library found.
fn described(answer: &std::fs::Metadata) -> Metadata {
    let (file, directory) = (answer.is_file(), answer.is_dir());
    let kind = match (file, directory, answer.file_type().is_block_device()) {
        (true, _, _) => FileKind::Regular,
        (_, true, _) => FileKind::Directory,
        (_, _, true) => FileKind::BlockDevice,
        _ => FileKind::Other,
    };
    Metadata {
        kind,
        len_bytes: answer.size(),
        // The field's unit is 512 bytes, whatever the file system's blocks are.
        allocated_bytes: answer.blocks() * 512,
        mode: answer.mode() & 0o7777,
        link_count: u32::try_from(answer.nlink()).unwrap_or(u32::MAX),
        inode: answer.ino(),
        modified: answer.modified().ok(),
        direct: None,
        atomic: None,
    }
}

/// Nobody tells.
pub(crate) fn direct_properties(
    _fd: BorrowedFd<'_>,
) -> (Option<DirectAlignment>, Option<AtomicLimits>) {
    (None, None)
}

/// There is no such flag that every system has.
pub(crate) fn unnamed_file_flag() -> Option<c_int> {
    None
}

/// The numbers of file systems are Linux's own.
pub(crate) fn file_system_magic(_fd: BorrowedFd<'_>) -> Option<u64> {
    None
}

/// There is no call for it that every system has.
pub(crate) fn pin(cpu: u32) -> Result<(), Error> {
    let why = format!("CPU {cpu} cannot be chosen on this system: leave `pin` out");
    Err(Error::refused(ErrorKind::InvalidConfig, "pin the engine's thread", why))
}

/// The CPUs that a thread may run on: all, since none can be pinned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processors;

impl Processors {
    /// Those of this thread.
    pub(crate) fn current() -> Self {
        Self
    }

    /// Lets this thread run on them.
    pub(crate) fn take(&self) {}
}

/// The symbolic name of an errno.
pub(crate) fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::EINTR => "EINTR",
        libc::EIO => "EIO",
        libc::ENXIO => "ENXIO",
        libc::EBADF => "EBADF",
        libc::ENOMEM => "ENOMEM",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EXDEV => "EXDEV",
        libc::ENODEV => "ENODEV",
        libc::ENOTDIR => "ENOTDIR",
        libc::EISDIR => "EISDIR",
        libc::EINVAL => "EINVAL",
        libc::ENFILE => "ENFILE",
        libc::EMFILE => "EMFILE",
        libc::EFBIG => "EFBIG",
        libc::ENOSPC => "ENOSPC",
        libc::ESPIPE => "ESPIPE",
        libc::EROFS => "EROFS",
        libc::EPIPE => "EPIPE",
        libc::EAGAIN => "EAGAIN",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENOSYS => "ENOSYS",
        libc::ENOTEMPTY => "ENOTEMPTY",
        libc::ELOOP => "ELOOP",
        libc::EDQUOT => "EDQUOT",
        libc::ECANCELED => "ECANCELED",
        _ => return None,
    })
}

/// No errno but those that every system has.
pub(crate) fn is_device_failure(_errno: i32) -> bool {
    false
}

/// No errno but those that every system has.
pub(crate) fn is_damage(_errno: i32) -> bool {
    false
}
