//! Both queues and the SQPOLL hand-shake under loom, which tries every order of the atomics that
//! the memory model allows. Our side is `src/indices.rs` itself, compiled here a second time with
//! loom's atomics; the kernel's side is a thread that does what `io_uring.c` and `sqpoll.c` do.
//!
//! Each model is also run with one of our orders taken away: then it must fail, or it proves
//! nothing.

mod atomic {
    //! Stands in for `src/atomic.rs`: loom's atomics, of which a test can weaken our uses.

    use loom::sync::atomic;
    pub(crate) use loom::sync::atomic::Ordering;
    use std::cell::Cell;

    /// What is taken away from our side.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Without {
        Nothing,
        Fence,
        Release,
        Acquire,
    }

    thread_local! {
        // Loom runs all threads of a model on the one that called it.
        static WITHOUT: Cell<Without> = const { Cell::new(Without::Nothing) };
    }

    pub(crate) fn take_away(what: Without) {
        WITHOUT.set(what);
    }

    pub(crate) fn fence(order: Ordering) {
        if WITHOUT.get() != Without::Fence {
            atomic::fence(order);
        }
    }

    /// A shared word: our side uses `load` and `store`, the kernel's side `kernel`.
    #[derive(Debug)]
    pub(crate) struct AtomicU32 {
        pub(crate) kernel: atomic::AtomicU32,
    }

    impl AtomicU32 {
        pub(crate) fn new(value: u32) -> Self {
            Self { kernel: atomic::AtomicU32::new(value) }
        }

        pub(crate) fn load(&self, order: Ordering) -> u32 {
            let weak = WITHOUT.get() == Without::Acquire;
            self.kernel.load(if weak { Ordering::Relaxed } else { order })
        }

        pub(crate) fn store(&self, value: u32, order: Ordering) {
            let weak = WITHOUT.get() == Without::Release;
            self.kernel.store(value, if weak { Ordering::Relaxed } else { order });
        }
    }
}

#[path = "../src/indices.rs"]
#[allow(dead_code, reason = "the models need no capacities and counts")]
mod indices;

use atomic::{AtomicU32, Ordering, Without};
use indices::{Consumer, Producer};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Two slots and three entries: the third has to wait until a slot comes back.
const MASK: u32 = 1;
const ENTRIES: u32 = 3;
/// Positions wrap around within the model.
const START: u32 = u32::MAX - 1;
const NEED_WAKEUP: u32 = 1;

/// The shared part of one queue. Loom reports every access to a slot that is not ordered after the
/// other side's.
struct Shared {
    head: AtomicU32,
    tail: AtomicU32,
    flags: AtomicU32,
    slots: [UnsafeCell<u32>; 2],
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            head: AtomicU32::new(START),
            tail: AtomicU32::new(START),
            flags: AtomicU32::new(0),
            slots: [UnsafeCell::new(0), UnsafeCell::new(0)],
        })
    }

    fn write(&self, slot: u32, value: u32) {
        // SAFETY: loom checks that nobody else accesses the slot meanwhile.
        self.slots[slot as usize].with_mut(|place| unsafe { *place = value });
    }

    fn read(&self, slot: u32) -> u32 {
        // SAFETY: loom checks that nobody writes the slot meanwhile.
        self.slots[slot as usize].with(|place| unsafe { *place })
    }
}

/// Runs `model` in every order, with one of our orders taken away; answers the panic's message.
fn explore(without: Without, model: fn()) -> Option<String> {
    atomic::take_away(without);
    let mut builder = loom::model::Builder::new();
    // More switches than that find nothing new here, but take minutes.
    builder.preemption_bound = Some(3);
    let outcome = catch_unwind(AssertUnwindSafe(|| builder.check(model)));
    atomic::take_away(Without::Nothing);
    let panic = outcome.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
}

/// We produce, the kernel's SQPOLL thread consumes (`io_sqring_entries`, `io_commit_sqring`).
fn submission() {
    let shared = Shared::new();
    let kernel = thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            let mut head = START;
            while head != START.wrapping_add(ENTRIES) {
                if shared.tail.kernel.load(Ordering::Acquire) == head {
                    thread::yield_now();
                    continue;
                }
                assert_eq!(shared.read(head & MASK), head, "the entry of this position");
                head = head.wrapping_add(1);
                shared.head.kernel.store(head, Ordering::Release);
            }
        }
    });
    let mut producer = Producer::new(MASK, START);
    for number in 0..ENTRIES {
        let slot = loop {
            match producer.reserve(&shared.head) {
                Some(slot) => break slot,
                None => thread::yield_now(),
            }
        };
        shared.write(slot, START.wrapping_add(number));
        producer.publish(&shared.tail);
    }
    kernel.join().expect("the kernel's thread ends");
}

/// The kernel produces (`io_get_cqe`, `io_commit_cqring`), we consume in batches.
fn completion() {
    let shared = Shared::new();
    let kernel = thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            let mut tail = START;
            while tail != START.wrapping_add(ENTRIES) {
                let head = shared.head.kernel.load(Ordering::Acquire);
                if tail.wrapping_sub(head) > MASK {
                    thread::yield_now();
                    continue;
                }
                shared.write(tail & MASK, tail);
                tail = tail.wrapping_add(1);
                shared.tail.kernel.store(tail, Ordering::Release);
            }
        }
    });
    let mut consumer = Consumer::new(MASK, START);
    let mut expected = START;
    while expected != START.wrapping_add(ENTRIES) {
        let end = consumer.end(&shared.tail);
        if consumer.left(end) == 0 {
            thread::yield_now();
        }
        while let Some(slot) = consumer.take(end) {
            assert_eq!(shared.read(slot), expected, "the entry of this position");
            expected = expected.wrapping_add(1);
        }
        consumer.release(&shared.head);
    }
    kernel.join().expect("the kernel's thread ends");
}

/// We publish an entry while the SQPOLL thread finds nothing and goes to sleep (`io_sq_thread`).
fn sleep_and_wake() {
    let shared = Shared::new();
    let kernel = thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            let nothing = || shared.tail.kernel.load(Ordering::Acquire) == START;
            if nothing() {
                shared.flags.kernel.fetch_or(NEED_WAKEUP, Ordering::Relaxed);
                loom::sync::atomic::fence(Ordering::SeqCst);
                if nothing() {
                    return true;
                }
                shared.flags.kernel.fetch_and(!NEED_WAKEUP, Ordering::Relaxed);
            }
            assert_eq!(shared.read(START & MASK), 7);
            false
        }
    });
    let mut producer = Producer::new(MASK, START);
    let slot = producer.reserve(&shared.head).expect("an empty queue has room");
    shared.write(slot, 7);
    let flags = producer.publish_to_thread(&shared.tail, &shared.flags);
    let asleep = kernel.join().expect("the kernel's thread ends");
    assert!(!asleep || flags & NEED_WAKEUP != 0, "lost wake-up: both sides sleep");
}

#[test]
fn submission_entries_are_read_whole_and_never_overwritten_early() {
    assert_eq!(explore(Without::Nothing, submission), None);
}

#[test]
fn submission_without_release_or_acquire_is_found_out() {
    for without in [Without::Release, Without::Acquire] {
        let message = explore(without, submission).expect("the model must fail");
        assert!(message.contains("Causality violation"), "{without:?}: {message}");
    }
}

#[test]
fn completion_entries_are_read_whole_and_never_overwritten_early() {
    assert_eq!(explore(Without::Nothing, completion), None);
}

#[test]
fn completion_without_release_or_acquire_is_found_out() {
    for without in [Without::Release, Without::Acquire] {
        let message = explore(without, completion).expect("the model must fail");
        assert!(message.contains("Causality violation"), "{without:?}: {message}");
    }
}

#[test]
fn a_sleeping_sqpoll_thread_is_always_woken() {
    assert_eq!(explore(Without::Nothing, sleep_and_wake), None);
}

#[test]
fn without_the_fence_a_wakeup_is_lost() {
    let message = explore(Without::Fence, sleep_and_wake).expect("the model must fail");
    assert!(message.contains("lost wake-up"), "{message}");
}
