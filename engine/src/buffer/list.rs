//! Several buffers that one vectored operation transfers. It keeps the kernel's description of them
//! beside them, made once and not per request. Used by `op::vectored` and, after a short transfer,
//! by `settle`.

use super::Buffer;
use libc::iovec;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// The most pieces that the kernel takes in one call: `IOV_MAX`.
pub const BUFFER_LIST_LEN_MAX: usize = 1024;

/// Buffers in the order in which their bytes lie in the file.
#[derive(Debug)]
pub struct BufferList {
    buffers: Vec<Buffer>,
    /// One entry per buffer, on the heap, owned by this list. A raw pointer and not a `Box`,
    /// because the kernel may look at it while the list itself is moved.
    vector: NonNull<[iovec]>,
}

// SAFETY: the vector belongs to the list alone and points only to its own buffers, which are
// `Send`.
unsafe impl Send for BufferList {}

impl BufferList {
    /// The kernel's description of the buffers as they are now: where, how many, bytes in all.
    pub(crate) fn vector(&mut self) -> Result<(*mut iovec, u32, u32), &'static str> {
        if self.buffers.len() > BUFFER_LIST_LEN_MAX {
            return Err("a vectored transfer takes at most 1024 buffers: split it");
        }
        let mut total_bytes = 0_u32;
        for (index, buffer) in self.buffers.iter().enumerate() {
            total_bytes = total_bytes
                .checked_add(buffer.len_u32())
                .filter(|total| i32::try_from(*total).is_ok())
                .ok_or("a vectored transfer moves less than 2 GiB: split it")?;
            let piece = iovec { iov_base: buffer.start().as_ptr().cast(), iov_len: buffer.len() };
            // SAFETY: the vector has one entry per buffer, so the index lies inside of it.
            let place = unsafe { self.vector.cast::<iovec>().add(index) };
            // SAFETY: the place is valid, and nothing is in flight: the list is in the caller's
            // hands.
            unsafe { place.write(piece) };
        }
        // At most 1024, as just checked.
        let count = u32::try_from(self.buffers.len()).unwrap_or(0);
        Ok((self.vector.cast().as_ptr(), count, total_bytes))
    }

    /// The buffers again.
    pub fn into_vec(mut self) -> Vec<Buffer> {
        std::mem::take(&mut self.buffers)
    }
}

impl From<Vec<Buffer>> for BufferList {
    fn from(buffers: Vec<Buffer>) -> Self {
        let empty = iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let vector: Box<[iovec]> = vec![empty; buffers.len()].into_boxed_slice();
        let vector = NonNull::from(Box::leak(vector));
        Self { buffers, vector }
    }
}

impl Deref for BufferList {
    type Target = [Buffer];

    fn deref(&self) -> &[Buffer] {
        &self.buffers
    }
}

impl DerefMut for BufferList {
    fn deref_mut(&mut self) -> &mut [Buffer] {
        &mut self.buffers
    }
}

impl Drop for BufferList {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a leaked `Box` in `from`, and nothing is in flight: the
        // list is owned by the operation until its completion.
        drop(unsafe { Box::from_raw(self.vector.as_ptr()) });
    }
}

/// Moves a vector's beginning on by `bytes` that were transferred; answers where it begins now and
/// how many pieces are left.
///
/// # Safety
/// - `vector` points to `count` valid pieces that nobody else looks at.
/// - Together they are longer than `bytes`.
pub(crate) unsafe fn advance(
    mut vector: *mut iovec,
    mut count: u32,
    bytes: u32,
) -> (*mut iovec, u32) {
    let mut bytes = bytes as usize;
    while count > 0 {
        // SAFETY: at least one piece is left, and it is ours alone.
        let piece = unsafe { &mut *vector };
        if bytes < piece.iov_len {
            piece.iov_base = piece.iov_base.wrapping_byte_add(bytes);
            piece.iov_len -= bytes;
            break;
        }
        bytes -= piece.iov_len;
        vector = vector.wrapping_add(1);
        count -= 1;
    }
    (vector, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_advanced_vector_names_the_bytes_that_are_left(
            lens in prop::collection::vec(0_usize..50, 1..8), part in 0.0_f64..1.0
        ) {
            let mut memory = vec![0_u8; 512];
            let mut next = memory.as_mut_ptr();
            let mut naive = Vec::new();
            let mut vector: Vec<iovec> = lens.iter().map(|len| {
                naive.extend((0..*len).map(|index| next.addr() + index));
                let piece = iovec { iov_base: next.cast(), iov_len: *len };
                next = next.wrapping_add(len + 3);
                piece
            }).collect();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let moved = (naive.len() as f64 * part) as u32;
            prop_assume!((moved as usize) < naive.len());
            let count = u32::try_from(vector.len()).unwrap();
            // SAFETY: the vector is this test's own, and `moved` is less than its length.
            let (first, count) = unsafe { advance(vector.as_mut_ptr(), count, moved) };
            let skipped = (first.addr() - vector.as_ptr().addr()) / size_of::<iovec>();
            let left: Vec<usize> = vector[skipped..skipped + count as usize].iter()
                .flat_map(|piece| (0..piece.iov_len).map(|index| piece.iov_base.addr() + index))
                .collect();
            prop_assert_eq!(&left[..], &naive[moved as usize..]);
        }
    }
}
