//! The ring on the running kernel, one file per part. Every test that needs io_uring asks `ring()`
//! for it, which prints why it skips where there is none.
#![allow(clippy::unwrap_used)]

mod queues;
mod registered;
mod setup;
mod transfers;

use iomill_ring::{Builder, Cqe, Ring, Sqe};

/// A ring of `entries`, or a printed reason and `None`.
fn ring(builder: &Builder) -> Option<Ring> {
    match builder.build() {
        Ok(ring) => Some(ring),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Pushes entries whose memory and files outlive the call, submits, and waits for all of them.
fn run(ring: &mut Ring, entries: &[Sqe]) -> Vec<Cqe> {
    for sqe in entries {
        // SAFETY: this function returns only when each entry's completion was read, and the caller
        // keeps what they name until then.
        unsafe { ring.push(sqe) }.unwrap();
    }
    ring.submit().unwrap();
    let mut done = Vec::new();
    while done.len() < entries.len() {
        ring.submit_and_wait(1).unwrap();
        done.extend(ring.completions());
    }
    done.sort_by_key(|cqe| cqe.user_data);
    done
}
