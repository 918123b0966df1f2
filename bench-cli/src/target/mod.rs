//! The file or device that a job works on: found or created, checked, ready to run.
//!
//! Owns every check that needs the file, and the rule that data which this run did not create is
//! written only with `--allow_overwrite`. It does not touch a file's contents but through
//! `layout`. Called by `runner` for each job, before any job starts unless it wants otherwise.

mod created;
mod layout;

pub(crate) use created::{CreatedFiles, dangling_link};

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, Mode, OFlags};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::job::{Amount, JobSpec, Sizes, SyncMode};
use crate::notice;
use crate::workload::{Random, Region};
use iomill_engine::ErrorKind;
use layout::Layout;

/// A file that is ready to run on.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The bytes that the job touches.
    pub(crate) region: Region,
}

/// One file of one copy of a job.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    spec: &'a JobSpec,
    path: &'a Path,
    copy: u32,
    file_count: u64,
    /// The size that `filesize` asks for.
    file_size_bytes: Option<u64>,
}

/// Makes the files of copy number `copy` ready.
///
/// # Errors
///
/// A usage error where the job is refused, an I/O error where the system fails.
pub(crate) fn prepare(
    spec: &JobSpec,
    copy: u32,
    created: &CreatedFiles,
    interrupt: &Interrupt,
) -> Result<Vec<Target>, Error> {
    let paths = spec.paths(copy);
    let mut sizes = Random::new(spec.seed() ^ u64::from(copy));
    let file_count = paths.len() as u64;
    paths
        .iter()
        .map(|path| {
            let file_size_bytes =
                spec.files.size_bytes.map(|(low, high)| low + sizes.below(high - low + 1));
            let wanted = Wanted { spec, path, copy, file_count, file_size_bytes };
            wanted.target(created, interrupt)
        })
        .collect()
}

impl Wanted<'_> {
    fn target(&self, created: &CreatedFiles, interrupt: &Interrupt) -> Result<Target, Error> {
        let Wanted { spec, path, .. } = *self;
        let region = match std::fs::metadata(path) {
            Ok(metadata) => self.check_existing(&metadata, created, interrupt)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(target) = dangling_link(path) {
                    return Err(Error::usage(format!(
                        "'{}' is a symbolic link to '{}', which does not exist; create that file, \
                         remove the link or choose another path",
                        path.display(),
                        target.display()
                    )));
                }
                self.create(created, interrupt)?
            }
            Err(error) => return Err(cannot("reach", path, &error)),
        };
        check_access(spec, path, region.first_byte)?;
        Ok(Target { path: path.to_owned(), region })
    }

    /// Where the job starts in a file of this length.
    fn first_byte(&self, file_len_bytes: u64) -> u64 {
        let spec = self.spec;
        let step = spec.offset_increment.of(file_len_bytes).saturating_mul(u64::from(self.copy));
        let first = spec.offset.of(file_len_bytes).saturating_add(step);
        let calculated = [spec.offset, spec.offset_increment]
            .iter()
            .any(|amount| matches!(amount, Amount::Percent(_)));
        match spec.offset_align_bytes {
            Some(align) => first - first % align,
            None if calculated => first - first % spec.block_unit(),
            None => first,
        }
    }

    /// The bytes that the job asks for in this file, if it says so.
    fn size_bytes(&self, file_len_bytes: u64) -> Option<u64> {
        match (self.file_size_bytes, self.spec.size) {
            (Some(bytes), _) => Some(bytes),
            (None, Some(Amount::Bytes(bytes))) => Some(bytes / self.file_count),
            (None, Some(percent)) => Some(percent.of(file_len_bytes)),
            (None, None) => None,
        }
    }

    /// The whole blocks between the job's first byte and `end_bytes`.
    fn region(&self, first_byte: u64, end_bytes: u64) -> Result<Region, Error> {
        let (smallest, _) = self.spec.block_bounds();
        let len_bytes = end_bytes.saturating_sub(first_byte);
        let len_bytes = len_bytes - len_bytes % self.spec.block_unit();
        if len_bytes < smallest {
            return Err(Error::usage(format!(
                "'{}' ends at byte {end_bytes}: no room for a block of {smallest} bytes from \
                 --offset={first_byte} on; lower --offset or --bs, or use a larger file",
                self.path.display(),
            )));
        }
        Ok(Region { first_byte, len_bytes })
    }

    /// Checks a file that was there before.
    fn check_existing(
        &self,
        metadata: &Metadata,
        created: &CreatedFiles,
        interrupt: &Interrupt,
    ) -> Result<Region, Error> {
        let (spec, shown) = (self.spec, self.path.display());
        if metadata.is_dir() {
            return Err(Error::usage(format!(
                "'{shown}' is a directory; give a file, or --directory={shown} to create one in it"
            )));
        }
        let is_device = metadata.file_type().is_block_device();
        if !is_device && !metadata.is_file() {
            return Err(Error::usage(format!(
                "'{shown}' is neither a regular file nor a block device; choose another --filename"
            )));
        }
        let ours = created.contains(self.path);
        if spec.rw.changes() && !spec.verify.only && !spec.allow_overwrite && !ours {
            let kind = if is_device { "a block device" } else { "an existing file" };
            return Err(Error::usage(format!(
                "--rw={} would destroy data on '{shown}', {kind} that this run did not create; \
                 choose another --filename, or add --allow_overwrite",
                spec.rw.name()
            )));
        }
        let file_len_bytes = if is_device { device_len_bytes(self.path)? } else { metadata.len() };
        let first_byte = self.first_byte(file_len_bytes);
        let Some(size_bytes) = self.size_bytes(file_len_bytes) else {
            return self.region(first_byte, file_len_bytes);
        };
        let end_bytes = match spec.size {
            // A part of the file never goes beyond it.
            Some(Amount::Percent(_)) => first_byte.saturating_add(size_bytes).min(file_len_bytes),
            _ => first_byte.saturating_add(size_bytes),
        };
        if ours && end_bytes > file_len_bytes {
            self.extend(file_len_bytes, end_bytes, interrupt)?;
        } else if end_bytes > file_len_bytes && (spec.rw.reads() || is_device) {
            return Err(Error::usage(format!(
                "--offset={first_byte} plus --size={size_bytes} is beyond the end of '{shown}', \
                 which has {file_len_bytes} bytes; lower --size or use a larger file",
            )));
        }
        self.region(first_byte, end_bytes)
    }

    /// Makes a file longer that an earlier job of this run created.
    fn extend(&self, from: u64, to: u64, interrupt: &Interrupt) -> Result<(), Error> {
        let file = std::fs::OpenOptions::new().append(true).open(self.path);
        let file = file.map_err(|error| cannot("open", self.path, &error))?;
        self.lay_out(&file, from, to, interrupt)
    }

    /// Creates the job's file.
    fn create(&self, created: &CreatedFiles, interrupt: &Interrupt) -> Result<Region, Error> {
        let (spec, shown) = (self.spec, self.path.display());
        if !spec.files.allow_create {
            return Err(Error::usage(format!(
                "'{shown}' does not exist, and --allow_file_create=0 forbids to create it"
            )));
        }
        let named = spec.filename.is_some();
        if named && !spec.rw.changes() {
            return Err(Error::usage(format!(
                "'{shown}' does not exist, and a job that only reads does not create it; check \
                 the path, or leave --filename out and give --size to read a temporary file",
            )));
        }
        let full = if spec.files.fill_device { room_bytes(self.path) } else { None };
        let Some(size_bytes) = self.size_bytes(0).or(full).filter(|bytes| *bytes > 0) else {
            return Err(Error::usage(format!(
                "'{shown}' does not exist; give --size (e.g. --size=1g) to have it created, or \
                 the --filename of an existing file",
            )));
        };
        let first_byte = self.first_byte(size_bytes);
        let end_bytes = first_byte.saturating_add(size_bytes);
        let region = self.region(first_byte, end_bytes)?;
        let file =
            created.create(self.path).map_err(|error| cannot("create", self.path, &error))?;
        self.lay_out(&file, 0, end_bytes, interrupt)?;
        Ok(region)
    }

    fn lay_out(&self, file: &File, from: u64, to: u64, interrupt: &Interrupt) -> Result<(), Error> {
        let (spec, path) = (self.spec, self.path);
        let len_bytes = to - from;
        let result = if spec.rw.reads() && !spec.files.fill_device {
            let mib = len_bytes.div_ceil(1 << 20);
            notice::line(&format!("{}: laying out '{}' ({mib} MiB)", spec.name, path.display()));
            layout::fill(file, len_bytes, spec.seed() ^ u64::from(self.copy), interrupt)
        } else if spec.files.fill_device {
            Ok(Layout::Complete)
        } else {
            layout::reserve(file, to, spec.files.fallocate).map(|()| Layout::Complete)
        };
        match result {
            Ok(Layout::Complete) => Ok(()),
            Ok(Layout::Interrupted) => Err(Error::Interrupted),
            Err(error) => Err(cannot(&format!("lay out {len_bytes} bytes of"), path, &error)),
        }
    }
}

/// How much `fill_device` can write to a new file: all that is free, and some more so that the end
/// is reached.
fn room_bytes(path: &Path) -> Option<u64> {
    const MORE_BYTES: u64 = 64 << 20;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let status = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize).saturating_add(MORE_BYTES))
}

/// A block device's `stat` says 0; its end is found by seeking.
fn device_len_bytes(path: &Path) -> Result<u64, Error> {
    use std::io::{Seek, SeekFrom};
    let mut device = File::open(path).map_err(|error| cannot("open", path, &error))?;
    device.seek(SeekFrom::End(0)).map_err(|error| cannot("find the size of", path, &error))
}

/// Opens the file as the job will, and checks what direct I/O demands.
fn check_access(spec: &JobSpec, path: &Path, first_byte: u64) -> Result<(), Error> {
    let file = open(spec, path)?;
    let Some(alignment) = file.alignment() else { return Ok(()) };
    let unit_bytes = u64::from(alignment.offset);
    let blocks = spec.directions().flat_map(|direction| {
        let sizes = &spec.blocks[direction as usize];
        match sizes {
            Sizes::Split(parts) => parts.iter().map(|part| part.0).collect(),
            _ => vec![sizes.min(), sizes.max()],
        }
    });
    let size = spec.size.and_then(Amount::bytes).unwrap_or(0);
    let multiples = blocks.map(|len| ("--bs", len)).chain([
        ("--blockalign", spec.block_unit()),
        ("--offset", first_byte),
        ("--size", size),
    ]);
    for (name, value) in multiples {
        if !value.is_multiple_of(unit_bytes) {
            return Err(Error::usage(format!(
                "{name}={value} does not fit --direct on '{}': it must be a multiple of \
                 {unit_bytes} bytes there",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Opens the job's file for what the job does with it.
///
/// # Errors
///
/// A usage error: the path or the mode is the user's choice.
pub(crate) fn open(spec: &JobSpec, path: &Path) -> Result<iomill_engine::File, Error> {
    let changes = spec.rw.changes() && !spec.verify.only;
    let file = iomill_engine::File::options()
        .read(spec.rw.reads() || spec.verifies_writes() || !changes)
        .write(changes)
        .direct(spec.is_direct())
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::Unsupported if spec.is_direct() => Error::usage(format!(
                "the file system of '{}' cannot do direct I/O: leave out --direct, or choose a \
                 file on another one",
                path.display()
            )),
            _ => Error::usage(error.to_string()),
        })?;
    match spec.sync_mode {
        SyncMode::None => Ok(file),
        SyncMode::Sync => open_again(file, path, OFlags::SYNC),
        SyncMode::Dsync => open_again(file, path, OFlags::DSYNC),
    }
}

/// The file again, with one flag more: what can go wrong has gone wrong at the first time.
fn open_again(
    file: iomill_engine::File,
    path: &Path,
    more: OFlags,
) -> Result<iomill_engine::File, Error> {
    let failed = |errno: rustix::io::Errno| cannot("open", path, &errno.into());
    let flags = rustix::fs::fcntl_getfl(&file).map_err(failed)?;
    let descriptor = rustix::fs::open(path, flags | more | OFlags::CLOEXEC, Mode::empty());
    iomill_engine::File::from_fd(descriptor.map_err(failed)?, path)
        .map_err(|error| Error::usage(error.to_string()))
}

/// Brings the page cache into the state that the job wants to begin with.
///
/// # Errors
///
/// The operating system's.
pub(crate) fn warm_or_cool(
    spec: &JobSpec,
    path: &Path,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    if spec.files.pre_read {
        let file = File::open(path).map_err(|error| cannot("open", path, &error))?;
        layout::read_all(&file, interrupt).map_err(|error| cannot("read", path, &error))
    } else if spec.invalidate {
        invalidate(path)
    } else {
        Ok(())
    }
}

/// Drops the file's clean pages from the page cache.
fn invalidate(path: &Path) -> Result<(), Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        // A file that may be written but not read has no pages of ours to read from the cache.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(cannot("open", path, &error)),
    };
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)
        .map_err(|errno| cannot("drop from the page cache", path, &errno.into()))
}

/// The standard library has no kind for the process's or the machine's limit.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, lower --size or choose another --directory"
        }
        io::ErrorKind::PermissionDenied => "change its permissions or choose another path",
        io::ErrorKind::NotFound => "create its directory first or choose another --directory",
        io::ErrorKind::ReadOnlyFilesystem => "choose a --directory that can be written",
        io::ErrorKind::AlreadyExists => "it has just appeared; choose another --name",
        _ if is_out_of_descriptors(error) => "raise the limit of open files (ulimit -n)",
        _ => "choose another path",
    };
    let message = format!("cannot {what} '{}': {error}; {advice}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Io(message),
        _ => Error::Usage(message),
    }
}

#[cfg(test)]
mod tests;
