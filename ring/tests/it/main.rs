//! The ring on the running kernel, one file per part. Every test that needs io_uring asks `ring()`
//! for it, which prints why it skips where there is none.
#![allow(clippy::unwrap_used)]

mod files;
mod groups;
mod paths;
mod placement;
mod queues;
mod registered;
mod registrations;
mod setup;
mod transfers;
mod waiting;

use iomill_ring::{Builder, Cqe, Error, ErrorKind, Opcode, Ring, Sqe};

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

/// As [`ring`], for a test of these operations; a printed reason and `None` where the kernel lacks
/// one.
fn ring_for(builder: &Builder, opcodes: &[Opcode]) -> Option<Ring> {
    let ring = ring(builder)?;
    let probe = ring.probe().unwrap();
    let missing: Vec<_> = opcodes.iter().filter(|opcode| !probe.supports(**opcode)).collect();
    if missing.is_empty() {
        return Some(ring);
    }
    for opcode in missing {
        let (name, since) = (opcode.name().unwrap(), opcode.since().unwrap());
        eprintln!("skipped: this kernel has no {name}, which came with Linux {since}");
    }
    None
}

/// The value of a registration or set-up, or a printed reason and `None` where the kernel is too
/// old for it.
fn supported<T>(answer: Result<T, Error>) -> Option<T> {
    match answer {
        Ok(value) => Some(value),
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Unavailable) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs one entry whose memory and files outlive the call.
fn one(ring: &mut Ring, sqe: Sqe) -> Result<u32, i32> {
    run(ring, &[sqe])[0].result()
}
