//! A simulated disk: the third backend, for tests of code that stores things. It owns a tree of
//! files of its own and virtual time; it never touches a real file or reads a clock. Made by
//! tests through [`SimDisk`]; needs the feature `sim`. [`crash`] tries all power failures.
//!
//! Everything follows from one seed: the same seed and the same requests give the same
//! [`History`](SimDisk::history), on every machine.
//!
//! # Time
//!
//! Each request has a beginning and an end in virtual time, by the [latency model](Latency) of its
//! kind. An engine's wait moves the time on to the completions that it waits for, at once, and the
//! engine's deadlines and latencies follow this time. A write's sectors may be seen from its
//! beginning on, and all of it is there at its end.
//!
//! # What survives a power failure
//!
//! [`SimDisk::crash`] makes a disk out of what may be left. What a system call promises is kept,
//! and nothing else:
//!
//! 1. A successful sync covers what had completed before it began: that is there, or something that
//!    was written over it later. So is a write with `DSYNC` (also `O_DSYNC`) that has completed.
//! 2. Anything else is lost or kept sector by sector (512 bytes) and in any order: each sector has
//!    its last durable content or any that it has had since. Writes in flight count as well, so
//!    they may be torn between any two sectors.
//!    Of a write with `RWF_ATOMIC` all is kept, or nothing, the length that it gave the file
//!    included.
//! 3. Lengths and holes are metadata: of a file's changes of them since the last sync the first few
//!    are kept, in order. Bytes that the length covers and that were lost read as zeros.
//! 4. Names are metadata of the disk: of all changes since the last full [`Sync`](crate::Sync) of
//!    any file the first few are kept, in order, as journaling file systems do it. A data-only sync
//!    covers none. (POSIX alone promises less: there a new name needs a sync of its directory.)
//! 5. After a sync that failed with EIO, some of what it was to cover is not covered by later syncs
//!    either, until it is written again. Readers see it all the while. That is what Linux does.
//!
//! # Limits
//!
//! - `O_PATH` and `O_TMPFILE`, which no operation of the engine asks for, are answered with
//!   EOPNOTSUPP, and so are modes of fallocate(2) that `AllocateMode` does not have.
//! - There are no permissions, symbolic links or descriptors of directories; paths start at the
//!   disk's own root. Times of change are virtual and not kept by a power failure; those of a
//!   directory are not told, nor when a file was last read.
//! - A file behind a descriptor is an empty anonymous memory file. Operations of an engine on
//!   another backend, or plain system calls, see only zeros there. Needs `/proc`.
//! - Sectors are kept or lost as a whole. On a real disk a write through the page cache, while it
//!   is in flight and others sync the file, may leave a part of a sector.
//! - A removed file keeps its memory until the disk goes.
//! - It allocates per request.

mod choices;
mod content;
mod names;
mod remains;
mod space;
mod versions;

mod faults;
mod latency;
mod options;
mod random;

mod history;
mod identity;
mod memory;
mod model;
mod order;
mod perform;
mod place;
mod recording;
mod shared;
mod snapshot;
mod tree;

mod backend;
pub mod crash;
mod disk;

pub use content::SECTOR_LEN_BYTES;
pub use disk::SimDisk;
pub use faults::{FaultCounts, Faults};
pub use history::{Event, HISTORY_LEN_MAX, History};
pub use latency::{Latency, Stalls};
pub use options::SimOptions;
