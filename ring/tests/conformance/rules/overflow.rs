//! A completion queue that is full: nothing is lost, submissions go on, waits end at once.

use super::ask::{self, answered, start};
use super::raw;
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::EnterFlags;
use iomill_ring::{Builder, Ring, op};
use std::time::Instant;

const QUEUE: u32 = 4;
/// Requests that are completed: three queues full.
const ALL: u32 = 3 * QUEUE;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "full queue: a submission",
        seen: &[((6, 18), "1 taken")],
        pages: &[("setup(2)", "1 taken")],
        ask: submission,
    },
    Rule {
        name: "full queue: an enter that asks for events and cannot bring them all",
        seen: &[((6, 18), "0")],
        pages: &[("enter(2)", "EBUSY")],
        ask: flush_without_room,
    },
    Rule {
        name: "full queue: a wait for more than it holds",
        seen: &[((6, 18), "returns at once")],
        pages: &[],
        ask: impossible_wait,
    },
    Rule {
        name: "full queue: the counter of lost completions",
        seen: &[((6, 18), "0")],
        pages: &[("setup(2)", "0")],
        ask: || Ok(full()?.lost().to_string()),
    },
    Rule {
        name: "overflow: the flag in the submission queue",
        seen: &[((6, 18), "set, then clear")],
        pages: &[],
        ask: flag,
    },
    Rule {
        name: "overflow: completions that come after room was made",
        seen: &[((6, 18), "all, in order")],
        pages: &[("setup(2)", "all, in order")],
        ask: order,
    },
];

/// A ring whose queue is full and overflowed twice over.
fn full() -> Result<Ring, Stop> {
    let mut ring = Builder::new(QUEUE).cq_entries(QUEUE).build()?;
    for number in 0..ALL {
        // SAFETY: a NOP names no memory and no file.
        unsafe { ring.push(&op::nop().with_user_data(u64::from(number))) }?;
        // From the overflow on this also asks for events, for which there is no room.
        ring.submit()?;
    }
    if ring.ready() == QUEUE {
        return Ok(ring);
    }
    Err(Stop::broke(format!("{} completions in a queue of {QUEUE}", ring.ready())))
}

fn submission() -> Answer {
    let mut ring = full()?;
    Ok(format!("{} taken", start(&mut ring, &[op::nop()])?))
}

fn flush_without_room() -> Answer {
    let ring = full()?;
    let fd = raw::number_of(ring.fd())?;
    Ok(ask::named(raw::enter(fd, 0, 0, EnterFlags::GETEVENTS)))
}

fn impossible_wait() -> Answer {
    let mut ring = full()?;
    let begin = Instant::now();
    let answer = answered(ring.submit_and_wait_for(QUEUE + 1, ask::LONG));
    let at_once = begin.elapsed() < ask::LONG / 2 && ring.ready() == QUEUE;
    let text = if at_once && answer == "accepted" { "returns at once" } else { &answer };
    Ok(String::from(text))
}

fn flag() -> Answer {
    let mut ring = full()?;
    let name = |set| if set { "set" } else { "clear" };
    let before = name(ring.completions_wait_in_kernel());
    let mut seen = ring.completions().count();
    while seen < ALL as usize {
        ring.submit()?;
        let more = ring.completions().count();
        if more == 0 {
            return Err(Stop::broke(format!("only {seen} of {ALL} completions came")));
        }
        seen += more;
    }
    Ok(format!("{before}, then {}", name(ring.completions_wait_in_kernel())))
}

fn order() -> Answer {
    let mut ring = full()?;
    let mut seen: Vec<u64> = ring.completions().map(|cqe| cqe.user_data).collect();
    // Enough calls for all of them, each of which brings one queue full.
    for _ in 0..ALL {
        ring.submit()?;
        seen.extend(ring.completions().map(|cqe| cqe.user_data));
    }
    let all: Vec<u64> = (0..u64::from(ALL)).collect();
    Ok(if seen == all { String::from("all, in order") } else { format!("{seen:?}") })
}
