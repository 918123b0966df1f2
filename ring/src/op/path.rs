//! What is done to names: opening, asking, renaming, linking, removing. Directories are given as
//! descriptors, and a path is relative to its directory, as in the `*at` system calls.

use crate::abi::{Opcode, Sqe};
use std::ffi::CStr;
use std::os::fd::RawFd;

/// In a directory's place: the process's current one. `AT_FDCWD`.
pub const CURRENT_DIRECTORY: RawFd = libc::AT_FDCWD;

/// How [`open2`] opens: `struct open_how`, Linux 5.6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OpenHow {
    /// `O_*`.
    pub flags: u64,
    /// Permissions of a file that is created.
    pub mode: u64,
    /// `RESOLVE_*`: which ways the path may take.
    pub resolve: u64,
}

const OPEN_HOW_LEN_BYTES: u32 = 24;
const _: () = assert!(size_of::<OpenHow>() == OPEN_HOW_LEN_BYTES as usize);

/// Opens a file; completes with its descriptor, or with [`Sqe::with_slot`] its slot (0 for a slot
/// that was named).
///
/// Kernel: Linux 5.6, openat(2); with `O_CREAT`, `O_TRUNC` or `O_TMPFILE` always on a kernel
/// worker.
#[inline]
pub fn open(directory: RawFd, path: &CStr, flags: i32, mode: u32) -> Sqe {
    let mut sqe = named(Opcode::OPENAT, directory, path);
    sqe.len = mode;
    sqe.op_flags = flags.cast_unsigned();
    sqe
}

/// As [`open`], with limits on the ways that the path may take. `how` must outlive the submission.
///
/// Kernel: Linux 5.6, openat2(2).
#[inline]
pub fn open2(directory: RawFd, path: &CStr, how: *const OpenHow) -> Sqe {
    let mut sqe = named(Opcode::OPENAT2, directory, path);
    sqe.off = how.expose_provenance() as u64;
    sqe.len = OPEN_HOW_LEN_BYTES;
    sqe
}

/// Asks for a file's properties and writes them to `answer`. `flags` are `AT_*`, `mask` is
/// `STATX_*`.
///
/// Kernel: Linux 5.6, statx(2); always runs on a kernel worker.
#[inline]
pub fn statx(
    directory: RawFd,
    path: &CStr,
    flags: i32,
    mask: u32,
    answer: *mut libc::statx,
) -> Sqe {
    let mut sqe = named(Opcode::STATX, directory, path);
    sqe.off = answer.expose_provenance() as u64;
    sqe.len = mask;
    sqe.op_flags = flags.cast_unsigned();
    sqe
}

/// Renames; `flags` are `RENAME_*`.
///
/// Kernel: Linux 5.11, renameat2(2); always runs on a kernel worker.
#[inline]
pub fn rename(
    from_directory: RawFd,
    from: &CStr,
    to_directory: RawFd,
    to: &CStr,
    flags: u32,
) -> Sqe {
    let mut sqe = two_names(Opcode::RENAMEAT, from_directory, from, to_directory, to);
    sqe.op_flags = flags;
    sqe
}

/// Removes a name; with `AT_REMOVEDIR` in `flags` that of an empty directory.
///
/// Kernel: Linux 5.11, unlinkat(2); always runs on a kernel worker.
#[inline]
pub fn unlink(directory: RawFd, path: &CStr, flags: i32) -> Sqe {
    let mut sqe = named(Opcode::UNLINKAT, directory, path);
    sqe.op_flags = flags.cast_unsigned();
    sqe
}

/// Makes a directory.
///
/// Kernel: Linux 5.15, mkdirat(2); always runs on a kernel worker.
#[inline]
pub fn mkdir(directory: RawFd, path: &CStr, mode: u32) -> Sqe {
    let mut sqe = named(Opcode::MKDIRAT, directory, path);
    sqe.len = mode;
    sqe
}

/// Makes a symbolic link at `path` that says `content`.
///
/// Kernel: Linux 5.15, symlinkat(2); always runs on a kernel worker.
#[inline]
pub fn symlink(content: &CStr, directory: RawFd, path: &CStr) -> Sqe {
    let mut sqe = named(Opcode::SYMLINKAT, directory, content);
    sqe.off = address(path);
    sqe
}

/// Gives the file at `from` a second name; `flags` are `AT_*`.
///
/// Kernel: Linux 5.15, linkat(2); always runs on a kernel worker.
#[inline]
pub fn link(from_directory: RawFd, from: &CStr, to_directory: RawFd, to: &CStr, flags: i32) -> Sqe {
    let mut sqe = two_names(Opcode::LINKAT, from_directory, from, to_directory, to);
    sqe.op_flags = flags.cast_unsigned();
    sqe
}

#[inline]
fn named(opcode: Opcode, directory: RawFd, path: &CStr) -> Sqe {
    let mut sqe = Sqe::new(opcode);
    sqe.fd = directory;
    sqe.addr = address(path);
    sqe
}

#[inline]
fn two_names(
    opcode: Opcode,
    from_directory: RawFd,
    from: &CStr,
    to_directory: RawFd,
    to: &CStr,
) -> Sqe {
    let mut sqe = named(opcode, from_directory, from);
    // The second directory has no field of its own: it takes the length's, sign and all.
    sqe.len = to_directory.cast_unsigned();
    sqe.off = address(to);
    sqe
}

#[inline]
fn address(path: &CStr) -> u64 {
    path.as_ptr().expose_provenance() as u64
}
