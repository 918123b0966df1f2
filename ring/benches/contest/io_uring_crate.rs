//! The `io-uring` crate's side of the contest: as it comes, and with the set-up flags that our
//! builder asks for.
//!
//! `IoUring::submit_and_wait` makes a new `Submitter` each time, and only a `Submitter` remembers a
//! registered descriptor. So there are two loops: the plain one, and one on the parts that `split`
//! gives, with the descriptor registered.

use super::{BLOCK_LEN_BYTES, Blocks, Load, Places, Work, thread_time};
use io_uring::squeue::Entry;
use io_uring::{IoUring, SubmissionQueue, opcode, types};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// One measured run on a new ring, through `IoUring` and without any flag.
pub(super) fn measure_plain(load: &Load, file: BorrowedFd<'_>, blocks: u64) -> Duration {
    measure_on(IoUring::new(load.batch).expect("a ring"), load, file, blocks)
}

/// One measured run on a new ring, through `IoUring`.
pub(super) fn measure(load: &Load, file: BorrowedFd<'_>, blocks: u64) -> Duration {
    measure_on(build(load), load, file, blocks)
}

fn measure_on(mut ring: IoUring, load: &Load, file: BorrowedFd<'_>, blocks: u64) -> Duration {
    let memory = register(&ring, load, file);
    let mut source = Source::new(load, &memory, blocks);
    let mut run = |batches| {
        let begin = thread_time();
        for _ in 0..batches {
            let mut sq = ring.submission();
            source.push(&mut sq);
            drop(sq);
            ring.submit_and_wait(load.batch as usize).expect("a batch is submitted");
            check(ring.completion(), load);
        }
        thread_time() - begin
    };
    run(load.batches / 10);
    run(load.batches)
}

/// One measured run on a new ring, through its parts and a registered descriptor.
pub(super) fn measure_split(load: &Load, file: BorrowedFd<'_>, blocks: u64) -> Duration {
    let mut ring = build(load);
    let memory = register(&ring, load, file);
    let mut source = Source::new(load, &memory, blocks);
    let (mut submitter, mut sq, mut cq) = ring.split();
    submitter.register_ring_fd().expect("a registered descriptor");
    let mut run = |batches| {
        let begin = thread_time();
        for _ in 0..batches {
            source.push(&mut sq);
            sq.sync();
            submitter.submit_and_wait(load.batch as usize).expect("a batch is submitted");
            sq.sync();
            cq.sync();
            check(&mut cq, load);
            cq.sync();
        }
        thread_time() - begin
    };
    run(load.batches / 10);
    let elapsed = run(load.batches);
    // A thread has 16 places for registered descriptors, and the ring's end gives none back.
    submitter.unregister_ring_fd().expect("it was registered");
    elapsed
}

fn build(load: &Load) -> IoUring {
    let build = |no_sqarray| {
        let mut builder = IoUring::builder();
        builder
            .setup_cqsize(load.batch)
            .setup_submit_all()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_single_issuer()
            .setup_defer_taskrun();
        if no_sqarray {
            builder.setup_no_sqarray();
        }
        builder.build(load.batch)
    };
    // Linux before 6.6 has no NO_SQARRAY; our builder gives it up there too.
    build(true).or_else(|_| build(false)).expect("a ring")
}

/// Registers a block of memory per entry, and the file. The memory must outlive the ring's reads:
/// each batch is reaped before the caller returns.
fn register(ring: &IoUring, load: &Load, file: BorrowedFd<'_>) -> Blocks {
    let memory = Blocks::new(load.batch);
    if load.work == Work::FixedRead {
        let buffer = libc::iovec { iov_base: memory.at(0).cast(), iov_len: memory.len_bytes() };
        // SAFETY: the kernel pins the pages, so the ring's end after the memory's does no harm.
        unsafe { ring.submitter().register_buffers(&[buffer]) }.expect("a registered buffer");
        ring.submitter().register_files(&[file.as_raw_fd()]).expect("a registered file");
    }
    memory
}

/// Makes the entries of a batch.
struct Source<'memory> {
    work: Work,
    batch: u32,
    memory: &'memory Blocks,
    places: Places,
}

impl<'memory> Source<'memory> {
    fn new(load: &Load, memory: &'memory Blocks, blocks: u64) -> Self {
        Self { work: load.work, batch: load.batch, memory, places: Places::new(blocks) }
    }

    #[inline]
    fn push(&mut self, sq: &mut SubmissionQueue<'_, Entry>) {
        for index in 0..self.batch {
            let entry = match self.work {
                Work::Nop => opcode::Nop::new().build(),
                Work::FixedRead => {
                    let buffer = self.memory.at(index);
                    opcode::ReadFixed::new(types::Fixed(0), buffer, BLOCK_LEN_BYTES, 0)
                        .offset(self.places.next_offset())
                        .build()
                }
            };
            let entry = entry.user_data(u64::from(index));
            // SAFETY: the memory holds a block per entry of the batch, and the caller reaps the
            // batch before the memory goes.
            unsafe { sq.push(&entry) }.expect("the queue holds a batch");
        }
    }
}

/// Checks each completion of the batch.
#[inline]
fn check(completions: impl Iterator<Item = io_uring::cqueue::Entry>, load: &Load) {
    let (mut count, mut sum) = (0, 0);
    for cqe in completions {
        assert!(cqe.result() == load.result(), "an unexpected result");
        count += 1;
        sum += cqe.user_data();
    }
    let last = u64::from(load.batch) - 1;
    assert!(count == load.batch && sum == last * (last + 1) / 2, "each entry once");
}
