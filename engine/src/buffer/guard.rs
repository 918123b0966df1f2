//! The guard of one piece of memory: a buffer of a pool, which goes back to it when it is dropped,
//! or memory of the caller's, which is given back as what it was (`foreign` makes those). Memory of
//! an operation in flight is reached by nobody: the operation owns the guard.

use super::arena::Arena;
use super::class::Class;
use super::foreign::{Foreign, VectorParts};
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// Instead of a number: the memory is a vector of the caller's.
pub(super) const VECTOR: u32 = u32::MAX;
/// Instead of a number: it is any other memory of the caller's.
pub(super) const FOREIGN: u32 = u32::MAX - 1;

/// A piece of memory that operations transfer to and from: of the engine's pool, page-aligned, or
/// [of the caller's](Buffer#callers-own-memory). Dropping it gives it back, or frees it.
///
/// It dereferences to its bytes, `len()` of them. An operation transfers exactly these; `set_len`
/// shortens what the next one transfers.
///
/// What a buffer of the pool holds when it is handed out: zeros at first, and later what its last
/// use in this engine left, which may be bytes of another file. A read tells how many bytes it
/// brought; those behind them are older. [`Config::zero_buffers`](crate::Config::zero_buffers)
/// clears each buffer that comes back. With debug assertions or the feature `poison` a buffer that
/// comes back is filled with a pattern instead, so that a write to it while it is free is found.
pub struct Buffer {
    start: NonNull<u8>,
    len: u32,
    /// Which of its class, or `VECTOR` or `FOREIGN`: says which field of `home` is the one in use.
    number: u32,
    home: Home,
}

/// Where the memory goes in the end. A union, because an enum would make every operation eight
/// bytes longer.
pub(super) union Home {
    /// Of a buffer with a number.
    pub(super) class: ManuallyDrop<Arc<Class>>,
    /// Of a `VECTOR`.
    pub(super) vector: VectorParts,
    /// Of a `FOREIGN`.
    pub(super) foreign: ManuallyDrop<Box<Foreign>>,
}

// Operations have at most 64 bytes, and this is what all of them carry.
const _: () = assert!(size_of::<Buffer>() == 24 && size_of::<Option<Buffer>>() == 24);

// SAFETY: a buffer is the only way to its memory, like a `Box<[u8]>`, or one of several that only
// read it; and where the memory goes in the end is `Send`.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads bytes and constants.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// The most bytes that this buffer can stand for.
    pub fn capacity(&self) -> usize {
        self.capacity_u32() as usize
    }

    fn capacity_u32(&self) -> u32 {
        match self.number {
            // SAFETY: a vector's buffer has this field.
            VECTOR => unsafe { self.home.vector }.initialised,
            // SAFETY: a foreign buffer has this field.
            FOREIGN => unsafe { &self.home.foreign }.len,
            // SAFETY: any other buffer has this field.
            _ => unsafe { &self.home.class }.buffer_len_bytes(),
        }
    }

    /// Sets how many bytes the buffer stands for, from its start. Bytes beyond the old length have
    /// whatever value they had.
    ///
    /// # Panics
    /// If `len` exceeds the capacity.
    pub fn set_len(&mut self, len: usize) {
        let capacity = self.capacity_u32();
        match u32::try_from(len) {
            Ok(len) if len <= capacity => self.len = len,
            _ => panic!("a length of {len} bytes exceeds the buffer's {capacity}"),
        }
    }

    /// Whether its bytes may be changed, and read into. False of shared memory of the caller's.
    #[inline]
    pub fn is_writable(&self) -> bool {
        // SAFETY: a foreign buffer has this field.
        self.number != FOREIGN || unsafe { &self.home.foreign }.is_writable
    }

    /// Whether it is a buffer of a pool, and not memory of the caller's.
    #[inline]
    pub fn is_pooled(&self) -> bool {
        self.number < FOREIGN
    }

    /// A buffer of a class.
    #[inline]
    pub(super) fn pooled(class: Arc<Class>, start: NonNull<u8>, number: u32) -> Self {
        debug_assert!(number < FOREIGN, "a class has fewer buffers");
        let len = class.buffer_len_bytes();
        Self { start, len, number, home: Home { class: ManuallyDrop::new(class) } }
    }

    /// Memory of the caller's.
    ///
    /// # Safety
    /// - `len` bytes from `start` are initialised, and stay there until `home` is dropped.
    /// - `number` is `VECTOR` or `FOREIGN`, and says which field `home` has.
    pub(super) unsafe fn of_caller(start: NonNull<u8>, len: u32, number: u32, home: Home) -> Self {
        Self { start, len, number, home }
    }

    /// Its parts, without dropping any: where, how long, which field of its home, and that.
    pub(super) fn into_parts(self) -> (NonNull<u8>, u32, u32, Home) {
        let whole = ManuallyDrop::new(self);
        // SAFETY: `whole` is not dropped, so the home is moved out only once.
        let home = unsafe { std::ptr::read(&raw const whole.home) };
        (whole.start, whole.len, whole.number, home)
    }

    /// Which field its home has.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The caller's memory, if it is some that is not a vector.
    pub(super) fn foreign(&self) -> Option<&Foreign> {
        // SAFETY: a foreign buffer has this field.
        (self.number == FOREIGN).then(|| &***unsafe { &self.home.foreign })
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

    /// The registered piece of `arena` that holds this buffer, if it belongs to it and is
    /// registered.
    #[inline]
    pub(crate) fn chunk_of(&self, arena: &Arena) -> Option<u16> {
        if !self.is_pooled() {
            return None;
        }
        // SAFETY: a pooled buffer has this field.
        let class: &Class = unsafe { &self.home.class };
        if class.arena() != arena.number() {
            return None;
        }
        class.chunk_of(self.number)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is valid for the capacity, of which `len` is a part, all initialised: a
        // pool's mapping was zero at first, and `of_caller` was promised it. Nobody else changes
        // it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }
}

impl DerefMut for Buffer {
    /// # Panics
    /// If the memory is shared: see [`is_writable`](Buffer::is_writable).
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        assert!(self.is_writable(), "a buffer of shared memory cannot be changed: copy it");
        // SAFETY: as for `deref`; `self` is borrowed exclusively, and writable memory has no other
        // way to it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len as usize) }
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if self.is_pooled() {
            // SAFETY: a pooled buffer has this field.
            let class = unsafe { &mut self.home.class };
            class.give(self.number);
            // SAFETY: nothing uses the field after this.
            unsafe { ManuallyDrop::drop(class) };
        } else {
            self.drop_foreign();
        }
    }
}

impl Buffer {
    /// Frees memory of the caller's.
    #[cold]
    fn drop_foreign(&mut self) {
        if self.number == VECTOR {
            // SAFETY: a vector's buffer has this field.
            let parts = unsafe { self.home.vector };
            // SAFETY: the parts came from a vector, and nothing uses them after.
            drop(unsafe { parts.rebuild(self.start, 0) });
        } else {
            // SAFETY: a foreign buffer has this field.
            let foreign = unsafe { &mut self.home.foreign };
            // SAFETY: nothing uses the field after this.
            unsafe { ManuallyDrop::drop(foreign) };
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Buffer");
        match self.number {
            VECTOR => out.field("memory", &"a vector"),
            FOREIGN => out.field("memory", &"the caller's"),
            number => out.field("number", &number),
        };
        out.field("len", &self.len).finish()
    }
}
