//! Reads, writes and fsyncs on a real file, compared with what the standard library sees.

use crate::{ring, run};
use iomill_ring::{Builder, FsyncFlags, Target, op};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

#[test]
fn writes_reads_and_syncs_agree_with_the_standard_library() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let file = tempfile::tempfile().unwrap();
    let target = Target::from(file.as_fd());
    let data: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let done = run(&mut ring, &[op::write(target, data.as_ptr(), 10_000, 77)]);
    assert_eq!(done[0].result(), Ok(10_000));
    let done = run(&mut ring, &[op::fsync(target, FsyncFlags::DATASYNC)]);
    assert_eq!(done[0].result(), Ok(0));

    let mut by_std = vec![0; 10_077];
    file.read_exact_at(&mut by_std, 0).unwrap();
    assert_eq!(by_std[77..], data);
    let mut by_ring = vec![1_u8; 10_077];
    let done = run(&mut ring, &[op::read(target, by_ring.as_mut_ptr(), 10_077, 0)]);
    assert_eq!(done[0].result(), Ok(10_077));
    assert_eq!(by_ring, by_std);
}

#[test]
fn a_read_over_the_end_is_short_and_one_beyond_it_is_empty() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"hello", 0).unwrap();
    let target = Target::from(file.as_fd());
    let mut buffer = [9_u8; 8];
    let pointer = buffer.as_mut_ptr();
    let short = op::read(target, pointer, 4, 3).with_user_data(1);
    assert_eq!(run(&mut ring, &[short])[0].result(), Ok(2));
    assert_eq!(run(&mut ring, &[op::read(target, pointer, 4, 5)])[0].result(), Ok(0));
    assert_eq!(buffer, [b'l', b'o', 9, 9, 9, 9, 9, 9]);
}

#[test]
fn a_failed_operation_answers_its_errno() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let mut byte = 0_u8;
    let read = op::read(Target::Fd(-1), &raw mut byte, 1, 0);
    assert_eq!(run(&mut ring, &[read])[0].result(), Err(9), "EBADF");
}
