//! Registered files: the kernel holds them open by slot, and entries name the slot.

use super::buffers::{count_of, one_tag_each};
use crate::abi::{FileIndexRange, FilesUpdate, RegisterOp, RsrcRegister, RsrcUpdate2};
use crate::error::Error;
use crate::ring::Ring;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// An empty table: `IORING_RSRC_REGISTER_SPARSE`.
const SPARSE: u32 = 1 << 0;
/// An empty slot in a table of files.
const NO_FILE: RawFd = -1;
/// A slot to be left as it is: `IORING_REGISTER_FILES_SKIP`.
const SKIP: RawFd = -2;
/// Kernels without sparse tables take no more slots than these.
const SLOTS_MAX_WITHOUT_SPARSE: u32 = 32_768;
/// The kernel tells this structure's versions apart by its size.
const RSRC_UPDATE2_LEN_BYTES: u32 = 32;

/// What becomes of one slot in [`Ring::update_files`].
#[derive(Clone, Copy, Debug)]
pub enum SlotUpdate<'fd> {
    /// This file comes in.
    Put(BorrowedFd<'fd>),
    /// The slot becomes empty.
    Clear,
    /// The slot stays as it is.
    Keep,
}

impl SlotUpdate<'_> {
    fn as_raw(&self) -> RawFd {
        match self {
            Self::Put(fd) => fd.as_raw_fd(),
            Self::Clear => NO_FILE,
            Self::Keep => SKIP,
        }
    }
}

impl Ring {
    /// Registers files; file n of the slice gets slot n, and `None` leaves its slot empty. The
    /// kernel holds them open by itself, so the descriptors may be closed afterwards.
    ///
    /// Kernel: Linux 5.1, empty slots 5.5.
    ///
    /// # Errors
    /// `Busy` if files are registered already; `TooManyFiles` beyond the limit of open files;
    /// `InvalidArgument` if a descriptor is another ring's.
    pub fn register_files(&mut self, files: &[Option<BorrowedFd<'_>>]) -> Result<(), Error> {
        let what = || format!("{} files", files.len());
        let count = count_of(files.len(), &what)?;
        let fds: Vec<_> = files.iter().map(raw).collect();
        // SAFETY: FILES takes an array of `count` descriptors, which lives until the call returns.
        unsafe { self.register(RegisterOp::FILES, fds.as_ptr().cast(), count, what) }.map(drop)
    }

    /// As [`register_files`](Self::register_files), each with a tag: when the kernel has closed a
    /// file with a tag other than 0, it posts a completion whose `user_data` is the tag.
    ///
    /// Kernel: Linux 5.13.
    ///
    /// # Errors
    /// As `register_files`; `InvalidArgument` if there is not one tag per file.
    pub fn register_files_tagged(
        &mut self,
        files: &[Option<BorrowedFd<'_>>],
        tags: &[u64],
    ) -> Result<(), Error> {
        let what = || format!("{} files with tags", files.len());
        one_tag_each(files.len(), tags.len())?;
        let fds: Vec<_> = files.iter().map(raw).collect();
        let table = RsrcRegister {
            nr: count_of(files.len(), &what)?,
            data: fds.as_ptr().expose_provenance() as u64,
            tags: tags.as_ptr().expose_provenance() as u64,
            ..RsrcRegister::default()
        };
        // SAFETY: both arrays hold `nr` elements and live until the call returns.
        unsafe { self.register_table(RegisterOp::FILES2, &table, what) }
    }

    /// Makes a table of `slots` registered files, all empty.
    ///
    /// Kernel: Linux 5.19 makes it so; from 5.5 on it is made as a table of empty slots.
    ///
    /// # Errors
    /// `TooManyFiles` beyond the limit of open files, and beyond 32,768 before Linux 5.19.
    pub fn register_files_sparse(&mut self, slots: u32) -> Result<(), Error> {
        let table = RsrcRegister { nr: slots, flags: SPARSE, ..RsrcRegister::default() };
        let what = || format!("an empty table of {slots} files");
        // SAFETY: a sparse table names no memory.
        match unsafe { self.register_table(RegisterOp::FILES2, &table, what) } {
            Err(error) if error.errno() == Some(libc::EINVAL) => self.register_empty_slots(slots),
            answer => answer,
        }
    }

    /// An empty table for a kernel that answers `EINVAL` to a sparse one: it is too old for the
    /// registration, or for its flag. No slots at all are refused here too.
    fn register_empty_slots(&mut self, slots: u32) -> Result<(), Error> {
        let what = || format!("an empty table of {slots} files");
        // One slot too many gets the kernel's own refusal, and no more memory is asked for.
        let count = slots.min(SLOTS_MAX_WITHOUT_SPARSE + 1);
        let fds: Vec<RawFd> = (0..count).map(|_| NO_FILE).collect();
        // SAFETY: FILES takes an array of `count` descriptors, which lives until the call returns.
        unsafe { self.register(RegisterOp::FILES, fds.as_ptr().cast(), count, what) }.map(drop)
    }

    /// Puts a file into a slot, or empties the slot with `None`. The kernel holds the file open by
    /// itself, so the descriptor may be closed afterwards.
    ///
    /// Kernel: Linux 5.5.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no table or the slot lies outside of it.
    pub fn update_file(&mut self, slot: u32, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let fd = file.map_or(NO_FILE, |file| file.as_raw_fd());
        let fds = (&raw const fd).expose_provenance() as u64;
        let update = FilesUpdate { offset: slot, resv: 0, fds };
        let what = || format!("file descriptor {fd} in slot {slot}");
        let argument = (&raw const update).cast();
        // SAFETY: FILES_UPDATE takes one `io_uring_files_update`, which points to one descriptor;
        // both live on this stack until the call returns.
        unsafe { self.register(RegisterOp::FILES_UPDATE, argument, 1, what) }.map(drop)
    }

    /// Changes the slots from `first` on, and the tags of those that change: `tags` is empty, or
    /// one for each.
    ///
    /// Answers how many slots were gone through: fewer than asked for when a later one failed.
    ///
    /// Kernel: Linux 5.13.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no table, a slot lies outside of it, or a slot that is kept
    /// has a tag.
    pub fn update_files(
        &mut self,
        first: u32,
        updates: &[SlotUpdate<'_>],
        tags: &[u64],
    ) -> Result<u32, Error> {
        let what = || format!("{} files from slot {first} on", updates.len());
        if !tags.is_empty() {
            one_tag_each(updates.len(), tags.len())?;
        }
        let fds: Vec<_> = updates.iter().map(SlotUpdate::as_raw).collect();
        let update = RsrcUpdate2 {
            offset: first,
            data: fds.as_ptr().expose_provenance() as u64,
            tags: if tags.is_empty() { 0 } else { tags.as_ptr().expose_provenance() as u64 },
            nr: count_of(updates.len(), &what)?,
            ..RsrcUpdate2::default()
        };
        let argument = (&raw const update).cast();
        // SAFETY: FILES_UPDATE2 takes one `io_uring_rsrc_update2` and its size; its arrays hold
        // `nr` elements, and all of them live until the call returns.
        unsafe { self.register(RegisterOp::FILES_UPDATE2, argument, RSRC_UPDATE2_LEN_BYTES, what) }
    }

    /// Lets the kernel choose slots for [`Slot::Any`](crate::abi::Slot::Any) out of the `len` from
    /// `first` on; before, it chooses out of the whole table.
    ///
    /// Kernel: Linux 6.0.
    ///
    /// # Errors
    /// `InvalidArgument` if the range does not lie inside the table.
    pub fn register_file_range(&mut self, first: u32, len: u32) -> Result<(), Error> {
        let range = FileIndexRange { off: first, len, resv: 0 };
        let what = || format!("slots {first} to {}", u64::from(first) + u64::from(len));
        let argument = (&raw const range).cast();
        // SAFETY: FILE_ALLOC_RANGE takes one `io_uring_file_index_range`, alive on this stack, and
        // a count of 0.
        unsafe { self.register(RegisterOp::FILE_ALLOC_RANGE, argument, 0, what) }.map(drop)
    }

    /// Gives the registered files up. Operations that still use one keep it open.
    ///
    /// # Errors
    /// `InvalidArgument` if none are registered.
    pub fn unregister_files(&mut self) -> Result<(), Error> {
        let what = || String::from("giving the registered files up");
        // SAFETY: the operation takes no argument.
        unsafe { self.register(RegisterOp::UNREGISTER_FILES, std::ptr::null(), 0, what) }.map(drop)
    }
}

fn raw(file: &Option<BorrowedFd<'_>>) -> RawFd {
    file.as_ref().map_or(NO_FILE, AsRawFd::as_raw_fd)
}
