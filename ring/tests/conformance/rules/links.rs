//! Chains: what breaks them, what survives, where they end.

use super::ask::{self, PAGE_LEN_BYTES, one, run, scratch, waiting_poll};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::{KernelTimespec, SqeFlags};
use iomill_ring::op::{self, FsyncFlags, TimeoutFlags};
use iomill_ring::{Builder, Matching, Sqe, Target};
use std::os::fd::AsFd;

const SOFT: SqeFlags = SqeFlags::IO_LINK;
const HARD: SqeFlags = SqeFlags::IO_HARDLINK;
static HOUR: KernelTimespec = KernelTimespec { tv_sec: 3600, tv_nsec: 0 };

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "soft link: the request behind a failed one",
        seen: &[((6, 18), "ECANCELED")],
        pages: &[("linked_requests(7)", "ECANCELED"), ("enter(2)", "ECANCELED")],
        ask: || behind(failing(), SOFT),
    },
    Rule {
        name: "soft link: the request behind a short read",
        seen: &[((6, 18), "ECANCELED")],
        pages: &[("linked_requests(7)", "0"), ("enter(2)", "ECANCELED")],
        ask: || behind_short_read(SOFT),
    },
    Rule {
        name: "hard link: the request behind a failed one",
        seen: &[((5, 10), "ECANCELED"), ((6, 1), "0")],
        pages: &[("linked_requests(7)", "0"), ("enter(2)", "0")],
        ask: || behind(failing(), HARD),
    },
    Rule {
        name: "hard link: the request behind a short read",
        seen: &[((6, 18), "0")],
        pages: &[("linked_requests(7)", "0"), ("enter(2)", "0")],
        ask: || behind_short_read(HARD),
    },
    Rule {
        name: "hard link: the request behind one that was refused at submission",
        seen: &[((6, 18), "ECANCELED")],
        pages: &[("linked_requests(7)", "0"), ("enter(2)", "ECANCELED")],
        ask: || behind(refused(), HARD),
    },
    Rule {
        name: "chain of soft and hard links: the last, when the hard one failed",
        seen: &[((5, 10), "ECANCELED"), ((6, 1), "0")],
        pages: &[("linked_requests(7)", "0")],
        ask: mixed_chain,
    },
    Rule {
        name: "broken chain: the request after its end",
        seen: &[((6, 18), "0")],
        pages: &[("enter(2)", "0")],
        ask: after_the_end,
    },
    Rule {
        name: "open chain: the first request of the next submission",
        seen: &[((6, 18), "0")],
        pages: &[("enter(2)", "0"), ("linked_requests(7)", "0")],
        ask: across_submissions,
    },
    Rule {
        name: "chain: the order of its completions",
        seen: &[((6, 18), "0 1 2 3")],
        pages: &[("linked_requests(7)", "0 1 2 3")],
        ask: order_of_completions,
    },
    Rule {
        name: "chain: the request behind one that was cancelled",
        seen: &[((6, 18), "ECANCELED")],
        pages: &[("linked_requests(7)", "ECANCELED")],
        ask: behind_cancelled,
    },
    Rule {
        name: "link timeout: its own result when the request was in time",
        seen: &[((6, 18), "ECANCELED")],
        pages: &[("linked_requests(7)", "ECANCELED")],
        ask: timeout_in_time,
    },
    Rule {
        name: "link timeout: its own result without a request before it",
        seen: &[((6, 18), "EINVAL")],
        pages: &[],
        ask: timeout_alone,
    },
];

/// A request that fails when it is carried out: there is no such file.
fn failing() -> Sqe {
    op::fsync(Target::Fd(-1), FsyncFlags::empty())
}

/// A request that is not even started: fsync has no priority.
fn refused() -> Sqe {
    failing().with_priority(1)
}

fn behind(first: Sqe, link: SqeFlags) -> Answer {
    let mut ring = Builder::new(8).build()?;
    let results = run(&mut ring, &[first.with_flags(link), op::nop()])?;
    if results[0].is_ok() {
        return Err(Stop::broke("the first request was to fail"));
    }
    Ok(ask::named(results[1]))
}

fn behind_short_read(link: SqeFlags) -> Answer {
    let mut ring = Builder::new(8).build()?;
    let file = ask::file_of(b"short")?;
    let read = op::read(Target::from(file.as_fd()), scratch(), PAGE_LEN_BYTES, 0);
    let results = run(&mut ring, &[read.with_flags(link), op::nop()])?;
    if results[0] != Ok(5) {
        return Err(Stop::broke(format!("the read was to bring 5 bytes: {:?}", results[0])));
    }
    Ok(ask::named(results[1]))
}

fn mixed_chain() -> Answer {
    let mut ring = Builder::new(8).build()?;
    let chain = [op::nop().with_flags(SOFT), failing().with_flags(HARD), op::nop()];
    Ok(ask::named(run(&mut ring, &chain)?[2]))
}

fn after_the_end() -> Answer {
    let mut ring = Builder::new(8).build()?;
    let chain = [failing().with_flags(SOFT), op::nop(), op::nop()];
    Ok(ask::named(run(&mut ring, &chain)?[2]))
}

fn across_submissions() -> Answer {
    let mut ring = Builder::new(8).build()?;
    one(&mut ring, failing().with_flags(SOFT))?;
    one(&mut ring, op::nop())
}

fn order_of_completions() -> Answer {
    let mut ring = Builder::new(8).build()?;
    let file = ask::file_of(&[7; PAGE_LEN_BYTES as usize])?;
    // Each goes to a worker, so that nothing but the chain keeps them in order.
    let sync = op::fsync(Target::from(file.as_fd()), FsyncFlags::empty());
    let slow = sync.with_flags(SqeFlags::ASYNC);
    ask::start(
        &mut ring,
        &[slow.with_flags(SOFT), slow.with_flags(SOFT), slow.with_flags(SOFT), slow],
    )?;
    let mut order = Vec::new();
    while order.len() < 4 {
        ring.submit_and_wait_for(1, ask::LONG)?;
        order.extend(ring.completions().map(|cqe| cqe.user_data.to_string()));
    }
    Ok(order.join(" "))
}

fn behind_cancelled() -> Answer {
    let mut ring = Builder::new(8).build()?;
    let (reader, _writer) = std::io::pipe()?;
    ask::start(&mut ring, &[waiting_poll(&reader).with_flags(SOFT), op::nop()])?;
    // The poll carries 0 and the NOP 1: the cancel comes on top of the two.
    let cancel = op::cancel(Matching::user_data(0)).with_user_data(2);
    // SAFETY: a cancel names no memory and no file.
    unsafe { ring.push(&cancel) }?;
    let done = ask::finish(&mut ring, 3)?;
    Ok(ask::named(done[1].result()))
}

fn timeout_in_time() -> Answer {
    let mut ring = Builder::new(8).build()?;
    let limit = op::link_timeout(&raw const HOUR, TimeoutFlags::empty());
    Ok(ask::named(run(&mut ring, &[op::nop().with_flags(SOFT), limit])?[1]))
}

fn timeout_alone() -> Answer {
    let mut ring = Builder::new(8).build()?;
    one(&mut ring, op::link_timeout(&raw const HOUR, TimeoutFlags::empty()))
}
