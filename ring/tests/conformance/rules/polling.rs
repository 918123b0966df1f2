//! Kernel threads that take submissions, and rings that poll the device: when the one sleeps, and
//! what the other refuses.

use super::ask::{self, PAGE_LEN_BYTES, one, scratch};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::op::{self, FsyncFlags};
use iomill_ring::{Builder, Ring, SqPoll, Target};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Longer than every sleep here.
const LONG_IDLE: Duration = Duration::from_secs(30);
/// The kernel's own idle time, of one second, and some more.
const BEYOND_DEFAULT: Duration = Duration::from_millis(1500);

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "SQPOLL: the thread after set-up, with 30 s of idle time",
        seen: &[((6, 18), "asleep")],
        pages: &[("sqpoll(7)", "awake"), ("setup(2)", "awake")],
        ask: after_set_up,
    },
    Rule {
        name: "SQPOLL: the thread after a submission, within its idle time",
        seen: &[((6, 18), "awake")],
        pages: &[("sqpoll(7)", "awake"), ("setup(2)", "awake")],
        ask: || after_idle(LONG_IDLE, ask::WHILE),
    },
    Rule {
        name: "SQPOLL: the thread after its idle time",
        seen: &[((6, 18), "asleep")],
        pages: &[("sqpoll(7)", "asleep"), ("setup(2)", "asleep")],
        ask: || after_idle(Duration::from_millis(1), ask::WHILE),
    },
    Rule {
        name: "SQPOLL: the thread with an idle time of 0, after 1.5 s",
        seen: &[((6, 18), "asleep")],
        pages: &[("sqpoll(7)", "awake")],
        ask: || after_idle(Duration::ZERO, BEYOND_DEFAULT),
    },
    Rule {
        name: "SQPOLL: system calls for a submission while the thread is awake",
        seen: &[((6, 18), "0")],
        pages: &[("sqpoll(7)", "0"), ("setup(2)", "0")],
        ask: calls_while_awake,
    },
    Rule {
        name: "SQPOLL: a file that is not registered",
        seen: &[((6, 18), "accepted")],
        pages: &[("setup(2)", "accepted")],
        ask: plain_file,
    },
    Rule {
        name: "IOPOLL: a read of a file without O_DIRECT",
        seen: &[((6, 18), "EOPNOTSUPP")],
        pages: &[],
        ask: polled_buffered,
    },
    Rule {
        name: "IOPOLL: a direct read from a device without polled queues",
        seen: &[((6, 18), "EOPNOTSUPP")],
        pages: &[],
        ask: polled_direct,
    },
    Rule {
        name: "IOPOLL: fsync",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("setup_flags(7)", "EINVAL")],
        ask: polled_sync,
    },
    Rule {
        name: "IOPOLL: a NOP",
        seen: &[((5, 10), "EINVAL"), ((6, 1), "0")],
        pages: &[("setup_flags(7)", "0")],
        ask: || one(&mut Builder::new(4).iopoll().build()?, op::nop()),
    },
];

fn ring(idle: Duration) -> Result<Ring, Stop> {
    Ok(Builder::new(8).sqpoll(SqPoll { idle, cpu: None }).build()?)
}

/// Whether the thread sleeps: then a submission has to wake it.
fn state(ring: &mut Ring) -> Answer {
    let before = ring.counters().wakeups;
    one(ring, op::nop())?;
    let asleep = ring.counters().wakeups > before;
    Ok(String::from(if asleep { "asleep" } else { "awake" }))
}

fn after_set_up() -> Answer {
    let mut ring = ring(LONG_IDLE)?;
    std::thread::sleep(ask::WHILE);
    state(&mut ring)
}

fn after_idle(idle: Duration, pause: Duration) -> Answer {
    let mut ring = ring(idle)?;
    one(&mut ring, op::nop())?;
    std::thread::sleep(pause);
    state(&mut ring)
}

fn calls_while_awake() -> Answer {
    let mut ring = ring(LONG_IDLE)?;
    one(&mut ring, op::nop())?;
    let before = ring.counters().enters;
    ask::start(&mut ring, &[op::nop()])?;
    let begin = Instant::now();
    while ring.ready() == 0 {
        if begin.elapsed() > ask::LONG {
            return Err(Stop::broke("the thread never took the entry"));
        }
        std::thread::yield_now();
    }
    Ok((ring.counters().enters - before).to_string())
}

fn plain_file() -> Answer {
    let mut ring = ring(LONG_IDLE)?;
    let file = ask::file_of(b"x")?;
    let read = op::read(Target::from(file.as_fd()), scratch(), 1, 0);
    Ok(ask::accepted(ask::run(&mut ring, &[read])?[0]))
}

fn polled_buffered() -> Answer {
    let mut ring = Builder::new(4).iopoll().build()?;
    let file = ask::file_of(b"x")?;
    one(&mut ring, op::read(Target::from(file.as_fd()), scratch(), PAGE_LEN_BYTES, 0))
}

fn polled_direct() -> Answer {
    let mut ring = Builder::new(4).iopoll().build()?;
    let file = ask::direct_file(PAGE_LEN_BYTES)?;
    let read = op::read(Target::from(file.as_fd()), scratch(), PAGE_LEN_BYTES, 0);
    match ask::run(&mut ring, &[read])?[0] {
        Ok(_) => Err(Stop::skipped("the device under ext4 has polled queues")),
        refused => Ok(ask::named(refused)),
    }
}

fn polled_sync() -> Answer {
    let mut ring = Builder::new(4).iopoll().build()?;
    let file = ask::file_of(b"x")?;
    one(&mut ring, op::fsync(Target::from(file.as_fd()), FsyncFlags::empty()))
}
