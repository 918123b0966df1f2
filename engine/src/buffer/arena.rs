//! The memory of a pool of buffers, and the guard that hands out one of them. Made by `engine`;
//! freed when the engine and every buffer are gone, and never while the kernel may still write to
//! it: an operation in flight owns its buffer.

use super::free_list::FreeList;
use crate::error::{Error, ErrorKind};
use crate::platform;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// Every buffer starts at a multiple of this, in bytes: the largest alignment that direct I/O asks
/// for on common devices, and a page.
const BUFFER_ALIGNMENT: u32 = 4096;
/// The kernel accepts at most this many bytes per registered buffer.
const CHUNK_LEN_MAX_BYTES: usize = 1 << 30;

/// One mapping, cut into buffers of equal size.
#[derive(Debug)]
pub struct Arena {
    base: NonNull<u8>,
    /// Bytes that a caller may use of each buffer.
    buffer_len_bytes: u32,
    /// Bytes from one buffer to the next: the length rounded up to the alignment.
    stride_bytes: usize,
    count: u32,
    /// How many buffers one registered piece holds.
    buffers_per_chunk: u32,
    free: FreeList,
}

// SAFETY: the arena's memory belongs to no thread. Each part of it is reached only through the one
// `Buffer` that owns its number, and the free list hands a number to one owner at a time.
unsafe impl Send for Arena {}
// SAFETY: shared access reaches only the free list, which is made for it, and constant fields.
unsafe impl Sync for Arena {}

impl Arena {
    /// Maps `count` buffers of `buffer_len_bytes`, all zero.
    pub(crate) fn new(count: u32, buffer_len_bytes: u32) -> Result<Arc<Self>, Error> {
        let stride_bytes = (buffer_len_bytes as usize).next_multiple_of(BUFFER_ALIGNMENT as usize);
        let len_bytes = stride_bytes * count as usize;
        let refuse = |errno: rustix::io::Errno| {
            Error::from_errno("map the buffer pool", errno.raw_os_error()).with_advice(
                ErrorKind::OutOfMemory,
                format!("{len_bytes} bytes are not to be had: ask for fewer or smaller buffers"),
            )
        };
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh address is asked for, so no existing memory is replaced, and only our
        // drop releases it.
        let base = unsafe {
            mmap_anonymous(std::ptr::null_mut(), len_bytes, protection, MapFlags::PRIVATE)
        }
        .map_err(refuse)?;
        let base = NonNull::new(base.cast()).ok_or_else(|| refuse(rustix::io::Errno::NOMEM))?;
        let free = FreeList::full(count);
        // At least one, because a buffer is at most 1 GiB.
        let fitting = (CHUNK_LEN_MAX_BYTES / stride_bytes).max(1);
        let buffers_per_chunk = u32::try_from(fitting).unwrap_or(u32::MAX);
        let arena = Self { base, buffer_len_bytes, stride_bytes, count, buffers_per_chunk, free };
        // The kernel may write into these pages at any time. In a forked child copy-on-write would
        // move our side to other pages than the kernel's; so children do not get them at all.
        // SAFETY: the range is exactly the mapping made above.
        unsafe { platform::keep_from_children(arena.base.as_ptr().cast(), len_bytes) }
            .map_err(refuse)?;
        Ok(Arc::new(arena))
    }

    /// Takes a buffer, or `None` when all are in use. What it contains is left from its last use.
    #[inline]
    pub(crate) fn take(self: &Arc<Self>) -> Option<Buffer> {
        let number = self.free.take()?;
        // SAFETY: the free list holds only numbers below `count`, so the offset lies inside the
        // mapping.
        let start = unsafe { self.base.byte_add(number as usize * self.stride_bytes) };
        Some(Buffer { arena: Arc::clone(self), start, number, len: self.buffer_len_bytes })
    }

    /// The mapping in pieces that can be registered, none of which cuts a buffer: start and bytes.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (NonNull<u8>, usize)> + '_ {
        let per_chunk = self.buffers_per_chunk;
        (0..self.count.div_ceil(per_chunk)).map(move |chunk| {
            let first = chunk * per_chunk;
            let buffers = per_chunk.min(self.count - first);
            // SAFETY: `first` lies below `count`, so the offset lies inside the mapping.
            let start = unsafe { self.base.byte_add(first as usize * self.stride_bytes) };
            (start, buffers as usize * self.stride_bytes)
        })
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let len_bytes = self.stride_bytes * self.count as usize;
        // SAFETY: base and length are those of `mmap_anonymous`. Each buffer holds a reference to
        // the arena, so none is left, and operations in flight own their buffers.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), len_bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping fails only on a bad address");
    }
}

/// A page-aligned buffer of the engine's pool. Dropping it gives it back.
///
/// It dereferences to its bytes, `len()` of them. An operation transfers exactly these; `set_len`
/// shortens what the next one transfers.
pub struct Buffer {
    arena: Arc<Arena>,
    start: NonNull<u8>,
    number: u32,
    len: u32,
}

// SAFETY: a buffer is the only way to its part of the arena, like a `Box<[u8]>`.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads bytes.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// The most bytes that this buffer can hold.
    pub fn capacity(&self) -> usize {
        self.arena.buffer_len_bytes as usize
    }

    /// Sets how many bytes the buffer stands for, from its start. Bytes beyond the old length have
    /// whatever value they had.
    ///
    /// # Panics
    /// If `len` exceeds the capacity.
    pub fn set_len(&mut self, len: usize) {
        let capacity = self.capacity();
        assert!(len <= capacity, "a length of {len} bytes exceeds the buffer's {capacity}");
        // Below the capacity, which is a `u32`.
        self.len = u32::try_from(len).unwrap_or(self.arena.buffer_len_bytes);
    }

    /// Where the kernel transfers to or from. Only for the operation that owns this buffer.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The length as the kernel takes it.
    #[inline]
    pub(crate) fn len_u32(&self) -> u32 {
        self.len
    }

    /// The registered piece of `arena` that holds this buffer, if it belongs to it.
    #[inline]
    pub(crate) fn chunk_of(&self, arena: &Arena) -> Option<u16> {
        if !std::ptr::eq(Arc::as_ptr(&self.arena), arena) {
            return None;
        }
        u16::try_from(self.number / arena.buffers_per_chunk).ok()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is valid for the capacity, of which `len` is a part; the mapping was zero
        // at first and only initialised bytes were written since; nobody else can reach it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len as usize) }
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        self.arena.free.give(self.number);
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer").field("number", &self.number).field("len", &self.len).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_apart_and_come_back() {
        let arena = Arena::new(3, 5000).unwrap();
        let mut buffers: Vec<_> = std::iter::from_fn(|| arena.take()).collect();
        assert_eq!(buffers.len(), 3);
        for (index, buffer) in buffers.iter_mut().enumerate() {
            assert_eq!(buffer.start().as_ptr().addr() % 4096, 0);
            buffer.fill(u8::try_from(index).unwrap() + 1);
        }
        for (index, buffer) in buffers.iter().enumerate() {
            assert!(buffer.iter().all(|byte| usize::from(*byte) == index + 1));
            assert_eq!((buffer.len(), buffer.capacity()), (5000, 5000));
        }
        assert!(arena.take().is_none());
        drop(buffers.pop());
        assert_eq!(arena.take().unwrap().number, 2, "the last one given back is the next taken");
    }

    #[test]
    fn pieces_to_register_cover_the_arena_and_cut_no_buffer() {
        let arena = Arena::new(3, 600 << 20).unwrap();
        let chunks: Vec<_> = arena.chunks().collect();
        assert_eq!(chunks.len(), 3, "two buffers of 600 MiB do not fit into 1 GiB");
        assert!(chunks.iter().all(|(_, len_bytes)| *len_bytes == 600 << 20));
        let buffers: Vec<_> = std::iter::from_fn(|| arena.take()).collect();
        let indexes: Vec<_> = buffers.iter().map(|buffer| buffer.chunk_of(&arena)).collect();
        assert_eq!(indexes, [Some(0), Some(1), Some(2)]);
        let other = Arena::new(1, 4096).unwrap();
        assert_eq!(buffers[0].chunk_of(&other), None);
    }

    #[test]
    #[should_panic(expected = "exceeds the buffer's 4096")]
    fn a_length_beyond_the_capacity_is_a_bug() {
        Arena::new(1, 4096).unwrap().take().unwrap().set_len(4097);
    }
}
