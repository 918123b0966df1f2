//! What the kernel says of a file, and the place where it writes its answer. Used by `op::path`.

use crate::file::DirectAlignment;
use crate::platform;
use std::ptr::NonNull;
use std::time::SystemTime;

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
pub(crate) struct StatAnswer(NonNull<platform::Stat>);

// SAFETY: the memory belongs to the answer alone.
unsafe impl Send for StatAnswer {}

impl StatAnswer {
    pub(crate) fn new() -> Self {
        Self(NonNull::from(Box::leak(Box::new(platform::empty_stat()))))
    }

    /// The address as a request carries it.
    pub(crate) fn exposed(&self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// The answer, after the kernel has written it.
    ///
    /// # Panics
    /// If it has not.
    pub(crate) fn read(&self) -> Metadata {
        // SAFETY: the memory is ours, and its operation has completed.
        let answer = unsafe { self.0.as_ref() };
        platform::metadata(answer).expect("an operation that succeeded has left its answer")
    }
}

impl Drop for StatAnswer {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a leaked `Box` in `new`, and its operation is over.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
