//! When completions show up, and which thread may ask for them.

use super::ask::{self, after_a_while, finish, start, waiting_poll};
use super::raw;
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::{EnterFlags, RegisterOp, SetupFlags};
use iomill_ring::{Builder, Ring, SqPoll, op};
use std::io::Write;
use std::time::Duration;

/// The `user_data` of the poll that `start` submits.
const POLL: u64 = 0;
const DEFERRED: SetupFlags = SetupFlags::DEFER_TASKRUN;
const SINGLE: SetupFlags = SetupFlags::SINGLE_ISSUER;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "DEFER_TASKRUN: a completion, looked for without a call",
        seen: &[((6, 18), "not there")],
        pages: &[("setup(2)", "not there"), ("setup_flags(7)", "not there")],
        ask: || shown_by(deferred()?, |_| Ok(())),
    },
    Rule {
        name: "DEFER_TASKRUN: a completion, after an enter that only submits",
        seen: &[((6, 18), "not there")],
        pages: &[("setup(2)", "not there"), ("setup_flags(7)", "there")],
        ask: || shown_by(deferred()?, only_submit),
    },
    Rule {
        name: "DEFER_TASKRUN: a completion, after an enter that waits for none",
        seen: &[((6, 18), "there")],
        pages: &[("setup(2)", "there"), ("setup_flags(7)", "there")],
        ask: || shown_by(deferred()?, ask_for_events),
    },
    Rule {
        name: "TASKRUN_FLAG: the flag while such a completion waits",
        seen: &[((6, 18), "set")],
        pages: &[("setup(2)", "set"), ("setup_flags(7)", "set")],
        ask: flag,
    },
    Rule {
        name: "COOP_TASKRUN: a completion, after any other system call",
        seen: &[((6, 18), "there")],
        pages: &[("setup(2)", "there"), ("setup_flags(7)", "there")],
        ask: || shown_by(cooperative()?, |_| Ok(())),
    },
    Rule {
        name: "SINGLE_ISSUER: a submission by another thread",
        seen: &[((6, 18), "EEXIST")],
        pages: &[("setup(2)", "EEXIST"), ("setup_flags(7)", "EEXIST")],
        ask: || by_another(required(SINGLE)?, 1, EnterFlags::empty()),
    },
    Rule {
        name: "SINGLE_ISSUER alone: a wait by another thread",
        seen: &[((6, 18), "0")],
        pages: &[],
        ask: || by_another(required(SINGLE)?, 0, EnterFlags::GETEVENTS),
    },
    Rule {
        name: "DEFER_TASKRUN: a wait by another thread",
        seen: &[((6, 18), "EEXIST")],
        pages: &[("enter(2)", "EEXIST"), ("setup(2)", "EEXIST")],
        ask: || by_another(deferred()?, 0, EnterFlags::GETEVENTS),
    },
    Rule {
        name: "SINGLE_ISSUER: a registration by another thread",
        seen: &[((6, 18), "EEXIST")],
        pages: &[("register(2)", "EEXIST")],
        ask: registration_by_another,
    },
    Rule {
        name: "SINGLE_ISSUER with SQPOLL: an enter by another thread",
        seen: &[((6, 18), "0")],
        pages: &[("setup(2)", "0")],
        ask: beside_sqpoll,
    },
    Rule {
        name: "no SINGLE_ISSUER: an enter by another thread",
        seen: &[((6, 18), "0")],
        pages: &[],
        ask: || by_another(Builder::new(4).without(SINGLE).build()?, 1, EnterFlags::empty()),
    },
];

fn deferred() -> Result<Ring, Stop> {
    let builder = Builder::new(4).without(SetupFlags::TASKRUN_FLAG);
    Ok(builder.require(SINGLE | DEFERRED).build()?)
}

fn required(flags: SetupFlags) -> Result<Ring, Stop> {
    Ok(Builder::new(4).without(DEFERRED).require(flags).build()?)
}

fn cooperative() -> Result<Ring, Stop> {
    required(SetupFlags::COOP_TASKRUN)
}

/// A ring with a poll in flight for which data has come.
fn with_completion(ring: &mut Ring) -> Result<(), Stop> {
    let (reader, mut writer) = std::io::pipe()?;
    start(ring, &[waiting_poll(&reader)])?;
    writer.write_all(b"x")?;
    Ok(())
}

/// Whether the completion is there after a while and this call.
fn shown_by(mut ring: Ring, call: fn(&mut Ring) -> Result<(), Stop>) -> Answer {
    with_completion(&mut ring)?;
    // The sleep is a system call, and none of io_uring's.
    std::thread::sleep(ask::WHILE);
    call(&mut ring)?;
    let there = ring.completions().filter(|cqe| cqe.user_data == POLL).count();
    finish(&mut ring, 1 - there)?;
    Ok(String::from(if there == 1 { "there" } else { "not there" }))
}

fn only_submit(ring: &mut Ring) -> Result<(), Stop> {
    // SAFETY: a NOP names no memory and no file.
    unsafe { ring.push(&op::nop().with_user_data(POLL + 1)) }?;
    // Without TASKRUN_FLAG the crate asks for no events here.
    ring.submit()?;
    Ok(())
}

fn ask_for_events(ring: &mut Ring) -> Result<(), Stop> {
    let answer = raw::enter(raw::number_of(ring.fd())?, 0, 0, EnterFlags::GETEVENTS);
    answer.map(drop).map_err(|errno| Stop::broke(ask::named(Err(errno))))
}

fn flag() -> Answer {
    let mut ring = Builder::new(4).require(SINGLE | DEFERRED | SetupFlags::TASKRUN_FLAG).build()?;
    with_completion(&mut ring)?;
    let early = after_a_while(&mut ring).len();
    let set = ring.completions_wait_in_kernel();
    finish(&mut ring, 1 - early)?;
    Ok(String::from(if set { "set" } else { "clear" }))
}

/// What another thread is answered. No entry is there to be taken, so that nothing is lost.
fn by_another(ring: Ring, submit: u32, flags: EnterFlags) -> Answer {
    let fd = raw::number_of(ring.fd())?;
    let call = || raw::enter(fd, submit, 0, flags);
    // The ring stays here, and alive until the other thread is done.
    let answer = std::thread::scope(|scope| scope.spawn(call).join());
    Ok(ask::named(answer.map_err(|_| Stop::broke("the thread panicked"))?))
}

fn registration_by_another() -> Answer {
    let ring = deferred()?;
    let fd = raw::number_of(ring.fd())?;
    // SAFETY: the operation takes no argument.
    let call = || unsafe { raw::register(fd, RegisterOp::UNREGISTER_FILES, std::ptr::null(), 0) };
    let answer = std::thread::scope(|scope| scope.spawn(call).join());
    Ok(ask::named(answer.map_err(|_| Stop::broke("the thread panicked"))?))
}

fn beside_sqpoll() -> Answer {
    let sqpoll = SqPoll { idle: Duration::from_millis(10), cpu: None };
    let mut ring = Builder::new(4).sqpoll(sqpoll).require(SINGLE).build()?;
    ask::one(&mut ring, op::nop())?;
    by_another(ring, 0, EnterFlags::SQ_WAKEUP)
}
