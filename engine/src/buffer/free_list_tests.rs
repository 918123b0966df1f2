//! The free list beside a plain stack, and among threads that take and give as fast as they can.
//! Its atomics are explored by the test `loom_free_list`.

use super::free_list::FreeList;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

proptest! {
    #[test]
    fn behaves_like_a_plain_stack(
        count in 0_u32..20, steps in prop::collection::vec(any::<(bool, u8)>(), 0..200)
    ) {
        let list = FreeList::full(count);
        let mut naive: Vec<u32> = (0..count).rev().collect();
        let mut taken = Vec::new();
        for (take, which) in steps {
            if take {
                let number = list.take();
                prop_assert_eq!(number, naive.pop());
                taken.extend(number);
            } else if !taken.is_empty() {
                let number = taken.swap_remove(usize::from(which) % taken.len());
                list.give(number);
                naive.push(number);
            }
        }
    }
}

#[test]
fn no_number_is_ever_owned_twice_when_threads_take_and_give() {
    const COUNT: u32 = 4;
    let list = FreeList::full(COUNT);
    let owned: Vec<AtomicU32> = (0..COUNT).map(|_| AtomicU32::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50_000 {
                    if let Some(number) = list.take() {
                        let owners = &owned[number as usize];
                        assert_eq!(owners.fetch_add(1, Ordering::Relaxed), 0, "owned twice");
                        owners.fetch_sub(1, Ordering::Relaxed);
                        list.give(number);
                    }
                }
            });
        }
    });
    let left: std::collections::BTreeSet<_> = std::iter::from_fn(|| list.take()).collect();
    assert_eq!(left.len(), COUNT as usize, "none is lost");
}
