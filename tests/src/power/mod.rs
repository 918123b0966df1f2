//! Sudden power-off on real file systems: a guest writes through the engine, its disk remembers
//! every write and flush in order, the guest is killed, and what a disk with a volatile cache may
//! have kept at any moment is mounted and compared with what had been acknowledged by then.
//! The binary `power-off` calls it, on both sides; it changes nothing on the host but for files in
//! the folders that it is given.
//!
//! ```text
//! guest   cells      programs on the engine, each with a file; tell what was begun and promised
//!         guest      one boot: writing, or mounting one image after the other and reading it
//! host    nbd        the guest's disks, as servers of the network block device's protocol
//!         recording  what reached the disk, and between which events it was promised what
//!         image      what may be left at a moment: unflushed sectors lost, kept, torn, reordered
//!         judge      whether that breaks a promise
//!         machine, run   one boot under QEMU; the whole
//!         prepare    a kernel, the program, an empty file system
//! both    mark, block, dump, port   what they say to each other, and what is in the files
//! ```
//!
//! Beside it, with the same machines: what the engine makes of a disk that fails on demand
//! (`faults` in the guest, `faulty` on the host, the binary `disk-faults`).
//!
//! Killing QEMU alone would lose nothing that the guest has sent, so the disk's cache is modelled
//! here: a write is lasting when a flush covers it that came after the write was answered.

pub mod block;
pub mod cells;
pub mod dump;
pub mod faults;
pub mod faulty;
pub mod guest;
pub mod image;
pub mod judge;
pub mod machine;
pub mod mark;
pub mod medium;
pub mod nbd;
pub mod port;
pub mod prepare;
pub mod recording;
pub mod run;

/// The length of a sector, which a disk keeps or loses as a whole. Units: bytes.
pub const SECTOR_LEN: usize = 512;
/// The same, for offsets.
pub const SECTOR_LEN_BYTES: u64 = SECTOR_LEN as u64;
