//! The buffers of one size: one mapping, cut into equal parts, and the list of those that are free.
//! Owned by `arena`, and by each buffer that is out; freed when the engine and all of these are
//! gone.

use super::free_list::FreeList;
use super::guard::Buffer;
use super::mapping::Mapping;
use super::poison::Watch;
use crate::error::Error;
use crate::report::HugePages;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Every buffer starts at a multiple of this, in bytes: the largest alignment that direct I/O asks
/// for on common devices, and a page.
const BUFFER_ALIGNMENT: usize = 4096;
/// The kernel accepts at most this many bytes per registered buffer.
const CHUNK_LEN_MAX_BYTES: usize = 1 << 30;
/// From this size on huge pages pay: a smaller buffer is a few pages anyway.
const HUGE_BUFFER_LEN_MIN_BYTES: usize = 64 << 10;
/// Stands for: not registered.
const UNREGISTERED: u32 = u32::MAX;

/// What all classes of an arena have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSettings {
    /// Whether to ask for huge pages.
    pub(crate) huge_pages: bool,
    /// Whether to clear buffers that come back.
    pub(crate) zero_on_return: bool,
}

/// Buffers of one size.
#[derive(Debug)]
pub(crate) struct Class {
    mapping: Mapping,
    /// Bytes that a caller may use of each buffer.
    buffer_len_bytes: u32,
    zero_on_return: bool,
    /// Bytes from one buffer to the next: the length rounded up to the alignment.
    stride_bytes: usize,
    count: u32,
    /// One registered piece holds 2 to this power buffers.
    chunk_shift: u32,
    /// The index of its first registered piece. Written once, at the start of its engine.
    first_chunk: AtomicU32,
    /// Which arena it belongs to.
    arena: u64,
    free: FreeList,
    watch: Watch,
}

// SAFETY: the memory belongs to no thread. Each part of it is reached only through the one `Buffer`
// that owns its number, and the free list hands a number to one owner at a time.
unsafe impl Send for Class {}
// SAFETY: shared access reaches only the free list, which is made for it, an atomic, and constant
// fields.
unsafe impl Sync for Class {}

impl Class {
    /// Maps `count` buffers of `buffer_len_bytes`, all zero.
    pub(super) fn new(
        arena: u64,
        count: u32,
        buffer_len_bytes: u32,
        settings: PoolSettings,
    ) -> Result<Arc<Self>, Error> {
        let stride_bytes = (buffer_len_bytes as usize).next_multiple_of(BUFFER_ALIGNMENT);
        let huge = settings.huge_pages && stride_bytes >= HUGE_BUFFER_LEN_MIN_BYTES;
        let mapping = Mapping::new(stride_bytes * count as usize, huge)?;
        // At least one, because a buffer is at most 1 GiB.
        let fitting = (CHUNK_LEN_MAX_BYTES / stride_bytes).max(1);
        // A power of two, so that no request pays for a division.
        let chunk_shift = fitting.ilog2();
        Ok(Arc::new(Self {
            mapping,
            buffer_len_bytes,
            zero_on_return: settings.zero_on_return,
            stride_bytes,
            count,
            chunk_shift,
            first_chunk: AtomicU32::new(UNREGISTERED),
            arena,
            free: FreeList::full(count),
            watch: Watch::new(count),
        }))
    }

    /// Takes a buffer, or `None` when all are in use.
    #[inline]
    pub(super) fn take(self: &Arc<Self>) -> Option<Buffer> {
        let number = self.free.take()?;
        self.watch.taken(self, number);
        Some(Buffer::pooled(Arc::clone(self), self.start_of(number), number))
    }

    /// Gives a number back that was taken. Only for its owner, once.
    #[inline]
    pub(super) fn give(&self, number: u32) {
        if self.zero_on_return {
            self.clear(number);
        }
        self.watch.given(self, number);
        self.free.give(number);
    }

    /// Overwrites a buffer with zeros.
    fn clear(&self, number: u32) {
        // A forked child has no memory here to clear.
        if self.mapping.is_ours() {
            let len_bytes = self.buffer_len_bytes as usize;
            // SAFETY: the part belongs to the number's owner, who is giving it back just now.
            unsafe { self.start_of(number).write_bytes(0, len_bytes) };
        }
    }

    #[inline]
    fn start_of(&self, number: u32) -> NonNull<u8> {
        // SAFETY: the free list holds only numbers below `count`, so the offset lies inside the
        // mapping.
        unsafe { self.mapping.base().byte_add(number as usize * self.stride_bytes) }
    }

    /// The length of each buffer in bytes.
    #[inline]
    pub(crate) fn buffer_len_bytes(&self) -> u32 {
        self.buffer_len_bytes
    }

    /// How many buffers there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of all buffers together.
    pub(crate) fn total_bytes(&self) -> usize {
        self.stride_bytes * self.count as usize
    }

    /// Which arena it belongs to.
    #[inline]
    pub(super) fn arena(&self) -> u64 {
        self.arena
    }

    /// The memory in pieces that can be registered, none of which cuts a buffer: start and bytes.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (NonNull<u8>, usize)> + '_ {
        let per_chunk = 1 << self.chunk_shift;
        (0..self.count.div_ceil(per_chunk)).map(move |chunk| {
            let first = chunk * per_chunk;
            let buffers = per_chunk.min(self.count - first);
            (self.start_of(first), buffers as usize * self.stride_bytes)
        })
    }

    /// Its pieces are registered now, the first under this index.
    pub(crate) fn set_registered(&self, first_chunk: u32) {
        // Relaxed: written by the engine's thread, before it reads it for its first request.
        self.first_chunk.store(first_chunk, Ordering::Relaxed);
    }

    /// Whether its pieces are registered.
    pub(crate) fn is_registered(&self) -> bool {
        self.first_chunk.load(Ordering::Relaxed) != UNREGISTERED
    }

    /// The registered piece that holds a buffer.
    #[inline]
    pub(super) fn chunk_of(&self, number: u32) -> Option<u16> {
        match self.first_chunk.load(Ordering::Relaxed) {
            UNREGISTERED => None,
            first => u16::try_from(first + (number >> self.chunk_shift)).ok(),
        }
    }

    /// The first and the last bytes of a buffer, up to so many each; none in a forked child.
    #[cfg(any(debug_assertions, feature = "poison"))]
    pub(super) fn edges(&self, number: u32, len_bytes: usize) -> [(NonNull<u8>, usize); 2] {
        let end = if self.mapping.is_ours() { self.buffer_len_bytes as usize } else { 0 };
        let first = len_bytes.min(end);
        let last = end.saturating_sub(len_bytes).max(first);
        [self.part(number, 0, first), self.part(number, last, end)]
    }

    /// What is between a buffer's end and the next buffer; none in a forked child.
    #[cfg(any(debug_assertions, feature = "poison"))]
    pub(super) fn padding(&self, number: u32) -> Option<(NonNull<u8>, usize)> {
        let end = self.buffer_len_bytes as usize;
        self.mapping.is_ours().then(|| self.part(number, end, self.stride_bytes))
    }

    /// Up to so many bytes on either side of those that lie in one of its buffers; `None` of
    /// others, and in a forked child.
    #[cfg(any(debug_assertions, feature = "poison"))]
    pub(super) fn around(
        &self,
        start: *const u8,
        len_bytes: usize,
        most: usize,
    ) -> Option<[(NonNull<u8>, usize); 2]> {
        let from = start.addr().checked_sub(self.mapping.base().addr().get())?;
        if from >= self.total_bytes() || !self.mapping.is_ours() {
            return None;
        }
        let number = u32::try_from(from / self.stride_bytes).ok()?;
        let from = from % self.stride_bytes;
        let to = (from + len_bytes).min(self.stride_bytes);
        let before = self.part(number, from.saturating_sub(most), from);
        Some([before, self.part(number, to, (to + most).min(self.stride_bytes))])
    }

    /// A part of a buffer, or of what is between it and the next one.
    #[cfg(any(debug_assertions, feature = "poison"))]
    fn part(&self, number: u32, from: usize, to: usize) -> (NonNull<u8>, usize) {
        debug_assert!(from <= to && to <= self.stride_bytes, "a part of one buffer");
        // SAFETY: the part lies between this buffer's start and the next one's.
        (unsafe { self.start_of(number).byte_add(from) }, to - from)
    }

    /// Whether buffers that come back are cleared.
    #[cfg(any(debug_assertions, feature = "poison"))]
    pub(super) fn zero_on_return(&self) -> bool {
        self.zero_on_return
    }

    /// Whether it is on huge pages, and if not or not wholly, why. Registering touches all memory.
    pub(crate) fn huge_pages(&self) -> (HugePages, Option<String>) {
        self.mapping.huge_pages(self.is_registered())
    }
}
