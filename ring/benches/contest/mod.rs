//! The contest of the benches: the same bare loop on this crate, on the `io-uring` crate and, in C,
//! on liburing. Owns the loads and what all sides must do alike; knows nothing of statistics.
//!
//! Every side: the same set-up flags where it has them, the same sizes of both queues, entries
//! built one by one with their own `user_data`, one submit-and-wait per batch, every completion
//! read and its result compared with what it must be. What differs stands at each side's head.
//!
//! Both loads complete inside the system call, on the measuring thread. So the thread's own CPU
//! time is what is measured: on a shared machine it is far steadier than the time of day.

mod io_uring_crate;
mod liburing;
mod ours;

use rustix::time::{ClockId, clock_gettime};
use std::alloc::Layout;
use std::io::Write;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::time::Duration;

/// Bytes of one read.
pub(crate) const BLOCK_LEN_BYTES: u32 = 4096;

/// Bytes of the file: far more than the L2 cache, far less than memory.
pub(crate) const FILE_LEN_BYTES: usize = 64 << 20;

/// What one entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing.
    Nop,
    /// A read of one block at a random place of a file in the page cache, into a registered buffer
    /// and from a registered file.
    FixedRead,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// What each entry does.
    pub(crate) work: Work,
    /// Entries per system call.
    pub(crate) batch: u32,
    /// Batches in one measured run.
    pub(crate) batches: u32,
}

impl Load {
    /// The result of each completion.
    fn result(&self) -> i32 {
        match self.work {
            Work::Nop => 0,
            Work::FixedRead => 4096,
        }
    }
}

/// One side of the contest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// This crate as it sets itself up.
    Ours,
    /// The `io-uring` crate as it comes: `IoUring::new`, which sets no flag.
    CratePlain,
    /// The same with the flags and sizes of our builder.
    Crate,
    /// As `Crate`, split by hand into its parts so that the registered descriptor is used.
    CrateSplit,
    /// liburing, in C.
    Liburing,
}

impl Side {
    /// All of them, ours first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Ours, Self::CratePlain, Self::Crate, Self::CrateSplit, Self::Liburing];

    /// As in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "iomill-ring",
            Self::CratePlain => "io-uring, as it comes",
            Self::Crate => "io-uring, same flags",
            Self::CrateSplit => "io-uring, same, split, registered",
            Self::Liburing => "liburing, same flags it has",
        }
    }
}

/// The ground that all sides use: the file in the page cache, and liburing's loop if it can be had.
#[derive(Debug)]
pub(crate) struct Ground {
    file: tempfile::NamedTempFile,
    blocks: u64,
    liburing: Result<liburing::Program, String>,
}

impl Ground {
    /// A file of `len_bytes`, written and thereby in the page cache, and the compiled C loop.
    pub(crate) fn new(len_bytes: usize) -> std::io::Result<Self> {
        let mut file = tempfile::NamedTempFile::new()?;
        let chunk = vec![0x5a; 1 << 20];
        for _ in 0..len_bytes / chunk.len() {
            file.write_all(&chunk)?;
        }
        // Clean pages: write-back must not run during the measurement.
        file.as_file().sync_all()?;
        let blocks = len_bytes as u64 / u64::from(BLOCK_LEN_BYTES);
        Ok(Self { file, blocks, liburing: liburing::Program::compile() })
    }

    /// Why this side cannot take part.
    pub(crate) fn absence(&self, side: Side) -> Option<&str> {
        match side {
            Side::Liburing => self.liburing.as_ref().err().map(String::as_str),
            _ => None,
        }
    }

    /// Sets a new ring up, warms it with a tenth of the load, and measures the load.
    ///
    /// # Panics
    /// When io_uring is not to be had or answers anything but what is expected: a number from a
    /// loop that did not do its work is worse than none.
    pub(crate) fn measure(&self, side: Side, load: &Load) -> Duration {
        let file = self.file.as_file().as_fd();
        match (side, &self.liburing) {
            (Side::Ours, _) => ours::measure(load, file, self.blocks),
            (Side::CratePlain, _) => io_uring_crate::measure_plain(load, file, self.blocks),
            (Side::Crate, _) => io_uring_crate::measure(load, file, self.blocks),
            (Side::CrateSplit, _) => io_uring_crate::measure_split(load, file, self.blocks),
            (Side::Liburing, Ok(program)) => program.measure(load, self.file.path(), self.blocks),
            (Side::Liburing, Err(reason)) => panic!("{reason}"),
        }
    }
}

/// CPU time that this thread has used.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = Duration::from_nanos(time.tv_nsec.unsigned_abs());
    Duration::from_secs(time.tv_sec.unsigned_abs()) + nanoseconds
}

/// Random blocks, the same on every side (`loop.c` has it in C): xorshift, and the upper half of a
/// product instead of a division.
#[derive(Debug)]
struct Places {
    state: u64,
    blocks: u64,
}

impl Places {
    fn new(blocks: u64) -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, blocks }
    }

    #[inline]
    fn next_offset(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (((self.state >> 32) * self.blocks) >> 32) * u64::from(BLOCK_LEN_BYTES)
    }
}

/// A page-aligned block of zeroes per entry of a batch: an unaligned one would make each read span
/// two pages, and the sides would measure their allocators.
struct Blocks {
    base: NonNull<u8>,
    layout: Layout,
}

impl Blocks {
    fn new(batch: u32) -> Self {
        let len_bytes = batch as usize * BLOCK_LEN_BYTES as usize;
        let layout =
            Layout::from_size_align(len_bytes, BLOCK_LEN_BYTES as usize).expect("a small batch");
        // SAFETY: the layout's size is not zero, as no batch is empty.
        let base = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).expect("memory");
        Self { base, layout }
    }

    /// The address of an entry's block.
    #[inline]
    fn at(&self, index: u32) -> *mut u8 {
        self.base.as_ptr().wrapping_add(index as usize * BLOCK_LEN_BYTES as usize)
    }

    fn len_bytes(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // SAFETY: pointer and layout are those of the allocation, and every measured run has read
        // the completions of all its entries.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}
