//! Registered buffers and files.

use crate::{ring, run};
use iomill_ring::{Builder, ErrorKind, Target, op};
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

#[test]
fn fixed_buffers_and_files_transfer_the_same_bytes() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let file = tempfile::tempfile().unwrap();
    let mut memory = vec![0_u8; 8192];
    memory[..4096].fill(0x5a);
    // SAFETY: the vector lives until the buffers are unregistered at the end of this test.
    unsafe { ring.register_buffers(&[IoSlice::new(&memory)]) }.unwrap();
    ring.register_files_sparse(4).unwrap();
    ring.update_file(2, Some(file.as_fd())).unwrap();
    let target = Target::Fixed(2);
    let write = op::write_fixed(target, memory.as_ptr(), 4096, 4096, 0);
    assert_eq!(run(&mut ring, &[write])[0].result(), Ok(4096));
    let read = op::read_fixed(target, memory.as_mut_ptr().wrapping_add(4096), 4096, 4096, 0);
    assert_eq!(run(&mut ring, &[read])[0].result(), Ok(4096));
    ring.unregister_buffers().unwrap();
    assert!(memory.iter().all(|byte| *byte == 0x5a));
    let mut by_std = [0; 4096];
    file.read_exact_at(&mut by_std, 4096).unwrap();
    assert_eq!(by_std[..], memory[..4096]);
}

#[test]
fn a_fixed_transfer_outside_of_its_buffer_is_refused_by_the_kernel() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let file = tempfile::tempfile().unwrap();
    let memory = vec![0_u8; 8192];
    // SAFETY: the vector lives until the buffers are unregistered at the end of this test.
    unsafe { ring.register_buffers(&[IoSlice::new(&memory[..4096])]) }.unwrap();
    let target = Target::from(file.as_fd());
    let write = op::write_fixed(target, memory.as_ptr(), 8192, 0, 0);
    assert_eq!(run(&mut ring, &[write])[0].result(), Err(14), "EFAULT");
    ring.unregister_buffers().unwrap();
}

#[test]
fn an_emptied_slot_and_a_missing_table_are_errors_that_say_so() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let file = tempfile::tempfile().unwrap();
    let error = ring.update_file(0, Some(file.as_fd())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("slot 0"), "{error}");
    ring.register_files_sparse(1).unwrap();
    ring.update_file(0, Some(file.as_fd())).unwrap();
    ring.update_file(0, None).unwrap();
    let mut byte = 0_u8;
    let read = op::read(Target::Fixed(0), &raw mut byte, 1, 0);
    assert_eq!(run(&mut ring, &[read])[0].result(), Err(9), "EBADF");
}
