//! How a file is opened: what is asked for, as flags of openat(2), and what its refusals mean. Used
//! by `file` and by `op::path`.

use crate::error::{Error, ErrorKind};
use crate::file::File;
use crate::platform;
use rustix::fs::{CWD, Mode, OFlags};
use std::path::Path;

/// How to open a file. Everything is off until it is asked for.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    create: bool,
    create_new: bool,
    truncate: bool,
    direct: bool,
}

impl OpenOptions {
    /// For reading.
    #[must_use]
    pub fn read(mut self, read: bool) -> Self {
        self.read = read;
        self
    }

    /// For writing.
    #[must_use]
    pub fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// Creates the file, with mode 0666 less the umask, if it does not exist.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Creates the file and fails if it exists.
    #[must_use]
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// Cuts an existing file to nothing.
    #[must_use]
    pub fn truncate(mut self, truncate: bool) -> Self {
        self.truncate = truncate;
        self
    }

    /// Bypasses the page cache: `O_DIRECT`. Offsets, lengths and buffers must then be aligned as
    /// [`File::alignment`] says; those of the pool are.
    #[must_use]
    pub fn direct(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// One line with the path and what to do: missing file, directory, no permission, a file system
    /// that cannot do direct I/O, and so on.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<File, Error> {
        let path = path.as_ref();
        let flags = OFlags::from_bits_retain(self.flags(path)?.cast_unsigned());
        // As `MODE`; its type is not the same everywhere.
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        let fd = rustix::fs::openat(CWD, path, flags, mode).map_err(|errno| {
            self.explain(Error::from_errno("open", errno.raw_os_error()).with_path(path))
        })?;
        File::from_fd(fd, path)
    }

    /// Permissions of a file that is created, less the umask.
    pub(crate) const MODE: u32 = 0o666;

    /// As openat(2) takes them.
    pub(crate) fn flags(&self, path: &Path) -> Result<i32, Error> {
        let mut flags = match (self.read, self.write) {
            (true, true) => libc::O_RDWR,
            (false, true) => libc::O_WRONLY,
            (true, false) => libc::O_RDONLY,
            (false, false) => {
                let advice = "neither reading nor writing was asked for: ask for one of them";
                return Err(
                    Error::refused(ErrorKind::InvalidConfig, "open", advice).with_path(path)
                );
            }
        };
        flags |= libc::O_CLOEXEC;
        if self.direct {
            let why = "this system has no direct I/O (O_DIRECT): open the file without it";
            flags |= platform::O_DIRECT.ok_or_else(|| {
                Error::refused(ErrorKind::Unsupported, "open", why).with_path(path)
            })?;
        }
        for (wanted, flag) in [
            (self.create, libc::O_CREAT),
            (self.create_new, libc::O_CREAT | libc::O_EXCL),
            (self.truncate, libc::O_TRUNC),
        ] {
            if wanted {
                flags |= flag;
            }
        }
        Ok(flags)
    }

    /// What the kernel's answer means for a file that is opened like this.
    pub(crate) fn explain(&self, error: Error) -> Error {
        if self.direct && error.errno() == Some(libc::EINVAL) {
            let advice = "this file system cannot do direct I/O: open the file without it";
            return error.with_advice(ErrorKind::Unsupported, advice);
        }
        error
    }
}
