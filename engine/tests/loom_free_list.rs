//! The free list of buffers under loom, which tries every order of its atomics that the memory
//! model allows. The code is `src/buffer/free_list.rs` itself, compiled here a second time with
//! loom's atomics. The model is also run without the count of changes and with weaker orders: then
//! it must fail, or it proves nothing.

mod atomic {
    //! Stands in for `src/buffer/atomic.rs`: loom's atomics, from which a test can take something
    //! away.

    use loom::sync::atomic;
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
    use std::cell::Cell;

    /// What is taken away.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Without {
        Nothing,
        /// The upper half of the word, which counts changes, stays 0.
        Count,
        /// Everything is relaxed.
        Order,
    }

    thread_local! {
        // Loom runs all threads of a model on the one that called it.
        pub(crate) static WITHOUT: Cell<Without> = const { Cell::new(Without::Nothing) };
    }

    fn order(order: Ordering) -> Ordering {
        if WITHOUT.get() == Without::Order { Ordering::Relaxed } else { order }
    }

    #[derive(Debug)]
    pub(crate) struct AtomicU64(atomic::AtomicU64);

    impl AtomicU64 {
        pub(crate) fn new(value: u64) -> Self {
            Self(atomic::AtomicU64::new(value))
        }

        pub(crate) fn load(&self, wanted: Ordering) -> u64 {
            self.0.load(order(wanted))
        }

        pub(crate) fn compare_exchange_weak(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            let counted = WITHOUT.get() != Without::Count;
            let new = if counted { new } else { new & u64::from(u32::MAX) };
            self.0.compare_exchange_weak(current, new, order(success), order(failure))
        }
    }
}

#[path = "../src/buffer/free_list.rs"]
mod free_list;

use atomic::{AtomicU32, Ordering, WITHOUT, Without};
use free_list::FreeList;
use loom::sync::Arc;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};

const COUNT: u32 = 2;

/// The list, and what it hands out.
struct Pool {
    free: FreeList,
    /// Of each number, who has it now. Only to notice two of them.
    owners: [AtomicU32; COUNT as usize],
    /// What the owners wrote: how often the number was used. Relaxed loads and stores, as plain
    /// memory: whoever takes it has to see what the last owner wrote.
    uses: [AtomicU32; COUNT as usize],
}

impl Pool {
    fn take(&self) -> Option<u32> {
        let number = self.free.take()?;
        let owners = self.owners[number as usize].fetch_add(1, Ordering::Relaxed);
        assert_eq!(owners, 0, "a number with two owners");
        let uses = &self.uses[number as usize];
        uses.store(uses.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Some(number)
    }

    fn give(&self, number: u32) {
        self.owners[number as usize].fetch_sub(1, Ordering::Relaxed);
        self.free.give(number);
    }
}

/// One thread takes twice and keeps nothing; the other takes both, gives the first back and keeps
/// the second for a while: the way into the error that the count of changes is there for.
fn model() {
    let pool = Arc::new(Pool {
        free: FreeList::full(COUNT),
        owners: [0; COUNT as usize].map(AtomicU32::new),
        uses: [0; COUNT as usize].map(AtomicU32::new),
    });
    let other = Arc::clone(&pool);
    let thread = thread::spawn(move || {
        let (first, second) = (other.take(), other.take());
        let taken = u32::from(first.is_some()) + u32::from(second.is_some());
        first.into_iter().for_each(|number| other.give(number));
        second.into_iter().for_each(|number| other.give(number));
        taken
    });
    let (first, second) = (pool.take(), pool.take());
    let mut taken = u32::from(first.is_some()) + u32::from(second.is_some());
    first.into_iter().chain(second).for_each(|number| pool.give(number));
    taken += thread.join().expect("no model thread panics");
    let mut left = 0;
    while pool.take().is_some() {
        left += 1;
    }
    assert_eq!(left, COUNT, "none is lost");
    let uses: u32 = pool.uses.iter().map(|uses| uses.load(Ordering::Relaxed)).sum();
    assert_eq!(uses, taken + left, "what an owner wrote is lost");
}

fn explore() {
    let mut builder = loom::model::Builder::new();
    // More switches than that find nothing new here, but take minutes.
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// The model without a part of the list fails, and says this.
fn assert_fails(without: Without, message: &str) {
    WITHOUT.set(without);
    let outcome = catch_unwind(AssertUnwindSafe(explore));
    WITHOUT.set(Without::Nothing);
    let panic = outcome.expect_err("the model must notice what is missing");
    let said = panic.downcast_ref::<String>().map_or("", String::as_str);
    assert!(said.contains(message), "{said}");
}

#[test]
fn no_number_has_two_owners_none_is_lost_and_what_is_written_is_seen() {
    explore();
}

#[test]
fn without_its_count_of_changes_a_number_is_lost() {
    assert_fails(Without::Count, "none is lost");
}

#[test]
fn with_weaker_orders_a_taker_does_not_see_what_the_giver_wrote() {
    assert_fails(Without::Order, "is lost");
}
