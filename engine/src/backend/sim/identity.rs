//! What a simulated file is to the process: an empty anonymous memory file, whose descriptors are
//! real ones that a `File` can own and whose inode number tells which simulated file is meant. The
//! bytes are `content`'s; nothing is ever read from or written to the memory file. Used by `model`.

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What all descriptors of one file have in common: device and inode number.
pub(super) type Key = (u64, u64);

/// Keeps a simulated file's inode in being, so that its number is not given to another one.
#[derive(Debug)]
pub(super) struct Anchor {
    memory: OwnedFd,
    key: Key,
}

impl Anchor {
    /// A new one, of this length.
    pub(super) fn new(len: u64) -> Result<Self, i32> {
        let memory = rustix::fs::memfd_create(c"iomill-sim", MemfdFlags::CLOEXEC)
            .map_err(rustix::io::Errno::raw_os_error)?;
        let (key, _) = identify(memory.as_fd()).ok_or(libc::EBADF)?;
        let anchor = Self { memory, key };
        anchor.set_len(len);
        Ok(anchor)
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// A descriptor of its own, with the access and the mode that `flags` ask for.
    pub(super) fn open(&self, flags: i32) -> Result<OwnedFd, i32> {
        const KEPT: i32 =
            libc::O_ACCMODE | libc::O_DIRECT | libc::O_APPEND | libc::O_DSYNC | libc::O_SYNC;
        let path = format!("/proc/self/fd/{}", self.memory.as_raw_fd());
        let flags = OFlags::from_bits_retain((flags & KEPT).cast_unsigned()) | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(rustix::io::Errno::raw_os_error)
    }

    /// Tells those who ask the descriptor itself (`File::len`). It takes no memory. A length that
    /// the memory file cannot have is left out: only the answer to that question suffers.
    pub(super) fn set_len(&self, len: u64) {
        let _ = rustix::fs::ftruncate(&self.memory, len);
    }
}

/// Which file a descriptor belongs to, and the flags that it was opened with.
pub(super) fn identify(fd: BorrowedFd<'_>) -> Option<(Key, i32)> {
    let status = rustix::fs::fstat(fd).ok()?;
    let flags = rustix::fs::fcntl_getfl(fd).ok()?;
    Some(((status.st_dev, status.st_ino), flags.bits().cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_of_one_file_have_its_key_and_their_own_flags() {
        let (one, other) = (Anchor::new(5).unwrap(), Anchor::new(0).unwrap());
        assert_ne!(one.key(), other.key());
        let reader = one.open(libc::O_RDONLY).unwrap();
        let writer = one.open(libc::O_RDWR | libc::O_APPEND | libc::O_TRUNC).unwrap();
        let (key, flags) = identify(reader.as_fd()).unwrap();
        assert_eq!((key, flags & libc::O_ACCMODE), (one.key(), libc::O_RDONLY));
        let (key, flags) = identify(writer.as_fd()).unwrap();
        assert_eq!((key, flags & libc::O_ACCMODE), (one.key(), libc::O_RDWR));
        assert_eq!(flags & libc::O_APPEND, libc::O_APPEND);
        assert_eq!(rustix::fs::fstat(&writer).unwrap().st_size, 5, "the length is told");
    }
}
