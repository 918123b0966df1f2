//! Cancelling: what is found, what is not, what is too late, and what closing a file does not do.

use super::ask::{self, finish, start, waiting_poll, waiting_read};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::abi::SqeFlags;
use iomill_ring::op::{self, PollFlags};
use iomill_ring::{Builder, Cqe, Matching, Opcode, Ring, Sqe, Target};
use std::io::Write;
use std::os::fd::AsFd;

/// Bytes of a write that keeps a worker busy for a while.
const LARGE_LEN_BYTES: u32 = 32 << 20;
/// Bytes of a read that the disk is busy with.
const DISK_LEN_BYTES: u32 = 1 << 20;
/// How often a race is run before it counts as never won.
const TRIES: u32 = 50;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "cancel of a waiting request: the request, the cancel",
        seen: &[((6, 18), "ECANCELED, 0")],
        pages: &[("cancelation(7)", "ECANCELED, 0")],
        ask: || cancelled(1, |_| Matching::user_data(0)),
    },
    Rule {
        name: "cancel by file, with ALL, of 3 waiting requests: each of them, the cancel",
        seen: &[((6, 18), "ECANCELED, 3")],
        pages: &[("cancelation(7)", "ECANCELED, 3")],
        ask: || cancelled(3, |file| Matching::file(file).all()),
    },
    Rule {
        name: "cancel by file, without ALL, of 3 waiting requests: how many end",
        seen: &[((6, 18), "1")],
        pages: &[("cancelation(7)", "1")],
        ask: || ended_of_3(Matching::file),
    },
    Rule {
        name: "cancel with ANY, without ALL, of 3 waiting requests: how many end",
        seen: &[((6, 18), "3")],
        pages: &[("cancelation(7)", "1")],
        ask: || ended_of_3(|_| Matching::any()),
    },
    Rule {
        name: "cancel of nothing",
        seen: &[((6, 18), "ENOENT")],
        pages: &[("cancelation(7)", "ENOENT")],
        ask: || ask::one(&mut Builder::new(8).build()?, op::cancel(Matching::user_data(99))),
    },
    Rule {
        name: "cancel of a request that has completed",
        seen: &[((6, 18), "ENOENT")],
        pages: &[("cancelation(7)", "ENOENT")],
        ask: completed,
    },
    Rule {
        name: "cancel of a write that a worker has begun: the cancel",
        seen: &[((6, 18), "EALREADY")],
        pages: &[("cancelation(7)", "EALREADY")],
        ask: || begun_by_worker(|done| ask::named(done[1].result())),
    },
    Rule {
        name: "cancel of a write that a worker has begun: the write",
        seen: &[((6, 18), "whole")],
        pages: &[],
        ask: || begun_by_worker(|done| whole(&done[0], LARGE_LEN_BYTES)),
    },
    Rule {
        name: "cancel of a direct read that the disk has begun: the read",
        seen: &[((6, 18), "whole")],
        pages: &[("cancelation(7)", "whole")],
        ask: || begun_by_disk(|done| whole(&done[0], DISK_LEN_BYTES)),
    },
    Rule {
        name: "cancel of a direct read that the disk has begun: the cancel",
        seen: &[((6, 18), "ENOENT")],
        pages: &[],
        ask: || begun_by_disk(|done| ask::named(done[1].result())),
    },
    Rule {
        name: "cancel beside data that comes at the same time: completions of the two",
        seen: &[((6, 18), "2")],
        pages: &[("cancelation(7)", "2")],
        ask: race,
    },
    Rule {
        name: "cancel of a multishot poll: its last completion",
        seen: &[((6, 18), "ECANCELED without MORE")],
        pages: &[("cancelation(7)", "ECANCELED without MORE")],
        ask: multishot,
    },
    Rule {
        name: "closing the descriptor of a waiting read: the read",
        seen: &[((6, 18), "waits on")],
        pages: &[("cancelation(7)", "waits on")],
        ask: closed_file,
    },
];

fn push(ring: &mut Ring, sqe: Sqe) -> Result<(), Stop> {
    // SAFETY: a cancel names no memory and no file.
    Ok(unsafe { ring.push(&sqe) }?)
}

/// A ring on a kernel that cancels by file and any (Linux 5.19, and the next operation is 6.0's).
fn ring() -> Result<Ring, Stop> {
    ask::ring_with(&Builder::new(8), &[Opcode::SEND_ZC])
}

fn cancelled(count: u64, matching: fn(Target) -> Matching) -> Answer {
    let mut ring = ring()?;
    let (reader, _writer) = std::io::pipe()?;
    let waiting: Vec<Sqe> = (0..count).map(|_| waiting_poll(&reader)).collect();
    start(&mut ring, &waiting)?;
    let cancel = op::cancel(matching(Target::from(reader.as_fd())));
    push(&mut ring, cancel.with_user_data(count))?;
    let done = finish(&mut ring, waiting.len() + 1)?;
    let (cancel, requests) = done.split_last().ok_or_else(|| Stop::broke("nothing came"))?;
    let mut names: Vec<_> = requests.iter().map(|cqe| ask::named(cqe.result())).collect();
    names.dedup();
    names.push(ask::named(cancel.result()));
    Ok(names.join(", "))
}

fn ended_of_3(matching: fn(Target) -> Matching) -> Answer {
    const CANCEL: u64 = 3;
    let mut ring = ring()?;
    let (reader, _writer) = std::io::pipe()?;
    start(&mut ring, &[waiting_poll(&reader), waiting_poll(&reader), waiting_poll(&reader)])?;
    let cancel = op::cancel(matching(Target::from(reader.as_fd())));
    push(&mut ring, cancel.with_user_data(CANCEL))?;
    ring.submit()?;
    let mut seen = ask::after_a_while(&mut ring);
    ring.submit_with(&iomill_ring::Wait::until(0))?;
    seen.extend(ring.completions());
    if seen.iter().all(|cqe| cqe.user_data != CANCEL) {
        return Err(Stop::broke("the cancel never ended"));
    }
    // A poll holds its file, and names no memory: the rest may go with the ring.
    Ok(seen.iter().filter(|cqe| cqe.user_data != CANCEL).count().to_string())
}

fn completed() -> Answer {
    let mut ring = Builder::new(8).build()?;
    ask::one(&mut ring, op::nop())?;
    ask::one(&mut ring, op::cancel(Matching::user_data(0)))
}

fn whole(cqe: &Cqe, len_bytes: u32) -> String {
    if cqe.result() == Ok(len_bytes) { String::from("whole") } else { ask::named(cqe.result()) }
}

/// Cancels a write when a worker has taken it: before that it is cancelled for good, after it there
/// is nothing left. Tries until it was in between.
fn begun_by_worker(look: fn(&[Cqe]) -> String) -> Answer {
    let mut ring = Builder::new(8).build()?;
    let file = tempfile::tempfile()?;
    let memory = ask::scratch_of(LARGE_LEN_BYTES);
    let mut last = Vec::new();
    for _ in 0..TRIES {
        let write = op::write(Target::from(file.as_fd()), memory, LARGE_LEN_BYTES, 0);
        start(&mut ring, &[write.with_flags(SqeFlags::ASYNC)])?;
        std::thread::sleep(std::time::Duration::from_millis(1));
        push(&mut ring, op::cancel(Matching::user_data(0)).with_user_data(1))?;
        last = finish(&mut ring, 2)?;
        if !matches!(last[1].result(), Ok(0) | Err(libc::ENOENT)) {
            break;
        }
    }
    Ok(look(&last))
}

fn begun_by_disk(look: fn(&[Cqe]) -> String) -> Answer {
    let mut ring = Builder::new(8).build()?;
    let file = ask::direct_file(DISK_LEN_BYTES)?;
    let memory = ask::scratch_of(DISK_LEN_BYTES);
    let read = op::read(Target::from(file.as_fd()), memory, DISK_LEN_BYTES, 0);
    // One submission: the disk has the read when the kernel comes to the cancel.
    start(&mut ring, &[read, op::cancel(Matching::user_data(0))])?;
    Ok(look(&finish(&mut ring, 2)?))
}

/// Data comes to a waiting read on another thread while it is cancelled here, many times over.
fn race() -> Answer {
    let mut ring = Builder::new(8).build()?;
    for _ in 0..TRIES {
        let (reader, mut writer) = std::io::pipe()?;
        start(&mut ring, &[waiting_read(&reader)])?;
        let writing = std::thread::spawn(move || writer.write_all(b"x").map(|()| writer));
        push(&mut ring, op::cancel(Matching::user_data(0)).with_user_data(1))?;
        let done = finish(&mut ring, 2)?;
        // The pipe stays open until here, whoever was first.
        writing.join().map_err(|_| Stop::broke("the writer panicked"))??;
        let possible = match done[0].result() {
            Err(libc::ECANCELED | libc::EINTR) => matches!(done[1].result(), Ok(0)),
            Ok(1) => matches!(done[1].result(), Err(libc::ENOENT | libc::EALREADY)),
            _ => false,
        };
        if !possible {
            let names: Vec<_> = done.iter().map(|cqe| ask::named(cqe.result())).collect();
            return Ok(format!("an impossible pair: {}", names.join(", ")));
        }
    }
    Ok(String::from("2"))
}

fn multishot() -> Answer {
    let mut ring = Builder::new(8).build()?;
    let (reader, _writer) = std::io::pipe()?;
    const IN: u32 = libc::POLLIN as u32;
    let poll = op::poll(Target::from(reader.as_fd()), IN, PollFlags::MULTI);
    start(&mut ring, &[poll])?;
    push(&mut ring, op::cancel(Matching::user_data(0)).with_user_data(1))?;
    let done = finish(&mut ring, 2)?;
    let more = if done[0].has_more() { "with" } else { "without" };
    Ok(format!("{} {more} MORE", ask::named(done[0].result())))
}

fn closed_file() -> Answer {
    let mut ring = Builder::new(8).build()?;
    let (reader, mut writer) = std::io::pipe()?;
    start(&mut ring, &[waiting_read(&reader)])?;
    drop(reader);
    std::thread::sleep(ask::WHILE);
    ring.submit_with(&iomill_ring::Wait::until(0))?;
    if let Some(cqe) = ring.completions().next() {
        return Ok(ask::named(cqe.result()));
    }
    // The request holds the pipe open by itself.
    writer.write_all(b"x")?;
    let result = finish(&mut ring, 1)?[0].result();
    Ok(if result == Ok(1) { String::from("waits on") } else { ask::named(result) })
}
