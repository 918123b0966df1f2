//! The contents of a new file.
//!
//! Owns how a created file gets its bytes: real random data where it will be read (a hole would
//! be read without touching the disk), reserved space where it will be written. It never opens
//! or removes anything. Called by `target`.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::fs::FallocateFlags;

use crate::interrupt::Interrupt;
use crate::job::Fallocate;
use crate::workload::Random;

/// The piece that is written at once.
const CHUNK_LEN_BYTES: usize = 1 << 20;

/// How laying out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The file has all its bytes, on stable storage.
    Complete,
    /// Ctrl-C came first.
    Interrupted,
}

/// Fills `file` with `len_bytes` of random data and brings it to the disk.
///
/// # Errors
///
/// The operating system's, such as a full disk.
pub(crate) fn fill(
    mut file: &File,
    len_bytes: u64,
    seed: u64,
    interrupt: &Interrupt,
) -> io::Result<Layout> {
    let mut random = Random::new(seed);
    let mut chunk = vec![0; CHUNK_LEN_BYTES];
    let mut left_bytes = len_bytes;
    while left_bytes > 0 {
        if interrupt.is_raised() {
            return Ok(Layout::Interrupted);
        }
        random.fill(&mut chunk);
        let len = usize::try_from(left_bytes).map_or(CHUNK_LEN_BYTES, |l| l.min(CHUNK_LEN_BYTES));
        file.write_all(&chunk[..len])?;
        left_bytes -= len as u64;
    }
    // Only clean pages leave the page cache when the file is invalidated before the run.
    file.sync_data()?;
    Ok(Layout::Complete)
}

/// Reserves `len_bytes` for `file`, so that a full disk shows now and not half-way.
///
/// # Errors
///
/// The operating system's, such as a full disk.
pub(crate) fn reserve(file: &File, len_bytes: u64, how: Fallocate) -> io::Result<()> {
    let flags = match how {
        Fallocate::None => return Ok(()),
        Fallocate::Truncate => return file.set_len(len_bytes),
        Fallocate::Native => FallocateFlags::empty(),
        Fallocate::Keep => FallocateFlags::KEEP_SIZE,
    };
    match rustix::fs::fallocate(file, flags, 0, len_bytes) {
        // File systems without it (NFS, some FUSE) get a file of that length with a hole.
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(len_bytes),
        result => Ok(result?),
    }
}

/// Reads all of `file`, so that it is in the page cache.
///
/// # Errors
///
/// The operating system's.
pub(crate) fn read_all(mut file: &File, interrupt: &Interrupt) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_LEN_BYTES];
    while !interrupt.is_raised() && file.read(&mut chunk)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn filled_files_have_their_length_and_no_holes() {
        let file = tempfile::tempfile().expect("a temporary file");
        let len_bytes = (CHUNK_LEN_BYTES as u64) * 2 + 12_345;
        let layout = fill(&file, len_bytes, 1, &Interrupt::default()).expect("written");
        assert_eq!(layout, Layout::Complete);
        let metadata = file.metadata().expect("stat");
        assert_eq!(metadata.len(), len_bytes);
        assert!(metadata.blocks() * 512 >= len_bytes, "{} blocks", metadata.blocks());
    }

    #[test]
    fn an_interrupt_stops_the_layout() {
        let file = tempfile::tempfile().expect("a temporary file");
        let interrupt = Interrupt::default();
        interrupt.raise();
        let layout = fill(&file, 1 << 20, 1, &interrupt).expect("no error");
        assert_eq!(layout, Layout::Interrupted);
        assert_eq!(file.metadata().expect("stat").len(), 0);
    }

    #[test]
    fn reserved_files_have_the_length_that_was_asked_for() {
        for (how, len_bytes) in
            [(Fallocate::Native, 1 << 20), (Fallocate::Truncate, 1 << 20), (Fallocate::None, 0)]
        {
            let file = tempfile::tempfile().expect("a temporary file");
            reserve(&file, 1 << 20, how).expect("reserved");
            assert_eq!(file.metadata().expect("stat").len(), len_bytes, "{how:?}");
        }
    }
}
