//! The end of a handle's queue under loom, which tries every order in which threads can come to
//! it. The code is `src/handle/plug.rs` itself, compiled here a second time with a queue of loom's.
//! The model is also run with a mark in the place of the plugs: then it must fail, or it proves
//! nothing.

mod bounded {
    //! Stands in for `src/handle/bounded.rs`: a bounded queue that loom can follow.

    use loom::sync::Mutex;
    use std::collections::VecDeque;

    pub(crate) struct ArrayQueue<T> {
        items: Mutex<VecDeque<T>>,
        capacity: usize,
    }

    impl<T> ArrayQueue<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            Self { items: Mutex::new(VecDeque::new()), capacity }
        }

        pub(crate) fn capacity(&self) -> usize {
            self.capacity
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            let mut items = self.items.lock().expect("no model thread panics");
            if items.len() == self.capacity {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.items.lock().expect("no model thread panics").pop_front()
        }
    }
}

#[path = "../src/handle/plug.rs"]
mod plug;

use bounded::ArrayQueue;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};

const SUBMITTERS: u32 = 2;

struct Shared {
    queue: ArrayQueue<Option<u32>>,
    /// What the naive end has instead of plugs.
    is_closed: AtomicBool,
}

/// Each submitter pushes once, while the engine takes one request and then ends; answers which were
/// accepted and which the engine found.
fn model(capacity: usize, end: impl Fn(&Shared, &mut Vec<u32>)) {
    let shared =
        Arc::new(Shared { queue: ArrayQueue::new(capacity), is_closed: AtomicBool::new(false) });
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let is_open = !shared.is_closed.load(Ordering::SeqCst);
                (is_open && shared.queue.push(Some(number)).is_ok()).then_some(number)
            })
        })
        .collect();
    let mut found: Vec<u32> = shared.queue.pop().flatten().into_iter().collect();
    end(&shared, &mut found);
    let accepted: Vec<u32> = submitters
        .into_iter()
        .filter_map(|submitter| submitter.join().expect("no model thread panics"))
        .collect();
    found.sort_unstable();
    assert_eq!(found, accepted, "what was accepted and what the engine has found");
    assert_eq!(shared.queue.push(Some(9)).is_err(), !shared.is_closed.load(Ordering::SeqCst));
}

#[test]
fn every_accepted_request_is_found_and_no_more_come() {
    for capacity in 1..=2 {
        loom::model(move || {
            model(capacity, |shared, found| plug::plug(&shared.queue, |item| found.push(item)));
        });
    }
}

#[test]
fn a_mark_in_the_place_of_the_plugs_loses_a_request() {
    let explore = || {
        loom::model(|| {
            model(2, |shared, found| {
                shared.is_closed.store(true, Ordering::SeqCst);
                found.extend(std::iter::from_fn(|| shared.queue.pop()).flatten());
            });
        });
    };
    let outcome = catch_unwind(AssertUnwindSafe(explore));
    let panic = outcome.expect_err("the model must notice that a request is lost");
    let message = panic.downcast_ref::<String>().map_or("", String::as_str);
    assert!(message.contains("the engine has found"), "{message}");
}
