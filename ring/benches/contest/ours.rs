//! This crate's side of the contest: `Builder::new` and nothing switched on by hand. It registers
//! the ring's descriptor by itself.

use super::{BLOCK_LEN_BYTES, Blocks, Load, Places, Work, thread_time};
use iomill_ring::{Builder, Ring, Target, op};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// One measured run on a new ring.
pub(super) fn measure(load: &Load, file: BorrowedFd<'_>, blocks: u64) -> Duration {
    let mut ring = Builder::new(load.batch).cq_entries(load.batch).build().expect("a ring");
    let warm_up = Load { batches: load.batches / 10, ..*load };
    if load.work == Work::Nop {
        nops(&mut ring, &warm_up);
        return nops(&mut ring, load);
    }
    let memory = Blocks::new(load.batch);
    // SAFETY: the whole allocation, which was zeroed; only the kernel writes it from here on.
    let bytes = unsafe { std::slice::from_raw_parts(memory.at(0), memory.len_bytes()) };
    // SAFETY: the memory lives until the buffers are unregistered below.
    unsafe { ring.register_buffers(&[IoSlice::new(bytes)]) }.expect("a registered buffer");
    ring.register_files_sparse(1).expect("a table of files");
    ring.update_file(0, Some(file)).expect("a registered file");
    let mut places = Places::new(blocks);
    reads(&mut ring, &warm_up, &memory, &mut places);
    let elapsed = reads(&mut ring, load, &memory, &mut places);
    ring.unregister_buffers().expect("no read is in flight");
    elapsed
}

fn nops(ring: &mut Ring, load: &Load) -> Duration {
    let begin = thread_time();
    for _ in 0..load.batches {
        for index in 0..load.batch {
            let sqe = op::nop().with_user_data(u64::from(index));
            // SAFETY: a NOP names no memory and no file.
            unsafe { ring.push(&sqe) }.expect("the queue holds a batch");
        }
        reap(ring, load);
    }
    thread_time() - begin
}

fn reads(ring: &mut Ring, load: &Load, memory: &Blocks, places: &mut Places) -> Duration {
    let begin = thread_time();
    for _ in 0..load.batches {
        for index in 0..load.batch {
            let (buffer, offset) = (memory.at(index), places.next_offset());
            let sqe = op::read_fixed(Target::Fixed(0), buffer, BLOCK_LEN_BYTES, offset, 0)
                .with_user_data(u64::from(index));
            // SAFETY: the caller's memory holds a block per entry of the batch, and `reap` waits
            // for all of them.
            unsafe { ring.push(&sqe) }.expect("the queue holds a batch");
        }
        reap(ring, load);
    }
    thread_time() - begin
}

/// Submits the batch, waits for it, and checks each completion.
#[inline]
fn reap(ring: &mut Ring, load: &Load) {
    ring.submit_and_wait(load.batch).expect("a batch is submitted");
    let (mut count, mut sum) = (0, 0);
    for cqe in ring.completions() {
        assert!(cqe.res == load.result(), "an unexpected result");
        count += 1;
        sum += cqe.user_data;
    }
    let last = u64::from(load.batch) - 1;
    assert!(count == load.batch && sum == last * (last + 1) / 2, "each entry once");
}
