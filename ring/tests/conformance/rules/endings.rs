//! How rings end: in a forked child, and by closing them with requests in flight.

use super::ask::{self, one, start, waiting_read};
use super::raw::{self, Ended};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::EnterFlags;
use iomill_ring::{Builder, Target, op};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::Duration;

/// Bytes of a direct read that is still on its way when the ring is closed.
const DISK_LEN_BYTES: u32 = 4 << 20;
/// How often a race is run before it counts as never won.
const TRIES: u32 = 50;
/// What a direct read brings; scratch memory holds zeroes.
const WRITTEN: u8 = 7;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "fork: a child that looks into a queue mapped with MADV_DONTFORK",
        seen: &[((6, 18), "signal 11")],
        pages: &[("ring_dontfork(3)", "signal 11")],
        ask: look_in_child,
    },
    Rule {
        name: "fork: a child that enters its parent's SINGLE_ISSUER ring to submit",
        seen: &[((6, 18), "EEXIST")],
        pages: &[("setup(2)", "EEXIST")],
        ask: || enter_in_child(1, EnterFlags::empty()),
    },
    Rule {
        name: "fork: a child that enters its parent's DEFER_TASKRUN ring to wait",
        seen: &[((6, 18), "EEXIST")],
        pages: &[("enter(2)", "EEXIST")],
        ask: || enter_in_child(0, EnterFlags::GETEVENTS),
    },
    Rule {
        name: "fork: a child that uses the index its parent has registered the ring at",
        seen: &[((6, 18), "EINVAL")],
        pages: &[],
        ask: registered_index_in_child,
    },
    Rule {
        name: "closing a ring while a read waits: the read, when close has returned",
        seen: &[((5, 10), "cancelled already"), ((6, 1), "cancelled later")],
        pages: &[("cancelation(7)", "cancelled later"), ("register(2)", "cancelled later")],
        ask: close_waiting,
    },
    Rule {
        name: "closing a ring while the disk reads: the buffer, when close has returned",
        seen: &[((6, 18), "is written later")],
        pages: &[("register(2)", "is written later")],
        ask: close_reading,
    },
];

fn ended(ended: Ended) -> String {
    match ended {
        Ended::Exited(0) => String::from("0"),
        Ended::Exited(errno) => ask::named(Err(errno)),
        Ended::Killed(signal) => format!("signal {signal}"),
    }
}

fn look_in_child() -> Answer {
    let mut ring = Builder::new(4).build()?;
    // SAFETY: the child reads two words of memory.
    let child = unsafe { raw::in_child(|| i32::from(ring.ready() > 0)) }?;
    goes_on(one(&mut ring, op::nop())?)?;
    Ok(ended(child))
}

/// The parent's ring must not care.
fn goes_on(answer: String) -> Result<(), Stop> {
    if answer == "0" {
        return Ok(());
    }
    Err(Stop::broke(format!("the parent's ring answered {answer} after the fork")))
}

fn enter_in_child(submit: u32, flags: EnterFlags) -> Answer {
    use iomill_ring::abi::SetupFlags;
    let builder = Builder::new(4).require(SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN);
    let mut ring = builder.build()?;
    let fd = raw::number_of(ring.fd())?;
    // SAFETY: the child makes one system call.
    let child = unsafe { raw::in_child(|| raw::enter(fd, submit, 0, flags).err().unwrap_or(0)) }?;
    goes_on(one(&mut ring, op::nop())?)?;
    Ok(ended(child))
}

fn registered_index_in_child() -> Answer {
    use iomill_ring::abi::SetupFlags;
    let mut ring = Builder::new(4).require(SetupFlags::SINGLE_ISSUER).build()?;
    if ring.given_up().iter().any(|part| part.what.contains("descriptor")) {
        return Err(Stop::skipped("this kernel registers no ring descriptors (Linux 5.18)"));
    }
    let flags = EnterFlags::REGISTERED_RING | EnterFlags::GETEVENTS;
    // Whatever index the parent has got, it is one of the first 16.
    let each = || (0..16).map(|index| raw::enter(index, 0, 0, flags));
    let thing = || each().fold(0, |last, answer| answer.err().unwrap_or(last));
    // SAFETY: the child makes system calls only.
    let child = unsafe { raw::in_child(thing) }?;
    goes_on(one(&mut ring, op::nop())?)?;
    Ok(ended(child))
}

/// Whether nobody holds the reading end any more, within this time.
fn abandoned(writer: &impl AsFd, time: Duration) -> Result<bool, Stop> {
    let nanos = i64::from(time.subsec_nanos());
    let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: nanos };
    let mut events = [PollFd::new(writer, PollFlags::empty())];
    let count = poll(&mut events, Some(&time)).map_err(std::io::Error::from)?;
    Ok(count == 1 && events[0].revents().contains(PollFlags::ERR))
}

/// The reading end of the pipe is closed but for the request, so the writer sees when that ends.
fn close_waiting() -> Answer {
    let mut later = false;
    for _ in 0..TRIES {
        let mut ring = Builder::new(4).build()?;
        let (reader, writer) = std::io::pipe()?;
        start(&mut ring, &[waiting_read(&reader)])?;
        drop(reader);
        drop(ring);
        later |= !abandoned(&writer, Duration::ZERO)?;
        if !abandoned(&writer, ask::LONG)? {
            return Ok(String::from("goes on"));
        }
    }
    Ok(String::from(if later { "cancelled later" } else { "cancelled already" }))
}

fn close_reading() -> Answer {
    let file = ask::direct_file(DISK_LEN_BYTES)?;
    let last = DISK_LEN_BYTES as usize - 1;
    for _ in 0..TRIES {
        let mut ring = Builder::new(4).build()?;
        // Scratch is never freed, so the disk may take its time.
        let memory = ask::scratch_of(DISK_LEN_BYTES);
        start(&mut ring, &[op::read(Target::from(file.as_fd()), memory, DISK_LEN_BYTES, 0)])?;
        drop(ring);
        // SAFETY: the byte lies inside the memory; the kernel may be writing it, which is the
        // question, and a volatile read of a byte sees the old or the new value.
        let byte = || unsafe { memory.wrapping_add(last).read_volatile() };
        let at_once = byte();
        std::thread::sleep(ask::WHILE);
        match (at_once == WRITTEN, byte() == WRITTEN) {
            (false, true) => return Ok(String::from("is written later")),
            (true, _) => {}
            (false, false) => return Ok(String::from("is not written")),
        }
    }
    Ok(String::from("is written already"))
}
