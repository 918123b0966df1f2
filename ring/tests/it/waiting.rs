//! Operations that wait: polls, timeouts, cancels, messages, futexes.

use crate::{one, ring, ring_for, run};
use iomill_ring::abi::{KernelTimespec, SqeFlags};
use iomill_ring::op::{self, MessageFlags, PollFlags, TimeoutFlags};
use iomill_ring::{Builder, Cqe, Matching, Opcode, Ring, Sqe, Target};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

const IN: u32 = libc::POLLIN as u32;
static MILLISECOND: KernelTimespec = KernelTimespec { tv_sec: 0, tv_nsec: 1_000_000 };
static HOUR: KernelTimespec = KernelTimespec { tv_sec: 3600, tv_nsec: 0 };

/// Stages and submits without waiting; what the entry names outlives the test's ring.
fn start(ring: &mut Ring, sqe: Sqe) {
    // SAFETY: each test below waits for the completion of what it starts, or names no memory.
    unsafe { ring.push(&sqe) }.unwrap();
    ring.submit().unwrap();
}

fn next(ring: &mut Ring) -> Cqe {
    ring.submit_and_wait_for(1, Duration::from_secs(10)).unwrap();
    ring.completions().next().unwrap()
}

#[test]
fn a_poll_reports_once_and_a_multishot_poll_each_time() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let (reader, mut writer) = std::io::pipe().unwrap();
    let target = Target::from(reader.as_fd());
    start(&mut ring, op::poll(target, IN, PollFlags::empty()).with_user_data(1));
    writer.write_all(b"x").unwrap();
    let cqe = next(&mut ring);
    assert_eq!((cqe.user_data, cqe.result(), cqe.has_more()), (1, Ok(IN), false));

    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let target = Target::from(reader.as_fd());
    start(&mut ring, op::poll(target, IN, PollFlags::MULTI).with_user_data(2));
    for _ in 0..3 {
        writer.write_all(b"x").unwrap();
        let cqe = next(&mut ring);
        assert_eq!((cqe.user_data, cqe.result(), cqe.has_more()), (2, Ok(IN), true));
        reader.read_exact(&mut [0]).unwrap();
    }
    let flags = PollFlags::UPDATE_USER_DATA;
    assert_eq!(one(&mut ring, op::poll_update(2, 3, 0, flags).with_user_data(9)), Ok(0));
    assert_eq!(one(&mut ring, op::poll_remove(2).with_user_data(9)), Err(2), "ENOENT");
    let done = run_two(&mut ring, op::poll_remove(3).with_user_data(9));
    assert_eq!(done[0].result(), Err(125), "the poll itself: ECANCELED");
    assert_eq!(done[1].result(), Ok(0));
}

/// One entry that brings two completions, sorted by `user_data`.
fn run_two(ring: &mut Ring, sqe: Sqe) -> [Cqe; 2] {
    start(ring, sqe);
    let mut done = [next(ring), next(ring)];
    done.sort_by_key(|cqe| cqe.user_data);
    done
}

#[test]
fn a_timeout_runs_out_or_counts_completions() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let begin = Instant::now();
    let timeout = op::timeout(&raw const MILLISECOND, 0, TimeoutFlags::empty());
    assert_eq!(one(&mut ring, timeout), Err(62), "ETIME");
    assert!(begin.elapsed() >= Duration::from_millis(1));

    let counting = op::timeout(&raw const HOUR, 1, TimeoutFlags::empty()).with_user_data(1);
    let done = run(&mut ring, &[counting, op::nop().with_user_data(2)]);
    assert_eq!(done.iter().map(Cqe::result).collect::<Vec<_>>(), [Ok(0), Ok(0)]);
}

#[test]
fn a_timeout_is_updated_and_removed() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let forever = op::timeout(&raw const HOUR, 0, TimeoutFlags::empty()).with_user_data(1);
    start(&mut ring, forever);
    let update = op::timeout_update(1, &raw const MILLISECOND, TimeoutFlags::empty());
    let done = run_two(&mut ring, update.with_user_data(2));
    assert_eq!((done[0].result(), done[1].result()), (Err(62), Ok(0)), "ETIME and a success");
    start(&mut ring, forever);
    let done = run_two(&mut ring, op::timeout_remove(1).with_user_data(2));
    assert_eq!((done[0].result(), done[1].result()), (Err(125), Ok(0)));
}

#[test]
fn a_timeout_repeats() {
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::READ_MULTISHOT]) else { return };
    start(&mut ring, op::timeout(&raw const MILLISECOND, 2, TimeoutFlags::MULTISHOT));
    let seen = [next(&mut ring), next(&mut ring)];
    assert_eq!(seen.map(|cqe| (cqe.result(), cqe.has_more())), [(Err(62), true), (Err(62), false)]);
}

#[test]
fn a_link_timeout_cancels_the_entry_before() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut byte = 0_u8;
    let read = op::read(Target::from(reader.as_fd()), &raw mut byte, 1, 0).with_user_data(1);
    let read = read.with_flags(SqeFlags::IO_LINK);
    let limit = op::link_timeout(&raw const MILLISECOND, TimeoutFlags::empty()).with_user_data(2);
    let done = run(&mut ring, &[read, limit]);
    assert_eq!((done[0].result(), done[1].result()), (Err(125), Err(62)), "ECANCELED, ETIME");
}

#[test]
fn requests_are_cancelled_by_each_key() {
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::READ_MULTISHOT]) else { return };
    let (reader, _writer) = std::io::pipe().unwrap();
    let target = Target::from(reader.as_fd());
    for (matching, count) in [
        (Matching::user_data(1), 0),
        (Matching::user_data(1).and_opcode(Opcode::POLL_ADD), 0),
        (Matching::file(target), 0),
        (Matching::opcode(Opcode::POLL_ADD), 0),
        (Matching::any().all(), 1),
    ] {
        start(&mut ring, op::poll(target, IN, PollFlags::empty()).with_user_data(1));
        let done = run_two(&mut ring, op::cancel(matching).with_user_data(2));
        assert_eq!(done[0].result(), Err(125), "{matching:?}");
        assert_eq!(done[1].result(), Ok(count), "{matching:?}");
    }
    for matching in [
        Matching::user_data(7),
        Matching::user_data(1).and_opcode(Opcode::READ),
        Matching::file(Target::Fd(0)),
    ] {
        start(&mut ring, op::poll(target, IN, PollFlags::empty()).with_user_data(1));
        assert_eq!(one(&mut ring, op::cancel(matching).with_user_data(2)), Err(2), "{matching:?}");
        let gone = run_two(&mut ring, op::cancel(Matching::user_data(1)).with_user_data(2));
        assert_eq!(gone[1].result(), Ok(0));
    }
}

#[test]
fn a_waiting_cancel_says_whether_it_found_something() {
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::SEND_ZC]) else { return };
    let (reader, _writer) = std::io::pipe().unwrap();
    let target = Target::from(reader.as_fd());
    start(&mut ring, op::poll(target, IN, PollFlags::empty()).with_user_data(1));
    let second = Some(Duration::from_secs(1));
    assert_eq!(ring.cancel_and_wait(Matching::user_data(2), second), Ok(false));
    assert_eq!(ring.cancel_and_wait(Matching::user_data(1), second), Ok(true));
    assert_eq!(next(&mut ring).result(), Err(125), "ECANCELED");
    assert_eq!(ring.cancel_and_wait(Matching::any().all(), None), Ok(true), "it never says no");
}

#[test]
fn a_message_posts_a_completion_on_another_ring() {
    let builder = Builder::new(4);
    let Some(mut sender) = ring_for(&builder, &[Opcode::MSG_RING]) else { return };
    let mut receiver = builder.build().unwrap();
    let fd = receiver.fd().unwrap().try_clone_to_owned().unwrap();
    let message = op::message(fd.as_fd(), 77, 5, MessageFlags::empty());
    assert_eq!(one(&mut sender, message), Ok(0));
    let cqe = next(&mut receiver);
    assert_eq!((cqe.user_data, cqe.result()), (77, Ok(5)));
    let message = op::message(fd.as_fd(), 78, 6, MessageFlags::empty());
    let Some(()) = crate::supported(iomill_ring::send_message(&message)) else { return };
    let cqe = next(&mut receiver);
    assert_eq!((cqe.user_data, cqe.result()), (78, Ok(6)));
}

#[test]
fn a_message_carries_a_registered_file() {
    let builder = Builder::new(4);
    let Some(mut sender) = ring_for(&builder, &[Opcode::SEND_ZC]) else { return };
    let mut receiver = builder.build().unwrap();
    sender.register_files_sparse(2).unwrap();
    receiver.register_files_sparse(4).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"x").unwrap();
    sender.update_file(1, Some(file.as_fd())).unwrap();
    let fd = receiver.fd().unwrap().try_clone_to_owned().unwrap();
    let to = iomill_ring::abi::Slot::Index(3);
    let message = op::message_file(fd.as_fd(), 1, to, 9, MessageFlags::empty());
    assert_eq!(one(&mut sender, message), Ok(0));
    assert_eq!(next(&mut receiver).user_data, 9);
    let mut byte = 0_u8;
    let read = op::read(Target::Fixed(3), &raw mut byte, 1, 0);
    assert_eq!((one(&mut receiver, read), byte), (Ok(1), b'x'));
}

#[test]
fn a_futex_is_waited_for_and_woken() {
    let opcodes = [Opcode::FUTEX_WAIT, Opcode::FUTEX_WAKE, Opcode::FUTEX_WAITV];
    let Some(mut ring) = ring_for(&Builder::new(8), &opcodes) else { return };
    const SIZE_U32_PRIVATE: u32 = 2 | 128;
    const ANY: u64 = u32::MAX as u64;
    let words = [AtomicU32::new(5), AtomicU32::new(6)];
    let wrong = op::futex_wait(&raw const words[0], 4, ANY, SIZE_U32_PRIVATE);
    assert_eq!(one(&mut ring, wrong), Err(11), "EAGAIN");
    let wait = op::futex_wait(&raw const words[0], 5, ANY, SIZE_U32_PRIVATE).with_user_data(1);
    start(&mut ring, wait);
    let wake = op::futex_wake(&raw const words[0], 9, ANY, SIZE_U32_PRIVATE).with_user_data(2);
    let done = run_two(&mut ring, wake);
    assert_eq!((done[0].result(), done[1].result()), (Ok(0), Ok(1)), "one was woken");

    let vector = |word: &AtomicU32, expected| {
        // SAFETY: the structure is plain numbers, for which zero is a value.
        let mut waiter: libc::futex_waitv = unsafe { std::mem::zeroed() };
        waiter.val = expected;
        waiter.uaddr = (&raw const *word).expose_provenance() as u64;
        waiter.flags = SIZE_U32_PRIVATE;
        waiter
    };
    let vectors = [vector(&words[0], 5), vector(&words[1], 6)];
    start(&mut ring, op::futex_wait_any(vectors.as_ptr(), 2).with_user_data(1));
    let wake = op::futex_wake(&raw const words[1], 1, ANY, SIZE_U32_PRIVATE).with_user_data(2);
    let done = run_two(&mut ring, wake);
    assert_eq!((done[0].result(), done[1].result()), (Ok(1), Ok(1)), "the second word's index");
}
