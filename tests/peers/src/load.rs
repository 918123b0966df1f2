//! What every contender does: so many 4 KiB reads at random places of one file, so many at once.
//! Owns the file, the blocks and the places; knows no contender.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of one read.
pub const BLOCK_LEN_BYTES: usize = 4096;
/// Bytes of the file: far more than a processor's caches, far less than memory.
pub const FILE_LEN_BYTES: u64 = 256 << 20;

/// How much of it, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// As on the command line and in tables.
    pub name: &'static str,
    /// Reads in flight at once.
    pub depth: u64,
    /// Whether the page cache is bypassed.
    pub direct: bool,
    /// Reads in one measured run.
    pub reads: u64,
}

/// All loads.
pub const LOADS: [Load; 4] = [
    Load { name: "cached, one at a time", depth: 1, direct: false, reads: 100_000 },
    Load { name: "cached, 32 at once", depth: 32, direct: false, reads: 200_000 },
    Load { name: "direct, one at a time", depth: 1, direct: true, reads: 8_000 },
    Load { name: "direct, 32 at once", depth: 32, direct: true, reads: 40_000 },
];

impl Load {
    /// Opens the file as this load wants it.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let flags = if self.direct { libc::O_DIRECT } else { 0 };
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    }
}

/// Makes the file, clean and in the page cache.
pub fn make_file(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let chunk = vec![0x5a; 1 << 20];
    for _ in 0..FILE_LEN_BYTES >> 20 {
        file.write_all(&chunk)?;
    }
    file.sync_all()
}

/// The places of a run, the same for every contender.
#[derive(Debug)]
pub struct Places(u64);

impl Places {
    /// From the beginning.
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// From a place of this task's own.
    pub fn of_task(task: u64) -> Self {
        Self(Self::new().0 ^ (task + 1).wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Where the next read begins: xorshift64.
    #[inline]
    pub fn next_offset(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let block = BLOCK_LEN_BYTES as u64;
        (self.0 % (FILE_LEN_BYTES / block)) * block
    }
}

/// One block of memory, aligned for direct reads. The contenders' own traits are implemented where
/// each of them lives.
#[derive(Debug)]
#[repr(C, align(4096))]
struct Page([u8; BLOCK_LEN_BYTES]);

/// A block on the heap, whose address does not change when it moves.
#[derive(Debug)]
pub struct Block {
    page: Box<Page>,
    /// Bytes that a read has brought, for the contenders that keep count of them.
    pub filled: usize,
}

impl Block {
    /// All zero.
    pub fn new() -> Self {
        Self { page: Box::new(Page([0; BLOCK_LEN_BYTES])), filled: 0 }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.page.0
    }

    /// All of it, to be written to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.page.0
    }
}
