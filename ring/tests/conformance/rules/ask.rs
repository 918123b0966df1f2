//! Asking the kernel: rings for a rule, entries run to their end, files to run them on, and names
//! for what comes back. Never judges an answer. Called by the rules of each file here.

use super::rule::Stop;
use iomill_ring::op::{self, PollFlags};
use iomill_ring::{Builder, Cqe, ErrorKind, Matching, Opcode, Ring, Sqe, Target, errno_name};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer than any request of these rules takes on a machine that is not hopelessly busy.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// Long enough for whatever was going to happen by itself to have happened.
pub(crate) const WHILE: Duration = Duration::from_millis(50);
/// Bytes of a page, of [`scratch`] and of most transfers here.
pub(crate) const PAGE_LEN_BYTES: u32 = 4096;
/// `EXT4_SUPER_MAGIC`.
pub(crate) const EXT4: i64 = 0xef53;
/// `TMPFS_MAGIC`.
pub(crate) const TMPFS: i64 = 0x0102_1994;

/// A ring, if the kernel has these operations.
pub(crate) fn ring_with(builder: &Builder, opcodes: &[Opcode]) -> Result<Ring, Stop> {
    let ring = builder.build()?;
    let probe = ring.probe()?;
    match opcodes.iter().find(|opcode| !probe.supports(**opcode)) {
        None => Ok(ring),
        Some(missing) => {
            let name = missing.name().unwrap_or("an operation");
            let since = missing.since().unwrap_or("a newer version");
            Err(Stop::skipped(format!("this kernel has no {name}, which came with Linux {since}")))
        }
    }
}

/// Stages entries, each with its place as `user_data`, and submits them in one call.
///
/// What they name must stay alive until each has completed: the rules name no memory, or that of
/// [`scratch`], or wait in [`finish`] before they return.
pub(crate) fn start(ring: &mut Ring, entries: &[Sqe]) -> Result<u32, Stop> {
    for (place, sqe) in (0_u64..).zip(entries) {
        // SAFETY: the caller keeps what the entries name until they have completed, as above.
        unsafe { ring.push(&sqe.with_user_data(place)) }?;
    }
    Ok(ring.submit()?)
}

/// The next `count` completions, sorted by `user_data`.
pub(crate) fn finish(ring: &mut Ring, count: usize) -> Result<Vec<Cqe>, Stop> {
    let mut done: Vec<Cqe> = ring.completions().collect();
    while done.len() < count {
        match ring.submit_and_wait_for(1, LONG) {
            Ok(_) => done.extend(ring.completions()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                // Whatever is left must not write to memory that the caller drops.
                ring.cancel_and_wait(Matching::any().all(), None)?;
                return Err(Stop::broke(format!("{} of {count} completions: {error}", done.len())));
            }
        }
    }
    done.sort_by_key(|cqe| cqe.user_data);
    Ok(done)
}

/// Runs entries that complete one by one; answers their results in their order.
pub(crate) fn run(ring: &mut Ring, entries: &[Sqe]) -> Result<Vec<Result<u32, i32>>, Stop> {
    start(ring, entries)?;
    let done = finish(ring, entries.len())?;
    Ok(done.iter().map(Cqe::result).collect())
}

/// Runs one entry and names its result.
pub(crate) fn one(ring: &mut Ring, sqe: Sqe) -> Result<String, Stop> {
    Ok(named(run(ring, &[sqe])?[0]))
}

/// The completions that came by themselves within a while, with no help but a look.
pub(crate) fn after_a_while(ring: &mut Ring) -> Vec<Cqe> {
    std::thread::sleep(WHILE);
    ring.completions().collect()
}

/// A result in the words of the manual: a number or an errno's name.
pub(crate) fn named(result: Result<u32, i32>) -> String {
    match result {
        Ok(value) => value.to_string(),
        // The crate names what storage code meets every day; this one is rarer.
        Err(errno) => errno_name(errno).map_or_else(|| format!("errno {errno}"), String::from),
    }
}

/// As [`named`], with "accepted" for any success.
pub(crate) fn accepted<T>(result: Result<T, i32>) -> String {
    result.map_or_else(|errno| named(Err(errno)), |_| String::from("accepted"))
}

/// As [`accepted`], for what the crate answers.
pub(crate) fn answered<T>(result: Result<T, iomill_ring::Error>) -> String {
    accepted(result.map_err(|error| error.errno().unwrap_or_default()))
}

/// A read of a pipe that holds nothing yet: it waits until somebody writes, and names no memory
/// that can go away.
pub(crate) fn waiting_read(reader: impl AsFd) -> Sqe {
    op::read(Target::from(reader.as_fd()), scratch(), PAGE_LEN_BYTES, 0)
}

/// A poll that waits until there is something to read.
pub(crate) fn waiting_poll(reader: impl AsFd) -> Sqe {
    const IN: u32 = libc::POLLIN as u32;
    op::poll(Target::from(reader.as_fd()), IN, PollFlags::empty())
}

/// A page that is never freed, so that no request of a rule that gave up can outlive it.
pub(crate) fn scratch() -> *mut u8 {
    scratch_of(PAGE_LEN_BYTES)
}

/// As [`scratch`], of any length; it begins at a page, as direct I/O wants.
pub(crate) fn scratch_of(len_bytes: u32) -> *mut u8 {
    let layout = std::alloc::Layout::from_size_align(len_bytes as usize, 4096);
    let layout = layout.expect("a page is a power of two and the length is below 2^32");
    assert!(layout.size() > 0);
    // SAFETY: the layout has a size.
    let memory = unsafe { std::alloc::alloc_zeroed(layout) };
    assert!(!memory.is_null(), "no memory");
    memory
}

/// An unnamed file with these bytes.
pub(crate) fn file_of(bytes: &[u8]) -> Result<File, Stop> {
    let file = tempfile::tempfile()?;
    file.write_all_at(bytes, 0)?;
    Ok(file)
}

/// A file of this many bytes on ext4, on the disk and not in the page cache, for direct I/O.
pub(crate) fn direct_file(len_bytes: u32) -> Result<File, Stop> {
    direct_file_in(&folder_on(EXT4, "ext4")?, len_bytes)
}

/// As [`direct_file`], in this folder, whatever its file system is.
pub(crate) fn direct_file_in(folder: &Path, len_bytes: u32) -> Result<File, Stop> {
    let named = tempfile::NamedTempFile::new_in(folder)?;
    named.as_file().write_all_at(&vec![7; len_bytes as usize], 0)?;
    named.as_file().sync_all()?;
    // SAFETY: the call takes a descriptor, which is open, and numbers.
    unsafe { libc::posix_fadvise(named.as_file().as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    let mut options = File::options();
    let direct = options.read(true).write(true).custom_flags(libc::O_DIRECT).open(named.path());
    direct.map_err(|error| Stop::skipped(format!("no direct I/O in {}: {error}", folder.display())))
}

/// A file of a page on a file system of this kind.
pub(crate) fn file_on(magic: i64, name: &str) -> Result<File, Stop> {
    let file = tempfile::tempfile_in(folder_on(magic, name)?)?;
    file.write_all_at(&[7; PAGE_LEN_BYTES as usize], 0)?;
    Ok(file)
}

/// One of the usual folders for temporary files that lies on a file system of this kind, given by
/// its magic number.
fn folder_on(magic: i64, name: &str) -> Result<PathBuf, Stop> {
    let places = [std::env::temp_dir(), "/dev/shm".into(), "/var/tmp".into(), ".".into()];
    let kind = |place: &PathBuf| {
        let file = tempfile::tempfile_in(place).ok()?;
        // SAFETY: the structure is plain numbers, for which zero is a value.
        let mut answer: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open, and the answer goes into a structure of our own.
        let failed = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut answer) };
        (failed == 0).then_some(answer.f_type)
    };
    let found = places.into_iter().find(|place| kind(place) == Some(magic));
    found.ok_or_else(|| Stop::skipped(format!("no {name} among the folders for temporary files")))
}
