//! Draining, and successes that post nothing: what waits for what, and what is counted.

use super::ask::{self, after_a_while, finish, start, waiting_poll};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::{Features, KernelTimespec, SqeFlags};
use iomill_ring::op::{self, FsyncFlags, TimeoutFlags};
use iomill_ring::{Builder, Cqe, Ring, Sqe, Target};
use std::io::Write;

const DRAIN: SqeFlags = SqeFlags::IO_DRAIN;
const SKIP: SqeFlags = SqeFlags::CQE_SKIP_SUCCESS;
const LINK: SqeFlags = SqeFlags::IO_LINK;
static SOON: KernelTimespec = KernelTimespec { tv_sec: 0, tv_nsec: 20_000_000 };

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "drain: a drained request while an earlier one waits",
        seen: &[((6, 18), "waits too")],
        pages: &[("enter(2)", "waits too")],
        ask: || beside_waiting(&[op::nop().with_flags(DRAIN)]),
    },
    Rule {
        name: "drain: a plain request behind a drained one",
        seen: &[((6, 18), "waits too")],
        pages: &[("enter(2)", "waits too")],
        ask: || beside_waiting(&[op::nop().with_flags(DRAIN), op::nop()]),
    },
    Rule {
        name: "no drain: a plain request while an earlier one waits",
        seen: &[((6, 18), "overtakes")],
        pages: &[("enter(2)", "overtakes")],
        ask: || beside_waiting(&[op::nop()]),
    },
    Rule {
        name: "skip-success: completions of a chain of 3, marked but for the last",
        seen: &[((6, 18), "2: 0")],
        pages: &[("enter(2)", "2: 0")],
        ask: || posted(&[linked(op::nop(), SKIP), linked(op::nop(), SKIP), op::nop()]),
    },
    Rule {
        name: "skip-success: completions of a soft chain of 3, all marked, the first fails",
        seen: &[((6, 18), "0: EBADF")],
        pages: &[("enter(2)", "0: EBADF")],
        ask: || posted(&[linked(failing(), SKIP), linked(op::nop(), SKIP), marked(op::nop())]),
    },
    Rule {
        name: "skip-success: completions of a soft chain of 2, the first marked and failing",
        seen: &[((6, 18), "0: EBADF")],
        pages: &[("enter(2)", "0: EBADF")],
        ask: || posted(&[linked(failing(), SKIP), op::nop()]),
    },
    Rule {
        name: "skip-success: completions of a marked link timeout and its request",
        seen: &[((6, 18), "0: ECANCELED")],
        pages: &[("enter(2)", "0: ECANCELED")],
        ask: marked_link_timeout,
    },
    Rule {
        name: "skip-success: a timeout that counts one completion, beside a skipped one",
        seen: &[((6, 18), "ETIME")],
        pages: &[],
        ask: || counted(marked(op::nop())),
    },
    Rule {
        name: "counting timeout beside one completion that is posted",
        seen: &[((6, 18), "0")],
        pages: &[("enter(2)", "0")],
        ask: || counted(op::nop()),
    },
    Rule {
        name: "skip-success: a drained request later on the same ring",
        seen: &[((6, 18), "fails")],
        pages: &[("enter(2)", "fails")],
        ask: drain_after_skip,
    },
];

fn failing() -> Sqe {
    op::fsync(Target::Fd(-1), FsyncFlags::empty())
}

fn marked(sqe: Sqe) -> Sqe {
    sqe.with_flags(SKIP)
}

fn linked(sqe: Sqe, flags: SqeFlags) -> Sqe {
    sqe.with_flags(LINK | flags)
}

/// A ring that knows skip-success.
fn skipping_ring() -> Result<Ring, Stop> {
    let ring = Builder::new(8).build()?;
    if ring.features().contains(Features::CQE_SKIP) {
        return Ok(ring);
    }
    Err(Stop::skipped("this kernel has no CQE_SKIP_SUCCESS, which came with Linux 5.17"))
}

/// Starts a request that waits, and the others behind it; says whether the last completes before.
fn beside_waiting(others: &[Sqe]) -> Answer {
    let mut ring = Builder::new(8).build()?;
    let (reader, mut writer) = std::io::pipe()?;
    let mut entries = vec![waiting_poll(&reader)];
    entries.extend_from_slice(others);
    start(&mut ring, &entries)?;
    let early = look(&mut ring)?;
    writer.write_all(b"x")?;
    let late = finish(&mut ring, entries.len() - early.len())?;
    let last = (entries.len() - 1) as u64;
    if late.iter().all(|cqe| cqe.user_data != 0) {
        return Err(Stop::broke("the poll was to wait for the byte"));
    }
    let overtook = early.iter().any(|cqe| cqe.user_data == last);
    Ok(String::from(if overtook { "overtakes" } else { "waits too" }))
}

/// What is there after a while in which the kernel was asked for everything.
fn look(ring: &mut Ring) -> Result<Vec<Cqe>, Stop> {
    let mut seen = after_a_while(ring);
    // Each call starts one more request of a chain: none here is longer than this.
    for _ in 0..4 {
        ring.submit_with(&iomill_ring::Wait::until(0))?;
        seen.extend(ring.completions());
    }
    Ok(seen)
}

fn listed(mut seen: Vec<Cqe>) -> String {
    seen.sort_by_key(|cqe| cqe.user_data);
    let name = |cqe: &Cqe| format!("{}: {}", cqe.user_data, ask::named(cqe.result()));
    seen.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn posted(entries: &[Sqe]) -> Answer {
    let mut ring = skipping_ring()?;
    start(&mut ring, entries)?;
    Ok(listed(look(&mut ring)?))
}

fn marked_link_timeout() -> Answer {
    let mut ring = skipping_ring()?;
    let (reader, _writer) = std::io::pipe()?;
    let limit = op::link_timeout(&raw const SOON, TimeoutFlags::empty());
    start(&mut ring, &[waiting_poll(&reader).with_flags(LINK), marked(limit)])?;
    let mut seen = finish(&mut ring, 1)?;
    seen.extend(look(&mut ring)?);
    Ok(listed(seen))
}

/// How a timeout ends that counts one completion, beside another request.
fn counted(other: Sqe) -> Answer {
    let mut ring = skipping_ring()?;
    let timeout = op::timeout(&raw const SOON, 1, TimeoutFlags::empty());
    // With `user_data` 0, so that it is the first of the sorted completions.
    start(&mut ring, &[timeout, other])?;
    let mut seen = finish(&mut ring, 1)?;
    seen.extend(look(&mut ring)?);
    let timeout = seen.iter().find(|cqe| cqe.user_data == 0);
    Ok(ask::named(timeout.ok_or_else(|| Stop::broke("the timeout never ended"))?.result()))
}

fn drain_after_skip() -> Answer {
    let mut ring = skipping_ring()?;
    start(&mut ring, &[marked(op::nop())])?;
    let drained = ask::one(&mut ring, op::nop().with_flags(DRAIN))?;
    Ok(String::from(if drained == "0" { "succeeds" } else { "fails" }))
}
