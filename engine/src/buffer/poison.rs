//! Finds out who writes to memory of the pool that is not theirs: to a buffer that is free, or
//! around the bytes that a request is about. Compiled with debug assertions or the feature `poison`
//! only (`poison_off` otherwise). Called by `class` and, for requests, by `turn` and `dispatch`;
//! never changes a byte that anybody can reach.
//!
//! A buffer that comes back is filled with a pattern (zeros where these are asked for), and has to
//! have it still when it is handed out again. What lies around a request's bytes, and the bytes
//! themselves if it only reads them, is summed when the backend gets it and when it completes.

use super::arena::Arena;
use super::class::Class;
use crate::backend::{Request, RequestKind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

/// What a free buffer holds that was in use before.
pub(super) const PATTERN: u8 = 0xdb;
/// Of a long buffer only so much from each end, in bytes.
const EDGE_LEN_BYTES: usize = 64 << 10;
/// So many bytes on either side of a request's are summed.
const AROUND_LEN_BYTES: usize = 256;
/// Of the bytes that a write takes so many from the start are summed.
const CONTENT_LEN_BYTES: usize = 4096;
/// Of a vector so many pieces are looked at.
const PIECES_MAX: u32 = 8;

/// What each free buffer of a class has to hold.
#[derive(Debug)]
pub(super) struct Watch {
    /// 0 at first, because the mapping is.
    expected: Box<[AtomicU8]>,
}

impl Watch {
    /// For so many buffers, all zero.
    pub(super) fn new(count: u32) -> Self {
        Self { expected: (0..count).map(|_| AtomicU8::new(0)).collect() }
    }

    /// A buffer is being given back: nobody is to write to it from now on.
    pub(super) fn given(&self, class: &Class, number: u32) {
        let pattern = if class.zero_on_return() { 0 } else { PATTERN };
        for (start, len_bytes) in class.edges(number, EDGE_LEN_BYTES) {
            // SAFETY: the part lies inside the buffer, whose owner is giving it back just now.
            unsafe { start.write_bytes(pattern, len_bytes) };
        }
        // Relaxed: the free list orders it for the next taker.
        self.expected[number as usize].store(pattern, Ordering::Relaxed);
    }

    /// A buffer was taken.
    ///
    /// # Panics
    /// If somebody has written to it while it was free, or behind its end.
    pub(super) fn taken(&self, class: &Class, number: u32) {
        let pattern = self.expected[number as usize].load(Ordering::Relaxed);
        let is_untouched = |(start, len_bytes): (NonNull<u8>, usize), pattern: u8| {
            // SAFETY: the part lies inside the buffer, which belongs to its taker, or behind its
            // end where nothing belongs to anybody.
            let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), len_bytes) };
            let pattern = [pattern; 4096];
            bytes.chunks(pattern.len()).all(|chunk| *chunk == pattern[..chunk.len()])
        };
        let mut edges = class.edges(number, EDGE_LEN_BYTES).into_iter();
        let len_bytes = class.buffer_len_bytes();
        assert!(
            edges.all(|edge| is_untouched(edge, pattern)),
            "poison: buffer {number} of {len_bytes} bytes was written to while it was free: by a \
             backend after its completion, or through a pointer that was kept"
        );
        assert!(
            class.padding(number).is_none_or(|padding| is_untouched(padding, 0)),
            "poison: bytes behind the end of buffer {number} of {len_bytes} bytes were written to"
        );
    }
}

/// Sums over what a request must not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    /// The request's memory when the backend got it: a step of a chain can be shortened by what the
    /// step before it answers.
    address: *mut u8,
    len: u32,
    around: u64,
    /// Of a write's own bytes; 0 where these may change meanwhile.
    content: u64,
}

impl Default for Seal {
    fn default() -> Self {
        Self { address: std::ptr::null_mut(), len: 0, around: 0, content: 0 }
    }
}

impl Seal {
    /// Whether it is worth to ask for one.
    pub(crate) const IS_ON: bool = true;

    /// Of a request that the backend is about to get. The bytes of one that is linked behind
    /// another may be made by that one.
    pub(crate) fn of(arena: Option<&Arena>, request: &Request, behind_another: bool) -> Self {
        let (address, len) = (request.address, request.len);
        let mut seal = Self { address, len, ..Self::default() };
        let Some(arena) = arena else { return seal };
        let is_write = matches!(request.kind, RequestKind::Write | RequestKind::WriteVectored);
        for (start, len_bytes) in pieces(request) {
            let Some([before, behind]) = arena.around(start, len_bytes, AROUND_LEN_BYTES) else {
                continue;
            };
            seal.around = sum(sum(seal.around, before), behind);
            if is_write && !behind_another {
                let start = NonNull::new(start).unwrap_or(NonNull::dangling());
                seal.content = sum(seal.content, (start, len_bytes.min(CONTENT_LEN_BYTES)));
            }
        }
        seal
    }

    /// The request has completed.
    ///
    /// # Panics
    /// If anything has changed that it must not change.
    pub(crate) fn check(self, arena: Option<&Arena>, request: &Request) {
        let request = Request { address: self.address, len: self.len, ..*request };
        let now = Self::of(arena, &request, self.content == 0);
        let name = request.kind.name();
        let Request { len, offset, .. } = request;
        assert!(
            now.around == self.around,
            "poison: a backend wrote outside of the {len} bytes of a {name} at offset {offset}"
        );
        assert!(
            now.content == self.content,
            "poison: the bytes of a {name} at offset {offset} changed before it was complete"
        );
    }
}

/// The memory of a transfer, piece by piece.
fn pieces(request: &Request) -> impl Iterator<Item = (*mut u8, usize)> {
    let (address, len) = (request.address, request.len);
    let is_vector = matches!(request.kind, RequestKind::ReadVectored | RequestKind::WriteVectored);
    let count = match request.kind {
        RequestKind::Read | RequestKind::ReadSlot | RequestKind::Write => 1,
        _ if is_vector => len.min(PIECES_MAX),
        _ => 0,
    };
    (0..count as usize).map(move |index| {
        if !is_vector {
            return (address, len as usize);
        }
        let vector = address.cast_const().cast::<libc::iovec>();
        // SAFETY: the vector has `len` entries, of which this is one.
        let place = unsafe { vector.add(index) };
        // SAFETY: the operation owns the vector, and only reads of it are made while the backend
        // has it.
        let piece = unsafe { place.read() };
        (piece.iov_base.cast(), piece.iov_len)
    })
}

/// Goes on with a sum over some bytes: never 0.
fn sum(before: u64, (start, len_bytes): (NonNull<u8>, usize)) -> u64 {
    // SAFETY: `Arena::around` answers parts of a buffer that an operation in flight owns, and the
    // operation's bytes are another part of it; the backend is not allowed to write to them now.
    let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), len_bytes) };
    let mix =
        |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(before, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let sum = rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
    mix(sum, len_bytes as u64) | 1
}

#[cfg(test)]
mod tests {
    use super::super::arena::Arena;
    use super::super::class::PoolSettings;
    use crate::buffer_class::BufferClass;
    use std::sync::Arc;

    fn arena(len_bytes: u32, zero_on_return: bool) -> Arc<Arena> {
        let settings = PoolSettings { huge_pages: false, zero_on_return };
        Arena::new(&[BufferClass { count: 1, len_bytes }], settings).unwrap()
    }

    /// Writes to the only buffer of a pool while it is free, at this place; answers what happens.
    fn write_while_free(len_bytes: u32, zeros: bool, uses: u32, place: usize) -> Option<String> {
        let arena = arena(len_bytes, zeros);
        let start = arena.take().unwrap().start();
        for _ in 1..uses {
            arena.take().unwrap().fill(7);
        }
        // SAFETY: the place is inside the mapping.
        let there = unsafe { start.add(place) };
        // SAFETY: as above; nobody owns the buffer.
        unsafe { there.write(1) };
        let taken = std::panic::catch_unwind(|| drop(arena.take()));
        taken.err().map(|panic| panic.downcast_ref::<String>().unwrap().clone())
    }

    #[test]
    fn a_write_to_a_free_buffer_is_found_wherever_it_is() {
        for zeros in [false, true] {
            for (len_bytes, place) in [(5000, 0), (5000, 4999), (1 << 20, 60_000)] {
                let said = write_while_free(len_bytes, zeros, 2, place).unwrap();
                assert!(said.contains("while it was free"), "{said}");
            }
            let said = write_while_free(1 << 20, zeros, 2, (1 << 20) - 1).unwrap();
            assert!(said.contains("while it was free"), "{said}");
            let said = write_while_free(5000, zeros, 2, 5000).unwrap();
            assert!(said.contains("behind the end"), "{said}");
        }
    }

    #[test]
    fn a_buffer_that_nobody_writes_to_is_taken_again_and_again() {
        for (len_bytes, zeros) in [(1, false), (5000, true), (100_000, false), (300_000, true)] {
            let arena = arena(len_bytes, zeros);
            for _ in 0..3 {
                arena.take().unwrap().fill(7);
            }
        }
    }
}
