//! The memory of an engine's pool: classes of buffers, each of one size. Made by `pool`; hands out
//! buffers of the smallest class that is large enough.

use super::class::{Class, PoolSettings};
use super::guard::Buffer;
use crate::buffer_class::BufferClass;
use crate::error::{Error, ErrorKind};
#[cfg(any(debug_assertions, feature = "poison"))]
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells arenas apart, so that a buffer's registered piece is used only by the engine that
/// registered it.
static NEXT_ARENA: AtomicU64 = AtomicU64::new(0);

/// The classes of one engine.
#[derive(Debug)]
pub struct Arena {
    number: u64,
    /// From the shortest buffers to the longest.
    classes: Box<[Arc<Class>]>,
}

impl Arena {
    /// Maps all classes, whose lengths ascend.
    pub(crate) fn new(classes: &[BufferClass], settings: PoolSettings) -> Result<Arc<Self>, Error> {
        debug_assert!(classes.is_sorted_by_key(|class| class.len_bytes), "ascending lengths");
        // Relaxed: only the number's uniqueness counts.
        let number = NEXT_ARENA.fetch_add(1, Ordering::Relaxed);
        let classes = classes
            .iter()
            .map(|class| Class::new(number, class.count, class.len_bytes, settings))
            .collect::<Result<_, Error>>()?;
        Ok(Arc::new(Self { number, classes }))
    }

    /// Which arena this is.
    #[inline]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The classes, from the shortest buffers to the longest.
    pub(crate) fn classes(&self) -> &[Arc<Class>] {
        &self.classes
    }

    /// A buffer of the smallest class, or `None` when all are in use.
    #[inline]
    pub(crate) fn take(&self) -> Option<Buffer> {
        self.classes.first()?.take()
    }

    /// A buffer of the smallest class that holds `len_bytes`, as long as was asked; `None` when all
    /// of this class are in use.
    pub(crate) fn take_len(&self, len_bytes: usize) -> Result<Option<Buffer>, Error> {
        let fits = |class: &&Arc<Class>| class.buffer_len_bytes() as usize >= len_bytes;
        let Some(class) = self.classes.iter().find(fits) else {
            let longest = self.classes.last().map_or(0, |class| class.buffer_len_bytes());
            return Err(too_long(len_bytes, longest));
        };
        Ok(class.take().map(|mut buffer| {
            buffer.set_len(len_bytes);
            buffer
        }))
    }

    /// Up to so many bytes on either side of those that lie in one of its buffers.
    #[cfg(any(debug_assertions, feature = "poison"))]
    pub(super) fn around(
        &self,
        start: *const u8,
        len_bytes: usize,
        most: usize,
    ) -> Option<[(NonNull<u8>, usize); 2]> {
        self.classes.iter().find_map(|class| class.around(start, len_bytes, most))
    }
}

/// No class has such buffers.
#[cold]
pub(crate) fn too_long(len_bytes: usize, longest: u32) -> Error {
    let why = format!(
        "{len_bytes} bytes are wanted and the pool's longest buffers have {longest}: configure a \
         class of such buffers, or hand in one of your own"
    );
    Error::refused(ErrorKind::TooLarge, "take a buffer", why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const PLAIN: PoolSettings = PoolSettings { huge_pages: false, zero_on_return: false };

    fn class(count: u32, len_bytes: u32) -> BufferClass {
        BufferClass { count, len_bytes }
    }

    #[test]
    fn buffers_are_aligned_apart_and_come_back() {
        let arena = Arena::new(&[class(3, 5000)], PLAIN).unwrap();
        let mut buffers: Vec<_> = std::iter::from_fn(|| arena.take()).collect();
        assert_eq!(buffers.len(), 3);
        for (index, buffer) in buffers.iter_mut().enumerate() {
            assert_eq!(buffer.start().addr().get() % 4096, 0);
            buffer.fill(u8::try_from(index).unwrap() + 1);
        }
        for (index, buffer) in buffers.iter().enumerate() {
            assert!(buffer.iter().all(|byte| usize::from(*byte) == index + 1));
            assert_eq!((buffer.len(), buffer.capacity()), (5000, 5000));
        }
        assert!(arena.take().is_none());
        let last = buffers.pop().unwrap();
        let place = last.start();
        drop(last);
        assert_eq!(arena.take().unwrap().start(), place, "the last one given back comes next");
    }

    #[test]
    fn pieces_to_register_cover_a_class_and_cut_no_buffer() {
        let arena = Arena::new(&[class(3, 600 << 20)], PLAIN).unwrap();
        let only = &arena.classes()[0];
        let chunks: Vec<_> = only.chunks().collect();
        assert_eq!(chunks.len(), 3, "two buffers of 600 MiB do not fit into 1 GiB");
        assert!(chunks.iter().all(|(_, len_bytes)| *len_bytes == 600 << 20));
        let buffers: Vec<_> = std::iter::from_fn(|| arena.take()).collect();
        assert_eq!(buffers[0].chunk_of(&arena), None, "not registered yet");
        only.set_registered(7);
        let indexes: Vec<_> = buffers.iter().map(|buffer| buffer.chunk_of(&arena)).collect();
        assert_eq!(indexes, [Some(7), Some(8), Some(9)]);
        let other = Arena::new(&[class(1, 4096)], PLAIN).unwrap();
        assert_eq!(buffers[0].chunk_of(&other), None);
    }

    #[test]
    fn a_length_gets_the_smallest_class_that_holds_it_and_no_larger_one() {
        let arena = Arena::new(&[class(1, 4096), class(2, 65_536)], PLAIN).unwrap();
        let first = arena.take_len(100).unwrap().unwrap();
        assert_eq!((first.len(), first.capacity()), (100, 4096));
        assert!(arena.take_len(4096).unwrap().is_none(), "no climbing to the next class");
        let second = arena.take_len(4097).unwrap().unwrap();
        assert_eq!((second.len(), second.capacity()), (4097, 65_536));
        let error = arena.take_len(65_537).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("65536"), "{error}");
    }

    #[test]
    fn a_buffer_that_was_given_back_is_clear_where_that_is_asked_for() {
        #[cfg(any(debug_assertions, feature = "poison"))]
        let used = super::super::poison::PATTERN;
        #[cfg(not(any(debug_assertions, feature = "poison")))]
        let used = 7;
        for (zero_on_return, left) in [(true, 0), (false, used)] {
            let settings = PoolSettings { huge_pages: false, zero_on_return };
            let arena = Arena::new(&[class(1, 5000)], settings).unwrap();
            let mut buffer = arena.take().unwrap();
            assert!(buffer.iter().all(|byte| *byte == 0), "zero at first in any case");
            buffer.fill(7);
            // What was cut off is cleared too.
            buffer.set_len(1);
            drop(buffer);
            let buffer = arena.take().unwrap();
            assert!(buffer.len() == 5000 && buffer.iter().all(|byte| *byte == left));
        }
    }

    #[test]
    #[should_panic(expected = "exceeds the buffer's 4096")]
    fn a_length_beyond_the_capacity_is_a_bug() {
        Arena::new(&[class(1, 4096)], PLAIN).unwrap().take().unwrap().set_len(4097);
    }

    proptest! {
        #[test]
        fn each_class_is_a_stack_of_its_own_and_no_buffer_has_two_owners(
            counts in (0_u32..4, 0_u32..4, 0_u32..3),
            steps in prop::collection::vec((any::<bool>(), 1_usize..40_000, any::<u8>()), 0..120)
        ) {
            let lens = [4096_u32, 12_288, 32_768];
            let counts = [counts.0 + 1, counts.1 + 1, counts.2 + 1];
            let classes: Vec<_> =
                counts.iter().zip(lens).map(|(count, len)| class(*count, len)).collect();
            let arena = Arena::new(&classes, PLAIN).unwrap();
            // The naive twin: for each class the addresses that were given back, last on top.
            let mut returned: HashMap<usize, Vec<usize>> = HashMap::new();
            let (mut out, mut stamp) = (Vec::<(Buffer, u8)>::new(), 0_u8);
            for (take, len, which) in steps {
                if !take && !out.is_empty() {
                    let (buffer, stamp) = out.swap_remove(usize::from(which) % out.len());
                    prop_assert!(buffer.iter().all(|byte| *byte == stamp), "written by another");
                    let address = buffer.start().addr().get();
                    returned.entry(buffer.capacity()).or_default().push(address);
                    continue;
                }
                let Some(class) = lens.iter().position(|class| *class as usize >= len) else {
                    prop_assert!(arena.take_len(len).is_err());
                    continue;
                };
                let capacity = lens[class] as usize;
                let in_use = out.iter().filter(|(buffer, _)| buffer.capacity() == capacity).count();
                let Some(mut buffer) = arena.take_len(len).unwrap() else {
                    prop_assert_eq!(in_use, counts[class] as usize, "exhausted only when it is");
                    continue;
                };
                prop_assert!(in_use < counts[class] as usize);
                prop_assert_eq!((buffer.len(), buffer.capacity()), (len, capacity));
                if let Some(expected) = returned.get_mut(&capacity).and_then(Vec::pop) {
                    prop_assert_eq!(buffer.start().addr().get(), expected, "last in, first out");
                }
                stamp = stamp.wrapping_add(1);
                buffer.fill(stamp);
                out.push((buffer, stamp));
            }
        }
    }
}
