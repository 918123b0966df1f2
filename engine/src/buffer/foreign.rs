//! Memory of the caller's as a buffer, and back again. Extends `guard::Buffer`; copies nothing, and
//! never touches the bytes itself.

use super::guard::{Buffer, FOREIGN, Home, VECTOR};
use std::any::Any;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

/// Memory of the caller's own that a [`Buffer`] can stand for: any type that owns its bytes, such
/// as aligned memory, a page of somebody's cache, or reference-counted bytes that are only written
/// to files.
///
/// # Safety
/// From the call of `memory` on, and until the value is dropped or given back:
/// - the memory that `memory` answered is valid, initialised and at the same address, also while
///   other threads hold the value;
/// - nobody changes it but through the buffer, and if it is writable, nobody reads it either.
pub unsafe trait OwnedMemory: Any + Send {
    /// Where the memory starts and how many bytes it has. Called once, when the value has come to
    /// the place on the heap where it stays.
    fn memory(&mut self) -> (NonNull<u8>, usize);

    /// Whether the buffer may change the bytes, and read into them. False for shared memory.
    fn is_writable(&self) -> bool;
}

// SAFETY: the bytes are on the heap, initialised, and stay there; while a clone of the reference is
// held nobody can change them, and the buffer does not because it is not writable.
unsafe impl OwnedMemory for Arc<[u8]> {
    fn memory(&mut self) -> (NonNull<u8>, usize) {
        (NonNull::from(&**self).cast(), self.len())
    }

    fn is_writable(&self) -> bool {
        false
    }
}

// SAFETY: the bytes live for ever, and nobody can change them.
unsafe impl OwnedMemory for &'static [u8] {
    fn memory(&mut self) -> (NonNull<u8>, usize) {
        (NonNull::from(*self).cast(), self.len())
    }

    fn is_writable(&self) -> bool {
        false
    }
}

/// What a buffer keeps of memory that is not a vector's.
pub(super) struct Foreign {
    memory: Box<dyn OwnedMemory>,
    pub(super) len: u32,
    pub(super) is_writable: bool,
}

/// What a buffer keeps of a vector, beside its start.
#[derive(Clone, Copy)]
pub(super) struct VectorParts {
    capacity: u32,
    /// The vector's length when it came: what lies behind is not initialised.
    pub(super) initialised: u32,
}

impl VectorParts {
    /// The vector again.
    ///
    /// # Safety
    /// - The parts and `start` came from one vector, which is rebuilt only once.
    /// - `len` is at most `initialised`.
    pub(super) unsafe fn rebuild(self, start: NonNull<u8>, len: u32) -> Vec<u8> {
        // SAFETY: the caller vouches for all three.
        unsafe { Vec::from_raw_parts(start.as_ptr(), len as usize, self.capacity as usize) }
    }
}

/// # Callers' own memory
///
/// Every operation takes it in a `Buffer`, and gives it back with its completion. It is not
/// registered with the kernel, so each transfer pins it anew. Direct I/O asks for
/// [aligned](crate::File::alignment) memory, which a vector seldom is: what is not is refused. In a
/// forked child it is copied like any other memory.
impl Buffer {
    /// A vector as a buffer of its length. Moves no bytes and allocates nothing.
    ///
    /// The buffer stands for the vector's `len()` bytes and can stand for no more, because what
    /// lies behind them is not initialised: to read into a new vector make it by `vec![0; len]`, or
    /// use [`from_capacity`](Self::from_capacity).
    ///
    /// # Panics
    /// If the vector has a capacity of 4 GiB or more.
    pub fn from_vec(vector: Vec<u8>) -> Self {
        let mut vector = ManuallyDrop::new(vector);
        let (len, capacity) = (length(vector.len()), length(vector.capacity()));
        let Some(start) = NonNull::new(vector.as_mut_ptr()) else {
            unreachable!("a vector's pointer is never null");
        };
        let home = Home { vector: VectorParts { capacity, initialised: len } };
        // SAFETY: a vector's first `len` bytes are initialised and stay where they are; nobody else
        // has them, because the vector was moved in and is not dropped.
        unsafe { Self::of_caller(start, len, VECTOR, home) }
    }

    /// A vector as a buffer of its whole capacity. What lies behind its length is filled with zeros
    /// first, once: a vector that comes back and goes in again at its full length costs nothing.
    ///
    /// # Panics
    /// As [`from_vec`](Self::from_vec).
    pub fn from_capacity(mut vector: Vec<u8>) -> Self {
        vector.resize(vector.capacity(), 0);
        Self::from_vec(vector)
    }

    /// The vector that it was made of, with the buffer's length and its old capacity; or the buffer
    /// again if it was made of none. Set the length first to what a read brought.
    ///
    /// # Errors
    /// The buffer.
    pub fn into_vec(self) -> Result<Vec<u8>, Self> {
        if self.number() != VECTOR {
            return Err(self);
        }
        let (start, len, _, home) = self.into_parts();
        // SAFETY: a vector's buffer has this field.
        let parts = unsafe { home.vector };
        // SAFETY: start and parts came from one vector, in `from_vec`, and the buffer is gone;
        // `set_len` kept the length within what is initialised.
        Ok(unsafe { parts.rebuild(start, len) })
    }

    /// Any memory of the caller's as a buffer of its length. Moves no bytes; allocates two small
    /// pieces, so make it once and reuse it.
    ///
    /// # Panics
    /// If it has 4 GiB or more.
    pub fn from_memory<M: OwnedMemory>(memory: M) -> Self {
        let mut memory: Box<dyn OwnedMemory> = Box::new(memory);
        // Asked for behind the box, which the value does not leave until it is given back.
        let (start, len) = memory.memory();
        let len = length(len);
        let is_writable = memory.is_writable();
        let foreign = Box::new(Foreign { memory, len, is_writable });
        let home = Home { foreign: ManuallyDrop::new(foreign) };
        // SAFETY: whoever implements the trait vouches for the memory until its owner is dropped,
        // which the buffer does last.
        unsafe { Self::of_caller(start, len, FOREIGN, home) }
    }

    /// The memory that it was made of; or the buffer again if that was none of this type.
    ///
    /// # Errors
    /// The buffer.
    pub fn into_memory<M: OwnedMemory>(self) -> Result<M, Self> {
        let is_this = |foreign: &Foreign| {
            let any: &dyn Any = &*foreign.memory;
            any.is::<M>()
        };
        if !self.foreign().is_some_and(is_this) {
            return Err(self);
        }
        let (.., home) = self.into_parts();
        // SAFETY: a foreign buffer has this field.
        let foreign = unsafe { home.foreign };
        let any: Box<dyn Any> = ManuallyDrop::into_inner(foreign).memory;
        match any.downcast::<M>() {
            Ok(memory) => Ok(*memory),
            Err(_) => unreachable!("the type has just been looked at"),
        }
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(vector: Vec<u8>) -> Self {
        Self::from_vec(vector)
    }
}

impl From<Box<[u8]>> for Buffer {
    /// As a vector, which gives the box back without a copy: `into_vec`, `into_boxed_slice`.
    fn from(bytes: Box<[u8]>) -> Self {
        Self::from_vec(bytes.into_vec())
    }
}

impl From<Arc<[u8]>> for Buffer {
    /// Shared, so that it can be written to files and not read into.
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::from_memory(bytes)
    }
}

impl From<&'static [u8]> for Buffer {
    /// Shared, so that it can be written to files and not read into.
    fn from(bytes: &'static [u8]) -> Self {
        Self::from_memory(bytes)
    }
}

/// A length as operations carry it.
fn length(bytes: usize) -> u32 {
    match u32::try_from(bytes) {
        Ok(bytes) => bytes,
        Err(_) => panic!("{bytes} bytes in one buffer: one has less than 4 GiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Aligned memory, as somebody else's code would bring it.
    struct Page {
        memory: Box<[[u8; 512]]>,
        drops: Arc<AtomicU32>,
    }

    impl Drop for Page {
        fn drop(&mut self) {
            self.drops.fetch_add(1, Ordering::Relaxed);
        }
    }

    // SAFETY: the box owns its bytes, they stay on the heap, and the value is not touched while the
    // buffer has it.
    unsafe impl OwnedMemory for Page {
        fn memory(&mut self) -> (NonNull<u8>, usize) {
            let bytes = self.memory.as_flattened_mut();
            (NonNull::from(&mut *bytes).cast(), bytes.len())
        }

        fn is_writable(&self) -> bool {
            true
        }
    }

    proptest! {
        #[test]
        fn a_vector_comes_back_as_it_went_but_for_what_was_changed(
            bytes in prop::collection::vec(any::<u8>(), 0..100), spare in 0_usize..100,
            part in 0.0_f64..=1.0
        ) {
            let mut vector = Vec::with_capacity(bytes.len() + spare);
            vector.extend_from_slice(&bytes);
            let (place, capacity) = (vector.as_ptr(), vector.capacity());
            let mut buffer = Buffer::from(vector);
            prop_assert_eq!(&buffer[..], &bytes[..]);
            prop_assert_eq!(buffer.capacity(), bytes.len(), "what is not initialised is no part");
            buffer.iter_mut().for_each(|byte| *byte = !*byte);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let len = (bytes.len() as f64 * part) as usize;
            buffer.set_len(len);
            let vector = buffer.into_vec().unwrap();
            prop_assert_eq!((vector.as_ptr(), vector.capacity()), (place, capacity));
            prop_assert!(vector.iter().zip(&bytes).all(|(now, then)| *now == !*then));
            prop_assert_eq!(vector.len(), len);
            let mut buffer = Buffer::from_capacity(vector);
            prop_assert_eq!(buffer.len(), capacity);
            prop_assert!(buffer[len..].iter().all(|byte| *byte == 0));
            buffer.fill(1);
        }
    }

    #[test]
    #[should_panic(expected = "exceeds the buffer's 3")]
    fn a_vectors_spare_capacity_cannot_be_reached() {
        let mut vector = Vec::with_capacity(100);
        vector.extend_from_slice(&[1, 2, 3]);
        Buffer::from(vector).set_len(4);
    }

    #[test]
    fn any_memory_comes_back_as_what_it_was_and_is_dropped_once() {
        let drops = Arc::new(AtomicU32::new(0));
        let page = |blocks| Page {
            memory: vec![[7; 512]; blocks].into_boxed_slice(),
            drops: Arc::clone(&drops),
        };
        let count = || drops.load(Ordering::Relaxed);
        let mut buffer = Buffer::from_memory(page(2));
        assert_eq!((buffer.len(), buffer.capacity()), (1024, 1024));
        assert!(buffer.is_writable() && !buffer.is_pooled());
        buffer[1023] = 9;
        let buffer = buffer.into_vec().unwrap_err();
        let buffer = buffer.into_memory::<Arc<[u8]>>().unwrap_err();
        let page_again = buffer.into_memory::<Page>().unwrap_or_else(|_| panic!("it was one"));
        assert_eq!((page_again.memory[1][511], count()), (9, 0));
        drop(page_again);
        assert_eq!(count(), 1);
        drop(Buffer::from_memory(page(0)));
        assert_eq!(count(), 2);
    }

    #[test]
    fn shared_memory_can_be_read_from_several_sides_and_changed_from_none() {
        let shared: Arc<[u8]> = Arc::from([1, 2, 3].as_slice());
        let mut buffer = Buffer::from(Arc::clone(&shared));
        assert_eq!((&buffer[..], buffer.is_writable()), (&shared[..], false));
        let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| buffer[0] = 4));
        assert!(changed.is_err());
        let back: Arc<[u8]> = buffer.into_memory().unwrap();
        assert!(Arc::ptr_eq(&back, &shared) && back[0] == 1);
        let fixed: &'static [u8] = b"for ever";
        assert_eq!(&Buffer::from(fixed)[..], fixed);
    }
}
