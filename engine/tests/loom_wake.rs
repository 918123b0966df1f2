//! The wake handshake of `Handle` under loom, which tries every order of the atomics that the
//! memory model allows. The code is `src/handle/wake.rs` itself, compiled here a second time with
//! loom's atomics. The model is also run with one of the orders taken away: then it must fail, or
//! it proves nothing.

mod atomic {
    //! Stands in for `src/handle/atomic.rs`: loom's atomics, whose fence a test can take away.

    use loom::sync::atomic;
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    use std::cell::Cell;

    thread_local! {
        // Loom runs all threads of a model on the one that called it.
        pub(crate) static WITHOUT_FENCE: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn fence(order: Ordering) {
        if !WITHOUT_FENCE.get() {
            atomic::fence(order);
        }
    }
}

#[path = "../src/handle/wake.rs"]
mod wake;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wake::Sleep;

const SUBMITTERS: u32 = 2;

/// What the two sides share. The queue is only its length: loom would take hours for a real one,
/// and the handshake does not depend on what is in it.
struct Shared {
    pushed: AtomicU32,
    sleep: Sleep,
    /// The backend's part: a wake-up is kept until a sleep has used it.
    rung: Mutex<bool>,
    ring: Condvar,
    wake_ups: AtomicU32,
}

fn submit(shared: &Shared) {
    // Relaxed: the fence has to do what the handshake promises, not the queue.
    shared.pushed.fetch_add(1, Ordering::Relaxed);
    if shared.sleep.owes_wake_up() {
        shared.wake_ups.fetch_add(1, Ordering::Relaxed);
        *shared.rung.lock().expect("no model thread panics") = true;
        shared.ring.notify_one();
    }
}

/// The engine's thread: takes requests until all have come, and sleeps when there is none. Loom
/// reports a sleep from which nobody wakes it.
fn take_all(shared: &Shared) {
    let (mut taken, mut sleeps) = (0, 0);
    while taken < SUBMITTERS {
        taken = shared.pushed.load(Ordering::Relaxed);
        if taken == SUBMITTERS {
            break;
        }
        shared.sleep.announce();
        if shared.pushed.load(Ordering::Relaxed) == taken {
            let mut rung = shared.rung.lock().expect("no model thread panics");
            while !*rung {
                rung = shared.ring.wait(rung).expect("no model thread panics");
            }
            *rung = false;
        }
        shared.sleep.withdraw();
        sleeps += 1;
    }
    let wake_ups = shared.wake_ups.load(Ordering::Relaxed);
    assert!(wake_ups <= sleeps, "{wake_ups} wake-ups for {sleeps} announcements");
}

fn model() {
    let shared = Arc::new(Shared {
        pushed: AtomicU32::new(0),
        sleep: Sleep::new(),
        rung: Mutex::new(false),
        ring: Condvar::new(),
        wake_ups: AtomicU32::new(0),
    });
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || submit(&shared))
        })
        .collect();
    take_all(&shared);
    for submitter in submitters {
        submitter.join().expect("no model thread panics");
    }
}

fn explore() {
    let mut builder = loom::model::Builder::new();
    // More switches than that find nothing new here, but take minutes.
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[test]
fn no_wake_up_is_lost_and_none_is_doubled() {
    explore();
}

#[test]
fn without_its_fences_the_handshake_loses_a_wake_up() {
    atomic::WITHOUT_FENCE.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(explore));
    atomic::WITHOUT_FENCE.set(false);
    let panic = outcome.expect_err("the model must notice that the fences are gone");
    let message = panic.downcast_ref::<String>().map_or("", String::as_str);
    assert!(message.contains("deadlock"), "{message}");
}
