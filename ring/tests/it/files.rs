//! Operations on open files and on memory.

use crate::{one, ring, ring_for, run, supported};
use iomill_ring::abi::RwFlags;
use iomill_ring::op::{self, FileAdvice, SyncRangeFlags};
use iomill_ring::{Builder, Opcode, Target};
use std::io::{IoSlice, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

fn vector(memory: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() }
}

#[test]
fn vectors_are_gathered_and_scattered() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let file = tempfile::tempfile().unwrap();
    let target = Target::from(file.as_fd());
    let (mut one_part, mut other_part) = (*b"abc", *b"defg");
    let vectors = [vector(&mut one_part), vector(&mut other_part)];
    assert_eq!(one(&mut ring, op::writev(target, vectors.as_ptr(), 2, 1)), Ok(7));
    let (mut one_part, mut other_part) = ([0_u8; 5], [0_u8; 2]);
    let vectors = [vector(&mut one_part), vector(&mut other_part)];
    assert_eq!(one(&mut ring, op::readv(target, vectors.as_ptr(), 2, 1)), Ok(7));
    assert_eq!((&one_part, &other_part), (b"abcde", b"fg"));
}

#[test]
fn vectors_inside_a_registered_buffer_are_transferred() {
    let opcodes = [Opcode::READV_FIXED, Opcode::WRITEV_FIXED];
    let Some(mut ring) = ring_for(&Builder::new(4), &opcodes) else { return };
    let file = tempfile::tempfile().unwrap();
    let target = Target::from(file.as_fd());
    let mut memory = vec![7_u8; 8192];
    // SAFETY: the vector lives until the buffers are unregistered at the end of this test.
    unsafe { ring.register_buffers(&[IoSlice::new(&memory)]) }.unwrap();
    let (front, back) = memory.split_at_mut(4096);
    let (vectors, outside) = ([vector(&mut front[..10]), vector(&mut back[..20])], [0_u8; 4]);
    assert_eq!(one(&mut ring, op::writev_fixed(target, vectors.as_ptr(), 2, 0, 0)), Ok(30));
    assert_eq!(one(&mut ring, op::readv_fixed(target, vectors.as_ptr(), 2, 10, 0)), Ok(20));
    let mut outside = outside;
    let vectors = [vector(&mut outside)];
    assert_eq!(one(&mut ring, op::writev_fixed(target, vectors.as_ptr(), 1, 0, 0)), Err(14));
    ring.unregister_buffers().unwrap();
}

#[test]
fn the_files_own_position_moves_on() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let mut file = tempfile::tempfile().unwrap();
    let target = Target::from(file.as_fd());
    file.write_all(b"0123456789").unwrap();
    file.seek(SeekFrom::Start(2)).unwrap();
    let mut bytes = [0_u8; 3];
    let read = op::read(target, bytes.as_mut_ptr(), 3, op::CURRENT_POSITION);
    assert_eq!((one(&mut ring, read), &bytes), (Ok(3), b"234"));
    assert_eq!(file.stream_position().unwrap(), 5);
}

#[test]
fn flags_of_a_transfer_reach_the_kernel() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let file = tempfile::tempfile().unwrap();
    let target = Target::from(file.as_fd());
    let bytes = [1_u8; 16];
    let write = op::write(target, bytes.as_ptr(), 16, 0);
    assert_eq!(one(&mut ring, write.with_rw_flags(RwFlags::DSYNC)), Ok(16));
    assert_eq!(one(&mut ring, write.with_rw_flags(RwFlags::APPEND)), Ok(16));
    assert_eq!(file.metadata().unwrap().len(), 32, "APPEND wins over the offset");
    let polled = one(&mut ring, write.with_rw_flags(RwFlags::HIPRI));
    assert_eq!(polled, Err(22), "EINVAL: this ring does not poll");
    let atomic = one(&mut ring, write.with_rw_flags(RwFlags::ATOMIC));
    assert!(atomic == Err(95) || atomic == Err(22), "buffered: {atomic:?}");
    let uncached = one(&mut ring, write.with_rw_flags(RwFlags::DONTCACHE));
    assert!(matches!(uncached, Ok(16) | Err(95 | 22)), "{uncached:?}");
    let waiting = one(&mut ring, write.with_rw_flags(RwFlags::NOWAIT));
    assert!(matches!(waiting, Ok(16) | Err(11 | 95)), "{waiting:?}");
}

#[test]
fn a_file_is_allocated_cut_advised_and_synced() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let file = tempfile::tempfile().unwrap();
    let target = Target::from(file.as_fd());
    assert_eq!(one(&mut ring, op::fallocate(target, 0, 4096, 8192)), Ok(0));
    assert_eq!(file.metadata().unwrap().len(), 12_288);
    file.write_all_at(&[9; 4096], 0).unwrap();
    let keep_size = libc::FALLOC_FL_KEEP_SIZE.cast_unsigned();
    let punch = libc::FALLOC_FL_PUNCH_HOLE.cast_unsigned() | keep_size;
    assert_eq!(one(&mut ring, op::fallocate(target, punch, 0, 4096)), Ok(0));
    let mut bytes = [1; 4096];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [0; 4096]);
    assert_eq!(one(&mut ring, op::fadvise(target, 0, 0, FileAdvice::DONT_NEED)), Ok(0));
    assert_eq!(one(&mut ring, op::fadvise(target, 0, 0, FileAdvice(99))), Err(22), "EINVAL");
    let all = SyncRangeFlags::WAIT_BEFORE | SyncRangeFlags::WRITE | SyncRangeFlags::WAIT_AFTER;
    assert_eq!(one(&mut ring, op::sync_file_range(target, 0, 4096, all)), Ok(0));
    let unknown = SyncRangeFlags::from_bits_retain(1 << 9);
    assert_eq!(one(&mut ring, op::sync_file_range(target, 0, 0, unknown)), Err(22), "EINVAL");
}

#[test]
fn a_file_is_cut_and_stretched() {
    let Some(mut ring) = ring_for(&Builder::new(4), &[Opcode::FTRUNCATE]) else { return };
    let file = tempfile::tempfile().unwrap();
    let target = Target::from(file.as_fd());
    for len_bytes in [10_000, 3] {
        assert_eq!(one(&mut ring, op::ftruncate(target, len_bytes)), Ok(0));
        assert_eq!(file.metadata().unwrap().len(), len_bytes);
    }
}

#[test]
fn memory_is_advised() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let layout = std::alloc::Layout::from_size_align(8192, 4096).unwrap();
    // SAFETY: the layout has a size.
    let memory = unsafe { std::alloc::alloc_zeroed(layout) };
    assert!(!memory.is_null());
    assert_eq!(one(&mut ring, op::madvise(memory, 4096, libc::MADV_WILLNEED)), Ok(0));
    assert_eq!(one(&mut ring, op::madvise(memory, 4096, 9999)), Err(22), "EINVAL");
    // SAFETY: it came from there with this layout, and no entry that names it is in flight.
    unsafe { std::alloc::dealloc(memory, layout) };
}

#[test]
fn bytes_go_through_pipes_without_a_copy() {
    let opcodes = [Opcode::SPLICE, Opcode::TEE];
    let Some(mut ring) = ring_for(&Builder::new(4), &opcodes) else { return };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789").unwrap();
    let (mut first_reader, first_writer) = std::io::pipe().unwrap();
    let (mut second_reader, second_writer) = std::io::pipe().unwrap();
    let (file, first_in) = (Target::from(file.as_fd()), Target::from(first_writer.as_fd()));
    let splice = op::splice(file, 4, first_in, op::NO_OFFSET, 5, 0);
    assert_eq!(one(&mut ring, splice), Ok(5));
    let first_out = Target::from(first_reader.as_fd());
    let tee = op::tee(first_out, Target::from(second_writer.as_fd()), 3, 0);
    assert_eq!(one(&mut ring, tee), Ok(3));
    let (mut all, mut copy) = ([0; 5], [0; 3]);
    first_reader.read_exact(&mut all).unwrap();
    second_reader.read_exact(&mut copy).unwrap();
    assert_eq!((&all, &copy), (b"45678", b"456"));

    ring.register_files_sparse(2).unwrap();
    ring.update_file(1, Some(first_reader.as_fd())).unwrap();
    let tee = op::tee(Target::Fixed(1), Target::from(second_writer.as_fd()), 3, 0);
    assert_eq!(run(&mut ring, &[op::write(first_in, b"x".as_ptr(), 1, 0), tee])[1].result(), Ok(1));
}

#[test]
fn a_pipe_is_made() {
    let Some(mut ring) = ring_for(&Builder::new(4), &[Opcode::PIPE]) else { return };
    ring.register_files_sparse(4).unwrap();
    let mut ends = [-1; 2];
    let pipe = op::pipe(&raw mut ends, libc::O_CLOEXEC);
    assert_eq!(one(&mut ring, pipe), Ok(0));
    let mut byte = 0_u8;
    let write = op::write(Target::Fd(ends[1]), b"x".as_ptr(), 1, 0);
    assert_eq!(one(&mut ring, write), Ok(1));
    let read = op::read(Target::Fd(ends[0]), &raw mut byte, 1, 0);
    assert_eq!((one(&mut ring, read), byte), (Ok(1), b'x'));
    for end in ends {
        assert_eq!(one(&mut ring, op::close(end)), Ok(0));
    }
}

#[test]
fn a_command_to_a_file_without_a_driver_is_refused() {
    let Some(mut ring) = ring_for(&Builder::new(4).sqe128(), &[Opcode::URING_CMD]) else { return };
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    assert_eq!(one(&mut ring, op::command(target, 1, [0; 16])), Err(95), "EOPNOTSUPP");
    let (sqe, tail) = op::command128(target, 1, &[0; op::COMMAND_LEN_BYTES]);
    // SAFETY: the file outlives the completion, and a regular file takes no command.
    unsafe { ring.push128(&sqe, &tail) }.unwrap();
    ring.submit_and_wait(1).unwrap();
    assert_eq!(ring.completions().next().unwrap().result(), Err(95), "EOPNOTSUPP");
    let discard = one(&mut ring, op::block_discard(target, 0, 4096));
    assert_eq!(discard, Err(95), "EOPNOTSUPP");
}

#[test]
fn an_injected_result_comes_back() {
    let Some(known) = supported(iomill_ring::query()) else { return };
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    assert!(known.opcodes > 60);
    assert_eq!(one(&mut ring, op::nop_with_result(77)), Ok(77));
    assert_eq!(one(&mut ring, op::nop_with_result(-5)), Err(5));
}
