//! Operations on names. A relative path starts at the process's current directory.

use super::operation::Operation;
use super::operation::sealed::{Describe, Described, Surroundings};
use crate::backend::{Request, RequestFile, RequestKind};
use crate::error::{Error, ErrorKind};
use crate::file::File;
use crate::metadata::{Metadata, StatAnswer};
use crate::open_options::OpenOptions;
use crate::platform::STAT_MASK;
use crate::platform::flags::{AT_EMPTY_PATH, RENAME_NOREPLACE};
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path as the kernel takes it. On the heap, so that it stays where it is when its operation
/// moves.
#[derive(Debug)]
pub(super) struct KernelPath(CString);

impl KernelPath {
    pub(super) fn new(operation: &'static str, path: &Path) -> Result<Self, Error> {
        CString::new(path.as_os_str().as_bytes()).map(Self).map_err(|_| {
            let why = "the path has a NUL byte in it, which no file name can have";
            Error::refused(ErrorKind::NotFound, operation, why).with_path(path)
        })
    }

    pub(super) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.as_bytes()))
    }

    pub(super) fn address(&self) -> *mut u8 {
        self.0.as_ptr().cast_mut().cast()
    }

    fn exposed(&self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }
}

/// Opens a file.
///
/// Output: the file, direct-I/O alignment known.
///
/// Kernel: `IORING_OP_OPENAT` (Linux 5.6); openat(2) on `threads`.
#[derive(Debug)]
pub struct Open {
    path: KernelPath,
    options: OpenOptions,
    flags: i32,
}

impl Open {
    /// How and what. [`File::options`] says how.
    ///
    /// # Errors
    /// When neither reading nor writing is asked for, or the path has a NUL byte in it.
    pub fn new(options: OpenOptions, path: impl AsRef<Path>) -> Result<Self, Error> {
        let flags = options.flags(path.as_ref())?;
        Ok(Self { path: KernelPath::new("open", path.as_ref())?, options, flags })
    }
}

impl Operation for Open {
    type Output = File;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<File, Error> {
        match answer {
            Ok(fd) => File::from_kernel(fd, self.path.as_path()),
            Err(error) => Err(self.options.explain(error)),
        }
    }
}

impl Describe for Open {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        into.set(Request {
            address: self.path.address(),
            flags: self.flags.cast_unsigned(),
            len: OpenOptions::MODE,
            ..Request::without_file(RequestKind::Open)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.path.as_path())
    }
}

/// Asks for a file's properties, by its path or by its handle.
///
/// Output: [`Metadata`].
///
/// Kernel: `IORING_OP_STATX` (Linux 5.6); statx(2) on `threads`.
#[derive(Debug)]
pub struct Stat {
    subject: Subject,
    answer: StatAnswer,
}

#[derive(Debug)]
enum Subject {
    Path(KernelPath),
    File(File),
}

impl Stat {
    /// By path; a symbolic link is followed.
    ///
    /// # Errors
    /// When the path has a NUL byte in it.
    pub fn path(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = KernelPath::new("look at", path.as_ref())?;
        Ok(Self { subject: Subject::Path(path), answer: StatAnswer::new() })
    }

    /// By handle.
    pub fn file(file: File) -> Self {
        Self { subject: Subject::File(file), answer: StatAnswer::new() }
    }
}

impl Operation for Stat {
    type Output = Metadata;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<Metadata, Error> {
        answer.map(|_| self.answer.read())
    }
}

impl Describe for Stat {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        const EMPTY: &CStr = c"";
        let (file, address, flags) = match &self.subject {
            Subject::Path(path) => (RequestFile::None, path.address(), 0),
            Subject::File(file) => {
                let address = EMPTY.as_ptr().cast_mut().cast();
                (RequestFile::Fd(file.raw_fd()), address, AT_EMPTY_PATH)
            }
        };
        into.set(Request {
            file,
            address,
            flags,
            len: STAT_MASK,
            second: self.answer.exposed(),
            ..Request::without_file(RequestKind::Stat)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(match &self.subject {
            Subject::Path(path) => path.as_path(),
            Subject::File(file) => file.path(),
        })
    }
}

/// Gives a file another name; a file that has this name already is replaced, in one step.
///
/// Kernel: `IORING_OP_RENAMEAT` (Linux 5.11), before that and on `threads` renameat2(2).
#[derive(Debug)]
pub struct Rename {
    from: KernelPath,
    to: KernelPath,
    flags: u32,
}

impl Rename {
    /// From which path to which.
    ///
    /// # Errors
    /// When a path has a NUL byte in it.
    pub fn new(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Self, Error> {
        let from = KernelPath::new("rename", from.as_ref())?;
        Ok(Self { from, to: KernelPath::new("rename", to.as_ref())?, flags: 0 })
    }

    /// Fails with `AlreadyExists` instead of replacing a file: `RENAME_NOREPLACE`.
    #[must_use]
    pub fn without_replacing(mut self) -> Self {
        self.flags = RENAME_NOREPLACE;
        self
    }
}

impl Operation for Rename {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for Rename {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        into.set(Request {
            address: self.from.address(),
            second: self.to.exposed(),
            flags: self.flags,
            ..Request::without_file(RequestKind::Rename)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.from.as_path())
    }
}

/// Removes a name; the file itself goes with its last name and its last handle.
///
/// Kernel: `IORING_OP_UNLINKAT` (Linux 5.11), before that and on `threads` unlinkat(2).
#[derive(Debug)]
pub struct Unlink {
    path: KernelPath,
    flags: i32,
}

impl Unlink {
    /// Of a file.
    ///
    /// # Errors
    /// When the path has a NUL byte in it.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { path: KernelPath::new("remove", path.as_ref())?, flags: 0 })
    }

    /// Of an empty directory.
    ///
    /// # Errors
    /// When the path has a NUL byte in it.
    pub fn directory(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { path: KernelPath::new("remove", path.as_ref())?, flags: libc::AT_REMOVEDIR })
    }
}

impl Operation for Unlink {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for Unlink {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        into.set(Request {
            address: self.path.address(),
            flags: self.flags.cast_unsigned(),
            ..Request::without_file(RequestKind::Unlink)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.path.as_path())
    }
}

/// Makes a directory, with mode 0777 less the umask.
///
/// Kernel: `IORING_OP_MKDIRAT` (Linux 5.15), before that and on `threads` mkdirat(2).
#[derive(Debug)]
pub struct MakeDirectory {
    path: KernelPath,
}

impl MakeDirectory {
    /// Where. The directory that it lies in has to exist.
    ///
    /// # Errors
    /// When the path has a NUL byte in it.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { path: KernelPath::new("make directory", path.as_ref())? })
    }
}

impl Operation for MakeDirectory {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for MakeDirectory {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        into.set(Request {
            address: self.path.address(),
            len: 0o777,
            ..Request::without_file(RequestKind::MakeDirectory)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.path.as_path())
    }
}

/// Gives a file one more name.
///
/// Kernel: `IORING_OP_LINKAT` (Linux 5.15), before that and on `threads` linkat(2).
#[derive(Debug)]
pub struct Link {
    existing: KernelPath,
    new: KernelPath,
}

impl Link {
    /// Of which file, and the new name.
    ///
    /// # Errors
    /// When a path has a NUL byte in it.
    pub fn new(existing: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<Self, Error> {
        let existing = KernelPath::new("link", existing.as_ref())?;
        Ok(Self { existing, new: KernelPath::new("link", new.as_ref())? })
    }
}

impl Operation for Link {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for Link {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        into.set(Request {
            address: self.existing.address(),
            second: self.new.exposed(),
            ..Request::without_file(RequestKind::Link)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.existing.as_path())
    }
}
