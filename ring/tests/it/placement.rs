//! Set-up beyond the default: entry sizes, lent memory, huge pages, a ring without a descriptor,
//! shared workers, resizing, and wishes that exclude each other.

use crate::{one, ring, run, supported};
use iomill_ring::abi::{KernelTimespec, SetupFlags};
use iomill_ring::{Builder, ErrorKind, Ring, SqPoll, Wait, op};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// A mapping of its own for queues, not the allocator's: the kernel writes there also for a while
/// after the ring was dropped.
struct Memory {
    base: NonNull<u8>,
    len_bytes: usize,
}

impl Memory {
    fn new(len_bytes: usize) -> Self {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let null = std::ptr::null_mut();
        // SAFETY: a fresh address is asked for, so no existing memory is replaced.
        let base = unsafe { mmap_anonymous(null, len_bytes, protection, MapFlags::PRIVATE) };
        Self { base: NonNull::new(base.unwrap().cast()).unwrap(), len_bytes }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: base and length are those of `mmap`, and the rings in it were dropped.
        unsafe { munmap(self.base.as_ptr().cast(), self.len_bytes) }.unwrap();
    }
}

fn works(ring: &mut Ring) {
    for round in 0..20 {
        let entries =
            [op::nop().with_user_data(2 * round), op::nop().with_user_data(2 * round + 1)];
        let done = run(ring, &entries);
        let seen: Vec<_> = done.iter().map(|cqe| cqe.user_data).collect();
        assert_eq!(seen, [2 * round, 2 * round + 1]);
    }
}

#[test]
fn wishes_that_exclude_each_other_are_refused_with_both_names() {
    let poll = SqPoll { idle: Duration::ZERO, cpu: None };
    let new = || Builder::new(4);
    for (builder, first, second) in [
        (new().cqe32().cqe_mixed(), "CQE32", "CQE_MIXED"),
        (new().sqe128().sqe_mixed(), "SQE128", "SQE_MIXED"),
        (new().registered_fd_only(), "REGISTERED_FD_ONLY", "NO_MMAP"),
        (new().require(SetupFlags::HYBRID_IOPOLL), "HYBRID_IOPOLL", "IOPOLL"),
        (new().sqpoll(poll).require(SetupFlags::COOP_TASKRUN), "SQPOLL", "COOP_TASKRUN"),
        (new().require(SetupFlags::DEFER_TASKRUN), "DEFER_TASKRUN", "SINGLE_ISSUER"),
        (new().require(SetupFlags::SQPOLL), "SQPOLL", "its own method"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::InvalidArgument, None), "{error}");
        let text = error.to_string();
        assert!(text.contains(first) && text.contains(second), "{text}");
    }
}

#[test]
fn a_required_flag_that_the_kernel_lacks_is_an_error_with_its_name() {
    let Some(known) = supported(iomill_ring::query()) else { return };
    match Builder::new(4).sqe_mixed().build() {
        Ok(ring) => assert!(ring.setup_flags().contains(SetupFlags::SQE_MIXED)),
        Err(error) => {
            assert!(!known.setup_flags.contains(SetupFlags::SQE_MIXED));
            assert_eq!((error.kind(), error.errno()), (ErrorKind::Unsupported, Some(22)));
            assert!(error.to_string().contains("refuses SetupFlags(SQE_MIXED)"), "{error}");
        }
    }
    let sqpoll = SqPoll { idle: Duration::ZERO, cpu: Some(100_000) };
    let error = Builder::new(4).sqpoll(sqpoll).build().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("SQ_AFF") && text.contains("CPU 100000"), "{text}");
}

#[test]
fn each_entry_size_works() {
    let new = || Builder::new(4);
    for (builder, flags) in [
        (new().sqe128(), SetupFlags::SQE128),
        (new().cqe32(), SetupFlags::CQE32),
        (new().sqe128().cqe32(), SetupFlags::SQE128 | SetupFlags::CQE32),
        (new().cqe_mixed(), SetupFlags::CQE_MIXED),
        (new().cqe_mixed().without(SetupFlags::NO_SQARRAY), SetupFlags::CQE_MIXED),
    ] {
        if let Some(mut ring) = supported(builder.build()) {
            assert!(ring.setup_flags().contains(flags));
            works(&mut ring);
        }
    }
}

#[test]
fn polled_rings_come_up_and_refuse_what_cannot_be_polled() {
    for builder in [Builder::new(4).iopoll(), Builder::new(4).hybrid_iopoll()] {
        let Some(mut ring) = supported(builder.build()) else { continue };
        let file = tempfile::tempfile().unwrap();
        let target = iomill_ring::Target::from(std::os::fd::AsFd::as_fd(&file));
        let sync = op::fsync(target, op::FsyncFlags::empty());
        assert_eq!(one(&mut ring, sync), Err(22), "EINVAL");
    }
}

#[test]
fn sizes_beyond_the_limit_are_cut_when_asked_for() {
    let builder = Builder::new(40_000).clamp();
    let Some(ring) = supported(builder.build()) else { return };
    assert_eq!((ring.sq_entries(), ring.cq_entries()), (32_768, 65_536));
}

#[test]
fn the_queues_lie_in_the_callers_memory() {
    let builder = Builder::new(64);
    let memory = Memory::new(builder.memory_len_bytes());
    // SAFETY: the memory is a mapping of its own, outlives the ring, and serves one ring only.
    let too_small = unsafe { builder.clone().no_mmap(memory.base, 4096) };
    let error = too_small.build().unwrap_err();
    assert!(error.to_string().contains("NO_MMAP") && error.errno().is_none(), "{error}");
    // SAFETY: as above; the ring before never came up.
    let builder = unsafe { builder.no_mmap(memory.base, memory.len_bytes) };
    let Some(mut ring) = supported(builder.build()) else { return };
    assert!(ring.setup_flags().contains(SetupFlags::NO_MMAP));
    works(&mut ring);
    assert!(ring.resize(128, 128).unwrap_err().to_string().contains("NO_MMAP"));
}

#[test]
fn a_ring_without_a_descriptor_works_on_its_thread() {
    // More often than the thread has indices: each must have been given back.
    for _ in 0..40 {
        let builder = Builder::new(8).registered_fd_only();
        let memory = Memory::new(builder.memory_len_bytes());
        // SAFETY: the memory is a mapping of its own, outlives the ring, and serves one ring only.
        let builder = unsafe { builder.no_mmap(memory.base, memory.len_bytes) };
        let Some(mut ring) = supported(builder.build()) else { break };
        assert!(ring.fd().is_none());
        works(&mut ring);
        assert!(ring.probe().is_ok());
        let error = builder.build_disabled().unwrap_err();
        assert!(error.to_string().contains("R_DISABLED"), "{error}");
    }
}

#[test]
fn huge_pages_are_used_or_the_message_says_how_to_reserve_them() {
    match Builder::new(64).huge_pages().build() {
        Ok(mut ring) => works(&mut ring),
        Err(error) if error.kind() == ErrorKind::OutOfMemory => {
            assert!(error.to_string().contains("vm.nr_hugepages"), "{error}");
        }
        Err(error) => eprintln!("skipped: {error}"),
    }
}

#[test]
fn registered_indices_are_given_back() {
    for _ in 0..40 {
        let Some(ring) = ring(&Builder::new(4)) else { return };
        let missing = ring.given_up().iter().find(|part| part.what.contains("descriptor"));
        assert!(missing.is_none_or(|part| part.errno == Some(22)), "{missing:?}");
    }
}

#[test]
fn workers_are_shared_with_a_ring_and_not_with_a_file() {
    let Some(first) = ring(&Builder::new(4)) else { return };
    let attached = Builder::new(4).attach_wq(first.fd().unwrap()).unwrap();
    works(&mut attached.build().unwrap());
    let file = tempfile::tempfile().unwrap();
    let wrong = Builder::new(4).attach_wq(std::os::fd::AsFd::as_fd(&file)).unwrap();
    let error = wrong.build().unwrap_err();
    assert!(error.to_string().contains("ATTACH_WQ"), "{error}");
    let sqpoll = SqPoll { idle: Duration::ZERO, cpu: None };
    let unlike = Builder::new(4).sqpoll(sqpoll).attach_wq(first.fd().unwrap()).unwrap();
    let error = unlike.build().unwrap_err();
    assert!(error.to_string().contains("needs SQPOLL too"), "{error}");
}

#[test]
fn a_ring_grows_and_keeps_its_unread_completions() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    for user_data in 0..3 {
        // SAFETY: a NOP names no memory and no file.
        unsafe { ring.push(&op::nop().with_user_data(user_data)) }.unwrap();
    }
    let deferred = ring.setup_flags().contains(SetupFlags::DEFER_TASKRUN);
    let why = if deferred { "submit them first" } else { "only a ring with DEFER_TASKRUN" };
    let error = ring.resize(64, 128).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    if !deferred {
        return eprintln!("skipped: this kernel has no DEFER_TASKRUN, which came with Linux 6.1");
    }
    ring.submit_and_wait(3).unwrap();
    let Some(()) = supported(ring.resize(64, 128)) else { return };
    assert_eq!((ring.sq_entries(), ring.cq_entries()), (64, 128));
    let seen: Vec<_> = ring.completions().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, [0, 1, 2]);
    works(&mut ring);
    let wide: Vec<_> = (0..64).map(|user_data| op::nop().with_user_data(user_data)).collect();
    assert_eq!(run(&mut ring, &wide).len(), 64);
    ring.resize(2, 4).unwrap();
    works(&mut ring);
    let fixed = Builder::new(4).without(SetupFlags::DEFER_TASKRUN).build().unwrap().resize(8, 8);
    assert!(fixed.unwrap_err().to_string().contains("DEFER_TASKRUN"));
}

#[test]
fn a_minimum_wait_ends_with_one_completion_where_more_were_asked_for() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    // SAFETY: a NOP names no memory and no file.
    unsafe { ring.push(&op::nop()) }.unwrap();
    let short = Duration::from_millis(5);
    let wait = Wait::until(2).min_wait(short).timeout(Duration::from_secs(60));
    let begin = Instant::now();
    let Some(taken) = supported(ring.submit_with(&wait)) else { return };
    assert_eq!((taken, ring.ready()), (1, 1));
    assert!((short..Duration::from_secs(30)).contains(&begin.elapsed()));
}

#[test]
fn waits_without_limit_and_without_iowait_work() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    for wait in [Wait::until(1), Wait::until(1).no_iowait()] {
        // SAFETY: a NOP names no memory and no file.
        unsafe { ring.push(&op::nop()) }.unwrap();
        let Some(taken) = supported(ring.submit_with(&wait)) else { return };
        assert_eq!((taken, ring.completions().count()), (1, 1));
    }
    let future = KernelTimespec { tv_sec: i64::MAX >> 40, tv_nsec: 0 };
    // SAFETY: a NOP names no memory and no file.
    unsafe { ring.push(&op::nop()) }.unwrap();
    assert_eq!(ring.submit_with(&Wait::until(1).deadline(future)), Ok(1));
    assert_eq!(ring.wait_for_room(), Ok(()));
}

#[test]
fn a_polling_thread_makes_room() {
    let sqpoll = SqPoll { idle: Duration::from_millis(100), cpu: None };
    let Some(mut ring) = supported(Builder::new(2).sqpoll(sqpoll).build()) else { return };
    for user_data in 0..1000 {
        let entry = op::nop().with_user_data(user_data);
        // SAFETY: a NOP names no memory and no file.
        if unsafe { ring.push(&entry) }.is_err() {
            ring.submit().unwrap();
            ring.wait_for_room().unwrap();
            // SAFETY: as above.
            unsafe { ring.push(&entry) }.unwrap();
        }
        ring.submit().unwrap();
        ring.completions().count();
    }
    while ring.pending() > 0 {
        ring.submit().unwrap();
    }
    assert_eq!(ring.lost(), 0);
}
