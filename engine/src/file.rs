//! Shared file handles. A [`File`] is a reference: each operation holds one, so the descriptor is
//! closed after the last operation and never while one is in flight. Knows what direct I/O on the
//! file asks for; makes no transfers itself.

use crate::durability::{Durability, DurableMethod, FileDurability};
use crate::error::{Error, ErrorKind};
use crate::lanes::FileSystem;
use crate::metadata::AtomicLimits;
use crate::open_options::OpenOptions;
use crate::platform;
use rustix::fs::{FileType, OFlags, SeekFrom};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What direct transfers of a file must be multiples of. Units: bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectAlignment {
    /// The buffer's address.
    pub memory: u32,
    /// The offset in the file and the length.
    pub offset: u32,
}

/// What is assumed where the kernel does not tell (before Linux 6.1, and some file systems): the
/// smallest block in use. Stricter devices answer EINVAL.
const ASSUMED: DirectAlignment = DirectAlignment { memory: 512, offset: 512 };

#[derive(Debug)]
struct Inner {
    fd: ManuallyDrop<OwnedFd>,
    /// Whether a `Close` owns the descriptor now, so that dropping must leave it alone.
    released: bool,
    /// Whether a sync of it has failed.
    poisoned: AtomicBool,
    durability: FileDurability,
    path: PathBuf,
    /// `Some` for a file that is open for direct I/O.
    alignment: Option<DirectAlignment>,
    /// Of a direct file that takes atomic writes.
    atomic: Option<AtomicLimits>,
    file_system: FileSystem,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.released {
            // SAFETY: dropped here only, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.fd) };
        }
    }
}

/// A slot in the registered files of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Whose.
    pub(crate) engine: u32,
    /// Which.
    pub(crate) index: u32,
}

/// A file that operations can name. Cloning it copies a reference.
#[derive(Clone, Debug)]
pub struct File {
    inner: Arc<Inner>,
    slot: Option<Slot>,
}

impl File {
    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::options().read(true).open(path)
    }

    /// How to open a file, as `std::fs::OpenOptions`.
    pub fn options() -> OpenOptions {
        OpenOptions::default()
    }

    /// Takes an open descriptor; `path` is only what messages call it.
    ///
    /// # Errors
    /// `IsDirectory` if it is one, or the kernel's answer to `fcntl` and `fstat`.
    pub fn from_fd(fd: OwnedFd, path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let describe = |errno: rustix::io::Errno| {
            Error::from_errno("look at", errno.raw_os_error()).with_path(&path)
        };
        let status = rustix::fs::fstat(&fd).map_err(describe)?;
        let file_system = match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => {
                return Err(Error::from_errno("open", libc::EISDIR).with_path(&path));
            }
            FileType::RegularFile => FileSystem::of(fd.as_fd()),
            _ => FileSystem::Unknown,
        };
        let flags = rustix::fs::fcntl_getfl(&fd).map_err(describe)?;
        let is_direct = platform::O_DIRECT
            .is_some_and(|direct| flags.contains(OFlags::from_bits_retain(direct.cast_unsigned())));
        let direct = is_direct.then(|| platform::direct_properties(fd.as_fd()));
        let alignment = direct.map(|(alignment, _)| alignment.unwrap_or(ASSUMED));
        let atomic = direct.and_then(|(_, atomic)| atomic);
        let fd = ManuallyDrop::new(fd);
        Ok(Self {
            inner: Arc::new(Inner {
                fd,
                released: false,
                poisoned: AtomicBool::new(false),
                durability: FileDurability::unknown(),
                path,
                alignment,
                atomic,
                file_system,
            }),
            slot: None,
        })
    }

    /// The path that it was opened with.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The file's length in bytes; of a block device its capacity.
    ///
    /// # Errors
    /// The kernel's answer to `fstat` or `lseek`.
    pub fn len(&self) -> Result<u64, Error> {
        let describe = |errno: rustix::io::Errno| {
            Error::from_errno("measure", errno.raw_os_error()).with_path(self.path())
        };
        let status = rustix::fs::fstat(self).map_err(describe)?;
        if FileType::from_raw_mode(status.st_mode) == FileType::BlockDevice {
            return rustix::fs::seek(self, SeekFrom::End(0)).map_err(describe);
        }
        Ok(u64::try_from(status.st_size).unwrap_or(0))
    }

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// What it lies on; `Unknown` for what is no regular file.
    #[inline]
    pub fn file_system(&self) -> FileSystem {
        self.inner.file_system
    }

    /// Whether transfers bypass the page cache.
    #[inline]
    pub fn is_direct(&self) -> bool {
        self.inner.alignment.is_some()
    }

    /// What direct transfers must be multiples of, or `None` if the file is not direct.
    #[inline]
    pub fn alignment(&self) -> Option<DirectAlignment> {
        self.inner.alignment
    }

    /// What an atomic write of this file may be: see [`WriteFlags::ATOMIC`]. `None` if the file is
    /// not open for direct I/O, or takes none, or before Linux 6.11. Read at open.
    ///
    /// [`WriteFlags::ATOMIC`]: crate::WriteFlags::ATOMIC
    pub fn atomic_limits(&self) -> Option<AtomicLimits> {
        self.inner.atomic
    }

    /// The file behind a descriptor that a completed open answered.
    pub(crate) fn from_kernel(fd: u32, path: &Path) -> Result<Self, Error> {
        // SAFETY: the kernel has just made this descriptor for the operation that calls here, and
        // nobody else has seen it.
        Self::from_fd(unsafe { OwnedFd::from_raw_fd(fd.cast_signed()) }, path)
    }

    /// Gives the descriptor up if no other handle holds it: from now on the caller owns it.
    pub(crate) fn release(&mut self) -> Option<RawFd> {
        let inner = Arc::get_mut(&mut self.inner)?;
        inner.released = true;
        Some(inner.fd.as_raw_fd())
    }

    /// Whether the descriptor was given up.
    pub(crate) fn is_released(&self) -> bool {
        self.inner.released
    }

    /// Takes a descriptor back that was given up and not closed.
    pub(crate) fn take_back(&mut self) {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.released = false;
        }
    }

    /// Whether a sync of it has failed. Linux then throws the dirty pages away or calls them clean,
    /// so that a second sync would succeed without having written them: what came after the last
    /// good sync may be lost. Writes and syncs are refused from then on. Open the file anew, read
    /// what is there, and write again.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        // Relaxed: nothing else is read on the strength of it.
        self.inner.poisoned.load(Ordering::Relaxed)
    }

    /// A sync has failed.
    pub(crate) fn poison(&self) {
        self.inner.poisoned.store(true, Ordering::Relaxed);
    }

    /// Refuses a poisoned file.
    #[inline]
    pub(crate) fn check_poison(&self, operation: &'static str) -> Result<(), Error> {
        if !self.is_poisoned() {
            return Ok(());
        }
        let why = "an earlier sync of it failed, and what was written before that may be lost: \
                   open it anew, and write again";
        Err(Error::refused(ErrorKind::Poisoned, operation, why).with_path(self.path()))
    }

    /// How [`DurableWrite`](crate::DurableWrite) makes this file's bytes durable: a linked sync
    /// until [`Engine::probe_durability`](crate::Engine::probe_durability) has found a quicker way
    /// or [`set_durable_method`](Self::set_durable_method) was called.
    #[inline]
    pub fn durable_method(&self) -> DurableMethod {
        self.inner.durability.method()
    }

    /// Chooses the method for all handles of this file, from the next submission on.
    pub fn set_durable_method(&self, method: DurableMethod) {
        self.inner.durability.set_method(method);
    }

    /// What a probe has found, if there was one.
    pub fn durability(&self) -> Option<&Durability> {
        self.inner.durability.probed()
    }

    /// A probe has found this.
    pub(crate) fn set_durability(&self, durability: Durability) {
        self.inner.durability.set_probed(durability);
    }

    #[inline]
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.inner.fd.as_raw_fd()
    }

    #[inline]
    pub(crate) fn slot(&self) -> Option<Slot> {
        self.slot
    }

    /// The same file, known to an engine under a slot of its table.
    pub(crate) fn with_slot(&self, slot: Slot) -> Self {
        Self { inner: Arc::clone(&self.inner), slot: Some(slot) }
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_a_directory_are_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = File::open(&missing).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(missing.as_path())));
        let error = File::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsDirectory);
        assert!(error.to_string().contains("not a directory"), "{error}");
        let error = File::options().open(&missing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }

    #[test]
    fn a_direct_file_knows_its_alignment_and_a_buffered_one_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [1; 4096]).unwrap();
        assert_eq!(File::open(&path).unwrap().alignment(), None);
        match File::options().read(true).direct(true).open(&path) {
            Ok(file) => {
                let alignment = file.alignment().unwrap();
                assert!(alignment.offset.is_power_of_two() && alignment.memory.is_power_of_two());
            }
            Err(error) => eprintln!("skipped the direct half: {error}"),
        }
    }
}
