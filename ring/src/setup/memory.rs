//! Where the two queues lie: in the kernel's memory, in huge pages of ours, or in memory that the
//! caller lends. Made by `builder`, owned by `ring`; knows sizes, not positions.

use crate::abi::{OFFSET_RINGS, OFFSET_SQES, Params, SetupFlags};
use crate::error::Error;
use crate::mapping::Mapping;
use crate::{cqueue, squeue};
use std::os::fd::BorrowedFd;

/// More bytes than any kernel puts before the completion entries (64 to 320 so far).
const HEADER_LEN_BYTES_MAX: usize = 512;
/// What `MAP_HUGE_2MB` maps in.
const HUGE_PAGE_LEN_BYTES: usize = 2 << 20;

/// Where the queues are wished to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The kernel allocates, we map.
    Kernel,
    /// We map huge pages, the kernel uses them.
    HugePages,
    /// The caller's memory, by its exposed address, so that a builder can go to another thread.
    Caller { address: usize, len_bytes: usize },
}

/// How many bytes each part needs at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Indices, completion entries and the submission queue's indirection array; whole pages.
    pub(super) rings_len_bytes: usize,
    /// Submission entries; whole pages.
    pub(super) entries_len_bytes: usize,
}

impl Sizes {
    /// For `NO_MMAP`, before the kernel has answered: `sq_entries` and `cq_entries` are the wishes
    /// cut to the kernel's limits.
    pub(super) fn before_setup(sq_entries: u32, cq_entries: u32, flags: SetupFlags) -> Self {
        // A queue of 5 has room for 8: the kernel rounds up to powers of two.
        let sq_entries = sq_entries.next_power_of_two() as usize;
        let cq_entries = cq_entries.next_power_of_two() as usize;
        let array_len_bytes = sq_entries * size_of::<u32>();
        let completions_len_bytes = cq_entries * cqueue::slot_len_bytes(flags);
        Self {
            rings_len_bytes: whole_pages(
                HEADER_LEN_BYTES_MAX + completions_len_bytes + array_len_bytes,
            ),
            entries_len_bytes: whole_pages(sq_entries * squeue::slot_len_bytes(flags)),
        }
    }

    /// The two parts one after the other.
    pub(super) fn total_len_bytes(self) -> usize {
        self.rings_len_bytes + self.entries_len_bytes
    }
}

/// Memory that the kernel is told to use instead of its own, kept until the kernel has answered.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) rings: Mapping,
    pub(super) entries: Mapping,
    backing: Option<Mapping>,
}

impl Lent {
    /// Takes `sizes` from the place, or `None` where the kernel brings the memory.
    pub(super) fn new(place: Place, sizes: Sizes) -> Result<Option<Self>, Error> {
        let total = sizes.total_len_bytes();
        let backing = match place {
            Place::Kernel => return Ok(None),
            Place::HugePages => Mapping::huge(total.next_multiple_of(HUGE_PAGE_LEN_BYTES))?,
            Place::Caller { address, len_bytes } => {
                let base = std::ptr::with_exposed_provenance_mut(address);
                // SAFETY: whoever called `Builder::no_mmap` vouched for the memory.
                unsafe { Mapping::lent(base, len_bytes) }?
            }
        };
        if backing.len_bytes() < total || !backing.address().is_multiple_of(page_len_bytes()) {
            return Err(Error::invalid(
                "io_uring_setup",
                format!(
                    "NO_MMAP: the memory must begin at a page and have {total} bytes; it begins at \
                     {:#x} and has {}",
                    backing.address(),
                    backing.len_bytes()
                ),
            ));
        }
        let rings = backing.part(0, sizes.rings_len_bytes);
        let entries = backing.part(sizes.rings_len_bytes, sizes.entries_len_bytes);
        Ok(Some(Self { rings, entries, backing: Some(backing) }))
    }
}

/// The queues' memory, held as long as the ring.
#[derive(Debug)]
pub(crate) struct QueueMemory {
    /// Declared before what it may point into; mappings of parts own nothing.
    pub(crate) rings: Mapping,
    pub(crate) entries: Mapping,
    _backing: Option<Mapping>,
}

impl QueueMemory {
    /// Maps the kernel's memory.
    pub(crate) fn map(fd: BorrowedFd<'_>, params: &Params) -> Result<Self, Error> {
        let entries_len_bytes = params.sq_entries as usize * squeue::slot_len_bytes(params.flags);
        Ok(Self {
            rings: Mapping::new(fd, rings_len_bytes(params), OFFSET_RINGS)?,
            entries: Mapping::new(fd, entries_len_bytes, OFFSET_SQES)?,
            _backing: None,
        })
    }

    /// Keeps memory that was lent to the kernel.
    pub(super) fn lent(lent: Lent) -> Self {
        Self { rings: lent.rings, entries: lent.entries, _backing: lent.backing }
    }
}

/// Both queues' indices and the completion entries share one mapping; it ends with whichever part
/// the kernel put last.
fn rings_len_bytes(params: &Params) -> usize {
    let array_end = if params.flags.contains(SetupFlags::NO_SQARRAY) {
        0
    } else {
        params.sq_off.array as usize + params.sq_entries as usize * size_of::<u32>()
    };
    let completions_end = params.cq_off.cqes as usize
        + params.cq_entries as usize * cqueue::slot_len_bytes(params.flags);
    array_end.max(completions_end)
}

fn whole_pages(len_bytes: usize) -> usize {
    len_bytes.next_multiple_of(page_len_bytes())
}

/// Bytes of a page of the running system.
fn page_len_bytes() -> usize {
    rustix::param::page_size()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_hold_both_entry_sizes_in_whole_pages() {
        let small = Sizes::before_setup(5, 10, SetupFlags::empty());
        assert_eq!(small.rings_len_bytes, whole_pages(512 + 16 * 16 + 8 * 4));
        assert_eq!(small.entries_len_bytes, whole_pages(8 * 64));
        let large = SetupFlags::SQE128 | SetupFlags::CQE32;
        let large = Sizes::before_setup(4096, 8192, large);
        assert_eq!(large.entries_len_bytes, 4096 * 128);
        assert!(large.rings_len_bytes > 8192 * 32);
    }
}
