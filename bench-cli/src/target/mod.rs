//! The file or device that a job works on: found or created, checked, ready to run.
//!
//! Owns every check that needs the file, and the rule that data which this run did not create is
//! written only with `--allow_overwrite`. It does not touch a file's contents but through
//! `layout`. Called by `main` once per distinct file, before any job starts.

mod created;
mod layout;

pub(crate) use created::{CreatedFiles, dangling_link};

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::Advice;

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::job::JobSpec;
use crate::notice;
use crate::workload::Region;
use iomill_engine::ErrorKind;
use layout::Layout;

/// A file that is ready to run on.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The blocks that the job touches.
    pub(crate) region: Region,
}

impl Target {
    /// Makes the file of job number `job_index` ready.
    ///
    /// # Errors
    ///
    /// A usage error where the job is refused, an I/O error where the system fails.
    pub(crate) fn prepare(
        spec: &JobSpec,
        job_index: u32,
        created: &CreatedFiles,
        interrupt: &Interrupt,
    ) -> Result<Target, Error> {
        let path = spec.path(job_index);
        let end_bytes = match std::fs::metadata(&path) {
            Ok(metadata) => check_existing(spec, &path, &metadata)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(target) = dangling_link(&path) {
                    return Err(Error::usage(format!(
                        "'{}' is a symbolic link to '{}', which does not exist; create that file, \
                         remove the link or choose another path",
                        path.display(),
                        target.display()
                    )));
                }
                create(spec, job_index, &path, created, interrupt)?
            }
            Err(error) => return Err(cannot("reach", &path, &error)),
        };
        let region = region(spec, &path, end_bytes)?;
        check_access(spec, &path)?;
        if spec.invalidate {
            invalidate(&path)?;
        }
        Ok(Target { path, region })
    }
}

/// The blocks between the job's offset and `end_bytes`.
fn region(spec: &JobSpec, path: &Path, end_bytes: u64) -> Result<Region, Error> {
    let block_len_bytes = spec.block_len_bytes;
    let len_bytes = end_bytes.saturating_sub(spec.offset_bytes);
    let block_count = len_bytes / block_len_bytes;
    if block_count == 0 {
        return Err(Error::usage(format!(
            "'{}' ends at byte {end_bytes}: no room for a block of {block_len_bytes} bytes from \
             --offset={} on; lower --offset or --bs, or use a larger file",
            path.display(),
            spec.offset_bytes
        )));
    }
    Ok(Region { first_byte: spec.offset_bytes, block_len_bytes, block_count })
}

/// Checks a file that was there before, and tells where the job's region ends.
fn check_existing(spec: &JobSpec, path: &Path, metadata: &Metadata) -> Result<u64, Error> {
    let shown = path.display();
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
    if spec.rw.writes() && !spec.allow_overwrite {
        let kind = if is_device { "a block device" } else { "an existing file" };
        return Err(Error::usage(format!(
            "--rw={} would destroy data on '{shown}', {kind} that this run did not create; choose \
             another --filename, or add --allow_overwrite",
            spec.rw.name()
        )));
    }
    let file_len_bytes = if is_device { device_len_bytes(path)? } else { metadata.len() };
    let Some(size_bytes) = spec.size_bytes else { return Ok(file_len_bytes) };
    let end_bytes = spec.offset_bytes.saturating_add(size_bytes);
    if end_bytes > file_len_bytes && (spec.rw.reads() || is_device) {
        return Err(Error::usage(format!(
            "--offset={} plus --size={size_bytes} is beyond the end of '{shown}', which has \
             {file_len_bytes} bytes; lower --size or use a larger file",
            spec.offset_bytes
        )));
    }
    Ok(end_bytes)
}

/// A block device's `stat` says 0; its end is found by seeking.
fn device_len_bytes(path: &Path) -> Result<u64, Error> {
    use std::io::{Seek, SeekFrom};
    let mut device = File::open(path).map_err(|error| cannot("open", path, &error))?;
    device.seek(SeekFrom::End(0)).map_err(|error| cannot("find the size of", path, &error))
}

/// Creates the job's file, and tells where its region ends.
fn create(
    spec: &JobSpec,
    job_index: u32,
    path: &Path,
    created: &CreatedFiles,
    interrupt: &Interrupt,
) -> Result<u64, Error> {
    if spec.filename.is_some() && !spec.rw.writes() {
        return Err(Error::usage(format!(
            "'{}' does not exist, and a job that only reads does not create it; check the path, \
             or leave --filename out and give --size to read a temporary file",
            path.display()
        )));
    }
    let Some(size_bytes) = spec.size_bytes else {
        return Err(Error::usage(format!(
            "'{}' does not exist; give --size (e.g. --size=1g) to have it created, or the \
             --filename of an existing file",
            path.display()
        )));
    };
    let end_bytes = spec.offset_bytes.saturating_add(size_bytes);
    let file = created.create(path).map_err(|error| cannot("create", path, &error))?;
    let result = if spec.rw.reads() {
        let mib = end_bytes.div_ceil(1 << 20);
        notice::line(&format!("{}: laying out '{}' ({mib} MiB)", spec.name, path.display()));
        layout::fill(&file, end_bytes, spec.seed() ^ u64::from(job_index), interrupt)
    } else {
        layout::reserve(&file, end_bytes).map(|()| Layout::Complete)
    };
    match result {
        Ok(Layout::Complete) => Ok(end_bytes),
        Ok(Layout::Interrupted) => Err(Error::Interrupted),
        Err(error) => Err(cannot(&format!("lay out {end_bytes} bytes of"), path, &error)),
    }
}

/// Opens the file as the job will, and checks what direct I/O demands.
fn check_access(spec: &JobSpec, path: &Path) -> Result<(), Error> {
    let file = open(spec, path)?;
    let Some(alignment) = file.alignment() else { return Ok(()) };
    let unit_bytes = u64::from(alignment.offset);
    let multiples = [
        ("--bs", spec.block_len_bytes),
        ("--offset", spec.offset_bytes),
        ("--size", spec.size_bytes.unwrap_or(0)),
    ];
    match multiples.iter().find(|(_, value)| !value.is_multiple_of(unit_bytes)) {
        None => Ok(()),
        Some((name, value)) => Err(Error::usage(format!(
            "{name}={value} does not fit --direct on '{}': it must be a multiple of {unit_bytes} \
             bytes there",
            path.display()
        ))),
    }
}

/// Opens the job's file for what the job does with it.
///
/// # Errors
///
/// A usage error: the path or the mode is the user's choice.
pub(crate) fn open(spec: &JobSpec, path: &Path) -> Result<iomill_engine::File, Error> {
    iomill_engine::File::options()
        .read(spec.rw.reads())
        .write(spec.rw.writes())
        .direct(spec.is_direct())
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::Unsupported if spec.is_direct() => Error::usage(format!(
                "the file system of '{}' cannot do direct I/O: leave out --direct, or choose a \
                 file on another one",
                path.display()
            )),
            _ => Error::usage(error.to_string()),
        })
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

fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, lower --size or choose another --directory"
        }
        io::ErrorKind::PermissionDenied => "change its permissions or choose another path",
        io::ErrorKind::NotFound => "create its directory first or choose another --directory",
        io::ErrorKind::ReadOnlyFilesystem => "choose a --directory that can be written",
        io::ErrorKind::AlreadyExists => "it has just appeared; choose another --name",
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
