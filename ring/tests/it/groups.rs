//! Provided buffers: whose they are, what runs out, and incremental use.

use crate::{one, ring_for, run, supported};
use iomill_ring::abi::CqeFlags;
use iomill_ring::{Builder, ErrorKind, Opcode, Target, op};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

#[test]
fn reads_take_buffers_until_none_is_left_and_given_back_ones_serve_again() {
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::SEND_ZC]) else { return };
    let Some(mut group) = supported(ring.register_buffer_ring(3, 2, 4096, false)) else { return };
    assert_eq!((group.group(), group.count()), (3, 2));
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"hello, buffers", 0).unwrap();
    let read = |offset| op::read_into_group(Target::from(file.as_fd()), 3, 5, offset);
    let first = run(&mut ring, &[read(0)])[0];
    let second = run(&mut ring, &[read(7)])[0];
    // SAFETY: both completions are of this ring and group, and are taken once.
    let first = unsafe { group.take(&first) }.unwrap();
    // SAFETY: as above.
    let second = unsafe { group.take(&second) }.unwrap();
    assert_eq!((group.bytes(&first), group.bytes(&second)), (&b"hello"[..], &b"buffe"[..]));
    assert_ne!(first.buffer(), second.buffer());
    assert_eq!(one(&mut ring, read(0)), Err(105), "ENOBUFS");
    let number = second.buffer();
    group.give_back(second);
    let third = run(&mut ring, &[read(0)])[0];
    // SAFETY: as above.
    let third = unsafe { group.take(&third) }.unwrap();
    assert_eq!((third.buffer(), group.bytes(&third)), (number, &b"hello"[..]));
    assert_eq!(group.bytes(&first), b"hello", "the other one was not touched");
    // SAFETY: the group is of this ring, and every read has completed.
    unsafe { ring.unregister_buffer_ring(group) }.unwrap();
    assert_eq!(one(&mut ring, read(0)), Err(105), "ENOBUFS: the group is gone");
}

#[test]
fn a_group_is_told_from_one_that_exists_and_from_impossible_sizes() {
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::SEND_ZC]) else { return };
    for (count, len_bytes) in [(0, 4096), (3, 4096), (4, 0)] {
        let error = ring.register_buffer_ring(0, count, len_bytes, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let group = ring.register_buffer_ring(0, 4, 4096, false).unwrap();
    let error = ring.register_buffer_ring(0, 4, 4096, false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains("group 0"), "{error}");
    if let Some(left) = supported(ring.buffers_left(&group)) {
        assert_eq!(left, 4);
    }
    // SAFETY: the group is of this ring, and nothing was read into it.
    unsafe { ring.unregister_buffer_ring(group) }.unwrap();
}

#[test]
fn an_incremental_buffer_is_used_up_piece_by_piece() {
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::SEND_ZC]) else { return };
    let Some(mut group) = supported(ring.register_buffer_ring(1, 1, 8, true)) else { return };
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"abcdefgh", 0).unwrap();
    let read = |offset, len| op::read_into_group(Target::from(file.as_fd()), 1, len, offset);
    let cqe = run(&mut ring, &[read(0, 5)])[0];
    assert!(cqe.flags.contains(CqeFlags::BUF_MORE), "3 bytes are left: {cqe:?}");
    // SAFETY: each completion below is of this ring and group, and is taken once.
    let first = unsafe { group.take_asked(&cqe, 5) }.unwrap();
    let cqe = run(&mut ring, &[read(5, 3)])[0];
    assert!(!cqe.flags.contains(CqeFlags::BUF_MORE), "it is full: {cqe:?}");
    // SAFETY: as above.
    let second = unsafe { group.take_asked(&cqe, 3) }.unwrap();
    assert_eq!((group.bytes(&first), group.bytes(&second)), (&b"abcde"[..], &b"fgh"[..]));
    group.give_back(first);
    assert_eq!(one(&mut ring, read(0, 5)), Err(105), "ENOBUFS: a token is still out");
    assert_eq!(group.bytes(&second), b"fgh");
    group.give_back(second);
    let cqe = run(&mut ring, &[read(3, 5)])[0];
    // SAFETY: as above.
    let third = unsafe { group.take_asked(&cqe, 5) }.unwrap();
    assert_eq!(group.bytes(&third), b"defgh");
}

#[test]
fn a_short_read_uses_an_incremental_buffer_up_by_what_came_from_a_pipe_and_by_what_was_asked_else()
{
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::SEND_ZC]) else { return };
    let Some(mut group) = supported(ring.register_buffer_ring(1, 1, 16, true)) else { return };
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"ab", 0).unwrap();
    for (asked, more) in [(5, true), (7, true), (0, false)] {
        let read = op::read_into_group(Target::from(file.as_fd()), 1, asked, 0);
        let cqe = run(&mut ring, &[read])[0];
        assert_eq!((cqe.result(), cqe.flags.contains(CqeFlags::BUF_MORE)), (Ok(2), more));
        // SAFETY: each completion is of this ring and group, and is taken once.
        let taken = unsafe { group.take_asked(&cqe, asked) }.unwrap();
        assert_eq!(group.bytes(&taken), b"ab", "asked for {asked}");
        group.give_back(taken);
    }
    let (reader, mut writer) = std::io::pipe().unwrap();
    for text in [b"cd", b"ef"] {
        writer.write_all(text).unwrap();
        let read = op::read_into_group(Target::from(reader.as_fd()), 1, 5, 0);
        let cqe = run(&mut ring, &[read])[0];
        // SAFETY: as above.
        let taken = unsafe { group.take(&cqe) }.unwrap();
        assert_eq!(group.bytes(&taken), text);
        group.give_back(taken);
    }
}

#[test]
fn a_multishot_read_goes_on_until_the_buffers_run_out() {
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::READ_MULTISHOT]) else { return };
    let mut group = ring.register_buffer_ring(0, 2, 16, false).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: the group stays registered and the pipe open until the last completion was read.
    unsafe { ring.push(&op::read_multishot(Target::from(reader.as_fd()), 0, 0)) }.unwrap();
    ring.submit().unwrap();
    let mut tokens = Vec::new();
    for text in [&b"one"[..], b"two"] {
        writer.write_all(text).unwrap();
        ring.submit_and_wait_for(1, Duration::from_secs(10)).unwrap();
        let cqe = ring.completions().next().unwrap();
        assert!(cqe.has_more());
        // SAFETY: the completion is of this ring and group, and is taken once.
        let taken = unsafe { group.take(&cqe) }.unwrap();
        assert_eq!(group.bytes(&taken), text);
        tokens.push(taken);
    }
    writer.write_all(b"three").unwrap();
    ring.submit_and_wait_for(1, Duration::from_secs(10)).unwrap();
    let last = ring.completions().next().unwrap();
    assert_eq!((last.result(), last.has_more()), (Err(105), false), "ENOBUFS ends it");
    tokens.into_iter().for_each(|taken| group.give_back(taken));
}

#[test]
#[should_panic(expected = "a token is good for its own ring")]
fn a_token_of_another_group_is_refused() {
    let message = "a token is good for its own ring: skipped";
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::SEND_ZC]) else {
        panic!("{message}")
    };
    let mut one_group = ring.register_buffer_ring(0, 1, 16, false).unwrap();
    let other = ring.register_buffer_ring(1, 1, 16, false).unwrap();
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"x", 0).unwrap();
    let cqe = run(&mut ring, &[op::read_into_group(Target::from(file.as_fd()), 0, 1, 0)])[0];
    // SAFETY: the completion is of this ring and group, and is taken once.
    let taken = unsafe { one_group.take(&cqe) }.unwrap();
    other.bytes(&taken);
}
