//! After set-up the ring allocates nothing, and a batch costs one system call. In a binary of its
//! own, because the allocator that counts is the whole process's.
#![allow(clippy::unwrap_used)]

use iomill_ring::{Builder, Ring, Target, op};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{IoSlice, Write};
use std::os::fd::AsFd;

/// Counts what this thread takes: the test harness has threads of its own.
struct Counting;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is `System`'s; counting neither allocates nor unwinds, as the cell is const.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_len_bytes: usize) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: the pointer came from `System` above, and the caller keeps the same contract.
        unsafe { System.realloc(pointer, layout, new_len_bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BATCH: u32 = 32;
const ROUNDS: u64 = 1000;
const BLOCK_LEN_BYTES: usize = 4096;

fn ring() -> Option<Ring> {
    match Builder::new(BATCH).build() {
        Ok(ring) => Some(ring),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Submits what was pushed and reads as many completions, each with this result.
fn reap(ring: &mut Ring, result: u32) {
    ring.submit_and_wait(BATCH).unwrap();
    let mut count = 0;
    for cqe in ring.completions() {
        assert_eq!(cqe.result(), Ok(result));
        count += 1;
    }
    assert_eq!(count, BATCH);
}

/// Runs `batch` many times, and asserts what this file is about.
fn assert_frugal(ring: &mut Ring, mut batch: impl FnMut(&mut Ring)) {
    let (enters, taken) = (ring.counters().enters, TAKEN.get());
    for _ in 0..ROUNDS {
        batch(ring);
    }
    assert_eq!(TAKEN.get() - taken, 0, "allocations in {ROUNDS} batches");
    assert_eq!(ring.counters().enters - enters, ROUNDS, "one system call per batch");
}

#[test]
fn the_allocator_counts() {
    let taken = TAKEN.get();
    drop(std::hint::black_box(Box::new(7_u64)));
    assert_eq!(TAKEN.get() - taken, 1);
}

#[test]
fn batches_of_nops_allocate_nothing_and_enter_once_each() {
    let Some(mut ring) = ring() else { return };
    assert_frugal(&mut ring, |ring| {
        for index in 0..BATCH {
            // SAFETY: a NOP names no memory and no file.
            unsafe { ring.push(&op::nop().with_user_data(u64::from(index))) }.unwrap();
        }
        reap(ring, 0);
    });
}

#[test]
fn batches_of_fixed_reads_allocate_nothing_and_enter_once_each() {
    let Some(mut ring) = ring() else { return };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![0x5a; BATCH as usize * BLOCK_LEN_BYTES]).unwrap();
    let mut memory = vec![0_u8; BATCH as usize * BLOCK_LEN_BYTES];
    let base = memory.as_mut_ptr();
    // SAFETY: the vector lives until the buffers are unregistered at the end of this test.
    unsafe { ring.register_buffers(&[IoSlice::new(&memory)]) }.unwrap();
    ring.register_files_sparse(1).unwrap();
    ring.update_file(0, Some(file.as_fd())).unwrap();
    assert_frugal(&mut ring, |ring| {
        for index in 0..BATCH {
            let offset = index as usize * BLOCK_LEN_BYTES;
            let place = base.wrapping_add(offset);
            let sqe = op::read_fixed(Target::Fixed(0), place, 4096, offset as u64, 0);
            // SAFETY: the memory holds a block per entry, and `reap` waits for all of them.
            unsafe { ring.push(&sqe) }.unwrap();
        }
        reap(ring, 4096);
    });
    ring.unregister_buffers().unwrap();
    assert!(memory.iter().all(|byte| *byte == 0x5a));
}
