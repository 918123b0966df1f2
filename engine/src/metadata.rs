//! What the kernel says of a file, and the place where it writes its answer. Used by `op::path`.

use crate::file::DirectAlignment;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::{Duration, SystemTime};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A block device.
    BlockDevice,
    /// Anything else.
    Other,
}

/// What an atomic write of a file may be. Units: bytes, powers of two.
///
/// Kernel: Linux 6.11 on devices, 6.13 on ext4 and XFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtomicLimits {
    /// The shortest.
    pub min: u32,
    /// The longest.
    pub max: u32,
    /// The most pieces of memory that one may be written from.
    pub segments_max: u32,
}

impl AtomicLimits {
    /// What to ask statx(2) for.
    pub(crate) const MASK: u32 = libc::STATX_WRITE_ATOMIC;

    /// The limits in an answer of statx(2), if it holds any.
    pub(crate) fn told(mask: u32, min: u32, max: u32, segments_max: u32) -> Option<Self> {
        (mask & Self::MASK != 0 && max > 0).then_some(Self { min, max, segments_max })
    }
}

/// Properties of a file at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Length in bytes.
    pub len_bytes: u64,
    /// Space that it takes on the device in bytes.
    pub allocated_bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// Number of names.
    pub link_count: u32,
    /// Number within its file system.
    pub inode: u64,
    /// When its contents last changed, or `None` where the file system does not keep it.
    pub modified: Option<SystemTime>,
    /// What direct transfers must be multiples of; `None` before Linux 6.1 and where the file takes
    /// none.
    pub direct: Option<DirectAlignment>,
    /// Lengths of atomic writes; `None` before Linux 6.11 and where the file takes none.
    pub atomic: Option<AtomicLimits>,
}

/// Memory for the kernel's answer, on the heap, so that it stays where it is when its operation
/// moves. A raw pointer and not a `Box`, because the kernel writes to it while the operation is
/// moved.
#[derive(Debug)]
pub(crate) struct StatAnswer(NonNull<MaybeUninit<libc::statx>>);

// SAFETY: the memory belongs to the answer alone.
unsafe impl Send for StatAnswer {}

impl StatAnswer {
    /// What is asked for.
    pub(crate) const MASK: u32 =
        libc::STATX_BASIC_STATS | libc::STATX_DIOALIGN | AtomicLimits::MASK;

    pub(crate) fn new() -> Self {
        Self(NonNull::from(Box::leak(Box::new(MaybeUninit::zeroed()))))
    }

    /// The address as a request carries it.
    pub(crate) fn exposed(&self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// The answer, after the kernel has written it.
    pub(crate) fn read(&self) -> Metadata {
        // SAFETY: the memory is ours, and its operation has completed.
        let answer = unsafe { self.0.as_ref() };
        // SAFETY: it was zeroed, which is a valid `statx`, and what the kernel wrote over it is one
        // too.
        let answer = unsafe { answer.assume_init_ref() };
        let told = |bit: u32| answer.stx_mask & bit != 0;
        let kind = match u32::from(answer.stx_mode) & libc::S_IFMT {
            libc::S_IFREG => FileKind::Regular,
            libc::S_IFDIR => FileKind::Directory,
            libc::S_IFBLK => FileKind::BlockDevice,
            _ => FileKind::Other,
        };
        let direct = (told(libc::STATX_DIOALIGN) && answer.stx_dio_offset_align > 0).then_some(
            DirectAlignment {
                memory: answer.stx_dio_mem_align,
                offset: answer.stx_dio_offset_align,
            },
        );
        let atomic = AtomicLimits::told(
            answer.stx_mask,
            answer.stx_atomic_write_unit_min,
            answer.stx_atomic_write_unit_max,
            answer.stx_atomic_write_segments_max,
        );
        Metadata {
            kind,
            len_bytes: answer.stx_size,
            // The field's unit is 512 bytes, whatever the file system's blocks are.
            allocated_bytes: answer.stx_blocks * 512,
            mode: u32::from(answer.stx_mode) & 0o7777,
            link_count: answer.stx_nlink,
            inode: answer.stx_ino,
            modified: told(libc::STATX_MTIME).then(|| time(&answer.stx_mtime)).flatten(),
            direct,
            atomic,
        }
    }
}

impl Drop for StatAnswer {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a leaked `Box` in `new`, and its operation is over.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

fn time(stamp: &libc::statx_timestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(stamp.tv_sec.unsigned_abs());
    let whole = if stamp.tv_sec < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole?.checked_add(Duration::from_nanos(u64::from(stamp.tv_nsec)))
}
